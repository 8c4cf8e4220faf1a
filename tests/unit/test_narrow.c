/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Subscriptions narrowed by `where` and `near`, as one client hears them, and what a change costs however many there are. */
#include "broker/core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/dice.h"
#include "tests/unit/bare_rig.h"

/* Single quotes stand for double ones. */
static void say(struct rig *rig, struct session *session, const char *line) {
    char text[1024];
    size_t bytes = strlen(line);
    assert_true(bytes < sizeof text);
    for (size_t i = 0; i <= bytes; i++) {
        text[i] = line[i] == '\'' ? '"' : line[i];
    }
    session_receive(rig->core, session, span_of(text, bytes));
}

/* What is said in the turn; double quotes as single ones. */
static char *hear(struct rig *rig, struct session *session) {
    turn(rig);
    char *text = hear_lines(rig->core, session);
    for (char *quote = text; (quote = strchr(quote, '"')) != NULL;) {
        *quote = '\'';
    }
    return text;
}

static struct session *greet(struct rig *rig) {
    struct session *session = session_open(rig->core, ENCODING_JSON, "p", NULL);
    assert_non_null(session);
    say(rig, session, "{'op':'hello'}");
    assert_non_null(strstr(hear(rig, session), "'op':'welcome'"));
    return session;
}

static void change(struct rig *rig, struct session *session, const char *op, const char *topic, const char *data) {
    char line[512];
    (void)snprintf(line, sizeof line, "{'op':'pub','ack':'none','changes':[{'op':'%s','topic':'%s'%s%s,'at':7}]}", op, topic,
                   data[0] == '\0' ? "" : ",'data':", data);
    say(rig, session, line);
}

/* Everything is taken, however much it is, and not looked at. */
static void drain(struct rig *rig, struct session *session) {
    struct span piece;
    do {
        turn(rig);
        core_tick(rig->core);
        while (session_pull(rig->core, session, &piece)) {
        }
    } while (!session_wants_read(session));
}

static uint64_t looks(struct rig *rig) {
    return core_metrics(rig->core)->view_looks;
}

/* ---- where ---- */

static void a_document_enters_changes_and_leaves(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    change(rig, session, "set", "stock/1/a", "{'available':0}");
    change(rig, session, "set", "stock/1/b", "{'available':4}");
    turn(rig);
    say(rig, session, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}}}");
    assert_string_equal(hear(rig, session), "{'op':'subscribed','id':1,'resumed':false}\n"
                                            "{'op':'set','seq':2,'topic':'stock/1/b','ref':2,'at':7,'data':{'available':4}}\n"
                                            "{'op':'live','id':1,'seq':2}\n");
    change(rig, session, "patch", "stock/1/a", "{'available':2}");
    assert_string_equal(hear(rig, session), "{'op':'set','seq':3,'topic':'stock/1/a','ref':1,'at':7,'data':{'available':2}}\n");
    change(rig, session, "patch", "stock/1/a", "{'available':1}");
    assert_string_equal(hear(rig, session), "{'op':'patch','seq':4,'ref':1,'at':7,'data':{'available':1}}\n");
    change(rig, session, "adjust", "stock/1/a", "{'available':-1}");
    assert_string_equal(hear(rig, session), "{'op':'remove','seq':5,'topic':'stock/1/a','ref':1,'why':'left'}\n");
    change(rig, session, "patch", "stock/1/a", "{'price':'1'}");
    change(rig, session, "delete", "stock/1/a", "");
    assert_string_equal(hear(rig, session), "");
    change(rig, session, "delete", "stock/1/b", "");
    assert_string_equal(hear(rig, session), "{'op':'remove','seq':8,'topic':'stock/1/b','ref':2,'why':'deleted'}\n");
}

