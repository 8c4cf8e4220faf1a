/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A producer: one connection that publishes, and hears what became of it. */
#include "bench/dialect_peer.h"
#include "bench/run.h"

#include <assert.h>
#include <string.h>

static bool has_no_ack(const struct producer *producer) {
    return strcmp(producer->connection.dialect->ack, "none") == 0;
}

static bool is_always_answered(const struct producer *producer) {
    return producer->connection.dialect->answering == ANSWERS_COUNTED;
}

/* All messages whose changes are among the first `changes_acked` have been answered. */
static void advance(struct run *run, struct producer *producer) {
    bool recorded = run->recording == RECORD_ACKS && (!has_no_ack(producer) || is_always_answered(producer));
    while (producer->acked < producer->messages) {
        size_t next = (size_t)((producer->acked + 1) % WINDOW_MAX);
        if (producer->changes_after[next] > producer->changes_acked) {
            return;
        }
        if (recorded) {
            histogram_record(run->histogram, (uint64_t)(run->now_ns - producer->sent_ns[next]));
        }
        producer->acked++;
    }
}

/* Answers carry the number of a message, and come in order. */
static void on_answers(struct run *run, struct producer *producer, struct span payload, enum answer_kind kind) {
    const struct dialect *dialect = producer->connection.dialect;
    size_t at = 0;
    uint64_t number;
    while (dialect_find_answer(dialect, kind, payload, &at, &number)) {
        if (number > producer->messages || number + WINDOW_MAX <= producer->messages) {
            continue;
        }
        uint64_t changes = producer->changes_after[number % WINDOW_MAX];
        producer->changes_acked = changes > producer->changes_acked ? changes : producer->changes_acked;
    }
    advance(run, producer);
}

/* Peers do not say which: the next change, or all that was sent before the next question. */
static void on_counted(struct run *run, struct producer *producer, struct span payload) {
    struct connection *connection = &producer->connection;
    const struct dialect *dialect = connection->dialect;
    size_t end = payload.bytes;
    size_t errors = 0;
    size_t count = dialect->peer->count_answers(dialect, payload, &end, &errors);
    connection->keep = dialect->streamed ? (uint32_t)(payload.bytes - end) : 0;
    run->refused += errors;
    if (dialect->answering == ANSWERS_COUNTED) {
        producer->changes_acked += count + errors;
    }
    for (; dialect->answering == ANSWERS_ASKED && count > 0 && producer->answered < producer->asked; count--) {
        producer->changes_acked = producer->changes_asked[++producer->answered % WINDOW_MAX];
    }
    advance(run, producer);
}

/* A line of result for each change. Lines of the HTTP around them end with a carriage return before the line feed. */
static void on_lines(struct run *run, struct producer *producer, struct span bytes) {
    const uint8_t *at = bytes.data;
    const uint8_t *end = bytes.data + bytes.bytes;
    const uint8_t *line;
    while (at < end && (line = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        uint8_t before = line > bytes.data ? line[-1] : producer->last_byte;
        producer->changes_acked += before != '\r';
        at = line + 1;
    }
    producer->last_byte = end[-1];
    advance(run, producer);
}

static void on_frame(struct connection *connection, struct span payload) {
    struct run *run = connection->context;
    struct producer *producer = (struct producer *)connection;
    size_t at = 0;
    uint64_t number;
    const struct peer_dialect *peer = connection->dialect->peer;
    if (peer != NULL) {
        producer->is_open |= peer->welcome != NULL && memmem(payload.data, payload.bytes, peer->welcome, strlen(peer->welcome));
        on_counted(run, producer, payload);
        return;
    }
    while (dialect_find_answer(connection->dialect, ANSWER_ERROR, payload, &at, &number)) {
        run->refused++;
    }
    if (connection->dialect->chunked) {
        on_lines(run, producer, payload);
    } else {
        on_answers(run, producer, payload, has_no_ack(producer) ? ANSWER_PONG : ANSWER_PUBLISHED);
    }
}

static void on_open(struct connection *connection) {
    struct producer *producer = (struct producer *)connection;
    const struct peer_dialect *peer = connection->dialect->peer;
    dialect_put_hello(connection->dialect, &connection->out);
    producer->is_open = peer == NULL || peer->welcome == NULL;
    connection_flush(connection);
}

static void on_close(struct connection *connection, const char *why) {
    run_fail(connection->context, why);
}

static const struct connection_calls calls = {.on_open = on_open, .on_frame = on_frame, .on_close = on_close};

bool producer_open(struct run *run, struct producer *producer, const struct dialect *dialect) {
    producer->connection.calls = &calls;
    producer->connection.dialect = dialect;
    producer->connection.is_secure = run->server.target->is_secure;
    producer->connection.context = run;
    if (!connection_open(&producer->connection, run->epoll_fd, &run->server.load_address, run->server.authority)) {
        return false;
    }
    for (int64_t until = clock_ns() + PATIENCE_NS; !producer->is_open && run->failure == NULL && clock_ns() < until;) {
        run_poll(run, NS_PER_MS);
    }
    return producer->is_open;
}

/* Its answer is for all that has been put so far. */
static void note_question(struct producer *producer) {
    producer->changes_asked[++producer->asked % WINDOW_MAX] = producer->changes;
}

void producer_note(struct run *run, struct producer *producer, int64_t sent_ns, uint32_t count) {
    assert(producer->is_open);
    producer->messages++;
    producer->changes += count;
    run->tally.changes += count;
    size_t at = (size_t)(producer->messages % WINDOW_MAX);
    producer->sent_ns[at] = sent_ns;
    producer->changes_after[at] = producer->changes;
}

void producer_put(struct run *run, struct producer *producer, const struct stamp *stamps, uint32_t count) {
    producer_note(run, producer, stamps[0].sent_ns, count);
    dialect_put_publish(producer->connection.dialect, &producer->connection.out, producer->messages, stamps, count);
    if (producer->connection.dialect->answering == ANSWERS_ASKED && !has_no_ack(producer)) {
        note_question(producer);
    }
}

uint64_t producer_in_flight(const struct producer *producer) {
    return producer->messages - producer->acked;
}

void producer_ask(struct producer *producer) {
    const struct dialect *dialect = producer->connection.dialect;
    if (!has_no_ack(producer) || dialect->answering == ANSWERS_COUNTED) {
        return;
    }
    dialect_put_ping(dialect, &producer->connection.out, producer->messages);
    if (dialect->answering == ANSWERS_ASKED) {
        note_question(producer);
    }
}
