/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Reading one segment's turns in order, passing over what is not intact. Owned by whoever reads: the loader at start, the folding
 * thread, a backup. Reads through a window of its own rather than a mapping: a file that shrinks or a bad sector is an error here,
 * not a signal.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "broker/base/result.h"
#include "proto/buffer.h"

struct turn {
    int64_t seq_first;
    int64_t seq_last;
    struct span records; /* until the next call */
};

struct scan {
    bool is_open;
    int file;
    uint64_t nonce;
    size_t bytes;      /* of the file */
    size_t offset;     /* where to look next */
    size_t end;        /* behind the last intact turn */
    size_t bad;        /* places that were neither an intact turn nor empty, since the last intact turn */
    bool torn;         /* the latest of them may be a write that was cut short */
    size_t unwritten;  /* of them, such as a power loss leaves: zeros only, or what lacks its end */
    bool window_stays; /* nothing is read into it */
    uint8_t *window;
    size_t window_offset;
    size_t window_bytes;
    size_t window_capacity;
    enum result failure;
};

/* RESULT_DAMAGED: its header is not intact. On failure there is nothing to close. */
enum result scan_open(struct scan *scan, int directory, const char *name) MUST_CHECK;

/* RESULT_NOT_FOUND at the end: then `bad` and `torn` tell about the tail. */
enum result scan_next(struct scan *scan, struct turn *turn) MUST_CHECK;

/* The same without reading from the file, so that what earlier turns lie in stays. False: nothing has changed, and scan_next knows more. */
bool scan_next_at_hand(struct scan *scan, struct turn *turn);

void scan_close(struct scan *scan); /* accepts a zeroed scan */

#endif
