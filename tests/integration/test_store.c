/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The data directory as an operator meets it: damaged, copied, used twice, backed up. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/scene.h"

#define FILL "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static void read_epoch(const struct broker_process *broker, char epoch[40]) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/status", NULL, NULL, &response), 200);
    json_t *status = http_response_json(&response);
    snprintf(epoch, 40, "%s", wire_text(status, "epoch"));
    json_decref(status);
    http_response_fini(&response);
}

/* `count` documents order/FIRST.. of 500 bytes, each with a mark of its own. */
static void put_marked(const struct broker_process *broker, int first, int count) {
    struct bytes body = {0};
    for (int i = first; i < first + count; i++) {
        bytes_printf(
            &body, "{\"op\":\"set\",\"topic\":\"order/%d\",\"data\":{\"mark\":\"<mark-%d>" FILL FILL FILL FILL "\"}}\n", i, i);
    }
    struct http_response response;
    http_request(broker->port, "POST", "/v1/publish", "Content-Type: application/x-ndjson\r\n", bytes_data(&body),
                 bytes_size(&body), &response);
    assert_int_equal(response.status, 200);
    assert_null(strstr(http_response_body(&response), "error"));
    http_response_fini(&response);
    bytes_fini(&body);
}

/* Every document that is served is whole. Returns how many there are. */
static int check_marked(const struct broker_process *broker) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=order/*", "Accept: application/x-ndjson\r\n", NULL, &response),
                     200);
    size_t offset = 0;
    bool is_bad = false;
    int count = 0;
    for (json_t *item; (item = codec_decode(CODEC_JSON, bytes_data(&response.reader.body), bytes_size(&response.reader.body),
                                            &offset, &is_bad)) != NULL;
         json_decref(item)) {
        char want[600];
        snprintf(want, sizeof want, "<mark-%s>" FILL FILL FILL FILL, wire_text(item, "topic") + strlen("order/"));
        assert_string_equal(wire_text(json_object_get(item, "data"), "mark"), want);
        count++;
    }
    assert_false(is_bad);
    http_response_fini(&response);
    return count;
}

/* Turns one byte behind each occurrence of `text` in one file; returns how many. With `is_dry` it only counts. */
static int damage_file(const char *path, const char *text, bool is_dry) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    struct bytes content = {0};
    size_t got;
    while ((got = fread(bytes_reserve(&content, 1 << 20), 1, 1 << 20, file)) > 0) {
        bytes_commit(&content, got);
    }
    int count = 0;
    const char *data = bytes_data(&content);
    const char *end = data + bytes_size(&content);
    for (const char *place = data; (place = memmem(place, (size_t)(end - place), text, strlen(text))) != NULL; place++) {
        if (!is_dry) {
            fseek(file, place - data + (long)strlen(text) + 20, SEEK_SET);
            fputc('X', file);
        }
        count++;
    }
    bytes_fini(&content);
    fclose(file);
    return count;
}

static int damage_directory(const struct broker_process *broker, const char *part, const char *text, bool is_dry) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->data, part);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        count += entry->d_name[0] == '.' ? 0 : damage_file(file, text, is_dry);
    }
    closedir(directory);
    return count;
}

static void expect_damage_known(struct broker_process *broker, const char *epoch_before, int served_max) {
    char epoch[40];
    read_epoch(broker, epoch);
    assert_string_not_equal(epoch, epoch_before);
    assert_true(scene_log_has(broker, "damage"));
    int served = check_marked(broker);
    assert_true(served <= served_max);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    json_t *answer = scene_ask(&wire, "{'op':'sub','id':1,'match':'order/*','since':'%s-1'}", epoch_before);
    assert_false(scene_bool(answer, "resumed"));
    json_decref(answer);
    wire_fini(&wire);
    put_marked(broker, 900000, 1); /* and it takes changes */
    read_epoch(broker, epoch);
    assert_int_equal(broker_process_term(broker), 0);
    assert_true(broker_process_start(broker, NULL)); /* the new epoch stays */
    char again[40];
    read_epoch(broker, again);
    assert_string_equal(again, epoch);
}

