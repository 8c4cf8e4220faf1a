/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/budget.h"

#include "broker/core/follow.h"
#include "broker/core/state.h"

#define SLOT_BYTES sizeof(void *)
#define BUCKET_BYTES (2 * sizeof(void *)) /* of a hash table that is half full */

static const struct budget_item items[] = {
    {"session", "struct session", "core/state.h", BUDGET_ALLOCATED(sizeof(struct session) + BUDGET_PRINCIPAL_BYTES)},
    {"session", "its timer's place", "base/heap.h", SLOT_BYTES},
    {"subscription", "struct subscription, one cursor", "core/state.h",
     BUDGET_ALLOCATED(sizeof(struct subscription) + sizeof(struct cursor))},
    {"further pattern", "struct cursor", "core/state.h", sizeof(struct cursor)},
    {"topic", "struct topic, a path of 24 bytes", "core/topic.h", BUDGET_ALLOCATED(sizeof(struct topic) + BUDGET_PATH_BYTES)},
    {"topic", "its place in the table", "base/table.h", BUCKET_BYTES},
    {"topic", "struct tree_node, its last segment", "core/tree.h",
     BUDGET_ALLOCATED(sizeof(struct tree_node) + BUDGET_SEGMENT_BYTES)},
    {"topic", "the node's place in the table", "base/table.h", BUCKET_BYTES},
    {"topic", "the head of its document", "core/document.h", sizeof(struct document) + 8},
    {"topic that promised", "its timer's place", "base/heap.h", SLOT_BYTES},
    {"inner segment", "struct tree_node", "core/tree.h",
     BUDGET_ALLOCATED(sizeof(struct tree_node) + BUDGET_SEGMENT_BYTES) + BUCKET_BYTES},
    {"removal remembered", "struct topic, its node", "core/topic.h",
     BUDGET_ALLOCATED(sizeof(struct topic) + BUDGET_PATH_BYTES) +
         BUDGET_ALLOCATED(sizeof(struct tree_node) + BUDGET_SEGMENT_BYTES) + 2 * BUCKET_BYTES},
    {"view", "struct view", "core/view.h", BUDGET_ALLOCATED(sizeof(struct view) + BUDGET_PATH_BYTES)},
    {"view", "struct tree_node, one a segment", "core/tree.h",
     BUDGET_ALLOCATED(sizeof(struct tree_node) + BUDGET_SEGMENT_BYTES) + BUCKET_BYTES},
    {"topic in a view", "struct place", "core/view.h", BUDGET_ALLOCATED(sizeof(struct place))},
    {"idempotency key", "struct key, 40 bytes of text", "core/keys.h",
     BUDGET_ALLOCATED(sizeof(struct key) + BUDGET_KEY_BYTES) + BUCKET_BYTES},
    {"source", "struct source, a name of 10 bytes", "core/source.h",
     BUDGET_ALLOCATED(sizeof(struct source) + BUDGET_PRINCIPAL_BYTES) + BUCKET_BYTES + SLOT_BYTES},
    {"publish that waits", "struct publication, one result", "core/state.h", BUDGET_ALLOCATED(sizeof(struct publication) + 16)},
};

const struct budget_item *core_budget(size_t *count) {
    *count = sizeof items / sizeof items[0];
    return items;
}
