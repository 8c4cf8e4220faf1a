/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A circular doubly linked list whose links sit in the listed structs. A list is a link that points at itself when empty; a link
 * that is in no list is zeroed or points at itself. Every operation is O(1).
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev;
    struct link *next;
};

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct link *list) {
    list->prev = list;
    list->next = list;
}

static inline bool list_is_empty(const struct link *list) {
    return list->next == list || list->next == NULL;
}

static inline bool link_is_listed(const struct link *link) {
    return link->next != NULL && link->next != link;
}

static inline void link_insert_after(struct link *place, struct link *link) {
    link->prev = place;
    link->next = place->next;
    place->next->prev = link;
    place->next = link;
}

static inline void list_append(struct link *list, struct link *link) {
    link_insert_after(list->prev, link);
}

static inline void link_remove(struct link *link) {
    if (link->next == NULL) {
        return;
    }
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first link, taken out; NULL if the list is empty. */
static inline struct link *list_pop(struct link *list) {
    if (list_is_empty(list)) {
        return NULL;
    }
    struct link *first = list->next;
    link_remove(first);
    return first;
}

#endif
