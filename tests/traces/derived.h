/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The fields that the broker writes itself (docs/kinds), computed again from the traces alone. */
#ifndef AHORA_TESTS_DERIVED_H
#define AHORA_TESTS_DERIVED_H

#include <jansson.h>
#include <stdbool.h>

/* Writes them into the document of that topic; `old` is the document before (NULL: none). The instants of `events`, which only the
   broker's clock knows, are left out. */
void derived_write(const char *topic, json_t *document, const json_t *old);

/* Compares what the broker holds with what it should, apart from those instants. */
bool derived_equal(const json_t *held, const json_t *expected);

#endif
