/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Clients that came in with a certificate, and what becomes of them when it is revoked, or its authority believed no longer. */
#include "tests/integration/scene.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CA "openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem"

/* ---- a broker that believes two authorities, and clients of each ---- */

struct door {
    struct tunnel_process tunnel; /* shows its certificate */
    uint16_t port;
};

static void run(const struct broker_process *broker, const char *command) {
    struct bytes out = {0};
    if (scene_run(&out, "cd '%s' && { %s; } 2>&1", broker->directory, command) != 0) {
        fail_msg("%s: %s", command, bytes_text(&out));
    }
    bytes_fini(&out);
}

/* `keys`: lines of the file of API keys; NULL: access is open. */
static struct broker_process *start(void **state, const char *keys, bool with_list) {
    static char paths[3][192];
    struct broker_process *broker = scene_prepare(state);
    assert_true(certificate_make(broker->directory, "ca"));
    assert_true(certificate_make(broker->directory, "annex"));
    assert_true(certificate_make_signed(broker->directory, "till", "ca", "/CN=till", 1));
    assert_true(certificate_make_signed(broker->directory, "desk", "ca", "/CN=desk", 1));
    assert_true(certificate_make_signed(broker->directory, "shed", "annex", "/CN=shed", 1));
    run(broker, "cat ca.pem annex.pem >both.pem && : >index.txt && "
                "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\ndefault_md=sha256\\n' >ca.cnf");
    snprintf(paths[0], sizeof paths[0], "%s/both.pem", broker->directory);
    scene_configure("TLS_CLIENT_CA", paths[0]);
    scene_configure("TLS_CLIENT_CERTIFICATES", "optional");
    if (keys != NULL) {
        snprintf(paths[1], sizeof paths[1], "%s/api_keys", broker->directory);
        FILE *file = fopen(paths[1], "w");
        assert_non_null(file);
        fputs(keys, file);
        fclose(file);
        scene_configure("AUTH_API_KEYS", paths[1]);
        scene_configure("AUTH_ANONYMOUS_SUB", "stock/**");
    }
    if (with_list) {
        run(broker, "cp ca.pem both.pem && " CA " -gencrl -crldays 1 -out ca.crl"); /* of each authority there must be one */
        snprintf(paths[2], sizeof paths[2], "%s/ca.crl", broker->directory);
        scene_configure("TLS_CLIENT_CRL", paths[2]);
    }
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

static void open_door(struct door *door, const struct broker_process *broker, const char *name) {
    char paths[3][192];
    door->port = port_pick();
    snprintf(paths[0], sizeof paths[0], "%s/broker.pem", broker->directory);
    snprintf(paths[1], sizeof paths[1], "%s/%s.pem", broker->directory, name);
    snprintf(paths[2], sizeof paths[2], "%s/%s.key", broker->directory, name);
    const struct tunnel_options options = {
        .port = door->port, .broker_port = broker->secure_port, .ca = paths[0], .certificate = paths[1], .key = paths[2]};
    assert_true(tunnel_process_start(&door->tunnel, &options));
}

static void enter(struct wire *wire, const struct door *door) {
    assert_true(wire_open(wire, door->port, CODEC_JSON));
    scene_say(wire, "{'op':'hello'}");
    json_decref(scene_hear_op(wire, "welcome"));
}

/* It hears why, and is closed with 4401. */
static void expect_ended(struct wire *wire) {
    json_t *message;
    scene_expect_error(wire, "unauthorized", 0);
    while ((message = wire_receive(wire, PATIENCE_MS)) != NULL) {
        json_decref(message);
    }
    assert_int_equal(wire->close_code, 4401);
    wire_fini(wire);
}

static bool is_let_in(const struct door *door) {
    struct wire wire;
    const bool is_in = wire_open(&wire, door->port, CODEC_JSON);
    wire_fini(&wire);
    return is_in;
}

static void reload(const struct broker_process *broker, const char *event) {
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, event);
}

/* ---- cases ---- */

