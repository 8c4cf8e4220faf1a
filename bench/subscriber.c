/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A subscriber: joins, then checks that what arrives is each version once and in order, and says how old it is. */
#include "bench/dialect_peer.h"
#include "bench/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_BYTES_MAX 63 /* of a mark or an answer that the end of a payload may cut */

/* Where it keeps what it holds of this topic; NULL: it did not ask for it. */
static uint64_t *version_of(struct subscriber *subscriber, uint32_t topic) {
    uint32_t place = topic - subscriber->interest.first;
    if (place >= subscriber->interest.count) {
        return NULL;
    }
    return subscriber->versions != NULL ? &subscriber->versions[place] : &subscriber->version;
}

static void count_document(struct run *run, struct subscriber *subscriber, const struct stamp *stamp) {
    uint64_t *version = version_of(subscriber, stamp->topic);
    if (version == NULL) {
        run->strays++;
        return;
    }
    if (stamp->count <= *version) {
        run->duplicates += stamp->count == *version;
        run->inversions += stamp->count < *version;
        return;
    }
    uint64_t step = stamp->count - *version;
    subscriber->gaps += step - 1;
    *version = stamp->count;
    run->tally.deliveries++;
    if (run->recording == RECORD_DELIVERIES && !subscriber->is_untimed) {
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

/* What is behind the last document may be the beginning of one. */
static void keep_cut(struct subscriber *subscriber, struct span payload, const uint8_t *behind) {
    if (!subscriber->connection.dialect->streamed) {
        return;
    }
    size_t left = (size_t)(payload.data + payload.bytes - behind);
    subscriber->connection.keep = left < CUT_BYTES_MAX ? (uint32_t)left : CUT_BYTES_MAX;
}

static void on_live_frame(struct run *run, struct subscriber *subscriber, struct span payload) {
    const uint8_t *behind = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    for (const uint8_t *at; (at = dialect_find_document(&run->dialect, behind, end, &stamp, &stride)) != NULL; behind = at) {
        count_document(run, subscriber, &stamp);
    }
    if (subscriber->gaps > subscriber->skipped) {
        count_skipped(run, subscriber, payload);
    }
    keep_cut(subscriber, payload, behind);
}

static void become_live(struct run *run, struct subscriber *subscriber) {
    const struct interest *interest = &subscriber->interest;
    subscriber->state = SUBSCRIBER_LIVE;
    run->live_count++;
    for (uint32_t i = interest->first; i < interest->first + interest->count; i++) {
        run->topics[i].subscribers++;
        run->topics[i].progress += *version_of(subscriber, i);
    }
    uint64_t took_ns = (uint64_t)(run->now_ns - subscriber->started_ns);
    if (run->joins != NULL) {
        histogram_record(run->joins, took_ns);
    } else if (run->recording == RECORD_JOINS) {
        histogram_record(run->histogram, took_ns);
    }
}

/* A peer says that it has subscribed, and sends the last value if it keeps one. Without, we begin with what there is. */
static void join_peer(struct run *run, struct subscriber *subscriber, struct span payload) {
    const struct peer_dialect *peer = run->dialect.peer;
    subscriber->is_confirmed |= peer->is_confirmed == NULL || peer->is_confirmed(payload);
    if (!subscriber->is_confirmed || (peer->keeps_last && subscriber->version == 0)) {
        return;
    }
    if (!peer->keeps_last) {
        subscriber->version = run->topics[subscriber->interest.first].published;
    }
    become_live(run, subscriber);
}

static void join_ahora(struct run *run, struct subscriber *subscriber, struct span payload) {
    size_t from = 0;
    uint64_t number;
    uint32_t wanted = subscriber->interest.stars > 0 ? 1 : subscriber->interest.count;
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
    while (dialect_find_answer(&run->dialect, ANSWER_LIVE, payload, &from, &number)) {
        subscriber->live_seq = number;
        subscriber->lives++;
    }
    if (subscriber->lives >= wanted) {
        become_live(run, subscriber);
    }
}

/* The snapshot: any version is right, but not an older one than before a resume. A peer's last value may come behind newer ones. */
static void on_joining_frame(struct run *run, struct subscriber *subscriber, struct span payload) {
    const uint8_t *behind = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    for (const uint8_t *at; (at = dialect_find_document(&run->dialect, behind, end, &stamp, &stride)) != NULL; behind = at) {
        uint64_t *version = version_of(subscriber, stamp.topic);
        run->strays += version == NULL;
        if (version != NULL && stamp.count < *version) {
            run->inversions += run->dialect.peer == NULL;
        } else if (version != NULL) {
            *version = stamp.count;
        }
    }
    keep_cut(subscriber, payload, behind);
    if (run->dialect.peer != NULL) {
        join_peer(run, subscriber, payload);
    } else {
        join_ahora(run, subscriber, payload);
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
    dialect_put_subscribe(connection->dialect, &connection->out, &subscriber->interest, resumes ? token : NULL);
    connection_flush(connection);
}

static void on_close(struct connection *connection, const char *why) {
    struct run *run = connection->context;
    if (run->on_lost != NULL) {
        run->on_lost(run, (struct subscriber *)connection);
    } else {
        run_fail(run, why);
    }
}

static const struct connection_calls calls = {.on_open = on_open, .on_frame = on_frame, .on_close = on_close};

bool subscriber_follow(struct subscriber *subscriber, const struct interest *interest) {
    assert(subscriber->state == SUBSCRIBER_IDLE);
    free(subscriber->versions);
    subscriber->versions = NULL;
    subscriber->interest = *interest;
    if (interest->count > 1) {
        subscriber->versions = calloc(interest->count, sizeof *subscriber->versions);
        return subscriber->versions != NULL;
    }
    return true;
}

bool subscriber_join(struct run *run, struct subscriber *subscriber) {
    assert(subscriber->state == SUBSCRIBER_IDLE);
    subscriber->connection.calls = &calls;
    subscriber->connection.dialect = &run->dialect;
    subscriber->connection.is_secure = run->server.target->is_secure;
    subscriber->connection.context = run;
    subscriber->connection.topic = subscriber->interest.first;
    subscriber->state = SUBSCRIBER_JOINING;
    subscriber->lives = 0;
    subscriber->is_confirmed = false;
    return connection_open(&subscriber->connection, run_epoll_fd(run, subscriber), &run->server.load_address,
                           run->server.authority);
}

static void stop_counting(struct run *run, struct subscriber *subscriber, bool stopped) {
    const struct interest *interest = &subscriber->interest;
    for (uint32_t i = interest->first; i < interest->first + interest->count; i++) {
        uint64_t version = *version_of(subscriber, i);
        run->topics[i].subscribers += stopped ? UINT32_MAX : 1;
        run->topics[i].progress += stopped ? 0 - version : version;
    }
}

void subscriber_leave(struct run *run, struct subscriber *subscriber) {
    if (subscriber->state == SUBSCRIBER_LIVE) {
        if (!subscriber->is_stalled) {
            stop_counting(run, subscriber, true);
        }
        subscriber->is_stalled = false;
        run->live_count--;
    }
    connection_close(&subscriber->connection);
    subscriber->state = SUBSCRIBER_IDLE;
}

void subscriber_forget(struct subscriber *subscriber) {
    assert(subscriber->state == SUBSCRIBER_IDLE);
    subscriber->version = 0;
    subscriber->live_seq = 0;
    if (subscriber->versions != NULL) {
        memset(subscriber->versions, 0, subscriber->interest.count * sizeof *subscriber->versions);
    }
}

/* A stalled one does not count among those whom a window waits for. */
void subscriber_set_stalled(struct run *run, struct subscriber *subscriber, bool stalled) {
    assert(subscriber->state == SUBSCRIBER_LIVE);
    if (subscriber->is_stalled == stalled) {
        return;
    }
    subscriber->is_stalled = stalled;
    stop_counting(run, subscriber, stalled);
    connection_set_reading(&subscriber->connection, !stalled);
}
