/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A picture of what `ahora top` has seen, as lines of text: for a terminal of a size, or for a pipe. Pure.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "clients/cli/hot.h"

#define SCREEN_SESSIONS_MAX 64

/* What the broker says of itself at one moment. */
struct look {
    int64_t at_ms; /* ours, monotonic; 0: none yet */
    int64_t seq;
    int64_t changes, refused, deliveries, skipped;
    int64_t connections, sessions, subscriptions, topics;
    int64_t documents_bytes, rss_bytes;
    int64_t seq_durable, seq_checkpoint, journal_bytes;
    bool full, draining;
};

struct look_session {
    char text[160];
};

struct picture {
    const char *server;
    const char *trouble; /* of the line or of following; NULL: none */
    struct look now, before;
    const struct hot *hot; /* NULL: nothing is followed */
    double hot_seconds;    /* what a count of 1 there stands for, as changes a second: count / hot_seconds */
    struct look_session sessions[SCREEN_SESSIONS_MAX];
    size_t session_count;
};

/* The status as packed JSON; false if it is none. */
bool look_read(struct look *look, struct span status);

/* With `rows` 0 for a pipe: plain lines, ten topics, ten sessions, an empty line at the end. Else no more than so many rows and columns, in colour
   if `color`, each line cleared to its end. */
void screen_put(struct buffer *out, const struct picture *picture, unsigned rows, unsigned columns, bool color);

#endif
