/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/bytes.h"
#include "proto/base64url.h"
#include "proto/pack.h"

#define SECRET_BYTES_MIN 32 /* as long as the hash (RFC 7518 section 3.2) */
#define RSA_BITS_MIN 2048   /* RFC 7518 section 3.3 */
#define RSA_BITS_MAX 8192   /* more makes each token a burden */
#define KEY_BYTES_MAX 16384
#define ES256_SIGNATURE_BYTES 64
#define P256_BYTES 32

static bool refuse(char *why, size_t why_bytes, const char *reason) {
    snprintf(why, why_bytes, "%s", reason);
    ERR_clear_error();
    return false;
}

uint64_t key_fingerprint(const char *what, struct span bytes) {
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1) {
        (void)EVP_DigestUpdate(context, what, strlen(what) + 1);
        (void)EVP_DigestUpdate(context, bytes.data, bytes.bytes);
        (void)EVP_DigestFinal_ex(context, digest, NULL);
    }
    EVP_MD_CTX_free(context);
    const uint64_t fingerprint = bytes_get_u64(digest);
    return fingerprint == 0 ? 1 : fingerprint;
}

void key_fini(struct key *key) {
    if (key->secret.data != NULL) {
        OPENSSL_cleanse(key->secret.data, key->secret.capacity);
    }
    buffer_fini(&key->secret);
    EVP_PKEY_free(key->public);
    key->public = NULL;
}

static bool begin(struct key *key, struct span kid, char *why, size_t why_bytes) {
    *key = (struct key){0};
    buffer_init(&key->secret, KEY_BYTES_MAX);
    if (kid.bytes == 0 || kid.bytes > JWS_KID_BYTES_MAX) {
        return refuse(why, why_bytes, "the name of a key (kid) must have 1 to 128 bytes");
    }
    memcpy(key->kid, kid.data, kid.bytes);
    return true;
}

/* The kid is part of it: under another name it is another key. */
static void finish(struct key *key) {
    key->origin = key_fingerprint(key->kid, buffer_span(&key->secret));
}

static bool take_secret(struct key *key, struct span secret, char *why, size_t why_bytes) {
    if (secret.bytes < SECRET_BYTES_MIN) {
        return refuse(why, why_bytes, "a secret for HS256 must have at least 32 bytes");
    }
    key->alg = JWS_HS256;
    buffer_put_span(&key->secret, secret);
    finish(key);
    return !key->secret.failed || refuse(why, why_bytes, "the secret is too long");
}

static enum jws_alg alg_of(EVP_PKEY *pkey, char *why, size_t why_bytes) {
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        const int bits = EVP_PKEY_get_bits(pkey);
        if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) {
            return JWS_RS256;
        }
        refuse(why, why_bytes, "an RSA key must have 2048 to 8192 bits");
        return JWS_NONE;
    }
    char group[64] = "";
    if (EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
        strcmp(group, "prime256v1") == 0) {
        return JWS_ES256;
    }
    refuse(why, why_bytes, "a public key must be RSA, or EC on P-256");
    return JWS_NONE;
}

/* The public half, written anew: what the file had besides is not kept. */
static bool take_public(struct key *key, enum jws_alg wanted, EVP_PKEY *pkey, char *why, size_t why_bytes) {
    key->alg = alg_of(pkey, why, why_bytes);
    if (key->alg == JWS_NONE) {
        return false;
    }
    if (wanted != JWS_NONE && wanted != key->alg) {
        return refuse(why, why_bytes, "the key is of another kind than its name says");
    }
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool fine = bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1;
    const long bytes = fine ? BIO_get_mem_data(bio, &text) : 0;
    if (bytes > 0) {
        buffer_put(&key->secret, text, (size_t)bytes);
        buffer_put_byte(&key->secret, '\0'); /* part of the fingerprint, as it was */
        EVP_PKEY_up_ref(pkey);
        key->public = pkey;
    }
    BIO_free(bio);
    finish(key);
    return (bytes > 0 && !key->secret.failed) || refuse(why, why_bytes, "the key cannot be written as PEM");
}

static bool read_pem(struct key *key, enum jws_alg alg, struct span text, char *why, size_t why_bytes) {
    BIO *bio = text.bytes <= KEY_BYTES_MAX ? BIO_new_mem_buf(text.data, (int)text.bytes) : NULL;
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    bool fine = pkey != NULL ? take_public(key, alg, pkey, why, why_bytes)
                             : refuse(why, why_bytes, "the file holds no public key (PEM, BEGIN PUBLIC KEY)");
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    return fine;
}

bool key_read(struct key *key, struct span kid, enum jws_alg alg, struct span text, char *why, size_t why_bytes) {
    if (!begin(key, kid, why, why_bytes)) {
        return false;
    }
    if (alg != JWS_HS256) {
        return read_pem(key, alg, text, why, why_bytes);
    }
    if (text.bytes > 0 && text.data[text.bytes - 1] == '\n') {
        text.bytes--;
    }
    if (text.bytes > 11 && memcmp(text.data, "-----BEGIN ", 11) == 0) { /* the confusion of RS256 with HS256, made at home */
        return refuse(why, why_bytes, "a PEM key is no secret for HS256");
    }
    return take_secret(key, text, why, why_bytes);
}

/* ---- JSON Web Keys ---- */

static struct span text_at(struct span map, const char *name) {
    struct pack_reader reader = pack_reader_of(pack_find(map, name));
    return pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : (struct span){0};
}

static bool decode_at(struct span jwk, const char *name, struct buffer *out) {
    buffer_init(out, KEY_BYTES_MAX);
    return base64url_decode(text_at(jwk, name), out) && out->bytes > 0;
}

