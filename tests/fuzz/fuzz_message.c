/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes as a message, in MessagePack or, if they start with '{', in JSON; read as both sides would. What one decodes and
 * writes must be decoded again, and be written to the same bytes.
 */
#include "proto/json.h"
#include "proto/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

typedef bool copier(struct span message, struct buffer *out);

static bool request_copy(struct span message, struct buffer *out) {
    struct request request;
    const char *detail = NULL;

    if (request_decode(message, &request, &detail) != AHORA_OK) {
        assert(detail != NULL && request.id >= 0);
        return false;
    }
    request_put(out, &request);
    return true;
}

static bool reply_copy(struct span message, struct buffer *out) {
    struct reply reply;
    const char *detail = NULL;

    if (reply_decode(message, &reply, &detail) != AHORA_OK) {
        assert(detail != NULL);
        return false;
    }
    if (reply.op == REPLY_REMOVE && reply.why == AHORA_WHY_NONE) {
        return false; /* a reason this version does not know: understood, but not to be sent on */
    }
    reply_put(out, &reply);
    return true;
}

static bool change_copy(struct span message, struct buffer *out) {
    struct pack_reader reader = pack_reader_of(message);
    struct change_request change;
    const char *detail = NULL;

    enum ahora_code code = change_decode(&reader, &change, &detail);
    assert(reader.at == reader.end && !reader.failed);
    if (code != AHORA_OK) {
        assert(detail != NULL);
        return false;
    }
    change_put(out, &change);
    return true;
}

static void run(copier *copy, struct span message) {
    struct buffer first, second;
    size_t used = 0;

    buffer_init(&first, 4 * message.bytes + 256);
    buffer_init(&second, 4 * message.bytes + 256);
    if (copy(message, &first)) {
        enum pack_fault fault = pack_check(buffer_span(&first), AHORA_DEPTH_MAX, &used);
        assert(fault == PACK_FINE && used == first.bytes && !first.failed);
        bool again = copy(buffer_span(&first), &second);
        assert(again && span_equal(buffer_span(&first), buffer_span(&second)));
    }
    buffer_fini(&first);
    buffer_fini(&second);
}

static void run_all(struct span message) {
    run(request_copy, message);
    run(reply_copy, message);
    run(change_copy, message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct buffer packed;
    size_t used = 0;

    if (bytes > 0 && data[0] == '{') {
        buffer_init(&packed, 16 * bytes + 16);
        if (json_to_pack(span_of(data, bytes), AHORA_DEPTH_MAX, &packed, NULL) == AHORA_OK) {
            run_all(buffer_span(&packed));
        }
        buffer_fini(&packed);
    } else if (pack_check(span_of(data, bytes), AHORA_DEPTH_MAX, &used) == PACK_FINE) {
        run_all(span_of(data, used));
    }
    return 0;
}
