/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What people read on a terminal: aligned, coloured unless NO_COLOR is set (https://no-color.org) or the output is no terminal.
 * Text from the broker is shown without control characters, so that a document cannot drive the terminal.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdio.h>

#include "include/ahora/ahora.h"
#include "proto/buffer.h"

enum print_color {
    PRINT_PLAIN,
    PRINT_DIM,
    PRINT_GREEN,
    PRINT_YELLOW,
    PRINT_RED,
    PRINT_CYAN,
};

bool print_is_terminal(FILE *to);

/* "\33[32m" or "", and the end of it. */
const char *print_color(FILE *to, enum print_color color);

/* "12:03:04.123" local time of an instant in ms, into `text`. */
void print_time(char text[16], int64_t at);

/* "available=3 price=4.20": the fields of a packed map on one line. */
void print_fields(FILE *to, struct ahora_bytes map);

/* Each field on a line of its own, nested maps indented; `depth` is the indentation to start with. */
void print_tree(FILE *to, struct ahora_bytes map, unsigned depth);

/* Text in which nothing drives the terminal or turns the direction of what is around it: such characters are shown as `?`, or escaped in JSON. */
void print_visible(FILE *to, struct span text, bool is_json);

/* A value as JSON, without a line end. */
void print_json(FILE *to, struct ahora_bytes value);

/* Text as a JSON string. */
void print_json_text(FILE *to, struct ahora_bytes text);

#endif
