/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int reserve(int file, off_t bytes) {
    int number = posix_fallocate(file, 0, bytes);
    errno = number;
    return number == 0 ? 0 : -1;
}

const struct disk disk_real = {.write_at = pwritev, .sync = fdatasync, .reserve = reserve};
