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

void audit_note(struct exchange *exchange, const char *action, const char *format, ...) {
    char address[TRANSPORT_ADDRESS_BYTES];
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    transport_put_address(exchange->connection->transport, address);
    log_event(&exchange->broker->log, LOG_INFO, "admin", "who=\"%s\" from=%s what=%s %s", rights_principal(exchange->rights),
              address, action, text);
}

bool audit_admit(struct exchange *exchange, const char *action) {
    if (!exchange_is_internal(exchange)) {
        audit_note(exchange, action, "result=not_found");
        exchange_refuse(exchange, AHORA_NOT_FOUND, "there is nothing at this path");
        return false;
    }
    if (!may_look_after(exchange)) {
        audit_note(exchange, action, "result=forbidden");
        exchange_refuse(exchange, AHORA_FORBIDDEN, "this takes the right `admin`");
        return false;
    }
    return true;
}
