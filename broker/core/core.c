/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/delivery.h"
#include "broker/core/follow.h"
#include "broker/core/smallest.h"
#include "broker/core/state.h"

/* Work of one core_tick, so that a flood of deadlines does not stall what is live. */
#define TIMERS_A_TICK 4096
#define KEYS_A_TICK 16384
#define INPUTS_A_TICK 256

#define TICK_MS_MAX 1000

/* Of a follower, on their way to the ledger: past it streams wait, and sessions that have something on its way. */
#define MAIL_BYTES_MAX ((size_t)64 << 20)

/* ---- life ---- */

static void init_buffers(struct core *core) {
    buffer_init(&core->message, SIZE_MAX);
    buffer_init(&core->text, SIZE_MAX);
    buffer_init(&core->masked, SIZE_MAX);
    buffer_init(&core->inbound, core->limits.message_bytes_max / 4 * 9 + 1024); /* `1.5,` becomes 9 bytes */
    buffer_init(&core->results, SIZE_MAX);
    buffer_init(&core->items, SIZE_MAX);
    buffer_init(&core->piece, SIZE_MAX);
    encoded_init(&core->encoded, core->limits.encoded_bytes_max);
}

struct core *core_create(const struct core_options *options) {
    struct core *core = calloc(1, sizeof *core);
    if (core == NULL || (options->kinds == NULL && (core->own_kinds = kinds_builtin()) == NULL)) {
        free(core);
        return NULL;
    }
    core->kinds = options->kinds != NULL ? options->kinds : core->own_kinds;
    core->limits = options->limits;
    core->random = options->seed;
    core->session_numbers = options->session_first;
    core->session_step = options->session_step == 0 ? 1 : options->session_step;
    (void)snprintf(core->epoch, sizeof core->epoch, "%s", options->epoch);
    (void)snprintf(core->server, sizeof core->server, "%s", options->server);
    table_key_init(&core->hash_key, options->seed);
    list_init(&core->sessions);
    list_init(&core->ready);
    list_init(&core->inputs);
    list_init(&core->named);
    list_init(&core->claims);
    list_init(&core->tickets_turn);
    list_init(&core->tickets_durable);
    list_init(&core->tickets_done);
    list_init(&core->batches);
    list_init(&core->mails);
    list_init(&core->served);
    init_buffers(core);
    if (!ledger_init(&core->ledger, &core->limits, core->kinds, &core->hash_key, &core->metrics) ||
        !views_init(&core->views, &core->ledger, &core->hash_key) || !interests_init(&core->interests, &core->hash_key) ||
        !demand_init(&core->demand, &core->ledger, 1 + options->followers) || !masks_init(&core->masks, &core->hash_key) ||
        !table_init(&core->subscriptions)) {
        core_destroy(core);
        return NULL;
    }
    core->follower_count = options->followers;
    core->ledger.follows = options->follows;
    core->controlled = options->controlled;
    return core;
}

void core_destroy(struct core *core) {
    while (!list_is_empty(&core->sessions)) {
        session_close(core, CONTAINER_OF(core->sessions.next, struct session, all));
    }
    follow_fini(core);
    assert(list_is_empty(&core->tickets_turn) && list_is_empty(&core->tickets_durable) && list_is_empty(&core->tickets_done));
    interests_fini(&core->interests);
    demand_fini(&core->demand);
    views_fini(&core->views);
    ledger_fini(&core->ledger);
    heap_fini(&core->timers);
    heap_fini(&core->paces);
    heap_fini(&core->expiries);
    masks_fini(&core->masks);
    table_fini(&core->subscriptions);
    arena_fini(&core->arena);
    buffer_fini(&core->message);
    buffer_fini(&core->text);
    buffer_fini(&core->masked);
    buffer_fini(&core->inbound);
    buffer_fini(&core->results);
    buffer_fini(&core->items);
    buffer_fini(&core->piece);
    encoded_fini(&core->encoded);
    kinds_destroy(core->own_kinds);
    free(core);
}

void core_expect(struct core *core, size_t topics) {
    ledger_expect(&core->ledger, topics);
}

void core_expect_like(struct core *core, size_t left) {
    ledger_expect_like(&core->ledger, left);
}

