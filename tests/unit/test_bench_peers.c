/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the bench says to the peers is what their specifications want, and what they answer is counted however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/dialect_peer.h"
#include "bench/target.h"

static const struct stamp three[] = {
    {.topic = 7, .count = 1, .sent_ns = 11}, {.topic = 8, .count = 2, .sent_ns = 22}, {.topic = 9, .count = 3, .sent_ns = 33}};

/* The payload of the one frame in `out`, or all of it if the dialect has none. */
static struct span payload_of(const struct dialect *dialect, const struct buffer *out) {
    size_t head = 0;
    if (dialect->framed) {
        size_t length = out->data[1] & 0x7f;
        assert_true((out->data[1] & 0x80) != 0); /* a client masks */
        head = 2u + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
    }
    return span_of(out->data + head, out->bytes - head);
}

static void publish(struct dialect *dialect, struct buffer *out, enum dialect_name name, const char *ack) {
    assert_true(dialect_init(dialect, name, 128, ack));
    buffer_init(out, 1 << 20);
    dialect_put_publish(dialect, out, 5, three, 3);
    assert_false(out->failed);
}

static void fini(struct dialect *dialect, struct buffer *out) {
    buffer_fini(out);
    dialect_fini(dialect);
}

/* The three documents are in there, in order, and no other. */
static void expect_three(const struct dialect *dialect, struct span payload) {
    const uint8_t *at = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    for (size_t i = 0; i < 3; i++) {
        at = dialect_find_document(dialect, at, end, &stamp, &stride);
        assert_non_null(at);
        assert_int_equal(stamp.topic, three[i].topic);
        assert_int_equal(stamp.count, three[i].count);
        assert_int_equal(stamp.sent_ns, three[i].sent_ns);
    }
    assert_null(dialect_find_document(dialect, at, end, &stamp, &stride));
}

static void every_peer_gets_the_documents(void **state) {
    (void)state;
    for (enum dialect_name name = 0; name < DIALECTS; name++) {
        for (int acked = 0; peer_dialect_of(name) != NULL && acked < 2; acked++) {
            struct dialect dialect;
            struct buffer out;
            publish(&dialect, &out, name, acked ? "applied" : "none");
            expect_three(&dialect, payload_of(&dialect, &out));
            fini(&dialect, &out);
        }
    }
}

/* ---- MQTT 3.1.1, section 3.3 ---- */

static size_t read_length(const uint8_t **at) {
    size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        length |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return length;
        }
    }
}

static void check_mqtt(const char *ack, uint8_t head, bool has_number) {
    struct dialect dialect;
    struct buffer out;
    publish(&dialect, &out, DIALECT_MQTT, ack);
    struct span payload = payload_of(&dialect, &out);
    const uint8_t *at = payload.data;
    unsigned numbers[3] = {0, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(*at++, head);
        size_t length = read_length(&at);
        const uint8_t *next = at + length;
        assert_int_equal(at[0] << 8 | at[1], strlen("stock/bench/0000007"));
        char topic[24] = "";
        memcpy(topic, at + 2, 19);
        assert_int_equal(strtoul(topic + strlen("stock/bench/"), NULL, 10), three[i].topic);
        at += 2 + 19;
        numbers[i] = has_number ? (unsigned)at[0] << 8 | at[1] : 0;
        at = next;
    }
    assert_ptr_equal(at, payload.data + payload.bytes);
    if (has_number) { /* never 0, never one twice while it is under way */
        assert_true(numbers[0] != 0 && numbers[0] != numbers[1] && numbers[1] != numbers[2]);
    }
    fini(&dialect, &out);
}

static void mqtt_publishes_retained_with_qos_0_or_1(void **state) {
    (void)state;
    check_mqtt("none", 0x31, false);
    check_mqtt("applied", 0x33, true);
}

static void mqtt_packets_are_counted_by_type(void **state) {
    (void)state;
    struct dialect dialect;
    assert_true(dialect_init(&dialect, DIALECT_MQTT, 128, "applied"));
    /* CONNACK, PUBACK 1, a PUBLISH whose payload looks like a PUBACK, PUBACK 2, PINGRESP */
    static const uint8_t bytes[] = {0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x30, 5, 0, 1, 'a', 0x40, 2, 0x40, 2, 0, 2, 0xd0, 0};
    size_t end;
    size_t errors;
    assert_int_equal(dialect.peer->count_answers(&dialect, span_of(bytes, sizeof bytes), &end, &errors), 2);
    assert_int_equal(errors, 0);
    dialect_fini(&dialect);
    assert_true(dialect_init(&dialect, DIALECT_MQTT, 128, "none"));
    assert_int_equal(dialect.peer->count_answers(&dialect, span_of(bytes, sizeof bytes), &end, &errors), 1);
    for (size_t cut = 0; cut < sizeof bytes; cut++) { /* nothing is read behind the end: run under a sanitizer */
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        dialect.peer->count_answers(&dialect, span_of(copy, cut), &end, &errors);
        free(copy);
    }
    static const uint8_t suback[] = {0x20, 2, 0, 0, 0x90, 3, 0, 1, 0};
    assert_true(dialect.peer->is_confirmed(span_of(suback, sizeof suback)));
    assert_false(dialect.peer->is_confirmed(span_of(suback, 4)));
    dialect_fini(&dialect);
}

