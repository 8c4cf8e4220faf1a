/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A copy of a store that may be running. First the checkpoint, then the journal behind it, with the folding lock held: nothing can
 * move from the journal into the checkpoint meanwhile, so together they are the state at one moment, that of the last turn copied.
 * The lock is given back once the segments are open: a segment that is folded away while it is copied stays readable.
 */
#include "broker/store/checkpoint.h"
#include "broker/store/folder.h"
#include "broker/store/journal.h"
#include "broker/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTINGS_MAX 100 /* two listings in a row agree unless 100 times in a row a segment began just then */
#define COPY_BYTES (size_t)(1 << 20)

struct copied {
    struct link link;
    char name[SEGMENT_NAME_DIGITS + 1];
    struct scan scan;
};

static bool lists_equal(const struct link *a, const struct link *b) {
    struct link *left = a->next;
    struct link *right = b->next;
    for (; left != a && right != b; left = left->next, right = right->next) {
        if (strcmp(segment_of(left)->name, segment_of(right)->name) != 0) {
            return false;
        }
    }
    return left == a && right == b;
}

/* A directory that changes while it is read may hide a name; one that reads the same twice has not changed. */
static enum result list_settled(int directory, struct link *segments) {
    enum result result = journal_list(directory, segments);
    for (int i = 0; i < LISTINGS_MAX && result == RESULT_OK; i++) {
        struct link again;
        result = journal_list(directory, &again);
        if (result == RESULT_OK && lists_equal(segments, &again)) {
            journal_list_free(&again);
            return RESULT_OK;
        }
        journal_list_free(segments);
        list_init(segments);
        while (!list_is_empty(&again)) {
            list_append(segments, list_pop(&again));
        }
    }
    return result == RESULT_OK ? RESULT_AGAIN : result;
}

static enum result open_segments(int directory, struct link *copies) {
    struct link segments;
    enum result result = list_settled(directory, &segments);
    for (struct link *link = segments.next; link != &segments && result == RESULT_OK; link = link->next) {
        struct copied *copied = calloc(1, sizeof *copied);
        if (copied == NULL) {
            result = RESULT_NO_MEMORY;
            break;
        }
        memcpy(copied->name, segment_of(link)->name, sizeof copied->name);
        list_append(copies, &copied->link);
        result = scan_open(&copied->scan, directory, copied->name);
    }
    journal_list_free(&segments);
    return result;
}

static enum result copy_bytes(int from, int to, size_t bytes) {
    uint8_t *buffer = malloc(COPY_BYTES);
    if (buffer == NULL) {
        return RESULT_NO_MEMORY;
    }
    enum result result = RESULT_OK;
    for (size_t done = 0; done < bytes && result == RESULT_OK;) {
        size_t wanted = bytes - done < COPY_BYTES ? bytes - done : COPY_BYTES;
        ssize_t got = pread(from, buffer, wanted, (off_t)done);
        if (got <= 0) {
            result = got < 0 ? result_of_errno(errno) : RESULT_IO;
            break;
        }
        ssize_t put = pwrite(to, buffer, (size_t)got, (off_t)done);
        result = put < 0 ? result_of_errno(errno) : RESULT_OK;
        done += put < 0 ? 0 : (size_t)put;
    }
    free(buffer);
    return result;
}

/* First finds the end, then copies: what lies before an intact turn was written before it, so the copy holds whole turns only. */
static enum result copy_segment(struct copied *copied, int directory) {
    struct turn turn;
    enum result result;
    while ((result = scan_next(&copied->scan, &turn)) == RESULT_OK) {
    }
    if (result != RESULT_NOT_FOUND) {
        return result;
    }
    int file = openat(directory, copied->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return result_of_errno(errno);
    }
    result = copy_bytes(copied->scan.file, file, copied->scan.end);
    if (result == RESULT_OK && fsync(file) != 0) {
        result = result_of_errno(errno);
    }
    close(file);
    return result;
}

static enum result copy_segments(struct link *copies, int directory) {
    enum result result = RESULT_OK;
    for (struct link *link; (link = list_pop(copies)) != NULL;) {
        struct copied *copied = CONTAINER_OF(link, struct copied, link);
        result = result == RESULT_OK ? copy_segment(copied, directory) : result;
        scan_close(&copied->scan);
        free(copied);
    }
    return result == RESULT_OK && fsync(directory) != 0 ? result_of_errno(errno) : result;
}

static enum result open_directory(int *directory, const char *path, const char *name, bool make) {
    char full[PATH_MAX];
    if ((size_t)snprintf(full, sizeof full, "%s/%s", path, name) >= sizeof full) {
        return RESULT_INVALID;
    }
    if (make && mkdir(full, 0700) != 0) {
        return result_of_errno(errno);
    }
    *directory = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *directory < 0 ? result_of_errno(errno) : RESULT_OK;
}

enum place {
    FROM_CHECKPOINT,
    FROM_JOURNAL,
    TO_CHECKPOINT,
    TO_JOURNAL,
    TO,
    PLACES,
};

/* `cause` if it is known better than the result tells. */
static enum result open_places(int places[PLACES], const char *from, const char *to, const char **cause) {
    const struct {
        const char *path;
        const char *name;
        bool make;
    } table[PLACES] = {
        [FROM_CHECKPOINT] = {from, "checkpoint", false},
        [FROM_JOURNAL] = {from, "journal", false},
        [TO_CHECKPOINT] = {to, "checkpoint", true},
        [TO_JOURNAL] = {to, "journal", true},
        [TO] = {to, ".", false},
    };
    enum result result = RESULT_OK;
    for (size_t i = 0; i < PLACES && result == RESULT_OK; i++) {
        if (table[i].path == to && table[i].make && places[TO_CHECKPOINT] < 0 && mkdir(to, 0700) != 0) {
            *cause = errno == EEXIST ? "it exists already, and a backup makes a new directory" : NULL;
            return result_of_errno(errno);
        }
        result = open_directory(&places[i], table[i].path, table[i].name, table[i].make);
    }
    return result;
}

static enum result copy(const int places[PLACES], const char *from, const char *to) {
    struct link copies;
    list_init(&copies);
    enum result result = folder_lock_shared(places[FROM_CHECKPOINT]);
    if (result == RESULT_OK) {
        result = checkpoint_copy(from, to);
        result = result == RESULT_OK ? open_segments(places[FROM_JOURNAL], &copies) : result;
        (void)flock(places[FROM_CHECKPOINT], LOCK_UN);
    }
    if (result != RESULT_OK) {
        for (struct link *link; (link = list_pop(&copies)) != NULL;) {
            struct copied *copied = CONTAINER_OF(link, struct copied, link);
            scan_close(&copied->scan);
            free(copied);
        }
        return result;
    }
    result = copy_segments(&copies, places[TO_JOURNAL]);
    return result == RESULT_OK && fsync(places[TO]) != 0 ? result_of_errno(errno) : result;
}

enum result store_backup(const char *from, const char *to, char *detail, size_t detail_bytes) {
    int places[PLACES] = {-1, -1, -1, -1, -1};
    const char *cause = NULL;
    enum result result = open_places(places, from, to, &cause);
    result = result == RESULT_OK ? copy(places, from, to) : result;
    for (size_t i = 0; i < PLACES; i++) {
        if (places[i] >= 0) {
            close(places[i]);
        }
    }
    snprintf(detail, detail_bytes, "%s to %s: %s", from, to, cause != NULL ? cause : result_text(result));
    return result;
}
