/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/inquiry.h"

#include "broker/net/broker.h"
#include "broker/net/reload.h"
#include "broker/net/session_report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of 1,000 sessions with 32 patterns each. */
#define TEXT_BYTES_MAX ((size_t)16 << 20)

/* ---- life ---- */

void inquiries_init(struct inquiries *inquiries) {
    pthread_mutex_init(&inquiries->mutex, NULL);
    list_init(&inquiries->all);
}

void inquiries_fini(struct inquiries *inquiries) {
    for (struct link *link; (link = list_pop(&inquiries->all)) != NULL;) {
        inquiry_destroy(CONTAINER_OF(link, struct inquiry, link));
    }
    pthread_mutex_destroy(&inquiries->mutex);
}

struct inquiry *inquiry_create(enum inquiry_kind kind) {
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (inquiry != NULL) {
        inquiry->kind = kind;
        inquiry->limit = INQUIRY_LIMIT_MAX;
        buffer_init(&inquiry->text, TEXT_BYTES_MAX);
    }
    return inquiry;
}

void inquiry_destroy(struct inquiry *inquiry) {
    buffer_fini(&inquiry->text);
    free(inquiry->items);
    free(inquiry);
}

bool inquiry_ask(struct broker *broker, struct inquiry *inquiry, struct exchange *exchange) {
    struct shards *shards = broker->shards;
    struct inquiries *inquiries = &shards->inquiries;
    inquiry->asker = broker;
    inquiry->exchange = exchange;
    inquiry->left = shards->count;
    pthread_mutex_lock(&inquiries->mutex);
    const bool fits = inquiries->count < INQUIRIES_MAX;
    if (fits) {
        inquiries->count++;
        list_append(&inquiries->all, &inquiry->link);
        atomic_store(&inquiries->under_way, inquiries->count);
    }
    pthread_mutex_unlock(&inquiries->mutex);
    if (!fits) {
        inquiry_destroy(inquiry);
        return false;
    }
    broker->loop.dirty = true;
    for (size_t i = 0; i < shards->count; i++) {
        if (i != broker->index) {
            uv_async_send(&shards->brokers[i]->loop.wake);
        }
    }
    return true;
}

void inquiry_forget(struct broker *broker, const struct exchange *exchange) {
    struct inquiries *inquiries = &broker->shards->inquiries;
    pthread_mutex_lock(&inquiries->mutex);
    for (struct link *link = inquiries->all.next; link != &inquiries->all; link = link->next) {
        struct inquiry *inquiry = CONTAINER_OF(link, struct inquiry, link);
        inquiry->exchange = inquiry->exchange == exchange ? NULL : inquiry->exchange;
    }
    pthread_mutex_unlock(&inquiries->mutex);
}

/* ---- serving ---- */

static bool add_item(struct inquiry *inquiry, struct inquiry_item item) {
    if (inquiry->item_count == inquiry->item_capacity) {
        size_t capacity = inquiry->item_capacity == 0 ? 64 : 2 * inquiry->item_capacity;
        struct inquiry_item *items = realloc(inquiry->items, capacity * sizeof *items);
        if (items == NULL) {
            inquiry->failed = true;
            return false;
        }
        inquiry->items = items;
        inquiry->item_capacity = capacity;
    }
    inquiry->items[inquiry->item_count++] = item;
    return true;
}

static void report(struct broker *broker, struct inquiry *inquiry, const struct session *session, uint64_t order) {
    struct inquiry_item item = {.order = order, .at = inquiry->text.bytes};
    session_report_put(broker, session, &inquiry->text);
    item.bytes = inquiry->text.bytes - item.at;
    inquiry->failed |= inquiry->text.failed;
    (void)add_item(inquiry, item);
}

/* One more than are wanted, from each shard: so it is known whether there are more. */
static void serve_sessions(struct broker *broker, struct inquiry *inquiry) {
    size_t left = inquiry->limit + 1;
    struct session *session = NULL;
    while (left > 0 && (session = core_next_session(broker->core, session)) != NULL) {
        struct session_facts facts;
        session_facts(broker->core, session, &facts);
        if (facts.number > inquiry->after && session_report_selects(session, &facts, &inquiry->filter)) {
            report(broker, inquiry, session, facts.number);
            left--;
        }
    }
}

/* Choked ones first, then by how far they are behind: a small order comes first. */
static uint64_t slowness(const struct session_facts *facts) {
    const uint64_t behind = (uint64_t)facts->behind < (UINT64_C(1) << 53) ? (uint64_t)facts->behind : (UINT64_C(1) << 53);
    const uint64_t score =
        (facts->choked ? UINT64_C(1) << 62 : 0) + behind * 256 + (facts->skipped < 255 ? facts->skipped : 255);
    return UINT64_MAX - score;
}

struct slow {
    struct session *session;
    uint64_t order;
};

