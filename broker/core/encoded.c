/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/encoded.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_USUAL 256 /* so many slots are made that the usual ring fills as the slots do */
#define MESSAGE_SHARE 8         /* one message takes no more of the ring than an eighth */

struct encoded_slot {
    int64_t seq;  /* 0: empty */
    uint64_t end; /* of the message, in bytes written ever */
    size_t bytes;
};

void encoded_init(struct encoded *encoded, size_t bytes_max) {
    *encoded = (struct encoded){.bytes_max = bytes_max};
}

void encoded_fini(struct encoded *encoded) {
    free(encoded->ring);
    free(encoded->slots);
    *encoded = (struct encoded){0};
}

static bool make(struct encoded *encoded) {
    size_t count = 16;
    if (encoded->slots != NULL) {
        return true;
    }
    while (count < encoded->bytes_max / MESSAGE_BYTES_USUAL) {
        count *= 2;
    }
    encoded->ring = malloc(encoded->bytes_max);
    encoded->slots = encoded->ring == NULL ? NULL : calloc(count, sizeof *encoded->slots);
    if (encoded->slots == NULL) {
        free(encoded->ring);
        encoded->ring = NULL;
        return false;
    }
    encoded->slot_count = count;
    return true;
}

static struct encoded_slot *slot_of(const struct encoded *encoded, int64_t seq) {
    return &encoded->slots[(uint64_t)seq & (encoded->slot_count - 1)];
}

/* Nothing has been written over its first byte. */
static bool is_there(const struct encoded *encoded, const struct encoded_slot *slot) {
    return encoded->end - (slot->end - slot->bytes) <= encoded->bytes_max;
}

bool encoded_find(const struct encoded *encoded, int64_t seq, struct span *message) {
    assert(seq > 0);
    if (encoded->slots == NULL) {
        return false;
    }
    const struct encoded_slot *slot = slot_of(encoded, seq);
    if (slot->seq != seq || !is_there(encoded, slot)) {
        return false;
    }
    *message = span_of(encoded->ring + (slot->end - slot->bytes) % encoded->bytes_max, slot->bytes);
    return true;
}

void encoded_keep(struct encoded *encoded, int64_t seq, struct span message) {
    assert(seq > 0);
    if (message.bytes > encoded->bytes_max / MESSAGE_SHARE || !make(encoded)) {
        return;
    }
    size_t place = (size_t)(encoded->end % encoded->bytes_max);
    if (place + message.bytes > encoded->bytes_max) { /* a message lies in one piece: the rest of the ring stays as it is */
        encoded->end += encoded->bytes_max - place;
        place = 0;
    }
    memcpy(encoded->ring + place, message.data, message.bytes);
    encoded->end += message.bytes;
    *slot_of(encoded, seq) = (struct encoded_slot){.seq = seq, .end = encoded->end, .bytes = message.bytes};
}
