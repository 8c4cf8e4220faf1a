/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/config.h"

#include "broker/core/kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <stdio.h>
#include <unistd.h>

static struct config config;
static char why[256];

static int set_up(void **state) {
    (void)state;
    config_init(&config);
    return 0;
}

static bool set(const char *section, const char *name, const char *value) {
    return config_set(&config, section, name, value, why, sizeof why);
}

static void defaults_are_legal(void **state) {
    (void)state;
    config_check(&config, stderr);
    assert_int_equal(config.errors, 0);
    assert_string_equal(config.listen, "127.0.0.1:7600");
    assert_int_equal(config.store.sync, SYNC_EVERY);
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].type == CONFIG_NUMBER || config_keys[i].type == CONFIG_BYTES ||
            config_keys[i].type == CONFIG_DURATION) {
            int64_t value;
            memcpy(&value, (const char *)&config + config_keys[i].offset, sizeof value);
            assert_in_range(value, config_keys[i].min, config_keys[i].max);
        }
    }
}

static void units_are_understood(void **state) {
    (void)state;
    assert_true(set("limits", "message_bytes_max", "2M"));
    assert_int_equal(config.core.message_bytes_max, 2 << 20);
    assert_true(set("http", "header_ms", "3s"));
    assert_int_equal(config.header_ms, 3000);
    assert_true(set("http", "header_ms", "1500"));
    assert_int_equal(config.header_ms, 1500);
    assert_true(set("limits", "limit_loopback", "Yes"));
    assert_true(config.limit_loopback);
}

static void sync_is_a_word_or_a_duration(void **state) {
    (void)state;
    assert_true(set("store", "sync", "250"));
    assert_int_equal(config.store.sync, SYNC_INTERVAL);
    assert_int_equal(config.store.sync_ms, 250);
    assert_true(set("store", "sync", "off"));
    assert_int_equal(config.store.sync, SYNC_OFF);
    assert_false(set("store", "sync", "sometimes"));
    assert_false(set("store", "sync", "0"));
}

static void bad_values_are_refused_and_change_nothing(void **state) {
    (void)state;
    struct config before = config;
    assert_false(set("http", "header_ms", "-1"));
    assert_false(set("http", "header_ms", "1x"));
    assert_false(set("http", "header_ms", ""));
    assert_false(set("http", "header_ms", "99h"));
    assert_false(set("http", "header_ms", "99999999999999999999"));
    assert_false(set("limits", "topics_max", "1K"));
    assert_false(set("limits", "limit_loopback", "maybe"));
    assert_false(set("log", "level", "loud"));
    assert_false(set("store", "data", ""));
    assert_memory_equal(&before, &config, sizeof config);
}

static void unknown_keys_are_refused(void **state) {
    (void)state;
    assert_false(set("limits", "nothing", "1"));
    assert_false(set("nowhere", "topics_max", "1"));
}

static void environment_goes_by_section_and_key(void **state) {
    char limit[] = "AHORA_LIMITS_TOPICS_MAX=77";
    char other[] = "AHORA_URL=http://x";
    char path[] = "PATH=/bin";
    char *environment[] = {path, other, limit, NULL};
    (void)state;
    config_read_environment(&config, environment, stderr);
    assert_int_equal(config.errors, 0);
    assert_int_equal(config.core.topics_max, 77);
}

static void wrong_variables_of_our_sections_are_errors(void **state) {
    char bad[] = "AHORA_LIMITS_TOPICS_MAX=x";
    char unknown[] = "AHORA_LIMITS_TOPIC_MAX=1";
    char *environment[] = {bad, unknown, NULL};
    char *text = NULL;
    size_t bytes = 0;
    FILE *errors = open_memstream(&text, &bytes);
    (void)state;
    config_read_environment(&config, environment, errors);
    fclose(errors);
    assert_int_equal(config.errors, 2);
    assert_non_null(strstr(text, "AHORA_LIMITS_TOPIC_MAX"));
    free(text);
}

