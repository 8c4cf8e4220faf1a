/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/writer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 500           /* how often a full disk is asked again: soon for people, rare for the disk */
#define SPARE_WAIT_MS 2000     /* the loop thread waits no longer for room */
#define FOLD_RETRY_DOUBLINGS 5 /* a fold that failed comes again after 1, 2, 4, 8, 16 s: each reads a segment */
#define FOLD_FAILURES_MAX 3    /* in a row, of the disk, before people are told */
#define STOP_FOLDING_MS 2000   /* at a stop, folding begins no segment later: the rest is replayed at the next start */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void lock(struct writer *writer) {
    int code = pthread_mutex_lock(&writer->mutex);
    assert(code == 0);
    (void)code;
}

static void unlock(struct writer *writer) {
    int code = pthread_mutex_unlock(&writer->mutex);
    assert(code == 0);
    (void)code;
}

/* until_ms 0: without limit */
static void wait(struct writer *writer, pthread_cond_t *condition, int64_t until_ms) {
    if (until_ms == 0) {
        pthread_cond_wait(condition, &writer->mutex);
        return;
    }
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(condition, &writer->mutex, &until);
}

static void notify(struct writer *writer) {
    const uint64_t one = 1;
    ssize_t written = write(writer->event, &one, sizeof one);
    (void)written; /* it fails only if it is readable anyway */
}

/* ---- room ---- */

static size_t room(const struct writer *writer) {
    if (writer->failed || writer->stopping) {
        return 0;
    }
    size_t left = writer->current == NULL ? 0 : segment_room(writer->current);
    size_t new = segment_room_new(writer->segment_bytes);
    if (writer->spare != NULL) {
        return new;
    }
    return left < new / 4 ? 0 : left;
}

/* After anything that may have changed the room. */
static void room_changed(struct writer *writer) {
    bool full = room(writer) == 0;
    if (full == writer->metrics.full) {
        return;
    }
    writer->metrics.full = full;
    writer->metrics.full_events += full;
    if (!full) {
        notify(writer);
    }
}

/* For good: the loop thread learns it from the event, even if it never appends again. */
static void fail(struct writer *writer) {
    writer->metrics.io_errors += !writer->failed;
    writer->failed = true;
    room_changed(writer);
    pthread_cond_broadcast(&writer->spare_made); /* none will be */
    notify(writer);
}

static bool spare_is_wanted(const struct writer *writer) {
    return writer->spare == NULL && !writer->is_making_spare && !writer->failed && !writer->stopping && !writer->fold_no_space;
}

/* Makes a spare, with the mutex given back meanwhile. */
static void make_spare(struct writer *writer) {
    assert(spare_is_wanted(writer));
    struct segment *spare = NULL;
    enum result result = RESULT_NO_SPACE;
    if (writer->metrics.journal_bytes + writer->segment_bytes <= writer->journal_bytes_max) {
        writer->is_making_spare = true;
        unlock(writer);
        result = segment_create(&spare, writer->disk, writer->directory, writer->segment_bytes);
        lock(writer);
        writer->is_making_spare = false;
    }
    writer->no_space = result != RESULT_OK;
    writer->metrics.io_errors += result != RESULT_OK && result != RESULT_NO_SPACE;
    writer->spare_retry_ms = now_ms() + RETRY_MS;
    if (result == RESULT_OK) {
        writer->spare = spare;
        writer->metrics.journal_bytes += writer->segment_bytes;
    }
    room_changed(writer);
    pthread_cond_broadcast(&writer->spare_made);
}

static void drop_spare(struct writer *writer) {
    if (writer->spare == NULL) {
        return;
    }
    (void)unlinkat(writer->directory, SEGMENT_SPARE_NAME, 0); /* if it stays, the next spare replaces it */
    segment_destroy(writer->spare);
    writer->spare = NULL;
    writer->metrics.journal_bytes -= writer->segment_bytes;
    room_changed(writer);
}

/* ---- the loop thread ---- */

static void close_current(struct writer *writer) {
    if (writer->current == NULL) {
        return;
    }
    writer->current->is_closed = true;
    writer->current = NULL;
    pthread_cond_signal(&writer->work);
    pthread_cond_signal(&writer->fold);
}

static enum result move_to_spare(struct writer *writer, int64_t seq_first) {
    assert(writer->spare != NULL);
    enum result result = segment_rename(writer->spare, writer->directory, seq_first);
    if (result != RESULT_OK) {
        return RESULT_IO;
    }
    close_current(writer);
    writer->current = writer->spare;
    writer->spare = NULL;
    list_append(&writer->segments, &writer->current->link);
    pthread_cond_signal(&writer->work);
    return RESULT_OK;
}

