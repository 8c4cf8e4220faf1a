/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A broker with TLS. OpenSSL's own client is the stranger: as a tunnel under the test's HTTP and WebSocket clients (tests/tunnel), and as the
 * program openssl where versions and certificates are the matter. Bad bytes go to the port as they are.
 */
#include "tests/integration/scene.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- help ---- */

static int ask_openssl(const struct broker_process *broker, struct bytes *out, const char *options) {
    return scene_run(out, "echo | timeout 60 openssl s_client -connect 127.0.0.1:%u -CAfile '%s/broker.pem' %s 2>&1",
                     broker->secure_port, broker->directory, options);
}

static void expect_openssl(const struct broker_process *broker, const char *options, const char *words) {
    struct bytes out = {0};
    ask_openssl(broker, &out, options);
    if (strstr(bytes_text(&out), words) == NULL) {
        fail_msg("no \"%s\" with %s: %s", words, options, bytes_text(&out));
    }
    bytes_fini(&out);
}

/* Until the peer closes, cleanly or not; true if it did. */
static bool is_closed_by_peer(int fd) {
    char block[4096];
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_clock_ms() < deadline_ms) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, 100) == 1) {
            ssize_t got = recv(fd, block, sizeof block, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN)) {
                return true;
            }
        }
    }
    return false;
}

/* The first message of a handshake, as openssl says it: recorded from its own debug output would be long, so only its beginning, which
   announces 512 bytes that never come. */
static const char hello_begun[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a client hello";

/* ---- versions, ciphers, protocols ---- */

static void tls_1_2_and_1_3_are_spoken_and_nothing_older(void **state) {
    struct broker_process *broker = scene_start(state);
    expect_openssl(broker, "-tls1_3", "Verify return code: 0 (ok)");
    expect_openssl(broker, "-tls1_2", "Verify return code: 0 (ok)");
    expect_openssl(broker, "-tls1_2", "Compression: NONE");
    expect_openssl(broker, "-tls1_1 -cipher ALL:@SECLEVEL=0", "alert protocol version");
    expect_openssl(broker, "-tls1 -cipher ALL:@SECLEVEL=0", "alert protocol version");
}

static void an_operator_may_allow_1_3_alone(void **state) {
    scene_configure("TLS_MIN_VERSION", "1.3");
    struct broker_process *broker = scene_start(state);
    expect_openssl(broker, "-tls1_2", "alert protocol version");
    expect_openssl(broker, "-tls1_3", "Verify return code: 0 (ok)");
}

static void only_ciphers_with_forward_secrecy_and_authentication(void **state) {
    struct broker_process *broker = scene_start(state);
    expect_openssl(broker, "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384", "alert handshake failure");
    expect_openssl(broker, "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", "alert handshake failure");
    expect_openssl(broker, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "Verify return code: 0 (ok)");
    expect_openssl(broker, "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "Verify return code: 0 (ok)");
}

static void alpn_is_http_1_1_and_never_h2(void **state) {
    struct broker_process *broker = scene_start(state);
    expect_openssl(broker, "-alpn h2,http/1.1", "ALPN protocol: http/1.1");
    expect_openssl(broker, "-alpn h2", "alert no application protocol");
    expect_openssl(broker, "", "No ALPN negotiated");
}

static void nothing_is_renegotiated(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    scene_run(&out, "(echo R; sleep 1) | timeout 60 openssl s_client -connect 127.0.0.1:%u -tls1_2 2>&1", broker->secure_port);
    assert_non_null(strstr(bytes_text(&out), "no renegotiation"));
    bytes_fini(&out);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
}

static void a_ticket_resumes_until_the_certificate_is_read_again(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    char options[512];
    snprintf(options, sizeof options, "-tls1_2 -sess_out '%s/session'", broker->directory);
    ask_openssl(broker, &out, options);
    snprintf(options, sizeof options, "-tls1_2 -sess_in '%s/session'", broker->directory);
    expect_openssl(broker, options, "Reused, TLSv1.2");
    assert_true(scene_metric(broker, "ahora_tls_resumed_total") == 1);
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "certificate-reloaded");
    expect_openssl(broker, options, "New, TLSv1.2");
    bytes_fini(&out);
}

/* ---- bytes that are no TLS ---- */

static void who_forgets_the_s_of_https_is_told(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    http_request(broker->secure_port, "GET", "/v1/topics", NULL, NULL, 0, &response);
    scene_expect_problem(&response, 400, "bad_message");
    assert_non_null(strstr(http_response_body(&response), "https"));
    http_response_fini(&response);
    assert_true(scene_metric(broker, "ahora_tls_handshakes_failed_total") == 1);
    assert_true(scene_log_has(broker, "handshake-failed"));
}

static void garbage_ends_the_connection_and_nothing_else(void **state) {
    struct broker_process *broker = scene_start(state);
    static const struct {
        const char *data;
        size_t bytes;
    } cases[] = {
        {RAW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {RAW("\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03")}, /* a record longer than there may be */
        {RAW("\x16\x03\x01\x00\x04\x01\xff\xff\xff")},         /* a message of 16 MB is announced */
        {RAW("\x17\x03\x03\x00\x10zzzzzzzzzzzzzzzz")},         /* data before anything is agreed on */
        {RAW("\x15\x03\x03\x00\x02\x02\x28")},                 /* an alert */
        {RAW("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00\x80\x04\x00\x80\x05\x00\x80\x06")},
        {RAW("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")},
        {RAW("\r\n\r\n\r\n\r\n\r\n\r\n")},
    };
    const size_t count = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < count; i++) {
        int fd = http_connect(broker->secure_port, 0);
        assert_true(send(fd, cases[i].data, cases[i].bytes, MSG_NOSIGNAL) > 0);
        shutdown(fd, SHUT_WR);
        assert_true(is_closed_by_peer(fd));
        close(fd);
    }
    scene_wait_at_least(broker, "ahora_tls_handshakes_failed_total", (double)count);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
}

/* The dripping goes on until the broker has had enough: bytes do not move the deadline. */
static void a_byte_now_and_then_does_not_extend_the_handshake(void **state) {
    scene_configure("TLS_HANDSHAKE_MS", "500");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->secure_port, 0);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (size_t i = 0; scene_metric(broker, "ahora_timeouts_handshake_total") < 1; i++) {
        const char byte = i < sizeof hello_begun - 1 ? hello_begun[i] : 'x';
        assert_true(scene_clock_ms() < deadline_ms);
        if (send(fd, &byte, 1, MSG_NOSIGNAL) < 0) {
            break;
        }
        scene_sleep(20);
    }
    assert_true(is_closed_by_peer(fd));
    close(fd);
    scene_wait_at_least(broker, "ahora_timeouts_handshake_total", 1);
}

