/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What is, now: `get`. */
#include "broker/core/request.h"
#include "broker/core/scope.h"
#include "broker/core/state.h"

static uint32_t put_items(struct core *core, const struct selection *selection, struct span mask) {
    uint32_t count = 0;
    buffer_clear(&core->items, core->limits.block_bytes);
    while (count < selection->count && core->items.bytes < core->limits.get_bytes_max) {
        topic_put_item(&core->items, selection->topics[count++], mask);
    }
    return count;
}

static void answer_get(struct core *core, struct session *session, int64_t id, const struct selection *selection) {
    uint32_t count = put_items(core, selection, mask_span(session->mask));
    buffer_clear(&core->results, core->limits.block_bytes);
    pack_put_list(&core->results, count);
    if (count > 0) {
        pack_put_raw(&core->results, buffer_span(&core->items));
    }
    const struct reply reply = {
        .op = REPLY_SNAPSHOT,
        .id = id,
        .seq = core->ledger.seq,
        .items = buffer_span(&core->results),
        .more = selection->more || count < selection->count,
    };
    session_reply(core, session, &reply);
}

static enum ahora_code find(struct core *core, struct scope *scope, int64_t limit, struct selection *selection) {
    const int64_t items_max = core->limits.get_items_max;
    const struct filter filter = {scope->where, scope->near ? &scope->circle : NULL};
    core_wake_demand(core, scope->names, scope->count);
    return core_select_where(core, scope->names, scope->count, &filter, (struct span){0},
                             (size_t)(limit > 0 && limit < items_max ? limit : items_max), selection);
}

void request_handle_get(struct core *core, struct session *session, const struct request *request) {
    struct scope scope;
    scope_init(&scope);
    struct selection selection = {0};
    enum ahora_code code = scope_read(&scope, core, session, request);
    if (code == AHORA_OK) {
        code = find(core, &scope, request->limit, &selection);
    }
    if (code != AHORA_OK) {
        scope_refuse(&scope, core, session, request->id, code);
    } else {
        answer_get(core, session, request->id, &selection);
        selection_fini(core, &selection);
    }
    scope_fini(&scope);
}
