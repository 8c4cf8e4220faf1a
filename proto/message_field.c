/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/message_field.h"

#include <assert.h>
#include <string.h>

#define PATTERNS_MAX 64

/* The enum of that spelling, -1 if there is none. */
static int words_find(const struct words *words, struct span text) {
    for (unsigned i = 0; i < words->count; i++) {
        if (span_equal(words->spans[i], text)) {
            return (int)i;
        }
    }
    return -1;
}

int message_op_find(struct span message, const struct words *ops, const char **detail) {
    struct pack_reader reader = pack_reader_of(message);

    if (pack_peek(&reader) != PACK_MAP) {
        message_refuse("a message must be a map", detail);
        return -1;
    }
    struct pack_reader op_reader = pack_reader_of(pack_find(message, "op"));
    struct span name = pack_read_text(&op_reader);
    if (op_reader.failed) {
        message_refuse("`op` must be a text", detail);
        return -1;
    }
    int op = words_find(ops, name);
    if (op < 0) {
        message_refuse("unknown op", detail);
    }
    return op;
}

enum ahora_code message_refuse(const char *text, const char **detail) {
    if (detail != NULL) {
        *detail = text;
    }
    return AHORA_BAD_MESSAGE;
}

/* ---- reading ---- */

/* A list of 1 to `count_max` values of one type. */
static bool read_list_of(struct pack_reader *reader, enum pack_type type, uint32_t count_max) {
    uint32_t count = pack_read_list(reader);

    if (reader->failed || count < 1 || count > count_max) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pack_peek(reader) != type) {
            return false;
        }
        pack_skip(reader);
    }
    return !reader->failed;
}

/* One packed value of the field's type, left behind. */
static bool read_packed(struct pack_reader *reader, enum field_type type, struct span *out) {
    const uint8_t *start = reader->at;
    enum pack_type found = pack_peek(reader);
    bool right = type == FIELD_ANY || (type == FIELD_MAP && found == PACK_MAP) || (type == FIELD_LIST && found == PACK_LIST) ||
                 (type == FIELD_PATTERNS && found == PACK_TEXT);

    if (right) {
        pack_skip(reader);
    } else if (type == FIELD_PATTERNS) {
        right = read_list_of(reader, PACK_TEXT, PATTERNS_MAX);
    } else if (type == FIELD_CHANGES) {
        right = read_list_of(reader, PACK_MAP, AHORA_CHANGES_MAX);
    }
    *out = span_of(start, (size_t)(reader->at - start));
    return right && !reader->failed;
}

static bool read_word(struct pack_reader *reader, const struct field *field, void *out) {
    struct span text = pack_read_text(reader);
    int word = -1;

    if (reader->failed) {
        return false;
    }
    if (field->type == FIELD_WORD) {
        word = words_find(field->words, text);
    } else if (field->type == FIELD_CODE) {
        word = (int)ahora_code_parse((const char *)text.data, text.bytes);
    } else {
        word = (int)ahora_why_parse((const char *)text.data, text.bytes);
    }
    memcpy(out, &word, sizeof(word)); /* as wide as the enum, asserted below */
    return word >= 0;
}

_Static_assert(sizeof(enum ahora_code) == sizeof(int) && sizeof(enum ahora_why) == sizeof(int), "a word is stored as an int");

static bool read_integer(struct pack_reader *reader, int64_t least, int64_t *out) {
    *out = pack_read_int(reader);
    return !reader->failed && *out >= least;
}

static bool read_field(struct pack_reader *reader, const struct field *field, void *at) {
    switch (field->type) {
    case FIELD_WORD:
    case FIELD_CODE:
    case FIELD_WHY:
        return read_word(reader, field, at);
    case FIELD_TEXT:
        *(struct span *)at = pack_read_text(reader);
        return !reader->failed;
    case FIELD_POSITIVE:
        return read_integer(reader, 1, at);
    case FIELD_COUNT:
        return read_integer(reader, 0, at);
    case FIELD_BOOL:
        *(bool *)at = pack_read_bool(reader);
        return !reader->failed;
    case FIELD_ANY:
    case FIELD_MAP:
    case FIELD_LIST:
    case FIELD_PATTERNS:
    case FIELD_CHANGES:
        break;
    }
    return read_packed(reader, field->type, at);
}

