#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The examples of docs/examples, which are written from docs/protocol.md alone, against the broker: the tour with curl, and a second client in
# Python that is cut off, finds the broker killed and started again, publishes with a key meanwhile, and must end with what the broker holds.
set -euo pipefail
cd "$(dirname "$0")/../.."
ahorad=$(realpath "${1:?usage: run.sh AHORAD}")
for tool in curl python3; do
    command -v $tool >/dev/null || {
        echo "examples: skipped, $tool is not installed"
        exit 0
    }
done
scratch=$(mktemp -d)
broker=
follower=
cleanup() {
    for pid in $broker $follower; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap cleanup EXIT
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port

fail() {
    echo "examples: $*" >&2
    cat "$scratch"/out 2>/dev/null >&2 || true
    exit 1
}
start() {
    "$ahorad" --listen "127.0.0.1:$port" --data "$scratch/data" --log-level error 3>&- & # the pipe is not its business
    broker=$!
    for _ in $(seq 600); do
        curl -fs "$url/readyz" >/dev/null 2>&1 && return 0
        kill -0 "$broker" 2>/dev/null || fail "the broker does not start"
        sleep 0.1
    done
    fail "the broker is not ready"
}
put() { curl -fsS -X PUT "$url/v1/topics/$1" -H 'Content-Type: application/json' -d "$2" >/dev/null; }
wait_for() { # TEXT in what the follower says, so often
    local count=${2:-1}
    for _ in $(seq 600); do
        [ "$(grep -cF -- "$1" "$scratch/out" || true)" -ge "$count" ] && return 0
        kill -0 "$follower" 2>/dev/null || fail "follow.py ended while it should say $1"
        sleep 0.1
    done
    fail "follow.py does not say $1"
}

start
docs/examples/tour.sh "$url" >"$scratch/tour" 2>&1 || fail "tour.sh: $(tail -5 "$scratch/tour")"
grep -q '^event: live' "$scratch/tour" || fail "tour.sh saw no live event"

put stock/py/a '{"available":1}'
put stock/py/b '{"available":2}'
mkfifo "$scratch/in"
python3 docs/examples/follow.py "$url" 'stock/py/*' <"$scratch/in" >"$scratch/out" 2>&1 &
follower=$!
exec 3>"$scratch/in"
wait_for '"op":"live"'
echo '{"op":"adjust","topic":"stock/py/a","data":{"available":4},"key":"once"}' >&3
wait_for '"op":"published"'
echo '{"op":"adjust","topic":"stock/py/a","data":{"available":4},"key":"once"}' >&3 # the same key: the same result
wait_for '"op":"published"' 2
kill -9 "$broker"
wait "$broker" 2>/dev/null || true
wait_for '"op":"lost"'
start
curl -fsS -X DELETE "$url/v1/topics/stock/py/b" >/dev/null
put stock/py/c '{"available":3}'
wait_for '"topic":"stock/py/c"'
wait_for '"op":"remove","topic":"stock/py/b"'
exec 3>&-
wait "$follower" || fail "follow.py ends with $?"
follower=

# What it showed last of each topic is what there is.
python3 - "$scratch/out" "$url" <<'PY' || fail "follow.py shows something else than the broker holds"
import json, sys, urllib.request
shown = {}
for line in open(sys.argv[1]):
    event = json.loads(line)
    if event["op"] == "set":
        shown[event["topic"]] = (event["seq"], event["data"])
    elif event["op"] == "remove":
        del shown[event["topic"]]
page = json.load(urllib.request.urlopen(sys.argv[2] + "/v1/topics?match=stock/py/*"))
held = {item["topic"]: (item["seq"], item["data"]) for item in page["items"]}
assert shown == held, (shown, held)
assert held["stock/py/a"][1]["available"] == 5, held
PY

# A server that is none: typed, no crash, no hurry.
python3 - "$scratch" <<'PY' || fail "follow.py and a server that is no broker"
import socket, subprocess, sys
server = socket.create_server(("127.0.0.1", 0))
server.settimeout(60)
client = subprocess.Popen([sys.executable, "docs/examples/follow.py", f"http://127.0.0.1:{server.getsockname()[1]}", "**", "--forever"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
for answer in (b"HTTP/1.1 404 Not Found\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n", b"HTTP/1.1 101 Sure\r\n\r\n"):
    line, _ = server.accept()
    line.recv(4096)
    line.sendall(answer)
    line.close()
    assert '"op":"lost"' in client.stdout.readline()
line, _ = server.accept()
line.sendall(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
assert client.wait(60) == 1
PY
kill "$broker"
wait "$broker" || fail "the broker ends with $?"
broker=
echo "1 passed"
