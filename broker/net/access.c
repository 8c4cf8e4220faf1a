/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/access.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/text_file.h"
#include "broker/net/tls.h"
#include "proto/pack.h"

#define REVOKED_BYTES_MAX ((size_t)16 << 20)

bool access_is_controlled(const struct config *config) {
    return config->auth_keys[0] != '\0' || config->auth_jwks[0] != '\0' || config->auth_api_keys[0] != '\0';
}

static struct jwt_policy policy_of(const struct config *config) {
    return (struct jwt_policy){.issuer = config->auth_issuer,
                               .audience = config->auth_audience,
                               .skew_ms = config->auth_skew_ms,
                               .bytes_max = (size_t)config->auth_token_bytes_max};
}

/* ---- anonymous rights ---- */

static void put_words(struct buffer *out, const char *text) {
    uint32_t count = 0;
    for (const char *at = text; (at += strspn(at, " \t,"))[0] != '\0'; at += strcspn(at, " \t,")) {
        count++;
    }
    pack_put_list(out, count);
    for (const char *at = text; (at += strspn(at, " \t,"))[0] != '\0'; at += strcspn(at, " \t,")) {
        pack_put_text(out, span_of(at, strcspn(at, " \t,")));
    }
}

/* NULL without a fault: nobody may be anonymous. */
static struct rights *make_anonymous(const struct config *config, const char **fault) {
    struct buffer ahora;
    struct rights *rights = NULL;
    const bool masks = config->auth_anonymous_fields[0] != '\0';
    *fault = NULL;
    if (config->auth_anonymous_sub[0] == '\0') {
        return NULL;
    }
    buffer_init(&ahora, 4096);
    pack_put_map(&ahora, 2 + masks + (config->auth_anonymous_max_subs > 0));
    pack_put_key(&ahora, "sub");
    put_words(&ahora, config->auth_anonymous_sub);
    pack_put_key(&ahora, "every_ms");
    pack_put_int(&ahora, config->auth_anonymous_every_ms);
    if (masks) {
        pack_put_key(&ahora, "fields");
        put_words(&ahora, config->auth_anonymous_fields);
    }
    if (config->auth_anonymous_max_subs > 0) {
        pack_put_key(&ahora, "max_subs");
        pack_put_int(&ahora, config->auth_anonymous_max_subs);
    }
    const struct rights_claims claims = {
        .principal = span_of_text(RIGHTS_ANONYMOUS),
        .ahora = buffer_span(&ahora),
        .expires_ms = INT64_MAX,
        .issued_s = -1,
    };
    if (ahora.failed || rights_create(&claims, &rights, fault) != AHORA_OK) {
        *fault = *fault == NULL ? "no memory" : *fault;
    }
    buffer_fini(&ahora);
    return rights;
}

/* ---- reading ---- */

static struct credentials *read_credentials(const struct config *config, bool settled, char *why, size_t why_bytes) {
    return credentials_read(config->auth_keys, config->auth_jwks, config->auth_api_keys, settled, why, why_bytes);
}

/* A file that is not there yet is an empty one: the first revocation makes it. */
static bool read_revocations(const struct config *config, bool settled, struct revocations *revocations, char *why,
                             size_t why_bytes) {
    struct buffer text;
    char reason[256] = "";
    const char *path = config->auth_revoked;
    *revocations = (struct revocations){0};
    if (path[0] == '\0' || (access(path, F_OK) != 0 && errno == ENOENT)) {
        return true;
    }
    buffer_init(&text, REVOKED_BYTES_MAX);
    bool fine = text_file_read_lines(path, settled, &text, why, why_bytes);
    if (fine && !revocations_read(revocations, buffer_span(&text), reason, sizeof reason)) {
        snprintf(why, why_bytes, "%s: %s", path, reason);
        fine = false;
    }
    buffer_fini(&text);
    if (!fine) {
        revocations_fini(revocations);
    }
    return fine;
}

