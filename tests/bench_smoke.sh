#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Every scenario of the bench for a moment, against the real broker and the yardstick: nothing is lost, doubled or out of order, and a plan
# that was interrupted goes on where it stopped. Says nothing about speed. Peers that are installed take part, others are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
bench=$build/ahora-bench
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0
promises='lost=0,duplicates=0,disorder=0,refused=0'

# check NAME COMMAND...: succeeds
check() {
    local name=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name $(grep -oE 'skipped: .*' "$out/log" | sort -u | head -3 | tr '\n' ';')"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        cat "$out/log"
    fi
}

# play SCENARIO OPTIONS...: a moment of it, with its promises
play() {
    check "$*" "$bench" "$@" --no-pin --any-pace --warmup 50ms --duration 200ms --threshold "$promises"
}

both="--target ahora,raw"
play fanout $both -c 50
play fanout $both -c 50 --encoding json
play fanout $both -c 50 --size 38
play fanout $both -c 50 --size 71 --encoding json
play ingest --encoding ndjson --size 71
play latency --count 20 -t 10 --views 5 -R 500
play pingfan $both -c 50
play spread $both -t 20 -c 5
play latency $both -t 50 -R 1000
play latency -t 64 --views 8 --count 16 -R 1000
play latency $both -t 2000 --active 100 -R 1000
play crowd $both -c 500 -R 20
play join $both -n 300
tls="--target ahora-tls"
play fanout $tls -c 50
play spread $tls -t 20 -c 5
play join $tls -n 300
play idle $tls -n 300
play slow $tls -t 20 -c 2 --stalled 2 -R 1000
play ingest $tls --ack applied -p 2
play resume $tls -t 10 -c 20 -n 100
play idle $both -n 300
play idle -n 50 --source 9
play idle -n 200 --brokers 3
for ack in none applied durable; do
    for encoding in msgpack json ndjson; do
        play ingest --ack $ack --encoding $encoding -b 10 -p 1
        play ingest --ack $ack --encoding $encoding -b 10 -p 2 -R 2000
    done
    play ingest --ack $ack -b 10 -p 4
done
play ingest --target raw --ack none -p 4
play ingest --target raw --ack applied -p 4 -R 10k
for sync in off 1ms; do
    play ingest --ack durable -b 10 -p 4 -R 2000 "--server-args=--sync $sync"
done
play topics -t 5000
play slow $both -t 20 -c 2 --stalled 2 -R 1000
play resume -t 10 -c 20 -n 100
play storm -t 20 -c 10 -n 300 -R 200
play churn $both -t 10 -c 10 -R 500 --churn 100
play churn --target raw -t 2 -c 100 -R 4000 --churn 1500
play wildcard -t 50 -c 8 -R 200
play wildcard -t 1 -c 16 --patterns 8 -R 200
play near -t 500 -c 100 -R 500 --radius 2000
play mix -t 40 -R 500 --churn 50 --stalled 5
play replay -R 1000

# ---- several load processes on one broker: the same promises, the same counts ----

play fanout $both -c 50 --loads 2
play pingfan $both -c 50 --loads 3
play spread $both -t 20 -c 5 --loads 3
play latency $both -t 50 -R 1000 --loads 2
play latency -t 64 --views 8 --count 16 -R 1000 --loads 3
play crowd $both -c 500 -R 20 --loads 3
play join $both -n 300 --loads 3
play join -n 300 -R 1000 --loads 3
play slow $both -t 20 -c 2 --stalled 2 -R 1000 --loads 2
play wildcard -t 50 -c 8 -R 200 --loads 3
play wildcard -t 1 -c 16 --patterns 8 -R 200 --loads 2
play spread $tls -t 20 -c 5 --loads 2
play fanout -c 2 --loads 5

# times SCENARIO LOADS OPTIONS...: how many times its histogram holds
times() {
    "$bench" "$1" --loads "$2" "${@:3}" --no-pin --any-pace --hgrm "$out/times" --json "$out/times.json" >"$out/times.log" 2>&1 ||
        cat "$out/times.log" >&2
    [ "$2" -eq 1 ] || grep -q "\"loads\":{\"value\":$2," "$out/times.json" || return 1
    sed -nE 's/.*Total count *= *([0-9]+).*/\1/p' "$out/times-$1-ahora-1.hgrm"
}

same_counts() {
    [ "$(times idle 1 -n 300 -t 7)" = 307 ] && [ "$(times idle 3 -n 300 -t 7)" = 307 ] &&
        [ "$(times join 1 -n 300)" = 300 ] && [ "$(times join 4 -n 300)" = 300 ]
}

check "--loads: as many deliveries and joins as with one process" same_counts

