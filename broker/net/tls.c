/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/tls.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#define SILENT_MS 1000             /* a round trip, with time to compute, is shorter */
#define DATA_FOR_IDLE_RECORD 65536 /* bytes, to decipher which costs as much */
#define READS_MAX 64               /* in one turn: 1 MiB in whole records, and 0.2 ms if each holds a byte */

static struct tls *tls_of(struct transport *transport) {
    return CONTAINER_OF(transport, struct tls, transport);
}

static void list_in(struct tls *tls, struct link *list) {
    link_remove(&tls->link);
    list_append(list, &tls->link);
}

/* ---- reading and writing ---- */

static bool has_unread(const struct tls *tls) {
    return tls->end != 0 || SSL_pending(tls->ssl) > 0;
}

/* Whether this turn or the next has to tell the owner of bytes that no socket tells of. */
static void note_unread(struct tls *tls) {
    struct broker *broker = tls->transport.broker;
    if ((tls->transport.wanted & TRANSPORT_READ) == 0 || !has_unread(tls)) {
        link_remove(&tls->link);
    } else if (!link_is_listed(&tls->link)) {
        list_append(&broker->tls.unread, &tls->link);
        broker->loop.dirty = true;
    }
}

static void update_poll(struct tls *tls) {
    int wanted = tls->transport.wanted;
    int events = wanted & TRANSPORT_WRITE ? UV_WRITABLE : 0;
    if ((wanted & TRANSPORT_READ) && tls->end == 0) {
        events |= tls->read_writes ? UV_WRITABLE : UV_READABLE;
    }
    transport_poll(&tls->transport, events);
}

/* Why OpenSSL gave nothing: 0 for now, or for good. A peer that goes without saying so may have been cut off by somebody: that is no end. */
static ssize_t outcome_of(struct tls *tls, int result) {
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_WANT_WRITE:
        tls->read_writes = true;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        ERR_clear_error();
        SSL_set_quiet_shutdown(tls->ssl, 1);
        return TRANSPORT_BROKEN;
    }
}

/* OpenSSL tells of each record before it looks at it, and goes on by itself until no more is there; what it throws away when it believes
   that the peer has ended, ends the call. (Refusing the record from within the callback is not possible.) */
static void on_record(int is_written, int version, int type, const void *data, size_t bytes, SSL *ssl, void *user) {
    struct tls *tls = user;
    const bool is_record = type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE;
    (void)version;
    if (is_written || !is_record || bytes == 0 || *(const uint8_t *)data == SSL3_RT_APPLICATION_DATA) {
        return;
    }
    const uint64_t records_max = (uint64_t)tls->transport.broker->config.idle_records_max;
    if (++tls->idle_records > records_max + tls->read_bytes / DATA_FOR_IDLE_RECORD) {
        tls->is_flooding = true;
        SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
    }
}

static void note_flood(struct tls *tls) {
    struct broker *broker = tls->transport.broker;
    char address[TRANSPORT_ADDRESS_BYTES];
    transport_put_address(&tls->transport, address);
    broker->metrics.tls_floods++;
    log_event_limited(&broker->log, &broker->tls_log, broker->now_ms, LOG_WARN, "records-without-data",
                      "address=%s records=%" PRIu64, address, tls->idle_records);
}

/* Nothing more is said, either: an answer to each is what a flood wants. */
static void end_flood(struct tls *tls) {
    note_flood(tls);
    SSL_set_quiet_shutdown(tls->ssl, 1);
    tls->end = TRANSPORT_BROKEN;
}

static ssize_t tls_read(struct transport *transport, uint8_t *data, size_t bytes) {
    struct tls *tls = tls_of(transport);
    size_t got = 0;
    tls->read_writes = false;
    ERR_clear_error();
    for (int left = READS_MAX; left > 0 && tls->end == 0 && got < bytes; left--) {
        size_t part = bytes - got < INT32_MAX ? bytes - got : INT32_MAX;
        int result = SSL_read(tls->ssl, data + got, (int)part);
        if (result <= 0) {
            tls->end = outcome_of(tls, result);
            break;
        }
        got += (size_t)result;
    }
    tls->read_bytes += got;
    if (tls->is_flooding && tls->end != TRANSPORT_BROKEN) {
        end_flood(tls);
    }
    note_unread(tls);
    update_poll(tls);
    return got > 0 ? (ssize_t)got : tls->end;
}

/* A write never has to wait for the peer's bytes: there is no renegotiation. */
static ssize_t tls_write(struct transport *transport, struct span bytes) {
    struct tls *tls = tls_of(transport);
    size_t sent = 0;
    ERR_clear_error();
    while (sent < bytes.bytes) {
        size_t part = bytes.bytes - sent < INT32_MAX ? bytes.bytes - sent : INT32_MAX;
        int result = SSL_write(tls->ssl, bytes.data + sent, (int)part);
        if (result <= 0) {
            int reason = SSL_get_error(tls->ssl, result);
            if (reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ) {
                break;
            }
            ERR_clear_error();
            SSL_set_quiet_shutdown(tls->ssl, 1);
            tls->end = TRANSPORT_BROKEN;
            return TRANSPORT_BROKEN;
        }
        sent += (size_t)result;
    }
    return (ssize_t)sent;
}

