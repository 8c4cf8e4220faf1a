/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The kinds of the simulation: they make rules out of the alphabet of its papers (paper.h), and the model says the same again in plain C
 * (rules.c). A text "t2xx" is the alphabet's text of number 2.
 */
#ifndef SIM_KINDS_H
#define SIM_KINDS_H

#include <assert.h>

#include "broker/core/kinds.h"

#define SIM_ADDRESS(kind) "\"address\":[\"" kind "/{a}\",\"" kind "/{a}/{b}\",\"" kind "/{a}/{b}/{c}\"]"

static const struct {
    const char *name;
    const char *json;
} sim_kind_texts[] = {
    {"stock", "{\"properties\":{\"available\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":12},\"capacity\":{},"
              "\"level\":{\"type\":\"string\"}},"
              "\"x-ahora\":{" SIM_ADDRESS(
                  "stock") ",\"derive\":[{\"field\":\"level\",\"keep\":[\"t9xxxxxxxxx\"],\"rules\":["
                           "{\"when\":{\"available\":{\"lte\":0}},\"value\":\"t1x\"},"
                           "{\"when\":{\"available\":{\"lte\":{\"field\":\"capacity\",\"default\":2}}},\"value\":\"t2xx\"},"
                           "{\"when\":{\"available\":{\"exists\":true}},\"value\":\"t3xxx\"}]}]}}"},
    {"room", "{\"properties\":{\"capacity\":{\"type\":\"integer\",\"minimum\":0},"
             "\"m\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\"}}}},"
             "\"x-ahora\":{" SIM_ADDRESS("room") "}}"},
    {"order", "{\"properties\":{\"a\":{\"type\":[\"integer\",\"string\",\"boolean\",\"null\"]},"
              "\"b\":{\"type\":[\"integer\",\"string\",\"boolean\",\"null\"]},\"log\":{}},"
              "\"x-ahora\":{" SIM_ADDRESS(
                  "order") ",\"history\":{\"field\":\"log\",\"of\":\"a\",\"max\":3,\"with\":{\"note\":\"b\"}}}}"},
    {"service", "{\"properties\":{\"capacity\":{\"type\":\"integer\",\"minimum\":0}},"
                "\"x-ahora\":{\"fresh_ms\":120000," SIM_ADDRESS("service") "}}"},
};

/* One for all cores of the process, for ever; never NULL. */
static inline const struct kinds *sim_kinds(void) {
    static struct kinds *kinds;
    if (kinds != NULL) {
        return kinds;
    }
    kinds = kinds_create();
    assert(kinds != NULL);
    for (size_t i = 0; i < sizeof sim_kind_texts / sizeof sim_kind_texts[0]; i++) {
        struct violations errors;
        enum result result =
            kinds_add(kinds, span_of_text(sim_kind_texts[i].name), span_of_text(sim_kind_texts[i].json), &errors);
        assert(result == RESULT_OK);
        (void)result;
    }
    return kinds;
}

#endif
