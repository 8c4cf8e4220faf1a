/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a client asks: one function for each op, in a table. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/near.h"
#include "broker/core/state.h"

typedef void request_function(struct core *core, struct session *session, const struct request *request);

static void refuse(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail) {
    session_reply_error(core, session, id, code, detail);
}

static void refuse_for(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail,
                       int64_t retry_ms) {
    const struct reply reply = {
        .op = REPLY_ERROR, .id = id, .code = code, .detail = span_of_text(detail), .retry_ms = retry_ms};
    core->metrics.errors[code]++;
    session_reply(core, session, &reply);
}

/* ---- hello, auth, ping ---- */

static void put_limit(struct buffer *out, const char *key, size_t value) {
    pack_put_key(out, key);
    pack_put_int(out, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static size_t subscriptions_max(const struct core *core, const struct session *session) {
    const size_t limit = core->limits.subscriptions_max;
    const int64_t allowed = session->rights == NULL ? -1 : session->rights->max_subs;
    return allowed >= 0 && (size_t)allowed < limit ? (size_t)allowed : limit;
}

static struct span limits_told(struct core *core, const struct session *session) {
    const struct limits *limits = &core->limits;
    struct buffer *out = &core->items;
    buffer_clear(out, limits->block_bytes);
    pack_put_map(out, 13);
    put_limit(out, "message_bytes_max", limits->message_bytes_max);
    put_limit(out, "document_bytes_max", limits->document_bytes_max);
    put_limit(out, "subscriptions_max", subscriptions_max(core, session));
    put_limit(out, "patterns_max", limits->patterns_max);
    put_limit(out, "changes_max", AHORA_CHANGES_MAX);
    put_limit(out, "publishes_max", limits->publishes_max);
    put_limit(out, "publish_rate_max", (size_t)limits->publish_rate_max);
    put_limit(out, "get_items_max", (size_t)limits->get_items_max);
    put_limit(out, "where_conditions_max", limits->where_conditions_max);
    put_limit(out, "where_values_max", limits->where_values_max);
    put_limit(out, "where_bytes_max", limits->where_bytes_max);
    put_limit(out, "nears_max", limits->nears_max);
    put_limit(out, "near_limit_max", limits->near_limit_max);
    return buffer_span(out);
}

static void refuse_hello(struct core *core, struct session *session, enum ahora_code code, const char *detail) {
    const int close_code = code == AHORA_BAD_MESSAGE ? AHORA_CLOSE_BAD_MESSAGE
                           : code == AHORA_FORBIDDEN ? AHORA_CLOSE_FORBIDDEN
                                                     : AHORA_CLOSE_TOO_MANY;
    refuse(core, session, 0, code, detail);
    session_kick(core, session, close_code, ahora_code_name(code));
}

static const char *source_fault(const struct core *core, const struct request *request) {
    const char *fault = name_segment_fault(request->source);
    return fault == NULL && request->grace_ms > core->limits.grace_ms_max ? "`grace_ms` is too long" : fault;
}

static int64_t grace_of(const struct core *core, const struct request *request) {
    return request->has_grace_ms ? request->grace_ms : core->limits.grace_ms;
}

enum ahora_code core_enter_source(struct core *core, struct span name, int64_t grace_ms, bool deletes, struct source **source) {
    struct sources *sources = &core->ledger.sources;
    if (sources->table.count >= core->limits.sources_max && !sources_know(sources, name)) {
        return AHORA_TOO_MANY;
    }
    *source = sources_take(sources, name);
    if (*source == NULL) {
        return AHORA_OVERLOADED;
    }
    source_enter(sources, *source, grace_ms, deletes);
    return AHORA_OK;
}

/* The session speaks for a source from now on. False: refused. A follower has asked the ledger before, and keeps the name alone. */
static bool enter_source(struct core *core, struct session *session, const struct request *request) {
    const char *fault = source_fault(core, request);
    if (fault != NULL) {
        refuse_hello(core, session, AHORA_BAD_MESSAGE, fault);
        return false;
    }
    if (session->is_public) {
        refuse_hello(core, session, AHORA_FORBIDDEN, "sources do not speak at this address");
        return false;
    }
    if (!rights_allow_source(session->rights, request->source)) {
        refuse_hello(core, session, AHORA_FORBIDDEN, "this session may not speak for that source");
        return false;
    }
    enum ahora_code code = session->answer;
    if (!core->ledger.follows) {
        code = core_enter_source(core, request->source, grace_of(core, request), request->on_lost == ON_LOST_DELETE,
                                 &session->source);
    } else if (code == AHORA_OK && (session->source = sources_take(&core->ledger.sources, request->source)) == NULL) {
        code = AHORA_OVERLOADED;
    }
    if (code != AHORA_OK) {
        refuse_hello(core, session, code, code == AHORA_TOO_MANY ? "the broker knows as many sources as it may" : "no memory");
    }
    return code == AHORA_OK;
}

static void handle_hello(struct core *core, struct session *session, const struct request *request) {
    if (session->greeted) {
        refuse(core, session, request->id, AHORA_BAD_MESSAGE, "hello was said before");
        return;
    }
    if (core->draining) {
        refuse(core, session, 0, AHORA_DRAINING, "the broker is about to stop");
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_DRAINING));
        return;
    }
    if (!session_take_verdict(core, session, request) ||
        (request->source.data != NULL && !enter_source(core, session, request))) {
        return;
    }
    session->greeted = true;
    bool set = heap_set(&core->timers, &session->timer, core->mono_ms + core->limits.beat_ms / 2);
    assert(set && "moving a timer needs no memory");
    (void)set;
    char number[24];
    (void)snprintf(number, sizeof number, "s%llu", (unsigned long long)session->number);
    const struct reply reply = {
        .op = REPLY_WELCOME,
        .session = span_of_text(number),
        .epoch = span_of_text(core->epoch),
        .seq = core->seq_shown,
        .now = core->wall_ms,
        .beat_ms = core->limits.beat_ms,
        .limits = limits_told(core, session),
        .server = span_of_text(core->server),
    };
    session_reply(core, session, &reply);
}

