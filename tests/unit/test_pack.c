/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The cursor, the check and the puts; and all of them against msgpack-c's own unpacker on random values, legal and not.
 */
#include "include/ahora/protocol.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1 << 20)

#define PACK(literal) span_of(literal, sizeof(literal) - 1)

static enum pack_fault check(struct span bytes) {
    size_t used = SIZE_MAX;
    enum pack_fault fault = pack_check(bytes, AHORA_DEPTH_MAX, &used);

    assert_true(fault == PACK_FINE ? used <= bytes.bytes : used == SIZE_MAX);
    return fault;
}

static void integers_take_the_shortest_form(void **state) {
    static const struct {
        int64_t value;
        size_t bytes;
    } rows[] = {{0, 1},
                {127, 1},
                {128, 2},
                {255, 2},
                {256, 3},
                {65535, 3},
                {65536, 5},
                {UINT32_MAX, 5},
                {1LL << 32, 9},
                {INT64_MAX, 9},
                {-1, 1},
                {-32, 1},
                {-33, 2},
                {-128, 2},
                {-129, 3},
                {-32768, 3},
                {-32769, 5},
                {INT32_MIN, 5},
                {-(1LL << 31) - 1, 9},
                {INT64_MIN, 9}};
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, BYTES_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buffer_clear(&buffer, BYTES_MAX);
        pack_put_int(&buffer, rows[i].value);
        assert_int_equal(buffer.bytes, rows[i].bytes);
        struct pack_reader reader = pack_reader_of(buffer_span(&buffer));
        assert_int_equal(pack_peek(&reader), PACK_INT);
        assert_true(pack_read_int(&reader) == rows[i].value && !reader.failed);
        assert_int_equal(pack_peek(&reader), PACK_END);
    }
    buffer_fini(&buffer);
}

