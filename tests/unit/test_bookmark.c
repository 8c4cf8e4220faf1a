/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/bookmark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#define PLACES 5
#define BOOKMARKS 40

/* An order without topics: places are known by their seq. */
struct rig {
    struct view *view;
    struct place places[PLACES];
    struct bookmark bookmarks[BOOKMARKS];
};

static struct rig rig;

static int set_up(void **state) {
    *state = &rig;
    rig = (struct rig){.view = calloc(1, sizeof *rig.view)};
    assert_non_null(rig.view);
    list_init(&rig.view->order);
    for (int i = 0; i < PLACES; i++) {
        rig.places[i] = (struct place){.spot = {.kind = SPOT_PLACE}, .seq = i + 1};
        list_append(&rig.view->order, &rig.places[i].spot.link);
    }
    for (int i = 0; i < BOOKMARKS; i++) {
        bookmark_init(&rig.bookmarks[i]);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (int i = 0; i < BOOKMARKS; i++) {
        bookmark_lift(&rig.bookmarks[i]);
    }
    for (int i = 0; i < PLACES; i++) {
        link_remove(&rig.places[i].spot.link);
    }
    assert_true(list_is_empty(&rig.view->order));
    free(rig.view);
    return 0;
}

static void place_behind(int bookmark, int seq) {
    bookmark_place(rig.view, &rig.bookmarks[bookmark], seq == 0 ? &rig.view->order : &rig.places[seq - 1].spot.link);
}

/* 0: the end. */
static int64_t next_of(int bookmark) {
    const struct place *place = bookmark_next(rig.view, &rig.bookmarks[bookmark]);
    return place == NULL ? 0 : place->seq;
}

static void change(int seq) {
    struct place *place = &rig.places[seq - 1];
    link_remove(&place->spot.link);
    list_append(&rig.view->order, &place->spot.link);
}

static size_t count_gaps(void) {
    size_t count = 0;
    for (struct link *link = rig.view->order.next; link != &rig.view->order; link = link->next) {
        count += CONTAINER_OF(link, struct spot, link)->kind == SPOT_GAP;
    }
    return count;
}

static void bookmarks_at_one_place_share_a_gap(void **state) {
    (void)state;
    for (int i = 0; i < BOOKMARKS; i++) {
        place_behind(i, i % 2 == 0 ? 2 : 0);
    }
    assert_int_equal(count_gaps(), 2);
    assert_int_equal(next_of(0), 3);
    assert_int_equal(next_of(1), 1);
}

/* What stands between two gaps leaves, again and again; whoever looks finds what is left and joins the gaps. */
static void gaps_that_meet_are_joined(void **state) {
    (void)state;
    for (int i = 0; i < BOOKMARKS; i++) {
        place_behind(i, i % 4);
    }
    assert_int_equal(count_gaps(), 4);
    change(1);
    change(2);
    change(3);
    assert_int_equal(next_of(0), 4);
    assert_int_equal(count_gaps(), 1);
    for (int i = 0; i < BOOKMARKS; i++) {
        assert_int_equal(next_of(i), 4);
    }
}

static void a_reader_passes_and_the_others_stay(void **state) {
    (void)state;
    place_behind(0, 0);
    place_behind(1, 0);
    for (int seq = 1; seq <= PLACES; seq++) {
        assert_int_equal(next_of(0), seq);
        bookmark_pass(rig.view, &rig.bookmarks[0], &rig.places[seq - 1]);
    }
    assert_int_equal(next_of(0), 0);
    assert_int_equal(next_of(1), 1);
    change(1);
    assert_int_equal(next_of(0), 1);
    assert_int_equal(next_of(1), 2);
}

static void a_reader_that_meets_a_gap_enters_it(void **state) {
    (void)state;
    place_behind(0, 0);
    place_behind(1, 1);
    bookmark_pass(rig.view, &rig.bookmarks[0], &rig.places[0]);
    assert_int_equal(count_gaps(), 1);
    assert_int_equal(next_of(0), 2);
    bookmark_lift(&rig.bookmarks[1]);
    assert_int_equal(next_of(0), 2);
    bookmark_lift(&rig.bookmarks[0]);
    assert_int_equal(count_gaps(), 0);
    bookmark_lift(&rig.bookmarks[0]); /* harmless */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(bookmarks_at_one_place_share_a_gap),
        CASE(gaps_that_meet_are_joined),
        CASE(a_reader_passes_and_the_others_stay),
        CASE(a_reader_that_meets_a_gap_enters_it),
    };
    return cmocka_run_group_tests_name("bookmark", tests, NULL, NULL);
}
