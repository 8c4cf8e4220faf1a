/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a hostile or broken server may send: nothing of it may crash the client, hang it, or make it grow without bound; the
 * line is lost and opened again.
 */
#include "tests/unit/client_rig.h"

#define SECOND_WELCOME                                                                                                         \
    "{\"op\":\"welcome\",\"session\":\"s\",\"epoch\":\"E\",\"seq\":1,\"now\":1,\"beat_ms\":1,\"limits\":{},"                   \
    "\"server\":\"t\"}"
#define WRONG_ACCEPT                                                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                        \
    "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nSec-WebSocket-Protocol: ahora.v1.msgpack\r\n\r\n"

static void start(struct rig *rig, enum ahora_encoding encoding) {
    rig_init(rig, encoding);
    rig_follow(rig, "stock/a/*", NULL);
    rig_welcome(rig, "E");
}

static void bytes_that_are_no_message_end_the_line(void **state) {
    static const struct {
        const char *bytes;
        size_t count;
    } cases[] = {
        {"\xc1", 1},                              /* never used */
        {"\x81\xa2op", 4},                        /* ends inside */
        {"\xdf\xff\xff\xff\xff", 5},              /* a map of 2^32 - 1 */
        {"\xdd\xff\xff\xff\xff", 5},              /* a list of as many */
        {"\xdb\xff\xff\xff\xff", 5},              /* a text of as many */
        {"\x81\xa2op\xc4\x01x", 7},               /* binary */
        {"\x81\xa2op\xa2\xff\xfe", 7},            /* not UTF-8 */
        {"\x90", 1},                              /* no map */
        {"\x81\xa2op\xa3wtf", 8},                 /* unknown op */
        {"\x82\xa2op\xa4live\xa2op\xa4live", 17}, /* repeated key */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        start(&rig, AHORA_ENCODING_MSGPACK);
        rig_frame(&rig, 0x82, span_of(cases[i].bytes, cases[i].count));
        assert_int_equal(rig.drops, 1);
        assert_int_equal(rig.close_code, AHORA_CLOSE_BAD_MESSAGE);
        rig_fini(&rig);
    }
}

static void text_that_is_no_message_ends_the_line(void **state) {
    static const char *const cases[] = {
        "{",
        "[]",
        "null",
        "{\"op\":\"nothing\"}",
        "{\"op\":\"set\"}",
        "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"seq\":1,\"at\":1}",
        "{\"op\":\"set\",\"topic\":\"stock\",\"ref\":1,\"seq\":1,\"at\":1,\"data\":{}}",
        "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":-4,\"at\":1,\"data\":{}}",
        "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":1,\"at\":1,\"data\":[]}",
        "{\"op\":\"patch\",\"ref\":5,\"seq\":1,\"at\":1,\"data\":{}}",
        "{\"op\":\"patch\",\"ref\":0,\"seq\":1,\"at\":1,\"data\":{}}",
        SECOND_WELCOME,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        start(&rig, AHORA_ENCODING_JSON);
        rig_frame(&rig, 0x81, span_of_text(cases[i]));
        assert_int_equal(rig.drops, 1);
        assert_int_equal(rig.close_code, AHORA_CLOSE_BAD_MESSAGE);
        rig_fini(&rig);
    }
}

