/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who is heard when many are ready: pipes with a byte in them, which stay ready until somebody reads it. */
#include "broker/net/poller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define CROWD 200
#define SLICE_LONG_US 2000000
#define SLICE_OVER_US (-1) /* after the first call */

struct speaker {
    struct pollee pollee;
    int write_fd;
    unsigned heard;
    unsigned heard_at; /* how many events there were before it last was */
};

static struct poller poller;
static struct speaker backend; /* stands for libuv's descriptor */
static struct speaker crowd[CROWD];
static unsigned events_heard;

static void on_event(struct pollee *pollee, int status, int events) {
    struct speaker *speaker = CONTAINER_OF(pollee, struct speaker, pollee);
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    speaker->heard++;
    speaker->heard_at = events_heard++;
}

static void on_event_hush(struct pollee *pollee, int status, int events) {
    on_event(pollee, status, events);
    poller_want(&poller, pollee, 0);
}

static void speaker_open(struct speaker *speaker) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    *speaker = (struct speaker){.pollee = {.fd = fds[0], .on_event = on_event}, .write_fd = fds[1]};
}

static void speak(const struct speaker *speaker) {
    assert_int_equal(write(speaker->write_fd, "!", 1), 1);
}

static void speaker_close(const struct speaker *speaker) {
    close(speaker->pollee.fd);
    close(speaker->write_fd);
}

static void follow(struct speaker *speaker) {
    poller_want(&poller, &speaker->pollee, UV_READABLE);
}

static int set_up(void **state) {
    (void)state;
    events_heard = 0;
    speaker_open(&backend);
    assert_true(poller_open(&poller, backend.pollee.fd));
    for (int i = 0; i < CROWD; i++) {
        speaker_open(&crowd[i]);
        follow(&crowd[i]);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        speaker_close(&crowd[i]);
    }
    speaker_close(&backend);
    poller_close(&poller);
    return 0;
}

static bool turn(int64_t slice_us) {
    return poller_serve(&poller, poller_wait(&poller, 0), slice_us);
}

static void all_speak(void) {
    for (int i = 0; i < CROWD; i++) {
        speak(&crowd[i]);
    }
}

static void who_is_ready_is_heard_and_nobody_else(void **state) {
    (void)state;
    speak(&crowd[3]);
    assert_false(turn(SLICE_LONG_US));
    assert_int_equal(crowd[3].heard, 1);
    assert_int_equal(events_heard, 1);
    poller_want(&poller, &crowd[3].pollee, 0);
    assert_false(turn(SLICE_LONG_US));
    assert_int_equal(events_heard, 1);
}

static void a_slice_ends_a_turn_and_the_next_goes_on_with_the_others(void **state) {
    (void)state;
    all_speak();
    for (int turns = 0; turns < (CROWD + POLLER_EVENTS_MAX - 1) / POLLER_EVENTS_MAX; turns++) {
        turn(SLICE_OVER_US);
    }
    for (int i = 0; i < CROWD; i++) {
        assert_true(crowd[i].heard >= 1); /* none twice before all once */
        assert_true(crowd[i].heard <= 2); /* the last call has room for some again */
    }
}

static void a_long_slice_hears_all(void **state) {
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        crowd[i].pollee.on_event = on_event_hush;
    }
    all_speak();
    turn(SLICE_LONG_US);
    assert_int_equal(events_heard, CROWD);
}

static void the_first_is_heard_behind_one_call_of_the_crowd_and_ends_the_turn(void **state) {
    (void)state;
    struct speaker first;
    speaker_open(&first);
    first.pollee.is_first = true;
    follow(&first);
    turn(SLICE_LONG_US); /* the kernel is told */
    all_speak();
    speak(&first);
    assert_false(turn(SLICE_LONG_US));
    assert_int_equal(first.heard, 1);
    assert_in_range(first.heard_at, 0, POLLER_EVENTS_MAX);
    assert_in_range(events_heard, 1, POLLER_EVENTS_MAX + 1);
    /* It goes on and on: the crowd is heard all the same. */
    for (int turns = 0; turns < 2 * CROWD; turns++) {
        turn(SLICE_LONG_US);
    }
    for (int i = 0; i < CROWD; i++) {
        assert_true(crowd[i].heard > 0);
    }
    speaker_close(&first);
}

static void who_is_preferred_later_is_heard_so_too(void **state) {
    (void)state;
    all_speak();
    turn(SLICE_OVER_US);
    poller_prefer(&poller, &crowd[CROWD - 1].pollee);
    poller_prefer(&poller, &crowd[CROWD - 1].pollee); /* twice is once */
    for (unsigned turns = 1; turns <= CROWD; turns++) {
        turn(SLICE_OVER_US);
        assert_int_equal(crowd[CROWD - 1].heard, turns);
    }
}

static void who_is_preferred_before_it_waits_is_heard_once_it_does(void **state) {
    (void)state;
    struct speaker late;
    speaker_open(&late);
    poller_prefer(&poller, &late.pollee);
    speak(&late);
    turn(SLICE_LONG_US);
    assert_int_equal(late.heard, 0);
    follow(&late);
    turn(SLICE_LONG_US);
    assert_int_equal(late.heard, 1);
    poller_want(&poller, &late.pollee, 0);
    turn(SLICE_LONG_US);
    assert_int_equal(late.heard, 1);
    speaker_close(&late);
}

static void libuv_is_first_too(void **state) {
    (void)state;
    all_speak();
    assert_false(turn(SLICE_OVER_US));
    speak(&backend);
    assert_true(turn(SLICE_LONG_US));
    assert_true(events_heard <= 2 * POLLER_EVENTS_MAX);
}

/* Who forgets another, which has something to say in the same call. */
static void on_event_forget(struct pollee *pollee, int status, int events) {
    on_event(pollee, status, events);
    for (int i = 0; i < CROWD; i++) {
        if (&crowd[i].pollee != pollee && !crowd[i].pollee.is_gone) {
            poller_forget(&crowd[i].pollee);
        }
    }
}

static void who_was_forgotten_is_not_heard(void **state) {
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        crowd[i].pollee.on_event = on_event_forget;
    }
    all_speak();
    turn(SLICE_OVER_US);
    assert_int_equal(events_heard, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_ready_is_heard_and_nobody_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slice_ends_a_turn_and_the_next_goes_on_with_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_slice_hears_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_is_heard_behind_one_call_of_the_crowd_and_ends_the_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_preferred_later_is_heard_so_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_preferred_before_it_waits_is_heard_once_it_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(libuv_is_first_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_forgotten_is_not_heard, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