static void equal_conditions_share_a_view(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{'op':'sub','id':1,'match':'stock/**','where':{'a':{'gte':1},'b':{'eq':2}}}");
    say(rig, session, "{'op':'sub','id':2,'match':'stock/**','where':{'b':{'eq':2.0},'a':{'gte':1}}}");
    assert_int_equal(core_metrics(rig->core)->views_narrowed, 1);
    say(rig, session, "{'op':'sub','id':3,'match':'stock/**','where':{'a':{'gte':1}}}");
    assert_int_equal(core_metrics(rig->core)->views_narrowed, 2);
    for (int id = 1; id <= 3; id++) {
        char line[64];
        (void)snprintf(line, sizeof line, "{'op':'unsub','id':%d}", id);
        say(rig, session, line);
    }
    assert_int_equal(core_metrics(rig->core)->views, 0);
}

static struct session *come_back(struct rig *rig, struct session *session, const char *sub) {
    session_close(rig->core, session);
    session = greet(rig);
    say(rig, session, sub);
    return session;
}

static void who_resumes_is_told_what_left(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig);
    struct session *session = greet(rig);
    change(rig, writer, "set", "stock/1/a", "{'available':1}");
    change(rig, writer, "set", "stock/1/b", "{'available':1}");
    say(rig, session, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}}}");
    assert_non_null(strstr(hear(rig, session), "{'op':'live','id':1,'seq':2}"));
    change(rig, writer, "patch", "stock/1/a", "{'available':0}");
    change(rig, writer, "patch", "stock/1/b", "{'available':5}");
    turn(rig);
    session = come_back(rig, session, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}},'since':'e1-2'}");
    assert_string_equal(hear(rig, session), "{'op':'subscribed','id':1,'resumed':true}\n"
                                            "{'op':'remove','seq':3,'topic':'stock/1/a','ref':1,'why':'left'}\n"
                                            "{'op':'set','seq':4,'topic':'stock/1/b','ref':2,'at':7,'data':{'available':5}}\n"
                                            "{'op':'live','id':1,'seq':4}\n");
}

static void more_leaves_than_are_remembered_need_a_snapshot(void **state) {
    struct rig *rig = *state;
    rig->limits.lefts_max = 2;
    restart(rig);
    struct session *writer = greet(rig);
    struct session *session = greet(rig);
    for (int i = 0; i < 3; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "stock/1/%d", i);
        change(rig, writer, "set", topic, "{'available':1}");
    }
    turn(rig);
    for (int i = 0; i < 3; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "stock/1/%d", i);
        change(rig, writer, "patch", topic, "{'available':0}");
    }
    turn(rig);
    static const char *const subs[] = {
        "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}},'since':'e1-3'}",
        "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}},'since':'e1-4'}"};
    session = come_back(rig, session, subs[0]);
    assert_string_equal(hear(rig, session), "{'op':'subscribed','id':1,'resumed':false}\n{'op':'live','id':1,'seq':6}\n");
    session = come_back(rig, session, subs[1]);
    assert_non_null(strstr(hear(rig, session), "'resumed':true"));
}

/* ---- near ---- */

/* 1,000 m around Berlin's centre; a degree of latitude is 111,195 m. */
#define SUB_NEAR "{'op':'sub','id':1,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':1000}}"

static void move_unit(struct rig *rig, struct session *session, const char *topic, double north_m) {
    char data[128];
    (void)snprintf(data, sizeof data, "{'position':{'lat':%.9f,'lon':13.4}}", 52.5 + north_m / 111195.08);
    change(rig, session, "set", topic, data);
}

static bool hears(struct rig *rig, struct session *session, const char *what) {
    return strstr(hear(rig, session), what) != NULL;
}

