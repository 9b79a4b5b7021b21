variable "name" {
  description = "Name tag of the subnet"
  type        = string
}

variable "vpc_id" {
  description = "VPC that the subnet is in"
  type        = string
}

variable "cidr_block" {
  description = "IPv4 range of the subnet"
  type        = string
}

variable "availability_zone" {
  description = "Availability zone of the subnet"
  type        = string
}
