/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The names of the four kinds with hardly a rule, for tests that are about something else: any field, two to five segments, and floors
   under a few counts. */
#ifndef UNIT_LOOSE_KINDS_H
#define UNIT_LOOSE_KINDS_H

#include <assert.h>
#include <stdio.h>

#include "broker/core/kinds.h"

/* The caller's. */
static inline struct kinds *loose_kinds(void) {
    static const struct {
        const char *name, *counts;
        int fresh_ms;
    } loose[] = {{"stock", "\"available\":{\"type\":\"integer\",\"minimum\":0},\"on_hand\":{\"minimum\":0}", 0},
                 {"room", "\"booking_limit\":{\"type\":\"integer\",\"minimum\":0}", 0},
                 {"order", "", 0},
                 {"service", "\"queue_length\":{\"type\":\"integer\",\"minimum\":0}", 120000}};
    struct kinds *kinds = kinds_create();
    assert(kinds != NULL);
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        char text[512];
        const char *name = loose[i].name;
        struct violations errors;
        snprintf(text, sizeof text,
                 "{\"properties\":{%s},\"x-ahora\":{\"fresh_ms\":%d,\"address\":[\"%s/{a}\",\"%s/{a}/{b}\",\"%s/{a}/{b}/"
                 "{c}\",\"%s/{a}/{b}/{c}/"
                 "{d}\"]}}",
                 loose[i].counts, loose[i].fresh_ms, name, name, name, name);
        enum result result = kinds_add(kinds, span_of_text(name), span_of_text(text), &errors);
        assert(result == RESULT_OK);
        (void)result;
    }
    return kinds;
}

#endif
