/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How far a long work is, on stderr: a bar that redraws itself on a terminal, a plain line every 5 s elsewhere.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "include/ahora/protocol.h"

struct progress {
    bool terminal;
    bool drawn; /* a bar is on the screen */
    int64_t started_ms;
    int64_t shown_ms;
    uint64_t shown_count;
};

void progress_start(struct progress *progress, int64_t now_ms);

/* Draws if it is time. `part` of the work, 0 to 1; `count` changes done. */
void progress_show(struct progress *progress, int64_t now_ms, double part, uint64_t count);

/* Clears the bar, so that a line can be written. */
void progress_clear(struct progress *progress);

#endif
