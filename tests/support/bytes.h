/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A growing run of bytes that is written at its end and consumed at its start. The tests' own, so that nothing of the broker is used
 * to judge the broker. A zeroed struct is empty and valid. One thread. Out of memory ends the program: it is a test.
 */
#ifndef AHORA_TESTS_BYTES_H
#define AHORA_TESTS_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *block;
    size_t start; /* first byte not consumed */
    size_t end;
    size_t capacity;
};

void bytes_fini(struct bytes *bytes);

/* Forgets the content and keeps the memory. */
void bytes_clear(struct bytes *bytes);

/* Room for `size` more bytes at the returned place; count them in with bytes_commit. */
char *bytes_reserve(struct bytes *bytes, size_t size);
void bytes_commit(struct bytes *bytes, size_t size);

void bytes_append(struct bytes *bytes, const void *data, size_t size);
void bytes_append_text(struct bytes *bytes, const char *text);
void bytes_printf(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *bytes_data(const struct bytes *bytes);
size_t bytes_size(const struct bytes *bytes);
void bytes_consume(struct bytes *bytes, size_t size);

/* The content as a terminated string; valid until the next change. */
const char *bytes_text(struct bytes *bytes);

#endif
