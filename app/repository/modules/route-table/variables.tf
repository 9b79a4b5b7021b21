variable "name" {
  description = "Name tag of the route table"
  type        = string
}

variable "vpc_id" {
  description = "VPC that the route table is in"
  type        = string
}

variable "subnet_ids" {
  description = "Subnets that use the route table"
  type        = list(string)
}

variable "default_route" {
  description = "Where traffic that leaves the VPC goes: an internet gateway or a NAT gateway; null to keep it inside"
  type = object({
    internet_gateway_id = optional(string)
    nat_gateway_id      = optional(string)
  })
  default = null
}
