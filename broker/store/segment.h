/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One file of the journal, and how turns lie in it.
 *
 *   0         64                                                            bytes (the whole file is preallocated)
 *   | header  | turn | turn | turn | 0 0 0 0 ...                            |
 *
 *   header:  "AHORAJNL" | u32 version | u32 header bytes | u64 nonce | zeros | u64 checksum of what precedes
 *   turn:    u32 magic | u32 bytes | u64 seq_first | u64 seq_last | u64 head checksum | records, padded to 8 | u64 checksum
 *
 * Little end first. Turns lie end to end, each at a multiple of 8. The head has a checksum of its own, so that the length of a
 * turn whose records are damaged can be trusted, and the checksum of the records comes last, so that it is missing (zero) if the
 * process died while the turn was being written: bytes reach the page cache in order.
 *
 * Every checksum is seeded with the nonce and the place: bytes of an old turn or of a document that imitates a turn never pass.
 *
 * A segment is made under the name "spare" and gets its name, the first seq in it as 16 hex digits, when the first turn comes.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "broker/base/list.h"
#include "broker/base/result.h"
#include "broker/store/disk.h"
#include "proto/buffer.h"

#define SEGMENT_VERSION 1
#define SEGMENT_HEADER_BYTES 64
#define SEGMENT_NAME_DIGITS 16
#define SEGMENT_SPARE_NAME "spare"

#define TURN_HEAD_BYTES 32
#define TURN_FRAME_BYTES (TURN_HEAD_BYTES + 8)

struct segment {
    struct link link; /* in the owner's list */
    char name[SEGMENT_NAME_DIGITS + 1];
    int file; /* -1: not open for writing */
    uint64_t nonce;
    size_t bytes;       /* of the file */
    size_t used;        /* where the next turn goes */
    int64_t seq_last;   /* of the last turn; 0: none */
    int64_t seq_synced; /* up to here on disk */
    size_t bad;         /* places in it that were found not intact at start, and counted */
    size_t bad_tail;    /* of these, behind the last turn that counts */
    bool is_named;      /* and the name is on disk */
    bool is_closed;     /* takes no more turns */
};

static inline struct segment *segment_of(struct link *link) {
    return CONTAINER_OF(link, struct segment, link);
}

/* The bytes of records that the largest turn of a new segment holds. */
size_t segment_room_new(size_t segment_bytes);

/* The bytes of records that the largest turn still fitting holds. */
size_t segment_room(const struct segment *segment);

/* A new preallocated segment named "spare" in the directory, on disk when this returns. Replaces an older spare. */
enum result segment_create(struct segment **segment, const struct disk *disk, int directory, size_t bytes) MUST_CHECK;

/* Gives the spare its name; the directory must be synced before anything in it counts as durable. */
enum result segment_rename(struct segment *segment, int directory, int64_t seq_first) MUST_CHECK;

/* Appends one turn that fits. On failure nothing counts as written: the next turn goes to the same place. */
enum result segment_append(struct segment *segment, const struct disk *disk, struct span records, int64_t seq_first,
                           int64_t seq_last) MUST_CHECK;

/* Closes the file, if open, and frees; accepts NULL. The file stays. */
void segment_destroy(struct segment *segment);

/* The three words that must agree between writing and reading. */
uint64_t segment_head_seed(uint64_t nonce, size_t offset);
size_t segment_turn_bytes(size_t record_bytes);
bool segment_header_read(const uint8_t *header, uint64_t *nonce, uint32_t *version);
bool segment_head_is_intact(const uint8_t *head, uint64_t nonce, size_t offset);

#endif