static void integers_are_read_from_any_form(void **state) {
    static const struct {
        struct span bytes;
        int64_t value;
    } rows[] = {
        {{(const uint8_t *)"\xcc\x05", 2}, 5},
        {{(const uint8_t *)"\xcd\x00\x05", 3}, 5},
        {{(const uint8_t *)"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 9}, 5},
        {{(const uint8_t *)"\xd0\x05", 2}, 5},
        {{(const uint8_t *)"\xd0\xff", 2}, -1},
        {{(const uint8_t *)"\xd1\xff\xfe", 3}, -2},
        {{(const uint8_t *)"\xd2\xff\xff\xff\xfd", 5}, -3},
        {{(const uint8_t *)"\xd3\xff\xff\xff\xff\xff\xff\xff\xfc", 9}, -4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pack_reader reader = pack_reader_of(rows[i].bytes);

        assert_int_equal(check(rows[i].bytes), PACK_FINE);
        assert_true(pack_read_int(&reader) == rows[i].value && !reader.failed);
    }
}

static void everything_put_is_read_back(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, BYTES_MAX);
    pack_put_map(&buffer, 2);
    pack_put_key(&buffer, "a");
    pack_put_list(&buffer, 5);
    pack_put_nil(&buffer);
    pack_put_bool(&buffer, true);
    pack_put_bool(&buffer, false);
    pack_put_float(&buffer, 0.1);
    pack_put_text(&buffer, span_of_text("héllo"));
    pack_put_key(&buffer, "b");
    pack_put_raw(&buffer, PACK("\xa1x"));
    assert_int_equal(check(buffer_span(&buffer)), PACK_FINE);

    struct pack_reader reader = pack_reader_of(buffer_span(&buffer));
    assert_int_equal(pack_read_map(&reader), 2);
    assert_true(span_is(pack_read_text(&reader), "a"));
    assert_int_equal(pack_read_list(&reader), 5);
    assert_int_equal(pack_peek(&reader), PACK_NIL);
    pack_read_nil(&reader);
    assert_true(pack_read_bool(&reader));
    assert_false(pack_read_bool(&reader));
    assert_true(pack_read_float(&reader) == 0.1);
    assert_true(span_is(pack_read_text(&reader), "héllo"));
    assert_true(span_is(pack_read_text(&reader), "b"));
    assert_true(span_equal(pack_skip(&reader), PACK("\xa1x")));
    assert_false(reader.failed);
    assert_int_equal(pack_peek(&reader), PACK_END);
    buffer_fini(&buffer);
}

static void float_reads_integers_but_not_the_reverse(void **state) {
    struct pack_reader reader = pack_reader_of(PACK("\xd0\x80\xca\x3f\x00\x00\x00"));

    (void)state;
    assert_true(pack_read_float(&reader) == -128.0);
    assert_true(pack_read_float(&reader) == 0.5);
    reader = pack_reader_of(PACK("\xca\x3f\x00\x00\x00"));
    assert_int_equal(pack_read_int(&reader), 0);
    assert_true(reader.failed);
}

static void failure_is_remembered(void **state) {
    struct pack_reader reader = pack_reader_of(PACK("\x05\x06"));

    (void)state;
    assert_int_equal(pack_read_text(&reader).bytes, 0);
    assert_true(reader.failed);
    assert_int_equal(pack_read_int(&reader), 0);
    assert_int_equal(pack_peek(&reader), PACK_END);
    assert_null(pack_skip(&reader).data);
}

static void empty_span_is_the_end(void **state) {
    struct pack_reader reader = pack_reader_of(span_of(NULL, 0));

    (void)state;
    assert_int_equal(pack_peek(&reader), PACK_END);
    assert_int_equal(check(span_of(NULL, 0)), PACK_TRUNCATED);
    assert_int_equal(pack_read_map(&reader), 0);
    assert_true(reader.failed);
}

static void find_gives_the_value_or_nothing(void **state) {
    struct span map = PACK("\x82\xa1"
                           "a\x92\x01\x02\xa2"
                           "bc\xc0");

    (void)state;
    assert_true(span_equal(pack_find(map, "a"), PACK("\x92\x01\x02")));
    assert_true(span_equal(pack_find(map, "bc"), PACK("\xc0")));
    assert_int_equal(pack_find(map, "b").bytes, 0);
    assert_int_equal(pack_find(PACK("\x92\x01\x02"), "a").bytes, 0);
    assert_int_equal(pack_find(span_of(NULL, 0), "a").bytes, 0);
}

/* Each prefix of a legal value is in memory of exactly its size, so a sanitizer sees one byte too many. */
static void every_prefix_is_truncated(void **state) {
    static const char whole[] = "\x85\xa1"
                                "a\xcf\x00\x00\x00\x00\x00\x00\x00\x05\xa1"
                                "b\x93\xca\x3f\x00\x00\x00\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xc2\xa1"
                                "c\xd9\x05h\xc3\xa9y!\xa1"
                                "d\xdc\x00\x01\xc0\xd9\x01"
                                "e\xde\x00\x00";
    size_t bytes = sizeof(whole) - 1;

    (void)state;
    assert_int_equal(check(span_of(whole, bytes)), PACK_FINE);
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *copy = malloc(i == 0 ? 1 : i);

        memcpy(copy, whole, i);
        assert_int_equal(check(span_of(copy, i)), PACK_TRUNCATED);
        struct pack_reader reader = pack_reader_of(span_of(copy, i));
        assert_null(pack_skip(&reader).data);
        assert_true(reader.failed);
        free(copy);
    }
}

static void check_reports_the_length_of_the_first_value(void **state) {
    size_t used;

    (void)state;
    assert_int_equal(pack_check(PACK("\x92\x01\x02\xc1\xff"), 1, &used), PACK_FINE);
    assert_int_equal(used, 3);
}

static void depth_counts_lists_and_maps(void **state) {
    size_t used;

    (void)state;
    assert_int_equal(pack_check(PACK("\x05"), 0, &used), PACK_FINE);
    assert_int_equal(pack_check(PACK("\x90"), 0, &used), PACK_TOO_DEEP);
    assert_int_equal(pack_check(PACK("\x92\x90\x80"), 2, &used), PACK_FINE);
    assert_int_equal(pack_check(PACK("\x92\x90\x81\xa1x\x90"), 2, &used), PACK_TOO_DEEP);
}

/* A map of `count` keys k0, k1 ..., the last of them being `last`. */
static void wide_map_put(struct buffer *out, uint32_t count, const char *last, struct span value) {
    pack_put_map(out, count);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%u", (unsigned)i);
        pack_put_key(out, i + 1 == count ? last : key);
        pack_put_raw(out, value);
    }
}

