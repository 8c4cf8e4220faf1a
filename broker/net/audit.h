/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who may look after the broker, and the lines that say who did. Loop thread. */
#ifndef NET_AUDIT_H
#define NET_AUDIT_H

#include "broker/net/exchange.h"

/* True: it may go on. False: it was answered, and a line says that it was refused. */
bool audit_admit(struct exchange *exchange, const char *action);

/* One line: who, from where, what, and what came of it. `format` is key=value, without secrets. */
void audit_note(struct exchange *exchange, const char *action, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
