/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/codec.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

#define DEPTH_MAX 32 /* of a value; the protocol allows 16 */

const char *codec_name(enum codec codec) {
    return codec == CODEC_JSON ? "json" : "msgpack";
}

static int bytes_write(void *context, const char *data, size_t size) {
    bytes_append(context, data, size);
    return 0;
}

static int json_write(const char *data, size_t size, void *context) {
    bytes_append(context, data, size);
    return 0;
}

static void pack_text(msgpack_packer *packer, const char *text, size_t size) {
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

static void pack_value(msgpack_packer *packer, const json_t *value);

static void pack_object(msgpack_packer *packer, const json_t *value) {
    msgpack_pack_map(packer, json_object_size(value));
    /* jansson's iterator takes a non-const object though it does not change it */
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = value};
    const char *key;
    json_t *member;
    json_object_foreach(object.out, key, member) {
        pack_text(packer, key, strlen(key));
        pack_value(packer, member);
    }
}

static void pack_array(msgpack_packer *packer, const json_t *value) {
    msgpack_pack_array(packer, json_array_size(value));
    for (size_t i = 0; i < json_array_size(value); i++) {
        pack_value(packer, json_array_get(value, i));
    }
}

static void pack_value(msgpack_packer *packer, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(packer, value);
        break;
    case JSON_ARRAY:
        pack_array(packer, value);
        break;
    case JSON_STRING:
        pack_text(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    }
}

void codec_encode(enum codec codec, const json_t *value, struct bytes *out) {
    if (codec == CODEC_MSGPACK) {
        msgpack_packer packer;
        msgpack_packer_init(&packer, out, bytes_write);
        pack_value(&packer, value);
        return;
    }
    int failed = json_dump_callback(value, json_write, out, JSON_COMPACT | JSON_ENCODE_ANY);
    assert(failed == 0);
}

static json_t *value_from(const msgpack_object *object, int depth);

static json_t *object_from(const msgpack_object *object, int depth) {
    json_t *value = json_object();
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        json_t *member = value_from(&pair->val, depth + 1);
        const msgpack_object_str *key = &pair->key.via.str;
        char name[1024];
        if (member == NULL || pair->key.type != MSGPACK_OBJECT_STR || key->size >= sizeof name) {
            json_decref(member);
            json_decref(value);
            return NULL;
        }
        memcpy(name, key->ptr, key->size);
        name[key->size] = '\0';
        if (json_object_set_new(value, name, member) != 0) {
            json_decref(value);
            return NULL; /* a key that is not UTF-8 */
        }
    }
    return value;
}

static json_t *array_from(const msgpack_object *object, int depth) {
    json_t *value = json_array();
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        if (json_array_append_new(value, value_from(&object->via.array.ptr[i], depth + 1)) != 0) {
            json_decref(value);
            return NULL;
        }
    }
    return value;
}

/* NULL for what the protocol has no place for: binary, extensions, integers above 2^63, broken UTF-8, deep nesting. */
static json_t *value_from(const msgpack_object *object, int depth) {
    if (depth > DEPTH_MAX) {
        return NULL;
    }
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64) : NULL;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return array_from(object, depth);
    case MSGPACK_OBJECT_MAP:
        return object_from(object, depth);
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        return NULL;
    }
    return NULL;
}

static json_t *decode_msgpack(const char *data, size_t size, size_t *offset, bool *is_bad) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    json_t *value = NULL;
    if (msgpack_unpack_next(&unpacked, data, size, offset) == MSGPACK_UNPACK_SUCCESS) {
        value = value_from(&unpacked.data, 1);
    }
    msgpack_unpacked_destroy(&unpacked);
    *is_bad = value == NULL;
    return value;
}

json_t *codec_decode(enum codec codec, const char *data, size_t size, size_t *offset, bool *is_bad) {
    *is_bad = false;
    if (*offset >= size) {
        return NULL;
    }
    if (codec == CODEC_MSGPACK) {
        return decode_msgpack(data, size, offset, is_bad);
    }
    const char *line = data + *offset;
    const char *newline = memchr(line, '\n', size - *offset);
    size_t length = newline != NULL ? (size_t)(newline - line) : size - *offset;
    *offset += length + (newline != NULL ? 1 : 0);
    json_error_t error;
    json_t *value = json_loadb(line, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    *is_bad = value == NULL;
    return value;
}

static bool objects_equal(const json_t *a, const json_t *b) {
    if (json_object_size(a) != json_object_size(b)) {
        return false;
    }
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = a};
    const char *key;
    json_t *member;
    json_object_foreach(object.out, key, member) {
        const json_t *other = json_object_get(b, key);
        if (other == NULL || !codec_values_equal(member, other)) {
            return false;
        }
    }
    return true;
}

bool codec_values_equal(const json_t *a, const json_t *b) {
    if (json_is_integer(a) && json_is_integer(b)) {
        return json_integer_value(a) == json_integer_value(b);
    }
    if (json_is_number(a) && json_is_number(b)) {
        double difference = json_number_value(a) - json_number_value(b);
        return !(difference < 0) && !(difference > 0);
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    if (json_is_object(a)) {
        return objects_equal(a, b);
    }
    if (!json_is_array(a)) {
        return json_equal(a, b) == 1;
    }
    for (size_t i = 0; i < json_array_size(a) || i < json_array_size(b); i++) {
        const json_t *left = json_array_get(a, i);
        const json_t *right = json_array_get(b, i);
        if (left == NULL || right == NULL || !codec_values_equal(left, right)) {
            return false;
        }
    }
    return true;
}
