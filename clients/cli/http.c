/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "clients/c/secure.h"
#include "clients/c/url.h"

static int connect_to(const struct url *url, const char **why) {
    char port[8];
    snprintf(port, sizeof(port), "%u", url->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    int error = getaddrinfo(url->host, port, &hints, &addresses);
    *why = error == 0 ? "no address" : gai_strerror(error);
    int fd = -1;
    for (const struct addrinfo *at = addresses; error == 0 && at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval limit = {.tv_sec = HTTP_WAIT_S};
        if (fd < 0) {
            continue;
        }
        /* The send limit bounds connect too (socket(7)). */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            *why = errno == EINPROGRESS ? "no answer in time" : strerror(errno);
            close(fd);
            fd = -1;
        }
    }
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
    return fd;
}

static bool write_all(int fd, struct span bytes) {
    while (bytes.bytes > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes = span_of(bytes.data + sent, bytes.bytes - (size_t)sent);
    }
    return true;
}

static int64_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Until the other side closes, as "Connection: close" asks it to. One that keeps dripping bytes ends at the deadline too. */
static bool read_all(int fd, struct buffer *out) {
    int64_t deadline = now_s() + HTTP_WAIT_S;
    while (now_s() <= deadline) {
        char chunk[16384];
        ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0;
        }
        buffer_put(out, chunk, (size_t)got);
        if (out->failed) {
            return false;
        }
    }
    return false;
}

/* RFC 9112 section 7.1: hexadecimal length, line end, that many bytes, line end; length 0 ends it. */
static bool join_chunks(struct span in, struct buffer *out) {
    for (;;) {
        const uint8_t *end = in.bytes == 0 ? NULL : memmem(in.data, in.bytes, "\r\n", 2);
        char digits[17] = {0};
        size_t head = end == NULL ? 0 : (size_t)(end - in.data);
        if (head == 0) {
            return false;
        }
        memcpy(digits, in.data, head < 16 ? head : 16);
        char *stop;
        size_t bytes = strtoul(digits, &stop, 16);
        if (stop == digits || bytes > in.bytes - head - 2) {
            return false;
        }
        if (bytes == 0) {
            return true;
        }
        buffer_put(out, end + 2, bytes);
        size_t used = head + 2 + bytes + 2;
        if (out->failed || used > in.bytes) {
            return false;
        }
        in = span_of(in.data + used, in.bytes - used);
    }
}

static bool head_holds(struct span head, const char *header, const char *value) {
    for (size_t i = 0; i + 2 < head.bytes; i++) {
        const char *line = (const char *)head.data + i + 2;
        size_t left = head.bytes - i - 2;
        size_t name = strlen(header);
        if (memcmp(head.data + i, "\r\n", 2) == 0 && left > name && strncasecmp(line, header, name) == 0) {
            const void *end = memchr(line, '\r', left);
            size_t bytes = end == NULL ? left : (size_t)((const char *)end - line);
            return memmem(line, bytes, value, strlen(value)) != NULL;
        }
    }
    return false;
}

/* Three digits; 0 if they are none. */
static int status_of(const uint8_t *digits) {
    int status = 0;
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return 0;
        }
        status = 10 * status + (digits[i] - '0');
    }
    return status;
}

static int take_answer(struct span answer, struct buffer *body, const char **why) {
    const uint8_t *end = answer.bytes == 0 ? NULL : memmem(answer.data, answer.bytes, "\r\n\r\n", 4);
    *why = "the answer is not HTTP";
    if (end == NULL || answer.bytes < 12 || memcmp(answer.data, "HTTP/1.", 7) != 0) {
        return 0;
    }
    struct span head = span_of(answer.data, (size_t)(end - answer.data));
    struct span rest = span_of(end + 4, answer.bytes - head.bytes - 4);
    if (!head_holds(head, "transfer-encoding:", "chunked")) {
        buffer_put_span(body, rest);
    } else if (!join_chunks(rest, body)) {
        return 0;
    }
    return status_of(answer.data + 9);
}

static void put_header(struct buffer *out, const char *name, const char *value) {
    if (value != NULL) {
        buffer_put_text(out, name);
        buffer_put_text(out, value);
        buffer_put_text(out, "\r\n");
    }
}

