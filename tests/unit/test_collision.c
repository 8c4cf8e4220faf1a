/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Names chosen to collide. Every name here has a hash with the same low bits under XXH3 without a secret, so that a table that forgot its key would
 * keep 20,000 of them in a few chains of hundreds. What is counted are steps along chains, not time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <xxhash.h>

#include "broker/core/narrow.h"
#include "broker/core/state.h"
#include "broker/core/where_index.h"
#include "proto/json.h"
#include "proto/key_index.h"
#include "tests/unit/core_rig.h"

#define NAMES 20000
#define BITS_EQUAL 1023 /* of the hash; a thousand names have to be tried for one */
#define LETTERS 10

struct names {
    char (*texts)[48];
    size_t count;
};

/* The next word of LETTERS letters, as an odometer counts. */
static void count_up(char *letters) {
    for (int i = LETTERS - 1; i >= 0; i--) {
        if (letters[i] != 'z') {
            letters[i]++;
            return;
        }
        letters[i] = 'a';
    }
}

/* Names of the form FRONT letters BACK, all equal in the low bits of their hash. */
static struct names craft(const char *front, const char *back, size_t count) {
    struct names names = {calloc(count, sizeof *names.texts), 0};
    char text[48];
    assert_non_null(names.texts);
    size_t bytes = (size_t)snprintf(text, sizeof text, "%saaaaaaaaaa%s", front, back);
    char *letters = text + strlen(front);
    for (; names.count < count; count_up(letters)) {
        if ((XXH3_64bits(text, bytes) & BITS_EQUAL) == 0) {
            memcpy(names.texts[names.count++], text, sizeof text);
        }
    }
    return names;
}

static uint64_t steps_of(const struct table *table) {
    uint64_t steps = 0;
    for (size_t i = 0; i < table->bucket_count; i++) {
        uint64_t length = 0;
        for (const struct table_node *node = table->buckets[i]; node != NULL; node = node->next) {
            steps += ++length;
        }
    }
    return steps;
}

/* Chains of a table that is filled by chance: one and a half steps to a name. */
static void assert_short(const struct table *table, size_t least) {
    assert_true(table->count >= least);
    assert_true(steps_of(table) < 3 * table->count);
}

static void the_names_are_hostile_to_a_table_without_a_key(void **state) {
    struct names names = craft("stock/", "/a", NAMES);
    struct table_node *nodes = calloc(NAMES, sizeof *nodes);
    struct table_key key;
    (void)state;
    table_key_init(&key, 99);
    for (int keyed = 0; keyed < 2; keyed++) {
        struct table table;
        assert_true(table_init(&table));
        for (size_t i = 0; i < NAMES; i++) {
            const char *text = names.texts[i];
            uint64_t hash = keyed ? table_hash(&key, text, strlen(text)) : XXH3_64bits(text, strlen(text));
            assert_true(table_insert(&table, &nodes[i], hash));
        }
        assert_true(keyed ? steps_of(&table) < 3 * NAMES : steps_of(&table) > 100 * NAMES);
        table_fini(&table);
    }
    free(nodes);
    free(names.texts);
}

/* ---- through the protocol ---- */

static int set_up(void **state) {
    int result = rig_set_up(state);
    struct rig *rig = *state;
    rig->limits.subscriptions_max = NAMES;
    restart(rig, 0);
    return result;
}

static void topics_and_idempotency_keys(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig, "{\"op\":\"hello\"}");
    struct names topics = craft("stock/", "/a", NAMES);
    struct names keys = craft("key-", "", NAMES);
    for (size_t i = 0; i < NAMES; i++) {
        char json[192];
        (void)snprintf(json, sizeof json, "{\"op\":\"set\",\"topic\":\"%s\",\"data\":{},\"key\":\"%s\"}", topics.texts[i],
                       keys.texts[i]);
        assert_non_null(strstr(change(rig, session, json), "\"seq\":"));
    }
    assert_short(&rig->core->ledger.topics, NAMES);
    assert_short(&rig->core->ledger.tree.nodes, NAMES);
    assert_short(&rig->core->ledger.keys.table, NAMES);
    free(topics.texts);
    free(keys.texts);
    session_close(rig->core, session);
}

#define FOLLOWERS 40

static void followed_patterns(void **state) {
    struct rig *rig = *state;
    struct session *sessions[FOLLOWERS];
    struct names patterns = craft("stock/", "/*", NAMES);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        sessions[i] = greet(rig, "{\"op\":\"hello\"}");
        for (size_t j = 0; j < NAMES / FOLLOWERS; j++) {
            char json[160];
            (void)snprintf(json, sizeof json, "{\"op\":\"sub\",\"id\":%zu,\"match\":\"%s\"}", j + 1,
                           patterns.texts[i * (NAMES / FOLLOWERS) + j]);
            say(rig, sessions[i], json);
        }
        turn(rig);
        (void)hear(rig, sessions[i]);
    }
    assert_short(&rig->core->views.patterns.nodes, NAMES);
    assert_short(&rig->core->interests.patterns, NAMES);
    assert_short(&rig->core->interests.paces, NAMES);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        session_close(rig->core, sessions[i]);
    }
    free(patterns.texts);
}

