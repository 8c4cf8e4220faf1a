/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The store: what survives. A journal makes changes durable, LMDB holds the checkpoint behind it.
 *
 *   loop thread                               storage thread
 *   store_append(turn) -- pwrite --> segment  fdatasync in groups -> store_durable_seq, store_event_fd
 *                                             keep the next segment preallocated -> store_room
 *                                             folding thread
 *                                             closed segments into LMDB, newest record of each topic and key, then drop them
 *
 * A turn that was appended survives the death of the process (the page cache has it); a turn at or below store_durable_seq
 * survives the death of the machine. The store never shows anything to anyone: callers append, then show.
 *
 * One process owns a directory (a lock file). Files: DIR/lock, DIR/checkpoint/ (LMDB), DIR/journal/<first seq, 16 hex digits>.
 * All functions belong to the loop thread; store_durable_seq, store_failed and store_metrics may be asked from anywhere.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "broker/base/result.h"
#include "broker/core/record.h"
#include "broker/store/disk.h"

enum sync_mode {
    SYNC_EVERY,    /* as soon as somebody asks (store_ask_sync), in groups; for what nobody asks for after sync_rest_ms */
    SYNC_INTERVAL, /* every sync_ms: a power loss takes at most that much; `durable` acks wait for it */
    SYNC_OFF,      /* never: durable means "in the page cache"; a power loss takes what the kernel had not written */
};

struct store_options {
    const char *path;            /* directory, created if missing (mode 0700) */
    size_t segment_bytes;        /* of one journal segment, preallocated; default 64 MiB; a turn must fit */
    size_t journal_bytes_max;    /* all segments together: when the checkpoint cannot keep up, publishing gets store_full */
    size_t checkpoint_bytes_max; /* LMDB map limit; grows up to it in steps */
    size_t removals_max;         /* removals kept for resume tokens */
    int64_t key_keep_ms;         /* how long idempotency keys are kept; the broker remembers them no longer than this */
    enum sync_mode sync;
    int64_t sync_ms; /* SYNC_INTERVAL */
    int64_t
        sync_rest_ms; /* SYNC_EVERY: a sync for what nobody asked for begins after; a power loss takes that, and what the sync takes */
    const struct disk *disk; /* NULL: the real one; tests give one that fails */
    const char *boot_id;     /* NULL: the machine's; "": unknown, no two are the same; tests give one to play a power loss */
};

void store_options_default(struct store_options *options); /* all but path */

/* What opening found. */
struct store_report {
    char epoch[AHORA_EPOCH_BYTES_MAX + 1]; /* in force from now on */
    bool epoch_is_new;
    const char
        *epoch_reason; /* for the log: "first start", "power loss", "restored copy", "damaged", "clean", "killed"; static */
    int64_t seq_checkpoint; /* the checkpoint stands for this seq */
    size_t topics;          /* it holds, */
    size_t topics_bytes;    /* in pages of so many bytes: about what will be loaded */
    size_t journal_changes; /* about so many are in the journal, */
    size_t journal_bytes;   /* in so many bytes; both told by store_open alone */
    int64_t seq_floor;      /* removals at or below this are forgotten: older tokens get a snapshot */
    uint64_t
        damaged;  /* records that failed their checksum, and places where some are missing: not served; known after the load */
    uint64_t cut; /* turns that a power loss left behind a gap: not served, and gone; known after the load */
};

struct store;

enum result store_open(struct store **store, const struct store_options *options, struct store_report *report, char *detail,
                       size_t detail_bytes) MUST_CHECK; /* detail: path and cause, for people */

/*
 * Loading: call until it returns RESULT_NOT_FOUND (the end). Yields at least one and at most `max` records: those of the checkpoint in any order, keys alone
 * among them, then those of the journal in theirs; a later one of the same topic or key wins if its seq is higher. Their spans live until the next call.
 * Damaged records are counted, logged into `report`, and skipped. RESULT_IO, RESULT_VERSION: stop.
 */
enum result store_load(struct store *store, struct record *records, size_t max, size_t *count) MUST_CHECK;

/* Of the journal, so many bytes are left to load. */
size_t store_load_left(const struct store *store);

/* The report after loading: damage found while loading may have given a new epoch. Call once, after the end of the load and
   before store_start. `seq_last`: the highest seq the caller holds. */
enum result store_loaded(struct store *store, int64_t seq_last, struct store_report *report) MUST_CHECK;

/* Starts the storage thread and the first segment. */
enum result store_start(struct store *store) MUST_CHECK;

/* Bytes of records that may be appended now and are sure to find their place on disk; at least a quarter of a segment, or 0: full.
   A promise until the next store_append or store_room: a caller that appends no more than this in one turn cannot meet a full disk.
   To be asked after each append, and when store_event_fd becomes readable and nothing waits to be appended: while the caller does
   not ask, the folding thread cannot have the space that is promised to the caller. */
size_t store_room(const struct store *store);

/* Appends one turn: whole records, laid end to end, their seqs from seq_first, the next one, to seq_last. All of it or nothing
   survives.
   RESULT_IO is fatal: the caller must stop without showing the turn. RESULT_NO_SPACE: more than store_room, nothing was appended
   and the turn may come again; RESULT_INVALID: more than a segment ever holds. */
enum result store_append(struct store *store, struct span records, int64_t seq_first, int64_t seq_last) MUST_CHECK;

/* Somebody waits for this seq to be durable: SYNC_EVERY syncs at once. */
void store_ask_sync(struct store *store, int64_t seq);

/* Everything up to this seq is on disk; with SYNC_OFF, appended. */
int64_t store_durable_seq(const struct store *store);

/* A sync or an append failed, for good: what was shown since store_durable_seq may not outlive the machine, and nothing more can
   be appended. The caller must stop; the next start finds what the disk has. */
bool store_failed(const struct store *store);

/* Becomes readable when store_durable_seq or store_room grew, when folding needs the room, when store_failed became true, and when
   folding broke or works again (store_metrics); reading 8 bytes (eventfd) clears it. */
int store_event_fd(const struct store *store);

struct store_metrics {
    uint64_t turns, bytes, syncs, folds, folded_records, damaged, full_events, io_errors;
    int64_t seq_durable, seq_checkpoint;
    uint64_t journal_bytes, checkpoint_bytes;
    int64_t sync_us_last;
    bool full;   /* publishing is refused */
    bool failed; /* store_failed */
    bool
        fold_broken; /* the checkpoint keeps failing: the journal grows, up to journal_bytes_max, until a fold succeeds again */
};

void store_metrics(const struct store *store, struct store_metrics *metrics);

/* Syncs, writes the clean mark (the next start keeps its epoch), joins the thread, frees. */
void store_close(struct store *store);

/*
 * A consistent copy of the store at `from` into the new directory `to`, while a broker runs on it or not, from any process.
 * The copy takes a new epoch when it is first opened, because the original goes on under the old one.
 */
enum result store_backup(const char *from, const char *to, char *detail, size_t detail_bytes) MUST_CHECK;

#endif
