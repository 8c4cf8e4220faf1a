#!/usr/bin/env bash
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Every test, in the order in which a failure says most: builds, rules, units, simulation, fuzz, the real binaries, real traces.
# Each step prints a line with its time and is ended after STEP_SECONDS; of a failed one the end of its log is printed. The last line says
# "N passed, M failed, K skipped".
# Usage: tests/run.sh [name...]   only the steps whose name contains one of the words
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
logs=$build/logs
mkdir -p "$logs"
passed=0
failed=0
skipped=0
failures=()
only=("$@")
step_seconds=${STEP_SECONDS:-600} # many times what the longest step takes: one that hangs fails with its name

wanted() {
    [ ${#only[@]} -eq 0 ] && return 0
    local word
    for word in "${only[@]}"; do
        [[ $1 == *"$word"* ]] && return 0
    done
    return 1
}

# step NAME COMMAND...: skipped if the log has a line "NAME-ish: skipped ..." and the command succeeded
step() {
    local name=$1
    shift
    wanted "$name" || return 0
    local log=$logs/${name//[ \/]/-}.log start=$SECONDS
    [ -t 1 ] && printf '  ....  %s\r' "$name"
    timeout --verbose --signal=ABRT --kill-after=10 "$step_seconds" "$@" >"$log" 2>&1 </dev/null
    local code=$?
    if [ "$code" -eq 0 ]; then
        local note
        note=$(grep -E '(^|: )skipped' "$log" | head -1)
        if [ -n "$note" ] && ! grep -qE '[1-9][0-9]* (test\(s\)|passed)' "$log"; then
            skipped=$((skipped + 1))
            printf '  skip  %-44s %4ds  %s\n' "$name" $((SECONDS - start)) "$note"
        else
            passed=$((passed + 1))
            printf '  ok    %-44s %4ds  %s\n' "$name" $((SECONDS - start)) "$(grep -E '^[0-9]+ passed' "$log" | tail -1)"
        fi
    else
        failed=$((failed + 1))
        failures+=("$name")
        printf '  FAIL  %-44s %4ds  exit code %d%s\n' "$name" $((SECONDS - start)) "$code" \
            "$([ "$code" -eq 124 ] && echo ", ended after $step_seconds s")"
        tail -80 "$log"
    fi
}

make_in="make --no-print-directory -j$(nproc)"

echo "ahora: tests"
step "build gcc" $make_in BUILD="$build" all
step "build clang" $make_in BUILD="$build/clang" CC=clang all
step "tidy" $make_in BUILD="$build" tidy
step "build tests" $make_in BUILD="$build" unit "$build/tests/sim" "$build/tests/shards" "$build/tests/check-traces" "$build/tests/tokens" integration hostile
step "build tests asan" $make_in BUILD="$build/asan" SAN=address all unit "$build/asan/tests/sim" "$build/asan/tests/shards"
step "build tests tsan" $make_in BUILD="$build/tsan" SAN=thread all "$build/tsan/tests/unit/test_store" "$build/tsan/tests/unit/test_writer" "$build/tsan/tests/unit/test_ring"

for source in tests/unit/test_*.c; do
    name=$(basename "$source" .c)
    step "unit ${name#test_} (asan)" env ASAN_OPTIONS=allocator_may_return_null=1 "$build/asan/tests/unit/$name"
done
step "unit store (tsan)" "$build/tsan/tests/unit/test_store"
step "unit writer (tsan)" "$build/tsan/tests/unit/test_writer"
step "unit ring (tsan)" "$build/tsan/tests/unit/test_ring"

step "simulation: 2000 seeds" "$build/tests/sim" --seeds 1..2000
step "simulation: 150 seeds (asan)" "$build/asan/tests/sim" --seeds 3001..3150

step "simulation of shards: 2000 seeds" "$build/tests/shards" --seeds 1..2000
step "simulation of shards: 30 seeds (asan)" "$build/asan/tests/shards" --seeds 1001..1030

step "fuzz, 15 s each" make --no-print-directory BUILD="$build" fuzz FUZZ_SECONDS=15

for source in tests/integration/test_*.c; do
    name=$(basename "$source" .c)
    step "integration ${name#test_}" env AHORAD="$build/ahorad" AHORA="$build/ahora" "$build/tests/integration/$name"
done
for source in tests/integration/test_*.c; do
    name=$(basename "$source" .c)
    step "integration ${name#test_} (asan broker)" env AHORAD="$build/asan/ahorad" AHORA="$build/asan/ahora" \
        ASAN_OPTIONS=detect_leaks=1 "$build/tests/integration/$name"
done

step "hostile: RFC 6455" env AHORAD="$build/ahorad" "$build/tests/hostile/rfc6455"
step "hostile: RFC 6455 (asan broker)" env AHORAD="$build/asan/ahorad" ASAN_OPTIONS=detect_leaks=1 "$build/tests/hostile/rfc6455"
step "hostile: 3,000 mangled (asan broker)" env AHORAD="$build/asan/ahorad" ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
    MANGLE_ROUNDS=3000 "$build/tests/hostile/mangle"
step "hostile: a siege of 5,000" env AHORAD="$build/ahorad" SIEGE_SECONDS=2 "$build/tests/hostile/siege"
step "hostile: a siege of 1,500, two shards" env AHORAD="$build/ahorad" AHORA_THREADS_SHARDS=2 SIEGE_FOES=1500 SIEGE_GOOD=100 \
    SIEGE_SECONDS=1 "$build/tests/hostile/siege"
step "hostile: a siege of 500 (asan broker)" env AHORAD="$build/asan/ahorad" ASAN_OPTIONS=detect_leaks=1 SIEGE_FOES=500 SIEGE_GOOD=50 \
    SIEGE_SECONDS=2 "$build/tests/hostile/siege"
step "hostile: suites of other people (asan broker)" env ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
    tests/hostile/suites/run.sh "$build/asan/ahorad"

# The same suites with TLS under every client.
for name in http http_stream session publish frames; do
    step "integration $name (tls, asan broker)" env AHORAD="$build/asan/ahorad" AHORA="$build/asan/ahora" ASAN_OPTIONS=detect_leaks=1 \
        AHORA_TEST_TLS="$build/tests/tls-tunnel" "$build/tests/integration/test_$name"
done

# What crosses between shards, with the broker's threads watched. Limits of sums are divided among shards, so test_limits stays out.
for name in session subscribe publish publish_lists http http_stream auth grants renewal crash store tls; do
    step "integration $name (3 shards, tsan broker)" env AHORAD="$build/tsan/ahorad" AHORA="$build/ahora" AHORA_THREADS_SHARDS=3 \
        TSAN_OPTIONS=exitcode=66 "$build/tests/integration/test_$name"
done

step "hostile tokens" env AHORAD="$build/ahorad" tests/tokens/run.sh "$build/tests/tokens"
step "hostile tokens (asan broker)" env AHORAD="$build/asan/ahorad" ASAN_OPTIONS=detect_leaks=1 tests/tokens/run.sh "$build/tests/tokens"

step "kinds against ajv" make --no-print-directory BUILD="$build" ajv

step "web: the pages in Chromium" make --no-print-directory BUILD="$build" web

step "libahora and programs, installed" make --no-print-directory BUILD="$build" check-install

step "command line at a terminal" make --no-print-directory BUILD="$build" check-cli

step "examples written from the protocol" make --no-print-directory BUILD="$build" check-examples

step "scenarios with libahora (asan)" make --no-print-directory BUILD="$build/asan" SAN=address scenarios-c

step "libahora against the broker (asan)" make --no-print-directory BUILD="$build/asan" SAN=address check-client

step "api descriptions" make --no-print-directory BUILD="$build" api

step "clients/js" make --no-print-directory BUILD="$build" js JS_TESTS="line renewal subscriptions publishing react vectors kinds package property tokens foreign"
step "clients/js in React Native's engine" make --no-print-directory BUILD="$build" js JS_TESTS=native
step "clients/js: scenarios" make --no-print-directory BUILD="$build" js JS_TESTS=scenarios

step "bench, every scenario for a moment" make --no-print-directory BUILD="$build" bench-smoke

step "traces" make --no-print-directory BUILD="$build" check-traces

if [ ${#failures[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failures[@]}"
    echo "logs: $logs"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
