#!/usr/bin/env bash
# Plans one stage, saves the plan, and puts it where only the stage's own account can read it: the state bucket, under plans/.
# Writes plan.env (PLAN_CHANGES, PLAN_SUMMARY, PLAN_KEY, PLAN_VERSION, PLAN_SHA256), which the buildspec exports.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_stage
terraform_init

status=0
terraform plan -input=false -lock-timeout=5m -detailed-exitcode \
  -var-file="environments/$STAGE.tfvars" -out=tfplan || status=$?
case "$status" in
  0) changes=no ;;
  2) changes=yes ;;
  *) fail "terraform plan failed with exit code $status" ;;
esac

terraform show -json tfplan >tfplan.json
terraform show -no-color tfplan >tfplan.txt

# count ACTIONS: how many resources the plan treats with exactly these actions.
count() {
  jq --argjson actions "$1" '[.resource_changes[]? | select(.change.actions == $actions)] | length' tfplan.json
}
added="$(count '["create"]')"
changed="$(count '["update"]')"
destroyed="$(count '["delete"]')"
replaced="$(($(count '["delete","create"]') + $(count '["create","delete"]')))"
summary="$STAGE: $added to add, $changed to change, $replaced to replace, $destroyed to destroy"
printf '%s\n' "$summary"

# What is destroyed or replaced must be wanted: a stage opts in with ALLOW_DESTROY=yes.
if [[ $((destroyed + replaced)) -gt 0 && "${ALLOW_DESTROY:-no}" != "yes" ]]; then
  jq -r '.resource_changes[]? | select(.change.actions | index("delete")) | "  \(.address): \(.change.actions | join(", "))"' tfplan.json
  fail "the plan destroys or replaces $((destroyed + replaced)) resources: set ALLOW_DESTROY=yes on this stage if that is wanted"
fi

printf '%s\n' "${CODEBUILD_RESOLVED_SOURCE_VERSION:-unknown}" >source-version
tar --create --gzip --file plan.tar.gz tfplan tfplan.json tfplan.txt source-version .terraform.lock.hcl
checksum="$(sha256_of plan.tar.gz)"
key="plans/$STAGE/$checksum.tar.gz"
version="$(aws s3api put-object --bucket "$TF_STATE_BUCKET" --key "$key" --body plan.tar.gz \
  --region "${TF_STATE_REGION:-$TF_VAR_region}" --query VersionId --output text)"

{
  printf 'PLAN_CHANGES=%q\n' "$changes"
  printf 'PLAN_SUMMARY=%q\n' "$summary"
  printf 'PLAN_KEY=%q\n' "$key"
  printf 'PLAN_VERSION=%q\n' "$version"
  printf 'PLAN_SHA256=%q\n' "$checksum"
} >plan.env