bool access_check(const struct config *config, FILE *errors) {
    char why[512] = "";
    const char *fault;
    struct revocations revocations;
    bool fine = true;
    struct credentials *credentials = read_credentials(config, true, why, sizeof why);
    if (credentials == NULL) {
        fprintf(errors, "auth: %s\n", why);
        fine = false;
    }
    credentials_destroy(credentials);
    if (read_revocations(config, true, &revocations, why, sizeof why)) {
        revocations_fini(&revocations);
    } else {
        fprintf(errors, "auth.revoked: %s\n", why);
        fine = false;
    }
    struct rights *anonymous = make_anonymous(config, &fault);
    if (fault != NULL) {
        fprintf(errors, "auth.anonymous_sub: %s\n", fault);
        fine = false;
    }
    rights_unref(anonymous);
    return fine;
}

/* ---- life ---- */

bool access_open(struct broker *first, char *why, size_t why_bytes) {
    struct access *access = &first->shards->access;
    if (!access_is_controlled(&first->config)) {
        return true;
    }
    access->credentials = read_credentials(&first->config, true, why, why_bytes);
    return access->credentials != NULL && read_revocations(&first->config, true, &access->revocations, why, why_bytes);
}

static void release(struct access *access, struct credentials *credentials) {
    if (credentials != NULL) {
        pthread_mutex_lock(&access->mutex);
        const bool last = --credentials->refs == 0;
        pthread_mutex_unlock(&access->mutex);
        if (last) {
            credentials_destroy(credentials);
        }
    }
}

void access_close(struct broker *first) {
    struct access *access = &first->shards->access;
    release(access, access->credentials);
    access->credentials = NULL;
    revocations_fini(&access->revocations);
}

/* The newest, in place of what the shard has. */
static void take_newest(struct broker *broker) {
    struct access *access = &broker->shards->access;
    struct credentials *before = broker->access.credentials;
    pthread_mutex_lock(&access->mutex);
    broker->access.generation = atomic_load(&access->generation);
    broker->access.credentials = access->credentials;
    broker->access.credentials->refs++;
    pthread_mutex_unlock(&access->mutex);
    release(access, before);
}

bool access_join(struct broker *broker) {
    const char *fault;
    if (!access_is_controlled(&broker->config)) {
        return true;
    }
    take_newest(broker);
    broker->access.anonymous = make_anonymous(&broker->config, &fault);
    return fault == NULL;
}

void access_leave(struct broker *broker) {
    rights_unref(broker->access.anonymous);
    release(&broker->shards->access, broker->access.credentials);
    broker->access = (struct shard_access){0};
}

/* ---- changes ---- */

static void tell_shards(struct broker *broker) {
    atomic_fetch_add(&broker->shards->access.generation, 1);
    for (size_t i = 0; i < broker->shards->count; i++) {
        uv_async_send(&broker->shards->brokers[i]->loop.wake);
    }
}

void access_reload(struct broker *first) {
    struct access *access = &first->shards->access;
    char why[512] = "";
    struct revocations revocations = {0};
    if (!access_is_controlled(&first->config)) {
        return;
    }
    struct credentials *credentials = read_credentials(&first->config, false, why, sizeof why);
    if (credentials == NULL || !read_revocations(&first->config, false, &revocations, why, sizeof why)) {
        credentials_destroy(credentials);
        first->metrics.access_reloads_failed++;
        log_event(&first->log, LOG_ERROR, "credentials-not-reloaded", "reason=\"%s\" action=\"the old ones stay\"", why);
        return;
    }
    pthread_mutex_lock(&access->mutex);
    struct credentials *before = access->credentials;
    struct revocations revoked_before = access->revocations;
    access->credentials = credentials;
    access->revocations = revocations;
    pthread_mutex_unlock(&access->mutex);
    release(access, before);
    revocations_fini(&revoked_before);
    first->metrics.access_reloads++;
    log_event(&first->log, LOG_INFO, "credentials-reloaded", "keys=%zu api_keys=%zu revoked=%zu", credentials->key_count,
              credentials->api_keys.count, revocations.count);
    tell_shards(first);
}

