/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one token or API key. */
#define TOKEN_TEXT_BYTES_MAX 16385

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *value) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return errno == 0 && end != text && *end == '\0' && number >= least && number <= most;
}

static bool parse_real(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value) && *value >= 0;
}

static bool take_server(struct options *options, const char *value) {
    options->server = value;
    return true;
}

static bool take_ca(struct options *options, const char *value) {
    options->ca_file = value;
    return *value != '\0';
}

static bool take_certificate(struct options *options, const char *value) {
    options->certificate = value;
    return *value != '\0';
}

static bool take_certificate_key(struct options *options, const char *value) {
    options->certificate_key = value;
    return *value != '\0';
}

static bool take_insecure(struct options *options, const char *value) {
    (void)value;
    options->insecure = true;
    return true;
}

static bool take_json(struct options *options, const char *value) {
    (void)value;
    options->json = true;
    return true;
}

static bool take_msgpack(struct options *options, const char *value) {
    (void)value;
    options->json = false;
    return true;
}

static bool take_at(struct options *options, const char *value) {
    options->change.has_at = true;
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->change.at);
}

static bool take_if_seq(struct options *options, const char *value) {
    options->change.has_if_seq = true;
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->change.if_seq);
}

static bool take_if_newer(struct options *options, const char *value) {
    (void)value;
    options->change.if_newer = true;
    return true;
}

static bool take_key(struct options *options, const char *value) {
    options->change.key = ahora_text(value);
    return options->change.key.bytes >= 1 && options->change.key.bytes <= AHORA_KEY_BYTES_MAX;
}

static bool take_fresh(struct options *options, const char *value) {
    options->change.has_fresh_ms = true;
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->change.fresh_ms);
}

static bool take_expire(struct options *options, const char *value) {
    options->change.has_expire_ms = true;
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->change.expire_ms);
}

static bool take_days(struct options *options, const char *value) {
    options->days = value;
    return true;
}

static bool take_ack(struct options *options, const char *value) {
    static const char *const names[] = {"durable", "applied", "none"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->ack = (enum ahora_ack)i;
            return true;
        }
    }
    return false;
}

static bool take_lines(struct options *options, const char *value) {
    (void)value;
    options->lines = true;
    return true;
}

static bool take_atomic(struct options *options, const char *value) {
    (void)value;
    options->atomic = true;
    return true;
}

static bool take_limit(struct options *options, const char *value) {
    return parse_number(value, 1, AHORA_SEQ_MAX, &options->limit);
}

static bool take_since(struct options *options, const char *value) {
    options->since = value;
    return strlen(value) <= AHORA_TOKEN_BYTES_MAX;
}

static bool take_every(struct options *options, const char *value) {
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->every_ms);
}

static bool take_count(struct options *options, const char *value) {
    return parse_number(value, 1, AHORA_SEQ_MAX, &options->count);
}

static bool take_until_live(struct options *options, const char *value) {
    (void)value;
    options->until_live = true;
    return true;
}

static bool take_where(struct options *options, const char *value) {
    if (options->where_count == CONDITIONS_MAX) {
        return false;
    }
    options->where[options->where_count++] = value;
    return true;
}

static bool take_near(struct options *options, const char *value) {
    double *const parts[] = {&options->near.lat, &options->near.lon, &options->near.radius_m};
    for (int i = 0; i < 3; i++) {
        char *end;
        *parts[i] = strtod(value, &end);
        if (end == value || *end != (i < 2 ? ',' : '\0') || !isfinite(*parts[i])) {
            return false;
        }
        value = end + 1;
    }
    options->is_near = true;
    return options->near.radius_m > 0;
}

static bool take_speed(struct options *options, const char *value) {
    if (strcmp(value, "max") == 0) {
        options->speed = 0;
        return true;
    }
    return parse_real(value, &options->speed);
}

/* A rate replaces the trace's own times. */
static bool take_rate(struct options *options, const char *value) {
    options->speed = 0;
    return parse_real(value, &options->rate) && options->rate > 0;
}

static bool take_loop(struct options *options, const char *value) {
    (void)value;
    options->loop = true;
    return true;
}

static bool take_producers(struct options *options, const char *value) {
    return parse_number(value, 1, PRODUCERS_MAX, &options->producers);
}

