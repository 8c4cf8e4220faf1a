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
#include "clients/c/secure.h"

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
    struct secure *secure; /* NULL: no TLS */
    bool is_told;          /* on_connected was called */
    uv_write_t sending;    /* with TLS: of `sealed` */
    bool is_sending;
    bool wants_written;   /* the owner's block is in `sealed` or `unsent` */
    struct buffer sealed; /* on its way */
    struct buffer unsent; /* behind it */
    char chunk[FRAMING_CHUNK_BYTES_MAX];
};

static void free_when_quiet(struct line *line) {
    if (line->owner != NULL || line->handles_open > 0 || line->is_resolving) {
        return;
    }
    uv_freeaddrinfo(line->addresses);
    buffer_fini(&line->out);
    buffer_fini(&line->sealed);
    buffer_fini(&line->unsent);
    secure_destroy(line->secure);
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

static void lose_why(struct line *line, const char *why) {
    if (line->owner != NULL) {
        line->handler->on_lost(line->owner, why);
    }
}

/* ---- TLS ---- */

static void send_sealed(struct line *line);

static void on_sent(uv_write_t *request, int status) {
    struct line *line = request->data;
    line->is_sending = false;
    buffer_clear(&line->sealed, FRAMING_CHUNK_BYTES_MAX);
    if (line->owner == NULL) {
        return;
    }
    if (status < 0) {
        lose(line, status);
        return;
    }
    send_sealed(line);
    if (!line->is_sending && line->wants_written) {
        line->wants_written = false;
        line->is_writing = false;
        line->handler->on_written(line->owner);
    }
}

/* What TLS has to say goes out, one block at a time. */
static void send_sealed(struct line *line) {
    secure_output(line->secure, &line->unsent);
    if (line->is_sending || line->unsent.bytes == 0) {
        return;
    }
    struct buffer empty = line->sealed;
    line->sealed = line->unsent;
    line->unsent = empty;
    uv_buf_t block = uv_buf_init((char *)line->sealed.data, (unsigned)line->sealed.bytes);
    line->sending.data = line;
    line->is_sending = uv_write(&line->sending, stream_of(line), &block, 1, on_sent) == 0;
    if (!line->is_sending) {
        buffer_clear(&line->sealed, 0); /* reading will report the loss */
    }
}

static void tell_opened(struct line *line) {
    if (!line->is_told && secure_is_open(line->secure)) {
        line->is_told = true;
        line->handler->on_connected(line->owner);
    }
}

/* Any callback may close the line. */
static void read_secure(struct line *line) {
    char plain[16384];
    size_t got = 0;
    enum secure_step step = SECURE_PLAIN;
    while (line->owner != NULL && step == SECURE_PLAIN) {
        step = secure_read(line->secure, plain, sizeof(plain), &got);
        tell_opened(line);
        if (line->owner != NULL && step == SECURE_PLAIN) {
            line->handler->on_bytes(line->owner, span_of(plain, got));
        }
    }
    if (line->owner == NULL) {
        return;
    }
    send_sealed(line);
    if (step == SECURE_END || step == SECURE_FAULT) {
        lose_why(line, step == SECURE_END ? "closed by the other side" : secure_fault(line->secure));
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
    struct span bytes = span_of(buffer->base, (size_t)count);
    if (line->secure == NULL) {
        line->handler->on_bytes(line->owner, bytes);
    } else if (secure_feed(line->secure, bytes)) {
        read_secure(line);
    } else {
        lose(line, UV_ENOMEM);
    }
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
    line->is_writing = true;
    if (line->secure != NULL) {
        line->wants_written = true;
        secure_write(line->secure, buffer_span(&line->out)); /* if it fails, so does reading, which tells of it */
        buffer_clear(&line->out, FRAMING_CHUNK_BYTES_MAX);
        send_sealed(line);
        return;
    }
    uv_buf_t block = uv_buf_init((char *)line->out.data, (unsigned)line->out.bytes);
    line->writing.data = line;
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

static void say_farewell(struct line *line, struct span farewell) {
    struct buffer sealed = {.bytes_max = SIZE_MAX / 2};
    if (line->handle_count == 0 || line->is_writing || line->is_sending || !uv_is_writable(stream_of(line))) {
        return;
    }
    if (line->secure != NULL && secure_is_open(line->secure)) {
        secure_write(line->secure, farewell);
        secure_end(line->secure);
        secure_output(line->secure, &sealed);
        farewell = buffer_span(&sealed);
    }
    if (farewell.bytes > 0) {
        uv_buf_t block = uv_buf_init((char *)(uintptr_t)farewell.data, (unsigned)farewell.bytes);
        uv_try_write(stream_of(line), &block, 1);
    }
    buffer_fini(&sealed);
}

void line_close(struct line *line, struct span farewell, void (*on_closed)(void *context), void *context) {
    assert(line->owner != NULL);
    line->owner = NULL;
    line->on_closed = on_closed;
    line->context = context;
    say_farewell(line, farewell);
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
    if (line->secure != NULL) {
        read_secure(line); /* begins the handshake */
    } else {
        line->handler->on_connected(line->owner);
    }
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

struct line *line_open(uv_loop_t *loop, const char *host, uint16_t port, struct secure_context *context,
                       const struct line_handler *handler, void *owner) {
    struct line *line = calloc(1, sizeof(*line));
    if (line == NULL || (context != NULL && (line->secure = secure_create(context, host)) == NULL)) {
        free(line);
        return NULL;
    }
    buffer_init(&line->sealed, SIZE_MAX / 2);
    buffer_init(&line->unsent, SIZE_MAX / 2);
    line->loop = loop;
    line->handler = handler;
    line->owner = owner;
    line->resolving.data = line;
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (uv_getaddrinfo(loop, &line->resolving, on_resolved, host, service, &hints) < 0) {
        secure_destroy(line->secure);
        free(line);
        return NULL;
    }
    line->is_resolving = true;
    return line;
}
