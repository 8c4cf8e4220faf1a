/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Idempotency keys: what a change with this key, from this principal, was answered the first time. Remembered for a while, oldest
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
    int64_t seq;      /* of the first result */
    enum ahora_code code;
    uint8_t bytes;
    char text[];
};

struct keys {
    struct table table;
    struct link order; /* oldest first */
    const struct table_key *hash_key;
};

bool keys_init(struct keys *keys, const struct table_key *hash_key); /* false: no memory */
void keys_fini(struct keys *keys);

/* NULL if unknown. */
const struct key *keys_find(const struct keys *keys, struct span text);

/* Remembers a new key, no earlier due than all others. False: no memory. The text must not be known yet. */
bool keys_add(struct keys *keys, struct span text, enum ahora_code code, int64_t seq, int64_t until_ms);

/*
 * Remembers the key of a stored change, in any order: the higher seq wins. False: no memory. After the last one and before any
 * keys_add: keys_restored puts them in order, in one sort, because a checkpoint yields them in the order of their text.
 */
bool keys_restore(struct keys *keys, struct span text, int64_t seq, int64_t until_ms);
bool keys_restored(struct keys *keys); /* false: no memory */

/* Takes back the last `count` that were added: their list did not happen. */
void keys_forget_newest(struct keys *keys, size_t count);

/* Forgets at most `count_max` keys that are due. */
void keys_expire(struct keys *keys, int64_t now_ms, size_t count_max);

#endif
