/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Drives the core as the broker's main does, with a journal in memory.
 *
 * The linker hands every call of request_handle and ledger_apply to the wrappers below: so the model hears of each message and each list
 * of changes at the very moment the core takes it, whatever waited before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/state.h"
#include "tests/sim/kinds.h"
#include "tests/sim/sim.h"

struct sim *playing;

/* ---- what the core does, told to the model ---- */

bool __real_request_handle(struct core *core, struct session *session, struct span message);
bool __wrap_request_handle(struct core *core, struct session *session, struct span message);
void __real_ledger_apply(struct ledger *ledger, const char *principal, struct source *source, struct span changes,
                         uint32_t count, bool atomic, struct buffer *results);
void __wrap_ledger_apply(struct ledger *ledger, const char *principal, struct source *source, struct span changes,
                         uint32_t count, bool atomic, struct buffer *results);

bool __wrap_request_handle(struct core *core, struct session *session, struct span message) {
    struct client *client = session_owner(session);
    struct asked *asked = asked_pop(&client->sent);
    MUST(asked != NULL && !asked->garbage, "client %u: the core took a message that was not sent", client->number);
    MUST(span_equal(message, buffer_span(&asked->packed)), "client %u: the core took messages out of order", client->number);
    check_handling(client, asked);
    const uint64_t resumes = core_metrics(core)->resumes;
    playing->applying = asked;
    playing->applying_principal = client->principal;
    playing->applying_client = client;
    MUST(__real_request_handle(core, session, message), "client %u: with one core no message waits", client->number);
    playing->applying = NULL;
    playing->applying_client = NULL;
    check_handled(client, asked, core_metrics(core)->resumes > resumes);
    return true;
}

void __wrap_ledger_apply(struct ledger *ledger, const char *principal, struct source *source, struct span changes,
                         uint32_t count, bool atomic, struct buffer *results) {
    struct asked *asked = playing->applying;
    MUST(asked != NULL && asked->op == REQUEST_PUB && !asked->applied, "changes that nobody published");
    MUST(strcmp(principal, playing->applying_principal) == 0 && count == asked->wish_count && atomic == asked->atomic,
         "the ledger got another list than was published");
    const struct client *client = playing->applying_client;
    const int number = client == NULL ? NO_SOURCE : client->source;
    MUST((source == NULL) == (number == NO_SOURCE), "a list of another source than was published");
    MUST(source == NULL || span_is(span_of(source->name, source->bytes), model_source_name(number)), "another source");
    model_apply(&playing->model, principal, number, asked->wishes, asked->wish_count, asked->atomic, asked->verdicts);
    asked->applied = true;
    for (unsigned i = 0; i < asked->wish_count; i++) {
        if (asked->verdicts[i].code == AHORA_OK && asked->verdicts[i].seq > asked->ack_seq) {
            asked->ack_seq = asked->verdicts[i].seq;
        }
    }
    const size_t before = results->bytes;
    __real_ledger_apply(ledger, principal, source, changes, count, atomic, results);
    struct span told = span_of(results->data + before, results->bytes - before);
    report_trace(told.data, told.bytes);
    check_results(asked, told);
}

size_t __real_sources_lose(struct sources *sources, int64_t now_ms, size_t count_max);
size_t __wrap_sources_lose(struct sources *sources, int64_t now_ms, size_t count_max);
size_t __real_ledger_run_due(struct ledger *ledger, size_t count_max);
size_t __wrap_ledger_run_due(struct ledger *ledger, size_t count_max);

size_t __wrap_sources_lose(struct sources *sources, int64_t now_ms, size_t count_max) {
    const size_t count = __real_sources_lose(sources, now_ms, count_max);
    model_lose(&playing->model, count);
    return count;
}

