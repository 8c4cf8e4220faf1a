/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What one subscriber holds, kept as docs/protocol.md demands, and a judge of the messages it gets. It speaks no transport: give it
 * each message, and send what it builds. A broken rule is recorded as text and the follower goes on.
 *
 * Checked on each message:
 *   - `welcome` first; within an epoch, its seq is not below anything this follower was ever shown
 *   - `subscribed` before data; `resumed: true` only for a token of this epoch
 *   - data only for topics that a subscription matches
 *   - no topic goes back to an older seq, unless two patterns match it (then it is ignored)
 *   - a patch only by a ref that was set in this connection and stands for a document held
 *   - no data for a removed topic except `set`; a ref is not given to another topic while its document is held
 *   - `live.seq` and `beat.seq` never shrink, and nothing new arrives with a seq that a subscription was said to be complete up to
 * One thread.
 */
#ifndef AHORA_TESTS_FOLLOWER_H
#define AHORA_TESTS_FOLLOWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/replica.h"
#include "tests/support/rules.h"

#define FOLLOWER_SUBSCRIPTIONS_MAX 32
#define FOLLOWER_PATTERNS_MAX 8
#define FOLLOWER_VIOLATIONS_KEPT 4

enum subscription_state {
    SUBSCRIPTION_IDLE, /* not asked for in this connection */
    SUBSCRIPTION_ASKED,
    SUBSCRIPTION_CATCHING_UP,
    SUBSCRIPTION_LIVE,
};

struct subscription {
    const char *patterns[FOLLOWER_PATTERNS_MAX]; /* borrowed */
    size_t pattern_count;
    int64_t every_ms;
    const char *where; /* the map as JSON, borrowed; NULL: none */
    struct rules_circle near;
    unsigned moving; /* moves that are not answered yet: what comes is of an older circle */
    enum subscription_state state;
    char epoch[40];       /* of complete_seq; empty: no token yet */
    int64_t complete_seq; /* by `live` and `beat`; the token */
};

struct follower {
    const char *name; /* borrowed; begins each violation */
    bool is_stream;   /* Server-Sent Events: no welcome; `subscribed` is not required */
    bool is_welcome;  /* in this connection */
    char epoch[40];
    int64_t shown_seq; /* highest of anything seen in this epoch */
    int64_t beat_ms;
    struct subscription subscriptions[FOLLOWER_SUBSCRIPTIONS_MAX]; /* its id is the index + 1 */
    size_t subscription_count;
    struct replica replica;

    uint64_t sets, patches, removes, lives, beats, repeats;
    uint64_t skipped;          /* versions, as told */
    uint64_t resumed, resyncs; /* `resumed` true, and false though a token was given */
    uint64_t errors;           /* `error` messages; the last one's code: */
    char error_code[32];
    char bye_reason[64]; /* of the last `bye` */

    uint64_t violation_count;
    char violations[FOLLOWER_VIOLATIONS_KEPT][256];
};

void follower_init(struct follower *follower, const char *name);
void follower_fini(struct follower *follower);

/* Adds a subscription to be asked for by follower_ask; patterns are borrowed. Returns its index. */
size_t follower_add(struct follower *follower, const char *const *patterns, size_t count, int64_t every_ms);

/* Narrows it, before it is asked for: conditions as JSON (borrowed; NULL: none), a circle (NULL: none). A follower that narrows follows
   each topic by one subscription only. */
void follower_narrow(struct follower *follower, size_t index, const char *where, const struct rules_circle *near);

/* The `move` message for one that is live; the caller owns it. Its token is gone until it is live again. */
json_t *follower_move(struct follower *follower, size_t index, double lat, double lon);

/* A new connection begins: refs and the state of subscriptions are of the old one. Documents and tokens stay. */
void follower_connect(struct follower *follower);

/* The `sub` message for a subscription, with its token if it has one; the caller owns it. */
json_t *follower_ask(struct follower *follower, size_t index);

/* A subscription ended by `unsub`. What only it matched is forgotten. */
void follower_drop(struct follower *follower, size_t index);

void follower_take(struct follower *follower, const json_t *message);

/* True if every subscription is live and told complete up to `seq`. */
bool follower_is_complete(const struct follower *follower, int64_t seq);

/* The document held, or NULL. Borrowed until the next message. */
const json_t *follower_document(const struct follower *follower, const char *topic);
int64_t follower_seq(const struct follower *follower, const char *topic); /* 0: never heard of */

/* Writes "<epoch>-<seq>"; false and empty if there is none yet. */
bool follower_token(const struct follower *follower, size_t index, char *token, size_t size);

/* Records a broken rule found by the user of the follower. */
void follower_violate(struct follower *follower, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
