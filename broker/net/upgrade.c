/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/upgrade.h"

#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <string.h>
#include <strings.h>

static void refuse(struct exchange *exchange, const struct problem *problem) {
    exchange->broker->metrics.upgrades_refused++;
    exchange_problem(exchange, problem);
}

/* A nonce of 16 bytes in base64 (RFC 6455 section 4.1). */
static bool is_key(struct span key) {
    if (key.bytes != 24) {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        uint8_t byte = key.data[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        if (!letter && byte != '+' && byte != '/') {
            return false;
        }
    }
    return key.data[22] == '=' && key.data[23] == '=';
}

static void begin(struct exchange *exchange) {
    const struct http_head *head = &exchange->head;
    const char *version_header = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    struct span version = http_header_find(head, "sec-websocket-version");
    struct span upgrade = http_header_find(head, "upgrade");
    bool asks = head->minor == 1 && http_header_lists(head, "connection", "upgrade") && upgrade.bytes == strlen("websocket") &&
                http_header_lists(head, "upgrade", "websocket");
    if (!asks || head->method != HTTP_GET) {
        refuse(exchange, &(struct problem){.status = 426,
                                           .code = AHORA_BAD_MESSAGE,
                                           .detail = "this path speaks WebSocket only",
                                           .headers = "Upgrade: websocket\r\n"});
    } else if (!span_is(version, "13")) {
        refuse(exchange, &(struct problem){.status = 426,
                                           .code = AHORA_BAD_MESSAGE,
                                           .detail = "the WebSocket version must be 13",
                                           .headers = version_header});
    } else if (!is_key(http_header_find(head, "sec-websocket-key"))) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "Sec-WebSocket-Key is malformed"});
    } else if (!http_header_lists_exactly(head, "sec-websocket-protocol", AHORA_SUBPROTOCOL_JSON) &&
               !http_header_lists_exactly(head, "sec-websocket-protocol", AHORA_SUBPROTOCOL_MSGPACK)) {
        refuse(exchange,
               &(struct problem){.code = AHORA_BAD_MESSAGE,
                                 .detail = "offer the subprotocol " AHORA_SUBPROTOCOL_JSON " or " AHORA_SUBPROTOCOL_MSGPACK});
    } else if (exchange->connection->body.state != HTTP_BODY_END) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "an upgrade takes no body"});
    } else if (exchange->broker->phase != PHASE_READY) {
        refuse(exchange, &(struct problem){.code = AHORA_DRAINING, .detail = "the broker is going away", .retry_ms = 1000});
    } else if (connection_pending(exchange->connection) > 0) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "read the answers before you upgrade"});
    } else {
        exchange->upgrading = true;
    }
}

const struct handler api_websocket = {.body = BODY_NONE, .begin = begin};

/* What libwebsockets needs to know. Anything else a head may hold, a long query above all, it might close the connection for, without an
   answer (4.1: "More hdr frags"). */
static void put_head(struct buffer *out, const struct http_head *head) {
    static const char *const wanted[] = {
        "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"};
    buffer_put_text(out, "GET /v1/ws HTTP/1.1\r\n");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
            if (header->name.bytes == strlen(wanted[j]) &&
                strncasecmp((const char *)header->name.data, wanted[j], header->name.bytes) == 0) {
                buffer_put_span(out, header->name);
                buffer_put_text(out, ": ");
                buffer_put_span(out, header->value);
                buffer_put_text(out, "\r\n");
            }
        }
    }
    buffer_put_text(out, "\r\n");
}

void upgrade_give(struct connection *connection) {
    struct broker *broker = connection->broker;
    struct span behind = {connection->in.data + connection->in_at, connection->in.bytes - connection->in_at};
    struct buffer bytes;
    buffer_init(&bytes, 2 * (size_t)broker->config.header_bytes_max + behind.bytes);
    put_head(&bytes, &connection->exchange->head);
    size_t head_bytes = bytes.bytes;
    buffer_put_span(&bytes, behind);
    if (bytes.failed) {
        connection_close(connection); /* no memory */
    } else {
        struct address_count *count;
        struct rights *rights = rights_ref(connection->exchange->rights);
        int fd = connection_give(connection, &count);
        websocket_adopt(broker, fd, count, rights, buffer_span(&bytes), head_bytes);
    }
    buffer_fini(&bytes);
}
