/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/message.h"
#include "proto/message_field.h"

#include <assert.h>

/* ---- messages ---- */

enum {
    OP,
    ID,
    TOKEN,
    CLIENT,
    SOURCE,
    ON_LOST,
    GRACE_MS,
    MATCH,
    SINCE,
    EVERY_MS,
    WHERE,
    NEAR,
    LIMIT,
    CHANGES,
    ATOMIC,
    ACK,
    REQUEST_FIELDS,
};

#define BIT(name) FIELD_BIT(name)

static const struct span op_names[] = {
    [REQUEST_HELLO] = LITERAL_SPAN("hello"), [REQUEST_SUB] = LITERAL_SPAN("sub"),   [REQUEST_UNSUB] = LITERAL_SPAN("unsub"),
    [REQUEST_MOVE] = LITERAL_SPAN("move"),   [REQUEST_GET] = LITERAL_SPAN("get"),   [REQUEST_PUB] = LITERAL_SPAN("pub"),
    [REQUEST_AUTH] = LITERAL_SPAN("auth"),   [REQUEST_PING] = LITERAL_SPAN("ping"),
};
static const struct words ops = {op_names, sizeof(op_names) / sizeof(op_names[0])};

static const struct span ack_names[] = {
    [ACK_DURABLE] = LITERAL_SPAN("durable"),
    [ACK_APPLIED] = LITERAL_SPAN("applied"),
    [ACK_NONE] = LITERAL_SPAN("none"),
};
static const struct words acks = {ack_names, sizeof(ack_names) / sizeof(ack_names[0])};

static const struct span on_lost_names[] = {
    [ON_LOST_STALE] = LITERAL_SPAN("stale"),
    [ON_LOST_DELETE] = LITERAL_SPAN("delete"),
};
static const struct words on_losts = {on_lost_names, sizeof(on_lost_names) / sizeof(on_lost_names[0])};

static const struct {
    uint32_t required, optional;
} op_fields[] = {
    [REQUEST_HELLO] = {BIT(OP), BIT(TOKEN) | BIT(CLIENT) | BIT(SOURCE) | BIT(ON_LOST) | BIT(GRACE_MS)},
    [REQUEST_SUB] = {BIT(OP) | BIT(ID) | BIT(MATCH), BIT(SINCE) | BIT(EVERY_MS) | BIT(WHERE) | BIT(NEAR) | BIT(LIMIT)},
    [REQUEST_UNSUB] = {BIT(OP) | BIT(ID), 0},
    [REQUEST_MOVE] = {BIT(OP) | BIT(ID) | BIT(NEAR), 0},
    [REQUEST_GET] = {BIT(OP) | BIT(ID) | BIT(MATCH), BIT(WHERE) | BIT(NEAR) | BIT(LIMIT)},
    [REQUEST_PUB] = {BIT(OP) | BIT(CHANGES), BIT(ID) | BIT(ATOMIC) | BIT(ACK)},
    [REQUEST_AUTH] = {BIT(OP) | BIT(ID) | BIT(TOKEN), 0},
    [REQUEST_PING] = {BIT(OP) | BIT(ID), 0},
};

#define AT(member) offsetof(struct request, member)