/* The storage thread makes the spare in time, unless segments fill faster than that: then a burst had better wait than be refused,
   but not for ever behind a disk that hangs. */
static void wait_for_spare(struct writer *writer) {
    int64_t until_ms = now_ms() + SPARE_WAIT_MS;
    pthread_cond_signal(&writer->work);
    while ((writer->is_making_spare || (spare_is_wanted(writer) && !writer->no_space)) && now_ms() < until_ms) {
        wait(writer, &writer->spare_made, until_ms);
    }
}

static enum result append(struct writer *writer, struct span records, int64_t seq_first, int64_t seq_last) {
    if (writer->failed) {
        return RESULT_IO;
    }
    if (records.bytes > room(writer)) {
        return records.bytes > segment_room_new(writer->segment_bytes) ? RESULT_INVALID : RESULT_NO_SPACE;
    }
    enum result result = RESULT_OK;
    if (writer->current == NULL || records.bytes > segment_room(writer->current)) {
        result = move_to_spare(writer, seq_first);
    }
    if (result == RESULT_OK) {
        result = segment_append(writer->current, writer->disk, records, seq_first, seq_last);
    }
    return result == RESULT_OK || result == RESULT_NO_SPACE ? result : RESULT_IO;
}

static void appended(struct writer *writer, size_t bytes, int64_t seq_last) {
    writer->metrics.turns++;
    writer->metrics.bytes += bytes;
    if (writer->sync == SYNC_EVERY && !writer->is_dirty) {
        writer->is_dirty = true;
        writer->sync_due_ms = now_ms() + writer->sync_rest_ms;
        pthread_cond_signal(&writer->work);
    } else if (writer->sync == SYNC_OFF) {
        writer->metrics.seq_durable = seq_last;
        notify(writer);
    }
    if (writer->spare == NULL && segment_room(writer->current) < segment_room_new(writer->segment_bytes) / 4) {
        wait_for_spare(writer);
    }
    room_changed(writer);
}

enum result writer_append(struct writer *writer, struct span records, int64_t seq_first, int64_t seq_last) {
    assert(records.bytes > 0 && seq_first > 0 && seq_last >= seq_first);
    lock(writer);
    assert(!writer->stopping);
    enum result result = append(writer, records, seq_first, seq_last);
    if (result == RESULT_OK) {
        appended(writer, records.bytes, seq_last);
    } else if (result == RESULT_IO) {
        fail(writer);
    }
    unlock(writer);
    return result;
}

/* What was granted stays: only here, where a new grant takes the place of the last, is the spare given up for the checkpoint. */
void writer_ask_sync(struct writer *writer, int64_t seq) {
    lock(writer);
    if (seq > writer->seq_asked) {
        writer->seq_asked = seq;
        pthread_cond_signal(&writer->work);
    }
    unlock(writer);
}

size_t writer_room(struct writer *writer) {
    lock(writer);
    if (writer->fold_no_space) {
        drop_spare(writer);
    }
    size_t bytes = room(writer);
    unlock(writer);
    return bytes;
}

int64_t writer_durable_seq(struct writer *writer) {
    lock(writer);
    int64_t seq = writer->metrics.seq_durable;
    unlock(writer);
    return seq;
}

bool writer_failed(struct writer *writer) {
    lock(writer);
    bool failed = writer->failed;
    unlock(writer);
    return failed;
}

void writer_metrics(struct writer *writer, struct store_metrics *metrics) {
    lock(writer);
    *metrics = writer->metrics;
    metrics->failed = writer->failed;
    metrics->fold_broken = writer->is_fold_broken;
    unlock(writer);
}

/* ---- the storage thread ---- */

/* The oldest segment with turns that are not on disk and should be now. */
static struct segment *sync_wanted(struct writer *writer, int64_t now) {
    if (writer->failed) {
        return NULL;
    }
    for (struct link *link = writer->segments.next; link != &writer->segments; link = link->next) {
        struct segment *segment = segment_of(link);
        if (segment->seq_last > segment->seq_synced) {
            bool is_asked = writer->sync == SYNC_EVERY && writer->seq_asked > segment->seq_synced;
            bool is_due = segment->is_closed || is_asked || (writer->sync != SYNC_OFF && now >= writer->sync_due_ms);
            return is_due ? segment : NULL;
        }
    }
    return NULL;
}

