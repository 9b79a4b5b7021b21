terraform {
  # use_lockfile, which backend.tf relies on, is generally available from 1.11 on.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

# No assume_role here: each stage is planned and applied by a build that already runs in the stage's own account.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = {
      Application = var.name
      Stage       = var.stage
      ManagedBy   = "terraform"
    }
  }
}