static void tls_want(struct transport *transport) {
    struct tls *tls = tls_of(transport);
    note_unread(tls);
    update_poll(tls);
}

/* First our close_notify, then the end of the stream: one for those who know TLS, one for the rest. */
static void tls_shut(struct transport *transport) {
    struct tls *tls = tls_of(transport);
    tls->shut = true;
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
    shutdown(transport->fd, SHUT_WR);
}

/* ---- the handshake ---- */

static void give_slot_back(struct tls *tls) {
    if (tls->has_slot) {
        tls->has_slot = false;
        tls->transport.broker->tls.handshakes--;
    }
}

static void tls_fini(struct transport *transport) {
    struct tls *tls = tls_of(transport);
    link_remove(&tls->link);
    link_remove(&tls->client);
    deadline_clear(&tls->deadline);
    give_slot_back(tls);
    if (tls->established) {
        transport->broker->metrics.tls_connections--;
        ERR_clear_error();
        if (!tls->shut && tls->end != TRANSPORT_BROKEN) {
            SSL_shutdown(tls->ssl); /* if it goes at once; nobody waits for the peer's */
        }
        ERR_clear_error();
    }
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

static void on_deadline(struct deadline *deadline) {
    struct tls *tls = CONTAINER_OF(deadline, struct tls, deadline);
    tls->transport.broker->metrics.timeouts_handshake++;
    transport_close(&tls->transport);
}

/* Somebody forgot the s of https: an answer they can read. What they sent must be taken, or closing would destroy the answer on its way. */
static void answer_in_plain(struct transport *transport) {
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"code\":\"bad_message\","
                               "\"detail\":\"this port speaks TLS: https, wss\"}\n";
    char text[512];
    int bytes = snprintf(text, sizeof text,
                         "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n%s",
                         sizeof body - 1, body);
    uint8_t *scratch = transport->broker->loop.scratch;
    if (recv(transport->fd, scratch, LOOP_SCRATCH_BYTES, 0) >= 0 &&
        send(transport->fd, text, (size_t)bytes, MSG_NOSIGNAL) > 0) {
        shutdown(transport->fd, SHUT_WR);
    }
}

static void fail(struct tls *tls) {
    struct broker *broker = tls->transport.broker;
    unsigned long error = ERR_peek_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    char address[TRANSPORT_ADDRESS_BYTES];
    transport_put_address(&tls->transport, address);
    broker->metrics.tls_failed++;
    broker->metrics.tls_floods += tls->is_flooding;
    log_event_limited(&broker->log, &broker->tls_log, broker->now_ms, LOG_WARN, "handshake-failed", "address=%s reason=\"%s\"",
                      address,
                      tls->is_flooding ? "too many records"
                      : reason != NULL ? reason
                                       : "the peer went away");
    if (ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST) {
        answer_in_plain(&tls->transport);
    }
    ERR_clear_error();
    transport_close(&tls->transport);
}

static void finish(struct tls *tls) {
    struct net_metrics *metrics = &tls->transport.broker->metrics;
    tls->established = true;
    deadline_clear(&tls->deadline);
    give_slot_back(tls);
    metrics->tls_handshakes++;
    metrics->tls_resumed += SSL_session_reused(tls->ssl) ? 1 : 0;
    metrics->tls_connections++;
    tls_clients_add(tls);
    connection_open(&tls->transport);
}

static void wait_for_peer(struct tls *tls, int uv_events) {
    struct broker *broker = tls->transport.broker;
    list_in(tls, tls->has_slot ? &broker->tls.shaking : &broker->tls.mute);
    tls->silent_since_ms = broker->now_ms;
    transport_poll(&tls->transport, uv_events);
}

static void step(struct tls *tls) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    int reason = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, result);
    if (reason == SSL_ERROR_NONE) {
        finish(tls);
    } else if (reason == SSL_ERROR_WANT_READ) {
        wait_for_peer(tls, UV_READABLE);
    } else if (reason == SSL_ERROR_WANT_WRITE) {
        wait_for_peer(tls, UV_WRITABLE);
    } else {
        fail(tls);
    }
}

/* Nothing is spent on a peer that says nothing: OpenSSL is asked when its first bytes are there. */
static void begin(struct tls *tls) {
    struct broker *broker = tls->transport.broker;
    tls->has_slot = true;
    broker->tls.handshakes++;
    tls->ssl = tls_context_open(&broker->shards->tls);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, tls->transport.fd) != 1) {
        broker->metrics.refused_other++;
        transport_close(&tls->transport);
        return;
    }
    SSL_set_msg_callback(tls->ssl, on_record);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    SSL_set_accept_state(tls->ssl);
    step(tls);
}