static void who_says_nothing_is_let_go(void **state) {
    scene_configure("TLS_HANDSHAKE_MS", "300");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->secure_port, 0);
    assert_true(is_closed_by_peer(fd));
    close(fd);
    scene_wait_at_least(broker, "ahora_timeouts_handshake_total", 1);
}

#define HALVES 500

/* They hold the slots, wait for slots, and are all let go; and who comes meanwhile has only to wait. */
static void half_handshakes_hold_up_nobody_for_long(void **state) {
    scene_configure("TLS_HANDSHAKES_MAX", "16");
    scene_configure("TLS_HANDSHAKE_MS", "2000");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    int64_t before = scene_memory_kb(broker);
    int fds[HALVES];
    for (size_t i = 0; i < HALVES; i++) {
        fds[i] = http_connect(broker->secure_port, 0);
        assert_true(send(fds[i], hello_begun, sizeof hello_begun - 1, MSG_NOSIGNAL) > 0);
    }
    scene_expect_alive(&wire);
    int64_t held = scene_memory_kb(broker) - before;
    if (held > HALVES * 8) { /* 16 with a slot, some 40 KB each; the others are a socket and half a kilobyte */
        fail_msg("%d half handshakes hold %d KB", HALVES, (int)held);
    }
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS; http_status(broker->port, "/readyz") != 200;) {
        assert_true(scene_clock_ms() < until_ms);
    }
    scene_wait_at_least(broker, "ahora_timeouts_handshake_total", HALVES);
    scene_expect_alive(&wire);
    wire_fini(&wire);
    for (size_t i = 0; i < HALVES; i++) {
        close(fds[i]);
    }
}

