/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/subscriber.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void subscriber_init(struct subscriber *subscriber, bool is_stream, enum codec codec) {
    *subscriber = (struct subscriber){.is_stream = is_stream, .codec = codec, .fd = -1, .wire.fd = -1};
    subscriber->plan.stall_from = 2;
    subscriber->plan.stall_to = 2;
    follower_init(&subscriber->follower, subscriber->name);
    subscriber->follower.is_stream = is_stream;
    http_reader_init(&subscriber->reader);
}

static void line_free(struct subscriber *subscriber) {
    wire_fini(&subscriber->wire);
    subscriber->wire = (struct wire){.fd = -1};
    http_reader_fini(&subscriber->reader);
    http_reader_init(&subscriber->reader);
    if (subscriber->fd >= 0) {
        close(subscriber->fd);
    }
    subscriber->fd = -1;
    subscriber->is_polled = false;
}

void subscriber_fini(struct subscriber *subscriber) {
    line_free(subscriber);
    follower_fini(&subscriber->follower);
}

int subscriber_fd(const struct subscriber *subscriber) {
    return subscriber->is_stream ? subscriber->fd : subscriber->wire.fd;
}

void subscriber_cut(struct subscriber *subscriber) {
    wire_cut(&subscriber->wire);
    line_free(subscriber);
}

/* ---- WebSocket ---- */

/* hello and all subscriptions at once: the broker must not need us to wait for each answer. */
static bool websocket_connect(struct subscriber *subscriber, uint16_t port) {
    struct wire *wire = &subscriber->wire;
    struct wire_options options = {.receive_bytes = subscriber->plan.receive_bytes};
    if (!wire_open_with(wire, port, subscriber->codec, &options) ||
        !wire_send_new(wire, json_pack("{s:s s:s}", "op", "hello", "client", "check-traces/1"))) {
        return false;
    }
    for (size_t i = 0; i < subscriber->follower.subscription_count; i++) {
        if (!wire_send_new(wire, follower_ask(&subscriber->follower, i))) {
            return false;
        }
    }
    return true;
}

static bool websocket_read(struct subscriber *subscriber, size_t bytes_max) {
    struct wire *wire = &subscriber->wire;
    uint64_t before = wire->bytes_received;
    int got = wire_read(wire, bytes_max);
    subscriber->bytes_received += wire->bytes_received - before;
    for (json_t *message; (message = wire_next(wire)) != NULL;) {
        follower_take(&subscriber->follower, message);
        json_decref(message);
    }
    if (wire->fault != NULL) {
        follower_violate(&subscriber->follower, "%s", wire->fault);
    }
    subscriber->close_code = wire->close_code;
    return got >= 0 && wire->fd >= 0;
}

/* ---- Server-Sent Events ---- */

