/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The socket of one client.
 *
 *   core -> tail (what the socket did not take: choked) -> socket (bounded) -> unread (a frame in parts) -> check_reply
 */
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/name.h"
#include "tests/sim/sim.h"

#define DEPTH_MAX AHORA_DEPTH_MAX

static void flush_tail(struct client *client) {
    size_t room = client->socket.bytes >= client->socket_bytes_max ? 0 : client->socket_bytes_max - client->socket.bytes;
    size_t moved = client->tail.bytes < room ? client->tail.bytes : room;
    if (moved > 0) {
        buffer_put(&client->socket, client->tail.data, moved);
        buffer_consume(&client->tail, moved);
    }
}

static void note_tide(struct client *client) {
    if (client->tide_count == client->tide_capacity) {
        client->tide_capacity = 2 * client->tide_capacity + 16;
        client->tides = realloc(client->tides, client->tide_capacity * sizeof *client->tides);
        MUST(client->tides != NULL, "no memory");
    }
    const struct model *model = &client->sim->model;
    client->tides[client->tide_count++] = (struct tide){
        .end = client->pulled, .seq_stored = model->seq_stored, .seq_durable = model->seq_durable, .mono_ms = model->mono_ms};
}

bool line_take(struct client *client, struct span piece) {
    report_trace(piece.data, piece.bytes);
    buffer_put_span(&client->tail, piece);
    client->pulled += piece.bytes;
    note_tide(client);
    flush_tail(client);
    return client->tail.bytes == 0;
}

/* ---- messages ---- */

static void take_message(struct client *client, struct span packed, const struct tide *tide) {
    struct reply reply;
    const char *detail = "";
    MUST(reply_decode(packed, &reply, &detail) == AHORA_OK, "client %u: a message cannot be read: %s", client->number, detail);
    check_reply(client, &reply, tide);
}

static void take_packed(struct client *client, struct span payload, const struct tide *tide) {
    while (payload.bytes > 0) {
        size_t used = 0;
        MUST(pack_check(payload, DEPTH_MAX, &used) == PACK_FINE, "client %u: bytes are no MessagePack", client->number);
        take_message(client, span_of(payload.data, used), tide);
        payload = span_of(payload.data + used, payload.bytes - used);
    }
}

static void take_json(struct client *client, struct span line, const struct tide *tide) {
    struct buffer packed;
    const char *detail = "";
    buffer_init(&packed, SIZE_MAX);
    MUST(json_to_pack(line, DEPTH_MAX, &packed, &detail) == AHORA_OK, "client %u: a line is no JSON: %s: %.*s", client->number,
         detail, (int)line.bytes, (const char *)line.data);
    take_message(client, buffer_span(&packed), tide);
    buffer_fini(&packed);
}

static void take_lines(struct client *client, struct span payload, const struct tide *tide) {
    while (payload.bytes > 0) {
        const uint8_t *newline = memchr(payload.data, '\n', payload.bytes);
        size_t bytes = newline == NULL ? payload.bytes : (size_t)(newline - payload.data);
        take_json(client, span_of(payload.data, bytes), tide);
        size_t used = newline == NULL ? bytes : bytes + 1;
        MUST(newline == NULL || used < payload.bytes, "client %u: a message ends in an empty line", client->number);
        payload = span_of(payload.data + used, payload.bytes - used);
    }
}

/* ---- frames ---- */

/* RFC 6455 section 5.2, from a server: not masked, one frame to a message, the shortest length. */
static size_t frame_header(const struct client *client, struct span bytes, size_t *payload_bytes) {
    if (bytes.bytes < 2) {
        return 0;
    }
    MUST(bytes.data[0] == (client->encoding == ENCODING_JSON ? 0x81 : 0x82), "client %u: frame opens with %02x", client->number,
         bytes.data[0]);
    MUST(bytes.data[1] < 128, "client %u: a server never masks", client->number);
    *payload_bytes = bytes.data[1];
    size_t more = bytes.data[1] < 126 ? 0 : bytes.data[1] == 126 ? 2 : 8;
    if (bytes.bytes < 2 + more) {
        return 0;
    }
    for (size_t i = 0; i < more; i++) {
        *payload_bytes = (i == 0 ? 0 : *payload_bytes << 8) | bytes.data[2 + i];
    }
    MUST(more == 0 || *payload_bytes >= (more == 2 ? 126 : 65536), "client %u: a frame's length is not the shortest",
         client->number);
    return 2 + more;
}

