/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One run of one scenario against one server: the epoll loop, topics, subscribers, producers and what they count. Everything is on one thread,
 * pinned to a core of its own. With --loads there are several such processes (crew.h), of which each holds some of the subscribers.
 *
 *     run_init -> run_seed -> run_join -> run_open_producers -> (publish, run_poll …) -> run_drain -> run_fini
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/clock.h"
#include "bench/connection.h"
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/result.h"
#include "bench/server.h"

#define LATE_NS (10 * NS_PER_MS)    /* a change sent later than this after its time was late */
#define LATE_SHARE_MAX 0.01         /* more of them make the run invalid */
#define PATIENCE_NS (10 * NS_PER_S) /* without any progress, after which a wait is given up */

struct run;
struct crew;

struct topic {
    uint64_t published;   /* versions */
    uint64_t progress;    /* sum over its subscribers of the version they are at */
    uint32_t subscribers; /* that read */
    bool is_listed;       /* in run->moved */
    bool is_gone;         /* deleted: nobody need hold it */
};

enum subscriber_state {
    SUBSCRIBER_IDLE,
    SUBSCRIBER_JOINING,
    SUBSCRIBER_LIVE,
    SUBSCRIBER_CLOSED,
};

struct subscriber {
    struct connection connection; /* first */
    enum subscriber_state state;
    struct interest interest;
    uint32_t number;    /* among those of all load processes */
    uint64_t version;   /* the newest it holds of its only topic */
    uint64_t *versions; /* of its topics, if there are several */
    uint32_t lives;     /* answers, while joining: one for each subscription */
    bool is_confirmed;  /* a peer's */
    bool is_untimed;    /* its deliveries say nothing: it is slow on purpose */
    uint64_t gaps;      /* versions it never saw */
    uint64_t skipped;   /* of these, told in `live` */
    uint64_t live_seq;
    int64_t started_ns; /* when it should have started to join */
    int64_t again_ns;   /* of a storm: when it tries to come back; 0: it need not */
    uint32_t attempts;  /* of it */
    bool is_stalled;
    bool is_resumed;
};

struct producer {
    struct connection connection; /* first */
    bool is_open;
    uint64_t messages; /* sent */
    uint64_t acked;    /* messages answered */
    uint64_t changes;  /* sent */
    uint64_t changes_acked;
    uint32_t topic_next;
    uint8_t last_byte; /* NDJSON: of what was received */
    uint64_t asked;    /* questions, and answers to them */
    uint64_t answered;
    uint64_t changes_asked[WINDOW_MAX]; /* sent before question n */
    /* of message number n, from 1, at n % WINDOW_MAX */
    int64_t sent_ns[WINDOW_MAX];
    uint64_t changes_after[WINDOW_MAX]; /* sent up to and with it */
};

/* Which times go into the histogram. */
enum recording {
    RECORD_NOTHING,
    RECORD_DELIVERIES,
    RECORD_JOINS,
    RECORD_ACKS,
};

struct tally {
    uint64_t deliveries;
    uint64_t changes;  /* published */
    uint64_t received; /* bytes */
    uint64_t reads;    /* that brought them */
    uint64_t late;
    int64_t cpu_ns;  /* of the server */
    int64_t load_ns; /* of ourselves, but for waits that were spun through */
    int64_t at_ns;
};

/* What subscribers found. */
struct verdict {
    uint64_t lost;
    uint64_t conflated;
    uint64_t duplicates;
    uint64_t inversions;
    uint64_t strays;
    uint64_t late;
};

/* How subscribers join: up to number `count`, `window` at once, or on a schedule if `rate` > 0, on which `first` is due at `begin_ns`. */
struct join_pace {
    uint32_t first;
    uint32_t count;
    int64_t window;
    int64_t rate;
    int64_t begin_ns;
};

/* For waits: whether anything moved lately. */
struct patience {
    uint64_t work;
    int64_t since_ns;
};

struct run {
    const struct options *options;
    struct server server;
    const struct target *target;
    struct dialect dialect; /* of subscribers */
    struct dialect seed_dialect;
    struct dialect *producer_dialects; /* each its own: some peers need names of their own */
    int epoll_fd;
    int crowd_fd;    /* run_set_crowd; -1: there is none */
    int64_t now_ns;  /* as of the last event */
    int64_t spun_ns; /* spent on short waits, without work */
    struct topic *topics;
    uint32_t topic_count;
    uint32_t active_count; /* of those, the first so many are followed and change */
    uint32_t *moved;       /* topics that progressed since somebody looked */
    uint32_t moved_count;
    struct subscriber *subscribers;
    uint32_t subscriber_count; /* of this process */
    uint32_t started_count;    /* of those, began to join */
    uint32_t joined_number;    /* up to which they were last told to join */
    uint32_t live_count;
    struct producer *producers;
    uint32_t producer_count;
    char epoch[40];
    enum recording recording;
    struct histogram *histogram;
    struct histogram *joins; /* where joins go meanwhile, or NULL */
    struct tally tally;
    uint64_t duplicates;
    uint64_t inversions;
    uint64_t strays;                                                 /* of a topic not asked for */
    uint64_t refused;                                                /* changes answered with an error */
    void (*on_lost)(struct run *run, struct subscriber *subscriber); /* its line is gone; NULL: then the run has failed */
    const char *failure;                                             /* `failed`, or NULL: the first */
    char failed[160];
    bool is_crew_broken; /* another load process is gone, or has failed */
    struct crew *crew;   /* NULL: we are alone */
    bool heeds;          /* progress elsewhere is waited for */
    char skipped[160];   /* why this machine cannot run it; "" */
    const char *phase;   /* of the progress shown */
    int64_t phase_ns;    /* its begin */
    int64_t progress_ns; /* when a line was last shown */
    uint64_t progress_work;
};

