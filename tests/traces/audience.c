/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/audience.h"
#include "tests/support/clock.h"
#include "tests/traces/derived.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/rules.h"

#define READ_BYTES 65536
#define EVENTS_MAX 64
#define DIFFERENCES_PRINTED 5
#define DEAD_LINES_MS 3000 /* for what a dead broker's kernel still delivers */
#define CONNECTS_A_TICK 8
#define STREAMS 8 /* of the subscribers, by Server-Sent Events */

/* ---- who they are ---- */

static uint64_t random_next(struct audience *audience) {
    uint64_t value = audience->random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static size_t random_below(struct audience *audience, size_t bound) {
    return (size_t)(random_next(audience) % bound);
}

static double random_share(struct audience *audience, double from, double to) {
    return from + (to - from) * (double)(random_next(audience) >> 11) / 9007199254740992.0;
}

/* Few and wide first: every one of them costs the test as much as a producer; then the many that are narrower. */
static const char *const wide[][3] = {
    {"**", NULL},
    {"stock/**", NULL},
    {"room/**", NULL},
    {"service/**", NULL},
    {"stock/*/United-Kingdom", NULL},
    {"stock/**", "room/**", "order/**"},
};

static const char *const narrow[][3] = {
    {"order/*", NULL},
    {"service/bus/*", NULL},
    {"service/desk/*", NULL},
    {"service/bikes/*", NULL},
    {"stock/*/France", NULL},
    {"stock/*/Germany", NULL},
    {"stock/*/EIRE", "stock/*/Spain"},
    {"stock/85123A/*", "stock/22423/*", "stock/85099B/*"},
    {"room/city-hotel/*/2016-08-12", NULL},
    {"room/resort-hotel/*/2017-05-01", "room/*/A/2017-05-02"},
    {"room/resort-hotel/C/**", NULL},
    {"room/city-hotel/D/*", NULL},
    {"service/desk/group-70", "service/desk/group-28"},
    {"order/**", NULL},
    {"service/*/5220", "service/*/2378"},
};

#define WIDE_COUNT (sizeof wide / sizeof wide[0])
#define NARROW_COUNT (sizeof narrow / sizeof narrow[0])

static size_t pattern_count(const char *const *patterns) {
    return patterns[1] == NULL ? 1 : patterns[2] == NULL ? 2 : 3;
}

/* Drawn by event, so that busy topics come up more often. */
static const char *draw_topic(struct audience *audience) {
    const struct trace *trace = &audience->traces[random_below(audience, audience->trace_count)];
    return trace->topics[trace->events[random_below(audience, trace->event_count)].topic].name;
}

static void add_exact(struct audience *audience, struct subscriber *subscriber) {
    const char *topics[FOLLOWER_PATTERNS_MAX];
    size_t count = 1 + random_below(audience, 5);
    for (size_t i = 0; i < count; i++) {
        topics[i] = draw_topic(audience);
    }
    follower_add(&subscriber->follower, topics, count, 0);
}

/* Several subscriptions in one session that share topics: each must be complete by itself, and nothing may go back. */
static void add_overlapping(struct audience *audience, struct subscriber *subscriber) {
    size_t kind = random_below(audience, NARROW_COUNT);
    follower_add(&subscriber->follower, narrow[kind], pattern_count(narrow[kind]), 0);
    kind = random_below(audience, NARROW_COUNT);
    follower_add(&subscriber->follower, narrow[kind], pattern_count(narrow[kind]), 0);
    add_exact(audience, subscriber);
    static const char *const both[] = {"service/desk/*", "service/bikes/*"};
    follower_add(&subscriber->follower, both, 2, random_below(audience, 2) * 250);
}

#define ANYWHERE                                                                                                               \
    { 0, 0, 0, 0 }

/* Branches with stock, buses around a point that moves, the nearest of them, bikes to be had: views that documents enter and leave. */
static const struct {
    const char *pattern;
    const char *where;
    struct rules_circle near;
    int64_t every_ms;
    bool moves;
} narrowed[] = {
    {"stock/*/France", "{\"available\":{\"gte\":1}}", ANYWHERE, 0, false},
    {"stock/*/*", "{\"available\":{\"lte\":0}}", ANYWHERE, 200, false},
    {"service/bus/*", NULL, {30.27, -97.74, 3000, 0}, 0, true},
    {"service/bus/*", NULL, {30.30, -97.73, 1500, 0}, 300, true},
    {"service/bus/*", NULL, {30.25, -97.75, 10000, 5}, 0, true},
    {"service/bikes/*", "{\"num_available\":{\"gt\":0},\"num_docks_available\":{\"gte\":3}}", ANYWHERE, 0, false},
    {"service/**", "{\"queue_length\":{\"gte\":5}}", ANYWHERE, 100, false},
    {"order/*", "{\"status\":{\"in\":[\"delivered\",\"in_transit\",\"confirmed\"]}}", ANYWHERE, 0, false},
    {"service/*/*", "{\"state\":{\"eq\":\"on_trip\"}}", {30.27, -97.74, 20000, 0}, 0, true},
    {"stock/85123A/*", "{\"available\":{\"gte\":10,\"lt\":500}}", ANYWHERE, 50, false},
};

#define NARROWED_COUNT (sizeof narrowed / sizeof narrowed[0])

static void add_narrowed(struct subscriber *subscriber, size_t index) {
    const size_t which = index % NARROWED_COUNT;
    const char *pattern = narrowed[which].pattern;
    follower_add(&subscriber->follower, &pattern, 1, subscriber->is_stream ? 0 : narrowed[which].every_ms);
    follower_narrow(&subscriber->follower, 0, narrowed[which].where, &narrowed[which].near);
    subscriber->walk = narrowed[which].moves && !subscriber->is_stream ? index + 1 : 0;
}

static void plan_cuts(struct audience *audience, struct plan *plan) {
    plan->cut_count = 1 + random_below(audience, CUTS_MAX);
    double at = plan->joins_at;
    plan->gap = random_share(audience, 0.005, 0.08);
    for (size_t i = 0; i < plan->cut_count; i++) {
        at += plan->gap + random_share(audience, 0.01, 0.25);
        plan->cuts[i] = at;
    }
    while (plan->cut_count > 0 && plan->cuts[plan->cut_count - 1] > 0.95) {
        plan->cut_count--;
    }
}

static const char *plan_behaviour(struct audience *audience, struct subscriber *subscriber) {
    struct plan *plan = &subscriber->plan;
    plan->joins_at = random_below(audience, 3) == 0 ? random_share(audience, 0.02, 0.97) : 0;
    switch (random_below(audience, 8)) {
    case 0:
        plan->receive_bytes = 8192;
        plan->bytes_a_tick = 1024 + random_below(audience, 4096);
        return "slow";
    case 1:
        plan->receive_bytes = 8192;
        plan->stall_from = random_share(audience, 0, 0.3);
        plan->stall_to = random_share(audience, 0.4, 0.98);
        return "stalling";
    case 2:
    case 3:
        plan_cuts(audience, plan);
        return "cutting";
    default:
        return "steady";
    }
}

static void subscriber_draw(struct audience *audience, struct subscriber *subscriber, size_t index) {
    bool is_stream = index >= AUDIENCE_SIZE - STREAMS;
    subscriber_init(subscriber, is_stream, index % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    const char *subject = "pattern";
    if (index < 2 * WIDE_COUNT) {
        const char *const *patterns = wide[index / 2];
        follower_add(&subscriber->follower, patterns, pattern_count(patterns), 0);
        subject = "wide";
    } else if (index < 100) {
        const char *const *patterns = narrow[index % NARROW_COUNT];
        int64_t every_ms = index % 5 == 0 ? 50 + (int64_t)random_below(audience, 500) : 0;
        follower_add(&subscriber->follower, patterns, pattern_count(patterns), every_ms);
        subject = every_ms > 0 ? "spaced" : "pattern";
    } else if (index < 120) {
        add_overlapping(audience, subscriber);
        subject = "overlapping";
    } else if (index < 160 || (is_stream && index % 2 == 0)) {
        add_narrowed(subscriber, is_stream ? index / 2 : index);
        subject = "narrowed";
    } else if (is_stream) {
        const char *const *patterns = narrow[index % 6]; /* those of one pattern */
        follower_add(&subscriber->follower, patterns, 1, 0);
        subject = "stream";
    } else {
        add_exact(audience, subscriber);
        subject = "exact";
    }
    const char *behaviour = plan_behaviour(audience, subscriber);
    snprintf(subscriber->name, sizeof subscriber->name, "subscriber %zu (%s, %s, %s %s)", index,
             is_stream ? "sse" : codec_name(subscriber->codec), behaviour, subject,
             subscriber->follower.subscriptions[0].patterns[0]);
}

bool audience_init(struct audience *audience, struct trace *traces, size_t trace_count, uint64_t seed, uint16_t port) {
    *audience = (struct audience){.traces = traces, .trace_count = trace_count, .random = seed, .port = port};
    audience->epoll = epoll_create1(EPOLL_CLOEXEC);
    audience->count = AUDIENCE_SIZE;
    for (size_t i = 0; i < audience->count; i++) {
        subscriber_draw(audience, &audience->subscribers[i], i);
    }
    return audience->epoll >= 0;
}

void audience_fini(struct audience *audience) {
    for (size_t i = 0; i < audience->count; i++) {
        subscriber_fini(&audience->subscribers[i]);
    }
    close(audience->epoll);
}

void audience_print(const struct audience *audience) {
    for (size_t i = 0; i < audience->count; i++) {
        const struct subscriber *subscriber = &audience->subscribers[i];
        const struct plan *plan = &subscriber->plan;
        printf("  %s joins %.3f", subscriber->name, plan->joins_at);
        if (plan->stall_from <= 1) {
            printf(" stalls %.3f-%.3f", plan->stall_from, plan->stall_to);
        }
        for (size_t j = 0; j < plan->cut_count; j++) {
            printf(" cut %.3f", plan->cuts[j]);
        }
        printf("\n");
    }
}

/* ---- what happens to them ---- */

static void poll_set(struct audience *audience, struct subscriber *subscriber, bool is_wanted) {
    if (subscriber->is_polled == is_wanted || subscriber_fd(subscriber) < 0) {
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};
    int failed = epoll_ctl(audience->epoll, is_wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, subscriber_fd(subscriber), &event);
    assert(failed == 0);
    subscriber->is_polled = is_wanted;
}

static bool is_stalled(const struct audience *audience, const struct subscriber *subscriber, double share) {
    return !audience->is_load_over && share >= subscriber->plan.stall_from && share < subscriber->plan.stall_to;
}

static void subscriber_follow_plan(struct audience *audience, struct subscriber *subscriber, double share) {
    const struct plan *plan = &subscriber->plan;
    if (share < plan->joins_at || audience->is_broker_down) {
        return;
    }
    if (subscriber_fd(subscriber) < 0) {
        if (audience->connects_left > 0 && (share >= subscriber->returns_at || audience->is_load_over)) {
            audience->connects_left--;
            subscriber_connect(subscriber, audience->port);
        }
    } else if (subscriber->cuts_done < plan->cut_count && share >= plan->cuts[subscriber->cuts_done]) {
        subscriber->cuts_done++;
        subscriber->returns_at = share + plan->gap;
        subscriber_cut(subscriber);
    }
    if (share > 0 && !audience->is_load_over) { /* before the load all shall be complete at one moment: nobody walks */
        subscriber_walk(subscriber);
    }
    poll_set(audience, subscriber, !is_stalled(audience, subscriber, share));
}

static void subscriber_serve(struct audience *audience, struct subscriber *subscriber) {
    bool is_slow = subscriber->plan.bytes_a_tick > 0 && !audience->is_load_over;
    if (!subscriber_read(subscriber, is_slow ? subscriber->plan.bytes_a_tick : READ_BYTES)) {
        if (!audience->is_broker_down && !subscriber->is_draining) {
            follower_violate(&subscriber->follower, "the broker ended the line (close code %d %s)", subscriber->close_code,
                             subscriber->wire.close_reason);
        }
        subscriber_cut(subscriber);
    } else if (is_slow) {
        poll_set(audience, subscriber, false); /* until the next tick */
    }
}

void audience_tick(struct audience *audience, double share) {
    int64_t now_ms = clock_ms();
    if (now_ms >= audience->next_tick_ms) {
        audience->next_tick_ms = now_ms + TICK_MS;
        audience->connects_left = CONNECTS_A_TICK;
        for (size_t i = 0; i < audience->count; i++) {
            subscriber_follow_plan(audience, &audience->subscribers[i], share);
        }
    }
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(audience->epoll, events, EVENTS_MAX, TICK_MS);
    for (int i = 0; i < count; i++) {
        subscriber_serve(audience, events[i].data.ptr);
    }
}

/* What the dead broker had already given to the kernel is read first: it was shown, so it must still hold. */
void audience_broker_killed(struct audience *audience) {
    audience->is_broker_down = true;
    int64_t deadline_ms = clock_ms() + DEAD_LINES_MS;
    for (size_t i = 0; i < audience->count; i++) {
        struct subscriber *subscriber = &audience->subscribers[i];
        while (subscriber_fd(subscriber) >= 0 && subscriber_read(subscriber, READ_BYTES) && clock_ms() < deadline_ms) {
        }
        subscriber_cut(subscriber);
    }
}

size_t audience_complete(const struct audience *audience, int64_t seq) {
    size_t count = 0;
    for (size_t i = 0; i < audience->count; i++) {
        const struct subscriber *subscriber = &audience->subscribers[i];
        count += subscriber_fd(subscriber) >= 0 && follower_is_complete(&subscriber->follower, seq);
    }
    return count;
}

size_t audience_behind(const struct audience *audience, int64_t seq) {
    size_t count = 0;
    for (size_t i = 0; i < audience->count; i++) {
        const struct subscriber *subscriber = &audience->subscribers[i];
        count += subscriber_fd(subscriber) >= 0 && !follower_is_complete(&subscriber->follower, seq);
    }
    return count;
}

void audience_print_behind(const struct audience *audience, int64_t seq) {
    for (size_t i = 0; i < audience->count; i++) {
        const struct subscriber *subscriber = &audience->subscribers[i];
        if (subscriber_fd(subscriber) < 0 || !follower_is_complete(&subscriber->follower, seq)) {
            printf("  %s: %s\n", subscriber->name, subscriber_fd(subscriber) < 0 ? "not connected" : "not complete");
        }
    }
}

struct audience_totals audience_totals(const struct audience *audience) {
    struct audience_totals totals = {0};
    for (size_t i = 0; i < audience->count; i++) {
        const struct follower *follower = &audience->subscribers[i].follower;
        totals.deliveries += follower->sets + follower->patches + follower->removes;
        totals.removes += follower->removes;
        totals.skipped += follower->skipped;
        totals.resumed += follower->resumed;
        totals.resyncs += follower->subscriptions[0].near.limit > 0 ? 0 : follower->resyncs; /* the nearest never resume */
        totals.repeats += follower->repeats;
        totals.violations += follower->violation_count + follower->errors;
        totals.cuts += audience->subscribers[i].cuts_done;
        totals.bytes += audience->subscribers[i].bytes_received;
        totals.moves += audience->subscribers[i].moves;
    }
    return totals;
}

/* ---- what they hold ---- */

static bool follower_wants(const struct follower *follower, const char *topic) {
    for (size_t i = 0; i < follower->subscription_count; i++) {
        const struct subscription *subscription = &follower->subscriptions[i];
        for (size_t j = 0; j < subscription->pattern_count; j++) {
            if (rules_match(subscription->patterns[j], topic)) {
                return true;
            }
        }
    }
    return false;
}

/* What a subscription must hold of a topic. On the border it may be either, by what was before. */
enum standing { OUT, EITHER, IN };

static enum standing standing_of(const struct subscription *subscription, const json_t *document) {
    if (document == NULL) {
        return OUT;
    }
    if (subscription->where != NULL) {
        json_t *where = json_loads(subscription->where, 0, NULL);
        bool is_matching = rules_where(where, document);
        json_decref(where);
        if (!is_matching) {
            return OUT;
        }
    }
    const double radius = subscription->near.radius_m;
    if (radius == 0) {
        return IN;
    }
    const double distance = rules_distance(&subscription->near, document);
    if (distance < 0 || distance > radius + (radius * 0.05 > 10 ? radius * 0.05 : 10) + 0.01) {
        return OUT;
    }
    return subscription->near.limit > 0 || distance > radius - 0.01 ? EITHER : IN;
}

/* With a limit: as many as there may be, and none farther than one it does not hold. */
static bool nearest_compare(const struct audience *audience, const struct subscriber *subscriber) {
    const struct subscription *subscription = &subscriber->follower.subscriptions[0];
    size_t inside = 0;
    size_t held = 0;
    double farthest_held = 0;
    double nearest_other = 1e9;
    for (size_t i = 0; i < audience->trace_count; i++) {
        const struct trace *trace = &audience->traces[i];
        for (size_t j = 0; j < trace->topic_count; j++) {
            const struct trace_topic *topic = &trace->topics[j];
            if (!rules_match(subscription->patterns[0], topic->name) || standing_of(subscription, topic->expected) == OUT) {
                continue;
            }
            const double distance = rules_distance(&subscription->near, topic->expected);
            const bool is_held = follower_document(&subscriber->follower, topic->name) != NULL;
            inside += distance < subscription->near.radius_m;
            held += is_held;
            farthest_held = is_held && distance > farthest_held ? distance : farthest_held;
            nearest_other =
                !is_held && distance < subscription->near.radius_m && distance < nearest_other ? distance : nearest_other;
        }
    }
    const size_t limit = (size_t)subscription->near.limit;
    const bool is_right = held <= limit && held >= (inside < limit ? inside : limit) && farthest_held <= nearest_other + 0.01;
    if (!is_right) {
        printf("  %s: holds %zu of %zu inside, one %.1f m away and not another %.1f m away\n", subscriber->name, held, inside,
               farthest_held, nearest_other);
    }
    return is_right;
}

/* True if the topic is held as it should be; prints why not while `print`. */
static bool topic_compare(const struct subscriber *subscriber, const struct trace_topic *topic, enum standing standing,
                          bool print) {
    const json_t *held = follower_document(&subscriber->follower, topic->name);
    int64_t seq = follower_seq(&subscriber->follower, topic->name);
    bool is_same =
        held != NULL && standing != OUT && topic->expected != NULL && derived_equal(held, topic->expected) && seq == topic->seq;
    if ((held == NULL && standing != IN) || is_same) {
        return true;
    }
    if (print) {
        char *have = held != NULL ? json_dumps(held, JSON_COMPACT) : NULL;
        char *want = topic->expected != NULL ? json_dumps(topic->expected, JSON_COMPACT) : NULL;
        printf("  %s: %s is %s at seq %" PRId64 ", not %s at %" PRId64 "\n", subscriber->name, topic->name,
               have != NULL ? have : "absent", seq, want != NULL ? want : "absent", topic->seq);
        free(have);
        free(want);
    }
    return false;
}

static size_t subscriber_compare(const struct audience *audience, const struct subscriber *subscriber, size_t printed) {
    size_t differences = 0;
    size_t documents = 0;
    for (size_t i = 0; i < audience->trace_count; i++) {
        const struct trace *trace = &audience->traces[i];
        for (size_t j = 0; j < trace->topic_count; j++) {
            const struct trace_topic *topic = &trace->topics[j];
            if (follower_wants(&subscriber->follower, topic->name)) {
                const enum standing standing = standing_of(&subscriber->follower.subscriptions[0], topic->expected);
                const bool is_held = follower_document(&subscriber->follower, topic->name) != NULL;
                documents += standing == IN || (standing == EITHER && is_held);
                differences += !topic_compare(subscriber, topic, standing, printed + differences < DIFFERENCES_PRINTED);
            }
        }
    }
    if (differences == 0 && documents != subscriber->follower.replica.document_count) {
        printf("  %s: holds %zu documents, not %zu\n", subscriber->name, subscriber->follower.replica.document_count,
               documents);
        differences++;
    }
    if (subscriber->follower.subscriptions[0].near.limit > 0) {
        differences += !nearest_compare(audience, subscriber);
    }
    return differences;
}

size_t audience_compare(struct audience *audience) {
    size_t differing = 0;
    for (size_t i = 0; i < audience->count; i++) {
        differing += subscriber_compare(audience, &audience->subscribers[i], differing) > 0;
    }
    return differing;
}