/* Each change that the ledger makes by itself must be right; and if it stopped before its bound, nothing may be left. */
size_t __wrap_ledger_run_due(struct ledger *ledger, size_t count_max) {
    struct model *model = &playing->model;
    const size_t before = ledger->change_count;
    const size_t count = __real_ledger_run_due(ledger, count_max);
    MUST(count <= count_max && ledger->change_count - before <= count, "more was done in a turn than may be");
    for (size_t i = before; i < ledger->change_count; i++) {
        const struct change *change = &ledger->changes[i];
        const int topic = model_find_topic(model, topic_path(change->topic));
        MUST(topic >= 0 && change->stale == (change->document != NULL), "a change by itself of another sort");
        model_own_change(model, (unsigned)topic, change->seq, change->document == NULL, change->why);
    }
    const bool waits = ledger->mono_ms < ledger->due_wait_ms;
    MUST(count == count_max || waits || model_is_settled(model), "something is due and was not done");
    if (waits) {
        MUST(playing->room_is_short, "waits for room that there is");
        report_note(EVENT_DUE_WAITED);
    } else if (!model_is_settled(model)) {
        report_note(EVENT_DUE_BOUNDED);
    }
    return count;
}

/* ---- start and load ---- */

static void load_turn(struct sim *sim, const struct journal_turn *turn) {
    struct span rest = span_of(turn->bytes, turn->byte_count);
    while (rest.bytes > 0) {
        struct record record;
        MUST(record_read(&rest, &record), "a record cannot be read again");
        MUST(core_load(sim->core, &record) == RESULT_OK, "a record is not loaded");
    }
}

static void check_sums(struct sim *sim) {
    const struct metrics *metrics = core_metrics(sim->core);
    MUST(metrics->topics == model_topics(&sim->model), "%" PRIu64 " topics, must be %zu", metrics->topics,
         model_topics(&sim->model));
    MUST(metrics->removals == model_removals(&sim->model), "%" PRIu64 " removals, must be %zu", metrics->removals,
         model_removals(&sim->model));
    MUST(metrics->documents_bytes == model_documents_bytes(&sim->model), "%" PRIu64 " bytes of documents, must be %zu",
         metrics->documents_bytes, model_documents_bytes(&sim->model));
    MUST(metrics->keys == sim->model.key_count, "%" PRIu64 " keys, must be %zu", metrics->keys, sim->model.key_count);
}

static void check_graces(struct sim *sim) {
    struct link *all = &sim->core->ledger.sources.all;
    unsigned count = 0;
    for (struct link *link = all->next; link != all; link = link->next, count++) {
        const struct source *source = CONTAINER_OF(link, struct source, all);
        int index = 0;
        while (!span_is(span_of(source->name, source->bytes), model_source_name(index))) {
            index++;
        }
        model_regrace(&sim->model, index, source->grace_ms);
        MUST(source->deletes == model_source_deletes(index), "a source forgot what is to become of its topics");
    }
    for (unsigned i = 0; i < SOURCES_MAX; i++) {
        count -= sim->model.sources[i].due_ms != INT64_MAX;
    }
    MUST(count == 0, "not as many sources as stored");
}

void host_start(struct sim *sim) {
    const struct core_options options = {
        .limits = sim->limits, .kinds = sim_kinds(), .epoch = sim->epoch, .server = "ahora/sim", .seed = dice_next(&sim->dice)};
    sim->core = core_create(&options);
    MUST(sim->core != NULL, "no memory");
    core_set_time(sim->core, sim->wall_ms, sim->mono_ms);
    const bool backwards = dice_chance(&sim->dice, 300); /* the order of records is not to matter */
    for (size_t i = 0; i < sim->turn_count; i++) {
        load_turn(sim, &sim->turns[backwards ? sim->turn_count - 1 - i : i]);
    }
    MUST(core_loaded(sim->core, sim->epoch, sim->floor) == RESULT_OK, "no memory");
    MUST(core_seq(sim->core) == sim->model.seq, "loaded up to seq %" PRId64 ", must be %" PRId64, core_seq(sim->core),
         sim->model.seq);
    check_graces(sim);
    sim->lives++;
    sim->draining = false;
    check_sums(sim);
}

void host_set_time(struct sim *sim, int64_t ahead_ms, int64_t wall_jump_ms) {
    sim->mono_ms += ahead_ms;
    sim->wall_ms += ahead_ms + wall_jump_ms;
    sim->model.mono_ms = sim->mono_ms;
    sim->model.wall_ms = sim->wall_ms;
    core_set_time(sim->core, sim->wall_ms, sim->mono_ms);
    const int64_t due = core_next_due(sim->core);
    MUST(due <= sim->mono_ms + 1000, "the next tick is due in more than a second");
    model_expire_keys(&sim->model); /* first, as the core does: input that waited is handled after it */
    core_tick(sim->core);
}

