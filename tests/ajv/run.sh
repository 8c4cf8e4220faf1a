#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Kinds against ajv: schemas and documents from a seed (AJV_SEED), judged by both. Skipped where node or its packages cannot be had.
set -euo pipefail
judge=$(realpath "${1:?usage: run.sh JUDGE}")
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "ajv: skipped, node or npm is not installed"
    exit 0
fi
if [ ! -d node_modules/ajv ] && ! npm ci --no-audit --no-fund >/dev/null 2>&1; then
    echo "ajv: skipped, its packages cannot be installed"
    exit 0
fi
node differ.js "$judge" "${AJV_SEED:-1}" "${AJV_SCHEMAS:-1500}"
echo "1 passed"
