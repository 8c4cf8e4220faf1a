/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/kind_room.h"

#include <assert.h>

void kind_rooms_init(struct kind_rooms *rooms, const struct limits *limits, const struct kinds *kinds) {
    rooms->count = 0;
    for (size_t i = 0; i < limits->kind_bound_count; i++) {
        const struct kind_bound *bound = &limits->kind_bounds[i];
        const struct kind *kind = kinds_find(kinds, span_of_text(bound->name));
        if (kind != NULL) {
            rooms->rooms[rooms->count++] =
                (struct kind_room){.kind = kind, .topics_max = bound->topics_max, .bytes_max = bound->bytes_max};
        }
    }
}

static struct kind_room *find(struct kind_rooms *rooms, const struct kind *kind) {
    for (size_t i = 0; i < rooms->count; i++) {
        if (rooms->rooms[i].kind == kind) {
            return &rooms->rooms[i];
        }
    }
    return NULL;
}

const struct kind_room *kind_rooms_find(const struct kind_rooms *rooms, const struct kind *kind) {
    for (size_t i = 0; i < rooms->count; i++) {
        if (rooms->rooms[i].kind == kind) {
            return &rooms->rooms[i];
        }
    }
    return NULL;
}

void kind_rooms_take(struct kind_rooms *rooms, const struct kind *kind, size_t bytes) {
    struct kind_room *room = find(rooms, kind);
    if (room != NULL) {
        room->topics++;
        room->bytes += bytes;
    }
}

void kind_rooms_let_go(struct kind_rooms *rooms, const struct kind *kind, size_t bytes) {
    struct kind_room *room = find(rooms, kind);
    if (room != NULL) {
        assert(room->topics > 0 && room->bytes >= bytes);
        room->topics--;
        room->bytes -= bytes;
    }
}
