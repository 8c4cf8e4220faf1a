/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/cli.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void cli_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("ahora: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

enum cli_exit cli_exit_of(enum ahora_code code) {
    return code == AHORA_OK ? CLI_FINE : code == AHORA_NOT_FOUND ? CLI_NOT_FOUND : CLI_REFUSED;
}

void cli_say_refused(const char *what, const struct ahora_result *result) {
    char seq[40] = "";
    if (result->seq > 0) {
        snprintf(seq, sizeof(seq), ", now at seq %lld", (long long)result->seq);
    }
    cli_say("%s: %s%s%s%.*s", what, ahora_code_name(result->code), seq, result->detail.bytes > 0 ? ": " : "",
            (int)result->detail.bytes, result->detail.bytes > 0 ? (const char *)result->detail.data : "");
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    struct cli *cli = signal->data;
    if (cli->ended) {
        return;
    }
    if (cli->on_interrupt != NULL) {
        cli->on_interrupt(cli);
    } else {
        cli_end(cli, CLI_PARTIAL);
    }
}

bool cli_init(struct cli *cli) {
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&cli->loop) < 0) {
        cli_say("no memory");
        return false;
    }
    uv_signal_init(&cli->loop, &cli->interrupt);
    uv_signal_init(&cli->loop, &cli->terminate);
    cli->interrupt.data = cli;
    cli->terminate.data = cli;
    uv_signal_start(&cli->interrupt, on_signal, SIGINT);
    uv_signal_start(&cli->terminate, on_signal, SIGTERM);
    return true;
}

/* ---- clients ---- */

static void on_line(struct ahora *client, const struct ahora_line_event *event, void *user) {
    (void)client;
    struct cli *cli = user;
    if (event->line == AHORA_LINE_CONNECTED) {
        if (cli->connected >= cli->client_count && !cli->quiet) {
            cli_say("connected again");
        }
        cli->connected++;
        return;
    }
    if (event->line == AHORA_LINE_STOPPED) {
        cli_say("refused: %s", event->reason);
        cli_end(cli, CLI_REFUSED);
        return;
    }
    if (cli->connected < cli->client_count) {
        cli_say("cannot reach the broker at %s: %s", cli->options.server, event->reason);
        cli_end(cli, CLI_CONNECTION);
    } else if (!cli->quiet) {
        cli_say("line lost (%s), trying again in %.1f s", event->reason, (double)event->retry_ms / 1000);
    }
}

bool cli_connect(struct cli *cli, unsigned count) {
    assert(count >= 1 && count <= PRODUCERS_MAX);
    struct ahora_options options = {
        .url = cli->options.server,
        .token = getenv("AHORA_TOKEN"),
        .name = "ahora-cli/" AHORA_VERSION,
        .encoding = cli->options.json ? AHORA_ENCODING_JSON : AHORA_ENCODING_MSGPACK,
        .source = cli->options.source,
        .on_lost = cli->options.on_lost,
        .has_grace_ms = cli->options.has_grace_ms,
        .grace_ms = cli->options.grace_ms,
        .on_line = on_line,
        .user = cli,
        .ca_file = cli->options.ca_file,
        .certificate = cli->options.certificate,
        .certificate_key = cli->options.certificate_key,
        .insecure = cli->options.insecure,
    };
    while (cli->client_count < count) {
        const char *detail = NULL;
        struct ahora *client = ahora_open(&cli->loop, &options, &detail);
        if (client == NULL) {
            cli_say("%s: %s", cli->options.server, detail);
            cli_end(cli, CLI_USAGE);
            return false;
        }
        cli->clients[cli->client_count++] = client;
        cli->clients_open++;
    }
    return true;
}

static void on_client_closed(void *user) {
    struct cli *cli = user;
    cli->clients_open--;
}

void cli_end(struct cli *cli, enum cli_exit code) {
    cli->code = cli->code == CLI_FINE ? code : cli->code;
    if (cli->ended) {
        return;
    }
    cli->ended = true;
    for (unsigned i = 0; i < cli->client_count; i++) {
        ahora_close(cli->clients[i], on_client_closed, cli);
    }
    uv_stop(&cli->loop);
}

int cli_run(struct cli *cli) {
    while (!cli->ended) {
        uv_run(&cli->loop, UV_RUN_DEFAULT);
        assert(cli->ended); /* the signal handles keep the loop alive until then */
    }
    while (cli->clients_open > 0) {
        uv_run(&cli->loop, UV_RUN_ONCE);
    }
    if (fflush(stdout) != 0 && cli->code == CLI_FINE) {
        cli->code = CLI_PARTIAL;
    }
    return cli->code;
}
