#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The installed completion, sourced as a shell does: it knows every command, and of each every option that its help names.
# Usage: completion.sh ROOT
set -euo pipefail
root=$1
ahora=$root/bin/ahora
# shellcheck disable=SC1091
source "$root/share/bash-completion/completions/ahora"

complete_words() { # WORD... the last is what is being typed
    COMP_WORDS=(ahora "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _ahora
    printf '%s\n' "${COMPREPLY[@]+"${COMPREPLY[@]}"}" | sort
}
expect() { # EXPECTED WORD...
    local expected=$1 got
    shift
    got=$(complete_words "$@" | tr '\n' ' ')
    [ "$got" = "$expected" ] || {
        echo "completion: \"$*\" gives \"$got\", not \"$expected\"" >&2
        exit 1
    }
}

commands=$("$ahora" help | awk '$1 == "ahora" {print $2}' | sort -u)
[ "$(complete_words '')" = "$commands" ] || {
    echo "completion: commands differ: $(diff <(complete_words '') <(echo "$commands"))" >&2
    exit 1
}
for command in $commands; do
    case $command in
    help | version | completion) continue ;;
    esac
    options=$("$ahora" help "$command" | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u)
    given=$(complete_words "$command" -- | sort -u)
    [ "$given" = "$options" ] || {
        echo "completion: options of $command differ: $(diff <(echo "$given") <(echo "$options"))" >&2
        exit 1
    }
done
expect "pub put " pu
expect "sub " -s http://127.0.0.1:7600 su
expect "sub " -s http : //127.0.0.1 : 7600 su # as bash takes a URL apart
expect "applied " put --ack = app
expect "applied durable none " put --ack =
expect "--atomic " pub --at
expect "applied " put --ack app
expect "delete stale " pub --on-lost ''
expect "bash " completion ''
expect "replay " help rep
expect " " put --key '' # only the user knows
cd "$root/share/doc/ahora"
expect "ahora.conf " replay ahora.c
expect "ahora.conf " sub --ca ahora.c
echo "completion: fine"
