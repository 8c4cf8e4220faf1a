/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/deadlines.h"

#include <assert.h>

void deadlines_init(struct deadlines *deadlines, const int64_t lasts_ms[DEADLINE_CLASSES]) {
    for (int i = 0; i < DEADLINE_CLASSES; i++) {
        assert(lasts_ms[i] > 0);
        list_init(&deadlines->lists[i]);
        deadlines->lasts_ms[i] = lasts_ms[i];
    }
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, enum deadline_class class, int64_t now_ms) {
    assert(class < DEADLINE_CLASSES);
    link_remove(&deadline->link);
    deadline->class = class;
    deadline->due_ms = now_ms + deadlines->lasts_ms[class];
    list_append(&deadlines->lists[class], &deadline->link);
}

void deadline_clear(struct deadline *deadline) {
    link_remove(&deadline->link);
}

static struct deadline *head_of(const struct link *list) {
    return list_is_empty(list) ? NULL : CONTAINER_OF(list->next, struct deadline, link);
}

struct deadline *deadlines_pop(struct deadlines *deadlines, int64_t now_ms) {
    for (int i = 0; i < DEADLINE_CLASSES; i++) {
        struct deadline *head = head_of(&deadlines->lists[i]);
        if (head != NULL && head->due_ms <= now_ms) {
            link_remove(&head->link);
            return head;
        }
    }
    return NULL;
}

int64_t deadlines_next(const struct deadlines *deadlines) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < DEADLINE_CLASSES; i++) {
        const struct deadline *head = head_of(&deadlines->lists[i]);
        if (head != NULL && head->due_ms < next) {
            next = head->due_ms;
        }
    }
    return next;
}
