/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The structs behind core.h, shared by core.c (turns, tickets, time), session.c (one client), what handles its requests (request.h) and
 * what is delivered to it (delivery.h). Nobody outside core includes this.
 *
 * A session's output, in the order it is pulled:
 *
 *   outbox    answers, framed, bounded by outbox_bytes_max (then its input waits)
 *   slices    this turn's blocks of its live subscriptions (slice.h): shared bytes, never kept past the turn
 *   behind    subscriptions with a walk to do (walk.h): made on the spot while the socket takes it
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "broker/base/allowance.h"
#include "broker/base/arena.h"
#include "broker/base/heap.h"
#include "broker/core/core.h"
#include "broker/core/demand.h"
#include "broker/core/encoded.h"
#include "broker/core/interest.h"
#include "broker/core/ledger.h"
#include "broker/core/mask.h"
#include "broker/core/masks.h"
#include "broker/core/rights.h"
#include "broker/core/subscription.h"
#include "broker/core/view.h"

/* A `pub` that waits for its acknowledgement, or (a follower's) for the ledger. */
struct publication {
    struct ticket ticket;
    struct link of_session;
    struct session *session;
    int64_t id;
    bool is_silent;      /* ACK_NONE: nothing is told */
    struct span results; /* in `kept`, or (a follower's) the mail's when it is back */
    uint8_t kept[];
};

/* What a delivery touches comes first, in two or three lines of the cache: where thousands are told, none of it is there any more. */
struct session {
    struct link ready;  /* core->ready */
    struct link behind; /* its subscriptions that have a walk to do */
    struct slice *slices;
    struct slice **slices_end;
    void *owner;
    uint32_t cursor_count; /* of all its subscriptions */
    uint16_t slice_count;
    bool merges; /* its slices come from several views */
    bool wrote;  /* since the last look at its beat */
    bool choked;
    bool greeted;
    bool is_producer; /* has published, and may */
    bool is_public;   /* came in from the public: it publishes nothing, is no source, and its rates are bounded more tightly */
    enum encoding encoding;
    int close_code;
    const char *close_reason;
    struct buffer outbox;
    struct buffer inbox; /* input that waits until answers were read */

    struct link all;           /* core->sessions */
    struct link stalled_input; /* core->inputs: inbox can go on */
    struct link named;         /* core->named: it has other rights than before */
    struct timer timer;        /* hello deadline, then beats */
    struct link subscriptions;
    struct link publications;
    uint32_t subscription_count;
    uint32_t near_count; /* subscriptions with a circle */
    uint32_t publication_count;
    uint32_t posted_count;      /* of these, on their way to the ledger */
    struct allowance allowance; /* of changes */
    struct allowance messages;
    struct allowance received; /* bytes */
    uint32_t limited_count;    /* messages refused since it last had its whole allowance */
    enum ahora_code answer;    /* a follower's: what MAIL_ENTER was answered */
    struct source *source;     /* counted; NULL: none was named. A follower has the name alone */
    struct mail *asked;        /* a follower's: MAIL_ENTER or MAIL_ASK on its way */
    struct mail *leave;        /* a follower's: to be sent when it ends */
    uint64_t number;
    int64_t opened_ms;
    uint64_t skipped;       /* told so far */
    struct rights *rights;  /* counted; NULL: open, or (access is controlled) not known yet */
    struct mask *mask;      /* theirs; NULL: everything is shown */
    struct timer expiry;    /* in core->expiries, if the rights end */
    struct link claim;      /* in core->claims: its token waits for a verdict */
    struct span token;      /* owned, while it does */
    struct rights *verdict; /* counted, for the message that showed the token; NULL: refused */
    enum ahora_code verdict_code;
    uint8_t refusals; /* of tokens */
    bool is_claiming;
    bool is_judged;   /* the message that showed the token may go on */
    bool is_answered; /* a follower's: the message that asked may go on */
    char principal[];
};

struct core {
    struct limits limits;
    const struct kinds *kinds;
    struct kinds *own_kinds; /* NULL: they are borrowed */
    struct metrics metrics;
    struct table_key hash_key;
    struct ledger ledger;
    struct views views;
    struct interests interests; /* what this core's subscriptions follow */
    struct demand demand;       /* the same, told as topics */
    size_t demand_followers;    /* subscriptions that follow those, here */
    size_t demand_reported;     /* a follower's: how many of them the ledger knows of */
    int64_t demand_awake_ms;    /* demand goes on at least so long (monotonic) */
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    char server[64];
    uint64_t random;
    int64_t wall_ms;
    int64_t mono_ms;
    int64_t seq_stored; /* appended to the journal */
    int64_t seq_shown;  /* at most seq_stored */
    int64_t seq_durable;
    bool draining;

    unsigned follower_count;
    struct link batches;       /* away, oldest first */
    struct batch *batch_ready; /* to be taken */
    struct tree_found feed;    /* all topics, oldest change first, of which `fed` were given */
    size_t fed;
    bool is_feeding;
    struct link mails;  /* a follower's, to be sent */
    struct link served; /* the first core's, to be sent back */
    size_t mail_bytes;  /* a follower's, on their way */

