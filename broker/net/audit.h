/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who may look after the broker, and the lines that say who did. Loop thread. */
#ifndef NET_AUDIT_H
#define NET_AUDIT_H

#include "broker/net/exchange.h"

#define AUDIT_PLAIN_BYTES 128

/* True: it may go on. False: it was answered; of many that are refused a line now and then says so. */
bool audit_admit(struct exchange *exchange, const char *action);

/* What a peer has named, fit to stand between quotes in a line: without quotes of its own, and cut to fit. Returns `plain`. */
const char *audit_plain(char *plain, size_t bytes, struct span text);

/* One line: who, from where, what, and what came of it. `format` is key=value, without secrets. */
void audit_note(struct exchange *exchange, const char *action, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
