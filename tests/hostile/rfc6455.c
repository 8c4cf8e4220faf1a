/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Plays the tables of rfc6455.h against the real broker. Every row has a connection of its own; a row that fails is told, and the others go on. */
#include "tests/hostile/rfc6455.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/hostile/frame_script.h"
#include "tests/hostile/raw_peer.h"
#include "tests/integration/scene.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* of the sample nonce, RFC 6455 section 1.3 */
#define MESSAGE_BYTES_MAX "65536"

static const char *const good_request[] = {
    "GET /v1/ws HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: ahora.v1.json",
};
#define GOOD_LINES (sizeof good_request / sizeof good_request[0])

static struct broker_process *start(void **state, const char *idle_frames_rate_max) {
    scene_configure("LIMITS_MESSAGE_BYTES_MAX", MESSAGE_BYTES_MAX);
    scene_configure("WEBSOCKET_IDLE_FRAMES_RATE_MAX", idle_frames_rate_max);
    return scene_start(state);
}

/* ---- what is said and heard in every session ---- */

static void say(struct raw_peer *peer, const char *script) {
    struct bytes out = {0};
    while (script_next(&script, &out) != SCRIPT_END) {
    }
    raw_peer_send(peer, bytes_data(&out), bytes_size(&out));
    bytes_fini(&out);
}

static void say_hello(struct raw_peer *peer, bool is_msgpack) {
    say(peer, is_msgpack ? "82{81a26f70a568656c6c6f}" : "81<{'op':'hello'}>");
}

static void say_last_ping(struct raw_peer *peer, bool is_msgpack) {
    say(peer, is_msgpack ? "82{82a26f70a470696e67a2696463}" : "81<{'op':'ping','id':99}>");
}

/* Reads until `*wanted` holds, the line ends, or nothing comes for too long. */
static bool read_until(struct raw_peer *peer, const bool *wanted) {
    while (!*wanted && raw_peer_read(peer, PATIENCE_MS)) {
    }
    return *wanted;
}

/* A Close is answered as a client answers it, so that the broker need not wait. */
static void read_to_end(struct raw_peer *peer) {
    bool is_answered = false;
    while (!peer->is_ended && raw_peer_read(peer, PATIENCE_MS)) {
        if (peer->close_code != 0 && !is_answered) {
            is_answered = true;
            say(peer, "88{03e8}");
        }
    }
}

/* ---- the handshake ---- */

/* `#9` is y nine times, `\0` a NUL. */
static void put_line(struct bytes *out, const char *line, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '#' && isdigit((unsigned char)line[i + 1])) {
            char *end;
            for (unsigned long count = strtoul(line + i + 1, &end, 10); count > 0; count--) {
                bytes_append(out, "y", 1);
            }
            i = (size_t)(end - line) - 1;
        } else if (line[i] == '\\' && line[i + 1] == '0') {
            bytes_append(out, "", 1);
            i++;
        } else {
            bytes_append(out, line + i, 1);
        }
    }
}

/* The line of `edits` that changes the header `name`; NULL if none does. */
static const char *edit_of(const char *edits, const char *name, size_t name_bytes) {
    for (const char *edit = edits; *edit != '\0'; edit += strcspn(edit, "\n"), edit += *edit == '\n') {
        bool is_name = strncmp(edit + 1, name, name_bytes) == 0 && strchr(":\n", edit[1 + name_bytes]) != NULL;
        if ((*edit == '-' || *edit == '=') && is_name) {
            return edit;
        }
    }
    return NULL;
}

static void put_good_lines(struct bytes *out, const char *edits) {
    const char *request = edits[0] == '@' ? edits + 1 : good_request[0];
    put_line(out, request, strcspn(request, "\n"));
    bytes_append_text(out, "\r\n");
    for (size_t i = 1; i < GOOD_LINES; i++) {
        const char *line = good_request[i];
        const char *edit = edit_of(edits, line, strcspn(line, ":"));
        if (edit != NULL && *edit == '-') {
            continue;
        }
        line = edit != NULL ? edit + 1 : line;
        put_line(out, line, strcspn(line, "\n"));
        bytes_append_text(out, "\r\n");
    }
}

/* `%9` is the number of the line, for nine of them. */
static void put_more_lines(struct bytes *out, const char *line) {
    const char *mark = memchr(line, '%', strcspn(line, "\n:"));
    for (unsigned long count = mark != NULL ? strtoul(mark + 1, NULL, 10) : 1, i = 0; i < count; i++) {
        if (mark != NULL) {
            bytes_printf(out, "%.*s%lu%s", (int)(mark - line), line, i, ": y");
        } else {
            put_line(out, line, strcspn(line, "\n"));
        }
        bytes_append_text(out, "\r\n");
    }
}

