/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/feeder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/change.h"

/* A batch on its way: which lines its results are about. */
struct batch {
    struct feeder *feeder;
    size_t count;
    uint64_t lines[];
};

void feeder_init(struct feeder *feeder, struct ahora *client) {
    *feeder = (struct feeder){.client = client};
    buffer_init(&feeder->batch, (size_t)AHORA_CHANGES_MAX * FEEDER_CHANGE_BYTES_MAX);
}

void feeder_fini(struct feeder *feeder) {
    buffer_fini(&feeder->batch);
}

bool feeder_has_room(const struct feeder *feeder) {
    return feeder->batch_count < AHORA_CHANGES_MAX && (feeder->atomic || feeder->unanswered < FEEDER_BATCHES_MAX);
}

bool feeder_is_done(const struct feeder *feeder) {
    return feeder->unanswered == 0 && feeder->batch_count == 0;
}

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    (void)client;
    struct batch *batch = user;
    struct feeder *feeder = batch->feeder;
    feeder->unanswered--;
    if (published->outcome == AHORA_ANSWERED) {
        for (size_t i = 0; i < published->count; i++) {
            bool good = published->results[i].code == AHORA_OK;
            feeder->accepted += good;
            feeder->refused += !good;
            if (!good) {
                feeder->on_refused(feeder->owner, batch->lines[i], &published->results[i]);
            }
        }
        feeder->accepted += published->count == 0 ? batch->count : 0;
    } else {
        feeder->unknown += published->outcome == AHORA_DISCONNECTED || published->sent ? batch->count : 0;
    }
    free(batch);
    if (published->outcome != AHORA_CANCELLED) {
        feeder->on_answer(feeder->owner);
    }
}

/* Nothing was lost without a word: what could not even be queued counts as refused. */
static void refuse_batch(struct feeder *feeder, const struct batch *batch, enum ahora_code code) {
    struct ahora_result result = {.code = code};
    for (size_t i = 0; i < batch->count; i++) {
        feeder->on_refused(feeder->owner, batch->lines[i], &result);
    }
    feeder->refused += batch->count;
}

void feeder_flush(struct feeder *feeder) {
    static struct ahora_change changes[AHORA_CHANGES_MAX];
    size_t count = feeder->batch_count;
    if (count == 0) {
        return;
    }
    struct batch *batch = malloc(sizeof(*batch) + count * sizeof(batch->lines[0]));
    if (batch == NULL) {
        return; /* tried again with the next change or answer */
    }
    batch->feeder = feeder;
    batch->count = count;
    memcpy(batch->lines, feeder->batch_lines, count * sizeof(batch->lines[0]));
    struct pack_reader reader = pack_reader_of(buffer_span(&feeder->batch));
    for (size_t i = 0; i < count; i++) {
        struct change_request request;
        enum ahora_code code = change_decode(&reader, &request, NULL);
        assert(code == AHORA_OK);
        changes[i] = change_of_request(&request);
    }
    enum ahora_code code = ahora_publish(feeder->client, changes, count, feeder->atomic, feeder->ack, on_published, batch);
    if (code == AHORA_OK) {
        feeder->unanswered++;
    } else {
        refuse_batch(feeder, batch, code);
        free(batch);
    }
    feeder->batch_count = 0;
    buffer_clear(&feeder->batch, 4 * FEEDER_BATCH_BYTES);
}

const char *feeder_add(struct feeder *feeder, struct span change, uint64_t line) {
    assert(feeder_has_room(feeder));
    struct pack_reader reader = pack_reader_of(change);
    struct change_request request;
    struct name name;
    const char *detail = "not a change";
    if (pack_peek(&reader) != PACK_MAP) {
        return "not a JSON object";
    }
    if (change_decode(&reader, &request, &detail) != AHORA_OK || name_parse_topic(request.topic, &name, &detail) != AHORA_OK) {
        return detail;
    }
    buffer_put_span(&feeder->batch, change);
    if (feeder->batch.failed) {
        buffer_cut(&feeder->batch, feeder->batch.bytes);
        return "no memory";
    }
    feeder->batch_lines[feeder->batch_count++] = line;
    feeder->added++;
    bool full = feeder->batch_count >= FEEDER_BATCH_CHANGES || feeder->batch.bytes >= FEEDER_BATCH_BYTES;
    if (full && !feeder->atomic) {
        feeder_flush(feeder);
    }
    return NULL;
}
