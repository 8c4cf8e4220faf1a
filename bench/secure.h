/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * TLS for the bench, by OpenSSL: the load's end of a connection, and the certificate that the broker under load starts with. It measures, it
 * does not test trust: certificates are not verified. One thread.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct secure; /* OpenSSL's SSL */

/* On a descriptor that is connecting; it stays the caller's. NULL: no memory. */
struct secure *secure_open(int fd);
void secure_close(struct secure *secure); /* NULL is allowed */

/* As recv() and send(): the first ones shake hands. -1 with EAGAIN: not now; with anything else: it is over. */
ssize_t secure_read(struct secure *secure, void *data, size_t bytes);
ssize_t secure_write(struct secure *secure, const void *data, size_t bytes);

/* Bytes are here that no descriptor tells of. */
bool secure_has_pending(const struct secure *secure);

/* Nothing can be sent before the peer has said something. */
bool secure_waits_for_peer(const struct secure *secure);

/* directory/cert.pem and directory/key.pem, P-256, for a day. False: it could not be written. */
bool secure_make_certificate(const char *directory);

#endif