void core_foresee(const struct core *core, const struct record *records, size_t count) {
    ledger_foresee(&core->ledger, records, count);
}

enum result core_load(struct core *core, const struct record *record) {
    enum result result = ledger_load(&core->ledger, record);
    core->seq_shown = core->ledger.seq;
    core->seq_stored = core->ledger.seq;
    return result;
}

enum result core_loaded(struct core *core, const char *epoch, int64_t seq_floor) {
    (void)snprintf(core->epoch, sizeof core->epoch, "%s", epoch);
    enum result result = ledger_loaded(&core->ledger, seq_floor);
    result = result == RESULT_OK ? demand_loaded(&core->demand) : result;
    core->seq_stored = core->ledger.seq;
    core->seq_shown = core->ledger.seq;
    core->seq_durable = core->ledger.seq;
    return result;
}

/* ---- time ---- */

void core_set_time(struct core *core, int64_t wall_ms, int64_t mono_ms) {
    assert(mono_ms >= core->mono_ms);
    core->wall_ms = wall_ms;
    core->mono_ms = mono_ms;
    core->ledger.wall_ms = wall_ms;
    core->ledger.mono_ms = mono_ms;
}

static struct timer *next_due(const struct heap *heap, int64_t now_ms) {
    struct timer *timer = heap_first(heap);
    return timer != NULL && timer->due <= now_ms ? timer : NULL;
}

static void resume_inputs(struct core *core) {
    struct link *link;
    for (int i = 0; i < INPUTS_A_TICK && (link = list_pop(&core->inputs)) != NULL; i++) {
        session_process_inbox(core, CONTAINER_OF(link, struct session, stalled_input));
    }
}

/* While the broker stops nobody may renew a promise, so none is broken: the next start goes on where they stand. */
static void run_due(struct core *core) {
    if (core->draining || core->due_changes >= core->limits.due_changes_max) {
        return;
    }
    core->due_changes += ledger_run_due(&core->ledger, core->limits.due_changes_max - core->due_changes);
    core_run_demand(core, core->limits.due_changes_max - core->due_changes);
    if (core->due_changes > core->metrics.due_turn_max) {
        core->metrics.due_turn_max = core->due_changes;
    }
}

void core_tick(struct core *core) {
    core->work = 0;
    struct timer *timer;
    for (int i = 0; i < TIMERS_A_TICK && (timer = next_due(&core->timers, core->mono_ms)) != NULL; i++) {
        session_timer_due(core, CONTAINER_OF(timer, struct session, timer));
    }
    for (int i = 0; i < TIMERS_A_TICK && (timer = next_due(&core->paces, core->mono_ms)) != NULL; i++) {
        subscription_pace_due(core, CONTAINER_OF(timer, struct subscription, pace));
    }
    for (int i = 0; i < TIMERS_A_TICK && (timer = next_due(&core->expiries, core->mono_ms)) != NULL; i++) {
        session_expiry_due(core, CONTAINER_OF(timer, struct session, expiry));
    }
    keys_expire(&core->ledger.keys, core->mono_ms, KEYS_A_TICK);
    run_due(core);
    resume_inputs(core);
}

static int64_t earlier(int64_t due, const struct heap *heap) {
    const struct timer *timer = heap_first(heap);
    return timer != NULL && timer->due < due ? timer->due : due;
}

int64_t core_next_due(const struct core *core) {
    if (core->inputs.next != &core->inputs) {
        return core->mono_ms;
    }
    int64_t due = earlier(earlier(earlier(core->mono_ms + TICK_MS_MAX, &core->timers), &core->paces), &core->expiries);
    if (core->draining) {
        return due;
    }
    int64_t promise = ledger_next_due(&core->ledger);
    int64_t demand = demand_next_due(&core->demand);
    due = promise < due ? promise : due;
    return demand < due ? demand : due;
}

/* ---- a turn ---- */

void core_set_room(struct core *core, size_t bytes) {
    core->ledger.room = bytes;
}

size_t core_turn_bytes(const struct core *core) {
    return core->ledger.records.bytes;
}

