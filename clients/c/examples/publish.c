/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Sells one piece without a loop: takes it from stock at the till's branch, exactly once even if the line is cut, and never below zero.
 *
 *     cc publish.c $(pkg-config --cflags --libs ahora) -o publish
 *     ./publish stock/4711/lyon receipt-20261122-0001
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <ahora/ahora.h>

/* What it means for the customer; the exit code. */
static int tell(enum ahora_code code, const struct ahora_result *result, const char *reason) {
    if (code == AHORA_AGAIN) {
        printf("not sold: %s\n", reason);
    } else if (code == AHORA_INTERNAL) {
        puts("not known: ask again with the same receipt");
    } else if (code != AHORA_OK) {
        printf("not sold: %s\n", ahora_code_name(code));
    } else if (result->code == AHORA_OUT_OF_RANGE) {
        puts("sold out");
    } else if (result->code != AHORA_OK) {
        printf("refused: %s\n", ahora_code_name(result->code));
    } else {
        printf("sold, as change %lld\n", (long long)result->seq);
        return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: publish TOPIC RECEIPT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    const char *detail = NULL;
    struct ahora_options options = {.url = getenv("AHORA_URL"), .name = "publish-example/1"};
    struct ahora_publisher *till = ahora_publisher_open(&options, 10000, &detail);
    struct ahora_change sale = {.op = AHORA_ADJUST, .topic = ahora_text(argv[1]), .key = ahora_text(argv[2])};
    if (till == NULL || ahora_from_json("{\"available\":-1}", &sale.data, &detail) != AHORA_OK) {
        fprintf(stderr, "cannot start: %s\n", detail);
        return 2;
    }
    struct ahora_result result = {.code = AHORA_OK};
    enum ahora_code code = ahora_publisher_send(till, &sale, 1, false, AHORA_ACK_DURABLE, &result);
    int exit_code = tell(code, &result, ahora_publisher_reason(till));
    ahora_publisher_close(till);
    free((void *)sale.data.data);
    return exit_code;
}
