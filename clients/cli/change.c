/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/cli.h"
#include "proto/pack.h"

static struct ahora_bytes bytes_of_span(struct span span) {
    return (struct ahora_bytes){span.data, span.bytes};
}

struct ahora_change change_of_request(const struct change_request *request) {
    static const enum ahora_op ops[] = {
        [CHANGE_SET] = AHORA_SET,     [CHANGE_PATCH] = AHORA_PATCH,   [CHANGE_ADJUST] = AHORA_ADJUST,
        [CHANGE_TOUCH] = AHORA_TOUCH, [CHANGE_DELETE] = AHORA_DELETE,
    };
    return (struct ahora_change){
        .op = ops[request->op],
        .topic = bytes_of_span(request->topic),
        .data = bytes_of_span(request->data),
        .key = bytes_of_span(request->key),
        .has_at = request->has_at,
        .has_if_seq = request->has_if_seq,
        .if_newer = request->if_newer,
        .has_fresh_ms = request->has_fresh_ms,
        .has_expire_ms = request->has_expire_ms,
        .at = request->at,
        .if_seq = request->if_seq,
        .fresh_ms = request->fresh_ms,
        .expire_ms = request->expire_ms,
    };
}

bool change_put_adjustment(struct buffer *out, const char *text) {
    const char *equals = strchr(text, '=');
    char *end;
    errno = 0;
    long long number = equals == NULL ? 0 : strtoll(equals + 1, &end, 10);
    if (equals == NULL || equals == text || errno != 0 || end == equals + 1 || *end != '\0') {
        cli_say("\"%s\" is not of the form field=+3 or field=-3", text);
        return false;
    }
    pack_put_text(out, span_of(text, (size_t)(equals - text)));
    pack_put_int(out, number);
    return true;
}