static void put_request(struct bytes *out, const char *edits) {
    const char *behind = "";
    if (edits[0] == '!') {
        put_line(out, edits + 1, strlen(edits + 1));
        return;
    }
    put_good_lines(out, edits);
    for (const char *edit = edits; *edit != '\0'; edit += strcspn(edit, "\n"), edit += *edit == '\n') {
        if (*edit == '+') {
            put_more_lines(out, edit + 1);
        } else if (*edit == '>') {
            behind = edit + 1;
        }
    }
    bytes_append_text(out, "\r\n");
    while (script_next(&behind, out) != SCRIPT_END) {
    }
}

/* What is wrong with the answer, or NULL. */
static const char *judge_accepted(struct raw_peer *peer, const struct handshake_case *row) {
    char value[128];
    raw_peer_header(peer, "Sec-WebSocket-Accept", value, sizeof value);
    if (strcmp(value, row->accept != NULL ? row->accept : ACCEPT) != 0) {
        return "Sec-WebSocket-Accept";
    }
    raw_peer_header(peer, "Sec-WebSocket-Protocol", value, sizeof value);
    if (strcmp(value, row->protocol != NULL ? row->protocol : "ahora.v1.json") != 0) {
        return "Sec-WebSocket-Protocol";
    }
    raw_peer_header(peer, "Sec-WebSocket-Extensions", value, sizeof value);
    if (value[0] != '\0') {
        return "Sec-WebSocket-Extensions";
    }
    raw_peer_header(peer, "Upgrade", value, sizeof value);
    if (strcasecmp(value, "websocket") != 0) {
        return "Upgrade";
    }
    if (row->status < 0) {
        read_to_end(peer);
        return peer->close_code == -row->status ? peer->fault : "the close code";
    }
    if (strchr(row->edits, '>') == NULL) {
        say_hello(peer, row->protocol != NULL);
    }
    if (!read_until(peer, &peer->is_welcome)) {
        return "the welcome";
    }
    say_last_ping(peer, row->protocol != NULL);
    return read_until(peer, &peer->is_answered) ? peer->fault : "the answer to a ping";
}

/* Version and Upgrade are told to whoever asked for others (4.2.2, 4.4; RFC 9110 15.5.22). */
static const char *judge_refused(struct raw_peer *peer, const struct handshake_case *row) {
    char value[128];
    raw_peer_header(peer, "Upgrade", value, sizeof value);
    if (row->status == 426 && strcasecmp(value, "websocket") != 0) {
        return "Upgrade";
    }
    raw_peer_header(peer, "Sec-WebSocket-Version", value, sizeof value);
    if (row->status == 426 && strstr(row->edits, "Sec-WebSocket-Version") != NULL && strcmp(value, "13") != 0) {
        return "Sec-WebSocket-Version";
    }
    raw_peer_header(peer, "Content-Type", value, sizeof value);
    return strstr(row->edits, "HEAD") == NULL && strcmp(value, "application/problem+json") != 0 ? "the problem" : NULL;
}

static bool play_handshake(const struct broker_process *broker, const struct handshake_case *row) {
    struct raw_peer peer;
    struct bytes request = {0};
    put_request(&request, row->edits);
    assert_true(raw_peer_open(&peer, broker->port));
    raw_peer_send(&peer, bytes_data(&request), bytes_size(&request));
    while (peer.head_bytes == 0 && raw_peer_read(&peer, PATIENCE_MS)) {
    }
    int wanted = row->status < 0 ? 101 : row->status;
    int got = raw_peer_status(&peer);
    const char *wrong = got != wanted ? "the status" : got == 101 ? judge_accepted(&peer, row) : judge_refused(&peer, row);
    if (wrong != NULL) {
        fprintf(stderr, "RFC 6455 %s, %s: %s (status %d, wanted %d; close %d)\n", row->section, row->name, wrong, got,
                row->status, peer.close_code);
    }
    bytes_fini(&request);
    raw_peer_fini(&peer);
    return wrong == NULL;
}

static void handshakes(void **state) {
    struct broker_process *broker = start(state, "0");
    size_t failed = 0;
    for (size_t i = 0; i < handshake_case_count; i++) {
        failed += play_handshake(broker, &handshake_cases[i]) ? 0 : 1;
    }
    print_message("  %zu handshakes, %zu failed\n", handshake_case_count, failed);
    assert_int_equal(failed, 0);
}

