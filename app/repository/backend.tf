# Bucket, key, region and KMS key come from -backend-config at init (scripts/init.sh), one state bucket per account.
# The lock is an object beside the state; no DynamoDB table.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
