/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "tests/sim/sim.h"

/* ---- what was asked ---- */

void asked_push(struct asked_list *list, struct asked *asked) {
    if (list->count == 0) {
        list->end = &list->first;
    }
    asked->next = NULL;
    *list->end = asked;
    list->end = &asked->next;
    list->count++;
}

struct asked *asked_pop(struct asked_list *list) {
    struct asked *asked = list->first;
    if (asked == NULL) {
        return NULL;
    }
    list->first = asked->next;
    list->count--;
    if (list->count == 0) {
        list->end = &list->first;
    }
    return asked;
}

void asked_free(struct asked *asked) {
    buffer_fini(&asked->packed);
    free(asked);
}

static void drop_all(struct asked_list *list) {
    for (struct asked *asked; (asked = asked_pop(list)) != NULL;) {
        asked_free(asked);
    }
}

static struct asked *ask(struct client *client, enum request_op op) {
    struct asked *asked = calloc(1, sizeof *asked);
    MUST(asked != NULL, "no memory");
    asked->op = op;
    asked->slot = -1;
    asked->source = NO_SOURCE;
    asked->since = -1;
    asked->id = op == REQUEST_HELLO ? 0 : ++client->id_last;
    buffer_init(&asked->packed, SIZE_MAX);
    return asked;
}

static void put_match(const struct asked *asked, struct buffer *out) {
    if (asked->pattern_count != 1) {
        pack_put_list(out, asked->pattern_count);
    }
    for (unsigned i = 0; i < asked->pattern_count; i++) {
        pack_put_key(out, asked->patterns[i]);
    }
}

void asked_encode_changes(struct asked *asked, struct buffer *out) {
    pack_put_list(out, asked->wish_count);
    for (unsigned i = 0; i < asked->wish_count; i++) {
        wish_put(out, &asked->wishes[i]);
    }
}

static void put_narrow(struct client *client, const struct asked *asked, struct buffer *where, struct buffer *near) {
    struct dice *dice = &client->sim->dice;
    if (asked->wrong_narrow) {
        if (asked->op != REQUEST_MOVE && dice_chance(dice, 500)) {
            narrow_put_wrong_where(where, dice);
        } else {
            narrow_put_wrong_near(near, dice);
        }
        return;
    }
    if (asked->narrow.count > 0) {
        narrow_put_where(where, &asked->narrow, dice);
    }
    if (asked->narrow.near.wanted) {
        narrow_put_near(near, &asked->narrow.near);
    }
}

/* Makes it bytes and lets it wait for its turn. */
static void wait(struct client *client, struct asked *asked) {
    struct buffer value;
    struct buffer token;
    buffer_init(&value, SIZE_MAX);
    buffer_init(&token, SIZE_MAX);
    struct request request = {.op = asked->op, .id = asked->id, .every_ms = asked->every_ms, .limit = asked->limit};
    if (asked->op == REQUEST_PUB) {
        asked_encode_changes(asked, &value);
        request.changes = buffer_span(&value);
        request.atomic = asked->atomic;
        request.ack = asked->ack;
    } else {
        put_match(asked, &value);
        request.match = buffer_span(&value);
    }
    struct buffer where;
    struct buffer near;
    buffer_init(&where, SIZE_MAX);
    buffer_init(&near, SIZE_MAX);
    put_narrow(client, asked, &where, &near);
    request.where = where.bytes > 0 ? buffer_span(&where) : (struct span){0};
    request.near = near.bytes > 0 ? buffer_span(&near) : (struct span){0};
    if (asked->since >= 0) {
        token_put(&token, asked->since_epoch, asked->since);
        request.since = buffer_span(&token);
    }
    if (asked->op == REQUEST_AUTH) {
        request.token = span_of_text("a.b.c");
    }
    if (asked->source != NO_SOURCE) {
        request.source = span_of_text(model_source_name(asked->source));
        request.on_lost = model_source_deletes(asked->source) ? ON_LOST_DELETE : ON_LOST_STALE;
        request.has_grace_ms = true;
        request.grace_ms = asked->grace_ms;
    }
    request_put(&asked->packed, &request);
    buffer_fini(&value);
    buffer_fini(&token);
    buffer_fini(&where);
    buffer_fini(&near);
    asked_push(&client->waiting, asked);
}

/* ---- subscriptions ---- */

