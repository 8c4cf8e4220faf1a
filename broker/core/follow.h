/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Several cores, one ledger. The first core has the ledger; each other one follows it on a thread of its own, with a copy of all topics, and
 * views and sessions of its own. What a turn changed goes to all followers as one batch, and comes back from each when it has shown it:
 *
 *      first core                                             each follower
 *      core_turn_stored     applied, stored, shown here
 *      core_take_batch   ──────── batch of changes ────────▶  core_follow, core_turn_stored: shown there
 *      core_return_batch ◀──────── the same batch ──────────  (when what it showed was pulled)
 *
 *      core_serve        ◀──────── mail: a publish ─────────  core_next_mail
 *      core_next_served  ──────── the same mail, results ──▶  core_mail_back
 *
 * Documents exist once. The ledger alone counts them: a batch holds what its changes made and what they replaced until the last follower
 * has given it back, so a follower borrows documents without touching a count, and what a follower still shows cannot vanish.
 *
 * Who carries batches sees to it that every follower can take one before anybody is shown or told of it, and that a follower takes what
 * there is before it hears a client: then what was seen or acknowledged at one core is what is read at every other.
 *
 * Threads: a batch is constant while it is away. A mail's fields belong to one side each, as marked. Both cross by a ring (base/ring.h).
 */
#ifndef CORE_FOLLOW_H
#define CORE_FOLLOW_H

#include "broker/core/core.h"

/* ---- batches ---- */

struct batch;

size_t batch_change_count(const struct batch *batch);

/* What was shown since the last batch, for every follower; NULL: nothing. Each follower gives it back once. */
struct batch *core_take_batch(struct core *core);
void core_return_batch(struct core *core, struct batch *batch);

/* True while a batch is away. */
bool core_has_batches_away(const struct core *core);

/*
 * After core_loaded of the first core, before anything is published there: all it holds, oldest change first, about `count_max` topics
 * a batch, NULL at the end. RESULT_NO_MEMORY: *batch is NULL too.
 */
enum result core_take_feed(struct core *core, size_t count_max, struct batch **batch) MUST_CHECK;

/* A follower takes the batch in; core_turn_stored shows it. */
void core_follow(struct core *core, const struct batch *batch);

/* The end of the feed, as told by the first core. */
void core_followed_all(struct core *core, const char *epoch, int64_t seq, int64_t seq_floor);

/* ---- mail ---- */

enum mail_kind {
    MAIL_PUBLISH,
    MAIL_ENTER,    /* a session of `source` came; answered by `code` */
    MAIL_LEAVE,    /* it went; sent after MAIL_ENTER was answered with AHORA_OK */
    MAIL_INTEREST, /* what the follower counts of the pattern in `changes`, or (no pattern) how many subscriptions follow demand */
    MAIL_ASK,      /* somebody reads demand: answered when it is up to date and on its way to all */
};

/* Something on its way to the ledger, mostly a publish. */
struct mail {
    struct link link;        /* in the queue of the side that has it */
    struct ticket *ticket;   /* the follower's: who waits; NULL: nobody any more */
    struct session *session; /* the follower's: of MAIL_ENTER and MAIL_ASK; NULL: it is gone */
    struct mail *leave;      /* the follower's: of MAIL_ENTER, should the session be gone by the answer */
    size_t counted;          /* the follower's */
    unsigned from;           /* the caller's, on the first core's side: where it came from */

    struct ticket served; /* the first core's */
    struct buffer results;
    enum ahora_code code;

    /* constant on the way */
    enum mail_kind kind;
    struct span source; /* in `data`; data NULL: none */
    int64_t grace_ms;   /* of the source */
    bool deletes;       /* of the source */
    uint64_t subscribers;
    int64_t every_ms;
    enum ack ack;
    bool atomic;
    uint32_t change_count;
    bool has_denied;
    uint8_t denied[RIGHTS_DENIED_BYTES]; /* if so: changes that the session may not make */
    const char *principal;               /* in `data` */
    struct span changes;                 /* in `data` */
    uint8_t data[];
};

/* The follower's: what is to be sent; NULL: nothing. */
struct mail *core_next_mail(struct core *core);

/* It came back with its results: whoever waits is told. Frees it. */
void core_mail_back(struct core *core, struct mail *mail);

/* The first core's: applies it. It comes out of core_next_served when its results may be told. */
void core_serve(struct core *core, struct mail *mail);
struct mail *core_next_served(struct core *core);

void mail_destroy(struct mail *mail); /* of one that nobody will answer any more */

#endif