/* In the middle, and in the last turn: a torn tail would be forgiven, bytes that changed later are not. */
static void a_damaged_journal_is_reported_and_never_served(void **state) {
    for (int round = 0; round < 2; round++) {
        struct broker_process *broker = scene_start(state);
        char epoch[40];
        put_marked(broker, 0, 100);
        put_marked(broker, 100, 10);
        read_epoch(broker, epoch);
        broker_process_kill(broker);
        assert_true(damage_directory(broker, "journal", round == 0 ? "<mark-50>" : "<mark-105>", false) >= 1);
        assert_true(broker_process_start(broker, NULL));
        assert_null(scene_get(broker, round == 0 ? "order/50" : "order/105"));
        expect_damage_known(broker, epoch, 109);
        broker_process_fini(broker);
    }
}

static void a_damaged_checkpoint_is_reported_and_never_served(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M");
    scene_configure("STORE_JOURNAL_BYTES_MAX", "64M");
    struct broker_process *broker = scene_start(state);
    char epoch[40];
    put_marked(broker, 0, 100);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (int round = 1; damage_directory(broker, "journal", "<mark-50>", true) > 0; round++) { /* until it was folded */
        put_marked(broker, 1000 * round, 1000);
        scene_sleep(50);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    read_epoch(broker, epoch);
    assert_int_equal(broker_process_term(broker), 0);
    assert_true(broker_process_start(broker, NULL));
    int before = check_marked(broker);
    assert_int_equal(broker_process_term(broker), 0);
    assert_true(damage_directory(broker, "checkpoint", "<mark-50>", false) >= 1);
    assert_true(broker_process_start(broker, NULL));
    assert_null(scene_get(broker, "order/50"));
    expect_damage_known(broker, epoch, before - 1);
}

/* As an incomplete copy leaves it. The file is read as memory: a page that is not there must not end the process by a signal. */
static void a_checkpoint_cut_short_is_refused(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M");
    scene_configure("STORE_JOURNAL_BYTES_MAX", "64M");
    struct broker_process *broker = scene_start(state);
    put_marked(broker, 0, 100);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (int round = 1; damage_directory(broker, "journal", "<mark-50>", true) > 0; round++) { /* until it was folded */
        put_marked(broker, 1000 * round, 1000);
        scene_sleep(50);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    assert_int_equal(broker_process_term(broker), 0);
    char path[256];
    snprintf(path, sizeof path, "%s/checkpoint/data.mdb", broker->data);
    assert_int_equal(truncate(path, 5 * 4096), 0);
    assert_true(broker_process_spawn(broker, NULL));
    assert_int_equal(scene_wait_end(broker), 1);
    assert_true(scene_log_has(broker, "start-failed"));
}

static void a_copied_directory_takes_a_new_epoch_and_the_original_keeps_its_own(void **state) {
    struct broker_process *broker = scene_start(state);
    char epoch[40];
    char epoch_now[40];
    put_marked(broker, 0, 50);
    read_epoch(broker, epoch);
    assert_int_equal(broker_process_term(broker), 0);
    struct bytes out = {0};
    assert_int_equal(scene_run(&out, "cp -r '%s' '%s/copy'", broker->data, broker->directory), 0);
    char original[160];
    snprintf(original, sizeof original, "%s", broker->data);
    snprintf(broker->data, sizeof broker->data, "%.128s/copy", broker->directory);
    assert_true(broker_process_start(broker, NULL));
    read_epoch(broker, epoch_now);
    assert_string_not_equal(epoch_now, epoch);
    assert_int_equal(check_marked(broker), 50);
    assert_int_equal(broker_process_term(broker), 0);
    snprintf(broker->data, sizeof broker->data, "%s", original);
    assert_true(broker_process_start(broker, NULL));
    read_epoch(broker, epoch_now);
    assert_string_equal(epoch_now, epoch);
    bytes_fini(&out);
}

static void a_second_broker_on_the_same_directory_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    put_marked(broker, 0, 5);
    struct broker_process second;
    assert_true(broker_process_init(&second, "second"));
    snprintf(second.data, sizeof second.data, "%s", broker->data);
    assert_true(broker_process_spawn(&second, NULL));
    assert_int_equal(scene_wait_end(&second), 1);
    assert_true(scene_log_has(&second, broker->data));
    assert_true(scene_log_has(&second, "in use") || scene_log_has(&second, "another process") ||
                scene_log_has(&second, "another broker") || scene_log_has(&second, "locked"));
    broker_process_fini(&second);
    assert_int_equal(check_marked(broker), 5);
    put_marked(broker, 5, 5);
}

static void a_backup_of_a_running_broker_starts_with_what_was_acknowledged(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M");
    scene_configure("STORE_JOURNAL_BYTES_MAX", "64M");
    struct broker_process *broker = scene_start(state);
    char epoch[40];
    char epoch_now[40];
    struct bytes out = {0};
    put_marked(broker, 0, 8000);
    read_epoch(broker, epoch);
    int code = scene_run(&out, "%s --data '%s' --backup '%s/backup'", scene_broker_path(), broker->data, broker->directory);
    if (code != 0) {
        fail_msg("backup: %d: %s", code, bytes_text(&out));
    }
    assert_int_not_equal(
        scene_run(&out, "%s --data '%s' --backup '%s/backup'", scene_broker_path(), broker->data, broker->directory), 0);
    assert_non_null(strstr(bytes_text(&out), "exists already"));
    put_marked(broker, 8000, 100); /* the original goes on */
    assert_int_equal(broker_process_term(broker), 0);
    char original[160];
    snprintf(original, sizeof original, "%s", broker->data);
    snprintf(broker->data, sizeof broker->data, "%.128s/backup", broker->directory);
    assert_true(broker_process_start(broker, NULL));
    assert_int_equal(check_marked(broker), 8000);
    read_epoch(broker, epoch_now);
    assert_string_not_equal(epoch_now, epoch);
    assert_int_equal(broker_process_term(broker), 0);
    snprintf(broker->data, sizeof broker->data, "%s", original);
    assert_true(broker_process_start(broker, NULL));
    assert_int_equal(check_marked(broker), 8100);
    bytes_fini(&out);
}

/* Each answer is awaited before the next is asked for. */
static double syncs_of(struct broker_process *broker, struct wire *wire, int publishes, const char *ack) {
    double before = scene_metric(broker, "ahora_store_syncs_total");
    for (int i = 0; i < publishes; i++) {
        json_decref(
            scene_ask(wire, "{'op':'pub','id':1,'ack':'%s','changes':[{'op':'set','topic':'order/sync','data':{}}]}", ack));
    }
    return scene_metric(broker, "ahora_store_syncs_total") - before;
}

static void the_disk_is_bothered_for_those_who_wait_for_it(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(syncs_of(broker, &wire, 100, "durable") >= 100);
    assert_true(syncs_of(broker, &wire, 500, "applied") < 100); /* every 50 ms at most */
    wire_fini(&wire);
}

/* It is for the operator to say when; who waits does not wait for that. */
static void what_nobody_waits_for_is_synced_when_the_operator_says(void **state) {
    scene_configure("STORE_SYNC_REST_MS", "1h");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(syncs_of(broker, &wire, 5000, "applied") == 0);
    assert_true(syncs_of(broker, &wire, 1, "durable") == 1);
    assert_true(syncs_of(broker, &wire, 5000, "applied") == 0);
    wire_fini(&wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_damaged_journal_is_reported_and_never_served),
        CASE(a_damaged_checkpoint_is_reported_and_never_served),
        CASE(a_checkpoint_cut_short_is_refused),
        CASE(a_copied_directory_takes_a_new_epoch_and_the_original_keeps_its_own),
        CASE(a_second_broker_on_the_same_directory_is_refused),
        CASE(a_backup_of_a_running_broker_starts_with_what_was_acknowledged),
        CASE(the_disk_is_bothered_for_those_who_wait_for_it),
        CASE(what_nobody_waits_for_is_synced_when_the_operator_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
