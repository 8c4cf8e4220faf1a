/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/socket_info.h"

#include <linux/tcp.h> /* the C library's own struct ends before the byte counts */
#include <netinet/in.h>
#include <sys/socket.h>

struct socket_info socket_info_read(int fd) {
    struct tcp_info tcp = {0};
    socklen_t bytes = sizeof tcp;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &bytes) != 0) {
        return (struct socket_info){0};
    }
    return (struct socket_info){
        .sent_bytes = tcp.tcpi_bytes_acked,
        .received_bytes = tcp.tcpi_bytes_received,
        .unsent_bytes = tcp.tcpi_notsent_bytes,
        .rtt_us = tcp.tcpi_rtt,
    };
}
