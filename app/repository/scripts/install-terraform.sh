#!/usr/bin/env bash
# Installs the pinned Terraform into TOOLS_DIR (default: $HOME/tools), after its archive's SHA-256 was checked.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require TERRAFORM_VERSION TERRAFORM_SHA256
directory="${TOOLS_DIR:-$HOME/tools}"
archive="$(mktemp -d)/terraform.zip"

curl --fail --silent --show-error --location --retry 3 --output "$archive" \
  "https://releases.hashicorp.com/terraform/${TERRAFORM_VERSION}/terraform_${TERRAFORM_VERSION}_linux_amd64.zip"
actual="$(sha256_of "$archive")"
if [[ "$actual" != "$TERRAFORM_SHA256" ]]; then
  fail "terraform ${TERRAFORM_VERSION} has SHA-256 $actual, pinned is $TERRAFORM_SHA256: nothing was installed"
fi
mkdir -p "$directory"
unzip -q -o "$archive" terraform -d "$directory"
"$directory/terraform" version
