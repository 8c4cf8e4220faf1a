/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora pub -l`: changes from standard input.
 *
 * Good path: lines become changes, changes batches, batches are answered, the end of input flushes the last, a summary, exit 0.
 * A line that is no change, or that the broker refuses, is told by its number and the rest goes on: exit 3. With --atomic it is
 * all one list: a bad line or more than AHORA_CHANGES_MAX lines and nothing is sent. While 16 batches are unanswered nothing is read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/cli/commands.h"
#include "clients/cli/feeder.h"
#include "clients/cli/input.h"
#include "proto/json.h"

struct lines {
    struct cli *cli;
    struct input input;
    struct feeder feeder;
    struct buffer packed;
    uint64_t line;
    uint64_t bad; /* lines that were no change */
    bool ended;   /* the input */
};

static void finish(struct lines *lines) {
    const struct feeder *feeder = &lines->feeder;
    cli_end(lines->cli, feeder->refused + lines->bad > 0 ? CLI_REFUSED : feeder->unknown > 0 ? CLI_PARTIAL : CLI_FINE);
}

static void summarize(const struct lines *lines) {
    const struct feeder *feeder = &lines->feeder;
    fprintf(stderr,
            "ahora: %" PRIu64 " changes accepted, %" PRIu64 " refused, %" PRIu64 " of unknown outcome, %" PRIu64 " not sent\n",
            feeder->accepted, feeder->refused + lines->bad, feeder->unknown,
            feeder->added - feeder->accepted - feeder->refused - feeder->unknown);
}

static void say_bad(struct lines *lines, const char *why) {
    fprintf(stderr, "ahora: line %" PRIu64 ": %s\n", lines->line, why);
    lines->bad++;
}

static void add_line(struct lines *lines, struct span line) {
    if (line.bytes == 0) {
        return;
    }
    const char *detail = "larger than a change may be";
    buffer_clear(&lines->packed, FEEDER_BATCH_BYTES);
    if (json_to_pack(line, AHORA_DEPTH_MAX + 1, &lines->packed, &detail) == AHORA_OK) {
        detail = feeder_add(&lines->feeder, buffer_span(&lines->packed), lines->line);
    }
    if (detail != NULL) {
        say_bad(lines, detail);
    }
}

/* One list or none: nothing was sent yet. */
static bool give_up_atomic(struct lines *lines, const char *why) {
    cli_say("%s: nothing was published", why);
    cli_end(lines->cli, CLI_REFUSED);
    return false;
}

static bool end_of_input(struct lines *lines) {
    if (lines->feeder.atomic && lines->bad > 0) {
        return give_up_atomic(lines, "the list holds bad lines");
    }
    lines->ended = true;
    feeder_flush(&lines->feeder);
    return false;
}

/* False if there is nothing to do until something happens. */
static bool step(struct lines *lines) {
    if (!feeder_has_room(&lines->feeder)) {
        return lines->feeder.atomic ? give_up_atomic(lines, "more changes than one list may hold") : false;
    }
    struct span line;
    switch (input_next(&lines->input, &line)) {
    case INPUT_LINE:
        lines->line++;
        add_line(lines, line);
        return true;
    case INPUT_LONG:
        lines->line++;
        say_bad(lines, "line too long");
        return true;
    case INPUT_WAIT:
        if (!lines->feeder.atomic) {
            feeder_flush(&lines->feeder); /* what has come is not kept waiting for what may come */
        }
        return false;
    case INPUT_END:
        return end_of_input(lines);
    }
    return false;
}

static void pump(struct lines *lines) {
    while (!lines->ended && !lines->cli->ended && step(lines)) {
    }
    if (lines->ended && !lines->cli->ended && feeder_is_done(&lines->feeder)) {
        finish(lines);
    }
}

static void on_answer(void *owner) {
    struct lines *lines = owner;
    if (!lines->cli->ended) {
        pump(lines);
    }
}

static void on_refused(void *owner, uint64_t line, const struct ahora_result *result) {
    (void)owner;
    char what[40];
    snprintf(what, sizeof(what), "line %" PRIu64, line);
    cli_say_refused(what, result);
}

static void on_ready(struct input *input) {
    pump(input->owner);
}

int command_pub_lines(struct cli *cli) {
    static struct lines lines;
    if (cli->argc > 0) {
        cli_say("pub -l takes no changes as arguments");
        return CLI_USAGE;
    }
    lines.cli = cli;
    lines.input.owner = &lines;
    lines.input.on_ready = on_ready;
    buffer_init(&lines.packed, FEEDER_CHANGE_BYTES_MAX);
    cli->command = &lines;
    if (!input_open(&lines.input, &cli->loop, STDIN_FILENO)) {
        cli_say("cannot read standard input");
        return CLI_USAGE;
    }
    if (cli_connect(cli, 1)) {
        feeder_init(&lines.feeder, cli->clients[0]);
        lines.feeder.atomic = cli->options.atomic;
        lines.feeder.ack = cli->options.ack;
        lines.feeder.on_answer = on_answer;
        lines.feeder.on_refused = on_refused;
        lines.feeder.owner = &lines;
        pump(&lines);
    }
    int code = cli_run(cli);
    input_close(&lines.input);
    if (cli->connected > 0) {
        summarize(&lines);
    }
    feeder_fini(&lines.feeder);
    buffer_fini(&lines.packed);
    return code;
}
