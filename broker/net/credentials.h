/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Whom the broker believes: keys that tokens are verified with, static API keys, and subjects of client certificates, as the files of the
 * configuration name them. Read as a whole, at start and on SIGHUP; constant once read, and shared by all shards.
 *
 *   auth.keys      a directory: KID.hs256 (the secret), KID.rs256.pem, KID.es256.pem, KID.pem (public keys; algorithm by the kind of key)
 *   auth.jwks      one file, a JSON Web Key Set
 *   auth.api_keys  lines  NAME sha256:HEX rights…   or   NAME cert:"SUBJECT" rights…
 */
#ifndef NET_CREDENTIALS_H
#define NET_CREDENTIALS_H

#include "broker/net/api_keys.h"
#include "broker/net/key.h"

#define CREDENTIALS_KEYS_MAX 256

struct credentials {
    size_t refs; /* under the mutex of access.c */
    struct key *keys;
    size_t key_count;
    struct api_keys api_keys;
    uint64_t *origins; /* of all of them, ascending */
    size_t origin_count;
};

/* NULL, with what is wrong in `why`. Empty paths stand for nothing. `settled`: as in text_file.h, of the API keys. */
struct credentials *credentials_read(const char *keys, const char *jwks, const char *api_keys, bool settled, char *why,
                                     size_t why_bytes);
void credentials_destroy(struct credentials *credentials); /* NULL is fine */

/* The key of that name; without a name the only one. NULL: none, or it cannot be told which. */
const struct key *credentials_find_key(const struct credentials *credentials, struct span kid);

/* Does what vouched for rights still stand? */
bool credentials_have(const struct credentials *credentials, uint64_t origin);

#endif
