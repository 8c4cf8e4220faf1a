/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Static keys of back-office systems, and subjects of client certificates, each with its rights: one line of a file. A key is 32 random
 * bytes ("ahk_" and base64url), and only its SHA-256 is kept. That is enough for what nobody can guess: a slow hash protects passwords,
 * which can be; here it would only make every request an effort that strangers may ask for. Constant once read.
 */
#ifndef NET_API_KEYS_H
#define NET_API_KEYS_H

#include "broker/core/rights.h"

#define API_KEYS_MAX 1024
#define API_KEY_HASH_BYTES 32
#define API_KEY_PREFIX "ahk_"

struct api_key {
    struct buffer name;    /* the principal */
    struct buffer subject; /* of a certificate; empty: this is a key */
    uint8_t hash[API_KEY_HASH_BYTES];
    struct buffer ahora; /* packed: its rights */
    uint64_t origin;
};

struct api_keys {
    struct api_key *items;
    size_t count;
};

/* `text` is a file. False, with the line and the reason in `why`. */
bool api_keys_read(struct api_keys *keys, struct span text, char *why, size_t why_bytes);
void api_keys_fini(struct api_keys *keys);

/* Does the text look like one, right or wrong? Then it is not taken for a token. */
bool api_key_is(struct span text);

/* Every key there is is compared, each in constant time. NULL: none. */
const struct api_key *api_keys_find(const struct api_keys *keys, struct span text);
const struct api_key *api_keys_find_subject(const struct api_keys *keys, struct span subject);

/* The rights of one; counted. AHORA_OK, AHORA_OVERLOADED. */
enum ahora_code api_key_rights(const struct api_key *key, struct rights **rights);

/* Packs rights as words: `sub=stock/1,room/1`, `pub=`, `ops=`, `fields=`, `source=`, `every_ms=`, `max_subs=`, `admin=true`. NULL, or what is
   wrong. */
const char *rights_words_pack(const struct span *words, size_t count, struct buffer *out);

#endif
