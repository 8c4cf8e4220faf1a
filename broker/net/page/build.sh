#!/bin/sh
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the files of the pages and the list of them that broker/net/page_file.c takes in. Usage: build.sh OUT (from the root of the repository)
#
# With node and npm: the dashboard, the demo and the client. Without, or if the packages cannot be had: the plain live page alone, and a line
# that says so. Files that come out as they were are left alone, so that nothing is linked anew.
set -eu
export LC_ALL=C
out=${1:?usage: build.sh OUT}
here=broker/net/page
fresh=$out.fresh
rm -rf "$fresh"
mkdir -p "$fresh" "$out"

plain() {
    echo "  PAGE  $1: the program gets the plain live page, without dashboard, demo and /ahora.js"
    rm -rf "$fresh"
    mkdir -p "$fresh"
    cp "$here/plain/"* "$here/static/icon.svg" "$fresh"
}

# Packages are pinned by the lock; their scripts are not run. Without network this fails within seconds.
packages() {
    [ node_modules/.package-lock.json -nt package-lock.json ] && return
    npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000 >"$1" 2>&1 || return
    touch node_modules/.package-lock.json
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    plain "node or npm is not installed (Debian: nodejs npm)"
elif ! log=$(realpath "$fresh")/npm.log || ! (cd "$here" && packages "$log"); then
    plain "npm could not install esbuild, uplot and leaflet"
elif [ ! -e clients/js/src/index.ts ]; then
    plain "clients/js is not there"
else
    node "$here/bundle.mjs" "$fresh"
    rm -f "$fresh/npm.log"
fi

type_of() {
    case $1 in
    *.html) echo "text/html; charset=utf-8" ;;
    *.js) echo "text/javascript; charset=utf-8" ;;
    *.css) echo "text/css; charset=utf-8" ;;
    *.svg) echo "image/svg+xml" ;;
    esac
}

path_of() {
    case $1 in
    index.html) echo / ;;
    demo.html) echo /demo ;;
    ahora.js) echo /ahora.js ;;
    *) echo "/page/$1" ;;
    esac
}

for file in "$fresh"/*.*; do
    name=${file##*/}
    gzip -9nc "$file" >"$file.gz"
    printf 'PAGE_FILE(%s, "%s", "%s", "%s", "%s")\n' "$(echo "$name" | tr '.-' '__')" "$(path_of "$name")" "$out/$name" \
        "$(type_of "$name")" "$(sha256sum "$file" | cut -c 1-16)"
done >"$fresh.list"
mv "$fresh.list" "$fresh/files.h"

for file in "$out"/*; do
    [ -e "$fresh/${file##*/}" ] || rm -f "$file"
done
for file in "$fresh"/*; do
    cmp -s "$file" "$out/${file##*/}" || cp "$file" "$out/${file##*/}"
done
rm -rf "$fresh"
