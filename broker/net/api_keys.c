/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/net/key.h"
#include "proto/pack.h"

#define WORDS_MAX 16
#define LINE_BYTES_MAX 4096
#define AHORA_BYTES_MAX 8192

/* ---- words ---- */

struct words {
    struct span items[WORDS_MAX];
    size_t count;
    uint8_t text[LINE_BYTES_MAX]; /* without the quotes */
};

/* Separated by blanks; between quotes blanks count. */
static bool read_words(struct span line, struct words *words) {
    size_t used = 0;
    bool quoted = false;
    words->count = 0;
    for (size_t i = 0; i < line.bytes;) {
        while (i < line.bytes && (line.data[i] == ' ' || line.data[i] == '\t' || line.data[i] == '\r')) {
            i++;
        }
        if (i == line.bytes || line.data[i] == '#') {
            break;
        }
        const size_t start = used;
        for (; i < line.bytes && (quoted || (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')); i++) {
            if (line.data[i] == '"') {
                quoted = !quoted;
            } else if (used < sizeof words->text) {
                words->text[used++] = line.data[i];
            }
        }
        if (words->count == WORDS_MAX || quoted) {
            return false;
        }
        words->items[words->count++] = span_of(words->text + start, used - start);
    }
    return true;
}

static bool begins_with(struct span text, const char *start, struct span *rest) {
    const size_t bytes = strlen(start);
    if (text.bytes < bytes || memcmp(text.data, start, bytes) != 0) {
        return false;
    }
    *rest = span_of(text.data + bytes, text.bytes - bytes);
    return true;
}

/* ---- rights as words ---- */

static const char *put_list(struct buffer *out, struct span list) {
    uint32_t count = list.bytes > 0;
    for (size_t i = 0; i < list.bytes; i++) {
        count += list.data[i] == ',';
    }
    pack_put_list(out, count);
    for (; count > 0; count--) {
        const uint8_t *comma = memchr(list.data, ',', list.bytes);
        const size_t bytes = comma == NULL ? list.bytes : (size_t)(comma - list.data);
        pack_put_text(out, span_of(list.data, bytes));
        list = comma == NULL ? (struct span){0} : span_of(comma + 1, list.bytes - bytes - 1);
    }
    return NULL;
}

static const char *put_number(struct buffer *out, struct span digits) {
    int64_t number = 0;
    if (digits.bytes == 0 || digits.bytes > 15) {
        return "`every_ms` and `max_subs` take a number";
    }
    for (size_t i = 0; i < digits.bytes; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return "`every_ms` and `max_subs` take a number";
        }
        number = number * 10 + (digits.data[i] - '0');
    }
    pack_put_int(out, number);
    return NULL;
}

static const char *put_truth(struct buffer *out, struct span word) {
    if (!span_is(word, "true") && !span_is(word, "false")) {
        return "`admin` and `figures` take true or false";
    }
    pack_put_bool(out, span_is(word, "true"));
    return NULL;
}

static const struct {
    const char *name;
    const char *(*put)(struct buffer *out, struct span value);
} rights_words[] = {
    {"sub", put_list},        {"pub", put_list},        {"ops", put_list},    {"fields", put_list},   {"source", put_list},
    {"every_ms", put_number}, {"max_subs", put_number}, {"admin", put_truth}, {"figures", put_truth},
};

#define RIGHTS_WORDS (sizeof rights_words / sizeof rights_words[0])

const char *rights_words_pack(const struct span *words, size_t count, struct buffer *out) {
    unsigned seen = 0;
    pack_put_map(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *equals = words[i].bytes == 0 ? NULL : memchr(words[i].data, '=', words[i].bytes);
        const size_t bytes = equals == NULL ? words[i].bytes : (size_t)(equals - words[i].data);
        const struct span name = span_of(words[i].data, bytes);
        size_t known = 0;
        while (known < RIGHTS_WORDS && !span_is(name, rights_words[known].name)) {
            known++;
        }
        if (known == RIGHTS_WORDS || equals == NULL || (seen >> known & 1) != 0) {
            return "rights are written NAME=VALUE, each once, with one of the names sub, pub, ops, fields, source, every_ms, "
                   "max_subs, admin, figures";
        }
        seen |= 1u << known;
        pack_put_text(out, name);
        const char *fault = rights_words[known].put(out, span_of(equals + 1, words[i].bytes - bytes - 1));
        if (fault != NULL) {
            return fault;
        }
    }
    return out->failed ? "no memory" : NULL;
}

/* ---- the file ---- */

static int hex_of(uint8_t c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hash(struct span hex, uint8_t *hash) {
    if (hex.bytes != 2 * API_KEY_HASH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < API_KEY_HASH_BYTES; i++) {
        const int high = hex_of(hex.data[2 * i]);
        const int low = hex_of(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* What it grants is made once now, so that a mistake is found when the file is read. */
static const char *check_rights(const struct api_key *key) {
    struct rights *rights;
    const char *fault = NULL;
    const struct rights_claims claims = {.principal = buffer_span(&key->name), .ahora = buffer_span(&key->ahora)};
    const enum ahora_code code = rights_create(&claims, &rights, &fault);
    rights_unref(rights);
    if (span_is(buffer_span(&key->name), RIGHTS_ANONYMOUS)) {
        return "nobody may be named anonymous";
    }
    return code == AHORA_OK ? NULL : fault != NULL ? fault : "no memory";
}

static const char *read_key(struct api_key *key, struct span line, const struct words *words) {
    struct span rest = {0};
    buffer_init(&key->name, RIGHTS_PRINCIPAL_BYTES_MAX);
    buffer_init(&key->subject, LINE_BYTES_MAX);
    buffer_init(&key->ahora, AHORA_BYTES_MAX);
    if (words->count < 2) {
        return "a line is NAME, then sha256:HEX or cert:SUBJECT, then rights";
    }
    buffer_put_span(&key->name, words->items[0]);
    if (begins_with(words->items[1], "cert:", &rest) && rest.bytes > 0) {
        buffer_put_span(&key->subject, rest);
    } else if (!begins_with(words->items[1], "sha256:", &rest) || !read_hash(rest, key->hash)) {
        return "the second word must be sha256: and 64 hexadecimal digits, or cert: and a subject";
    }
    const char *fault = rights_words_pack(words->items + 2, words->count - 2, &key->ahora);
    if (fault != NULL || key->name.failed) {
        return fault != NULL ? fault : "the name is too long";
    }
    key->origin =
        key_fingerprint("api key", line); /* whatever changes in the line ends sessions of it: they come back to the new one */
    return check_rights(key);
}

static const char *add_line(struct api_keys *keys, struct span line) {
    struct words words;
    if (line.bytes > LINE_BYTES_MAX || !read_words(line, &words)) {
        return "the line is too long, has too many words, or a quote without its other";
    }
    if (words.count == 0) {
        return NULL;
    }
    if (keys->count == API_KEYS_MAX) {
        return "too many keys";
    }
    keys->items[keys->count] = (struct api_key){0};
    return read_key(&keys->items[keys->count++], line, &words);
}

bool api_keys_read(struct api_keys *keys, struct span text, char *why, size_t why_bytes) {
    keys->count = 0;
    keys->items = calloc(API_KEYS_MAX, sizeof *keys->items);
    if (keys->items == NULL) {
        snprintf(why, why_bytes, "no memory");
        return false;
    }
    for (size_t number = 1; text.bytes > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.bytes);
        const size_t bytes = end == NULL ? text.bytes : (size_t)(end - text.data);
        const char *fault = add_line(keys, span_of(text.data, bytes));
        if (fault != NULL) {
            snprintf(why, why_bytes, "line %zu: %s", number, fault);
            return false;
        }
        text = end == NULL ? (struct span){0} : span_of(end + 1, text.bytes - bytes - 1);
    }
    return true;
}

void api_keys_fini(struct api_keys *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        buffer_fini(&keys->items[i].name);
        buffer_fini(&keys->items[i].subject);
        buffer_fini(&keys->items[i].ahora);
    }
    free(keys->items);
    *keys = (struct api_keys){0};
}

/* ---- looking one up ---- */

bool api_key_is(struct span text) {
    struct span rest;
    return begins_with(text, API_KEY_PREFIX, &rest);
}

const struct api_key *api_keys_find(const struct api_keys *keys, struct span text) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    const struct api_key *found = NULL;
    if (EVP_Digest(text.data, text.bytes, hash, &bytes, EVP_sha256(), NULL) != 1 || bytes != API_KEY_HASH_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < keys->count; i++) {
        const struct api_key *key = &keys->items[i];
        if (key->subject.bytes == 0 && CRYPTO_memcmp(key->hash, hash, API_KEY_HASH_BYTES) == 0) {
            found = key;
        }
    }
    return found;
}

const struct api_key *api_keys_find_subject(const struct api_keys *keys, struct span subject) {
    for (size_t i = 0; i < keys->count && subject.bytes > 0; i++) {
        if (span_equal(buffer_span(&keys->items[i].subject), subject)) {
            return &keys->items[i];
        }
    }
    return NULL;
}

enum ahora_code api_key_rights(const struct api_key *key, struct rights **rights) {
    const char *fault = NULL;
    const struct rights_claims claims = {
        .principal = buffer_span(&key->name),
        .ahora = buffer_span(&key->ahora),
        .expires_ms = INT64_MAX,
        .issued_s = -1,
        .origin = key->origin,
    };
    const enum ahora_code code = rights_create(&claims, rights, &fault);
    return code == AHORA_OK ? AHORA_OK : AHORA_OVERLOADED; /* it was made before, when the file was read */
}
