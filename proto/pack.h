/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * MessagePack values: a cursor that reads without allocating, and puts that write into a buffer (msgpack-c).
 *
 * Inside ahora every message and document is MessagePack bytes; JSON is translated at the edge (json.h). Bytes from outside
 * go through pack_check first; the readers below it then only meet well-formed values. They still never read past `end`, and
 * remember their first failure: read everything, look at `failed` once.
 *
 * Legal values are those both encodings can carry: nil, bool, integers of int64, finite floats, UTF-8 text, lists, maps with
 * text keys that do not repeat. No binary, no extension, no integer above INT64_MAX, no NaN or infinity.
 */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include "proto/buffer.h"

enum pack_type {
    PACK_END, /* no byte left */
    PACK_NIL,
    PACK_BOOL,
    PACK_INT,
    PACK_FLOAT,
    PACK_TEXT,
    PACK_LIST,
    PACK_MAP,
    PACK_ILLEGAL, /* binary, extension, 0xc1 */
};

struct pack_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

enum pack_fault {
    PACK_FINE = 0,
    PACK_TRUNCATED,    /* ends inside a value */
    PACK_ILLEGAL_TYPE, /* binary, extension, 0xc1, integer above INT64_MAX, NaN, infinity */
    PACK_BAD_TEXT,     /* not UTF-8 (RFC 3629), or a NUL byte: JSON text may not hold one here */
    PACK_BAD_KEY,      /* a map key that is not text */
    PACK_REPEATED_KEY,
    PACK_TOO_DEEP, /* more than depth_max nested lists and maps */
    PACK_TOO_WIDE, /* a map of more than AHORA_MAP_ENTRIES_MAX entries */
};

/*
 * Checks that `bytes` starts with one legal value. On PACK_FINE, *used is its length. Allocates nothing; time is linear in the
 * bytes read, also for hostile input (a length that promises more than there is fails at once).
 */
enum pack_fault pack_check(struct span bytes, unsigned depth_max, size_t *used);
const char *pack_fault_text(enum pack_fault fault); /* for people */

static inline struct pack_reader pack_reader_of(struct span bytes) {
    /* An empty span may have no data at all; a place to point at spares every reader the question. */
    const uint8_t *at = bytes.data == NULL ? (const uint8_t *)"" : bytes.data;

    return (struct pack_reader){.at = at, .end = at + bytes.bytes};
}

/* By first byte: the type, as far as that byte can tell. */
extern const uint8_t pack_types[256];

static inline enum pack_type pack_peek(const struct pack_reader *reader) {
    return reader->failed || reader->at == reader->end ? PACK_END : (enum pack_type)pack_types[*reader->at];
}

void pack_read_nil(struct pack_reader *reader);
bool pack_read_bool(struct pack_reader *reader);
int64_t pack_read_int(struct pack_reader *reader);       /* fails on any other type */
double pack_read_float(struct pack_reader *reader);      /* accepts integers too */
uint32_t pack_read_list(struct pack_reader *reader);     /* count of the items that follow */
uint32_t pack_read_long_map(struct pack_reader *reader); /* the rare half of pack_read_map: more than 15 entries, or no map */
struct span pack_skip_any(struct pack_reader *reader);   /* what pack_skip does, for all that it is asked */

/* By first byte: the bytes of a value that it tells the end of, and that is legal but for the characters of a text. 0: look closer. */
extern const uint8_t pack_steps[256];

/* Passes over one whole value, and returns its bytes. */
static inline struct span pack_skip(struct pack_reader *reader) {
    const size_t room = (size_t)(reader->end - reader->at);
    const size_t bytes = reader->failed || room == 0 ? 0 : pack_steps[*reader->at];
    if (bytes == 0 || bytes > room) {
        return pack_skip_any(reader);
    }
    reader->at += bytes;
    return span_of(reader->at - bytes, bytes);
}

/* The rare half of pack_read_text: a text of more than 31 bytes, or none. */
struct span pack_read_long_text(struct pack_reader *reader);

/* Count of the key and value pairs that follow. */
static inline uint32_t pack_read_map(struct pack_reader *reader) {
    const size_t room = (size_t)(reader->end - reader->at);
    if (reader->failed || room == 0 || (*reader->at & 0xf0) != 0x80 || 2 * (*reader->at & 0x0fU) >= room) {
        return pack_read_long_map(reader);
    }
    return *reader->at++ & 0x0f;
}

/* Inline because most texts are short, keys above all. */
static inline struct span pack_read_text(struct pack_reader *reader) {
    const size_t room = (size_t)(reader->end - reader->at);
    if (reader->failed || room == 0 || (*reader->at & 0xe0) != 0xa0 || (*reader->at & 0x1f) >= room) {
        return pack_read_long_text(reader);
    }
    const struct span text = span_of(reader->at + 1, *reader->at & 0x1f);
    reader->at += 1 + text.bytes;
    return text;
}

/* The value of `key` in the map `map`, an empty span if absent or `map` is no map. */
struct span pack_find(struct span map, const char *key);
struct span pack_find_key(struct span map, struct span key);

/* The text of `key`, *text with data NULL if it is absent. False: it is there, and no text. */
bool pack_find_text(struct span map, const char *key, struct span *text);

static inline bool pack_is(struct span value, enum pack_type type) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_peek(&reader) == type;
}

void pack_put_nil(struct buffer *out);
void pack_put_bool(struct buffer *out, bool value);
void pack_put_int(struct buffer *out, int64_t value); /* shortest form */
void pack_put_float(struct buffer *out, double value);
void pack_put_text(struct buffer *out, struct span text);
void pack_put_key(struct buffer *out, const char *key);
void pack_put_list(struct buffer *out, uint32_t count);
void pack_put_map(struct buffer *out, uint32_t count);
void pack_put_raw(struct buffer *out, struct span value); /* an already packed value */

#endif
