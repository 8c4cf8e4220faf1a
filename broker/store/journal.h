/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The journal as found at start: the segments of a directory in the order of their first seq, and the records in them.
 * Used by the thread that opens the store, before any other exists; then its segments go to the writer.
 *
 *   open -> load … load (RESULT_NOT_FOUND) -> damaged? -> cut -> take the segments
 *
 * What is bad at the end of the last turns may be a write that was cut short, which is no damage: nobody was shown it. After a
 * clean end there can be none. After the death of the process it is one turn that lacks its end. After a power loss it may be
 * anything that no intact turn follows.
 *
 * Seqs have no gaps. Turns that are missing although others follow, because a segment is not there or ends too early, are
 * damage: what follows is served, as behind a turn whose checksum does not match. After a power loss they are what never reached the
 * disk, and what follows them did only by chance, for segments are synced in their order: the journal ends before the gap.
 *
 * A power loss may also bring back a segment that was folded and dropped. The checkpoint may have forgotten removals since then, so
 * that replaying it would bring back removed topics: what the checkpoint stands for is passed over, bad places before it too.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "broker/core/record.h"
#include "broker/store/scan.h"
#include "broker/store/segment.h"

enum ending {
    ENDING_CLEAN,
    ENDING_KILLED,
    ENDING_POWER_LOSS,
};

struct journal {
    int directory;
    struct link segments; /* struct segment */
    struct segment *at;   /* being read */
    struct scan scan;
    struct span rest;   /* of the turn being read */
    size_t bytes_left;  /* that will be read, or more, where the file system does not know what was never written */
    int64_t seq_last;   /* of the last intact turn */
    int64_t seq_folded; /* turns up to here are in the checkpoint and not yielded again; set between open and load */
    bool seq_unknown;   /* the checkpoint is lost, and with it where the journal has to go on; set like seq_folded */
    bool ends_at_gap;   /* after a power loss; set like seq_folded */
    bool has_ended;     /* at a gap */
    uint64_t cut;       /* intact turns behind it */
    uint64_t damaged;   /* bad places and gaps that an intact turn follows */
    uint64_t pending;   /* bad places since the last intact turn */
    uint64_t unwritten; /* of them, such as a power loss leaves */
    bool torn;          /* the only one of them may be a write cut short */
};

/* Lists DIR/journal, creating it if missing. `path` is DIR. */
enum result journal_open(struct journal *journal, const char *path) MUST_CHECK;

/* About how many changes it holds, without reading it: of the segment that was written last only the bytes are known. Sets bytes_left. */
size_t journal_measure(struct journal *journal);

/* The next records, at least one and at most `max`. RESULT_NOT_FOUND at the end. Spans live until the next call. */
enum result journal_load(struct journal *journal, struct record *records, size_t max, size_t *count) MUST_CHECK;

/* After the load. */
uint64_t journal_damaged(const struct journal *journal, enum ending ending);

/* Cuts each segment behind its last intact turn that was yielded, on disk, so that what is bad there is not met again; drops those
   without any, or with folded ones only. */
enum result journal_cut(struct journal *journal) MUST_CHECK;

size_t journal_bytes(const struct journal *journal);

/* Closes the directory and forgets the segments; accepts a zeroed journal. */
void journal_close(struct journal *journal);

/* The segments of a directory into a list, in order; names only. */
enum result journal_list(int directory, struct link *segments) MUST_CHECK;
void journal_list_free(struct link *segments);

#endif
