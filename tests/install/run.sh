#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# `make install` into a scratch tree: what is there, that the examples build against it and nothing else, that they do what they say with
# the installed broker, that completion completes and manual pages render, and that `make uninstall` leaves nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
cc=${CC:-cc}
tree=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null; rm -rf "$tree"' EXIT
prefix=/opt/ahora

fail() {
    echo "install: $*" >&2
    exit 1
}
expect() { # TEXT in the output of a command
    local text=$1
    shift
    local out
    out=$("$@" 2>&1) || true
    [[ $out == *"$text"* ]] || fail "\"$text\" is not in the output of $*: $out"
}

make --no-print-directory BUILD="$build" DESTDIR="$tree" PREFIX=$prefix install >/dev/null
root=$tree$prefix
for file in bin/ahorad bin/ahora include/ahora/ahora.h include/ahora/protocol.h lib/libahora.so lib/libahora.a lib/pkgconfig/ahora.pc \
    share/man/man1/ahora.1 share/man/man8/ahorad.8 share/man/man5/ahora.conf.5 share/man/man3/libahora.3 \
    share/bash-completion/completions/ahora lib/systemd/system/ahora.service share/doc/ahora/ahora.conf; do
    [ -e "$root/$file" ] || fail "$file is missing"
done
grep -q "ExecStart=$prefix/bin/ahorad" "$root/lib/systemd/system/ahora.service" || fail "the unit starts another ahorad"

# ---- the library shows what the headers declare, and nothing else ----
declared=$(sed -e 's:/\*.*\*/::' "$root"/include/ahora/*.h | awk '/\/\*/ {c = 1} !c {print} /\*\// {c = 0}' |
    grep -vE '^ *typedef' | grep -oE '\bahora_[a-z_]+\(' | tr -d '(' | sort -u)
shown=$(nm -D --defined-only "$root/lib/libahora.so" | awk '$2 == "T" {print $3}' | sed 's/@.*//' | sort -u)
[ "$declared" = "$shown" ] || fail "declared and shown differ: $(diff <(echo "$declared") <(echo "$shown"))"
static=$(nm --defined-only --extern-only "$root/lib/libahora.a" | awk '$2 ~ /[TDBR]/ {print $3}' | grep -v '^ahora_' || true)
[ -z "$static" ] || fail "the static library shows $static"
readelf -d "$root/lib/libahora.so" | grep -q 'SONAME.*libahora\.so\.[0-9]' || fail "no soname"

# ---- the examples, built as a stranger would ----
export PKG_CONFIG_PATH=$root/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tree PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
strict="-std=c11 -Wall -Wextra -Wpedantic -Werror -D_DEFAULT_SOURCE"
mkdir "$tree/examples"
for source in clients/c/examples/*.c; do
    name=$(basename "$source" .c)
    # shellcheck disable=SC2046,SC2086
    (cd "$tree/examples" && $cc $strict "$OLDPWD/$source" $(pkg-config --cflags --libs ahora | sed "s|/usr/include||") -luv -Wl,-rpath,"$root/lib" -o "$name")
done
# shellcheck disable=SC2046,SC2086
(cd "$tree/examples" && $cc $strict "$OLDPWD/clients/c/examples/publish.c" -I"$root/include" "$root/lib/libahora.a" \
    $(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs-only-l ahora | sed 's/-lahora//') -o publish_static)
printf '#include <ahora/ahora.h>\nextern "C" int take(struct ahora *);\nint take(struct ahora *client) { return (int)ahora_waiting(client); }\n' \
    >"$tree/examples/plus.cc"
if command -v c++ >/dev/null; then
    c++ -std=c++17 -Wall -Wextra -Werror -I"$root/include" -c "$tree/examples/plus.cc" -o /dev/null || fail "not for C++"
fi

# ---- and run against the installed broker ----
port=$((20000 + RANDOM % 20000))
export AHORA_URL=http://127.0.0.1:$port
"$root/bin/ahorad" --listen "127.0.0.1:$port" --data "$tree/data" --log-level warn &
broker=$!
for _ in $(seq 600); do
    "$root/bin/ahora" status >/dev/null 2>&1 && break
    kill -0 "$broker" 2>/dev/null || fail "the broker does not start"
    sleep 0.1
done
ahora() { "$root/bin/ahora" "$@" >/dev/null || fail "ahora $*"; }
run() { timeout 60 "$tree/examples/$@"; }

ahora put stock/4711/lyon '{"available":2}'
expect "sold, as change" run publish stock/4711/lyon r1
expect "sold, as change" run publish stock/4711/lyon r1 # the same receipt: the same sale
expect "sold, as change" run publish_static stock/4711/lyon r2
expect "sold out" run publish stock/4711/lyon r3
expect "not_found" run publish stock/4711/none r4
expect "not sold: connection refused" env AHORA_URL=http://127.0.0.1:1 timeout 60 "$tree/examples/publish" stock/4711/lyon r5

for night in 01 02; do ahora put room/central/double/2027-05-$night '{"booking_limit":1}'; done
expect "booked, as changes" run sell_nights room/central/double b1 2027-05-01 2027-05-02
expect "2027-05-01: no room left" run sell_nights room/central/double b2 2027-05-01 2027-05-02
expect "booked, as changes" run sell_nights room/central/double b1 2027-05-01 2027-05-02

ahora put service/bike/1 '{"state":"available","position":{"lat":52.5000,"lon":13.4000}}'
ahora put service/bike/2 '{"state":"available","position":{"lat":52.5200,"lon":13.4200}}'
run follow_near 'service/bike/**' 52.50,13.40 52.52,13.42 4 >"$tree/walk"
[ "$(head -2 "$tree/walk" | tail -1)" = "   service/bike/1" ] || fail "follow_near begins elsewhere: $(cat "$tree/walk")"
[ "$(tail -1 "$tree/walk")" = "   service/bike/2" ] || fail "follow_near ends elsewhere: $(cat "$tree/walk")"

mkfifo "$tree/said"
"$tree/examples/subscribe" 4711 >"$tree/said" &
follower=$!
{
    read -r line
    [ "$line" = "stock/4711/lyon: 0" ] || fail "subscribe says $line"
    read -r line
    [[ $line == "-- that is all"* ]] || fail "subscribe says $line"
    ahora adjust stock/4711/lyon available=+7
    read -r line
    [ "$line" = "stock/4711/lyon: 7" ] || fail "subscribe says $line"
    ahora delete stock/4711/lyon
    read -r line
    [ "$line" = "stock/4711/lyon: no longer sold" ] || fail "subscribe says $line"
} <"$tree/said"
kill -INT "$follower"
wait "$follower" || fail "subscribe ends with $?"
kill "$broker"
wait "$broker" || fail "the broker ends with $?"
broker=

tests/install/completion.sh "$root"

# ---- manual pages ----
if command -v man >/dev/null; then
    for page in "$root"/share/man/man*/*; do
        warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -l "$page" 2>&1 >"$tree/page")
        [ -z "$warnings" ] || fail "$page: $warnings"
        grep -q EXAMPLES "$tree/page" || fail "$page has no examples"
    done
fi

make --no-print-directory BUILD="$build" DESTDIR="$tree" PREFIX=$prefix uninstall >/dev/null
left=$(find "$root" -type f -o -type l)
[ -z "$left" ] || fail "uninstall leaves $left"
echo "1 passed"
