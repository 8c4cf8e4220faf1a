/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/reload.h"

#include "broker/net/broker.h"
#include "broker/net/lifecycle.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

/* Those that are looked at each time they are needed. What sizes a buffer, divides among shards or orders a list of deadlines stays. */
static const char *const keys_that_may_change[] = {
    "log.level",
    "limits.connections_per_address_max",
    "limits.limit_loopback",
    "limits.sessions_per_subject_max",
    "limits.handshake_rate_max",
    "limits.handshakes_waiting_max",
    "limits.handshake_wait_ms",
    "limits.turn_ms",
    "limits.memory_bytes_max",
    "limits.topics_max",
    "limits.documents_bytes_max",
    "limits.removals_max",
    "limits.keys_max",
    "limits.subscriptions_max",
    "limits.patterns_max",
    "limits.session_views_max",
    "limits.view_topics_max",
    "limits.nears_max",
    "limits.due_changes_max",
    "limits.sources_max",
    "limits.publishes_max",
    "limits.publish_rate_max",
    "limits.message_rate_max",
    "limits.receive_rate_max",
    "limits.public_message_rate_max",
    "limits.public_receive_rate_max",
    "limits.get_items_max",
    "http.page_items_max",
    "http.range_nights_max",
    "http.stream_results_max",
    "drain.drain_ms",
    "drain.retry_ms",
    "drain.return_rate_max",
};

bool reload_may_change(const struct config_key *key) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", key->section, key->name);
    for (size_t i = 0; i < sizeof keys_that_may_change / sizeof keys_that_may_change[0]; i++) {
        if (strcmp(name, keys_that_may_change[i]) == 0) {
            return true;
        }
    }
    return false;
}

void reload_init(struct reload *reload, const struct config *config) {
    pthread_mutex_init(&reload->mutex, NULL);
    reload->config = *config;
    atomic_store(&reload->version, 0);
}

void reload_fini(struct reload *reload) {
    pthread_mutex_destroy(&reload->mutex);
}

/* ---- one key ---- */

static size_t bytes_of(const struct config_key *key) {
    switch (key->type) {
    case CONFIG_TEXT:
        return CONFIG_TEXT_BYTES_MAX;
    case CONFIG_BOOL:
        return sizeof(bool);
    case CONFIG_LEVEL:
        return sizeof(enum log_level);
    case CONFIG_SYNC: /* the mode beside it is looked at by `differs` */
    case CONFIG_NUMBER:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        break;
    }
    return sizeof(int64_t);
}

static bool differs(const struct config *a, const struct config *b, const struct config_key *key) {
    const char *left = (const char *)a + key->offset;
    const char *right = (const char *)b + key->offset;
    if (key->type == CONFIG_TEXT) {
        return strcmp(left, right) != 0;
    }
    return memcmp(left, right, bytes_of(key)) != 0 || (key->type == CONFIG_SYNC && a->store.sync != b->store.sync);
}

static void copy(struct config *to, const struct config *from, const struct config_key *key) {
    memcpy((char *)to + key->offset, (const char *)from + key->offset, bytes_of(key));
}

/* ---- reading again ---- */

static void put_name(struct buffer *out, const struct config_key *key) {
    char name[100];
    const bool is_first = out->bytes == 0;
    snprintf(name, sizeof name, "%s\"%s.%s\"", is_first ? "" : ",", key->section, key->name);
    buffer_put_text(out, name);
}

struct differences {
    struct buffer changed;
    struct buffer needs_restart;
};

static void compare(struct broker *first, struct config *in_force, const struct config *next, struct differences *found) {
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!differs(in_force, next, key)) {
            continue;
        }
        if (reload_may_change(key)) {
            copy(in_force, next, key);
            put_name(&found->changed, key);
            log_event(&first->log, LOG_INFO, "setting-changed", "key=%s.%s", key->section, key->name);
        } else {
            put_name(&found->needs_restart, key);
            log_event(&first->log, LOG_WARN, "setting-needs-restart", "key=%s.%s", key->section, key->name);
        }
    }
}

static void put_outcome(struct buffer *out, const struct differences *found) {
    if (out == NULL) {
        return;
    }
    buffer_put_text(out, "{\"reloaded\":true,\"changed\":[");
    buffer_put_span(out, buffer_span(&found->changed));
    buffer_put_text(out, "],\"needs_restart\":[");
    buffer_put_span(out, buffer_span(&found->needs_restart));
    buffer_put_text(out, "]}\n");
}

static void publish(struct broker *first, const struct config *next) {
    struct reload *reload = &first->shards->reload;
    pthread_mutex_lock(&reload->mutex);
    reload->config = *next;
    atomic_fetch_add(&reload->version, 1);
    pthread_mutex_unlock(&reload->mutex);
    first->loop.dirty = true;
    for (size_t i = 1; i < first->shards->count; i++) {
        uv_async_send(&first->shards->brokers[i]->loop.wake);
    }
}

static void refuse(struct broker *first, struct buffer *out, const char *errors) {
    const size_t line = strcspn(errors, "\n");
    log_event(&first->log, LOG_ERROR, "reload-refused", "reason=\"%.*s\" action=\"nothing changed\"", (int)line, errors);
    if (out != NULL) {
        buffer_put_text(out, "{\"reloaded\":false,\"error\":");
        json_put_text(out, span_of(errors, line));
        buffer_put_text(out, "}\n");
    }
}

static void read_again(struct broker *first, struct buffer *out, FILE *errors, char *const *error_text) {
    struct config *next = calloc(1, sizeof *next);
    struct config in_force = first->shards->reload.config; /* nobody else writes it */
    struct differences found;
    if (next == NULL) {
        return;
    }
    first->config_source->read(first->config_source, next, errors);
    fflush(errors);
    if (next->errors > 0) {
        refuse(first, out, *error_text);
    } else {
        buffer_init(&found.changed, 8192);
        buffer_init(&found.needs_restart, 8192);
        compare(first, &in_force, next, &found);
        publish(first, &in_force);
        put_outcome(out, &found);
        buffer_fini(&found.changed);
        buffer_fini(&found.needs_restart);
    }
    free(next);
}

void reload_now(struct broker *first, struct buffer *out) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *errors = open_memstream(&text, &bytes);
    if (errors != NULL) {
        read_again(first, out, errors, &text);
        fclose(errors);
        free(text);
    }
    lifecycle_reload_files(first);
}

/* ---- in force ---- */

static void take_first(struct broker *first) {
    struct connection_limits *limits = &first->shards->limits;
    pthread_mutex_lock(&limits->mutex);
    limits->connections_per_address_max = (size_t)first->config.connections_per_address_max;
    limits->limit_loopback = first->config.limit_loopback;
    pthread_mutex_unlock(&limits->mutex);
    pressure_configure(first, first->config.memory_bytes_max);
}

void reload_follow(struct broker *broker) {
    struct reload *reload = &broker->shards->reload;
    const unsigned version = atomic_load_explicit(&reload->version, memory_order_acquire);
    if (version == broker->reload_version) {
        return;
    }
    broker->reload_version = version;
    pthread_mutex_lock(&reload->mutex);
    for (size_t i = 0; i < config_key_count; i++) {
        if (reload_may_change(&config_keys[i])) { /* none of these is divided among shards */
            copy(&broker->config, &reload->config, &config_keys[i]);
        }
    }
    pthread_mutex_unlock(&reload->mutex);
    broker->log.level = broker->config.log_level;
    core_configure(broker->core, &broker->config.core);
    gate_configure(broker);
    if (broker->index == 0) {
        take_first(broker);
    }
}
