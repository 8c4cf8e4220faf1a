/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Sells one piece: takes it from stock at the till's branch, exactly once even if the line is cut, and never below zero.
 *
 *     cc -I. clients/c/examples/sell_one.c build/libahora.a -luv -lcrypto -lmsgpackc -ljansson -lxxhash -o sell_one
 *     ./sell_one stock/4711/lyon receipt-20261122-0001
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "include/ahora/ahora.h"

static int exit_code = 1;

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    (void)user;
    if (published->outcome != AHORA_ANSWERED) {
        puts("the outcome is not known: ask again with the same receipt");
    } else if (published->results[0].code == AHORA_OUT_OF_RANGE) {
        puts("sold out");
    } else if (published->results[0].code != AHORA_OK) {
        printf("refused: %s\n", ahora_code_name(published->results[0].code));
    } else {
        printf("sold, as change %lld\n", (long long)published->results[0].seq);
        exit_code = 0;
    }
    if (published->outcome != AHORA_CANCELLED) {
        ahora_close(client, NULL, NULL);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: sell_one TOPIC RECEIPT\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    struct ahora *client = ahora_open(uv_default_loop(), &(struct ahora_options){.url = getenv("AHORA_URL")}, NULL);
    struct ahora_change sale = {.op = AHORA_ADJUST, .topic = ahora_text(argv[1]), .key = ahora_text(argv[2])};
    if (client == NULL || ahora_from_json("{\"available\":-1}", &sale.data, NULL) != AHORA_OK ||
        ahora_publish(client, &sale, 1, false, AHORA_ACK_DURABLE, on_published, NULL) != AHORA_OK) {
        fprintf(stderr, "cannot start: bad URL, topic or receipt\n");
        return 1;
    }
    free((void *)(uintptr_t)sale.data.data);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return exit_code;
}
