#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# A tour of the HTTP API with curl, written from docs/protocol.md alone. Each step says what it expects, and stops if it is not so.
# Usage: tour.sh [http://127.0.0.1:7600]
set -euo pipefail
url=${1:-http://127.0.0.1:7600}
json='Content-Type: application/json'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ask STATUS CURL-ARGUMENTS...: the body on stdout, the headers in $scratch/head
ask() {
    local expected=$1 status
    shift
    status=$(curl -sS --max-time 30 -D "$scratch/head" -o "$scratch/body" -w '%{http_code}' "$@")
    cat "$scratch/body"
    [ "$status" = "$expected" ] || {
        echo "tour: $status instead of $expected from curl $*" >&2
        exit 1
    }
}
header() { tr -d '\r' <"$scratch/head" | sed -n "s/^$1: //Ip"; }

echo "# put a document; it is new, so 201, and its version is the ETag"
ask 201 -X PUT "$url/v1/topics/stock/tour/markt" -H "$json" -d '{"available": 2, "price": "24.90", "price_currency": "EUR"}'
first=$(header etag)

echo "# read it, and read it again only if it changed"
ask 200 "$url/v1/topics/stock/tour/markt"
ask 304 "$url/v1/topics/stock/tour/markt" -H "If-None-Match: $first"

echo "# change one field, if nobody did meanwhile; then with an ETag that is old"
ask 200 -X PATCH "$url/v1/topics/stock/tour/markt" -H "$json" -H "If-Match: $first" -d '{"price": "19.90"}'
ask 412 -X PATCH "$url/v1/topics/stock/tour/markt" -H "$json" -H "If-Match: $first" -d '{"price": "9.90"}'

echo "# sell one, safely twice: the same key is the same sale"
for _ in 1 2; do
    ask 200 -X POST "$url/v1/topics/stock/tour/markt/adjust" -H "$json" -H "Idempotency-Key: tour-$$-1" -d '{"available": -1}'
done
ask 409 -X POST "$url/v1/topics/stock/tour/markt/adjust" -H "$json" -d '{"available": -5}'

echo "# three nights together or not at all"
ask 200 "$url/v1/range" -H "$json" -d '{"changes": [{"op": "set", "topic": "room/tour/double", "start": "2027-05-01", "end": "2027-05-03",
    "data": {"booking_limit": 1}}]}'
ask 200 "$url/v1/range" -H "$json" -d '{"changes": [{"op": "adjust", "topic": "room/tour/double", "start": "2027-05-01", "end": "2027-05-03",
    "data": {"booking_limit": -1}}]}'
ask 409 "$url/v1/range" -H "$json" -d '{"changes": [{"op": "adjust", "topic": "room/tour/double", "start": "2027-05-03", "end": "2027-05-04",
    "data": {"booking_limit": -1}}]}'

echo "# everything a pattern selects, as a page and as lines"
ask 200 -G "$url/v1/topics" --data-urlencode 'match=room/tour/**' --data-urlencode 'where={"booking_limit":{"lte":0}}'
ask 200 -G "$url/v1/topics" --data-urlencode 'match=stock/tour/*' -H 'Accept: application/x-ndjson'

echo "# changes as lines, answered as lines"
printf '%s\n' '{"op":"touch","topic":"stock/tour/markt"}' '{"op":"set","topic":"stock/tour/post","data":{"available":"many"}}' |
    ask 200 "$url/v1/publish" -H 'Content-Type: application/x-ndjson' --data-binary @-

echo "# follow by Server-Sent Events, until all that is current was told"
{ curl -sSN --max-time 30 -G "$url/v1/stream" --data-urlencode 'match=stock/tour/*' || true; } | sed '/^event: live/q'

echo "# clean up"
ask 200 -X DELETE "$url/v1/topics/stock/tour/markt"
for night in 01 02 03; do ask 200 -X DELETE "$url/v1/topics/room/tour/double/2027-05-$night"; done
ask 404 "$url/v1/topics/stock/tour/markt"
