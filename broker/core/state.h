/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The structs behind core.h, shared by core.c (turns, tickets, time), session.c (one client), request.c (what it asks) and delivery.c
 * (what it gets). Nobody outside core includes this.
 *
 * A session's output, in the order it is pulled:
 *
 *   outbox    answers, framed, bounded by outbox_bytes_max (then its input waits)
 *   slices    this turn's blocks of its live subscriptions: shared bytes, never kept past the turn
 *   behind    subscriptions with a walk to do: made on the spot while the socket takes it
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "broker/base/allowance.h"
#include "broker/base/arena.h"
#include "broker/base/heap.h"
#include "broker/core/bookmark.h"
#include "broker/core/core.h"
#include "broker/core/demand.h"
#include "broker/core/encoded.h"
#include "broker/core/interest.h"
#include "broker/core/ledger.h"
#include "broker/core/mask.h"
#include "broker/core/masks.h"
#include "broker/core/rights.h"
#include "broker/core/view.h"

/* WebSocket frame headers of a server have 2, 4 or 10 bytes; blocks leave room for the longest in front. */
#define FRAME_HEADER_BYTES_MAX 10

/* A subscription's place in one view. Complete: in view->live or view->paced. Behind: a bookmark in view->order. */
struct cursor {
    struct bookmark bookmark; /* while it is behind; else its link stands in a list of complete cursors */
    struct view *view;
    struct subscription *subscription;
    int64_t seq;            /* behind: everything in the view up to here was handed over */
    int64_t removals_after; /* removals at or below this seq are no news */
    int64_t counts_after;   /* messages at or below this seq do not count against `skipped` */
    int64_t known_after;    /* versions above this seq were handed over on this connection: only on these a patch may build */
    uint64_t changes_seen;  /* view->changes when counting began */
    uint64_t delivered;     /* since then */
    struct cursor *reader;  /* another of its session's in the same view, good while view->piece is core->pieces */
    bool complete;
};

struct subscription {
    struct link of_session;
    struct link behind; /* in session->behind while it may walk */
    struct timer pace;  /* in core->paces while it must wait */
    struct session *session;
    int64_t id;
    int64_t every_ms;
    int64_t walked_ms; /* when the last walk ended (monotonic) */
    uint64_t skipped;  /* since the last `live` */
    bool paced;        /* changes wait for a walk, never the fast path */
    bool counted;      /* in core->interests */
    bool asks_demand;  /* one of its patterns is below $demand */
    bool announced;    /* `live` was sent since the (re)start */
    bool near;         /* its views are circles of its own */
    uint32_t complete_count;
    uint32_t cursor_count;
    struct cursor cursors[];
};

/* One view's changes of a turn in one encoding, ready for any socket. */
struct block {
    struct block *next;
    const uint8_t *data; /* with its WebSocket header */
    size_t bytes;
    uint32_t messages;
    const struct mention *first; /* what it holds: up to, not including, `end` */
    const struct mention *end;
    int64_t seq_before;      /* a cursor that did not get this block has everything up to here */
    uint64_t changes_before; /* view->changes before it */
    int64_t seq_last;        /* and who got it, up to here */
    int64_t builds_on;       /* the oldest version a patch in it builds on; INT64_MAX: none does */
    bool has_left;           /* it tells that something left the view: only news if no other view of the session holds it */
};

/* A block for one session. Where several views of a session changed in one turn, their slices are merged by seq, message by message:
   then `at` is what comes next, and the cursor has everything up to seq_before. */
struct slice {
    struct slice *next;
    const struct block *block;
    struct cursor *cursor;
    const struct mention *at;
    int64_t seq_before;
    uint64_t changes_before;
};

/* A change of the running turn and its bytes, made on first need. */
struct frame {
    const struct change *change;
    const struct mask *mask; /* NULL: everything is shown */
    struct frame *masked;    /* the same change for those with a mask, a list */
    struct span encoded[FORMS][ENCODINGS];
};

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

