/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/store.h"

#include "broker/store/checkpoint.h"
#include "broker/store/folder.h"
#include "broker/store/identity.h"
#include "broker/store/journal.h"
#include "broker/store/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES_MIN 4096
#define SEGMENT_BYTES_MAX ((size_t)1 << 30) /* folding may hold about as much */

struct store {
    struct store_options options;
    char *path;
    int lock;      /* DIR/lock, held */
    int fold_lock; /* DIR/checkpoint */
    struct checkpoint checkpoint;
    struct journal journal;
    struct writer writer;
    struct folder folder;
    enum ending ending;
    const char *epoch_reason;
    bool epoch_is_new;
    bool is_checkpoint_read;
    bool is_loaded;
    bool is_started;
    int64_t seq_last;
};

void store_options_default(struct store_options *options) {
    *options = (struct store_options){
        .segment_bytes = (size_t)64 << 20,
        .journal_bytes_max = (size_t)4 << 30,
        .checkpoint_bytes_max = (size_t)64 << 30,
        .removals_max = 65536,
        .key_keep_ms = 10 * 60 * 1000,
        .sync = SYNC_EVERY,
        .sync_ms = 100,
        .sync_rest_ms = 50,
    };
}

/* ---- opening ---- */

__attribute__((format(printf, 3, 4))) static void explain(char *detail, size_t bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, bytes, format, arguments);
    va_end(arguments);
}

static bool options_are_valid(const struct store_options *options) {
    return options->path != NULL && options->path[0] != 0 && strlen(options->path) < PATH_MAX - 64 &&
           options->segment_bytes >= SEGMENT_BYTES_MIN && options->segment_bytes <= SEGMENT_BYTES_MAX &&
           options->journal_bytes_max >= 2 * options->segment_bytes && options->checkpoint_bytes_max > 0 &&
           options->key_keep_ms >= 0 && options->sync_rest_ms >= 0 && (options->sync != SYNC_INTERVAL || options->sync_ms > 0);
}

static enum result sync_directory(const char *path, const char *name) {
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", path, name);
    int directory = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return result_of_errno(errno);
    }
    enum result result = fsync(directory) == 0 ? RESULT_OK : result_of_errno(errno);
    close(directory);
    return result;
}

static enum result make_directory(const char *path) {
    if (mkdir(path, 0700) == 0) {
        return sync_directory(path, "..");
    }
    return errno == EEXIST ? RESULT_OK : result_of_errno(errno);
}

/* Held until the process ends, however it ends. */
static enum result take_lock(struct store *store) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/lock", store->path);
    store->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0) {
        return result_of_errno(errno);
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? RESULT_LOCKED : result_of_errno(errno);
    }
    return RESULT_OK;
}

static enum result open_fold_lock(struct store *store) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/checkpoint", store->path);
    store->fold_lock = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return store->fold_lock < 0 ? result_of_errno(errno) : RESULT_OK;
}

/* What the last run left, by the marks it left. Damage is known only after the load. */
static void judge(struct store *store, const char *boot_id, const char *place) {
    const struct checkpoint_meta *meta = &store->checkpoint.meta;
    bool is_same_boot = boot_id[0] != 0 && strncmp(meta->boot_id, boot_id, sizeof meta->boot_id) == 0; /* empty: unknown */
    store->epoch_is_new = true;
    store->ending = ENDING_POWER_LOSS;
    store->journal.ends_at_gap = !meta->clean;
    if (!store->checkpoint.has_meta || store->checkpoint.is_meta_damaged) {
        store->epoch_reason = list_is_empty(&store->journal.segments) ? "first start" : "restored copy";
    } else if (strncmp(meta->place, place, sizeof meta->place) != 0) {
        store->epoch_reason = "restored copy";
    } else if (!meta->clean && !is_same_boot) {
        store->epoch_reason = "power loss";
    } else {
        store->epoch_is_new = false;
        store->ending = meta->clean ? ENDING_CLEAN : ENDING_KILLED;
        store->journal.ends_at_gap = false;
        store->epoch_reason = meta->clean ? "clean" : "killed";
    }
}

