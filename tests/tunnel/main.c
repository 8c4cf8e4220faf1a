/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Puts TLS in front of a client that has none: listens on a loopback port, and carries each connection on to another port over TLS, so that
 * every test client speaks to a broker with TLS, and OpenSSL is the stranger at the other end. Ends are carried over one by one: the end
 * of what one side sends becomes a close_notify, and that an end.
 *
 * Usage: tls-tunnel LISTEN_PORT BROKER_PORT CA_FILE [CERTIFICATE_FILE KEY_FILE]. A thread a connection; it runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES 16384
#define HANDSHAKE_S 30

struct flow {
    char block[BLOCK_BYTES];
    size_t at;
    size_t end;
    bool is_over; /* its source sends no more */
    bool is_told; /* and its target knows */
};

struct tunnel {
    int plain_fd;
    int secure_fd;
    SSL *ssl;
    struct flow up;   /* to the broker */
    struct flow down; /* from it */
};

static SSL_CTX *ctx;
static uint16_t broker_port;

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool is_empty(const struct flow *flow) {
    return flow->at == flow->end;
}

static bool wants_filling(const struct flow *flow) {
    return is_empty(flow) && !flow->is_over;
}

/* 1: goes on, 0: not now, -1: lost. */
static int secure_outcome(const struct tunnel *tunnel, int result) {
    int reason = SSL_get_error(tunnel->ssl, result);
    bool waits = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
    return result > 0 ? 1 : waits ? 0 : -1;
}

static int fill_up(struct tunnel *tunnel) {
    ssize_t got = recv(tunnel->plain_fd, tunnel->up.block, BLOCK_BYTES, 0);
    tunnel->up.at = 0;
    tunnel->up.end = got > 0 ? (size_t)got : 0;
    tunnel->up.is_over = got == 0;
    return got >= 0 ? 1 : errno == EAGAIN ? 0 : -1;
}

static int drain_up(struct tunnel *tunnel) {
    ERR_clear_error();
    int sent = SSL_write(tunnel->ssl, tunnel->up.block + tunnel->up.at, (int)(tunnel->up.end - tunnel->up.at));
    tunnel->up.at += sent > 0 ? (size_t)sent : 0;
    return secure_outcome(tunnel, sent);
}

static int fill_down(struct tunnel *tunnel) {
    ERR_clear_error();
    int got = SSL_read(tunnel->ssl, tunnel->down.block, BLOCK_BYTES);
    tunnel->down.at = 0;
    tunnel->down.end = got > 0 ? (size_t)got : 0;
    tunnel->down.is_over = got <= 0 && SSL_get_error(tunnel->ssl, got) == SSL_ERROR_ZERO_RETURN;
    return tunnel->down.is_over ? 1 : secure_outcome(tunnel, got);
}

static int drain_down(struct tunnel *tunnel) {
    ssize_t sent =
        send(tunnel->plain_fd, tunnel->down.block + tunnel->down.at, tunnel->down.end - tunnel->down.at, MSG_NOSIGNAL);
    tunnel->down.at += sent > 0 ? (size_t)sent : 0;
    return sent >= 0 ? 1 : errno == EAGAIN ? 0 : -1;
}

static void pass_ends_on(struct tunnel *tunnel) {
    if (tunnel->up.is_over && is_empty(&tunnel->up) && !tunnel->up.is_told) {
        tunnel->up.is_told = true;
        SSL_shutdown(tunnel->ssl);
    }
    if (tunnel->down.is_over && is_empty(&tunnel->down) && !tunnel->down.is_told) {
        tunnel->down.is_told = true;
        shutdown(tunnel->plain_fd, SHUT_WR);
    }
}

/* Everything that moves now; false: the connection is lost. */
static bool move(struct tunnel *tunnel) {
    for (bool moved = true; moved;) {
        int results[4] = {
            wants_filling(&tunnel->up) ? fill_up(tunnel) : 0,
            is_empty(&tunnel->up) ? 0 : drain_up(tunnel),
            wants_filling(&tunnel->down) ? fill_down(tunnel) : 0,
            is_empty(&tunnel->down) ? 0 : drain_down(tunnel),
        };
        moved = false;
        for (int i = 0; i < 4; i++) {
            if (results[i] < 0) {
                return false;
            }
            moved |= results[i] > 0;
        }
        pass_ends_on(tunnel);
    }
    return true;
}

static bool wait_for_either(const struct tunnel *tunnel) {
    struct pollfd items[2] = {{.fd = tunnel->plain_fd}, {.fd = tunnel->secure_fd}};
    items[0].events = (short)((wants_filling(&tunnel->up) ? POLLIN : 0) | (is_empty(&tunnel->down) ? 0 : POLLOUT));
    items[1].events = (short)((wants_filling(&tunnel->down) ? POLLIN : 0) | (is_empty(&tunnel->up) ? 0 : POLLOUT));
    for (int i = 0; i < 2; i++) {
        items[i].fd = items[i].events != 0 ? items[i].fd : -1; /* a peer that is gone is noticed by what is still wanted */
    }
    return poll(items, 2, -1) >= 0;
}

static int connect_to_broker(void) {
    int yes = 1;
    struct timeval limit = {.tv_sec = HANDSHAKE_S};
    struct sockaddr_in address = loopback(broker_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *run(void *argument) {
    struct tunnel *tunnel = argument;
    tunnel->secure_fd = connect_to_broker();
    tunnel->ssl = SSL_new(ctx);
    if (tunnel->secure_fd >= 0 && tunnel->ssl != NULL && SSL_set_fd(tunnel->ssl, tunnel->secure_fd) == 1 &&
        SSL_set1_host(tunnel->ssl, "localhost") == 1 && SSL_connect(tunnel->ssl) == 1) {
        fcntl(tunnel->plain_fd, F_SETFL, O_NONBLOCK);
        fcntl(tunnel->secure_fd, F_SETFL, O_NONBLOCK);
        while (move(tunnel) && !(tunnel->up.is_told && tunnel->down.is_told) && wait_for_either(tunnel)) {
        }
    } else {
        ERR_print_errors_fp(stderr);
    }
    SSL_free(tunnel->ssl);
    if (tunnel->secure_fd >= 0) {
        close(tunnel->secure_fd);
    }
    close(tunnel->plain_fd);
    free(tunnel);
    return NULL;
}

static void carry(int fd) {
    pthread_t thread;
    int yes = 1;
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL) {
        close(fd);
        return;
    }
    tunnel->plain_fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (pthread_create(&thread, NULL, run, tunnel) != 0) {
        close(fd);
        free(tunnel);
        return;
    }
    pthread_detach(thread);
}

static bool make_context(int count, char **words) {
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x08http/1.1", 9);
    return SSL_CTX_load_verify_file(ctx, words[3]) == 1 &&
           (count < 6 || (SSL_CTX_use_certificate_chain_file(ctx, words[4]) == 1 &&
                          SSL_CTX_use_PrivateKey_file(ctx, words[5], SSL_FILETYPE_PEM) == 1));
}

int main(int count, char **words) {
    int yes = 1;
    if (count < 4 || !make_context(count, words)) {
        fputs("usage: tls-tunnel LISTEN_PORT BROKER_PORT CA_FILE [CERTIFICATE_FILE KEY_FILE]\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    broker_port = (uint16_t)strtoul(words[2], NULL, 10);
    struct sockaddr_in address = loopback((uint16_t)strtoul(words[1], NULL, 10));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0) {
        perror("tls-tunnel");
        return 1;
    }
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            carry(fd);
        }
    }
}
