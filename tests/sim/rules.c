/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/sim/rules.h"

#include <string.h>

static bool is_of(const char *path, const char *kind) {
    return strncmp(path, kind, strlen(kind)) == 0 && path[strlen(kind)] == '/';
}

bool rules_bound(const char *path, unsigned field, int64_t *min, int64_t *max) {
    const bool stock = is_of(path, "stock") && field == PAPER_AVAILABLE;
    const bool places = (is_of(path, "room") || is_of(path, "service")) && field == PAPER_CAPACITY;
    *min = 0;
    *max = stock ? 12 : INT64_MAX;
    return stock || places;
}

static bool is_integer_or_absent(struct mark_value value) {
    return value.mark == MARK_INT || value.mark == MARK_ABSENT;
}

bool rules_allow(const char *path, const struct paper *paper) {
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        const struct mark_value value = paper->fields[i].value;
        int64_t min, max;
        if (rules_bound(path, i, &min, &max) &&
            (!is_integer_or_absent(value) || (value.mark == MARK_INT && (value.number < min || value.number > max)))) {
            return false;
        }
    }
    if (is_of(path, "room")) {
        const struct paper_field *m = &paper->fields[PAPER_M];
        return m->value.mark == MARK_ABSENT || (m->value.mark == MARK_MAP && is_integer_or_absent(m->inside[0]));
    }
    return true;
}

static void write_level(struct paper *paper) {
    struct mark_value *level = &paper->fields[PAPER_LEVEL].value;
    const struct mark_value available = paper->fields[PAPER_AVAILABLE].value;
    const struct mark_value capacity = paper->fields[PAPER_CAPACITY].value;
    if (level->mark == MARK_TEXT && level->number == 9) {
        return;
    }
    paper->fields[PAPER_LEVEL] = (struct paper_field){0};
    if (available.mark == MARK_ABSENT) {
        return;
    }
    const int64_t low = capacity.mark == MARK_ABSENT ? 2 : capacity.number;
    const bool comparable = capacity.mark == MARK_ABSENT || capacity.mark == MARK_INT;
    *level = (struct mark_value){MARK_TEXT, available.number <= 0 ? 1 : comparable && available.number <= low ? 2 : 3};
}

static bool values_equal(struct mark_value a, struct mark_value b) {
    return a.mark == b.mark && a.number == b.number;
}

static void write_log(struct paper *paper, const struct paper *old, const struct paper *said, int64_t at) {
    const struct mark_value a = paper->fields[PAPER_A].value;
    paper->fields[PAPER_LOG] = (struct paper_field){0};
    memset(paper->entries, 0, sizeof paper->entries);
    paper->entry_count = 0;
    if (old != NULL && old->fields[PAPER_LOG].value.mark == MARK_LOG) {
        memcpy(paper->entries, old->entries, sizeof paper->entries);
        paper->entry_count = old->entry_count;
    }
    const bool newest_is_it = paper->entry_count > 0 && values_equal(paper->entries[paper->entry_count - 1].a, a);
    if (a.mark != MARK_ABSENT && !newest_is_it) {
        if (paper->entry_count == PAPER_ENTRIES_MAX) {
            memmove(paper->entries, paper->entries + 1, (PAPER_ENTRIES_MAX - 1) * sizeof paper->entries[0]);
            paper->entry_count--;
        }
        const struct mark_value note = said->fields[PAPER_B].value;
        paper->entries[paper->entry_count++] =
            (struct paper_entry){.a = a, .at = at, .note = note.mark == MARK_NIL ? (struct mark_value){0} : note};
    }
    paper->fields[PAPER_LOG].value.mark = paper->entry_count > 0 ? MARK_LOG : MARK_ABSENT;
}

void rules_write(const char *path, struct paper *paper, const struct paper *old, const struct paper *said, int64_t at) {
    if (is_of(path, "stock")) {
        write_level(paper);
    } else if (is_of(path, "order")) {
        write_log(paper, old, said, at);
    }
}
