/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/crew.h"

#include "bench/child.h"
#include "bench/crew_hand.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_NS (5 * NS_PER_S)

int crew_count(const struct run *run) {
    return run->options->loads > 1 ? (int)run->options->loads : 1;
}

int crew_owner(const struct run *run, uint32_t number) {
    uint32_t views = run->options->views > 1 ? (uint32_t)run->options->views : 1;
    uint32_t turn = run->active_count / views;
    return (int)((number % turn + number / turn) % (uint32_t)crew_count(run));
}

/* ---- start and end ---- */

/* Those of the others are forgotten, so that N processes hold each subscriber once. */
static void keep_own(struct run *run, int number) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < run->subscriber_count; i++) {
        if (crew_owner(run, run->subscribers[i].number) == number) {
            run->subscribers[kept++] = run->subscribers[i];
        } else {
            free(run->subscribers[i].versions);
        }
    }
    struct subscriber *fewer = realloc(run->subscribers, (kept > 0 ? kept : 1) * sizeof *run->subscribers);
    run->subscribers = fewer != NULL ? fewer : run->subscribers;
    run->subscriber_count = kept;
}

static void run_child(int fd, int child, void *context) {
    struct run *run = context;
    int number = child + 1;
    struct crew *crew = run->crew;
    close(crew->ear);
    core_pin(cores_of(&run->server.plan->load_cores, number));
    keep_own(run, number);
    hand_run(run, crew, fd, number);
}

static bool listen_to(const struct crew *crew, int fd, int number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    return epoll_ctl(crew->ear, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool make_crew(struct run *run, struct crew *crew) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = crew};
    crew->count = crew_count(run);
    crew->memory.bell = -1;
    for (int i = 0; i < LOADS_MAX; i++) {
        crew->children[i].fd = -1;
    }
    crew->ear = epoll_create1(EPOLL_CLOEXEC);
    return crew->ear >= 0 && crew_memory_init(&crew->memory, crew->count, run->topic_count) &&
           listen_to(crew, crew->memory.bell, 0) && epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, crew->ear, &event) == 0;
}

bool crew_start(struct run *run) {
    if (crew_count(run) == 1) {
        return true;
    }
    struct crew *crew = calloc(1, sizeof *crew);
    run->crew = crew;
    if (crew == NULL || !make_crew(run, crew)) {
        run_fail(run, "no memory or descriptors for several load processes");
        return false;
    }
    const struct cores *cores = &run->server.plan->load_cores;
    crew->core_count = cores->count < crew->count ? cores->count : crew->count;
    for (int i = 0; i + 1 < crew->count; i++) {
        if (!child_start(crew->children, i, SIGKILL, run_child, run) || !listen_to(crew, crew->children[i].fd, i + 1)) {
            run_fail(run, "a load process could not be started");
            return false;
        }
        crew->open[i + 1] = 1;
    }
    keep_own(run, 0);
    return crew_wait(run, "starting", 0);
}

void crew_fini(struct run *run) {
    struct crew *crew = run->crew;
    if (crew == NULL) {
        return;
    }
    child_end_all(crew->children, crew->count - 1, END_NS);
    close(crew->ear);
    crew_memory_fini(&crew->memory);
    free(crew);
    run->crew = NULL;
}

/* ---- hearing ---- */

static void fail(struct run *run, int number, const char *why) {
    if (run->failure == NULL) {
        snprintf(run->failed, sizeof run->failed, "load process %d of %d: %s", number + 1, run->crew->count, why);
        run->failure = run->failed;
        run->is_crew_broken = true;
    }
}

static void hear_hand(struct run *run, struct crew *crew, int number) {
    struct child *child = &crew->children[number - 1];
    char letter;
    ssize_t got = recv(child->fd, &letter, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got == 1 && letter == ANSWER_DONE) {
        crew->open[number] -= crew->open[number] > 0;
        return;
    }
    fail(run, number, got == 1 ? crew->memory.hands[number].state->failure : "it ended before its time");
    epoll_ctl(crew->ear, EPOLL_CTL_DEL, child->fd, NULL);
}

void crew_hear(struct run *run) {
    struct crew *crew = run->crew;
    struct epoll_event events[LOADS_MAX];
    eventfd_t rings;
    if (crew->number > 0) {
        crew->has_order = true;
        return;
    }
    int count = epoll_wait(crew->ear, events, LOADS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == 0) {
            eventfd_read(crew->memory.bell, &rings);
        } else {
            hear_hand(run, crew, (int)events[i].data.u32);
        }
    }
}

bool crew_sleeps(struct run *run) {
    struct crew *crew = run->crew;
    return crew == NULL || crew->number > 0 || !run->heeds || crew_wants_bell(&crew->memory, crew->count);
}

void crew_turn(struct run *run) {
    struct crew *crew = run->crew;
    if (crew == NULL) {
        return;
    }
    if (crew->number > 0) {
        hand_tell_progress(&crew->memory, crew->number, run);
    } else if (run->heeds) {
        crew_is_awake(&crew->memory);
        crew_take_progress(&crew->memory, crew->count, run);
    }
}

/* ---- orders ---- */

static void tell_all(struct run *run, const struct order *order) {
    struct crew *crew = run->crew;
    for (int i = 1; i < crew->count && run->failure == NULL; i++) {
        if (!child_tell(crew->children[i - 1].fd, order, sizeof *order)) {
            fail(run, i, "it ended before its time");
        }
        crew->open[i]++;
    }
}

