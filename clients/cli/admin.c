/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora admin`: looks after a broker by its /v1/admin calls (docs/operations.md). What is asked for stands as NAME=VALUE behind the verb.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/commands.h"
#include "clients/cli/http.h"
#include "clients/cli/print.h"
#include "proto/json.h"
#include "proto/pack.h"

struct verb {
    const char *name;
    const char *path;
    bool asks;          /* a GET, with the words in its query */
    const char *single; /* what one word without `=` stands for; NULL: there is none */
    void (*print)(const struct cli *cli, struct span answer);
};

static void print_sessions(const struct cli *cli, struct span answer);
static void print_outcome(const struct cli *cli, struct span answer);

static const struct verb verbs[] = {
    {"sessions", "/v1/admin/sessions", true, "session", print_sessions},
    {"slowest", "/v1/admin/sessions/slowest", true, "limit", print_sessions},
    {"disconnect", "/v1/admin/disconnect", false, "session", print_outcome},
    {"revoke", "/v1/admin/revoke", false, "subject", print_outcome},
    {"drain", "/v1/admin/drain", false, NULL, print_outcome},
    {"reload", "/v1/admin/reload", false, NULL, print_outcome},
    {"backup", "/v1/admin/backup", false, "name", print_outcome},
};

/* ---- what comes back ---- */

static struct span text_of(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : span_of_text("");
}

static long long number_of(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_INT ? (long long)pack_read_int(&reader) : 0;
}

static bool truth_of(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_BOOL && pack_read_bool(&reader);
}

static void print_cell(struct span text, int width) {
    print_visible(stdout, span_of(text.data, text.bytes < 39 ? text.bytes : 39), false);
    printf("%*s", text.bytes < (size_t)width ? width - (int)text.bytes : 1, "");
}

static void print_patterns(struct span session) {
    struct pack_reader reader = pack_reader_of(pack_find(session, "follows"));
    uint32_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
    for (uint32_t i = 0; i < left && i < 3 && !reader.failed; i++) {
        fputs(i > 0 ? " " : "", stdout);
        print_visible(stdout, pack_read_text(&reader), false);
    }
    fputs(left > 3 ? " …\n" : "\n", stdout);
}

static void print_session(struct span session) {
    print_cell(text_of(session, "session"), 9);
    print_cell(text_of(session, "subject"), 16);
    print_cell(text_of(session, "address"), 16);
    print_cell(text_of(session, "encoding"), 8);
    printf("%8lld s %6lld %8lld %9lld %12lld %s ", number_of(session, "age_ms") / 1000, number_of(session, "subscriptions"),
           number_of(session, "behind"), number_of(session, "skipped"), number_of(session, "sent_bytes"),
           truth_of(session, "choked") ? "choked" : "      ");
    print_patterns(session);
}

/* Readable on a terminal; in a pipe, and with --json, one JSON object a line. */
static void print_sessions(const struct cli *cli, struct span answer) {
    struct pack_reader reader = pack_reader_of(pack_find(answer, "sessions"));
    const bool is_json = cli->options.json || !print_is_terminal(stdout);
    uint32_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
    if (!is_json && left > 0) {
        puts("session  subject         address         encoding       age   subs   behind   skipped   sent bytes        "
             "follows");
    }
    for (; left > 0 && !reader.failed; left--) {
        struct span session = pack_skip(&reader);
        if (is_json) {
            print_json(stdout, (struct ahora_bytes){session.data, session.bytes});
            putchar('\n');
        } else {
            print_session(session);
        }
    }
    if (truth_of(answer, "more")) {
        struct span after = text_of(answer, "after");
        cli_say("there are more%s%.*s",
                after.bytes > 0 ? ": go on with after=" : "; ask for them with limit=", (int)after.bytes,
                (const char *)after.data);
    }
}

static void print_outcome(const struct cli *cli, struct span answer) {
    if (cli->options.json || !print_is_terminal(stdout)) {
        print_json(stdout, (struct ahora_bytes){answer.data, answer.bytes});
        putchar('\n');
    } else {
        print_tree(stdout, (struct ahora_bytes){answer.data, answer.bytes}, 0);
    }
}

static int tell(const struct cli *cli, const struct verb *verb, int status, struct span json) {
    struct buffer answer;
    const char *detail = NULL;
    int code = CLI_REFUSED;
    buffer_init(&answer, 2 * HTTP_BODY_BYTES_MAX);
    if (json_to_pack(json, AHORA_DEPTH_MAX, &answer, &detail) != AHORA_OK) {
        cli_say("HTTP %d, and the answer is not JSON", status);
    } else if (status >= 200 && status < 300) {
        verb->print(cli, buffer_span(&answer));
        code = CLI_FINE;
    } else {
        struct span name = text_of(buffer_span(&answer), "code");
        struct span why = text_of(buffer_span(&answer), name.bytes > 0 ? "detail" : "error");
        cli_say("refused: %.*s%s%.*s", (int)name.bytes, (const char *)name.data, name.bytes > 0 ? ": " : "", (int)why.bytes,
                (const char *)why.data);
        code = name.bytes > 0 ? (int)cli_exit_of(ahora_code_parse((const char *)name.data, name.bytes)) : CLI_REFUSED;
    }
    buffer_fini(&answer);
    return code;
}

/* ---- what is asked ---- */

struct word {
    struct span name;
    const char *value;
};

static bool split(const struct verb *verb, const char *text, struct word *word) {
    const char *sign = strchr(text, '=');
    if (sign == NULL && verb->single == NULL) {
        cli_say("%s: want NAME=VALUE", text);
        return false;
    }
    *word = sign == NULL ? (struct word){span_of_text(verb->single), text}
                         : (struct word){span_of(text, (size_t)(sign - text)), sign + 1};
    return true;
}

static void put_escaped(struct buffer *out, const char *text) {
    for (; *text != '\0'; text++) {
        char escaped[4];
        const unsigned char byte = (unsigned char)*text;
        const bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                              strchr("-_.~/*", byte) != NULL;
        snprintf(escaped, sizeof escaped, is_plain ? "%c" : "%%%02X", byte);
        buffer_put_text(out, escaped);
    }
}

static bool put_query(const struct cli *cli, const struct verb *verb, struct buffer *path) {
    buffer_put_text(path, verb->path);
    for (int i = 1; i < cli->argc; i++) {
        struct word word;
        if (!split(verb, cli->argv[i], &word)) {
            return false;
        }
        buffer_put_text(path, i == 1 ? "?" : "&");
        buffer_put_span(path, word.name);
        buffer_put_text(path, "=");
        put_escaped(path, word.value);
    }
    buffer_put_byte(path, '\0');
    return true;
}

/* Numbers are those that the API takes as numbers. */
static void put_value(struct buffer *json, const struct word *word) {
    const bool is_number = span_is(word->name, "retry_ms") || span_is(word->name, "before_s");
    const size_t digits = strspn(word->value, "0123456789");
    if (is_number && digits > 0 && digits < 16 && word->value[digits] == '\0') {
        buffer_put_text(json, word->value);
    } else {
        json_put_text(json, span_of_text(word->value));
    }
}

static bool put_body(const struct cli *cli, const struct verb *verb, struct buffer *json) {
    buffer_put_text(json, "{");
    for (int i = 1; i < cli->argc; i++) {
        struct word word;
        if (!split(verb, cli->argv[i], &word)) {
            return false;
        }
        buffer_put_text(json, i == 1 ? "" : ",");
        json_put_text(json, word.name);
        buffer_put_text(json, ":");
        put_value(json, &word);
    }
    buffer_put_text(json, "}");
    return true;
}

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    cli_say("no `admin %s`: sessions, slowest, disconnect, revoke, drain, reload or backup", name);
    return NULL;
}

static int ask(const struct cli *cli, const struct verb *verb, const struct buffer *path, const struct buffer *json) {
    struct buffer answer;
    const char *why = NULL;
    int code = CLI_CONNECTION;
    buffer_init(&answer, HTTP_BODY_BYTES_MAX);
    const struct http_question question = {.path = verb->asks ? (const char *)path->data : verb->path,
                                           .token = getenv("AHORA_TOKEN"),
                                           .json = verb->asks ? (struct span){0} : buffer_span(json)};
    const int status = http_ask(&cli->options, &question, &answer, &why);
    if (status == 0) {
        cli_say("no answer of the broker at %s: %s", cli->options.server, why);
    } else {
        code = tell(cli, verb, status, buffer_span(&answer));
    }
    buffer_fini(&answer);
    return code;
}

int command_admin(struct cli *cli) {
    struct buffer path;
    struct buffer json;
    const struct verb *verb = find_verb(cli->argv[0]);
    int code = CLI_USAGE;
    buffer_init(&path, 16384);
    buffer_init(&json, 16384);
    if (verb != NULL && (verb->asks ? put_query(cli, verb, &path) : put_body(cli, verb, &json))) {
        code = ask(cli, verb, &path, &json);
    }
    buffer_fini(&path);
    buffer_fini(&json);
    return code;
}
