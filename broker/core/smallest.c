/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/smallest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int smallest_compare(struct span a, struct span b) {
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int by_path(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return smallest_compare(topic_path(*left), topic_path(*right));
}

static bool is_behind(const struct topic *topic, struct span after) {
    return !topic_is_removed(topic) && (after.data == NULL || smallest_compare(topic_path(topic), after) > 0);
}

static bool is_larger(const struct topic *a, const struct topic *b) {
    return smallest_compare(topic_path(a), topic_path(b)) > 0;
}

/* A heap with the largest at its root: what is smaller takes its place. The children of i are 2i+1 and 2i+2. */
static void sink(struct topic **heap, size_t count, size_t at) {
    struct topic *topic = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_larger(heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_larger(heap[child], topic)) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = topic;
}

static void make_heap(struct topic **heap, size_t count) {
    for (size_t at = count / 2; at > 0; at--) {
        sink(heap, count, at - 1);
    }
}

/* The first `keep` of those that pass make the heap; the others then only come in if they are smaller than its root. */
size_t smallest_select(struct topic **topics, size_t count, struct span after, size_t keep) {
    size_t kept = 0;
    assert(keep > 0);
    for (size_t i = 0; i < count; i++) {
        if (!is_behind(topics[i], after)) {
            continue;
        }
        if (kept < keep) {
            topics[kept++] = topics[i];
            if (kept == keep) {
                make_heap(topics, kept);
            }
        } else if (is_larger(topics[0], topics[i])) {
            topics[0] = topics[i];
            sink(topics, kept, 0);
        }
    }
    if (kept > 1) {
        qsort(topics, kept, sizeof *topics, by_path);
    }
    return kept;
}
