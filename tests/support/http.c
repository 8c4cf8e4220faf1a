/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/clock.h"

void http_reader_init(struct http_reader *reader) {
    *reader = (struct http_reader){.state = HTTP_HEAD};
}

void http_reader_fini(struct http_reader *reader) {
    bytes_fini(&reader->head);
    bytes_fini(&reader->body);
    bytes_fini(&reader->raw);
}

bool http_reader_header(const struct http_reader *reader, const char *name, char *value, size_t size) {
    const char *line = bytes_data(&reader->head);
    const char *end = line + bytes_size(&reader->head);
    size_t name_bytes = strlen(name);
    while (line < end) {
        const char *stop = memchr(line, '\r', (size_t)(end - line));
        if (stop == NULL) {
            return false;
        }
        if ((size_t)(stop - line) > name_bytes && line[name_bytes] == ':' && strncasecmp(line, name, name_bytes) == 0) {
            const char *start = line + name_bytes + 1;
            start += strspn(start, " \t");
            snprintf(value, size, "%.*s", (int)(stop - start), start);
            return true;
        }
        line = stop + 2;
    }
    return false;
}

static enum http_state reader_begin_body(struct http_reader *reader) {
    char value[64];
    if (reader->is_head_only || reader->status == 204 || reader->status == 304 || reader->status == 101) {
        return HTTP_DONE;
    }
    if (http_reader_header(reader, "transfer-encoding", value, sizeof value)) {
        return strcasecmp(value, "chunked") == 0 ? HTTP_CHUNK_SIZE : HTTP_BROKEN;
    }
    if (http_reader_header(reader, "content-length", value, sizeof value)) {
        reader->left = strtoul(value, NULL, 10);
        return reader->left > 0 ? HTTP_LENGTH : HTTP_DONE;
    }
    return HTTP_UNTIL_CLOSE;
}

