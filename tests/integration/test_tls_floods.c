/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Records that cost the broker more than the peer: key updates, hellos in the middle of TLS 1.2, a handshake and data in crumbs. OpenSSL's client
 * makes the connections; what it would never send is sealed here (RFC 5246 section 6.3, RFC 5288).
 */
#include "tests/integration/scene.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define KEY_BYTES 16
#define SALT_BYTES 4
#define TAG_BYTES 16
#define FLOOD 20000 /* records; the bound is 64 */

struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    uint8_t key[KEY_BYTES]; /* ours, of TLS 1.2 */
    uint8_t salt[SALT_BYTES];
    uint64_t sequence;
};

/* ---- a peer that does wrong ---- */

static void peer_init(struct peer *peer, const struct broker_process *broker, int version) {
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    *peer = (struct peer){.ctx = SSL_CTX_new(TLS_client_method()), .fd = http_connect(broker->secure_port, 0)};
    assert_true(peer->fd >= 0);
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL_CTX_set_min_proto_version(peer->ctx, version);
    SSL_CTX_set_max_proto_version(peer->ctx, version);
    SSL_CTX_set_cipher_list(peer->ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
    peer->ssl = SSL_new(peer->ctx);
    SSL_set_fd(peer->ssl, peer->fd);
    assert_int_equal(SSL_connect(peer->ssl), 1);
}

static void peer_fini(struct peer *peer) {
    ERR_clear_error();
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->ctx);
    close(peer->fd);
}

/* The keys that both sides have made of the secret. Our Finished was record 0. */
static void take_keys(struct peer *peer) {
    uint8_t secret[48];
    uint8_t seed[13 + 64] = "key expansion";
    uint8_t block[2 * (KEY_BYTES + SALT_BYTES)];
    const size_t secret_bytes = SSL_SESSION_get_master_key(SSL_get_session(peer->ssl), secret, sizeof secret);
    assert_int_equal(secret_bytes, sizeof secret);
    SSL_get_server_random(peer->ssl, seed + 13, 32);
    SSL_get_client_random(peer->ssl, seed + 45, 32);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *derive = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, sizeof secret),
                                 OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
                                 OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(derive, block, sizeof block, params), 1);
    EVP_KDF_CTX_free(derive);
    EVP_KDF_free(kdf);
    memcpy(peer->key, block, KEY_BYTES);
    memcpy(peer->salt, block + 2 * KEY_BYTES, SALT_BYTES);
    peer->sequence = 1;
}

static void put_64(uint8_t *to, uint64_t number) {
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(number >> (56 - 8 * i));
    }
}

/* One record of that type; how many bytes. */
static size_t seal(struct peer *peer, uint8_t type, const void *data, size_t bytes, uint8_t *record) {
    const size_t length = 8 + bytes + TAG_BYTES;
    uint8_t nonce[12];
    uint8_t around[13] = {[8] = type, 3, 3, (uint8_t)(bytes >> 8), (uint8_t)bytes};
    int got;
    memcpy(nonce, peer->salt, SALT_BYTES);
    put_64(nonce + SALT_BYTES, peer->sequence);
    put_64(around, peer->sequence++);
    memcpy(record, (uint8_t[]){type, 3, 3, (uint8_t)(length >> 8), (uint8_t)length}, 5);
    memcpy(record + 5, nonce + SALT_BYTES, 8);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, peer->key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &got, around, sizeof around), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, record + 13, &got, data, (int)bytes), 1);
    assert_int_equal(EVP_EncryptFinal_ex(cipher, record + 13 + bytes, &got), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, record + 13 + bytes), 1);
    EVP_CIPHER_CTX_free(cipher);
    return 5 + length;
}