static void repeated_keys_are_found_at_every_width(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, BYTES_MAX);
    for (uint32_t count = 2; count <= AHORA_MAP_ENTRIES_MAX; count += count < 40 ? 1 : 41) {
        char first_but_one[16];

        snprintf(first_but_one, sizeof(first_but_one), "k%u", (unsigned)(count - 2));
        buffer_clear(&buffer, BYTES_MAX);
        wide_map_put(&buffer, count, "last", PACK("\x91\xc0"));
        assert_int_equal(check(buffer_span(&buffer)), PACK_FINE);
        buffer_clear(&buffer, BYTES_MAX);
        wide_map_put(&buffer, count, "k0", PACK("\x91\xc0"));
        assert_int_equal(check(buffer_span(&buffer)), PACK_REPEATED_KEY);
        buffer_clear(&buffer, BYTES_MAX);
        wide_map_put(&buffer, count, first_but_one, PACK("\xc0"));
        assert_int_equal(check(buffer_span(&buffer)), PACK_REPEATED_KEY);
    }
    buffer_fini(&buffer);
}

static void widest_map_passes_and_one_more_does_not(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, BYTES_MAX);
    wide_map_put(&buffer, AHORA_MAP_ENTRIES_MAX, "last", PACK("\xc0"));
    assert_int_equal(check(buffer_span(&buffer)), PACK_FINE);
    buffer_clear(&buffer, BYTES_MAX);
    wide_map_put(&buffer, AHORA_MAP_ENTRIES_MAX + 1, "last", PACK("\xc0"));
    assert_int_equal(check(buffer_span(&buffer)), PACK_TOO_WIDE);
    buffer_fini(&buffer);
}

static void same_key_in_different_maps_is_fine(void **state) {
    (void)state;
    assert_int_equal(check(PACK("\x82\xa1"
                                "a\x81\xa1"
                                "a\x01\xa1"
                                "b\x92\x81\xa1"
                                "a\x01\x81\xa1"
                                "a\x01")),
                     PACK_FINE);
    assert_int_equal(check(PACK("\x82\xa1"
                                "a\x81\xa1"
                                "b\x01\xa1"
                                "a\x01")),
                     PACK_REPEATED_KEY);
}

static void wide_maps_nested_in_wide_maps_are_each_checked(void **state) {
    struct buffer inner, outer;

    (void)state;
    buffer_init(&inner, BYTES_MAX);
    buffer_init(&outer, BYTES_MAX);
    wide_map_put(&inner, 20, "last", PACK("\xc0"));
    wide_map_put(&outer, 20, "last", buffer_span(&inner));
    assert_int_equal(check(buffer_span(&outer)), PACK_FINE);
    buffer_clear(&inner, BYTES_MAX);
    buffer_clear(&outer, BYTES_MAX);
    wide_map_put(&inner, 20, "k7", PACK("\xc0"));
    wide_map_put(&outer, 20, "last", buffer_span(&inner));
    assert_int_equal(check(buffer_span(&outer)), PACK_REPEATED_KEY);
    buffer_fini(&inner);
    buffer_fini(&outer);
}

/* A text of `length` x, byte `odd` of it another one, as a key or as a value, with `behind` bytes of other values after it. */
static void odd_text_put(struct buffer *out, size_t length, size_t odd, uint8_t byte, bool is_key, size_t behind) {
    uint8_t text[64];
    memset(text, 'x', length);
    if (odd < length) {
        text[odd] = byte;
    }
    pack_put_list(out, 1 + (uint32_t)behind);
    if (is_key) {
        pack_put_map(out, 1);
    }
    pack_put_text(out, span_of(text, length));
    if (is_key) {
        pack_put_bool(out, true);
    }
    for (size_t i = 0; i < behind; i++) {
        pack_put_bool(out, true); /* a byte that no text may begin with */
    }
}

