/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/describe.h"

#include <stdio.h>
#include <string.h>

#include "include/ahora/protocol.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/message_schema.h"

static const char about[] = "What is said over GET /v1/ws: subprotocol " AHORA_SUBPROTOCOL_JSON
                            " (text frames, one message a line) or " AHORA_SUBPROTOCOL_MSGPACK
                            " (binary frames). The broker receives what clients send and sends what clients receive; "
                            "docs/protocol.md says it in words.";

/* What each message means, in the order of the enums. */
static const char *const requests[] = {
    [REQUEST_HELLO] = "The first message of a session.",
    [REQUEST_SUB] = "Follow what patterns select.",
    [REQUEST_UNSUB] = "Follow no longer.",
    [REQUEST_MOVE] = "Give a subscription another circle.",
    [REQUEST_GET] = "Current documents, once.",
    [REQUEST_PUB] = "Publish changes.",
    [REQUEST_AUTH] = "Go on under a new token.",
    [REQUEST_PING] = "Is the line alive?",
};
static const char *const replies[] = {
    [REPLY_WELCOME] = "After `hello`.",
    [REPLY_SUBSCRIBED] = "Data follows; with `resumed` false forget what you held.",
    [REPLY_SET] = "The whole document.",
    [REPLY_PATCH] = "A merge patch on the document you hold.",
    [REPLY_REMOVE] = "The topic is gone, or no longer in the view.",
    [REPLY_LIVE] = "The subscription is complete up to `seq`.",
    [REPLY_BEAT] = "All live subscriptions are complete up to `seq`.",
    [REPLY_SNAPSHOT] = "Answer to `get`.",
    [REPLY_PUBLISHED] = "One result for each change of a `pub`.",
    [REPLY_OK] = "Done.",
    [REPLY_PONG] = "Answer to `ping`.",
    [REPLY_ERROR] = "A refusal.",
    [REPLY_BYE] = "The broker is about to close; come back after `retry_ms`.",
};

/* Which messages answer a request; the description's "reply". */
static const char *const answers[] = {
    [REQUEST_HELLO] = "welcome error", [REQUEST_SUB] = "subscribed set remove live error",
    [REQUEST_UNSUB] = "ok error",      [REQUEST_MOVE] = "ok error",
    [REQUEST_GET] = "snapshot error",  [REQUEST_PUB] = "published error",
    [REQUEST_AUTH] = "ok error",       [REQUEST_PING] = "pong error",
};

/* `set` and `patch` are messages of the broker, and ops of changes; requests never share a name with a reply. */
static void put_message(struct buffer *out, bool first, const char *name, const char *text, bool is_request, unsigned op) {
    describe_put_key(out, first, name);
    buffer_put_text(out, "{");
    describe_put_pair(out, true, "name", name);
    describe_put_pair(out, false, "summary", text);
    describe_put_pair(out, false, "contentType", "application/json");
    describe_put_key(out, false, "payload");
    if (is_request) {
        message_request_schema(out, op);
    } else {
        message_reply_schema(out, op);
    }
    buffer_put_text(out, "}");
}

static void put_messages(struct buffer *out) {
    describe_put_key(out, false, "messages");
    buffer_put_text(out, "{");
    for (unsigned op = 0; message_request_name(op) != NULL; op++) {
        put_message(out, op == 0, message_request_name(op), requests[op], true, op);
    }
    for (unsigned op = 0; message_reply_name(op) != NULL; op++) {
        put_message(out, false, message_reply_name(op), replies[op], false, op);
    }
    buffer_put_text(out, "}");
}

static void put_reference(struct buffer *out, bool first, const char *folder, const char *name, size_t bytes) {
    char text[160];
    snprintf(text, sizeof text, "%s{\"$ref\":\"#/%s/%.*s\"}", first ? "" : ",", folder, (int)bytes, name);
    buffer_put_text(out, text);
}

