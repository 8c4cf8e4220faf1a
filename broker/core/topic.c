/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/topic.h"

struct span topic_path(const struct topic *topic) {
    return span_of(topic->path, topic->path_bytes);
}

bool topic_is_removed(const struct topic *topic) {
    return topic->document == NULL;
}
