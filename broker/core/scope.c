/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/scope.h"

#include "broker/core/state.h"

void scope_init(struct scope *scope) {
    scope->count = 0; /* the names are not cleared: they are many */
    scope->where = NULL;
    scope->circle = (struct circle){0};
    scope->near = false;
    scope->detail = NULL;
    scope->fault = (struct request_fault){0};
}

void scope_fini(struct scope *scope) {
    where_unref(scope->where);
    scope->where = NULL;
}

/* `match`: a text or a list of them. */
static enum ahora_code read_match(struct scope *scope, const struct core *core, struct span match) {
    struct pack_reader reader = pack_reader_of(match);
    size_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 1;
    if (left > core->limits.patterns_max) {
        scope->detail = "too many patterns in one subscription";
        return AHORA_TOO_MANY;
    }
    for (; left > 0; left--) {
        enum ahora_code code = core_parse_pattern(core, pack_read_text(&reader), &scope->names[scope->count], &scope->detail);
        if (code != AHORA_OK) {
            return code;
        }
        scope->count +=
            core_names_hold(scope->names, scope->count, &scope->names[scope->count]) ? 0 : 1; /* twice the same is once */
    }
    return AHORA_OK;
}

static enum ahora_code read_narrowing(struct scope *scope, const struct core *core, const struct request *request) {
    enum ahora_code code = AHORA_OK;
    if (request->where.data != NULL) {
        code = where_parse(request->where, &core->limits, &scope->where, &scope->fault);
    }
    if (code == AHORA_OK && request->near.data != NULL) {
        scope->near = true;
        code = circle_parse(request->near, &core->limits, NULL, &scope->circle, &scope->fault);
    }
    return code;
}

enum ahora_code scope_read(struct scope *scope, const struct core *core, const struct session *session,
                           const struct request *request) {
    enum ahora_code code = read_match(scope, core, request->match);
    if (code == AHORA_OK) {
        code = read_narrowing(scope, core, request);
    }
    if (code == AHORA_OK) {
        code = session_may_read(core, session, scope->names, scope->count, scope->where, scope->near, &scope->detail);
    }
    return code;
}

#define OVERLOADED_RETRY_MS 5000

/* Sessions that are refused together come back one after the other. */
static int64_t overloaded_retry_ms(const struct core *core, const struct session *session) {
    const int64_t after_ms = core->ledger.growth_retry_ms > 0 ? core->ledger.growth_retry_ms : OVERLOADED_RETRY_MS;
    return after_ms + (int64_t)(session->number * UINT64_C(2654435761) % (uint64_t)after_ms);
}

void scope_refuse(const struct scope *scope, struct core *core, struct session *session, int64_t id, enum ahora_code code) {
    if (scope->fault.detail != NULL) {
        session_reply_fault(core, session, id, &scope->fault);
    } else if (code == AHORA_OVERLOADED) {
        core->metrics.growth_refused += core->ledger.growth_retry_ms > 0;
        session_reply_retry(core, session, id, code,
                            scope->detail == NULL ? "the broker holds as much as it may" : scope->detail,
                            overloaded_retry_ms(core, session));
    } else {
        session_reply_error(core, session, id, code, scope->detail);
    }
}