/* Text is looked at eight bytes at a time, also beyond its end where there is more: nothing may hide at any place, nor come from outside. */
static void an_odd_byte_is_found_at_every_place(void **state) {
    static const uint8_t odd_bytes[] = {0x00, 0x80, 0xc3, 0xff};
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, BYTES_MAX);
    for (size_t length = 0; length <= 40; length++) {
        for (size_t odd = 0; odd <= length; odd++) {
            for (size_t which = 0; which < 4 * sizeof odd_bytes; which++) {
                const bool is_key = which & 1;
                const size_t behind = which & 2 ? 9 : 0;
                buffer_cut(&buffer, 0);
                odd_text_put(&buffer, length, odd, odd_bytes[which / 4], is_key, behind);
                uint8_t *exact = malloc(buffer.bytes); /* so that a byte read too far is seen */
                memcpy(exact, buffer.data, buffer.bytes);
                assert_int_equal(check(span_of(exact, buffer.bytes)), odd < length ? PACK_BAD_TEXT : PACK_FINE);
                free(exact);
            }
        }
    }
    buffer_fini(&buffer);
}

/* By first byte, what the tables say is what the heads say. */
static void tables_agree_with_every_head(void **state) {
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64] = {(uint8_t)first}; /* what follows is 0: no integer is too large, no text has a length */
        const size_t steps = pack_steps[first];
        size_t used = SIZE_MAX;
        struct pack_reader reader = pack_reader_of(span_of(bytes, sizeof bytes));
        memset(bytes + 1, first >= 0xa1 && first < 0xc0 ? 'x' : 0, sizeof bytes - 1);
        const enum pack_type type = pack_peek(&reader);
        const enum pack_fault fault = pack_check(span_of(bytes, sizeof bytes), 1, &used);
        assert_int_equal(type == PACK_ILLEGAL, fault == PACK_ILLEGAL_TYPE);
        if (steps > 0) {
            assert_int_equal(fault, PACK_FINE);
            assert_int_equal(used, steps);
            assert_int_equal(check(span_of(bytes, steps - 1)), PACK_TRUNCATED);
            assert_true(type != PACK_LIST && type != PACK_MAP && type != PACK_FLOAT);
        }
        assert_int_equal(type == PACK_INT, pack_read_int(&reader) == 0 ? !reader.failed : first < 0x80 || first >= 0xe0);
    }
}

static void full_buffer_fails_the_puts(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 3);
    pack_put_int(&buffer, 70000);
    assert_true(buffer.failed);
    assert_int_equal(buffer.bytes, 0);
    buffer_fini(&buffer);
}

/* ---- against msgpack-c ---- */

struct random {
    uint64_t state;
};

static uint32_t random_below(struct random *random, uint32_t bound) {
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random->state >> 33) % bound);
}

static void random_text_put(struct random *random, msgpack_packer *packer) {
    static const char *const pieces[] = {"a", "b",        "id",           "é",    "€",
                                         "😀", "\xc0\xaf", "\xed\xa0\x80", "\xff", "0123456789012345678901234567"};
    char text[128] = "";
    uint32_t count = random_below(random, 4);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bound = random_below(random, 12) == 0 ? 10 : 6;

        strcat(text, pieces[random_below(random, bound)]);
    }
    size_t bytes = strlen(text);
    bytes += random_below(random, 200) == 0; /* now and then a NUL */
    msgpack_pack_str(packer, bytes);
    msgpack_pack_str_body(packer, text, bytes);
}