static void frames_against_the_rules_end_the_line(void **state) {
    static const struct {
        uint8_t bytes[10];
        size_t count;
        int close_code;
    } cases[] = {
        {{0xc2, 0}, 2, AHORA_CLOSE_PROTOCOL_ERROR},                /* reserved bit */
        {{0x82, 0x80, 0, 0, 0, 0}, 6, AHORA_CLOSE_PROTOCOL_ERROR}, /* masked by a server */
        {{0x81, 0}, 2, AHORA_CLOSE_PROTOCOL_ERROR},                /* text where binary was agreed */
        {{0x80, 0}, 2, AHORA_CLOSE_PROTOCOL_ERROR},                /* continuation of nothing */
        {{0x02, 0, 0x82, 0}, 4, AHORA_CLOSE_PROTOCOL_ERROR},       /* a new message inside one */
        {{0x09, 0}, 2, AHORA_CLOSE_PROTOCOL_ERROR},                /* fragmented ping */
        {{0x89, 126, 0, 126}, 4, AHORA_CLOSE_PROTOCOL_ERROR},      /* oversized ping */
        {{0x83, 0}, 2, AHORA_CLOSE_PROTOCOL_ERROR},                /* unknown kind */
        {{0x82, 126, 0x10, 0x01}, 4, AHORA_CLOSE_TOO_BIG},         /* one byte more than 4096 */
        {{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 10, AHORA_CLOSE_TOO_BIG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        start(&rig, AHORA_ENCODING_MSGPACK);
        rig_bytes(&rig, cases[i].bytes, cases[i].count);
        assert_int_equal(rig.drops, 1);
        assert_int_equal(rig.close_code, cases[i].close_code);
        rig_fini(&rig);
    }
}

static void fragments_together_obey_the_bound(void **state) {
    static const uint8_t part[1000];
    struct rig rig;

    (void)state;
    start(&rig, AHORA_ENCODING_MSGPACK);
    rig_frame(&rig, 0x02, span_of(part, sizeof(part)));
    for (unsigned i = 0; i < 3; i++) {
        rig_frame(&rig, 0x00, span_of(part, sizeof(part)));
    }
    assert_int_equal(rig.drops, 0);
    rig_frame(&rig, 0x00, span_of(part, sizeof(part)));
    assert_int_equal(rig.drops, 1);
    assert_int_equal(rig.close_code, AHORA_CLOSE_TOO_BIG);
    rig_fini(&rig);
}

static void upgrade_must_be_answered_as_asked(void **state) {
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        WRONG_ACCEPT,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct rig rig;
        rig_init(&rig, AHORA_ENCODING_MSGPACK);
        client_on_connected(&rig.client, rig.now);
        rig_bytes(&rig, answers[i], strlen(answers[i]));
        expect_events(&rig, "lost\n");
        rig_fini(&rig);
    }
}

static void endless_answer_to_the_upgrade_is_cut_off(void **state) {
    char line[1000];
    struct rig rig;

    (void)state;
    memset(line, 'a', sizeof(line));
    rig_init(&rig, AHORA_ENCODING_MSGPACK);
    client_on_connected(&rig.client, rig.now);
    for (unsigned i = 0; i < 9 && rig.drops == 0; i++) {
        rig_bytes(&rig, line, sizeof(line));
    }
    assert_int_equal(rig.drops, 1);
    rig_fini(&rig);
}

static void bytes_may_come_one_by_one(void **state) {
    static const uint8_t frames[] = "\x89\x02hi"             /* a ping between */
                                    "\x02\x05\x83\xa2op\xa4" /* live, in two fragments */
                                    "\x80\x0dlive\xa2id\x01\xa3seq\x09";
    struct rig rig;

    (void)state;
    start(&rig, AHORA_ENCODING_MSGPACK);
    buffer_clear(&rig.events, 65536);
    buffer_clear(&rig.heard, 65536);
    for (size_t i = 0; i < sizeof(frames) - 1; i++) {
        rig_bytes(&rig, &frames[i], 1);
    }
    expect_events(&rig, "1 live 9\n");
    assert_memory_equal(rig.heard.data, "hi\n", 3); /* the pong */
    rig_fini(&rig);
}

/* It asks for ever and reads nothing: what waits for it stays small. */
static void pings_without_end_make_nothing_grow(void **state) {
    uint8_t pings[127 * 100];
    struct client_event event;
    struct rig rig;

    (void)state;
    start(&rig, AHORA_ENCODING_MSGPACK);
    memset(pings, 'p', sizeof(pings));
    for (size_t i = 0; i < sizeof(pings); i += 127) {
        pings[i] = 0x89;
        pings[i + 1] = 125;
    }
    for (unsigned i = 0; i < 100; i++) { /* more than a megabyte, and nothing is taken out */
        client_on_bytes(&rig.client, rig.now, span_of(pings, sizeof(pings)));
        while (client_poll(&rig.client, &event)) {
        }
    }
    assert_int_equal(rig.client.state, CLIENT_READY);
    assert_true(rig.client.out.bytes > 0 && rig.client.out.bytes < 131072);
    rig_fini(&rig);
}

/* It is not followed, a token would go with us; but people are told where it leads. */
static void redirection_is_told(void **state) {
    static const char answer[] = "HTTP/1.1 308 Permanent Redirect\r\nServer: x\r\nLocation: https://other\x1b[2J/\r\n\r\n";
    struct rig rig;

    (void)state;
    rig_init(&rig, AHORA_ENCODING_MSGPACK);
    client_on_connected(&rig.client, rig.now);
    rig_bytes(&rig, answer, sizeof(answer) - 1);
    assert_string_equal(rig.client.reason, "the upgrade was answered with HTTP 308, which points to https://other?[2J/");
    assert_int_equal(rig.client.fault, AHORA_FAULT_UPGRADE);
    rig_fini(&rig);
}

static void documents_are_bounded(void **state) {
    struct rig rig;
    unsigned sent = 0;

    (void)state;
    rig_init_with(&rig, AHORA_ENCODING_JSON, 16384);
    rig_follow(&rig, "stock/a/*", NULL);
    rig_welcome(&rig, "E");
    while (rig.drops == 0) {
        char text[200];
        snprintf(text, sizeof(text),
                 "{\"op\":\"set\",\"topic\":\"stock/a/%u\",\"ref\":%u,\"seq\":%u,\"at\":1,\"data\":{\"a\":1}}", sent, sent + 1,
                 sent + 1);
        rig_say(&rig, text);
        assert_true(++sent < 1000);
    }
    assert_true(rig.client.replica.bytes <= 16384);
    rig_fini(&rig);
}

/* Valid talk with a few bytes changed, from a seed. What is checked are the assertions and bounds within. */
static void changed_bytes_never_crash(void **state) {
    static const char lines[] =
        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
        "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1,\"m\":{\"k\":[1,2]}}}\n"
        "{\"op\":\"patch\",\"ref\":1,\"seq\":4,\"at\":7,\"data\":{\"m\":{\"k\":null,\"l\":1.5}}}\n"
        "{\"op\":\"snapshot\",\"id\":2,\"seq\":6,\"items\":[{\"topic\":\"stock/a/x\",\"seq\":3,\"at\":1,\"data\":{}}]}\n"
        "{\"op\":\"error\",\"id\":1,\"code\":\"invalid\",\"detail\":\"d\",\"retry_ms\":9}\n"
        "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":5,\"why\":\"left\"}\n"
        "{\"op\":\"live\",\"id\":1,\"seq\":10,\"skipped\":3}\n{\"op\":\"bye\",\"reason\":\"r\",\"retry_ms\":5}";
    static const char *const match[] = {"stock/**"};
    uint64_t seed = 99;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        struct rig rig;
        enum ahora_code code;
        enum ahora_encoding encoding = round % 2 == 0 ? AHORA_ENCODING_MSGPACK : AHORA_ENCODING_JSON;
        struct buffer payload;
        start(&rig, encoding);
        client_get(&rig.client, match, 1, 0, &code);
        rig_settle(&rig);
        buffer_init(&payload, 8192);
        for (const char *line = lines; encoding == AHORA_ENCODING_MSGPACK && *line != '\0';) {
            size_t bytes = strcspn(line, "\n");
            json_to_pack(span_of(line, bytes), 20, &payload, NULL);
            line += bytes + (line[bytes] == '\n');
        }
        if (encoding == AHORA_ENCODING_JSON) {
            buffer_put_text(&payload, lines);
        }
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            payload.data[(seed >> 33) % payload.bytes] = (uint8_t)(seed >> 25);
        }
        rig_frame(&rig, encoding == AHORA_ENCODING_JSON ? 0x81 : 0x82, buffer_span(&payload));
        assert_true(rig.client.replica.bytes <= rig.client.replica.bytes_max);
        buffer_fini(&payload);
        rig_fini(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_message_end_the_line),
        cmocka_unit_test(text_that_is_no_message_ends_the_line),
        cmocka_unit_test(frames_against_the_rules_end_the_line),
        cmocka_unit_test(fragments_together_obey_the_bound),
        cmocka_unit_test(upgrade_must_be_answered_as_asked),
        cmocka_unit_test(endless_answer_to_the_upgrade_is_cut_off),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(pings_without_end_make_nothing_grow),
        cmocka_unit_test(redirection_is_told),
        cmocka_unit_test(documents_are_bounded),
        cmocka_unit_test(changed_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