/* They have a minute, but not while somebody wants their slot. */
static void who_is_silent_gives_its_slot_to_who_waits(void **state) {
    scene_configure("TLS_HANDSHAKES_MAX", "16");
    scene_configure("TLS_HANDSHAKE_MS", "60m");
    struct broker_process *broker = scene_start(state);
    int fds[48];
    for (size_t i = 0; i < 48; i++) {
        fds[i] = http_connect(broker->secure_port, 0);
        assert_true(send(fds[i], hello_begun, sizeof hello_begun - 1, MSG_NOSIGNAL) > 0);
    }
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS; http_status(broker->port, "/readyz") != 200;) {
        assert_true(scene_clock_ms() < until_ms);
    }
    scene_wait_at_least(broker, "ahora_timeouts_handshake_total", 1);
    for (size_t i = 0; i < 48; i++) {
        close(fds[i]);
    }
}

static void a_handshake_that_goes_away_half_way_is_forgotten(void **state) {
    struct broker_process *broker = scene_start(state);
    for (size_t i = 0; i < 200; i++) {
        int fd = http_connect(broker->secure_port, 0);
        struct linger linger = {.l_onoff = 1};
        send(fd, hello_begun, i % (sizeof hello_begun - 1), MSG_NOSIGNAL);
        if (i % 2 == 0) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        }
        close(fd);
    }
    scene_wait_at_most(broker, "ahora_connections", 1); /* the one that asks */
}

/* ---- the certificate ---- */

static void move_file(const struct broker_process *broker, const char *from, const char *to) {
    char paths[2][192];
    snprintf(paths[0], sizeof paths[0], "%s/%s", broker->directory, from);
    snprintf(paths[1], sizeof paths[1], "%s/%s", broker->directory, to);
    assert_int_equal(rename(paths[0], paths[1]), 0);
}

static void sessions_stay_when_the_certificate_is_read_again(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_MSGPACK);
    assert_true(certificate_make(broker->directory, "next"));
    move_file(broker, "next.pem", "broker.pem");
    move_file(broker, "next.key", "broker.key");
    expect_openssl(broker, "", "subject=CN = broker");
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "certificate-reloaded");
    expect_openssl(broker, "", "subject=CN = next");
    expect_openssl(broker, "", "Verify return code: 0 (ok)");
    scene_expect_alive(&wire);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'i':1}}");
    wire_fini(&wire);
}

static void what_does_not_load_changes_nothing(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    struct bytes out = {0};
    static const char *const harms[] = {
        "echo nonsense > broker.pem",
        "rm broker.pem",
        "cp kept.pem broker.pem && echo nonsense > broker.key",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out broker.key", /* not its key */
        "openssl ec -in kept.key -aes128 -passout pass:word -out broker.key", /* would have to be asked for a password */
        "rm broker.key",
    };
    const size_t count = sizeof harms / sizeof harms[0];
    assert_int_equal(scene_run(&out, "cd '%s' && cp broker.pem kept.pem && cp broker.key kept.key", broker->directory), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(scene_run(&out, "cd '%s' && %s", broker->directory, harms[i]), 0);
        kill(broker->pid, SIGHUP);
        scene_wait_at_least(broker, "ahora_tls_reloads_refused_total",
                            (double)i + 1); /* asked for through the tunnel: new handshakes work */
    }
    assert_true(scene_log_has(broker, "certificate-refused"));
    scene_expect_alive(&wire);
    assert_int_equal(scene_run(&out, "cd '%s' && cp kept.pem broker.pem && cp kept.key broker.key", broker->directory), 0);
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "certificate-reloaded");
    bytes_fini(&out);
    wire_fini(&wire);
}

static void a_start_without_its_files_is_refused(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    static const struct {
        const char *settings;
        const char *words;
    } cases[] = {
        {"", "needs tls.certificate"},
        {"AHORA_TLS_CERTIFICATE=broker.pem", "needs tls.certificate and tls.key"},
        {"AHORA_TLS_CERTIFICATE=none.pem AHORA_TLS_KEY=broker.key", "none.pem"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.pem", "tls.key"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.key AHORA_TLS_CLIENT_CA=broker.key", "tls.client_ca"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.key AHORA_TLS_CLIENT_CA=broker.pem "
         "AHORA_TLS_CLIENT_CRL=broker.pem",
         "tls.client_crl"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.key AHORA_TLS_CLIENT_CRL=broker.pem", "tls.client_crl"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.key AHORA_TLS_MIN_VERSION=1.1", "tls.min_version"},
        {"AHORA_TLS_CERTIFICATE=broker.pem AHORA_TLS_KEY=broker.key AHORA_TLS_CLIENT_CERTIFICATES=maybe",
         "tls.client_certificates"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int test = 0; test < 2; test++) {
            bytes_clear(&out);
            int code = scene_run(
                &out, "broker=$(realpath '%s') && cd '%s' && %s timeout 60 \"$broker\" %s --listen tls:127.0.0.1:%u 2>&1",
                scene_broker_path(), broker->directory, cases[i].settings, test ? "-t" : "", broker->secure_port);
            assert_int_equal(code, 1);
            if (strstr(bytes_text(&out), cases[i].words) == NULL) {
                fail_msg("no \"%s\" in %s", cases[i].words, bytes_text(&out));
            }
        }
    }
    bytes_fini(&out);
}

