/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The bench's connection hands out every document once, wherever frames, messages and reads are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/connection.h"

#define DOCUMENTS 3
#define CUT_BYTES_MAX 63

struct reader {
    struct connection connection; /* first */
    uint64_t next;                /* count expected */
    bool is_closed;
};

/* As subscribers do it. */
static void on_frame(struct connection *connection, struct span payload) {
    struct reader *reader = (struct reader *)connection;
    const uint8_t *behind = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    for (const uint8_t *at; (at = dialect_find_document(connection->dialect, behind, end, &stamp, &stride)) != NULL;
         behind = at) {
        assert_int_equal(stamp.count, reader->next);
        reader->next++;
    }
    size_t left = (size_t)(end - behind);
    connection->keep = connection->dialect->streamed ? (uint32_t)(left < CUT_BYTES_MAX ? left : CUT_BYTES_MAX) : 0;
}

static void on_open(struct connection *connection) {
    (void)connection;
}

static void on_close(struct connection *connection, const char *why) {
    (void)why;
    ((struct reader *)connection)->is_closed = true;
}

static const struct connection_calls calls = {.on_open = on_open, .on_frame = on_frame, .on_close = on_close};

static int listen_somewhere(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_return_code(bind(fd, (struct sockaddr *)(void *)address, size), 0);
    assert_return_code(listen(fd, 8), 0);
    assert_return_code(getsockname(fd, (struct sockaddr *)(void *)address, &size), 0);
    return fd;
}

static void turn(int epoll_fd, struct reader *reader) {
    struct epoll_event event;
    if (epoll_wait(epoll_fd, &event, 1, 1000) == 1) {
        connection_on_event(&reader->connection, event.events);
    }
}

/* A server's frame: not masked. */
static void put_frame(struct buffer *out, const uint8_t *data, size_t bytes) {
    assert_true(bytes < 126 || bytes <= UINT16_MAX);
    buffer_put_byte(out, 0x82);
    if (bytes < 126) {
        buffer_put_byte(out, (uint8_t)bytes);
    } else {
        buffer_put_byte(out, 126);
        buffer_put_byte(out, (uint8_t)(bytes >> 8));
        buffer_put_byte(out, (uint8_t)bytes);
    }
    buffer_put(out, data, bytes);
}

/* The messages in frames cut at `frame_cut`, sent in two parts cut at `send_cut`. */
static void deliver(const struct dialect *dialect, const struct buffer *messages, size_t frame_cut, size_t send_cut) {
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    struct sockaddr_in address;
    struct reader reader = {.connection = {.calls = &calls, .dialect = dialect}, .next = 1};
    struct buffer out;
    int listener = listen_somewhere(&address);
    int epoll_fd = epoll_create1(0);
    assert_true(connection_open(&reader.connection, epoll_fd, &address, "127.0.0.1"));
    int peer = accept(listener, NULL, NULL);
    buffer_init(&out, 1 << 20);
    if (dialect->framed) {
        buffer_put_text(&out, answer);
        put_frame(&out, messages->data, frame_cut);
        put_frame(&out, messages->data + frame_cut, messages->bytes - frame_cut);
    } else {
        buffer_put(&out, messages->data, messages->bytes);
    }
    send_cut = send_cut < out.bytes ? send_cut : out.bytes;
    assert_int_equal(send(peer, out.data, send_cut, 0), send_cut);
    while (reader.connection.received < send_cut) {
        turn(epoll_fd, &reader);
    }
    assert_int_equal(send(peer, out.data + send_cut, out.bytes - send_cut, 0), out.bytes - send_cut);
    close(peer);
    while (!reader.is_closed) {
        turn(epoll_fd, &reader);
    }
    assert_int_equal(reader.next, DOCUMENTS + 1);
    buffer_fini(&out);
    close(epoll_fd);
    close(listener);
}

static void build(struct dialect *dialect, struct buffer *messages, enum dialect_name name) {
    struct stamp stamps[DOCUMENTS];
    struct buffer framed;
    for (uint64_t i = 0; i < DOCUMENTS; i++) {
        stamps[i] = (struct stamp){.topic = 1, .count = i + 1, .sent_ns = 1};
    }
    assert_true(dialect_init(dialect, name, 64, "none"));
    buffer_init(&framed, 1 << 16);
    buffer_init(messages, 1 << 16);
    dialect_put_publish(dialect, &framed, 1, stamps, DOCUMENTS);
    size_t head = !dialect->framed ? 0 : framed.data[1] == (0x80 | 126) ? 8 : 6;
    buffer_put(messages, framed.data + head, framed.bytes - head);
    buffer_fini(&framed);
}

static void a_message_cut_between_frames_is_found_once(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer messages;
    build(&dialect, &messages, DIALECT_NATS);
    for (size_t cut = 0; cut <= messages.bytes; cut++) {
        deliver(&dialect, &messages, cut, SIZE_MAX);
    }
    buffer_fini(&messages);
    dialect_fini(&dialect);
}

static void a_frame_cut_between_reads_is_found_once(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer messages;
    build(&dialect, &messages, DIALECT_NATS);
    for (size_t cut = 1; cut < messages.bytes + 40; cut++) {
        deliver(&dialect, &messages, messages.bytes / 2, cut);
    }
    buffer_fini(&messages);
    dialect_fini(&dialect);
}

static void plain_bytes_cut_between_reads_are_found_once(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer messages;
    build(&dialect, &messages, DIALECT_REDIS);
    for (size_t cut = 1; cut < messages.bytes; cut++) {
        deliver(&dialect, &messages, 0, cut);
    }
    buffer_fini(&messages);
    dialect_fini(&dialect);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_cut_between_frames_is_found_once),
        cmocka_unit_test(a_frame_cut_between_reads_is_found_once),
        cmocka_unit_test(plain_bytes_cut_between_reads_are_found_once),
    };
    return cmocka_run_group_tests_name("bench stream", tests, NULL, NULL);
}
