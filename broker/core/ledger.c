/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/ledger_internal.h"

bool ledger_init(struct ledger *ledger, const struct limits *limits, const struct kinds *kinds,
                 const struct table_key *hash_key, struct metrics *metrics) {
    *ledger = (struct ledger){.limits = limits, .kinds = kinds, .metrics = metrics, .hash_key = hash_key};
    assert(kinds != NULL);
    list_init(&ledger->removals);
    buffer_init(&ledger->records, SIZE_MAX);
    buffer_init(&ledger->scratch, limits->document_bytes_max);
    buffer_init(&ledger->differs, limits->document_bytes_max);
    shaper_init(&ledger->shaper, limits->document_bytes_max);
    kind_rooms_init(&ledger->kind_rooms, limits, kinds);
    ledger->undos = calloc(AHORA_CHANGES_MAX, sizeof *ledger->undos);
    return table_init(&ledger->topics) && tree_init(&ledger->tree, hash_key) && keys_init(&ledger->keys, hash_key) &&
           sources_init(&ledger->sources, hash_key) && ledger->undos != NULL;
}

static void destroy_all(struct ledger *ledger) {
    struct tree_found found = {0};
    tree_select_all(&ledger->tree, &found);
    assert(!found.failed);
    for (size_t i = 0; i < found.count; i++) {
        topic_destroy(ledger, found.values[i]);
    }
    tree_found_fini(&found);
}

void ledger_fini(struct ledger *ledger) {
    ledger_end_turn(ledger);
    if (ledger->tree.root != NULL && ledger->topics.buckets != NULL) {
        destroy_all(ledger);
        assert(ledger->topics.count == 0);
        tree_fini(&ledger->tree);
    }
    table_fini(&ledger->topics);
    if (ledger->keys.table.buckets != NULL) {
        keys_fini(&ledger->keys);
    }
    if (ledger->sources.table.buckets != NULL) {
        sources_fini(&ledger->sources);
    }
    heap_fini(&ledger->promises);
    buffer_fini(&ledger->records);
    buffer_fini(&ledger->scratch);
    buffer_fini(&ledger->differs);
    shaper_fini(&ledger->shaper);
    free(ledger->changes);
    free(ledger->undos);
    *ledger = (struct ledger){0};
}

struct topic *ledger_find(const struct ledger *ledger, struct span path) {
    struct table_node *node = table_first(&ledger->topics, table_hash(ledger->hash_key, path.data, path.bytes));
    for (; node != NULL; node = table_next(node)) {
        struct topic *topic = CONTAINER_OF(node, struct topic, hashed);
        if (span_equal(topic_path(topic), path)) {
            return topic;
        }
    }
    return NULL;
}

struct topic *topic_create(struct ledger *ledger, const struct name *name, const struct kind *kind) {
    assert(name->text.bytes <= AHORA_TOPIC_BYTES_MAX);
    struct topic *topic = malloc(sizeof *topic + name->text.bytes);
    struct tree_node *node = topic == NULL ? NULL : tree_add(&ledger->tree, name);
    if (node == NULL) {
        free(topic);
        return NULL;
    }
    *topic = (struct topic){.kind = kind, .node = node, .ref = ledger->ref_last + 1, .path_bytes = (uint8_t)name->text.bytes};
    memcpy(topic->path, name->text.data, name->text.bytes);
    list_init(&topic->removal);
    list_init(&topic->watches);
    list_init(&topic->of_source);
    node->value = topic;
    if (!table_insert(&ledger->topics, &topic->hashed, table_hash(ledger->hash_key, topic->path, topic->path_bytes))) {
        tree_drop(&ledger->tree, node);
        free(topic);
        return NULL;
    }
    ledger->ref_last++;
    return topic;
}

void topic_hold(struct ledger *ledger, struct topic *topic, struct document *document) {
    if (topic->document != NULL) {
        ledger->topic_count--;
        ledger->documents_bytes -= topic->document->bytes;
        kind_rooms_let_go(&ledger->kind_rooms, topic->kind, topic->document->bytes);
    }
    topic->document = document;
    if (document != NULL) {
        ledger->topic_count++;
        ledger->documents_bytes += document->bytes;
        kind_rooms_take(&ledger->kind_rooms, topic->kind, document->bytes);
    }
}

void topic_mark(struct ledger *ledger, struct topic *topic, bool stale) {
    ledger->stale_count += (size_t)stale;
    ledger->stale_count -= (size_t)topic->stale;
    topic->stale = stale;
}