static void handle_auth(struct core *core, struct session *session, const struct request *request) {
    if (core->controlled) {
        session_renew(core, session, request);
        return;
    }
    const struct reply reply = {.op = REPLY_OK, .id = request->id};
    session_reply(core, session, &reply); /* access is open: every token will do */
}

static void handle_ping(struct core *core, struct session *session, const struct request *request) {
    const struct reply reply = {.op = REPLY_PONG, .id = request->id, .now = core->wall_ms};
    session_reply(core, session, &reply);
}

/* ---- patterns ---- */

/* `match`: a text or a list of them. The names point into the request. */
static enum ahora_code parse_match(const struct core *core, struct span match, struct name *names, size_t *count,
                                   const char **detail) {
    struct pack_reader reader = pack_reader_of(match);
    size_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 1;
    if (left > core->limits.patterns_max) {
        *detail = "too many patterns in one subscription";
        return AHORA_TOO_MANY;
    }
    for (*count = 0; left > 0; left--) {
        enum ahora_code code = core_parse_pattern(core, pack_read_text(&reader), &names[*count], detail);
        if (code != AHORA_OK) {
            return code;
        }
        *count += core_names_hold(names, *count, &names[*count]) ? 0 : 1; /* twice the same is once */
    }
    return AHORA_OK;
}

#define PATTERNS_MAX 64 /* request_decode bounds `match` to it */

/* ---- sub, unsub, move ---- */

static struct subscription *subscription_of(const struct session *session, int64_t id) {
    for (struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        struct subscription *subscription = CONTAINER_OF(link, struct subscription, of_session);
        if (subscription->id == id) {
            return subscription;
        }
    }
    return NULL;
}

