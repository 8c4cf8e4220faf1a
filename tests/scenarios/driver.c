/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The driver of libahora (tests/scenarios/README.md): commands in, events out, a line each. It knows the public header and nothing else. */
#include "include/ahora/ahora.h"

#include <assert.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define SUBS_MAX 16
#define NAME_BYTES 64

struct named_sub {
    char name[NAME_BYTES];
    struct ahora_sub *sub;
};

static struct ahora *client;
static struct named_sub subs[SUBS_MAX];
static unsigned sub_count;
static char **tokens; /* the last for ever */
static size_t token_count;
static size_t token_next;

static void say(json_t *event) {
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(event);
}

static json_t *text_of(struct ahora_bytes bytes) {
    return json_stringn(bytes.data == NULL ? "" : bytes.data, bytes.bytes);
}

static json_t *value_of(struct ahora_bytes value) {
    char *text = ahora_to_json(value);
    json_t *json = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    free(text);
    return json == NULL ? json_null() : json;
}

/* To be freed by the caller. */
static struct ahora_bytes packed_of(const json_t *json) {
    struct ahora_bytes value = {NULL, 0};
    char *text = json == NULL ? NULL : json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text != NULL) {
        ahora_from_json(text, &value, NULL);
    }
    free(text);
    return value;
}

static void free_value(struct ahora_bytes value) {
    free((void *)(uintptr_t)value.data);
}

/* ---- the line ---- */

static const char *reason_of(enum ahora_fault fault) {
    static const char *const names[] = {
        [AHORA_FAULT_NONE] = "closed",     [AHORA_FAULT_LINE] = "connection_lost", [AHORA_FAULT_SILENT] = "connection_lost",
        [AHORA_FAULT_UPGRADE] = "refused", [AHORA_FAULT_PROTOCOL] = "bad_message", [AHORA_FAULT_LIMIT] = "too_large",
        [AHORA_FAULT_CLOSED] = "closed",   [AHORA_FAULT_TOKEN] = "unauthorized",
    };
    return names[fault];
}

static void on_line(struct ahora *line, const struct ahora_line_event *event, void *user) {
    (void)line;
    (void)user;
    static const char *const names[] = {"connected", "disconnected", "stopped"};
    json_t *told = json_pack("{s:s}", "line", names[event->line]);
    if (event->line != AHORA_LINE_CONNECTED) {
        json_object_set_new(told, "reason", json_string(reason_of(event->fault)));
        json_object_set_new(told, "detail", json_string(event->reason));
    }
    say(told);
}

static void on_token(struct ahora *line, void *user) {
    (void)user;
    ahora_give_token(line, tokens[token_next]);
    token_next += token_next + 1 < token_count;
}

static void keep_tokens(const json_t *list) {
    token_count = json_array_size(list);
    tokens = calloc(token_count + 1, sizeof(tokens[0]));
    for (size_t i = 0; i < token_count; i++) {
        tokens[i] = strdup(json_string_value(json_array_get(list, i)));
    }
}

static void do_open(const json_t *command) {
    const char *encoding = json_string_value(json_object_get(command, "encoding"));
    const char *detail = NULL;
    struct ahora_options options = {
        .url = json_string_value(json_object_get(command, "url")),
        .token = json_string_value(json_object_get(command, "token")),
        .name = "driver/c",
        .encoding = encoding != NULL && strcmp(encoding, "msgpack") == 0 ? AHORA_ENCODING_MSGPACK : AHORA_ENCODING_JSON,
        .on_line = on_line,
    };
    keep_tokens(json_object_get(command, "tokens"));
    options.on_token = token_count > 0 ? on_token : NULL;
    client = ahora_open(uv_default_loop(), &options, &detail);
    if (client == NULL) {
        say(json_pack("{s:s, s:s}", "line", "stopped", "reason", detail));
    }
}

/* ---- subscriptions ---- */

static json_t *told_by(const struct named_sub *named, const char *event) {
    return json_pack("{s:s, s:s}", "sub", named->name, "event", event);
}

static void tell_document(const struct named_sub *named, const struct ahora_event *event) {
    json_t *told = told_by(named, "set");
    json_object_set_new(told, "topic", text_of(event->topic));
    json_object_set_new(told, "seq", json_integer(event->seq));
    json_object_set_new(told, "at", json_integer(event->at));
    json_object_set_new(told, "data", value_of(event->data));
    json_object_set_new(told, "stale", json_boolean(event->stale));
    json_object_set_new(told, "age_ms", json_integer(ahora_now_ms(client) - event->at));
    say(told);
}