/* ---- who shows a certificate ---- */

static void write_lines(const struct broker_process *broker, const char *name, const char *lines) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(lines, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/*
 * `lines`: of the file of API keys; NULL: access is open. Ready by its log: where a certificate is required, the tunnel behind
 * which other tests ask /readyz shows none.
 */
static void start_mutual_in(struct broker_process *broker, const char *kind, const char *lines) {
    static char ca[192];
    static char keys[192];
    snprintf(ca, sizeof ca, "%s/ca.pem", broker->directory);
    assert_true(certificate_make(broker->directory, "stranger"));
    assert_true(certificate_make_signed(broker->directory, "till", "ca", "/O=Hotel/CN=till", 1));
    assert_true(certificate_make_signed(broker->directory, "fake", "stranger", "/O=Hotel/CN=till", 1));
    scene_configure("TLS_CLIENT_CA", ca);
    scene_configure("TLS_CLIENT_CERTIFICATES", kind);
    if (lines != NULL) {
        snprintf(keys, sizeof keys, "%s/api_keys", broker->directory);
        write_lines(broker, "api_keys", lines);
        scene_configure("AUTH_API_KEYS", keys);
    }
    assert_true(broker_process_spawn(broker, NULL));
    scene_wait_log(broker, " info ready ");
}

static struct broker_process *start_mutual(void **state, const char *kind, const char *lines) {
    struct broker_process *broker = scene_prepare(state);
    assert_true(certificate_make(broker->directory, "ca"));
    start_mutual_in(broker, kind, lines);
    return broker;
}

static int status_with(const struct broker_process *broker, struct bytes *out, const char *certificate) {
    char option[400] = "";
    bytes_clear(out);
    if (certificate != NULL) {
        snprintf(option, sizeof option, "--cert '%s/%s.pem' --cert-key '%s/%s.key'", broker->directory, certificate,
                 broker->directory, certificate);
    }
    return scene_run(out, "timeout 60 %s status -s https://localhost:%u --ca '%s/broker.pem' %s 2>&1", scene_client_path(),
                     broker->secure_port, broker->directory, option);
}

static void wait_for_status(const struct broker_process *broker, const char *certificate) {
    struct bytes out = {0};
    for (int64_t until_ms = scene_clock_ms() + PATIENCE_MS; status_with(broker, &out, certificate) != 0;) {
        if (scene_clock_ms() > until_ms) {
            fail_msg("%s", bytes_text(&out));
        }
        scene_sleep(20);
    }
    bytes_fini(&out);
}

static void where_a_certificate_is_required_nobody_else_gets_in(void **state) {
    struct broker_process *broker = start_mutual(state, "required", NULL);
    struct bytes out = {0};
    wait_for_status(broker, "till");
    assert_int_equal(status_with(broker, &out, NULL), 2);
    assert_int_equal(status_with(broker, &out, "fake"), 2);
    assert_int_equal(status_with(broker, &out, "stranger"), 2);
    assert_int_equal(http_status(broker->port, "/readyz"), 0); /* the tunnel shows none */
    assert_int_equal(status_with(broker, &out, "till"), 0);
    assert_true(scene_log_has(broker, "handshake-failed"));
    bytes_fini(&out);
}

/* A list by the authority `ca`, with what `revoked` names besides what it had; NULL: nothing more. */
static void make_list(const struct broker_process *broker, const char *revoked) {
    struct bytes out = {0};
    const char *const ca = "openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem";
    int code = scene_run(&out,
                         "cd '%s' && { [ -e index.txt ] || : >index.txt; } && "
                         "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\ndefault_md=sha256\\n' >ca.cnf && "
                         "{ [ -z '%s' ] || %s -revoke '%s.pem'; } && %s -gencrl -crldays 1 -out ca.crl 2>&1",
                         broker->directory, revoked != NULL ? revoked : "", ca, revoked != NULL ? revoked : "", ca);
    if (code != 0) {
        fail_msg("%s", bytes_text(&out));
    }
    bytes_fini(&out);
}

static void a_certificate_that_is_revoked_is_turned_away(void **state) {
    static char list[192];
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    assert_true(certificate_make(broker->directory, "ca"));
    make_list(broker, NULL);
    snprintf(list, sizeof list, "%s/ca.crl", broker->directory);
    scene_configure("TLS_CLIENT_CRL", list);
    start_mutual_in(broker, "required", NULL);
    assert_true(certificate_make_signed(broker->directory, "desk", "ca", "/O=Hotel/CN=desk", 2));
    wait_for_status(broker, "till");
    assert_int_equal(status_with(broker, &out, "desk"), 0);
    make_list(broker, "till");
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "certificate-reloaded");
    assert_int_equal(status_with(broker, &out, "till"), 2);
    assert_int_equal(status_with(broker, &out, "desk"), 0);
    write_lines(broker, "ca.crl", "nothing\n");
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "certificate-refused");
    assert_int_equal(status_with(broker, &out, "till"), 2); /* what was known stays */
    assert_int_equal(status_with(broker, &out, "desk"), 0);
    bytes_fini(&out);
}

