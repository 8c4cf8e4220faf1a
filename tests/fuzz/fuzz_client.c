/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A hostile server against the client's machine. The input is what it sends and does: the first byte chooses the encoding, then each piece
 * is one byte of command and what belongs to it. Whatever comes, the client never asks for two connections, never hurries back for ever, holds no more than
 * it may, and gives all memory back.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "clients/c/client.h"
#include "proto/json.h"

#define DOCUMENTS_BYTES_MAX 65536

struct world {
    struct client client;
    struct ahora_sub *subs[3];
    int64_t now;
    uint64_t seed;
    bool line; /* a connection is wanted or open */
    bool open; /* on_connected was said */
    uint64_t lost;
    bool stopped;
};

static void fill(void *context, void *bytes, size_t count) {
    struct world *world = context;
    for (size_t i = 0; i < count; i++) {
        world->seed = world->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        ((uint8_t *)bytes)[i] = (uint8_t)(world->seed >> 33);
    }
}

/* All a program could look at. */
static void look_at(const struct client_event *event) {
    size_t sum = 0;
    if (event->kind == CLIENT_EVENT_SUB) {
        for (size_t i = 0; i < event->change.topic.bytes; i++) {
            sum += ((const uint8_t *)event->change.topic.data)[i];
        }
        char *text = event->change.data.data == NULL ? NULL : ahora_to_json(event->change.data);
        sum += text == NULL ? 0 : strlen(text);
        free(text);
    } else if (event->kind == CLIENT_EVENT_LINE && event->line.reason != NULL) {
        sum += strlen(event->line.reason);
    }
    assert(sum < (size_t)1 << 40);
}

static void settle(struct world *world) {
    struct client_event event;
    struct buffer out = {.bytes_max = 1 << 24};
    while (client_poll(&world->client, &event)) {
        look_at(&event);
        if (event.kind == CLIENT_EVENT_CONNECT) {
            assert(!world->line);
            world->line = true;
        } else if (event.kind == CLIENT_EVENT_DROP) {
            world->line = false;
            world->open = false;
        } else if (event.kind == CLIENT_EVENT_LINE) {
            world->lost += event.line.line == AHORA_LINE_DISCONNECTED;
            world->stopped |= event.line.line == AHORA_LINE_STOPPED;
        }
    }
    assert(world->client.replica.bytes <= DOCUMENTS_BYTES_MAX);
    client_output(&world->client, &out);
    buffer_fini(&out);
}

static void give(struct world *world, const void *bytes, size_t count) {
    if (world->open && count > 0) {
        client_on_bytes(&world->client, world->now, span_of(bytes, count));
        settle(world);
    }
}

static void give_upgrade(struct world *world) {
    char text[64];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char accept[32];
    char answer[256];
    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", world->client.framing.key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    int bytes = snprintf(
        answer, sizeof(answer),
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
        "Sec-WebSocket-Protocol: %s\r\n\r\n",
        accept, world->client.options.encoding == AHORA_ENCODING_JSON ? AHORA_SUBPROTOCOL_JSON : AHORA_SUBPROTOCOL_MSGPACK);
    give(world, answer, (size_t)bytes);
}

static void give_message(struct world *world, struct span payload) {
    uint8_t frame[4 + 65536];
    size_t bytes = payload.bytes < 60000 ? payload.bytes : 60000;
    size_t head = 2;
    frame[0] = world->client.options.encoding == AHORA_ENCODING_JSON ? 0x81 : 0x82;
    frame[1] = (uint8_t)bytes;
    if (bytes > 125) {
        frame[1] = 126;
        frame[2] = (uint8_t)(bytes >> 8);
        frame[3] = (uint8_t)bytes;
        head = 4;
    }
    memcpy(frame + head, payload.data, bytes);
    give(world, frame, head + bytes);
}

static void give_text(struct world *world, const char *json) {
    struct buffer packed;
    buffer_init(&packed, 4096);
    if (world->client.options.encoding == AHORA_ENCODING_JSON) {
        give_message(world, span_of_text(json));
    } else if (json_to_pack(span_of_text(json), 20, &packed, NULL) == AHORA_OK) {
        give_message(world, buffer_span(&packed));
    }
    buffer_fini(&packed);
}

static void wait_for_retry(struct world *world) {
    int64_t deadline = client_deadline(&world->client);
    if (deadline != INT64_MAX && deadline > world->now) {
        world->now = deadline;
    }
    client_on_time(&world->client, world->now);
    settle(world);
}

static void connect(struct world *world) {
    if (world->line && !world->open) {
        world->open = true;
        client_on_connected(&world->client, world->now);
        settle(world);
    }
}