/* The marks of this run, into the meta in memory; they reach the disk in store_loaded. */
static enum result take_marks(struct store *store) {
    char boot_id[IDENTITY_BOOT_BYTES] = {0};
    char place[IDENTITY_PLACE_BYTES];
    enum result result = identity_read_place(place, store->path);
    if (result != RESULT_OK) {
        return result;
    }
    if (store->options.boot_id != NULL) {
        snprintf(boot_id, sizeof boot_id, "%s", store->options.boot_id);
    } else {
        identity_read_boot(boot_id);
    }
    judge(store, boot_id, place);
    struct checkpoint_meta *meta = &store->checkpoint.meta;
    memcpy(meta->boot_id, boot_id, sizeof meta->boot_id);
    memcpy(meta->place, place, sizeof meta->place);
    meta->clean = false;
    return store->epoch_is_new ? identity_new_epoch(meta->epoch) : RESULT_OK;
}

static enum result open_parts(struct store *store, const char **at) {
    *at = "";
    enum result result = make_directory(store->path);
    if (result != RESULT_OK) {
        return result;
    }
    *at = "/lock";
    result = take_lock(store);
    if (result != RESULT_OK) {
        return result;
    }
    *at = "/checkpoint";
    const struct store_options *options = &store->options;
    result = checkpoint_open(&store->checkpoint, store->path, options->checkpoint_bytes_max, options->removals_max,
                             options->key_keep_ms);
    result = result == RESULT_OK ? open_fold_lock(store) : result;
    if (result != RESULT_OK) {
        return result;
    }
    *at = "/journal";
    result = journal_open(&store->journal, store->path);
    store->journal.seq_folded = store->checkpoint.meta.seq;
    store->journal.seq_unknown = !store->checkpoint.has_meta || store->checkpoint.is_meta_damaged;
    return result == RESULT_OK ? take_marks(store) : result;
}

static uint64_t damaged(const struct store *store) {
    return store->checkpoint.damaged + store->checkpoint.is_meta_damaged + journal_damaged(&store->journal, store->ending);
}

static void report_fill(const struct store *store, struct store_report *report) {
    const struct checkpoint_meta *meta = &store->checkpoint.meta;
    *report = (struct store_report){
        .epoch_is_new = store->epoch_is_new,
        .epoch_reason = store->epoch_reason,
        .seq_checkpoint = meta->seq,
        .topics = store->checkpoint.topic_count,
        .topics_bytes = store->checkpoint.topic_bytes,
        .seq_floor = meta->floor,
        .damaged = damaged(store),
        .cut = store->journal.cut,
    };
    memcpy(report->epoch, meta->epoch, sizeof report->epoch);
}

static void destroy(struct store *store) {
    journal_close(&store->journal);
    checkpoint_close(&store->checkpoint);
    if (store->fold_lock >= 0) {
        close(store->fold_lock);
    }
    if (store->lock >= 0) {
        close(store->lock);
    }
    free(store->path);
    free(store);
}

enum result store_open(struct store **store, const struct store_options *options, struct store_report *report, char *detail,
                       size_t detail_bytes) {
    assert(detail_bytes > 0);
    detail[0] = 0;
    if (!options_are_valid(options)) {
        explain(detail, detail_bytes, "the options of the store are out of bounds");
        return RESULT_INVALID;
    }
    struct store *new = calloc(1, sizeof *new);
    char *path = strdup(options->path);
    if (new == NULL || path == NULL) {
        free(new);
        free(path);
        return RESULT_NO_MEMORY;
    }
    *new = (struct store){.options = *options, .path = path, .lock = -1, .fold_lock = -1};
    new->options.path = path;
    new->options.segment_bytes &= ~(size_t)7;
    const char *at;
    enum result result = open_parts(new, &at);
    if (result != RESULT_OK) {
        explain(detail, detail_bytes, "%s%s: %s", path, at, result_text(result));
        destroy(new);
        return result;
    }
    report_fill(new, report);
    report->journal_changes = journal_measure(&new->journal);
    report->journal_bytes = store_load_left(new);
    *store = new;
    return RESULT_OK;
}

/* ---- loading ---- */

enum result store_load(struct store *store, struct record *records, size_t max, size_t *count) {
    assert(!store->is_loaded && max > 0);
    if (!store->is_checkpoint_read) {
        enum result result = checkpoint_load(&store->checkpoint, records, max, count);
        if (result != RESULT_NOT_FOUND) {
            return result;
        }
        store->is_checkpoint_read = true;
    }
    return journal_load(&store->journal, records, max, count);
}

