/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Messages as tables: which fields there are, and which of them an operation has. Only proto/message_*.c look here.
 *
 * A table lists the fields of a struct in the order in which they are written; the first is always the operation itself. Sets of
 * fields are bits by index in that table.
 */
#ifndef PROTO_MESSAGE_FIELD_H
#define PROTO_MESSAGE_FIELD_H

#include "include/ahora/protocol.h"
#include "proto/pack.h"

#define FIELD_BIT(index) (UINT32_C(1) << (index))
#define LITERAL_SPAN(text)                                                                                                     \
    { (const uint8_t *)(text), sizeof(text) - 1 }

enum field_type {
    FIELD_WORD,     /* enum: one of `words` */
    FIELD_CODE,     /* enum ahora_code */
    FIELD_WHY,      /* enum ahora_why */
    FIELD_TEXT,     /* struct span: its characters */
    FIELD_POSITIVE, /* int64_t >= 1; 0 is absence */
    FIELD_COUNT,    /* int64_t >= 0 */
    FIELD_BOOL,     /* bool */
    FIELD_ANY,      /* struct span: the packed value, here and below */
    FIELD_MAP,
    FIELD_LIST,
    FIELD_PATTERNS, /* text, or list of 1 to 64 texts */
    FIELD_CHANGES,  /* list of 1 to AHORA_CHANGES_MAX maps */
};

/* The spellings of an enum, indexed by it. */
struct words {
    const struct span *spans;
    unsigned count;
};

struct field {
    struct span key;
    enum field_type type;
    size_t offset;
    size_t flag_offset;        /* of the bool that says whether it is there; 0: none */
    const struct words *words; /* FIELD_WORD */
    const char *detail;        /* what is said if it is missing or wrong */
};

struct field_table {
    const struct field *fields;
    unsigned count;
};

/* One operation of a table, for those who describe it (message_schema.c). */
struct message_shape {
    const char *name; /* "" for a change, which names its operation itself */
    const struct field_table *table;
    uint32_t required, optional;
};

/* False past the last operation. */
bool message_request_shape(unsigned op, struct message_shape *shape);
bool message_reply_shape(unsigned op, struct message_shape *shape);
void message_change_shape(struct message_shape *shape);

/*
 * Reads a packed map into the struct at `out`, which the caller has zeroed. Keys outside `wanted` are skipped. NULL if all is
 * well and everything in `required` was there, otherwise the detail; the reader then stands anywhere.
 */
const char *fields_read(struct pack_reader *reader, const struct field_table *table, uint32_t wanted, uint32_t required,
                        void *out);

/* Writes the packed map of the struct at `message`: everything in `required`, and what is present of `wanted`. */
void fields_put(struct buffer *out, const struct field_table *table, uint32_t wanted, uint32_t required, const void *message);

/* The operation named by `op` in the packed map, -1 and a detail if there is none. */
int message_op_find(struct span message, const struct words *ops, const char **detail);

/* Answers for a decoder: stores the text where the caller wants one. */
enum ahora_code message_refuse(const char *text, const char **detail);

#endif
