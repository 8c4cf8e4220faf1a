/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/kind.h"

static const char *const stock_counts[] = {"available", "on_hand", "reserved", "committed", "damaged", "incoming", NULL};
static const char *const room_counts[] = {"booking_limit", "capacity", NULL};
static const char *const order_counts[] = {"stops_remaining", NULL};
static const char *const service_counts[] = {"num_available", "num_online",   "num_docks_available",
                                             "capacity",      "queue_length", NULL};

static const struct kind kinds[] = {
    {.name = "stock", .counts = stock_counts},
    {.name = "room", .counts = room_counts},
    {.name = "order", .counts = order_counts},
    {.name = "service", .counts = service_counts, .fresh_ms = 120000},
};

const struct kind *kind_at(size_t index) {
    return index < sizeof kinds / sizeof kinds[0] ? &kinds[index] : NULL;
}

const struct kind *kind_find(struct span name) {
    for (size_t i = 0; kind_at(i) != NULL; i++) {
        if (span_is(name, kinds[i].name)) {
            return &kinds[i];
        }
    }
    return NULL;
}

const struct kind *kind_of_demand(void) {
    static const char *const no_counts[] = {NULL};
    static const struct kind kind = {.name = "$demand", .counts = no_counts};
    return &kind;
}

int64_t kind_minimum(const struct kind *kind, struct span field) {
    for (const char *const *count = kind->counts; *count != NULL; count++) {
        if (span_is(field, *count)) {
            return 0;
        }
    }
    return INT64_MIN;
}
