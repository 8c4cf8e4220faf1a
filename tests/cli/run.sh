#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The command line client where it meets a terminal, and what it says of itself: top, help, exit codes. Usage: run.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: run.sh BUILD}
command -v python3 >/dev/null || {
    echo "cli: skipped, python3 is not installed"
    exit 0
}
scratch=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill -9 "$broker" 2>/dev/null; rm -rf "$scratch"' EXIT
port=$((20000 + RANDOM % 20000))
export AHORA_URL=http://127.0.0.1:$port
"$build/ahorad" --listen "127.0.0.1:$port" --data "$scratch/data" --log-level error &
broker=$!
for _ in $(seq 600); do
    "$build/ahora" status >/dev/null 2>&1 && break
    kill -0 "$broker" 2>/dev/null || exit 1
    sleep 0.1
done
python3 tests/cli/top.py "$build/ahora" "$AHORA_URL"

# Every code that help, the manual page and docs/cli.md name is one that a command ends with.
expect() { # CODE ARGUMENTS...
    local code=$1 got=0
    shift
    timeout 60 "$build/ahora" "$@" >/dev/null 2>&1 || got=$?
    [ "$got" = "$code" ] || {
        echo "cli: ahora $* ends with $got, not $code" >&2
        exit 1
    }
}
expect 0 put stock/1/a '{"available":1}'
expect 1 put stock/1/a
expect 1 completion zsh
expect 1 help dance
expect 2 get -s http://127.0.0.1:1 stock/1/a
expect 3 adjust stock/1/a available=-5
expect 4 get stock/1/none

# Interrupted in the middle of its work: 5.
mkfifo "$scratch/say" "$scratch/answer"
"$build/ahora" pub -l <"$scratch/say" >"$scratch/answer" 2>/dev/null &
writer=$!
exec 3>"$scratch/say" 4<"$scratch/answer"
echo '{"op":"set","topic":"stock/2/a","data":{"available":1}}' >&3
read -r -t 60 answer <&4 || answer=none
kill -INT "$writer"
got=0
wait "$writer" || got=$?
exec 3>&- 4<&-
[ "$got" = 5 ] || {
    echo "cli: interrupted after \"$answer\", pub ends with $got, not 5" >&2
    exit 1
}
for code in 0 1 2 3 4 5; do
    grep -q "^| $code |" docs/cli.md || {
        echo "cli: docs/cli.md does not name exit code $code" >&2
        exit 1
    }
    "$build/ahora" help | tr '\n' ' ' | grep -qE "[:;] $code " || {
        echo "cli: help does not name exit code $code" >&2
        exit 1
    }
done

# Every command teaches: its help has an example, and the example is one that the parser takes.
for command in $("$build/ahora" help | awk '$1 == "ahora" && $2 !~ /help|version|completion/ {print $2}' | sort -u); do
    "$build/ahora" help "$command" | grep -q "^  .*ahora $command" || {
        echo "cli: help $command has no example" >&2
        exit 1
    }
done
kill "$broker"
wait "$broker"
broker=
echo "1 passed"
