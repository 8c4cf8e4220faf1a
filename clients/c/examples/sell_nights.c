/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Sells a stay: one room for several nights together, or not at all, on libuv's loop. The keys make it safe to run again with the same
 * booking, also after a crash in between.
 *
 *     cc sell_nights.c $(pkg-config --cflags --libs ahora libuv) -o sell_nights
 *     ./sell_nights room/central/double booking-8812 2027-05-01 2027-05-02 2027-05-03
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <ahora/ahora.h>

#define NIGHTS_MAX 60

struct night {
    const char *date;
    char topic[AHORA_TOPIC_BYTES_MAX + 1];
    char key[AHORA_KEY_BYTES_MAX + 1];
};

static struct night nights[NIGHTS_MAX];
static int exit_code = 1;

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    (void)user;
    if (published->outcome != AHORA_ANSWERED) {
        puts("not known yet: run it again with the same booking");
    }
    bool sold = published->count > 0;
    for (size_t i = 0; i < published->count; i++) {
        enum ahora_code code = published->results[i].code;
        sold = sold && code == AHORA_OK;
        if (code == AHORA_OUT_OF_RANGE) {
            printf("%s: no room left\n", nights[i].date);
        } else if (code != AHORA_OK && code != AHORA_ABORTED) {
            printf("%s: %s\n", nights[i].date, ahora_code_name(code));
        }
    }
    if (sold) {
        printf("booked, as changes %lld to %lld\n", (long long)published->results[0].seq,
               (long long)published->results[published->count - 1].seq);
        exit_code = 0;
    }
    if (published->outcome != AHORA_CANCELLED) {
        ahora_close(client, NULL, NULL);
    }
}

/* Nobody there, or no way to reach them: this program is for people who wait, so it gives up. */
static void on_line(struct ahora *client, const struct ahora_line_event *event, void *user) {
    (void)user;
    if (event->line != AHORA_LINE_CONNECTED) {
        fprintf(stderr, "%s\n", event->reason);
        ahora_close(client, NULL, NULL);
    }
}

int main(int argc, char **argv) {
    struct ahora_change changes[NIGHTS_MAX] = {{.op = AHORA_SET}};
    int count = argc - 3;
    if (count < 1 || count > NIGHTS_MAX) {
        fprintf(stderr, "usage: sell_nights ROOM BOOKING NIGHT...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct ahora_bytes one_less = {NULL, 0};
    const char *detail = NULL;
    struct ahora_options options = {.url = getenv("AHORA_URL"), .name = "sell-nights-example/1", .on_line = on_line};
    struct ahora *client = ahora_open(uv_default_loop(), &options, &detail);
    if (client == NULL || ahora_from_json("{\"booking_limit\":-1}", &one_less, &detail) != AHORA_OK) {
        fprintf(stderr, "cannot start: %s\n", detail);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        nights[i].date = argv[3 + i];
        snprintf(nights[i].topic, sizeof(nights[i].topic), "%s/%s", argv[1], nights[i].date);
        snprintf(nights[i].key, sizeof(nights[i].key), "%s@%d", argv[2], i);
        changes[i] = (struct ahora_change){
            .op = AHORA_ADJUST, .topic = ahora_text(nights[i].topic), .data = one_less, .key = ahora_text(nights[i].key)};
    }
    enum ahora_code code = ahora_publish(client, changes, (size_t)count, true, AHORA_ACK_DURABLE, on_published, NULL);
    if (code != AHORA_OK) {
        fprintf(stderr, "%s\n", ahora_code_name(code));
        return 2;
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    free((void *)one_less.data);
    return exit_code;
}