    struct table subscriptions; /* of all sessions */
    struct link sessions;
    struct link ready;
    struct link inputs;
    struct link named;
    struct heap timers;   /* sessions */
    struct heap paces;    /* subscriptions */
    struct heap expiries; /* sessions */
    struct link claims;   /* sessions */
    struct masks masks;
    bool controlled;
    uint64_t session_numbers;
    uint64_t session_step;

    struct link tickets_turn;    /* wait for the turn to be stored */
    struct link tickets_durable; /* wait for the disk, oldest first */
    struct link tickets_done;    /* for core_next_ticket */

    uint64_t pieces;       /* made; the views of a piece's session remember it, once one had to know */
    bool marked;           /* they do, for the piece being made */
    size_t due_changes;    /* looked at in this turn because their time had come */
    uint64_t work;         /* topics that this turn's requests made us visit: past WORK_MAX the rest of the input waits */
    size_t sliced_count;   /* sessions that hold slices: none when the next turn is shown */
    struct arena arena;    /* this turn's frames, blocks and slices */
    struct buffer message; /* one message as MessagePack */
    struct buffer text;    /* the same as JSON */
    struct buffer masked;  /* what a mask leaves of a document or patch */
    struct buffer inbound; /* one received JSON line as MessagePack */
    struct buffer results;
    struct buffer items;
    struct buffer piece; /* what session_pull hands out */
    struct encoded encoded;
};

/* ---- core.c ---- */

/* Applies the changes now; their results are in core->results. */
void core_apply_list(struct core *core, const struct publish *publish);

/* Applies the changes now, appends their results, and lists the ticket. */
void core_apply(struct core *core, const struct publish *publish, struct buffer *results, struct ticket *ticket);

/* A follower's ticket: its results came back. */
void core_answer_ticket(struct core *core, struct ticket *ticket, struct span results);

/* ---- core_demand.c ---- */

/* Counts the subscription among those who are interested in its patterns. False: no memory. */
bool core_count_interest(struct core *core, struct subscription *subscription);
void core_uncount_interest(struct core *core, struct subscription *subscription);

/* Brings demand up to date, because somebody asks. */
void core_ask_demand(struct core *core);

/* Once a turn: what changed about who follows what becomes known to the ledger. */
void core_report_interests(struct core *core);

/* Demand tells what it owes, at most so many changes, or goes to sleep. */
void core_run_demand(struct core *core, size_t changes_max);

/* ---- follow.c ---- */

/* The shown changes of the turn become the next batch. */
void follow_batch_turn(struct core *core);

/* The changes go to the ledger as mail, for the ticket. False: no memory. */
bool follow_post(struct core *core, const struct publish *publish, struct ticket *ticket);

/* A session waits for the ledger to know its source, or (NULL: nobody waits) for demand: its message comes again with the answer. False:
   no memory. */
bool follow_enter(struct core *core, struct session *session, struct span source, int64_t grace_ms, bool deletes);
bool follow_ask(struct core *core, struct session *session);
void follow_leave(struct core *core, struct session *session); /* it is being closed */

/* What changed about who follows what, as mail. */
void follow_report(struct core *core);
void follow_fini(struct core *core);

/* ---- names ---- */

/* Is the name among the first `count` of `names`? */
bool core_names_hold(const struct name *names, size_t count, const struct name *name);

/* ---- session.c ---- */

/* Queues a message of the broker for the session. What does not fit the outbox's hard bound closes the session. */
void session_reply(struct core *core, struct session *session, const struct reply *reply);
void session_reply_error(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail);
void session_reply_retry(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail,
                         int64_t retry_ms); /* and when it may try again */
void session_reply_fault(struct core *core, struct session *session, int64_t id, const struct request_fault *fault);
void session_mark_ready(struct core *core, struct session *session);
void session_timer_due(struct core *core, struct session *session);
void session_process_inbox(struct core *core, struct session *session);

/* ---- session_rights.c ---- */

void session_rights_fini(struct core *core, struct session *session);
const char *session_principal(const struct session *session);

/* How many subscriptions it may have. */
size_t session_subscriptions_max(const struct core *core, const struct session *session);

/* The session shows a token that nobody has looked at: its message has to wait. False: it may go on. */
bool session_must_claim(struct core *core, struct session *session, const struct request *request);

/* What `hello` and `auth` may count on: the verdict on their token if they showed one, else what the session has. The code is AHORA_OK,
   AHORA_UNAUTHORIZED or AHORA_OVERLOADED. */
enum ahora_code session_verdict(const struct core *core, const struct session *session, const struct request *request,
                                const struct rights **rights);

/* The verdict's rights become the session's, or the refusal is told. */
bool session_take_verdict(struct core *core, struct session *session, const struct request *request);
void session_renew(struct core *core, struct session *session, const struct request *request);

/* The timer of its rights is due. */
void session_expiry_due(struct core *core, struct session *session);

/* May it read this? AHORA_OK, or AHORA_FORBIDDEN with *detail. */
enum ahora_code session_may_read(const struct core *core, const struct session *session, const struct name *names, size_t count,
                                 const struct where *where, bool near, const char **detail);

#endif