static const struct field fields[REQUEST_FIELDS] = {
    [OP] = {LITERAL_SPAN("op"), FIELD_WORD, AT(op), 0, &ops, "unknown op"},
    [ID] = {LITERAL_SPAN("id"), FIELD_POSITIVE, AT(id), 0, NULL, "`id` must be a positive integer"},
    [TOKEN] = {LITERAL_SPAN("token"), FIELD_TEXT, AT(token), 0, NULL, "`token` must be a text"},
    [CLIENT] = {LITERAL_SPAN("client"), FIELD_TEXT, AT(client), 0, NULL, "`client` must be a text"},
    [SOURCE] = {LITERAL_SPAN("source"), FIELD_TEXT, AT(source), 0, NULL, "`source` must be a text"},
    [ON_LOST] = {LITERAL_SPAN("on_lost"), FIELD_WORD, AT(on_lost), 0, &on_losts, "`on_lost` must be `stale` or `delete`"},
    [GRACE_MS] = {LITERAL_SPAN("grace_ms"), FIELD_COUNT, AT(grace_ms), AT(has_grace_ms), NULL,
                  "`grace_ms` must be an integer of at least 0"},
    [MATCH] = {LITERAL_SPAN("match"), FIELD_PATTERNS, AT(match), 0, NULL,
               "`match` must be a pattern or a list of 1 to 64 patterns"},
    [SINCE] = {LITERAL_SPAN("since"), FIELD_TEXT, AT(since), 0, NULL, "`since` must be a text"},
    [EVERY_MS] = {LITERAL_SPAN("every_ms"), FIELD_COUNT, AT(every_ms), 0, NULL, "`every_ms` must be an integer of at least 0"},
    [WHERE] = {LITERAL_SPAN("where"), FIELD_MAP, AT(where), 0, NULL, "`where` must be a map"},
    [NEAR] = {LITERAL_SPAN("near"), FIELD_MAP, AT(near), 0, NULL, "`near` must be a map"},
    [LIMIT] = {LITERAL_SPAN("limit"), FIELD_POSITIVE, AT(limit), 0, NULL, "`limit` must be a positive integer"},
    [CHANGES] = {LITERAL_SPAN("changes"), FIELD_CHANGES, AT(changes), 0, NULL, "`changes` must be a list of 1 to 1000 maps"},
    [ATOMIC] = {LITERAL_SPAN("atomic"), FIELD_BOOL, AT(atomic), 0, NULL, "`atomic` must be true or false"},
    [ACK] = {LITERAL_SPAN("ack"), FIELD_WORD, AT(ack), 0, &acks, "`ack` must be `durable`, `applied` or `none`"},
};
static const struct field_table table = {fields, REQUEST_FIELDS};

#undef AT

bool message_request_shape(unsigned op, struct message_shape *shape) {
    if (op >= ops.count) {
        return false;
    }
    *shape = (struct message_shape){(const char *)op_names[op].data, &table, op_fields[op].required, op_fields[op].optional};
    return true;
}

static const char *decode(struct span message, struct request *out) {
    struct pack_reader reader = pack_reader_of(message);
    const char *fault = NULL;
    int op = message_op_find(message, &ops, &fault);

    if (op < 0) {
        return fault;
    }
    uint32_t required = op_fields[op].required;
    fault = fields_read(&reader, &table, required | op_fields[op].optional, required, out);
    if (fault != NULL) {
        return fault;
    }
    if (out->op == REQUEST_PUB) {
        struct pack_reader changes = pack_reader_of(out->changes);

        out->change_count = pack_read_list(&changes);
        return out->id == 0 && out->ack != ACK_NONE ? fields[ID].detail : NULL;
    }
    return NULL;
}

enum ahora_code request_decode(struct span message, struct request *out, const char **detail) {
    *out = (struct request){0};
    const char *fault = decode(message, out);

    if (fault == NULL) {
        return AHORA_OK;
    }
    struct pack_reader reader = pack_reader_of(pack_find(message, "id"));
    int64_t id = pack_read_int(&reader);
    *out = (struct request){.id = id > 0 ? id : 0};
    return message_refuse(fault, detail);
}

void request_put(struct buffer *out, const struct request *request) {
    assert((unsigned)request->op < ops.count);
    uint32_t required = op_fields[request->op].required;

    fields_put(out, &table, required | op_fields[request->op].optional, required, request);
}

/* ---- changes ---- */

enum {
    CHANGE_FIELD_OP,
    CHANGE_FIELD_TOPIC,
    CHANGE_FIELD_DATA,
    CHANGE_FIELD_KEY,
    CHANGE_FIELD_AT,
    CHANGE_FIELD_IF_SEQ,
    CHANGE_FIELD_IF_NEWER,
    CHANGE_FIELD_FRESH_MS,
    CHANGE_FIELD_EXPIRE_MS,
    CHANGE_FIELDS,
};

#define CHANGE_WANTED (FIELD_BIT(CHANGE_FIELDS) - 1)
#define CHANGE_REQUIRED (FIELD_BIT(CHANGE_FIELD_OP) | FIELD_BIT(CHANGE_FIELD_TOPIC))

static const struct span change_names[CHANGE_OPS] = {
    [CHANGE_SET] = LITERAL_SPAN("set"),     [CHANGE_PATCH] = LITERAL_SPAN("patch"),   [CHANGE_ADJUST] = LITERAL_SPAN("adjust"),
    [CHANGE_TOUCH] = LITERAL_SPAN("touch"), [CHANGE_DELETE] = LITERAL_SPAN("delete"),
};
static const struct words change_ops = {change_names, CHANGE_OPS};

