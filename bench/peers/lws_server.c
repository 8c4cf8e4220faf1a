/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A peer: what somebody writes in a day on libwebsockets and libuv, by its manual. Topics, subscribers, the last value of each; a message that
 * waits is one counted block for all, and each session writes one message per WRITEABLE callback. It speaks the yardstick's few bytes
 * (bench/raw.c). Usage: lws_server PORT | --version
 */
#include <libwebsockets.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS_MAX 4194304u
#define TOPIC_DIGITS 7
#define RECEIVE_BYTES 1024 /* each session holds a buffer of so many */
#define SEND_BYTES (1u << 20)

struct message {
    size_t users;
    size_t bytes;
    uint8_t room[LWS_PRE]; /* the library writes its frame head here: the same for all who get the message */
    uint8_t data[];
};

struct peer {
    struct lws *wsi;
    struct topic *topic; /* NULL: none */
    uint32_t place;      /* in the topic's list */
    struct message **waiting;
    uint32_t first, count, room; /* of the ring `waiting`; a power of two */
    uint8_t *in;                 /* an unfinished message */
    size_t in_bytes;
};

struct topic {
    struct peer **peers;
    uint32_t count;
    uint32_t room;
    struct message *last;
};

static struct topic topics[TOPICS_MAX];
static volatile sig_atomic_t stopping;

/* Out of memory is the end of a peer like this. */
static void *grown(void *memory, size_t bytes) {
    void *larger = realloc(memory, bytes);
    if (larger == NULL) {
        perror("lws_server");
        exit(1);
    }
    return larger;
}

static struct message *message_create(const void *data, size_t bytes) {
    struct message *message = grown(NULL, sizeof *message + bytes);
    message->users = 1;
    message->bytes = bytes;
    memcpy(message->data, data, bytes);
    return message;
}

static void message_drop(struct message *message) {
    if (message != NULL && --message->users == 0) {
        free(message);
    }
}

/* ---- sessions ---- */

static void give(struct peer *peer, struct message *message) {
    if (peer->count == peer->room) {
        const uint32_t room = peer->room == 0 ? 4 : 2 * peer->room;
        struct message **waiting = grown(NULL, room * sizeof *waiting);
        for (uint32_t i = 0; i < peer->count; i++) {
            waiting[i] = peer->waiting[(peer->first + i) % peer->room];
        }
        free(peer->waiting);
        peer->waiting = waiting;
        peer->room = room;
        peer->first = 0;
    }
    message->users++;
    peer->waiting[(peer->first + peer->count++) % peer->room] = message;
    lws_callback_on_writable(peer->wsi);
}

static int write_one(struct peer *peer) {
    if (peer->count == 0) {
        return 0;
    }
    struct message *message = peer->waiting[peer->first];
    const int written = lws_write(peer->wsi, message->data, message->bytes, LWS_WRITE_BINARY);
    if (written < (int)message->bytes) {
        return -1;
    }
    peer->first = (peer->first + 1) % peer->room;
    peer->count--;
    message_drop(message);
    if (peer->count > 0) {
        lws_callback_on_writable(peer->wsi);
    }
    return 0;
}

static void leave_topic(struct peer *peer) {
    if (peer->topic != NULL) {
        struct peer *moved = peer->topic->peers[--peer->topic->count];
        peer->topic->peers[peer->place] = moved;
        moved->place = peer->place;
    }
}

static void forget(struct peer *peer) {
    leave_topic(peer);
    while (peer->count > 0) {
        message_drop(peer->waiting[peer->first]);
        peer->first = (peer->first + 1) % peer->room;
        peer->count--;
    }
    free(peer->waiting);
    free(peer->in);
}

/* ---- messages ---- */

static struct topic *topic_of(const uint8_t *digits) {
    uint32_t number = 0;
    for (int i = 0; i < TOPIC_DIGITS; i++) {
        number = number * 10 + (uint32_t)(digits[i] - '0');
    }
    return number < TOPICS_MAX ? &topics[number] : NULL;
}