static int by_slowness(const void *a, const void *b) {
    const struct slow *left = a;
    const struct slow *right = b;
    return (left->order > right->order) - (left->order < right->order);
}

static void serve_slowest(struct broker *broker, struct inquiry *inquiry) {
    const size_t all = core_session_count(broker->core);
    struct slow *slow = calloc(all + 1, sizeof *slow);
    size_t count = 0;
    struct session *session = NULL;
    if (slow == NULL) {
        inquiry->failed = true;
        return;
    }
    while (count < all && (session = core_next_session(broker->core, session)) != NULL) {
        struct session_facts facts;
        session_facts(broker->core, session, &facts);
        if (session_report_selects(session, &facts, &inquiry->filter)) {
            slow[count++] = (struct slow){session, slowness(&facts)};
        }
    }
    qsort(slow, count, sizeof *slow, by_slowness);
    for (size_t i = 0; i < count && i <= inquiry->limit; i++) {
        report(broker, inquiry, slow[i].session, slow[i].order);
    }
    free(slow);
}

static void serve_disconnect(struct broker *broker, struct inquiry *inquiry) {
    struct session *session = NULL;
    while ((session = core_next_session(broker->core, session)) != NULL) {
        struct session_facts facts;
        session_facts(broker->core, session, &facts);
        if (!session_is_kicked(session) && session_report_selects(session, &facts, &inquiry->filter)) {
            const int64_t slot_ms = gate_slot_ms(broker);
            session_dismiss(broker->core, session, "disconnected", inquiry->retry_ms < 0 ? slot_ms : inquiry->retry_ms);
            inquiry->count++;
        }
    }
}

static void serve(struct broker *broker, struct inquiry *inquiry) {
    switch (inquiry->kind) {
    case INQUIRY_SESSIONS:
        serve_sessions(broker, inquiry);
        return;
    case INQUIRY_SLOWEST:
        serve_slowest(broker, inquiry);
        return;
    case INQUIRY_DISCONNECT:
        serve_disconnect(broker, inquiry);
        return;
    case INQUIRY_RELOAD:
        if (broker->index == 0) {
            reload_now(broker, &inquiry->text);
        }
        return;
    }
}

/* On the asker's thread, without the mutex. */
static void finish(struct broker *broker, struct inquiry *inquiry) {
    (void)broker;
    if (inquiry->exchange != NULL && inquiry->on_done != NULL) {
        inquiry->on_done(inquiry->exchange, inquiry);
    }
    inquiry_destroy(inquiry);
}

/* The next that all have served and this shard has asked, taken out; NULL: none. */
static struct inquiry *take_done(struct broker *broker) {
    struct inquiries *inquiries = &broker->shards->inquiries;
    for (struct link *link = inquiries->all.next; link != &inquiries->all; link = link->next) {
        struct inquiry *inquiry = CONTAINER_OF(link, struct inquiry, link);
        if (inquiry->left == 0 && inquiry->asker == broker) {
            link_remove(link);
            inquiries->count--;
            atomic_store(&inquiries->under_way, inquiries->count);
            return inquiry;
        }
    }
    return NULL;
}

static void serve_all(struct broker *broker) {
    struct inquiries *inquiries = &broker->shards->inquiries;
    for (struct link *link = inquiries->all.next; link != &inquiries->all; link = link->next) {
        struct inquiry *inquiry = CONTAINER_OF(link, struct inquiry, link);
        if (inquiry->is_served[broker->index]) {
            continue;
        }
        inquiry->is_served[broker->index] = true;
        serve(broker, inquiry);
        if (--inquiry->left == 0 && inquiry->asker != broker) {
            uv_async_send(&inquiry->asker->loop.wake);
        }
    }
}

void inquiries_serve(struct broker *broker) {
    struct inquiries *inquiries = &broker->shards->inquiries;
    if (atomic_load_explicit(&inquiries->under_way, memory_order_acquire) == 0) {
        return;
    }
    pthread_mutex_lock(&inquiries->mutex);
    serve_all(broker);
    for (struct inquiry *done; (done = take_done(broker)) != NULL;) {
        pthread_mutex_unlock(&inquiries->mutex);
        finish(broker, done);
        pthread_mutex_lock(&inquiries->mutex);
    }
    pthread_mutex_unlock(&inquiries->mutex);
}

/* ---- the answer ---- */

static int by_order(const void *a, const void *b) {
    const struct inquiry_item *left = a;
    const struct inquiry_item *right = b;
    return (left->order > right->order) - (left->order < right->order);
}

bool inquiry_sort(struct inquiry *inquiry) {
    if (inquiry->item_count > 1) {
        qsort(inquiry->items, inquiry->item_count, sizeof *inquiry->items, by_order);
    }
    const bool more = inquiry->item_count > inquiry->limit;
    inquiry->item_count = more ? inquiry->limit : inquiry->item_count;
    return more;
}
