/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Tokens that the application gets for us.
 *
 * Asked for before the first connection, again when the broker refused the one we had or it ends soon, and in time before it ends
 * while the session goes on (`auth`). It is the broker's clock that decides when a token ends, so `exp` is compared with the `now` of
 * its welcome and not with ours: a phone that is an hour off asks neither too late nor all the time.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/client.h"
#include "clients/c/token.h"

/* How long the token is good for, by the broker's clock; INT64_MAX: for ever, or we cannot tell. */
static int64_t left_ms(const struct client *client) {
    if (client->token_expires_at < 0 || !client->knows_clock) {
        return INT64_MAX;
    }
    return client->token_expires_at - (client->now + client->clock_ahead);
}

bool client_token_is_needed(const struct client *client) {
    return client->options.asks_token &&
           (client->options.token == NULL || client->token_refused || left_ms(client) <= CLIENT_TOKEN_SPARE_MS);
}

void client_token_ask(struct client *client) {
    client->tell_token = !client->token_asked;
    client->token_asked = true;
}

/* A tenth of its life before the end, a minute at most; one that ends within CLIENT_TOKEN_SPARE_MS is renewed half-way. */
void client_token_plan(struct client *client) {
    int64_t left = left_ms(client);
    client->renew_at = INT64_MAX;
    if (!client->options.asks_token || left == INT64_MAX) {
        return;
    }
    left = left < 0 ? 0 : left;
    int64_t spare = left / 10 < CLIENT_TOKEN_SPARE_MS ? left / 10 : CLIENT_TOKEN_SPARE_MS;
    spare = spare < CLIENT_TOKEN_SOONEST_MS ? left / 2 : spare;
    client->renew_at = client->now + left - spare;
}

void client_token_on_time(struct client *client) {
    if (client->now >= client->renew_at) {
        client->renew_at = INT64_MAX;
        client_token_ask(client);
    }
}

static void send_auth(struct client *client) {
    struct buffer message;
    buffer_init(&message, CLIENT_TOKEN_BYTES_MAX + 64);
    client->auth_id = ++client->last_id;
    request_put(&message,
                &(struct request){.op = REQUEST_AUTH, .id = client->auth_id, .token = span_of_text(client->options.token)});
    client_send(client, buffer_span(&message));
    buffer_fini(&message);
}

static void go_without(struct client *client) {
    if (client->state == CLIENT_ASKING) {
        client_lose(client, AHORA_FAULT_TOKEN, "the application has no token");
    } else if (client->state == CLIENT_READY) {
        client->renew_at = client->now + CLIENT_TOKEN_AGAIN_MS; /* the session goes on as long as the old one does */
    }
}

bool client_give_token(struct client *client, const char *token) {
    client->token_asked = false;
    client->tell_token = false;
    if (token == NULL) {
        go_without(client);
        return true;
    }
    char *copy = strlen(token) > CLIENT_TOKEN_BYTES_MAX ? NULL : strdup(token);
    if (copy == NULL) {
        go_without(client);
        return false;
    }
    free((void *)(uintptr_t)client->options.token);
    client->options.token = copy;
    client->token_expires_at = token_expires_at(copy);
    client->token_refused = false;
    if (client->state == CLIENT_ASKING) {
        client_connect(client);
    } else if (client->state == CLIENT_READY) {
        send_auth(client);
    }
    return true;
}

bool client_token_take_ok(struct client *client, int64_t id) {
    if (id == 0 || id != client->auth_id) {
        return false;
    }
    client->auth_id = 0;
    client_token_plan(client);
    return true;
}

bool client_token_take_error(struct client *client, const struct reply *reply) {
    if (reply->id == 0 || reply->id != client->auth_id) {
        return false;
    }
    client->auth_id = 0;
    client->token_refused = true;
    client_fail(client, AHORA_FAULT_TOKEN, AHORA_CLOSE_NORMAL, "the broker did not take our new token");
    return true;
}
