#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Rules that matter, run as checks. Prints each violation as file:line and why; exits 1 if there is one.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
bad=0

complain() {
    echo "tidy: $*"
    bad=1
}

c_files=$(git ls-files '*.c' '*.h')

# ---- formatting ----
while IFS= read -r file; do
    complain "$file: not formatted (make format)"
done < <(xargs -P"$(nproc)" -n16 clang-format --dry-run --Werror <<<"$c_files" 2>&1 | grep -oE '^[^ :]+:[0-9]+:[0-9]+: error' | cut -d: -f1 | sort -u)
while IFS= read -r line; do
    complain "$line: trailing white space"
done < <(git ls-files '*.c' '*.h' '*.md' '*.sh' '*.mk' Makefile | xargs grep -nE '[ 	]+$' | cut -d: -f1,2)

# ---- licence ----
# shellcheck disable=SC2086
while IFS= read -r file; do
    complain "$file: no SPDX header"
done < <(awk 'FNR == 1 && NR > 1 && !found {print last} FNR == 1 {found = 0; last = FILENAME}
    FNR <= 5 && /SPDX-License-Identifier: Apache-2.0/ {found = 1} END {if (!found) print last}' $c_files $(git ls-files '*.sh' '*.mk' Makefile))

# ---- arrows between folders: "folder: what it may include besides itself" (docs/architecture.md) ----
arrows() {
    case $1 in
    include) echo "" ;;
    proto) echo "include" ;;
    broker/base) echo "" ;;
    broker/core) echo "include proto broker/base" ;;
    broker/store | broker/net) echo "include proto broker/base broker/core $([ "$1" = broker/net ] && echo broker/store)" ;;
    broker) echo "include proto broker/base broker/core broker/store broker/net" ;;
    clients/c | clients/c/examples) echo "include proto clients/c" ;;
    clients/cli) echo "include proto clients/c" ;;
    tests/support) echo "" ;;
    tests/traces | tests/integration | tests/tokens) echo "include tests/support" ;;
    tests/client) echo "include tests/support" ;;
    tests/hostile) echo "include tests/support tests/integration" ;;
    tests/unit) echo "include proto broker/base broker/core broker/store broker/net clients/c clients/cli tests/sim bench" ;;
    tests/fuzz) echo "include proto broker/base broker/core broker/store broker/net clients/c tests/sim" ;;
    tests/shards) echo "include proto broker/base broker/core tests/sim" ;;
    tests/*) echo "include proto broker/base broker/core broker/store broker/net" ;;
    docs/man) echo "include proto broker/base broker/core broker/store broker/net" ;;
    bench) echo "include proto" ;;
    *) echo "" ;;
    esac
}

folder_of() { # sets `folder`; include/ahora/x.h -> include; broker/core/x.h -> broker/core
    folder=${1%/*}
    [[ $folder == include/* ]] && folder=include
}

declare -A allowed_from
while IFS=: read -r file number text; do
    folder_of "$file"
    from=$folder
    [ -n "${allowed_from[$from]+set}" ] || allowed_from[$from]=" $from $(arrows "$from") "
    header=${text#*\"}
    header=${header%%\"*}
    [[ $header == */* ]] && folder_of "$header"
    [[ ${allowed_from[$from]} == *" $folder "* ]] || complain "$file:$number: $from may not include $header"
done < <(grep -nE '^#include "' $c_files)

# ---- third-party headers in one place each ----
third_party() { # header pattern, then the folders that may
    local pattern=$1
    shift
    while IFS=: read -r file number _; do
        folder_of "$file"
        [[ " $* " == *" $folder "* ]] || complain "$file:$number: $pattern belongs in: $*"
    done < <(grep -nE "^#include <$pattern" $c_files)
}
third_party 'msgpack' proto tests/support tests/unit
third_party 'jansson' tests/scenarios tests/client proto bench tests/support tests/traces tests/integration tests/tokens tests/unit tests/fuzz
third_party 'lmdb' broker/store
third_party 'uv\.h' tests/unit tests/scenarios tests/client broker/net clients/c clients/c/examples clients/cli
third_party 'libwebsockets' bench/peers
third_party 'ini\.h' broker/net
third_party 'zlib' clients/cli tests/traces bench
third_party 'openssl' tests/fuzz broker/net clients/c clients/cli tests/unit tests/tunnel tests/integration bench
third_party 'jwt\.h' clients/cli

# ---- banned calls ----
while IFS= read -r line; do
    complain "$line: banned call"
done < <(grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|rand|srand|localtime|gmtime|asctime|ctime|system|alloca)\(' $c_files |
    grep -vE '^[^:]+:[0-9]+: *(/?\*|//)' | grep -v '^tests/')

# ---- no reasonless TODO, nothing about where this was made ----
while IFS= read -r line; do
    complain "$line: TODO without a reason to wait"
done < <(grep -nE '\b(TODO|FIXME|XXX)\b' $c_files | grep -vE 'TODO\([a-z].*\)')

# ---- the core does no I/O: its undefined symbols are on a short list ----
allowed_symbols='^(malloc|calloc|realloc|free|qsort|mem(cpy|move|set|cmp|chr|mem)|str(len|nlen|cmp|ncmp|chr)|v?snprintf|__v?snprintf_chk|sin|cos|asin|sqrt|sincos|__mem(cpy|move|set)_chk|__assert_fail|__stack_chk_fail|abort|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|lsan|sancov)_.*)$'
if [ -f "$build/libcore.a" ]; then
    own=$(nm --defined-only "$build"/libcore.a "$build"/libbase.a "$build"/libproto.a 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u)
    while IFS= read -r symbol; do
        grep -qxF "$symbol" <<<"$own" && continue
        [[ $symbol =~ $allowed_symbols ]] || complain "broker/core needs $symbol: the core does no I/O"
    done < <(nm --undefined-only "$build/libcore.a" | awk 'NF == 2 {print $2}' | sort -u)
fi

# ---- manual pages say what the code does ----
if [ -x "$build/ahora" ] && [ -x "$build/man/keys" ]; then
    while IFS= read -r line; do
        complain "$line"
    done < <(BUILD=$build packaging/man_sources.sh --check)
fi

# ---- every folder opens with a page ----
for folder in broker clients proto include bench tests; do
    [ -f "$folder/README.md" ] || complain "$folder: no README.md"
done

[ $bad = 0 ] && echo "tidy: fine"
exit $bad
