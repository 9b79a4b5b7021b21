output "subnet_id" {
  description = "The subnet"
  value       = aws_subnet.this.id
}