static void random_number_put(struct random *random, msgpack_packer *packer) {
    uint64_t bits = (uint64_t)random_below(random, UINT32_MAX) << 32 | random_below(random, UINT32_MAX);
    double number;

    memcpy(&number, &bits, sizeof(number));
    switch (random_below(random, 4)) {
    case 0:
        msgpack_pack_int64(packer, (int64_t)bits >> random_below(random, 64));
        break;
    case 1:
        msgpack_pack_uint64(packer, bits >> random_below(random, 20));
        break;
    case 2:
        msgpack_pack_float(packer, (float)random_below(random, 1000) / 8);
        break;
    default:
        msgpack_pack_double(packer, number);
    }
}

static void random_value_put(struct random *random, msgpack_packer *packer, unsigned depth);

static void random_map_put(struct random *random, msgpack_packer *packer, unsigned depth) {
    uint32_t count = random_below(random, 20) == 0 ? 30 : random_below(random, 5);

    msgpack_pack_map(packer, count);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];

        if (random_below(random, 10) == 0) {
            random_value_put(random, packer, depth + 1);
        } else {
            int bytes = snprintf(key, sizeof(key), "%u", (unsigned)random_below(random, 1000));

            msgpack_pack_str(packer, (size_t)bytes);
            msgpack_pack_str_body(packer, key, (size_t)bytes);
        }
        random_value_put(random, packer, depth + 1);
    }
}

static void random_value_put(struct random *random, msgpack_packer *packer, unsigned depth) {
    uint32_t kind = random_below(random, depth > 20 ? 200 : 320);

    if (kind < 20) {
        msgpack_pack_nil(packer);
    } else if (kind < 40) {
        random_below(random, 2) == 0 ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    } else if (kind < 120) {
        random_number_put(random, packer);
    } else if (kind < 198) {
        random_text_put(random, packer);
    } else if (kind == 198) {
        msgpack_pack_bin(packer, 3);
        msgpack_pack_bin_body(packer, "bin", 3);
    } else if (kind == 199) {
        msgpack_pack_ext(packer, 2, 5);
        msgpack_pack_ext_body(packer, "xt", 2);
    } else if (kind < 260) {
        uint32_t count = random_below(random, 4);

        msgpack_pack_array(packer, count);
        for (uint32_t i = 0; i < count; i++) {
            random_value_put(random, packer, depth + 1);
        }
    } else {
        random_map_put(random, packer, depth);
    }
}

