/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/scan.h"

#include "broker/base/bytes.h"
#include "broker/base/checksum.h"
#include "broker/store/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES_MIN (size_t)(1 << 20) /* enough that a read call costs nothing beside the checksums */
#define FILE_BYTES_MAX ((size_t)UINT32_MAX)

static bool window_reserve(struct scan *scan, size_t bytes) {
    if (bytes <= scan->window_capacity) {
        return true;
    }
    uint8_t *window = realloc(scan->window, bytes);
    if (window == NULL) {
        scan->failure = RESULT_NO_MEMORY;
        return false;
    }
    scan->window = window;
    scan->window_capacity = bytes;
    return true;
}

static bool window_read(struct scan *scan, size_t offset, size_t bytes) {
    scan->window_offset = offset;
    for (scan->window_bytes = 0; scan->window_bytes < bytes;) {
        ssize_t count = pread(scan->file, scan->window + scan->window_bytes, bytes - scan->window_bytes,
                              (off_t)(offset + scan->window_bytes));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) { /* 0: the file shrank while we read it */
            scan->failure = count < 0 ? result_of_errno(errno) : RESULT_IO;
            return false;
        }
        scan->window_bytes += (size_t)count;
    }
    return true;
}

/* The bytes at that place of the file, which has them; NULL on failure. */
static const uint8_t *look_at(struct scan *scan, size_t offset, size_t bytes) {
    assert(offset + bytes <= scan->bytes);
    size_t window_end = scan->window_offset + scan->window_bytes;
    if (offset < scan->window_offset || offset + bytes > window_end) {
        if (scan->window_stays) {
            scan->failure = RESULT_AGAIN;
            return NULL;
        }
        size_t wanted = bytes > WINDOW_BYTES_MIN ? bytes : WINDOW_BYTES_MIN;
        wanted = wanted > scan->bytes - offset ? scan->bytes - offset : wanted;
        if (!window_reserve(scan, wanted) || !window_read(scan, offset, wanted)) {
            return NULL;
        }
    }
    return scan->window + (offset - scan->window_offset);
}

static enum result read_header(struct scan *scan) {
    struct stat status;
    if (fstat(scan->file, &status) != 0) {
        return result_of_errno(errno);
    }
    if (status.st_size < SEGMENT_HEADER_BYTES || (uint64_t)status.st_size > FILE_BYTES_MAX) {
        return RESULT_DAMAGED;
    }
    scan->bytes = (size_t)status.st_size;
    const uint8_t *header = look_at(scan, 0, SEGMENT_HEADER_BYTES);
    if (header == NULL) {
        return scan->failure;
    }
    uint32_t version;
    if (!segment_header_read(header, &scan->nonce, &version)) {
        return RESULT_DAMAGED;
    }
    return version == SEGMENT_VERSION ? RESULT_OK : RESULT_VERSION;
}

enum result scan_open(struct scan *scan, int directory, const char *name) {
    *scan = (struct scan){0};
    scan->file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (scan->file < 0) {
        return result_of_errno(errno);
    }
    scan->is_open = true;
    enum result result = read_header(scan);
    if (result != RESULT_OK) {
        scan_close(scan);
        return result;
    }
    scan->offset = SEGMENT_HEADER_BYTES;
    scan->end = SEGMENT_HEADER_BYTES;
    return RESULT_OK;
}

enum found {
    FOUND_TURN,
    FOUND_BROKEN,  /* a good head, but not the records it promises */
    FOUND_NOTHING, /* no head */
    FOUND_FAILURE,
};

/* What lies at scan->offset. The bytes to pass over are in *bytes. */
static enum found examine(struct scan *scan, struct turn *turn, size_t *bytes) {
    *bytes = 8;
    const uint8_t *head = look_at(scan, scan->offset, TURN_HEAD_BYTES);
    if (head == NULL) {
        return FOUND_FAILURE;
    }
    if (!segment_head_is_intact(head, scan->nonce, scan->offset)) {
        return FOUND_NOTHING;
    }
    size_t record_bytes = bytes_get_u32(head + 4);
    if (segment_turn_bytes(record_bytes) > scan->bytes - scan->offset) {
        *bytes = scan->bytes - scan->offset;
        scan->torn = true; /* the file was cut here */
        return FOUND_BROKEN;
    }
    *bytes = segment_turn_bytes(record_bytes);
    head = look_at(scan, scan->offset, *bytes);
    if (head == NULL) {
        return FOUND_FAILURE;
    }
    turn->seq_first = (int64_t)bytes_get_u64(head + 8);
    turn->seq_last = (int64_t)bytes_get_u64(head + 16);
    turn->records = (struct span){head + TURN_HEAD_BYTES, record_bytes};
    uint64_t stored = bytes_get_u64(head + *bytes - 8);
    uint64_t wanted = checksum_of(turn->records.data, record_bytes, bytes_get_u64(head + TURN_HEAD_BYTES - 8));
    scan->torn = stored == 0;
    return stored == wanted ? FOUND_TURN : FOUND_BROKEN;
}

