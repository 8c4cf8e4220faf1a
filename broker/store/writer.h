/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The journal while the broker runs, between three threads:
 *
 *   loop     appends turns to the current segment, moves to the spare when a turn does not fit
 *   storage  (started here) syncs in groups, keeps a spare, finds out when the disk is full and when it no longer is
 *   folder   takes closed and synced segments from the front, and lets them go once the checkpoint has them (folder.h)
 *
 *   segments:  closed, synced  closed  current       spare
 *              ^ folder                ^ loop        ^ becomes the current
 *
 * One mutex guards everything; nobody holds it over a sync, a fold or the making of a spare. The loop thread holds it while it
 * appends: that is a copy into the page cache. When segments fill faster than spares are made, it waits for one, but not for long.
 *
 * Full: without a spare, and with less than a quarter of a segment left, there is no room until a spare can be made again. If
 * nothing is left to fold by then, the storage thread closes the current segment, so that its space comes back too.
 *
 * Room is a promise: what writer_room said fits until the next append or the next writer_room. So nobody but the loop thread gives
 * up a spare, and it does so when it asks for room; the folder only says that it needs the space.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "broker/store/journal.h"
#include "broker/store/store.h"

#include <pthread.h>

struct writer {
    pthread_mutex_t mutex;
    pthread_cond_t work;       /* for the storage thread */
    pthread_cond_t fold;       /* for the folder */
    pthread_cond_t spare_made; /* or it will not be; for the loop thread */
    pthread_t thread;
    int event; /* eventfd */

    /* constant once started */
    const struct disk *disk;
    int directory; /* borrowed */
    size_t segment_bytes;
    size_t journal_bytes_max;
    enum sync_mode sync;
    int64_t sync_ms;
    int64_t sync_rest_ms;

    /* under the mutex */
    struct link segments;    /* oldest first; the current one is the last */
    struct segment *current; /* NULL: none yet, or given up for its space */
    struct segment *spare;
    bool is_making_spare;
    bool no_space;       /* the last attempt to make a spare met a full disk or journal_bytes_max */
    bool fold_no_space;  /* the folder met a full disk: what a spare would take is left to it */
    bool is_fold_broken; /* folding keeps failing, and people were told; it is tried on */
    bool is_fold_damaged;
    bool failed; /* a write or sync failed: nothing is durable any more */
    bool stopping;
    int64_t spare_retry_ms; /* not before */
    int64_t fold_retry_ms;
    unsigned fold_failures; /* in a row; no more are counted than the wait between them grows */
    int64_t sync_due_ms;    /* for what nobody asked for */
    int64_t seq_asked;      /* somebody waits until this is durable */
    bool is_dirty;          /* SYNC_EVERY: something was appended since the last sync began */
    int64_t stop_by_ms;     /* when stopping, the folder begins nothing later */
    struct store_metrics metrics;
};

/* Takes the segments of the journal, and goes on counting from `metrics`. At return there is a first spare, or no space. */
enum result writer_start(struct writer *writer, const struct store_options *options, struct journal *journal,
                         const struct store_metrics *metrics) MUST_CHECK;

/* ---- the loop thread; durable, failed and metrics anyone ---- */

enum result writer_append(struct writer *writer, struct span records, int64_t seq_first, int64_t seq_last) MUST_CHECK;
void writer_ask_sync(struct writer *writer, int64_t seq);
size_t writer_room(struct writer *writer);
int64_t writer_durable_seq(struct writer *writer);
bool writer_failed(struct writer *writer);
void writer_metrics(struct writer *writer, struct store_metrics *metrics);

/* Syncs what waits, ends the storage thread, tells the folder to finish. True if everything appended is on disk. */
bool writer_stop(struct writer *writer);

/* After the folder ended. */
void writer_fini(struct writer *writer);

/* ---- the folder ---- */

/* The oldest segment if it is closed and synced; waits for it. It stays listed. NULL: stop. */
struct segment *writer_fold_next(struct writer *writer);

/* What became of it. RESULT_OK: its file is gone. */
void writer_fold_done(struct writer *writer, struct segment *segment, enum result result, size_t folded_records,
                      int64_t seq_checkpoint, size_t checkpoint_bytes);

#endif