static void ask_sub(struct client *client, struct sub *sub) {
    struct asked *asked = ask(client, REQUEST_SUB);
    if (dice_chance(&client->sim->dice, 300)) { /* ids may come again when they are free */
        asked->id = 1000000 + (sub - client->subs);
        report_note(EVENT_RESUBSCRIBED);
    }
    memcpy(asked->patterns, sub->patterns, sizeof asked->patterns);
    asked->pattern_count = sub->pattern_count;
    asked->topics = sub->topics;
    asked->every_ms = sub->every_ms;
    asked->narrow = sub->narrow;
    asked->slot = (int)(sub - client->subs);
    if (sub->has_token) {
        asked->since = sub->token;
        memcpy(asked->since_epoch, sub->token_epoch, sizeof asked->since_epoch);
    }
    sub->id = asked->id;
    sub->state = SUB_ASKED;
    sub->begun = false;
    sub->shared = false;
    sub->live = false;
    wait(client, asked);
}

void client_subscribe(struct client *client, struct sub *sub) {
    struct dice *dice = &client->sim->dice;
    struct asked drawn = {0};
    script_patterns(client->sim, &drawn);
    *sub =
        (struct sub){.pattern_count = drawn.pattern_count, .topics = drawn.topics, .overlaps = drawn.overlaps, .wanted = true};
    memcpy(sub->patterns, drawn.patterns, sizeof sub->patterns);
    sub->every_ms = dice_chance(dice, 250) ? dice_between(dice, 1, 1500) : 0;
    if (dice_chance(dice, 450)) {
        narrow_draw(&sub->narrow, dice, sub->pattern_count == 1);
    }
    if (dice_chance(dice, 60)) { /* a token of a world that is not */
        sub->has_token = true;
        sub->token = dice_chance(dice, 500) ? client->sim->model.seq + 1000 : 1;
        (void)snprintf(sub->token_epoch, sizeof sub->token_epoch, "%s", sub->token == 1 ? "other" : client->sim->epoch);
    }
    ask_sub(client, sub);
}

void client_unsubscribe(struct client *client, struct sub *sub) {
    struct asked *asked = ask(client, REQUEST_UNSUB);
    asked->slot = (int)(sub - client->subs);
    asked->id = sub->id;
    sub->state = SUB_LEAVING;
    sub->wanted = false;
    sub->has_token = false;
    wait(client, asked);
}

void client_ask_resume(struct client *client) {
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        if (client->subs[i].wanted && client->subs[i].state == SUB_NONE) {
            ask_sub(client, &client->subs[i]);
        }
    }
}

static void ask_wrong_sub(struct client *client) {
    struct dice *dice = &client->sim->dice;
    struct asked *asked = ask(client, REQUEST_SUB);
    static const struct {
        const char *pattern;
        enum ahora_code code;
    } wrong[] = {{"stock/**/a", AHORA_BAD_PATTERN}, {"stock//a", AHORA_BAD_PATTERN}, {"", AHORA_BAD_PATTERN},
                 {"stock/a*", AHORA_BAD_PATTERN},   {"boats/*", AHORA_UNKNOWN_KIND}, {"stock/*", AHORA_INVALID}};
    unsigned which = (unsigned)dice_below(dice, sizeof wrong / sizeof wrong[0]);
    asked->pattern_count = 1;
    (void)snprintf(asked->patterns[0], PATTERN_BYTES, "%s", wrong[which].pattern);
    asked->fault = wrong[which].code;
    asked->wrong_narrow = asked->fault == AHORA_INVALID && dice_chance(dice, 700);
    asked->every_ms = asked->fault == AHORA_INVALID && !asked->wrong_narrow ? client->sim->limits.every_ms_max + 1 : 0;
    for (unsigned i = 0; i < SUBS_MAX && which == 0; i++) { /* or an id in use */
        if (client->subs[i].state == SUB_ACTIVE) {
            asked->id = client->subs[i].id;
            (void)snprintf(asked->patterns[0], PATTERN_BYTES, "stock/*");
            asked->fault = AHORA_BAD_MESSAGE;
        }
    }
    wait(client, asked);
}

static void ask_move(struct client *client, struct sub *sub) {
    struct dice *dice = &client->sim->dice;
    struct asked *asked = ask(client, REQUEST_MOVE);
    asked->slot = (int)(sub - client->subs);
    asked->id = sub->id;
    asked->wrong_narrow = dice_chance(dice, 60);
    narrow_draw_circle(&asked->narrow.near, dice, sub->pattern_count == 1);
    wait(client, asked);
}

/* ---- other messages ---- */

static void ask_pub(struct client *client) {
    struct dice *dice = &client->sim->dice;
    struct asked *asked = ask(client, REQUEST_PUB);
    asked->wish_count = dice_chance(dice, 600) ? 1 : (unsigned)dice_between(dice, 1, WISHES_MAX);
    for (unsigned i = 0; i < asked->wish_count; i++) {
        script_wish(client->sim, &asked->wishes[i]);
    }
    asked->atomic = dice_chance(dice, 300);
    asked->ack = (enum ack)dice_below(dice, 3);
    asked->id = asked->ack == ACK_NONE && dice_chance(dice, 500) ? 0 : asked->id;
    wait(client, asked);
}

