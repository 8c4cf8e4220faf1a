/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* GET /v1/kinds and /v1/kinds/{kind}: the JSON Schemas in force, as they were written. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/exchange.h"
#include "proto/json.h"

static void list_end(struct exchange *exchange) {
    const struct kinds *kinds = core_kinds(exchange->broker->core);
    struct buffer body;
    buffer_init(&body, (size_t)KINDS_MAX * (SCHEMA_BYTES_MAX + 128));
    buffer_put_text(&body, "{\"kinds\":{");
    for (size_t i = 0; kinds_at(kinds, i) != NULL; i++) {
        const struct kind *kind = kinds_at(kinds, i);
        buffer_put_text(&body, i > 0 ? ",\n" : "\n");
        json_put_text(&body, span_of_text(kind->name));
        buffer_put_text(&body, ":");
        buffer_put_span(&body, buffer_span(&kind->json));
    }
    buffer_put_text(&body, "}}\n");
    if (body.failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
    } else {
        exchange_answer(exchange, &(struct answer){200, "application/json", "Cache-Control: no-cache\r\n", buffer_span(&body)});
    }
    buffer_fini(&body);
}

static void one_end(struct exchange *exchange) {
    const struct kind *kind = kinds_find(core_kinds(exchange->broker->core), exchange->rest);
    if (kind == NULL) {
        exchange_refuse(exchange, AHORA_UNKNOWN_KIND, "no such kind is declared");
        return;
    }
    exchange_answer(exchange,
                    &(struct answer){200, "application/schema+json", "Cache-Control: no-cache\r\n", buffer_span(&kind->json)});
}

const struct handler api_kinds = {.body = BODY_NONE, .end = list_end};
const struct handler api_kind = {.body = BODY_NONE, .end = one_end};
