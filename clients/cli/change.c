/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/change.h"

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
