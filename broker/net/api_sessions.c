/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What an operator asks about sessions, and how one is sent away:
 *
 *   GET  /v1/admin/sessions?limit=&after=&subject=&address=&match=
 *   GET  /v1/admin/sessions/slowest?limit=&…
 *   POST /v1/admin/disconnect {"session": "s12"} or {"subject": …} or {"address": …}, and "retry_ms"
 */
#include "broker/net/api.h"
#include "broker/net/audit.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"
#include "broker/net/inquiry.h"
#include "proto/pack.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define BODY_DEPTH_MAX 2

static const char no_store[] = "Cache-Control: no-store\r\n";

/* The release of the handlers needs to know that there is somebody to forget. */
struct admin_call {
    bool asked;
};

/* ---- the filter ---- */

static bool read_number(struct span text, uint64_t *number) {
    char digits[24];
    char *end;
    if (text.bytes < 2 || text.bytes >= sizeof digits || text.data[0] != 's' || text.data[1] < '0' || text.data[1] > '9') {
        return false;
    }
    memcpy(digits, text.data + 1, text.bytes - 1);
    digits[text.bytes - 1] = '\0';
    *number = strtoull(digits, &end, 10);
    return *end == '\0';
}

static bool read_address(struct span text, struct session_filter *filter) {
    char words[INET6_ADDRSTRLEN + 8];
    if (text.bytes == 0) {
        return false;
    }
    snprintf(words, sizeof words, "%s%.*s", memchr(text.data, ':', text.bytes) == NULL ? "::ffff:" : "", (int)text.bytes,
             (const char *)text.data);
    filter->has_address = text.bytes < INET6_ADDRSTRLEN && inet_pton(AF_INET6, words, &filter->address) == 1;
    return filter->has_address;
}

static bool read_subject(struct span text, struct session_filter *filter) {
    if (text.bytes == 0 || text.bytes >= sizeof filter->subject || memchr(text.data, '\0', text.bytes) != NULL) {
        return false;
    }
    memcpy(filter->subject, text.data, text.bytes);
    filter->subject[text.bytes] = '\0';
    return true;
}

static bool read_match(struct span text, struct session_filter *filter) {
    if (text.bytes == 0 || text.bytes >= sizeof filter->match_text) {
        return false;
    }
    memcpy(filter->match_text, text.data, text.bytes);
    return name_parse_pattern(span_of(filter->match_text, text.bytes), &filter->match, NULL) == AHORA_OK;
}

static bool read_session(struct span text, struct session_filter *filter) {
    return read_number(text, &filter->number);
}

struct filter_key {
    const char *name;
    bool (*read)(struct span text, struct session_filter *filter);
    const char *fault;
};

static const struct filter_key filter_keys[] = {
    {"session", read_session, "`session` is not of the form s12"},
    {"subject", read_subject, "`subject` is empty or too long"},
    {"address", read_address, "`address` is neither an IPv4 nor an IPv6 address"},
    {"match", read_match, "`match` is not a pattern"},
};

#define FILTER_KEYS (sizeof filter_keys / sizeof filter_keys[0])

static const char *read_query(struct exchange *exchange, struct inquiry *inquiry) {
    const char *fault = NULL;
    struct buffer text;
    bool malformed = false;
    for (size_t i = 0; i < FILTER_KEYS && fault == NULL; i++) {
        buffer_init(&text, 1024);
        if (exchange_query(exchange, filter_keys[i].name, &text, &malformed) &&
            !filter_keys[i].read(buffer_span(&text), &inquiry->filter)) {
            fault = filter_keys[i].fault;
        }
        buffer_fini(&text);
    }
    buffer_init(&text, 64);
    if (fault == NULL && exchange_query(exchange, "after", &text, &malformed) &&
        !read_number(buffer_span(&text), &inquiry->after)) {
        fault = "`after` is not of the form s12";
    }
    buffer_fini(&text);
    int64_t limit = LIMIT_DEFAULT;
    if (!exchange_query_int(exchange, "limit", 1, INQUIRY_LIMIT_MAX, &limit) || malformed) {
        return malformed ? "the query is malformed" : "`limit` must be 1 to 1000";
    }
    inquiry->limit = (size_t)limit;
    return fault;
}

/* ---- asking ---- */

static void ask(struct exchange *exchange, struct inquiry *inquiry) {
    struct admin_call *call = exchange->state;
    call->asked = inquiry_ask(exchange->broker, inquiry, exchange);
    if (!call->asked) {
        exchange_problem(
            exchange,
            &(struct problem){.code = AHORA_OVERLOADED, .detail = "too many such questions at once", .retry_ms = 1000});
    }
}

static void release(struct exchange *exchange) {
    struct admin_call *call = exchange->state;
    if (call->asked) {
        inquiry_forget(exchange->broker, exchange);
    }
}

static void refuse(struct exchange *exchange, struct inquiry *inquiry, const char *fault) {
    if (inquiry != NULL) {
        inquiry_destroy(inquiry);
    }
    exchange_refuse(exchange, inquiry == NULL ? AHORA_OVERLOADED : AHORA_BAD_MESSAGE, fault);
}

/* ---- sessions, and the slowest of them ---- */