peers=bun,nats,nats-kv,redis,nchan,mosquitto
play fanout --target $peers -c 20 -w 4
play latency --target $peers -t 20 -R 500
play join --target $peers -n 50
play idle --target $peers -n 50
play spread --target $peers -t 4 -c 5 -w 4 --loads 2
play idle --target $peers -n 50 --loads 3
play ingest --target $peers -b 5 --ack applied -t 100
play ingest --target $peers -b 5 --ack none -p 2 -t 100
play ingest --target $peers -b 5 --ack applied -t 100 -R 500

# ---- the check checked: a server that loses, doubles or swaps one delivery in a hundred ----

# fault NAME METRIC SCRIPT OPTIONS...: what replaces the Bun server's publish; the run must not count, and say what it saw
fault() {
    local peers=$out/faulty
    mkdir -p "$peers"
    ln -sfn "$(realpath "$build/peers")/node_modules" "$peers/node_modules"
    sed "s/server.publish(topic, value);/$3/" "$build/peers/bun_server.js" >"$peers/bun_server.js"
    "$bench" latency --target bun --peers "$peers" -t 1 -c 10 -R 500 --no-pin --any-pace --warmup 50ms --duration 500ms "${@:4}" \
        >"$out/fault" 2>&1
    check "a server that $1 is found out" grep -qE "^  $2 +[1-9]" "$out/fault"
}

if [ -x "$build/peers/node_modules/bun/bin/bun.exe" ]; then
    say='server.publish(topic, value)'
    turn='globalThis.n = (globalThis.n | 0) + 1'
    fault "loses" lost "$turn; if (globalThis.n % 100) $say;"
    fault "doubles" duplicates "$turn; $say; if (globalThis.n % 100 == 0) $say;"
    fault "swaps" disorder "$turn; if (globalThis.n % 100 == 50) globalThis.held = value; else { $say; if (globalThis.held) server.publish(topic, globalThis.held); globalThis.held = null; }"
    # the second topic's only subscriber is held by the second process
    fault "loses what only another load process follows" lost "$turn; if (topic !== \"0000001\" || globalThis.n % 10) $say;" -t 2 -c 1 --loads 2
else
    echo "skipped: servers that lose, double or swap: Bun is not installed (make bench-peers-deps)"
fi

# ---- what this machine cannot is skipped, and says which limit it is ----

skipped() {
    (ulimit -n 400 && "$bench" fanout -c 1000 --no-pin) >"$out/skip" 2>&1 && grep -qE "skipped: .*1000 connections .* may hold 400 " "$out/skip"
}

check "more connections than files: skipped, with the limit" skipped
check "less than a document can be: refused" bash -c "! $bench fanout --size 70 --encoding json && ! $bench fanout --size 37"

refuses() {
    local text=$1
    shift
    "$bench" "$@" >"$out/refused" 2>&1
    [ $? -eq 2 ] && grep -q "$text" "$out/refused" || { cat "$out/refused"; false; }
}

check "--loads: not where there is nothing to split" refuses "ingest cannot be split" ingest --loads 2
check "--loads: not beside --brokers" refuses "no --loads" idle --loads 2 --brokers 2
check "--loads: not on fewer cores than are named" refuses "2 for 3 load processes" fanout --loads 3 --load-core 1-2
check "--load-core: a list" refuses "want cores" fanout --load-core 1-

# More subscribers than one process may hold files for, on a broker that may hold more.
more_than_files() {
    "$build/ahorad" --listen 127.0.0.1:0 --data "$out/big" >/dev/null 2>"$out/big.log" &
    local broker=$! url
    until url=$(grep -oE 'ready url=http://[^ ]+' "$out/big.log"); do
        kill -0 "$broker" 2>/dev/null || return 1
        sleep 0.05
    done
    (ulimit -n 400 && "$bench" fanout -c 600 --no-pin --any-pace --warmup 50ms --duration 200ms -s "${url#*//}" --loads "$1") >"$out/files" 2>&1
    local code=$?
    kill "$broker"
    wait "$broker"
    cat "$out/files"
    return "$code"
}

one_may_not() {
    more_than_files 1 | grep -q 'skipped: .* in the load: a process may hold 400 .* --loads 3 would do'
}

check "--loads: one process may not hold so many, and says how many may" one_may_not
check "--loads: three may, on one broker that may hold more" more_than_files 3

# ---- a load process that cannot go on ends the run, and nobody is left ----

no_room() {
    AHORA_LIMITS_CONNECTIONS_MAX=40 "$bench" fanout -c 60 --no-pin --any-pace --loads 3 >"$out/room" 2>&1
    [ $? -eq 1 ] && grep -qE 'load process [123] of 3: the upgrade was refused|ahora: the upgrade was refused' "$out/room" || { cat "$out/room"; false; }
}

