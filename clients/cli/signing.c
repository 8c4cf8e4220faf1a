/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/signing.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 65536
#define SECRET_BYTES_MIN 32

static const jwt_alg_t library_algs[JWS_ALGS] = {JWT_ALG_NONE, JWT_ALG_HS256, JWT_ALG_RS256, JWT_ALG_ES256};

/* ---- keys ---- */

static bool read_file(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    uint8_t piece[4096];
    for (size_t got; !out->failed && (got = fread(piece, 1, sizeof piece, file)) > 0;) {
        buffer_put(out, piece, got);
    }
    const bool fine = ferror(file) == 0 && !out->failed;
    fclose(file);
    return fine;
}

/* The file's name without its folder and endings. */
static bool read_kid(struct signing_key *key, const char *path) {
    static const char *const endings[] = {".hs256", ".rs256.pem", ".es256.pem", ".pem"};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t bytes = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t end = strlen(endings[i]);
        if (bytes > end && strcmp(name + bytes - end, endings[i]) == 0 && bytes - end < sizeof key->kid) {
            memcpy(key->kid, name, bytes - end);
            key->alg = i == 0 ? JWS_HS256 : JWS_NONE;
            return true;
        }
    }
    return false;
}

static enum jws_alg alg_of(const EVP_PKEY *pkey) {
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        return JWS_RS256;
    }
    char group[64] = "";
    const bool named = EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1;
    return named && strcmp(group, "prime256v1") == 0 ? JWS_ES256 : JWS_NONE;
}

static bool read_pem(struct signing_key *key) {
    BIO *bio = BIO_new_mem_buf(key->bytes.data, (int)key->bytes.bytes);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    key->is_private = pkey != NULL;
    if (pkey == NULL && bio != NULL && BIO_reset(bio) == 1) {
        pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    key->alg = pkey == NULL ? JWS_NONE : alg_of(pkey);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();
    return key->alg != JWS_NONE;
}

const char *signing_key_read(struct signing_key *key, const char *path) {
    *key = (struct signing_key){0};
    buffer_init(&key->bytes, KEY_BYTES_MAX);
    if (!read_kid(key, path)) {
        return "a key is in a file KID.hs256, KID.rs256.pem, KID.es256.pem or KID.pem";
    }
    if (!read_file(path, &key->bytes)) {
        return "the file of the key cannot be read";
    }
    if (key->alg != JWS_HS256) {
        return read_pem(key) ? NULL : "the file holds no RSA key and no EC key on P-256 (PEM)";
    }
    if (key->bytes.bytes > 0 && key->bytes.data[key->bytes.bytes - 1] == '\n') {
        buffer_cut(&key->bytes, key->bytes.bytes - 1);
    }
    key->is_private = true;
    return key->bytes.bytes < SECRET_BYTES_MIN ? "a secret for HS256 must have at least 32 bytes" : NULL;
}

void signing_key_fini(struct signing_key *key) {
    if (key->bytes.data != NULL) {
        OPENSSL_cleanse(key->bytes.data, key->bytes.capacity);
    }
    buffer_fini(&key->bytes);
}

/* ---- tokens ---- */

const char *signing_sign(const struct signing_key *key, const char *claims, struct buffer *token) {
    jwt_t *jwt = NULL;
    char *text = NULL;
    if (!key->is_private) {
        return "to sign takes a private key";
    }
    if (jwt_new(&jwt) == 0 && jwt_set_alg(jwt, library_algs[key->alg], key->bytes.data, (int)key->bytes.bytes) == 0 &&
        jwt_add_header(jwt, "kid", key->kid) == 0 && jwt_add_grants_json(jwt, claims) == 0) {
        text = jwt_encode_str(jwt);
    }
    if (text != NULL) {
        buffer_put_text(token, text);
    }
    const bool fine = text != NULL && !token->failed;
    free(text);
    jwt_free(jwt);
    ERR_clear_error();
    return fine ? NULL : "the key cannot sign";
}

/* The library verifies with a public key only. */
static bool put_public(const struct signing_key *key, struct buffer *out) {
    BIO *in = BIO_new_mem_buf(key->bytes.data, (int)key->bytes.bytes);
    BIO *pem = BIO_new(BIO_s_mem());
    EVP_PKEY *pkey = in == NULL        ? NULL
                     : key->is_private ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL)
                                       : PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    char *text = NULL;
    const bool fine = pkey != NULL && pem != NULL && PEM_write_bio_PUBKEY(pem, pkey) == 1;
    const long bytes = fine ? BIO_get_mem_data(pem, &text) : 0;
    if (bytes > 0) {
        buffer_put(out, text, (size_t)bytes);
    }
    EVP_PKEY_free(pkey);
    BIO_free(in);
    BIO_free(pem);
    return bytes > 0 && !out->failed;
}

bool signing_verify(const struct signing_key *key, struct span token, const struct jws *jws) {
    char text[JWS_BYTES_MAX + 1];
    struct buffer public;
    jwt_t *jwt = NULL;
    if (jws->alg != key->alg || token.bytes >= sizeof text) {
        return false;
    }
    memcpy(text, token.data, token.bytes);
    text[token.bytes] = '\0';
    buffer_init(&public, KEY_BYTES_MAX);
    const bool is_secret = key->alg == JWS_HS256;
    const bool fine = is_secret || put_public(key, &public);
    const struct buffer *bytes = is_secret ? &key->bytes : &public;
    const bool verified =
        fine && jwt_decode(&jwt, text, bytes->data, (int)bytes->bytes) == 0 && jwt_get_alg(jwt) == library_algs[key->alg];
    jwt_free(jwt);
    buffer_fini(&public);
    ERR_clear_error();
    return verified;
}

bool signing_random(uint8_t *bytes, size_t count) {
    return RAND_bytes(bytes, (int)count) == 1;
}

bool signing_digest(struct span bytes, uint8_t digest[32]) {
    unsigned count = 0;
    return EVP_Digest(bytes.data, bytes.bytes, digest, &count, EVP_sha256(), NULL) == 1 && count == 32;
}