static void put_sessions(struct inquiry *inquiry, bool more, struct buffer *out) {
    buffer_put_text(out, "{\"sessions\":[");
    for (size_t i = 0; i < inquiry->item_count; i++) {
        const struct inquiry_item *item = &inquiry->items[i];
        buffer_put_text(out, i > 0 ? ",\n" : "\n");
        buffer_put_span(out, span_of(inquiry->text.data + item->at, item->bytes));
    }
    buffer_put_text(out, "\n]");
    if (more && inquiry->kind == INQUIRY_SESSIONS) {
        char text[64];
        snprintf(text, sizeof text, ",\"after\":\"s%" PRIu64 "\"", inquiry->items[inquiry->item_count - 1].order);
        buffer_put_text(out, text);
    }
    buffer_put_text(out, more ? ",\"more\":true}\n" : ",\"more\":false}\n");
}

static void on_sessions(struct exchange *exchange, struct inquiry *inquiry) {
    struct buffer out;
    const bool more = inquiry_sort(inquiry);
    buffer_init(&out, SIZE_MAX);
    put_sessions(inquiry, more, &out);
    if (inquiry->kind == INQUIRY_SESSIONS) { /* every open dashboard asks for the slowest, again and again */
        audit_note(exchange, "sessions", "result=ok count=%zu", inquiry->item_count);
    }
    if (inquiry->failed || out.failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
    } else {
        exchange_answer(exchange, &(struct answer){200, "application/json", no_store, buffer_span(&out)});
    }
    buffer_fini(&out);
}

static void list_sessions(struct exchange *exchange, enum inquiry_kind kind, const char *action) {
    if (!audit_admit(exchange, action)) {
        return;
    }
    struct inquiry *inquiry = inquiry_create(kind);
    const char *fault = inquiry == NULL ? "out of memory" : read_query(exchange, inquiry);
    if (fault != NULL) {
        refuse(exchange, inquiry, fault);
        return;
    }
    inquiry->on_done = on_sessions;
    ask(exchange, inquiry);
}

static void sessions_end(struct exchange *exchange) {
    list_sessions(exchange, INQUIRY_SESSIONS, "sessions");
}

static void slowest_end(struct exchange *exchange) {
    list_sessions(exchange, INQUIRY_SLOWEST, "slowest");
}

/* ---- disconnect ---- */

static void on_disconnected(struct exchange *exchange, struct inquiry *inquiry) {
    char text[64];
    int bytes = snprintf(text, sizeof text, "{\"disconnected\":%" PRIu64 "}\n", inquiry->count);
    char subject[AUDIT_PLAIN_BYTES];
    audit_plain(subject, sizeof subject, span_of_text(inquiry->filter.subject));
    audit_note(exchange, "disconnect",
               "session=s%" PRIu64 " subject=\"%s\" has_address=%d match=\"%s\" result=ok count=%" PRIu64,
               inquiry->filter.number, subject, inquiry->filter.has_address, inquiry->filter.match_text, inquiry->count);
    exchange_answer(exchange, &(struct answer){200, "application/json", no_store, span_of(text, (size_t)bytes)});
}

/* NULL, or what is wrong. A body that selects nobody would select all: that is not what somebody types by mistake. */
static const char *read_body(struct span body, struct inquiry *inquiry) {
    struct pack_reader reader = pack_reader_of(body);
    bool selects = false;
    if (pack_peek(&reader) != PACK_MAP) {
        return "the body must be a map";
    }
    for (size_t i = 0; i < FILTER_KEYS; i++) {
        struct span value = pack_find(body, filter_keys[i].name);
        struct pack_reader text = pack_reader_of(value);
        if (value.bytes == 0) {
            continue;
        }
        if (pack_peek(&text) != PACK_TEXT || !filter_keys[i].read(pack_read_text(&text), &inquiry->filter)) {
            return filter_keys[i].fault;
        }
        selects = true;
    }
    struct span retry = pack_find(body, "retry_ms");
    struct pack_reader number = pack_reader_of(retry);
    inquiry->retry_ms = -1;
    if (retry.bytes > 0 && (pack_peek(&number) != PACK_INT || (inquiry->retry_ms = pack_read_int(&number)) < 0)) {
        return "`retry_ms` must be an integer of at least 0";
    }
    return selects ? NULL : "say who: `session`, `subject`, `address` or `match`";
}

static void disconnect_end(struct exchange *exchange) {
    struct buffer body;
    const char *detail = NULL;
    if (!audit_admit(exchange, "disconnect")) {
        return;
    }
    buffer_init(&body, (size_t)exchange->broker->config.body_bytes_max);
    if (content_read_body(exchange, BODY_DEPTH_MAX, &body, &detail) == AHORA_OK) {
        struct inquiry *inquiry = inquiry_create(INQUIRY_DISCONNECT);
        const char *fault = inquiry == NULL ? "out of memory" : read_body(buffer_span(&body), inquiry);
        if (fault != NULL) {
            refuse(exchange, inquiry, fault);
        } else {
            inquiry->on_done = on_disconnected;
            ask(exchange, inquiry);
        }
    }
    buffer_fini(&body);
}

const struct handler api_admin_sessions = {
    .body = BODY_NONE, .state_bytes = sizeof(struct admin_call), .end = sessions_end, .release = release};
const struct handler api_admin_slowest = {
    .body = BODY_NONE, .state_bytes = sizeof(struct admin_call), .end = slowest_end, .release = release};
const struct handler api_admin_disconnect = {
    .body = BODY_WHOLE, .state_bytes = sizeof(struct admin_call), .end = disconnect_end, .release = release};