/* Behind what the file has, and on the disk before it counts as told. */
static bool append_revocation(const char *path, const struct revocation *revocation) {
    struct buffer line;
    buffer_init(&line, 1024);
    revocation_put(&line, revocation);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    bool fine = fd >= 0 && !line.failed && write(fd, line.data, line.bytes) == (ssize_t)line.bytes && fdatasync(fd) == 0;
    if (fd >= 0) {
        fine = close(fd) == 0 && fine;
    }
    buffer_fini(&line);
    return fine;
}

enum ahora_code access_revoke(struct broker *broker, const struct revocation *revocation, const char **detail) {
    struct access *access = &broker->shards->access;
    *detail = revocation_fault(revocation);
    if (*detail != NULL) {
        return AHORA_INVALID;
    }
    if (!access_is_controlled(&broker->config)) {
        *detail = "access is open: there is nothing to revoke";
        return AHORA_INVALID;
    }
    const char *path = broker->config.auth_revoked;
    pthread_mutex_lock(&access->mutex);
    const bool added = revocations_add(&access->revocations, revocation);
    const bool written = added && (path[0] == '\0' || append_revocation(path, revocation));
    pthread_mutex_unlock(&access->mutex);
    if (!added) {
        *detail = "no memory, or as many are revoked as may be";
        return AHORA_OVERLOADED;
    }
    tell_shards(broker);
    if (!written) {
        *detail = "it holds until the broker stops, but could not be written to auth.revoked";
        return AHORA_INTERNAL;
    }
    return AHORA_OK;
}

static bool is_revoked(struct broker *broker, const struct rights *rights) {
    struct access *access = &broker->shards->access;
    pthread_mutex_lock(&access->mutex);
    const bool revoked = revocations_hold(&access->revocations, rights);
    pthread_mutex_unlock(&access->mutex);
    return revoked;
}

bool access_is_good(struct broker *broker, const struct rights *rights) {
    if (rights == NULL || rights->is_anonymous) {
        return true;
    }
    return broker->now_wall_ms < rights->expires_ms && credentials_have(broker->access.credentials, rights->origin) &&
           !is_revoked(broker, rights);
}

static void sweep_sessions(struct broker *broker) {
    struct session *session = NULL;
    while ((session = core_next_session(broker->core, session)) != NULL) {
        const struct rights *rights = session_rights(session);
        if (rights != NULL && !session_is_kicked(session) && !access_is_good(broker, rights)) {
            broker->metrics.sessions_revoked++;
            session_end_rights(broker->core, session);
        }
    }
}

/* Requests that go on for long; a stream of events is a session. */
static void sweep_connections(struct broker *broker) {
    for (struct link *link = broker->connections.next, *next; link != &broker->connections; link = next) {
        next = link->next;
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        const struct exchange *exchange = connection->exchange;
        access_forget(&connection->access);
        if (exchange != NULL && !exchange->is_stream && exchange->rights != NULL && !access_is_good(broker, exchange->rights)) {
            connection_close(connection);
        }
    }
}

void access_keep_up(struct broker *broker) {
    if (broker->access.credentials == NULL ||
        atomic_load_explicit(&broker->shards->access.generation, memory_order_acquire) == broker->access.generation) {
        return;
    }
    take_newest(broker);
    sweep_sessions(broker);
    sweep_connections(broker);
}

/* ---- judging ---- */

static enum refusal judge_key(struct broker *broker, struct span text, struct rights **rights) {
    const struct api_key *key = api_keys_find(&broker->access.credentials->api_keys, text);
    if (key == NULL) {
        return REFUSAL_API_KEY;
    }
    return api_key_rights(key, rights) == AHORA_OK ? REFUSAL_NONE : REFUSAL_MEMORY;
}