static uint32_t big_endian(const uint8_t *at, int bytes) {
    uint32_t number = 0;
    for (int i = 0; i < bytes; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

static void give_new(struct peer *peer, const void *data, size_t bytes) {
    struct message *message = message_create(data, bytes);
    give(peer, message);
    message_drop(message);
}

static void subscribe(struct peer *peer, struct topic *topic) {
    static const uint8_t live[9] = {'L'};
    leave_topic(peer);
    if (topic->count == topic->room) {
        topic->room = topic->room == 0 ? 1 : 2 * topic->room;
        topic->peers = grown(topic->peers, topic->room * sizeof *topic->peers);
    }
    peer->topic = topic;
    peer->place = topic->count;
    topic->peers[topic->count++] = peer;
    if (topic->last != NULL) {
        give(peer, topic->last);
    }
    give_new(peer, live, sizeof live);
}

static void publish(struct topic *topic, const uint8_t *data, size_t bytes) {
    message_drop(topic->last);
    topic->last = message_create(data, bytes);
    for (uint32_t i = 0; i < topic->count; i++) {
        give(topic->peers[i], topic->last);
    }
}

static int take(struct peer *peer, const uint8_t *message, size_t bytes) {
    if (message[0] == 'S' && bytes == 1 + TOPIC_DIGITS) {
        struct topic *topic = topic_of(message + 1);
        if (topic != NULL) {
            subscribe(peer, topic);
        }
        return topic == NULL ? -1 : 0;
    }
    if (message[0] == 'Q' && bytes >= 9) {
        give_new(peer, message, 9);
        return 0;
    }
    if ((message[0] != 'P' && message[0] != 'p') || bytes < 15) {
        return -1;
    }
    const uint32_t count = big_endian(message + 9, 2);
    const size_t each = TOPIC_DIGITS + (size_t)big_endian(message + 11, 4);
    if (bytes != 15 + count * each) {
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = message + 15 + i * each;
        struct topic *topic = topic_of(at);
        if (topic == NULL) {
            return -1;
        }
        publish(topic, at + TOPIC_DIGITS, each - TOPIC_DIGITS);
    }
    if (message[0] == 'P') {
        uint8_t answer[9] = {'A'};
        memcpy(answer + 1, message + 1, 8);
        give_new(peer, answer, sizeof answer);
    }
    return 0;
}

static int receive(struct peer *peer, const uint8_t *data, size_t bytes) {
    const bool is_last = lws_is_final_fragment(peer->wsi) && lws_remaining_packet_payload(peer->wsi) == 0;
    if (is_last && peer->in_bytes == 0) {
        return bytes > 0 ? take(peer, data, bytes) : 0;
    }
    if (peer->in_bytes + bytes > SEND_BYTES) {
        return -1;
    }
    peer->in = grown(peer->in, peer->in_bytes + bytes);
    memcpy(peer->in + peer->in_bytes, data, bytes);
    peer->in_bytes += bytes;
    if (!is_last) {
        return 0;
    }
    const int outcome = take(peer, peer->in, peer->in_bytes);
    free(peer->in);
    peer->in = NULL;
    peer->in_bytes = 0;
    return outcome;
}

/* ---- the library ---- */

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes) {
    struct peer *peer = user;
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        *peer = (struct peer){.wsi = wsi};
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return receive(peer, in, bytes);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_one(peer);
    case LWS_CALLBACK_CLOSED:
        forget(peer);
        return 0;
    default:
        return 0;
    }
}

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

int main(int count, char **words) {
    static const lws_retry_bo_t no_pings;
    static const struct lws_protocols protocols[] = {
        {.name = "raw",
         .callback = on_event,
         .per_session_data_size = sizeof(struct peer),
         .rx_buffer_size = RECEIVE_BYTES,
         .tx_packet_size = SEND_BYTES},
        {.name = NULL},
    };
    if (count != 2) {
        fputs("usage: lws_server PORT | --version\n", stderr);
        return 2;
    }
    if (strcmp(words[1], "--version") == 0) {
        printf("libwebsockets %s\n", lws_get_library_version());
        return 0;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGPIPE, SIG_IGN);
    lws_set_log_level(0, NULL);
    const struct lws_context_creation_info info = {
        .port = (int)strtol(words[1], NULL, 10),
        .iface = "127.0.0.1",
        .protocols = protocols,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .max_http_header_pool = 1024,
        .retry_and_idle_policy = &no_pings,
    };
    struct lws_context *context = lws_create_context(&info);
    while (context != NULL && !stopping && lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return stopping ? 0 : 1;
}
