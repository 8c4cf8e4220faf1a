/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Idempotency keys: the seq that a change with this key, from this principal, was accepted with. Remembered for a while, oldest
 * forgotten first, never more than a bound. Owned by the ledger.
 */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include "broker/base/list.h"
#include "broker/base/table.h"
#include "include/ahora/protocol.h"
#include "proto/buffer.h"

#define KEY_TEXT_BYTES_MAX 255 /* principal, NUL, key */

struct key {
    struct table_node hashed;
    struct link order;
    int64_t until_ms; /* monotonic */
    int64_t seq;      /* of the change */
    uint8_t bytes;
    char text[];
};

struct keys {
    struct table table;
    struct link order; /* oldest first */
    size_t added;      /* ever, less those taken back */
    const struct table_key *hash_key;
};

bool keys_init(struct keys *keys, const struct table_key *hash_key); /* false: no memory */
void keys_fini(struct keys *keys);

/* NULL if unknown, or if its time is over. */
const struct key *keys_find(const struct keys *keys, struct span text, int64_t now_ms);

/* Remembers a key, no earlier due than all others. False: no memory. If it is known its time must be over. */
bool keys_add(struct keys *keys, struct span text, int64_t seq, int64_t until_ms);

/*
 * Remembers the key of a stored change, in any order: the higher seq wins. False: no memory. After the last one and before any
 * keys_add or keys_trim: keys_restored puts them in order, in one sort, because a checkpoint yields them ordered by text.
 */
bool keys_restore(struct keys *keys, struct span text, int64_t seq, int64_t until_ms);
bool keys_restored(struct keys *keys); /* false: no memory */

/* Takes back the last `count` that were added: their list did not happen. */
void keys_forget_newest(struct keys *keys, size_t count);

/* Forgets the oldest until at most `count_max` are left. */
void keys_trim(struct keys *keys, size_t count_max);

/* Forgets at most `count_max` keys that are due. */
void keys_expire(struct keys *keys, int64_t now_ms, size_t count_max);

#endif
