variable "name" {
  description = "Name of the network: the prefix of every Name tag"
  type        = string
  default     = "xacct"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "The name must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "stage" {
  description = "Stage that is deployed: the pipeline's STAGE"
  type        = string

  validation {
    condition     = contains(["dev", "qa", "prod"], var.stage)
    error_message = "The stage must be dev, qa or prod."
  }
}

variable "region" {
  description = "Region that the network is made in"
  type        = string
}

variable "account_id" {
  description = "Account that the network may be made in; null to trust the credentials"
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "The account id must have 12 digits."
  }
}

variable "cidr_block" {
  description = "IPv4 range of the VPC, at least a /20"
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr_block)) && try(tonumber(split("/", var.cidr_block)[1]) <= 20, false)
    error_message = "The range must be IPv4 CIDR of at least a /20, such as 10.10.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the availability zones, each with a public and a private subnet. Named, not looked up: a zone that AWS adds must not move a subnet"
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) <= 4 && alltrue([for letter in var.zones : can(regex("^[a-f]$", letter))])
    error_message = "Give 1 to 4 zones by their letter, such as [\"a\", \"b\"]."
  }

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones)
    error_message = "A zone is given twice."
  }
}

variable "nat_gateways" {
  description = "NAT gateways for the private subnets: 0 for none, 1 for a shared one, otherwise one per zone"
  type        = number
  default     = 0

  validation {
    condition     = contains([0, 1, length(var.zones)], var.nat_gateways)
    error_message = "The number of NAT gateways must be 0, 1 or the number of zones."
  }
}
