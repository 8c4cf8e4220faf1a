/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One TCP connection on a libuv loop: resolve, try the addresses in turn, agree on TLS if wanted, read, write one block at a time.
 *
 * A line belongs to its owner until line_close and frees itself when the loop has let go of it. The three callbacks run from the
 * loop; after line_close none does. Thread of the loop.
 */
#ifndef CLIENT_LINE_H
#define CLIENT_LINE_H

#include <uv.h>

#include "proto/buffer.h"

struct line_handler {
    void (*on_connected)(void *owner);
    void (*on_bytes)(void *owner, struct span bytes);
    void (*on_written)(void *owner);
    void (*on_lost)(void *owner, const char *reason); /* to be answered with line_close */
};

struct line;
struct secure_context;

/* With `context` the line speaks TLS; NULL: it does not. NULL without memory. Failures after that arrive as on_lost, never from within. */
struct line *line_open(uv_loop_t *loop, const char *host, uint16_t port, struct secure_context *context,
                       const struct line_handler *handler, void *owner);

/* `farewell` (may be empty) is written if the socket takes it at once. `on_closed` (may be NULL) is called when the memory is free. */
void line_close(struct line *line, struct span farewell, void (*on_closed)(void *context), void *context);

/* True if the last block is on its way and the next may be given. */
bool line_is_idle(const struct line *line);

/* The buffer to fill, empty, of an idle line; then line_write. */
struct buffer *line_buffer(struct line *line);
void line_write(struct line *line);

#endif
