#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The scenarios with libahora's driver, by the runner of clients/js. Skipped where node or its packages cannot be had. Usage: run.sh BUILD
set -euo pipefail
build=$(realpath "${1:?usage: run.sh BUILD}")
cd "$(dirname "$0")/../../clients/js"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "scenarios: skipped, node or npm is not installed"
    exit 0
fi
if [ ! -d node_modules/esbuild ] && ! npm ci --no-audit --no-fund >/dev/null 2>&1; then
    echo "scenarios: skipped, the packages of clients/js cannot be installed"
    exit 0
fi
AHORAD=$build/ahorad AHORA_SCENARIO_DRIVER=$build/tests/scenarios/driver npm test --silent -- scenarios
echo "1 passed"