static enum refusal judge(struct broker *broker, struct span text, struct rights **rights) {
    const struct jwt_policy policy = policy_of(&broker->config);
    const uint64_t began_ns = judging_begin(broker);
    *rights = NULL;
    enum refusal refusal = api_key_is(text) ? judge_key(broker, text, rights)
                                            : jwt_judge(broker->access.credentials, &policy, broker->now_wall_ms, text, rights);
    if (refusal == REFUSAL_NONE && is_revoked(broker, *rights)) {
        rights_unref(*rights);
        *rights = NULL;
        refusal = REFUSAL_REVOKED;
    }
    broker->metrics.auth_accepted += refusal == REFUSAL_NONE;
    broker->metrics.auth_refused[refusal]++;
    judging_end(broker, began_ns);
    return refusal;
}

bool access_judge_session(struct broker *broker, struct session *session, struct span token) {
    struct rights *rights;
    const enum refusal refusal = judge(broker, token, &rights);
    session_judge(broker->core, session,
                  refusal == REFUSAL_NONE     ? AHORA_OK
                  : refusal == REFUSAL_MEMORY ? AHORA_OVERLOADED
                                              : AHORA_UNAUTHORIZED,
                  rights);
    return refusal == REFUSAL_NONE;
}

struct rights *access_of_subject(struct broker *broker, struct span subject) {
    struct rights *rights = NULL;
    const struct credentials *credentials = broker->access.credentials;
    const struct api_key *key = credentials == NULL ? NULL : api_keys_find_subject(&credentials->api_keys, subject);
    if (key == NULL || api_key_rights(key, &rights) != AHORA_OK || is_revoked(broker, rights)) {
        rights_unref(rights);
        return NULL;
    }
    return rights;
}

/* ---- requests ---- */

/* The one Authorization header, data NULL if there is none. False: there are several, or it is no Bearer. */
static bool find_bearer(const struct http_head *head, struct span *text) {
    static const char scheme[] = "Bearer ";
    const size_t bytes = sizeof scheme - 1;
    unsigned count = 0;
    *text = (struct span){0};
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (header->name.bytes == 13 && strncasecmp((const char *)header->name.data, "authorization", 13) == 0) {
            *text = header->value;
            count++;
        }
    }
    if (count == 0) {
        return true;
    }
    if (count > 1 || text->bytes <= bytes || strncasecmp((const char *)text->data, scheme, bytes) != 0) {
        return false;
    }
    *text = span_of(text->data + bytes, text->bytes - bytes);
    return true;
}

void access_forget(struct access_memory *memory) {
    rights_unref(memory->rights);
    *memory = (struct access_memory){0};
}

static bool digest_of(struct span text, uint8_t digest[API_KEY_HASH_BYTES]) {
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    if (EVP_Digest(text.data, text.bytes, bytes, &count, EVP_sha256(), NULL) != 1 || count != API_KEY_HASH_BYTES) {
        return false;
    }
    memcpy(digest, bytes, API_KEY_HASH_BYTES);
    return true;
}

/* What the connection's last request showed is good for the next, until it ends or something was revoked. */
static bool is_remembered(const struct exchange *exchange, struct span text) {
    const struct broker *broker = exchange->broker;
    const struct access_memory *memory = &exchange->connection->access;
    uint8_t digest[API_KEY_HASH_BYTES];
    return memory->rights != NULL && memory->generation == broker->access.generation &&
           broker->now_wall_ms < memory->rights->expires_ms && digest_of(text, digest) &&
           CRYPTO_memcmp(memory->digest, digest, sizeof digest) == 0;
}

static void remember(struct exchange *exchange, struct span text) {
    struct access_memory *memory = &exchange->connection->access;
    access_forget(memory);
    if (digest_of(text, memory->digest)) {
        memory->generation = exchange->broker->access.generation;
        memory->rights = rights_ref(exchange->rights);
    }
}

