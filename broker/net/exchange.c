/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/exchange.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/forwarded.h"
#include "broker/net/origin.h"
#include "broker/net/route.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PUBLISHER_BYTES (RIGHTS_PRINCIPAL_BYTES_MAX + 1)

struct exchange *exchange_create(struct connection *connection) {
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange != NULL) {
        exchange->connection = connection;
        exchange->broker = connection->broker;
        buffer_init(&exchange->bytes, (size_t)connection->broker->config.header_bytes_max);
        buffer_init(&exchange->path, (size_t)connection->broker->config.header_bytes_max);
    }
    return exchange;
}

void exchange_destroy(struct exchange *exchange) {
    if (exchange->handler != NULL && exchange->state != NULL && exchange->handler->release != NULL) {
        exchange->handler->release(exchange);
    }
    free(exchange->state);
    judging_forget(exchange);
    dawdlers_remove(exchange);
    exchange->broker->bodies_bytes -= exchange->body_counted;
    if (exchange->counted != NULL) {
        --*exchange->counted;
    }
    buffer_fini(&exchange->bytes);
    buffer_fini(&exchange->path);
    buffer_fini(&exchange->body);
    rights_unref(exchange->rights);
    free(exchange);
}

/* ---- the request ---- */

void exchange_refuse_head(struct exchange *exchange, int status, const char *detail) {
    exchange->broker->metrics.requests++;
    exchange->connection->keep_alive = false;
    memset(&exchange->head, 0, sizeof exchange->head);
    exchange->head.minor = 1;
    exchange->head.content_length = -1;
    http_body_init(&exchange->connection->body, &exchange->head);
    exchange_problem(
        exchange,
        &(struct problem){.status = status, .code = status == 431 ? AHORA_TOO_LARGE : AHORA_BAD_MESSAGE, .detail = detail});
}

/* A slash written as %2F would look like a separator once decoded. No topic holds one, so it is nobody's honest wish. */
static bool has_encoded_slash(struct span path) {
    for (size_t i = 0; path.bytes - i >= 3; i++) {
        if (path.data[i] == '%' && path.data[i + 1] == '2' && (path.data[i + 2] | 0x20) == 'f') {
            return true;
        }
    }
    return false;
}

static void refuse_body(struct exchange *exchange) {
    exchange->broker->metrics.bodies_refused++;
    exchange_problem(exchange, &(struct problem){.code = AHORA_OVERLOADED,
                                                 .detail = "too many requests at once",
                                                 .retry_ms = gate_slot_ms(exchange->broker)});
}

static bool take_slot(struct exchange *exchange, size_t *used) {
    if (*used >= (size_t)exchange->broker->config.requests_max) {
        refuse_body(exchange);
        return false;
    }
    ++*used;
    exchange->counted = used;
    return true;
}

/* A crowd that dawdles gives up a place for who comes. */
static bool take_stream_slot(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    if (broker->streams >= (size_t)broker->config.requests_max) {
        (void)dawdlers_end_stream(broker);
    }
    if (!take_slot(exchange, &broker->streams)) {
        return false;
    }
    dawdlers_add_stream(exchange);
    return true;
}

/* A document as JSON is rarely twice as long as it is packed; a line of a stream has as much room. */
static size_t body_bytes_max(const struct exchange *exchange) {
    size_t bytes_max = (size_t)exchange->broker->config.body_bytes_max;
    size_t document_max = 2 * exchange->broker->config.core.document_bytes_max + CONTENT_SPARE_BYTES;
    return exchange->handler->is_document && document_max < bytes_max ? document_max : bytes_max;
}

/* A stream works from its first line on, and takes its slot at once; it is one of another kind, so that streams which dawdle are in
   nobody's way but each other's. */
static bool admit_body(struct exchange *exchange) {
    bool has_body = exchange->connection->body.state != HTTP_BODY_END;
    exchange->has_body = has_body && exchange->handler->body == BODY_WHOLE;
    exchange->body.bytes_max = body_bytes_max(exchange);
    if (exchange->has_body && exchange->head.content_length > (int64_t)exchange->body.bytes_max) {
        exchange_refuse(exchange, AHORA_TOO_LARGE, "the body is too large");
        return false;
    }
    return !has_body || exchange->handler->body != BODY_STREAM || take_stream_slot(exchange);
}

