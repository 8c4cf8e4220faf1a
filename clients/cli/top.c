/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora top`: what the broker does, as it does it.
 *
 * Figures come from /v1/status (and /v1/admin/sessions/slowest, where the broker has it), asked by a thread of the pool so that keys are heard
 * meanwhile; the hottest topics from a subscription. A round is: ask, draw, wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clients/cli/commands.h"
#include "clients/cli/http.h"
#include "clients/cli/print.h"
#include "clients/cli/screen.h"
#include "proto/json.h"
#include "proto/pack.h"

#define FADE 0.5 /* of the counts of topics, each round */

struct top {
    struct cli *cli;
    uv_timer_t timer;
    uv_work_t work;
    uv_tty_t keys;
    uv_signal_t resize;
    bool is_screen;
    bool has_keys;
    bool is_asking;
    int64_t rounds;
    struct picture picture;
    struct hot hot;
    char trouble[200];
    const char *token;
    struct buffer status; /* filled by the thread */
    struct buffer sessions;
    int status_code;
    int sessions_code;
    char why[128];
};

/* ---- asking, in the pool ---- */

static void ask(uv_work_t *work) {
    struct top *top = work->data;
    const struct http_question status = {.path = "/v1/status", .token = top->token};
    const struct http_question sessions = {.path = "/v1/admin/sessions/slowest?limit=64", .token = top->token};
    const char *why = "";
    top->sessions_code = 0;
    top->status_code = http_ask(&top->cli->options, &status, &top->status, &why);
    snprintf(top->why, sizeof(top->why), "%s", why);
    if (top->status_code == 200) {
        top->sessions_code = http_ask(&top->cli->options, &sessions, &top->sessions, &why);
    }
}

/* ---- what came ---- */

static int64_t find_int(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_INT ? pack_read_int(&reader) : 0;
}

static struct span find_text(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : span_of_text("-");
}

/* The broker lists the slowest first. */
static void take_sessions(struct top *top, struct span packed) {
    struct pack_reader reader = pack_reader_of(pack_find(packed, "sessions"));
    uint32_t count = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
    top->picture.session_count = 0;
    for (uint32_t i = 0; i < count && i < SCREEN_SESSIONS_MAX; i++) {
        struct span session = pack_skip(&reader);
        struct span name = find_text(session, "session");
        struct span subject = find_text(session, "subject");
        struct span address = find_text(session, "address");
        snprintf(top->picture.sessions[top->picture.session_count++].text, sizeof(top->picture.sessions[0].text),
                 "%-8.*s %-20.*s %-16.*s %4lld subs %8lld behind %8lld skipped %8lld B unsent", (int)name.bytes,
                 (const char *)name.data, (int)address.bytes, (const char *)address.data, (int)subject.bytes,
                 (const char *)subject.data, (long long)find_int(session, "subscriptions"),
                 (long long)find_int(session, "behind"), (long long)find_int(session, "skipped"),
                 (long long)find_int(session, "unsent_bytes"));
    }
}

static bool unpack(struct span json, struct buffer *packed) {
    buffer_init(packed, HTTP_BODY_BYTES_MAX);
    return json_to_pack(json, AHORA_DEPTH_MAX, packed, NULL) == AHORA_OK;
}

static void take_status(struct top *top) {
    struct buffer packed;
    struct look look = {.at_ms = (int64_t)uv_now(&top->cli->loop)};
    if (unpack(buffer_span(&top->status), &packed) && look_read(&look, buffer_span(&packed))) {
        top->picture.before = top->picture.now;
        top->picture.now = look;
    }
    buffer_fini(&packed);
    if (top->sessions_code == 200) {
        if (unpack(buffer_span(&top->sessions), &packed)) {
            take_sessions(top, buffer_span(&packed));
        }
        buffer_fini(&packed);
    }
}

/* ---- drawing ---- */

static void draw(struct top *top) {
    struct buffer out;
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (top->picture.now.at_ms == 0) {
        return;
    }
    if (top->is_screen) {
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        size.ws_row = size.ws_row == 0 ? 24 : size.ws_row;
        size.ws_col = size.ws_col == 0 ? 80 : size.ws_col;
    }
    top->picture.trouble = top->trouble[0] == '\0' ? NULL : top->trouble;
    buffer_init(&out, 1 << 20);
    screen_put(&out, &top->picture, top->is_screen ? size.ws_row : 0, size.ws_col, print_color(stdout, PRINT_CYAN)[0] != '\0');
    fwrite(out.data, 1, out.bytes, stdout);
    fflush(stdout);
    buffer_fini(&out);
}

/* ---- rounds ---- */

static void start_round(uv_timer_t *timer);

/* A count is the sum of count × FADE^age over rounds: what a steady stream of one a second comes to, in rounds of `every`. */
static double hot_seconds(const struct top *top) {
    double every_s = (double)top->cli->options.every_ms / 1000;
    return every_s / (1 - FADE);
}

static void end_round(uv_work_t *work, int status) {
    struct top *top = work->data;
    struct cli *cli = top->cli;
    top->is_asking = false;
    if (status < 0 || cli->ended) {
        return;
    }
    if (top->status_code == 200) {
        take_status(top);
        bool has_rates = top->picture.before.at_ms > 0; /* from the second look on: only those are for a pipe */
        if (top->is_screen || has_rates) {
            draw(top);
        }
        top->rounds += has_rates;
    } else {
        snprintf(top->trouble, sizeof(top->trouble), "/v1/status: %s %d", top->why, top->status_code);
        draw(top);
    }
    hot_fade(&top->hot, FADE);
    if (top->status_code != 0 && top->status_code != 200) {
        cli_say("refused: HTTP %d from /v1/status", top->status_code);
        cli_end(cli, CLI_REFUSED);
    } else if (cli->options.count > 0 && top->rounds >= cli->options.count) {
        cli_end(cli, CLI_FINE);
    } else {
        uv_timer_start(&top->timer, start_round, (uint64_t)cli->options.every_ms, 0);
    }
}

static void start_round(uv_timer_t *timer) {
    struct top *top = timer->data;
    buffer_clear(&top->status, HTTP_BODY_BYTES_MAX);
    buffer_clear(&top->sessions, HTTP_BODY_BYTES_MAX);
    top->is_asking = uv_queue_work(&top->cli->loop, &top->work, ask, end_round) == 0;
}

/* ---- topics ---- */

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    struct top *top = user;
    if (event->kind == AHORA_EVENT_REFUSED) {
        snprintf(top->trouble, sizeof(top->trouble), "topics are not followed: %s", ahora_code_name(event->code));
    } else if (event->kind == AHORA_EVENT_LIVE) {
        top->trouble[0] = '\0';
    } else if (event->kind == AHORA_EVENT_BEHIND) {
        snprintf(top->trouble, sizeof(top->trouble), "the line is lost; trying again");
    }
    bool is_change = event->kind == AHORA_EVENT_SET || event->kind == AHORA_EVENT_PATCH || event->kind == AHORA_EVENT_REMOVE;
    if (is_change && ahora_sub_state(sub) == AHORA_LIVE) { /* not what is only shown to us for the first time */
        hot_count(&top->hot, span_of(event->topic.data, event->topic.bytes));
    }
}

static bool follow(struct top *top) {
    struct cli *cli = top->cli;
    struct ahora_view view = {.match = {"**"}, .match_count = 1};
    for (int i = 0; i < cli->argc; i++) {
        view.match[i] = cli->argv[i];
        view.match_count = (unsigned)i + 1;
    }
    if (ahora_subscribe(cli->clients[0], &view, on_event, top) == NULL) {
        cli_say("not a topic or pattern");
        cli_end(cli, CLI_USAGE);
        return false;
    }
    top->picture.hot = &top->hot;
    top->picture.hot_seconds = hot_seconds(top);
    return true;
}

/* ---- the terminal ---- */

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    static char keys[64];
    (void)handle;
    (void)wanted;
    *buffer = uv_buf_init(keys, sizeof(keys));
}

/* q, Q, Ctrl-C and Ctrl-D (in raw mode they are keys like others). */
static void on_key(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct top *top = stream->data;
    for (ssize_t i = 0; i < count; i++) {
        if (strchr("qQ\3\4", buffer->base[i]) != NULL && buffer->base[i] != '\0') {
            cli_end(top->cli, CLI_FINE);
            return;
        }
    }
    if (count < 0) {
        cli_end(top->cli, CLI_FINE); /* the terminal is gone */
    }
}

static void on_resize(uv_signal_t *signal, int number) {
    (void)number;
    draw(signal->data);
}

static void open_screen(struct top *top) {
    uv_loop_t *loop = &top->cli->loop;
    top->is_screen = isatty(STDOUT_FILENO) == 1;
    if (top->is_screen) {
        uv_signal_init(loop, &top->resize);
        top->resize.data = top;
        uv_signal_start(&top->resize, on_resize, SIGWINCH);
        fputs("\33[?1049h\33[?25l", stdout); /* the other screen, no cursor */
        fflush(stdout);
    }
    top->has_keys = top->is_screen && isatty(STDIN_FILENO) == 1 && uv_tty_init(loop, &top->keys, STDIN_FILENO, 1) == 0;
    if (top->has_keys) {
        top->keys.data = top;
        uv_tty_set_mode(&top->keys, UV_TTY_MODE_RAW);
        uv_read_start((uv_stream_t *)&top->keys, give_room, on_key);
    }
}

static void close_screen(struct top *top) {
    if (top->has_keys) {
        uv_tty_reset_mode();
        uv_close((uv_handle_t *)&top->keys, NULL);
    }
    if (top->is_screen) {
        uv_close((uv_handle_t *)&top->resize, NULL);
        fputs("\33[?25h\33[?1049l", stdout);
        fflush(stdout);
    }
    uv_close((uv_handle_t *)&top->timer, NULL);
}

static void on_interrupt(struct cli *cli) {
    cli_end(cli, CLI_FINE);
}

int command_top(struct cli *cli) {
    static struct top top; /* large, and the pool may still look at it while the loop ends */
    top.cli = cli;
    top.token = getenv("AHORA_TOKEN");
    top.work.data = &top;
    top.picture.server = cli->options.server;
    cli->options.every_ms = cli->options.every_ms > 0 ? cli->options.every_ms : 1000;
    cli->quiet = true;
    cli->on_interrupt = on_interrupt;
    buffer_init(&top.status, HTTP_BODY_BYTES_MAX);
    buffer_init(&top.sessions, HTTP_BODY_BYTES_MAX);
    uv_timer_init(&cli->loop, &top.timer);
    top.timer.data = &top;
    if (!cli_connect(cli, 1) || !follow(&top)) {
        return cli_run(cli);
    }
    open_screen(&top);
    start_round(&top.timer);
    int code = cli_run(cli);
    close_screen(&top);
    while (top.is_asking) {
        uv_run(&cli->loop, UV_RUN_ONCE);
    }
    buffer_fini(&top.status);
    buffer_fini(&top.sessions);
    return code;
}
