/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/kinds_directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char ending[] = ".json";

/* The kind's part of a file name; 0: it is no file of a kind. */
static size_t name_bytes(const char *file) {
    const size_t bytes = strlen(file);
    const size_t end = sizeof ending - 1;
    return file[0] != '.' && bytes > end && strcmp(file + bytes - end, ending) == 0 ? bytes - end : 0;
}

static int is_kind(const struct dirent *entry) {
    return name_bytes(entry->d_name) > 0;
}

/* Up to one byte more than a schema may have: kinds_add then says that it is too large. */
static bool read_file(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    uint8_t piece[4096];
    for (size_t got; out->bytes <= SCHEMA_BYTES_MAX && (got = fread(piece, 1, sizeof piece, file)) > 0;) {
        buffer_put(out, piece, got);
    }
    const bool fine = ferror(file) == 0 && !out->failed;
    fclose(file);
    return fine;
}

static void report(FILE *errors, size_t *count, const char *path, const char *pointer, const char *reason) {
    fprintf(errors, "%s: %s%s%s\n", path, pointer, pointer[0] != '\0' ? ": " : "", reason);
    ++*count;
}

static void add_file(struct kinds *kinds, const char *directory, const char *file, FILE *errors, size_t *count) {
    char path[4096];
    struct buffer text;
    struct violations wrong;
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path) {
        report(errors, count, directory, "", "the path is too long");
        return;
    }
    buffer_init(&text, SCHEMA_BYTES_MAX + 2 * 4096);
    if (!read_file(path, &text)) {
        report(errors, count, path, "", errno != 0 ? strerror(errno) : "cannot be read");
    } else if (kinds_add(kinds, span_of(file, name_bytes(file)), buffer_span(&text), &wrong) != RESULT_OK) {
        for (uint32_t i = 0; i < wrong.count; i++) {
            report(errors, count, path, wrong.items[i].pointer, wrong.items[i].detail);
        }
        if (wrong.count == 0) {
            report(errors, count, path, "", "no memory");
        }
    }
    buffer_fini(&text);
}

struct kinds *kinds_directory_read(const char *directory, FILE *errors, size_t *count) {
    struct kinds *kinds = kinds_builtin();
    if (kinds == NULL) {
        report(errors, count, "kinds", "", "no memory");
        return NULL;
    }
    if (directory == NULL || directory[0] == '\0') {
        return kinds;
    }
    struct dirent **files = NULL;
    const int found = scandir(directory, &files, is_kind, alphasort);
    if (found < 0) {
        report(errors, count, directory, "", strerror(errno));
    }
    for (int i = 0; i < found; i++) {
        errno = 0;
        add_file(kinds, directory, files[i]->d_name, errors, count);
        free(files[i]);
    }
    free(files);
    return kinds;
}
