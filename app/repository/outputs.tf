output "vpc_id" {
  description = "The VPC"
  value       = module.vpc.vpc_id
}

output "public_subnet_ids" {
  description = "The public subnets, by zone"
  value       = module.public_subnets[*].subnet_id
}

output "private_subnet_ids" {
  description = "The private subnets, by zone"
  value       = module.private_subnets[*].subnet_id
}

output "route_table_ids" {
  description = "The route tables: the public one, then the private ones by zone"
  value       = concat([module.public_routes.route_table_id], module.private_routes[*].route_table_id)
}

output "network_interface_ids" {
  description = "The network interfaces in the private subnets, by zone"
  value       = module.network_interfaces[*].network_interface_id
}