static void a_certificate_may_be_optional_but_not_wrong(void **state) {
    struct broker_process *broker = start_mutual(state, "optional", NULL);
    struct bytes out = {0};
    wait_for_status(broker, "till");
    assert_int_equal(status_with(broker, &out, NULL), 0);
    assert_int_equal(status_with(broker, &out, "fake"), 2);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    bytes_fini(&out);
}

/* What curl is answered that shows this certificate: status and body. `request`: its last arguments, behind the address. */
static void expect_curl(const struct broker_process *broker, const char *certificate, const char *request, const char *words) {
    struct bytes out = {0};
    scene_run(&out,
              "cd '%s' && curl -sS --max-time 60 -w ' %%{http_code}' --cacert broker.pem --cert %s.pem --key %s.key "
              "https://localhost:%u%s 2>&1",
              broker->directory, certificate, certificate, broker->secure_port, request);
    if (strstr(bytes_text(&out), words) == NULL) {
        fail_msg("%s%s: no \"%s\" in %s", certificate, request, words, bytes_text(&out));
    }
    bytes_fini(&out);
}

#define TILLS_LINE "till cert:\"CN=till,O=Hotel\" sub=stock/** pub=stock/a/*\n"
#define SET(topic) "/v1/publish --json '{\"changes\":[{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":{\"on_hand\":3}}]}'"

/* The same root vouches for all of them; what each may do is said by the line with its subject, and by none but that. */
static void a_certificate_has_the_rights_of_its_subjects_line(void **state) {
    struct broker_process *broker = start_mutual(state, "required", TILLS_LINE);
    assert_true(certificate_make_signed(broker->directory, "guest", "ca", "/O=Hotel/CN=guest", 1));
    wait_for_status(broker, "till");
    expect_curl(broker, "till", SET("stock/a/1"), "\"seq\":1");
    expect_curl(broker, "till", SET("stock/b/1"), "forbidden");
    expect_curl(broker, "till", "/v1/topics/stock/a/1", " 200");
    expect_curl(broker, "till", "/v1/topics/room/h/r/2027-01-01", " 403");
    expect_curl(broker, "guest", SET("stock/a/1"), " 401");
    expect_curl(broker, "guest", "/v1/topics/stock/a/1", " 401");

    /* Its line is gone: so are its rights, on a connection that is new. */
    write_lines(broker, "api_keys", "guest cert:\"CN=guest,O=Hotel\" sub=stock/**\n");
    kill(broker->pid, SIGHUP);
    scene_wait_log(broker, "credentials-reloaded");
    expect_curl(broker, "till", "/v1/topics/stock/a/1", " 401");
    expect_curl(broker, "guest", "/v1/topics/stock/a/1", " 200");
}