static void sources(void **state) {
    struct rig *rig = *state;
    const size_t count = EARS_MAX - 1;
    struct names names = craft("source-", "", count);
    struct session **sessions = calloc(count, sizeof(struct session *));
    for (size_t i = 0; i < count; i++) {
        char json[160];
        (void)snprintf(json, sizeof json, "{\"op\":\"hello\",\"source\":\"%s\"}", names.texts[i]);
        sessions[i] = greet(rig, json);
    }
    assert_short(&rig->core->ledger.sources.table, count);
    for (size_t i = 0; i < count; i++) {
        session_close(rig->core, sessions[i]);
    }
    free(sessions);
    free(names.texts);
}

/* Values and fields that `where` names. They are indexed for one view, whose tables hang below it. */
static void conditions(void **state) {
    struct rig *rig = *state;
    const size_t count = 4000;
    struct session *session = greet(rig, "{\"op\":\"hello\"}");
    struct names values = craft("value-", "", count);
    struct names fields = craft("field-", "", count);
    for (size_t i = 0; i < count; i++) {
        char json[256];
        (void)snprintf(json, sizeof json,
                       "{\"op\":\"sub\",\"id\":%zu,\"match\":\"stock/**\",\"where\":{\"%s\":{\"eq\":\"%s\"}}}", i + 1,
                       fields.texts[i], values.texts[i]);
        say(rig, session, json);
        turn(rig);
        assert_null(strstr(hear(rig, session), "\"error\""));
    }
    struct name name;
    assert_int_equal(name_parse_pattern(span_of_text("stock/**"), &name, NULL), AHORA_OK);
    const struct tree_node *node = tree_find(&rig->core->views.patterns, &name);
    assert_non_null(node);
    const struct view *view = node->value;
    assert_short(&view->narrowing->shared, count);
    assert_short(&view->narrowing->wheres.fields, count);
    assert_short(&view->narrowing->wheres.values, count);
    free(values.texts);
    free(fields.texts);
    session_close(rig->core, session);
}

/* ---- beside the core ---- */

static void keys_of_one_map(void **state) {
    struct names names = craft("", "", AHORA_MAP_ENTRIES_MAX);
    struct span keys[AHORA_MAP_ENTRIES_MAX];
    struct key_index index;
    (void)state;
    key_index_init(&index, keys);
    for (uint32_t i = 0; i < AHORA_MAP_ENTRIES_MAX; i++) {
        keys[i] = span_of_text(names.texts[i]);
        assert_true(key_index_add(&index, i));
    }
    size_t longest = 0;
    size_t run = 0;
    for (size_t slot = 0; slot < 2 * KEY_INDEX_SLOTS; slot++) { /* twice around: a run may pass the end */
        run = index.slots[slot % KEY_INDEX_SLOTS] != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_true(longest < 300);
    free(names.texts);
}

static size_t allocations;

static void *counted_malloc(size_t bytes) {
    allocations++;
    return malloc(bytes);
}

/* jansson keeps a map in a hash table, too. What it is given is bounded before it begins: a map has 1,024 keys at most, one that has more is
   refused by its commas. */
static void a_wide_map_of_json_is_refused_before_it_is_read(void **state) {
    struct buffer text;
    struct buffer out;
    const char *detail = "";
    (void)state;
    buffer_init(&text, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    buffer_put_text(&text, "{\"op\":{\"a\":[1,2],\"");
    for (unsigned i = 0; i < AHORA_MAP_ENTRIES_MAX - 1; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%u\":0,\"", i);
        buffer_put_text(&text, key);
    }
    size_t front = text.bytes;
    json_set_alloc_funcs(counted_malloc, free);
    buffer_cut(&text, front - 2);
    buffer_put_text(&text, "},\"b\":[1,2,3]}");
    assert_int_equal(json_to_pack(buffer_span(&text), 16, &out, &detail), AHORA_OK);
    buffer_cut(&text, front);
    buffer_put_text(&text, "z\":0},\"b\":[1,2,3]}");
    text.data[front - 2] = ',';
    allocations = 0;
    assert_int_equal(json_to_pack(buffer_span(&text), 16, &out, &detail), AHORA_BAD_MESSAGE);
    assert_string_equal(detail, "holds a map with too many entries");
    assert_int_equal(allocations, 0);
    json_set_alloc_funcs(malloc, free);
    buffer_fini(&text);
    buffer_fini(&out);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_names_are_hostile_to_a_table_without_a_key),
        cmocka_unit_test_setup_teardown(topics_and_idempotency_keys, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(followed_patterns, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(sources, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(conditions, set_up, rig_tear_down),
        cmocka_unit_test(keys_of_one_map),
        cmocka_unit_test(a_wide_map_of_json_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
