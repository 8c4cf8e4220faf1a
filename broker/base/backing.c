/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/backing.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((uintptr_t)2 << 20)
#define BACKING_MIN (2 * HUGE_PAGE_BYTES) /* below, nothing is gained */
#define BLOCK_BYTES (size_t)(100 << 10)   /* below glibc's threshold for memory of its own, 128 KiB */
#define BLOCKS_MAX 4                      /* more than the rest of the heap can hold, as it grows by 128 KiB */

#define PAD_BYTES (128 << 10) /* what glibc begins with */

/* Once one of these is set glibc adjusts them no more (mallopt(3)): then they are what its adjusting comes to where buffers of some MiB come and go. */
#define MMAP_THRESHOLD_BYTES (4 << 20)
#define TRIM_THRESHOLD_BYTES (2 * MMAP_THRESHOLD_BYTES)

/* Takes blocks until the heap had to grow, and gives them back. */
static void make_heap_grow(void) {
    const char *end = sbrk(0);
    void *blocks[BLOCKS_MAX];
    int count = 0;
    while (count < BLOCKS_MAX && sbrk(0) == end) {
        blocks[count++] = malloc(BLOCK_BYTES);
    }
    while (count > 0) {
        free(blocks[--count]);
    }
}

static void advise(uintptr_t begin, uintptr_t end) {
    begin = (begin + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    end &= ~(HUGE_PAGE_BYTES - 1);
    if (end > begin) {
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* NOLINT(performance-no-int-to-ptr) */
    }
}

void backing_advise(const void *block, size_t bytes) {
    advise((uintptr_t)block, (uintptr_t)block + bytes);
}

void backing_expect(size_t bytes) {
    if (bytes < BACKING_MIN) {
        return;
    }
    bytes = bytes < INT32_MAX / 2 ? bytes : INT32_MAX / 2; /* mallopt takes an int; the rest grows as ever */
    const uintptr_t begin = (uintptr_t)sbrk(0);
    mallopt(M_TRIM_THRESHOLD, (int)(2 * bytes)); /* so that giving the blocks back leaves the heap as long as it is */
    mallopt(M_TOP_PAD, (int)bytes);
    make_heap_grow();
    mallopt(M_TOP_PAD, PAD_BYTES);
    advise(begin, (uintptr_t)sbrk(0));
}

void backing_expected(void) {
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
}