/* By the definition of the encoding rather than by a table of ranges. */
static bool is_utf8(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        uint8_t first = (uint8_t)text[i];
        size_t more = first < 0x80 ? 0 : first < 0xc0 ? 9 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf8 ? 3 : 9;
        static const uint32_t least[] = {1, 0x80, 0x800, 0x10000};

        if (more == 9 || more >= bytes - i) {
            return false;
        }
        uint32_t point = more == 0 ? first : first & (0x3fu >> more);
        for (size_t j = 1; j <= more; j++) {
            if ((text[i + j] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (uint8_t)(text[i + j] & 0x3f);
        }
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

static bool object_is_legal(const msgpack_object *object, unsigned depth_left);

static bool map_is_legal(const msgpack_object_map *map, unsigned depth_left) {
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;

        if (key->type != MSGPACK_OBJECT_STR || !object_is_legal(key, 0) || !object_is_legal(&map->ptr[i].val, depth_left)) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (msgpack_object_equal(*key, map->ptr[j].key)) {
                return false;
            }
        }
    }
    return map->size <= AHORA_MAP_ENTRIES_MAX;
}

static bool object_is_legal(const msgpack_object *object, unsigned depth_left) {
    switch ((int)object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return is_utf8(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            if (depth_left == 0 || !object_is_legal(&object->via.array.ptr[i], depth_left - 1)) {
                return false;
            }
        }
        return depth_left > 0;
    case MSGPACK_OBJECT_MAP:
        return depth_left > 0 && map_is_legal(&object->via.map, depth_left - 1);
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        return false;
    default:
        return true;
    }
}

static void assert_reads_as(struct pack_reader *reader, const msgpack_object *object) {
    struct span text;

    switch ((int)object->type) {
    case MSGPACK_OBJECT_NIL:
        pack_read_nil(reader);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        assert_true(pack_read_bool(reader) == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert_true(pack_read_int(reader) == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        assert_true(pack_read_float(reader) == object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        text = pack_read_text(reader);
        assert_true(span_equal(text, span_of(object->via.str.ptr, object->via.str.size)));
        break;
    case MSGPACK_OBJECT_ARRAY:
        assert_int_equal(pack_read_list(reader), object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            assert_reads_as(reader, &object->via.array.ptr[i]);
        }
        break;
    case MSGPACK_OBJECT_MAP:
        assert_int_equal(pack_read_map(reader), object->via.map.size);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            assert_reads_as(reader, &object->via.map.ptr[i].key);
            assert_reads_as(reader, &object->via.map.ptr[i].val);
        }
        break;
    default:
        fail_msg("type %d", (int)object->type);
    }
    assert_false(reader->failed);
}

/* True if accepted. */
static bool compare(const msgpack_sbuffer *bytes) {
    msgpack_unpacked unpacked;
    size_t theirs = 0, ours = 0;

    msgpack_unpacked_init(&unpacked);
    bool whole = msgpack_unpack_next(&unpacked, bytes->data, bytes->size, &theirs) == MSGPACK_UNPACK_SUCCESS;
    enum pack_fault fault = pack_check(span_of(bytes->data, bytes->size), AHORA_DEPTH_MAX, &ours);

    assert_int_equal(fault == PACK_FINE, whole && object_is_legal(&unpacked.data, AHORA_DEPTH_MAX));
    if (fault == PACK_FINE) {
        struct pack_reader reader = pack_reader_of(span_of(bytes->data, ours));
        struct pack_reader skipper = reader;

        assert_int_equal(ours, theirs);
        assert_reads_as(&reader, &unpacked.data);
        assert_true(reader.at == reader.end);
        assert_int_equal(pack_skip(&skipper).bytes, ours);
    }
    msgpack_unpacked_destroy(&unpacked);
    return fault == PACK_FINE;
}

static void check_and_readers_agree_with_msgpack_c(void **state) {
    struct random random = {20261121};
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    unsigned accepted = 0, refused = 0;

    (void)state;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (int i = 0; i < 30000; i++) {
        msgpack_sbuffer_clear(&bytes);
        random_value_put(&random, &packer, 0);
        compare(&bytes) ? accepted++ : refused++;
        uint8_t byte = (uint8_t)random_below(&random, 256);
        if (byte != 0xdd && byte != 0xdf) { /* msgpack-c takes memory for as many items as 32 bits promise */
            bytes.data[random_below(&random, (uint32_t)bytes.size)] = (char)byte;
            compare(&bytes) ? accepted++ : refused++;
        }
    }
    msgpack_sbuffer_destroy(&bytes);
    assert_true(accepted > 5000 && refused > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_take_the_shortest_form),
        cmocka_unit_test(integers_are_read_from_any_form),
        cmocka_unit_test(everything_put_is_read_back),
        cmocka_unit_test(float_reads_integers_but_not_the_reverse),
        cmocka_unit_test(failure_is_remembered),
        cmocka_unit_test(empty_span_is_the_end),
        cmocka_unit_test(find_gives_the_value_or_nothing),
        cmocka_unit_test(every_prefix_is_truncated),
        cmocka_unit_test(check_reports_the_length_of_the_first_value),
        cmocka_unit_test(depth_counts_lists_and_maps),
        cmocka_unit_test(repeated_keys_are_found_at_every_width),
        cmocka_unit_test(widest_map_passes_and_one_more_does_not),
        cmocka_unit_test(same_key_in_different_maps_is_fine),
        cmocka_unit_test(wide_maps_nested_in_wide_maps_are_each_checked),
        cmocka_unit_test(an_odd_byte_is_found_at_every_place),
        cmocka_unit_test(tables_agree_with_every_head),
        cmocka_unit_test(full_buffer_fails_the_puts),
        cmocka_unit_test(check_and_readers_agree_with_msgpack_c),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