static void put_request(struct buffer *out, const struct url *url, const struct http_question *question) {
    const bool asks = question->json.data == NULL;
    buffer_put_text(out, asks ? "GET " : "POST ");
    buffer_put_text(out, question->path);
    buffer_put_text(out, " HTTP/1.1\r\nHost: ");
    buffer_put_text(out, url->authority);
    buffer_put_text(out, "\r\nConnection: close\r\nAccept: application/json\r\nUser-Agent: ahora-cli/" AHORA_VERSION "\r\n");
    put_header(out, "Authorization: Bearer ", question->token);
    put_header(out, "Idempotency-Key: ", question->key);
    if (!asks) {
        buffer_put_text(out, "Content-Type: application/json\r\nContent-Length: ");
        buffer_put_decimal(out, (int64_t)question->json.bytes);
        buffer_put_text(out, "\r\n");
    }
    buffer_put_text(out, "\r\n");
    buffer_put_span(out, question->json);
}

/* ---- with TLS ---- */

static bool send_sealed(int fd, struct secure *secure) {
    struct buffer sealed;
    buffer_init(&sealed, 2 * HTTP_BODY_BYTES_MAX);
    secure_output(secure, &sealed);
    bool sent = !sealed.failed && write_all(fd, buffer_span(&sealed));
    buffer_fini(&sealed);
    return sent;
}

static bool feed(int fd, struct secure *secure) {
    char chunk[16384];
    ssize_t got;
    do {
        got = recv(fd, chunk, sizeof(chunk), 0);
    } while (got < 0 && errno == EINTR);
    return got > 0 && secure_feed(secure, span_of(chunk, (size_t)got));
}

/* Question and answer in one loop: the question leaves when the handshake is done. */
static bool talk_secure(int fd, struct secure *secure, struct span question, struct buffer *out, const char **why) {
    int64_t deadline = now_s() + HTTP_WAIT_S;
    bool is_asked = false;
    while (now_s() <= deadline) {
        char plain[16384];
        size_t got = 0;
        enum secure_step step = secure_read(secure, plain, sizeof(plain), &got);
        buffer_put(out, plain, step == SECURE_PLAIN ? got : 0);
        if (!is_asked && secure_is_open(secure)) {
            is_asked = secure_write(secure, question);
        }
        if (!send_sealed(fd, secure) || step == SECURE_END || out->failed) {
            return step == SECURE_END && !out->failed;
        }
        if (step == SECURE_FAULT) {
            *why = secure_fault(secure);
            return false;
        }
        if (step == SECURE_MORE && !feed(fd, secure)) {
            return false;
        }
    }
    return false;
}

/* *why is a text of `fault` if it is about TLS. */
static bool talk(int fd, const struct url *url, const struct options *options, struct span question, struct buffer *out,
                 const char **why) {
    static char fault[200];
    *why = "the line was lost or silent";
    if (!url->is_secure) {
        return write_all(fd, question) && read_all(fd, out);
    }
    const struct secure_options secure_options = {.ca_file = options->ca_file,
                                                  .certificate = options->certificate,
                                                  .key = options->certificate_key,
                                                  .insecure = options->insecure};
    struct secure_context *context = secure_context_create(&secure_options, why);
    struct secure *secure = context != NULL ? secure_create(context, url->host) : NULL;
    bool is_answered = secure != NULL && talk_secure(fd, secure, question, out, why);
    snprintf(fault, sizeof(fault), "%s", *why);
    *why = fault;
    secure_destroy(secure);
    secure_context_destroy(context);
    return is_answered;
}

int http_ask(const struct options *options, const struct http_question *question, struct buffer *body, const char **why) {
    struct url url;
    int fd = url_parse(options->server, &url, why) ? connect_to(&url, why) : -1;
    if (fd < 0) {
        return 0;
    }
    struct buffer request;
    struct buffer answer;
    buffer_init(&request, HTTP_BODY_BYTES_MAX);
    buffer_init(&answer, HTTP_BODY_BYTES_MAX);
    put_request(&request, &url, question);
    int status = 0;
    if (!request.failed && talk(fd, &url, options, buffer_span(&request), &answer, why)) {
        status = take_answer(buffer_span(&answer), body, why);
    }
    close(fd);
    buffer_fini(&request);
    buffer_fini(&answer);
    return status;
}