/* Each step takes what it can from `raw` and returns false when it needs more. */
static bool reader_step_head(struct http_reader *reader) {
    const char *data = bytes_data(&reader->raw);
    const char *end = bytes_size(&reader->raw) > 0 ? memmem(data, bytes_size(&reader->raw), "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t head_bytes = (size_t)(end - data) + 4;
    bytes_clear(&reader->head);
    bytes_append(&reader->head, data, head_bytes);
    bytes_consume(&reader->raw, head_bytes);
    if (sscanf(bytes_text(&reader->head), "HTTP/1.%*1[01] %d", &reader->status) != 1) {
        reader->state = HTTP_BROKEN;
        return false;
    }
    if (reader->status >= 200 || reader->status == 101) {
        reader->state = reader_begin_body(reader);
    }
    return true; /* another 1xx: the real head follows */
}

static bool reader_step_line(struct http_reader *reader) {
    const char *data = bytes_data(&reader->raw);
    const char *end = bytes_size(&reader->raw) > 0 ? memmem(data, bytes_size(&reader->raw), "\r\n", 2) : NULL;
    if (end == NULL) {
        return false;
    }
    if (reader->state == HTTP_TRAILER) {
        reader->state = end == data ? HTTP_DONE : HTTP_TRAILER;
    } else if (end == data) {
        assert(reader->state == HTTP_CHUNK_SIZE); /* the line end after a chunk's data */
    } else {
        char *stop;
        reader->left = strtoul(data, &stop, 16);
        reader->state = stop == data ? HTTP_BROKEN : reader->left == 0 ? HTTP_TRAILER : HTTP_CHUNK;
    }
    bytes_consume(&reader->raw, (size_t)(end - data) + 2);
    return true;
}

static bool reader_step_data(struct http_reader *reader) {
    size_t size = bytes_size(&reader->raw);
    if (size == 0) {
        return false;
    }
    if (reader->state != HTTP_UNTIL_CLOSE && size > reader->left) {
        size = reader->left;
    }
    bytes_append(&reader->body, bytes_data(&reader->raw), size);
    bytes_consume(&reader->raw, size);
    reader->left -= reader->state == HTTP_UNTIL_CLOSE ? 0 : size;
    if (reader->left == 0 && reader->state == HTTP_CHUNK) {
        reader->state = HTTP_CHUNK_SIZE;
    } else if (reader->left == 0 && reader->state == HTTP_LENGTH) {
        reader->state = HTTP_DONE;
    }
    return true;
}

static bool reader_step(struct http_reader *reader) {
    switch (reader->state) {
    case HTTP_HEAD:
        return reader_step_head(reader);
    case HTTP_CHUNK_SIZE:
    case HTTP_TRAILER:
        return reader_step_line(reader);
    case HTTP_LENGTH:
    case HTTP_CHUNK:
    case HTTP_UNTIL_CLOSE:
        return reader_step_data(reader);
    case HTTP_DONE:
    case HTTP_BROKEN:
        return false;
    }
    return false;
}

void http_reader_feed(struct http_reader *reader, const void *data, size_t size) {
    bytes_append(&reader->raw, data, size);
    while (reader_step(reader)) {
    }
}

void http_reader_end(struct http_reader *reader) {
    if (reader->state != HTTP_DONE) {
        reader->state = reader->state == HTTP_UNTIL_CLOSE ? HTTP_DONE : HTTP_BROKEN;
    }
}

int http_connect(uint16_t port, int receive_bytes) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    if (receive_bytes > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *name = (struct sockaddr *)(void *)&address;
    if (connect(fd, name, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Writes and reads at the same time: a server may answer, and close, before it has read all. */
static void exchange(int fd, const char *data, size_t size, bool is_shut, int64_t deadline_ms, struct http_response *response) {
    struct http_reader *reader = &response->reader;
    bool is_sent = false;
    char block[65536];
    while (reader->state != HTTP_DONE && reader->state != HTTP_BROKEN) {
        if (size == 0 && !is_sent) {
            is_sent = true;
            if (is_shut) {
                shutdown(fd, SHUT_WR);
            }
        }
        if (!clock_wait_ready(fd, (short)(size > 0 ? POLLIN | POLLOUT : POLLIN), deadline_ms)) {
            response->is_timed_out = true;
            return;
        }
        ssize_t sent = size > 0 ? send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN) {
            size = 0; /* the answer may still be there to read */
        }
        ssize_t got = recv(fd, block, sizeof block, MSG_DONTWAIT);
        if (got > 0) {
            http_reader_feed(reader, block, (size_t)got);
        } else if (got == 0 || errno != EAGAIN) {
            http_reader_end(reader);
        }
    }
}

static bool connect_and_exchange(uint16_t port, const struct bytes *request, bool is_shut, int timeout_ms,
                                 struct http_response *response) {
    int fd = http_connect(port, 0);
    if (fd < 0) {
        return false;
    }
    exchange(fd, bytes_data(request), bytes_size(request), is_shut, clock_ms() + timeout_ms, response);
    close(fd);
    response->status = response->reader.status;
    return response->reader.state == HTTP_DONE;
}

bool http_exchange(uint16_t port, const void *data, size_t size, bool is_shut, int timeout_ms, struct http_response *response) {
    struct bytes request = {0};
    bytes_append(&request, data, size);
    *response = (struct http_response){.reader.state = HTTP_HEAD};
    bool is_done = connect_and_exchange(port, &request, is_shut, timeout_ms, response);
    bytes_fini(&request);
    return is_done;
}

bool http_request(uint16_t port, const char *method, const char *target, const char *headers, const void *body,
                  size_t body_bytes, struct http_response *response) {
    struct bytes request = {0};
    bytes_printf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n", method, target, port);
    bytes_append_text(&request, headers != NULL ? headers : "");
    if (body != NULL) {
        bytes_printf(&request, "Content-Length: %zu\r\n", body_bytes);
    }
    bytes_append_text(&request, "\r\n");
    bytes_append(&request, body, body != NULL ? body_bytes : 0);
    *response = (struct http_response){.reader.is_head_only = strcmp(method, "HEAD") == 0};
    bool is_done = connect_and_exchange(port, &request, false, HTTP_TIMEOUT_MS, response);
    bytes_fini(&request);
    return is_done;
}

bool http_response_header(const struct http_response *response, const char *name, char *value, size_t size) {
    return http_reader_header(&response->reader, name, value, size);
}

const char *http_response_body(struct http_response *response) {
    return bytes_text(&response->reader.body);
}

json_t *http_response_json(struct http_response *response) {
    return json_loadb(bytes_data(&response->reader.body), bytes_size(&response->reader.body), JSON_DECODE_ANY, NULL);
}

void http_response_fini(struct http_response *response) {
    http_reader_fini(&response->reader);
    response->status = 0;
}

int http_status(uint16_t port, const char *target) {
    struct http_response response;
    http_request(port, "GET", target, NULL, NULL, 0, &response);
    int status = response.status;
    http_response_fini(&response);
    return status;
}
