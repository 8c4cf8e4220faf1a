/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

void identity_read_boot(char boot_id[IDENTITY_BOOT_BYTES]) {
    memset(boot_id, 0, IDENTITY_BOOT_BYTES);
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    ssize_t bytes = read(file, boot_id, IDENTITY_BOOT_BYTES - 1);
    close(file);
    boot_id[bytes < 0 ? 0 : bytes] = 0;
    boot_id[strcspn(boot_id, "\n")] = 0;
}

/* Where the file system has no birth times, the device number has to do. */
static enum result describe(char *text, size_t bytes, const char *path, const char *name) {
    char full[PATH_MAX];
    struct statx status;
    if ((size_t)snprintf(full, sizeof full, "%s/%s", path, name) >= sizeof full) {
        return RESULT_INVALID;
    }
    if (statx(AT_FDCWD, full, 0, STATX_INO | STATX_BTIME, &status) != 0) {
        return result_of_errno(errno);
    }
    bool has_birth = (status.stx_mask & STATX_BTIME) != 0;
    long long first = has_birth ? (long long)status.stx_btime.tv_sec : (long long)status.stx_dev_major;
    unsigned second = has_birth ? status.stx_btime.tv_nsec : status.stx_dev_minor;
    int length = snprintf(text, bytes, "%llu.%lld.%u", (unsigned long long)status.stx_ino, first, second);
    return (size_t)length < bytes ? RESULT_OK : RESULT_INVALID;
}

enum result identity_read_place(char place[IDENTITY_PLACE_BYTES], const char *path) {
    memset(place, 0, IDENTITY_PLACE_BYTES);
    enum result result = describe(place, IDENTITY_PLACE_BYTES / 2, path, "checkpoint/data.mdb");
    if (result != RESULT_OK) {
        return result;
    }
    size_t length = strlen(place);
    place[length] = '+';
    return describe(place + length + 1, IDENTITY_PLACE_BYTES / 2, path, "journal");
}

enum result identity_new_epoch(char epoch[AHORA_EPOCH_BYTES_MAX + 1]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned letters_count = sizeof letters - 1;
    memset(epoch, 0, AHORA_EPOCH_BYTES_MAX + 1);
    for (size_t i = 0; i < IDENTITY_EPOCH_BYTES;) {
        uint8_t byte;
        if (getrandom(&byte, 1, 0) != 1) {
            return RESULT_IO;
        }
        if (byte < 256 / letters_count * letters_count) { /* no letter likelier than another */
            epoch[i++] = letters[byte % letters_count];
        }
    }
    return RESULT_OK;
}
