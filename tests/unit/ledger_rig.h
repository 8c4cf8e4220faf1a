/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A ledger by itself: lists of changes in, results out; both are written as JSON here. Included by one test program each; include cmocka first. */
#ifndef TESTS_UNIT_LEDGER_RIG_H
#define TESTS_UNIT_LEDGER_RIG_H

#include "broker/core/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/pack.h"
#include "tests/unit/loose_kinds.h"

#define NOW INT64_C(1795000000000)

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct buffer text; /* of the last results */
};

static inline int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    limits_default(&rig->limits);
    rig->kinds = loose_kinds();
    table_key_init(&rig->key, 1);
    *state = rig;
    if (!ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics)) {
        return 1;
    }
    rig->ledger.wall_ms = NOW;
    rig->ledger.room = SIZE_MAX;
    buffer_init(&rig->text, SIZE_MAX);
    return 0;
}

static inline int tear_down(void **state) {
    struct rig *rig = *state;
    ledger_fini(&rig->ledger);
    kinds_destroy(rig->kinds);
    buffer_fini(&rig->text);
    free(rig);
    return 0;
}

/* Details are for people, so they are left out: {"error":{"code":C,"detail":D,...}} becomes {"error":{"code":C,...}}. */
static inline void cut_details(char *text) {
    for (char *at; (at = strstr(text, ",\"detail\":\"")) != NULL;) {
        char *end = strchr(at + 11, '"') + 1;
        memmove(at, end, strlen(end) + 1);
    }
}

static inline const char *apply_as(struct rig *rig, const char *principal, const char *changes, bool atomic) {
    struct buffer packed;
    struct buffer results;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(changes), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    struct pack_reader reader = pack_reader_of(buffer_span(&packed));
    uint32_t count = pack_read_list(&reader);
    ledger_apply(&rig->ledger, principal, NULL, buffer_span(&packed), count, atomic, &results);
    buffer_cut(&rig->text, 0);
    json_put(&rig->text, buffer_span(&results));
    buffer_put_byte(&rig->text, '\0');
    cut_details((char *)rig->text.data);
    buffer_fini(&packed);
    buffer_fini(&results);
    return (const char *)rig->text.data;
}

static inline const char *apply(struct rig *rig, const char *changes) {
    return apply_as(rig, "p", changes, false);
}

static inline const char *apply_all(struct rig *rig, const char *changes) {
    return apply_as(rig, "p", changes, true);
}

/* What the ledger holds of a topic, "-" if nothing. */
static inline const char *document_of(struct rig *rig, const char *path) {
    const struct topic *topic = ledger_find(&rig->ledger, span_of_text(path));
    if (topic == NULL || topic_is_removed(topic)) {
        return "-";
    }
    buffer_cut(&rig->text, 0);
    json_put(&rig->text, document_span(topic->document));
    buffer_put_byte(&rig->text, '\0');
    return (const char *)rig->text.data;
}

#define SET(topic, data) "{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":" data "}"
#define DELETE(topic) "{\"op\":\"delete\",\"topic\":\"" topic "\"}"
#define ERROR(code) "{\"error\":{\"code\":\"" code "\"}}"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
