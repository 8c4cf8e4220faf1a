/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora sub`: documents, then changes, until Ctrl-C, --count or --until-live.
 *
 * Output is collected while the loop has work and written before it sleeps. A reader that went away (`| head`) ends it quietly.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/commands.h"
#include "clients/cli/print.h"
#include "clients/cli/where.h"

struct printer {
    struct cli *cli;
    struct ahora_sub *sub;
    uv_prepare_t prepare;
    bool terminal;
    int64_t printed; /* sets, patches and removals */
    char token[AHORA_TOKEN_BYTES_MAX + 1];
};

static const char *const names[] = {
    [AHORA_EVENT_SUBSCRIBED] = "subscribed", [AHORA_EVENT_SET] = "set",   [AHORA_EVENT_PATCH] = "patch",
    [AHORA_EVENT_REMOVE] = "remove",         [AHORA_EVENT_LIVE] = "live", [AHORA_EVENT_BEHIND] = "behind",
    [AHORA_EVENT_REFUSED] = "refused",
};

/* ---- one JSON object a line ---- */

static void line_of_document(const struct printer *printer, const struct ahora_event *event) {
    (void)printer;
    printf(",\"seq\":%" PRId64 ",\"at\":%" PRId64 ",\"data\":", event->seq, event->at);
    print_json(stdout, event->data);
    if (event->patch.data != NULL) {
        fputs(",\"patch\":", stdout);
        print_json(stdout, event->patch);
    }
    fputs(event->stale ? ",\"stale\":true" : "", stdout);
}

static void line_of_remove(const struct printer *printer, const struct ahora_event *event) {
    (void)printer;
    const char *why = event->why == AHORA_WHY_NONE ? "unknown" : ahora_why_name(event->why);
    printf(",\"seq\":%" PRId64 ",\"why\":\"%s\"", event->seq, why);
}

static void line_of_subscribed(const struct printer *printer, const struct ahora_event *event) {
    (void)printer;
    printf(",\"resumed\":%s", event->resumed ? "true" : "false");
}

static void line_of_live(const struct printer *printer, const struct ahora_event *event) {
    printf(",\"seq\":%" PRId64 ",\"token\":\"%s\"", event->seq, printer->token);
    if (event->skipped > 0) {
        printf(",\"skipped\":%" PRId64, event->skipped);
    }
}

static void (*const lines[])(const struct printer *printer, const struct ahora_event *event) = {
    [AHORA_EVENT_SUBSCRIBED] = line_of_subscribed, [AHORA_EVENT_SET] = line_of_document, [AHORA_EVENT_PATCH] = line_of_document,
    [AHORA_EVENT_REMOVE] = line_of_remove,         [AHORA_EVENT_LIVE] = line_of_live,
};

static void print_line(const struct printer *printer, const struct ahora_event *event) {
    printf("{\"op\":\"%s\"", names[event->kind]);
    if (event->topic.bytes > 0) {
        fputs(",\"topic\":", stdout);
        print_json_text(stdout, event->topic);
    }
    lines[event->kind](printer, event);
    fputs("}\n", stdout);
}

/* ---- for people ---- */

static void print_change(const struct ahora_event *event) {
    static const enum print_color colors[] = {
        [AHORA_EVENT_SET] = PRINT_GREEN, [AHORA_EVENT_PATCH] = PRINT_YELLOW, [AHORA_EVENT_REMOVE] = PRINT_RED};
    char at[16] = "            ";
    if (event->kind != AHORA_EVENT_REMOVE) {
        print_time(at, event->at);
    }
    printf("%s%s%s  %s%-6s%s  %-28.*s  ", print_color(stdout, PRINT_DIM), at, print_color(stdout, PRINT_PLAIN),
           print_color(stdout, colors[event->kind]), names[event->kind], print_color(stdout, PRINT_PLAIN),
           (int)event->topic.bytes, (const char *)event->topic.data);
    if (event->kind == AHORA_EVENT_REMOVE) {
        fputs(event->why == AHORA_WHY_NONE ? "gone while we were away" : ahora_why_name(event->why), stdout);
    } else if (event->kind == AHORA_EVENT_PATCH && event->patch.data == NULL) { /* only its freshness changed */
        fputs(event->stale ? "" : "fresh", stdout);
    } else {
        print_fields(stdout, event->patch.data != NULL ? event->patch : event->data);
    }
    if (event->stale) {
        printf("  %s(stale)%s", print_color(stdout, PRINT_YELLOW), print_color(stdout, PRINT_PLAIN));
    }
    fputs("\n", stdout);
}

static void print_state(const struct printer *printer, const struct ahora_event *event) {
    (void)printer;
    const char *dim = print_color(stdout, PRINT_DIM);
    if (event->kind == AHORA_EVENT_SUBSCRIBED) {
        printf("%s-- %s%s\n", dim, event->resumed ? "resumed: what changed since" : "everything current",
               print_color(stdout, PRINT_PLAIN));
    } else {
        printf("%s-- live at seq %" PRId64, dim, event->seq);
        if (event->skipped > 0) {
            printf(", %" PRId64 " versions skipped", event->skipped);
        }
        printf("%s\n", print_color(stdout, PRINT_PLAIN));
    }
}

/* ---- events ---- */

static bool is_data(enum ahora_event_kind kind) {
    return kind == AHORA_EVENT_SET || kind == AHORA_EVENT_PATCH || kind == AHORA_EVENT_REMOVE;
}

static void print_event(struct printer *printer, const struct ahora_event *event) {
    if (!printer->terminal) {
        print_line(printer, event);
    } else if (is_data(event->kind)) {
        print_change(event);
    } else {
        print_state(printer, event);
    }
}

static void end_if_enough(struct printer *printer, enum ahora_event_kind kind) {
    const struct options *options = &printer->cli->options;
    bool counted = options->count > 0 && printer->printed >= options->count;
    bool lived = options->until_live && kind == AHORA_EVENT_LIVE;
    if (counted || lived) {
        cli_end(printer->cli, CLI_FINE);
    }
}

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    struct printer *printer = user;
    if (event->kind == AHORA_EVENT_REFUSED) {
        cli_say_refused("refused", &(struct ahora_result){.code = event->code, .detail = event->detail});
        if (event->retry_ms == 0) {
            cli_end(printer->cli, cli_exit_of(event->code));
        }
        return;
    }
    if (event->kind == AHORA_EVENT_BEHIND) {
        return; /* the line's loss is told already */
    }
    snprintf(printer->token, sizeof(printer->token), "%s", ahora_sub_token(sub));
    printer->printed += is_data(event->kind);
    print_event(printer, event);
    end_if_enough(printer, event->kind);
}

static void on_interrupt(struct cli *cli) {
    struct printer *printer = cli->command;
    const char *token = ahora_sub_token(printer->sub);
    if (*token != '\0') {
        cli_say("to go on from here: --since %s", token);
    }
    cli_end(cli, CLI_FINE);
}

static void on_prepare(uv_prepare_t *prepare) {
    struct printer *printer = prepare->data;
    if (fflush(stdout) != 0) {
        cli_end(printer->cli, CLI_FINE);
    }
}

/* --where, --near and --limit. False after a message. */
static bool narrow(struct cli *cli, struct ahora_view *view) {
    struct options *options = &cli->options;
    const char *detail = NULL;
    if (options->limit > 0 && (!options->is_near || options->limit > INT32_MAX)) {
        cli_say("--limit goes with --near: the nearest so many");
        return false;
    }
    if (options->is_near) {
        options->near.limit = (unsigned)options->limit;
        view->near = &options->near;
    }
    if (options->where_count > 0 && !where_read(options->where, options->where_count, &view->where, &detail)) {
        cli_say("--where: %s", detail);
        return false;
    }
    return true;
}

int command_sub(struct cli *cli) {
    static struct printer printer;
    printer.cli = cli;
    printer.terminal = print_is_terminal(stdout);
    cli->command = &printer;
    static char output[65536];
    setvbuf(stdout, output, _IOFBF, sizeof(output));
    if (!cli_connect(cli, 1)) {
        return cli_run(cli);
    }
    struct ahora_view view = {
        .match_count = (unsigned)cli->argc, .since = cli->options.since, .every_ms = cli->options.every_ms};
    memcpy(view.match, cli->argv, (size_t)cli->argc * sizeof(view.match[0]));
    if (!narrow(cli, &view)) {
        cli_end(cli, CLI_USAGE);
        return cli_run(cli);
    }
    printer.sub = ahora_subscribe(cli->clients[0], &view, on_event, &printer);
    free((void *)(uintptr_t)view.where.data);
    if (printer.sub == NULL) {
        cli_say("not a topic, pattern or circle");
        cli_end(cli, CLI_USAGE);
        return cli_run(cli);
    }
    cli->on_interrupt = on_interrupt;
    uv_prepare_init(&cli->loop, &printer.prepare);
    printer.prepare.data = &printer;
    uv_prepare_start(&printer.prepare, on_prepare);
    return cli_run(cli);
}