static void put_channel_message(struct buffer *out, bool first, const char *name) {
    describe_put_key(out, first, name);
    put_reference(out, true, "components/messages", name, strlen(name));
}

static void put_channel(struct buffer *out) {
    buffer_put_text(out, ",\"channels\":{\"session\":{\"address\":\"/v1/ws\",\"title\":\"A session\",\"bindings\":{\"ws\":{"
                         "\"method\":\"GET\",\"headers\":{\"type\":\"object\",\"required\":[\"Sec-WebSocket-Protocol\"],"
                         "\"properties\":{\"Sec-WebSocket-Protocol\":{\"enum\":[\"" AHORA_SUBPROTOCOL_JSON
                         "\",\"" AHORA_SUBPROTOCOL_MSGPACK "\"]}}},\"bindingVersion\":\"0.1.0\"}},\"messages\":{");
    for (unsigned op = 0; message_request_name(op) != NULL; op++) {
        put_channel_message(out, op == 0, message_request_name(op));
    }
    for (unsigned op = 0; message_reply_name(op) != NULL; op++) {
        put_channel_message(out, false, message_reply_name(op));
    }
    buffer_put_text(out, "}}}");
}

static void put_answers(struct buffer *out, const char *names) {
    bool first = true;
    buffer_put_text(out, ",\"reply\":{\"channel\":{\"$ref\":\"#/channels/session\"},\"messages\":[");
    while (*names != '\0') {
        size_t bytes = strcspn(names, " ");
        put_reference(out, first, "channels/session/messages", names, bytes);
        first = false;
        names += bytes + strspn(names + bytes, " ");
    }
    buffer_put_text(out, "]}");
}

/* The broker receives each request; what it sends without being asked is one operation. */
static void put_operations(struct buffer *out) {
    describe_put_key(out, false, "operations");
    buffer_put_text(out, "{");
    for (unsigned op = 0; message_request_name(op) != NULL; op++) {
        const char *name = message_request_name(op);
        describe_put_key(out, op == 0, name);
        buffer_put_text(out, "{\"action\":\"receive\",\"channel\":{\"$ref\":\"#/channels/session\"}");
        describe_put_pair(out, false, "summary", requests[op]);
        buffer_put_text(out, ",\"messages\":[");
        put_reference(out, true, "channels/session/messages", name, strlen(name));
        buffer_put_text(out, "]");
        put_answers(out, answers[op]);
        buffer_put_text(out, "}");
    }
    buffer_put_text(out, ",\"tell\":{\"action\":\"send\",\"channel\":{\"$ref\":\"#/channels/session\"},"
                         "\"summary\":\"What a session is told as it happens.\",\"messages\":[");
    for (unsigned op = 0; message_reply_name(op) != NULL; op++) {
        const char *name = message_reply_name(op);
        put_reference(out, op == 0, "channels/session/messages", name, strlen(name));
    }
    buffer_put_text(out, "]}}");
}

static void put_servers(struct buffer *out, struct span host) {
    if (host.bytes > 0) {
        buffer_put_text(out, ",\"servers\":{\"this\":{\"protocol\":\"ws\",\"host\":");
        json_put_text(out, host);
        buffer_put_text(out, ",\"security\":[{\"$ref\":\"#/components/securitySchemes/bearer\"}]}}");
    }
}

void describe_asyncapi(struct buffer *out, const struct kinds *kinds, struct span host) {
    buffer_put_text(out, "{\"asyncapi\":\"3.0.0\",\"id\":\"urn:ahora:broker\",\"defaultContentType\":\"application/json\",");
    describe_put_info(out, "ahora", about);
    put_servers(out, host);
    put_channel(out);
    put_operations(out);
    describe_put_key(out, false, "components");
    buffer_put_text(out, "{");
    describe_put_schemas(out, kinds);
    put_messages(out);
    buffer_put_text(out, ",\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\","
                         "\"description\":\"On the upgrade request, or as `token` of hello.\"}}}}\n");
}
