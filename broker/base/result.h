/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What the world may do to us: the outcome of anything that touches disk, network or memory. Always checked.
 * (A peer's fault is an ahora_code; a fault of our own is an assertion.)
 */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

enum result {
    RESULT_OK = 0,
    RESULT_NO_MEMORY,
    RESULT_NO_SPACE, /* disk, quota or map full: may pass */
    RESULT_IO,       /* the disk or the network failed */
    RESULT_DAMAGED,  /* stored bytes do not match their checksum */
    RESULT_VERSION,  /* stored by a format this program does not read */
    RESULT_LOCKED,   /* another process holds it */
    RESULT_NOT_FOUND,
    RESULT_DENIED,  /* permission */
    RESULT_INVALID, /* configuration or argument from outside */
    RESULT_AGAIN,   /* not now, try later */
};

/* For log lines. Never NULL; static. */
const char *result_text(enum result result);

/* The result an errno stands for (ENOSPC, EDQUOT: RESULT_NO_SPACE, and so on). */
enum result result_of_errno(int number);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
