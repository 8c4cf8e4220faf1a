/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a session says is so: `pub`, applied here, or posted to the ledger. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/request.h"
#include "broker/core/state.h"

/* `kept`: results that are known already. */
static struct publication *publication_create(struct session *session, const struct request *request, struct span kept) {
    struct publication *publication = malloc(sizeof *publication + kept.bytes);
    if (publication == NULL) {
        return NULL;
    }
    *publication = (struct publication){
        .session = session,
        .id = request->id,
        .is_silent = request->ack == ACK_NONE,
        .results = span_of(publication->kept, kept.bytes),
        .ticket = {.kind = TICKET_OF_SESSION, .owner = publication, .waiting = true},
    };
    if (kept.bytes > 0) {
        memcpy(publication->kept, kept.data, kept.bytes);
    }
    list_append(&session->publications, &publication->of_session);
    session->publication_count++;
    return publication;
}

/* `denied` holds which of its changes the session may not make, as long as the publish is looked at. */
static struct publish publish_of(const struct core *core, const struct session *session, const struct request *request,
                                 uint8_t *denied) {
    const struct source *source = session->source;
    const bool any = rights_deny_changes(session->rights, core->kinds, request->changes, request->change_count, denied);
    return (struct publish){
        .denied = any ? denied : NULL,
        .principal = session_principal(session),
        .rights = session->rights,
        .source = source == NULL ? (struct span){0} : span_of(source->name, source->bytes),
        .changes = request->changes,
        .change_count = request->change_count,
        .atomic = request->atomic,
        .ack = request->ack,
    };
}

/* False: no memory, though the changes may be applied. */
static bool publish_here(struct core *core, struct session *session, const struct request *request) {
    buffer_clear(&core->results, core->limits.block_bytes);
    uint8_t denied[RIGHTS_DENIED_BYTES];
    const struct publish publish = publish_of(core, session, request, denied);
    core_apply_list(core, &publish);
    assert(!core->results.failed);
    if (request->ack == ACK_NONE) {
        return true;
    }
    struct publication *publication = publication_create(session, request, buffer_span(&core->results));
    if (publication == NULL) {
        return false;
    }
    publication->ticket.seq = core->ledger.seq;
    list_append(request->ack == ACK_DURABLE ? &core->tickets_durable : &core->tickets_turn, &publication->ticket.link);
    return true;
}

static bool publish_there(struct core *core, struct session *session, const struct request *request) {
    uint8_t denied[RIGHTS_DENIED_BYTES];
    const struct publish publish = publish_of(core, session, request, denied);
    struct publication *publication = publication_create(session, request, (struct span){0});
    if (publication == NULL) {
        return false;
    }
    session->posted_count++;
    if (follow_post(core, &publish, &publication->ticket)) {
        return true;
    }
    session->posted_count--;
    return false; /* the session ends, and the publication with it */
}

void request_handle_pub(struct core *core, struct session *session, const struct request *request) {
    if (core->draining) {
        session_reply_error(core, session, request->id, AHORA_DRAINING, "the broker is about to stop");
        return;
    }
    if (session->is_public) {
        session_reply_error(core, session, request->id, AHORA_FORBIDDEN, "nothing is published at this address");
        return;
    }
    int64_t retry_ms = allowance_take(&session->allowance, core->limits.publish_rate_max, core->mono_ms, request->change_count);
    if (retry_ms > 0) {
        session_reply_retry(core, session, request->id, AHORA_RATE_LIMITED, "this session publishes faster than it may",
                            retry_ms);
        return;
    }
    session->is_producer = rights_may_publish(session->rights);
    bool published = core->ledger.follows ? publish_there(core, session, request) : publish_here(core, session, request);
    if (!published) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
}
