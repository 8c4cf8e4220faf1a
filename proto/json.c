/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/json.h"
#include "proto/json_plain.h"
#include "proto/pack.h"
#include "proto/pack_head.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

/*
 * jansson recurses as deep as the text nests, and keeps each map in a hash table of its own. So nesting and the entries of each map are counted
 * before it sees the text. Brackets and commas inside strings do not count; in text that is not JSON the counts may be wrong, but never
 * lower than what a reader could follow.
 */
static enum pack_fault measure(struct span text, unsigned depth_max) {
    uint32_t entries[PACK_DEPTH_LIMIT + 1] = {0}; /* of what is open, by its depth; of a list they stay 0 */
    bool is_map[PACK_DEPTH_LIMIT + 1] = {false};
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = text.data[i];

        if (in_text) {
            in_text = byte != '"';
            i += byte == '\\';
        } else if (byte == '"') {
            in_text = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > depth_max) {
                return PACK_TOO_DEEP;
            }
            is_map[depth] = byte == '{';
            entries[depth] = is_map[depth]; /* the first has no comma before it */
        } else if (byte == ']' || byte == '}') {
            depth -= depth > 0;
        } else if (byte == ',' && is_map[depth] && ++entries[depth] > AHORA_MAP_ENTRIES_MAX) {
            return PACK_TOO_WIDE;
        }
    }
    return PACK_FINE;
}

/* Each value but the first stands behind a comma or an opening bracket. */
static bool is_modest(struct span text, size_t values_max) {
    size_t values = 1;
    bool in_text = false;

    for (size_t i = 0; i < text.bytes && values <= values_max; i++) {
        uint8_t byte = text.data[i];

        if (in_text) {
            in_text = byte != '"';
            i += byte == '\\';
        } else {
            in_text = byte == '"';
            values += byte == ',' || byte == '[' || byte == '{';
        }
    }
    return values <= values_max;
}

static const char *value_put(struct buffer *out, const json_t *value);

static const char *list_put(struct buffer *out, const json_t *list) {
    const char *fault = NULL;
    size_t count = json_array_size(list);

    pack_put_list(out, (uint32_t)count);
    for (size_t i = 0; i < count && fault == NULL; i++) {
        fault = value_put(out, json_array_get(list, i));
    }
    return fault;
}

static const char *map_put(struct buffer *out, const json_t *map) {
    json_t *walked = (json_t *)(uintptr_t)map; /* jansson's iterators want it so; nothing is changed */
    const char *fault = NULL;

    if (json_object_size(map) > AHORA_MAP_ENTRIES_MAX) { /* never, as measure counted them */
        return pack_fault_text(PACK_TOO_WIDE);
    }
    pack_put_map(out, (uint32_t)json_object_size(map));
    for (void *at = json_object_iter(walked); at != NULL && fault == NULL; at = json_object_iter_next(walked, at)) {
        pack_put_text(out, span_of(json_object_iter_key(at), json_object_iter_key_len(at)));
        fault = value_put(out, json_object_iter_value(at));
    }
    return fault;
}

/* NULL, or what is wrong. Recurses at most PACK_DEPTH_LIMIT deep: measure has been asked. */
static const char *value_put(struct buffer *out, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return map_put(out, value);
    case JSON_ARRAY:
        return list_put(out, value);
    case JSON_STRING:
        pack_put_text(out, span_of(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        pack_put_int(out, json_integer_value(value));
        break;
    case JSON_REAL:
        pack_put_float(out, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_put_bool(out, json_is_true(value));
        break;
    case JSON_NULL:
        pack_put_nil(out);
        break;
    }
    return NULL;
}

static const char *syntax_text(const json_error_t *error) {
    static const struct {
        enum json_error_code code;
        const char *text;
    } texts[] = {
        {json_error_invalid_utf8, "holds text that is not UTF-8"},
        {json_error_premature_end_of_input, "ends inside a JSON value"},
        {json_error_end_of_input_expected, "holds more than one JSON value"},
        {json_error_null_character, "holds a NUL character"},
        {json_error_null_byte_in_key, "holds a NUL character"},
        {json_error_duplicate_key, "repeats a key in a map"},
        {json_error_numeric_overflow, "holds a number out of range"},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (json_error_code(error) == texts[i].code) {
            return texts[i].text;
        }
    }
    return "is not JSON";
}

static enum ahora_code refuse(enum ahora_code code, const char *text, const char **detail) {
    if (detail != NULL) {
        *detail = text;
    }
    return code;
}

enum ahora_code json_tree_to_pack(struct span text, unsigned depth_max, size_t values_max, struct buffer *out,
                                  const char **detail) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    size_t before = out->bytes;
    json_error_t error;

    assert(depth_max <= PACK_DEPTH_LIMIT);
    if (out->failed) {
        return refuse(AHORA_TOO_LARGE, "does not fit", detail);
    }
    /* jansson (2.14) loses a NUL that follows a number, and would take `[1\0]` for `[1]`. */
    if (text.bytes > 0 && memchr(text.data, '\0', text.bytes) != NULL) {
        return refuse(AHORA_BAD_MESSAGE, "holds a NUL character", detail);
    }
    enum pack_fault shape = measure(text, depth_max);
    if (shape != PACK_FINE) {
        return refuse(AHORA_BAD_MESSAGE, pack_fault_text(shape), detail);
    }
    if (values_max < SIZE_MAX && !is_modest(text, values_max)) {
        return refuse(AHORA_TOO_LARGE, "holds too many values", detail);
    }
    json_t *value = json_loadb(text.bytes == 0 ? "" : (const char *)text.data, text.bytes, flags, &error);
    if (value == NULL && json_error_code(&error) == json_error_out_of_memory) {
        return refuse(AHORA_TOO_LARGE, "does not fit in memory", detail);
    }
    if (value == NULL) {
        return refuse(AHORA_BAD_MESSAGE, syntax_text(&error), detail);
    }
    const char *fault = value_put(out, value);
    json_decref(value);
    if (fault == NULL && !out->failed) {
        return AHORA_OK;
    }
    buffer_cut(out, before);
    return fault != NULL ? refuse(AHORA_BAD_MESSAGE, fault, detail) : refuse(AHORA_TOO_LARGE, "does not fit", detail);
}

enum ahora_code json_to_pack(struct span text, unsigned depth_max, struct buffer *out, const char **detail) {
    return json_to_pack_bounded(text, depth_max, SIZE_MAX, out, detail);
}

enum ahora_code json_to_pack_bounded(struct span text, unsigned depth_max, size_t values_max, struct buffer *out,
                                     const char **detail) {
    assert(depth_max <= PACK_DEPTH_LIMIT);
    if (!out->failed && json_plain_to_pack(text, depth_max, values_max, out)) {
        return AHORA_OK;
    }
    return json_tree_to_pack(text, depth_max, values_max, out, detail);
}
