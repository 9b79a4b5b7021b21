output "route_table_id" {
  description = "The route table"
  value       = aws_route_table.this.id
}
