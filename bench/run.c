/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/run.h"

#include "bench/crew.h"

#include "include/ahora/protocol.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 512
#define CROWD_EVENTS_MAX 16
#define SPIN_NS 100000 /* waits shorter than this are not slept through: waking up takes half of it */
#define NOTE_NS (250 * NS_PER_MS)

/* ---- life ---- */

/* What is asked for on the command line matters to ahora alone; the others have one way each. */
static enum dialect_name choose(const struct run *run, enum dialect_name of_target, bool produces) {
    const char *encoding = run->options->encoding;
    if ((run->target->abilities & CAN_BE_AHORA) == 0) {
        return of_target;
    }
    if (produces && strcmp(encoding, "ndjson") == 0) {
        return DIALECT_NDJSON;
    }
    return strcmp(encoding, "msgpack") == 0 ? DIALECT_MSGPACK : DIALECT_JSON;
}

static bool choose_dialects(struct run *run) {
    const struct options *options = run->options;
    const struct target *target = run->target;
    size_t size = (size_t)options->size;
    bool fine = dialect_init(&run->dialect, choose(run, target->reads, false), size, "applied");
    fine = dialect_init(&run->seed_dialect, choose(run, target->seeds, false), size, "applied") && fine;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        fine = dialect_init(&run->producer_dialects[i], choose(run, target->writes, true), size, options->ack) && fine;
    }
    return fine;
}

static bool make_tables(struct run *run) {
    const struct options *options = run->options;
    run->topic_count = (uint32_t)options->topics;
    run->active_count = options->active > 0 && options->active < options->topics ? (uint32_t)options->active : run->topic_count;
    run->producer_count = (uint32_t)options->producers;
    run->topics = calloc(run->topic_count, sizeof *run->topics);
    run->moved = calloc(run->topic_count, sizeof *run->moved);
    run->producers = calloc(run->producer_count, sizeof *run->producers);
    run->producer_dialects = calloc(run->producer_count, sizeof *run->producer_dialects);
    return run->topics != NULL && run->moved != NULL && run->producers != NULL && run->producer_dialects != NULL;
}

bool run_resize_topics(struct run *run, uint32_t count) {
    assert(run->subscribers == NULL && count > 0);
    free(run->topics);
    free(run->moved);
    run->topics = calloc(count, sizeof *run->topics);
    run->moved = calloc(count, sizeof *run->moved);
    run->topic_count = run->topics != NULL && run->moved != NULL ? count : 0;
    run->active_count = run->topic_count;
    return run->topic_count > 0;
}

bool run_init(struct run *run, const struct options *options, const struct server_plan *plan, struct result *result) {
    *run = (struct run){
        .options = options, .target = plan->target, .histogram = &result->histogram, .epoll_fd = -1, .crowd_fd = -1};
    if (!make_tables(run) || !choose_dialects(run)) {
        fprintf(stderr, "ahora-bench: out of memory\n");
        return false;
    }
    for (uint32_t i = 0; i < run->producer_count; i++) {
        run->producers[i].connection.fd = -1;
    }
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return run->epoll_fd >= 0 && server_start(&run->server, plan);
}

void run_fini(struct run *run) {
    crew_fini(run);
    for (uint32_t i = 0; run->producers != NULL && i < run->producer_count; i++) {
        connection_close(&run->producers[i].connection);
    }
    for (uint32_t i = 0; run->subscribers != NULL && i < run->subscriber_count; i++) {
        connection_close(&run->subscribers[i].connection);
        free(run->subscribers[i].versions);
    }
    server_stop(&run->server);
    if (run->crowd_fd >= 0) {
        close(run->crowd_fd);
    }
    if (run->epoll_fd >= 0) {
        close(run->epoll_fd);
    }
    dialect_fini(&run->dialect);
    dialect_fini(&run->seed_dialect);
    for (uint32_t i = 0; run->producer_dialects != NULL && i < run->producer_count; i++) {
        dialect_fini(&run->producer_dialects[i]);
    }
    free(run->producer_dialects);
    free(run->topics);
    free(run->moved);
    free(run->producers);
    free(run->subscribers);
}

void run_fail(struct run *run, const char *why) {
    if (run->failure == NULL) {
        snprintf(run->failed, sizeof run->failed, "%s", why);
        run->failure = run->failed;
    }
}

/* ---- the loop ---- */

static volatile sig_atomic_t interrupted;

void run_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

