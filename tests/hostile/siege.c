/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Two hundred good subscribers and a publisher, first alone, then beside thousands of foes (siege_foes.h): each good one must be shown what it is
 * promised and end on the newest, the broker must stay within its bounds, live, and end well. How old changes are when they arrive is told for both
 * times, in one run; it is judged only if asked for, as it says something on a quiet machine alone.
 *
 * SIEGE_FOES=5000, SIEGE_GOOD=200, SIEGE_SECONDS=3 (of each time), SIEGE_FACTOR=2 (fail if the p99 grows by more; unset: not judged),
 * SIEGE_ONE_PORT=1 (the publisher shares the port of the foes instead of having an internal one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/siege_foes.h"
#include "tests/integration/scene.h"
#include "tests/support/follower.h"

#define TOPICS 10
#define CHANGES_PER_SECOND 50
#define BUCKETS 20000 /* of 50 us; the last holds all that is slower */
#define BUCKET_US 50

/* Bounds small enough that foes reach them. */
#define OUTBOX_BYTES_MAX 65536
#define MESSAGES_BYTES_MAX 8388608
#define BODIES_BYTES_MAX 8388608

struct good {
    struct wire wire;
    struct follower follower;
};

struct ages {
    uint64_t buckets[BUCKETS + 1];
    uint64_t count;
    double busy;  /* the broker, of one processor */
    double waits; /* and so much it waited for one that others had */
};

struct field {
    struct broker_process *broker;
    int epoll_fd;
    struct good *good;
    size_t count;
    struct wire publisher;
    uint64_t published;
    int64_t seq; /* of the last change that was answered */
    struct ages *ages;
    double peak_kb;
};

static size_t setting(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static int64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static double quantile_ms(const struct ages *ages, double part) {
    uint64_t wanted = (uint64_t)((double)ages->count * part);
    uint64_t passed = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        passed += ages->buckets[i];
        if (passed > wanted) {
            return (double)(i + 1) * BUCKET_US / 1000.0;
        }
    }
    return 0;
}

/* ---- the good ---- */

static void note_age(struct field *field, const json_t *message) {
    const json_t *sent = json_object_get(json_object_get(message, "data"), "sent_us");
    if (field->ages == NULL || !json_is_integer(sent)) {
        return;
    }
    int64_t age_us = clock_us() - json_integer_value(sent);
    size_t bucket = age_us < 0 ? 0 : (size_t)age_us / BUCKET_US;
    field->ages->buckets[bucket < BUCKETS ? bucket : BUCKETS]++;
    field->ages->count++;
}

static void take_messages(struct field *field, struct good *good) {
    for (json_t *message; (message = wire_next(&good->wire)) != NULL;) {
        note_age(field, message);
        follower_take(&good->follower, message);
        json_decref(message);
    }
}

static void open_good(struct field *field, size_t index) {
    static const char *const patterns[] = {"stock/siege/*"};
    struct good *good = &field->good[index];
    follower_init(&good->follower, "good");
    follower_add(&good->follower, patterns, 1, 0);
    follower_connect(&good->follower);
    json_t *welcome = wire_open_session(&good->wire, field->broker->port, index % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    assert_non_null(welcome);
    follower_take(&good->follower, welcome);
    json_decref(welcome);
    assert_true(wire_send_new(&good->wire, follower_ask(&good->follower, 0)));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = good};
    assert_int_equal(epoll_ctl(field->epoll_fd, EPOLL_CTL_ADD, good->wire.fd, &event), 0);
}

static void listen_to_all(struct field *field, int timeout_ms) {
    struct epoll_event events[256];
    int count = epoll_wait(field->epoll_fd, events, 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct good *good = events[i].data.ptr;
        if (wire_read(&good->wire, 65536) < 0) {
            take_messages(field, good);
            fail_msg("a good subscriber lost its line: close %d %s", good->wire.close_code, good->wire.close_reason);
        }
        take_messages(field, good);
    }
    while (wire_read(&field->publisher, 65536) > 0) {
    }
    for (json_t *message; (message = wire_next(&field->publisher)) != NULL; json_decref(message)) {
        if (strcmp(wire_text(message, "op"), "published") == 0) {
            field->seq = json_integer_value(json_object_get(json_array_get(json_object_get(message, "results"), 0), "seq"));
            assert_true(field->seq > 0);
        }
    }
}

static void publish(struct field *field) {
    uint64_t number = field->published++;
    char topic[64];
    snprintf(topic, sizeof topic, "stock/siege/t%u", (unsigned)(number % TOPICS));
    wire_send_new(&field->publisher, json_pack("{s:s,s:I,s:s,s:[{s:s,s:s,s:{s:I,s:I}}]}", "op", "pub", "id",
                                               (json_int_t)number + 1, "ack", "applied", "changes", "op", "set", "topic", topic,
                                               "data", "count", (json_int_t)number, "sent_us", (json_int_t)clock_us()));
}

static void note_memory(struct field *field) {
    double kb = (double)scene_memory_kb(field->broker);
    field->peak_kb = kb > field->peak_kb ? kb : field->peak_kb;
}

/* What the broker's loop has had of a processor, and what it has waited for one, in nanoseconds. */
struct share {
    unsigned long long ran;
    unsigned long long waited;
};

static struct share share_of(const struct broker_process *broker) {
    char path[64];
    struct share share;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)broker->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &share.ran, &share.waited), 2);
    fclose(file);
    return share;
}

