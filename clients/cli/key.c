/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora key make NAME RIGHT=VALUE...`: an API key, on standard error, and its line for the broker's file of keys, on standard output.
 * `ahora key secret`: a secret for HS256, on standard output.
 */
#include <stdio.h>
#include <string.h>

#include "clients/cli/commands.h"
#include "clients/cli/signing.h"
#include "proto/base64url.h"

#define KEY_BYTES 32
#define SECRET_BYTES 48

static bool put_random(struct buffer *out, size_t count) {
    uint8_t bytes[SECRET_BYTES];
    if (count > sizeof bytes || !signing_random(bytes, count)) {
        return false;
    }
    base64url_put(out, span_of(bytes, count));
    return !out->failed;
}

/* A right with blanks or quotes in it would be read as something else. */
static bool is_word(const char *text) {
    return text[0] != '\0' && strpbrk(text, " \t\r\n\"#") == NULL;
}

static int make(const struct cli *cli) {
    struct buffer key;
    uint8_t digest[32];
    buffer_init(&key, 256);
    buffer_put_text(&key, "ahk_");
    for (int i = 1; i < cli->argc; i++) {
        if (!is_word(cli->argv[i])) {
            cli_say("names and rights hold no blanks: %s", cli->argv[i]);
            buffer_fini(&key);
            return CLI_USAGE;
        }
    }
    if (!put_random(&key, KEY_BYTES) || !signing_digest(buffer_span(&key), digest)) {
        cli_say("no random bytes");
        buffer_fini(&key);
        return CLI_CONNECTION;
    }
    printf("%s sha256:", cli->argv[1]);
    for (size_t i = 0; i < sizeof digest; i++) {
        printf("%02x", digest[i]);
    }
    for (int i = 2; i < cli->argc; i++) {
        printf(" %s", cli->argv[i]);
    }
    printf("\n");
    fprintf(stderr, "%.*s\n", (int)key.bytes, (const char *)key.data);
    buffer_fini(&key);
    return CLI_FINE;
}

static int secret(void) {
    struct buffer text;
    buffer_init(&text, 256);
    const bool fine = put_random(&text, SECRET_BYTES);
    if (fine) {
        printf("%.*s\n", (int)text.bytes, (const char *)text.data);
    } else {
        cli_say("no random bytes");
    }
    buffer_fini(&text);
    return fine ? CLI_FINE : CLI_CONNECTION;
}

int command_key(struct cli *cli) {
    if (strcmp(cli->argv[0], "make") == 0 && cli->argc >= 2) {
        return make(cli);
    }
    if (strcmp(cli->argv[0], "secret") == 0 && cli->argc == 1) {
        return secret();
    }
    cli_say("usage: ahora key make NAME RIGHT=VALUE... | secret");
    return CLI_USAGE;
}