/* Starts the server. False after a message on stderr; run_fini is still to be called. */
bool run_init(struct run *run, const struct options *options, const struct server_plan *plan, struct result *result);
void run_fini(struct run *run);

/* From a signal: the run that goes on fails, its server is stopped and nothing is left behind. */
void run_interrupt(int number);
bool run_is_interrupted(void);

/* From now on those whose deliveries are not timed are heard behind all others, a few at a time, so that how much there is to hear of them
   does not show in what the others hear. False: no descriptor. */
bool run_set_crowd(struct run *run);

/* Where a subscriber's events are waited for. */
int run_epoll_fd(const struct run *run, const struct subscriber *subscriber);

/* Handles what there is, waiting at most `wait_ns` for it. */
void run_poll(struct run *run, int64_t wait_ns);
void run_fail(struct run *run, const char *why);

/* False: nothing moved for PATIENCE_NS, or the run has failed. `patience` begins as zeros. */
bool run_is_patient(const struct run *run, struct patience *patience, uint64_t work);

/* Before there are subscribers: other topics than --topics says. */
bool run_resize_topics(struct run *run, uint32_t count);

/* Gives every topic a first version. */
bool run_seed(struct run *run);

/* Room for so many; number i follows topic i % topic_count, unless its interest is set before it joins. */
bool run_make_subscribers(struct run *run, uint32_t count);

/* Opens subscribers up to number `count`, `window` at once, or on schedule if `rate` > 0; until all are live. */
bool run_join(struct run *run, uint32_t count, int64_t window, int64_t rate);
bool run_join_own(struct run *run, const struct join_pace *pace); /* only this process's */

/* From number `first` on: they stop reading, and go on. */
void run_set_stalled(struct run *run, uint32_t first, bool stalled);
void run_set_stalled_own(struct run *run, uint32_t first, bool stalled);

bool run_open_producers(struct run *run);

/* Publishes `count` versions of a topic through its producer, all meant to be sent at `sent_ns`. */
void run_publish(struct run *run, uint32_t topic, uint32_t count, int64_t sent_ns);
void run_flush(struct run *run);

/* Until every reading subscriber holds the newest version; false if it never will. */
bool run_drain(struct run *run);

/* From here on things count. */
void run_mark(struct run *run, enum recording recording);
void run_mark_own(struct run *run, enum recording recording);

/* A line of progress, now and then: `work` done so far in this phase, and which part of it that is. */
void run_note(struct run *run, const char *what, uint64_t work, double done);

/* Fills in lost, duplicates, order and, for a run with a schedule, late; sets result->invalid. */
void run_check(struct run *run, struct result *result);

/* The same for a scenario that counted for itself. */
void run_put_promises(const struct run *run, struct result *result, uint64_t lost, uint64_t conflated);

/* What this process's subscribers found. */
struct verdict run_verdict_own(const struct run *run);

/* p50 to max, with what other processes recorded. */
void run_put_percentiles(struct run *run, struct result *result);

/* What became of the time since run_mark. */
struct tally run_tally(struct run *run);
struct tally run_tally_own(const struct run *run);

/* ---- subscriber.c ---- */
/* Resumes if it was live before. False, with errno, if no connection can be opened. */
bool subscriber_join(struct run *run, struct subscriber *subscriber);
void subscriber_leave(struct run *run, struct subscriber *subscriber);

/* Between leaving and joining: comes back as somebody new. */
void subscriber_forget(struct subscriber *subscriber);

/* Before it joins. False: out of memory. */
bool subscriber_follow(struct subscriber *subscriber, const struct interest *interest);
void subscriber_set_stalled(struct run *run, struct subscriber *subscriber, bool stalled);

/* ---- producer.c ---- */
bool producer_open(struct run *run, struct producer *producer, const struct dialect *dialect);

/* A message of `count` changes is about to be put: its number is producer->messages afterwards. */
void producer_note(struct run *run, struct producer *producer, int64_t sent_ns, uint32_t count);

/* Puts one message; sent by connection_flush. */
void producer_put(struct run *run, struct producer *producer, const struct stamp *stamps, uint32_t count);

/* Publish messages without an answer so far. */
uint64_t producer_in_flight(const struct producer *producer);

/* With ack none: asks for a sign that everything before it has been taken in. */
void producer_ask(struct producer *producer);

#endif
