/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/config_promise.h"

#include "broker/core/kind.h"

#include <stdio.h>
#include <string.h>

static struct kind_promise *promise_of(struct limits *limits, const struct kind *kind) {
    for (size_t i = 0; i < limits->kind_promise_count; i++) {
        if (limits->kind_promises[i].kind == kind) {
            return &limits->kind_promises[i];
        }
    }
    if (limits->kind_promise_count == KIND_PROMISES_MAX) {
        return NULL;
    }
    struct kind_promise *promise = &limits->kind_promises[limits->kind_promise_count++];
    *promise = (struct kind_promise){kind, -1, -1};
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
    const struct kind *kind = kind_find(span_of(text, (size_t)(colon - text)));
    if (kind == NULL) {
        snprintf(why, why_bytes, "there is no kind '%.*s'", (int)(colon - text), text);
        return false;
    }
    if (!config_parse_duration(amount, &ms) || ms > limits->promise_ms_max) {
        snprintf(why, why_bytes, "'%s' is not a duration (0, 500ms, 5s, 10m, 1h), or longer than limits.promise_ms_max",
                 amount);
        return false;
    }
    struct kind_promise *promise = promise_of(limits, kind);
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