static void ask_get(struct client *client) {
    struct asked *asked = ask(client, REQUEST_GET);
    script_patterns(client->sim, asked);
    if (dice_chance(&client->sim->dice, 300)) {
        narrow_draw(&asked->narrow, &client->sim->dice, false);
    }
    asked->limit = dice_chance(&client->sim->dice, 300) ? dice_between(&client->sim->dice, 1, 5) : 0;
    wait(client, asked);
}

static void ask_nonsense(struct client *client) {
    struct asked *asked = ask(client, REQUEST_PING);
    asked->garbage = dice_chance(&client->sim->dice, 150);
    asked->unknown = true;
    if (asked->garbage) {
        buffer_put(&asked->packed, "\xc1\xff{", 3);
    } else {
        pack_put_map(&asked->packed, 2);
        pack_put_key(&asked->packed, "op");
        pack_put_key(&asked->packed, "sing");
        pack_put_key(&asked->packed, "id");
        pack_put_int(&asked->packed, asked->id);
    }
    asked_push(&client->waiting, asked);
}

static struct sub *sub_in(struct client *client, enum sub_state state) {
    unsigned first = (unsigned)dice_below(&client->sim->dice, SUBS_MAX);
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[(first + i) % SUBS_MAX];
        if (sub->state == state) {
            return sub;
        }
    }
    return NULL;
}

static void burst(struct client *client) {
    for (int i = 0; i < 8; i++) {
        struct sub *sub = sub_in(client, SUB_NONE);
        if (sub != NULL) {
            client_subscribe(client, sub);
        }
        sub = sub_in(client, dice_chance(&client->sim->dice, 500) ? SUB_ASKED : SUB_ACTIVE);
        if (sub != NULL) {
            client_unsubscribe(client, sub);
        }
    }
}

/* Mostly of those that have a circle, at times several times in a row. */
static void move_some(struct client *client) {
    struct dice *dice = &client->sim->dice;
    const bool any = dice_chance(dice, 50);
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[i];
        if ((sub->state == SUB_ACTIVE || sub->state == SUB_ASKED) && (any || sub->narrow.near.wanted)) {
            ask_move(client, sub);
        }
    }
}

static void act_greeted(struct client *client) {
    struct dice *dice = &client->sim->dice;
    const unsigned throw = (unsigned)dice_below(dice, 1000);
    struct sub *sub = NULL;
    if (throw < 430) {
        ask_pub(client);
    } else if (throw < 620) {
        sub = sub_in(client, SUB_NONE);
        if (sub != NULL) {
            client_subscribe(client, sub);
        }
    } else if (throw < 690) {
        sub = sub_in(client, dice_chance(dice, 800) ? SUB_ACTIVE : SUB_ASKED);
        if (sub != NULL) {
            client_unsubscribe(client, sub);
        }
    } else if (throw < 770) {
        ask_get(client);
    } else if (throw < 800) {
        wait(client, ask(client, REQUEST_PING));
    } else if (throw < 815) {
        wait(client, ask(client, REQUEST_AUTH));
    } else if (throw < 825) {
        wait(client, ask(client, REQUEST_HELLO));
    } else if (throw < 855) {
        ask_wrong_sub(client);
    } else if (throw < 875) {
        ask_nonsense(client);
    } else if (throw < 895) {
        burst(client);
    } else if (throw < 925) {
        client_gone(client);
    } else {
        move_some(client);
    }
}

/* Sources have graces of their own, so that no two begin to be due at once after a restart. */
static void ask_hello(struct client *client) {
    struct dice *dice = &client->sim->dice;
    struct asked *asked = ask(client, REQUEST_HELLO);
    if (dice_chance(dice, 400)) {
        asked->source = (int)dice_below(dice, SOURCES_MAX);
        asked->grace_ms = SOURCES_MAX * dice_between(dice, 0, 300) + asked->source;
    }
    wait(client, asked);
}

static void act_ungreeted(struct client *client) {
    struct dice *dice = &client->sim->dice;
    if (client->hello_made || dice_chance(dice, 100)) {
        return;
    }
    if (dice_chance(dice, 30)) {
        wait(client, ask(client, REQUEST_PING));
    }
    client->hello_made = true;
    ask_hello(client);
    client_ask_resume(client);
}

void client_act(struct client *client) {
    struct dice *dice = &client->sim->dice;
    if (!dice_chance(dice, client->act_per_mille)) {
        return;
    }
    if (client->session == NULL) {
        if (dice_chance(dice, 400)) {
            client_connect(client);
        }
    } else if (client->ghost || client->expects_close) {
        return;
    } else if (client->encoding == ENCODING_SSE) {
        if (dice_chance(dice, 60)) {
            client_gone(client);
        }
    } else if (!client->greeted) {
        act_ungreeted(client);
    } else {
        act_greeted(client);
    }
}