/* The first that has not answered; 0: all have. */
static int first_open(const struct crew *crew) {
    for (int i = 1; i < crew->count; i++) {
        if (crew->open[i] > 0) {
            return i;
        }
    }
    return 0;
}

bool crew_wait(struct run *run, const char *what, uint32_t count) {
    struct patience patience = {0, 0};
    int open;
    if (run->crew == NULL) {
        return true;
    }
    while ((open = first_open(run->crew)) > 0 && run_is_patient(run, &patience, crew_live(run))) {
        run_poll(run, NS_PER_MS);
        if (count > 0) {
            run_note(run, what, crew_live(run), (double)crew_live(run) / count);
        }
    }
    if (open > 0) {
        fail(run, open, "it does not answer");
    }
    return run->failure == NULL;
}

void crew_join(struct run *run, const struct join_pace *pace) {
    struct order order = {.kind = ORDER_JOIN, .pace = *pace};
    if (run->crew != NULL) {
        tell_all(run, &order);
    }
}

static bool order(struct run *run, const struct order *order) {
    tell_all(run, order);
    return crew_wait(run, NULL, 0);
}

void crew_mark(struct run *run, enum recording recording) {
    if (run->crew != NULL) {
        order(run, &(struct order){.kind = ORDER_MARK, .recording = recording});
    }
}

void crew_set_stalled(struct run *run, uint32_t first, bool stalled) {
    if (run->crew != NULL) {
        order(run, &(struct order){.kind = ORDER_STALL, .first = first, .stalled = stalled});
    }
}

static double share_of(const struct tally *tally) {
    return tally->at_ns > 0 ? (double)tally->load_ns / (double)tally->at_ns : 0;
}

void crew_tally(struct run *run, struct tally *sum) {
    struct crew *crew = run->crew;
    if (crew == NULL || !order(run, &(struct order){.kind = ORDER_TALLY})) {
        return;
    }
    double shares[LOADS_MAX] = {share_of(sum)};
    crew->own_share = shares[0];
    for (int i = 1; i < crew->count; i++) {
        const struct tally *one = &crew->memory.hands[i].state->tally;
        sum->deliveries += one->deliveries;
        sum->received += one->received;
        sum->reads += one->reads;
        shares[i] = share_of(one);
    }
    sum->load_ns = (int64_t)(cores_busiest(&run->server.plan->load_cores, shares, crew->count) * (double)sum->at_ns);
}

void crew_gather(struct run *run) {
    struct crew *crew = run->crew;
    if (crew == NULL || !order(run, &(struct order){.kind = ORDER_GATHER})) {
        return;
    }
    for (int i = 1; i < crew->count; i++) {
        histogram_add(run->histogram, &crew->memory.hands[i].state->histogram);
    }
}

void crew_check(struct run *run, struct verdict *sum) {
    struct crew *crew = run->crew;
    if (crew == NULL) {
        return;
    }
    for (uint32_t i = 0; i < run->topic_count; i++) {
        crew->memory.published[i] = run->topics[i].published;
    }
    if (!order(run, &(struct order){.kind = ORDER_CHECK})) {
        return;
    }
    for (int i = 1; i < crew->count; i++) {
        const struct verdict *one = &crew->memory.hands[i].state->verdict;
        sum->lost += one->lost;
        sum->conflated += one->conflated;
        sum->duplicates += one->duplicates;
        sum->inversions += one->inversions;
        sum->strays += one->strays;
        sum->late += one->late;
    }
}

void crew_put(const struct run *run, struct result *result) {
    const struct crew *crew = run->crew;
    if (crew == NULL) {
        return;
    }
    size_t used = strlen(result->setting);
    snprintf(result->setting + used, sizeof result->setting - used, ", %d load processes", crew->count);
    result_put(result, "loads", crew->count, "");
    if (crew->core_count > 0) {
        result_put(result, "load_cores", crew->core_count, "");
    }
    if (crew->own_share > 0) {
        result_put(result, "load_share_first", 100 * crew->own_share, "%");
    }
}

/* ---- sums ---- */

struct topic crew_topic(const struct run *run, uint32_t number) {
    struct topic topic = run->topics[number];
    const struct crew *crew = run->crew;
    for (int i = 1; crew != NULL && i < crew->count; i++) {
        const struct hand *hand = &crew->memory.hands[i];
        topic.progress += atomic_load_explicit(&hand->progress[number], memory_order_relaxed);
        topic.subscribers += atomic_load_explicit(&hand->subscribers[number], memory_order_relaxed);
    }
    return topic;
}

uint32_t crew_live(const struct run *run) {
    uint32_t live = run->live_count;
    for (int i = 1; run->crew != NULL && i < run->crew->count; i++) {
        live += atomic_load_explicit(&run->crew->memory.hands[i].state->live, memory_order_relaxed);
    }
    return live;
}

uint64_t crew_deliveries(const struct run *run) {
    uint64_t deliveries = run->tally.deliveries;
    for (int i = 1; run->crew != NULL && i < run->crew->count; i++) {
        deliveries += atomic_load_explicit(&run->crew->memory.hands[i].state->deliveries, memory_order_relaxed);
    }
    return deliveries;
}
