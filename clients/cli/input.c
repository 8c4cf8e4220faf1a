/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES 65536

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    struct input *input = poll->data;
    uv_poll_stop(poll);
    input->on_ready(input);
}

bool input_open(struct input *input, uv_loop_t *loop, int fd) {
    input->fd = fd;
    input->flags = fcntl(fd, F_GETFL);
    input->polled = uv_guess_handle(fd) != UV_FILE;
    input->poll.data = input;
    buffer_init(&input->bytes, INPUT_LINE_BYTES_MAX + 2 * CHUNK_BYTES);
    return !input->polled || uv_poll_init(loop, &input->poll, fd) == 0;
}

void input_close(struct input *input) {
    if (input->polled) {
        uv_poll_stop(&input->poll);
        fcntl(input->fd, F_SETFL, input->flags);
    }
    buffer_fini(&input->bytes);
}

static bool take_line(struct input *input, struct span *line) {
    if (input->at == input->bytes.bytes) {
        return false;
    }
    struct span rest = span_of(input->bytes.data + input->at, input->bytes.bytes - input->at);
    const uint8_t *end = memchr(rest.data, '\n', rest.bytes);
    if (end == NULL && !input->ended) {
        return false;
    }
    size_t bytes = end == NULL ? rest.bytes : (size_t)(end - rest.data);
    input->at += bytes + (end != NULL);
    bytes -= bytes > 0 && rest.data[bytes - 1] == '\r';
    *line = span_of(rest.data, bytes);
    return true;
}

/* False if there is nothing now. */
static bool fill(struct input *input) {
    buffer_consume(&input->bytes, input->at);
    input->at = 0;
    size_t before = input->bytes.bytes;
    uint8_t *chunk = buffer_extend(&input->bytes, CHUNK_BYTES);
    if (chunk == NULL) {
        input->ended = true;
        return true;
    }
    ssize_t got;
    do {
        got = read(input->fd, chunk, CHUNK_BYTES);
    } while (got < 0 && errno == EINTR);
    bool again = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    buffer_cut(&input->bytes, before + (got > 0 ? (size_t)got : 0));
    input->ended = got <= 0 && !again;
    return !again;
}

static enum input_step step_of_line(struct input *input, const struct span *line) {
    bool skipped = input->skipping || line->bytes > INPUT_LINE_BYTES_MAX;
    input->skipping = false;
    return skipped ? INPUT_LONG : INPUT_LINE;
}

enum input_step input_next(struct input *input, struct span *line) {
    for (;;) {
        if (take_line(input, line)) {
            return step_of_line(input, line);
        }
        if (input->ended) {
            return INPUT_END;
        }
        if (input->bytes.bytes - input->at > INPUT_LINE_BYTES_MAX) {
            input->skipping = true;
            input->at = input->bytes.bytes;
        }
        if (!fill(input)) {
            uv_poll_start(&input->poll, UV_READABLE, on_poll);
            return INPUT_WAIT;
        }
    }
}
