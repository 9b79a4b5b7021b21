# The network of one stage: a VPC, a public and a private subnet per availability zone, their route tables, and a network
# interface in each private subnet that workloads attach to.

locals {
  prefix = "${var.name}-${var.stage}"
  zones  = [for letter in var.zones : "${var.region}${letter}"]

  # Each subnet gets a sixteenth of the range: public ones from the start, private ones from the middle.
  public_ranges  = [for index in range(length(local.zones)) : cidrsubnet(var.cidr_block, 4, index)]
  private_ranges = [for index in range(length(local.zones)) : cidrsubnet(var.cidr_block, 4, 8 + index)]
}

module "vpc" {
  source = "./modules/vpc"

  name       = local.prefix
  cidr_block = var.cidr_block
}

module "public_subnets" {
  source = "./modules/subnet"
  count  = length(local.zones)

  name              = "${local.prefix}-public-${count.index}"
  vpc_id            = module.vpc.vpc_id
  cidr_block        = local.public_ranges[count.index]
  availability_zone = local.zones[count.index]
}

module "private_subnets" {
  source = "./modules/subnet"
  count  = length(local.zones)

  name              = "${local.prefix}-private-${count.index}"
  vpc_id            = module.vpc.vpc_id
  cidr_block        = local.private_ranges[count.index]
  availability_zone = local.zones[count.index]
}

resource "aws_eip" "nat" {
  count = var.nat_gateways

  domain = "vpc"

  tags = {
    Name = "${local.prefix}-nat-${count.index}"
  }
}

resource "aws_nat_gateway" "this" {
  count = var.nat_gateways

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = module.public_subnets[count.index].subnet_id

  tags = {
    Name = "${local.prefix}-nat-${count.index}"
  }

  depends_on = [module.vpc]
}

module "public_routes" {
  source = "./modules/route-table"

  name       = "${local.prefix}-public"
  vpc_id     = module.vpc.vpc_id
  subnet_ids = module.public_subnets[*].subnet_id

  default_route = {
    internet_gateway_id = module.vpc.internet_gateway_id
  }
}

module "private_routes" {
  source = "./modules/route-table"
  count  = length(local.zones)

  name       = "${local.prefix}-private-${count.index}"
  vpc_id     = module.vpc.vpc_id
  subnet_ids = [module.private_subnets[count.index].subnet_id]

  default_route = var.nat_gateways == 0 ? null : {
    nat_gateway_id = aws_nat_gateway.this[min(count.index, var.nat_gateways - 1)].id
  }
}

module "network_interfaces" {
  source = "./modules/network-interface"
  count  = length(local.zones)

  name               = "${local.prefix}-${count.index}"
  subnet_id          = module.private_subnets[count.index].subnet_id
  security_group_ids = [module.vpc.default_security_group_id]
}