static bool send_all(int fd, const uint8_t *data, size_t bytes) {
    while (bytes > 0) {
        const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

/* ---- what must come of it ---- */

static void wait_flood(const struct broker_process *broker, double count) {
    for (const int64_t until_ms = scene_clock_ms() + PATIENCE_MS; scene_metric(broker, "ahora_tls_floods_total") < count;) {
        assert_true(scene_clock_ms() < until_ms);
        scene_sleep(10);
    }
    assert_true(scene_metric(broker, "ahora_tls_floods_total") == count);
}

/* ---- cases ---- */

static void a_flood_of_key_updates_ends_the_connection(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    struct peer peer;
    scene_open(&wire, broker, CODEC_JSON);
    peer_init(&peer, broker, TLS1_3_VERSION);
    bool goes_on = true;
    for (int i = 0; i < FLOOD && goes_on; i++) {
        goes_on = SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(peer.ssl) == 1;
        ERR_clear_error();
    }
    wait_flood(broker, 1);
    scene_expect_alive(&wire);
    peer_fini(&peer);
    wire_fini(&wire);
}

/* As many as the operator allows are answered. */
static void how_many_is_the_operators_choice(void **state) {
    scene_configure("TLS_IDLE_RECORDS_MAX", "1000");
    struct broker_process *broker = scene_start(state);
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct peer peer;
    char answer[64] = "";
    peer_init(&peer, broker, TLS1_3_VERSION);
    for (int i = 0; i < 200; i++) {
        assert_true(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(peer.ssl) == 1);
    }
    assert_int_equal(SSL_write(peer.ssl, request, sizeof request - 1), sizeof request - 1);
    assert_true(SSL_read(peer.ssl, answer, sizeof answer - 1) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_true(scene_metric(broker, "ahora_tls_floods_total") == 0);
    peer_fini(&peer);
}

/* With renegotiation off, OpenSSL answers each with a warning and reads on, within one call. */
static void a_flood_of_hellos_in_the_middle_ends_the_connection(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    struct peer peer;
    uint8_t record[64];
    scene_open(&wire, broker, CODEC_JSON);
    peer_init(&peer, broker, TLS1_2_VERSION);
    take_keys(&peer);
    for (int i = 0; i < FLOOD; i++) {
        if (!send_all(peer.fd, record, seal(&peer, SSL3_RT_HANDSHAKE, "\x01\x00\x00\x00", 4, record))) {
            break;
        }
    }
    wait_flood(broker, 1);
    scene_expect_alive(&wire);
    peer_fini(&peer);
    wire_fini(&wire);
}

/* A hello of 16 KB is allowed, but not byte by byte. */
static void a_handshake_in_crumbs_is_given_up(void **state) {
    struct broker_process *broker = scene_start(state);
    const int fd = http_connect(broker->secure_port, 0);
    const uint8_t head[] = {1, 0, 0x3f, 0xf0, 3, 3};
    for (size_t i = 0; i < 16000; i++) {
        const uint8_t record[] = {0x16, 3, 1, 0, 1, i < sizeof head ? head[i] : 'x'};
        if (!send_all(fd, record, sizeof record)) {
            break;
        }
    }
    wait_flood(broker, 1);
    assert_true(scene_metric(broker, "ahora_tls_handshakes_failed_total") >= 1);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    close(fd);
}

/* Slow for who sends them, and nobody else; nothing is lost. */
static void data_in_crumbs_comes_through(void **state) {
    struct broker_process *broker = scene_start(state);
    struct peer peer;
    static uint8_t records[2000 * 32];
    char request[2048];
    char answer[64] = "";
    size_t bytes = 0;
    peer_init(&peer, broker, TLS1_2_VERSION);
    take_keys(&peer);
    const int count = snprintf(request, sizeof request, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Fill: %01500d\r\n\r\n", 1);
    for (int i = 0; i < count; i++) {
        bytes += seal(&peer, SSL3_RT_APPLICATION_DATA, &request[i], 1, records + bytes);
    }
    assert_true(send_all(peer.fd, records, bytes));
    assert_true(SSL_read(peer.ssl, answer, sizeof answer - 1) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_true(scene_metric(broker, "ahora_tls_floods_total") == 0);
    peer_fini(&peer);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(a_flood_of_key_updates_ends_the_connection),
        CASE(how_many_is_the_operators_choice),
        CASE(a_flood_of_hellos_in_the_middle_ends_the_connection),
        CASE(a_handshake_in_crumbs_is_given_up),
        CASE(data_in_crumbs_comes_through),
    };
    signal(SIGPIPE, SIG_IGN);
    setenv("AHORA_TEST_TLS", "build/tests/tls-tunnel", 0);
    return cmocka_run_group_tests(cases, NULL, NULL);
}