static bool is_for_signing(struct span jwk) {
    const struct span use = text_at(jwk, "use");
    return use.data == NULL || span_is(use, "sig");
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder) {
    OSSL_PARAM *parameters = builder == NULL ? NULL : OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = parameters == NULL ? NULL : EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pkey;
}

static EVP_PKEY *rsa_of(struct span modulus, struct span exponent) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.bytes, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.bytes, NULL);
    EVP_PKEY *pkey = NULL;
    if (builder != NULL && n != NULL && e != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        pkey = make_key("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* The point uncompressed, as SEC 1 writes it. */
static EVP_PKEY *ec_of(struct span x, struct span y) {
    uint8_t point[1 + 2 * P256_BYTES] = {4};
    if (x.bytes != P256_BYTES || y.bytes != P256_BYTES) {
        return NULL;
    }
    memcpy(point + 1, x.data, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (builder != NULL && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1) {
        pkey = make_key("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static bool read_secret_jwk(struct key *key, struct span jwk, char *why, size_t why_bytes) {
    struct buffer secret;
    bool fine = decode_at(jwk, "k", &secret) ? take_secret(key, buffer_span(&secret), why, why_bytes)
                                             : refuse(why, why_bytes, "`k` is malformed");
    if (secret.data != NULL) {
        OPENSSL_cleanse(secret.data, secret.capacity);
    }
    buffer_fini(&secret);
    return fine;
}

static bool read_public_jwk(struct key *key, struct span jwk, bool is_rsa, char *why, size_t why_bytes) {
    struct buffer first;
    struct buffer second;
    bool fine = decode_at(jwk, is_rsa ? "n" : "x", &first);
    fine = decode_at(jwk, is_rsa ? "e" : "y", &second) && fine;
    fine = fine && (is_rsa || span_is(text_at(jwk, "crv"), "P-256"));
    EVP_PKEY *pkey = NULL;
    if (fine) {
        pkey = is_rsa ? rsa_of(buffer_span(&first), buffer_span(&second)) : ec_of(buffer_span(&first), buffer_span(&second));
    }
    fine = pkey != NULL
               ? take_public(key, is_rsa ? JWS_RS256 : JWS_ES256, pkey, why, why_bytes)
               : refuse(why, why_bytes, is_rsa ? "`n` or `e` is malformed" : "`crv` is not P-256, or `x` or `y` is malformed");
    EVP_PKEY_free(pkey);
    buffer_fini(&first);
    buffer_fini(&second);
    return fine;
}

bool key_read_jwk(struct key *key, struct span jwk, char *why, size_t why_bytes) {
    const struct span type = text_at(jwk, "kty");
    const struct span alg = text_at(jwk, "alg");
    if (!begin(key, text_at(jwk, "kid"), why, why_bytes)) {
        return false;
    }
    bool fine;
    if (!is_for_signing(jwk)) {
        return refuse(why, why_bytes, "`use` is not sig");
    }
    if (span_is(type, "oct")) {
        fine = read_secret_jwk(key, jwk, why, why_bytes);
    } else if (span_is(type, "RSA") || span_is(type, "EC")) {
        fine = read_public_jwk(key, jwk, span_is(type, "RSA"), why, why_bytes);
    } else {
        return refuse(why, why_bytes, "`kty` is not oct, RSA or EC");
    }
    if (fine && alg.data != NULL && jws_alg_parse(alg) != key->alg) {
        return refuse(why, why_bytes, "`alg` is not HS256, RS256 or ES256, or not that of such a key");
    }
    return fine;
}

/* ---- verifying ---- */

/* The algorithm is the key's in each of these; the token's has been compared with it. */

static bool verifies_hmac(const struct key *key, struct span input, struct span signature) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    return HMAC(EVP_sha256(), key->secret.data, (int)key->secret.bytes, input.data, input.bytes, digest, &bytes) != NULL &&
           bytes == signature.bytes && CRYPTO_memcmp(digest, signature.data, bytes) == 0;
}

/* RS256 is PKCS #1 v1.5, which is what OpenSSL does unless it is told otherwise. */
static bool verifies_digest(const struct key *key, struct span input, struct span signature) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool verified = context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->public) == 1 &&
                          EVP_DigestVerify(context, signature.data, signature.bytes, input.data, input.bytes) == 1;
    EVP_MD_CTX_free(context);
    return verified;
}

/* A token has r and s side by side (RFC 7518 section 3.4), OpenSSL takes them as DER. */
static bool verifies_curve(const struct key *key, struct span input, struct span signature) {
    if (signature.bytes != ES256_SIGNATURE_BYTES) {
        return false;
    }
    uint8_t der[2 * P256_BYTES + 16];
    uint8_t *end = der;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + P256_BYTES, P256_BYTES, NULL);
    int bytes = 0;
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else if (i2d_ECDSA_SIG(pair, NULL) <= (int)sizeof der) {
        bytes = i2d_ECDSA_SIG(pair, &end);
    }
    ECDSA_SIG_free(pair);
    return bytes > 0 && verifies_digest(key, input, span_of(der, (size_t)bytes));
}

bool key_verifies(const struct key *key, struct span token, const struct jws *jws) {
    typedef bool verifier(const struct key *key, struct span input, struct span signature);
    static verifier *const verifiers[JWS_ALGS] = {
        [JWS_HS256] = verifies_hmac, [JWS_RS256] = verifies_digest, [JWS_ES256] = verifies_curve};
    const uint8_t *dot = memrchr(token.data, '.', token.bytes);
    if (key->alg == JWS_NONE || jws->alg != key->alg || dot == NULL) {
        return false;
    }
    const struct span input = span_of(token.data, (size_t)(dot - token.data));
    const bool verified = verifiers[key->alg](key, input, buffer_span(&jws->signature));
    ERR_clear_error();
    return verified;
}
