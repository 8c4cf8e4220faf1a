#!/bin/sh
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The demo behind `make run`: a broker on loopback and a made-up town that publishes into it, until Ctrl-C.
# Usage: demo.sh BUILD   (AHORA_PORT: another port than 7600)
#
# Ends with the broker's exit code. Both run in sessions of their own: Ctrl-C reaches this script alone, and it tells them once.
# The broker takes a second signal as "at once".
set -u
export LC_ALL=C
build=${1:?usage: demo.sh BUILD}
here=$(dirname "$0")
port=${AHORA_PORT:-7600}
url=http://127.0.0.1:$port
broker=
feed=
taxis=
told=
data=$build/demo-data-$port
log=$build/demo-$port.log

for program in ahorad ahora; do
    [ -x "$build/$program" ] || {
        echo "$build/$program is not there: run make first" >&2
        exit 1
    }
done

# It exits with 2 if nobody listens. Anything else: somebody does.
"$build/ahora" status -s "$url" >/dev/null 2>&1
if [ $? -ne 2 ]; then
    echo "port $port is taken, perhaps by another ahora; choose another: AHORA_PORT=7601 make run" >&2
    exit 1
fi

# However often it is asked to.
stop() {
    [ -n "$feed" ] && kill -s TERM -- "-$feed" 2>/dev/null
    [ -n "$taxis" ] && kill -s TERM -- "-$taxis" 2>/dev/null
    feed=
    taxis=
    [ -n "$broker" ] && [ -z "$told" ] && kill -TERM "$broker" 2>/dev/null
    told=yes
}
trap stop INT TERM HUP

# Sets code. A trap ends the wait early, so it is asked again while the broker lives.
wait_for_broker() {
    while :; do
        wait "$broker"
        code=$?
        kill -0 "$broker" 2>/dev/null || return
    done
}

# `null`: a page in a file may use it, as the README shows.
AHORA_LISTEN_ALLOWED_ORIGINS=null setsid "$build/ahorad" --listen "127.0.0.1:$port" --data "$data" 2>"$log" &
broker=$!

tries=0
until "$build/ahora" status -s "$url" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$broker" 2>/dev/null || [ "$tries" -gt 300 ]; then
        stop
        wait_for_broker
        echo "the broker did not become ready; the end of its log, $log:" >&2
        tail -n 20 "$log" >&2
        [ "$code" -ne 0 ] || code=1
        exit "$code"
    fi
    sleep 0.1
done

nights=
for day in 0 1 2 3 4 5 6 7 8 9 10 11 12 13; do
    nights="$nights $(date -u -d "+$day day" +%F)"
done

# Begins again when the pipe breaks: the broker may be restarted under it. If it does not, what it wrote goes stale after 10 s.
# shellcheck disable=SC2016
setsid sh -c 'while :; do
        awk -v part=town -v nights="$1" -v today="$(date -u +%u)" -f "$2" | "$3" pub -l -s "$4" --source town --grace 10000 >/dev/null 2>"$5"
        sleep 1
    done' feed "$nights" "$here/demo.awk" "$build/ahora" "$url" "$build/demo-feed-$port.log" 2>/dev/null &
feed=$!

# Taxis are a source of their own. Every minute it is gone for 20 s: 3 s later all of them are stale, until it is back.
# shellcheck disable=SC2016
setsid sh -c 'while :; do
        awk -v part=taxis -f "$1" | "$2" pub -l -s "$3" --source taxis --grace 3000 >/dev/null 2>"$4"
        sleep 20
    done' taxis "$here/demo.awk" "$build/ahora" "$url" "$build/demo-taxis-$port.log" 2>/dev/null &
taxis=$!

# Without npm's packages the program has a plain page only; the build said so, and was long ago on the screen.
if curl -sf -o /dev/null "$url/demo"; then
    pages="$url/         the dashboard
         $url/demo     what an app would show; twice side by side, say"
else
    pages="$url/         what is published, as text
         (no dashboard and no demo: npm could not install what they are built from; make run tries again)"
fi

cat <<TEXT

ahora is running, with a made-up town publishing into it.

  open   $pages
  try    $build/ahora sub -s $url 'order/*'
         $build/ahora sub -s $url 'stock/4711/*'
         $build/ahora sub -s $url 'service/courier/**'   (one that loses its signal goes stale)
         $build/ahora sub -s $url '\$demand/**'          (what the pages and you follow)

Log: $log   Data: $data   Ctrl-C ends it.
TEXT

wait_for_broker
stop
[ "$code" -eq 0 ] || echo "the broker ended with exit code $code; its log is $log" >&2
exit "$code"
