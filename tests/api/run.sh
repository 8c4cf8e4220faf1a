#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The broker's descriptions of its API: linted, every operation and every message really used once against the broker, and each answer
# held against its schema. Skipped where node or its packages cannot be had.
set -euo pipefail
ahorad=$(realpath "${1:?usage: run.sh AHORAD}")
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "api: skipped, node or npm is not installed"
    exit 0
fi
if [ ! -d node_modules/ws ] && ! npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1; then
    echo "api: skipped, its packages cannot be installed"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
node check.js "$ahorad" "$scratch"
# The linter knows the rules of OpenAPI better than we do; a warning is as bad as an error.
REDOCLY_TELEMETRY=off node node_modules/@redocly/cli/bin/cli.js lint --config redocly.yaml --max-problems 20 --format stylish \
    "$scratch/openapi.json" >"$scratch/lint" 2>&1 || { cat "$scratch/lint"; exit 1; }
if grep -qE '^\s+[0-9]+:[0-9]+\s+(warning|error)|You have [0-9]+ warning' "$scratch/lint"; then
    cat "$scratch/lint"
    exit 1
fi
echo "openapi.json: linted"
echo "1 passed"
