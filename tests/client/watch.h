/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One subscription of libahora under watch: what its events add up to, and whether that, and what the client says it holds, is what the broker
 * holds, narrowed by `where` and `near` as tests/support/rules.c understands them. A broken rule ends the test with the seed. One thread.
 */
#ifndef TESTS_CLIENT_WATCH_H
#define TESTS_CLIENT_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/ahora/ahora.h"
#include "tests/support/rules.h"

struct watch {
    const char *name;    /* for people, with */
    uint64_t seed;       /* both borrowed of the world */
    const char *pattern; /* borrowed */
    json_t *where;       /* NULL: none; owned */
    struct rules_circle circle;
    struct ahora_sub *sub;
    json_t *shown;          /* topic -> {seq, at, data, stale, line}: what the events add up to */
    const unsigned *epochs; /* of the client's line, borrowed: a seq of an older one means nothing */
    unsigned events, removes, lefts, stales, lives, moves, resumes, snapshots;
    int64_t skipped;
};

/* Subscribes. Fails the test if it cannot. `where` is JSON or NULL, a circle of radius 0 is none. */
void watch_open(struct watch *watch, struct ahora *client, const char *where, const struct rules_circle *circle);
void watch_close(struct watch *watch); /* unsubscribes; the counts stay */
void watch_free(struct watch *watch);  /* of a client that was closed */

void watch_move(struct watch *watch, const struct rules_circle *circle);
bool watch_is_live(const struct watch *watch);

/* `held` is what the broker holds of the pattern: topic -> {seq, at, data, stale}. */
bool watch_is_equal(const struct watch *watch, const json_t *held);
void watch_expect_equal(const struct watch *watch, const json_t *held);

#endif
