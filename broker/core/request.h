/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a client asks. session.c brings one checked message after the other; here it is decoded, counted against the session's rate, and
 * handed to the function of its op, from a table. What cannot be answered yet waits, and comes again.
 *
 *   request_hello.c    hello, auth, ping
 *   request_sub.c      sub, unsub, move
 *   request_get.c      get
 *   request_pub.c      pub
 *
 * Each handler answers the session once: with what was asked for, or with an error and its code.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "broker/core/core.h"
#include "proto/message.h"

/* One checked MessagePack message of the session. False: it must wait, and come again when a publication of the session is answered. */
bool request_handle(struct core *core, struct session *session, struct span message);

/* ---- for request.c: one for each op ---- */

void request_handle_hello(struct core *core, struct session *session, const struct request *request);
void request_handle_auth(struct core *core, struct session *session, const struct request *request);
void request_handle_ping(struct core *core, struct session *session, const struct request *request);
void request_handle_sub(struct core *core, struct session *session, const struct request *request);
void request_handle_unsub(struct core *core, struct session *session, const struct request *request);
void request_handle_move(struct core *core, struct session *session, const struct request *request);
void request_handle_get(struct core *core, struct session *session, const struct request *request);
void request_handle_pub(struct core *core, struct session *session, const struct request *request);

/* What is wrong with the source that `hello` names; NULL: nothing. And its grace, if it goes. */
const char *request_source_fault(const struct core *core, const struct request *request);
int64_t request_grace_ms(const struct core *core, const struct request *request);

#endif
