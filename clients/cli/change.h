/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A change as the protocol's messages have it, for the public client.
 */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "include/ahora/ahora.h"
#include "proto/message.h"
#include "proto/name.h"

/* Borrows what the request borrows. */
struct ahora_change change_of_request(const struct change_request *request);

/* Appends the field and its integer of "field=-3" or "field=+3". False after a message. */
bool change_put_adjustment(struct buffer *out, const char *text);

#endif
