/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The public client: the machine of client.h on a libuv loop.
 *
 * Everything that may change the machine ends in settle(): pull the events and tell them, do what they ask of the line, hand
 * bytes to the socket, set the timer. Calls from the application only mark the client, and a prepare handle settles it before
 * the loop sleeps: so callbacks never run inside a call, and what was published in one turn leaves in one write.
 */
#include "include/ahora/ahora.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clients/c/client.h"
#include "clients/c/line.h"
#include "clients/c/secure.h"
#include "clients/c/url.h"
#include "proto/json.h"
#include "proto/name.h"

struct ahora {
    struct client core;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_prepare_t prepare;
    struct line *line;
    struct url url;
    struct secure_context *secure; /* NULL: no TLS */
    ahora_line_fn *on_line;
    ahora_token_fn *on_token;
    void *user;
    unsigned settling; /* depth: a callback may close us */
    bool closing;
    unsigned closing_parts; /* handles and a line the loop has not let go of */
    void (*on_closed)(void *user);
    void *closed_user;
};

/* ---- values ---- */

struct ahora_bytes ahora_text(const char *text) {
    return text == NULL ? (struct ahora_bytes){0} : (struct ahora_bytes){text, strlen(text)};
}

char *ahora_to_json(struct ahora_bytes value) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    json_put(&text, span_of(value.data, value.bytes));
    buffer_put_byte(&text, 0);
    if (text.failed) {
        buffer_fini(&text);
        return NULL;
    }
    return (char *)text.data;
}

enum ahora_code ahora_from_json(const char *text, struct ahora_bytes *value, const char **detail) {
    struct buffer packed;
    buffer_init(&packed, strlen(text) + 64);
    enum ahora_code code = json_to_pack(span_of_text(text), AHORA_DEPTH_MAX, &packed, detail);
    *value = (struct ahora_bytes){0};
    if (code == AHORA_OK) {
        *value = bytes_of(buffer_span(&packed));
    } else {
        buffer_fini(&packed);
    }
    return code;
}

bool ahora_find_int(struct ahora_bytes document, const char *name, int64_t *value) {
    struct pack_reader reader = pack_reader_of(pack_find(span_of(document.data, document.bytes), name));
    if (pack_peek(&reader) != PACK_INT) {
        return false;
    }
    *value = pack_read_int(&reader);
    return true;
}

/* ---- settling ---- */

static int64_t now_ms(const struct ahora *ahora) {
    return (int64_t)uv_now(ahora->loop);
}

static void tell_sub(const struct client_event *event) {
    if (event->sub->on_event != NULL) {
        event->sub->on_event(event->sub, &event->change, event->sub->user);
    }
}

static void tell(struct ahora *ahora, const struct client_event *event) {
    if (event->kind == CLIENT_EVENT_TOKEN) {
        ahora->on_token(ahora, ahora->user);
    } else if (event->kind == CLIENT_EVENT_LINE && ahora->on_line != NULL) {
        ahora->on_line(ahora, &event->line, ahora->user);
    } else if (event->kind == CLIENT_EVENT_SUB) {
        tell_sub(event);
    } else if (event->kind == CLIENT_EVENT_PUBLISHED && event->on_published != NULL) {
        event->on_published(ahora, &event->published, event->user);
    } else if (event->kind == CLIENT_EVENT_SNAPSHOT && event->on_snapshot != NULL) {
        event->on_snapshot(ahora, &event->snapshot, event->user);
    }
}

static void on_part_closed(void *context);

static void drop_line(struct ahora *ahora) {
    if (ahora->line == NULL) {
        return;
    }
    struct buffer farewell = {0};
    client_output(&ahora->core, &farewell);
    ahora->closing_parts++;
    line_close(ahora->line, buffer_span(&farewell), on_part_closed, ahora);
    ahora->line = NULL;
    buffer_fini(&farewell);
}

static void open_line(struct ahora *ahora);

