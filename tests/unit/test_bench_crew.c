/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Several load processes on one run: who holds what, what one tells the other meanwhile, and that what any of them finds is found. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "bench/child.h"
#include "bench/crew.h"
#include "bench/crew_hand.h"
#include "bench/crew_memory.h"

#define LOADS 3
#define TOPICS 5
#define SUBSCRIBERS 60
#define PATIENCE_MS 60000

/* ---- cores ---- */

static void cores_are_lists_and_ranges(void **state) {
    (void)state;
    struct cores cores;
    assert_true(cores_parse("1-3,7,0", &cores));
    assert_int_equal(cores.count, 5);
    const int expected[] = {1, 2, 3, 7, 0, 1, 2};
    for (int i = 0; i < 7; i++) {
        assert_int_equal(cores_of(&cores, i), expected[i]); /* in turns, if there are more processes */
    }
    const char *const wrong[] = {"", "a", "1,", ",1", "1-", "-1", "3-1", "1,1", "1-3,2", "1;2", "0-500", "99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(cores_parse(wrong[i], &cores));
    }
    cores_beside(0, &cores);
    for (int i = 0; i < cores.count; i++) {
        assert_int_not_equal(cores.at[i], 0);
    }
    cores.count = 0;
    assert_int_equal(cores_of(&cores, 1), -1);
}

static void who_shares_a_core_fills_it_together(void **state) {
    (void)state;
    const double shares[] = {0.25, 0.5, 0.375, 0.125, 0.25};
    const struct cores one = {.at = {1}, .count = 1};
    const struct cores two = {.at = {1, 2}, .count = 2};
    const struct cores many = {.at = {1, 2, 3, 4, 5, 6, 7}, .count = 7};
    assert_true(cores_busiest(&one, shares, 5) == 1.5);
    assert_true(cores_busiest(&two, shares, 5) == 0.875);
    assert_true(cores_busiest(&many, shares, 5) == 0.5);
    assert_true(cores_busiest(&(struct cores){.count = 0}, shares, 5) == 0.5);
}

/* ---- who holds what ---- */

struct bed {
    struct options options;
    struct server_plan plan;
    struct result result;
    struct run run;
};

/* A run without a server. */
static struct bed *make_bare_bed(void) {
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed->options = (struct options){.topics = TOPICS, .subscribers = 1, .loads = LOADS, .views = 1};
    bed->plan.target = target_find("ahora");
    bed->run = (struct run){.options = &bed->options,
                            .target = bed->plan.target,
                            .server = {.target = bed->plan.target, .plan = &bed->plan},
                            .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                            .crowd_fd = -1,
                            .histogram = &bed->result.histogram};
    bed->run.server.load_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(run_resize_topics(&bed->run, TOPICS));
    return bed;
}

/* Its subscribers are all there and up to date. */
static struct bed *make_bed(void) {
    struct bed *bed = make_bare_bed();
    assert_true(run_make_subscribers(&bed->run, SUBSCRIBERS));
    for (uint32_t i = 0; i < TOPICS; i++) {
        bed->run.topics[i].published = 9;
    }
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        bed->run.subscribers[i].state = SUBSCRIBER_LIVE;
        bed->run.subscribers[i].version = 9;
    }
    return bed;
}

static void drop_bed(struct bed *bed) {
    run_fini(&bed->run);
    free(bed);
}

static void subscribers_of_each_topic_are_spread_over_all(void **state) {
    (void)state;
    struct bed *bed = make_bed();
    uint32_t held[TOPICS][LOADS] = {{0}};
    uint32_t sum[LOADS] = {0};
    for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
        int owner = crew_owner(&bed->run, i);
        assert_in_range(owner, 0, LOADS - 1);
        held[i % TOPICS][owner]++;
        sum[owner]++;
        for (int a = 0; a < LOADS && (i + 1) % (TOPICS * LOADS) == 0; a++) { /* so are those of the first numbers */
            assert_int_equal(sum[a], (i + 1) / LOADS);
        }
    }
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (int i = 0; i < LOADS; i++) {
            assert_int_equal(held[topic][i], SUBSCRIBERS / TOPICS / LOADS);
        }
    }
    drop_bed(bed);
}