/* So many changes, evenly in time. */
static void go_on(struct field *field, size_t changes, struct ages *ages) {
    field->ages = ages;
    int64_t begun_us = clock_us();
    struct share begun = share_of(field->broker);
    for (size_t i = 0; i < changes; i++) {
        int64_t due_us = begun_us + (int64_t)i * 1000000 / CHANGES_PER_SECOND;
        for (int64_t left_us; (left_us = due_us - clock_us()) > 0;) {
            listen_to_all(field, (int)(left_us / 1000) + 1);
        }
        publish(field);
        listen_to_all(field, 0);
        if (i % CHANGES_PER_SECOND == 0) {
            note_memory(field);
        }
    }
    if (ages != NULL) {
        double took_ns = 1000.0 * (double)(clock_us() - begun_us);
        struct share ended = share_of(field->broker);
        ages->busy = (double)(ended.ran - begun.ran) / took_ns;
        ages->waits = (double)(ended.waited - begun.waited) / took_ns;
    }
}

static bool all_are_complete(struct field *field) {
    if (field->publisher.messages_received == 0 || field->seq == 0) {
        return false;
    }
    for (size_t i = 0; i < field->count; i++) {
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            char name[64];
            snprintf(name, sizeof name, "stock/siege/t%u", topic);
            const json_t *document = follower_document(&field->good[i].follower, name);
            json_int_t newest = (json_int_t)(field->published - 1 - (field->published - 1 - topic) % TOPICS);
            if (json_integer_value(json_object_get(document, "count")) != newest) {
                return false;
            }
        }
    }
    return true;
}

/* Everybody is told the newest of each topic; nobody was told anything wrong on the way. */
static void expect_newest(struct field *field) {
    field->ages = NULL;
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (!all_are_complete(field)) {
        listen_to_all(field, 50);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    for (size_t i = 0; i < field->count; i++) {
        const struct follower *follower = &field->good[i].follower;
        if (follower->violation_count > 0) {
            fail_msg("%s", follower->violations[0]);
        }
        assert_int_equal(follower->resyncs, 0);
    }
}

/* Each version of each topic was shown to each of them, or it was told how many it was not. */
static void expect_every_version(struct field *field) {
    for (size_t i = 0; i < field->count; i++) {
        const struct follower *follower = &field->good[i].follower;
        assert_true(follower->sets + follower->patches + follower->skipped >= field->published - TOPICS);
    }
}

/* ---- the siege ---- */

static void wait_in_place(struct field *field, const struct siege_tally *tally, size_t foes) {
    uint32_t in_place = 0;
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (tally->in_place < foes) {
        go_on(field, CHANGES_PER_SECOND / 5, NULL);
        if (tally->in_place > in_place) {
            in_place = tally->in_place;
            deadline_ms = scene_clock_ms() + PATIENCE_MS;
        } else if (scene_clock_ms() > deadline_ms) {
            fail_msg("%u of %zu foes are in place", tally->in_place, foes);
        }
    }
}

static void tell_foes(const struct siege_tally *tally) {
    for (size_t i = 0; i < FOE_KINDS; i++) {
        const struct foe_tally *kind = &tally->kinds[i];
        print_message("    %-42s %7llu opened, %7llu ended, %10llu bytes sent, %10llu heard\n", foe_name(i),
                      (unsigned long long)kind->opened, (unsigned long long)kind->ended, (unsigned long long)kind->sent,
                      (unsigned long long)kind->heard);
        assert_true(kind->opened > 0 && kind->sent > 0);
    }
}

/* What the settings above and the documented cost of a connection allow (docs/configuration.md, "Files and memory"), for so many foes. */
static double allowed_kb(size_t foes) {
    double http = (double)foes * 6 / FOE_KINDS * (128 + 8);
    double outboxes = (double)foes * 5 / FOE_KINDS * OUTBOX_BYTES_MAX / 1024;
    double bombs = (double)foes / FOE_KINDS * 1000 * 4 * 1.2;
    return http + outboxes + bombs + (MESSAGES_BYTES_MAX + BODIES_BYTES_MAX) / 1024 + (double)foes * 4;
}

/* The broker runs out of what a process may have of files before the foes do. */
static size_t foes_possible(size_t wanted) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t possible = limit.rlim_max > 1000 ? (size_t)limit.rlim_max - 1000 : 100;
    if (wanted > possible) {
        print_message("  %zu foes instead of %zu: the limit of open files is %zu\n", possible, wanted, (size_t)limit.rlim_max);
    }
    return wanted < possible ? wanted : possible;
}