bool run_is_interrupted(void) {
    return interrupted != 0;
}

bool run_set_crowd(struct run *run) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    run->crowd_fd = epoll_create1(EPOLL_CLOEXEC);
    return run->crowd_fd >= 0 && epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, run->crowd_fd, &event) == 0;
}

int run_epoll_fd(const struct run *run, const struct subscriber *subscriber) {
    return subscriber->is_untimed && run->crowd_fd >= 0 ? run->crowd_fd : run->epoll_fd;
}

/* True: the crowd is among them. */
static bool serve(struct run *run, const struct epoll_event *events, int count) {
    bool has_crowd = false;
    for (int i = 0; i < count; i++) {
        run->now_ns = clock_ns();
        if (events[i].data.ptr == NULL) {
            has_crowd = true;
        } else if (events[i].data.ptr == run->crew) {
            crew_hear(run);
        } else {
            connection_on_event(events[i].data.ptr, events[i].events);
        }
    }
    return has_crowd;
}

/* Looks until there is something or the time has come. That is no work: a core that spins is not full. */
static int spin(struct run *run, struct epoll_event *events, int64_t wait_ns) {
    int64_t begin = clock_ns();
    int64_t now = begin;
    int count;
    while ((count = epoll_wait(run->epoll_fd, events, EVENTS_MAX, 0)) <= 0) {
        now = clock_ns();
        if (now - begin >= wait_ns) {
            break;
        }
    }
    run->spun_ns += now - begin;
    return count;
}