#define AT(member) offsetof(struct change_request, member)

static const struct field change_fields[CHANGE_FIELDS] = {
    [CHANGE_FIELD_OP] = {LITERAL_SPAN("op"), FIELD_WORD, AT(op), 0, &change_ops,
                         "`op` of a change must be `set`, `patch`, `adjust`, `touch` or `delete`"},
    [CHANGE_FIELD_TOPIC] = {LITERAL_SPAN("topic"), FIELD_TEXT, AT(topic), 0, NULL, "`topic` must be a text"},
    [CHANGE_FIELD_DATA] = {LITERAL_SPAN("data"), FIELD_ANY, AT(data), 0, NULL, "`data` must be a map"},
    [CHANGE_FIELD_KEY] = {LITERAL_SPAN("key"), FIELD_TEXT, AT(key), 0, NULL, "`key` must be a text of 1 to 64 bytes"},
    [CHANGE_FIELD_AT] = {LITERAL_SPAN("at"), FIELD_COUNT, AT(at), AT(has_at), NULL,
                         "`at` must be an integer of at least 0 (milliseconds since 1970)"},
    [CHANGE_FIELD_IF_SEQ] = {LITERAL_SPAN("if_seq"), FIELD_COUNT, AT(if_seq), AT(has_if_seq), NULL,
                             "`if_seq` must be an integer of at least 0"},
    [CHANGE_FIELD_IF_NEWER] = {LITERAL_SPAN("if_newer"), FIELD_BOOL, AT(if_newer), 0, NULL, "`if_newer` must be true or false"},
    [CHANGE_FIELD_FRESH_MS] = {LITERAL_SPAN("fresh_ms"), FIELD_COUNT, AT(fresh_ms), AT(has_fresh_ms), NULL,
                               "`fresh_ms` must be an integer of at least 0"},
    [CHANGE_FIELD_EXPIRE_MS] = {LITERAL_SPAN("expire_ms"), FIELD_COUNT, AT(expire_ms), AT(has_expire_ms), NULL,
                                "`expire_ms` must be an integer of at least 0"},
};
static const struct field_table change_table = {change_fields, CHANGE_FIELDS};

#undef AT

void message_change_shape(struct message_shape *shape) {
    *shape = (struct message_shape){"", &change_table, CHANGE_REQUIRED, CHANGE_WANTED & ~CHANGE_REQUIRED};
}

const char *change_op_name(enum change_op op) {
    assert((unsigned)op < CHANGE_OPS);
    return (const char *)change_names[op].data;
}

static bool has_data(enum change_op op) {
    return op == CHANGE_SET || op == CHANGE_PATCH || op == CHANGE_ADJUST;
}

static const char *change_read(struct pack_reader *reader, struct change_request *out) {
    if (pack_peek(reader) != PACK_MAP) {
        return "a change must be a map";
    }
    const char *fault = fields_read(reader, &change_table, CHANGE_WANTED, CHANGE_REQUIRED, out);
    if (fault != NULL) {
        return fault;
    }
    if (out->key.data != NULL && (out->key.bytes == 0 || out->key.bytes > AHORA_KEY_BYTES_MAX)) {
        return change_fields[CHANGE_FIELD_KEY].detail;
    }
    if (!has_data(out->op)) {
        out->data = span_of(NULL, 0);
        return NULL;
    }
    struct pack_reader data = pack_reader_of(out->data);
    return pack_peek(&data) == PACK_MAP ? NULL : change_fields[CHANGE_FIELD_DATA].detail;
}

enum ahora_code change_decode(struct pack_reader *reader, struct change_request *out, const char **detail) {
    struct pack_reader start = *reader;

    *out = (struct change_request){0};
    const char *fault = change_read(reader, out);
    if (fault == NULL) {
        return AHORA_OK;
    }
    *reader = start;
    pack_skip(reader);
    return message_refuse(fault, detail);
}

void change_put(struct buffer *out, const struct change_request *change) {
    uint32_t wanted = has_data(change->op) ? CHANGE_WANTED : CHANGE_WANTED & ~FIELD_BIT(CHANGE_FIELD_DATA);

    assert(!has_data(change->op) || change->data.data != NULL);
    fields_put(out, &change_table, wanted, CHANGE_REQUIRED, change);
}
