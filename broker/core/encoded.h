/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Messages that tell whole documents as JSON, as they were encoded last: after a restart a crowd asks for the same ones, and encoding is most of
 * what a session that joins costs. A turn's changes need none of this; they are encoded once for all (block.h).
 *
 *   ring    the messages, one behind the other; what is oldest is written over
 *   slots   by seq: where the message is. A seq is of one change for ever, so a message never grows old, it is only not asked for
 *
 * Bounded by limits.encoded_bytes_max, and made when first used. Of messages that are the same for all: as JSON, without a mask. MessagePack is
 * copied from the document as fast as from here.
 */
#ifndef CORE_ENCODED_H
#define CORE_ENCODED_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encoded_slot;

struct encoded {
    size_t bytes_max; /* 0: nothing is kept */
    uint8_t *ring;
    uint64_t end; /* bytes written ever: the ring's place is what is left of it by bytes_max */
    struct encoded_slot *slots;
    size_t slot_count; /* a power of two */
};

void encoded_init(struct encoded *encoded, size_t bytes_max);
void encoded_fini(struct encoded *encoded);

/* The message of that change. Good until the next encoded_keep. False: it is not there. */
bool encoded_find(const struct encoded *encoded, int64_t seq, struct span *message);

/* Copies it; one that is too large for the ring, or for which there is no memory, is not kept. */
void encoded_keep(struct encoded *encoded, int64_t seq, struct span message);

#endif
