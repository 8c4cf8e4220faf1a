#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The pages in Chromium. Skipped where node, its packages or Chromium cannot be had. Usage: run.sh AHORAD [word...]
set -euo pipefail
ahorad=$(realpath "${1:?usage: run.sh AHORAD [word...]}")
shift
cd "$(dirname "$0")"

skip() {
    echo "web: skipped, $1"
    exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || skip "node or npm is not installed"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "chromium is not installed"
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1 || skip "its packages cannot be installed"
    touch node_modules/.package-lock.json
fi
[ -d ../../broker/net/page/node_modules/uplot ] || skip "the broker was built with the plain page"
node_modules/.bin/tsc -p ../../broker/net/page
node run.mjs "$ahorad" "$@"