static void a_unit_enters_a_circle_moves_in_it_and_leaves(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, SUB_NEAR);
    assert_non_null(strstr(hear(rig, session), "{'op':'live','id':1,'seq':0}"));
    move_unit(rig, session, "service/bike/1", 1200);
    assert_string_equal(hear(rig, session), "");
    move_unit(rig, session, "service/bike/1", 900);
    assert_string_equal(
        hear(rig, session),
        "{'op':'set','seq':2,'topic':'service/bike/1','ref':1,'at':7,'data':{'position':{'lat':52.508093883,'lon':13.4}}}\n");
    change(rig, session, "patch", "service/bike/1", "{'position':{'lat':52.501}}");
    assert_string_equal(hear(rig, session), "{'op':'patch','seq':3,'ref':1,'at':7,'data':{'position':{'lat':52.501}}}\n");
    move_unit(rig, session, "service/bike/1", 1100);
    assert_string_equal(hear(rig, session), "{'op':'remove','seq':4,'topic':'service/bike/1','ref':1,'why':'left'}\n");
    change(rig, session, "set", "service/bike/1", "{'state':'lost'}");
    assert_string_equal(hear(rig, session), "");
}

static void a_unit_that_trembles_on_the_border_does_not_flicker(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, SUB_NEAR);
    (void)hear(rig, session);
    move_unit(rig, session, "service/bike/1", 999);
    assert_true(hears(rig, session, "'op':'set'"));
    for (int i = 0; i < 20; i++) {
        move_unit(rig, session, "service/bike/1", i % 2 == 0 ? 1040 : 960);
        assert_true(hears(rig, session, "'op':'set'"));
    }
    move_unit(rig, session, "service/bike/1", 1051);
    assert_true(hears(rig, session, "'why':'left'"));
    move_unit(rig, session, "service/bike/1", 1040);
    assert_string_equal(hear(rig, session), "");
}

static void a_unit_without_a_position_leaves(void **state) {
    static const char *const nowhere[] = {"{}", "{'position':null}", "{'position':{'lat':'x','lon':1}}",
                                          "{'position':{'lat':91,'lon':13.4}}"};
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, SUB_NEAR);
    (void)hear(rig, session);
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        move_unit(rig, session, "service/bike/1", 10);
        assert_true(hears(rig, session, "'op':'set'"));
        change(rig, session, "set", "service/bike/1", nowhere[i]);
        assert_true(hears(rig, session, "'why':'left'"));
    }
}

static void a_move_sends_the_difference_alone(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", -900);
    move_unit(rig, session, "service/bike/2", 500);
    move_unit(rig, session, "service/bike/3", 1500);
    say(rig, session, SUB_NEAR);
    assert_non_null(strstr(hear(rig, session), "{'op':'live','id':1,'seq':3}"));
    say(rig, session, "{'op':'move','id':1,'near':{'lat':52.508993}}"); /* 1,000 m to the north */
    const char *heard = hear(rig, session);
    assert_non_null(strstr(heard, "{'op':'ok','id':1}\n{'op':'remove','seq':1,'topic':'service/bike/1','ref':1,'why':'left'}\n"
                                  "{'op':'set','seq':3,'topic':'service/bike/3',"));
    assert_null(strstr(heard, "bike/2"));
    assert_non_null(strstr(heard, "{'op':'live','id':1,'seq':3}\n"));
    say(rig, session, "{'op':'move','id':1,'near':{'lat':52.508993}}");
    assert_string_equal(hear(rig, session), "{'op':'ok','id':1}\n{'op':'live','id':1,'seq':3}\n");
    say(rig, session, "{'op':'move','id':1,'near':{'lat':52.5}}"); /* and back: the same seq comes again */
    assert_true(strstr(hear(rig, session), "{'op':'set','seq':1,'topic':'service/bike/1',") != NULL);
    assert_int_equal(core_metrics(rig->core)->moves, 3);
}

static void a_move_that_is_none_changes_nothing(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", 0);
    say(rig, session, SUB_NEAR);
    say(rig, session, "{'op':'sub','id':2,'match':'service/**'}");
    (void)hear(rig, session);
    say(rig, session, "{'op':'move','id':1,'near':{'lat':95}}");
    assert_true(hears(rig, session, "'errors':[{'pointer':'/near/lat',"));
    say(rig, session, "{'op':'move','id':2,'near':{'lat':9}}");
    assert_true(hears(rig, session, "'code':'invalid'"));
    change(rig, session, "patch", "service/bike/1", "{'state':'available'}");
    assert_true(hears(rig, session, "'op':'patch'"));
}

