/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The calls of the journal that can meet a failing or full disk, behind pointers so that tests make the n-th one fail.
 * Each behaves as the call of its name: errno on failure. May be called from the loop thread and the storage thread at once.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <sys/types.h>
#include <sys/uio.h>

struct disk {
    ssize_t (*write_at)(int file, const struct iovec *pieces, int count, off_t offset); /* pwritev */
    int (*sync)(int file);                                                              /* fdatasync */
    int (*reserve)(int file, off_t bytes); /* posix_fallocate from 0, but -1 and errno */
};

extern const struct disk disk_real;

#endif
