# A VPC with its internet gateway, and a default security group that lets nothing through.

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs need a role and a log group that the account's owners provide
  cidr_block           = var.cidr_block
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = {
    Name = var.name
  }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = {
    Name = var.name
  }
}

# AWS makes this group with rules that let its members talk; taking it over without rules closes it.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = {
    Name = "${var.name}-default"
  }
}
