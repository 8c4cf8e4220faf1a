/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The blocking publisher: a client on a loop of its own, which runs until the answer is there or the time is up.
 *
 * What is given up on must not be applied later behind the caller's back, nor answer into memory that is gone: a call that runs out of
 * time closes its client, and the next call opens another.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "include/ahora/ahora.h"

struct ahora_publisher {
    uv_loop_t loop;
    uv_timer_t timer;
    struct ahora_options options; /* texts owned */
    char *texts[7];
    unsigned text_count;
    ahora_token_fn *on_token; /* the caller's, with its user */
    void *user;
    int64_t wait_ms;
    struct ahora *client; /* NULL: to be opened */
    bool answered;
    bool late;
    bool stopped; /* for good: the token was refused */
    bool sent;    /* what was cancelled had been sent */
    enum ahora_outcome outcome;
    struct ahora_result *results;
    size_t count;
    char *details; /* of the last answer */
    char reason[160];
};

/* ---- the client inside ---- */

static void on_line(struct ahora *client, const struct ahora_line_event *event, void *user) {
    struct ahora_publisher *publisher = user;
    (void)client;
    if (event->line == AHORA_LINE_CONNECTED) {
        publisher->reason[0] = '\0';
        return;
    }
    snprintf(publisher->reason, sizeof(publisher->reason), "%s", event->reason);
    publisher->stopped = event->line == AHORA_LINE_STOPPED;
    if (publisher->stopped) {
        uv_stop(&publisher->loop);
    }
}

static void on_token(struct ahora *client, void *user) {
    struct ahora_publisher *publisher = user;
    publisher->on_token(client, publisher->user);
}

/* The texts of results live as long as the callback, so they are kept beside each other. */
static void keep_details(struct ahora_publisher *publisher, const struct ahora_published *published) {
    size_t bytes = 0;
    for (size_t i = 0; i < published->count; i++) {
        bytes += published->results[i].detail.bytes;
    }
    publisher->details = bytes > 0 ? malloc(bytes) : NULL;
    char *at = publisher->details;
    for (size_t i = 0; i < published->count; i++) {
        struct ahora_bytes detail = published->results[i].detail;
        publisher->results[i] = published->results[i];
        publisher->results[i].detail = (struct ahora_bytes){0};
        if (at != NULL && detail.bytes > 0) {
            memcpy(at, detail.data, detail.bytes);
            publisher->results[i].detail = (struct ahora_bytes){at, detail.bytes};
            at += detail.bytes;
        }
    }
}

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    struct ahora_publisher *publisher = user;
    (void)client;
    publisher->answered = true;
    publisher->outcome = published->outcome;
    publisher->sent = published->sent;
    if (published->outcome == AHORA_ANSWERED && published->count == publisher->count) {
        keep_details(publisher, published);
    } else if (published->outcome == AHORA_ANSWERED) { /* AHORA_ACK_NONE */
        memset(publisher->results, 0, publisher->count * sizeof(publisher->results[0]));
    }
    uv_stop(&publisher->loop);
}

static void on_late(uv_timer_t *timer) {
    struct ahora_publisher *publisher = timer->data;
    publisher->late = true;
    uv_stop(&publisher->loop);
}

static void on_closed(void *user) {
    *(bool *)user = true;
}

static void close_client(struct ahora_publisher *publisher) {
    bool closed = publisher->client == NULL;
    if (!closed) {
        ahora_close(publisher->client, on_closed, &closed);
        publisher->client = NULL;
    }
    while (!closed) {
        uv_run(&publisher->loop, UV_RUN_ONCE);
    }
}

/* ---- opening and closing ---- */

/* The options outlive the caller's. False without memory. */
static bool keep_text(struct ahora_publisher *publisher, const char **text) {
    if (*text == NULL) {
        return true;
    }
    char *copy = strdup(*text);
    *text = copy;
    publisher->texts[publisher->text_count++] = copy;
    return copy != NULL;
}

static bool keep_options(struct ahora_publisher *publisher, const struct ahora_options *options) {
    struct ahora_options *kept = &publisher->options;
    *kept = *options;
    bool good = keep_text(publisher, &kept->url) && keep_text(publisher, &kept->token) && keep_text(publisher, &kept->name) &&
                keep_text(publisher, &kept->source) && keep_text(publisher, &kept->ca_file) &&
                keep_text(publisher, &kept->certificate) && keep_text(publisher, &kept->certificate_key);
    kept->on_line = on_line;
    kept->on_token = options->on_token != NULL ? on_token : NULL;
    kept->user = publisher;
    publisher->on_token = options->on_token;
    publisher->user = options->user;
    return good;
}

