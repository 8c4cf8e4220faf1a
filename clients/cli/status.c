/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora status`: what GET /v1/status says, for people or as it came.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/commands.h"
#include "clients/cli/http.h"
#include "clients/cli/print.h"
#include "proto/json.h"

static int print_status(const struct cli *cli, struct span body) {
    struct buffer packed;
    const char *detail = NULL;
    buffer_init(&packed, HTTP_BODY_BYTES_MAX);
    int code = CLI_FINE;
    if (json_to_pack(body, AHORA_DEPTH_MAX, &packed, &detail) != AHORA_OK) {
        cli_say("the status is not JSON: %s", detail == NULL ? "too large" : detail);
        code = CLI_REFUSED;
    } else if (cli->options.json) {
        print_json(stdout, (struct ahora_bytes){packed.data, packed.bytes});
        putchar('\n');
    } else {
        print_tree(stdout, (struct ahora_bytes){packed.data, packed.bytes}, 0);
    }
    buffer_fini(&packed);
    return code;
}

int command_status(struct cli *cli) {
    struct buffer body;
    const char *why = NULL;
    buffer_init(&body, HTTP_BODY_BYTES_MAX);
    const struct http_question question = {.path = "/v1/status", .token = getenv("AHORA_TOKEN")};
    int status = http_ask(&cli->options, &question, &body, &why);
    int code = CLI_REFUSED;
    if (status == 0) {
        cli_say("cannot reach the broker at %s: %s", cli->options.server, why);
        code = CLI_CONNECTION;
    } else if (status != 200) {
        cli_say("refused: HTTP %d %.*s", status, (int)(body.bytes < 300 ? body.bytes : 300),
                body.bytes > 0 ? (const char *)body.data : "");
    } else {
        code = print_status(cli, buffer_span(&body));
    }
    buffer_fini(&body);
    return code;
}
