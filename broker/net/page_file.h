/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The files of the pages (broker/net/page), inside the program as they are and as gzip made them. Read-only, any thread. */
#ifndef NET_PAGE_FILE_H
#define NET_PAGE_FILE_H

#include "proto/buffer.h"

struct page_file {
    const char *path; /* where it is served */
    const char *type; /* Content-Type */
    const char *tag;  /* a hash of the content */
    const char *begin, *end;
    const char *gzip_begin, *gzip_end;
};

/* NULL: there is no such file. A program that was built without node has fewer. */
const struct page_file *page_file_find(struct span path);

#endif
