/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What an operator has the broker do:
 *
 *   POST /v1/admin/drain               as SIGTERM
 *   POST /v1/admin/reload              as SIGHUP, and says what came of it
 *   POST /v1/admin/revoke {"subject": …, "before_s"} or {"id": …}
 *   POST /v1/admin/backup {"name": …}  a copy of the store below <data>/backups
 */
#include "broker/net/access.h"
#include "broker/net/api.h"
#include "broker/net/audit.h"
#include "broker/net/backup.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"
#include "broker/net/inquiry.h"
#include "broker/net/lifecycle.h"
#include "proto/json.h"
#include "proto/pack.h"

#include <string.h>

#define BODY_DEPTH_MAX 2

static const char no_store[] = "Cache-Control: no-store\r\n";

static void answer_json(struct exchange *exchange, int status, struct span body) {
    exchange_answer(exchange, &(struct answer){status, "application/json", no_store, body});
}

/* ---- drain ---- */

static void drain_end(struct exchange *exchange) {
    if (!audit_admit(exchange, "drain")) {
        return;
    }
    if (!lifecycle_ask_drain(exchange->broker)) {
        audit_note(exchange, "drain", "result=draining");
        exchange_refuse(exchange, AHORA_DRAINING, "the broker is draining already, or not ready yet");
        return;
    }
    audit_note(exchange, "drain", "result=ok");
    answer_json(exchange, 202, span_of_text("{\"draining\":true}\n"));
}

/* ---- reload ---- */

struct reload_call {
    bool asked;
};

static void on_reloaded(struct exchange *exchange, struct inquiry *inquiry) {
    const bool fine = inquiry->text.bytes > 16 && memcmp(inquiry->text.data, "{\"reloaded\":true", 16) == 0;
    audit_note(exchange, "reload", "result=%s", fine ? "ok" : "refused");
    answer_json(exchange, fine ? 200 : 422, buffer_span(&inquiry->text));
}

static void reload_end(struct exchange *exchange) {
    struct reload_call *call = exchange->state;
    if (!audit_admit(exchange, "reload")) {
        return;
    }
    struct inquiry *inquiry = inquiry_create(INQUIRY_RELOAD);
    if (inquiry != NULL) {
        inquiry->on_done = on_reloaded;
        call->asked = inquiry_ask(exchange->broker, inquiry, exchange);
    }
    if (!call->asked) {
        exchange_problem(
            exchange,
            &(struct problem){.code = AHORA_OVERLOADED, .detail = "too many such questions at once", .retry_ms = 1000});
    }
}

static void reload_release(struct exchange *exchange) {
    struct reload_call *call = exchange->state;
    if (call->asked) {
        inquiry_forget(exchange->broker, exchange);
    }
}

/* ---- revoke ---- */

/* NULL, or what is wrong. */
static const char *read_revocation(struct span body, struct revocation *revocation) {
    struct pack_reader map = pack_reader_of(body);
    if (pack_peek(&map) != PACK_MAP) {
        return "the body must be a map";
    }
    struct span subject = pack_find(body, "subject");
    struct span id = pack_find(body, "id");
    struct span before = pack_find(body, "before_s");
    struct pack_reader text = pack_reader_of(subject.bytes > 0 ? subject : id);
    struct pack_reader number = pack_reader_of(before);
    if ((subject.bytes > 0) == (id.bytes > 0) || pack_peek(&text) != PACK_TEXT) {
        return "say whom: `subject`, or `id` (the `jti` of a token)";
    }
    *revocation = (struct revocation){
        .kind = subject.bytes > 0 ? REVOKE_SUBJECT : REVOKE_ID, .value = pack_read_text(&text), .before_s = INT64_MAX};
    if (before.bytes > 0 && (pack_peek(&number) != PACK_INT || (revocation->before_s = pack_read_int(&number)) < 0)) {
        return "`before_s` must be an integer of at least 0";
    }
    return NULL;
}

