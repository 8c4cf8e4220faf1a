#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The manual pages' parts that follow from the code: the commands and options of ahora(1), the keys of ahora.conf(5).
# Usage: man_sources.sh [--check]: only says what is stale.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
bad=0

put() { # FILE, its new text on stdin
    local new
    new=$(mktemp)
    cat >"$new"
    if [ "${mode:-}" = check ]; then
        cmp -s "$new" "$1" || {
            echo "$1: stale (make man-sources)"
            bad=1
        }
        rm "$new"
    else
        cp "$new" "$1"
        rm "$new"
    fi
}
[ "${1:-}" = --check ] && mode=check

"$build/ahora" help --scdoc | put docs/man/ahora.1.scd
awk -v keys="$build/man/keys" '/^; keys begin/ {print; print ""; while ((keys | getline line) > 0) print line; skip = 1}
    /^; keys end/ {skip = 0} !skip && !/^; keys begin/ {print}' docs/man/ahora.conf.5.scd | put docs/man/ahora.conf.5.scd
exit $bad
