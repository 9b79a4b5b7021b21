# shellcheck shell=bash
# What the steps share: sourced, not run.

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# require NAME...: each environment variable must be set and not empty; all that are missing are named at once.
require() {
  local name missing=()
  for name in "$@"; do
    [[ -n "${!name:-}" ]] || missing+=("$name")
  done
  [[ ${#missing[@]} -eq 0 ]] || fail "set ${missing[*]}: the pipeline's action or the build project gives it"
}

# require_stage: STAGE must be one that has a file in environments/.
require_stage() {
  require STAGE
  [[ "$STAGE" =~ ^[a-z]+$ && -f "environments/$STAGE.tfvars" ]] ||
    fail "unknown STAGE \`$STAGE\`: there is no environments/$STAGE.tfvars"
  export TF_VAR_stage="$STAGE"
  export TF_VAR_region="${AWS_REGION:-${AWS_DEFAULT_REGION:-}}"
  [[ -n "$TF_VAR_region" ]] || fail "set AWS_REGION: CodeBuild gives it"
}

# terraform_init: the providers of the lock file, and the state of this stage.
terraform_init() {
  require TF_STATE_BUCKET
  local config=(
    "-backend-config=bucket=$TF_STATE_BUCKET"
    "-backend-config=key=${TF_STATE_KEY:-network/$STAGE.tfstate}"
    "-backend-config=region=${TF_STATE_REGION:-$TF_VAR_region}"
  )
  if [[ -n "${TF_STATE_KMS_KEY:-}" ]]; then
    config+=("-backend-config=kms_key_id=$TF_STATE_KMS_KEY")
  fi
  terraform init -input=false -reconfigure -lockfile=readonly "${config[@]}"
}

sha256_of() {
  sha256sum -- "$1" | cut -d ' ' -f 1
}
