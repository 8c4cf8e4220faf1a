/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/session_report.h"

#include "broker/net/broker.h"
#include "broker/net/peer.h"
#include "broker/net/socket_info.h"
#include "broker/net/transport.h"
#include "proto/json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATTERNS_SHOWN_MAX 32

static const struct transport *transport_of(const struct session *session) {
    const struct peer *peer = session_owner(session);
    return peer->calls->transport(peer);
}

bool session_report_selects(const struct session *session, const struct session_facts *facts,
                            const struct session_filter *filter) {
    if (filter->number != 0 && filter->number != facts->number) {
        return false;
    }
    if (filter->subject[0] != '\0' && strcmp(filter->subject, facts->principal) != 0) {
        return false;
    }
    if (filter->has_address &&
        memcmp(&filter->address, &transport_of(session)->address.sin6_addr, sizeof filter->address) != 0) {
        return false;
    }
    return filter->match.count == 0 || session_follows(session, &filter->match);
}

static void put_number(struct buffer *out, const char *name, uint64_t value) {
    char text[96];
    snprintf(text, sizeof text, "\"%s\":%" PRIu64 ",", name, value);
    buffer_put_text(out, text);
}

static void put_place(const struct transport *transport, struct buffer *out) {
    static const char *const roles[] = {
        [LISTENER_BOTH] = "both", [LISTENER_PUBLIC] = "public", [LISTENER_INTERNAL] = "internal"};
    char address[TRANSPORT_ADDRESS_BYTES];
    transport_put_address(transport, address);
    buffer_put_text(out, "\"address\":");
    json_put_text(out, span_of_text(address));
    buffer_put_text(out, ",");
    put_number(out, "port", ntohs(transport->address.sin6_port));
    buffer_put_text(out, "\"listener\":\"");
    buffer_put_text(out, roles[transport->role]);
    buffer_put_text(out, transport_is_secure(transport) ? "\",\"tls\":true," : "\",\"tls\":false,");
}

static void put_facts(const struct session_facts *facts, struct buffer *out) {
    static const char *const encodings[ENCODINGS] = {
        [ENCODING_MSGPACK] = "msgpack", [ENCODING_JSON] = "json", [ENCODING_SSE] = "sse"};
    char number[32];
    snprintf(number, sizeof number, "\"session\":\"s%" PRIu64 "\",", facts->number);
    buffer_put_text(out, number);
    buffer_put_text(out, "\"subject\":");
    json_put_text(out, span_of_text(facts->principal));
    if (facts->source.data != NULL) {
        buffer_put_text(out, ",\"source\":");
        json_put_text(out, facts->source);
    }
    buffer_put_text(out, ",\"encoding\":\"");
    buffer_put_text(out, encodings[facts->encoding]);
    buffer_put_text(out, "\",");
    put_number(out, "age_ms", (uint64_t)facts->age_ms);
    put_number(out, "subscriptions", facts->subscriptions);
    put_number(out, "live", facts->live);
    put_number(out, "skipped", facts->skipped);
    put_number(out, "behind", (uint64_t)facts->behind);
    put_number(out, "outbox_bytes", facts->outbox_bytes);
    buffer_put_text(out, facts->greeted ? "\"greeted\":true," : "\"greeted\":false,");
    buffer_put_text(out, facts->choked ? "\"choked\":true," : "\"choked\":false,");
}

static void put_counts(const struct socket_info *info, struct buffer *out) {
    put_number(out, "sent_bytes", info->sent_bytes);
    put_number(out, "received_bytes", info->received_bytes);
    put_number(out, "unsent_bytes", info->unsent_bytes);
    put_number(out, "rtt_us", info->rtt_us);
}

void session_report_put(struct broker *broker, const struct session *session, struct buffer *out) {
    const struct transport *transport = transport_of(session);
    struct session_facts facts;
    const struct socket_info info = socket_info_read(transport->fd);
    session_facts(broker->core, session, &facts);
    buffer_put_text(out, "{");
    put_facts(&facts, out);
    put_place(transport, out);
    put_counts(&info, out);
    buffer_put_text(out, "\"follows\":[");
    session_put_patterns(session, PATTERNS_SHOWN_MAX, out);
    buffer_put_text(out, "]}");
}
