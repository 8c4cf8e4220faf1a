/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The pages. GET /: for a browser the dashboard, for everybody else a list of what there is. /demo: what an app would show. /ahora.js: the
 * client for a script tag, which pages of other origins may load. /page/...: what these pages are made of.
 */
#include "broker/net/api.h"
#include "broker/net/etag.h"
#include "broker/net/page_file.h"
#include "include/ahora/protocol.h"

#include <stdio.h>
#include <string.h>

/* The pages run their own scripts, wear their own styles and talk to their own broker, and nothing else. */
#define PAGE_HEADERS                                                                                                           \
    "Cache-Control: no-cache\r\n"                                                                                              \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "   \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"                                                          \
    "X-Content-Type-Options: nosniff\r\n"                                                                                      \
    "Referrer-Policy: no-referrer\r\n"                                                                                         \
    "Vary: Accept, Accept-Encoding\r\n"

static const char list_text[] =
    "ahora " AHORA_VERSION "\n"
    "\n"
    "Current state of topics, pushed to whoever follows them.\n"
    "\n"
    "GET  /v1/ws                        WebSocket, subprotocol " AHORA_SUBPROTOCOL_JSON " or " AHORA_SUBPROTOCOL_MSGPACK "\n"
    "GET  /v1/topics/{topic}            one document; PUT, PATCH, DELETE, POST …/adjust change it\n"
    "GET  /v1/topics?match={pattern}    documents, as JSON or NDJSON\n"
    "POST /v1/range                     one change on each night of a range, all or nothing\n"
    "GET  /v1/kinds                     the JSON Schemas of documents\n"
    "GET  /v1/stream?match={pattern}    Server-Sent Events\n"
    "POST /v1/publish                   changes, as JSON, NDJSON or MessagePack\n"
    "GET  /openapi.json /asyncapi.json  the API described for machines\n"
    "GET  /v1/status                    what the broker holds\n"
    "GET  /livez /readyz /metrics       probes and Prometheus metrics\n"
    "GET  /                             in a browser: the dashboard\n"
    "GET  /demo                         what an app would show\n"
    "GET  /ahora.js                     the client for a script tag\n";

/* The gzipped form is another representation, so it has another tag (RFC 9110 section 8.8.3). */
static bool is_known(const struct exchange *exchange, const char *tag) {
    struct span list = http_header_find(&exchange->head, "if-none-match");
    struct span listed;
    bool weak;
    while (etag_next(&list, &listed, &weak)) {
        if (span_is(listed, tag)) {
            return true;
        }
    }
    return false;
}

static void answer_file(struct exchange *exchange, const struct page_file *file, const char *resources) {
    bool gzip = http_header_accepts(&exchange->head, "accept-encoding", "gzip");
    char tag[64];
    char headers[1024];
    snprintf(tag, sizeof tag, "%s%s", file->tag, gzip ? "-gzip" : "");
    snprintf(headers, sizeof headers, PAGE_HEADERS "Cross-Origin-Resource-Policy: %s\r\nETag: \"%s\"\r\n%s", resources, tag,
             gzip ? "Content-Encoding: gzip\r\n" : "");
    const char *begin = gzip ? file->gzip_begin : file->begin;
    const char *end = gzip ? file->gzip_end : file->end;
    exchange_answer(exchange, &(struct answer){is_known(exchange, tag) ? 304 : 200, file->type, headers,
                                               span_of(begin, (size_t)(end - begin))});
}

static void answer_page(struct exchange *exchange, struct span path, const char *resources) {
    const struct page_file *file = page_file_find(path);
    if (file == NULL) {
        exchange_refuse(exchange, AHORA_NOT_FOUND,
                        "there is no such page in this program; it may have been built without node");
        return;
    }
    answer_file(exchange, file, resources);
}

static void root_end(struct exchange *exchange) {
    if (http_header_lists(&exchange->head, "accept", "text/html")) {
        answer_page(exchange, span_of_text("/"), "same-origin");
    } else {
        exchange_answer(exchange, &(struct answer){200, "text/plain; charset=utf-8",
                                                   "Cache-Control: no-store\r\nVary: Accept, Accept-Encoding\r\n",
                                                   span_of_text(list_text)});
    }
}

static void page_end(struct exchange *exchange) {
    answer_page(exchange, buffer_span(&exchange->path), "same-origin");
}

static void script_end(struct exchange *exchange) {
    answer_page(exchange, buffer_span(&exchange->path), "cross-origin");
}

const struct handler api_root = {.body = BODY_NONE, .is_public = true, .end = root_end};
const struct handler api_demo = {.body = BODY_NONE, .is_public = true, .end = page_end};
const struct handler api_page = {.body = BODY_NONE, .is_public = true, .end = page_end};
const struct handler api_page_script = {.body = BODY_NONE, .is_public = true, .end = script_end};
