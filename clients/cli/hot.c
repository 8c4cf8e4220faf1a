/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/hot.h"

#include <string.h>

#define FULL (HOT_TOPICS_MAX * 3 / 4)
#define FADED 0.01 /* less than one change in the last seven rounds at a half */

static size_t slot_of(struct span topic) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < topic.bytes; i++) {
        hash = (hash ^ topic.data[i]) * UINT64_C(0x100000001b3);
    }
    return (size_t)(hash ^ hash >> 29) & (HOT_TOPICS_MAX - 1);
}

/* Its slot, or the free one where it belongs. */
static struct hot_topic *find(struct hot *hot, struct span topic) {
    size_t slot = slot_of(topic);
    struct hot_topic *at = &hot->slots[slot];
    while (at->count > 0 && !(at->bytes == topic.bytes && memcmp(at->name, topic.data, topic.bytes) == 0)) {
        slot = (slot + 1) & (HOT_TOPICS_MAX - 1);
        at = &hot->slots[slot];
    }
    return at;
}

/* Everybody loses as much; who has nothing left goes. The table is built anew, as open addressing wants it. */
static void lower(struct hot *hot, double factor, double less) {
    static struct hot former;
    former = *hot;
    *hot = (struct hot){0};
    for (size_t i = 0; i < HOT_TOPICS_MAX; i++) {
        double count = former.slots[i].count * factor - less;
        if (former.slots[i].count > 0 && count > FADED) {
            struct hot_topic *at = find(hot, span_of(former.slots[i].name, former.slots[i].bytes));
            *at = former.slots[i];
            at->count = count;
            hot->used++;
        }
    }
}

static double lowest(const struct hot *hot) {
    double least = 0;
    for (size_t i = 0; i < HOT_TOPICS_MAX; i++) {
        double count = hot->slots[i].count;
        least = count > 0 && (least == 0 || count < least) ? count : least;
    }
    return least;
}

void hot_count(struct hot *hot, struct span topic) {
    if (topic.bytes > AHORA_TOPIC_BYTES_MAX) {
        return;
    }
    struct hot_topic *at = find(hot, topic);
    if (at->count == 0 && hot->used >= FULL) {
        lower(hot, 1, lowest(hot));
        at = find(hot, topic);
    }
    if (at->count == 0 && hot->used < FULL) {
        at->bytes = (uint16_t)topic.bytes;
        memcpy(at->name, topic.data, topic.bytes);
        at->name[topic.bytes] = '\0';
        hot->used++;
    }
    at->count += 1;
}

void hot_fade(struct hot *hot, double factor) {
    lower(hot, factor, 0);
}

size_t hot_list(const struct hot *hot, const struct hot_topic **list, size_t count) {
    size_t listed = 0;
    for (size_t i = 0; i < HOT_TOPICS_MAX && count > 0; i++) {
        const struct hot_topic *topic = &hot->slots[i];
        size_t at = listed;
        if (topic->count == 0 || (listed == count && topic->count <= list[count - 1]->count)) {
            continue;
        }
        while (at > 0 && list[at - 1]->count < topic->count) {
            if (at < count) {
                list[at] = list[at - 1];
            }
            at--;
        }
        list[at] = topic;
        listed += listed < count;
    }
    return listed;
}
