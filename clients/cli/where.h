/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Conditions as people type them, into the map of the protocol:
 *
 *     available>=1        field, one of = != < <= > >=, and a value: JSON if it is JSON, else a text
 *     eta_at    !eta_at   the field is there, or is not
 *     {"a":{"in":[1]}}    the map itself
 */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include "include/ahora/ahora.h"

/* All of them together; *value->data is to be freed by the caller. False: one is none, *detail (static) says why. */
bool where_read(const char *const *texts, unsigned count, struct ahora_bytes *value, const char **detail);

#endif
