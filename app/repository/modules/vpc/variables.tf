variable "name" {
  description = "Name tag of the VPC and its gateway"
  type        = string
}

variable "cidr_block" {
  description = "IPv4 range of the VPC"
  type        = string
}
