/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/limits.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

void limits_default(struct limits *limits) {
    *limits = (struct limits){
        .message_bytes_max = MIB,
        .document_bytes_max = 64 * KIB,
        .topics_max = 10 * 1000 * 1000,
        .documents_bytes_max = 8 * GIB,
        .removals_max = 65536,
        .keys_max = 1000 * 1000,
        .key_ms = 10 * 60 * 1000,
        .at_ahead_ms_max = 5 * 60 * 1000,
        .subscriptions_max = 1000,
        .patterns_max = 64,
        .session_views_max = 4096,
        .view_topics_max = 10 * 1000 * 1000,
        .views_max = 1000 * 1000,
        .places_max = 20 * 1000 * 1000,
        .every_ms_max = 60 * 60 * 1000,
        .where_conditions_max = 16,
        .where_values_max = 64,
        .where_bytes_max = 4 * KIB,
        .where_scans_max = 256,
        .nears_max = 16,
        .near_limit_max = 1000,
        .near_margin_percent = 5,
        .near_margin_m = 10,
        .lefts_max = 65536,
        .promise_ms_max = INT64_C(366) * 24 * 60 * 60 * 1000,
        .due_changes_max = 1000,
        .sources_max = 65536,
        .grace_ms = 30000,
        .grace_ms_max = 24 * 60 * 60 * 1000,
        .demand_topics_max = 10000,
        .demand_every_ms = 1000,
        .demand_linger_ms = 5000,
        .demand_rate_max = 200,
        .hello_ms = 5000,
        .beat_ms = 15000,
        .outbox_bytes_max = MIB,
        .publishes_max = 1024,
        .publish_rate_max = 0,
        .message_rate_max = 0,
        .receive_rate_max = 0,
        .public_message_rate_max = 100,
        .public_receive_rate_max = (int64_t)(256 * KIB),
        .get_items_max = 1000,
        .get_bytes_max = MIB,
        .block_bytes = 16 * KIB,
        .encoded_bytes_max = 8 * MIB,
    };
}