/* ---- sessions ---- */

static void let_go(struct client *client) {
    const char *reason = "";
    const int code = session_close_code(client->session, &reason);
    const struct sim *sim = client->sim;
    const bool late = !client->hello_handled && sim->mono_ms >= client->opened_ms + sim->limits.hello_ms;
    const int nonsense = client->encoding == ENCODING_JSON ? AHORA_CLOSE_NOT_UTF8 : AHORA_CLOSE_BAD_MESSAGE;
    const bool unheard = !client->hello_handled && code == AHORA_CLOSE_BAD_MESSAGE;
    const bool right = ((code == nonsense || unheard) && client->expects_close) || (code == AHORA_CLOSE_NO_HELLO && late) ||
                       (code == AHORA_CLOSE_GOING_AWAY && sim->draining) ||
                       (code == AHORA_CLOSE_TRY_AGAIN_LATER && sim->draining && !client->hello_handled) ||
                       (code == AHORA_CLOSE_TOO_MANY && client->sent.count > 0);
    MUST(right, "client %u: closed with %d %s", client->number, code, reason);
    if (code == AHORA_CLOSE_NO_HELLO) {
        report_note(EVENT_NO_HELLO);
    }
    report_line("client %u is closed: %d %s", client->number, code, reason);
    if (dice_chance(&client->sim->dice, 500)) { /* it reads to the end first */
        while (client->socket.bytes + client->tail.bytes > 0) {
            line_read(client, 1000);
        }
    }
    client_gone(client);
}

static void serve_ghost(struct client *client) {
    struct span piece;
    while (session_pull(client->sim->core, client->session, &piece)) {
        report_trace(piece.data, piece.bytes);
    }
}

/* By either way: what one gives the other would have given. */
static bool next_piece(struct client *client, struct span *piece) {
    struct sim *sim = client->sim;
    if (session_peek(client->session, piece, 1) == 1 && dice_chance(&sim->dice, 700)) {
        (void)session_took(sim->core, client->session, 1);
        report_note(EVENT_SHORT_WAY);
        return true;
    }
    return session_pull(sim->core, client->session, piece);
}

/* Pulls until the session has no more, its socket no room, or its time is over (true). */
static bool serve(struct client *client) {
    struct sim *sim = client->sim;
    struct span piece;
    if (client->ghost) {
        serve_ghost(client);
        return false;
    }
    while (next_piece(client, &piece)) {
        MUST(piece.bytes > 0, "client %u: an empty piece", client->number);
        if (!line_take(client, piece)) {
            client->choked = true;
            session_set_choked(sim->core, client->session, true);
            report_note(EVENT_CHOKED);
            return false;
        }
        if (dice_chance(&sim->dice, 30)) {
            return true;
        }
    }
    const char *reason = NULL;
    if (session_close_code(client->session, &reason) != 0) {
        if (dice_chance(&sim->dice, 500)) { /* the closing handshake takes its time */
            client->ghost = true;
            return false;
        }
        let_go(client);
    }
    return false;
}

void host_serve_one(struct client *client) {
    if (client->session != NULL && !client->choked && serve(client)) {
        session_yield(client->sim->core, client->session);
        report_note(EVENT_YIELD);
    }
}

#define YIELDS_A_TURN_MAX 20

void host_serve(struct sim *sim) {
    unsigned yields = 0;
    for (struct session *session; yields < YIELDS_A_TURN_MAX && (session = core_next_ready(sim->core)) != NULL;) {
        if (serve(session_owner(session))) {
            session_yield(sim->core, session);
            yields++;
            report_note(EVENT_YIELD);
        }
    }
    /* The loop is left early: whoever still has a part of this turn must give it back before the next. */
    for (unsigned i = 0; yields == YIELDS_A_TURN_MAX && i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        if (client->session != NULL && !client->choked) {
            session_yield(sim->core, client->session);
        }
    }
}

/* ---- turns ---- */

