/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Views: what they hold and in which order, against a plain list; the ledger makes the changes. */
#include "broker/core/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pack.h"
#include "tests/unit/loose_kinds.h"

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct views views;
    struct arena arena;
};

static int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    limits_default(&rig->limits);
    rig->kinds = loose_kinds();
    table_key_init(&rig->key, 1);
    *state = rig;
    bool fine = ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics) &&
                views_init(&rig->views, &rig->ledger, &rig->key);
    rig->ledger.room = SIZE_MAX;
    return fine ? 0 : 1;
}

static int tear_down(void **state) {
    struct rig *rig = *state;
    views_fini(&rig->views);
    ledger_fini(&rig->ledger);
    kinds_destroy(rig->kinds);
    arena_fini(&rig->arena);
    free(rig);
    return 0;
}

/* Applies a set or a delete; seen by nobody until end_turn. */
static void change(struct rig *rig, const char *topic, bool removal) {
    struct buffer changes;
    struct buffer results;
    buffer_init(&changes, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    struct change_request request = {.op = removal ? CHANGE_DELETE : CHANGE_SET, .topic = span_of_text(topic)};
    if (!removal) {
        request.data = span_of("\x80", 1);
    }
    pack_put_list(&changes, 1);
    change_put(&changes, &request);
    ledger_apply(&rig->ledger, "p", NULL, buffer_span(&changes), 1, false, &results);
    buffer_fini(&changes);
    buffer_fini(&results);
}

static void end_turn(struct rig *rig) {
    for (size_t i = 0; i < rig->ledger.change_count; i++) {
        assert_true(views_show(&rig->views, &rig->ledger.changes[i], NULL, &rig->arena));
    }
    for (struct link *link; (link = list_pop(&rig->views.dirty)) != NULL;) {
        view_end_turn(CONTAINER_OF(link, struct view, dirty));
    }
    ledger_forget_records(&rig->ledger);
    ledger_end_turn(&rig->ledger);
    arena_reset(&rig->arena, 0);
}

static struct view *take(struct rig *rig, const char *pattern) {
    struct name name;
    struct view *view = NULL;
    assert_int_equal(name_parse_pattern(span_of_text(pattern), &name, NULL), AHORA_OK);
    assert_int_equal(views_take(&rig->views, &name, &view), AHORA_OK);
    view->cursor_count++;
    return view;
}

static void let_go(struct rig *rig, struct view *view) {
    view->cursor_count--;
    view_release(&rig->views, view);
}

/* "a@3 b@-4": the topics in order with their seqs, a minus for removals. */
static const char *order_of(struct view *view) {
    static char text[4096];
    size_t bytes = 0;
    text[0] = '\0';
    for (struct place *place = view_place_after(view, &view->order); place != NULL;
         place = view_place_after(view, &place->spot.link)) {
        struct span path = topic_path(place->topic);
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s%.*s@%s%lld", bytes > 0 ? " " : "", (int)path.bytes,
                                  (const char *)path.data, topic_is_removed(place->topic) ? "-" : "", (long long)place->seq);
    }
    return text;
}

static void a_change_moves_its_topic_to_the_tail(void **state) {
    struct rig *rig = *state;
    change(rig, "stock/a", false);
    change(rig, "stock/b", false);
    end_turn(rig);
    struct view *view = take(rig, "stock/*");
    assert_string_equal(order_of(view), "stock/a@1 stock/b@2");
    change(rig, "stock/a", false);
    change(rig, "stock/c", false);
    change(rig, "room/c", false);
    end_turn(rig);
    assert_string_equal(order_of(view), "stock/b@2 stock/a@3 stock/c@4");
    change(rig, "stock/b", true);
    end_turn(rig);
    assert_string_equal(order_of(view), "stock/a@3 stock/c@4 stock/b@-6");
    assert_int_equal(view->changes, 3);
    let_go(rig, view);
    assert_int_equal(rig->views.count, 0);
}

static void views_of_one_pattern_are_one_view(void **state) {
    struct rig *rig = *state;
    struct view *view = take(rig, "stock/**");
    assert_ptr_equal(take(rig, "stock/**"), view);
    assert_ptr_not_equal(take(rig, "stock/*"), view);
    assert_int_equal(rig->views.count, 2);
    let_go(rig, take(rig, "stock/*"));
    let_go(rig, view);
    let_go(rig, view);
    assert_int_equal(rig->views.count, 1);
    struct view *other = take(rig, "stock/*");
    other->cursor_count = 1;
    let_go(rig, other);
}

