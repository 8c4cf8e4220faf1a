/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/message.h"
#include "proto/message_field.h"

#include <assert.h>

enum {
    OP,
    ID,
    SESSION,
    EPOCH,
    SERVER,
    LIMITS,
    BEAT_MS,
    SEQ,
    NOW,
    RESUMED,
    TOPIC,
    REF,
    INSTANT,
    DATA,
    STALE,
    WHY,
    SKIPPED,
    ITEMS,
    MORE,
    RESULTS,
    CODE,
    DETAIL,
    ERRORS,
    RETRY_MS,
    REASON,
    REPLY_FIELDS,
};

#define BIT(name) FIELD_BIT(name)

static const struct span op_names[] = {
    [REPLY_WELCOME] = LITERAL_SPAN("welcome"),
    [REPLY_SUBSCRIBED] = LITERAL_SPAN("subscribed"),
    [REPLY_SET] = LITERAL_SPAN("set"),
    [REPLY_PATCH] = LITERAL_SPAN("patch"),
    [REPLY_REMOVE] = LITERAL_SPAN("remove"),
    [REPLY_LIVE] = LITERAL_SPAN("live"),
    [REPLY_BEAT] = LITERAL_SPAN("beat"),
    [REPLY_SNAPSHOT] = LITERAL_SPAN("snapshot"),
    [REPLY_PUBLISHED] = LITERAL_SPAN("published"),
    [REPLY_OK] = LITERAL_SPAN("ok"),
    [REPLY_PONG] = LITERAL_SPAN("pong"),
    [REPLY_ERROR] = LITERAL_SPAN("error"),
    [REPLY_BYE] = LITERAL_SPAN("bye"),
};
static const struct words ops = {op_names, sizeof(op_names) / sizeof(op_names[0])};

static const struct {
    uint32_t required, optional;
} op_fields[] = {
    [REPLY_WELCOME] = {BIT(OP) | BIT(SESSION) | BIT(EPOCH) | BIT(SERVER) | BIT(LIMITS) | BIT(BEAT_MS) | BIT(SEQ) | BIT(NOW), 0},
    [REPLY_SUBSCRIBED] = {BIT(OP) | BIT(ID) | BIT(RESUMED), 0},
    [REPLY_SET] = {BIT(OP) | BIT(SEQ) | BIT(TOPIC) | BIT(REF) | BIT(INSTANT) | BIT(DATA), BIT(STALE)},
    [REPLY_PATCH] = {BIT(OP) | BIT(SEQ) | BIT(REF) | BIT(INSTANT), BIT(DATA) | BIT(STALE)},
    [REPLY_REMOVE] = {BIT(OP) | BIT(SEQ) | BIT(TOPIC) | BIT(WHY), BIT(REF)},
    [REPLY_LIVE] = {BIT(OP) | BIT(ID) | BIT(SEQ), BIT(SKIPPED)},
    [REPLY_BEAT] = {BIT(OP) | BIT(SEQ) | BIT(NOW), 0},
    [REPLY_SNAPSHOT] = {BIT(OP) | BIT(ID) | BIT(SEQ) | BIT(ITEMS), BIT(MORE)},
    [REPLY_PUBLISHED] = {BIT(OP) | BIT(ID) | BIT(RESULTS), 0},
    [REPLY_OK] = {BIT(OP) | BIT(ID), 0},
    [REPLY_PONG] = {BIT(OP) | BIT(ID) | BIT(NOW), 0},
    [REPLY_ERROR] = {BIT(OP) | BIT(CODE) | BIT(DETAIL), BIT(ID) | BIT(SEQ) | BIT(ERRORS) | BIT(RETRY_MS)},
    [REPLY_BYE] = {BIT(OP) | BIT(RETRY_MS) | BIT(REASON), 0},
};

#define AT(member) offsetof(struct reply, member)

