/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A subscriber: joins, then checks that what arrives is each version once and in order, and says how old it is. */
#include "bench/run.h"

#include <assert.h>
#include <string.h>

static void count_document(struct run *run, struct subscriber *subscriber, const struct stamp *stamp) {
    if (stamp->topic != subscriber->topic) {
        run->strays++;
        return;
    }
    if (stamp->count <= subscriber->version) {
        run->duplicates += stamp->count == subscriber->version;
        run->inversions += stamp->count < subscriber->version;
        return;
    }
    uint64_t step = stamp->count - subscriber->version;
    subscriber->gaps += step - 1;
    subscriber->version = stamp->count;
    run->tally.deliveries++;
    if (run->recording == RECORD_DELIVERIES) {
        int64_t age_ns = run->now_ns - stamp->sent_ns;
        histogram_record(run->histogram, age_ns > 0 ? (uint64_t)age_ns : 0);
    }
    struct topic *topic = &run->topics[stamp->topic];
    topic->progress += step;
    if (!topic->is_listed) {
        topic->is_listed = true;
        run->moved[run->moved_count++] = stamp->topic;
    }
}

static void count_skipped(const struct run *run, struct subscriber *subscriber, struct span payload) {
    size_t at = 0;
    uint64_t number;
    while (dialect_find_answer(&run->dialect, ANSWER_SKIPPED, payload, &at, &number)) {
        subscriber->skipped += number;
    }
}

static void on_live_frame(struct run *run, struct subscriber *subscriber, struct span payload) {
    const uint8_t *at = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    while ((at = dialect_find_document(&run->dialect, at, end, &stamp, &stride)) != NULL) {
        count_document(run, subscriber, &stamp);
    }
    if (subscriber->gaps > subscriber->skipped) {
        count_skipped(run, subscriber, payload);
    }
}

static void become_live(struct run *run, struct subscriber *subscriber) {
    struct topic *topic = &run->topics[subscriber->topic];
    subscriber->state = SUBSCRIBER_LIVE;
    run->live_count++;
    topic->subscribers++;
    topic->progress += subscriber->version;
    if (run->recording == RECORD_JOINS) {
        histogram_record(run->histogram, (uint64_t)(run->now_ns - subscriber->started_ns));
    }
}

/* The snapshot: any version is right, but not an older one than before a resume. */
static void on_joining_frame(struct run *run, struct subscriber *subscriber, struct span payload) {
    const uint8_t *at = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    while ((at = dialect_find_document(&run->dialect, at, end, &stamp, &stride)) != NULL) {
        run->strays += stamp.topic != subscriber->topic;
        run->inversions += stamp.count < subscriber->version;
        subscriber->version = stamp.count;
    }
    size_t from = 0;
    uint64_t number;
    subscriber->is_resumed |= dialect_find_answer(&run->dialect, ANSWER_RESUMED, payload, &from, &number);
    if (run->epoch[0] == '\0') {
        dialect_find_epoch(&run->dialect, payload, run->epoch, sizeof run->epoch);
    }
    from = 0;
    if (dialect_find_answer(&run->dialect, ANSWER_ERROR, payload, &from, &number)) {
        run_fail(run, "a subscriber got an error");
        return;
    }
    from = 0;
    if (dialect_find_answer(&run->dialect, ANSWER_LIVE, payload, &from, &number)) {
        subscriber->live_seq = number;
        become_live(run, subscriber);
    }
}

static void on_frame(struct connection *connection, struct span payload) {
    struct subscriber *subscriber = (struct subscriber *)connection;
    if (subscriber->state == SUBSCRIBER_LIVE) {
        on_live_frame(connection->context, subscriber, payload);
    } else {
        on_joining_frame(connection->context, subscriber, payload);
    }
}

static void on_open(struct connection *connection) {
    const struct run *run = connection->context;
    struct subscriber *subscriber = (struct subscriber *)connection;
    char token[80];
    bool resumes = subscriber->live_seq > 0 && run->epoch[0] != '\0';
    snprintf(token, sizeof token, "%s-%llu", run->epoch, (unsigned long long)subscriber->live_seq);
    dialect_put_subscribe(connection->dialect, &connection->out, subscriber->topic, resumes ? token : NULL);
    connection_flush(connection);
}

static void on_close(struct connection *connection, const char *why) {
    run_fail(connection->context, why);
}

static const struct connection_calls calls = {.on_open = on_open, .on_frame = on_frame, .on_close = on_close};

bool subscriber_join(struct run *run, struct subscriber *subscriber) {
    assert(subscriber->state == SUBSCRIBER_IDLE);
    subscriber->connection.calls = &calls;
    subscriber->connection.dialect = &run->dialect;
    subscriber->connection.context = run;
    subscriber->state = SUBSCRIBER_JOINING;
    return connection_open(&subscriber->connection, run->epoll_fd, &run->server.address, run->server.authority);
}

void subscriber_leave(struct run *run, struct subscriber *subscriber) {
    if (subscriber->state == SUBSCRIBER_LIVE) {
        subscriber_set_stalled(run, subscriber, true);
        subscriber->is_stalled = false;
        run->live_count--;
    }
    connection_close(&subscriber->connection);
    subscriber->state = SUBSCRIBER_IDLE;
}

/* A stalled one does not count among those whom a window waits for. */
void subscriber_set_stalled(struct run *run, struct subscriber *subscriber, bool stalled) {
    assert(subscriber->state == SUBSCRIBER_LIVE);
    if (subscriber->is_stalled == stalled) {
        return;
    }
    struct topic *topic = &run->topics[subscriber->topic];
    subscriber->is_stalled = stalled;
    topic->subscribers += stalled ? UINT32_MAX : 1;
    topic->progress += stalled ? 0 - subscriber->version : subscriber->version;
    connection_set_reading(&subscriber->connection, !stalled);
}