static const char *const sayings[] = {
    "{\"op\":\"welcome\",\"session\":\"\",\"epoch\":\"E\",\"seq\":9,\"now\":1,\"beat_ms\":1000,\"limits\":{},\"server\":\"\"}",
    "{\"op\":\"welcome\",\"session\":\"\",\"epoch\":\"F\",\"seq\":2,\"now\":9,\"beat_ms\":0,\"limits\":{},\"server\":\"\"}",
    "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}",
    "{\"op\":\"subscribed\",\"id\":2,\"resumed\":true}",
    "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1}}",
    "{\"op\":\"set\",\"topic\":\"service/a/b\",\"ref\":2,\"seq\":4,\"at\":7,\"data\":{\"n\":{\"m\":[1,2]}}}",
    "{\"op\":\"patch\",\"ref\":1,\"seq\":5,\"at\":8,\"data\":{\"n\":null,\"z\":true}}",
    "{\"op\":\"patch\",\"ref\":1,\"seq\":5,\"at\":8,\"stale\":true}",
    "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":6,\"why\":\"left\"}",
    "{\"op\":\"live\",\"id\":1,\"seq\":6,\"skipped\":2}",
    "{\"op\":\"live\",\"id\":2,\"seq\":6}",
    "{\"op\":\"beat\",\"seq\":7,\"now\":5}",
    "{\"op\":\"error\",\"id\":2,\"code\":\"too_many\",\"detail\":\"x\",\"retry_ms\":5}",
    "{\"op\":\"error\",\"id\":1,\"code\":\"unheard_of\",\"detail\":\"x\"}",
    "{\"op\":\"published\",\"id\":4,\"results\":[{\"seq\":8}]}",
    "{\"op\":\"published\",\"id\":4,\"results\":[{\"error\":{\"code\":7}}]}",
    "{\"op\":\"ok\",\"id\":3}",
    "{\"op\":\"bye\",\"reason\":\"x\",\"retry_ms\":0}",
};

static void publish(struct world *world) {
    enum ahora_code code;
    struct ahora_change change = {.op = AHORA_TOUCH, .topic = ahora_text("stock/a/x"), .key = ahora_text("k")};
    struct client_call *call = client_publish(&world->client, &change, 1, false, AHORA_ACK_DURABLE, &code);
    assert(call != NULL || code == AHORA_AGAIN);
    settle(world);
}

/* One command; returns how much of the input it took. */
static size_t run(struct world *world, const uint8_t *at, size_t left) {
    uint8_t command = at[0];
    size_t most = left - 1 < 1 + (size_t)(command & 0x3f) * 4 ? left - 1 : 1 + (size_t)(command & 0x3f) * 4;
    switch (command >> 5) {
    case 0:
    case 1:
        give_text(world, sayings[command % (sizeof(sayings) / sizeof(sayings[0]))]);
        return 1;
    case 2:
        connect(world);
        give_upgrade(world);
        return 1;
    case 3:
        give(world, at + 1, most); /* whatever it is */
        return 1 + most;
    case 4:
        give_message(world, span_of(at + 1, most));
        return 1 + most;
    case 5:
        wait_for_retry(world);
        connect(world);
        return 1;
    case 6:
        if (world->line) {
            world->line = false;
            world->open = false;
            client_on_disconnected(&world->client, world->now, "cut");
            settle(world);
        }
        return 1;
    default:
        if (!world->stopped) {
            publish(world);
        }
        world->now += command & 0x1f;
        return 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    if (size == 0) {
        return 0;
    }
    world = (struct world){.now = 1000, .seed = 4711};
    struct client_options options = {.authority = "x:1",
                                     .name = "fuzz/1",
                                     .encoding = (data[0] & 1) != 0 ? AHORA_ENCODING_JSON : AHORA_ENCODING_MSGPACK,
                                     .message_bytes_max = 65536,
                                     .documents_bytes_max = DOCUMENTS_BYTES_MAX,
                                     .outbox_bytes_max = 65536,
                                     .random = {.fill = fill, .context = &world}};
    if (!client_init(&world.client, &options)) {
        return 0;
    }
    struct ahora_near near = {.lat = 1, .lon = 2, .radius_m = 500};
    world.subs[0] = client_subscribe(&world.client, &(struct ahora_view){.match = {"stock/**"}, .match_count = 1});
    world.subs[1] =
        client_subscribe(&world.client, &(struct ahora_view){.match = {"service/**"}, .match_count = 1, .near = &near});
    client_start(&world.client, world.now);
    settle(&world);
    int64_t start = world.now;
    for (size_t i = 1; i < size;) {
        i += run(&world, data + i, size - i);
    }
    /* Full jitter may be short now and then, never again and again: the first two dozen losses take what half their sum of ceilings does,
       with the odds of 2^-40 against it. */
    assert(world.lost < 64 || world.now - start > 10000);
    client_stop(&world.client, "done");
    settle(&world);
    client_fini(&world.client);
    return 0;
}