static void the_nearest_are_kept(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", 100);
    move_unit(rig, session, "service/bike/2", 200);
    move_unit(rig, session, "service/bike/3", 300);
    say(rig, session, "{'op':'sub','id':1,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':1000,'limit':2}}");
    const char *heard = hear(rig, session);
    assert_true(strstr(heard, "bike/1") != NULL && strstr(heard, "bike/2") != NULL && strstr(heard, "bike/3") == NULL);
    move_unit(rig, session, "service/bike/3", 250); /* still the third */
    assert_string_equal(hear(rig, session), "");
    move_unit(rig, session, "service/bike/3", 150);
    heard = hear(rig, session);
    assert_non_null(strstr(heard, "{'op':'remove','seq':2,'topic':'service/bike/2','ref':2,'why':'left'}"));
    assert_non_null(strstr(heard, "'op':'set','seq':5,'topic':'service/bike/3'"));
    change(rig, session, "delete", "service/bike/1", "");
    heard = hear(rig, session);
    assert_non_null(strstr(heard, "'topic':'service/bike/1','ref':1,'why':'deleted'"));
    assert_non_null(strstr(heard, "'op':'set','seq':2,'topic':'service/bike/2'"));
}

static void a_circle_resumes(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig);
    struct session *session = greet(rig);
    move_unit(rig, writer, "service/bike/1", 100);
    move_unit(rig, writer, "service/bike/2", 200);
    say(rig, session, SUB_NEAR);
    assert_true(hears(rig, session, "{'op':'live','id':1,'seq':2}"));
    move_unit(rig, writer, "service/bike/1", 5000);
    move_unit(rig, writer, "service/bike/3", 300);
    turn(rig);
    session = come_back(rig, session,
                        "{'op':'sub','id':1,'match':'service/**','since':'e1-2',"
                        "'near':{'lat':52.5,'lon':13.4,'radius_m':1000}}");
    const char *heard = hear(rig, session);
    assert_non_null(strstr(heard, "'resumed':true"));
    assert_non_null(strstr(heard, "'topic':'service/bike/1','ref':1,'why':'left'"));
    assert_non_null(strstr(heard, "'op':'set','seq':4,'topic':'service/bike/3'"));
    assert_null(strstr(heard, "bike/2"));
    session = come_back(rig, session,
                        "{'op':'sub','id':1,'match':'service/**','since':'e1-2',"
                        "'near':{'lat':52.5,'lon':13.4,'radius_m':1000,'limit':5}}");
    assert_true(hears(rig, session, "'resumed':true"));
}

static void a_paced_circle_conflates(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session,
        "{'op':'sub','id':1,'match':'service/**','every_ms':1000,'near':{'lat':52.5,'lon':13.4,'radius_m':1000}}");
    (void)hear(rig, session);
    for (int i = 0; i < 10; i++) {
        move_unit(rig, session, "service/bike/1", i * 10);
        move_unit(rig, session, "service/bike/2", i % 2 == 0 ? 10 : 5000); /* comes and goes, and was never sent */
        assert_string_equal(hear(rig, session), "");
    }
    core_set_time(rig->core, NOW + 1000, 1000);
    core_tick(rig->core);
    const char *heard = hear(rig, session);
    assert_non_null(strstr(heard, "'op':'set','seq':19,"));
    assert_null(strstr(heard, "bike/2"));
    assert_non_null(strstr(heard, "{'op':'live','id':1,'seq':20,'skipped':19}"));
}