enum refusal access_judge_request(struct exchange *exchange) {
    struct span text;
    if (!find_bearer(&exchange->head, &text) || text.data == NULL) {
        return REFUSAL_SCHEME;
    }
    const enum refusal refusal = judge(exchange->broker, text, &exchange->rights);
    if (refusal == REFUSAL_NONE) {
        remember(exchange, text);
    }
    return refusal;
}

static bool refuse(struct exchange *exchange, enum refusal refusal) {
    if (refusal == REFUSAL_MEMORY) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return false;
    }
    if (refusal == REFUSAL_BUSY) {
        exchange->broker->metrics.auth_refused[refusal]++;
        exchange_problem(exchange, &(struct problem){.code = AHORA_OVERLOADED,
                                                     .detail = "too many wait for their credentials to be looked at",
                                                     .retry_ms = gate_slot_ms(exchange->broker)});
        return false;
    }
    exchange->connection->keep_alive = false; /* guessing takes a connection for each guess, and these are bounded */
    exchange_problem(exchange, &(struct problem){.code = AHORA_UNAUTHORIZED,
                                                 .detail = "the credentials are not valid",
                                                 .headers = "WWW-Authenticate: Bearer\r\n"});
    return false;
}

/* A client certificate speaks for who shows nothing else; and a WebSocket may still show a token in its `hello`. */
static bool admit_nameless(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    char subject[TLS_SUBJECT_BYTES];
    if (tls_subject(exchange->connection->transport, subject)) {
        exchange->rights = access_of_subject(broker, span_of_text(subject));
    }
    if (exchange->rights == NULL) {
        exchange->rights = rights_ref(broker->access.anonymous);
    }
    if (exchange->rights != NULL || exchange->handler == &api_websocket) {
        return true;
    }
    broker->metrics.auth_refused[REFUSAL_MISSING]++;
    return refuse(exchange, REFUSAL_MISSING);
}

/* At an address of the back office alone the network has decided already who comes. */
static bool is_open(const struct exchange *exchange) {
    const struct handler *handler = exchange->handler;
    return handler->is_public || (handler->is_figures && (exchange->broker->config.auth_open_figures ||
                                                          exchange->connection->transport->role == LISTENER_INTERNAL));
}

static bool may_see(struct exchange *exchange) {
    const struct rights *rights = exchange->rights;
    if (!exchange->handler->is_figures || rights->figures || rights->admin) {
        return true;
    }
    exchange->broker->metrics.figures_refused++;
    exchange_refuse(exchange, AHORA_FORBIDDEN, "this takes the right `figures`, or `admin`");
    return false;
}

static enum access_verdict concluded(struct exchange *exchange, bool granted) {
    return granted && may_see(exchange) ? ACCESS_GRANTED : ACCESS_REFUSED;
}

enum access_verdict access_conclude(struct exchange *exchange) {
    return concluded(exchange, exchange->refusal == REFUSAL_NONE || refuse(exchange, exchange->refusal));
}

enum access_verdict access_admit(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct span text;
    if (broker->access.credentials == NULL || is_open(exchange)) {
        return ACCESS_GRANTED;
    }
    access_keep_up(broker);
    if (!find_bearer(&exchange->head, &text)) {
        broker->metrics.auth_refused[REFUSAL_SCHEME]++;
        return concluded(exchange, refuse(exchange, REFUSAL_SCHEME));
    }
    if (text.data == NULL) {
        return concluded(exchange, admit_nameless(exchange));
    }
    if (is_remembered(exchange, text)) {
        exchange->rights = rights_ref(exchange->connection->access.rights);
        return concluded(exchange, true);
    }
    if (!judging_is_free(broker)) {
        return judging_wait(exchange) ? ACCESS_WAITS : concluded(exchange, refuse(exchange, REFUSAL_BUSY));
    }
    exchange->refusal = access_judge_request(exchange);
    return access_conclude(exchange);
}