static void tell_removal(const struct named_sub *named, const struct ahora_event *event) {
    json_t *told = told_by(named, "remove");
    json_object_set_new(told, "topic", text_of(event->topic));
    json_object_set_new(told, "why", json_string(event->why == AHORA_WHY_NONE ? "gone" : ahora_why_name(event->why)));
    say(told);
}

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    const struct named_sub *named = user;
    (void)sub;
    switch (event->kind) {
    case AHORA_EVENT_SUBSCRIBED:
        say(told_by(named, "subscribed"));
        return;
    case AHORA_EVENT_SET:
    case AHORA_EVENT_PATCH:
        tell_document(named, event);
        return;
    case AHORA_EVENT_REMOVE:
        tell_removal(named, event);
        return;
    case AHORA_EVENT_LIVE: {
        json_t *told = told_by(named, "live");
        json_object_set_new(told, "skipped", json_integer(event->skipped));
        say(told);
        return;
    }
    case AHORA_EVENT_BEHIND:
        say(told_by(named, "behind"));
        return;
    case AHORA_EVENT_REFUSED: {
        json_t *told = told_by(named, "refused");
        json_object_set_new(told, "code", json_string(ahora_code_name(event->code)));
        say(told);
        return;
    }
    }
}

static unsigned read_match(const json_t *match, const char **patterns) {
    if (json_is_string(match)) {
        patterns[0] = json_string_value(match);
        return 1;
    }
    unsigned count = 0;
    for (; count < json_array_size(match) && count < AHORA_PATTERNS_MAX; count++) {
        patterns[count] = json_string_value(json_array_get(match, count));
    }
    return count;
}

static struct ahora_near read_near(const json_t *near) {
    return (struct ahora_near){.lat = json_number_value(json_object_get(near, "lat")),
                               .lon = json_number_value(json_object_get(near, "lon")),
                               .radius_m = json_number_value(json_object_get(near, "radius_m")),
                               .limit = (unsigned)json_integer_value(json_object_get(near, "limit"))};
}

static struct named_sub *find_sub(const json_t *command) {
    const char *name = json_string_value(json_object_get(command, "sub"));
    for (unsigned i = 0; name != NULL && i < sub_count; i++) {
        if (strcmp(subs[i].name, name) == 0 && subs[i].sub != NULL) {
            return &subs[i];
        }
    }
    return NULL;
}

static void do_subscribe(const json_t *command) {
    assert(sub_count < SUBS_MAX);
    struct named_sub *named = &subs[sub_count++];
    const json_t *near = json_object_get(command, "near");
    struct ahora_near circle = read_near(near);
    struct ahora_view view = {.since = json_string_value(json_object_get(command, "since")),
                              .every_ms = json_integer_value(json_object_get(command, "every_ms")),
                              .where = packed_of(json_object_get(command, "where")),
                              .near = near == NULL ? NULL : &circle};
    snprintf(named->name, sizeof(named->name), "%s", json_string_value(json_object_get(command, "sub")));
    view.match_count = read_match(json_object_get(command, "match"), view.match);
    named->sub = ahora_subscribe(client, &view, on_event, named);
    if (named->sub == NULL) {
        say(json_pack("{s:s, s:s, s:s}", "sub", named->name, "event", "refused", "code", "bad_pattern"));
    }
    free_value(view.where);
}

static void do_move(const json_t *command) {
    struct named_sub *named = find_sub(command);
    struct ahora_near circle = read_near(json_object_get(command, "near"));
    if (named != NULL) {
        ahora_move(named->sub, &circle);
    }
}

static void do_unsubscribe(const json_t *command) {
    struct named_sub *named = find_sub(command);
    if (named != NULL) {
        ahora_unsubscribe(named->sub);
        named->sub = NULL;
    }
}

/* ---- publishing and reading ---- */

static void on_published(struct ahora *from, const struct ahora_published *published, void *user) {
    (void)from;
    json_t *told = json_pack("{s:s}", "pub", user);
    if (published->outcome == AHORA_ANSWERED) {
        json_t *results = json_array();
        for (size_t i = 0; i < published->count; i++) {
            const struct ahora_result *result = &published->results[i];
            json_array_append_new(results, result->code == AHORA_OK
                                               ? json_pack("{s:I}", "seq", (json_int_t)result->seq)
                                               : json_pack("{s:s}", "error", ahora_code_name(result->code)));
        }
        json_object_set_new(told, "results", results);
    } else {
        json_object_set_new(told, "outcome",
                            json_string(published->outcome == AHORA_DISCONNECTED ? "disconnected" : "cancelled"));
    }
    say(told);
    free(user);
}

static void read_number(const json_t *change, const char *key, bool *is_there, int64_t *number) {
    const json_t *value = json_object_get(change, key);
    *is_there = json_is_integer(value);
    *number = json_integer_value(value);
}

