/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * TLS for clients that have none (tests/tunnel): a child process that listens on a loopback port and carries connections on over TLS.
 * And certificates for a test, made by the program openssl. The child ends with the test.
 */
#ifndef AHORA_TESTS_TUNNEL_H
#define AHORA_TESTS_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tunnel_process {
    pid_t pid; /* 0: none */
};

struct tunnel_options {
    uint16_t port;           /* where clients connect to */
    uint16_t broker_port;    /* where the broker speaks TLS, on 127.0.0.1 */
    const char *ca;          /* PEM: whom to trust */
    const char *certificate; /* PEM: what to show; NULL: nothing */
    const char *key;
};

/* $AHORA_TEST_TLS, or build/tests/tls-tunnel. False, with a line on stderr, if it does not come up. */
bool tunnel_process_start(struct tunnel_process *tunnel, const struct tunnel_options *options);
void tunnel_process_stop(struct tunnel_process *tunnel); /* accepts a zeroed struct */

/* Makes DIRECTORY/NAME.pem for localhost and 127.0.0.1, signed by itself, and DIRECTORY/NAME.key. */
bool certificate_make(const char *directory, const char *name);

/* Makes DIRECTORY/NAME.pem with that subject ("/CN=till"), signed by DIRECTORY/CA, for `days` from now; less than 1: it has expired. */
bool certificate_make_signed(const char *directory, const char *name, const char *ca, const char *subject, int days);

#endif
