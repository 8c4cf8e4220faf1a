#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks the types and runs the tests whose names hold one of the words given, all without. Skipped where node or its packages cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "js: skipped, node or npm is not installed"
    exit 0
fi
if ! node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 14) ? 0 : 1)'; then
    echo "js: skipped, node is $(node --version), older than 20.14"
    exit 0
fi
if [ ! -d node_modules/typescript ] && ! npm ci --no-audit --no-fund >/dev/null 2>&1; then
    echo "js: skipped, its packages cannot be installed"
    exit 0
fi
if [ $# -eq 0 ] || [[ " $* " == *" native "* ]]; then
    if [ ! test/native/node_modules/.package-lock.json -nt test/native/package-lock.json ]; then
        if (cd test/native && npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1); then
            touch test/native/node_modules/.package-lock.json
        else
            echo "js native: skipped, React Native's engine and preset cannot be installed"
        fi
    fi
fi
npm run --silent check
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
npm test --silent -- "$@" >"$log" 2>&1 || code=$?
cat "$log"
[ "$code" -eq 0 ] && echo "$(sed -n 's/^# pass //p' "$log") passed"
exit "$code"