static void append(struct sim *sim) {
    int64_t first = 0;
    int64_t last = 0;
    const struct span records = core_turn(sim->core, &first, &last);
    MUST(records.bytes == sim->model.records_bytes, "a turn of %zu bytes, must be %zu", records.bytes,
         sim->model.records_bytes);
    MUST(records.bytes <= sim->model.room, "a turn larger than the room there was");
    MUST(first == sim->model.seq_stored + 1 && last == sim->model.seq, "a turn of other seqs");
    if (records.bytes == 0) {
        return;
    }
    if (sim->turn_count == sim->turn_capacity) {
        sim->turn_capacity = 2 * sim->turn_capacity + 64;
        sim->turns = realloc(sim->turns, sim->turn_capacity * sizeof *sim->turns);
        MUST(sim->turns != NULL, "no memory");
    }
    struct journal_turn *turn = &sim->turns[sim->turn_count++];
    *turn = (struct journal_turn){.bytes = malloc(records.bytes), .byte_count = records.bytes, .seq_last = last};
    MUST(turn->bytes != NULL, "no memory");
    memcpy(turn->bytes, records.data, records.bytes);
}

static void take_tickets(struct sim *sim) {
    for (struct ticket *ticket; (ticket = core_next_ticket(sim->core)) != NULL;) {
        struct http_publish *http = ticket->owner;
        MUST(http->used && !http->canceled, "a ticket twice");
        const int64_t reached = http->asked.ack == ACK_DURABLE ? sim->model.seq_durable : sim->model.seq_stored;
        MUST(http->asked.ack_seq <= reached, "a ticket came too early");
        http->used = false;
        report_note(EVENT_TICKET);
    }
}

void host_end_turn(struct sim *sim) {
    append(sim);
    core_turn_stored(sim->core);
    model_turn_stored(&sim->model);
    take_tickets(sim);
    host_serve(sim);
}

void host_sync(struct sim *sim) {
    const int64_t behind = sim->model.seq_stored - sim->model.seq_durable;
    if (behind == 0) {
        return;
    }
    sim->model.seq_durable = sim->model.seq_stored;
    for (size_t i = sim->turn_count; i > 0 && dice_chance(&sim->dice, 600); i--) { /* not all of it */
        const int64_t before = i < 2 ? 0 : sim->turns[i - 2].seq_last;
        if (before <= sim->seq_durable) {
            break;
        }
        sim->model.seq_durable = before;
    }
    sim->seq_durable = sim->model.seq_durable;
    core_durable(sim->core, sim->model.seq_durable);
    take_tickets(sim);
}

/* ---- publishing and reading as HTTP does ---- */

