/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/folder.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

enum result folder_lock_shared(int lock) {
    int code;
    do {
        code = flock(lock, LOCK_SH);
    } while (code != 0 && errno == EINTR);
    return code == 0 ? RESULT_OK : result_of_errno(errno);
}

/* A place that was intact when it was written or loaded and is not now stops the folding: the segment has to stay, so that the
   next start sees it and takes a new epoch. */
static enum result gather(struct newest *newest, struct scan *scan, size_t bad_known, int64_t seq_folded) {
    size_t bad = 0;
    enum result result;
    do {
        struct turn turn;
        result = scan_next(scan, &turn);
        bad += scan->bad;
        if (result == RESULT_OK && turn.seq_last > seq_folded) {
            result = newest_add(newest, turn.records);
        }
    } while (result == RESULT_OK);
    if (result == RESULT_NOT_FOUND) {
        return bad == bad_known ? RESULT_OK : RESULT_DAMAGED;
    }
    return result;
}

/* In transactions of bounded size; the last one tells that the segment is in. */
static enum result put(struct checkpoint *checkpoint, const struct newest *newest, int64_t seq) {
    enum result result = RESULT_OK;
    for (size_t done = 0; done < newest->count && result == RESULT_OK;) {
        size_t left = newest->count - done;
        size_t count = left < CHECKPOINT_PUTS_MAX ? left : CHECKPOINT_PUTS_MAX;
        result = checkpoint_fold(checkpoint, newest->entries + done, count, count == left ? seq : 0);
        done += count;
    }
    return result;
}

/* For good: a power loss must not bring it back. */
static enum result drop(int journal, const char *name) {
    if (unlinkat(journal, name, 0) != 0 && errno != ENOENT) {
        return result_of_errno(errno);
    }
    return fsync(journal) == 0 ? RESULT_OK : result_of_errno(errno);
}

static enum result fold(struct folder *folder, const struct segment *segment, size_t *records) {
    struct scan scan;
    enum result result = scan_open(&scan, folder->journal, segment->name);
    if (result != RESULT_OK) {
        return result;
    }
    struct newest newest = {0};
    result = gather(&newest, &scan, segment->bad, folder->checkpoint->meta.seq);
    if (result == RESULT_OK) {
        newest_sort(&newest);
        result = put(folder->checkpoint, &newest, segment->seq_last);
        *records = newest.count;
    }
    newest_fini(&newest);
    scan_close(&scan);
    return result == RESULT_OK ? drop(folder->journal, segment->name) : result;
}

static void *run(void *argument) {
    struct folder *folder = argument;
    struct segment *segment;
    while ((segment = writer_fold_next(folder->writer)) != NULL) {
        size_t records = 0;
        enum result result = RESULT_AGAIN;
        if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0) {
            result = fold(folder, segment, &records);
            (void)flock(folder->lock, LOCK_UN);
        }
        writer_fold_done(folder->writer, segment, result, records, folder->checkpoint->meta.seq,
                         checkpoint_bytes(folder->checkpoint));
    }
    return NULL;
}

enum result folder_start(struct folder *folder) {
    return result_of_errno(pthread_create(&folder->thread, NULL, run, folder));
}

void folder_join(struct folder *folder) {
    pthread_join(folder->thread, NULL);
}