static bool take_source(struct options *options, const char *value) {
    options->source = value;
    return *value != '\0';
}

static bool take_on_lost(struct options *options, const char *value) {
    options->on_lost = strcmp(value, "delete") == 0 ? AHORA_LOST_DELETE : AHORA_LOST_STALE;
    return options->on_lost == AHORA_LOST_DELETE || strcmp(value, "stale") == 0;
}

static bool take_grace(struct options *options, const char *value) {
    options->has_grace_ms = true;
    return parse_number(value, 0, AHORA_SEQ_MAX, &options->grace_ms);
}

static bool take_help(struct options *options, const char *value) {
    (void)value;
    options->help = true;
    return true;
}

/* Into the environment, where all commands look for it: a file is not seen by others on the machine, an argument is. */
static bool take_token_file(struct options *options, const char *value) {
    (void)options;
    char token[TOKEN_TEXT_BYTES_MAX];
    FILE *file = fopen(value, "re");
    if (file == NULL) {
        return false;
    }
    size_t bytes = fread(token, 1, sizeof token - 1, file);
    const bool fine = feof(file) != 0 && ferror(file) == 0;
    fclose(file);
    while (bytes > 0 && (token[bytes - 1] == '\n' || token[bytes - 1] == '\r' || token[bytes - 1] == ' ')) {
        bytes--;
    }
    token[bytes] = '\0';
    return fine && bytes > 0 && setenv("AHORA_TOKEN", token, 1) == 0;
}

static const struct option_row rows[] = {
    {"server", 's', OPTION_SERVER, "URL", "where the broker is (AHORA_URL; default " AHORA_URL_DEFAULT ")", take_server},
    {"ca", 0, OPTION_SERVER, "FILE", "https: trust these certificates (default: those the system trusts)", take_ca},
    {"cert", 0, OPTION_SERVER, "FILE", "https: show this certificate", take_certificate},
    {"cert-key", 0, OPTION_SERVER, "FILE", "https: its private key (default: in the same file)", take_certificate_key},
    {"insecure", 0, OPTION_SERVER, NULL, "https: trust anybody who answers, for trying out", take_insecure},
    {"token-file", 0, OPTION_SERVER, "FILE", "the file with the token or API key (AHORA_TOKEN)", take_token_file},
    {"json", 0, OPTION_ENCODING, NULL, "speak JSON with the broker", take_json},
    {"msgpack", 0, OPTION_ENCODING, NULL, "speak MessagePack with the broker (default)", take_msgpack},
    {"json", 0, OPTION_RAW, NULL, "print the JSON as it came", take_json},
    {"at", 0, OPTION_CHANGE, "MS", "when it happened, ms since 1970 (default: now, at the broker)", take_at},
    {"if-seq", 0, OPTION_CHANGE, "SEQ", "only if the topic is at this seq; 0: only if it does not exist", take_if_seq},
    {"if-newer", 0, OPTION_CHANGE, NULL, "only if --at is later than the document's", take_if_newer},
    {"key", 0, OPTION_CHANGE | OPTION_RANGE, "KEY", "idempotency key: applied once, and sent again after a cut", take_key},
    {"fresh-ms", 0, OPTION_CHANGE, "MS", "stale if not written again for so long; 0: never", take_fresh},
    {"expire-ms", 0, OPTION_CHANGE, "MS", "removed if not written again for so long", take_expire},
    {"days", 0, OPTION_RANGE, "DAYS", "only these: fri,sat", take_days},
    {"ack", 0, OPTION_ACK, "WHEN", "durable (default), applied or none", take_ack},
    {"lines", 'l', OPTION_PUB, NULL, "read changes from standard input, one JSON object a line", take_lines},
    {"atomic", 0, OPTION_PUB, NULL, "all changes or none (at most 1000)", take_atomic},
    {"limit", 0, OPTION_LIMIT, "N", "at most so many topics", take_limit},
    {"since", 0, OPTION_SUB, "TOKEN", "only what changed since that token", take_since},
    {"every", 0, OPTION_SUB, "MS", "not more often than that", take_every},
    {"where", 'w', OPTION_SUB, "COND", "only documents for which it holds: 'available>=1', 'eta_at', '!eta_at'; repeatable",
     take_where},
    {"near", 0, OPTION_SUB, "LAT,LON,M", "only documents within so many metres; --limit N: the nearest N", take_near},
    {"count", 'n', OPTION_SUB, "N", "end after so many sets, patches and removals", take_count},
    {"every", 0, OPTION_TOP, "MS", "look again so often (default 1000)", take_every},
    {"count", 'n', OPTION_TOP, "N", "end after so many looks", take_count},
    {"until-live", 0, OPTION_SUB, NULL, "end when everything current was printed", take_until_live},
    {"speed", 0, OPTION_REPLAY, "N", "N times as fast as it happened (default 1); max or 0: as fast as acknowledged",
     take_speed},
    {"rate", 0, OPTION_REPLAY, "R", "R changes a second instead", take_rate},
    {"loop", 0, OPTION_REPLAY, NULL, "start again at the end, until Ctrl-C", take_loop},
    {"producers", 0, OPTION_REPLAY, "N", "connections to publish on, topics shared among them (default 1)", take_producers},
    {"source", 0, OPTION_SOURCE, "NAME", "publish as this source: what it wrote goes with it", take_source},
    {"on-lost", 0, OPTION_SOURCE, "WHAT", "stale (default) or delete, when the source is away too long", take_on_lost},
    {"grace", 0, OPTION_SOURCE, "MS", "how long it may be away (default: as the broker has it)", take_grace},
    {"help", 'h', ~0u, NULL, "this text", take_help},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct option_row *options_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

const char *options_words(const char *name) {
    static const char *const words[][2] = {{"ack", "durable applied none"},
                                           {"on-lost", "stale delete"},
                                           {"speed", "max 1 10 100"},
                                           {"days", "mon tue wed thu fri sat sun"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i][0], name) == 0) {
            return words[i][1];
        }
    }
    return NULL;
}