void host_publish(struct sim *sim) {
    unsigned index = (unsigned)dice_below(&sim->dice, HTTP_MAX);
    struct http_publish *http = &sim->http[index];
    if (http->used) {
        if (dice_chance(&sim->dice, 200)) {
            core_cancel(sim->core, &http->ticket);
            http->used = false;
        }
        return;
    }
    *http = (struct http_publish){.used = true};
    struct asked *asked = &http->asked;
    asked->op = REQUEST_PUB;
    asked->wish_count = (unsigned)dice_between(&sim->dice, 1, WISHES_MAX);
    for (unsigned i = 0; i < asked->wish_count; i++) {
        script_wish(sim, &asked->wishes[i]);
    }
    asked->atomic = dice_chance(&sim->dice, 300);
    asked->ack = (enum ack)dice_below(&sim->dice, 3);
    struct buffer changes;
    struct buffer results;
    buffer_init(&changes, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    asked_encode_changes(asked, &changes);
    const struct publish publish = {.principal = "h",
                                    .changes = buffer_span(&changes),
                                    .change_count = asked->wish_count,
                                    .atomic = asked->atomic,
                                    .ack = asked->ack};
    http->ticket.owner = http;
    sim->applying = asked;
    sim->applying_principal = "h";
    const enum ahora_code code = core_publish(sim->core, &publish, &results, &http->ticket);
    sim->applying = NULL;
    MUST(code == (sim->draining ? AHORA_DRAINING : AHORA_OK), "a publish over HTTP got %s", ahora_code_name(code));
    http->used = code == AHORA_OK;
    if (http->used) {
        check_results(asked, buffer_span(&results));
    }
    buffer_fini(&changes);
    buffer_fini(&results);
}

static void check_select(struct sim *sim) {
    struct asked drawn = {0};
    struct name names[PATTERNS_OF_SUB_MAX];
    struct selection selection;
    script_patterns(sim, &drawn);
    for (unsigned i = 0; i < drawn.pattern_count; i++) {
        MUST(name_parse_pattern(span_of_text(drawn.patterns[i]), &names[i], NULL) == AHORA_OK, "a pattern is refused");
    }
    MUST(core_select(sim->core, names, drawn.pattern_count, (struct span){0}, 0, &selection) == AHORA_OK, "no memory");
    size_t count = 0;
    for (unsigned i = 0; i < sim->model.topic_count; i++) {
        count += (drawn.topics >> i & 1) && model_exists_at(&sim->model, i, sim->model.seq);
    }
    MUST(selection.count == count, "%zu topics are selected, must be %zu", selection.count, count);
    for (size_t i = 0; i < selection.count; i++) {
        const int topic = model_find_topic(&sim->model, topic_path(selection.topics[i]));
        MUST(topic >= 0 && (drawn.topics >> topic & 1), "a wrong topic is selected");
        MUST(selection.topics[i]->seq == model_at(&sim->model, (unsigned)topic, sim->model.seq)->seq,
             "a topic has a wrong seq");
    }
    selection_fini(sim->core, &selection);
}

void host_check_reading(struct sim *sim) {
    check_sums(sim);
    check_select(sim);
    MUST(core_seq(sim->core) == sim->model.seq_stored, "core_seq is not what was stored");
    for (unsigned i = 0; i < sim->model.topic_count; i++) {
        struct name name;
        MUST(name_parse_topic(span_of_text(sim->model.topics[i].path), &name, NULL) == AHORA_OK, "a topic is refused");
        const struct topic *topic = core_get(sim->core, &name);
        const struct version *version = model_at(&sim->model, i, sim->model.seq);
        const bool exists = version != NULL && !version->removed;
        MUST((topic != NULL) == exists, "%s: exists or not", sim->model.topics[i].path);
        struct paper paper;
        MUST(!exists || (topic->seq == version->seq && topic->at == version->at && topic->fresh_ms == version->fresh_ms &&
                         topic->expire_ms == version->expire_ms && topic->stale == version->stale &&
                         paper_read(document_span(topic->document), &paper) && paper_equal(&paper, &version->paper)),
             "%s is not as it was written", sim->model.topics[i].path);
    }
}

/* ---- crashes ---- */

static void stop_core(struct sim *sim) {
    if (core_metrics(sim->core)->fell_behind > 0) {
        report_note(EVENT_FELL_BEHIND);
    }
    for (unsigned i = 0; i < HTTP_MAX; i++) {
        if (sim->http[i].used) {
            core_cancel(sim->core, &sim->http[i].ticket);
            sim->http[i].used = false;
        }
    }
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        if (client->session != NULL && dice_chance(&sim->dice, 500)) { /* what the network had, it may still deliver */
            line_read(client, (size_t)dice_below(&sim->dice, 2000));
        }
        client_gone(client);
    }
    core_destroy(sim->core);
    sim->core = NULL;
}

static void drop_turns(struct sim *sim, size_t kept) {
    while (sim->turn_count > kept) {
        free(sim->turns[--sim->turn_count].bytes);
    }
}

/* Where a power loss cuts the journal: anywhere behind what is durable. */
static size_t draw_cut(struct sim *sim) {
    size_t least = 0;
    while (least < sim->turn_count && sim->turns[least].seq_last <= sim->seq_durable) {
        least++;
    }
    return (size_t)dice_between(&sim->dice, (int64_t)least, (int64_t)sim->turn_count);
}

struct kept_record {
    struct record record;
    bool dropped;
};

/* What is left of a record that goes. */
static void keep_key(struct buffer *bytes, const struct record *record) {
    if (record->key.bytes > 0) {
        const struct record alone = record_key_alone(record);
        record_put(bytes, &alone);
    }
}

/* As the checkpoint does: the newest record of each topic in any order, old removals forgotten, the keys of all others kept.
   Everything in it is durable. */
