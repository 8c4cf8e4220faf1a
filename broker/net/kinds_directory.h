/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* An operator's own kinds: the files NAME.json of one directory, read at start. */
#ifndef NET_KINDS_DIRECTORY_H
#define NET_KINDS_DIRECTORY_H

#include "broker/core/kinds.h"

#include <stdio.h>

/* The built-in kinds and those of the directory (NULL or empty: none), the caller's. Each error is one line
   `FILE: POINTER: reason` on `errors`, and counted in *count. NULL: no memory, which is told too. */
struct kinds *kinds_directory_read(const char *directory, FILE *errors, size_t *count);

#endif