static struct subscription *subscription_create(struct session *session, const struct request *request, size_t count) {
    struct subscription *subscription = calloc(1, sizeof *subscription + count * sizeof subscription->cursors[0]);
    if (subscription == NULL) {
        return NULL;
    }
    subscription->session = session;
    subscription->id = request->id;
    const int64_t floor_ms = session->rights == NULL ? 0 : session->rights->every_ms;
    subscription->every_ms = request->every_ms > floor_ms ? request->every_ms : floor_ms;
    subscription->paced = subscription->every_ms > 0 || (session->encoding == ENCODING_SSE && count > 1);
    list_init(&subscription->of_session);
    list_init(&subscription->behind);
    return subscription;
}

static void add_cursor(struct subscription *subscription, struct view *view) {
    struct cursor *cursor = &subscription->cursors[subscription->cursor_count++];
    *cursor = (struct cursor){.view = view, .subscription = subscription};
    bookmark_init(&cursor->bookmark);
    view->cursor_count++;
    subscription->session->cursor_count++;
}

/* How a `sub` or `get` narrows its patterns. */
struct narrow {
    struct where *where;  /* counted; NULL: none */
    struct circle circle; /* if `near` */
    bool near;
    struct request_fault fault; /* detail NULL: none */
};

static enum ahora_code parse_narrow(const struct core *core, const struct request *request, struct narrow *narrow) {
    *narrow = (struct narrow){0};
    enum ahora_code code = AHORA_OK;
    if (request->where.data != NULL) {
        code = where_parse(request->where, &core->limits, &narrow->where, &narrow->fault);
    }
    if (code == AHORA_OK && request->near.data != NULL) {
        narrow->near = true;
        code = circle_parse(request->near, &core->limits, NULL, &narrow->circle, &narrow->fault);
    }
    return code;
}

static void narrow_fini(struct narrow *narrow) {
    where_unref(narrow->where);
    narrow->where = NULL;
}

static enum ahora_code take_view(struct core *core, const struct narrow *narrow, const struct name *name, struct view **view) {
    if (narrow->where == NULL && !narrow->near) {
        return views_take(&core->views, name, view);
    }
    return narrow_take(&core->views, name, narrow->where, narrow->near ? &narrow->circle : NULL, view);
}

static enum ahora_code take_views(struct core *core, struct subscription *subscription, const struct name *names, size_t count,
                                  const struct narrow *narrow, const char **detail) {
    const uint64_t visited_before = core->views.visited;
    enum ahora_code code = AHORA_OK;
    for (size_t i = 0; i < count && code == AHORA_OK; i++) {
        struct view *view = NULL;
        code = take_view(core, narrow, &names[i], &view);
        if (code == AHORA_OK) {
            add_cursor(subscription, view);
        }
    }
    if (code == AHORA_TOO_MANY) {
        *detail = "too many topics in one view, or too many different `where` of a pattern that only say what must not be";
    }
    core->work += count + (core->views.visited - visited_before);
    return code;
}

/* May the subscription go on from this token? Its epoch must be ours, its seq one we know the removals since. */
static bool can_resume(struct core *core, const struct subscription *subscription, struct span since, int64_t *seq) {
    struct token token;
    if (!token_parse(since, &token) || strcmp(token.epoch, core->epoch) != 0 || token.seq > core->seq_shown) {
        return false;
    }
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct view *view = subscription->cursors[i].view;
        if (token.seq < view->floor || (subscription->near && !near_resume(&core->views, view, token.seq))) {
            return false;
        }
    }
    *seq = token.seq;
    return true;
}

/* To find where a token stands, each view is walked back over what changed since. */
static void count_resume(struct core *core, const struct subscription *subscription, int64_t since) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        uint64_t changes = (uint64_t)(core->seq_shown - since);
        uint64_t places = subscription->cursors[i].view->place_count;
        core->work += changes < places ? changes : places;
    }
}

