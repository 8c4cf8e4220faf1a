/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/upgrade.h"

#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define KEY_BYTES 24 /* of Sec-WebSocket-Key */

/* By enum encoding. */
static const char *const subprotocols[] = {
    [ENCODING_MSGPACK] = AHORA_SUBPROTOCOL_MSGPACK, [ENCODING_JSON] = AHORA_SUBPROTOCOL_JSON, NULL};

static void refuse(struct exchange *exchange, const struct problem *problem) {
    exchange->broker->metrics.upgrades_refused++;
    exchange_problem(exchange, problem);
}

/* A nonce of 16 bytes in base64 (RFC 6455 section 4.1). */
static bool is_key(struct span key) {
    if (key.bytes != KEY_BYTES) {
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
    bool asks =
        head->minor == 1 && http_header_lists(head, "connection", "upgrade") && http_header_lists(head, "upgrade", "websocket");
    if (!asks || head->method != HTTP_GET) {
        refuse(exchange, &(struct problem){.status = 426,
                                           .code = AHORA_BAD_MESSAGE,
                                           .detail = "this path speaks WebSocket only",
                                           .headers = "Upgrade: websocket\r\n"});
    } else if (http_header_count(head, "sec-websocket-version") != 1 || !span_is(version, "13")) {
        refuse(exchange, &(struct problem){.status = 426,
                                           .code = AHORA_BAD_MESSAGE,
                                           .detail = "the WebSocket version must be 13",
                                           .headers = version_header});
    } else if (http_header_count(head, "sec-websocket-key") != 1 || !is_key(http_header_find(head, "sec-websocket-key"))) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "one well-formed Sec-WebSocket-Key is needed"});
    } else if (http_header_first_of(head, "sec-websocket-protocol", subprotocols) < 0) {
        refuse(exchange,
               &(struct problem){.code = AHORA_BAD_MESSAGE,
                                 .detail = "offer the subprotocol " AHORA_SUBPROTOCOL_JSON " or " AHORA_SUBPROTOCOL_MSGPACK});
    } else if (exchange->connection->body.state != HTTP_BODY_END) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "an upgrade takes no body"});
    } else if (exchange->broker->phase != PHASE_READY) {
        refuse(exchange, &(struct problem){.code = AHORA_DRAINING,
                                           .detail = "the broker is going away",
                                           .retry_ms = gate_slot_ms(exchange->broker)});
    } else if (pressure_is_high(exchange->broker)) {
        exchange->broker->metrics.joins_refused++;
        refuse(exchange, &(struct problem){.code = AHORA_OVERLOADED,
                                           .detail = "the broker is short of memory",
                                           .retry_ms = gate_slot_ms(exchange->broker)});
    } else if (connection_pending(exchange->connection) > 0) {
        refuse(exchange, &(struct problem){.code = AHORA_BAD_MESSAGE, .detail = "read the answers before you upgrade"});
    } else {
        exchange->upgrading = true;
    }
}

const struct handler api_websocket = {.body = BODY_NONE, .begin = begin};

/* RFC 6455 section 4.2.2: who answers with the digest of the key has understood what it was asked. */
static bool put_accept(struct buffer *out, EVP_MD_CTX *digest, struct span key) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[SHA_DIGEST_LENGTH];
    uint8_t base64[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
    if (EVP_DigestInit_ex(digest, NULL, NULL) != 1 || EVP_DigestUpdate(digest, key.data, key.bytes) != 1 ||
        EVP_DigestUpdate(digest, guid, sizeof guid - 1) != 1 || EVP_DigestFinal_ex(digest, hash, NULL) != 1) {
        return false;
    }
    buffer_put(out, base64, (size_t)EVP_EncodeBlock(base64, hash, sizeof hash));
    return !out->failed;
}

/* False: no memory. */
static bool put_answer(struct buffer *out, EVP_MD_CTX *digest, const struct http_head *head, enum encoding encoding) {
    buffer_put_text(out,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    bool is_put = put_accept(out, digest, http_header_find(head, "sec-websocket-key"));
    buffer_put_text(out, "\r\nSec-WebSocket-Protocol: ");
    buffer_put_text(out, subprotocols[encoding]);
    buffer_put_text(out, "\r\n\r\n");
    return is_put && !out->failed;
}

void upgrade_give(struct connection *connection) {
    const struct http_head *head = &connection->exchange->head;
    /* Of those it offers, the first that is spoken here. */
    enum encoding encoding = (enum encoding)http_header_first_of(head, "sec-websocket-protocol", subprotocols);
    struct buffer *answer = &connection->broker->websockets.answer;
    buffer_cut(answer, 0);
    if (!put_answer(answer, connection->broker->websockets.digest, head, encoding)) {
        connection_close(connection);
        return;
    }
    struct buffer in = connection->in; /* what came behind the request goes along */
    size_t used = connection->in_at;
    struct rights *rights = rights_ref(connection->exchange->rights);
    buffer_init(&connection->in, 0);
    struct websocket *websocket = websocket_open(connection_give(connection), encoding, rights);
    if (websocket != NULL) {
        websocket_begin(websocket, buffer_span(answer), in.data + used, in.bytes - used);
    }
    rights_unref(rights);
    buffer_fini(&in);
}

/* Looked up once: for each upgrade that would cost as much as everything else in it. */
struct evp_md_ctx_st *upgrade_digest_create(void) {
    EVP_MD *sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_made = sha1 != NULL && digest != NULL && EVP_DigestInit_ex(digest, sha1, NULL) == 1;
    EVP_MD_free(sha1); /* the context holds it */
    if (!is_made) {
        EVP_MD_CTX_free(digest);
        return NULL;
    }
    return digest;
}

void upgrade_digest_destroy(struct evp_md_ctx_st *digest) {
    EVP_MD_CTX_free(digest);
}