size_t store_load_left(const struct store *store) {
    return store->journal.bytes_left;
}

static enum result settle_epoch(struct store *store) {
    if (damaged(store) == 0) {
        return RESULT_OK;
    }
    store->epoch_reason = "damaged";
    if (store->epoch_is_new) {
        return RESULT_OK;
    }
    store->epoch_is_new = true;
    return identity_new_epoch(store->checkpoint.meta.epoch);
}

/* The old ends are cut before the new marks are written: a death in between leaves the old marks, and is judged by them. What is
   damaged is cut after that, or a death in between would leave the old epoch and no sign of the damage. */
enum result store_loaded(struct store *store, int64_t seq_last, struct store_report *report) {
    assert(store->is_checkpoint_read && !store->is_loaded);
    enum result result = settle_epoch(store);
    if (seq_last < store->checkpoint.meta.seq) { /* damage took the newest: their seqs are used again, and not passed over */
        store->checkpoint.meta.seq = seq_last;
    }
    report_fill(store, report);
    if (result == RESULT_OK && report->damaged > 0) {
        result = checkpoint_write_meta(&store->checkpoint);
    }
    result = result == RESULT_OK ? journal_cut(&store->journal) : result;
    if (result == RESULT_OK && store->checkpoint.damaged > 0) {
        result = checkpoint_drop_damaged(&store->checkpoint);
    }
    result = result == RESULT_OK ? checkpoint_write_meta(&store->checkpoint) : result;
    result = result == RESULT_OK ? sync_directory(store->path, ".") : result;
    store->is_loaded = result == RESULT_OK;
    store->seq_last = seq_last;
    return result;
}

/* ---- running ---- */

enum result store_start(struct store *store) {
    assert(store->is_loaded && !store->is_started);
    enum result result = writer_start(&store->writer, &store->options, &store->journal,
                                      &(struct store_metrics){.seq_durable = store->seq_last,
                                                              .seq_checkpoint = store->checkpoint.meta.seq,
                                                              .damaged = damaged(store),
                                                              .checkpoint_bytes = checkpoint_bytes(&store->checkpoint)});
    if (result != RESULT_OK) {
        return result;
    }
    store->folder = (struct folder){
        .writer = &store->writer,
        .checkpoint = &store->checkpoint,
        .journal = store->journal.directory,
        .lock = store->fold_lock,
    };
    result = folder_start(&store->folder);
    if (result != RESULT_OK) {
        (void)writer_stop(&store->writer);
        writer_fini(&store->writer);
        return result;
    }
    store->is_started = true;
    return RESULT_OK;
}

/* The functions that ask are const for the caller; the mutex they take is not. */
static struct writer *writer_of(const struct store *store) {
    assert(store->is_started);
    return (struct writer *)(uintptr_t)&store->writer;
}

size_t store_room(const struct store *store) {
    return writer_room(writer_of(store));
}

enum result store_append(struct store *store, struct span records, int64_t seq_first, int64_t seq_last) {
    assert(seq_first == store->seq_last + 1 && "a gap is damage to the next start");
    enum result result = writer_append(writer_of(store), records, seq_first, seq_last);
    store->seq_last = result == RESULT_OK ? seq_last : store->seq_last;
    return result;
}

void store_ask_sync(struct store *store, int64_t seq) {
    writer_ask_sync(writer_of(store), seq);
}

int64_t store_durable_seq(const struct store *store) {
    return writer_durable_seq(writer_of(store));
}

bool store_failed(const struct store *store) {
    return writer_failed(writer_of(store));
}

int store_event_fd(const struct store *store) {
    return writer_of(store)->event;
}

void store_metrics(const struct store *store, struct store_metrics *metrics) {
    writer_metrics(writer_of(store), metrics);
}

void store_close(struct store *store) {
    bool is_whole = store->is_loaded;
    if (store->is_started) {
        is_whole = writer_stop(&store->writer);
        folder_join(&store->folder);
        writer_fini(&store->writer);
    }
    if (is_whole) {
        store->checkpoint.meta.clean = true;
        enum result result = checkpoint_write_meta(&store->checkpoint);
        (void)result; /* without the mark the next start looks closer, and finds everything */
    }
    destroy(store);
}