static void settle(struct field *field) {
    int64_t deadline_ms = scene_clock_ms() + 2 * PATIENCE_MS;
    while (scene_metric(field->broker, "ahora_connections") > (double)field->count + 2) {
        go_on(field, CHANGES_PER_SECOND / 5, NULL);
        assert_true(scene_clock_ms() < deadline_ms);
    }
}

/* The back office has a port of its own, as docs/security.md has it; 0 if it shall share the one of the foes. */
static uint16_t open_inside(void) {
    if (setting("SIEGE_ONE_PORT", 0) != 0) {
        return 0;
    }
    struct broker_process other;
    char address[32];
    assert_true(broker_process_init(&other, "port")); /* for its port */
    uint16_t port = other.port;
    broker_process_fini(&other);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    scene_configure("LISTEN_INTERNAL", address);
    return port;
}

static void field_open(struct field *field, void **state) {
    char text[32];
    uint16_t inside = open_inside();
    scene_configure("LIMITS_OUTBOX_BYTES_MAX", (snprintf(text, sizeof text, "%d", OUTBOX_BYTES_MAX), text));
    scene_configure("WEBSOCKET_MESSAGES_BYTES_MAX", (snprintf(text, sizeof text, "%d", MESSAGES_BYTES_MAX), text));
    scene_configure("HTTP_BODIES_BYTES_MAX", (snprintf(text, sizeof text, "%d", BODIES_BYTES_MAX), text));
    *field = (struct field){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .count = setting("SIEGE_GOOD", 200)};
    field->broker = scene_start(state);
    field->good = calloc(field->count, sizeof *field->good);
    json_decref(wire_open_session(&field->publisher, inside != 0 ? inside : field->broker->port, CODEC_JSON));
    for (size_t i = 0; i < field->count; i++) {
        open_good(field, i);
    }
}

static void field_close(struct field *field) {
    for (size_t i = 0; i < field->count; i++) {
        wire_fini(&field->good[i].wire);
        follower_fini(&field->good[i].follower);
    }
    wire_fini(&field->publisher);
    free(field->good);
    close(field->epoll_fd);
}

static void judge_time(const struct ages *quiet, const struct ages *siege) {
    const char *factor = getenv("SIEGE_FACTOR");
    print_message("  the broker's loop takes %.0f%% of a processor alone (and waits for one %.0f%% of the time), %.0f%% beside "
                  "them (%.0f%%)\n",
                  100 * quiet->busy, 100 * quiet->waits, 100 * siege->busy, 100 * siege->waits);
    print_message("  p50 %.2f ms alone, %.2f ms beside them; p99 %.2f ms alone, %.2f ms beside them\n", quantile_ms(quiet, 0.5),
                  quantile_ms(siege, 0.5), quantile_ms(quiet, 0.99), quantile_ms(siege, 0.99));
    if (factor != NULL) {
        assert_true(quantile_ms(siege, 0.99) <= strtod(factor, NULL) * quantile_ms(quiet, 0.99));
    }
}

static void the_good_are_served_beside_thousands_of_foes(void **state) {
    static struct ages quiet;
    static struct ages siege;
    struct field field;
    struct siege_tally *tally;
    size_t foes = foes_possible(setting("SIEGE_FOES", 5000));
    size_t changes = setting("SIEGE_SECONDS", 3) * CHANGES_PER_SECOND;
    field_open(&field, state);
    go_on(&field, changes, &quiet);
    expect_newest(&field);
    note_memory(&field);
    double before_kb = field.peak_kb;

    pid_t pid = foes_start(field.broker->port, foes, &tally);
    assert_true(pid > 0);
    wait_in_place(&field, tally, foes);
    go_on(&field, changes, &siege);
    expect_newest(&field);
    expect_every_version(&field);
    double connections = scene_metric(field.broker, "ahora_connections");
    tell_foes(tally);
    foes_stop(pid);
    settle(&field);
    expect_newest(&field);

    print_message("  %zu foes (%.0f connections at the end), %zu good, %llu changes; memory %.0f MB before, %.0f MB at most, "
                  "%.0f MB allowed\n",
                  foes, connections, field.count, (unsigned long long)field.published, before_kb / 1024, field.peak_kb / 1024,
                  (before_kb + allowed_kb(foes)) / 1024);
    assert_true(field.peak_kb <= before_kb + allowed_kb(foes));
    judge_time(&quiet, &siege);
    field_close(&field);
    assert_int_equal(broker_process_term(field.broker), 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {CASE(the_good_are_served_beside_thousands_of_foes)};
    return cmocka_run_group_tests(cases, NULL, NULL);
}
