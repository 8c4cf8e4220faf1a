/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/operation.h"

#define C(code) OPERATION_CODE(AHORA_##code)

/* Any call: a malformed path or query, who one is and what one may, a broker that loads its store or has no memory left. */
#define CODES_ANY (C(BAD_MESSAGE) | C(UNAUTHORIZED) | C(FORBIDDEN) | C(OVERLOADED) | C(RATE_LIMITED))
#define CODES_MATCH (CODES_ANY | C(BAD_PATTERN) | C(UNKNOWN_KIND) | C(INVALID))
#define CODES_CHANGE                                                                                                           \
    (CODES_ANY | C(BAD_TOPIC) | C(UNKNOWN_KIND) | C(CONFLICT) | C(SUPERSEDED) | C(OUT_OF_RANGE) | C(TOO_LARGE) | C(INVALID) |  \
     C(TOO_MANY) | C(STORE_FULL) | C(DRAINING) | C(INTERNAL))

#define JSON "application/json"
#define PROBLEM_415                                                                                                            \
    {                                                                                                                          \
        415, "The body is of a type that is not understood.", NULL, {                                                          \
            { "application/problem+json", "Problem" }                                                                          \
        }                                                                                                                      \
    }

#define CHANGE_QUERY "at fresh_ms expire_ms if_newer ack"
#define CHANGE_HEADERS "if_match idempotency_key"

