/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora token make KEYFILE CLAIM=VALUE...`, `ahora token show`, `ahora token check KEYFILE`. A token is read from --token-file, AHORA_TOKEN,
 * or standard input; never from the command line, which everybody on the machine can see.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clients/cli/commands.h"
#include "clients/cli/signing.h"
#include "proto/json.h"
#include "proto/pack.h"

#define CLAIMS_MAX 64
#define LIFETIME_S 3600 /* of a token that says nothing of `exp` */

/* ---- claims ---- */

/* One claim, in the order given: `name=text`, `name:=JSON`, or of `ahora` if the name begins so. */
struct claim {
    struct span name;
    struct buffer value; /* packed */
};

struct claims {
    struct claim items[CLAIMS_MAX];
    size_t count;
};

static void claims_fini(struct claims *claims) {
    for (size_t i = 0; i < claims->count; i++) {
        buffer_fini(&claims->items[i].value);
    }
}

static bool is_own(struct span name) {
    return name.bytes > 6 && memcmp(name.data, "ahora.", 6) == 0;
}

static bool is_time(struct span name) {
    return span_is(name, "exp") || span_is(name, "nbf") || span_is(name, "iat");
}

/* 1795000000, or from now: 90s, 15m, 12h, 30d. */
static bool parse_time(const char *text, int64_t *seconds) {
    static const struct {
        char letter;
        int64_t factor;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    const long long number = strtoll(text, &end, 10);
    if (end == text || number < 0 || number > INT64_C(100000000000)) {
        return false;
    }
    if (*end == '\0') {
        *seconds = number;
        return true;
    }
    for (size_t i = 0; i < 4; i++) {
        if (*end == units[i].letter && end[1] == '\0') {
            *seconds = (int64_t)time(NULL) + number * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool put_words(struct buffer *out, const char *text) {
    uint32_t count = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++) {
        count += *c == ',';
    }
    pack_put_list(out, count);
    for (; count > 0; count--) {
        const size_t bytes = strcspn(text, ",");
        pack_put_text(out, span_of(text, bytes));
        text += bytes + 1;
    }
    return true;
}

static bool put_value(struct claim *claim, const char *text, bool is_json) {
    const char *detail;
    int64_t number;
    if (is_json) {
        return json_to_pack(span_of_text(text), JWS_DEPTH_MAX - 1, &claim->value, &detail) == AHORA_OK;
    }
    if (is_time(claim->name)) {
        if (!parse_time(text, &number)) {
            return false;
        }
        pack_put_int(&claim->value, number);
        return true;
    }
    if (!is_own(claim->name)) {
        pack_put_text(&claim->value, span_of_text(text));
        return true;
    }
    const struct span name = span_of(claim->name.data + 6, claim->name.bytes - 6);
    if (!span_is(name, "every_ms") && !span_is(name, "max_subs")) {
        return put_words(&claim->value, text);
    }
    char *end;
    number = strtoll(text, &end, 10);
    pack_put_int(&claim->value, number);
    return end != text && *end == '\0' && number >= 0;
}

static bool add_claim(struct claims *claims, const char *word) {
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || claims->count == CLAIMS_MAX - 1) {
        return false;
    }
    const bool is_json = equals[-1] == ':';
    struct claim *claim = &claims->items[claims->count++];
    claim->name = span_of(word, (size_t)(equals - word) - is_json);
    buffer_init(&claim->value, 65536);
    return claim->name.bytes > 0 && put_value(claim, equals + 1, is_json) && !claim->value.failed;
}

static bool has(const struct claims *claims, const char *name) {
    for (size_t i = 0; i < claims->count; i++) {
        if (span_is(claims->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static uint32_t count_own(const struct claims *claims) {
    uint32_t count = 0;
    for (size_t i = 0; i < claims->count; i++) {
        count += is_own(claims->items[i].name);
    }
    return count;
}

static void put_claims(const struct claims *claims, struct buffer *json) {
    struct buffer packed;
    const uint32_t own = count_own(claims);
    buffer_init(&packed, 131072);
    pack_put_map(&packed, (uint32_t)claims->count - own + (own > 0));
    for (size_t i = 0; i < claims->count; i++) {
        if (!is_own(claims->items[i].name)) {
            pack_put_text(&packed, claims->items[i].name);
            pack_put_raw(&packed, buffer_span(&claims->items[i].value));
        }
    }
    if (own > 0) {
        pack_put_key(&packed, "ahora");
        pack_put_map(&packed, own);
    }
    for (size_t i = 0; i < claims->count && own > 0; i++) {
        const struct span name = claims->items[i].name;
        if (is_own(name)) {
            pack_put_text(&packed, span_of(name.data + 6, name.bytes - 6));
            pack_put_raw(&packed, buffer_span(&claims->items[i].value));
        }
    }
    json_put(json, buffer_span(&packed));
    buffer_put_byte(json, '\0');
    buffer_fini(&packed);
}

/* ---- make ---- */

static int sign(const char *path, const struct claims *claims) {
    struct signing_key key;
    struct buffer json;
    struct buffer token;
    buffer_init(&json, 262144);
    buffer_init(&token, 262144);
    const char *why = signing_key_read(&key, path);
    if (why == NULL) {
        put_claims(claims, &json);
        why = json.failed ? "the claims are too long" : signing_sign(&key, (const char *)json.data, &token);
    }
    if (why != NULL) {
        cli_say("%s: %s", path, why);
    } else {
        printf("%.*s\n", (int)token.bytes, (const char *)token.data);
    }
    signing_key_fini(&key);
    buffer_fini(&json);
    buffer_fini(&token);
    return why == NULL ? CLI_FINE : CLI_USAGE;
}

static int make(const struct cli *cli) {
    struct claims claims = {.count = 0};
    char expiry[32];
    bool fine = true;
    for (int i = 2; i < cli->argc && fine; i++) {
        fine = add_claim(&claims, cli->argv[i]);
        if (!fine) {
            cli_say("a claim is NAME=TEXT, NAME:=JSON or ahora.NAME=VALUE,VALUE; a time is a number, or from now 90s, 15m, "
                    "12h, 30d: %s",
                    cli->argv[i]);
        }
    }
    if (fine && !has(&claims, "sub")) {
        cli_say("a token needs sub=SUBJECT");
        fine = false;
    }
    if (fine && !has(&claims, "exp")) {
        snprintf(expiry, sizeof expiry, "exp=%lld", (long long)time(NULL) + LIFETIME_S);
        fine = add_claim(&claims, expiry);
    }
    const int code = fine ? sign(cli->argv[1], &claims) : CLI_USAGE;
    claims_fini(&claims);
    return code;
}

/* ---- show, check ---- */

static bool read_token(struct buffer *token) {
    const char *given = getenv("AHORA_TOKEN");
    if (given != NULL && given[0] != '\0') {
        buffer_put_text(token, given);
    } else {
        uint8_t piece[4096];
        for (size_t got; !token->failed && (got = fread(piece, 1, sizeof piece, stdin)) > 0;) {
            buffer_put(token, piece, got);
        }
    }
    while (token->bytes > 0 && isspace(token->data[token->bytes - 1])) {
        buffer_cut(token, token->bytes - 1);
    }
    return !token->failed && token->bytes > 0;
}

static void print_map(const struct buffer *map) {
    struct buffer text;
    buffer_init(&text, 1 << 20);
    json_put(&text, buffer_span(map));
    printf("%.*s\n", (int)text.bytes, (const char *)text.data);
    buffer_fini(&text);
}

static const char *const faults[] = {
    [JWS_FINE] = NULL,
    [JWS_TOO_LONG] = "it is too long",
    [JWS_BAD_SHAPE] =
        "it is not three parts of strict base64url, of which the first two are JSON objects without repeated names",
    [JWS_BAD_HEADER] =
        "its header has an algorithm other than HS256, RS256 and ES256, a `typ` other than JWT and at+jwt, or `crit`, `b64`, "
        "`zip`, `enc` or `cty`",
};

/* The library checks tokens whose `typ` is JWT or absent, and no others. */
static bool is_plain(const struct jws *jws) {
    struct pack_reader typ = pack_reader_of(pack_find(buffer_span(&jws->header), "typ"));
    const struct span text = pack_peek(&typ) == PACK_TEXT ? pack_read_text(&typ) : span_of("JWT", 3);
    return text.bytes == 3;
}

/* NULL, or why the broker would not take it, as far as that can be told without its configuration. */
static const char *check_with(const char *path, struct span token, const struct jws *jws) {
    struct signing_key key;
    const char *why = signing_key_read(&key, path);
    struct pack_reader exp = pack_reader_of(pack_find(buffer_span(&jws->claims), "exp"));
    if (why == NULL && jws->alg != key.alg) {
        why = "its algorithm is not that of the key";
    } else if (why == NULL && jws->kid.data != NULL && !span_is(jws->kid, key.kid)) {
        why = "its `kid` names another key";
    } else if (why == NULL && !is_plain(jws)) {
        why = "its `typ` is not JWT: the broker checks the signature of such a token, this command does not";
    } else if (why == NULL && !signing_verify(&key, token, jws)) {
        why = "its signature is not by that key";
    } else if (why == NULL && pack_peek(&exp) != PACK_INT) {
        why = "it has no `exp`, or one that is no integer";
    } else if (why == NULL && pack_read_int(&exp) <= (int64_t)time(NULL)) {
        why = "it has expired";
    }
    signing_key_fini(&key);
    return why;
}

static int show(const char *path) {
    struct buffer token;
    struct jws jws;
    buffer_init(&token, 1 << 20);
    if (!read_token(&token)) {
        cli_say("there is no token in --token-file, AHORA_TOKEN or standard input");
        buffer_fini(&token);
        return CLI_USAGE;
    }
    const char *why = faults[jws_read(buffer_span(&token), JWS_BYTES_MAX, &jws)];
    if (why == NULL) {
        print_map(&jws.header);
        print_map(&jws.claims);
        why = path == NULL ? NULL : check_with(path, buffer_span(&token), &jws);
    }
    if (why != NULL) {
        cli_say("not valid: %s", why);
    } else {
        cli_say("%s",
                path == NULL ? "not checked; \"ahora token check KEYFILE\" does" : "valid, if its issuer and audience are");
    }
    jws_fini(&jws);
    buffer_fini(&token);
    return why == NULL ? CLI_FINE : CLI_REFUSED;
}

int command_token(struct cli *cli) {
    const char *verb = cli->argv[0];
    if (strcmp(verb, "make") == 0 && cli->argc >= 2) {
        return make(cli);
    }
    if (strcmp(verb, "show") == 0 && cli->argc == 1) {
        return show(NULL);
    }
    if (strcmp(verb, "check") == 0 && cli->argc == 2) {
        return show(cli->argv[1]);
    }
    cli_say("usage: ahora token make KEYFILE CLAIM=VALUE... | show | check KEYFILE");
    return CLI_USAGE;
}
