/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/audit.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/transport.h"

#include <stdarg.h>
#include <stdio.h>

/* The one place that decides whether a request came where the broker is looked after. */
static bool exchange_is_internal(const struct exchange *exchange) {
    return exchange->connection->transport->role != LISTENER_PUBLIC;
}

/* With open access everybody may. */
static bool may_look_after(const struct exchange *exchange) {
    return exchange->rights == NULL || exchange->rights->admin;
}

const char *audit_plain(char *plain, size_t bytes, struct span text) {
    size_t used = text.bytes < bytes - 1 ? text.bytes : bytes - 1;
    for (size_t i = 0; i < used; i++) {
        plain[i] = text.data[i] == '"' || text.data[i] == '\\' || text.data[i] < ' ' ? '?' : (char)text.data[i];
    }
    plain[used] = '\0';
    return plain;
}

void audit_note(struct exchange *exchange, const char *action, const char *format, ...) {
    char address[TRANSPORT_ADDRESS_BYTES];
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    transport_put_address(exchange->connection->transport, address);
    char who[AUDIT_PLAIN_BYTES];
    audit_plain(who, sizeof who, span_of_text(rights_principal(exchange->rights)));
    log_event(&exchange->broker->log, LOG_INFO, "admin", "who=\"%s\" from=%s what=%s %s", who, address, action, text);
}

/* Anybody can be refused as often as they like: a line now and then says so, with how many it stands for. */
static void note_refused(struct exchange *exchange, const char *action, const char *result) {
    struct broker *broker = exchange->broker;
    char address[TRANSPORT_ADDRESS_BYTES];
    char who[AUDIT_PLAIN_BYTES];
    transport_put_address(exchange->connection->transport, address);
    audit_plain(who, sizeof who, span_of_text(rights_principal(exchange->rights)));
    log_event_limited(&broker->log, &broker->audit_log, broker->now_ms, LOG_WARN, "admin",
                      "who=\"%s\" from=%s what=%s result=%s", who, address, action, result);
}

bool audit_admit(struct exchange *exchange, const char *action) {
    if (!exchange_is_internal(exchange)) {
        note_refused(exchange, action, "not_found");
        exchange_refuse(exchange, AHORA_NOT_FOUND, "there is nothing at this path");
        return false;
    }
    if (!may_look_after(exchange)) {
        note_refused(exchange, action, "forbidden");
        exchange_refuse(exchange, AHORA_FORBIDDEN, "this takes the right `admin`");
        return false;
    }
    return true;
}