/* Options may come after arguments, but "-" and what follows "--" are arguments. Values of long options: "--at 5" or "--at=5". */
static unsigned fill_getopt(unsigned mask, struct option *longs, char *shorts) {
    unsigned count = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        if ((rows[i].bit & mask) == 0) {
            continue;
        }
        int needs = rows[i].value == NULL ? no_argument : required_argument;
        longs[count++] = (struct option){rows[i].name, needs, NULL, (int)(256 + i)};
        if (rows[i].letter != 0) {
            *shorts++ = rows[i].letter;
            if (needs == required_argument) {
                *shorts++ = ':';
            }
        }
    }
    longs[count] = (struct option){0};
    *shorts = '\0';
    return count;
}

static const struct option_row *row_of(int found) {
    if (found >= 256) {
        return &rows[found - 256];
    }
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].letter == found) {
            return &rows[i];
        }
    }
    return NULL;
}

bool options_parse(struct options *options, unsigned mask, int argc, char **argv, int *first) {
    struct option longs[ROWS + 1];
    char shorts[2 * ROWS + 1];
    fill_getopt(mask, longs, shorts);
    const char *server = getenv("AHORA_URL");
    *options =
        (struct options){.server = server == NULL || *server == '\0' ? AHORA_URL_DEFAULT : server, .speed = 1, .producers = 1};
    static char program[] = "ahora"; /* what getopt's complaints begin with; it is given the command in its place */
    argv[0] = program;
    for (;;) {
        int found = getopt_long(argc, argv, shorts, longs, NULL);
        if (found < 0) {
            *first = optind;
            return true;
        }
        const struct option_row *row = found == '?' ? NULL : row_of(found);
        if (row == NULL) {
            return false;
        }
        if (!row->take(options, optarg)) {
            fprintf(stderr, "ahora: --%s does not take \"%s\"\n", row->name, optarg);
            return false;
        }
    }
}

void options_help(unsigned mask) {
    for (unsigned i = 0; i < ROWS; i++) {
        if ((rows[i].bit & mask) == 0) {
            continue;
        }
        char left[64];
        char letter[] = {'-', rows[i].letter, ',', ' ', '\0'};
        snprintf(left, sizeof(left), "%s--%s%s%s", rows[i].letter == 0 ? "    " : letter, rows[i].name,
                 rows[i].value == NULL ? "" : " ", rows[i].value == NULL ? "" : rows[i].value);
        printf("  %-22s %s\n", left, rows[i].help);
    }
}
