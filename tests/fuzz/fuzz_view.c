/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes are read as changes, turns, views taken and let go, and removals forgotten; every view must hold just what a plain look at all
 * topics finds, in the order of their last change.
 */
#include "broker/core/view.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/pack.h"
#include "tests/sim/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const topics[] = {"stock/a", "stock/b", "stock/a/a", "stock/a/b", "stock/b/b",    "stock/a/a/a",
                                     "room/a",  "room/b",  "room/a/a",  "order/a",   "service/a/b/c"};
static const char *const patterns[] = {"**",       "stock/*",     "stock/**", "*/a",        "*/*",
                                       "*/**",     "stock/a",     "*/a/*",    "stock/*/b",  "stock/a/**",
                                       "room/*/a", "stock/*/*/*", "room/z",   "service/**", "*/*/*/**"};
#define TOPICS (sizeof topics / sizeof topics[0])
#define PATTERNS (sizeof patterns / sizeof patterns[0])
#define STEPS_MAX 2000

/* What is known of a topic without any view. */
struct plain {
    int64_t seq; /* 0: unknown */
    bool removed;
};

struct run {
    const uint8_t *at, *end;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct views views;
    struct arena arena;
    struct view *held[PATTERNS];
    struct plain applied[TOPICS]; /* the ledger's */
    int64_t changes[PATTERNS];
};

static unsigned choose(struct run *run, unsigned below) {
    return run->at == run->end ? 0 : *run->at++ % below;
}

static struct name pattern_of(unsigned index) {
    struct name name = {0};
    enum ahora_code code = name_parse_pattern(span_of_text(patterns[index]), &name, NULL);
    assert(code == AHORA_OK);
    (void)code;
    return name;
}

/* Worked out once: it is asked all the time. */
static bool selects(unsigned pattern, unsigned topic) {
    static bool known;
    static bool answers[PATTERNS][TOPICS];
    for (unsigned i = 0; !known && i < PATTERNS; i++) {
        for (unsigned j = 0; j < TOPICS; j++) {
            struct name wanted = pattern_of(i);
            struct name name;
            enum ahora_code code = name_parse_topic(span_of_text(topics[j]), &name, NULL);
            assert(code == AHORA_OK);
            answers[i][j] = code == AHORA_OK && name_matches(&wanted, &name);
        }
    }
    known = true;
    return answers[pattern][topic];
}