static void send_continue(struct exchange *exchange) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->continued = true;
    buffer_put(&exchange->connection->out, text, sizeof text - 1);
}

/* To a page of another origin this is the answer that lets its browser ask what it wants to ask (the Fetch standard's preflight). */
static void answer_options(struct exchange *exchange, const char *allow) {
    char headers[512];
    if (!origin_admit(exchange)) {
        return;
    }
    int used = snprintf(headers, sizeof headers, "Allow: %s\r\n", allow);
    if (exchange->origin.bytes > 0) {
        snprintf(headers + used, sizeof headers - (size_t)used, "Access-Control-Allow-Methods: %s\r\n" ORIGIN_PREFLIGHT_HEADERS,
                 allow);
    }
    exchange_answer(exchange, &(struct answer){.status = 204, .headers = headers});
}

static bool is_token_name(struct span name) {
    static const char *const names[] = {"token",  "access_token", "id_token", "refresh_token", "authorization",
                                        "bearer", "jwt",          "api_key",  "apikey",        "x-api-key"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name.bytes == strlen(names[i]) && strncasecmp((const char *)name.data, names[i], name.bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* URLs end up in logs, histories and Referer headers of others. A token in one is burnt: better to say so than to look as if it worked. */
static bool has_token_in_url(struct exchange *exchange) {
    struct span query = exchange->head.query;
    struct span name;
    struct span value;
    bool found = false;
    while (!found && http_query_next(&query, &name, &value)) {
        struct buffer decoded;
        buffer_init(&decoded, 64);
        found = http_percent_decode(name, true, &decoded) && is_token_name(buffer_span(&decoded));
        buffer_fini(&decoded);
    }
    if (found) {
        exchange->broker->metrics.url_tokens_refused++;
        exchange_refuse(exchange, AHORA_BAD_MESSAGE,
                        "a token has no place in a URL: send it as Authorization: Bearer, or in `hello`");
    }
    return found;
}

static bool find_route(struct exchange *exchange) {
    if (has_encoded_slash(exchange->head.path) || !http_percent_decode(exchange->head.path, false, &exchange->path)) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "the path is malformed");
        return false;
    }
    struct route_match match = route_find(buffer_span(&exchange->path), exchange->head.method);
    exchange->handler = match.handler;
    exchange->rest = match.rest;
    if (match.handler != NULL) {
        if (match.handler->choose != NULL) {
            exchange->handler = match.handler->choose(&exchange->head);
        }
        return true;
    }
    if (match.allow[0] == '\0') {
        exchange_refuse(exchange, AHORA_NOT_FOUND, "there is nothing at this path");
        return false;
    }
    if (exchange->head.method == HTTP_OPTIONS) {
        answer_options(exchange, match.allow);
        return false;
    }
    char headers[96];
    snprintf(headers, sizeof headers, "Allow: %s\r\n", match.allow);
    exchange_problem(exchange, &(struct problem){.status = 405,
                                                 .code = AHORA_BAD_MESSAGE,
                                                 .detail = "this path does not take this method",
                                                 .headers = headers});
    return false;
}

/* At a public address what is the back office's is not there; and who wants to change something hears that it is not done here. */
static bool role_admits(struct exchange *exchange) {
    enum http_method method = exchange->head.method;
    if (exchange->connection->transport->role != LISTENER_PUBLIC || route_is_public(exchange->handler)) {
        return true;
    }
    static const char admin[] = "/v1/admin/";
    struct span path = buffer_span(&exchange->path);
    bool is_admin = path.bytes >= sizeof admin - 1 && memcmp(path.data, admin, sizeof admin - 1) == 0;
    exchange->broker->metrics.roles_refused++;
    if (is_admin || method == HTTP_GET || method == HTTP_HEAD) {
        exchange_refuse(exchange, AHORA_NOT_FOUND, "there is nothing at this path");
    } else {
        exchange_refuse(exchange, AHORA_FORBIDDEN, "nothing is published at this address");
    }
    return false;
}

static bool is_open_for(struct exchange *exchange) {
    if (exchange->broker->phase != PHASE_LOADING || route_works_while_loading(exchange->handler)) {
        return true;
    }
    exchange_problem(exchange, &(struct problem){.code = AHORA_OVERLOADED,
                                                 .detail = "the store is being loaded",
                                                 .retry_ms = gate_slot_ms(exchange->broker)});
    return false;
}

/* Its rights are known. */
static void begin_handler(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    if (!admit_body(exchange)) {
        return;
    }
    if (exchange->handler->state_bytes > 0 && (exchange->state = calloc(1, exchange->handler->state_bytes)) == NULL) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return;
    }
    if (exchange->handler->begin != NULL) {
        exchange->handler->begin(exchange);
    }
    if (!exchange->answered && exchange->head.expects_continue && connection->body.state != HTTP_BODY_END) {
        send_continue(exchange);
    }
}