static void compact(struct sim *sim) {
    size_t turns = 0;
    while (turns < sim->turn_count && sim->turns[turns].seq_last <= sim->seq_durable) {
        turns++;
    }
    if (turns == 0) {
        return;
    }
    struct kept_record newest[TOPICS_MAX] = {0};
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    for (size_t i = 0; i < turns; i++) {
        struct span rest = span_of(sim->turns[i].bytes, sim->turns[i].byte_count);
        while (rest.bytes > 0) {
            struct record record;
            MUST(record_read(&rest, &record), "a record cannot be read again");
            if (record.topic.bytes == 0) {
                keep_key(&bytes, &record);
                continue;
            }
            const int topic = model_find_topic(&sim->model, record.topic);
            MUST(topic >= 0, "a record of a topic nobody made");
            struct record *held = &newest[topic].record;
            const bool is_newer = record.seq > held->seq;
            keep_key(&bytes, is_newer ? held : &record);
            if (is_newer) {
                *held = record;
            }
        }
    }
    const int64_t forget = dice_between(&sim->dice, sim->floor, sim->turns[turns - 1].seq_last);
    const unsigned first = (unsigned)dice_below(&sim->dice, TOPICS_MAX);
    for (unsigned i = 0; i < TOPICS_MAX; i++) {
        const struct record *record = &newest[(first + i * 37) % TOPICS_MAX].record;
        if (record->seq > 0 && record->removed && record->seq <= forget) {
            sim->floor = record->seq > sim->floor ? record->seq : sim->floor;
            keep_key(&bytes, record);
        } else if (record->seq > 0) {
            record_put(&bytes, record);
        }
    }
    const int64_t seq_last = sim->turns[turns - 1].seq_last;
    for (size_t i = 0; i < turns; i++) {
        free(sim->turns[i].bytes);
    }
    memmove(sim->turns + 1, sim->turns + turns, (sim->turn_count - turns) * sizeof *sim->turns);
    sim->turn_count -= turns - 1;
    sim->turns[0] = (struct journal_turn){.bytes = bytes.data, .byte_count = bytes.bytes, .seq_last = seq_last};
    report_note(EVENT_COMPACTED);
}

void host_crash(struct sim *sim, bool machine) {
    const int64_t seq_applied = sim->model.seq;
    if (dice_chance(&sim->dice, 500)) {
        append(sim); /* the turn was stored, and shown to nobody */
    }
    stop_core(sim);
    if (machine) {
        drop_turns(sim, draw_cut(sim));
        sim->epochs++;
        (void)snprintf(sim->epoch, sizeof sim->epoch, "e%u", sim->epochs);
    }
    const int64_t seq = sim->turn_count == 0 ? 0 : sim->turns[sim->turn_count - 1].seq_last;
    report_note(machine ? EVENT_MACHINE_CRASH : EVENT_PROCESS_CRASH);
    if (seq < seq_applied) {
        report_note(EVENT_TURN_LOST);
    }
    MUST(machine || seq >= sim->model.seq_stored, "the journal of a killed process lost something");
    MUST(seq >= sim->seq_durable, "the journal lost what was durable");
    if (dice_chance(&sim->dice, 500)) {
        compact(sim);
    }
    sim->seq_durable = seq;
    model_crash(&sim->model, seq, sim->floor);
    report_line("%s crash at seq %" PRId64 ", back at %" PRId64 ", epoch %s, floor %" PRId64, machine ? "machine" : "process",
                seq_applied, seq, sim->epoch, sim->floor);
    host_start(sim);
}

/* ---- the end ---- */

void host_drain(struct sim *sim) {
    sim->draining = true;
    core_drain(sim->core, "stopping", 5000);
    report_note(EVENT_DRAIN);
}

void host_stop(struct sim *sim) {
    for (unsigned i = 0; i < sim->client_count; i++) {
        client_gone(&sim->clients[i]);
    }
    host_set_time(sim, sim->limits.key_ms + 1, 0);
    append(sim); /* what became due meanwhile */
    core_turn_stored(sim->core);
    model_turn_stored(&sim->model);
    const struct metrics *metrics = core_metrics(sim->core);
    MUST(metrics->sessions == 0 && metrics->subscriptions == 0 && metrics->subscriptions_live == 0 && metrics->views == 0 &&
             metrics->keys == 0,
         "not all gauges are back at zero");
    stop_core(sim);
    drop_turns(sim, 0);
    free(sim->turns);
    sim->turns = NULL;
}