static void on_event(struct transport *transport, int status, int events) {
    struct tls *tls = tls_of(transport);
    if (tls->established) {
        int wanted = transport->wanted;
        int ready = (events & UV_READABLE ? TRANSPORT_READ : 0) | (events & UV_WRITABLE ? wanted & TRANSPORT_WRITE : 0);
        ready |= tls->read_writes && (events & UV_WRITABLE) ? TRANSPORT_READ : 0;
        transport->on_ready(transport->owner, status < 0 ? TRANSPORT_LOST : ready);
        return;
    }
    transport_poll(transport, 0);
    list_in(tls, tls->ssl == NULL ? &transport->broker->tls.waiting : &transport->broker->tls.stepping);
}

const struct transport_calls transport_tls = {
    .read = tls_read,
    .write = tls_write,
    .want = tls_want,
    .shut = tls_shut,
    .on_event = on_event,
    .fini = tls_fini,
};

void tls_start(struct transport *transport) {
    struct tls *tls = tls_of(transport);
    struct broker *broker = transport->broker;
    transport->calls = &transport_tls;
    tls->deadline.on_expired = on_deadline;
    deadline_set(&broker->deadlines, &tls->deadline, DEADLINE_HANDSHAKE, broker->now_ms);
    wait_for_peer(tls, UV_READABLE);
}

/* ---- the turn ---- */

static void tell_unread(struct broker *broker) {
    struct link now;
    list_init(&now);
    for (struct link *link; (link = list_pop(&broker->tls.unread)) != NULL;) {
        list_append(&now, link);
    }
    for (struct link *link; (link = list_pop(&now)) != NULL;) {
        struct transport *transport = &CONTAINER_OF(link, struct tls, link)->transport;
        transport->on_ready(transport->owner, TRANSPORT_READ);
    }
}

static bool has_room(const struct broker *broker) {
    return broker->tls.handshakes < (size_t)broker->config.handshakes_max;
}

static bool is_crowded(const struct broker *broker) {
    return !has_room(broker) && !list_is_empty(&broker->tls.waiting) && !list_is_empty(&broker->tls.shaking);
}

int64_t tls_next_due(const struct broker *broker) {
    const struct link *first = broker->tls.shaking.next;
    return is_crowded(broker) ? CONTAINER_OF((struct link *)(uintptr_t)first, struct tls, link)->silent_since_ms + SILENT_MS
                              : INT64_MAX;
}

/* Half handshakes hold a slot as long as nobody else wants it, and a second beyond that. */
static void make_room(struct broker *broker) {
    while (is_crowded(broker) && tls_next_due(broker) <= broker->now_ms) {
        struct tls *tls = CONTAINER_OF(broker->tls.shaking.next, struct tls, link);
        broker->metrics.timeouts_handshake++;
        transport_close(&tls->transport);
    }
}

/* Those who began are served first: their memory is what the others wait for. */
bool tls_work(struct broker *broker) {
    struct tls_queues *queues = &broker->tls;
    int64_t left = broker->config.handshake_steps_max;
    struct link *link;
    tell_unread(broker);
    make_room(broker);
    for (; left > 0 && (link = list_pop(&queues->stepping)) != NULL; left--) {
        step(CONTAINER_OF(link, struct tls, link));
    }
    for (; left > 0 && has_room(broker) && (link = list_pop(&queues->waiting)) != NULL; left--) {
        begin(CONTAINER_OF(link, struct tls, link));
    }
    const bool more_clients = tls_clients_work(broker);
    return more_clients || !list_is_empty(&queues->unread) || !list_is_empty(&queues->stepping) ||
           (has_room(broker) && !list_is_empty(&queues->waiting));
}

void tls_queues_init(struct tls_queues *queues) {
    list_init(&queues->mute);
    list_init(&queues->waiting);
    list_init(&queues->shaking);
    list_init(&queues->stepping);
    list_init(&queues->unread);
    queues->handshakes = 0;
    tls_clients_init(&queues->clients);
}

static void close_all(struct link *list) {
    while (!list_is_empty(list)) {
        transport_close(&CONTAINER_OF(list->next, struct tls, link)->transport);
    }
}

void tls_close_handshakes(struct broker *broker) {
    close_all(&broker->tls.mute);
    close_all(&broker->tls.waiting);
    close_all(&broker->tls.shaking);
    close_all(&broker->tls.stepping);
}

/* ---- who it is ---- */

bool tls_subject(struct transport *transport, char text[TLS_SUBJECT_BYTES]) {
    text[0] = '\0';
    if (transport->calls != &transport_tls) {
        return false;
    }
    struct tls *tls = tls_of(transport);
    X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
    if (certificate == NULL) {
        return false;
    }
    BIO *out = BIO_new(BIO_s_mem());
    bool good = SSL_get_verify_result(tls->ssl) == X509_V_OK && out != NULL &&
                X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) > 0 &&
                BIO_pending(out) < TLS_SUBJECT_BYTES;
    if (good) {
        int bytes = BIO_read(out, text, TLS_SUBJECT_BYTES - 1);
        text[bytes > 0 ? bytes : 0] = '\0';
        good = bytes > 0;
    }
    BIO_free(out);
    X509_free(certificate);
    return good;
}