void topic_destroy(struct ledger *ledger, struct topic *topic) {
    assert(list_is_empty(&topic->watches) && "views let go first");
    topic_mark(ledger, topic, false);
    struct document *document = topic->document;
    topic_hold(ledger, topic, NULL);
    if (!ledger->follows) {
        document_unref(document);
    }
    source_hold(&ledger->sources, NULL, topic);
    heap_clear(&ledger->promises, &topic->promise);
    if (link_is_listed(&topic->removal)) {
        link_remove(&topic->removal);
        ledger->removal_count--;
    }
    table_remove(&ledger->topics, &topic->hashed);
    tree_drop(&ledger->tree, topic->node);
    topic->node = NULL;
    topic->forgotten = true;
    if (topic->pins == 0) {
        free(topic);
    }
}

void ledger_pin(struct topic *topic) {
    topic->pins++;
}

void ledger_unpin(struct topic *topic) {
    assert(topic->pins > 0);
    if (--topic->pins == 0 && topic->forgotten) {
        free(topic);
    }
}

/* A topic is in the list of removals exactly while it is one. */
void ledger_note_removal(struct ledger *ledger, struct topic *topic) {
    if (link_is_listed(&topic->removal)) {
        link_remove(&topic->removal);
        ledger->removal_count--;
    }
    if (topic_is_removed(topic)) {
        list_append(&ledger->removals, &topic->removal);
        ledger->removal_count++;
    }
}

struct topic *ledger_surplus(const struct ledger *ledger) {
    if (ledger->removal_count <= ledger->limits->removals_max) {
        return NULL;
    }
    return CONTAINER_OF(ledger->removals.next, struct topic, removal);
}

void ledger_forget(struct ledger *ledger, struct topic *topic) {
    assert(topic_is_removed(topic) && ledger->change_count == 0);
    if (topic->seq > ledger->seq_floor) {
        ledger->seq_floor = topic->seq;
    }
    topic_destroy(ledger, topic);
}

void change_release(struct change *change) {
    document_unref(change->document);
    document_unref(change->patch);
    document_unref(change->replaced);
}

bool ledger_reserve_change(struct ledger *ledger) {
    if (ledger->change_count < ledger->change_capacity) {
        return true;
    }
    size_t capacity = ledger->change_capacity == 0 ? 256 : 2 * ledger->change_capacity;
    struct change *changes = realloc(ledger->changes, capacity * sizeof *changes);
    if (changes == NULL) {
        return false;
    }
    ledger->changes = changes;
    ledger->change_capacity = capacity;
    return true;
}

void ledger_end_turn(struct ledger *ledger) {
    for (size_t i = 0; i < ledger->change_count && !ledger->follows; i++) {
        change_release(&ledger->changes[i]);
    }
    ledger->change_count = 0;
}

void ledger_forget_records(struct ledger *ledger) {
    buffer_clear(&ledger->records, 256 * 1024);
}

/* ---- loading ---- */

/* A document is not held against its schema here: it was legal when it was written, and the next change decides. */
static bool is_legal(const struct ledger *ledger, const struct record *record, struct name *name, const struct kind **kind) {
    if (name_parse_held(record->topic, name, NULL) != AHORA_OK || record->seq < 1 || record->seq > AHORA_SEQ_MAX) {
        return false;
    }
    *kind = name_is_own(name) ? kind_of_demand() : kinds_find(ledger->kinds, name->segments[0]);
    if (*kind == NULL || record->removed) {
        return *kind != NULL;
    }
    size_t used = 0;
    struct pack_reader reader = pack_reader_of(record->data);
    return pack_check(record->data, AHORA_DEPTH_MAX, &used) == PACK_FINE && used == record->data.bytes &&
           pack_peek(&reader) == PACK_MAP;
}

/* The store may hold more keys than memory is to, in any order. To find the oldest all are sorted: seldom, so it costs little. */
#define KEYS_SURPLUS 65536

/* Longer ago than any promise lasts, and far from the end of an integer. */
#define AGE_MS_MAX (INT64_MAX / 4)

static bool trim_loaded_keys(struct ledger *ledger) {
    if (ledger->keys.table.count <= 2 * ledger->limits->keys_max + KEYS_SURPLUS) {
        return true;
    }
    if (!keys_restored(&ledger->keys)) {
        return false;
    }
    keys_trim(&ledger->keys, ledger->limits->keys_max);
    return true;
}

/* A change accepted in the future, by this clock, was accepted just now. */
static enum result load_key(struct ledger *ledger, const struct record *record) {
    int64_t age_ms = 0;
    if (record->key.bytes == 0 || __builtin_sub_overflow(ledger->wall_ms, record->accepted_at, &age_ms)) {
        return RESULT_OK;
    }
    int64_t left_ms = ledger->limits->key_ms - (age_ms > 0 ? age_ms : 0);
    if (left_ms <= 0) {
        return RESULT_OK;
    }
    bool fine = keys_restore(&ledger->keys, record->key, record->seq, ledger->mono_ms + left_ms) && trim_loaded_keys(ledger);
    return fine ? RESULT_OK : RESULT_NO_MEMORY;
}

