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
    topic->at = theirs->at;
    topic->why = (uint8_t)theirs->why;
    topic->stale = theirs->stale;
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

static struct mail *mail_create(const struct publish *publish) {
    size_t principal_bytes = strlen(publish->principal) + 1;
    struct mail *mail = malloc(sizeof *mail + principal_bytes + publish->changes.bytes);
    if (mail == NULL) {
        return NULL;
    }
    *mail = (struct mail){
        .counted = sizeof *mail + principal_bytes + publish->changes.bytes,
        .ack = publish->ack,
        .atomic = publish->atomic,
        .change_count = publish->change_count,
        .principal = (const char *)mail->data,
        .changes = span_of(mail->data + principal_bytes, publish->changes.bytes),
    };
    memcpy(mail->data, publish->principal, principal_bytes);
    memcpy(mail->data + principal_bytes, publish->changes.data, publish->changes.bytes);
    return mail;
}

void mail_destroy(struct mail *mail) {
    if (mail->ticket != NULL) {
        mail->ticket->mail = NULL;
    }
    buffer_fini(&mail->results);
    free(mail);
}

bool follow_post(struct core *core, const struct publish *publish, struct ticket *ticket) {
    struct mail *mail = mail_create(publish);
    if (mail == NULL) {
        return false;
    }
    mail->ticket = ticket;
    ticket->mail = mail;
    core->mail_bytes += mail->counted;
    list_append(&core->mails, &mail->link);
    return true;
}

struct mail *core_next_mail(struct core *core) {
    struct link *link = list_pop(&core->mails);
    return link == NULL ? NULL : CONTAINER_OF(link, struct mail, link);
}

void core_mail_back(struct core *core, struct mail *mail) {
    assert(core->mail_bytes >= mail->counted);
    core->mail_bytes -= mail->counted;
    if (mail->ticket != NULL) {
        core_answer_ticket(core, mail->ticket, buffer_span(&mail->results));
    }
    mail_destroy(mail);
}

/* ---- the first core: mail ---- */

void core_serve(struct core *core, struct mail *mail) {
    struct publish publish = {mail->principal, mail->changes, mail->change_count, mail->atomic, mail->ack};
    buffer_init(&mail->results, AHORA_CHANGES_MAX * LEDGER_RESULT_BYTES_MAX + 16);
    mail->served = (struct ticket){.kind = TICKET_OF_MAIL, .owner = mail};
    core_apply(core, &publish, &mail->results, &mail->served);
}

struct mail *core_next_served(struct core *core) {
    struct link *link = list_pop(&core->served);
    return link == NULL ? NULL : CONTAINER_OF(link, struct mail, link);
}