static void left_is_told_when_the_last_subscription_lets_go(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{'op':'sub','id':1,'match':'stock/**','where':{'available':{'gte':1}}}");
    say(rig, session, "{'op':'sub','id':2,'match':'stock/**'}");
    change(rig, session, "set", "stock/1/a", "{'available':1}");
    (void)hear(rig, session);
    change(rig, session, "patch", "stock/1/a", "{'available':0}");
    assert_string_equal(hear(rig, session), "{'op':'patch','seq':2,'ref':1,'at':7,'data':{'available':0}}\n");
    say(rig, session, "{'op':'unsub','id':2}");
    change(rig, session, "patch", "stock/1/a", "{'available':1}");
    (void)hear(rig, session);
    change(rig, session, "patch", "stock/1/a", "{'available':0}");
    assert_true(hears(rig, session, "'why':'left'"));
}

/* Comes back, as a new session, to the two nearest, from a token. */
static struct session *resume_nearest(struct rig *rig, int since) {
    struct session *session = greet(rig);
    char line[160];
    (void)snprintf(line, sizeof line,
                   "{'op':'sub','id':1,'match':'service/**','since':'e1-%d',"
                   "'near':{'lat':52.5,'lon':13.4,'radius_m':1000,'limit':2}}",
                   since);
    say(rig, session, line);
    return session;
}

static void the_nearest_resume(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", 100);
    move_unit(rig, session, "service/bike/2", 200);
    move_unit(rig, session, "service/bike/3", 300);
    move_unit(rig, session, "service/bike/4", 400);
    (void)hear(rig, session);

    struct session *other = resume_nearest(rig, 4); /* nothing changed: nothing is sent */
    assert_string_equal(hear(rig, other), "{'op':'subscribed','id':1,'resumed':true}\n{'op':'live','id':1,'seq':4}\n");
    move_unit(rig, session, "service/bike/3", 50); /* it follows as if it had never been away */
    const char *heard = hear(rig, other);
    assert_non_null(strstr(heard, "'topic':'service/bike/2','ref':2,'why':'left'"));
    assert_non_null(strstr(heard, "'op':'set','seq':5,'topic':'service/bike/3'"));

    struct session *third = resume_nearest(rig, 4); /* missed that */
    heard = hear(rig, third);
    assert_non_null(strstr(heard, "'resumed':true"));
    assert_non_null(strstr(heard, "'op':'set','seq':5,'topic':'service/bike/3'"));
    assert_non_null(strstr(heard, "'topic':'service/bike/2'"));
    assert_non_null(strstr(heard, "'why':'left'"));
    assert_null(strstr(heard, "bike/4")); /* 1 and 2 stood nearer all the time: it was never shown */
}

/* On the border a document stays that came from within, and does not enter that came from without: either may have been. */
static void the_nearest_resume_beside_a_border(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", 100);
    move_unit(rig, session, "service/bike/2", 1010);
    (void)hear(rig, session);
    const char *heard = hear(rig, resume_nearest(rig, 2));
    assert_non_null(strstr(heard, "'resumed':true"));
    assert_non_null(strstr(heard, "'topic':'service/bike/2'"));
    assert_non_null(strstr(heard, "'why':'left'"));
    assert_null(strstr(heard, "bike/1")); /* one other leaves room for it among two */
}

static void the_nearest_resume_within_lefts_max(void **state) {
    struct rig *rig = *state;
    rig->limits.lefts_max = 2;
    restart(rig);
    struct session *session = greet(rig);
    for (int i = 0; i < 6; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "service/bike/%d", i);
        move_unit(rig, session, topic, 200 - 10 * i);
    }
    assert_true(hears(rig, resume_nearest(rig, 2), "'resumed':true"));  /* four changed: two of them are shown */
    assert_true(hears(rig, resume_nearest(rig, 1), "'resumed':false")); /* the third that is not is one too many */
}

/* Units on a line from the centre, no two at one distance, and what a follower of the nearest should hold of them. */
#define UNITS 8

struct town {
    struct dice dice;
    int metres[UNITS];   /* 0: there is no such unit */
    int64_t seqs[UNITS]; /* of its last change */
    int64_t seq;
};

struct held {
    int64_t seqs[UNITS]; /* 0: not held */
    int64_t refs[UNITS];
};