static void pull_events(struct ahora *ahora) {
    struct client_event event;
    while (!ahora->closing && client_poll(&ahora->core, &event)) {
        if (event.kind == CLIENT_EVENT_CONNECT) {
            open_line(ahora);
        } else if (event.kind == CLIENT_EVENT_DROP) {
            drop_line(ahora);
        } else {
            tell(ahora, &event);
        }
    }
}

static void send_output(struct ahora *ahora) {
    while (ahora->line != NULL && line_is_idle(ahora->line) && ahora->core.out.bytes > 0) {
        client_output(&ahora->core, line_buffer(ahora->line));
        line_write(ahora->line);
    }
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct ahora *ahora) {
    int64_t deadline = client_deadline(&ahora->core);
    if (deadline == INT64_MAX) {
        uv_timer_stop(&ahora->timer);
        return;
    }
    int64_t wait = deadline - now_ms(ahora);
    uv_timer_start(&ahora->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void finish_close(struct ahora *ahora);

static void settle(struct ahora *ahora) {
    assert(ahora->settling == 0);
    ahora->settling++;
    uv_prepare_stop(&ahora->prepare);
    pull_events(ahora);
    if (!ahora->closing) {
        send_output(ahora);
        set_timer(ahora);
    }
    ahora->settling--;
    finish_close(ahora);
}

static void on_prepare(uv_prepare_t *prepare) {
    settle(prepare->data);
}

static void settle_soon(struct ahora *ahora) {
    if (!ahora->closing) {
        uv_prepare_start(&ahora->prepare, on_prepare);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct ahora *ahora = timer->data;
    client_on_time(&ahora->core, now_ms(ahora));
    settle(ahora);
}

/* ---- the line ---- */

static void on_connected(void *owner) {
    struct ahora *ahora = owner;
    client_on_connected(&ahora->core, now_ms(ahora));
    settle(ahora);
}

static void on_bytes(void *owner, struct span bytes) {
    struct ahora *ahora = owner;
    client_on_bytes(&ahora->core, now_ms(ahora), bytes);
    settle(ahora);
}

static void on_written(void *owner) {
    settle(owner);
}

static void on_lost(void *owner, const char *reason) {
    struct ahora *ahora = owner;
    client_on_disconnected(&ahora->core, now_ms(ahora), reason);
    drop_line(ahora);
    settle(ahora);
}

static const struct line_handler line_events = {
    .on_connected = on_connected, .on_bytes = on_bytes, .on_written = on_written, .on_lost = on_lost};

static void open_line(struct ahora *ahora) {
    assert(ahora->line == NULL);
    ahora->line = line_open(ahora->loop, ahora->url.host, ahora->url.port, ahora->secure, &line_events, ahora);
    if (ahora->line == NULL) {
        client_on_disconnected(&ahora->core, now_ms(ahora), "no memory or no thread to resolve the name");
    }
}

/* ---- opening and closing ---- */

/* getrandom without flags fails only before the kernel's pool is ready, and then blocks; short answers are for huge requests. */
static void fill_random(void *context, void *bytes, size_t count) {
    (void)context;
    ssize_t got = getrandom(bytes, count, 0);
    assert(got == (ssize_t)count);
}

static size_t or_default(size_t value, size_t fallback) {
    return value == 0 ? fallback : value;
}

static bool init_core(struct ahora *ahora, const struct ahora_options *options) {
    return client_init(&ahora->core, &(struct client_options){
                                         .authority = ahora->url.authority,
                                         .token = options->token,
                                         .asks_token = options->on_token != NULL,
                                         .source = options->source,
                                         .on_lost = options->on_lost,
                                         .has_grace_ms = options->has_grace_ms,
                                         .grace_ms = options->grace_ms,
                                         .name = options->name == NULL ? "libahora/" AHORA_VERSION : options->name,
                                         .encoding = options->encoding,
                                         .message_bytes_max = or_default(options->message_bytes_max, (size_t)16 << 20),
                                         .documents_bytes_max = or_default(options->documents_bytes_max, (size_t)1 << 30),
                                         .outbox_bytes_max = or_default(options->outbox_bytes_max, (size_t)64 << 20),
                                         .random = {.fill = fill_random},
                                     });
}

/* The name goes into a header line. */
static bool is_header_text(const char *text) {
    while (*text >= ' ' && *text <= '~') {
        text++;
    }
    return *text == '\0';
}

static void free_unopened(struct ahora *ahora) {
    client_fini(&ahora->core);
    secure_context_destroy(ahora->secure);
    free(ahora);
}

static bool init_secure(struct ahora *ahora, const struct ahora_options *options, const char **detail) {
    if (!ahora->url.is_secure) {
        return true;
    }
    const struct secure_options secure = {.ca_file = options->ca_file,
                                          .certificate = options->certificate,
                                          .key = options->certificate_key,
                                          .insecure = options->insecure};
    ahora->secure = secure_context_create(&secure, detail);
    return ahora->secure != NULL;
}

struct ahora *ahora_open(struct uv_loop_s *loop, const struct ahora_options *options, const char **detail) {
    assert(loop != NULL && options != NULL);
    const char *unused;
    detail = detail == NULL ? &unused : detail;
    *detail = "no memory";
    struct ahora *ahora = calloc(1, sizeof(*ahora));
    if (ahora == NULL) {
        return NULL;
    }
    if (options->name != NULL && !is_header_text(options->name)) {
        *detail = "the name is not plain text";
        free(ahora);
        return NULL;
    }
    const char *fault = options->source == NULL ? NULL : name_segment_fault(span_of_text(options->source));
    if (fault != NULL) {
        *detail = fault;
        free(ahora);
        return NULL;
    }
    if (!url_parse(options->url == NULL ? AHORA_URL_DEFAULT : options->url, &ahora->url, detail) ||
        !init_secure(ahora, options, detail)) {
        free(ahora);
        return NULL;
    }
    *detail = "no memory";
    if (!init_core(ahora, options)) {
        free_unopened(ahora);
        return NULL;
    }
    ahora->loop = loop;
    ahora->on_line = options->on_line;
    ahora->on_token = options->on_token;
    ahora->user = options->user;
    uv_timer_init(loop, &ahora->timer);
    uv_prepare_init(loop, &ahora->prepare);
    ahora->timer.data = ahora;
    ahora->prepare.data = ahora;
    client_start(&ahora->core, now_ms(ahora));
    settle_soon(ahora);
    return ahora;
}

static void finish_close(struct ahora *ahora) {
    if (!ahora->closing || ahora->closing_parts > 0 || ahora->settling > 0) {
        return;
    }
    void (*on_closed)(void *) = ahora->on_closed;
    void *user = ahora->closed_user;
    client_fini(&ahora->core);
    secure_context_destroy(ahora->secure);
    free(ahora);
    if (on_closed != NULL) {
        on_closed(user);
    }
}

static void on_part_closed(void *context) {
    struct ahora *ahora = context;
    assert(ahora->closing_parts > 0);
    ahora->closing_parts--;
    finish_close(ahora);
}

static void on_handle_closed(uv_handle_t *handle) {
    on_part_closed(handle->data);
}

/* What waited for an answer hears that none will come; nothing else is told any more. */
static void tell_cancelled(struct ahora *ahora) {
    struct client_event event;
    while (client_poll(&ahora->core, &event)) {
        if (event.kind == CLIENT_EVENT_PUBLISHED || event.kind == CLIENT_EVENT_SNAPSHOT) {
            tell(ahora, &event);
        }
    }
}

void ahora_close(struct ahora *ahora, void (*on_closed)(void *user), void *user) {
    assert(!ahora->closing);
    ahora->closing = true;
    ahora->on_closed = on_closed;
    ahora->closed_user = user;
    client_stop(&ahora->core, "closed by the application");
    ahora->closing_parts += 2;
    tell_cancelled(ahora);
    drop_line(ahora);
    uv_close((uv_handle_t *)&ahora->timer, on_handle_closed);
    uv_close((uv_handle_t *)&ahora->prepare, on_handle_closed);
}

/* ---- what the machine does ---- */

struct ahora_sub *ahora_subscribe(struct ahora *ahora, const struct ahora_view *view, ahora_event_fn *on_event, void *user) {
    struct ahora_sub *sub = ahora->closing ? NULL : client_subscribe(&ahora->core, view);
    if (sub != NULL) {
        sub->on_event = on_event;
        sub->user = user;
        settle_soon(ahora);
    }
    return sub;
}

bool ahora_move(struct ahora_sub *sub, const struct ahora_near *near) {
    struct ahora *ahora = (struct ahora *)(void *)((char *)sub->client - offsetof(struct ahora, core));
    bool moved = !ahora->closing && client_move(sub, near);
    if (moved) {
        settle_soon(ahora);
    }
    return moved;
}

void ahora_unsubscribe(struct ahora_sub *sub) {
    struct ahora *ahora = (struct ahora *)(void *)((char *)sub->client - offsetof(struct ahora, core));
    client_unsubscribe(sub);
    settle_soon(ahora);
}

int64_t ahora_now_ms(const struct ahora *ahora) {
    return ahora->core.knows_clock ? now_ms(ahora) + ahora->core.clock_ahead : 0;
}

bool ahora_give_token(struct ahora *ahora, const char *token) {
    bool given = !ahora->closing && client_give_token(&ahora->core, token);
    settle_soon(ahora);
    return given;
}

int64_t ahora_sub_age_ms(const struct ahora_sub *sub) {
    const struct ahora *ahora = (const struct ahora *)(const void *)((const char *)sub->client - offsetof(struct ahora, core));
    return client_sub_age_ms(sub, now_ms(ahora));
}

bool ahora_sub_find(const struct ahora_sub *sub, struct ahora_bytes topic, struct ahora_item *item) {
    return client_sub_find_item(sub, span_of(topic.data, topic.bytes), item);
}

void ahora_sub_each(const struct ahora_sub *sub, bool (*on_item)(const struct ahora_item *item, void *user), void *user) {
    const struct replica_entry *entry = sub->client->replica.first;
    for (bool more = true; more && entry != NULL; entry = entry->next) {
        if ((entry->told >> sub->slot & 1) != 0) {
            struct ahora_item item = client_item_of(sub, entry);
            more = on_item(&item, user);
        }
    }
}

enum ahora_sub_state ahora_sub_state(const struct ahora_sub *sub) {
    return sub->state;
}

const char *ahora_sub_token(struct ahora_sub *sub) {
    return client_sub_token(sub);
}

enum ahora_code ahora_publish(struct ahora *ahora, const struct ahora_change *changes, size_t count, bool atomic,
                              enum ahora_ack ack, ahora_published_fn *on_published, void *user) {
    enum ahora_code code = AHORA_CLOSED;
    struct client_call *call =
        ahora->core.state == CLIENT_STOPPED ? NULL : client_publish(&ahora->core, changes, count, atomic, ack, &code);
    if (call != NULL) {
        call->on_published = on_published;
        call->user = user;
        settle_soon(ahora);
    }
    return code;
}

enum ahora_code ahora_get(struct ahora *ahora, const char *const *match, unsigned match_count, int64_t limit,
                          ahora_snapshot_fn *on_snapshot, void *user) {
    enum ahora_code code = AHORA_CLOSED;
    struct client_call *call =
        ahora->core.state == CLIENT_STOPPED ? NULL : client_get(&ahora->core, match, match_count, limit, &code);
    if (call != NULL) {
        call->on_snapshot = on_snapshot;
        call->user = user;
        settle_soon(ahora);
    }
    return code;
}

size_t ahora_waiting(const struct ahora *ahora) {
    return ahora->core.call_count;
}
