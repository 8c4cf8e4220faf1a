#!/bin/sh
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian 12 packages that are missing. Usage: deps.sh run|test|screenshots|peers
set -eu

# Why each: the README, "Built on"; curl is for "Five minutes" there; nodejs and npm make the pages, and `make` does without them.
run="gcc libc6-dev libuv1-dev libwebsockets-dev libmsgpack-dev liblmdb-dev libjansson-dev libinih-dev libxxhash-dev libjwt-dev libssl-dev zlib1g-dev ca-certificates curl scdoc"
command -v npm >/dev/null || run="$run nodejs npm" # or another node that is there
test="$run libcmocka-dev clang clang-format libclang-rt-14-dev binutils git procps chromium man-db pkg-config openssl nginx haproxy"
screenshots="$run chromium fonts-inter pngquant" # what `make screenshots` draws with, and makes small

# What `make bench-peers` compares with (docs/benchmarks.md). Their services are not started: the bench starts its own.
peers="nginx libnginx-mod-nchan mosquitto nats-server redis-server"
command -v npm >/dev/null || peers="$peers npm"

case "${1:-run}" in
run) wanted=$run ;;
test)
    wanted=$test
    export RUNLEVEL=1 # invoke-rc.d starts nothing in single-user mode: the tests start nginx and HAProxy themselves
    ;;
screenshots) wanted=$screenshots ;;
peers)
    wanted=$peers
    export RUNLEVEL=1 # invoke-rc.d starts nothing in single-user mode
    ;;
*)
    echo "usage: $0 run|test|screenshots|peers" >&2
    exit 2
    ;;
esac

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "installing:$missing"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null || {
        echo "not root and no sudo; install by hand: apt-get install$missing" >&2
        exit 1
    }
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