static void whose_certificate_is_revoked_hears_so_and_is_closed(void **state) {
    struct broker_process *broker = start(state, NULL, true);
    struct door till = {0};
    struct door desk = {0};
    struct wire wires[2];
    open_door(&till, broker, "till");
    open_door(&desk, broker, "desk");
    enter(&wires[0], &till);
    enter(&wires[1], &desk);

    run(broker, CA " -revoke till.pem && " CA " -gencrl -crldays 1 -out ca.crl");
    reload(broker, "clients-revoked");
    expect_ended(&wires[0]);
    scene_expect_alive(&wires[1]);
    assert_false(is_let_in(&till));
    assert_true(is_let_in(&desk));
    assert_true(scene_metric(broker, "ahora_tls_clients_revoked_total") == 1);
    assert_true(scene_metric(broker, "ahora_sessions_revoked_total") == 1);
    wire_fini(&wires[1]);
    tunnel_process_stop(&till.tunnel);
    tunnel_process_stop(&desk.tunnel);
}

#define CROWD 40 /* more than are looked at in one turn */

static void whose_authority_is_believed_no_longer_is_ended_and_nobody_else(void **state) {
    struct broker_process *broker = start(state, NULL, false);
    struct door shed = {0};
    struct door till = {0};
    static struct wire sheds[CROWD];
    static struct wire tills[CROWD];
    struct wire nameless;
    open_door(&shed, broker, "shed");
    open_door(&till, broker, "till");
    for (int i = 0; i < CROWD; i++) {
        enter(&sheds[i], &shed);
        enter(&tills[i], &till);
    }
    scene_open(&nameless, broker, CODEC_MSGPACK);
    reload(broker, "certificate-reloaded"); /* nothing has changed */
    scene_expect_alive(&sheds[0]);
    assert_true(scene_metric(broker, "ahora_tls_clients_revoked_total") == 0);

    run(broker, "cp ca.pem both.pem");
    reload(broker, "clients-revoked");
    for (int i = 0; i < CROWD; i++) {
        expect_ended(&sheds[i]);
        scene_expect_alive(&tills[i]);
        wire_fini(&tills[i]);
    }
    scene_expect_alive(&nameless);
    assert_true(scene_metric(broker, "ahora_tls_clients_revoked_total") == CROWD);
    assert_false(is_let_in(&shed));
    wire_fini(&nameless);
    tunnel_process_stop(&shed.tunnel);
    tunnel_process_stop(&till.tunnel);
}

static bool reads_to_the_end(int fd, struct bytes *text) {
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS; scene_clock_ms() < until_ms;) {
        char block[1024];
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, 100) == 1) {
            const ssize_t got = recv(fd, block, sizeof block, 0);
            if (got <= 0) {
                return true;
            }
            bytes_printf(text, "%.*s", (int)got, block);
        }
    }
    return false;
}

/* A stream of events, and a connection between two requests whose certificate has rights. */
static void streams_and_connections_end_as_well(void **state) {
    struct broker_process *broker = start(state, "shed cert:\"CN=shed\" sub=order/**\n", false);
    struct door shed = {0};
    struct bytes text = {0};
    static const char stream[] = "GET /v1/stream?match=order/** HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char request[] = "GET /v1/topics?match=order/** HTTP/1.1\r\nHost: localhost\r\n\r\n";
    open_door(&shed, broker, "shed");
    const int streaming = http_connect(shed.port, 0);
    const int idle = http_connect(shed.port, 0);
    assert_int_equal(send(streaming, stream, sizeof stream - 1, MSG_NOSIGNAL), sizeof stream - 1);
    assert_int_equal(send(idle, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS; scene_metric(broker, "ahora_event_streams") < 1;) {
        assert_true(scene_clock_ms() < until_ms);
        scene_sleep(10);
    }
    run(broker, "cp ca.pem both.pem");
    reload(broker, "clients-revoked");
    assert_true(reads_to_the_end(streaming, &text));
    assert_non_null(strstr(bytes_text(&text), " 200 "));
    assert_non_null(strstr(bytes_text(&text), "unauthorized"));
    bytes_clear(&text);
    assert_true(reads_to_the_end(idle, &text));
    assert_non_null(strstr(bytes_text(&text), " 200 "));
    close(streaming);
    close(idle);
    bytes_fini(&text);
    tunnel_process_stop(&shed.tunnel);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(whose_certificate_is_revoked_hears_so_and_is_closed),
        CASE(whose_authority_is_believed_no_longer_is_ended_and_nobody_else),
        CASE(streams_and_connections_end_as_well),
    };
    setenv("AHORA_TEST_TLS", "build/tests/tls-tunnel", 0);
    return cmocka_run_group_tests(cases, NULL, NULL);
}