struct session {
    struct link all;           /* core->sessions */
    struct link ready;         /* core->ready */
    struct link stalled_input; /* core->inputs: inbox can go on */
    struct link named;         /* core->named: it has other rights than before */
    struct timer timer;        /* hello deadline, then beats */
    void *owner;
    struct link subscriptions;
    struct link behind;
    struct link publications;
    struct slice *slices;
    struct slice **slices_end;
    struct buffer outbox;
    struct buffer inbox; /* input that waits until answers were read */
    uint32_t subscription_count;
    uint32_t cursor_count; /* of all its subscriptions */
    uint32_t near_count;   /* subscriptions with a circle */
    uint32_t publication_count;
    uint32_t posted_count;      /* of these, on their way to the ledger */
    struct allowance allowance; /* of changes */
    struct allowance messages;
    struct allowance received; /* bytes */
    uint32_t limited_count;    /* messages refused since it last had its whole allowance */
    struct source *source;     /* counted; NULL: none was named. A follower has the name alone */
    struct mail *asked;        /* a follower's: MAIL_ENTER or MAIL_ASK on its way */
    struct mail *leave;        /* a follower's: to be sent when it ends */
    enum ahora_code answer;    /* a follower's: what MAIL_ENTER was answered */
    bool is_answered;          /* a follower's: the message that asked may go on */
    uint64_t number;
    int64_t opened_ms;
    uint64_t skipped; /* told so far */
    int close_code;
    const char *close_reason;
    struct rights *rights;  /* counted; NULL: open, or (access is controlled) not known yet */
    struct mask *mask;      /* theirs; NULL: everything is shown */
    struct timer expiry;    /* in core->expiries, if the rights end */
    struct link claim;      /* in core->claims: its token waits for a verdict */
    struct span token;      /* owned, while it does */
    struct rights *verdict; /* counted, for the message that showed the token; NULL: refused */
    enum ahora_code verdict_code;
    uint8_t refusals; /* of tokens */
    bool is_claiming;
    bool is_judged; /* the message that showed the token may go on */
    enum encoding encoding;
    bool greeted;
    bool choked;
    bool is_producer; /* has published, and may */
    bool is_public;   /* came in from the public: it publishes nothing, is no source, and its rates are bounded more tightly */
    uint16_t slice_count;
    bool merges; /* its slices come from several views */
    bool wrote;  /* since the last look at its beat */
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

/* Brings demand up to date, because somebody asks. */
void core_ask_demand(struct core *core);

/* Applies the changes now, appends their results, and lists the ticket. */
void core_apply(struct core *core, const struct publish *publish, struct buffer *results, struct ticket *ticket);

/* A follower's ticket: its results came back. */
void core_answer_ticket(struct core *core, struct ticket *ticket, struct span results);

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

/* Counts the subscription among those who are interested in its patterns, and wakes demand if it asks for it. False: no memory. */
bool core_count_interest(struct core *core, struct subscription *subscription);
void core_uncount_interest(struct core *core, struct subscription *subscription);

/* ---- names ---- */

/* Is the name among the first `count` of `names`? */
bool core_names_hold(const struct name *names, size_t count, const struct name *name);

/* ---- session.c ---- */

/* Queues a message of the broker for the session. What does not fit the outbox's hard bound closes the session. */
void session_reply(struct core *core, struct session *session, const struct reply *reply);
void session_reply_error(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail);
void session_reply_fault(struct core *core, struct session *session, int64_t id, const struct request_fault *fault);
void session_mark_ready(struct core *core, struct session *session);
void session_timer_due(struct core *core, struct session *session);
void session_process_inbox(struct core *core, struct session *session);

/* ---- session_rights.c ---- */

void session_rights_fini(struct core *core, struct session *session);
const char *session_principal(const struct session *session);

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

/* ---- request.c ---- */

/* A session of that source came to the ledger: counted in *source. AHORA_TOO_MANY, AHORA_OVERLOADED. */
enum ahora_code core_enter_source(struct core *core, struct span name, int64_t grace_ms, bool deletes, struct source **source);

/* One checked MessagePack message of the session. False: it must wait, and come again when a publication of the session is answered. */
bool request_handle(struct core *core, struct session *session, struct span message);

/* ---- delivery.c ---- */

/* Encodes core->message (MessagePack) for the encoding: the returned bytes are in core->message or core->text. `seq`: the SSE id,
   0 for none. */
struct span delivery_encode(struct core *core, enum encoding encoding, const struct reply *reply, int64_t seq);

/* Writes the header of a frame of `payload_bytes` so that it ends at `end`; its length, 0 for SSE. */
size_t delivery_frame_header(enum encoding encoding, uint8_t *end, size_t payload_bytes);

/* Starts a subscription; `since` < 0: from nothing, with a snapshot. Takes the views' cursors. */
void delivery_start(struct core *core, struct subscription *subscription, int64_t since);
void delivery_stop(struct core *core, struct subscription *subscription);

/* Its circle is another now. What that changes is sent, then `live`. */
void delivery_moved(struct core *core, struct subscription *subscription);

/* Starts a subscription anew, after its fields changed: the client is told to forget what it holds. */
void delivery_restart(struct core *core, struct subscription *subscription);

/* Tells `remove`, reason `denied`, of every document that the client may hold by this subscription, which is out of its session's list, and
   by none that is in it. False: they are too many to be told. */
bool delivery_deny(struct core *core, struct subscription *subscription);

/* The block was handed over whole: what its cursor was owed is settled. */
void delivery_slice_taken(struct cursor *cursor, int64_t seq);

/* The subscription's wait for its next walk is over. */
void delivery_pace_due(struct core *core, struct subscription *subscription);

/* Shows the turn's changes: moves views, builds blocks, hands slices to live sessions. */
void delivery_show_turn(struct core *core);

/* The session cannot take its slices in this turn: their cursors fall behind. */
void delivery_drop_slices(struct core *core, struct session *session);

/* Merges slices of several views into core->piece, each change once and in the order of seq, so that overlapping subscriptions never
   see a topic go back. About block_bytes a call; the session has slices. */
void delivery_merge_slices(struct core *core, struct session *session);

/* Walks the session's subscriptions and appends about block_bytes of frames to core->piece. False: nothing to walk. */
bool delivery_walk(struct core *core, struct session *session);

/* The lowest seq up to which everything the session was told to be live on is complete. */
int64_t delivery_complete_seq(const struct core *core, const struct session *session);

#endif