struct span core_turn(struct core *core, int64_t *seq_first, int64_t *seq_last) {
    const struct ledger *ledger = &core->ledger;
    *seq_first = core->seq_stored + 1;
    *seq_last = ledger->seq;
    assert((ledger->change_count > 0) == (ledger->seq > core->seq_shown));
    assert((ledger->records.bytes > 0) == (ledger->seq > core->seq_stored));
    return buffer_span(&ledger->records);
}

static void complete_publication(struct core *core, struct publication *publication) {
    struct session *session = publication->session;
    if (!publication->is_silent) {
        const struct reply reply = {.op = REPLY_PUBLISHED, .id = publication->id, .results = publication->results};
        session_reply(core, session, &reply);
    }
    link_remove(&publication->of_session);
    session->publication_count--;
    if (session->inbox.bytes > 0 && !link_is_listed(&session->stalled_input)) {
        list_append(&core->inputs, &session->stalled_input);
    }
    free(publication);
}

static void complete(struct core *core, struct ticket *ticket) {
    link_remove(&ticket->link);
    ticket->waiting = false;
    switch (ticket->kind) {
    case TICKET_OF_CALLER:
        list_append(&core->tickets_done, &ticket->link);
        return;
    case TICKET_OF_SESSION:
        complete_publication(core, ticket->owner);
        return;
    case TICKET_OF_MAIL:
        list_append(&core->served, &((struct mail *)ticket->owner)->link);
        return;
    }
}

static void complete_up_to(struct core *core, struct link *tickets, int64_t seq) {
    while (!list_is_empty(tickets)) {
        struct ticket *first = CONTAINER_OF(tickets->next, struct ticket, link);
        if (first->seq > seq) {
            return;
        }
        complete(core, first);
    }
}

/* Lists in which nothing was accepted wait for no more than those before them. */
static void complete_tickets(struct core *core) {
    complete_up_to(core, &core->tickets_turn, core->seq_shown);
    complete_up_to(core, &core->tickets_durable, core->seq_durable);
}

void core_answer_ticket(struct core *core, struct ticket *ticket, struct span results) {
    assert(core->ledger.follows);
    if (ticket->kind == TICKET_OF_SESSION) {
        struct publication *publication = ticket->owner;
        publication->results = results;
        publication->session->posted_count--;
    } else {
        buffer_put_span(ticket->results, results);
    }
    ticket->mail->ticket = NULL;
    ticket->mail = NULL;
    complete(core, ticket);
}

/* Removals beyond the bound, oldest first. Views that hold them learn that older tokens no longer resume. */
static void trim_removals(struct core *core) {
    for (struct topic *topic; (topic = ledger_surplus(&core->ledger)) != NULL;) {
        views_forget(&core->views, topic);
        ledger_forget(&core->ledger, topic);
    }
}

void core_turn_appended(struct core *core) {
    ledger_forget_records(&core->ledger);
    core->seq_stored = core->ledger.seq;
}

void core_turn_stored(struct core *core) {
    core->work = 0;
    core->due_changes = 0;
    core_report_interests(core);
    core_turn_appended(core);
    if (core->ledger.change_count > 0) {
        delivery_show_turn(core);
        if (core->follower_count > 0) {
            follow_batch_turn(core);
        }
        ledger_end_turn(&core->ledger);
        trim_removals(core);
    }
    complete_tickets(core);
}

int64_t core_durable_wanted(const struct core *core) {
    if (list_is_empty(&core->tickets_durable)) {
        return 0;
    }
    const struct link *last = core->tickets_durable.prev;
    int64_t seq = ((const struct ticket *)(const void *)last)->seq;
    static_assert(offsetof(struct ticket, link) == 0, "the link comes first");
    seq = seq < core->seq_stored ? seq : core->seq_stored;
    return seq > core->seq_durable ? seq : 0;
}

void core_durable(struct core *core, int64_t seq) {
    assert(seq <= core->seq_stored && "durable is what was stored");
    if (seq > core->seq_durable) {
        core->seq_durable = seq;
        complete_tickets(core);
    }
}

/* ---- tickets ---- */

/* A source may have no session any more by the time its changes come: its grace begins. Where there is no memory for its name it writes as
   nobody. */
