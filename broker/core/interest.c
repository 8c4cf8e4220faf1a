/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/interest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One every_ms of a pattern. */
struct pace {
    struct table_node hashed;
    struct timer rank; /* in interest.paces, by every_ms */
    struct interest *interest;
    uint64_t subscribers;
};

struct interest {
    struct table_node hashed;
    struct link dirty;
    struct heap paces; /* the finest first */
    uint64_t subscribers;
    size_t bytes;
    char pattern[];
};

bool interests_init(struct interests *interests, const struct table_key *hash_key) {
    *interests = (struct interests){.hash_key = hash_key};
    list_init(&interests->dirty);
    return table_init(&interests->patterns) && table_init(&interests->paces);
}

static void destroy(struct interests *interests, struct interest *interest) {
    assert(interest->subscribers == 0 && interest->paces.count == 0);
    table_remove(&interests->patterns, &interest->hashed);
    link_remove(&interest->dirty);
    heap_fini(&interest->paces);
    free(interest);
}

/* The pattern that was told to be gone last: its text was lent until now. It may have come back meanwhile. */
static void sweep(struct interests *interests) {
    struct interest *gone = interests->gone;
    interests->gone = NULL;
    if (gone != NULL && gone->subscribers == 0 && !link_is_listed(&gone->dirty)) {
        destroy(interests, gone);
    }
}

void interests_fini(struct interests *interests) {
    sweep(interests);
    for (struct link *link; (link = list_pop(&interests->dirty)) != NULL;) {
        destroy(interests, CONTAINER_OF(link, struct interest, dirty));
    }
    assert(interests->patterns.count == 0 && interests->paces.count == 0);
    table_fini(&interests->patterns);
    table_fini(&interests->paces);
    *interests = (struct interests){0};
}

/* ---- finding ---- */

static struct interest *find(const struct interests *interests, struct span pattern) {
    struct table_node *node = table_first(&interests->patterns, table_hash(interests->hash_key, pattern.data, pattern.bytes));
    for (; node != NULL; node = table_next(node)) {
        struct interest *interest = CONTAINER_OF(node, struct interest, hashed);
        if (span_equal(span_of(interest->pattern, interest->bytes), pattern)) {
            return interest;
        }
    }
    return NULL;
}

static uint64_t pace_hash(const struct interests *interests, const struct interest *interest, int64_t every_ms) {
    const uint64_t parts[2] = {interest->hashed.hash, (uint64_t)every_ms};
    return table_hash(interests->hash_key, parts, sizeof parts);
}

static struct pace *find_pace(const struct interests *interests, const struct interest *interest, int64_t every_ms) {
    struct table_node *node = table_first(&interests->paces, pace_hash(interests, interest, every_ms));
    for (; node != NULL; node = table_next(node)) {
        struct pace *pace = CONTAINER_OF(node, struct pace, hashed);
        if (pace->interest == interest && pace->rank.due == every_ms) {
            return pace;
        }
    }
    return NULL;
}

/* ---- coming and going ---- */

static struct interest *create(struct interests *interests, struct span pattern) {
    struct interest *interest = calloc(1, sizeof *interest + pattern.bytes);
    if (interest == NULL) {
        return NULL;
    }
    interest->bytes = pattern.bytes;
    memcpy(interest->pattern, pattern.data, pattern.bytes);
    if (!table_insert(&interests->patterns, &interest->hashed, table_hash(interests->hash_key, pattern.data, pattern.bytes))) {
        free(interest);
        return NULL;
    }
    return interest;
}

static struct pace *create_pace(struct interests *interests, struct interest *interest, int64_t every_ms) {
    struct pace *pace = calloc(1, sizeof *pace);
    if (pace == NULL) {
        return NULL;
    }
    pace->interest = interest;
    if (!heap_set(&interest->paces, &pace->rank, every_ms)) {
        free(pace);
        return NULL;
    }
    if (!table_insert(&interests->paces, &pace->hashed, pace_hash(interests, interest, every_ms))) {
        heap_clear(&interest->paces, &pace->rank);
        free(pace);
        return NULL;
    }
    return pace;
}

static void mark(struct interests *interests, struct interest *interest) {
    if (!link_is_listed(&interest->dirty)) {
        list_append(&interests->dirty, &interest->dirty);
    }
}

bool interests_add(struct interests *interests, struct span pattern, int64_t every_ms) {
    struct interest *interest = find(interests, pattern);
    if (interest == NULL && (interest = create(interests, pattern)) == NULL) {
        return false;
    }
    struct pace *pace = find_pace(interests, interest, every_ms);
    if (pace == NULL && (pace = create_pace(interests, interest, every_ms)) == NULL) {
        mark(interests, interest); /* perhaps nobody is there: pulled, it goes */
        return false;
    }
    pace->subscribers++;
    interest->subscribers++;
    mark(interests, interest);
    return true;
}

void interests_remove(struct interests *interests, struct span pattern, int64_t every_ms) {
    struct interest *interest = find(interests, pattern);
    struct pace *pace = interest == NULL ? NULL : find_pace(interests, interest, every_ms);
    assert(pace != NULL && pace->subscribers > 0 && "it was added");
    interest->subscribers--;
    if (--pace->subscribers == 0) {
        heap_clear(&interest->paces, &pace->rank);
        table_remove(&interests->paces, &pace->hashed);
        free(pace);
    }
    mark(interests, interest);
}

bool interests_next(struct interests *interests, struct interest_count *count) {
    sweep(interests);
    struct link *first = list_pop(&interests->dirty);
    if (first == NULL) {
        return false;
    }
    struct interest *interest = CONTAINER_OF(first, struct interest, dirty);
    const struct timer *finest = heap_first(&interest->paces);
    *count = (struct interest_count){
        .pattern = span_of(interest->pattern, interest->bytes),
        .subscribers = interest->subscribers,
        .every_ms = finest == NULL ? 0 : finest->due,
    };
    interests->gone = interest->subscribers == 0 ? interest : NULL;
    return true;
}

struct interest_count interest_merge(const struct interest_count *counts, size_t count) {
    struct interest_count sum = {0};
    for (size_t i = 0; i < count; i++) {
        if (counts[i].subscribers > 0 && (sum.subscribers == 0 || counts[i].every_ms < sum.every_ms)) {
            sum.every_ms = counts[i].every_ms;
        }
        sum.subscribers += counts[i].subscribers;
    }
    return sum;
}
