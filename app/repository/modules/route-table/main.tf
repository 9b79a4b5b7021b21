# A route table, its association with subnets, and a default route where one is given.

resource "aws_route_table" "this" {
  vpc_id = var.vpc_id

  tags = {
    Name = var.name
  }
}

resource "aws_route" "default" {
  count = var.default_route == null ? 0 : 1

  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = var.default_route.internet_gateway_id
  nat_gateway_id         = var.default_route.nat_gateway_id
}

resource "aws_route_table_association" "this" {
  count = length(var.subnet_ids)

  route_table_id = aws_route_table.this.id
  subnet_id      = var.subnet_ids[count.index]
}