static void free_texts(struct ahora_publisher *publisher) {
    for (unsigned i = 0; i < publisher->text_count; i++) {
        free(publisher->texts[i]);
    }
}

static bool open_client(struct ahora_publisher *publisher, const char **detail) {
    publisher->client = ahora_open(&publisher->loop, &publisher->options, detail);
    return publisher->client != NULL;
}

struct ahora_publisher *ahora_publisher_open(const struct ahora_options *options, int64_t wait_ms, const char **detail) {
    assert(options != NULL && wait_ms > 0);
    const char *unused;
    detail = detail == NULL ? &unused : detail;
    *detail = "no memory";
    struct ahora_publisher *publisher = calloc(1, sizeof(*publisher));
    if (publisher == NULL) {
        return NULL;
    }
    publisher->wait_ms = wait_ms;
    if (!keep_options(publisher, options) || uv_loop_init(&publisher->loop) < 0) {
        free_texts(publisher);
        free(publisher);
        return NULL;
    }
    uv_timer_init(&publisher->loop, &publisher->timer);
    publisher->timer.data = publisher;
    if (!open_client(publisher, detail)) {
        const char *why = *detail;
        ahora_publisher_close(publisher);
        *detail = why;
        return NULL;
    }
    return publisher;
}

void ahora_publisher_close(struct ahora_publisher *publisher) {
    if (publisher == NULL) {
        return;
    }
    close_client(publisher);
    uv_close((uv_handle_t *)&publisher->timer, NULL);
    uv_run(&publisher->loop, UV_RUN_DEFAULT);
    int open = uv_loop_close(&publisher->loop);
    assert(open == 0);
    free(publisher->details);
    free_texts(publisher);
    free(publisher);
}

/* ---- publishing ---- */

static void wait_for_answer(struct ahora_publisher *publisher) {
    uv_update_time(&publisher->loop);
    publisher->late = false;
    uv_timer_start(&publisher->timer, on_late, (uint64_t)publisher->wait_ms, 0);
    while (!publisher->answered && !publisher->late && !publisher->stopped) {
        uv_run(&publisher->loop, UV_RUN_DEFAULT);
    }
    uv_timer_stop(&publisher->timer);
}

static enum ahora_code outcome_of(const struct ahora_publisher *publisher) {
    if (publisher->outcome == AHORA_ANSWERED) {
        return AHORA_OK;
    }
    if (publisher->outcome == AHORA_DISCONNECTED || publisher->sent) {
        return AHORA_INTERNAL;
    }
    return publisher->stopped ? AHORA_UNAUTHORIZED : AHORA_AGAIN;
}

enum ahora_code ahora_publisher_send(struct ahora_publisher *publisher, const struct ahora_change *changes, size_t count,
                                     bool atomic, enum ahora_ack ack, struct ahora_result *results) {
    assert(results != NULL);
    const char *detail = NULL;
    free(publisher->details);
    publisher->details = NULL;
    publisher->stopped = false;
    publisher->answered = false;
    if (publisher->client == NULL && !open_client(publisher, &detail)) {
        snprintf(publisher->reason, sizeof(publisher->reason), "%s", detail);
        return AHORA_AGAIN;
    }
    uv_run(&publisher->loop, UV_RUN_NOWAIT); /* what became of the line since the last call */
    publisher->results = results;
    publisher->count = count;
    enum ahora_code code = publisher->stopped
                               ? AHORA_UNAUTHORIZED
                               : ahora_publish(publisher->client, changes, count, atomic, ack, on_published, publisher);
    if (code == AHORA_OK) {
        wait_for_answer(publisher);
    }
    if (code == AHORA_CLOSED || publisher->stopped || (code == AHORA_OK && !publisher->answered)) {
        close_client(publisher); /* reports the publish as cancelled */
    }
    return code == AHORA_CLOSED ? AHORA_UNAUTHORIZED : code == AHORA_OK ? outcome_of(publisher) : code;
}

const char *ahora_publisher_reason(const struct ahora_publisher *publisher) {
    return publisher->reason;
}
