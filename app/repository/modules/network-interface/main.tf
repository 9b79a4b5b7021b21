# A network interface that keeps its private address when what it is attached to is replaced.

resource "aws_network_interface" "this" {
  description     = var.name
  subnet_id       = var.subnet_id
  security_groups = var.security_group_ids

  tags = {
    Name = var.name
  }
}
