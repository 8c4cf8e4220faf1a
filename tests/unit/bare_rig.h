/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A core and nothing else, for tests in which one client speaks JSON: turns and time are played by hand. Included by one test program each;
   include cmocka first. See core_rig.h for a core that starts anew from its journal. */
#ifndef TESTS_UNIT_BARE_RIG_H
#define TESTS_UNIT_BARE_RIG_H

#include "broker/core/core.h"

#include <stdlib.h>

#include "tests/unit/hear.h"
#include "tests/unit/loose_kinds.h"

#define NOW INT64_C(1795000000000)

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct core *core;
    int64_t mono_ms;
};

static inline void rig_start(struct rig *rig) {
    const struct core_options options = {
        .limits = rig->limits, .kinds = rig->kinds, .epoch = "e1", .server = "ahora/test", .seed = 1};
    rig->core = core_create(&options);
    assert_non_null(rig->core);
    assert_int_equal(core_loaded(rig->core, "e1", 0), RESULT_OK);
    core_set_time(rig->core, NOW, 0);
    core_set_room(rig->core, SIZE_MAX);
}

static inline int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    rig->kinds = loose_kinds();
    limits_default(&rig->limits);
    rig_start(rig);
    *state = rig;
    return 0;
}

static inline int tear_down(void **state) {
    struct rig *rig = *state;
    core_destroy(rig->core);
    kinds_destroy(rig->kinds);
    free(rig);
    return 0;
}

/* Limits are given at the start. */
static inline void restart(struct rig *rig) {
    core_destroy(rig->core);
    rig_start(rig);
}

static inline void turn(struct rig *rig) {
    int64_t first = 0;
    int64_t last = 0;
    (void)core_turn(rig->core, &first, &last);
    core_turn_stored(rig->core);
}

#endif
