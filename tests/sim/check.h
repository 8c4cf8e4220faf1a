/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What checks share: a client's subscription and topic, and how it stands. check_data.c holds what comes as data against the model,
 * check_complete.c what the client holds when it is told that it has everything, check_answer.c what answers a message, and check_ask.c
 * says what the answer must be.
 */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/sim/sim.h"

#define WHO "client %u (%s): "
#define WHO_OF(client) (client)->number, check_encoding_name((client)->encoding)

static inline const char *check_encoding_name(enum encoding encoding) {
    static const char *const names[] = {"msgpack", "json", "sse"};
    return names[encoding];
}

static inline const char *check_path(const struct client *client, unsigned topic) {
    return client->sim->model.topics[topic].path;
}

/* The subscription with that id, which must have begun. */
struct sub *check_sub_of(struct client *client, int64_t id);

/* How the version stands to what the subscription asked for. */
enum standing check_standing(const struct client *client, const struct sub *sub, const struct version *version);

/* The sub that was asked for is told that it has begun. */
void check_start_sub(struct client *client, const struct asked *asked, bool resumed);

/* By op of the message. */
void check_data(struct client *client, const struct reply *reply, const struct tide *tide);
void check_live(struct client *client, const struct reply *reply, const struct tide *tide);
void check_beat(struct client *client, const struct reply *reply, const struct tide *tide);

#endif
