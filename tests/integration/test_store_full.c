/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A data directory on a disk that fills up: a small tmpfs, which only root may mount. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/integration/scene.h"

#define DISK_OPTIONS "size=48m"
#define FILL "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

struct disk {
    struct broker_process *broker;
    char ballast[200];
};

/* Mounts where the broker's data will be. */
static struct disk disk_mount(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M");
    scene_configure("STORE_JOURNAL_BYTES_MAX", "1G");
    struct disk disk = {.broker = scene_prepare(state)};
    assert_int_equal(mkdir(disk.broker->data, 0700), 0);
    assert_int_equal(mount("tmpfs", disk.broker->data, "tmpfs", 0, DISK_OPTIONS), 0);
    snprintf(disk.ballast, sizeof disk.ballast, "%s/ballast", disk.broker->data);
    return disk;
}

static int disk_unmount(void **state) {
    struct broker_process *broker = *state;
    broker_process_kill(broker);
    if (broker->data[0] != '\0') {
        umount2(broker->data, MNT_DETACH);
    }
    return scene_teardown(state);
}

/* Takes all but `spare_kb` of what is free. */
static void disk_fill(const struct disk *disk, size_t spare_kb) {
    struct statvfs status;
    assert_int_equal(statvfs(disk->broker->data, &status), 0);
    size_t free_kb = status.f_bavail * status.f_bsize / 1024;
    int fd = open(disk->ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    static const char block[1024];
    for (size_t i = spare_kb; i < free_kb && write(fd, block, sizeof block) == sizeof block; i++) {
    }
    close(fd);
}

static void disk_free(const struct disk *disk) {
    assert_int_equal(unlink(disk->ballast), 0);
}

/* Documents are order/N. False: the store is full. */
static bool publish(struct wire *wire, int n) {
    json_t *result =
        scene_change(wire, "{'op':'set','topic':'order/%d','data':{'n':%d,'fill':'%s'}}", n, n,
                     FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL FILL);
    bool is_full = scene_code(result)[0] != '\0';
    if (is_full) {
        assert_string_equal(scene_code(result), "store_full");
    }
    json_decref(result);
    return !is_full;
}

/* Publishes until the store is full; the number of changes acknowledged. N goes on from `first`. */
static int publish_until_full(struct wire *wire, int first) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    int n = first;
    while (publish(wire, n)) {
        assert_true(scene_clock_ms() < deadline_ms);
        n++;
    }
    return n;
}

static void publish_until_taken(struct wire *wire, const char *topic) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (;;) {
        json_t *result = scene_change(wire, "{'op':'set','topic':'%s','data':{'n':-1}}", topic);
        bool is_taken = scene_code(result)[0] == '\0';
        if (!is_taken) {
            assert_string_equal(scene_code(result), "store_full");
        }
        json_decref(result);
        if (is_taken) {
            return;
        }
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(20);
    }
}

static void check_documents(const struct broker_process *broker, int count) {
    for (int n = 0; n < count; n++) {
        char topic[32];
        snprintf(topic, sizeof topic, "order/%d", n);
        json_t *document = scene_get(broker, topic);
        if (document == NULL) {
            fail_msg("%s of %d is lost", topic, count);
        }
        assert_int_equal(scene_int(json_object_get(document, "data"), "n"), n);
        json_decref(document);
    }
}

static void a_full_disk_refuses_changes_and_everything_else_goes_on(void **state) {
    struct disk disk = disk_mount(state);
    assert_true(broker_process_start(disk.broker, NULL));
    struct wire writer;
    struct wire reader;
    scene_open(&writer, disk.broker, CODEC_MSGPACK);
    scene_open(&reader, disk.broker, CODEC_JSON);
    json_decref(scene_ask(&reader, "{'op':'sub','id':1,'match':'room/*'}"));
    json_decref(scene_hear_op(&reader, "live"));
    publish_until_taken(&writer, "room/1");
    json_decref(scene_hear_op(&reader, "set"));
    disk_fill(&disk, 3000);
    int count = publish_until_full(&writer, 0);
    assert_true(count > 10);

    scene_problem(disk.broker, "PUT", "/v1/topics/room/2", "Content-Type: application/json\r\n",
                  "{\"fill\":\"" FILL FILL FILL FILL "\"}", 507, "store_full");
    assert_null(scene_get(disk.broker, "room/2"));
    assert_int_equal(http_status(disk.broker->port, "/livez"), 200);
    scene_expect_alive(&reader);
    json_decref(scene_ask(&reader, "{'op':'sub','id':2,'match':'order/3'}"));
    json_decref(scene_hear_op(&reader, "set"));
    check_documents(disk.broker, count);

    disk_free(&disk);
    publish_until_taken(&writer, "room/3"); /* by itself */
    json_decref(scene_hear_op(&reader, "set"));
    scene_apply(&writer, "{'op':'set','topic':'order/%d','data':{'n':%d}}", count, count);
    wire_fini(&writer);
    wire_fini(&reader);
    broker_process_kill(disk.broker);
    assert_true(broker_process_start(disk.broker, NULL));
    check_documents(disk.broker, count + 1);
}

