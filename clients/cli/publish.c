/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * put, patch, adjust, touch, delete, and pub with changes as arguments: one list of changes, one answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/change.h"
#include "clients/cli/commands.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/pack.h"

#define ARGUMENT_BYTES_MAX ((size_t)4 << 20)

struct publish {
    struct buffer data; /* packed documents or changes; lives until the end */
    struct ahora_change *changes;
    size_t count;
};

static void print_result(const struct cli *cli, size_t index, const struct ahora_result *result) {
    char what[48] = "refused";
    const struct publish *publish = cli->command;
    if (publish->count > 1) {
        snprintf(what, sizeof(what), "change %zu refused", index + 1);
    }
    if (result->code == AHORA_OK) {
        printf("{\"seq\":%lld}\n", (long long)result->seq);
    } else {
        cli_say_refused(what, result);
    }
}

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    (void)client;
    struct cli *cli = user;
    if (published->outcome == AHORA_CANCELLED) {
        if (published->sent) {
            cli_say("ended before the answer came: the outcome is not known");
        }
        return;
    }
    if (published->outcome == AHORA_DISCONNECTED) {
        cli_say("line lost before the answer: the outcome is not known (with --key it would have been sent again)");
        cli_end(cli, CLI_CONNECTION);
        return;
    }
    enum cli_exit code = CLI_FINE;
    for (size_t i = 0; i < published->count; i++) {
        print_result(cli, i, &published->results[i]);
        code = code == CLI_FINE ? cli_exit_of(published->results[i].code) : code;
    }
    cli_end(cli, code);
}

/* With `ack none` nothing answers; the bytes must only leave. The close that follows gives them to the socket first. */
static int run(struct cli *cli, struct publish *publish) {
    cli->command = publish;
    if (!cli_connect(cli, 1)) {
        return cli_run(cli);
    }
    enum ahora_code code = ahora_publish(cli->clients[0], publish->changes, publish->count, cli->options.atomic,
                                         cli->options.ack, on_published, cli);
    if (code != AHORA_OK) {
        cli_say("not a legal change: check the topic, the key, and that the document is a JSON object");
        cli_end(cli, CLI_USAGE);
    }
    int result = cli_run(cli);
    buffer_fini(&publish->data);
    free(publish->changes);
    return result;
}

/* ---- one change ---- */

static int run_one(struct cli *cli, enum ahora_op op, struct publish *publish) {
    publish->changes = calloc(1, sizeof(publish->changes[0]));
    if (publish->changes == NULL || publish->data.failed) {
        cli_say("no memory");
        return CLI_USAGE;
    }
    publish->count = 1;
    publish->changes[0] = cli->options.change;
    publish->changes[0].op = op;
    publish->changes[0].topic = ahora_text(cli->argv[0]);
    publish->changes[0].data = (struct ahora_bytes){publish->data.data, publish->data.bytes};
    return run(cli, publish);
}

static bool read_json(struct publish *publish, const char *text) {
    const char *detail = NULL;
    if (json_to_pack(span_of_text(text), AHORA_DEPTH_MAX, &publish->data, &detail) == AHORA_OK) {
        return true;
    }
    cli_say("not JSON: %s", detail == NULL ? "too large" : detail);
    return false;
}

static int run_with_json(struct cli *cli, enum ahora_op op) {
    struct publish publish = {0};
    buffer_init(&publish.data, ARGUMENT_BYTES_MAX);
    return read_json(&publish, cli->argv[1]) ? run_one(cli, op, &publish) : CLI_USAGE;
}

int command_put(struct cli *cli) {
    return run_with_json(cli, AHORA_SET);
}

int command_patch(struct cli *cli) {
    return run_with_json(cli, AHORA_PATCH);
}

int command_touch(struct cli *cli) {
    struct publish publish = {0};
    return run_one(cli, AHORA_TOUCH, &publish);
}

int command_delete(struct cli *cli) {
    struct publish publish = {0};
    return run_one(cli, AHORA_DELETE, &publish);
}

int command_adjust(struct cli *cli) {
    if (cli->argc == 2 && cli->argv[1][0] == '{') {
        return run_with_json(cli, AHORA_ADJUST);
    }
    struct publish publish = {0};
    buffer_init(&publish.data, ARGUMENT_BYTES_MAX);
    pack_put_map(&publish.data, (uint32_t)(cli->argc - 1));
    for (int i = 1; i < cli->argc; i++) {
        if (!change_put_adjustment(&publish.data, cli->argv[i])) {
            return CLI_USAGE;
        }
    }
    return run_one(cli, AHORA_ADJUST, &publish);
}

/* ---- a list of changes ---- */

/* Filled when all are packed, because the buffer moves while it grows. */
static bool fill_changes(struct publish *publish) {
    struct pack_reader reader = pack_reader_of(buffer_span(&publish->data));
    for (size_t i = 0; i < publish->count; i++) {
        struct change_request request;
        const char *detail = "not a change";
        if (change_decode(&reader, &request, &detail) != AHORA_OK) {
            cli_say("change %zu: %s", i + 1, detail);
            return false;
        }
        publish->changes[i] = change_of_request(&request);
    }
    return true;
}

int command_pub(struct cli *cli) {
    if (cli->options.lines) {
        return command_pub_lines(cli);
    }
    if (cli->argc < 1 || cli->argc > AHORA_CHANGES_MAX) {
        cli_say("pub takes 1 to %d changes, or -l", AHORA_CHANGES_MAX);
        return CLI_USAGE;
    }
    struct publish publish = {.count = (size_t)cli->argc};
    buffer_init(&publish.data, ARGUMENT_BYTES_MAX);
    publish.changes = calloc(publish.count, sizeof(publish.changes[0]));
    bool good = publish.changes != NULL;
    for (int i = 0; good && i < cli->argc; i++) {
        good = read_json(&publish, cli->argv[i]);
    }
    return good && fill_changes(&publish) ? run(cli, &publish) : CLI_USAGE;
}
