# One subnet. What makes it public or private is the route table it is associated with; none hands out public addresses by
# itself.

resource "aws_subnet" "this" {
  vpc_id                  = var.vpc_id
  cidr_block              = var.cidr_block
  availability_zone       = var.availability_zone
  map_public_ip_on_launch = false

  tags = {
    Name = var.name
  }
}