static void change(struct run *run, bool removal) {
    const unsigned topic = choose(run, TOPICS);
    struct change_request request = {.op = removal ? CHANGE_DELETE : CHANGE_SET, .topic = span_of_text(topics[topic])};
    struct buffer changes;
    struct buffer results;
    buffer_init(&changes, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    if (!removal) {
        request.data = span_of("\x80", 1);
    }
    pack_put_list(&changes, 1);
    change_put(&changes, &request);
    const int64_t before = run->ledger.seq;
    ledger_apply(&run->ledger, "p", NULL, buffer_span(&changes), 1, false, &results);
    if (run->ledger.seq > before) {
        run->applied[topic] = (struct plain){.seq = run->ledger.seq, .removed = removal};
        for (unsigned i = 0; i < PATTERNS; i++) {
            run->changes[i] += run->held[i] != NULL && selects(i, topic);
        }
    }
    buffer_fini(&changes);
    buffer_fini(&results);
}

static void toggle_view(struct run *run) {
    const unsigned index = choose(run, PATTERNS);
    struct view *view = run->held[index];
    if (view != NULL) {
        view->cursor_count--;
        view_release(&run->views, view);
        run->held[index] = NULL;
        return;
    }
    struct name name = pattern_of(index);
    enum ahora_code code = views_take(&run->views, &name, &run->held[index]);
    assert(code == AHORA_OK);
    (void)code;
    run->held[index]->cursor_count++;
    run->changes[index] = 0;
    for (size_t i = 0; i < run->ledger.change_count; i++) { /* this turn's come after it */
        struct name topic;
        run->changes[index] +=
            name_parse_topic(topic_path(run->ledger.changes[i].topic), &topic, NULL) == AHORA_OK && name_matches(&name, &topic);
    }
}

/* The known topic of the lowest seq above `after` that the pattern selects; -1: none. */
static int next_of(const struct run *run, unsigned pattern, int64_t after) {
    int found = -1;
    for (unsigned i = 0; i < TOPICS; i++) {
        const int64_t seq = run->applied[i].seq;
        if (seq > after && selects(pattern, i) && (found < 0 || seq < run->applied[found].seq)) {
            found = (int)i;
        }
    }
    return found;
}

static void check_view(const struct run *run, unsigned pattern) {
    struct view *view = run->held[pattern];
    struct place *place = view_place_after(view, &view->order);
    size_t count = 0;
    int64_t seq = 0;
    for (int topic; (topic = next_of(run, pattern, seq)) >= 0; count++) {
        seq = run->applied[topic].seq;
        assert(place != NULL && place->seq == seq && place->topic->seq == seq);
        assert(span_is(topic_path(place->topic), topics[topic]) &&
               topic_is_removed(place->topic) == run->applied[topic].removed);
        place = view_place_after(view, &place->spot.link);
    }
    assert(place == NULL && view->place_count == count);
    assert(view->changes == (uint64_t)run->changes[pattern]);
    for (int64_t since = run->ledger.seq; since >= 0 && since > run->ledger.seq - 8; since--) {
        const struct place *first = view_place_after(view, view_spot_of(view, since));
        const int topic = next_of(run, pattern, since);
        assert((first == NULL) == (topic < 0) && (first == NULL || first->seq == run->applied[topic].seq));
    }
}

static void end_turn(struct run *run) {
    for (size_t i = 0; i < run->ledger.change_count; i++) {
        bool fine = views_show(&run->views, &run->ledger.changes[i], NULL, &run->arena);
        assert(fine);
        (void)fine;
    }
    for (struct link *link; (link = list_pop(&run->views.dirty)) != NULL;) {
        view_end_turn(CONTAINER_OF(link, struct view, dirty));
    }
    ledger_forget_records(&run->ledger);
    ledger_end_turn(&run->ledger);
    arena_reset(&run->arena, 0);
    for (struct topic *topic; (topic = ledger_surplus(&run->ledger)) != NULL;) {
        for (unsigned i = 0; i < TOPICS; i++) {
            if (span_is(topic_path(topic), topics[i])) {
                run->applied[i] = (struct plain){0};
            }
        }
        views_forget(&run->views, topic);
        ledger_forget(&run->ledger, topic);
    }
    for (unsigned i = 0; i < PATTERNS; i++) {
        if (run->held[i] != NULL) {
            check_view(run, i);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct run run;
    run = (struct run){.at = data, .end = data + bytes};
    limits_default(&run.limits);
    run.limits.removals_max = choose(&run, 5);
    table_key_init(&run.key, 1);
    bool fine = ledger_init(&run.ledger, &run.limits, sim_kinds(), &run.key, &run.metrics) &&
                views_init(&run.views, &run.ledger, &run.key);
    assert(fine);
    (void)fine;
    run.ledger.room = SIZE_MAX;
    for (int steps = 0; steps < STEPS_MAX && run.at != run.end; steps++) {
        const unsigned what = choose(&run, 8);
        if (what < 5) {
            change(&run, what < 2);
        } else if (what == 5) {
            toggle_view(&run);
        } else {
            end_turn(&run);
        }
    }
    end_turn(&run);
    for (unsigned i = 0; i < PATTERNS; i++) {
        if (run.held[i] != NULL) {
            run.held[i]->cursor_count--;
            view_release(&run.views, run.held[i]);
        }
    }
    assert(run.views.count == 0);
    views_fini(&run.views);
    ledger_fini(&run.ledger);
    arena_fini(&run.arena);
    return 0;
}
