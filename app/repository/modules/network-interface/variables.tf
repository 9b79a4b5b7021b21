variable "name" {
  description = "Name tag and description of the interface"
  type        = string
}

variable "subnet_id" {
  description = "Subnet that the interface is in"
  type        = string
}

variable "security_group_ids" {
  description = "Security groups of the interface"
  type        = list(string)
}