static const struct operation operations[] = {
    {.handler = &api_topic_get,
     .id = "getTopic",
     .tag = "topics",
     .summary = "One document",
     .description = "The current document of a topic. Its ETag is the token of this version: with If-None-Match it comes only "
                    "if it changed.",
     .rest = "topic",
     .parameters = "if_none_match",
     .answers = {{200, "The document.", "ETag", {{JSON, "Item"}}}, {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY | C(BAD_TOPIC) | C(UNKNOWN_KIND) | C(NOT_FOUND)},
    {.handler = &api_topic_put,
     .id = "putTopic",
     .tag = "topics",
     .summary = "Set a document",
     .description = "Replaces the document, or creates the topic. `If-None-Match: *` only creates.",
     .rest = "topic",
     .parameters = CHANGE_QUERY " " CHANGE_HEADERS " if_none_match",
     .bodies = {{JSON, "Document"}, {"application/msgpack", "Document"}},
     .answers = {{200, "The document was replaced.", "ETag", {{JSON, "Written"}}},
                 {201, "The topic was created.", "ETag", {{JSON, "Written"}}},
                 PROBLEM_415},
     .codes = CODES_CHANGE},
    {.handler = &api_topic_patch,
     .id = "patchTopic",
     .tag = "topics",
     .summary = "Merge into a document",
     .description = "A JSON merge patch (RFC 7396): null removes a field.",
     .rest = "topic",
     .parameters = CHANGE_QUERY " " CHANGE_HEADERS,
     .bodies = {{"application/merge-patch+json", "Patch"}, {JSON, "Patch"}, {"application/msgpack", "Patch"}},
     .answers = {{200, "The document was changed.", "ETag", {{JSON, "Written"}}}, PROBLEM_415},
     .codes = CODES_CHANGE | C(NOT_FOUND)},
    {.handler = &api_topic_delete,
     .id = "deleteTopic",
     .tag = "topics",
     .summary = "Remove a topic",
     .rest = "topic",
     .parameters = "at if_newer ack " CHANGE_HEADERS,
     .answers = {{200, "The topic is gone.", "ETag", {{JSON, "Written"}}}},
     .codes = CODES_CHANGE | C(NOT_FOUND)},
    {.handler = &api_topic_adjust,
     .id = "adjustTopic",
     .tag = "topics",
     .summary = "Add to integer fields",
     .description = "Adds each integer to the field of that name. A sum that leaves the bounds of the kind is refused with "
                    "`out_of_range`: two tills cannot sell the last piece twice.",
     .rest = "topic",
     .parameters = CHANGE_QUERY " " CHANGE_HEADERS,
     .bodies = {{JSON, "Adjustment"}, {"application/msgpack", "Adjustment"}},
     .answers = {{200, "The document was changed.", "ETag", {{JSON, "Written"}}}, PROBLEM_415},
     .codes = CODES_CHANGE | C(NOT_FOUND)},
    {.handler = &api_topics_list,
     .id = "listTopics",
     .tag = "topics",
     .summary = "The documents that patterns select",
     .description = "In byte order of their topics, as a page, or with `Accept: application/x-ndjson` as lines without end.",
     .parameters = "match where near limit after",
     .answers = {{200, "The documents.", NULL, {{JSON, "Page"}, {"application/x-ndjson", "Item"}}}},
     .codes = CODES_MATCH},
    {.handler = &api_publish,
     .id = "publish",
     .tag = "changes",
     .summary = "Several changes",
     .description =
         "A list of changes, all or nothing with `atomic`. Or, as NDJSON, one change a line in a body of any length; "
         "results are streamed back in order while it still arrives.",
     .parameters = "ack",
     .bodies = {{JSON, "Publish"}, {"application/msgpack", "Publish"}, {"application/x-ndjson", "Change"}},
     .answers = {{200, "One result for each change, in order.", NULL, {{JSON, "Results"}, {"application/x-ndjson", "Result"}}},
                 PROBLEM_415},
     .codes = CODES_ANY | C(TOO_LARGE) | C(DRAINING)},
    {.handler = &api_range,
     .id = "publishRange",
     .tag = "changes",
     .summary = "One change on each night of a range",
     .description = "All nights of all ranges are one atomic list.",
     .parameters = "idempotency_key",
     .bodies = {{JSON, "Range"}, {"application/msgpack", "Range"}},
     .answers = {{200, "One result for each night.", NULL, {{JSON, "RangeResults"}}}, PROBLEM_415},
     .codes = CODES_CHANGE | C(NOT_FOUND)},
    {.handler = &api_stream,
     .id = "stream",
     .tag = "following",
     .summary = "Follow by Server-Sent Events",
     .description =
         "Each event's type is the `op` of a message of /asyncapi.json, its data the message as JSON, its id the token "
         "to resume from. Browsers send Last-Event-ID by themselves when they come back.",
     .parameters = "match where near near_limit since every_ms last_event_id",
     .answers = {{200, "Events, without end.", NULL, {{"text/event-stream", ""}}}},
     .codes = CODES_MATCH | C(DRAINING)},
    {.handler = &api_websocket,
     .id = "websocket",
     .tag = "following",
     .summary = "Follow and publish by WebSocket",
     .description = "The whole protocol: /asyncapi.json. Subprotocol ahora.v1.json or ahora.v1.msgpack.",
     .parameters = "sec_websocket_protocol",
     .answers = {{101, "The connection is a WebSocket.", NULL, {{0}}},
                 {426, "The request asks for no upgrade.", NULL, {{"application/problem+json", "Problem"}}}},
     .codes = CODES_ANY | C(DRAINING)},
    {.handler = &api_kinds,
     .id = "listKinds",
     .tag = "kinds",
     .summary = "The JSON Schemas in force",
     .answers = {{200, "All kinds by name.", NULL, {{JSON, "Kinds"}}}},
     .codes = CODES_ANY},
    {.handler = &api_kind,
     .id = "getKind",
     .tag = "kinds",
     .summary = "One kind's JSON Schema",
     .rest = "kind",
     .answers = {{200, "The schema as it was written.", NULL, {{"application/schema+json", "JsonSchema"}}}},
     .codes = CODES_ANY | C(UNKNOWN_KIND)},
    {.handler = &api_status,
     .id = "getStatus",
     .tag = "operating",
     .summary = "What the broker holds and does",
     .answers = {{200, "The status.", NULL, {{JSON, "Status"}}}},
     .codes = CODES_ANY},
    {.handler = &api_metrics,
     .id = "getMetrics",
     .tag = "operating",
     .summary = "Prometheus metrics",
     .answers = {{200, "The text format of Prometheus.", NULL, {{"text/plain; version=0.0.4; charset=utf-8", ""}}}},
     .codes = CODES_ANY},
    {.handler = &api_livez,
     .id = "getLivez",
     .tag = "operating",
     .summary = "Does the process answer?",
     .answers = {{200, "It does.", NULL, {{"text/plain; charset=utf-8", ""}}}},
     .codes = CODES_ANY},
    {.handler = &api_readyz,
     .id = "getReadyz",
     .tag = "operating",
     .summary = "Does it take work?",
     .answers = {{200, "It does.", NULL, {{"text/plain; charset=utf-8", ""}}},
                 {503, "It loads its store, or is about to stop.", NULL, {{"text/plain; charset=utf-8", ""}}}},
     .codes = CODES_ANY & ~C(OVERLOADED)},
    {.handler = &api_root,
     .id = "getRoot",
     .tag = "pages",
     .summary = "The dashboard for browsers, a list of paths for others",
     .answers = {{200, "The page or the list.", NULL, {{"text/html; charset=utf-8", ""}, {"text/plain; charset=utf-8", ""}}}},
     .codes = CODES_ANY},
    {.handler = &api_demo,
     .id = "getDemo",
     .tag = "pages",
     .summary = "What an app would show",
     .parameters = "if_none_match",
     .answers = {{200, "The page.", "ETag", {{"text/html; charset=utf-8", ""}}}, {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY | C(NOT_FOUND)},
    {.handler = &api_page,
     .id = "getPageFile",
     .tag = "pages",
     .summary = "What the pages are made of: scripts, styles, a picture",
     .rest = "file",
     .parameters = "if_none_match",
     .answers = {{200, "The file.", "ETag", {{"*/*", ""}}}, {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY | C(NOT_FOUND)},
    {.handler = &api_page_script,
     .id = "getClientScript",
     .tag = "pages",
     .summary = "The client for a script tag",
     .parameters = "if_none_match",
     .answers = {{200, "The script.", "ETag", {{"text/javascript; charset=utf-8", ""}}},
                 {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY | C(NOT_FOUND)},
    {.handler = &api_openapi,
     .id = "getOpenapi",
     .tag = "descriptions",
     .summary = "This description",
     .parameters = "if_none_match",
     .answers = {{200, "OpenAPI 3.1.", "ETag", {{"application/vnd.oai.openapi+json;version=3.1", "Any"}}},
                 {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY},
    {.handler = &api_asyncapi,
     .id = "getAsyncapi",
     .tag = "descriptions",
     .summary = "The description of the WebSocket protocol",
     .parameters = "if_none_match",
     .answers = {{200, "AsyncAPI 3.0.", "ETag", {{"application/vnd.aai.asyncapi+json;version=3.0.0", "Any"}}},
                 {304, "It has not changed.", "ETag", {{0}}}},
     .codes = CODES_ANY},
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

const struct operation *operation_at(size_t index) {
    return index < OPERATIONS ? &operations[index] : NULL;
}

const struct operation *operation_find(const struct handler *handler) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (operations[i].handler == handler) {
            return &operations[i];
        }
    }
    return NULL;
}