/* An address has ports for 25,000; who holds them does not matter. */
static void more_than_an_address_can_take_have_several(void **state) {
    (void)state;
    struct bed *bed = make_bare_bed();
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!run_make_subscribers(&bed->run, 54000)) {
        print_message("skipped: %s\n", bed->run.skipped);
        drop_bed(bed);
        skip();
    }
    static const struct {
        uint32_t number;
        uint32_t source;
    } rows[] = {{0, 2}, {24999, 2}, {25000, 3}, {49999, 3}, {50000, 4}, {53999, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(bed->run.subscribers[rows[i].number].connection.source, rows[i].source);
    }
    drop_bed(bed);
}

/* ---- what any of them finds ---- */

static uint32_t of_owner(const struct run *run, int owner) {
    uint32_t number = SUBSCRIBERS / 2;
    while (crew_owner(run, number) != owner) {
        number++;
    }
    return number;
}

static double found(const struct result *result, const char *name) {
    const struct metric *metric = result_find(result, name, strlen(name));
    assert_non_null(metric);
    return metric->value;
}

static void what_is_right_in_all_is_right(void **state) {
    (void)state;
    struct bed *bed = make_bed();
    assert_true(crew_start(&bed->run));
    assert_int_equal(bed->run.subscriber_count, SUBSCRIBERS / LOADS);
    run_check(&bed->run, &bed->result);
    assert_null(bed->result.invalid);
    assert_true(found(&bed->result, "lost") == 0);
    drop_bed(bed);
}

static void what_any_process_lost_is_lost(void **state) {
    (void)state;
    for (int owner = 0; owner < LOADS; owner++) {
        struct bed *bed = make_bed();
        struct subscriber *subscriber = &bed->run.subscribers[of_owner(&bed->run, owner)];
        subscriber->version = 7;
        subscriber->gaps = 4;
        subscriber->skipped = 1;
        assert_true(crew_start(&bed->run));
        run_check(&bed->run, &bed->result);
        assert_non_null(bed->result.invalid);
        assert_true(found(&bed->result, "lost") == 2 + 3);
        assert_true(found(&bed->result, "conflated") == 1);
        drop_bed(bed);
    }
}

static void a_hand_that_is_killed_fails_the_run(void **state) {
    (void)state;
    struct bed *bed = make_bed();
    assert_true(crew_start(&bed->run));
    pid_t pid = bed->run.crew->children[1].pid;
    kill(pid, SIGKILL);
    run_check(&bed->run, &bed->result);
    assert_non_null(bed->result.invalid);
    assert_non_null(strstr(bed->result.invalid, "load process 3 of 3"));
    run_fini(&bed->run);
    assert_int_equal(kill(pid, 0), -1); /* nobody is left, not even its remains */
    free(bed);
}

/* ---- what one tells the other meanwhile ---- */

#define ROUNDS 40000

static void progress_forever(int fd, int number, void *context) {
    struct run *run = context;
    struct crew *crew = run->crew;
    (void)fd;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint32_t topic = 0; topic < 1 + i % TOPICS; topic++) {
            run->topics[topic].progress++;
            run->topics[topic].is_listed = true;
            run->moved[run->moved_count++] = topic;
        }
        hand_tell_progress(&crew->memory, number + 1, run);
        if (i % 64 == 0) {
            usleep(50); /* the other one shall fall asleep now and then, and be woken */
        }
    }
    _exit(0);
}

/* Sleeps whenever it may: if the bell were missed once, or a topic not listed, it would sleep on. */
static void no_progress_is_slept_through(void **state) {
    (void)state;
    struct bed *bed = make_bed();
    struct run *run = &bed->run;
    struct crew crew = {.count = LOADS};
    uint64_t sum = 0;
    uint64_t expected = 0;
    uint64_t seen[TOPICS] = {0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        expected += (uint64_t)(LOADS - 1) * (1 + i % TOPICS);
    }
    assert_true(crew_memory_init(&crew.memory, LOADS, TOPICS));
    run->crew = &crew;
    for (int i = 0; i + 1 < LOADS; i++) {
        assert_true(child_start(crew.children, i, SIGKILL, progress_forever, run));
    }
    while (sum < expected) {
        eventfd_t rings;
        struct pollfd bell = {.fd = crew.memory.bell, .events = POLLIN};
        if (crew_wants_bell(&crew.memory, LOADS)) {
            assert_int_equal(poll(&bell, 1, PATIENCE_MS), 1);
            eventfd_read(crew.memory.bell, &rings);
        }
        crew_is_awake(&crew.memory);
        crew_take_progress(&crew.memory, LOADS, run);
        while (run->moved_count > 0) {
            uint32_t number = run->moved[--run->moved_count];
            run->topics[number].is_listed = false;
            uint64_t progress = crew_topic(run, number).progress;
            assert_true(progress >= seen[number]);
            sum += progress - seen[number];
            seen[number] = progress;
        }
    }
    assert_int_equal(sum, expected);
    child_end_all(crew.children, LOADS - 1, 10 * NS_PER_S);
    crew_memory_fini(&crew.memory);
    run->crew = NULL;
    drop_bed(bed);
}

