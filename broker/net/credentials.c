/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/credentials.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/net/text_file.h"
#include "proto/json.h"
#include "proto/pack.h"

#define FILE_BYTES_MAX ((size_t)4 << 20)
#define JWKS_DEPTH_MAX 8

struct ending {
    const char *text;
    enum jws_alg alg; /* JWS_NONE: by the kind of key */
};

/* The longer ones first. */
static const struct ending endings[] = {
    {".hs256", JWS_HS256}, {".rs256.pem", JWS_RS256}, {".es256.pem", JWS_ES256}, {".pem", JWS_NONE}};

/* How long the key's name is in that of its file; 0: it is no file of a key. */
static size_t kid_bytes(const char *file, enum jws_alg *alg) {
    const size_t bytes = strlen(file);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && file[0] != '.'; i++) {
        const size_t end = strlen(endings[i].text);
        if (bytes > end && strcmp(file + bytes - end, endings[i].text) == 0) {
            *alg = endings[i].alg;
            return bytes - end;
        }
    }
    return 0;
}

static int is_key(const struct dirent *entry) {
    enum jws_alg alg;
    return kid_bytes(entry->d_name, &alg) > 0;
}

/* ---- adding ---- */

/* Room for one more; the caller reads it, and counts it whether that succeeds or not. */
static struct key *next_key(struct credentials *credentials, char *why, size_t why_bytes) {
    if (credentials->key_count == CREDENTIALS_KEYS_MAX) {
        snprintf(why, why_bytes, "too many keys");
        return NULL;
    }
    struct key *key = &credentials->keys[credentials->key_count++];
    *key = (struct key){0};
    return key;
}

static bool is_new(const struct credentials *credentials, char *why, size_t why_bytes) {
    const struct key *last = &credentials->keys[credentials->key_count - 1];
    for (size_t i = 0; i + 1 < credentials->key_count; i++) {
        if (strcmp(credentials->keys[i].kid, last->kid) == 0) {
            snprintf(why, why_bytes, "two keys have the name %s", last->kid);
            return false;
        }
    }
    return true;
}

static bool add_file(struct credentials *credentials, const char *directory, const char *file, char *why, size_t why_bytes) {
    char path[4096];
    char reason[256] = "";
    struct buffer text;
    enum jws_alg alg = JWS_NONE;
    const size_t bytes = kid_bytes(file, &alg);
    struct key *key = next_key(credentials, why, why_bytes);
    if (key == NULL || snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path) {
        return false;
    }
    buffer_init(&text, 65536);
    bool fine = text_file_read(path, &text, why, why_bytes);
    if (fine && !key_read(key, span_of(file, bytes), alg, buffer_span(&text), reason, sizeof reason)) {
        snprintf(why, why_bytes, "%s: %s", path, reason);
        fine = false;
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.capacity);
    }
    buffer_fini(&text);
    return fine && is_new(credentials, why, why_bytes);
}

static bool read_directory(struct credentials *credentials, const char *directory, char *why, size_t why_bytes) {
    struct dirent **files = NULL;
    const int found = scandir(directory, &files, is_key, alphasort);
    if (found <= 0) {
        snprintf(why, why_bytes, "%s: %s", directory, found < 0 ? strerror(errno) : "there is no key in it");
        free(files);
        return false;
    }
    bool fine = true;
    for (int i = 0; i < found; i++) {
        fine = fine && add_file(credentials, directory, files[i]->d_name, why, why_bytes);
        free(files[i]);
    }
    free(files);
    return fine;
}

static bool add_set(struct credentials *credentials, const char *path, struct span set, char *why, size_t why_bytes) {
    struct pack_reader keys = pack_reader_of(pack_find(set, "keys"));
    if (pack_peek(&keys) != PACK_LIST) {
        snprintf(why, why_bytes, "%s: a JSON Web Key Set has a list `keys`", path);
        return false;
    }
    for (uint32_t left = pack_read_list(&keys); left > 0; left--) {
        char reason[256] = "";
        struct key *key = next_key(credentials, why, why_bytes);
        if (key == NULL) {
            return false;
        }
        if (!key_read_jwk(key, pack_skip(&keys), reason, sizeof reason)) {
            snprintf(why, why_bytes, "%s: key %zu: %s", path, credentials->key_count, reason);
            return false;
        }
        if (!is_new(credentials, why, why_bytes)) {
            return false;
        }
    }
    return true;
}

