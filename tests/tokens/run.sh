#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Hostile tokens against the real broker (AHORAD). Skipped where node or its packages cannot be had.
set -euo pipefail
program=$(realpath "${1:?usage: run.sh PROGRAM}")
AHORAD=$(realpath "${AHORAD:-build/ahorad}")
export AHORAD
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "tokens: skipped, node or npm is not installed"
    exit 0
fi
if [ ! -d node_modules/jose ] && ! npm ci --no-audit --no-fund >/dev/null 2>&1; then
    echo "tokens: skipped, its packages cannot be installed"
    exit 0
fi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
node make.js "$made"
"$program" "$made"
"$program" "$made" --set
echo "1 passed"