static void make_two(struct crew_memory *memory, struct bed **first, struct bed **hand) {
    *first = make_bed();
    *hand = make_bed();
    assert_true(crew_memory_init(memory, 2, TOPICS));
}

static void drop_two(struct crew_memory *memory, struct bed *first, struct bed *hand) {
    crew_memory_fini(memory);
    drop_bed(first);
    drop_bed(hand);
}

static void progress_once(struct crew_memory *memory, struct run *run, uint32_t topic) {
    run->topics[topic].progress++;
    run->topics[topic].is_listed = true;
    run->moved[run->moved_count++] = topic;
    hand_tell_progress(memory, 1, run);
}

/* Six subscribers hold a change one after the other: what wakes is that all hold it. */
static void the_bell_is_rung_once_for_a_change(void **state) {
    (void)state;
    struct bed *first;
    struct bed *hand;
    struct crew_memory memory;
    eventfd_t rings;
    make_two(&memory, &first, &hand);
    hand->run.topics[2].subscribers = 6;
    hand->run.topics[2].progress = 6 * 9;
    hand_tell_topics(&memory, 1, &hand->run);
    for (uint32_t i = 1; i <= 12; i++) {
        assert_true(crew_wants_bell(&memory, 2));
        progress_once(&memory, &hand->run, 2);
        assert_int_equal(eventfd_read(memory.bell, &rings), i % 6 == 0 ? 0 : -1);
        crew_is_awake(&memory);
        assert_true(crew_take_progress(&memory, 2, &first->run));
        first->run.topics[first->run.moved[--first->run.moved_count]].is_listed = false;
    }
    drop_two(&memory, first, hand);
}

static void what_came_before_sleep_is_looked_at_first(void **state) {
    (void)state;
    struct bed *first;
    struct bed *hand;
    struct crew_memory memory;
    eventfd_t rings;
    make_two(&memory, &first, &hand);
    assert_true(crew_wants_bell(&memory, 2));
    crew_is_awake(&memory);
    progress_once(&memory, &hand->run, 3);
    assert_int_equal(eventfd_read(memory.bell, &rings), -1); /* nobody sleeps: no bell */
    assert_false(crew_wants_bell(&memory, 2));
    crew_is_awake(&memory);
    progress_once(&memory, &hand->run, 3);
    assert_true(crew_take_progress(&memory, 2, &first->run));
    assert_int_equal(first->run.moved_count, 1); /* twice the same topic */
    assert_false(crew_take_progress(&memory, 2, &first->run));
    assert_true(crew_wants_bell(&memory, 2));
    progress_once(&memory, &hand->run, 3);
    assert_int_equal(eventfd_read(memory.bell, &rings), 0);
    progress_once(&memory, &hand->run, 4);
    assert_int_equal(eventfd_read(memory.bell, &rings), -1); /* it is awake by now */
    drop_two(&memory, first, hand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_are_lists_and_ranges),
        cmocka_unit_test(who_shares_a_core_fills_it_together),
        cmocka_unit_test(subscribers_of_each_topic_are_spread_over_all),
        cmocka_unit_test(more_than_an_address_can_take_have_several),
        cmocka_unit_test(what_is_right_in_all_is_right),
        cmocka_unit_test(what_any_process_lost_is_lost),
        cmocka_unit_test(a_hand_that_is_killed_fails_the_run),
        cmocka_unit_test(what_came_before_sleep_is_looked_at_first),
        cmocka_unit_test(the_bell_is_rung_once_for_a_change),
        cmocka_unit_test(no_progress_is_slept_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
