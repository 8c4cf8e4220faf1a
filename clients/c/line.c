/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/line.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/framing.h"

#define ADDRESSES_MAX 4 /* of one name that are tried; "localhost" has two */

struct line {
    uv_loop_t *loop;
    uv_tcp_t handles[ADDRESSES_MAX]; /* one an address: a handle that failed to connect cannot be used again */
    unsigned handle_count;           /* begun so far; the last is the current one */
    unsigned handles_open;           /* not yet let go of by the loop */
    uv_getaddrinfo_t resolving;
    uv_connect_t connecting;
    uv_write_t writing;
    const struct line_handler *handler;
    void *owner; /* NULL after line_close */
    void (*on_closed)(void *context);
    void *context;
    struct addrinfo *addresses;
    struct addrinfo *next_address;
    bool is_resolving;
    bool is_writing;
    struct buffer out;
    char chunk[FRAMING_CHUNK_BYTES_MAX];
};

static void free_when_quiet(struct line *line) {
    if (line->owner != NULL || line->handles_open > 0 || line->is_resolving) {
        return;
    }
    uv_freeaddrinfo(line->addresses);
    buffer_fini(&line->out);
    if (line->on_closed != NULL) {
        line->on_closed(line->context);
    }
    free(line);
}

static uv_stream_t *stream_of(struct line *line) {
    assert(line->handle_count > 0);
    return (uv_stream_t *)&line->handles[line->handle_count - 1];
}

static void lose(struct line *line, int status) {
    if (line->owner != NULL) {
        line->handler->on_lost(line->owner, status == UV_EOF ? "closed by the other side" : uv_strerror(status));
    }
}

/* ---- reading and writing ---- */

static void give_chunk(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)wanted;
    struct line *line = handle->data;
    *buffer = uv_buf_init(line->chunk, sizeof(line->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct line *line = stream->data;
    if (line->owner == NULL || count == 0) {
        return;
    }
    if (count < 0) {
        lose(line, (int)count);
        return;
    }
    line->handler->on_bytes(line->owner, span_of(buffer->base, (size_t)count));
}

static void on_write(uv_write_t *request, int status) {
    struct line *line = request->data;
    line->is_writing = false;
    buffer_clear(&line->out, FRAMING_CHUNK_BYTES_MAX);
    if (status < 0) {
        lose(line, status);
    } else if (line->owner != NULL) {
        line->handler->on_written(line->owner);
    }
}

bool line_is_idle(const struct line *line) {
    return !line->is_writing;
}

struct buffer *line_buffer(struct line *line) {
    assert(!line->is_writing && line->out.bytes == 0);
    return &line->out;
}

void line_write(struct line *line) {
    assert(!line->is_writing);
    if (line->out.bytes == 0) {
        return;
    }
    uv_buf_t block = uv_buf_init((char *)line->out.data, (unsigned)line->out.bytes);
    line->writing.data = line;
    line->is_writing = true;
    if (uv_write(&line->writing, stream_of(line), &block, 1, on_write) < 0) {
        /* Reading will report the loss; a write that cannot start has nothing to add. */
        line->is_writing = false;
        buffer_clear(&line->out, 0);
    }
}

/* ---- closing ---- */

static void on_handle_closed(uv_handle_t *handle) {
    struct line *line = handle->data;
    line->handles_open--;
    free_when_quiet(line);
}

static void close_current(struct line *line) {
    uv_handle_t *handle = line->handle_count == 0 ? NULL : (uv_handle_t *)stream_of(line);
    if (handle != NULL && !uv_is_closing(handle)) {
        uv_close(handle, on_handle_closed);
    }
}

void line_close(struct line *line, struct span farewell, void (*on_closed)(void *context), void *context) {
    assert(line->owner != NULL);
    line->owner = NULL;
    line->on_closed = on_closed;
    line->context = context;
    if (farewell.bytes > 0 && line->handle_count > 0 && !line->is_writing && uv_is_writable(stream_of(line))) {
        uv_buf_t block = uv_buf_init((char *)(uintptr_t)farewell.data, (unsigned)farewell.bytes);
        uv_try_write(stream_of(line), &block, 1);
    }
    if (line->is_resolving) {
        uv_cancel((uv_req_t *)&line->resolving);
    }
    close_current(line);
    free_when_quiet(line);
}

/* ---- opening ---- */

static void on_connect(uv_connect_t *request, int status);

/* `status` says what became of the address before. */
static void try_next(struct line *line, int status) {
    while (line->next_address != NULL && line->handle_count < ADDRESSES_MAX) {
        const struct addrinfo *address = line->next_address;
        line->next_address = address->ai_next;
        uv_tcp_t *tcp = &line->handles[line->handle_count];
        if (uv_tcp_init(line->loop, tcp) < 0) {
            break;
        }
        tcp->data = line;
        line->handle_count++;
        line->handles_open++;
        line->connecting.data = line;
        status = uv_tcp_connect(&line->connecting, tcp, address->ai_addr, on_connect);
        if (status == 0) {
            return;
        }
        close_current(line);
    }
    lose(line, status);
}

static void on_connect(uv_connect_t *request, int status) {
    struct line *line = request->data;
    if (line->owner == NULL) {
        return;
    }
    if (status < 0) {
        close_current(line);
        try_next(line, status);
        return;
    }
    uv_tcp_nodelay(&line->handles[line->handle_count - 1], 1);
    status = uv_read_start(stream_of(line), give_chunk, on_read);
    if (status < 0) {
        lose(line, status);
        return;
    }
    line->handler->on_connected(line->owner);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses) {
    struct line *line = request->data;
    line->is_resolving = false;
    line->addresses = addresses;
    line->next_address = addresses;
    if (line->owner == NULL) {
        free_when_quiet(line);
    } else if (status < 0) {
        lose(line, status);
    } else {
        try_next(line, UV_EAI_NONAME);
    }
}

struct line *line_open(uv_loop_t *loop, const char *host, uint16_t port, const struct line_handler *handler, void *owner) {
    struct line *line = calloc(1, sizeof(*line));
    if (line == NULL) {
        return NULL;
    }
    line->loop = loop;
    line->handler = handler;
    line->owner = owner;
    line->resolving.data = line;
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (uv_getaddrinfo(loop, &line->resolving, on_resolved, host, service, &hints) < 0) {
        free(line);
        return NULL;
    }
    line->is_resolving = true;
    return line;
}
