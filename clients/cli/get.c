/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora get`: current documents, once.
 */
#include <inttypes.h>
#include <stdio.h>

#include "clients/cli/commands.h"
#include "clients/cli/print.h"

static void print_item_line(const struct ahora_item *item) {
    fputs("{\"topic\":", stdout);
    print_json_text(stdout, item->topic);
    printf(",\"seq\":%" PRId64 ",\"at\":%" PRId64 ",\"data\":", item->seq, item->at);
    print_json(stdout, item->data);
    fputs(item->stale ? ",\"stale\":true}\n" : "}\n", stdout);
}

static void print_item(const struct ahora_item *item) {
    char at[16];
    print_time(at, item->at);
    printf("%s%.*s%s  %s#%" PRId64 " %s%s%s\n", print_color(stdout, PRINT_CYAN), (int)item->topic.bytes,
           (const char *)item->topic.data, print_color(stdout, PRINT_PLAIN), print_color(stdout, PRINT_DIM), item->seq, at,
           item->stale ? " stale" : "", print_color(stdout, PRINT_PLAIN));
    print_tree(stdout, item->data, 1);
}

static void on_snapshot(struct ahora *client, const struct ahora_snapshot *snapshot, void *user) {
    (void)client;
    struct cli *cli = user;
    if (snapshot->outcome != AHORA_ANSWERED) {
        return;
    }
    if (snapshot->code != AHORA_OK) {
        cli_say_refused("refused", &(struct ahora_result){.code = snapshot->code, .detail = snapshot->detail});
        cli_end(cli, cli_exit_of(snapshot->code));
        return;
    }
    bool terminal = print_is_terminal(stdout);
    for (size_t i = 0; i < snapshot->count; i++) {
        (terminal ? print_item : print_item_line)(&snapshot->items[i]);
    }
    if (snapshot->count == 0) {
        cli_say("not found");
    } else if (snapshot->more) {
        cli_say("there are more; --limit says how many to print");
    }
    cli_end(cli, snapshot->count == 0 ? CLI_NOT_FOUND : CLI_FINE);
}

int command_get(struct cli *cli) {
    if (cli_connect(cli, 1)) {
        enum ahora_code code = ahora_get(cli->clients[0], (const char *const *)cli->argv, (unsigned)cli->argc,
                                         cli->options.limit, on_snapshot, cli);
        if (code != AHORA_OK) {
            cli_say("not a topic or pattern");
            cli_end(cli, CLI_USAGE);
        }
    }
    return cli_run(cli);
}
