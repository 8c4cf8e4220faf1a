/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/segment.h"

#include "broker/base/bytes.h"
#include "broker/base/checksum.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static const char header_magic[8] = {'A', 'H', 'O', 'R', 'A', 'J', 'N', 'L'};

#define HEADER_VERSION_AT 8
#define HEADER_NONCE_AT 16
#define HEADER_CHECKSUM_AT (SEGMENT_HEADER_BYTES - 8)
#define TURN_MAGIC UINT32_C(0x6e727574) /* "turn" */
#define HEAD_CHECKSUM_AT (TURN_HEAD_BYTES - 8)

static size_t padded(size_t bytes) {
    return (bytes + 7) & ~(size_t)7;
}

uint64_t segment_head_seed(uint64_t nonce, size_t offset) {
    return nonce + offset;
}

size_t segment_turn_bytes(size_t record_bytes) {
    return TURN_FRAME_BYTES + padded(record_bytes);
}

static size_t room_between(size_t used, size_t bytes) {
    return bytes < used + TURN_FRAME_BYTES ? 0 : (bytes - used - TURN_FRAME_BYTES) & ~(size_t)7;
}

size_t segment_room_new(size_t segment_bytes) {
    return room_between(SEGMENT_HEADER_BYTES, segment_bytes);
}

size_t segment_room(const struct segment *segment) {
    return segment->is_closed ? 0 : room_between(segment->used, segment->bytes);
}

static void header_put(uint8_t *header, uint64_t nonce) {
    memset(header, 0, SEGMENT_HEADER_BYTES);
    memcpy(header, header_magic, sizeof header_magic);
    bytes_put_u32(header + HEADER_VERSION_AT, SEGMENT_VERSION);
    bytes_put_u32(header + HEADER_VERSION_AT + 4, SEGMENT_HEADER_BYTES);
    bytes_put_u64(header + HEADER_NONCE_AT, nonce);
    bytes_put_u64(header + HEADER_CHECKSUM_AT, checksum_of(header, HEADER_CHECKSUM_AT, 0));
}

bool segment_header_read(const uint8_t *header, uint64_t *nonce, uint32_t *version) {
    *nonce = bytes_get_u64(header + HEADER_NONCE_AT);
    *version = bytes_get_u32(header + HEADER_VERSION_AT);
    return memcmp(header, header_magic, sizeof header_magic) == 0 &&
           bytes_get_u64(header + HEADER_CHECKSUM_AT) == checksum_of(header, HEADER_CHECKSUM_AT, 0);
}

/* Writes all pieces; the pieces are used up. */
static enum result write_all(const struct disk *disk, int file, struct iovec *pieces, int count, size_t offset) {
    while (count > 0) {
        ssize_t written = disk->write_at(file, pieces, count, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? result_of_errno(errno) : RESULT_IO;
        }
        offset += (size_t)written;
        for (; count > 0 && (size_t)written >= pieces->iov_len; count--, pieces++) {
            written -= (ssize_t)pieces->iov_len;
        }
        if (count > 0) {
            pieces->iov_base = (uint8_t *)pieces->iov_base + written;
            pieces->iov_len -= (size_t)written;
        }
    }
    return RESULT_OK;
}

static enum result fill(struct segment *segment, const struct disk *disk) {
    if (disk->reserve(segment->file, (off_t)segment->bytes) != 0) {
        return result_of_errno(errno);
    }
    if (getrandom(&segment->nonce, sizeof segment->nonce, 0) != sizeof segment->nonce) {
        return RESULT_IO;
    }
    uint8_t header[SEGMENT_HEADER_BYTES];
    header_put(header, segment->nonce);
    struct iovec piece = {header, sizeof header};
    enum result result = write_all(disk, segment->file, &piece, 1, 0);
    if (result != RESULT_OK) {
        return result;
    }
    return fsync(segment->file) == 0 ? RESULT_OK : result_of_errno(errno);
}

enum result segment_create(struct segment **segment, const struct disk *disk, int directory, size_t bytes) {
    assert(bytes % 8 == 0 && segment_room_new(bytes) > 0 && bytes <= UINT32_MAX);
    struct segment *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return RESULT_NO_MEMORY;
    }
    new->bytes = bytes;
    new->used = SEGMENT_HEADER_BYTES;
    new->file = openat(directory, SEGMENT_SPARE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum result result = new->file < 0 ? result_of_errno(errno) : fill(new, disk);
    if (result != RESULT_OK) {
        segment_destroy(new);
        (void)unlinkat(directory, SEGMENT_SPARE_NAME, 0);
        return result;
    }
    *segment = new;
    return RESULT_OK;
}

enum result segment_rename(struct segment *segment, int directory, int64_t seq_first) {
    assert(segment->name[0] == 0 && seq_first > 0);
    snprintf(segment->name, sizeof segment->name, "%016" PRIx64, (uint64_t)seq_first);
    return renameat(directory, SEGMENT_SPARE_NAME, directory, segment->name) == 0 ? RESULT_OK : result_of_errno(errno);
}

static void head_put(uint8_t *head, size_t bytes, int64_t seq_first, int64_t seq_last, uint64_t seed) {
    bytes_put_u32(head, TURN_MAGIC);
    bytes_put_u32(head + 4, (uint32_t)bytes);
    bytes_put_u64(head + 8, (uint64_t)seq_first);
    bytes_put_u64(head + 16, (uint64_t)seq_last);
    bytes_put_u64(head + HEAD_CHECKSUM_AT, checksum_of(head, HEAD_CHECKSUM_AT, seed));
}

bool segment_head_is_intact(const uint8_t *head, uint64_t nonce, size_t offset) {
    return bytes_get_u32(head) == TURN_MAGIC &&
           bytes_get_u64(head + HEAD_CHECKSUM_AT) == checksum_of(head, HEAD_CHECKSUM_AT, segment_head_seed(nonce, offset));
}

enum result segment_append(struct segment *segment, const struct disk *disk, struct span records, int64_t seq_first,
                           int64_t seq_last) {
    assert(records.bytes > 0 && records.bytes <= segment_room(segment));
    assert(segment->file >= 0 && seq_first > segment->seq_last && seq_last >= seq_first);
    uint8_t head[TURN_HEAD_BYTES];
    head_put(head, records.bytes, seq_first, seq_last, segment_head_seed(segment->nonce, segment->used));
    size_t padding = padded(records.bytes) - records.bytes;
    uint8_t tail[7 + 8] = {0};
    bytes_put_u64(tail + padding, checksum_of(records.data, records.bytes, bytes_get_u64(head + HEAD_CHECKSUM_AT)));
    struct iovec pieces[] = {
        {head, sizeof head},
        {(void *)(uintptr_t)records.data, records.bytes}, /* iovec has no const; pwritev only reads */
        {tail, padding + 8},
    };
    enum result result = write_all(disk, segment->file, pieces, 3, segment->used);
    if (result == RESULT_OK) {
        segment->used += segment_turn_bytes(records.bytes);
        segment->seq_last = seq_last;
    }
    return result;
}

void segment_destroy(struct segment *segment) {
    if (segment == NULL) {
        return;
    }
    if (segment->file >= 0) {
        close(segment->file);
    }
    free(segment);
}