/* ---- life ---- */

void client_init(struct client *client, struct sim *sim, unsigned number) {
    struct dice *dice = &sim->dice;
    *client = (struct client){
        .sim = sim, .number = number, .source = NO_SOURCE, .encoding = (enum encoding)dice_below(dice, ENCODINGS)};
    (void)snprintf(client->principal, sizeof client->principal, "c%u", number);
    client->socket_bytes_max = dice_chance(dice, 400) ? (size_t)dice_between(dice, 40, 600) : 100000;
    client->read_per_mille = dice_chance(dice, 300) ? (unsigned)dice_between(dice, 5, 200) : 900;
    client->act_per_mille = (unsigned)dice_between(dice, 20, 400);
    client->topic_of_ref = malloc(REFS_MAX);
    MUST(client->topic_of_ref != NULL, "no memory");
    buffer_init(&client->tail, SIZE_MAX);
    buffer_init(&client->socket, SIZE_MAX);
    buffer_init(&client->unread, SIZE_MAX);
}

void client_fini(struct client *client) {
    buffer_fini(&client->tail);
    buffer_fini(&client->socket);
    buffer_fini(&client->unread);
    free(client->tides);
    free(client->topic_of_ref);
}

static void connect_stream(struct client *client) {
    struct sub *sub = &client->subs[0];
    client->hello_handled = true;
    client->greeted = true;
    if (sub->wanted) {
        ask_sub(client, sub);
    } else {
        client_subscribe(client, sub);
    }
    sub->every_ms = 0;
}

void client_connect(struct client *client) {
    client->session = session_open(client->sim->core, client->encoding, client->principal, client);
    MUST(client->session != NULL, "no memory");
    client->opened_ms = client->sim->mono_ms;
    client->hello_made = client->hello_handled = client->greeted = false;
    client->choked = client->bye = client->expects_close = client->ghost = false;
    client->beat_last = 0;
    client->pulled = client->parsed = 0;
    client->at_broker_count = 0;
    memset(client->heard, 0, sizeof client->heard);
    memset(client->topic_of_ref, -1, REFS_MAX);
    memcpy(client->epoch, client->sim->epoch, sizeof client->epoch);
    if (client->encoding == ENCODING_SSE) {
        connect_stream(client);
    }
}

void client_gone(struct client *client) {
    if (client->unread.bytes > 0) {
        report_note(EVENT_CUT_FRAME);
    }
    if (client->session != NULL) {
        session_close(client->sim->core, client->session);
        client->session = NULL;
        if (client->source != NO_SOURCE) {
            model_source_leave(&client->sim->model, client->source);
        }
        client->source = NO_SOURCE;
    }
    drop_all(&client->waiting);
    drop_all(&client->sent);
    drop_all(&client->open);
    buffer_cut(&client->tail, 0);
    buffer_cut(&client->socket, 0);
    buffer_cut(&client->unread, 0);
    client->tide_count = 0;
    client->ghost = false;
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[i];
        sub->state = SUB_NONE;
        sub->at_broker = sub->begun = sub->live = false;
    }
}

/* ---- sending ---- */

static void put_message(const struct client *client, const struct asked *asked, struct buffer *message) {
    struct span packed = buffer_span(&asked->packed);
    if (client->encoding != ENCODING_JSON || asked->garbage) {
        buffer_put_span(message, packed);
        return;
    }
    json_put(message, packed);
}

static void hand_over(struct client *client, struct span message) {
    if (client->encoding == ENCODING_SSE) {
        session_receive_packed(client->sim->core, client->session, message);
    } else {
        session_receive(client->sim->core, client->session, message);
    }
}

void client_send(struct client *client) {
    struct dice *dice = &client->sim->dice;
    if (client->session == NULL || client->ghost || client->waiting.count == 0) {
        return;
    }
    if (!session_wants_read(client->session)) {
        report_note(EVENT_INPUT_WAITED);
        if (!dice_chance(dice, 30)) { /* what was read already still comes */
            return;
        }
    }
    struct buffer message;
    buffer_init(&message, SIZE_MAX);
    for (int64_t left = dice_between(dice, 1, 4); left > 0 && client->waiting.count > 0; left--) {
        struct asked *asked = asked_pop(&client->waiting);
        if (message.bytes > 0 && client->encoding == ENCODING_JSON) {
            buffer_put_text(&message, dice_chance(dice, 100) ? "\n \n" : "\n");
        }
        put_message(client, asked, &message);
        client->expects_close = client->expects_close || asked->garbage;
        asked_push(&client->sent, asked);
        left = asked->garbage ? 0 : left;
    }
    hand_over(client, buffer_span(&message));
    buffer_fini(&message);
}
