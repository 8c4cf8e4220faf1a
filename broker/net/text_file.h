/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A small file, read as a whole when the broker starts or is told to read it again. */
#ifndef NET_TEXT_FILE_H
#define NET_TEXT_FILE_H

#include "proto/buffer.h"

/* Appends what it holds, up to out's bound. False, with the reason in `why`. */
bool text_file_read(const char *path, struct buffer *out, char *why, size_t why_bytes);

/* The same of a file of lines. `settled`: nobody is writing it now, as at a start; else one whose last line has no end is refused: it is still being
   written, and what a line grants or revokes must not depend on how far. */
bool text_file_read_lines(const char *path, bool settled, struct buffer *out, char *why, size_t why_bytes);

#endif