static void file_errors_name_their_line(void **state) {
    char path[] = "/tmp/ahora-config-XXXXXX";
    int fd = mkstemp(path);
    char *text = NULL;
    size_t bytes = 0;
    FILE *errors = open_memstream(&text, &bytes);
    static const char content[] = "# comment\n[limits]\ntopics_max = 5\nnonsense = 1\n[http]\nidle_ms = soon\n";
    (void)state;
    assert_int_equal(write(fd, content, sizeof content - 1), (ssize_t)sizeof content - 1);
    close(fd);
    config_read_file(&config, path, errors);
    fclose(errors);
    unlink(path);
    assert_int_equal(config.errors, 2);
    assert_int_equal(config.core.topics_max, 5);
    assert_non_null(strstr(text, ":4: "));
    assert_non_null(strstr(text, ":6: "));
    free(text);
}

static void missing_file_is_an_error(void **state) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *errors = open_memstream(&text, &bytes);
    (void)state;
    config_read_file(&config, "/nonexistent/ahora.conf", errors);
    fclose(errors);
    assert_int_equal(config.errors, 1);
    free(text);
}

static void contradictions_are_found(void **state) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *errors = open_memstream(&text, &bytes);
    (void)state;
    assert_true(set("limits", "document_bytes_max", "2M"));
    config_check(&config, errors);
    fclose(errors);
    assert_int_equal(config.errors, 1);
    free(text);
}

/* What is printed can be read again, and means the same. */
static void printed_values_can_be_read(void **state) {
    char path[] = "/tmp/ahora-config-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct config again;
    (void)state;
    assert_true(set("store", "sync", "2s"));
    assert_true(set("limits", "keys_max", "12345"));
    config_print(&config, file);
    fclose(file);
    config_init(&again);
    config_read_file(&again, path, stderr);
    unlink(path);
    assert_int_equal(again.errors, 0);
    assert_memory_equal(&again, &config, sizeof config);
}

static void kinds_are_given_promises(void **state) {
    (void)state;
    config_init(&config);
    assert_true(config_set(&config, "freshness", "fresh_ms", " service:30s  stock:0 ", why, sizeof why));
    assert_true(config_set(&config, "freshness", "expire_ms", "stock:2h", why, sizeof why));
    config_check(&config, stderr);
    assert_int_equal(config.errors, 0);
    assert_int_equal(config.core.kind_promise_count, 2);
    assert_string_equal(config.core.kind_promises[0].name, "service");
    assert_int_equal(config.core.kind_promises[0].fresh_ms, 30000);
    assert_int_equal(config.core.kind_promises[0].expire_ms, -1);
    assert_int_equal(config.core.kind_promises[1].fresh_ms, 0);
    assert_int_equal(config.core.kind_promises[1].expire_ms, 7200000);
    static const char *const wrong[] = {"service", "service:", ":5s", "service:soon", "service:9999h", "stock:5s,room:5s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FILE *errors = tmpfile();
        config.errors = 0;
        assert_true(config_set(&config, "freshness", "expire_ms", wrong[i], why, sizeof why));
        config_check(&config, errors);
        assert_int_equal(config.errors, 1);
        fclose(errors);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_legal, set_up),
        cmocka_unit_test_setup(units_are_understood, set_up),
        cmocka_unit_test_setup(sync_is_a_word_or_a_duration, set_up),
        cmocka_unit_test_setup(bad_values_are_refused_and_change_nothing, set_up),
        cmocka_unit_test_setup(unknown_keys_are_refused, set_up),
        cmocka_unit_test_setup(environment_goes_by_section_and_key, set_up),
        cmocka_unit_test_setup(wrong_variables_of_our_sections_are_errors, set_up),
        cmocka_unit_test_setup(file_errors_name_their_line, set_up),
        cmocka_unit_test_setup(missing_file_is_an_error, set_up),
        cmocka_unit_test_setup(contradictions_are_found, set_up),
        cmocka_unit_test_setup(printed_values_can_be_read, set_up),
        cmocka_unit_test_setup(kinds_are_given_promises, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
