/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The masks that this core's sessions have (mask.h). Sessions with equal masks share one, so that a change is encoded once for all of
 * them, and block.c keeps here what it made of the view at hand. Owned by one core.
 */
#ifndef CORE_MASKS_H
#define CORE_MASKS_H

#include "broker/base/table.h"
#include "broker/core/view.h"

/* Different masks in use at once: each costs an encoding of a change that it is looked at through. */
#define MASKS_MAX 1024

struct masks {
    struct table table;
    const struct table_key *hash_key;
};

struct mask {
    struct masks *masks;
    struct table_node hashed;
    uint32_t refs;
    const struct view *view; /* block.c's: what was made last is of this view, */
    uint64_t shows;          /* and of this turn, by views.shows; */
    struct block *blocks[VIEW_ENCODINGS];
    bool built[VIEW_ENCODINGS];
    uint32_t bytes;
    uint8_t data[];
};

bool masks_init(struct masks *masks, const struct table_key *hash_key); /* false: no memory */
void masks_fini(struct masks *masks);                                   /* no mask may be in use */

/* Counted. NULL: no memory, or as many as there may be. */
struct mask *masks_take(struct masks *masks, struct span bytes);
void mask_unref(struct mask *mask);             /* NULL is fine */
struct span mask_span(const struct mask *mask); /* data NULL of NULL: everything is shown */

#endif
