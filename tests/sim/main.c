/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Simulation of the core.
 *
 *   sim --seed N [-v]     one run
 *   sim --seeds A..B      many, up to the first that fails
 *
 * Every fiftieth seed is played twice, and must leave the same trace.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define REPEAT_EVERY 50
#define COVERAGE_SEEDS_MIN 1000

static uint64_t play(uint64_t seed, bool verbose) {
    static struct sim sim; /* large */
    sim = (struct sim){.dice = {seed}};
    playing = &sim;
    report_begin(seed, verbose);
    script_world(&sim);
    script_play(&sim);
    for (unsigned i = 0; i < sim.client_count; i++) {
        client_fini(&sim.clients[i]);
    }
    free(sim.clients);
    model_fini(&sim.model);
    return report_hash();
}

static void play_twice(uint64_t seed, uint64_t hash) {
    report_forget_coverage_of_repeat(true);
    MUST(play(seed, false) == hash, "the same seed left another trace");
    report_forget_coverage_of_repeat(false);
}

static int play_all(uint64_t first, uint64_t last, bool verbose) {
    uint64_t sum = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        const uint64_t hash = play(seed, verbose);
        if (seed % REPEAT_EVERY == 0 || first == last) {
            play_twice(seed, hash);
        }
        sum = sum * 31 + hash;
        report_end();
    }
    const bool complete = last == first || report_coverage();
    printf("trace %016" PRIx64 "\n%" PRIu64 " passed, 0 failed\n", sum, report_passed());
    return complete || last - first + 1 < COVERAGE_SEEDS_MIN ? 0 : 1;
}

static bool parse_seeds(const char *text, uint64_t *first, uint64_t *last) {
    char *end = NULL;
    *first = strtoull(text, &end, 10);
    *last = *first;
    if (strncmp(end, "..", 2) == 0) {
        *last = strtoull(end + 2, &end, 10);
    }
    return *end == '\0' && end != text && *last >= *first;
}

int main(int count, char **arguments) {
    uint64_t first = 1;
    uint64_t last = 1000;
    bool verbose = false;
    for (int i = 1; i < count; i++) {
        const bool has_value = strcmp(arguments[i], "--seed") == 0 || strcmp(arguments[i], "--seeds") == 0;
        if (strcmp(arguments[i], "-v") == 0) {
            verbose = true;
        } else if (!has_value || i + 1 == count || !parse_seeds(arguments[++i], &first, &last)) {
            (void)fprintf(stderr, "usage: sim [--seed N | --seeds A..B] [-v]\n");
            return 2;
        }
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    return play_all(first, last, verbose);
}
