#!/usr/bin/env bash
# Format, validity and the scanner's findings, before any stage is planned. Touches no state and needs no credentials.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

terraform fmt -check -recursive -diff
terraform init -input=false -backend=false -lockfile=readonly
terraform validate
if [[ "${SCAN:-yes}" == "yes" ]]; then
  checkov --directory . --config-file .checkov.yaml
else
  printf 'the scan is off: SCAN=%s\n' "$SCAN"
fi
# The package carries sources only: providers are fetched again, by the lock file, where they are used.
rm -rf .terraform