/* A WebSocket says `hello` without a token: its certificate speaks for it. */
static void a_certificate_speaks_for_a_websocket(void **state) {
    struct broker_process *broker = start_mutual(state, "required", TILLS_LINE);
    struct bytes out = {0};
    wait_for_status(broker, "till");
    expect_curl(broker, "till", SET("stock/a/1"), "\"seq\":1");
    scene_run(&out,
              "export AHORA_URL=wss://localhost:%u; ahora='%s'; dir='%s'; "
              "tls=\"--ca $dir/broker.pem --cert $dir/till.pem --cert-key $dir/till.key\"; "
              "timeout 60 $ahora sub $tls --until-live 'stock/**' 2>&1 | grep -c stock/a/1; "
              "timeout 60 $ahora sub $tls --until-live 'room/**' 2>&1 | grep -c forbidden",
              broker->secure_port, scene_client_path(), broker->directory);
    if (strcmp(bytes_text(&out), "1\n1\n") != 0) {
        fail_msg("%s", bytes_text(&out));
    }
    bytes_fini(&out);
}

/* ---- the same broker behind it ---- */

/* Documents around the size of a record (16,384 bytes) come back as they went in, both ways. */
static void documents_of_any_size_go_through(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_say(&wire, "{'op':'sub','id':1,'match':['order/**']}");
    json_decref(scene_hear_op(&wire, "live"));
    static const int sizes[] = {0, 1, 16000, 16300, 16383, 16384, 16385, 16500, 32768, 40000, 60000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bytes fill = {0};
        for (int at = 0; at < sizes[i]; at++) {
            bytes_printf(&fill, "%c", 'a' + (at * 7 + at / 251) % 26);
        }
        struct http_response response;
        struct bytes body = {0};
        char target[64];
        snprintf(target, sizeof target, "/v1/topics/order/%d", sizes[i]);
        bytes_printf(&body, "{\"fill\":\"%s\"}", bytes_text(&fill));
        assert_int_equal(scene_http(broker, "PUT", target, NULL, bytes_text(&body), &response), 201);
        http_response_fini(&response);
        json_t *set = scene_hear_op(&wire, "set");
        assert_string_equal(wire_text(json_object_get(set, "data"), "fill"), bytes_text(&fill));
        json_decref(set);
        assert_true(scene_holds(broker, target + strlen("/v1/topics/"), "{'fill':'%s'}", bytes_text(&fill)));
        bytes_fini(&fill);
        bytes_fini(&body);
    }
    wire_fini(&wire);
}

#define ROUNDS 400

/* It reads nothing while some 6 MB are published, and then ends with the newest of everything, in order. */
static void a_slow_reader_gets_the_newest(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire slow;
        struct wire publisher;
        assert_true(wire_open_with(&slow, broker->port, codec, &(struct wire_options){.receive_bytes = 4096}));
        scene_say(&slow, "{'op':'hello'}");
        json_decref(scene_hear_op(&slow, "welcome"));
        scene_say(&slow, "{'op':'sub','id':1,'match':['stock/**']}");
        json_decref(scene_hear_op(&slow, "live"));
        scene_open(&publisher, broker, CODEC_JSON);
        double choked = scene_metric(broker, "ahora_session_choked_total");
        int64_t last = 0;
        for (int i = 1; i <= ROUNDS || scene_metric(broker, "ahora_session_choked_total") == choked; i++) {
            last = scene_apply(&publisher, "{'op':'set','topic':'stock/a/%d','data':{'i':%d,'fill':'%016000d'}}", i % 7, i, i);
            assert_true(i < 100 * ROUNDS);
        }
        int64_t seq = 0;
        while (seq < last) {
            json_t *set = scene_hear_op(&slow, "set");
            assert_true(scene_int(set, "seq") > seq);
            seq = scene_int(set, "seq");
            json_decref(set);
        }
        assert_null(slow.fault);
        scene_expect_alive(&publisher);
        wire_fini(&slow);
        wire_fini(&publisher);
    }
}

static void events_and_lines_go_through(void **state) {
    scene_configure("LIMITS_BEAT_MS", "200"); /* curl notices with the next bytes that nobody reads it any more */
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    assert_int_equal(
        scene_run(&out,
                  "url=https://localhost:%u; curl=\"curl -sS --max-time 60 --cacert %s/broker.pem\"; "
                  "for i in $(seq 1 3000); do echo "
                  "\"{\\\"op\\\":\\\"set\\\",\\\"topic\\\":\\\"order/$i\\\",\\\"data\\\":{\\\"i\\\":$i}}\"; done | "
                  "$curl -H 'Content-Type: application/x-ndjson' --data-binary @- $url/v1/publish | grep -c '^{\"seq\"' && "
                  "$curl -N \"$url/v1/stream?match=order/**\" 2>/dev/null | grep -m 3000 -c '^event: set'",
                  broker->secure_port, broker->directory),
        0);
    assert_string_equal(bytes_text(&out), "3000\n3000\n");
    bytes_fini(&out);
}

