/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Reading a kind out of its packed schema. Only kind.c looks here. */
#ifndef CORE_KIND_COMPILE_H
#define CORE_KIND_COMPILE_H

#include "broker/core/kind.h"

/* Fills `kind` from kind->packed. False: see `errors`. */
bool kind_compile(struct kind *kind, struct span name, struct violations *errors);

#endif