/* How long ago the record's write was accepted. In the future, by this clock: just now. */
static int64_t age_of(const struct ledger *ledger, const struct record *record) {
    int64_t age_ms = 0;
    if (__builtin_sub_overflow(ledger->wall_ms, record->accepted_at, &age_ms)) {
        return record->accepted_at < 0 ? AGE_MS_MAX : 0;
    }
    return age_ms < 0 ? 0 : age_ms > AGE_MS_MAX ? AGE_MS_MAX : age_ms;
}

/* The promise goes on where it stood, and the source is the one that wrote it. */
static bool load_promise(struct ledger *ledger, const struct record *record, struct topic *topic) {
    struct source *source = NULL;
    topic->accepted_ms = ledger->mono_ms - age_of(ledger, record);
    if (record->source.bytes > 0 && !record->removed && (source = sources_take(&ledger->sources, record->source)) == NULL) {
        return false;
    }
    source_hold(&ledger->sources, source, topic);
    if (source != NULL) {
        source_set(source, record->grace_ms, record->source_deletes, record->seq);
    }
    source_unref(&ledger->sources, source);
    return promise_renew(ledger, topic);
}

static enum result load_topic(struct ledger *ledger, const struct record *record) {
    struct name name;
    const struct kind *kind = NULL;
    if (record->seq > ledger->seq && record->seq <= AHORA_SEQ_MAX) {
        ledger->seq = record->seq; /* its seq is used, even if its kind is declared no more */
    }
    if (!is_legal(ledger, record, &name, &kind)) {
        return RESULT_INVALID;
    }
    struct topic *topic = ledger_find(ledger, record->topic);
    if (topic != NULL && topic->seq >= record->seq) {
        return RESULT_OK;
    }
    struct document *document = record->removed ? NULL : document_create(record->data);
    if (document == NULL && !record->removed) {
        return RESULT_NO_MEMORY;
    }
    if (topic == NULL) {
        topic = topic_create(ledger, &name, kind);
    }
    if (topic == NULL) {
        document_unref(document);
        return RESULT_NO_MEMORY;
    }
    struct document *old = topic->document;
    topic_hold(ledger, topic, document);
    document_unref(old);
    topic->seq = record->seq;
    topic->seq_created = record->seq_created;
    topic->at = record->at;
    topic->fresh_ms = record->fresh_ms;
    topic->expire_ms = record->expire_ms;
    topic->why = (uint8_t)record->why;
    topic_mark(ledger, topic, record->stale);
    ledger_note_removal(ledger, topic);
    return load_promise(ledger, record, topic) ? RESULT_OK : RESULT_NO_MEMORY;
}

enum result ledger_load(struct ledger *ledger, const struct record *record) {
    enum result result = load_key(ledger, record); /* also of a record that is older than what is held */
    if (result != RESULT_OK || record->topic.bytes > 0) {
        return result == RESULT_OK ? load_topic(ledger, record) : result;
    }
    ledger->seq = record->seq > ledger->seq ? record->seq : ledger->seq;
    return RESULT_OK;
}

static int by_seq(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

enum result ledger_loaded(struct ledger *ledger, int64_t seq_floor) {
    ledger->seq_floor = seq_floor;
    if (ledger->seq < seq_floor) { /* the newest change was a removal that is forgotten: its seq is used all the same */
        ledger->seq = seq_floor;
    }
    if (!keys_restored(&ledger->keys)) {
        return RESULT_NO_MEMORY;
    }
    keys_trim(&ledger->keys, ledger->limits->keys_max);
    sources_loaded(&ledger->sources, ledger->mono_ms);
    if (ledger->removal_count == 0) {
        return RESULT_OK;
    }
    struct topic **removed = calloc(ledger->removal_count, sizeof *removed);
    if (removed == NULL) {
        return RESULT_NO_MEMORY;
    }
    size_t count = 0;
    for (struct link *link; (link = list_pop(&ledger->removals)) != NULL;) {
        removed[count++] = CONTAINER_OF(link, struct topic, removal);
    }
    assert(count == ledger->removal_count);
    qsort(removed, count, sizeof *removed, by_seq);
    for (size_t i = 0; i < count; i++) {
        list_append(&ledger->removals, &removed[i]->removal);
    }
    free(removed);
    return RESULT_OK;
}
