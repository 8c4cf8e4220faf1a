/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Which topics change most: counts that fade, in a table of fixed size. When it is full, those with the lowest counts make room, so what is
 * hot stays in it (Misra and Gries, 1982: a topic is missed only if it has less than one in HOT_TOPICS_MAX of all changes).
 */
#ifndef CLI_HOT_H
#define CLI_HOT_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"

#define HOT_TOPICS_MAX 4096

struct hot_topic {
    double count; /* of the last seconds, faded; 0: the slot is free */
    uint16_t bytes;
    char name[AHORA_TOPIC_BYTES_MAX + 1];
};

struct hot {
    struct hot_topic slots[HOT_TOPICS_MAX];
    size_t used;
};

void hot_count(struct hot *hot, struct span topic);

/* Time passed: what was counted before weighs `factor` (0 to 1) of what it did. */
void hot_fade(struct hot *hot, double factor);

/* The hottest first, up to `count`. Returns how many. */
size_t hot_list(const struct hot *hot, const struct hot_topic **list, size_t count);

#endif