/* ---- frames ---- */

struct wanted {
    bool goes_on;
    bool ends; /* without a Close */
    int close_code;
    long data_count; /* -1: any */
    struct bytes pongs;
    unsigned pongs_min, pongs_max;
    bool any_pongs;
};

static void read_wanted(const char *text, struct wanted *wanted) {
    *wanted = (struct wanted){.data_count = -1};
    for (; *text != '\0'; text += strspn(text, " ")) {
        if (strncmp(text, "pongs=", 6) == 0) {
            wanted->any_pongs = true;
            assert_int_equal(sscanf(text, "pongs=%u..%u", &wanted->pongs_min, &wanted->pongs_max), 2);
        } else if (strncmp(text, "pong", 4) == 0) {
            text = script_payload(text + 4, &wanted->pongs);
            bytes_append(&wanted->pongs, "", 1);
            wanted->pongs_min = ++wanted->pongs_max;
            continue;
        } else if (strncmp(text, "data=", 5) == 0) {
            wanted->data_count = strtol(text + 5, NULL, 10);
        } else if (strncmp(text, "on", 2) == 0) {
            wanted->goes_on = true;
        } else if (strncmp(text, "eof", 3) == 0) {
            wanted->ends = true;
        } else {
            wanted->close_code = (int)strtol(text, NULL, 10);
            assert_true(wanted->close_code >= 1000);
        }
        text += strcspn(text, " ");
    }
}

static bool enter(struct raw_peer *peer, const struct broker_process *broker, const struct frame_case *row) {
    struct bytes request = {0};
    put_request(&request, row->is_msgpack ? "=Sec-WebSocket-Protocol: ahora.v1.msgpack" : "");
    assert_true(raw_peer_open(peer, broker->port));
    raw_peer_send(peer, bytes_data(&request), bytes_size(&request));
    bytes_fini(&request);
    while (peer->head_bytes == 0 && raw_peer_read(peer, PATIENCE_MS)) {
    }
    if (row->is_bare || raw_peer_status(peer) != 101) {
        return raw_peer_status(peer) == 101;
    }
    say_hello(peer, row->is_msgpack);
    return read_until(peer, &peer->is_welcome);
}

static void play_script(struct raw_peer *peer, const struct frame_case *row) {
    struct bytes out = {0};
    enum script_step step;
    const char *script = row->send;
    do {
        step = script_next(&script, &out);
        if (step == SCRIPT_BYTES) {
            continue;
        }
        (row->is_bytewise ? raw_peer_send_bytewise : raw_peer_send)(peer, bytes_data(&out), bytes_size(&out));
        bytes_clear(&out);
        if (step == SCRIPT_PAUSE) {
            raw_peer_pause(peer);
        } else if (step == SCRIPT_EOF) {
            shutdown(peer->fd, SHUT_WR);
        }
    } while (step != SCRIPT_END);
    bytes_fini(&out);
}

static const char *judge(struct raw_peer *peer, const struct wanted *wanted) {
    if (wanted->goes_on != peer->is_answered) {
        return wanted->goes_on ? "it does not go on" : "it goes on";
    }
    if (peer->close_code != wanted->close_code) {
        return "the close code";
    }
    if ((wanted->ends || wanted->close_code != 0) && !peer->is_ended) {
        return "the line does not end";
    }
    if (wanted->data_count >= 0 && peer->data_count != wanted->data_count) {
        return "the number of answers";
    }
    if (peer->pong_count < wanted->pongs_min || peer->pong_count > wanted->pongs_max) {
        return "the number of pongs";
    }
    bool is_same = bytes_size(&peer->pongs) == bytes_size(&wanted->pongs) &&
                   (bytes_size(&peer->pongs) == 0 ||
                    memcmp(bytes_data(&peer->pongs), bytes_data(&wanted->pongs), bytes_size(&peer->pongs)) == 0);
    return wanted->any_pongs || is_same ? peer->fault : "what a pong holds";
}

static void listen_for(struct raw_peer *peer, const struct wanted *wanted, bool is_msgpack) {
    if (wanted->goes_on) {
        say_last_ping(peer, is_msgpack);
        read_until(peer, &peer->is_answered);
    } else if (wanted->ends || wanted->close_code != 0) {
        read_to_end(peer);
    } else {
        while (peer->pong_count < wanted->pongs_min && raw_peer_read(peer, PATIENCE_MS)) {
        }
    }
}

