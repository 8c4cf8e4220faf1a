/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Follows the branches of a product and says where it is in stock, until Ctrl-C. A cut is survived, and what is held is called old as
 * long as it lasts.
 *
 *     cc subscribe.c $(pkg-config --cflags --libs ahora libuv) -o subscribe
 *     ./subscribe 4711
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <ahora/ahora.h>

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    (void)user;
    int64_t available = 0;
    if (event->kind == AHORA_EVENT_SET || event->kind == AHORA_EVENT_PATCH) {
        bool known = ahora_find_int(event->data, "available", &available);
        printf("%.*s: %s%lld\n", (int)event->topic.bytes, (const char *)event->topic.data, known ? "" : "not known, say ",
               (long long)available);
    } else if (event->kind == AHORA_EVENT_REMOVE) {
        printf("%.*s: no longer sold\n", (int)event->topic.bytes, (const char *)event->topic.data);
    } else if (event->kind == AHORA_EVENT_BEHIND) {
        puts("-- the line is lost; what stands above may be old");
    } else if (event->kind == AHORA_EVENT_REFUSED) {
        printf("-- refused: %s\n", ahora_code_name(event->code));
    } else if (event->kind == AHORA_EVENT_LIVE) {
        printf("-- that is all; changes follow (token %s)\n", ahora_sub_token(sub));
    }
    fflush(stdout);
}

static void on_line(struct ahora *client, const struct ahora_line_event *event, void *user) {
    (void)client;
    (void)user;
    if (event->line == AHORA_LINE_DISCONNECTED) {
        fprintf(stderr, "-- %s; trying again in %lld ms\n", event->reason, (long long)event->retry_ms);
    }
}

static void on_interrupt(uv_signal_t *interrupt, int number) {
    (void)number;
    ahora_close(interrupt->data, NULL, NULL);
    uv_close((uv_handle_t *)interrupt, NULL);
}

int main(int argc, char **argv) {
    char pattern[AHORA_TOPIC_BYTES_MAX + 1];
    snprintf(pattern, sizeof(pattern), "stock/%s/*", argc > 1 ? argv[1] : "4711");
    signal(SIGPIPE, SIG_IGN);
    struct ahora_options options = {.url = getenv("AHORA_URL"), .name = "subscribe-example/1", .on_line = on_line};
    const char *detail = NULL;
    struct ahora *client = ahora_open(uv_default_loop(), &options, &detail);
    struct ahora_view view = {.match = {pattern}, .match_count = 1};
    if (client == NULL || ahora_subscribe(client, &view, on_event, NULL) == NULL) {
        fprintf(stderr, "cannot start: %s\n", detail == NULL ? "bad pattern" : detail);
        return 1;
    }
    uv_signal_t interrupt = {.data = client};
    uv_signal_init(uv_default_loop(), &interrupt);
    uv_signal_start(&interrupt, on_interrupt, SIGINT);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return uv_loop_close(uv_default_loop()) == 0 ? 0 : 1;
}
