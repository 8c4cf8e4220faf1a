/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* From the packed JSON Schema to the table of schema.h. Runs at start, on files an operator wrote: everything wrong gets a sentence. */
#ifndef CORE_SCHEMA_COMPILE_H
#define CORE_SCHEMA_COMPILE_H

#include "broker/core/schema.h"

/*
 * Makes the table of a checked packed value, which must stay as long as the schema does: texts point into it. The keyword `x-ahora` of
 * the whole is left to the caller (kind.h). False: `errors` says why, with pointers into the schema; the schema is to be freed
 * in any case.
 */
bool schema_compile(struct schema *schema, struct span packed, struct violations *errors);

/* Room for one more at the end of an array that doubles. NULL: no memory; the array is as before. */
void *schema_grow(void *items, uint32_t count, size_t item_bytes);

#endif
