/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The schemas of the built-in kinds (proto/kinds), as text inside the program. Constant, any thread. */
#ifndef PROTO_KINDS_H
#define PROTO_KINDS_H

#include "proto/buffer.h"

struct kind_text {
    const char *name;
    struct span json;
};

/* False past the last. */
bool kind_text_at(size_t index, struct kind_text *text);

#endif