static void begin(struct core *core, struct session *session, struct subscription *subscription,
                  const struct request *request) {
    int64_t since = -1;
    bool resumed = request->since.data != NULL && can_resume(core, subscription, request->since, &since);
    if (resumed) {
        count_resume(core, subscription, since);
    }
    core->metrics.resumes += resumed;
    core->metrics.resumes_refused += request->since.data != NULL && !resumed;
    core->metrics.snapshots += !resumed;
    core->metrics.subscriptions++;
    session->subscription_count++;
    list_append(&session->subscriptions, &subscription->of_session);
    const struct reply reply = {.op = REPLY_SUBSCRIBED, .id = request->id, .resumed = resumed};
    bool must_forget = request->since.data != NULL && !resumed;
    if (session->encoding != ENCODING_SSE || must_forget) { /* whoever opens a stream knows that; not that its token failed */
        session_reply(core, session, &reply);
    }
    subscription->walked_ms = core->mono_ms - subscription->every_ms;
    subscription_start(core, subscription, since);
}

static enum ahora_code check_sub(const struct core *core, const struct session *session, const struct request *request,
                                 const char **detail) {
    if (core->draining) {
        *detail = "the broker is about to stop";
        return AHORA_DRAINING;
    }
    if (subscription_of(session, request->id) != NULL) {
        *detail = "`id` is in use";
        return AHORA_BAD_MESSAGE;
    }
    if (request->every_ms > core->limits.every_ms_max) {
        *detail = "`every_ms` is too long";
        return AHORA_INVALID;
    }
    if (core->ledger.growth_retry_ms > 0) {
        *detail = "the broker is short of memory";
        return AHORA_OVERLOADED;
    }
    if (session->subscription_count >= subscriptions_max(core, session)) {
        *detail = "too many subscriptions in one session";
        return AHORA_TOO_MANY;
    }
    if (request->near.data != NULL && session->near_count >= core->limits.nears_max) {
        *detail = "too many subscriptions with `near` in one session";
        return AHORA_TOO_MANY;
    }
    return AHORA_OK;
}

static enum ahora_code subscribe_to(struct core *core, struct session *session, const struct request *request,
                                    const struct name *names, size_t count, struct narrow *narrow, const char **detail) {
    enum ahora_code code = parse_narrow(core, request, narrow);
    if (code == AHORA_OK) {
        code = session_may_read(core, session, names, count, narrow->where, narrow->near, detail);
    }
    if (code != AHORA_OK) {
        return code;
    }
    if (narrow->near && narrow->circle.limit > 0 && count > 1) { /* the nearest of each pattern are not the nearest of all */
        request_fault_set(&narrow->fault, "`limit` goes with one pattern only", "near", (struct span){0}, "limit");
        return AHORA_INVALID;
    }
    struct subscription *subscription = subscription_create(session, request, count);
    if (subscription == NULL) {
        return AHORA_OVERLOADED;
    }
    if (session->cursor_count + count > core->limits.session_views_max) {
        *detail = "too many patterns in all subscriptions of one session";
        free(subscription);
        return AHORA_TOO_MANY;
    }
    subscription->near = narrow->near;
    session->near_count += narrow->near;
    core_wake_demand(core, names, count);
    code = take_views(core, subscription, names, count, narrow, detail);
    if (code == AHORA_OK && !core_count_interest(core, subscription)) {
        code = AHORA_OVERLOADED;
    }
    if (code != AHORA_OK) {
        subscription_stop(core, subscription);
        free(subscription);
        return code;
    }
    begin(core, session, subscription, request);
    return AHORA_OK;
}

#define OVERLOADED_RETRY_MS 5000

/* Sessions that are refused together come back one after the other. */
static int64_t overloaded_retry_ms(const struct core *core, const struct session *session) {
    const int64_t after_ms = core->ledger.growth_retry_ms > 0 ? core->ledger.growth_retry_ms : OVERLOADED_RETRY_MS;
    return after_ms + (int64_t)(session->number * UINT64_C(2654435761) % (uint64_t)after_ms);
}

