/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "include/ahora/protocol.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
} codes[AHORA_CODES] = {
    [AHORA_OK] = {"ok", 200},
    [AHORA_BAD_MESSAGE] = {"bad_message", 400},
    [AHORA_BAD_TOPIC] = {"bad_topic", 400},
    [AHORA_BAD_PATTERN] = {"bad_pattern", 400},
    [AHORA_UNAUTHORIZED] = {"unauthorized", 401},
    [AHORA_FORBIDDEN] = {"forbidden", 403},
    [AHORA_NOT_FOUND] = {"not_found", 404},
    [AHORA_UNKNOWN_KIND] = {"unknown_kind", 404},
    [AHORA_CONFLICT] = {"conflict", 412},
    [AHORA_SUPERSEDED] = {"superseded", 409},
    [AHORA_OUT_OF_RANGE] = {"out_of_range", 409},
    [AHORA_TOO_LARGE] = {"too_large", 413},
    [AHORA_INVALID] = {"invalid", 422},
    [AHORA_ABORTED] = {"aborted", 409},
    [AHORA_RATE_LIMITED] = {"rate_limited", 429},
    [AHORA_TOO_MANY] = {"too_many", 429},
    [AHORA_STORE_FULL] = {"store_full", 507},
    [AHORA_OVERLOADED] = {"overloaded", 503},
    [AHORA_DRAINING] = {"draining", 503},
    [AHORA_INTERNAL] = {"internal", 500},
};

static const char *const whys[] = {
    [AHORA_WHY_NONE] = "none", [AHORA_WHY_DELETED] = "deleted", [AHORA_WHY_EXPIRED] = "expired",
    [AHORA_WHY_LEFT] = "left", [AHORA_WHY_DENIED] = "denied",
};

#define WHYS (sizeof(whys) / sizeof(whys[0]))

static bool is_named(const char *text, const char *name, size_t bytes) {
    return strlen(text) == bytes && memcmp(text, name, bytes) == 0;
}

const char *ahora_code_name(enum ahora_code code) {
    if (code == AHORA_AGAIN || code == AHORA_CLOSED) {
        return code == AHORA_AGAIN ? "again" : "closed";
    }
    assert(code < AHORA_CODES);
    return codes[code].name;
}

int ahora_code_status(enum ahora_code code) {
    assert(code < AHORA_CODES);
    return codes[code].status;
}

enum ahora_code ahora_code_parse(const char *name, size_t bytes) {
    /* From 1: "ok" never travels, and an error that calls itself "ok" must not turn into success. */
    for (unsigned code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        if (is_named(codes[code].name, name, bytes)) {
            return (enum ahora_code)code;
        }
    }
    return AHORA_INTERNAL;
}

const char *ahora_why_name(enum ahora_why why) {
    assert(why < WHYS);
    return whys[why];
}

enum ahora_why ahora_why_parse(const char *name, size_t bytes) {
    for (unsigned why = AHORA_WHY_NONE + 1; why < WHYS; why++) {
        if (is_named(whys[why], name, bytes)) {
            return (enum ahora_why)why;
        }
    }
    return AHORA_WHY_NONE;
}
