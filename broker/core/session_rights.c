/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a session may, from its first token to the end of its last:
 *
 *      opened ──hello, token──▶ claiming ──verdict──▶ has rights ──auth, token──▶ claiming ──verdict──▶ has others
 *        │                                                │                                              (what no longer
 *        └── anonymous, or known from the upgrade ────────┘──── they end ───▶ closed, 4401                fits is denied)
 *
 * The core reads no tokens: a message that shows one waits in the session's inbox until the caller has judged it, so what stands behind
 * it waits as well.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/holding.h"
#include "broker/core/narrow.h"
#include "broker/core/state.h"

/* Tokens that one session may show in vain: each costs a signature. */
#define REFUSALS_MAX 3

/* A clock that is set is noticed within so long. */
#define EXPIRY_LOOK_MS 60000

static const char refused_detail[] = "the credentials are not valid";

/* ---- life ---- */

static void forget_claim(struct session *session) {
    uint8_t *token;
    memcpy(&token, &session->token.data, sizeof token);
    free(token);
    session->token = (struct span){0};
    link_remove(&session->claim);
}

void session_rights_fini(struct core *core, struct session *session) {
    forget_claim(session);
    heap_clear(&core->expiries, &session->expiry);
    mask_unref(session->mask);
    rights_unref(session->rights);
    rights_unref(session->verdict);
}

const struct rights *session_rights(const struct session *session) {
    return session->rights;
}

const char *session_principal(const struct session *session) {
    return session->rights == NULL ? session->principal : session->rights->principal;
}

size_t session_subscriptions_max(const struct core *core, const struct session *session) {
    const size_t limit = core->limits.subscriptions_max;
    const int64_t allowed = session->rights == NULL ? -1 : session->rights->max_subs;
    return allowed >= 0 && (size_t)allowed < limit ? (size_t)allowed : limit;
}

struct session *core_next_named(struct core *core) {
    struct link *link = list_pop(&core->named);
    return link == NULL ? NULL : CONTAINER_OF(link, struct session, named);
}

struct session *core_next_session(struct core *core, struct session *after) {
    struct link *link = after == NULL ? core->sessions.next : after->all.next;
    return link == &core->sessions ? NULL : CONTAINER_OF(link, struct session, all);
}

/* ---- having rights ---- */

static bool arm_expiry(struct core *core, struct session *session, int64_t expires_ms) {
    if (expires_ms == INT64_MAX) {
        heap_clear(&core->expiries, &session->expiry);
        return true;
    }
    int64_t wait_ms = expires_ms > core->wall_ms ? expires_ms - core->wall_ms : 0;
    wait_ms = wait_ms < EXPIRY_LOOK_MS ? wait_ms : EXPIRY_LOOK_MS;
    return heap_set(&core->expiries, &session->expiry, core->mono_ms + wait_ms);
}

/* The rights are taken; on failure nothing has changed but that they are given back. */
static bool take_rights(struct core *core, struct session *session, struct rights *rights) {
    struct mask *mask = NULL;
    const bool masks = rights->mask.data != NULL;
    if ((masks && (mask = masks_take(&core->masks, rights->mask)) == NULL) || !arm_expiry(core, session, rights->expires_ms)) {
        mask_unref(mask);
        rights_unref(rights);
        return false;
    }
    mask_unref(session->mask);
    rights_unref(session->rights);
    session->mask = mask;
    session->rights = rights;
    link_remove(&session->named);
    list_append(&core->named, &session->named);
    return true;
}

bool session_grant(struct core *core, struct session *session, struct rights *rights) {
    assert(list_is_empty(&session->subscriptions) && "renewal has more to do");
    return rights == NULL || take_rights(core, session, rights_ref(rights));
}

enum ahora_code session_may_read(const struct core *core, const struct session *session, const struct name *names, size_t count,
                                 const struct where *where, bool near, const char **detail) {
    const struct rights *rights = session->rights;
    if (rights == NULL) {
        return core->controlled ? AHORA_FORBIDDEN : AHORA_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!rights_cover(rights, core->kinds, &names[i])) {
            *detail = "the pattern reaches beyond what may be read";
            return AHORA_FORBIDDEN;
        }
        if (near && !rights_show_place(rights, core->kinds, &names[i])) {
            *detail = "`near` looks at fields that are not shown";
            return AHORA_FORBIDDEN;
        }
    }
    if (!rights_show_where(rights, where)) {
        *detail = "`where` looks at fields that are not shown";
        return AHORA_FORBIDDEN;
    }
    return AHORA_OK;
}