static const struct tide *tide_of(const struct client *client) {
    for (size_t i = 0; i < client->tide_count; i++) {
        if (client->parsed < client->tides[i].end) {
            return &client->tides[i];
        }
    }
    report_failure("client %u: read more than was written", client->number);
}

/* One frame off the front; how many bytes it had, 0 if it is not whole yet. */
static size_t take_frame(struct client *client, struct span bytes) {
    size_t payload_bytes = 0;
    size_t header_bytes = frame_header(client, bytes, &payload_bytes);
    if (header_bytes == 0 || bytes.bytes - header_bytes < payload_bytes) {
        return 0;
    }
    MUST(payload_bytes > 0, "client %u: an empty frame", client->number);
    struct span payload = span_of(bytes.data + header_bytes, payload_bytes);
    const struct tide tide = *tide_of(client);
    if (client->encoding == ENCODING_JSON) {
        take_lines(client, payload, &tide);
    } else {
        take_packed(client, payload, &tide);
    }
    return header_bytes + payload_bytes;
}

static bool starts_with(struct span line, const char *prefix, struct span *rest) {
    size_t bytes = strlen(prefix);
    if (line.bytes < bytes || memcmp(line.data, prefix, bytes) != 0) {
        return false;
    }
    *rest = span_of(line.data + bytes, line.bytes - bytes);
    return true;
}

/* An event: "event: NAME\n[id: TOKEN\n][retry: MS\n]data: JSON\n\n". */
static size_t take_event(struct client *client, struct span bytes) {
    const uint8_t *end = memmem(bytes.data, bytes.bytes, "\n\n", 2);
    if (end == NULL) {
        return 0;
    }
    const struct tide tide = *tide_of(client);
    struct span rest = span_of(bytes.data, (size_t)(end - bytes.data) + 1);
    struct span value;
    struct token token = {0};
    while (rest.bytes > 0) {
        size_t line_bytes = (size_t)((const uint8_t *)memchr(rest.data, '\n', rest.bytes) - rest.data);
        struct span line = span_of(rest.data, line_bytes);
        rest = span_of(rest.data + line_bytes + 1, rest.bytes - line_bytes - 1);
        if (starts_with(line, "id: ", &value)) {
            MUST(token_parse(value, &token), "client %u: an event id is no token", client->number);
        } else if (starts_with(line, "data: ", &value)) {
            take_json(client, value, &tide);
        } else {
            MUST(starts_with(line, "event: ", &value) || starts_with(line, "retry: ", &value),
                 "client %u: an event has a strange line", client->number);
        }
    }
    if (token.epoch[0] != '\0') { /* dispatched with its event: only now it is the last id */
        check_token(client, &token, &tide);
    }
    return (size_t)(end - bytes.data) + 2;
}

static void drop_passed_tides(struct client *client) {
    size_t passed = 0;
    while (passed < client->tide_count && client->tides[passed].end <= client->parsed) {
        passed++;
    }
    if (passed > 0) {
        client->tide_count -= passed;
        memmove(client->tides, client->tides + passed, client->tide_count * sizeof *client->tides);
    }
}

void line_read(struct client *client, size_t bytes) {
    bytes = bytes < client->socket.bytes ? bytes : client->socket.bytes;
    if (bytes > 0) {
        buffer_put(&client->unread, client->socket.data, bytes);
        buffer_consume(&client->socket, bytes);
    }
    flush_tail(client);
    size_t done = 0;
    for (size_t used = 1; used > 0; done += used) {
        struct span rest = span_of(client->unread.data + done, client->unread.bytes - done);
        used = rest.bytes == 0 ? 0 : client->encoding == ENCODING_SSE ? take_event(client, rest) : take_frame(client, rest);
        client->parsed += used;
    }
    if (done > 0) {
        buffer_consume(&client->unread, done);
    }
    drop_passed_tides(client);
}
