/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* GET /openapi.json and /asyncapi.json. Written anew for each request: rare, some hundred microseconds, and nothing to keep. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/describe.h"
#include "broker/net/etag.h"

#include "broker/base/checksum.h"

#include <inttypes.h>
#include <stdio.h>

static bool lists(const struct http_head *head, const char *wanted) {
    struct span list = http_header_find(head, "if-none-match");
    struct span tag;
    bool weak;
    if (list.data != NULL && span_is(list, "*")) {
        return true;
    }
    while (etag_next(&list, &tag, &weak)) {
        if (span_is(tag, wanted)) {
            return true;
        }
    }
    return false;
}

static void answer(struct exchange *exchange, const char *type, const struct buffer *body) {
    char tag[24];
    char headers[128];
    if (body->failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return;
    }
    snprintf(tag, sizeof tag, "%016" PRIx64, checksum_of(body->data, body->bytes, 0));
    snprintf(headers, sizeof headers, "ETag: \"%s\"\r\nCache-Control: no-cache\r\n", tag);
    struct answer whole = {200, type, headers, buffer_span(body)};
    if (lists(&exchange->head, tag)) {
        whole = (struct answer){.status = 304, .headers = headers};
    }
    exchange_answer(exchange, &whole);
}

static void openapi_end(struct exchange *exchange) {
    struct buffer body;
    buffer_init(&body, DESCRIBE_BYTES_MAX);
    describe_openapi(&body, core_kinds(exchange->broker->core));
    answer(exchange, "application/vnd.oai.openapi+json;version=3.1", &body);
    buffer_fini(&body);
}

/* The header comes from anybody; what is no name, address or port stays out of the description. */
static struct span plain_host(const struct http_head *head) {
    struct span host = http_header_find(head, "host");
    for (size_t i = 0; i < host.bytes; i++) {
        uint8_t c = host.data[i] | 0x20;
        bool plain = (c >= 'a' && c <= 'z') || (host.data[i] >= '-' && host.data[i] <= ':' && host.data[i] != '/');
        if (!plain && host.data[i] != '[' && host.data[i] != ']' && host.data[i] != '_') {
            return span_of(NULL, 0);
        }
    }
    return host;
}

static void asyncapi_end(struct exchange *exchange) {
    struct buffer body;
    buffer_init(&body, DESCRIBE_BYTES_MAX);
    describe_asyncapi(&body, core_kinds(exchange->broker->core), plain_host(&exchange->head));
    answer(exchange, "application/vnd.aai.asyncapi+json;version=3.0.0", &body);
    buffer_fini(&body);
}

const struct handler api_openapi = {.body = BODY_NONE, .end = openapi_end};
const struct handler api_asyncapi = {.body = BODY_NONE, .end = asyncapi_end};
