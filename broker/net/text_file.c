/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/text_file.h"

#include <errno.h>
#include <stdio.h>

bool text_file_read(const char *path, struct buffer *out, char *why, size_t why_bytes) {
    errno = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
        return false;
    }
    uint8_t piece[4096];
    for (size_t got; !out->failed && (got = fread(piece, 1, sizeof piece, file)) > 0;) {
        buffer_put(out, piece, got);
    }
    const bool fine = ferror(file) == 0 && !out->failed;
    if (!fine) {
        snprintf(why, why_bytes, "%s: %s", path, out->failed ? "the file is too large" : strerror(errno != 0 ? errno : EIO));
    }
    fclose(file);
    return fine;
}

bool text_file_read_lines(const char *path, bool settled, struct buffer *out, char *why, size_t why_bytes) {
    if (!text_file_read(path, out, why, why_bytes)) {
        return false;
    }
    if (!settled && out->bytes > 0 && out->data[out->bytes - 1] != '\n') {
        snprintf(why, why_bytes, "%s: the last line has no end: is it still being written?", path);
        return false;
    }
    return true;
}