/* Percent-encoded, all but letters and digits. */
static void put_encoded(struct bytes *out, const char *text) {
    for (; *text != '\0'; text++) {
        bool is_plain = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        bytes_printf(out, is_plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

static bool stream_connect(struct subscriber *subscriber, uint16_t port) {
    struct bytes request = {0};
    const struct subscription *subscription = &subscriber->follower.subscriptions[0];
    bytes_printf(&request, "GET /v1/stream?match=%s", subscription->patterns[0]);
    if (subscription->where != NULL) {
        bytes_append_text(&request, "&where=");
        put_encoded(&request, subscription->where);
    }
    if (subscription->near.radius_m > 0) {
        bytes_printf(&request, "&near=%.6f,%.6f,%.3f", subscription->near.lat, subscription->near.lon,
                     subscription->near.radius_m);
    }
    bytes_append_text(&request, " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n");
    if (subscriber->last_event_id[0] != '\0') {
        bytes_printf(&request, "Last-Event-ID: %s\r\n", subscriber->last_event_id);
    }
    bytes_append_text(&request, "\r\n");
    subscriber->fd = http_connect(port, subscriber->plan.receive_bytes);
    bool is_sent = subscriber->fd >= 0 && send(subscriber->fd, bytes_data(&request), bytes_size(&request), MSG_NOSIGNAL) ==
                                              (ssize_t)bytes_size(&request);
    bytes_fini(&request);
    if (is_sent) {
        fcntl(subscriber->fd, F_SETFL, fcntl(subscriber->fd, F_GETFL) | O_NONBLOCK);
    }
    return is_sent;
}

/* A token "<epoch>-<seq>" tells a stream its epoch, which no welcome does. */
static void stream_learn_epoch(struct subscriber *subscriber) {
    struct follower *follower = &subscriber->follower;
    const char *dash = strrchr(subscriber->last_event_id, '-');
    if (dash != NULL && (size_t)(dash - subscriber->last_event_id) < sizeof follower->epoch) {
        snprintf(follower->epoch, sizeof follower->epoch, "%.*s", (int)(dash - subscriber->last_event_id),
                 subscriber->last_event_id);
    }
}

/* The data of an event is the message of the protocol; what the event's name or the single subscription says may be left out. */
static void event_take(struct subscriber *subscriber, const char *event, const char *data, const char *id) {
    json_t *message = json_loads(data, 0, NULL);
    if (message == NULL || event[0] == '\0') {
        follower_violate(&subscriber->follower, "event '%s' with data that is not JSON: %.60s", event, data);
        json_decref(message);
        return;
    }
    if (id[0] != '\0') {
        snprintf(subscriber->last_event_id, sizeof subscriber->last_event_id, "%s", id);
        stream_learn_epoch(subscriber);
    }
    if (json_object_get(message, "op") == NULL) {
        json_object_set_new(message, "op", json_string(event));
    }
    json_object_set_new(message, "id", json_integer(1));
    follower_take(&subscriber->follower, message);
    json_decref(message);
}

/* One event's lines, without the empty line that ends it. Comments (":") keep the line alive and say nothing. */
static void event_parse(struct subscriber *subscriber, char *text) {
    const char *event = "";
    const char *data = NULL;
    const char *id = "";
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *value = strchr(line, ':');
        if (value == NULL || value == line) {
            continue;
        }
        *value++ = '\0';
        value += *value == ' ';
        value[strcspn(value, "\r")] = '\0';
        if (strcmp(line, "event") == 0) {
            event = value;
        } else if (strcmp(line, "data") == 0) {
            data = value;
        } else if (strcmp(line, "id") == 0) {
            id = value;
        }
    }
    if (data != NULL) {
        event_take(subscriber, event, data, id);
    }
}

static void stream_take_events(struct subscriber *subscriber) {
    struct bytes *body = &subscriber->reader.body;
    const char *end;
    while (bytes_size(body) > 0 && (end = memmem(bytes_data(body), bytes_size(body), "\n\n", 2)) != NULL) {
        size_t size = (size_t)(end - bytes_data(body));
        char *text = strndup(bytes_data(body), size);
        assert(text != NULL);
        bytes_consume(body, size + 2);
        event_parse(subscriber, text);
        free(text);
    }
}

static bool stream_read(struct subscriber *subscriber, size_t bytes_max) {
    char block[65536];
    ssize_t got = recv(subscriber->fd, block, bytes_max < sizeof block ? bytes_max : sizeof block, 0);
    if (got > 0) {
        subscriber->bytes_received += (uint64_t)got;
        http_reader_feed(&subscriber->reader, block, (size_t)got);
        stream_take_events(subscriber);
    }
    if (subscriber->reader.status != 0 && subscriber->reader.status != 200) {
        follower_violate(&subscriber->follower, "stream answered with status %d", subscriber->reader.status);
        return false;
    }
    return (got > 0 || (got < 0 && errno == EAGAIN)) && subscriber->reader.state < HTTP_DONE;
}

/* ---- both ---- */

static double step(struct subscriber *subscriber) {
    subscriber->walk = subscriber->walk * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(subscriber->walk >> 40) / (1 << 24) - 0.5;
}

/* About a kilometre at most, around the middle of Austin. */
void subscriber_walk(struct subscriber *subscriber) {
    const struct subscription *subscription = &subscriber->follower.subscriptions[0];
    if (subscriber->walk == 0 || subscriber_fd(subscriber) < 0 || subscription->state != SUBSCRIPTION_LIVE) {
        return;
    }
    double lat = subscription->near.lat + step(subscriber) * 0.02;
    double lon = subscription->near.lon + step(subscriber) * 0.02;
    lat = lat < 30.1 || lat > 30.5 ? 30.27 : lat;
    lon = lon < -98 || lon > -97.5 ? -97.74 : lon;
    subscriber->moves++;
    if (!wire_send_new(&subscriber->wire, follower_move(&subscriber->follower, 0, lat, lon))) {
        subscriber_cut(subscriber);
    }
}

bool subscriber_connect(struct subscriber *subscriber, uint16_t port) {
    line_free(subscriber);
    follower_connect(&subscriber->follower);
    subscriber->connects++;
    bool is_open = subscriber->is_stream ? stream_connect(subscriber, port) : websocket_connect(subscriber, port);
    if (!is_open) {
        line_free(subscriber);
    }
    return is_open;
}

bool subscriber_read(struct subscriber *subscriber, size_t bytes_max) {
    return subscriber->is_stream ? stream_read(subscriber, bytes_max) : websocket_read(subscriber, bytes_max);
}
