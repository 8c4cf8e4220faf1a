/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A core with a journal in memory, for tests in which time passes and the broker starts anew: sessions speak JSON, turns and
   clocks are played by hand. Included by one test program each; include cmocka first. */
#ifndef TESTS_UNIT_CORE_RIG_H
#define TESTS_UNIT_CORE_RIG_H

#include "broker/core/core.h"
#include "broker/core/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/hear.h"
#include "tests/unit/loose_kinds.h"

#define NOW INT64_C(1795000000000)

#define EARS_MAX 2000

struct rig {
    struct limits limits;
    struct kinds *kinds;
    struct core *core;
    int64_t mono_ms;
    int64_t wall_ms;
    struct buffer journal;
    struct buffer *ears; /* what sessions heard and nobody asked for yet */
    size_t ear_count;
    struct buffer told; /* what `hear` returned */
};

static void rig_load(struct rig *rig) {
    const struct core_options options = {
        .limits = rig->limits, .kinds = rig->kinds, .epoch = "e1", .server = "ahora/test", .seed = 1};
    rig->core = core_create(&options);
    assert_non_null(rig->core);
    core_set_time(rig->core, rig->wall_ms, rig->mono_ms);
    struct span rest = buffer_span(&rig->journal);
    while (rest.bytes > 0) {
        struct record record;
        assert_true(record_read(&rest, &record));
        assert_int_equal(core_load(rig->core, &record), RESULT_OK);
    }
    assert_int_equal(core_loaded(rig->core, "e1", 0), RESULT_OK);
    core_set_room(rig->core, SIZE_MAX);
}

static inline int rig_set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    limits_default(&rig->limits);
    rig->kinds = loose_kinds();
    rig->limits.beat_ms = INT64_C(3600000) * 1000; /* beats are told elsewhere */
    rig->wall_ms = NOW;
    buffer_init(&rig->journal, SIZE_MAX);
    buffer_init(&rig->told, SIZE_MAX);
    rig->ears = calloc(EARS_MAX, sizeof *rig->ears);
    assert_non_null(rig->ears);
    rig_load(rig);
    *state = rig;
    return 0;
}

static inline int rig_tear_down(void **state) {
    struct rig *rig = *state;
    core_destroy(rig->core);
    kinds_destroy(rig->kinds);
    buffer_fini(&rig->journal);
    buffer_fini(&rig->told);
    for (size_t i = 0; i < rig->ear_count; i++) {
        buffer_fini(&rig->ears[i]);
    }
    free(rig->ears);
    free(rig);
    return 0;
}

/* What the session's socket takes, one message a line, without the frames around it. */
static inline void listen(struct rig *rig, struct session *session) {
    struct buffer *ear = session_owner(session);
    const char *lines = hear_lines(rig->core, session);
    buffer_put(ear, lines, strlen(lines));
}

static inline void turn(struct rig *rig) {
    int64_t first = 0;
    int64_t last = 0;
    buffer_put_span(&rig->journal, core_turn(rig->core, &first, &last));
    core_turn_stored(rig->core);
    for (struct session *session; (session = core_next_ready(rig->core)) != NULL;) {
        listen(rig, session);
    }
}

/* Time goes on, and what is due is done, without the end of a turn. */
static inline void tick(struct rig *rig, int64_t ms) {
    rig->mono_ms += ms;
    rig->wall_ms += ms;
    core_set_time(rig->core, rig->wall_ms, rig->mono_ms);
    core_tick(rig->core);
}

static inline void pass(struct rig *rig, int64_t ms) {
    tick(rig, ms);
    turn(rig);
}

/* As `kill -9` and a start after `down_ms`; limits may have been changed. */
static inline void restart(struct rig *rig, int64_t down_ms) {
    core_destroy(rig->core);
    rig->mono_ms = 5; /* another process, another clock */
    rig->wall_ms += down_ms;
    rig_load(rig);
}

static inline void say(struct rig *rig, struct session *session, const char *line) {
    session_receive(rig->core, session, span_of_text(line));
}

/* Everything it heard since it was last asked; good until the next call. */
static inline const char *hear(struct rig *rig, struct session *session) {
    listen(rig, session);
    struct buffer *ear = session_owner(session);
    buffer_cut(&rig->told, 0);
    buffer_put_span(&rig->told, buffer_span(ear));
    buffer_put_byte(&rig->told, '\0');
    buffer_cut(ear, 0);
    return (const char *)rig->told.data;
}

static inline struct session *open_session(struct rig *rig) {
    assert_true(rig->ear_count < EARS_MAX);
    struct buffer *ear = &rig->ears[rig->ear_count++];
    buffer_init(ear, SIZE_MAX);
    struct session *session = session_open(rig->core, ENCODING_JSON, "p", ear);
    assert_non_null(session);
    return session;
}

/* A session that said `hello` and was welcomed. */
static inline struct session *greet(struct rig *rig, const char *hello) {
    struct session *session = open_session(rig);
    say(rig, session, hello);
    turn(rig);
    assert_non_null(strstr(hear(rig, session), "\"op\":\"welcome\""));
    return session;
}

/* One change, and the turn it belongs to. The answer. */
static inline const char *change(struct rig *rig, struct session *session, const char *json) {
    char line[1024];
    (void)snprintf(line, sizeof line, "{\"op\":\"pub\",\"id\":9,\"ack\":\"applied\",\"changes\":[%s]}", json);
    say(rig, session, line);
    turn(rig);
    return hear(rig, session);
}

static inline const struct topic *topic_of(struct rig *rig, const char *path) {
    struct name name;
    assert_int_equal(name_parse_topic(span_of_text(path), &name, NULL), AHORA_OK);
    return core_get(rig->core, &name);
}

#endif