static void change_town(struct rig *rig, struct session *writer, struct town *town) {
    const unsigned unit = (unsigned)dice_below(&town->dice, UNITS);
    char topic[32];
    (void)snprintf(topic, sizeof topic, "service/bike/%u", unit);
    if (town->metres[unit] > 0 && dice_chance(&town->dice, 200)) {
        change(rig, writer, "delete", topic, "");
        town->metres[unit] = 0;
    } else {
        town->metres[unit] = (int)(10 * dice_between(&town->dice, 1, 130) + unit);
        move_unit(rig, writer, topic, town->metres[unit]);
    }
    town->seqs[unit] = ++town->seq;
}

static int64_t number_behind(const char *line, const char *key) {
    const char *found = strstr(line, key);
    return found == NULL ? 0 : strtoll(found + strlen(key), NULL, 10);
}

/* As a client takes it: nothing older than what it holds. */
static void take(struct held *held, char *heard) {
    for (char *line = strtok(heard, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *topic = strstr(line, "service/bike/");
        const int64_t ref = number_behind(line, "'ref':");
        unsigned unit = topic != NULL ? (unsigned)(topic[strlen("service/bike/")] - '0') : 0;
        while (topic == NULL && unit < UNITS && (ref == 0 || held->refs[unit] != ref)) {
            unit++;
        }
        if (unit == UNITS) {
            continue;
        }
        const int64_t seq = number_behind(line, "'seq':");
        if (strstr(line, "'op':'remove'") != NULL) {
            held->seqs[unit] = 0;
        } else if (seq > held->seqs[unit]) {
            held->seqs[unit] = seq;
            held->refs[unit] = ref;
        }
    }
}

static void check_held(const struct town *town, const struct held *held, unsigned limit) {
    for (unsigned unit = 0; unit < UNITS; unit++) {
        unsigned nearer = 0;
        for (unsigned other = 0; other < UNITS; other++) {
            nearer += town->metres[other] > 0 && town->metres[other] < town->metres[unit];
        }
        const bool is_shown = town->metres[unit] > 0 && town->metres[unit] < 1000 && nearer < limit;
        assert_int_equal(held->seqs[unit], is_shown ? town->seqs[unit] : 0);
    }
}

/* One life of a follower: it is cut, also in the middle of what it is told, and comes back with the token of one of its last `live`. */
static void follow_nearest(struct rig *rig, uint64_t seed) {
    struct town town = {.dice = {seed}};
    struct held held = {0};
    const unsigned limit = (unsigned)dice_between(&town.dice, 1, 4);
    struct session *writer = greet(rig);
    struct session *follower = NULL;
    if (seed % 2 == 0) { /* another keeps the pattern's own view */
        follower = greet(rig);
        say(rig, follower, SUB_NEAR);
    }
    int64_t token = 0;
    for (int round = 0; round < 30; round++) {
        for (int64_t changes = dice_between(&town.dice, 0, 4); changes > 0; changes--) {
            change_town(rig, writer, &town);
            if (changes > 1 || dice_chance(&town.dice, 500)) { /* else it comes back in the middle of a turn */
                turn(rig);
            }
        }
        char line[192];
        (void)snprintf(line, sizeof line,
                       "{'op':'sub','id':1,'match':'service/**','since':'e1-%" PRId64 "',"
                       "'near':{'lat':52.5,'lon':13.4,'radius_m':1000,'limit':%u}}",
                       token, limit);
        follower = session_open(rig->core, ENCODING_JSON, "p", NULL);
        say(rig, follower, "{'op':'hello'}");
        say(rig, follower, line);
        char *heard = hear(rig, follower);
        assert_non_null(strstr(heard, "'resumed':true"));
        take(&held, heard);
        check_held(&town, &held, limit);
        token = dice_chance(&town.dice, 600) ? town.seq : token; /* else its `live` was lost on the way */
        for (int64_t changes = dice_between(&town.dice, 0, 4); changes > 0; changes--) {
            change_town(rig, writer, &town);
            take(&held, hear(rig, follower));
            check_held(&town, &held, limit);
        }
        session_close(rig->core, follower);
    }
    session_close(rig->core, writer);
}

static void who_follows_the_nearest_and_resumes_holds_the_nearest(void **state) {
    struct rig *rig = *state;
    rig->limits.near_margin_percent = 0;
    rig->limits.near_margin_m = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        restart(rig);
        follow_nearest(rig, seed);
    }
}

