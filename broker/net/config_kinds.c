/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/config_kinds.h"

#include <stdio.h>
#include <string.h>

static struct kind_bound *bound_of(struct limits *limits, struct span name) {
    for (size_t i = 0; i < limits->kind_bound_count; i++) {
        if (span_is(name, limits->kind_bounds[i].name)) {
            return &limits->kind_bounds[i];
        }
    }
    if (limits->kind_bound_count == KIND_BOUNDS_MAX) {
        return NULL;
    }
    struct kind_bound *bound = &limits->kind_bounds[limits->kind_bound_count++];
    *bound = (struct kind_bound){0};
    memcpy(bound->name, name.data, name.bytes);
    return bound;
}

/* One `kind:amount`. */
static bool read_one(struct limits *limits, enum config_type type, struct span item, char *why, size_t why_bytes) {
    const uint8_t *colon = memchr(item.data, ':', item.bytes);
    size_t name_bytes = colon == NULL ? 0 : (size_t)(colon - item.data);
    size_t amount_bytes = colon == NULL ? 0 : item.bytes - name_bytes - 1;
    char amount[32];
    int64_t value = 0;
    if (name_bytes == 0 || name_bytes > AHORA_SEGMENT_BYTES_MAX || amount_bytes == 0 || amount_bytes >= sizeof amount) {
        snprintf(why, why_bytes, "'%.*s' is not KIND:%s", (int)item.bytes, (const char *)item.data,
                 type == CONFIG_BYTES ? "BYTES" : "NUMBER");
        return false;
    }
    memcpy(amount, colon + 1, amount_bytes);
    amount[amount_bytes] = '\0';
    if (!config_parse_amount(type, amount, &value) || value == 0) {
        snprintf(why, why_bytes, "'%s' is not %s above 0", amount, type == CONFIG_BYTES ? "a number of bytes" : "a number");
        return false;
    }
    struct kind_bound *bound = bound_of(limits, span_of(item.data, name_bytes));
    if (bound == NULL) {
        snprintf(why, why_bytes, "more than %d kinds", KIND_BOUNDS_MAX);
        return false;
    }
    *(type == CONFIG_BYTES ? &bound->bytes_max : &bound->topics_max) = (size_t)value;
    return true;
}

static bool read_all(struct limits *limits, enum config_type type, const char *text, char *why, size_t why_bytes) {
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t bytes = strcspn(text, " ");
        if (!read_one(limits, type, span_of(text, bytes), why, why_bytes)) {
            return false;
        }
        text += bytes;
    }
    return true;
}

const char *config_read_bounds(struct config *config, char *why, size_t why_bytes) {
    config->core.kind_bound_count = 0;
    if (!read_all(&config->core, CONFIG_NUMBER, config->kinds_topics_max, why, why_bytes)) {
        return "kinds.topics_max";
    }
    return read_all(&config->core, CONFIG_BYTES, config->kinds_bytes_max, why, why_bytes) ? NULL : "kinds.bytes_max";
}

const char *config_unknown_bound(const struct config *config, const struct kinds *kinds) {
    for (size_t i = 0; i < config->core.kind_bound_count; i++) {
        const char *name = config->core.kind_bounds[i].name;
        if (kinds_find(kinds, span_of_text(name)) == NULL) {
            return name;
        }
    }
    return NULL;
}