/* Of these bytes, how many in front are zero, in words; mostly all are. */
static size_t zeros_of(const uint8_t *bytes, size_t count) {
    size_t at = 0;
    for (; at + 64 <= count; at += 64) {
        uint64_t words[8];
        memcpy(words, bytes + at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7]) != 0) {
            break;
        }
    }
    while (at + 8 <= count && bytes_get_u64(bytes + at) == 0) {
        at += 8;
    }
    return at;
}

/* What was preallocated and never written is zero without being read, where the file system knows it. */
static void skip_hole(struct scan *scan) {
    off_t data = lseek(scan->file, (off_t)scan->offset, SEEK_DATA);
    if (data < 0 && errno != ENXIO) {
        return; /* then it is read */
    }
    size_t next = data < 0 || (uint64_t)data > scan->bytes ? scan->bytes : (size_t)data;
    next &= ~(size_t)7;
    scan->offset = next > scan->offset ? next : scan->offset;
}

/* Up to a word that is not zero, or the end. The rest of a segment may be all of it, so this goes in large steps. */
static bool pass_zeros(struct scan *scan) {
    for (;;) {
        size_t window_end = scan->window_offset + scan->window_bytes;
        if (scan->offset + 8 > window_end) {
            skip_hole(scan);
        }
        size_t bytes = (scan->bytes - scan->offset) & ~(size_t)7;
        if (bytes == 0) {
            return true;
        }
        size_t known = scan->offset < window_end ? (window_end - scan->offset) & ~(size_t)7 : 0;
        bytes = known > 0 && known < bytes ? known : bytes;
        bytes = bytes < WINDOW_BYTES_MIN ? bytes : WINDOW_BYTES_MIN;
        const uint8_t *place = look_at(scan, scan->offset, bytes);
        if (place == NULL) {
            return false;
        }
        size_t zeros = zeros_of(place, bytes);
        scan->offset += zeros;
        if (zeros < bytes) {
            return true;
        }
    }
}

/*
 * Passes over bytes that are no head, up to one or the end. Zeros at the end are the unwritten rest. A head cut short begins here and
 * lacks its checksum and all that follows; any other bytes are a bad place, as are zeros that a turn follows: turns lie end to end.
 */
static bool pass_over(struct scan *scan) {
    size_t from = scan->offset;
    bool is_empty = true;
    bool is_torn = true;
    for (; pass_zeros(scan) && scan->offset + 8 <= scan->bytes; scan->offset += 8) {
        size_t wanted = scan->offset + TURN_HEAD_BYTES <= scan->bytes ? TURN_HEAD_BYTES : 8;
        const uint8_t *place = look_at(scan, scan->offset, wanted);
        if (place == NULL) {
            return false;
        }
        if (wanted == TURN_HEAD_BYTES && segment_head_is_intact(place, scan->nonce, scan->offset)) {
            scan->bad++;
            scan->unwritten += is_torn;
            return true;
        }
        is_torn = is_torn && (!is_empty || scan->offset == from) && scan->offset < from + TURN_HEAD_BYTES - 8;
        is_empty = false;
    }
    if (scan->failure != RESULT_OK) {
        return false;
    }
    scan->bad += !is_empty;
    scan->unwritten += !is_empty && is_torn;
    scan->torn = is_empty ? scan->torn : is_torn;
    return true;
}

enum result scan_next(struct scan *scan, struct turn *turn) {
    scan->bad = 0;
    scan->unwritten = 0;
    scan->torn = false;
    while (scan->offset + TURN_HEAD_BYTES <= scan->bytes) {
        size_t bytes;
        enum found found = examine(scan, turn, &bytes);
        if (found == FOUND_FAILURE || (found == FOUND_NOTHING && !pass_over(scan))) {
            return scan->failure;
        }
        if (found == FOUND_NOTHING) {
            continue;
        }
        scan->offset += bytes;
        if (found == FOUND_TURN) {
            scan->end = scan->offset;
            return RESULT_OK;
        }
        scan->bad++;
        scan->unwritten += scan->torn;
    }
    return RESULT_NOT_FOUND;
}

bool scan_next_at_hand(struct scan *scan, struct turn *turn) {
    const struct scan before = *scan;
    scan->window_stays = true;
    if (scan_next(scan, turn) != RESULT_OK) {
        *scan = before;
        return false;
    }
    scan->window_stays = false;
    return true;
}

void scan_close(struct scan *scan) {
    if (scan->is_open) {
        close(scan->file);
    }
    free(scan->window);
    *scan = (struct scan){0};
}
