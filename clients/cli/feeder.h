/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A feeder turns a stream of changes into pipelined publishes over one client: it collects batches, keeps a bounded number of
 * them unanswered, and counts what became of each change. Its owner asks feeder_has_room before it adds, and is told when there
 * is room again.
 */
#ifndef CLI_FEEDER_H
#define CLI_FEEDER_H

#include "clients/cli/cli.h"
#include "proto/buffer.h"
#include "proto/message.h"

#define FEEDER_BATCH_CHANGES 500        /* half of what one `pub` may hold; larger ones gain nothing */
#define FEEDER_BATCH_BYTES 65536        /* a batch is sent when it passes this, well below a broker's message bound */
#define FEEDER_BATCHES_MAX 16           /* unanswered at a time: enough to hide a disk sync */
#define FEEDER_CHANGE_BYTES_MAX 1048576 /* one change */

struct feeder {
    struct ahora *client;
    bool atomic; /* one list, sent at the end */
    enum ahora_ack ack;
    void (*on_answer)(void *owner); /* there is room, or all is answered */
    void (*on_refused)(void *owner, uint64_t line, const struct ahora_result *result);
    void *owner;
    struct buffer batch; /* packed changes, one after another */
    size_t batch_count;
    uint64_t batch_lines[AHORA_CHANGES_MAX]; /* where each came from */
    unsigned unanswered;                     /* batches */
    uint64_t added;
    uint64_t accepted;
    uint64_t refused;
    uint64_t unknown; /* the line was lost before the answer */
};

void feeder_init(struct feeder *feeder, struct ahora *client);
void feeder_fini(struct feeder *feeder);

bool feeder_has_room(const struct feeder *feeder);

/* Takes one packed map. NULL, or a static text saying why it is no change; it is then not counted. */
const char *feeder_add(struct feeder *feeder, struct span change, uint64_t line);

/* Sends what was collected. */
void feeder_flush(struct feeder *feeder);

/* True when everything added was answered. */
bool feeder_is_done(const struct feeder *feeder);

#endif