void core_apply_list(struct core *core, const struct publish *publish) {
    struct ledger *ledger = &core->ledger;
    struct source *source = publish->source.data == NULL ? NULL : sources_take(&ledger->sources, publish->source);
    if (publish->denied == NULL) {
        ledger_apply(ledger, publish->principal, source, publish->changes, publish->change_count, publish->atomic,
                     &core->results);
    } else {
        ledger_apply_allowed(ledger, publish->principal, source, publish->changes, publish->change_count, publish->atomic,
                             publish->denied, &core->results);
    }
    if (source != NULL) {
        source_rest(&ledger->sources, source, core->mono_ms);
        source_unref(&ledger->sources, source);
    }
}

void core_apply(struct core *core, const struct publish *publish, struct buffer *results, struct ticket *ticket) {
    buffer_clear(&core->results, core->limits.block_bytes);
    core_apply_list(core, publish);
    assert(!core->results.failed);
    buffer_put_span(results, buffer_span(&core->results));
    ticket->seq = core->ledger.seq;
    ticket->waiting = true;
    list_append(publish->ack == ACK_DURABLE ? &core->tickets_durable : &core->tickets_turn, &ticket->link);
}

bool core_wants_changes(const struct core *core) {
    return core->mail_bytes < MAIL_BYTES_MAX;
}

enum ahora_code core_publish(struct core *core, const struct publish *publish, struct buffer *results, struct ticket *ticket) {
    assert(!ticket->waiting);
    if (core->draining) {
        return AHORA_DRAINING;
    }
    if (core->controlled && publish->rights == NULL) {
        return AHORA_FORBIDDEN;
    }
    uint8_t denied[RIGHTS_DENIED_BYTES];
    struct publish judged = *publish;
    judged.denied =
        rights_deny_changes(publish->rights, core->kinds, publish->changes, publish->change_count, denied) ? denied : NULL;
    ticket->kind = TICKET_OF_CALLER;
    ticket->results = results;
    if (!core->ledger.follows) {
        core_apply(core, &judged, results, ticket);
        return AHORA_OK;
    }
    ticket->waiting = follow_post(core, &judged, ticket);
    return ticket->waiting ? AHORA_OK : AHORA_OVERLOADED;
}

struct ticket *core_next_ticket(struct core *core) {
    struct link *link = list_pop(&core->tickets_done);
    return link == NULL ? NULL : CONTAINER_OF(link, struct ticket, link);
}

void core_cancel(struct core *core, struct ticket *ticket) {
    (void)core;
    link_remove(&ticket->link);
    ticket->waiting = false;
    if (ticket->mail != NULL) {
        ticket->mail->ticket = NULL;
        ticket->mail = NULL;
    }
}

/* ---- drain ---- */

void core_drain(struct core *core, const char *reason, int64_t retry_ms_max) {
    core->draining = true;
    const int64_t count = (int64_t)core->metrics.sessions;
    int64_t index = 0;
    for (struct link *link = core->sessions.next; link != &core->sessions; link = link->next) {
        struct session *session = CONTAINER_OF(link, struct session, all);
        const struct reply reply = {
            .op = REPLY_BYE, .reason = span_of_text(reason), .retry_ms = 1 + retry_ms_max * index++ / count};
        session_reply(core, session, &reply);
        session_kick(core, session, AHORA_CLOSE_GOING_AWAY, ahora_code_name(AHORA_DRAINING));
    }
}

void core_configure(struct core *core, const struct limits *limits) {
    core->limits = *limits;
}

void core_set_growth_retry(struct core *core, int64_t retry_ms) {
    core->ledger.growth_retry_ms = retry_ms;
}

bool core_is_draining(const struct core *core) {
    return core->draining;
}

size_t core_session_count(const struct core *core) {
    return (size_t)core->metrics.sessions;
}

/* ---- reading ---- */

const struct topic *core_get(const struct core *core, const struct name *name) {
    const struct topic *topic = ledger_find(&core->ledger, name->text);
    return topic == NULL || topic_is_removed(topic) ? NULL : topic;
}

enum ahora_code core_parse_pattern(const struct core *core, struct span text, struct name *pattern, const char **detail) {
    enum ahora_code code = name_parse_pattern(text, pattern, detail);
    if (code != AHORA_OK) {
        return code;
    }
    if (pattern->segments[0].data[0] != '*' && !name_is_own(pattern) && kinds_find(core->kinds, pattern->segments[0]) == NULL) {
        *detail = "the first segment names no declared kind";
        return AHORA_UNKNOWN_KIND;
    }
    return AHORA_OK;
}

