/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What an accepted change leaves in its turn: a record for the store and a change for the views. */
#include <assert.h>

#include "broker/core/ledger_internal.h"

bool note_reserve(struct ledger *ledger) {
    return heap_reserve(&ledger->promises, 1) && ledger_reserve_change(ledger);
}

bool note_has_room(const struct ledger *ledger, size_t topic_bytes, size_t key_bytes, size_t source_bytes, size_t data_bytes) {
    return ledger->records.bytes + record_bytes_max(topic_bytes, key_bytes, source_bytes, data_bytes) <= ledger->room;
}

static void put_record(struct ledger *ledger, const struct topic *topic, struct span key) {
    const struct source *source = topic->source;
    const struct record record = {
        .topic = topic_path(topic),
        .data = topic_is_removed(topic) ? (struct span){0} : document_span(topic->document),
        .key = key,
        .seq = topic->seq,
        .seq_created = topic->seq_created,
        .at = topic->at,
        .fresh_ms = topic->fresh_ms,
        .expire_ms = topic->expire_ms,
        .accepted_at = ledger->wall_ms - (ledger->mono_ms - topic->accepted_ms),
        .source = source == NULL ? (struct span){0} : span_of(source->name, source->bytes),
        .grace_ms = source == NULL ? 0 : source->grace_ms,
        .source_deletes = source != NULL && source->deletes,
        .removed = topic_is_removed(topic),
        .stale = topic->stale,
        .why = (enum ahora_why)topic->why,
    };
    record_put(&ledger->records, &record);
}

void note_change(struct ledger *ledger, struct topic *topic, struct span key, enum change_op op, struct document *patch,
                 struct document *replaced) {
    assert(ledger->change_count < ledger->change_capacity && topic->seq == ledger->seq);
    put_record(ledger, topic, key);
    ledger->changes[ledger->change_count++] = (struct change){
        .topic = topic,
        .document = topic->document == NULL ? NULL : document_ref(topic->document),
        .patch = patch,
        .replaced = replaced,
        .seq = topic->seq,
        .seq_before = topic->seq_before,
        .at = topic->at,
        .op = op,
        .why = (enum ahora_why)topic->why,
        .stale = topic->stale,
    };
}