/* ---- texts ---- */

/* Lengths said are lengths sent: each message is walked through by what it says of itself. */
static void nats_says_how_long_payloads_are(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer out;
    publish(&dialect, &out, DIALECT_NATS, "applied");
    struct span payload = payload_of(&dialect, &out);
    const char *at = (const char *)payload.data;
    for (size_t i = 0; i < 3; i++) {
        unsigned topic;
        unsigned bytes;
        assert_int_equal(sscanf(at, "PUB stock.bench.%u %u\r\n", &topic, &bytes), 2);
        assert_int_equal(topic, three[i].topic);
        at = strstr(at, "\r\n") + 2 + bytes;
        assert_memory_equal(at, "\r\n", 2);
        at += 2;
    }
    assert_memory_equal(at, "PING\r\n", 6);
    fini(&dialect, &out);
}

static void kv_asks_for_an_answer_where_one_is_wanted(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer out;
    unsigned topic;
    unsigned inbox;
    unsigned bytes;
    publish(&dialect, &out, DIALECT_NATS_KV, "applied");
    const char *at = (const char *)payload_of(&dialect, &out).data;
    assert_int_equal(sscanf(at, "PUB $KV.bench.%u _INBOX.p%u %u\r\n", &topic, &inbox, &bytes), 3);
    assert_int_equal(inbox, dialect.number);
    assert_int_equal(dialect.answering, ANSWERS_COUNTED);
    fini(&dialect, &out);
    publish(&dialect, &out, DIALECT_NATS_KV, "none");
    assert_int_equal(sscanf((const char *)payload_of(&dialect, &out).data, "PUB $KV.bench.%u %u\r\n", &topic, &bytes), 2);
    assert_int_equal(dialect.answering, ANSWERS_ASKED);
    fini(&dialect, &out);
}

static void redis_commands_are_arrays_of_three(void **state) {
    (void)state;
    static const enum dialect_name names[] = {DIALECT_REDIS, DIALECT_REDIS_KEPT};
    static const char *const commands[] = {"PUBLISH", "SET"};
    for (size_t n = 0; n < 2; n++) {
        struct dialect dialect;
        struct buffer out;
        publish(&dialect, &out, names[n], "none");
        const char *at = (const char *)out.data;
        for (size_t i = 0; i < 3; i++) {
            assert_memory_equal(at, "*3\r\n", 4);
            at += 4;
            for (size_t part = 0; part < 3; part++) {
                char *text;
                assert_int_equal(*at, '$');
                size_t bytes = strtoul(at + 1, &text, 10);
                text += 2;
                if (part == 0) {
                    assert_int_equal(bytes, strlen(commands[n]));
                    assert_memory_equal(text, commands[n], bytes);
                }
                assert_memory_equal(text + bytes, "\r\n", 2);
                at = text + bytes + 2;
            }
        }
        assert_ptr_equal(at, out.data + out.bytes);
        fini(&dialect, &out);
    }
}

static void nchan_posts_say_how_long_they_are(void **state) {
    (void)state;
    struct dialect dialect;
    struct buffer out;
    publish(&dialect, &out, DIALECT_NCHAN_POST, "none");
    const char *at = (const char *)out.data;
    for (size_t i = 0; i < 3; i++) {
        unsigned topic;
        assert_int_equal(sscanf(at, "POST /pub/%u HTTP/1.1\r\n", &topic), 1);
        assert_int_equal(topic, three[i].topic);
        size_t bytes = strtoul(strstr(at, "Content-Length: ") + strlen("Content-Length: "), NULL, 10);
        at = strstr(at, "\r\n\r\n") + 4 + bytes;
    }
    assert_ptr_equal(at, out.data + out.bytes);
    fini(&dialect, &out);
    /* Subscribers say it in the address. */
    assert_true(dialect_init(&dialect, DIALECT_NCHAN, 128, "none"));
    buffer_init(&out, 4096);
    dialect_put_upgrade(&dialect, &out, "127.0.0.1:1", 42);
    assert_memory_equal(out.data, "GET /sub/0000042 HTTP/1.1\r\n", 27);
    size_t before = out.bytes;
    dialect_put_subscribe(&dialect, &out, &(struct interest){.first = 42, .count = 1}, NULL);
    assert_int_equal(out.bytes, before);
    fini(&dialect, &out);
}

/* ---- answers, cut anywhere ---- */

struct answers {
    enum dialect_name name;
    const char *ack;
    const char *text;
    size_t good;
    size_t bad;
};

