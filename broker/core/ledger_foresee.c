/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A start takes in a million records, each of which looks into two hash tables at places that nothing has touched lately. One after the other each look waits
 * for memory; looked for together they wait once.
 *
 *   records, in order:  buckets of all -> first nodes of all -> (the caller) ledger_load of each
 */
#include <assert.h>

#include "broker/core/ledger_internal.h"

struct foreseen {
    uint64_t path;
    uint64_t leaf; /* in the tree */
    bool has_path;
    bool has_leaf;
};

void ledger_foresee(const struct ledger *ledger, const struct record *records, size_t count) {
    struct foreseen foreseen[LEDGER_FORESEEN_MAX];
    struct tree_trail trail = {0};
    assert(count <= LEDGER_FORESEEN_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct span path = records[i].topic;
        struct foreseen *one = &foreseen[i];
        *one = (struct foreseen){.has_path = path.bytes > 0};
        if (one->has_path) {
            one->path = table_hash(ledger->hash_key, path.data, path.bytes);
            one->has_leaf = tree_foresee(&ledger->tree, &trail, path, &one->leaf);
            table_foresee(&ledger->topics, one->path);
        }
        if (one->has_leaf) {
            table_foresee(&ledger->tree.nodes, one->leaf);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (foreseen[i].has_path) {
            table_foresee_node(&ledger->topics, foreseen[i].path);
        }
        if (foreseen[i].has_leaf) {
            table_foresee_node(&ledger->tree.nodes, foreseen[i].leaf);
        }
    }
}

/* Where there is no memory for it the tables grow as they do later. */
void ledger_expect(struct ledger *ledger, size_t topics) {
    const uint64_t topics_max = ledger->limits->topics_max;
    const size_t count = topics < topics_max ? topics : (size_t)topics_max;
    (void)(table_reserve(&ledger->topics, count) && table_reserve(&ledger->tree.nodes, count));
}

/* Not before it is needed, and never more than as many again as there are: what comes may be changes of the same topics again and again. */
void ledger_expect_like(struct ledger *ledger, size_t left) {
    const size_t count = ledger->topics.count;
    const size_t loaded = left < ledger->load_left ? ledger->load_left - left : 0;
    const size_t came = count > ledger->load_topics ? count - ledger->load_topics : 0;
    const bool is_like = ledger->load_is_like;
    ledger->load_left = left;
    ledger->load_topics = count;
    ledger->load_is_like = loaded > 0; /* the first of it came together with others */
    if (loaded == 0 || !is_like || count + came <= ledger->topics.bucket_count) {
        return;
    }
    const double like = (double)came / (double)loaded * (double)left;
    ledger_expect(ledger, count + (like < (double)count ? (size_t)like : count));
}
