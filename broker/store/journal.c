/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/journal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHANGE_BYTES_USUAL 64 /* at least, with a name and a few fields */

static bool is_segment_name(const char *name) {
    return strlen(name) == SEGMENT_NAME_DIGITS && strspn(name, "0123456789abcdef") == SEGMENT_NAME_DIGITS;
}

/* Names of one length with the digits in front of the letters sort like their numbers. Most come in order or nearly so. */
static enum result list_insert(struct link *segments, const char *name) {
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) {
        return RESULT_NO_MEMORY;
    }
    memcpy(segment->name, name, sizeof segment->name);
    segment->file = -1;
    segment->is_named = true;
    segment->is_closed = true;
    struct link *place = segments->prev;
    while (place != segments && strcmp(segment_of(place)->name, name) > 0) {
        place = place->prev;
    }
    link_insert_after(place, &segment->link);
    return RESULT_OK;
}

enum result journal_list(int directory, struct link *segments) {
    list_init(segments);
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    if (entries == NULL) {
        enum result result = result_of_errno(errno);
        if (again >= 0) {
            close(again);
        }
        return result;
    }
    enum result result = RESULT_OK;
    struct dirent *entry;
    while (result == RESULT_OK && (errno = 0, entry = readdir(entries)) != NULL) {
        if (is_segment_name(entry->d_name)) {
            result = list_insert(segments, entry->d_name);
        }
    }
    result = result == RESULT_OK ? result_of_errno(errno) : result;
    closedir(entries);
    return result;
}

void journal_list_free(struct link *segments) {
    for (struct link *link; (link = list_pop(segments)) != NULL;) {
        segment_destroy(segment_of(link));
    }
}

enum result journal_open(struct journal *journal, const char *path) {
    *journal = (struct journal){.directory = -1};
    list_init(&journal->segments);
    char name[PATH_MAX];
    if ((size_t)snprintf(name, sizeof name, "%s/journal", path) >= sizeof name) {
        return RESULT_INVALID;
    }
    if (mkdir(name, 0700) != 0 && errno != EEXIST) {
        return result_of_errno(errno);
    }
    journal->directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0) {
        return result_of_errno(errno);
    }
    if (unlinkat(journal->directory, SEGMENT_SPARE_NAME, 0) != 0 && errno != ENOENT) {
        return result_of_errno(errno);
    }
    return journal_list(journal->directory, &journal->segments);
}

/* What precedes the unwritten rest. */
static size_t written_bytes(int directory, const char *name) {
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 0; /* the load will tell */
    }
    off_t end = lseek(file, 0, SEEK_HOLE);
    close(file);
    return end < 0 ? 0 : (size_t)end;
}

/* A segment is named by its first seq, so that it holds as many changes as the next one's name is further. */
size_t journal_measure(struct journal *journal) {
    size_t changes = 0;
    for (struct link *link = journal->segments.next; link != &journal->segments; link = link->next) {
        const char *name = segment_of(link)->name;
        const size_t bytes = written_bytes(journal->directory, name);
        const size_t usual = bytes / CHANGE_BYTES_USUAL;
        const bool is_last = link->next == &journal->segments;
        const uint64_t known = is_last ? usual : strtoull(segment_of(link->next)->name, NULL, 16) - strtoull(name, NULL, 16);
        changes += known < usual ? (size_t)known : usual; /* fewer bytes: not there, or not whole */
        journal->bytes_left += bytes;
    }
    return changes;
}

/* Opens the next segment that has a header. RESULT_NOT_FOUND: there is none. */
static enum result load_segment(struct journal *journal) {
    for (;;) {
        struct link *next = journal->at == NULL ? journal->segments.next : journal->at->link.next;
        if (next == &journal->segments) {
            return RESULT_NOT_FOUND;
        }
        journal->at = segment_of(next);
        enum result result = scan_open(&journal->scan, journal->directory, journal->at->name);
        if (result != RESULT_DAMAGED) {
            return result;
        }
        journal->pending++;
        journal->torn = false; /* the header was on disk before the segment had its name */
    }
}

static void count_bad(struct journal *journal, const struct scan *scan) {
    if (scan->bad > 0) {
        journal->torn = journal->pending == 0 && scan->bad == 1 && scan->torn;
        journal->pending += scan->bad;
        journal->unwritten += scan->unwritten;
        journal->at->bad += scan->bad;
        journal->at->bad_tail += scan->bad;
    }
}

/* Seqs between what is known and this turn are missing. */
static bool is_behind_gap(const struct journal *journal, const struct turn *turn) {
    int64_t known = journal->seq_last > journal->seq_folded ? journal->seq_last : journal->seq_folded;
    return turn->seq_first > known + 1 && !(journal->seq_unknown && journal->seq_last == 0);
}

