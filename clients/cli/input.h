/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Lines of a file descriptor on a libuv loop, with back-pressure: nothing is read while nobody asks. Regular files are read at
 * once, pipes and terminals when the loop says that there is something.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <uv.h>

#include "proto/buffer.h"

#define INPUT_LINE_BYTES_MAX 1048576

enum input_step {
    INPUT_LINE,
    INPUT_LONG, /* a line longer than INPUT_LINE_BYTES_MAX, skipped */
    INPUT_WAIT, /* on_ready will be called */
    INPUT_END,
};

struct input {
    int fd;
    bool polled; /* not a regular file */
    bool ended;
    bool skipping;
    int flags; /* of the descriptor before, for it may be shared with the shell */
    uv_poll_t poll;
    void (*on_ready)(struct input *input);
    void *owner;
    struct buffer bytes;
    size_t at;
};

bool input_open(struct input *input, uv_loop_t *loop, int fd);
void input_close(struct input *input);

/* The next line without its end, valid until the next call. Empty lines are given too. */
enum input_step input_next(struct input *input, struct span *line);

#endif
