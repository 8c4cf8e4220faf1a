/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/broker.h"

#include "broker/base/backing.h"
#include "broker/net/connection.h"
#include "broker/net/lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

/* Descriptors that are not connections: the journal and its next segment, LMDB, the loop, listening sockets, a spare one. */
#define DESCRIPTORS_RESERVED 64
#define DESCRIPTORS_DEFAULT 65536

/*
 * How many connections there may be, after the limit of open files was raised (or lowered) to what they need. Not more than asked for: each
 * costs memory, ours and the kernel's.
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
    struct connection_limits *limits = &broker->shards->limits;
    size_t wanted = (size_t)broker->config.connections_max;
    size_t connections_max = set_descriptors(broker, wanted);
    if (!connection_limits_init(limits, random_seed()) || !subjects_init(&broker->shards->subjects, random_seed())) {
        return false;
    }
    if (wanted > connections_max) {
        log_event(&broker->log, LOG_WARN, "limit-lowered", "name=connections_max wanted=%zu possible=%zu", wanted,
                  connections_max);
    }
    limits->connections_max = wanted == 0 || wanted > connections_max ? connections_max : wanted;
    limits->connections_per_address_max = (size_t)broker->config.connections_per_address_max;
    limits->limit_loopback = broker->config.limit_loopback;
    pressure_configure(broker, broker->config.memory_bytes_max);
    return true;
}

/* What a topic takes beside its name and document (struct topic, its node in the tree, what malloc adds), for an estimate. */
#define TOPIC_BYTES 400

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
    const struct store_report *report = &broker->report;
    backing_expect(report->topics_bytes + report->journal_bytes + (report->topics + report->journal_changes) * TOPIC_BYTES);
    return true;
}

static struct core *create_core(const struct broker *broker) {
    struct core_options options = {
        .limits = broker->config.core,
        .kinds = broker->kinds,
        .epoch = broker->report.epoch,
        .server = "ahora/" AHORA_VERSION,
        .seed = random_seed(),
        .followers = broker->index == 0 ? (unsigned)broker->shards->count - 1 : 0,
        .session_first = (unsigned)broker->index,
        .session_step = (unsigned)broker->shards->count,
        .follows = broker->index > 0,
        .controlled = access_is_controlled(&broker->config),
    };
    struct core *core = core_create(&options);
    if (core != NULL) {
        core_expect(core, broker->report.topics);
    }
    return core;
}

/* ---- shards ---- */

/* What bounds sums of the whole process is divided among its shards. */
static void divide(struct config *config, size_t shards) {
    int64_t *const sums[] = {&config->bodies_bytes_max,   &config->requests_max,   &config->listed_topics_max,
                             &config->messages_bytes_max, &config->handshakes_max, &config->event_streams_max};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        int64_t part = *sums[i] / (int64_t)shards;
        *sums[i] = part > 0 ? part : 1;
    }
    size_t *const held[] = {&config->core.views_max, &config->core.places_max};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        *held[i] = *held[i] / shards > 0 ? *held[i] / shards : 1;
    }
}

static size_t count_shards(const struct broker *broker) {
    size_t wanted = (size_t)broker->config.shards;
    wanted = wanted == 0 ? (size_t)uv_available_parallelism() : wanted;
    return wanted < SHARDS_MAX ? wanted : SHARDS_MAX;
}

static bool make_shards(struct broker *first) {
    first->shards = calloc(1, sizeof *first->shards);
    if (first->shards == NULL) {
        return false;
    }
    pthread_mutex_init(&first->shards->mutex, NULL);
    tls_context_init(&first->shards->tls);
    pthread_mutex_init(&first->shards->access.mutex, NULL);
    first->shards->count = count_shards(first);
    first->shards->brokers[0] = first;
    inquiries_init(&first->shards->inquiries);
    reload_init(&first->shards->reload, &first->config);
    divide(&first->config, first->shards->count);
    return true;
}

struct broker *broker_create_follower(const struct broker *first, size_t index) {
    struct broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) {
        return NULL;
    }
    broker->config = first->config;
    broker->log = first->log;
    broker->shards = first->shards;
    broker->kinds = first->kinds;
    broker->index = index;
    broker->store = first->store;
    broker->report = first->report;
    broker->started_ms = first->started_ms;
    broker->listeners.spare_fd = -1;
    broker->core = create_core(broker);
    if (broker->core == NULL) {
        free(broker);
        return NULL;
    }
    return broker;
}

void broker_destroy_follower(struct broker *broker) {
    if (broker != NULL) {
        core_destroy(broker->core);
        access_leave(broker); /* if its loop never ran */
        free(broker);
    }
}

/* ---- the loop ---- */

