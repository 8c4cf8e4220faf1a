/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora range`: one change on each night of a range, by POST /v1/range.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/change.h"
#include "clients/cli/commands.h"
#include "clients/cli/http.h"
#include "proto/json.h"
#include "proto/pack.h"

#define OPERANDS 4 /* op, topic, start, end */

static void put_word(struct buffer *out, const char *key, const char *word) {
    pack_put_key(out, key);
    pack_put_key(out, word);
}

/* "fri,sat" */
static void put_days(struct buffer *out, const char *days) {
    uint32_t count = 1;
    for (const char *at = days; *at != '\0'; at++) {
        count += *at == ',';
    }
    pack_put_key(out, "days");
    pack_put_list(out, count);
    for (; count > 0; count--) {
        const size_t bytes = strcspn(days, ",");
        pack_put_text(out, span_of(days, bytes));
        days += bytes + (days[bytes] == ',');
    }
}

/* The document, patch or map of integers; nothing for touch and delete. */
static bool put_data(const struct cli *cli, struct buffer *out) {
    const int rest = cli->argc - OPERANDS;
    const char *detail = NULL;
    pack_put_key(out, "data");
    if (rest == 1 && cli->argv[OPERANDS][0] == '{') {
        if (json_to_pack(span_of_text(cli->argv[OPERANDS]), AHORA_DEPTH_MAX, out, &detail) != AHORA_OK) {
            cli_say("not JSON: %s", detail == NULL ? "too large" : detail);
            return false;
        }
        return true;
    }
    if (strcmp(cli->argv[0], "adjust") != 0) {
        cli_say("%s takes one JSON object", cli->argv[0]);
        return false;
    }
    pack_put_map(out, (uint32_t)rest);
    for (int i = 0; i < rest; i++) {
        if (!change_put_adjustment(out, cli->argv[OPERANDS + i])) {
            return false;
        }
    }
    return true;
}

static bool put_body(const struct cli *cli, struct buffer *out) {
    static const char *const acks[] = {
        [AHORA_ACK_DURABLE] = "durable", [AHORA_ACK_APPLIED] = "applied", [AHORA_ACK_NONE] = "none"};
    const bool has_data = cli->argc > OPERANDS;
    pack_put_map(out, 2);
    put_word(out, "ack", acks[cli->options.ack]);
    pack_put_key(out, "changes");
    pack_put_list(out, 1);
    pack_put_map(out, OPERANDS + (cli->options.days != NULL) + has_data);
    put_word(out, "op", cli->argv[0]);
    put_word(out, "topic", cli->argv[1]);
    put_word(out, "start", cli->argv[2]);
    put_word(out, "end", cli->argv[3]);
    if (cli->options.days != NULL) {
        put_days(out, cli->options.days);
    }
    return !has_data || put_data(cli, out);
}

static struct span text_at(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_read_text(&reader);
}

/* One line for each night. */
static int print_nights(struct span answer) {
    struct pack_reader reader = pack_reader_of(pack_find(answer, "results"));
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        struct buffer line;
        buffer_init(&line, 65536);
        json_put(&line, pack_skip(&reader));
        printf("%.*s\n", (int)line.bytes, line.bytes > 0 ? (const char *)line.data : "");
        buffer_fini(&line);
    }
    return reader.failed ? CLI_REFUSED : CLI_FINE;
}

static int tell(int status, struct span json) {
    struct buffer answer;
    const char *detail = NULL;
    int code = CLI_REFUSED;
    buffer_init(&answer, HTTP_BODY_BYTES_MAX);
    if (json_to_pack(json, AHORA_DEPTH_MAX, &answer, &detail) != AHORA_OK) {
        cli_say("HTTP %d, and the answer is not JSON", status);
    } else if (status == 200) {
        code = print_nights(buffer_span(&answer));
    } else {
        const struct span name = text_at(buffer_span(&answer), "code");
        const struct span why = text_at(buffer_span(&answer), "detail");
        cli_say("refused: %.*s: %.*s", (int)name.bytes, (const char *)name.data, (int)why.bytes, (const char *)why.data);
        code = cli_exit_of(ahora_code_parse((const char *)name.data, name.bytes));
    }
    buffer_fini(&answer);
    return code;
}

int command_range(struct cli *cli) {
    struct buffer packed, json, answer;
    char key[AHORA_KEY_BYTES_MAX + 1];
    const char *why = NULL;
    int code = CLI_USAGE;
    buffer_init(&packed, HTTP_BODY_BYTES_MAX);
    buffer_init(&json, HTTP_BODY_BYTES_MAX);
    buffer_init(&answer, HTTP_BODY_BYTES_MAX);
    if (put_body(cli, &packed)) {
        const struct ahora_bytes given = cli->options.change.key;
        snprintf(key, sizeof key, "%.*s", (int)given.bytes, given.bytes > 0 ? (const char *)given.data : "");
        json_put(&json, buffer_span(&packed));
        const struct http_question question = {.path = "/v1/range",
                                               .token = getenv("AHORA_TOKEN"),
                                               .key = key[0] != '\0' ? key : NULL,
                                               .json = buffer_span(&json)};
        const int status = http_ask(&cli->options, &question, &answer, &why);
        if (status == 0) {
            cli_say("no answer of the broker at %s: %s", cli->options.server, why);
        }
        code = status == 0 ? CLI_CONNECTION : tell(status, buffer_span(&answer));
    }
    buffer_fini(&packed);
    buffer_fini(&json);
    buffer_fini(&answer);
    return code;
}
