/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A broker that asks who somebody is, for the cases of access: it has the key `shop` for tokens and an API key that may do everything. Files
 * that say so stand in its directory, where a case changes them. One thread.
 */
#ifndef AHORA_TESTS_KEYED_H
#define AHORA_TESTS_KEYED_H

#include "tests/integration/scene.h"
#include "tests/support/token.h"

#define KEYED_SECRET "0123456789abcdef0123456789abcdef"
#define KEYED_API_KEY "ahk_backoffice0backoffice0backoffice0backoffice"

extern const char keyed_header[]; /* of a token with the key `shop` */

/* Its directory, with whatever was configured before; started. */
struct broker_process *keyed_prepare(void **state);
struct broker_process *keyed_start(void **state);

/* What the API key may do, from the next reload on. */
void keyed_write_api_keys(const struct broker_process *broker, const char *rights);

/* A token of u1 for an hour, or as said; `rest` are more claims with ' for ". Good until the next but one. */
const char *keyed_token(const char *rest);
const char *keyed_token_of_subject(const char *header, const char *secret, const char *subject, long seconds, const char *rest);
const char *keyed_bearer(const char *token); /* as a header line; good until the next */

/* A session with that token, or with the API key. */
void keyed_open(struct wire *wire, const struct broker_process *broker, enum codec codec, const char *token);
void keyed_open_backoffice(struct wire *wire, const struct broker_process *broker);

/* What comes up to `live`, as a list, after `subscribed` for the second. */
json_t *keyed_hear_until_live(struct wire *wire);
json_t *keyed_subscribe(struct wire *wire, int id, const char *match);

void keyed_renew(struct wire *wire, const char *token); /* must be taken */
void keyed_expect_data(const json_t *message, const char *format);

#endif
