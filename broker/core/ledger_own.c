/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Changes that the ledger makes by itself. They have no result to tell: where there is no room they are not made, and tried
   again. */
#include <assert.h>

#include "broker/core/ledger_internal.h"

/* While the store is full, we look again so often. */
#define ROOM_WAIT_MS 100

bool own_may_write(const struct ledger *ledger) {
    return ledger->mono_ms >= ledger->due_wait_ms;
}

static bool wait_for_room(struct ledger *ledger) {
    ledger->due_wait_ms = ledger->mono_ms + ROOM_WAIT_MS;
    ledger->metrics->due_waits++;
    return false;
}

bool own_has_room(struct ledger *ledger, size_t topic_bytes, size_t source_bytes, size_t data_bytes) {
    bool room =
        ledger->seq < AHORA_SEQ_MAX && note_reserve(ledger) && note_has_room(ledger, topic_bytes, 0, source_bytes, data_bytes);
    return room || wait_for_room(ledger);
}

static void renew(struct ledger *ledger, struct topic *topic) {
    bool set = promise_renew(ledger, topic);
    assert(set && "reserved");
    (void)set;
}

void own_mark_stale(struct ledger *ledger, struct topic *topic) {
    assert(!topic->stale && !topic_is_removed(topic));
    if (source_has_lost(topic) && !topic->source->deletes) { /* it has its mark: a restart need not lose it once more */
        source_hold(&ledger->sources, NULL, topic);
    }
    topic->seq_before = topic->seq;
    topic->seq = ++ledger->seq;
    topic_mark(ledger, topic, true);
    renew(ledger, topic);
    note_change(ledger, topic, (struct span){0}, CHANGE_TOUCH, NULL, NULL); /* nothing in the document changes */
}

void own_remove(struct ledger *ledger, struct topic *topic, enum ahora_why why) {
    struct document *document = topic->document;
    topic_hold(ledger, topic, NULL);
    topic->seq_before = topic->seq;
    topic->seq = ++ledger->seq;
    topic_mark(ledger, topic, false);
    topic->why = (uint8_t)why;
    source_hold(&ledger->sources, NULL, topic);
    renew(ledger, topic);
    note_change(ledger, topic, (struct span){0}, CHANGE_DELETE, NULL, document);
    ledger_note_removal(ledger, topic);
}

bool own_set(struct ledger *ledger, const struct name *name, const struct kind *kind, struct span data) {
    struct topic *topic = ledger_find(ledger, name->text);
    if (!own_has_room(ledger, name->text.bytes, 0, data.bytes)) {
        return false;
    }
    struct document *document = document_create(data);
    if (document == NULL || (topic == NULL && (topic = topic_create(ledger, name, kind)) == NULL)) {
        document_unref(document);
        return wait_for_room(ledger);
    }
    bool is_new = topic_is_removed(topic);
    struct document *old = topic->document;
    topic_hold(ledger, topic, document);
    topic->seq_before = is_new ? 0 : topic->seq;
    topic->seq = ++ledger->seq;
    topic->seq_created = is_new ? topic->seq : topic->seq_created;
    topic->at = ledger->wall_ms;
    topic->accepted_ms = ledger->mono_ms;
    topic->fresh_ms = 0;
    topic->expire_ms = 0;
    topic->why = AHORA_WHY_NONE;
    note_change(ledger, topic, (struct span){0}, CHANGE_SET, NULL, old);
    ledger_note_removal(ledger, topic);
    return true;
}