/* ---- the end of rights ---- */

void session_end_rights(struct core *core, struct session *session) {
    if (session->close_code != 0) {
        return;
    }
    session_reply_error(core, session, 0, AHORA_UNAUTHORIZED, refused_detail);
    session_kick(core, session, AHORA_CLOSE_UNAUTHORIZED, ahora_code_name(AHORA_UNAUTHORIZED));
}

void session_expiry_due(struct core *core, struct session *session) {
    if (core->wall_ms < session->rights->expires_ms) {
        const bool set = arm_expiry(core, session, session->rights->expires_ms);
        assert(set && "moving a timer needs no memory");
        (void)set;
        return;
    }
    heap_clear(&core->expiries, &session->expiry);
    core->metrics.sessions_expired++;
    session_end_rights(core, session);
}

/* ---- claiming ---- */

static bool shows_token(const struct session *session, const struct request *request) {
    return request->token.data != NULL &&
           ((request->op == REQUEST_HELLO && !session->greeted) || (request->op == REQUEST_AUTH && session->greeted));
}

bool session_must_claim(struct core *core, struct session *session, const struct request *request) {
    if (!core->controlled || core->draining || session->is_judged || !shows_token(session, request)) {
        return session->is_claiming;
    }
    if (session->is_claiming) {
        return true;
    }
    uint8_t *token = malloc(request->token.bytes + 1);
    if (token == NULL) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
        return true;
    }
    if (request->token.bytes > 0) {
        memcpy(token, request->token.data, request->token.bytes);
    }
    session->token = span_of(token, request->token.bytes);
    session->is_claiming = true;
    list_append(&core->claims, &session->claim);
    return true;
}

struct session *core_next_token(struct core *core, struct span *token) {
    struct link *link = list_pop(&core->claims);
    if (link == NULL) {
        return NULL;
    }
    struct session *session = CONTAINER_OF(link, struct session, claim);
    *token = session->token;
    return session;
}

void session_judge(struct core *core, struct session *session, enum ahora_code code, struct rights *rights) {
    assert(session->is_claiming && (code == AHORA_OK) == (rights != NULL));
    forget_claim(session);
    session->is_claiming = false;
    session->is_judged = true;
    session->verdict = rights;
    session->verdict_code = code;
    if (session->inbox.bytes > 0) {
        session_process_inbox(core, session);
    }
}

enum ahora_code session_verdict(const struct core *core, const struct session *session, const struct request *request,
                                const struct rights **rights) {
    if (session->is_judged && request->token.data != NULL) {
        *rights = session->verdict;
        return session->verdict_code;
    }
    *rights = session->rights;
    return core->controlled && session->rights == NULL ? AHORA_UNAUTHORIZED : AHORA_OK;
}

static void refuse_verdict(struct core *core, struct session *session, int64_t id, enum ahora_code code) {
    if (code == AHORA_UNAUTHORIZED) {
        session_reply_error(core, session, id, code, refused_detail);
        session->refusals++;
    } else {
        session_reply_error(core, session, id, code, "no memory, or too many different sets of fields");
    }
    if (!session->greeted || session->refusals >= REFUSALS_MAX) {
        session_kick(core, session, code == AHORA_UNAUTHORIZED ? AHORA_CLOSE_UNAUTHORIZED : AHORA_CLOSE_TRY_AGAIN_LATER,
                     ahora_code_name(code));
    }
}

/* The verdict is used up. */
static struct rights *pop_verdict(struct session *session) {
    struct rights *rights = session->verdict;
    session->verdict = NULL;
    session->is_judged = false;
    return rights;
}