/* As a backup does that copies the checkpoint. */
static int hold_folding_back(const struct disk *disk) {
    char name[200];
    snprintf(name, sizeof name, "%.180s/checkpoint", disk->broker->data);
    int fd = open(name, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    return fd;
}

/* Segments wait to be folded, the current one is nearly full, there is a spare: then the disk has room for less than a fold takes. */
static void fold_with_too_little_space(void **state, size_t left_kb) {
    struct disk disk = disk_mount(state);
    assert_true(broker_process_start(disk.broker, NULL));
    struct wire writer;
    scene_open(&writer, disk.broker, CODEC_MSGPACK);
    int lock = hold_folding_back(&disk);
    int count = 0;
    while (count < 1400) { /* two segments and most of a third */
        assert_true(publish(&writer, count++));
    }
    disk_fill(&disk, left_kb);
    close(lock);
    count = publish_until_full(&writer, count);
    check_documents(disk.broker, count);

    disk_free(&disk);
    publish_until_taken(&writer, "room/1");  /* by itself */
    for (int n = count + 1400; count < n;) { /* and for good: these need several folds */
        count += publish(&writer, count);
    }
    assert_false(scene_log_has(disk.broker, "checkpoint-broken"));
    wire_fini(&writer);
    broker_process_kill(disk.broker);
    assert_true(broker_process_start(disk.broker, NULL));
    check_documents(disk.broker, count);
}

static void a_fold_with_a_page_left_goes_on_when_space_returns(void **state) {
    fold_with_too_little_space(state, 4);
}

static void a_fold_with_some_space_left_goes_on_when_space_returns(void **state) {
    fold_with_too_little_space(state, 400);
}

static void a_fold_with_nearly_enough_space_goes_on_when_space_returns(void **state) {
    fold_with_too_little_space(state, 900);
}

static void a_restart_on_a_full_disk_loses_nothing_acknowledged(void **state) {
    struct disk disk = disk_mount(state);
    assert_true(broker_process_start(disk.broker, NULL));
    struct wire writer;
    scene_open(&writer, disk.broker, CODEC_JSON);
    disk_fill(&disk, 3000);
    int count = publish_until_full(&writer, 0);
    wire_fini(&writer);
    for (int round = 0; round < 2; round++) {
        disk_fill(&disk, 0);
        if (round == 0) {
            broker_process_kill(disk.broker);
        } else {
            broker_process_term(disk.broker); /* a full disk may make it say that it could not leave cleanly */
        }
        bool is_started = broker_process_spawn(disk.broker, NULL);
        assert_true(is_started);
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        while (broker_process_is_running(disk.broker) && http_status(disk.broker->port, "/readyz") != 200) {
            assert_true(scene_clock_ms() < deadline_ms);
            scene_sleep(10);
        }
        if (!broker_process_is_running(
                disk.broker)) { /* it may refuse to start, but says why, and comes up when there is space */
            assert_true(scene_log_has(disk.broker, "full") || scene_log_has(disk.broker, "space"));
            disk_free(&disk);
            assert_true(broker_process_start(disk.broker, NULL));
        }
        check_documents(disk.broker, count);
    }
}

static void a_checkpoint_at_its_limit_is_store_full_too(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M");
    scene_configure("STORE_JOURNAL_BYTES_MAX", "4M");
    scene_configure("STORE_CHECKPOINT_BYTES_MAX", "4M");
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    int count = publish_until_full(&writer, 0);
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    check_documents(broker, count);
    wire_fini(&writer);
    broker_process_kill(broker);
    scene_configure("STORE_CHECKPOINT_BYTES_MAX", "64M");
    assert_true(broker_process_start(broker, NULL)); /* with more room it takes changes again */
    check_documents(broker, count);
    scene_open(&writer, broker, CODEC_JSON);
    publish_until_taken(&writer, "room/1");
    wire_fini(&writer);
}

static bool can_mount(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/ahora-mount-%d", (int)getpid());
    if (geteuid() != 0 || mkdir(path, 0700) != 0) {
        return false;
    }
    bool is_mounted = mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0;
    umount(path);
    rmdir(path);
    return is_mounted;
}

int main(void) {
    const struct CMUnitTest anybody[] = {CASE(a_checkpoint_at_its_limit_is_store_full_too)};
    const struct CMUnitTest root[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_changes_and_everything_else_goes_on, scene_setup, disk_unmount),
        cmocka_unit_test_setup_teardown(a_fold_with_a_page_left_goes_on_when_space_returns, scene_setup, disk_unmount),
        cmocka_unit_test_setup_teardown(a_fold_with_some_space_left_goes_on_when_space_returns, scene_setup, disk_unmount),
        cmocka_unit_test_setup_teardown(a_fold_with_nearly_enough_space_goes_on_when_space_returns, scene_setup, disk_unmount),
        cmocka_unit_test_setup_teardown(a_restart_on_a_full_disk_loses_nothing_acknowledged, scene_setup, disk_unmount),
    };
    int failed = cmocka_run_group_tests(anybody, NULL, NULL);
    if (!can_mount()) {
        printf("test_store_full: skipped, a tmpfs can be mounted by root only\n");
        return failed;
    }
    return failed + cmocka_run_group_tests(root, NULL, NULL);
}
