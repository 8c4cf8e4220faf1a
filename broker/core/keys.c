/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool keys_init(struct keys *keys, const struct table_key *hash_key) {
    *keys = (struct keys){.hash_key = hash_key};
    list_init(&keys->order);
    return table_init(&keys->table);
}

static void forget(struct keys *keys, struct key *key) {
    table_remove(&keys->table, &key->hashed);
    link_remove(&key->order);
    free(key);
}

void keys_fini(struct keys *keys) {
    while (keys->order.next != NULL && !list_is_empty(&keys->order)) {
        forget(keys, CONTAINER_OF(keys->order.next, struct key, order));
    }
    table_fini(&keys->table);
    *keys = (struct keys){0};
}

static struct key *find(const struct keys *keys, struct span text) {
    struct table_node *node = table_first(&keys->table, table_hash(keys->hash_key, text.data, text.bytes));
    for (; node != NULL; node = table_next(node)) {
        struct key *key = CONTAINER_OF(node, struct key, hashed);
        if (span_equal(span_of(key->text, key->bytes), text)) {
            return key;
        }
    }
    return NULL;
}

const struct key *keys_find(const struct keys *keys, struct span text, int64_t now_ms) {
    const struct key *key = find(keys, text);
    return key != NULL && key->until_ms > now_ms ? key : NULL;
}

bool keys_add(struct keys *keys, struct span text, int64_t seq, int64_t until_ms) {
    assert(text.bytes <= KEY_TEXT_BYTES_MAX);
    struct key *over = find(keys, text);
    if (over != NULL) {
        forget(keys, over);
    }
    struct key *key = malloc(sizeof *key + text.bytes);
    if (key == NULL) {
        return false;
    }
    *key = (struct key){.until_ms = until_ms, .seq = seq, .bytes = (uint8_t)text.bytes};
    memcpy(key->text, text.data, text.bytes);
    if (!table_insert(&keys->table, &key->hashed, table_hash(keys->hash_key, text.data, text.bytes))) {
        free(key);
        return false;
    }
    list_append(&keys->order, &key->order);
    keys->added++;
    return true;
}

bool keys_restore(struct keys *keys, struct span text, int64_t seq, int64_t until_ms) {
    struct key *known = find(keys, text);
    if (known != NULL && known->seq >= seq) {
        return true;
    }
    return keys_add(keys, text, seq, until_ms);
}

/* Keys due at the same time in the order of their seqs, so that a run repeats exactly. */
static int by_until(const void *a, const void *b) {
    const struct key *const *left = a;
    const struct key *const *right = b;
    if ((*left)->until_ms != (*right)->until_ms) {
        return (*left)->until_ms < (*right)->until_ms ? -1 : 1;
    }
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

bool keys_restored(struct keys *keys) {
    if (keys->table.count == 0) {
        return true;
    }
    struct key **sorted = calloc(keys->table.count, sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    size_t count = 0;
    for (struct link *link; (link = list_pop(&keys->order)) != NULL;) {
        sorted[count++] = CONTAINER_OF(link, struct key, order);
    }
    assert(count == keys->table.count);
    qsort(sorted, count, sizeof *sorted, by_until);
    for (size_t i = 0; i < count; i++) {
        list_append(&keys->order, &sorted[i]->order);
    }
    free(sorted);
    return true;
}

void keys_forget_newest(struct keys *keys, size_t count) {
    keys->added -= count;
    for (; count > 0; count--) {
        assert(!list_is_empty(&keys->order));
        forget(keys, CONTAINER_OF(keys->order.prev, struct key, order));
    }
}

void keys_trim(struct keys *keys, size_t count_max) {
    while (keys->table.count > count_max) {
        forget(keys, CONTAINER_OF(keys->order.next, struct key, order));
    }
}

void keys_expire(struct keys *keys, int64_t now_ms, size_t count_max) {
    for (; count_max > 0 && !list_is_empty(&keys->order); count_max--) {
        struct key *oldest = CONTAINER_OF(keys->order.next, struct key, order);
        if (oldest->until_ms > now_ms) {
            return;
        }
        forget(keys, oldest);
    }
}
