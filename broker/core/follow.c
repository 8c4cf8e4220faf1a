/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/follow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/ledger_internal.h"
#include "broker/core/state.h"

struct batch {
    struct link link; /* in core->batches, oldest first */
    size_t count;
    uint32_t away; /* followers that have not given it back */
    struct change *changes;
};

size_t batch_change_count(const struct batch *batch) {
    return batch->count;
}

/* ---- the first core: giving ---- */

/* The changes are the batch's from now on. A topic's path must outlive it, though the topic may be forgotten meanwhile. */
static struct batch *batch_create(struct core *core, struct change *changes, size_t count) {
    struct batch *batch = malloc(sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    *batch = (struct batch){.count = count, .away = core->follower_count, .changes = changes};
    for (size_t i = 0; i < count; i++) {
        ledger_pin(changes[i].topic);
    }
    list_append(&core->batches, &batch->link);
    return batch;
}

static void batch_destroy(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        ledger_unpin(batch->changes[i].topic);
        change_release(&batch->changes[i]);
    }
    link_remove(&batch->link);
    free(batch->changes);
    free(batch);
}

void follow_batch_turn(struct core *core) {
    struct ledger *ledger = &core->ledger;
    assert(core->batch_ready == NULL && "every batch is taken before the next turn");
    core->batch_ready = batch_create(core, ledger->changes, ledger->change_count);
    assert(core->batch_ready != NULL && "memory ran out with followers behind: stop, the journal has everything");
    ledger->changes = NULL;
    ledger->change_count = 0;
    ledger->change_capacity = 0;
}

struct batch *core_take_batch(struct core *core) {
    struct batch *batch = core->batch_ready;
    core->batch_ready = NULL;
    return batch;
}

bool core_has_batches_away(const struct core *core) {
    return !list_is_empty(&core->batches);
}

/* Followers give batches back in order, so the oldest is complete first. */
void core_return_batch(struct core *core, struct batch *batch) {
    assert(batch->away > 0);
    if (--batch->away > 0) {
        return;
    }
    assert(core->batches.next == &batch->link);
    batch_destroy(batch);
}

/* Mail whose answer nobody fetched. */
static void drop_served(struct link *tickets) {
    for (struct link *link = tickets->next, *next; link != tickets; link = next) {
        next = link->next;
        struct ticket *ticket = CONTAINER_OF(link, struct ticket, link);
        if (ticket->kind == TICKET_OF_MAIL) {
            link_remove(link);
            mail_destroy(ticket->owner);
        }
    }
}

static void drop_mails(struct link *mails) {
    for (struct link *link; (link = list_pop(mails)) != NULL;) {
        mail_destroy(CONTAINER_OF(link, struct mail, link));
    }
}

void follow_fini(struct core *core) {
    drop_served(&core->tickets_turn);
    drop_served(&core->tickets_durable);
    drop_mails(&core->mails);
    drop_mails(&core->served);
    while (!list_is_empty(&core->batches)) {
        batch_destroy(CONTAINER_OF(core->batches.next, struct batch, link));
    }
    free(core->feed.values);
    core->feed = (struct tree_found){0};
}

/* ---- the first core: the feed ---- */