static void revoke_whom(struct exchange *exchange, struct span body) {
    struct revocation revocation;
    const char *detail = read_revocation(body, &revocation);
    if (detail != NULL) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, detail);
        return;
    }
    const enum ahora_code code = access_revoke(exchange->broker, &revocation, &detail);
    char whom[AUDIT_PLAIN_BYTES];
    audit_note(exchange, "revoke", "%s=\"%s\" result=%s", revocation.kind == REVOKE_ID ? "id" : "subject",
               audit_plain(whom, sizeof whom, revocation.value), ahora_code_name(code));
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, detail);
        return;
    }
    answer_json(exchange, 200, span_of_text("{\"revoked\":true}\n"));
}

static void revoke_end(struct exchange *exchange) {
    struct buffer body;
    const char *detail = NULL;
    if (!audit_admit(exchange, "revoke")) {
        return;
    }
    buffer_init(&body, (size_t)exchange->broker->config.body_bytes_max);
    if (content_read_body(exchange, BODY_DEPTH_MAX, &body, &detail) == AHORA_OK) {
        revoke_whom(exchange, buffer_span(&body));
    }
    buffer_fini(&body);
}

/* ---- backup ---- */

struct backup_call {
    struct backup *backup; /* under way; it outlives the exchange */
};

static void on_backed_up(void *owner, const struct backup_outcome *outcome) {
    struct exchange *exchange = owner;
    struct backup_call *call = exchange->state;
    call->backup = NULL;
    audit_note(exchange, "backup", "name=%s result=%s ms=%lld", outcome->name, outcome->done ? "ok" : "failed",
               (long long)outcome->took_ms);
    if (!outcome->done) {
        exchange_problem(exchange, &(struct problem){.status = outcome->exists ? 409 : 500,
                                                     .code = outcome->exists ? AHORA_CONFLICT : AHORA_INTERNAL,
                                                     .detail = outcome->detail});
        return;
    }
    struct buffer out;
    buffer_init(&out, 1024);
    buffer_put_text(&out, "{\"backup\":");
    json_put_text(&out, span_of_text(outcome->name));
    buffer_put_text(&out, ",\"ms\":");
    buffer_put_decimal(&out, outcome->took_ms);
    buffer_put_text(&out, "}\n");
    answer_json(exchange, 201, buffer_span(&out));
    buffer_fini(&out);
}

static struct span find_name(struct span body) {
    struct pack_reader reader = pack_reader_of(pack_find(body, "name"));
    struct pack_reader map = pack_reader_of(body);
    return pack_peek(&map) == PACK_MAP && pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : (struct span){0};
}

static void start_backup(struct exchange *exchange, struct span name) {
    struct backup_call *call = exchange->state;
    if (!backup_name_is_fine(name)) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "`name` must have 1 to 64 letters, digits, - and _");
        return;
    }
    call->backup = backup_start(exchange->broker, name, exchange, on_backed_up);
    if (call->backup == NULL) {
        audit_note(exchange, "backup", "result=overloaded");
        exchange_problem(exchange, &(struct problem){.code = AHORA_OVERLOADED,
                                                     .detail = "another backup is under way, or there is no memory",
                                                     .retry_ms = 5000});
    }
}

static void backup_end(struct exchange *exchange) {
    struct buffer body;
    const char *detail = NULL;
    if (!audit_admit(exchange, "backup")) {
        return;
    }
    buffer_init(&body, (size_t)exchange->broker->config.body_bytes_max);
    if (content_read_body(exchange, BODY_DEPTH_MAX, &body, &detail) == AHORA_OK) {
        start_backup(exchange, find_name(buffer_span(&body)));
    }
    buffer_fini(&body);
}

static void backup_release(struct exchange *exchange) {
    struct backup_call *call = exchange->state;
    if (call->backup != NULL) {
        backup_forget(call->backup);
    }
}

const struct handler api_admin_drain = {.body = BODY_WHOLE, .end = drain_end};
const struct handler api_admin_reload = {
    .body = BODY_WHOLE, .state_bytes = sizeof(struct reload_call), .end = reload_end, .release = reload_release};
const struct handler api_admin_revoke = {.body = BODY_WHOLE, .end = revoke_end};
const struct handler api_admin_backup = {
    .body = BODY_WHOLE, .state_bytes = sizeof(struct backup_call), .end = backup_end, .release = backup_release};
