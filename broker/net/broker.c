/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/broker.h"

#include "broker/net/connection.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

/* Descriptors that are not connections: the journal and its next segment, LMDB, the loop, listening sockets, a spare one, the library. */
#define DESCRIPTORS_RESERVED 64
#define DESCRIPTORS_DEFAULT 65536

/*
 * How many connections there may be, after the limit of open files was raised (or lowered) to what they need. Not more than asked for: with
 * every close, libwebsockets walks a table as long as the limit, 65,536 entries in about 40 us and a million in about 600 us.
 */
static size_t set_descriptors(struct broker *broker, size_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024 - DESCRIPTORS_RESERVED;
    }
    rlim_t target = wanted == 0 ? DESCRIPTORS_DEFAULT : wanted + DESCRIPTORS_RESERVED;
    limit.rlim_cur = target < limit.rlim_max ? target : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_event(&broker->log, LOG_WARN, "limit-not-raised", "name=nofile reason=\"%s\"", strerror(errno));
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    size_t all = (size_t)limit.rlim_cur;
    return all > 2 * DESCRIPTORS_RESERVED ? all - DESCRIPTORS_RESERVED : all / 2;
}

static uint64_t random_seed(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = uv_hrtime();
    }
    return seed;
}

static bool init_limits(struct broker *broker) {
    size_t wanted = (size_t)broker->config.connections_max;
    size_t connections_max = set_descriptors(broker, wanted);
    if (!connection_limits_init(&broker->limits, random_seed())) {
        return false;
    }
    if (wanted > connections_max) {
        log_event(&broker->log, LOG_WARN, "limit-lowered", "name=connections_max wanted=%zu possible=%zu", wanted,
                  connections_max);
    }
    broker->limits.connections_max = wanted == 0 || wanted > connections_max ? connections_max : wanted;
    broker->limits.connections_per_address_max = (size_t)broker->config.connections_per_address_max;
    broker->limits.limit_loopback = broker->config.limit_loopback;
    return true;
}

static bool open_store(struct broker *broker) {
    char detail[512] = "";
    broker->config.store.path = broker->config.data;
    broker->config.store.removals_max = broker->config.core.removals_max;
    broker->config.store.key_keep_ms = broker->config.core.key_ms;
    enum result result = store_open(&broker->store, &broker->config.store, &broker->report, detail, sizeof detail);
    if (result != RESULT_OK) {
        log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"the store cannot be opened\" reason=\"%s\" detail=\"%s\"",
                  result_text(result), detail);
        broker->store = NULL;
        return false;
    }
    struct core_options options = {
        .limits = broker->config.core,
        .epoch = broker->report.epoch,
        .server = "ahora/" AHORA_VERSION,
        .seed = random_seed(),
    };
    broker->core = core_create(&options);
    if (broker->core == NULL) {
        log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"out of memory\"");
    }
    return broker->core != NULL;
}

/* The loop and everything on it. What was opened before a failure is closed by loop_stop and listeners_close. */
static bool start_loop(struct broker *broker) {
    char why[256] = "";
    if (!websockets_init(broker)) {
        log_event(&broker->log, LOG_ERROR, "start-failed",
                  "what=\"libwebsockets cannot start; is its libuv plugin installed?\"");
        return false;
    }
    if (!listeners_open(broker, why, sizeof why)) {
        log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"%s\"", why);
        return false;
    }
    for (size_t i = 0; i < broker->listeners.count; i++) {
        log_event(&broker->log, LOG_INFO, "listening", "address=%s", broker->listeners.items[i].name);
    }
    return true;
}

static void fini(struct broker *broker) {
    connection_limits_fini(&broker->limits);
    if (broker->core != NULL) {
        core_destroy(broker->core);
    }
    if (broker->store != NULL) {
        store_close(broker->store);
    }
    log_take_lws(NULL);
}

static void run_loop(struct broker *broker) {
    const int64_t lasts_ms[DEADLINE_CLASSES] = {
        [DEADLINE_HEADER] = broker->config.header_ms, [DEADLINE_BODY] = broker->config.body_ms,
        [DEADLINE_IDLE] = broker->config.idle_ms,     [DEADLINE_STALL] = broker->config.stall_ms,
        [DEADLINE_CLOSE] = broker->config.close_ms,
    };
    deadlines_init(&broker->deadlines, lasts_ms);
    list_init(&broker->connections);
    list_init(&broker->work);
    if (!loop_init(&broker->loop, broker)) {
        log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"no event loop\"");
        broker->exit_code = 1;
        return;
    }
    loop_enter(broker);
    if (!start_loop(broker)) {
        broker->exit_code = 1;
        broker->phase = PHASE_STOPPED;
        websockets_stop(broker);
        loop_stop(broker);
    }
    loop_run(&broker->loop);
    websockets_fini(broker);
    loop_fini(&broker->loop);
}

int broker_run(struct broker *broker) {
    signal(SIGPIPE, SIG_IGN);
    broker->log.level = broker->config.log_level;
    broker->listeners.spare_fd = -1;
    broker->started_ms = (int64_t)(uv_hrtime() / 1000000);
    log_event(&broker->log, LOG_INFO, "start", "version=" AHORA_VERSION " data=\"%s\"", broker->config.data);
    if (!init_limits(broker)) {
        log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"out of memory\"");
        return 1;
    }
    if (open_store(broker)) {
        run_loop(broker);
    } else {
        broker->exit_code = 1;
    }
    fini(broker);
    if (broker->exit_code == 0) {
        log_event(&broker->log, LOG_INFO, "stopped", "uptime_ms=%" PRId64,
                  (int64_t)(uv_hrtime() / 1000000) - broker->started_ms);
    }
    return broker->exit_code;
}
