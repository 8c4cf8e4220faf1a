/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/config_promise.h"

#include <stdio.h>
#include <string.h>

static struct kind_promise *promise_of(struct limits *limits, struct span name) {
    for (size_t i = 0; i < limits->kind_promise_count; i++) {
        if (span_is(name, limits->kind_promises[i].name)) {
            return &limits->kind_promises[i];
        }
    }
    if (limits->kind_promise_count == KIND_PROMISES_MAX) {
        return NULL;
    }
    struct kind_promise *promise = &limits->kind_promises[limits->kind_promise_count++];
    *promise = (struct kind_promise){.fresh_ms = -1, .expire_ms = -1};
    memcpy(promise->name, name.data, name.bytes);
    return promise;
}

/* One `kind:duration`. False: `why` says what is wrong. */
static bool read_one(struct limits *limits, const char *text, size_t bytes, bool expire, char *why, size_t why_bytes) {
    const char *colon = memchr(text, ':', bytes);
    char amount[32];
    int64_t ms = 0;
    size_t amount_bytes = colon == NULL ? 0 : bytes - (size_t)(colon + 1 - text);
    if (colon == NULL || amount_bytes == 0 || amount_bytes >= sizeof amount) {
        snprintf(why, why_bytes, "'%.*s' is not KIND:DURATION", (int)bytes, text);
        return false;
    }
    memcpy(amount, colon + 1, amount_bytes);
    amount[amount_bytes] = '\0';
    struct span name = span_of(text, (size_t)(colon - text));
    if (name.bytes == 0 || name.bytes > AHORA_SEGMENT_BYTES_MAX) {
        snprintf(why, why_bytes, "'%.*s' is no name of a kind", (int)name.bytes, text);
        return false;
    }
    if (!config_parse_duration(amount, &ms) || ms > limits->promise_ms_max) {
        snprintf(why, why_bytes, "'%s' is not a duration (0, 500ms, 5s, 10m, 1h), or longer than limits.promise_ms_max",
                 amount);
        return false;
    }
    struct kind_promise *promise = promise_of(limits, name);
    if (promise == NULL) {
        snprintf(why, why_bytes, "more than %d kinds", KIND_PROMISES_MAX);
        return false;
    }
    *(expire ? &promise->expire_ms : &promise->fresh_ms) = ms;
    return true;
}

static bool read_all(struct limits *limits, const char *text, bool expire, char *why, size_t why_bytes) {
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t bytes = strcspn(text, " ");
        if (!read_one(limits, text, bytes, expire, why, why_bytes)) {
            return false;
        }
        text += bytes;
    }
    return true;
}

const char *config_read_promises(struct config *config, char *why, size_t why_bytes) {
    config->core.kind_promise_count = 0;
    if (!read_all(&config->core, config->fresh_ms, false, why, why_bytes)) {
        return "freshness.fresh_ms";
    }
    return read_all(&config->core, config->expire_ms, true, why, why_bytes) ? NULL : "freshness.expire_ms";
}

const char *config_unknown_promise(const struct config *config, const struct kinds *kinds) {
    for (size_t i = 0; i < config->core.kind_promise_count; i++) {
        const char *name = config->core.kind_promises[i].name;
        if (kinds_find(kinds, span_of_text(name)) == NULL) {
            return name;
        }
    }
    return NULL;
}
