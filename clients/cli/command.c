/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/command.h"

#include <string.h>

#include "clients/cli/commands.h"

#define OPTIONS_LINE (OPTION_SERVER | OPTION_ENCODING)
#define OPTIONS_CHANGE (OPTIONS_LINE | OPTION_CHANGE | OPTION_ACK | OPTION_SOURCE)

static const struct command commands[] = {
    {"pub", "CHANGE... | -l", "publish changes, given as JSON or read from standard input",
     "A change: {\"op\":\"set|patch|adjust|touch|delete\",\"topic\":\"stock/4711/lyon\",\"data\":{}, at if_seq if_newer key "
     "fresh_ms\n"
     "expire_ms}; other members are ignored. With -l, refused lines are told on stderr by number, and the rest goes on.\n",
     "ahora pub --atomic '{\"op\":\"adjust\",\"topic\":\"room/ritz/dbl/2027-05-01\",\"data\":{\"booking_limit\":-1}}'\n"
     "gps-receiver | to-changes | ahora pub -l --source van-7 --grace 10000\n",
     OPTIONS_LINE | OPTION_ACK | OPTION_PUB | OPTION_SOURCE, 0, -1, command_pub},
    {"put", "TOPIC JSON", "set a topic's document", NULL,
     "ahora put stock/4711/lyon '{\"available\": 3, \"price\": \"4.20\", \"price_currency\": \"EUR\"}'\n"
     "ahora put service/courier/mitte/17 '{\"state\": \"on_trip\"}' --fresh-ms 5000\n",
     OPTIONS_CHANGE, 2, 2, command_put},
    {"patch", "TOPIC JSON", "merge into a topic's document (RFC 7396: null removes a field)", NULL,
     "ahora patch stock/4711/lyon '{\"price\": \"3.90\"}'\n", OPTIONS_CHANGE, 2, 2, command_patch},
    {"adjust", "TOPIC FIELD=+N... | JSON", "add to integer fields: ahora adjust stock/4711/lyon available=-1", NULL,
     "ahora adjust stock/4711/lyon available=-1 --key receipt-17\n", OPTIONS_CHANGE, 2, -1, command_adjust},
    {"range", "OP TOPIC START END [JSON | FIELD=+N...]", "one change on each night from START to END, all or nothing",
     "ahora range adjust room/central/double 2027-05-01 2027-05-03 booking_limit=-1\n"
     "TOPIC is without the night; START and END are the first and the last night. OP: set, patch, adjust, touch, delete.\n",
     "ahora range adjust room/central/double 2027-05-01 2027-05-03 booking_limit=-1 --key stay-8812\n"
     "ahora range patch room/central/double 2027-05-01 2027-05-31 --days fri,sat '{\"status\": \"close\"}'\n",
     OPTION_SERVER | OPTION_ACK | OPTION_RANGE, 4, -1, command_range},
    {"touch", "TOPIC", "renew a topic's promise to be fresh, changing nothing", NULL, "ahora touch service/courier/mitte/17\n",
     OPTIONS_CHANGE, 1, 1, command_touch},
    {"delete", "TOPIC", "remove a topic", NULL, "ahora delete stock/4711/lyon --if-seq 12\n", OPTIONS_CHANGE, 1, 1,
     command_delete},
    {"get", "TOPIC|PATTERN...", "print current documents",
     "Readable on a terminal; in a pipe one JSON object a line: {topic, seq, at, data, stale?}.\n",
     "ahora get stock/4711/lyon\n"
     "ahora get 'stock/4711/*' --limit 100\n",
     OPTIONS_LINE | OPTION_LIMIT, 1, AHORA_PATTERNS_MAX, command_get},
    {"sub", "PATTERN...", "print documents, then changes as they happen, until Ctrl-C",
     "Readable on a terminal; in a pipe one JSON object a line: {op: set|patch|remove|subscribed|live, topic, seq, at, data, "
     "patch?,\n"
     "stale?, why?}; data is always the whole document. Ctrl-C prints the token for --since on stderr.\n",
     "ahora sub 'order/*'\n"
     "ahora sub 'stock/4711/*' --where 'available>=1' --where 'price_currency=EUR'\n"
     "ahora sub 'service/bikes/**' --near 59.911,10.757,500 --limit 5\n",
     OPTIONS_LINE | OPTION_SUB | OPTION_LIMIT, 1, AHORA_PATTERNS_MAX, command_sub},
    {"replay", "FILE...", "publish recorded traces",
     "A trace is .ndjson or .ndjson.gz, one {t, topic, op, data} a line with t in ms since its start; all files start "
     "together.\n",
     "ahora replay stock.ndjson.gz orders.ndjson --speed 1000\n", OPTIONS_LINE | OPTION_ACK | OPTION_REPLAY | OPTION_SOURCE, 1,
     64, command_replay},
    {"top", "[PATTERN...]", "watch the broker work: rates, hottest topics, slowest sessions, until q or Ctrl-C",
     "On a terminal a screen that follows its size; in a pipe one block of lines each --every MS, --count N of them. The "
     "hottest topics\n"
     "are those of PATTERN (default **, everything: name less if there is much), the slowest sessions are shown if the broker "
     "tells.\n",
     "ahora top\n"
     "ahora top 'stock/**' --every 500\n"
     "ahora top --count 1\n",
     OPTIONS_LINE | OPTION_TOP, 0, AHORA_PATTERNS_MAX, command_top},
    {"token", "make KEYFILE CLAIM=VALUE... | show | check KEYFILE", "make, print or check a token",
     "KEYFILE: KID.hs256 holds a secret, KID.rs256.pem, KID.es256.pem or KID.pem a key; to make takes the private one.\n"
     "A claim is NAME=TEXT or NAME:=JSON, of rights ahora.NAME=VALUE,VALUE; without exp the token is good for an hour.\n"
     "show and check read the token from --token-file, AHORA_TOKEN or standard input.\n",
     "ahora token make keys/shop.hs256 sub=anna exp=1h 'ahora.sub=stock/**,order/{order_ids}' 'order_ids:=[\"o-1\"]'\n"
     "ahora token check keys/shop.hs256 --token-file anna.jwt\n",
     OPTION_SERVER, 1, -1, command_token},
    {"key", "make NAME RIGHT=VALUE... | secret", "make an API key, or a secret for HS256",
     "The line for the broker's file goes to standard output, the key itself, shown this once, to standard error.\n",
     "ahora key make backoffice 'pub=stock/**,room/**' 'sub=**' >>api_keys\n", OPTION_SERVER, 1, -1, command_key},
    {"admin", "VERB [NAME=VALUE...]", "look after a broker",
     "VERB is sessions (session= subject= address= match= limit= after=), slowest (the same), disconnect (session=\n"
     "subject= address= match= retry_ms=), revoke (subject= before_s=, or id=), drain, reload, or backup (name=).\n"
     "A word without = is the session, limit, subject or name. It takes the right `admin`.\n",
     "ahora admin sessions match=stock/4711/lyon\n"
     "ahora admin disconnect s12 retry_ms=60000\n"
     "ahora admin backup nightly\n",
     OPTION_SERVER | OPTION_RAW, 1, 16, command_admin},
    {"status", "", "print the broker's status", NULL, "ahora status\n", OPTION_SERVER | OPTION_RAW, 0, 0, command_status},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char command_exit_codes[] =
    "Exit codes: 0 done; 1 wrong usage; 2 broker not reached, or lost before it answered; 3 refused by the\n"
    "broker (its error code is on stderr); 4 not found; 5 interrupted, or not all outcomes are known.\n"
    "Environment: AHORA_URL (server), AHORA_TOKEN (JWT), NO_COLOR.\n";

const struct command *command_at(size_t index) {
    return index < COMMANDS ? &commands[index] : NULL;
}

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_examples(const char *examples) {
    while (*examples != '\0') {
        int bytes = (int)strcspn(examples, "\n");
        printf("  %.*s\n", bytes, examples);
        examples += bytes + 1;
    }
}

void command_help(const struct command *command) {
    printf("ahora %s %s\n  %s\n\nExamples:\n", command->name, command->arguments, command->help);
    print_examples(command->examples);
    fputs("\nOptions:\n", stdout);
    options_help(command->options);
    printf("\n%s%s", command->more == NULL ? "" : command->more, command_exit_codes);
}
