/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * GET /: for a browser the live page (page/), for everybody else a list of what there is. The page is part of the program: its files
 * are taken in as they are when this one is assembled, and whoever changes them sees it in the next build (Makefile).
 */
#include "broker/net/api.h"
#include "include/ahora/protocol.h"

#include <string.h>

/* Paths are seen from the root of the repository, where make runs. */
#define EMBED(name, path)                                                                                                      \
    __asm__(".pushsection .rodata\n"                                                                                           \
            ".hidden " #name "_begin\n.global " #name "_begin\n" #name "_begin:\n"                                             \
            ".incbin \"" path "\"\n"                                                                                           \
            ".hidden " #name "_end\n.global " #name "_end\n" #name "_end:\n"                                                   \
            ".byte 0\n"                                                                                                        \
            ".popsection\n");                                                                                                  \
    extern const char name##_begin[];                                                                                          \
    extern const char name##_end[]

EMBED(page_index, "broker/net/page/index.html");
EMBED(page_script, "broker/net/page/page.js");

/* The page runs its own script and talks to its own broker, and nothing else. */
static const char page_headers[] =
    "Cache-Control: no-cache\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

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
    "GET  /v1/status                    what the broker holds\n"
    "GET  /livez /readyz /metrics       probes and Prometheus metrics\n"
    "GET  /                             in a browser: a live page\n";

static void root_end(struct exchange *exchange) {
    if (http_header_lists(&exchange->head, "accept", "text/html")) {
        struct span page = {(const uint8_t *)page_index_begin, (size_t)(page_index_end - page_index_begin)};
        exchange_answer(exchange, &(struct answer){200, "text/html; charset=utf-8", page_headers, page});
    } else {
        exchange_answer(exchange, &(struct answer){200, "text/plain; charset=utf-8", "Cache-Control: no-store\r\n",
                                                   span_of_text(list_text)});
    }
}

static void script_end(struct exchange *exchange) {
    struct span script = {(const uint8_t *)page_script_begin, (size_t)(page_script_end - page_script_begin)};
    exchange_answer(exchange, &(struct answer){200, "text/javascript; charset=utf-8", page_headers, script});
}

const struct handler api_root = {.body = BODY_NONE, .is_public = true, .end = root_end};
const struct handler api_page_script = {.body = BODY_NONE, .is_public = true, .end = script_end};