static void refuse_narrow(struct core *core, struct session *session, int64_t id, enum ahora_code code,
                          const struct narrow *narrow, const char *detail) {
    if (narrow->fault.detail != NULL) {
        session_reply_fault(core, session, id, &narrow->fault);
    } else if (code == AHORA_OVERLOADED) {
        core->metrics.growth_refused += core->ledger.growth_retry_ms > 0;
        refuse_for(core, session, id, code, detail == NULL ? "the broker holds as much as it may" : detail,
                   overloaded_retry_ms(core, session));
    } else {
        refuse(core, session, id, code, detail);
    }
}

static void handle_sub(struct core *core, struct session *session, const struct request *request) {
    struct name names[PATTERNS_MAX];
    size_t count = 0;
    const char *detail = NULL;
    struct narrow narrow = {0};
    enum ahora_code code = check_sub(core, session, request, &detail);
    if (code == AHORA_OK) {
        code = parse_match(core, request->match, names, &count, &detail);
    }
    if (code == AHORA_OK) {
        code = subscribe_to(core, session, request, names, count, &narrow, &detail);
    }
    if (code != AHORA_OK) {
        refuse_narrow(core, session, request->id, code, &narrow, detail);
    }
    narrow_fini(&narrow);
}

static void handle_unsub(struct core *core, struct session *session, const struct request *request) {
    struct subscription *subscription = subscription_of(session, request->id);
    if (subscription == NULL) {
        refuse(core, session, request->id, AHORA_NOT_FOUND, "no subscription has this `id`");
        return;
    }
    assert(session->slices == NULL && "slices live within the end of a turn");
    subscription_stop(core, subscription);
    link_remove(&subscription->of_session);
    free(subscription);
    session->subscription_count--;
    core->metrics.subscriptions--;
    const struct reply reply = {.op = REPLY_OK, .id = request->id};
    session_reply(core, session, &reply);
}

static bool move_views(struct core *core, const struct subscription *subscription, const struct circle *circle) {
    const uint64_t visited_before = core->views.visited;
    bool fine = true;
    for (uint32_t i = 0; i < subscription->cursor_count && fine; i++) {
        fine = near_move(&core->views, subscription->cursors[i].view, circle, core->seq_shown);
    }
    core->work += 1 + (core->views.visited - visited_before);
    return fine;
}

static void handle_move(struct core *core, struct session *session, const struct request *request) {
    struct subscription *subscription = subscription_of(session, request->id);
    if (subscription == NULL) {
        refuse(core, session, request->id, AHORA_NOT_FOUND, "no subscription has this `id`");
        return;
    }
    struct request_fault fault;
    if (!subscription->near) {
        request_fault_set(&fault, "the subscription has no `near`", "near", (struct span){0}, NULL);
        session_reply_fault(core, session, request->id, &fault);
        return;
    }
    assert(session->slices == NULL && "slices live within the end of a turn");
    struct circle circle;
    const struct circle *old = &subscription->cursors[0].view->narrowed->near->circle;
    enum ahora_code code = circle_parse(request->near, &core->limits, old, &circle, &fault);
    if (code == AHORA_OK && circle.limit > 0 && subscription->cursor_count > 1) {
        request_fault_set(&fault, "`limit` goes with one pattern only", "near", (struct span){0}, "limit");
        code = AHORA_INVALID;
    }
    if (code != AHORA_OK) {
        session_reply_fault(core, session, request->id, &fault);
        return;
    }
    core->metrics.moves++;
    if (!move_views(core, subscription, &circle)) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
        return;
    }
    const struct reply reply = {.op = REPLY_OK, .id = request->id};
    session_reply(core, session, &reply);
    subscription_moved(core, subscription);
}

/* ---- get ---- */