static bool play(const struct broker_process *broker, const struct frame_case *row) {
    struct raw_peer peer;
    struct wanted wanted;
    read_wanted(row->want, &wanted);
    const char *wrong = "the session does not begin";
    if (enter(&peer, broker, row)) {
        play_script(&peer, row);
        listen_for(&peer, &wanted, row->is_msgpack);
        wrong = judge(&peer, &wanted);
    }
    if (wrong != NULL) {
        fprintf(stderr, "RFC 6455 %s, %s: %s (wanted \"%.60s\"; close %d, %u answers, %u pongs, %s, %s)\n", row->section,
                row->name, wrong, row->want, peer.close_code, peer.data_count, peer.pong_count,
                peer.is_answered ? "goes on" : "stopped", peer.is_ended ? "the line ended" : "the line is open");
    }
    bytes_fini(&wanted.pongs);
    raw_peer_fini(&peer);
    return wrong == NULL;
}

/* Whatever they did, nothing of them may stay. */
static void expect_all_gone(const struct broker_process *broker) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_metric(broker, "ahora_websockets") > 0) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(20);
    }
}

static void play_all(const struct broker_process *broker, const struct frame_case *rows, size_t count, const char *what) {
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed += play(broker, &rows[i]) ? 0 : 1;
    }
    expect_all_gone(broker);
    print_message("  %zu cases of %s, %zu failed\n", count, what, failed);
    assert_int_equal(failed, 0);
}

static void framing(void **state) {
    play_all(start(state, "0"), framing_cases, framing_case_count, "framing");
}

static void text(void **state) {
    play_all(start(state, "0"), text_cases, text_case_count, "text");
}

static void closing(void **state) {
    play_all(start(state, "0"), closing_cases, closing_case_count, "pings and closing");
}

static void floods_of_frames(void **state) {
    struct broker_process *broker = start(state, "100");
    play_all(broker, flood_cases, flood_case_count, "floods");
    assert_true(scene_metric(broker, "ahora_websocket_fragments_refused_total") == 5);
}

/* ---- the same bytes in every two pieces ---- */

static const struct frame_case split_cases[] = {
    {"5.2", "a message, a ping, a message in fragments", "81<{'op':'ping','id':1}> 89<a> 01<{'op':'ping',> 80<'id':2}>",
     "pong<a> data=2 on", 0, 0, 0},
    {"5.2", "a length of 16 bits", "81<{'op':'ping','id':1}>_110", "data=1 on", 0, 0, 0},
    {"8.1", "four bytes of one character", "81<{'op':'ping','id':1,'x':'>{f09f9880}<'}>", "data=1 on", 0, 0, 0},
    {"5.2", "MessagePack", "82{82a26f70a470696e67a2696401}", "data=1 on", 1, 0, 0},
    {"7.4", "a close", "88{03e8627965}", "1000", 0, 0, 0},
    {"5.2", "a reserved opcode", "81<{'op':'ping','id':1}> 83<x>", "data=1 1002", 0, 0, 0},
};

static bool play_split(const struct broker_process *broker, const struct frame_case *row, const struct bytes *all, size_t at) {
    struct raw_peer peer;
    struct wanted wanted;
    read_wanted(row->want, &wanted);
    bool is_open = enter(&peer, broker, row);
    raw_peer_send(&peer, bytes_data(all), at);
    raw_peer_pause(&peer);
    raw_peer_send(&peer, bytes_data(all) + at, bytes_size(all) - at);
    listen_for(&peer, &wanted, row->is_msgpack);
    const char *wrong = is_open ? judge(&peer, &wanted) : "the session does not begin";
    if (wrong != NULL) {
        fprintf(stderr, "RFC 6455 %s, %s, split at byte %zu: %s\n", row->section, row->name, at, wrong);
    }
    bytes_fini(&wanted.pongs);
    raw_peer_fini(&peer);
    return wrong == NULL;
}

static void split_at_every_byte(void **state) {
    struct broker_process *broker = start(state, "0");
    size_t played = 0;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof split_cases / sizeof split_cases[0]; i++) {
        struct bytes all = {0};
        const char *script = split_cases[i].send;
        while (script_next(&script, &all) != SCRIPT_END) {
        }
        for (size_t at = 1; at < bytes_size(&all); at++, played++) {
            failed += play_split(broker, &split_cases[i], &all, at) ? 0 : 1;
        }
        bytes_fini(&all);
    }
    print_message("  %zu splits, %zu failed\n", played, failed);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(handshakes), CASE(framing), CASE(text), CASE(closing), CASE(floods_of_frames), CASE(split_at_every_byte),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