static int by_seq(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

static bool collect_feed(struct core *core) {
    tree_select_all(&core->ledger.tree, &core->feed);
    if (!core->feed.failed && core->feed.count > 1) {
        qsort(core->feed.values, core->feed.count, sizeof *core->feed.values, by_seq);
    }
    core->is_feeding = true;
    return !core->feed.failed;
}

static struct change change_of_topic(struct topic *topic) {
    return (struct change){
        .topic = topic,
        .document = topic_is_removed(topic) ? NULL : document_ref(topic->document),
        .seq = topic->seq,
        .at = topic->at,
        .op = topic_is_removed(topic) ? CHANGE_DELETE : CHANGE_SET,
        .why = (enum ahora_why)topic->why,
        .stale = topic->stale,
    };
}

enum result core_take_feed(struct core *core, size_t count_max, struct batch **batch) {
    *batch = NULL;
    if (!core->is_feeding && !collect_feed(core)) {
        return RESULT_NO_MEMORY;
    }
    size_t left = core->feed.count - core->fed;
    size_t count = left < count_max ? left : count_max;
    struct change *changes = count == 0 ? NULL : calloc(count, sizeof *changes);
    if (changes == NULL) {
        free(core->feed.values);
        core->feed = (struct tree_found){0};
        core->fed = 0;
        return count == 0 ? RESULT_OK : RESULT_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        changes[i] = change_of_topic(core->feed.values[core->fed + i]);
    }
    *batch = batch_create(core, changes, count);
    if (*batch == NULL) {
        for (size_t i = 0; i < count; i++) {
            change_release(&changes[i]);
        }
        free(changes);
        return RESULT_NO_MEMORY;
    }
    core->fed += count;
    return RESULT_OK;
}

/* ---- a follower: taking ---- */

static struct topic *own_topic(struct ledger *ledger, const struct change *theirs) {
    struct span path = topic_path(theirs->topic);
    struct topic *topic = ledger_find(ledger, path);
    if (topic != NULL) {
        return topic;
    }
    struct name name;
    enum ahora_code code = name_parse_held(path, &name, NULL);
    assert(code == AHORA_OK && "the ledger holds legal topics");
    (void)code;
    return topic_create(ledger, &name, theirs->topic->kind);
}

/* False: no memory. */
static bool follow(struct ledger *ledger, const struct change *theirs) {
    assert(theirs->seq > ledger->seq);
    struct topic *topic = own_topic(ledger, theirs);
    if (topic == NULL || !ledger_reserve_change(ledger)) {
        return false;
    }
    topic_hold(ledger, topic, theirs->document);
    topic->seq = theirs->seq;
    topic->seq_before = theirs->seq_before;
    topic->seq_created = theirs->seq_before == 0 ? theirs->seq : topic->seq_created;
    topic->at = theirs->at;
    topic->why = (uint8_t)theirs->why;
    topic_mark(ledger, topic, theirs->stale);
    ledger_note_removal(ledger, topic);
    struct change *change = &ledger->changes[ledger->change_count++];
    *change = *theirs;
    change->topic = topic;
    ledger->seq = theirs->seq;
    return true;
}

void core_follow(struct core *core, const struct batch *batch) {
    assert(core->ledger.follows);
    for (size_t i = 0; i < batch->count; i++) {
        bool followed = follow(&core->ledger, &batch->changes[i]);
        assert(followed && "memory ran out with a batch half taken: stop, the journal has everything");
        (void)followed;
    }
    core->seq_stored = core->ledger.seq;
}

void core_followed_all(struct core *core, const char *epoch, int64_t seq, int64_t seq_floor) {
    assert(core->ledger.follows && core->ledger.change_count == 0 && seq >= core->ledger.seq);
    (void)snprintf(core->epoch, sizeof core->epoch, "%s", epoch);
    core->ledger.seq_floor = seq_floor;
    core->ledger.seq = seq; /* the newest change may have been a removal that is forgotten */
    core->seq_stored = seq;
    core->seq_shown = seq;
}

/* ---- a follower: mail ---- */

static const struct span nothing = {(const uint8_t *)"", 0};

/* `principal`: with its end, or nothing. */
static struct mail *mail_create(enum mail_kind kind, struct span principal, struct span source, struct span changes) {
    size_t bytes = sizeof(struct mail) + principal.bytes + source.bytes + changes.bytes;
    struct mail *mail = malloc(bytes);
    if (mail == NULL) {
        return NULL;
    }
    uint8_t *at = mail->data;
    *mail = (struct mail){.counted = bytes, .kind = kind, .principal = (const char *)at};
    memcpy(at, principal.data, principal.bytes);
    at += principal.bytes;
    if (source.data != NULL) {
        memcpy(at, source.data, source.bytes);
        mail->source = span_of(at, source.bytes);
        at += source.bytes;
    }
    memcpy(at, changes.data, changes.bytes);
    mail->changes = span_of(at, changes.bytes);
    return mail;
}

void mail_destroy(struct mail *mail) {
    if (mail->ticket != NULL) {
        mail->ticket->mail = NULL;
    }
    if (mail->session != NULL) {
        mail->session->asked = NULL;
    }
    if (mail->leave != NULL) {
        mail_destroy(mail->leave);
    }
    buffer_fini(&mail->results);
    free(mail);
}

static void post(struct core *core, struct mail *mail) {
    core->mail_bytes += mail->counted;
    list_append(&core->mails, &mail->link);
}

bool follow_post(struct core *core, const struct publish *publish, struct ticket *ticket) {
    const struct span principal = span_of(publish->principal, strlen(publish->principal) + 1);
    struct mail *mail = mail_create(MAIL_PUBLISH, principal, publish->source, publish->changes);
    if (mail == NULL) {
        return false;
    }
    mail->ack = publish->ack;
    mail->atomic = publish->atomic;
    mail->change_count = publish->change_count;
    if (publish->denied != NULL) {
        mail->has_denied = true;
        memcpy(mail->denied, publish->denied, sizeof mail->denied);
    }
    mail->ticket = ticket;
    ticket->mail = mail;
    post(core, mail);
    return true;
}

static void wait_for(struct core *core, struct session *session, struct mail *mail) {
    assert(session->asked == NULL);
    mail->session = session;
    session->asked = mail;
    session->posted_count++;
    post(core, mail);
}

bool follow_enter(struct core *core, struct session *session, struct span source, int64_t grace_ms, bool deletes) {
    struct mail *mail = mail_create(MAIL_ENTER, nothing, source, nothing);
    struct mail *leave = mail == NULL ? NULL : mail_create(MAIL_LEAVE, nothing, source, nothing);
    if (leave == NULL) {
        free(mail);
        return false;
    }
    mail->grace_ms = grace_ms;
    mail->deletes = deletes;
    mail->leave = leave; /* now, so that to leave needs no memory */
    wait_for(core, session, mail);
    return true;
}

bool follow_ask(struct core *core, struct session *session) {
    struct mail *mail = mail_create(MAIL_ASK, nothing, (struct span){0}, nothing);
    if (mail == NULL) {
        return false;
    }
    if (session == NULL) {
        post(core, mail);
    } else {
        wait_for(core, session, mail);
    }
    return true;
}

void follow_leave(struct core *core, struct session *session) {
    if (session->asked != NULL) {
        session->asked->session = NULL; /* should the ledger let it in, it leaves at once */
        session->asked = NULL;
    }
    if (session->leave != NULL) {
        post(core, session->leave);
        session->leave = NULL;
    }
    source_unref(&core->ledger.sources, session->source);
}

static bool report(struct core *core, struct span pattern, uint64_t subscribers, int64_t every_ms) {
    struct mail *mail = mail_create(MAIL_INTEREST, nothing, (struct span){0}, pattern);
    if (mail == NULL) {
        core->metrics.demand_unreported++;
        return false;
    }
    mail->subscribers = subscribers;
    mail->every_ms = every_ms;
    post(core, mail);
    return true;
}

/* However often a pattern changes, it is reported once a turn, and not while too much is on its way. */
void follow_report(struct core *core) {
    struct interest_count count;
    if (core->demand_reported != core->demand_followers && report(core, nothing, core->demand_followers, 0)) {
        core->demand_reported = core->demand_followers;
    }
    while (core_wants_changes(core) && interests_next(&core->interests, &count)) {
        (void)report(core, count.pattern, count.subscribers, count.every_ms);
    }
}

struct mail *core_next_mail(struct core *core) {
    struct link *link = list_pop(&core->mails);
    return link == NULL ? NULL : CONTAINER_OF(link, struct mail, link);
}

/* The session's message goes on; or it is gone, and the source it brought leaves again. */
static void take_answer(struct core *core, struct mail *mail) {
    struct session *session = mail->session;
    bool entered = mail->kind == MAIL_ENTER && mail->code == AHORA_OK;
    if (session == NULL) {
        if (entered) {
            post(core, mail->leave);
            mail->leave = NULL;
        }
        return;
    }
    if (entered) {
        session->leave = mail->leave;
        mail->leave = NULL;
    }
    session->answer = mail->code;
    session->is_answered = true;
    session->posted_count--;
    if (session->inbox.bytes > 0 && !link_is_listed(&session->stalled_input)) {
        list_append(&core->inputs, &session->stalled_input);
    }
}

void core_mail_back(struct core *core, struct mail *mail) {
    assert(core->mail_bytes >= mail->counted);
    core->mail_bytes -= mail->counted;
    if (mail->ticket != NULL) {
        core_answer_ticket(core, mail->ticket, buffer_span(&mail->results));
    }
    if (mail->kind == MAIL_ENTER || mail->kind == MAIL_ASK) {
        take_answer(core, mail);
    }
    mail_destroy(mail);
}

/* ---- the first core: mail ---- */

static void serve_publish(struct core *core, struct mail *mail) {
    const struct publish publish = {
        .principal = mail->principal,
        .source = mail->source,
        .changes = mail->changes,
        .change_count = mail->change_count,
        .atomic = mail->atomic,
        .ack = mail->ack,
        .denied = mail->has_denied ? mail->denied : NULL,
    };
    buffer_init(&mail->results, AHORA_CHANGES_MAX * LEDGER_RESULT_BYTES_MAX + 16);
    core_apply(core, &publish, &mail->results, &mail->served);
}

/* Sessions at followers are counted by name: each that was let in leaves once. */
static void serve_enter(struct core *core, struct mail *mail) {
    struct source *source;
    mail->code =
        sources_enter(&core->ledger.sources, core->limits.sources_max, mail->source, mail->grace_ms, mail->deletes, &source);
    list_append(&core->served, &mail->link);
}

static void serve_leave(struct core *core, struct mail *mail) {
    struct source *source = sources_take(&core->ledger.sources, mail->source);
    assert(source != NULL && "it entered, so it is known");
    source_unref(&core->ledger.sources, source);
    source_leave(&core->ledger.sources, source, core->mono_ms);
    list_append(&core->served, &mail->link);
}

static void serve_interest(struct core *core, struct mail *mail) {
    const struct interest_count count = {mail->changes, mail->subscribers, mail->every_ms};
    if (mail->changes.bytes == 0) {
        demand_note_askers(&core->demand, mail->from, (size_t)mail->subscribers);
    } else {
        core->metrics.demand_unreported += !demand_report(&core->demand, mail->from, &count);
    }
    list_append(&core->served, &mail->link);
}

static void serve_ask(struct core *core, struct mail *mail) {
    if (!core->draining) {
        core_ask_demand(core);
    }
    mail->served.seq = core->ledger.seq;
    mail->served.waiting = true;
    list_append(&core->tickets_turn, &mail->served.link);
}

void core_serve(struct core *core, struct mail *mail) {
    static void (*const serve[])(struct core * core, struct mail * mail) = {
        [MAIL_PUBLISH] = serve_publish,   [MAIL_ENTER] = serve_enter, [MAIL_LEAVE] = serve_leave,
        [MAIL_INTEREST] = serve_interest, [MAIL_ASK] = serve_ask,
    };
    mail->served = (struct ticket){.kind = TICKET_OF_MAIL, .owner = mail};
    serve[mail->kind](core, mail);
}

struct mail *core_next_served(struct core *core) {
    struct link *link = list_pop(&core->served);
    return link == NULL ? NULL : CONTAINER_OF(link, struct mail, link);
}
