/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The example configurations of packaging/proxies, run as they are but for names, ports and files: TLS ends at nginx or HAProxy, and WebSocket,
 * events and publishing go through. And whose word is taken for who is behind a proxy.
 */
#include "tests/integration/scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct proxy {
    const char *name;
    const char *start; /* a shell command, in the broker's directory; the example is ./example */
};

static const struct proxy proxies[] = {
    {"nginx", "{ echo 'daemon off; master_process off; pid nginx.pid; error_log stderr; events {} http {'; cat example; echo "
              "'}'; } > nginx.conf && "
              "exec nginx -p . -e stderr -c nginx.conf"},
    {"haproxy", "cat broker.pem broker.key > broker-and-key.pem && exec haproxy -db -f example"},
};

static bool is_there(const char *program) {
    struct bytes out = {0};
    bool found = scene_run(&out, "PATH=$PATH:/usr/sbin command -v %s", program) == 0;
    bytes_fini(&out);
    if (!found) {
        print_message("test_proxies: skipped, there is no %s\n", program);
    }
    return found;
}

/* The example with this test's ports: the proxy listens where the test's tunnel goes, and the broker on its own port. */
static pid_t start_proxy(const struct broker_process *broker, const struct proxy *proxy, uint16_t port) {
    struct bytes out = {0};
    char path[64];
    snprintf(path, sizeof path, "packaging/proxies/%s", proxy->name[0] == 'n' ? "nginx.conf" : "haproxy.cfg");
    assert_int_equal(scene_run(&out,
                               "sed -e 's/8443/%u/' -e 's/127.0.0.1:7601/127.0.0.1:%u/' -e 's/bind :/bind 127.0.0.1:/' "
                               "-e 's/listen \\([0-9]\\)/listen 127.0.0.1:\\1/' %s > '%s/example'",
                               port, broker->port, path, broker->directory),
                     0);
    bytes_fini(&out);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        char command[1024];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(command, sizeof command, "cd '%s' && PATH=$PATH:/usr/sbin; %s >proxy.log 2>&1", broker->directory,
                 proxy->start);
        if (getppid() == parent) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    return pid;
}

/* curl and the client over TLS through the proxy: what they print is compared. */
static void go_through(const struct broker_process *broker, uint16_t port) {
    struct bytes out = {0};
    int64_t until_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_run(&out, "curl -sS --max-time 5 --cacert '%s/broker.pem' https://localhost:%u/readyz", broker->directory,
                     port) != 0) {
        if (scene_clock_ms() > until_ms) {
            scene_run(&out, "cat '%s/proxy.log'", broker->directory);
            fail_msg("%s", bytes_text(&out));
        }
        scene_sleep(50);
    }
    bytes_clear(&out);
    int code = scene_run(
        &out,
        "export AHORA_URL=https://localhost:%u; ahora=%s; ca='--ca %s/broker.pem'; curl=\"curl -sS --max-time 60 --cacert "
        "%s/broker.pem\"; "
        "$ahora put $ca order/1 '{\"i\":1}' >/dev/null && $ahora get $ca order/1 | grep -c '\"i\":1'; " /* WebSocket */
        "timeout 60 $ahora sub $ca --until-live 'order/*' | grep -c '\"set\"'; "
        "for i in $(seq 1 500); do echo "
        "\"{\\\"op\\\":\\\"set\\\",\\\"topic\\\":\\\"order/$i\\\",\\\"data\\\":{\\\"i\\\":$i}}\"; done | "
        "$curl -H 'Content-Type: application/x-ndjson' --data-binary @- $AHORA_URL/v1/publish | grep -c '^{\"seq\"'; " /* lines */
        "$curl -N \"$AHORA_URL/v1/stream?match=order/**\" 2>/dev/null | grep -m 500 -c '^event: set'", /* events */
        port, scene_client_path(), broker->directory, broker->directory);
    if (code != 0 || strcmp(bytes_text(&out), "1\n1\n500\n500\n") != 0) {
        fail_msg("%s", bytes_text(&out));
    }
    bytes_fini(&out);
}

/* A live session stays, and what the proxy says of its client is believed. */
static void expect_live(const struct broker_process *broker, uint16_t port) {
    char ca[192];
    struct broker_process through = {.port = (uint16_t)(port + 1)};
    snprintf(ca, sizeof ca, "%s/broker.pem", broker->directory);
    struct broker_process other;
    assert_true(broker_process_init(&other, "port"));
    through.port = other.port;
    broker_process_fini(&other);
    struct tunnel_process tunnel;
    assert_true(tunnel_process_start(&tunnel, &(struct tunnel_options){.port = through.port, .broker_port = port, .ca = ca}));
    struct wire wire;
    scene_open(&wire, &through, CODEC_MSGPACK);
    scene_say(&wire, "{'op':'sub','id':1,'match':['stock/*']}");
    json_decref(scene_hear_op(&wire, "live"));
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/stock/1", NULL, "{\"i\":1}", &response), 201);
    http_response_fini(&response);
    json_decref(scene_hear_op(&wire, "set"));
    scene_expect_alive(&wire);
    wire_fini(&wire);
    tunnel_process_stop(&tunnel);
}