void run_poll(struct run *run, int64_t wait_ns) {
    if (interrupted) {
        run_fail(run, "interrupted");
    }
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {0, 0};
    if (wait_ns > 0 && !crew_sleeps(run)) {
        wait_ns = 0;
    }
    if (wait_ns > SPIN_NS) {
        wait = (struct timespec){.tv_sec = (wait_ns - SPIN_NS) / NS_PER_S, .tv_nsec = (wait_ns - SPIN_NS) % NS_PER_S};
    }
    int count = wait_ns > 0 && wait_ns <= SPIN_NS ? spin(run, events, wait_ns)
                                                  : epoll_pwait2(run->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    if (serve(run, events, count)) {
        serve(run, events, epoll_wait(run->crowd_fd, events, CROWD_EVENTS_MAX, 0));
    }
    crew_turn(run);
}

bool run_is_patient(const struct run *run, struct patience *patience, uint64_t work) {
    int64_t now = clock_ns();
    if (work != patience->work || patience->since_ns == 0) {
        *patience = (struct patience){.work = work, .since_ns = now};
    }
    return run->failure == NULL && now - patience->since_ns < PATIENCE_NS;
}

/* ---- phases ---- */

static bool wait_for_acks(struct run *run, struct producer *producer, uint64_t in_flight_max) {
    struct patience patience = {0, 0};
    connection_flush(&producer->connection);
    while (producer_in_flight(producer) > in_flight_max && run_is_patient(run, &patience, producer->acked)) {
        run_poll(run, NS_PER_MS);
    }
    return producer_in_flight(producer) <= in_flight_max;
}

static bool seed_topics(struct run *run, struct producer *seeder) {
    struct stamp stamps[AHORA_CHANGES_MAX];
    for (uint32_t topic = 0; topic < run->topic_count;) {
        uint32_t count = 0;
        for (; count < 100 && topic < run->topic_count; count++, topic++) {
            run->topics[topic].published = 1;
            stamps[count] = (struct stamp){.topic = topic, .count = 1, .sent_ns = clock_ns()};
        }
        producer_put(run, seeder, stamps, count);
        if (!wait_for_acks(run, seeder, 16)) {
            return false;
        }
    }
    return wait_for_acks(run, seeder, 0);
}

bool run_seed(struct run *run) {
    struct producer *seeder = calloc(1, sizeof *seeder);
    if (seeder == NULL) {
        return false;
    }
    seeder->connection.fd = -1;
    bool seeded = producer_open(run, seeder, &run->seed_dialect) && seed_topics(run, seeder);
    connection_close(&seeder->connection);
    free(seeder);
    if (!seeded) {
        run_fail(run, "the topics could not be seeded");
    }
    return seeded && run->refused == 0;
}

bool run_open_producers(struct run *run) {
    for (uint32_t i = 0; i < run->producer_count; i++) {
        run->producers[i].topic_next = i;
        if (!producer_open(run, &run->producers[i], &run->producer_dialects[i])) {
            run_fail(run, "a producer could not connect");
            return false;
        }
    }
    return true;
}

void run_publish(struct run *run, uint32_t topic, uint32_t count, int64_t sent_ns) {
    struct stamp stamps[AHORA_CHANGES_MAX];
    struct producer *producer = &run->producers[topic % run->producer_count];
    uint32_t batch = (uint32_t)run->options->batch;
    while (count > 0) {
        uint32_t now = count < batch ? count : batch;
        for (uint32_t i = 0; i < now; i++) {
            stamps[i] = (struct stamp){.topic = topic, .count = ++run->topics[topic].published, .sent_ns = sent_ns};
        }
        producer_put(run, producer, stamps, now);
        count -= now;
    }
}

void run_flush(struct run *run) {
    for (uint32_t i = 0; i < run->producer_count; i++) {
        struct connection *connection = &run->producers[i].connection;
        if (connection->out.failed) {
            run_fail(run, "the server takes nothing more from a producer");
        }
        if (connection->out.bytes > 0) {
            connection_flush(connection);
        }
    }
}

static bool is_behind(const struct topic *topic) {
    return !topic->is_gone && topic->progress < topic->published * topic->subscribers;
}

static bool drain(struct run *run) {
    struct patience patience = {0, 0};
    for (uint32_t number = 0; number < run->topic_count;) {
        struct topic topic = crew_topic(run, number);
        if (!is_behind(&topic)) {
            number++;
        } else if (run_is_patient(run, &patience, topic.progress + number)) {
            run_poll(run, NS_PER_MS);
        } else {
            return false;
        }
    }
    return true;
}

bool run_drain(struct run *run) {
    run->heeds = true;
    bool drained = drain(run);
    run->heeds = false;
    return drained;
}

/* ---- counting ---- */

static int64_t load_cpu_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

/* What has been used and received since the beginning. */
static struct tally take_totals(const struct run *run) {
    struct tally totals = {.cpu_ns = server_cpu_ns(&run->server), .load_ns = load_cpu_ns() - run->spun_ns, .at_ns = clock_ns()};
    for (uint32_t i = 0; i < run->subscriber_count; i++) {
        totals.received += run->subscribers[i].connection.received;
        totals.reads += run->subscribers[i].connection.reads;
    }
    return totals;
}

void run_mark_own(struct run *run, enum recording recording) {
    histogram_clear(run->histogram);
    run->recording = recording;
    run->tally = take_totals(run);
}

void run_mark(struct run *run, enum recording recording) {
    crew_mark(run, recording);
    run_mark_own(run, recording);
}

struct tally run_tally_own(const struct run *run) {
    struct tally tally = take_totals(run);
    tally.deliveries = run->tally.deliveries;
    tally.changes = run->tally.changes;
    tally.late = run->tally.late;
    tally.received -= run->tally.received;
    tally.reads -= run->tally.reads;
    tally.cpu_ns -= run->tally.cpu_ns;
    tally.load_ns -= run->tally.load_ns;
    tally.at_ns -= run->tally.at_ns;
    return tally;
}

struct tally run_tally(struct run *run) {
    struct tally tally = run_tally_own(run);
    crew_tally(run, &tally);
    return tally;
}

void run_put_percentiles(struct run *run, struct result *result) {
    crew_gather(run);
    result_put_percentiles(result);
}

void run_note(struct run *run, const char *what, uint64_t work, double done) {
    int64_t now = clock_ns();
    if (!run->options->progress || now - run->progress_ns < NOTE_NS) {
        return;
    }
    double seconds = (double)(now - run->progress_ns) / (double)NS_PER_S;
    double rate = run->progress_ns > 0 && work >= run->progress_work ? (double)(work - run->progress_work) / seconds : 0;
    int64_t elapsed = now - run->phase_ns;
    double left = done > 0.01 && run->phase_ns > 0 ? (double)elapsed / (double)NS_PER_S * (1 - done) / done : 0;
    if (run->phase != what) {
        run->phase = what;
        run->phase_ns = now;
        rate = 0;
        left = 0;
    }
    char loads[32] = "";
    if (run->crew != NULL) {
        snprintf(loads, sizeof loads, " %d loads ", crew_count(run));
    }
    fprintf(stderr, "\r  %-10s %3.0f %%  %10.0f /s  %3.0f s left %s", what, 100 * done, rate, left, loads);
    run->progress_ns = now;
    run->progress_work = work;
}