# killed_load first|last: a run over three processes, of which that one is killed; all of them are gone afterwards, and the broker
killed_load() {
    : >"$out/run.progress"
    mkdir -p "$out/left"
    TMPDIR=$out/left "$bench" fanout -c 60 --loads 3 --no-pin --any-pace --duration 60s --progress >"$out/run" 2>"$out/run.progress" &
    running=$!
    until grep -q measuring "$out/run.progress"; do
        kill -0 "$running" 2>/dev/null || return 1
        sleep 0.05
    done
    local children
    children=$(pgrep -P "$running")
    kill -KILL "$([ "$1" = first ] && echo "$running" || pgrep -P "$running" -x ahora-bench | tail -1)"
    wait "$running"
    local code=$?
    for pid in $children; do
        for _ in $(seq 600); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
    [ "$1" = first ] || { [ "$code" -eq 1 ] && grep -q 'load process [23] of 3: it ended before its time' "$out/run"; }
}

check "--loads: a broker that lets not all in" no_room
check "--loads: a process that is killed ends the run, and all others" killed_load last
check "--loads: nor does any outlive the first" killed_load first

# ---- on schedule: who stands still is charged for it ----

# start OPTIONS...: an ingest run in the background, its number in $running; returns when it measures
start() {
    : >"$out/run.progress"
    "$bench" ingest --ack applied -p 1 --no-pin --warmup 10ms --duration 3s --progress "$@" >"$out/run" 2>"$out/run.progress" &
    running=$!
    until grep -q measuring "$out/run.progress"; do
        kill -0 "$running" 2>/dev/null || return 1
        sleep 0.05
    done
}

# pause PID: for a second
pause() {
    kill -STOP "$1"
    sleep 1
    kill -CONT "$1"
}

# A third of the messages are due while the server is stopped, more than may be in flight: counted from when they could leave, few waited.
stopped_server() {
    start -b 1 -R 8000 --any-pace || return 1
    pause "$(pgrep -P "$running")"
    wait "$running"
    cat "$out/run"
    awk '$1 == "p90" { found = $2 > 200 } END { exit !found }' "$out/run"
}

stopped_generator() {
    start -b 1 -R 1000 || return 1
    pause "$running"
    wait "$running"
    local code=$?
    cat "$out/run"
    [ "$code" -eq 4 ] && grep -q 'INVALID: .*the generator was late' "$out/run"
}

check "ingest on schedule: a server that stops is charged for what it did not hear" stopped_server
check "ingest on schedule: a generator that stops makes the run invalid" stopped_generator

# ---- the suite: interrupted, resumed, kept ----

suite() {
    "$bench" suite bench --out "$out/suite" --target raw --no-pin --any-pace --warmup 10ms --duration 50ms -t 5 -c 5 -n 20 -R 500 \
        --stalled 1 --churn 50 --runs 1
}

# measured COUNT: a run of the suite measures so many cells anew
measured() {
    local line
    line=$(suite | grep 'measured now') || return 1
    echo "$line"
    [[ $line == *", $1 measured now"* ]]
}

cells() { find "$out/suite/cells" -name '*.json' | wc -l; }

check "suite: the first time all are measured" suite
count=$(cells)
check "suite: the second time none is ($count kept)" measured 0
rm -f "$out/suite/cells/a-fanout-raw-1.json"
echo '{"half' >"$out/suite/cells/b-spread-raw-1.json"
check "suite: one that is missing or damaged is measured again" measured 2
# interrupted: a suite told to stop leaves neither a server nor a folder, and goes on later
interrupted() {
    rm -f "$out/suite/cells/"*
    mkdir -p "$out/tmp"
    TMPDIR=$out/tmp "$bench" suite bench --out "$out/suite" --target raw --no-pin --any-pace --duration 20s --runs 1 >/dev/null 2>&1 &
    local pid=$!
    until [ -n "$(ls "$out/tmp")" ]; do sleep 0.1; done
    sleep 0.5
    kill -INT "$pid"
    wait "$pid"
    [ $? -eq 1 ] && [ -z "$(ls "$out/tmp")" ] && [ "$(cells)" -eq 0 ] && [ -z "$(pgrep -P "$pid")" ]
}

check "suite: interrupted, nothing is left" interrupted
check "suite: and it goes on" measured "$count"
check "suite: nothing of it is left half written" test "$(find "$out/suite" -name '*.new' | wc -l)" -eq 0
check "suite: the page is whole" grep -q '</html>' "$out/suite/report.html"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