static void follow_verdict(struct exchange *exchange, enum access_verdict verdict) {
    exchange->is_held = verdict == ACCESS_WAITS;
    if (verdict == ACCESS_GRANTED) {
        begin_handler(exchange);
    }
}

void exchange_go_on(struct exchange *exchange) {
    assert(exchange->is_held && !judging_waits(exchange));
    follow_verdict(exchange, access_conclude(exchange));
}

void exchange_begin(struct exchange *exchange, struct span head) {
    struct connection *connection = exchange->connection;
    const char *detail = "";
    buffer_put_span(&exchange->bytes, head);
    if (exchange->bytes.failed) {
        exchange_refuse_head(exchange, 503, "out of memory");
        return;
    }
    int status = http_head_parse(buffer_span(&exchange->bytes), &exchange->head, &detail);
    if (status != 0) {
        exchange_refuse_head(exchange, status, detail);
        return;
    }
    exchange->broker->metrics.requests++;
    connection->keep_alive = exchange->head.keep_alive;
    http_body_init(&connection->body, &exchange->head);
    if (exchange->head.expects_unknown) {
        exchange_problem(exchange,
                         &(struct problem){.status = 417, .code = AHORA_BAD_MESSAGE, .detail = "unknown expectation"});
        return;
    }
    origin_read(exchange);
    if (!forwarded_admit(exchange) || has_token_in_url(exchange) || !find_route(exchange) || !role_admits(exchange) ||
        !origin_admit(exchange) || !is_open_for(exchange)) {
        return;
    }
    follow_verdict(exchange, access_admit(exchange));
}

static bool make_room(struct exchange *exchange, size_t bytes) {
    struct broker *broker = exchange->broker;
    bool has_room;
    do {
        has_room = broker->bodies_bytes + bytes <= (size_t)broker->config.bodies_bytes_max;
    } while (!has_room && dawdlers_end_body(exchange));
    return has_room;
}

static void collect(struct exchange *exchange, struct span *piece) {
    struct broker *broker = exchange->broker;
    if (!make_room(exchange, piece->bytes)) {
        refuse_body(exchange);
    } else {
        dawdlers_add_body(exchange);
        buffer_put_span(&exchange->body, *piece);
        if (exchange->body.failed) {
            exchange_refuse(exchange, AHORA_TOO_LARGE, "the body is too large");
        }
        broker->bodies_bytes += exchange->body.bytes - exchange->body_counted;
        exchange->body_counted = exchange->body.bytes;
    }
    piece->bytes = 0;
}

void exchange_take(struct exchange *exchange, struct span *piece) {
    switch (exchange->handler->body) {
    case BODY_NONE:
        piece->bytes = 0;
        return;
    case BODY_WHOLE:
        collect(exchange, piece);
        return;
    case BODY_STREAM:
        exchange->handler->take(exchange, piece);
        return;
    }
}

/* Half a request takes no slot: whoever sends one holds up nobody else. The memory of its body is bounded in sum. */
void exchange_end_body(struct exchange *exchange) {
    dawdlers_remove(exchange);
    if (exchange->has_body && !take_slot(exchange, &exchange->broker->requests)) {
        return;
    }
    if (exchange->handler->end != NULL) {
        exchange->handler->end(exchange);
    }
}

void exchange_fail_body(struct exchange *exchange) {
    if (!exchange->answered) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "the chunks of the body are malformed");
    }
}