/* As connections do it: what is behind *end comes again with the next. */
static void count_cut(const struct dialect *dialect, const char *text, size_t cut, size_t *good, size_t *bad) {
    size_t bytes = strlen(text);
    size_t end;
    size_t errors;
    *good = dialect->peer->count_answers(dialect, span_of(text, cut), &end, &errors);
    *bad = errors;
    assert_true(end <= cut);
    *good += dialect->peer->count_answers(dialect, span_of(text + end, bytes - end), &end, &errors);
    *bad += errors;
}

static void answers_are_counted_once_however_they_are_cut(void **state) {
    (void)state;
    static const struct answers table[] = {
        {DIALECT_NATS, "none", "INFO {\"x\":1}\r\nPONG\r\nPONG\r\nPONG\r\n", 3, 0},
        {DIALECT_NATS_KV, "applied",
         "MSG _INBOX.p1 1 30\r\n{\"stream\":\"KV_bench\",\"seq\":1}\r\nMSG _INBOX.p1 1 "
         "31\r\n{\"stream\":\"KV_bench\",\"seq\":22}\r\n",
         2, 0},
        {DIALECT_REDIS, "none", ":0\r\n:1\r\n:12\r\n+OK\r\n", 4, 0},
        {DIALECT_NCHAN_POST, "none", "HTTP/1.1 201 Created\r\nA: b\r\n\r\nqueued\r\nHTTP/1.1 202 Accepted\r\n\r\n", 2, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct dialect dialect;
        assert_true(dialect_init(&dialect, table[i].name, 128, table[i].ack));
        for (size_t cut = 0; cut <= strlen(table[i].text); cut++) {
            size_t good;
            size_t bad;
            count_cut(&dialect, table[i].text, cut, &good, &bad);
            assert_int_equal(good, table[i].good);
            assert_int_equal(bad, table[i].bad);
        }
        dialect_fini(&dialect);
    }
}

static void errors_of_peers_are_seen(void **state) {
    (void)state;
    static const struct answers table[] = {
        {DIALECT_NATS, "none", "-ERR 'Maximum Payload Violation'\r\n", 0, 1},
        {DIALECT_NATS_KV, "applied", "MSG _INBOX.p1 1 9\r\n{\"error\":{\"code\":503}}\r\n", 0, 1},
        {DIALECT_REDIS, "none", ":1\r\n-ERR wrong number of arguments\r\n", 1, 1},
        {DIALECT_NCHAN_POST, "none", "HTTP/1.1 413 Too Large\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", 1, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct dialect dialect;
        size_t end;
        size_t errors;
        assert_true(dialect_init(&dialect, table[i].name, 128, table[i].ack));
        struct span text = span_of_text(table[i].text);
        assert_int_equal(dialect.peer->count_answers(&dialect, text, &end, &errors), table[i].good);
        assert_int_equal(errors, table[i].bad);
        dialect_fini(&dialect);
    }
}

/* ---- targets ---- */

static void configurations_name_their_ports_and_nothing_is_left_open(void **state) {
    (void)state;
    struct target_places places = {.directory = "/d", .config = "/d/config", .peers = "/p", .port = 1234, .port_beside = 5678};
    for (size_t i = 0; target_at(i) != NULL; i++) {
        const struct target *target = target_at(i);
        const char *texts[] = {target->config, target->arguments};
        char all[8192] = "";
        for (size_t t = 0; t < 2; t++) {
            char out[4096] = "";
            assert_true(texts[t] == NULL || target_expand(texts[t], &places, out, sizeof out));
            strncat(all, out, sizeof all - strlen(all) - 1);
        }
        assert_null(strstr(all, "{port"));
        assert_null(strstr(all, "{dir"));
        assert_true(target->arguments == NULL || strstr(all, "1234") != NULL);
        assert_true(target->programs[0] == NULL || target->cannot != NULL);
    }
}

static void what_does_not_fit_is_not_expanded(void **state) {
    (void)state;
    struct target_places places = {.directory = "/a/long/directory", .config = "", .peers = "", .port = 1};
    char out[12];
    assert_false(target_expand("{dir}", &places, out, sizeof out));
    assert_true(target_expand("{port} {x}", &places, out, sizeof out));
    assert_string_equal(out, "1 {x}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_peer_gets_the_documents),
        cmocka_unit_test(mqtt_publishes_retained_with_qos_0_or_1),
        cmocka_unit_test(mqtt_packets_are_counted_by_type),
        cmocka_unit_test(nats_says_how_long_payloads_are),
        cmocka_unit_test(kv_asks_for_an_answer_where_one_is_wanted),
        cmocka_unit_test(redis_commands_are_arrays_of_three),
        cmocka_unit_test(nchan_posts_say_how_long_they_are),
        cmocka_unit_test(answers_are_counted_once_however_they_are_cut),
        cmocka_unit_test(errors_of_peers_are_seen),
        cmocka_unit_test(configurations_name_their_ports_and_nothing_is_left_open),
        cmocka_unit_test(what_does_not_fit_is_not_expanded),
    };
    return cmocka_run_group_tests_name("bench peers", tests, NULL, NULL);
}