static uint32_t put_items(struct core *core, const struct selection *selection, struct span mask) {
    uint32_t count = 0;
    buffer_clear(&core->items, core->limits.block_bytes);
    while (count < selection->count && core->items.bytes < core->limits.get_bytes_max) {
        topic_put_item(&core->items, selection->topics[count++], mask);
    }
    return count;
}

static void answer_get(struct core *core, struct session *session, int64_t id, const struct selection *selection) {
    uint32_t count = put_items(core, selection, mask_span(session->mask));
    buffer_clear(&core->results, core->limits.block_bytes);
    pack_put_list(&core->results, count);
    if (count > 0) {
        pack_put_raw(&core->results, buffer_span(&core->items));
    }
    const struct reply reply = {
        .op = REPLY_SNAPSHOT,
        .id = id,
        .seq = core->ledger.seq,
        .items = buffer_span(&core->results),
        .more = selection->more || count < selection->count,
    };
    session_reply(core, session, &reply);
}

static void handle_get(struct core *core, struct session *session, const struct request *request) {
    struct name names[PATTERNS_MAX];
    size_t count = 0;
    const char *detail = NULL;
    struct narrow narrow = {0};
    enum ahora_code code = parse_match(core, request->match, names, &count, &detail);
    struct selection selection = {0};
    if (code == AHORA_OK) {
        code = parse_narrow(core, request, &narrow);
    }
    if (code == AHORA_OK) {
        code = session_may_read(core, session, names, count, narrow.where, narrow.near, &detail);
    }
    if (code == AHORA_OK) {
        core_wake_demand(core, names, count);
        const struct filter filter = {narrow.where, narrow.near ? &narrow.circle : NULL};
        int64_t limit =
            request->limit > 0 && request->limit < core->limits.get_items_max ? request->limit : core->limits.get_items_max;
        code = core_select_where(core, names, count, &filter, (struct span){0}, (size_t)limit, &selection);
    }
    if (code != AHORA_OK) {
        refuse_narrow(core, session, request->id, code, &narrow, detail);
    }
    narrow_fini(&narrow);
    if (code != AHORA_OK) {
        return;
    }
    answer_get(core, session, request->id, &selection);
    selection_fini(core, &selection);
}

/* ---- pub ---- */

/* `kept`: results that are known already. */
static struct publication *publication_create(struct session *session, const struct request *request, struct span kept) {
    struct publication *publication = malloc(sizeof *publication + kept.bytes);
    if (publication == NULL) {
        return NULL;
    }
    *publication = (struct publication){
        .session = session,
        .id = request->id,
        .is_silent = request->ack == ACK_NONE,
        .results = span_of(publication->kept, kept.bytes),
        .ticket = {.kind = TICKET_OF_SESSION, .owner = publication, .waiting = true},
    };
    if (kept.bytes > 0) {
        memcpy(publication->kept, kept.data, kept.bytes);
    }
    list_append(&session->publications, &publication->of_session);
    session->publication_count++;
    return publication;
}

/* `denied` holds which of its changes the session may not make, as long as the publish is looked at. */
static struct publish publish_of(const struct core *core, const struct session *session, const struct request *request,
                                 uint8_t *denied) {
    const struct source *source = session->source;
    const bool any = rights_deny_changes(session->rights, core->kinds, request->changes, request->change_count, denied);
    return (struct publish){
        .denied = any ? denied : NULL,
        .principal = session_principal(session),
        .rights = session->rights,
        .source = source == NULL ? (struct span){0} : span_of(source->name, source->bytes),
        .changes = request->changes,
        .change_count = request->change_count,
        .atomic = request->atomic,
        .ack = request->ack,
    };
}

