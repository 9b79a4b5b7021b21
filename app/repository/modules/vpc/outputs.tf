output "vpc_id" {
  description = "The VPC"
  value       = aws_vpc.this.id
}

output "internet_gateway_id" {
  description = "The internet gateway attached to the VPC"
  value       = aws_internet_gateway.this.id
}

output "default_security_group_id" {
  description = "The default security group, which has no rules"
  value       = aws_default_security_group.this.id
}