/* The index of a key, searched from `hint` on: writers keep the order of the table, so the first look mostly finds it. */
static unsigned field_find(const struct field_table *table, struct span key, unsigned hint) {
    for (unsigned i = 0; i < table->count; i++) {
        unsigned index = hint + i < table->count ? hint + i : hint + i - table->count;

        if (span_equal(table->fields[index].key, key)) {
            return index;
        }
    }
    return table->count;
}

const char *fields_read(struct pack_reader *reader, const struct field_table *table, uint32_t wanted, uint32_t required,
                        void *out) {
    unsigned hint = 0;

    for (uint32_t entries = pack_read_map(reader); entries > 0; entries--) {
        unsigned index = field_find(table, pack_read_text(reader), hint);

        if (index == table->count || !(wanted & FIELD_BIT(index))) {
            pack_skip(reader);
            continue;
        }
        const struct field *field = &table->fields[index];
        if (!read_field(reader, field, (char *)out + field->offset)) {
            return field->detail;
        }
        if (field->flag_offset > 0) {
            *(bool *)((char *)out + field->flag_offset) = true;
        }
        required &= ~FIELD_BIT(index);
        hint = index + 1;
    }
    return required == 0 ? NULL : table->fields[__builtin_ctz(required)].detail;
}

/* ---- writing ---- */

static int word_of(const void *at) {
    int word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static bool is_present(const struct field *field, bool required, const void *message) {
    const void *at = (const char *)message + field->offset;

    if (field->flag_offset > 0) {
        return *(const bool *)((const char *)message + field->flag_offset);
    }
    switch (field->type) {
    case FIELD_WORD:
    case FIELD_CODE:
    case FIELD_WHY:
        return required || word_of(at) != 0;
    case FIELD_POSITIVE:
        return *(const int64_t *)at != 0;
    case FIELD_COUNT:
        return required || *(const int64_t *)at != 0;
    case FIELD_BOOL:
        return required || *(const bool *)at;
    case FIELD_TEXT:
    case FIELD_ANY:
    case FIELD_MAP:
    case FIELD_LIST:
    case FIELD_PATTERNS:
    case FIELD_CHANGES:
        break;
    }
    return required || ((const struct span *)at)->data != NULL;
}

static struct span spelling(const struct field *field, int word) {
    if (field->type == FIELD_CODE) {
        return span_of_text(ahora_code_name((enum ahora_code)word));
    }
    if (field->type == FIELD_WHY) {
        return span_of_text(ahora_why_name((enum ahora_why)word));
    }
    assert((unsigned)word < field->words->count);
    return field->words->spans[word];
}

static void put_field(struct buffer *out, const struct field *field, const void *at) {
    pack_put_text(out, field->key);
    switch (field->type) {
    case FIELD_WORD:
    case FIELD_CODE:
    case FIELD_WHY:
        pack_put_text(out, spelling(field, word_of(at)));
        return;
    case FIELD_POSITIVE:
    case FIELD_COUNT:
        pack_put_int(out, *(const int64_t *)at);
        return;
    case FIELD_BOOL:
        pack_put_bool(out, *(const bool *)at);
        return;
    case FIELD_TEXT:
        pack_put_text(out, *(const struct span *)at);
        return;
    case FIELD_ANY:
    case FIELD_MAP:
    case FIELD_LIST:
    case FIELD_PATTERNS:
    case FIELD_CHANGES:
        break;
    }
    pack_put_raw(out, *(const struct span *)at);
}

void fields_put(struct buffer *out, const struct field_table *table, uint32_t wanted, uint32_t required, const void *message) {
    uint32_t present = 0;

    for (uint32_t left = wanted; left != 0; left &= left - 1) {
        unsigned index = (unsigned)__builtin_ctz(left);

        if (is_present(&table->fields[index], required & FIELD_BIT(index), message)) {
            present |= FIELD_BIT(index);
        }
    }
    pack_put_map(out, (uint32_t)__builtin_popcount(present));
    for (uint32_t left = present; left != 0; left &= left - 1) {
        const struct field *field = &table->fields[__builtin_ctz(left)];

        put_field(out, field, (const char *)message + field->offset);
    }
}
