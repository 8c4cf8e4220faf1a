/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/page_file.h"

#include "proto/embed.h"

#include <stddef.h>

/* PAGE_FILES is the list that page/build.sh wrote, one PAGE_FILE(name, path, file, type, tag) for each file. */
#define PAGE_FILE(name, path, file, type, tag)                                                                                 \
    EMBED(page_##name, file);                                                                                                  \
    EMBED(page_##name##_gzip, file ".gz");
#include PAGE_FILES
#undef PAGE_FILE

const struct page_file *page_file_find(struct span path) {
#define PAGE_FILE(name, path, file, type, tag)                                                                                 \
    {path, type, tag, page_##name##_begin, page_##name##_end, page_##name##_gzip_begin, page_##name##_gzip_end},
    static const struct page_file files[] = {
#include PAGE_FILES
    };
#undef PAGE_FILE
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (span_is(path, files[i].path)) {
            return &files[i];
        }
    }
    return NULL;
}