static void the_client_follows_over_wss(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    assert_int_equal(
        scene_run(&out,
                  "export AHORA_URL=wss://localhost:%u; ahora=%s; ca='--ca %s/broker.pem'; "
                  "for i in 1 2 3; do $ahora put $ca order/$i \"{\\\"i\\\":$i}\" >/dev/null || exit 9; done; "
                  "timeout 60 $ahora sub $ca --until-live 'order/*' | grep -c set; "
                  "timeout 60 $ahora get order/1; echo $?; timeout 60 $ahora get --insecure order/1 >/dev/null; echo $?",
                  broker->secure_port, scene_client_path(), broker->directory),
        0);
    const char *text = bytes_text(&out);
    assert_true(strncmp(text, "3\n", 2) == 0);
    assert_non_null(strstr(text, "not trusted"));
    assert_non_null(strstr(text, "\n2\n0\n"));
    bytes_fini(&out);
}

#define IDLE 150

/* The budget's figure, with the same allowance as test_budget. Buffers for records would be 34 KB more. */
static void an_idle_connection_costs_what_the_budget_says(void **state) {
    static struct wire wires[2 * IDLE];
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    int64_t before = 0;
    assert_int_equal(
        scene_run(&out,
                  "'%s' --budget | awk '/^TLS, on top /{tls=$NF} /^connection, subscribed/{plain=$NF} END {print plain+tls}'",
                  scene_broker_path()),
        0);
    int64_t budget = strtoll(bytes_text(&out), NULL, 10);
    bytes_fini(&out);
    assert_true(budget > 10000);
    for (int i = 0; i < 2 * IDLE; i++) {
        before = i == IDLE ? scene_memory_kb(broker) : before;
        scene_open(&wires[i], broker, CODEC_MSGPACK);
    }
    int64_t each = (scene_memory_kb(broker) - before) * 1024 / IDLE;
    for (int i = 0; i < 2 * IDLE; i++) {
        wire_fini(&wires[i]);
    }
    print_message("  with TLS: budget %lld bytes, taken %lld\n", (long long)budget, (long long)each);
    assert_true(each < budget * 3 / 2);
}

static void sessions_end_with_a_word_when_the_broker_stops(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    kill(broker->pid, SIGTERM);
    json_decref(scene_hear_op(&wire, "bye"));
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1001);
    assert_int_equal(broker_process_wait_end(broker), 0);
    wire_fini(&wire);
}

int main(void) {
    setenv("AHORA_TEST_TLS", "build/tests/tls-tunnel", 0);
    const struct CMUnitTest tests[] = {
        CASE(tls_1_2_and_1_3_are_spoken_and_nothing_older),
        CASE(an_operator_may_allow_1_3_alone),
        CASE(only_ciphers_with_forward_secrecy_and_authentication),
        CASE(alpn_is_http_1_1_and_never_h2),
        CASE(nothing_is_renegotiated),
        CASE(a_ticket_resumes_until_the_certificate_is_read_again),
        CASE(who_forgets_the_s_of_https_is_told),
        CASE(garbage_ends_the_connection_and_nothing_else),
        CASE(a_byte_now_and_then_does_not_extend_the_handshake),
        CASE(who_says_nothing_is_let_go),
        CASE(half_handshakes_hold_up_nobody_for_long),
        CASE(who_is_silent_gives_its_slot_to_who_waits),
        CASE(a_handshake_that_goes_away_half_way_is_forgotten),
        CASE(sessions_stay_when_the_certificate_is_read_again),
        CASE(what_does_not_load_changes_nothing),
        CASE(a_start_without_its_files_is_refused),
        CASE(where_a_certificate_is_required_nobody_else_gets_in),
        CASE(a_certificate_that_is_revoked_is_turned_away),
        CASE(a_certificate_may_be_optional_but_not_wrong),
        CASE(a_certificate_has_the_rights_of_its_subjects_line),
        CASE(a_certificate_speaks_for_a_websocket),
        CASE(documents_of_any_size_go_through),
        CASE(a_slow_reader_gets_the_newest),
        CASE(events_and_lines_go_through),
        CASE(the_client_follows_over_wss),
        CASE(an_idle_connection_costs_what_the_budget_says),
        CASE(sessions_end_with_a_word_when_the_broker_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
