#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Holds docs/limits.md against the code: every limit of the configuration has a row; its default, error, counter and test exist. Prints what is
# wrong, and exits 1 if something is.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
page=docs/limits.md
bad=0

complain() {
    echo "limits: $*"
    bad=1
}

[ -x "$build/ahorad" ] || { echo "limits: no $build/ahorad"; exit 1; }

# section.key = value, as in force without any configuration
declare -A values
while read -r key value; do
    values[$key]=$value
done < <(env -i "$build/ahorad" --test | awk -F' = ' '/^\[/ {gsub(/[][]/, ""); section = $0; next} NF > 0 {print section "." $1, $2}')

# 64K, 5s, 1,000, 8784h -> the number that --test prints
plain() {
    local text=${1//,/}
    case $text in
    *K) echo $((${text%K} << 10)) ;;
    *M) echo $((${text%M} << 20)) ;;
    *G) echo $((${text%G} << 30)) ;;
    *ms) echo "${text%ms}" ;;
    *s) echo $((${text%s} * 1000)) ;;
    *m) echo $((${text%m} * 60000)) ;;
    *h) echo $((${text%h} * 3600000)) ;;
    *) echo "$text" ;;
    esac
}

counters=$(grep -ohE '"[a-z_]+"' broker/net/api_metrics.c | tr -d '"' | sort -u)
codes=$(grep -ohE '"[a-z_]+"' proto/code.c proto/*.c | tr -d '"' | sort -u)
tests=$(grep -rhoE '^static void [a-z0-9_]+\(' tests --include='*.c' | sed 's/static void //; s/($//; s/(//' | sort -u)
declare -A seen

while IFS='|' read -r _ limit default error counter test _; do
    key=$(grep -oE '[a-z]+\.[a-z0-9_]+' <<<"$limit" | head -1)
    if [[ $limit == *'`'* ]]; then
        seen[$key]=1
        if [ -z "${values[$key]+set}" ]; then
            complain "$key: there is no such setting"
        else
            told=$(grep -oE '`[^`]+`' <<<"$default" | head -1 | tr -d '`')
            [ "$(plain "${told:-}")" = "${values[$key]}" ] || complain "$key: the default is ${values[$key]}, not ${told:-none}"
        fi
    fi
    code=$(grep -oE '`[a-z_]+`' <<<"$error" | head -1 | tr -d '`')
    if [ -n "$code" ] && [[ $error != *more* && $error != *bye* ]]; then
        grep -qxF "$code" <<<"$codes" || complain "$limit: no error $code"
    fi
    name=$(tr -d '` ' <<<"$counter")
    grep -qxF "$name" <<<"$counters" || complain "$limit: no counter $name"
    name=$(tr -d '` ' <<<"$test")
    grep -qxF "$name" <<<"$tests" || complain "$limit: no test $name"
done < <(grep -E '^\| ' "$page" | grep -vE '^\| (limit|---)')

# what shapes how the broker works rather than what others may do to it
others=' limits.limit_loopback limits.near_margin_percent limits.near_margin_m limits.grace_ms limits.beat_ms limits.block_bytes '
for key in "${!values[@]}"; do
    [[ $key == limits.* || $key == *_max ]] || continue
    [[ $others == *" $key "* || -n ${seen[$key]+set} ]] || complain "$key: not in $page"
done

[ $bad = 0 ] && echo "limits: fine"
exit $bad
