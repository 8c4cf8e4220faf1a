/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A client of one core at a time, in JSON. It holds what it is shown as a client does, checks each message against the rules of the
 * protocol as it comes, and publishes. It can stall, and it can be cut and come back at another core with its token.
 */
#ifndef SHARDS_READER_H
#define SHARDS_READER_H

#include "tests/shards/world.h"

#define TOPICS 48
#define PATTERNS 8
#define HELD (TOPICS + PATTERNS) /* the broker's own topics, one for each pattern, come last */

/* What readers follow. */
extern const char *const reader_patterns[PATTERNS];

struct held {
    struct buffer data; /* packed; empty: not held */
    int64_t seq;        /* of what was last heard of it, removals too */
    int64_t ref;        /* in this connection; 0: none */
};

struct reader {
    void (*pull)(struct core *core, struct session *session); /* first: what the world calls */
    struct world *world;
    unsigned number;
    size_t shard;
    struct session *session;
    const char *pattern; /* NULL: it follows nothing */
    int every_ms;
    struct held held[HELD];
    int64_t token;    /* seq of the last `live`; -1: none */
    int64_t acked;    /* highest seq it was told of in `published` */
    size_t published; /* answers to its `pub`s */
    size_t refused;
    int64_t asked_after; /* what any writer was told of when it last asked for a `snapshot` */
    size_t asked, got;
    bool is_live;
    bool stalled;
    uint64_t resumed, resynced, skipped;
};

void reader_init(struct reader *reader, struct world *world, unsigned number, const char *pattern, int every_ms);
void reader_open(struct reader *reader, size_t shard); /* hello, and its subscription, with its token if it has one */
void reader_cut(struct reader *reader);
void reader_fini(struct reader *reader);

void reader_say(struct reader *reader, const char *line);
void reader_stall(struct reader *reader, bool stalled);

/* "stock/a/7" and the like; the same everywhere. */
void topic_name(unsigned topic, char name[32]);

#endif
