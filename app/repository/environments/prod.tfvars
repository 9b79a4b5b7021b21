cidr_block   = "10.30.0.0/16"
zones        = ["a", "b", "c"]
nat_gateways = 3