static void a_view_made_within_a_turn_meets_each_change_once(void **state) {
    struct rig *rig = *state;
    change(rig, "stock/a", false);
    struct view *view = take(rig, "stock/*");
    change(rig, "stock/b", false);
    end_turn(rig);
    assert_string_equal(order_of(view), "stock/a@1 stock/b@2");
    assert_int_equal(view->place_count, 2);
    assert_int_equal(view->changes, 2);
    let_go(rig, view);
}

static void a_place_of_an_old_removal_raises_the_floor(void **state) {
    struct rig *rig = *state;
    struct view *view = take(rig, "stock/*");
    struct view *other = take(rig, "room/*");
    change(rig, "stock/a", false);
    change(rig, "stock/a", true);
    end_turn(rig);
    struct topic *topic = ledger_find(&rig->ledger, span_of_text("stock/a"));
    views_forget(&rig->views, topic);
    ledger_forget(&rig->ledger, topic);
    assert_string_equal(order_of(view), "");
    assert_int_equal(view->floor, 2);
    assert_int_equal(other->floor, 0);
    struct view *late = take(rig, "room/**");
    assert_int_equal(late->floor, 2); /* made since: it cannot know */
    let_go(rig, late);
    let_go(rig, other);
    let_go(rig, view);
}

static void the_spot_of_a_seq_is_behind_everything_up_to_it(void **state) {
    struct rig *rig = *state;
    change(rig, "stock/a", false);
    change(rig, "room/a", false);
    change(rig, "stock/b", false);
    end_turn(rig);
    struct view *view = take(rig, "stock/*");
    assert_ptr_equal(view_spot_of(view, 0), &view->order);
    assert_ptr_equal(view_place_after(view, view_spot_of(view, 1)), view_place_after(view, view_spot_of(view, 2)));
    assert_int_equal(view_place_after(view, view_spot_of(view, 2))->seq, 3);
    assert_null(view_place_after(view, view_spot_of(view, 3)));
    let_go(rig, view);
}

static void a_view_holds_no_more_topics_than_it_may(void **state) {
    struct rig *rig = *state;
    struct name name;
    struct view *view = NULL;
    change(rig, "stock/a", false);
    change(rig, "stock/b", false);
    end_turn(rig);
    rig->limits.view_topics_max = 1;
    assert_int_equal(name_parse_pattern(span_of_text("stock/*"), &name, NULL), AHORA_OK);
    assert_int_equal(views_take(&rig->views, &name, &view), AHORA_TOO_MANY);
    assert_int_equal(rig->views.count, 0);
}

static enum ahora_code try_take(struct rig *rig, const char *pattern) {
    struct name name;
    struct view *view = NULL;
    assert_int_equal(name_parse_pattern(span_of_text(pattern), &name, NULL), AHORA_OK);
    enum ahora_code code = views_take(&rig->views, &name, &view);
    if (code == AHORA_OK) {
        view_release(&rig->views, view);
    }
    return code;
}

static void views_and_their_places_are_limited_in_sum(void **state) {
    struct rig *rig = *state;
    change(rig, "stock/a", false);
    change(rig, "stock/b", false);
    end_turn(rig);
    rig->limits.views_max = 2;
    rig->limits.places_max = 3;
    struct view *all = take(rig, "**");
    assert_int_equal(try_take(rig, "stock/*"), AHORA_OVERLOADED); /* 2 and 2 places */
    struct view *one = take(rig, "stock/a");
    assert_int_equal(rig->views.place_count, 3);
    assert_int_equal(try_take(rig, "order/1"), AHORA_OVERLOADED); /* the third view */
    assert_int_equal(try_take(rig, "stock/a"), AHORA_OK);         /* it is there */
    change(rig, "room/1", false);
    end_turn(rig);
    assert_string_equal(order_of(all), "stock/a@1 stock/b@2 room/1@3"); /* whoever follows misses nothing */
    let_go(rig, all);
    assert_int_equal(try_take(rig, "stock/*"), AHORA_OK);
    let_go(rig, one);
    assert_int_equal(rig->views.place_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_change_moves_its_topic_to_the_tail),
        TEST(views_of_one_pattern_are_one_view),
        TEST(a_view_made_within_a_turn_meets_each_change_once),
        TEST(a_place_of_an_old_removal_raises_the_floor),
        TEST(the_spot_of_a_seq_is_behind_everything_up_to_it),
        TEST(a_view_holds_no_more_topics_than_it_may),
        TEST(views_and_their_places_are_limited_in_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
