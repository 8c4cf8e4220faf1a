/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a session follows: `sub`, `unsub` and `move`. */
#include <assert.h>
#include <string.h>

#include "broker/core/near.h"
#include "broker/core/request.h"
#include "broker/core/scope.h"
#include "broker/core/state.h"

static enum ahora_code take_view(struct core *core, const struct scope *scope, const struct name *name, struct view **view) {
    if (scope->where == NULL && !scope->near) {
        return views_take(&core->views, name, view);
    }
    return narrow_take(&core->views, name, scope->where, scope->near ? &scope->circle : NULL, view);
}

static enum ahora_code take_views(struct core *core, struct subscription *subscription, struct scope *scope) {
    const uint64_t visited_before = core->views.visited;
    enum ahora_code code = AHORA_OK;
    for (size_t i = 0; i < scope->count && code == AHORA_OK; i++) {
        struct view *view = NULL;
        code = take_view(core, scope, &scope->names[i], &view);
        if (code == AHORA_OK) {
            subscription_add_view(subscription, view);
        }
    }
    if (code == AHORA_TOO_MANY) {
        scope->detail =
            "too many topics in one view, or too many different `where` of a pattern that only say what must not be";
    }
    core->work += scope->count + (core->views.visited - visited_before);
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
    if (subscription_find(core, session, request->id) != NULL) {
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
    if (session->subscription_count >= session_subscriptions_max(core, session)) {
        *detail = "too many subscriptions in one session";
        return AHORA_TOO_MANY;
    }
    if (request->near.data != NULL && session->near_count >= core->limits.nears_max) {
        *detail = "too many subscriptions with `near` in one session";
        return AHORA_TOO_MANY;
    }
    return AHORA_OK;
}

static enum ahora_code subscribe(struct core *core, struct session *session, const struct request *request,
                                 struct scope *scope) {
    if (scope->near && scope->circle.limit > 0 &&
        scope->count > 1) { /* the nearest of each pattern are not the nearest of all */
        request_fault_set(&scope->fault, "`limit` goes with one pattern only", "near", (struct span){0}, "limit");
        return AHORA_INVALID;
    }
    struct subscription *subscription = subscription_create(core, session, request->id, request->every_ms, scope->count);
    if (subscription == NULL) {
        return AHORA_OVERLOADED;
    }
    if (session->cursor_count + scope->count > core->limits.session_views_max) {
        scope->detail = "too many patterns in all subscriptions of one session";
        subscription_destroy(core, subscription);
        return AHORA_TOO_MANY;
    }
    subscription->near = scope->near;
    session->near_count += scope->near;
    core_wake_demand(core, scope->names, scope->count);
    enum ahora_code code = take_views(core, subscription, scope);
    if (code == AHORA_OK && !core_count_interest(core, subscription)) {
        code = AHORA_OVERLOADED;
    }
    if (code != AHORA_OK) {
        subscription_destroy(core, subscription);
        return code;
    }
    begin(core, session, subscription, request);
    return AHORA_OK;
}

void request_handle_sub(struct core *core, struct session *session, const struct request *request) {
    struct scope scope;
    scope_init(&scope);
    enum ahora_code code = check_sub(core, session, request, &scope.detail);
    if (code == AHORA_OK) {
        code = scope_read(&scope, core, session, request);
    }
    if (code == AHORA_OK) {
        code = subscribe(core, session, request, &scope);
    }
    if (code != AHORA_OK) {
        scope_refuse(&scope, core, session, request->id, code);
    }
    scope_fini(&scope);
}

void request_handle_unsub(struct core *core, struct session *session, const struct request *request) {
    struct subscription *subscription = subscription_find(core, session, request->id);
    if (subscription == NULL) {
        session_reply_error(core, session, request->id, AHORA_NOT_FOUND, "no subscription has this `id`");
        return;
    }
    assert(session->slices == NULL && "slices live within the end of a turn");
    subscription_end(core, subscription);
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

void request_handle_move(struct core *core, struct session *session, const struct request *request) {
    struct subscription *subscription = subscription_find(core, session, request->id);
    if (subscription == NULL) {
        session_reply_error(core, session, request->id, AHORA_NOT_FOUND, "no subscription has this `id`");
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