static enum ahora_op read_op(const json_t *change) {
    static const char *const names[] = {"set", "patch", "adjust", "touch", "delete"};
    const char *op = json_string_value(json_object_get(change, "op"));
    unsigned i = 0;
    while (i < AHORA_DELETE && strcmp(names[i], op) != 0) {
        i++;
    }
    return (enum ahora_op)i;
}

static void read_change(const json_t *json, struct ahora_change *change) {
    *change = (struct ahora_change){.op = read_op(json),
                                    .topic = ahora_text(json_string_value(json_object_get(json, "topic"))),
                                    .data = packed_of(json_object_get(json, "data")),
                                    .key = ahora_text(json_string_value(json_object_get(json, "key"))),
                                    .if_newer = json_is_true(json_object_get(json, "if_newer"))};
    read_number(json, "at", &change->has_at, &change->at);
    read_number(json, "if_seq", &change->has_if_seq, &change->if_seq);
    read_number(json, "fresh_ms", &change->has_fresh_ms, &change->fresh_ms);
    read_number(json, "expire_ms", &change->has_expire_ms, &change->expire_ms);
}

static void do_publish(const json_t *command) {
    const json_t *list = json_object_get(command, "changes");
    size_t count = json_array_size(list);
    struct ahora_change *changes = calloc(count + 1, sizeof(changes[0]));
    char *name = strdup(json_string_value(json_object_get(command, "pub")));
    for (size_t i = 0; i < count; i++) {
        read_change(json_array_get(list, i), &changes[i]);
    }
    enum ahora_code code = ahora_publish(client, changes, count, json_is_true(json_object_get(command, "atomic")),
                                         AHORA_ACK_DURABLE, on_published, name);
    if (code != AHORA_OK) {
        say(json_pack("{s:s, s:s}", "pub", name, "outcome", ahora_code_name(code)));
        free(name);
    }
    for (size_t i = 0; i < count; i++) {
        free_value(changes[i].data);
    }
    free(changes);
}

static void on_snapshot(struct ahora *from, const struct ahora_snapshot *snapshot, void *user) {
    (void)from;
    json_t *told = json_pack("{s:s}", "get", user);
    if (snapshot->outcome != AHORA_ANSWERED || snapshot->code != AHORA_OK) {
        json_object_set_new(told, "error", json_string(ahora_code_name(snapshot->code)));
    } else {
        json_t *topics = json_array();
        for (size_t i = 0; i < snapshot->count; i++) {
            json_array_append_new(topics, text_of(snapshot->items[i].topic));
        }
        json_object_set_new(told, "topics", topics);
    }
    say(told);
    free(user);
}

static void do_get(const json_t *command) {
    const char *patterns[AHORA_PATTERNS_MAX];
    unsigned count = read_match(json_object_get(command, "match"), patterns);
    char *name = strdup(json_string_value(json_object_get(command, "get")));
    enum ahora_code code = ahora_get(client, patterns, count, 0, on_snapshot, name);
    if (code != AHORA_OK) {
        say(json_pack("{s:s, s:s}", "get", name, "error", ahora_code_name(code)));
        free(name);
    }
}

/* ---- standard input ---- */

static const struct {
    const char *name;
    void (*run)(const json_t *command);
} commands[] = {
    {"open", do_open}, {"subscribe", do_subscribe},     {"move", do_move}, {"publish", do_publish},
    {"get", do_get},   {"unsubscribe", do_unsubscribe},
};

static void run_line(const char *line, size_t bytes) {
    json_t *command = json_loadb(line, bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(command, "do"));
    for (size_t i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0 && (client != NULL || i == 0)) {
            commands[i].run(command);
        }
    }
    json_decref(command);
}

static char input[1 << 20];
static size_t input_bytes;

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)handle;
    (void)wanted;
    *buffer = uv_buf_init(input + input_bytes, (unsigned)(sizeof(input) - input_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        if (client != NULL) {
            ahora_close(client, NULL, NULL);
        }
        return;
    }
    input_bytes += (size_t)count;
    const char *end;
    while ((end = memchr(input, '\n', input_bytes)) != NULL) {
        size_t bytes = (size_t)(end - input) + 1;
        run_line(input, bytes - 1);
        memmove(input, input + bytes, input_bytes - bytes);
        input_bytes -= bytes;
    }
    assert(input_bytes < sizeof(input));
}

int main(void) {
    static uv_pipe_t pipe;
    signal(SIGPIPE, SIG_IGN);
    say(json_pack("{s:s, s:[sss]}", "driver", "c", "can", "msgpack", "tokens", "age"));
    uv_pipe_init(uv_default_loop(), &pipe, 0);
    uv_pipe_open(&pipe, 0);
    uv_read_start((uv_stream_t *)&pipe, give_room, on_read);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    for (size_t i = 0; i < token_count; i++) {
        free(tokens[i]);
    }
    free(tokens);
    return uv_loop_close(uv_default_loop()) == 0 ? 0 : 1;
}
