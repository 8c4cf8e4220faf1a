/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * In a trace, a patch overwrites a nested map whole; in the protocol it merges (RFC 7396). The two are made equal by naming the members
 * that the patch leaves out, as null. Which members a field can have is learned from the trace itself, in its order.
 */
#ifndef CLI_WHOLE_H
#define CLI_WHOLE_H

#include "proto/buffer.h"

#define WHOLE_MEMBERS_MAX 256 /* field and member pairs of one trace; past it a trace is refused */
#define WHOLE_NAME_BYTES_MAX 64

struct whole_member {
    uint8_t field_bytes;
    uint8_t name_bytes;
    char field[WHOLE_NAME_BYTES_MAX];
    char name[WHOLE_NAME_BYTES_MAX];
};

struct whole {
    size_t count;
    struct whole_member members[WHOLE_MEMBERS_MAX];
};

/*
 * Takes a packed event {op, data, …} and learns from it. If it is a patch that leaves out known members of a nested map, writes the event
 * with them into `out`, which is cleared first; otherwise `out` stays empty. False: more members or longer names than there is room for.
 */
bool whole_complete(struct whole *whole, struct span event, struct buffer *out);

#endif
