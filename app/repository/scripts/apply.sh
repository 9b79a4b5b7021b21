#!/usr/bin/env bash
# Applies exactly the plan that was saved and approved: it is fetched by version, its SHA-256 compared with the one the plan
# step exported, and no new plan is ever made. Terraform itself refuses a plan that the state has moved away from.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_stage
require PLAN_CHANGES PLAN_KEY PLAN_VERSION PLAN_SHA256 TF_STATE_BUCKET
if [[ "$PLAN_KEY" != "plans/$STAGE/"* ]]; then
  fail "the plan \`$PLAN_KEY\` is not one of stage \`$STAGE\`"
fi
if [[ "$PLAN_CHANGES" == "no" ]]; then
  printf '%s: nothing to apply\n' "$STAGE"
  exit 0
fi

aws s3api get-object --bucket "$TF_STATE_BUCKET" --key "$PLAN_KEY" --version-id "$PLAN_VERSION" \
  --region "${TF_STATE_REGION:-$TF_VAR_region}" plan.tar.gz >/dev/null
actual="$(sha256_of plan.tar.gz)"
if [[ "$actual" != "$PLAN_SHA256" ]]; then
  fail "the saved plan has SHA-256 $actual, approved was $PLAN_SHA256: nothing was applied"
fi

saved="$(mktemp -d)"
tar --extract --gzip --file plan.tar.gz --directory "$saved"
if ! cmp --silent "$saved/.terraform.lock.hcl" .terraform.lock.hcl; then
  fail "the plan was made with other providers than this package's lock file has: plan again"
fi
terraform_init
terraform apply -input=false -lock-timeout=5m "$saved/tfplan"
