output "network_interface_id" {
  description = "The network interface"
  value       = aws_network_interface.this.id
}