static void run_behind(void **state, const struct proxy *proxy) {
    if (!is_there(proxy->name) || !is_there("curl")) {
        skip();
    }
    scene_configure("LISTEN_TRUSTED_PROXIES", "127.0.0.1");
    scene_configure("LISTEN_ALLOWED_ORIGINS", "https://broker.example");
    scene_configure("LIMITS_BEAT_MS", "500");
    struct broker_process *broker = scene_start(state);
    struct broker_process other;
    assert_true(broker_process_init(&other, "port"));
    uint16_t port = other.port;
    broker_process_fini(&other);
    assert_true(certificate_make(broker->directory, "broker"));
    pid_t pid = start_proxy(broker, proxy, port);
    go_through(broker, port);
    expect_live(broker, port);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void nginx_carries_everything(void **state) {
    run_behind(state, &proxies[0]);
}

static void haproxy_carries_everything(void **state) {
    run_behind(state, &proxies[1]);
}

/* ---- whose word is taken ---- */

static int upgrade_for(const struct broker_process *broker, struct wire *wire, const char *headers) {
    wire_open_with(wire, broker->port, CODEC_JSON, &(struct wire_options){.headers = headers});
    return wire->status;
}

static void clients_behind_a_proxy_are_counted_one_by_one(void **state) {
    scene_configure("LISTEN_TRUSTED_PROXIES", "127.0.0.0/8 10.0.0.0/8 2001:db8::/32");
    scene_configure("LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "2");
    struct broker_process *broker = scene_start(state);
    struct wire wires[8];
    assert_int_equal(upgrade_for(broker, &wires[0], "X-Forwarded-For: 192.0.2.1\r\n"), 101);
    assert_int_equal(upgrade_for(broker, &wires[1], "X-Forwarded-For: 192.0.2.1:4711\r\n"), 101);
    assert_int_equal(upgrade_for(broker, &wires[2], "X-Forwarded-For: 192.0.2.1\r\n"), 429);
    /* who claims to be somebody else stands to the left of what the proxies wrote */
    assert_int_equal(upgrade_for(broker, &wires[3], "X-Forwarded-For: 198.51.100.7, 192.0.2.1, 10.1.2.3\r\n"), 429);
    assert_int_equal(upgrade_for(broker, &wires[4], "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 192.0.2.1\r\n"), 429);
    assert_int_equal(upgrade_for(broker, &wires[5], "X-Forwarded-For: 192.0.2.2\r\n"), 101);
    assert_int_equal(upgrade_for(broker, &wires[6], "X-Forwarded-For: unknown\r\n"), 101);
    assert_int_equal(upgrade_for(broker, &wires[7], "X-Forwarded-For: [2001:db9::1]:80, 2001:db8::5\r\n"), 101);
    assert_true(scene_metric(broker, "ahora_connections_refused_address_total") == 3);
    wire_close(&wires[0]);
    wire_receive_close(&wires[0], PATIENCE_MS);
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS;;) { /* its place is free again */
        wire_fini(&wires[2]);
        if (upgrade_for(broker, &wires[2], "X-Forwarded-For: 192.0.2.1\r\n") == 101) {
            break;
        }
        assert_true(scene_clock_ms() < until_ms);
    }
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        wire_fini(&wires[i]);
    }
}

static void nobody_else_is_believed(void **state) {
    scene_configure("LISTEN_TRUSTED_PROXIES", "10.0.0.0/8 127.0.0.2");
    scene_configure("LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "1");
    struct broker_process *broker = scene_start(state);
    struct wire wires[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(upgrade_for(broker, &wires[i], "X-Forwarded-For: 192.0.2.1\r\n"), 101);
    }
    for (size_t i = 0; i < 3; i++) {
        wire_fini(&wires[i]);
    }
}

static void a_list_with_a_fault_is_refused_at_the_start(void **state) {
    scene_prepare(state);
    static const char *const lists[] = {"proxy.example", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/8/8", "1.2.3"};
    struct bytes out = {0};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_int_equal(scene_run(&out, "AHORA_LISTEN_TRUSTED_PROXIES=%s %s -t 2>&1", lists[i], scene_broker_path()), 1);
        assert_non_null(strstr(bytes_text(&out), "listen.trusted_proxies"));
        bytes_clear(&out);
    }
    assert_int_equal(
        scene_run(&out, "AHORA_LISTEN_TRUSTED_PROXIES='10.0.0.0/8, ::1 127.0.0.1' %s -t 2>&1", scene_broker_path()), 0);
    bytes_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(nginx_carries_everything),
        CASE(haproxy_carries_everything),
        CASE(clients_behind_a_proxy_are_counted_one_by_one),
        CASE(nobody_else_is_believed),
        CASE(a_list_with_a_fault_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