bool core_names_hold(const struct name *names, size_t count, const struct name *name) {
    for (size_t i = 0; i < count; i++) {
        if (name_equal(&names[i], name)) {
            return true;
        }
    }
    return false;
}

bool filter_passes(const struct filter *filter, const struct topic *topic) {
    const struct span document = document_span(topic->document);
    struct point point;
    if (filter->where != NULL && !where_matches(filter->where, document)) {
        return false;
    }
    return filter->circle == NULL || (point_of_kind(topic->kind, document, &point) &&
                                      point_chord(&point, &filter->circle->centre) <= filter->circle->chord);
}

/* What passes, in the order it has. */
static size_t keep_passing(struct topic **topics, size_t count, const struct filter *filter) {
    if (filter->where == NULL && filter->circle == NULL) {
        return count;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!topic_is_removed(topics[i]) && filter_passes(filter, topics[i])) {
            topics[kept++] = topics[i];
        }
    }
    return kept;
}

/* Patterns may overlap. The topics are sorted. */
static size_t drop_repeated(struct topic **topics, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || topics[kept - 1] != topics[i]) {
            topics[kept++] = topics[i];
        }
    }
    return kept;
}

/* One more than the limit tells whether there are more; each may be there once for each pattern. */
static size_t keep_for(size_t limit, size_t patterns) {
    return limit == 0 || limit >= SIZE_MAX / patterns ? SIZE_MAX : (limit + 1) * patterns;
}

enum ahora_code core_select(struct core *core, const struct name *patterns, size_t count, struct span after, size_t limit,
                            struct selection *out) {
    return core_select_where(core, patterns, count, &(struct filter){0}, after, limit, out);
}

enum ahora_code core_select_where(struct core *core, const struct name *patterns, size_t count, const struct filter *filter,
                                  struct span after, size_t limit, struct selection *out) {
    struct tree_found found = {0};
    for (size_t i = 0; i < count; i++) {
        if (!core_names_hold(patterns, i, &patterns[i])) {
            tree_select(&core->ledger.tree, &patterns[i], &found);
        }
    }
    core->work += found.count;
    if (found.failed) {
        tree_found_fini(&found);
        return AHORA_OVERLOADED;
    }
    *out = (struct selection){.topics = (struct topic **)(void *)found.values};
    out->count = keep_passing(out->topics, found.count, filter);
    out->count = smallest_select(out->topics, out->count, after, keep_for(limit, count));
    out->count = drop_repeated(out->topics, out->count);
    out->more = limit > 0 && out->count > limit;
    out->count = out->more ? limit : out->count;
    for (size_t i = 0; i < out->count; i++) {
        ledger_pin(out->topics[i]);
    }
    return AHORA_OK;
}

void selection_fini(struct core *core, struct selection *selection) {
    (void)core;
    for (size_t i = 0; i < selection->count; i++) {
        ledger_unpin(selection->topics[i]);
    }
    free(selection->topics);
    *selection = (struct selection){0};
}

const struct kinds *core_kinds(const struct core *core) {
    return core->kinds;
}

const char *core_epoch(const struct core *core) {
    return core->epoch;
}

int64_t core_seq(const struct core *core) {
    return core->seq_stored;
}

const struct limits *core_limits(const struct core *core) {
    return &core->limits;
}

const struct metrics *core_metrics(struct core *core) {
    struct metrics *metrics = &core->metrics;
    metrics->topics = core->ledger.topic_count;
    metrics->topics_stale = core->ledger.stale_count;
    metrics->removals = core->ledger.removal_count;
    metrics->documents_bytes = core->ledger.documents_bytes;
    metrics->keys = core->ledger.keys.table.count;
    ledger_measure_due(&core->ledger);
    metrics->demand_topics = core->demand.told_count;
    metrics->demand_untold = core->demand.untold_count;
    metrics->demand_awake = core->demand.awake;
    metrics->views = core->views.count;
    metrics->views_narrowed = core->views.narrowed_count;
    metrics->view_looks = core->views.looks;
    metrics->places = core->views.place_count;
    return metrics;
}
