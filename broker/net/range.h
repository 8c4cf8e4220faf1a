/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A change of many nights, written once: {op, topic, start, end, days?, data?, …} stands for one change of `topic/DATE` on each day from
 * `start` to `end`, both included, that `days` names (OpenTravel's StatusApplicationControl with its weekdays). Pure.
 */
#ifndef NET_RANGE_H
#define NET_RANGE_H

#include "broker/core/kinds.h"
#include "proto/message.h"

struct range_options {
    const struct kinds *kinds;
    int64_t wall_ms;
    int64_t nights_max; /* of all ranges of one list */
    struct span key;    /* each change gets KEY@NUMBER; data NULL: none */
};

#define RANGE_KEY_BYTES_MAX (AHORA_KEY_BYTES_MAX - 5)

struct range_fault {
    enum ahora_code code;
    const char *detail; /* static */
    char pointer[64];   /* of the field at fault, or empty */
};

/* Reads a packed list of ranges and appends the packed changes, without the head of a list; *count: how many. False: see `fault`. */
bool range_expand(const struct range_options *options, struct span ranges, struct buffer *out, uint32_t *count,
                  struct range_fault *fault);

#endif
