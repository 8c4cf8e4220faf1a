/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the kernel counts of one TCP connection, asked when somebody wants to know, so that nobody has to count along. */
#ifndef NET_SOCKET_INFO_H
#define NET_SOCKET_INFO_H

#include <stdint.h>

struct socket_info {
    uint64_t sent_bytes; /* and acknowledged by the peer's kernel */
    uint64_t received_bytes;
    uint64_t unsent_bytes; /* wait in our kernel */
    uint64_t rtt_us;
};

/* All 0 if the kernel does not tell. */
struct socket_info socket_info_read(int fd);

#endif