/* An unfolded one. The gap is counted by its bad places, if it has any. */
static void take_unfolded(struct journal *journal, const struct turn *turn) {
    bool is_gap = is_behind_gap(journal, turn);
    bool is_unwritten = journal->pending == journal->unwritten; /* no other bytes stand where the missing turns were */
    journal->has_ended |= is_gap && is_unwritten && journal->ends_at_gap;
    if (journal->has_ended) {
        journal->cut++;
        return;
    }
    journal->damaged += journal->pending > 0 ? journal->pending : is_gap;
    journal->rest = turn->records;
    journal->at->seq_last = turn->seq_last;
    journal->at->used = journal->scan.end;
    journal->at->bad_tail = 0;
}

static void take_turn(struct journal *journal, const struct turn *turn) {
    if (turn->seq_last > journal->seq_folded) {
        take_unfolded(journal, turn);
    }
    const size_t bytes = segment_turn_bytes(turn->records.bytes);
    journal->bytes_left -= bytes < journal->bytes_left ? bytes : journal->bytes_left;
    journal->pending = 0;
    journal->unwritten = 0;
    journal->seq_last = turn->seq_last;
}

static enum result load_turn(struct journal *journal) {
    for (;;) {
        enum result result = journal->scan.is_open ? RESULT_OK : load_segment(journal);
        if (result != RESULT_OK) {
            return result;
        }
        struct turn turn;
        result = scan_next(&journal->scan, &turn);
        count_bad(journal, &journal->scan);
        if (result == RESULT_OK) {
            take_turn(journal, &turn);
            return RESULT_OK;
        }
        if (result != RESULT_NOT_FOUND) {
            return result;
        }
        journal->at->bytes = journal->scan.bytes;
        scan_close(&journal->scan);
    }
}

/* The next turn, if that does not take away what the turns before it lie in. */
static bool load_turn_at_hand(struct journal *journal) {
    struct turn turn;
    if (!journal->scan.is_open || !scan_next_at_hand(&journal->scan, &turn)) {
        return false;
    }
    count_bad(journal, &journal->scan);
    take_turn(journal, &turn);
    return true;
}

enum result journal_load(struct journal *journal, struct record *records, size_t max, size_t *count) {
    *count = 0;
    while (*count < max) {
        if (journal->rest.bytes > 0) {
            if (!record_read(&journal->rest, &records[*count])) {
                return RESULT_VERSION;
            }
            ++*count;
            continue;
        }
        enum result result = RESULT_OK;
        if (*count > 0 ? !load_turn_at_hand(journal) : (result = load_turn(journal)) != RESULT_OK) {
            return result;
        }
    }
    return RESULT_OK;
}

uint64_t journal_damaged(const struct journal *journal, enum ending ending) {
    bool is_tear = ending == ENDING_POWER_LOSS || (ending == ENDING_KILLED && journal->pending == 1 && journal->torn);
    return journal->damaged + (is_tear ? 0 : journal->pending);
}

static enum result cut_segment(struct journal *journal, struct segment *segment) {
    int file = openat(journal->directory, segment->name, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return result_of_errno(errno);
    }
    enum result result = RESULT_OK;
    if (ftruncate(file, (off_t)segment->used) != 0 || fsync(file) != 0) {
        result = result_of_errno(errno);
    }
    close(file);
    segment->bytes = segment->used;
    segment->bad -= segment->bad_tail;
    segment->seq_synced = segment->seq_last;
    return result;
}

enum result journal_cut(struct journal *journal) {
    enum result result = RESULT_OK;
    for (struct link *link = journal->segments.next; link != &journal->segments && result == RESULT_OK;) {
        struct segment *segment = segment_of(link);
        link = link->next;
        if (segment->seq_last > 0) {
            result = cut_segment(journal, segment);
            continue;
        }
        if (unlinkat(journal->directory, segment->name, 0) != 0) {
            return result_of_errno(errno);
        }
        link_remove(&segment->link);
        segment_destroy(segment);
    }
    if (result == RESULT_OK && fsync(journal->directory) != 0) {
        result = result_of_errno(errno);
    }
    return result;
}

size_t journal_bytes(const struct journal *journal) {
    size_t bytes = 0;
    for (struct link *link = journal->segments.next; link != &journal->segments; link = link->next) {
        bytes += segment_of(link)->bytes;
    }
    return bytes;
}

void journal_close(struct journal *journal) {
    scan_close(&journal->scan);
    if (journal->segments.next != NULL) {
        journal_list_free(&journal->segments);
        if (journal->directory >= 0) {
            close(journal->directory);
        }
    }
    *journal = (struct journal){0};
}