static bool read_set(struct credentials *credentials, const char *path, char *why, size_t why_bytes) {
    struct buffer text;
    struct buffer set;
    const char *detail = "";
    buffer_init(&text, FILE_BYTES_MAX);
    buffer_init(&set, 9 * FILE_BYTES_MAX);
    bool fine = text_file_read(path, &text, why, why_bytes);
    if (fine && json_to_pack_bounded(buffer_span(&text), JWKS_DEPTH_MAX, JSON_VALUES_MAX, &set, &detail) != AHORA_OK) {
        snprintf(why, why_bytes, "%s: %s", path, detail);
        fine = false;
    }
    fine = fine && add_set(credentials, path, buffer_span(&set), why, why_bytes);
    buffer_fini(&text);
    buffer_fini(&set);
    return fine;
}

static bool read_api_keys(struct credentials *credentials, const char *path, bool settled, char *why, size_t why_bytes) {
    struct buffer text;
    char reason[400] = "";
    buffer_init(&text, FILE_BYTES_MAX);
    bool fine = text_file_read_lines(path, settled, &text, why, why_bytes);
    if (fine && !api_keys_read(&credentials->api_keys, buffer_span(&text), reason, sizeof reason)) {
        snprintf(why, why_bytes, "%s: %s", path, reason);
        fine = false;
    }
    buffer_fini(&text);
    return fine;
}

/* ---- the whole ---- */

static int by_number(const void *a, const void *b) {
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

static bool note_origins(struct credentials *credentials) {
    credentials->origins = calloc(credentials->key_count + credentials->api_keys.count + 1, sizeof(uint64_t));
    if (credentials->origins == NULL) {
        return false;
    }
    for (size_t i = 0; i < credentials->key_count; i++) {
        credentials->origins[credentials->origin_count++] = credentials->keys[i].origin;
    }
    for (size_t i = 0; i < credentials->api_keys.count; i++) {
        credentials->origins[credentials->origin_count++] = credentials->api_keys.items[i].origin;
    }
    qsort(credentials->origins, credentials->origin_count, sizeof(uint64_t), by_number);
    return true;
}

struct credentials *credentials_read(const char *keys, const char *jwks, const char *api_keys, bool settled, char *why,
                                     size_t why_bytes) {
    struct credentials *credentials = calloc(1, sizeof *credentials);
    snprintf(why, why_bytes, "no memory");
    if (credentials == NULL || (credentials->keys = calloc(CREDENTIALS_KEYS_MAX, sizeof *credentials->keys)) == NULL) {
        free(credentials);
        return NULL;
    }
    credentials->refs = 1;
    if ((keys[0] == '\0' || read_directory(credentials, keys, why, why_bytes)) &&
        (jwks[0] == '\0' || read_set(credentials, jwks, why, why_bytes)) &&
        (api_keys[0] == '\0' || read_api_keys(credentials, api_keys, settled, why, why_bytes)) && note_origins(credentials)) {
        return credentials;
    }
    credentials_destroy(credentials);
    return NULL;
}

void credentials_destroy(struct credentials *credentials) {
    if (credentials == NULL) {
        return;
    }
    for (size_t i = 0; i < credentials->key_count; i++) {
        key_fini(&credentials->keys[i]);
    }
    api_keys_fini(&credentials->api_keys);
    free(credentials->keys);
    free(credentials->origins);
    free(credentials);
}

const struct key *credentials_find_key(const struct credentials *credentials, struct span kid) {
    if (kid.data == NULL) {
        return credentials->key_count == 1 ? &credentials->keys[0] : NULL;
    }
    for (size_t i = 0; i < credentials->key_count; i++) {
        if (span_is(kid, credentials->keys[i].kid)) {
            return &credentials->keys[i];
        }
    }
    return NULL;
}

bool credentials_have(const struct credentials *credentials, uint64_t origin) {
    return bsearch(&origin, credentials->origins, credentials->origin_count, sizeof origin, by_number) != NULL;
}
