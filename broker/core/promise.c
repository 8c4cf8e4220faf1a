/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Promises: a document is fresh for fresh_ms after its last write, and gone after expire_ms. What the ledger changes by itself
 * when that time is over, or when a source is lost, is a change like any other: it takes a seq, a record and a place in the
 * views. So resume, conflation, restart and whoever follows need nothing special.
 *
 * One timer for a topic, for the earlier of the two. A write that renews the promise does not move the timer: it may fire too
 * early, is then looked at and set anew. So a write costs O(1), and each topic one look per promise, O(log n).
 *
 * The work of a call is bounded. What is left waits, and so does everything while the store is full: counted, never dropped.
 */
#include <assert.h>

#include "broker/core/ledger_internal.h"

#define NEVER INT64_MAX

/* ---- one topic's promise ---- */

static const struct kind_promise *promise_of(const struct ledger *ledger, const struct kind *kind) {
    for (size_t i = 0; i < ledger->limits->kind_promise_count; i++) {
        if (strcmp(ledger->limits->kind_promises[i].name, kind->name) == 0) {
            return &ledger->limits->kind_promises[i];
        }
    }
    return NULL;
}

/* What the topic's last write said, else what the operator, else what the kind says. 0: for ever. */
static int64_t fresh_ms_of(const struct ledger *ledger, const struct topic *topic) {
    const struct kind_promise *promise = promise_of(ledger, topic->kind);
    return topic->fresh_ms >= 0                        ? topic->fresh_ms
           : promise != NULL && promise->fresh_ms >= 0 ? promise->fresh_ms
                                                       : topic->kind->fresh_ms;
}

static int64_t expire_ms_of(const struct ledger *ledger, const struct topic *topic) {
    const struct kind_promise *promise = promise_of(ledger, topic->kind);
    return topic->expire_ms >= 0                        ? topic->expire_ms
           : promise != NULL && promise->expire_ms >= 0 ? promise->expire_ms
                                                        : topic->kind->expire_ms;
}

static int64_t after(int64_t accepted_ms, int64_t span_ms) {
    int64_t due = NEVER;
    return span_ms == 0 || __builtin_add_overflow(accepted_ms, span_ms, &due) ? NEVER : due;
}

static int64_t expires_ms(const struct ledger *ledger, const struct topic *topic) {
    return after(topic->accepted_ms, expire_ms_of(ledger, topic));
}

static int64_t due_ms(const struct ledger *ledger, const struct topic *topic) {
    if (topic_is_removed(topic)) {
        return NEVER;
    }
    int64_t expires = expires_ms(ledger, topic);
    int64_t stale = topic->stale ? NEVER : after(topic->accepted_ms, fresh_ms_of(ledger, topic));
    return stale < expires ? stale : expires;
}

bool promise_renew(struct ledger *ledger, struct topic *topic) {
    int64_t due = due_ms(ledger, topic);
    if (due == NEVER) {
        heap_clear(&ledger->promises, &topic->promise);
        return true;
    }
    if (timer_is_set(&topic->promise) && topic->promise.due <= due) {
        return true;
    }
    return heap_set(&ledger->promises, &topic->promise, due);
}

/* Is there room for one more record of the topic? If not, everything due waits a little. */
static bool has_room(struct ledger *ledger, const struct topic *topic) {
    return own_has_room(ledger, topic->path_bytes, topic->source == NULL ? 0 : topic->source->bytes, topic->document->bytes);
}

/* ---- what is due ---- */

/* The topic whose timer is due. False: no room. */
static bool look_at_promise(struct ledger *ledger, struct topic *topic) {
    int64_t due = due_ms(ledger, topic);
    if (due > ledger->mono_ms) { /* it was renewed */
        heap_clear(&ledger->promises, &topic->promise);
        bool set = promise_renew(ledger, topic);
        assert(set && "it was in the heap");
        (void)set;
        return true;
    }
    if (!has_room(ledger, topic)) {
        return false;
    }
    if (expires_ms(ledger, topic) <= ledger->mono_ms) {
        own_remove(ledger, topic, AHORA_WHY_EXPIRED);
        ledger->metrics->expired++;
    } else {
        heap_clear(&ledger->promises, &topic->promise); /* it is over: what is left is set anew */
        own_mark_stale(ledger, topic);
        ledger->metrics->stale++;
    }
    return true;
}

/* The topic that a lost source wrote last. False: no room. */
static bool look_at_lost(struct ledger *ledger, struct topic *topic) {
    bool deletes = topic->source->deletes;
    if ((deletes || !topic->stale) && !has_room(ledger, topic)) {
        return false;
    }
    if (deletes) {
        own_remove(ledger, topic, AHORA_WHY_EXPIRED);
        ledger->metrics->lost++;
        return true;
    }
    if (topic->stale) {
        source_hold(&ledger->sources, NULL, topic);
        return true;
    }
    own_mark_stale(ledger, topic);
    ledger->metrics->stale++;
    ledger->metrics->lost++;
    return true;
}

static struct topic *due_promise(const struct ledger *ledger) {
    struct timer *timer = heap_first(&ledger->promises);
    return timer == NULL || timer->due > ledger->mono_ms ? NULL : CONTAINER_OF(timer, struct topic, promise);
}

/* Promises and losses in turn, so that neither holds up the other. */
size_t ledger_run_due(struct ledger *ledger, size_t count_max) {
    if (!own_may_write(ledger)) {
        return 0;
    }
    size_t count = sources_lose(&ledger->sources, ledger->mono_ms, count_max);
    for (bool lost = false, idle = false; count < count_max; lost = !lost) {
        struct topic *topic = lost ? sources_next_lost(&ledger->sources) : due_promise(ledger);
        if (topic == NULL && idle) {
            break;
        }
        idle = topic == NULL;
        if (topic != NULL && !(lost ? look_at_lost(ledger, topic) : look_at_promise(ledger, topic))) {
            break;
        }
        count += topic != NULL;
    }
    return count;
}

int64_t ledger_next_due(const struct ledger *ledger) {
    const struct timer *promise = heap_first(&ledger->promises);
    const struct timer *grace = heap_first(&ledger->sources.graces);
    int64_t due = promise == NULL ? NEVER : promise->due;
    due = grace != NULL && grace->due < due ? grace->due : due;
    due = ledger->sources.lost_count > 0 ? ledger->mono_ms : due;
    return due < ledger->due_wait_ms ? ledger->due_wait_ms : due;
}

/* ---- gauges ---- */

#define COUNTED_MAX 1000000

void ledger_measure_due(struct ledger *ledger) {
    const struct timer *first = heap_first(&ledger->promises);
    struct metrics *metrics = ledger->metrics;
    metrics->promises = ledger->promises.count;
    metrics->due = heap_count_due(&ledger->promises, ledger->mono_ms, COUNTED_MAX) + ledger->sources.lost_count;
    metrics->due_lag_ms = first != NULL && first->due < ledger->mono_ms ? (uint64_t)(ledger->mono_ms - first->due) : 0;
    metrics->sources = ledger->sources.table.count;
}
