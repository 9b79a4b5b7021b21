cidr_block   = "10.20.0.0/16"
zones        = ["a", "b"]
nat_gateways = 0
