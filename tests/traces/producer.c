/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/producer.h"
#include "tests/support/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/traces/batch.h"

#define BATCH_EVENTS 250
#define RETRY_MS 20
#define READ_BYTES 65536

static const char *const way_names[PRODUCER_WAYS] = {"WebSocket", "HTTP NDJSON stream", "HTTP POST"};

const char *producer_way_name(enum producer_way way) {
    return way_names[way];
}

static void producer_fail(struct producer *producer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void producer_fail(struct producer *producer, const char *format, ...) {
    if (atomic_load(&producer->is_failed)) {
        return;
    }
    int start = snprintf(producer->failure, sizeof producer->failure, "producer of %s: ", producer->trace->name);
    va_list list;
    va_start(list, format);
    vsnprintf(producer->failure + start, sizeof producer->failure - (size_t)start, format, list);
    va_end(list);
    atomic_store(&producer->is_failed, true);
}

/* ---- life ---- */

void producer_init(struct producer *producer, struct trace *trace, enum producer_way way, const char *ack) {
    *producer = (struct producer){.trace = trace, .way = way, .ack = ack, .fd = -1, .wire.fd = -1};
    http_reader_init(&producer->reader);
}

void producer_fini(struct producer *producer) {
    producer_close(producer);
    http_reader_fini(&producer->reader);
    bytes_fini(&producer->out);
    bytes_fini(&producer->scratch);
}

/* ---- sending ---- */

static void producer_send_batch(struct producer *producer, size_t count) {
    struct bytes *scratch = &producer->scratch;
    bytes_clear(scratch);
    if (producer->way == PRODUCER_NDJSON) {
        batch_append_lines(producer->trace, producer->sent, count, scratch);
        bytes_printf(&producer->out, "%zx\r\n", bytes_size(scratch));
        bytes_append(&producer->out, bytes_data(scratch), bytes_size(scratch));
        bytes_append_text(&producer->out, "\r\n");
    } else {
        batch_append_publish(producer->trace, producer->sent, count, producer->batch_next + 1, producer->ack, scratch);
        if (producer->way == PRODUCER_WEBSOCKET) {
            wire_queue(&producer->wire, bytes_data(scratch), bytes_size(scratch));
        } else {
            const char *type = producer->trace->codec == CODEC_MSGPACK ? "application/msgpack" : "application/json";
            bytes_printf(&producer->out,
                         "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAccept: %s\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         type, type, bytes_size(scratch));
            bytes_append(&producer->out, bytes_data(scratch), bytes_size(scratch));
        }
    }
    producer->batch_counts[producer->batch_next % PRODUCER_WINDOW] = count;
    producer->batch_next++;
    producer->sent += count;
}

static size_t producer_window(const struct producer *producer) {
    return producer->way == PRODUCER_POST ? 1 : PRODUCER_WINDOW;
}

/* A stream of lines has no batches in its answers: there the window is counted in events. */
static bool producer_has_room(struct producer *producer) {
    if (producer->way == PRODUCER_NDJSON) {
        return producer->sent - atomic_load(&producer->acked) <= (PRODUCER_WINDOW - 1) * BATCH_EVENTS;
    }
    return producer->batch_next - producer->batch_first < producer_window(producer);
}

static void producer_fill(struct producer *producer, size_t allowed) {
    while (producer->sent < allowed && producer_has_room(producer)) {
        size_t count = allowed - producer->sent;
        producer_send_batch(producer, count < BATCH_EVENTS ? count : BATCH_EVENTS);
    }
}

/* ---- the line ---- */

int producer_fd(const struct producer *producer) {
    return producer->way == PRODUCER_WEBSOCKET ? producer->wire.fd : producer->fd;
}

void producer_close(struct producer *producer) {
    wire_cut(&producer->wire);
    wire_fini(&producer->wire);
    producer->wire = (struct wire){.fd = -1};
    if (producer->fd >= 0) {
        close(producer->fd);
    }
    producer->fd = -1;
    http_reader_fini(&producer->reader);
    http_reader_init(&producer->reader);
    bytes_clear(&producer->out);
}

/* From the first event without an answer, once there is a line again. */
static void producer_rewind(struct producer *producer) {
    producer_close(producer);
    producer->sent = atomic_load(&producer->acked);
    producer->batch_first = producer->batch_next;
    producer->retry_at_ms = clock_ms() + RETRY_MS;
}

static void line_lost(struct producer *producer, const char *why) {
    size_t acked = atomic_load(&producer->acked);
    for (size_t i = acked; i < producer->sent; i++) {
        if (producer->trace->events[i].op == EVENT_ADJUST) {
            producer_fail(producer, "line lost with an adjust in flight (%s)", why);
            producer_close(producer);
            return;
        }
    }
    atomic_fetch_add(&producer->resent, producer->sent - acked);
    producer->repeated_until = producer->sent > producer->repeated_until ? producer->sent : producer->repeated_until;
    producer_rewind(producer);
}

static bool line_open(struct producer *producer, uint16_t port) {
    if (producer->way == PRODUCER_WEBSOCKET) {
        json_t *welcome = wire_open_session(&producer->wire, port, producer->trace->codec);
        bool is_open = welcome != NULL;
        json_decref(welcome);
        return is_open;
    }
    producer->fd = http_connect(port, 0);
    if (producer->fd < 0) {
        return false;
    }
    fcntl(producer->fd, F_SETFL, fcntl(producer->fd, F_GETFL) | O_NONBLOCK);
    if (producer->way == PRODUCER_NDJSON) {
        bytes_append_text(&producer->out,
                          "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n");
    }
    return true;
}

static void line_connect(struct producer *producer, uint16_t port) {
    if (clock_ms() < producer->retry_at_ms) {
        return;
    }
    if (!line_open(producer, port)) {
        producer_close(producer);
        producer->retry_at_ms = clock_ms() + RETRY_MS;
    }
}

static bool line_flush(struct producer *producer) {
    if (producer->way == PRODUCER_WEBSOCKET) {
        return wire_flush(&producer->wire);
    }
    while (bytes_size(&producer->out) > 0) {
        ssize_t sent = send(producer->fd, bytes_data(&producer->out), bytes_size(&producer->out), MSG_NOSIGNAL);
        if (sent <= 0) {
            return errno == EAGAIN;
        }
        bytes_consume(&producer->out, (size_t)sent);
    }
    return true;
}

bool producer_has_unsent(const struct producer *producer) {
    return wire_unsent(&producer->wire) > 0 || bytes_size(&producer->out) > 0;
}

/* ---- results ---- */

/* One event's result; false if it is a failure. */
static bool result_take(struct producer *producer, const json_t *result) {
    size_t at = atomic_load(&producer->acked);
    const struct event *event = &producer->trace->events[at];
    struct trace_topic *topic = &producer->trace->topics[event->topic];
    if (at >= producer->sent) {
        producer_fail(producer, "more results than changes");
        return false;
    }
    const json_t *seq = json_object_get(result, "seq");
    if (json_is_integer(seq) && json_object_get(result, "error") == NULL) {
        int64_t value = json_integer_value(seq);
        if (value <= atomic_load(&producer->seq_told)) {
            producer_fail(producer, "event %zu got seq %" PRId64 " after %" PRId64, at, value,
                          (int64_t)atomic_load(&producer->seq_told));
            return false;
        }
        atomic_store(&producer->seq_told, value);
        topic->seq = value;
    } else {
        char *text = json_dumps(result, JSON_ENCODE_ANY);
        bool is_repeated = at < producer->repeated_until && text != NULL && strstr(text, "not_found") != NULL;
        if (!is_repeated) {
            producer_fail(producer, "event %zu (%s %s): %s", at, event_op_name(event->op), topic->name, text);
        }
        free(text);
        if (!is_repeated) {
            return false;
        }
    }
    atomic_store(&producer->acked, at + 1);
    return true;
}

static bool batch_take(struct producer *producer, const json_t *answer) {
    const json_t *results = json_object_get(answer, "results");
    if (producer->batch_first == producer->batch_next) {
        producer_fail(producer, "an answer to nothing");
        return false;
    }
    size_t count = producer->batch_counts[producer->batch_first % PRODUCER_WINDOW];
    if (json_array_size(results) != count) {
        char *text = json_dumps(answer, JSON_ENCODE_ANY);
        producer_fail(producer, "%zu changes answered by %.120s", count, text != NULL ? text : "nothing");
        free(text);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!result_take(producer, json_array_get(results, i))) {
            return false;
        }
    }
    producer->batch_first++;
    return true;
}

static void take_websocket(struct producer *producer) {
    int got = wire_read(&producer->wire, READ_BYTES);
    for (json_t *message; (message = wire_next(&producer->wire)) != NULL;) {
        const char *op = wire_text(message, "op");
        if (strcmp(op, "published") == 0) {
            int64_t id = json_integer_value(json_object_get(message, "id"));
            if (id != (int64_t)producer->batch_first + 1) {
                producer_fail(producer, "published %" PRId64 ", not %zu", id, producer->batch_first + 1);
            }
            batch_take(producer, message);
        } else if (strcmp(op, "error") == 0) {
            producer_fail(producer, "error %s: %s", wire_text(message, "code"), wire_text(message, "detail"));
        }
        json_decref(message);
    }
    if (producer->wire.fault != NULL) {
        producer_fail(producer, "%s", producer->wire.fault);
    }
    if (got < 0 || producer->wire.fd < 0) {
        line_lost(producer, "WebSocket closed");
    }
}

static void take_lines(struct producer *producer) {
    struct bytes *body = &producer->reader.body;
    const char *end;
    while (bytes_size(body) > 0 && (end = memchr(bytes_data(body), '\n', bytes_size(body))) != NULL) {
        size_t size = (size_t)(end - bytes_data(body));
        json_t *result = json_loadb(bytes_data(body), size, 0, NULL);
        bool is_good = result_take(producer, result);
        json_decref(result);
        bytes_consume(body, size + 1);
        if (!is_good) {
            return;
        }
    }
}

static void take_post(struct producer *producer) {
    struct http_reader *reader = &producer->reader;
    if (reader->state != HTTP_DONE) {
        return;
    }
    char type[64] = "";
    http_reader_header(reader, "content-type", type, sizeof type);
    enum codec codec = strncasecmp(type, "application/msgpack", 19) == 0 ? CODEC_MSGPACK : CODEC_JSON;
    size_t offset = 0;
    bool is_bad = true;
    json_t *answer = NULL;
    if (bytes_size(&reader->body) > 0) {
        answer = codec_decode(codec, bytes_data(&reader->body), bytes_size(&reader->body), &offset, &is_bad);
    }
    batch_take(producer, answer);
    json_decref(answer);
    http_reader_fini(reader);
    http_reader_init(reader);
}

static void take_http(struct producer *producer) {
    char block[READ_BYTES];
    ssize_t got = recv(producer->fd, block, sizeof block, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    struct http_reader *reader = &producer->reader;
    if (got > 0) {
        http_reader_feed(reader, block, (size_t)got);
    }
    if (reader->status == 503) {
        producer_rewind(producer); /* it is still loading: refused before anything was applied */
        return;
    }
    if (reader->status != 0 && reader->status != 200) {
        producer_fail(producer, "HTTP status %d: %.120s", reader->status, bytes_text(&reader->body));
        return;
    }
    if (producer->way == PRODUCER_NDJSON) {
        take_lines(producer);
    } else {
        take_post(producer);
    }
    if (got <= 0 || (producer->way == PRODUCER_NDJSON && reader->state >= HTTP_DONE)) {
        line_lost(producer, "HTTP connection closed");
    }
}

void producer_take(struct producer *producer) {
    if (producer->way == PRODUCER_WEBSOCKET) {
        take_websocket(producer);
    } else {
        take_http(producer);
    }
}

void producer_work(struct producer *producer, uint16_t port, double front) {
    size_t limit = atomic_load(&producer->limit);
    size_t reach = (size_t)((double)producer->trace->event_count * front) + BATCH_EVENTS;
    if (atomic_load(&producer->is_failed)) {
        return;
    }
    if (producer_fd(producer) < 0) {
        line_connect(producer, port);
    }
    if (producer_fd(producer) >= 0) {
        producer_fill(producer, reach < limit ? reach : limit);
        if (!line_flush(producer)) {
            line_lost(producer, "cannot send");
        }
    }
}
