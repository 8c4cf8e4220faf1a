/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a case sees of its broker from outside: its log, its metrics, its memory. */
#include "tests/integration/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int scene_log_count(const struct broker_process *broker, const char *text) {
    FILE *file = fopen(broker->log, "r");
    assert_non_null(file);
    char line[4096];
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        count += strstr(line, text) != NULL;
    }
    fclose(file);
    return count;
}

bool scene_log_has(const struct broker_process *broker, const char *text) {
    return scene_log_count(broker, text) > 0;
}

void scene_wait_log(const struct broker_process *broker, const char *text) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (!scene_log_has(broker, text)) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(10);
    }
}

double scene_metric(const struct broker_process *broker, const char *name) {
    if (getenv("AHORA_THREADS_SHARDS") != NULL) {
        scene_sleep(100); /* another shard than the one that answers writes its figures down at the end of its turn */
    }
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/metrics", NULL, NULL, &response), 200);
    size_t name_bytes = strlen(name);
    double sum = -1;
    for (const char *line = http_response_body(&response); *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        if (strncmp(line, name, name_bytes) == 0 && (line[name_bytes] == ' ' || line[name_bytes] == '{')) {
            const char *value = end;
            while (value[-1] != ' ') {
                value--;
            }
            sum = (sum < 0 ? 0 : sum) + strtod(value, NULL);
        }
        line = *end == '\0' ? end : end + 1;
    }
    http_response_fini(&response);
    return sum;
}

/* `sign` 1: up to the value; -1: down to it. */
static void wait_metric(const struct broker_process *broker, const char *name, double value, int sign) {
    const int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (double now; (now = scene_metric(broker, name)) * sign < value * sign;) {
        if (scene_clock_ms() > deadline_ms) {
            fail_msg("%s is %.0f, not %.0f", name, now, value);
        }
        scene_sleep(10);
    }
}

void scene_wait_at_least(const struct broker_process *broker, const char *name, double value) {
    wait_metric(broker, name, value, 1);
}

void scene_wait_at_most(const struct broker_process *broker, const char *name, double value) {
    wait_metric(broker, name, value, -1);
}

int64_t scene_memory_kb(const struct broker_process *broker) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)broker->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[1024];
    bool is_sanitized = false;
    while (!is_sanitized && fgets(line, sizeof line, file) != NULL) {
        is_sanitized = strstr(line, "libasan") != NULL || strstr(line, "libtsan") != NULL;
    }
    fclose(file);
    return is_sanitized ? 0 : broker_process_memory_kb(broker, "RssAnon");
}