bool exchange_produce(struct exchange *exchange) {
    return exchange->handler->produce != NULL && exchange->handler->produce(exchange);
}

void exchange_on_room(struct exchange *exchange) {
    if (exchange->handler->room != NULL) {
        exchange->handler->room(exchange);
    }
}

void exchange_on_ticket(struct ticket *ticket) {
    struct exchange *exchange = ticket->owner;
    struct connection *connection = exchange->connection;
    if (rights_may_publish(exchange->rights)) {
        transport_prefer(connection->transport);
    }
    exchange->handler->ticket(exchange, ticket);
    connection_touch(connection);
}

/* Whose allowance of changes it uses: that of who the credentials name, or of the address. False: the connection's own, because behind a proxy on
   this machine all have one address. */
static bool find_publisher(const struct exchange *exchange, char name[PUBLISHER_BYTES]) {
    const struct broker *broker = exchange->broker;
    const struct sockaddr *address = (const struct sockaddr *)&exchange->connection->transport->address;
    uint64_t key[2];
    if (exchange->rights != NULL && !exchange->rights->is_anonymous) {
        snprintf(name, PUBLISHER_BYTES, "%s", exchange->rights->principal);
        return true;
    }
    if (sockaddr_is_loopback(address) && !broker->config.limit_loopback) {
        return false;
    }
    address_key(address, key);
    snprintf(name, PUBLISHER_BYTES, "address %016" PRIx64 "%016" PRIx64, key[0], key[1]); /* a principal has no blanks */
    return true;
}

bool exchange_may_publish(struct exchange *exchange, int64_t count) {
    struct broker *broker = exchange->broker;
    const int64_t rate = broker->config.core.publish_rate_max;
    int64_t retry_ms = rate == 0 ? 0 : exchange_take_changes(exchange, count);
    if (retry_ms > 0) {
        broker->metrics.publishes_limited++;
        exchange_problem(exchange,
                         &(struct problem){.code = AHORA_RATE_LIMITED,
                                           .detail = "this subject, address or connection publishes faster than it may",
                                           .retry_ms = retry_ms});
    }
    return retry_ms == 0;
}

int64_t exchange_take_changes(struct exchange *exchange, int64_t count) {
    struct broker *broker = exchange->broker;
    const int64_t rate = broker->config.core.publish_rate_max;
    char name[PUBLISHER_BYTES];
    if (rate == 0) {
        return 0;
    }
    return find_publisher(exchange, name) ? subjects_take(&broker->shards->subjects, name, rate, broker->now_ms, count)
                                          : allowance_take(&exchange->connection->allowance, rate, broker->now_ms, count);
}

int64_t exchange_publishes_left(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    const int64_t rate = broker->config.core.publish_rate_max;
    char name[PUBLISHER_BYTES];
    if (rate == 0) {
        return INT64_MAX;
    }
    return find_publisher(exchange, name) ? subjects_left(&broker->shards->subjects, name, rate, broker->now_ms)
                                          : allowance_left(&exchange->connection->allowance, rate, broker->now_ms);
}

bool exchange_query(struct exchange *exchange, const char *name, struct buffer *out, bool *malformed) {
    struct span query = exchange->head.query;
    struct span key;
    struct span value;
    while (http_query_next(&query, &key, &value)) {
        if (span_is(key, name)) {
            *malformed |= !http_percent_decode(value, true, out);
            return !*malformed;
        }
    }
    return false;
}

bool exchange_query_int(struct exchange *exchange, const char *name, int64_t min, int64_t max, int64_t *number) {
    struct buffer text;
    buffer_init(&text, 20);
    bool malformed = false;
    bool good = true;
    if (exchange_query(exchange, name, &text, &malformed)) {
        int64_t value = 0;
        good = text.bytes > 0 && text.bytes <= 16;
        for (size_t i = 0; good && i < text.bytes; i++) {
            good = text.data[i] >= '0' && text.data[i] <= '9';
            value = value * 10 + (text.data[i] - '0');
        }
        good = good && value >= min && value <= max;
        *number = good ? value : *number;
    }
    buffer_fini(&text);
    return good && !malformed;
}
