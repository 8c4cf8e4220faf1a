/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Walks from one corner of a town to the other and says which bikes are near, as an app would on a map that is dragged: one subscription,
 * whose circle moves.
 *
 *     cc follow_near.c $(pkg-config --cflags --libs ahora libuv) -o follow_near
 *     ./follow_near '**' 52.50,13.40 52.52,13.42 5
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <ahora/ahora.h>

struct walk {
    struct ahora *client;
    struct ahora_sub *sub;
    struct ahora_near at;
    double step_lat, step_lon;
    int steps_left;
};

static bool print_bike(const struct ahora_item *item, void *user) {
    (void)user;
    printf("   %.*s%s\n", (int)item->topic.bytes, (const char *)item->topic.data, item->stale ? " (not heard of lately)" : "");
    return true;
}

/* The circle is complete: look around, then go on. */
static void look_around(struct walk *walk) {
    printf("at %.4f,%.4f:\n", walk->at.lat, walk->at.lon);
    ahora_sub_each(walk->sub, print_bike, NULL);
    fflush(stdout);
    if (walk->steps_left-- == 0) {
        ahora_close(walk->client, NULL, NULL);
        return;
    }
    walk->at.lat += walk->step_lat;
    walk->at.lon += walk->step_lon;
    ahora_move(walk->sub, &walk->at);
}

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    (void)sub;
    if (event->kind == AHORA_EVENT_LIVE) {
        look_around(user);
    } else if (event->kind == AHORA_EVENT_REFUSED) {
        fprintf(stderr, "refused: %s\n", ahora_code_name(event->code));
        exit(1);
    }
}

int main(int argc, char **argv) {
    double from[2];
    double to[2];
    int steps = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0;
    if (steps < 1 || sscanf(argv[2], "%lf,%lf", &from[0], &from[1]) != 2 || sscanf(argv[3], "%lf,%lf", &to[0], &to[1]) != 2) {
        fprintf(stderr, "usage: follow_near PATTERN LAT,LON LAT,LON STEPS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    const char *detail = NULL;
    struct walk walk = {.at = {.lat = from[0], .lon = from[1], .radius_m = 500},
                        .step_lat = (to[0] - from[0]) / steps,
                        .step_lon = (to[1] - from[1]) / steps,
                        .steps_left = steps};
    struct ahora_options options = {.url = getenv("AHORA_URL"), .name = "follow-near-example/1"};
    struct ahora_view view = {.match = {argv[1]}, .match_count = 1, .near = &walk.at};
    walk.client = ahora_open(uv_default_loop(), &options, &detail);
    walk.sub = walk.client == NULL ? NULL : ahora_subscribe(walk.client, &view, on_event, &walk);
    if (walk.sub == NULL) {
        fprintf(stderr, "cannot start: %s\n", detail == NULL ? "bad pattern or place" : detail);
        return 2;
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return uv_loop_close(uv_default_loop()) == 0 ? 0 : 1;
}
