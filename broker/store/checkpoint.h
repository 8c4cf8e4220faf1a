/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The checkpoint: LMDB, the only place that knows it. Holds the newest record of each topic up to some seq, the removals and the
 * idempotency keys that are still remembered, and the facts about the store itself.
 *
 *   topics     topic -> u64 checksum over the topic and what follows | u8 version | record
 *   removals   seq, big end first -> topic: the tombstones among the topics, oldest first
 *   keys       principal, NUL, key -> the same as of a topic; the record is a key alone
 *   meta       "meta" -> struct checkpoint_meta with version and checksum
 *
 * One thread at a time: the one that opens the store, then the folding thread, then the one that closes it. LMDB reads through a
 * mapping and keeps no checksums of its own pages: ours cover the records and the meta, not its tree.
 */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include "broker/core/record.h"
#include "broker/store/identity.h"
#include "broker/store/newest.h"

#define CHECKPOINT_VERSION 1

/* Puts in one transaction: LMDB keeps the pages of one in memory, and a stop waits for one. */
#define CHECKPOINT_PUTS_MAX 10000

struct checkpoint_meta {
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    char boot_id[IDENTITY_BOOT_BYTES];
    char place[IDENTITY_PLACE_BYTES]; /* where the store lay when this was written */
    bool clean;
    int64_t seq;   /* all records up to here are in */
    int64_t floor; /* removals up to here are forgotten */
};

struct checkpoint {
    struct MDB_env *env;
    unsigned topics;
    unsigned removals;
    unsigned keys;
    unsigned meta_table;
    size_t map_bytes;
    size_t map_bytes_max;
    size_t removals_max;
    int64_t key_keep_ms;
    struct buffer key_looked; /* the key that the last look at old ones ended with; empty: the next begins at the front */
    struct checkpoint_meta meta;
    bool has_meta;        /* found when opened */
    bool is_meta_damaged; /* found when opened, but not intact */
    bool has_failed;      /* the last fold: the next transaction is synced as a whole */
    size_t topic_count;   /* when opened */
    size_t topic_bytes;
    struct MDB_txn *load; /* while loading */
    struct MDB_cursor *load_cursor;
    bool load_is_at_keys;
    bool load_has_ended; /* but what was yielded last may still be looked at */
    uint64_t damaged;    /* values that failed their checksum while loading */
};

/* Opens or creates DIR/checkpoint and reads the meta if there is one; `path` is DIR. A failure leaves it closed; RESULT_DAMAGED:
   LMDB itself finds its tree broken. */
enum result checkpoint_open(struct checkpoint *checkpoint, const char *path, size_t bytes_max, size_t removals_max,
                            int64_t key_keep_ms) MUST_CHECK;

/* The next records, at least one and at most `max`, topics first, then keys alone; RESULT_NOT_FOUND at the end. Spans live until the next call. Damaged values
   are counted and skipped. */
enum result checkpoint_load(struct checkpoint *checkpoint, struct record *records, size_t max, size_t *count) MUST_CHECK;

/* Deletes the values that are damaged. */
enum result checkpoint_drop_damaged(struct checkpoint *checkpoint) MUST_CHECK;

/* Makes checkpoint->meta durable. */
enum result checkpoint_write_meta(struct checkpoint *checkpoint) MUST_CHECK;

/*
 * Writes entries in one transaction, each only if newer than what is stored; at most CHECKPOINT_PUTS_MAX. `seq`: with these, all
 * records up to it are in (0: not yet); then everything is on disk at return. RESULT_NO_SPACE: the disk is full, or nearly so and
 * did not take all of a write. RESULT_AGAIN: the map is as large as it may be. Both leave the checkpoint as it was, and so does
 * RESULT_IO: the same may be folded again. Keys older than key_keep_ms are not written, and deleted
 * when they are met: each call looks at more keys than it writes, so that the old never outnumber the others for long.
 */
enum result checkpoint_fold(struct checkpoint *checkpoint, const struct newest_entry *entries, size_t count,
                            int64_t seq) MUST_CHECK;

/* Bytes of its file that are in use. */
size_t checkpoint_bytes(const struct checkpoint *checkpoint);

void checkpoint_close(struct checkpoint *checkpoint); /* accepts a zeroed one */

/* Copies the checkpoint of the store in `from`, at one moment, into the existing empty DIR/checkpoint of `to`, on disk. */
enum result checkpoint_copy(const char *from, const char *to) MUST_CHECK;

#endif