/* The name first: turns in a file that a power loss leaves nameless are lost. */
static int sync_segment(struct writer *writer, int file, bool is_named) {
    return !is_named && fsync(writer->directory) != 0 ? -1 : writer->disk->sync(file);
}

/* One group: everything that was appended to the segment before the sync began. */
static void sync_group(struct writer *writer, struct segment *segment) {
    int64_t seq = segment->seq_last;
    bool is_named = segment->is_named;
    int file = segment->file;
    writer->sync_due_ms = now_ms() + writer->sync_ms;
    writer->is_dirty = false;
    unlock(writer);
    int64_t began_us = now_us();
    bool is_synced = sync_segment(writer, file, is_named) == 0;
    int64_t took_us = now_us() - began_us;
    lock(writer);
    writer->metrics.syncs++;
    writer->metrics.sync_us_last = took_us;
    if (!is_synced) {
        /* The kernel may have dropped the pages: a second try that succeeds would prove nothing. */
        fail(writer);
    } else {
        segment->is_named = true;
        segment->seq_synced = seq;
        writer->metrics.seq_durable = seq > writer->metrics.seq_durable ? seq : writer->metrics.seq_durable;
        if (segment->is_closed) {
            pthread_cond_signal(&writer->fold);
        }
        notify(writer);
    }
}

/* A full disk and nothing that could be folded: the current segment is what can be. */
static void make_way(struct writer *writer) {
    bool is_stuck = writer->metrics.full && writer->no_space && !writer->is_fold_broken && writer->current != NULL;
    if (is_stuck && writer->segments.next == &writer->current->link && writer->current->seq_last > 0) {
        close_current(writer);
    }
}

static int64_t next_wake_ms(const struct writer *writer) {
    int64_t wake_ms = writer->no_space && spare_is_wanted(writer) ? writer->spare_retry_ms : 0;
    if (writer->sync != SYNC_OFF && !writer->failed && writer->current != NULL &&
        writer->current->seq_last > writer->current->seq_synced && (wake_ms == 0 || writer->sync_due_ms < wake_ms)) {
        wake_ms = writer->sync_due_ms;
    }
    /* A turn that comes in meanwhile waits at most until the next look. */
    return writer->sync == SYNC_INTERVAL && wake_ms == 0 ? now_ms() + writer->sync_ms : wake_ms;
}

static void *run(void *argument) {
    struct writer *writer = argument;
    lock(writer);
    for (;;) {
        make_way(writer);
        int64_t now = now_ms();
        struct segment *segment = sync_wanted(writer, now);
        /* The spare first: under load something always waits for a sync, and the loop thread must not run out of segments. */
        if (spare_is_wanted(writer) && (!writer->no_space || now >= writer->spare_retry_ms)) {
            make_spare(writer);
        } else if (segment != NULL) {
            sync_group(writer, segment);
        } else if (writer->stopping) {
            break;
        } else {
            wait(writer, &writer->work, next_wake_ms(writer));
        }
    }
    unlock(writer);
    return NULL;
}

/* ---- the folder ---- */

static struct segment *fold_ready(struct writer *writer) {
    struct segment *first = list_is_empty(&writer->segments) ? NULL : segment_of(writer->segments.next);
    bool is_ready = first != NULL && first->is_closed && first->seq_synced == first->seq_last;
    return is_ready ? first : NULL;
}

struct segment *writer_fold_next(struct writer *writer) {
    struct segment *segment = NULL;
    lock(writer);
    for (;;) {
        int64_t now = now_ms();
        segment = fold_ready(writer);
        bool is_over = writer->failed || writer->is_fold_broken || now >= writer->stop_by_ms;
        if (writer->stopping && (is_over || list_is_empty(&writer->segments))) {
            segment = NULL;
            break;
        }
        if (segment != NULL && now >= writer->fold_retry_ms) {
            break;
        }
        int64_t wake_ms = segment != NULL ? writer->fold_retry_ms : 0;
        if (writer->stopping && (wake_ms == 0 || writer->stop_by_ms < wake_ms)) {
            wake_ms = writer->stop_by_ms;
        }
        wait(writer, &writer->fold, wake_ms);
    }
    unlock(writer);
    return segment;
}

static void fold_breaks(struct writer *writer, bool breaks) {
    if (writer->is_fold_broken != breaks) {
        writer->is_fold_broken = breaks;
        notify(writer);
    }
}

/* It will pass: the disk is full, a backup holds the lock, memory is short. */
static void fold_must_wait(struct writer *writer, enum result result) {
    writer->fold_retry_ms = now_ms() + RETRY_MS;
    writer->fold_no_space = result == RESULT_NO_SPACE;
    if (writer->fold_no_space) {
        pthread_cond_broadcast(&writer->spare_made); /* none will be */
        notify(writer);                              /* the loop thread gives up the one there is: writer_room */
    }
}

