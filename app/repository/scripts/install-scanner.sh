#!/usr/bin/env bash
# Installs the scanner into SCANNER_DIR (default: $HOME/scanner): every package pinned by version and SHA-256.
set -euo pipefail
cd "$(dirname "$0")/.."

directory="${SCANNER_DIR:-$HOME/scanner}"
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement tools/checkov.txt
"$directory/bin/checkov" --version