/* How often a stream of lines that publishes too fast looks whether it may go on. */
#define PACE_MS 50

bool broker_open_loop(struct broker *broker) {
    const int64_t lasts_ms[DEADLINE_CLASSES] = {
        [DEADLINE_HEADER] = broker->config.header_ms,       [DEADLINE_BODY] = broker->config.body_ms,
        [DEADLINE_IDLE] = broker->config.idle_ms,           [DEADLINE_STALL] = broker->config.stall_ms,
        [DEADLINE_CLOSE] = broker->config.close_ms,         [DEADLINE_PACE] = PACE_MS,
        [DEADLINE_HANDSHAKE] = broker->config.handshake_ms,
    };
    deadlines_init(&broker->deadlines, lasts_ms);
    list_init(&broker->connections);
    list_init(&broker->work);
    dawdlers_init(&broker->dawdlers);
    tls_queues_init(&broker->tls);
    if (!loop_init(&broker->loop, broker)) {
        return false;
    }
    loop_enter(broker);
    if (!gate_init(&broker->gate, random_seed(), broker->now_ms) || !judging_init(&broker->judging, random_seed())) {
        return false;
    }
    gate_configure(broker);
    return access_join(broker) && websockets_init(broker);
}

void broker_run_loop(struct broker *broker) {
    loop_run(broker);
    websockets_fini(broker);
    gate_fini(&broker->gate);
    judging_fini(&broker->judging);
    loop_fini(&broker->loop);
    access_leave(broker);
}

static bool fail_start(struct broker *broker, const char *what) {
    log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"%s\"", what);
    return false;
}

/* Loops, sockets, threads. What was opened before a failure is closed by lifecycle_stop. */
static bool start(struct broker *broker) {
    char why[256] = "";
    if (!broker_open_loop(broker)) {
        return fail_start(broker, broker->loop.is_open ? "out of memory" : "no event loop");
    }
    if (listen_has_tls(&broker->config) && !tls_context_load(&broker->shards->tls, &broker->config, why, sizeof why)) {
        return fail_start(broker, why);
    }
    if (!shards_create(broker, why, sizeof why) || !listeners_open(broker, why, sizeof why) ||
        !shards_listen(broker->shards, why, sizeof why)) {
        return fail_start(broker, why);
    }
    for (size_t i = 0; i < broker->listeners.count; i++) {
        static const char *const roles[LISTENER_ROLES] = {"both", "public", "internal"};
        const struct listener *listener = &broker->listeners.items[i];
        log_event(&broker->log, LOG_INFO, "listening", "address=%s role=%s tls=%s", listener->name, roles[listener->role],
                  listener->is_secure ? "yes" : "no");
    }
    if (!access_is_controlled(&broker->config)) {
        log_event(
            &broker->log, LOG_WARN, "access-open",
            "who=\"whoever reaches the addresses above\" may=\"read and write everything their roles offer\" see=auth.keys");
    }
    return shards_start(broker->shards) || fail_start(broker, "no thread for a shard");
}

static void run_loop(struct broker *broker) {
    if (!start(broker)) {
        broker->exit_code = 1;
        if (!broker->loop.is_open) {
            return;
        }
        lifecycle_stop(broker);
    }
    broker_run_loop(broker);
}

/* The shards that follow go first: they show documents of the first core. */
static void fini(struct broker *broker) {
    access_close(broker);
    shards_destroy(broker->shards);
    if (broker->core != NULL) {
        core_destroy(broker->core);
    }
    if (broker->store != NULL) {
        store_close(broker->store);
    }
}

int broker_run(struct broker *broker) {
    signal(SIGPIPE, SIG_IGN);
    broker->log.level = broker->config.log_level;
    broker->listeners.spare_fd = -1;
    broker->started_ms = (int64_t)(uv_hrtime() / 1000000);
    log_event(&broker->log, LOG_INFO, "start", "version=" AHORA_VERSION " data=\"%s\"", broker->config.data);
    if (!make_shards(broker) || !init_limits(broker)) {
        fail_start(broker, "out of memory");
        return 1;
    }
    char why[512] = "";
    if (!access_open(broker, why, sizeof why)) {
        fail_start(broker, why);
        broker->exit_code = 1;
    } else if (!open_store(broker)) {
        broker->exit_code = 1;
    } else if ((broker->core = create_core(broker)) == NULL) {
        fail_start(broker, "out of memory");
        broker->exit_code = 1;
    } else {
        run_loop(broker);
    }
    fini(broker);
    if (broker->exit_code == 0) {
        log_event(&broker->log, LOG_INFO, "stopped", "uptime_ms=%" PRId64,
                  (int64_t)(uv_hrtime() / 1000000) - broker->started_ms);
    }
    return broker->exit_code;
}
