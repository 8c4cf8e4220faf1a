/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/kinds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/word_slots.h"
#include "proto/kinds.h"

#define SLOTS (2 * KINDS_MAX)

struct kinds {
    struct kind *items[KINDS_MAX]; /* by name */
    size_t count;
    uint8_t slots[SLOTS];
};

struct kinds *kinds_create(void) {
    return calloc(1, sizeof(struct kinds));
}

void kinds_destroy(struct kinds *kinds) {
    if (kinds == NULL) {
        return;
    }
    for (size_t i = 0; i < kinds->count; i++) {
        kind_fini(kinds->items[i]);
        free(kinds->items[i]);
    }
    free(kinds);
}

struct kinds *kinds_builtin(void) {
    struct kinds *kinds = kinds_create();
    struct kind_text text;
    for (size_t i = 0; kinds != NULL && kind_text_at(i, &text); i++) {
        struct violations errors;
        const enum result result = kinds_add(kinds, span_of_text(text.name), text.json, &errors);
        assert(result == RESULT_OK || result == RESULT_NO_MEMORY);
        if (result != RESULT_OK) {
            kinds_destroy(kinds);
            return NULL;
        }
    }
    return kinds;
}

static void index_names(struct kinds *kinds) {
    memset(kinds->slots, 0, sizeof kinds->slots);
    for (size_t i = 0; i < kinds->count; i++) {
        word_slots_add(kinds->slots, SLOTS, span_of_text(kinds->items[i]->name), (uint32_t)i);
    }
}

/* Where it stands, or belongs. */
static size_t place_of(const struct kinds *kinds, const char *name) {
    size_t place = 0;
    while (place < kinds->count && strcmp(kinds->items[place]->name, name) < 0) {
        place++;
    }
    return place;
}

static void put(struct kinds *kinds, struct kind *kind) {
    const size_t place = place_of(kinds, kind->name);
    if (place < kinds->count && strcmp(kinds->items[place]->name, kind->name) == 0) {
        kind_fini(kinds->items[place]);
        free(kinds->items[place]);
    } else {
        memmove(&kinds->items[place + 1], &kinds->items[place], (kinds->count - place) * sizeof kinds->items[0]);
        kinds->count++;
    }
    kinds->items[place] = kind;
    index_names(kinds);
}

enum result kinds_add(struct kinds *kinds, struct span name, struct span json, struct violations *errors) {
    errors->count = 0;
    if (kinds->count == KINDS_MAX && kinds_find(kinds, name) == NULL) {
        violations_add(errors, NULL, "more than %d kinds", KINDS_MAX);
        return RESULT_INVALID;
    }
    struct kind *kind = malloc(sizeof *kind);
    if (kind == NULL) {
        return RESULT_NO_MEMORY;
    }
    if (!kind_init(kind, name, json, errors)) {
        kind_fini(kind);
        free(kind);
        return RESULT_INVALID;
    }
    put(kinds, kind);
    return RESULT_OK;
}

const struct kind *kinds_find(const struct kinds *kinds, struct span name) {
    for (uint32_t slot = word_hash(name);; slot++) {
        slot &= SLOTS - 1;
        if (kinds->slots[slot] == 0) {
            return NULL;
        }
        const struct kind *kind = kinds->items[kinds->slots[slot] - 1];
        if (span_is(name, kind->name)) {
            return kind;
        }
    }
}

const struct kind *kinds_at(const struct kinds *kinds, size_t index) {
    return index < kinds->count ? kinds->items[index] : NULL;
}