/* ---- limits ---- */

static void too_many_circles_and_scans_are_refused(void **state) {
    struct rig *rig = *state;
    rig->limits.nears_max = 2;
    rig->limits.where_scans_max = 2;
    restart(rig);
    struct session *session = greet(rig);
    for (int i = 1; i <= 6; i++) {
        char line[256];
        (void)snprintf(line, sizeof line, "{'op':'sub','id':%d,'match':'service/**',%s}", i,
                       i <= 3 ? "'near':{'lat':1,'lon':2,'radius_m':3}" : "'where':{'a':{'ne':1}}");
        if (i > 3) {
            (void)snprintf(line, sizeof line, "{'op':'sub','id':%d,'match':'service/**','where':{'a':{'ne':%d}}}", i, i);
        }
        say(rig, session, line);
        assert_int_equal(hears(rig, session, "'code':'too_many'"), i % 3 == 0);
    }
    say(rig, session, "{'op':'sub','id':7,'match':'service/**','where':{'a':{'ne':4}}}"); /* shares one that is there */
    assert_true(hears(rig, session, "'op':'live'"));
    say(rig, session, "{'op':'unsub','id':1}");
    say(rig, session, "{'op':'sub','id':1,'match':'service/**','near':{'lat':1,'lon':2,'radius_m':3}}");
    assert_true(hears(rig, session, "'op':'live'"));
}

static void what_is_refused_leaves_nothing_behind(void **state) {
    static const char *const bad[] = {
        "'where':{'a':{'like':1}}",
        "'where':{}",
        "'near':{'lat':1,'lon':2,'radius_m':0}",
        "'where':{'a':{'eq':1}},'near':{'lat':1,'lon':200,'radius_m':5}",
    };
    struct rig *rig = *state;
    struct session *session = greet(rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[256];
        (void)snprintf(line, sizeof line, "{'op':'sub','id':1,'match':'service/**',%s}", bad[i]);
        say(rig, session, line);
        assert_true(hears(rig, session, "'code':'invalid'"));
    }
    say(rig, session, "{'op':'sub','id':1,'match':['stock/**','service/**'],'near':{'lat':1,'lon':2,'radius_m':5,'limit':1}}");
    assert_true(hears(rig, session, "'pointer':'/near/limit'"));
    assert_int_equal(core_metrics(rig->core)->views, 0);
    assert_int_equal(core_metrics(rig->core)->subscriptions, 0);
    say(rig, session, "{'op':'get','id':1,'match':'**','where':{'a':{'like':1}}}");
    assert_true(hears(rig, session, "'pointer':'/where/a'"));
}

static void a_get_may_be_narrowed(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    move_unit(rig, session, "service/bike/1", 100);
    move_unit(rig, session, "service/bike/2", 1040); /* a get knows no margin */
    change(rig, session, "set", "service/bike/3", "{'n':1}");
    turn(rig);
    say(rig, session, "{'op':'get','id':1,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':1000}}");
    const char *heard = hear(rig, session);
    assert_true(strstr(heard, "bike/1") != NULL && strstr(heard, "bike/2") == NULL && strstr(heard, "bike/3") == NULL);
    say(rig, session, "{'op':'get','id':2,'match':'service/**','where':{'n':{'exists':true}}}");
    heard = hear(rig, session);
    assert_true(strstr(heard, "bike/1") == NULL && strstr(heard, "bike/3") != NULL);
}

/* ---- cost ---- */

