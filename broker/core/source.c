/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool sources_init(struct sources *sources, const struct table_key *hash_key) {
    *sources = (struct sources){.hash_key = hash_key};
    list_init(&sources->all);
    list_init(&sources->lost);
    return table_init(&sources->table);
}

void sources_fini(struct sources *sources) {
    assert(sources->lost_count == 0);
    for (struct link *link;
         (link = list_pop(&sources->all)) != NULL;) { /* sessions elsewhere, whose leave did not come any more */
        struct source *source = CONTAINER_OF(link, struct source, all);
        assert(source->topic_count == 0);
        table_remove(&sources->table, &source->hashed);
        free(source);
    }
    table_fini(&sources->table);
    heap_fini(&sources->graces);
    *sources = (struct sources){0};
}

static struct source *find(const struct sources *sources, struct span name) {
    struct table_node *node = table_first(&sources->table, table_hash(sources->hash_key, name.data, name.bytes));
    for (; node != NULL; node = table_next(node)) {
        struct source *source = CONTAINER_OF(node, struct source, hashed);
        if (span_equal(span_of(source->name, source->bytes), name)) {
            return source;
        }
    }
    return NULL;
}

bool sources_know(const struct sources *sources, struct span name) {
    return find(sources, name) != NULL;
}

static struct source *create(struct sources *sources, struct span name) {
    assert(name.bytes > 0 && name.bytes <= UINT8_MAX);
    struct source *source = malloc(sizeof *source + name.bytes);
    if (source == NULL) {
        return NULL;
    }
    *source = (struct source){.bytes = (uint8_t)name.bytes};
    memcpy(source->name, name.data, name.bytes);
    list_init(&source->topics);
    if (!heap_reserve(&sources->graces, sources->table.count + 1 - sources->graces.count) ||
        !table_insert(&sources->table, &source->hashed, table_hash(sources->hash_key, name.data, name.bytes))) {
        free(source);
        return NULL;
    }
    list_append(&sources->all, &source->all);
    return source;
}

struct source *sources_take(struct sources *sources, struct span name) {
    struct source *source = find(sources, name);
    if (source == NULL && (source = create(sources, name)) == NULL) {
        return NULL;
    }
    source_ref(source);
    return source;
}

void source_ref(struct source *source) {
    source->refs++;
}

void source_unref(struct sources *sources, struct source *source) {
    if (source == NULL) {
        return;
    }
    assert(source->refs > 0);
    if (--source->refs > 0) {
        return;
    }
    assert(source->topic_count == 0 && source->session_count == 0);
    heap_clear(&sources->graces, &source->grace);
    table_remove(&sources->table, &source->hashed);
    link_remove(&source->all);
    free(source);
}

void source_set(struct source *source, int64_t grace_ms, bool deletes, int64_t seq) {
    if (seq > source->seq) {
        source->grace_ms = grace_ms;
        source->deletes = deletes;
        source->seq = seq;
    }
}

/* ---- sessions ---- */

void source_enter(struct sources *sources, struct source *source, int64_t grace_ms, bool deletes) {
    source->session_count++;
    source->grace_ms = grace_ms;
    source->deletes = deletes;
    heap_clear(&sources->graces, &source->grace);
}

enum ahora_code sources_enter(struct sources *sources, size_t sources_max, struct span name, int64_t grace_ms, bool deletes,
                              struct source **source) {
    if (sources->table.count >= sources_max && !sources_know(sources, name)) {
        return AHORA_TOO_MANY;
    }
    *source = sources_take(sources, name);
    if (*source == NULL) {
        return AHORA_OVERLOADED;
    }
    source_enter(sources, *source, grace_ms, deletes);
    return AHORA_OK;
}

static void begin_grace(struct sources *sources, struct source *source, int64_t now_ms) {
    bool set = heap_set(&sources->graces, &source->grace, now_ms + source->grace_ms);
    assert(set && "there is room for every source");
    (void)set;
}

void source_leave(struct sources *sources, struct source *source, int64_t now_ms) {
    assert(source->session_count > 0);
    if (--source->session_count == 0 && source->topic_count > 0) {
        begin_grace(sources, source, now_ms);
    }
    source_unref(sources, source);
}

void source_rest(struct sources *sources, struct source *source, int64_t now_ms) {
    if (source->session_count == 0 && source->topic_count > 0 && !timer_is_set(&source->grace)) {
        begin_grace(sources, source, now_ms);
    }
}

/* ---- topics ---- */

bool source_has_lost(const struct topic *topic) {
    return topic->source != NULL && topic->losses != topic->source->losses;
}

static void let_go(struct sources *sources, struct topic *topic) {
    struct source *source = topic->source;
    if (source == NULL) {
        return;
    }
    if (source_has_lost(topic)) {
        sources->lost_count--;
    } else {
        source->topic_count--;
    }
    link_remove(&topic->of_source);
    topic->source = NULL;
    source_unref(sources, source);
}

void source_hold_again(struct sources *sources, struct source *source, struct topic *topic, uint32_t losses) {
    if (source != NULL) {
        source_ref(source); /* before the topic lets go of what may be the same */
    }
    let_go(sources, topic);
    if (source == NULL) {
        return;
    }
    topic->source = source;
    topic->losses = losses;
    if (source_has_lost(topic)) {
        sources->lost_count++;
        list_append(&sources->lost, &topic->of_source);
    } else {
        source->topic_count++;
        list_append(&source->topics, &topic->of_source);
    }
}

void source_hold(struct sources *sources, struct source *source, struct topic *topic) {
    source_hold_again(sources, source, topic, source == NULL ? 0 : source->losses);
}

/* ---- loss ---- */

void sources_loaded(struct sources *sources, int64_t now_ms) {
    for (struct link *link = sources->all.next; link != &sources->all; link = link->next) {
        begin_grace(sources, CONTAINER_OF(link, struct source, all), now_ms);
    }
}

/* Moves a whole list behind the tail of another. */
static void splice(struct link *list, struct link *from) {
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    list_init(from);
}

static void lose(struct sources *sources, struct source *source) {
    heap_clear(&sources->graces, &source->grace);
    splice(&sources->lost, &source->topics);
    sources->lost_count += source->topic_count;
    source->topic_count = 0;
    source->losses++;
}

size_t sources_lose(struct sources *sources, int64_t now_ms, size_t count_max) {
    size_t count = 0;
    for (struct timer *timer; count < count_max && (timer = heap_first(&sources->graces)) != NULL && timer->due <= now_ms;) {
        struct source *source = CONTAINER_OF(timer, struct source, grace);
        count += source->topic_count > 0; /* others took over what it wrote, and only what it lost before keeps its name */
        lose(sources, source);
    }
    return count;
}

struct topic *sources_next_lost(const struct sources *sources) {
    return list_is_empty(&sources->lost) ? NULL : CONTAINER_OF(sources->lost.next, struct topic, of_source);
}