/* It may pass, too; whoever has to look at the disk is told, at once if what is stored is wrong. */
static void fold_failed(struct writer *writer, enum result result) {
    unsigned doublings = writer->fold_failures < FOLD_RETRY_DOUBLINGS ? ++writer->fold_failures : FOLD_RETRY_DOUBLINGS;
    writer->fold_retry_ms = now_ms() + ((int64_t)RETRY_MS << doublings);
    writer->fold_no_space = false;
    writer->metrics.io_errors++;
    writer->metrics.damaged += result == RESULT_DAMAGED && !writer->is_fold_damaged;
    writer->is_fold_damaged = result == RESULT_DAMAGED;
    fold_breaks(writer, writer->is_fold_broken || result != RESULT_IO || writer->fold_failures >= FOLD_FAILURES_MAX);
}

static void folded(struct writer *writer, struct segment *segment, size_t records) {
    writer->metrics.folds++;
    writer->metrics.folded_records += records;
    writer->metrics.journal_bytes -= segment->bytes;
    writer->fold_no_space = false;
    writer->fold_failures = 0;
    writer->is_fold_damaged = false;
    fold_breaks(writer, false);
    writer->spare_retry_ms = 0; /* there is space again */
    link_remove(&segment->link);
    segment_destroy(segment);
    pthread_cond_signal(&writer->work);
}

void writer_fold_done(struct writer *writer, struct segment *segment, enum result result, size_t folded_records,
                      int64_t seq_checkpoint, size_t checkpoint_bytes) {
    lock(writer);
    writer->metrics.seq_checkpoint = seq_checkpoint;
    writer->metrics.checkpoint_bytes = checkpoint_bytes;
    if (result == RESULT_OK) {
        folded(writer, segment, folded_records);
    } else if (result == RESULT_NO_SPACE || result == RESULT_AGAIN || result == RESULT_NO_MEMORY) {
        fold_must_wait(writer, result);
    } else {
        fold_failed(writer, result);
    }
    unlock(writer);
}

/* ---- life ---- */

static void conditions_init(struct writer *writer) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attributes);
    pthread_cond_init(&writer->fold, &attributes);
    pthread_cond_init(&writer->spare_made, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void take_segments(struct writer *writer, struct journal *journal) {
    writer->metrics.journal_bytes = journal_bytes(journal);
    list_init(&writer->segments);
    for (struct link *link; (link = list_pop(&journal->segments)) != NULL;) {
        list_append(&writer->segments, link);
    }
}

enum result writer_start(struct writer *writer, const struct store_options *options, struct journal *journal,
                         const struct store_metrics *metrics) {
    *writer = (struct writer){
        .event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        .disk = options->disk == NULL ? &disk_real : options->disk,
        .directory = journal->directory,
        .segment_bytes = options->segment_bytes,
        .journal_bytes_max = options->journal_bytes_max,
        .sync = options->sync,
        .sync_ms = options->sync_ms,
        .sync_rest_ms = options->sync_rest_ms,
        .metrics = *metrics,
    };
    if (writer->event < 0) {
        return result_of_errno(errno);
    }
    pthread_mutex_init(&writer->mutex, NULL);
    conditions_init(writer);
    take_segments(writer, journal);
    lock(writer);
    make_spare(writer);
    unlock(writer);
    int code = pthread_create(&writer->thread, NULL, run, writer);
    if (code != 0) {
        writer_fini(writer);
        return result_of_errno(code);
    }
    return RESULT_OK;
}

bool writer_stop(struct writer *writer) {
    lock(writer);
    writer->stopping = true;
    writer->stop_by_ms = now_ms() + STOP_FOLDING_MS;
    close_current(writer);
    pthread_cond_signal(&writer->work);
    pthread_cond_signal(&writer->fold);
    unlock(writer);
    pthread_join(writer->thread, NULL);
    lock(writer);
    bool is_whole = !writer->failed;
    drop_spare(writer);
    pthread_cond_signal(&writer->fold); /* it may have waited for the last sync */
    unlock(writer);
    return is_whole;
}

void writer_fini(struct writer *writer) {
    journal_list_free(&writer->segments);
    segment_destroy(writer->spare);
    close(writer->event);
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->fold);
    pthread_cond_destroy(&writer->spare_made);
    pthread_mutex_destroy(&writer->mutex);
}