/* Units and circles in a row along the equator, 10 km from each other, each circle 5 km wide: every unit is in one circle. */
static uint64_t looks_with_circles(struct rig *rig, int count) {
    rig->limits.nears_max = 1000000;
    rig->limits.subscriptions_max = 1000000;
    rig->limits.session_views_max = 1000000;
    restart(rig);
    struct session *session = greet(rig);
    char text[256];
    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text,
                       "{'op':'sub','id':%d,'match':'service/**','near':{'lat':%d,'lon':%.2f,'radius_m':5000}}", i + 1,
                       i / 3000, (i % 3000) * 0.1 - 170);
        say(rig, session, text);
        drain(rig, session);
    }
    assert_int_equal(core_metrics(rig->core)->subscriptions, count);
    const uint64_t before = looks(rig);
    for (int i = 0; i < 100; i++) { /* a unit goes from circle to circle */
        (void)snprintf(text, sizeof text, "{'position':{'lat':0,'lon':%.2f}}", (i % 5) * 0.1 - 170);
        change(rig, session, "set", "service/bike/1", text);
        drain(rig, session);
    }
    return looks(rig) - before;
}

static void a_change_costs_the_circles_it_touches(void **state) {
    struct rig *rig = *state;
    const uint64_t few = looks_with_circles(rig, 10);
    const uint64_t many = looks_with_circles(rig, 10000);
    assert_in_range(few, 100, 400); /* those it leaves and enters, and some around */
    assert_int_equal(many, few);
}

static uint64_t looks_with_conditions(struct rig *rig, int count) {
    rig->limits.subscriptions_max = 1000000;
    rig->limits.session_views_max = 1000000;
    restart(rig);
    struct session *session = greet(rig);
    char text[256];
    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text, "{'op':'sub','id':%d,'match':'stock/**','where':{'%s':{'%s':%d},'a':{'ne':0}}}",
                       i + 1, i % 2 == 0 ? "branch" : "available", i % 2 == 0 ? "eq" : "gte", i * 10);
        say(rig, session, text);
        drain(rig, session);
    }
    assert_int_equal(core_metrics(rig->core)->views_narrowed, count);
    const uint64_t before = looks(rig);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "{'branch':%d,'available':%d}", (i % 4) * 10, i % 30);
        change(rig, session, "set", "stock/1/a", text);
        drain(rig, session);
    }
    return looks(rig) - before;
}

static void a_change_costs_the_conditions_it_may_meet(void **state) {
    struct rig *rig = *state;
    const uint64_t few = looks_with_conditions(rig, 10);
    const uint64_t many = looks_with_conditions(rig, 10000);
    assert_in_range(few, 50, 400);
    assert_int_equal(many, few);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_nearest_resume),
        TEST(who_follows_the_nearest_and_resumes_holds_the_nearest),
        TEST(the_nearest_resume_beside_a_border),
        TEST(the_nearest_resume_within_lefts_max),
        TEST(a_document_enters_changes_and_leaves),
        TEST(equal_conditions_share_a_view),
        TEST(who_resumes_is_told_what_left),
        TEST(more_leaves_than_are_remembered_need_a_snapshot),
        TEST(a_unit_enters_a_circle_moves_in_it_and_leaves),
        TEST(a_unit_that_trembles_on_the_border_does_not_flicker),
        TEST(a_unit_without_a_position_leaves),
        TEST(a_move_sends_the_difference_alone),
        TEST(a_move_that_is_none_changes_nothing),
        TEST(the_nearest_are_kept),
        TEST(a_circle_resumes),
        TEST(a_paced_circle_conflates),
        TEST(left_is_told_when_the_last_subscription_lets_go),
        TEST(too_many_circles_and_scans_are_refused),
        TEST(what_is_refused_leaves_nothing_behind),
        TEST(a_get_may_be_narrowed),
        TEST(a_change_costs_the_circles_it_touches),
        TEST(a_change_costs_the_conditions_it_may_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