/* False: no memory, though the changes may be applied. */
static bool publish_here(struct core *core, struct session *session, const struct request *request) {
    buffer_clear(&core->results, core->limits.block_bytes);
    uint8_t denied[RIGHTS_DENIED_BYTES];
    const struct publish publish = publish_of(core, session, request, denied);
    core_apply_list(core, &publish);
    assert(!core->results.failed);
    if (request->ack == ACK_NONE) {
        return true;
    }
    struct publication *publication = publication_create(session, request, buffer_span(&core->results));
    if (publication == NULL) {
        return false;
    }
    publication->ticket.seq = core->ledger.seq;
    list_append(request->ack == ACK_DURABLE ? &core->tickets_durable : &core->tickets_turn, &publication->ticket.link);
    return true;
}

static bool publish_there(struct core *core, struct session *session, const struct request *request) {
    uint8_t denied[RIGHTS_DENIED_BYTES];
    const struct publish publish = publish_of(core, session, request, denied);
    struct publication *publication = publication_create(session, request, (struct span){0});
    if (publication == NULL) {
        return false;
    }
    session->posted_count++;
    if (follow_post(core, &publish, &publication->ticket)) {
        return true;
    }
    session->posted_count--;
    return false; /* the session ends, and the publication with it */
}

static void handle_pub(struct core *core, struct session *session, const struct request *request) {
    if (core->draining) {
        refuse(core, session, request->id, AHORA_DRAINING, "the broker is about to stop");
        return;
    }
    if (session->is_public) {
        refuse(core, session, request->id, AHORA_FORBIDDEN, "nothing is published at this address");
        return;
    }
    int64_t retry_ms = allowance_take(&session->allowance, core->limits.publish_rate_max, core->mono_ms, request->change_count);
    if (retry_ms > 0) {
        refuse_for(core, session, request->id, AHORA_RATE_LIMITED, "this session publishes faster than it may", retry_ms);
        return;
    }
    session->is_producer = rights_may_publish(session->rights);
    bool published = core->ledger.follows ? publish_there(core, session, request) : publish_here(core, session, request);
    if (!published) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
}

/* ---- all of them ---- */

static request_function *const handlers[] = {
    [REQUEST_HELLO] = handle_hello, [REQUEST_SUB] = handle_sub, [REQUEST_UNSUB] = handle_unsub, [REQUEST_MOVE] = handle_move,
    [REQUEST_GET] = handle_get,     [REQUEST_PUB] = handle_pub, [REQUEST_AUTH] = handle_auth,   [REQUEST_PING] = handle_ping,
};

/* A token of what is applied here and not shown yet: another core was faster with showing it. */
static bool is_ahead(const struct core *core, const struct request *request) {
    struct token token;
    return request->op == REQUEST_SUB && request->since.data != NULL && token_parse(request->since, &token) &&
           token.seq > core->seq_shown && token.seq <= core->ledger.seq;
}

/* Who reads after publishing reads what was published: a follower's answer waits until its publications are back. */
static bool must_wait(const struct core *core, const struct session *session, const struct request *request) {
    if (!core->ledger.follows) {
        return false;
    }
    const bool asks = request->op == REQUEST_GET || request->op == REQUEST_SUB || request->op == REQUEST_PING;
    return (session->posted_count > 0 && asks) || is_ahead(core, request);
}

/* Also if it is malformed. */
static bool says_hello(struct span message) {
    struct pack_reader reader = pack_reader_of(pack_find(message, "op"));
    return pack_peek(&reader) == PACK_TEXT && span_is(pack_read_text(&reader), "hello");
}

/* Is one of the patterns below `$demand`? They are not checked yet. */
static bool asks_demand(const struct request *request) {
    struct pack_reader reader = pack_reader_of(request->match);
    size_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 1;
    for (; left > 0; left--) {
        struct span text = pack_read_text(&reader);
        if (text.bytes > 0 && text.data[0] == '$') {
            return true;
        }
    }
    return false;
}

static bool may_be_source(const struct core *core, const struct session *session, const struct request *request) {
    const struct rights *rights;
    return session_verdict(core, session, request, &rights) == AHORA_OK && rights_allow_source(rights, request->source);
}