static const struct field fields[REPLY_FIELDS] = {
    [OP] = {LITERAL_SPAN("op"), FIELD_WORD, AT(op), 0, &ops, "unknown op"},
    [ID] = {LITERAL_SPAN("id"), FIELD_POSITIVE, AT(id), 0, NULL, "`id` must be a positive integer"},
    [SESSION] = {LITERAL_SPAN("session"), FIELD_TEXT, AT(session), 0, NULL, "`session` must be a text"},
    [EPOCH] = {LITERAL_SPAN("epoch"), FIELD_TEXT, AT(epoch), 0, NULL, "`epoch` must be a text"},
    [SERVER] = {LITERAL_SPAN("server"), FIELD_TEXT, AT(server), 0, NULL, "`server` must be a text"},
    [LIMITS] = {LITERAL_SPAN("limits"), FIELD_MAP, AT(limits), 0, NULL, "`limits` must be a map"},
    [BEAT_MS] = {LITERAL_SPAN("beat_ms"), FIELD_COUNT, AT(beat_ms), 0, NULL, "`beat_ms` must be an integer of at least 0"},
    [SEQ] = {LITERAL_SPAN("seq"), FIELD_COUNT, AT(seq), 0, NULL, "`seq` must be an integer of at least 0"},
    [NOW] = {LITERAL_SPAN("now"), FIELD_COUNT, AT(now), 0, NULL, "`now` must be an integer of at least 0"},
    [RESUMED] = {LITERAL_SPAN("resumed"), FIELD_BOOL, AT(resumed), 0, NULL, "`resumed` must be true or false"},
    [TOPIC] = {LITERAL_SPAN("topic"), FIELD_TEXT, AT(topic), 0, NULL, "`topic` must be a text"},
    [REF] = {LITERAL_SPAN("ref"), FIELD_POSITIVE, AT(ref), 0, NULL, "`ref` must be a positive integer"},
    [INSTANT] = {LITERAL_SPAN("at"), FIELD_COUNT, AT(at), 0, NULL, "`at` must be an integer of at least 0"},
    [DATA] = {LITERAL_SPAN("data"), FIELD_MAP, AT(data), 0, NULL, "`data` must be a map"},
    [STALE] = {LITERAL_SPAN("stale"), FIELD_BOOL, AT(stale), AT(has_stale), NULL, "`stale` must be true or false"},
    [WHY] = {LITERAL_SPAN("why"), FIELD_WHY, AT(why), 0, NULL, "`why` must be a text"},
    [SKIPPED] = {LITERAL_SPAN("skipped"), FIELD_COUNT, AT(skipped), 0, NULL, "`skipped` must be an integer of at least 0"},
    [ITEMS] = {LITERAL_SPAN("items"), FIELD_LIST, AT(items), 0, NULL, "`items` must be a list"},
    [MORE] = {LITERAL_SPAN("more"), FIELD_BOOL, AT(more), 0, NULL, "`more` must be true or false"},
    [RESULTS] = {LITERAL_SPAN("results"), FIELD_LIST, AT(results), 0, NULL, "`results` must be a list"},
    [CODE] = {LITERAL_SPAN("code"), FIELD_CODE, AT(code), 0, NULL, "`code` must be a text"},
    [DETAIL] = {LITERAL_SPAN("detail"), FIELD_TEXT, AT(detail), 0, NULL, "`detail` must be a text"},
    [ERRORS] = {LITERAL_SPAN("errors"), FIELD_LIST, AT(errors), 0, NULL, "`errors` must be a list"},
    [RETRY_MS] = {LITERAL_SPAN("retry_ms"), FIELD_COUNT, AT(retry_ms), 0, NULL, "`retry_ms` must be an integer of at least 0"},
    [REASON] = {LITERAL_SPAN("reason"), FIELD_TEXT, AT(reason), 0, NULL, "`reason` must be a text"},
};
static const struct field_table table = {fields, REPLY_FIELDS};

#undef AT

bool message_reply_shape(unsigned op, struct message_shape *shape) {
    if (op >= ops.count) {
        return false;
    }
    *shape = (struct message_shape){(const char *)op_names[op].data, &table, op_fields[op].required, op_fields[op].optional};
    return true;
}

const char *reply_op_name(enum reply_op op) {
    assert((unsigned)op < ops.count);
    return (const char *)op_names[op].data;
}

enum ahora_code reply_decode(struct span message, struct reply *out, const char **detail) {
    struct pack_reader reader = pack_reader_of(message);
    const char *fault = NULL;

    *out = (struct reply){0};
    int op = message_op_find(message, &ops, &fault);
    if (op >= 0) {
        uint32_t required = op_fields[op].required;

        fault = fields_read(&reader, &table, required | op_fields[op].optional, required, out);
    }
    return fault == NULL ? AHORA_OK : message_refuse(fault, detail);
}

void reply_put(struct buffer *out, const struct reply *reply) {
    assert((unsigned)reply->op < ops.count);
    uint32_t required = op_fields[reply->op].required;
    uint32_t wanted = required | op_fields[reply->op].optional;

    if (reply->op == REPLY_ERROR) {
        /* Only a conflict has a seq, and there 0 says something: the topic does not exist. */
        wanted &= reply->code == AHORA_CONFLICT ? wanted : ~BIT(SEQ);
        required |= BIT(SEQ);
    }
    fields_put(out, &table, wanted, required, reply);
}