bool session_take_verdict(struct core *core, struct session *session, const struct request *request) {
    const struct rights *rights;
    enum ahora_code code = session_verdict(core, session, request, &rights);
    if (session->is_judged && request->token.data != NULL) {
        struct rights *own = pop_verdict(session);
        if (code == AHORA_OK && !take_rights(core, session, own)) {
            code = AHORA_OVERLOADED;
        }
    }
    if (code != AHORA_OK) {
        refuse_verdict(core, session, request->id, code);
    }
    return code == AHORA_OK;
}

/* ---- other rights in the middle of a session ---- */

static bool still_fits(const struct core *core, const struct session *session, const struct subscription *subscription,
                       int64_t index) {
    const char *detail;
    if (session->rights->max_subs >= 0 && index >= session->rights->max_subs) {
        return false;
    }
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        const struct view *view = subscription->cursors[i].view;
        const struct where *where = view->narrowed == NULL ? NULL : view->narrowed->where;
        if (session_may_read(core, session, &view->pattern, 1, where, subscription->near, &detail) != AHORA_OK) {
            return false;
        }
    }
    return true;
}

/* Subscriptions that no longer fit, oldest first, out of the session's list. */
static void part_from(struct core *core, struct session *session, struct link *parted) {
    int64_t index = 0;
    list_init(parted);
    for (struct link *link = session->subscriptions.next, *next; link != &session->subscriptions; link = next) {
        next = link->next;
        if (!still_fits(core, session, CONTAINER_OF(link, struct subscription, of_session), index++)) {
            link_remove(link);
            list_append(parted, link);
        }
    }
}

static void end_parted(struct core *core, struct session *session, struct link *parted) {
    bool fits = true;
    for (struct link *link; (link = list_pop(parted)) != NULL;) {
        struct subscription *subscription = CONTAINER_OF(link, struct subscription, of_session);
        fits = fits && holding_deny(core, subscription);
        core->metrics.subscriptions_denied++;
        session_reply_error(core, session, subscription->id, AHORA_FORBIDDEN, "the new token does not cover this subscription");
        subscription_end(core, subscription);
    }
    if (!fits) { /* it cannot be told of each, so it must forget all */
        session_kick(core, session, AHORA_CLOSE_FORBIDDEN, ahora_code_name(AHORA_FORBIDDEN));
    }
}

/* Slower than before, where the new rights want that. False: no memory. */
static bool slow_down(struct core *core, struct session *session, struct subscription *subscription) {
    if (subscription->every_ms >= session->rights->every_ms) {
        return true;
    }
    core_uncount_interest(core, subscription);
    subscription->every_ms = session->rights->every_ms;
    subscription->paced = true;
    return core_count_interest(core, subscription);
}

/* What goes on does so as it was, unless other fields are shown, or it has to be slower: then anew. */
static void adapt(struct core *core, struct session *session, bool fields_differ) {
    bool fine = true;
    for (struct link *link = session->subscriptions.next; link != &session->subscriptions && fine; link = link->next) {
        struct subscription *subscription = CONTAINER_OF(link, struct subscription, of_session);
        const bool is_slower = subscription->every_ms < session->rights->every_ms;
        fine = slow_down(core, session, subscription);
        if (fine && (fields_differ || is_slower)) {
            subscription_restart(core, subscription);
        }
    }
    if (!fine) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
}

void session_renew(struct core *core, struct session *session, const struct request *request) {
    const struct rights *rights;
    if (session_verdict(core, session, request, &rights) == AHORA_OK && session->rights != NULL &&
        strcmp(rights->principal, session->rights->principal) != 0) {
        rights_unref(pop_verdict(session));
        session_reply_error(core, session, request->id, AHORA_FORBIDDEN, "the new token is of another subject");
        return;
    }
    struct mask *mask_before = session->mask;
    if (mask_before != NULL) {
        mask_before->refs++; /* it stays for a moment, so that no other can stand in its place */
    }
    if (session_take_verdict(core, session, request)) {
        struct link parted;
        const struct reply reply = {.op = REPLY_OK, .id = request->id};
        assert(session->slices == NULL && "slices live within the end of a turn");
        session_reply(core, session, &reply);
        part_from(core, session, &parted);
        end_parted(core, session, &parted);
        adapt(core, session, session->mask != mask_before);
        core->metrics.renewals++;
    }
    mask_unref(mask_before);
}