/* What a follower cannot answer by itself is asked of the ledger first; the message comes again with the answer. True: it waits. */
static bool must_ask(struct core *core, struct session *session, const struct request *request) {
    if (!core->ledger.follows || core->draining) {
        return false;
    }
    if (session->asked != NULL) {
        return true;
    }
    bool enters = request->op == REQUEST_HELLO && !session->greeted && request->source.data != NULL &&
                  source_fault(core, request) == NULL && !session->is_public && may_be_source(core, session, request);
    bool reads = (request->op == REQUEST_SUB || request->op == REQUEST_GET) && session->greeted && asks_demand(request) &&
                 rights_touch_demand(session->rights);
    if (!enters && !reads) {
        return false;
    }
    if (session->is_answered) {
        session->is_answered = false;
        return false;
    }
    bool asked = enters
                     ? follow_enter(core, session, request->source, grace_of(core, request), request->on_lost == ON_LOST_DELETE)
                     : follow_ask(core, session);
    if (!asked) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
    return true;
}

/* How many messages beyond its rate a session may send before it is ended. Each costs it an answer that it has to read. */
#define LIMITED_MAX 1000

/* 0: the message may be worked on, and is counted; else for how long the session has to wait. */
static int64_t take_allowance(struct core *core, struct session *session, size_t bytes) {
    const struct limits *limits = &core->limits;
    const int64_t messages_max = session->is_public ? limits->public_message_rate_max : limits->message_rate_max;
    const int64_t bytes_max = session->is_public ? limits->public_receive_rate_max : limits->receive_rate_max;
    const int64_t left = allowance_left(&session->received, bytes_max, core->mono_ms);
    if (left <= 0) {
        return allowance_take(&session->received, bytes_max, core->mono_ms, (int64_t)bytes);
    }
    const int64_t retry_ms = allowance_take(&session->messages, messages_max, core->mono_ms, 1);
    if (retry_ms == 0) {
        (void)allowance_take(&session->received, bytes_max, core->mono_ms, (int64_t)bytes);
        const bool rested = left >= bytes_max && session->messages.left + 1 >= messages_max;
        session->limited_count = rested ? 0 : session->limited_count;
    }
    return retry_ms;
}

/* It is told when it may go on; one that does not care is ended. */
static bool is_too_fast(struct core *core, struct session *session, int64_t id, size_t bytes) {
    const int64_t retry_ms = take_allowance(core, session, bytes);
    if (retry_ms == 0) {
        return false;
    }
    core->metrics.messages_limited++;
    refuse_for(core, session, id, AHORA_RATE_LIMITED, "this session sends faster than it may", retry_ms);
    if (++session->limited_count > LIMITED_MAX) {
        core->metrics.flooders++;
        session_kick(core, session, AHORA_CLOSE_TOO_MANY, ahora_code_name(AHORA_RATE_LIMITED));
    }
    return true;
}

bool request_handle(struct core *core, struct session *session, struct span message) {
    struct request request;
    const char *detail = NULL;
    enum ahora_code code = request_decode(message, &request, &detail);
    if (code == AHORA_OK && (must_wait(core, session, &request) || session_must_claim(core, session, &request) ||
                             must_ask(core, session, &request))) {
        return false;
    }
    core->metrics.messages_in++;
    if (!session->greeted && (code != AHORA_OK || request.op != REQUEST_HELLO)) {
        const bool is_malformed = code != AHORA_OK && says_hello(message);
        refuse(core, session, request.id, AHORA_BAD_MESSAGE, is_malformed ? detail : "the first message must be a hello");
        session_kick(core, session, AHORA_CLOSE_BAD_MESSAGE, ahora_code_name(AHORA_BAD_MESSAGE));
        return true;
    }
    if (session->encoding != ENCODING_SSE && is_too_fast(core, session, request.id, message.bytes)) {
        return true;
    }
    if (code != AHORA_OK) {
        refuse(core, session, request.id, code, detail);
        return true;
    }
    handlers[request.op](core, session, &request);
    return true;
}
