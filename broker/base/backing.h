/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Memory that is about to be taken piece by piece anyway, got ready as one: the heap grows once instead of every 128 KiB, and the kernel is advised to back it with
 * huge pages, so that it is found ready 2 MiB at a time instead of 4 KiB (madvise(2), MADV_HUGEPAGE). Nothing is touched: what is never taken costs no memory.
 */
#ifndef BASE_BACKING_H
#define BASE_BACKING_H

#include <stddef.h>

/* About so many bytes follow, in blocks below 128 KiB, from this thread, the first of the process. No promise, and no error: where it cannot be had, malloc works as ever. */
void backing_expect(size_t bytes);

/* The same for one large block that malloc gave and nobody has touched. */
void backing_advise(const void *block, size_t bytes);

/* They have been taken: what is left at the end of the heap may go back. */
void backing_expected(void);

#endif
