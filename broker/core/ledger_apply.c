/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How a change is applied:
 *
 *   1. is it well formed, is the topic legal, its kind known, its `at` believable           bad_message bad_topic unknown_kind invalid
 *      and, of a topic that does not exist, does it have a form of its kind
 *   2. is its key known: then the first result again                                       (nothing applied)
 *   3. do its conditions hold                                                              not_found conflict superseded
 *   4. the new document is made beside the old one, held against its kind's schema,        invalid out_of_range too_large
 *      and the fields that the broker writes are written
 *   5. is there room: topics, memory, journal                                              too_many overloaded store_full
 *   6. everything that can fail has: the topic takes the document and the next seq
 *
 * In an atomic list each step 6 first saves the topic as it was. The first failure puts all of them back in reverse, and the turn's
 * records and changes are cut to where the list began, so nothing of it was ever there.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/field_map.h"
#include "broker/core/ledger_internal.h"
#include "broker/core/rights.h"

/* Of a result's LEDGER_RESULT_BYTES_MAX; code and detail have the rest. */
#define VIOLATIONS_BYTES_MAX 880

/* What became of one change. */
struct outcome {
    enum ahora_code code;
    const char *detail;                  /* static */
    int64_t seq;                         /* accepted: its seq; conflict: the current one */
    int64_t retry_ms;                    /* refused: may do better after; 0: not said */
    struct span field;                   /* the field of `data` at fault; data NULL: none */
    bool repeated;                       /* the first result of a known key */
    const struct violations *violations; /* what is wrong with the document; NULL: nothing is listed */
};

/* A change on its way through the steps. */
struct attempt {
    struct ledger *ledger;
    const char *principal;
    struct source *source; /* NULL: none was named */
    bool atomic;
    const uint8_t *denied; /* bits of changes that are refused; NULL: none is */
    struct change_request request;
    size_t name_bytes;
    struct name name; /* of a topic that does not exist, or was removed */
    const struct kind *kind;
    struct topic *topic; /* NULL: unknown */
    int64_t at;
    struct span key; /* with its principal; empty: none */
    uint8_t key_text[KEY_TEXT_BYTES_MAX];
};

static struct outcome refuse(enum ahora_code code, const char *detail) {
    return (struct outcome){.code = code, .detail = detail};
}

static const struct outcome fine = {.code = AHORA_OK};

static bool exists(const struct attempt *attempt) {
    return attempt->topic != NULL && !topic_is_removed(attempt->topic);
}

/* ---- 1: form ---- */

/* A topic that exists was looked at when it came to be; only the broker's own are not for others to write. */
static bool find_known(struct attempt *attempt) {
    const struct span text = attempt->request.topic;
    if (text.bytes == 0 || text.bytes > AHORA_TOPIC_BYTES_MAX || text.data[0] == '$') {
        return false;
    }
    attempt->topic = ledger_find(attempt->ledger, text);
    if (!exists(attempt)) {
        return false;
    }
    attempt->name_bytes = text.bytes;
    attempt->kind = attempt->topic->kind;
    return true;
}

static struct outcome find_unknown(struct attempt *attempt) {
    const struct ledger *ledger = attempt->ledger;
    const char *detail = NULL;
    if (name_parse_topic(attempt->request.topic, &attempt->name, &detail) != AHORA_OK) {
        return refuse(AHORA_BAD_TOPIC, detail);
    }
    attempt->name_bytes = attempt->name.text.bytes;
    attempt->kind = kinds_find(ledger->kinds, attempt->name.segments[0]);
    if (attempt->kind == NULL) {
        return refuse(AHORA_UNKNOWN_KIND, "the first segment names no declared kind");
    }
    attempt->topic = ledger_find(ledger, attempt->name.text);
    if (!exists(attempt) && (detail = kind_address_fault(attempt->kind, &attempt->name)) != NULL) {
        return refuse(AHORA_BAD_TOPIC, detail); /* one that exists may be older than its kind's address */
    }
    return fine;
}

static struct outcome check_form(struct attempt *attempt) {
    const struct ledger *ledger = attempt->ledger;
    const struct outcome found = find_known(attempt) ? fine : find_unknown(attempt);
    if (found.code != AHORA_OK) {
        return found;
    }
    attempt->at = attempt->request.has_at ? attempt->request.at : ledger->wall_ms;
    if (attempt->at > ledger->wall_ms + ledger->limits->at_ahead_ms_max) {
        return refuse(AHORA_INVALID, "`at` lies too far in the future");
    }
    if (attempt->request.fresh_ms > ledger->limits->promise_ms_max ||
        attempt->request.expire_ms > ledger->limits->promise_ms_max) {
        return refuse(AHORA_INVALID, "`fresh_ms` or `expire_ms` is too long; 0 is for ever");
    }
    return fine;
}

/* ---- 2: key ---- */

static void compose_key(struct attempt *attempt) {
    struct span key = attempt->request.key;
    if (key.data == NULL) {
        attempt->key = (struct span){0};
        return;
    }
    size_t principal_bytes = strlen(attempt->principal);
    assert(principal_bytes + 1 + key.bytes <= KEY_TEXT_BYTES_MAX);
    memcpy(attempt->key_text, attempt->principal, principal_bytes + 1);
    memcpy(attempt->key_text + principal_bytes + 1, key.data, key.bytes);
    attempt->key = span_of(attempt->key_text, principal_bytes + 1 + key.bytes);
}

static bool recall(struct attempt *attempt, struct outcome *outcome) {
    if (attempt->key.bytes == 0) {
        return false;
    }
    const struct key *known = keys_find(&attempt->ledger->keys, attempt->key, attempt->ledger->mono_ms);
    if (known == NULL) {
        return false;
    }
    *outcome = (struct outcome){.code = AHORA_OK, .seq = known->seq, .repeated = true};
    return true;
}

/* A refused change applied nothing, so it is tried anew. */
static void remember(struct attempt *attempt, const struct outcome *outcome) {
    if (attempt->key.bytes == 0 || outcome->repeated || outcome->code != AHORA_OK) {
        return;
    }
    struct ledger *ledger = attempt->ledger;
    (void)keys_add(&ledger->keys, attempt->key, outcome->seq, ledger->mono_ms + ledger->limits->key_ms);
}

/* ---- 3: conditions ---- */

static struct outcome check_conditions(const struct attempt *attempt) {
    const struct change_request *request = &attempt->request;
    bool is_there = exists(attempt);
    int64_t seq = is_there ? attempt->topic->seq : 0;
    if (request->has_if_seq && request->if_seq != seq) {
        return (struct outcome){.code = AHORA_CONFLICT, .detail = "the topic's seq is another", .seq = seq};
    }
    if (!is_there && request->op != CHANGE_SET) {
        return refuse(AHORA_NOT_FOUND, "the topic does not exist");
    }
    if (request->if_newer && is_there && attempt->at <= attempt->topic->at) {
        return (struct outcome){.code = AHORA_SUPERSEDED, .detail = "the topic holds a later `at`", .seq = seq};
    }
    return fine;
}

/* ---- 4: the new document ---- */

/* The two things a change makes: both may stay NULL. */
struct made {
    struct document *document;
    struct document *patch;
};

typedef struct outcome make_function(struct attempt *attempt, struct made *made);

/* The document `next`, which `said` made, takes the shape of its kind; `is_patch`: subscribers get a patch. */
static struct outcome make_shaped(struct attempt *attempt, struct span next, struct span said, bool is_patch,
                                  struct made *made) {
    struct shaper *shaper = &attempt->ledger->shaper;
    const struct shape_input input = {
        .kind = attempt->kind,
        .next = next,
        .old = exists(attempt) ? document_span(attempt->topic->document) : (struct span){0},
        .said = said,
        .is_patch = is_patch,
        .at = attempt->at,
    };
    struct shape_output output;
    const char *detail = NULL;
    const enum ahora_code code = shaper_run(shaper, &input, &output, &detail);
    if (code != AHORA_OK) {
        const bool listed = code == AHORA_INVALID && shaper->violations.count > 0;
        return (struct outcome){.code = code, .detail = detail, .violations = listed ? &shaper->violations : NULL};
    }
    made->document = document_create(output.document);
    made->patch = is_patch ? document_create(output.patch) : NULL;
    const bool is_made = made->document != NULL && (!is_patch || made->patch != NULL);
    return is_made ? fine : refuse(AHORA_OVERLOADED, "no memory");
}

static struct outcome make_set(struct attempt *attempt, struct made *made) {
    const struct span data = attempt->request.data;
    if (data.bytes > attempt->ledger->limits->document_bytes_max) {
        return refuse(AHORA_TOO_LARGE, "the document is too large");
    }
    return make_shaped(attempt, data, data, false, made);
}

static struct outcome merge_into(struct attempt *attempt, struct span patch, struct made *made) {
    struct buffer *scratch = &attempt->ledger->scratch;
    buffer_cut(scratch, 0);
    switch (document_merge(scratch, document_span(attempt->topic->document), patch)) {
    case AHORA_OK:
        break;
    case AHORA_INVALID:
        return refuse(AHORA_INVALID, "the patched document would have too many fields");
    default:
        return refuse(AHORA_TOO_LARGE, "the patched document is too large");
    }
    return make_shaped(attempt, buffer_span(scratch), patch, true, made);
}

static struct outcome make_patch(struct attempt *attempt, struct made *made) {
    if (attempt->request.data.bytes > attempt->ledger->limits->document_bytes_max) {
        return refuse(AHORA_TOO_LARGE, "the patch is too large");
    }
    return merge_into(attempt, attempt->request.data, made);
}

static struct outcome refuse_field(enum ahora_code code, struct span field, const char *detail) {
    return (struct outcome){.code = code, .detail = detail, .field = field};
}

static bool int_of(struct span value, int64_t *number) {
    const struct scalar scalar = scalar_of(value);
    *number = scalar.integer;
    return scalar.type == PACK_INT;
}

/* What a schema takes for an integer: also 3.0. */
static bool whole_of(struct span value, int64_t *number) {
    const struct scalar scalar = scalar_of(value);
    return scalar_is_whole(&scalar, number);
}

/* One field of an adjust: the sum, within what the kind allows. */
static struct outcome adjust_field(const struct attempt *attempt, const struct field_map *now, struct span field,
                                   struct span delta, int64_t *sum) {
    int64_t change = 0;
    int64_t current = 0;
    if (!int_of(delta, &change)) {
        return refuse_field(AHORA_INVALID, field, "adjust takes integers");
    }
    const uint32_t place = field_map_find(now, field);
    if (place != FIELD_MAP_NONE && !whole_of(now->values[place], &current)) {
        return refuse_field(AHORA_INVALID, field, "the field does not hold an integer");
    }
    if (__builtin_add_overflow(current, change, sum)) {
        return refuse_field(AHORA_OUT_OF_RANGE, field, "the sum does not fit an integer");
    }
    int64_t min, max;
    kind_bounds(attempt->kind, field, &min, &max);
    if (*sum < min) {
        return refuse_field(AHORA_OUT_OF_RANGE, field, "the sum is below the field's minimum");
    }
    return *sum > max ? refuse_field(AHORA_OUT_OF_RANGE, field, "the sum is above the field's maximum") : fine;
}

/* Writes the adjust as the patch that sets each sum. */
static struct outcome put_sums(struct attempt *attempt, struct buffer *patch) {
    struct pack_reader reader = pack_reader_of(attempt->request.data);
    uint32_t count = pack_read_map(&reader);
    struct field_map now;
    field_map_read(&now, document_span(attempt->topic->document), count);
    pack_put_map(patch, count);
    for (; count > 0; count--) {
        struct span field = pack_read_text(&reader);
        int64_t sum = 0;
        struct outcome outcome = adjust_field(attempt, &now, field, pack_skip(&reader), &sum);
        if (outcome.code != AHORA_OK) {
            return outcome;
        }
        pack_put_text(patch, field);
        pack_put_int(patch, sum);
    }
    return patch->failed ? refuse(AHORA_TOO_LARGE, "the adjust is too large") : fine;
}

static struct outcome make_adjust(struct attempt *attempt, struct made *made) {
    struct buffer *differs = &attempt->ledger->differs;
    buffer_cut(differs, 0);
    struct outcome outcome = put_sums(attempt, differs);
    return outcome.code == AHORA_OK ? merge_into(attempt, buffer_span(differs), made) : outcome;
}

static struct outcome make_touch(struct attempt *attempt, struct made *made) {
    made->document = document_ref(attempt->topic->document);
    return fine;
}

static struct outcome make_delete(struct attempt *attempt, struct made *made) {
    (void)attempt;
    (void)made;
    return fine;
}

static make_function *const makers[CHANGE_OPS] = {
    [CHANGE_SET] = make_set,     [CHANGE_PATCH] = make_patch,   [CHANGE_ADJUST] = make_adjust,
    [CHANGE_TOUCH] = make_touch, [CHANGE_DELETE] = make_delete,
};

/* ---- 5: room ---- */

/* What does not grow is taken also if we hold too much: so it becomes less. */
static struct outcome check_growth(const struct attempt *attempt, size_t held_bytes, size_t data_bytes) {
    struct ledger *ledger = attempt->ledger;
    const bool is_new = !exists(attempt);
    const bool grows = is_new || data_bytes > held_bytes;
    if (grows && ledger->growth_retry_ms > 0) {
        ledger->metrics->growth_refused++;
        struct outcome outcome = refuse(AHORA_OVERLOADED, "the broker is short of memory");
        outcome.retry_ms = ledger->growth_retry_ms;
        return outcome;
    }
    const struct kind_room *room = kind_rooms_find(&ledger->kind_rooms, attempt->kind);
    if (room != NULL && is_new && room->topics_max > 0 && room->topics >= room->topics_max) {
        ledger->metrics->kinds_full++;
        return refuse(AHORA_TOO_MANY, "the broker holds as many topics of this kind as it may");
    }
    if (room != NULL && grows && room->bytes_max > 0 && room->bytes - held_bytes + data_bytes > room->bytes_max) {
        ledger->metrics->kinds_full++;
        return refuse(AHORA_OVERLOADED, "the broker holds as many bytes of documents of this kind as it may");
    }
    return fine;
}

static struct outcome check_room(const struct attempt *attempt, const struct made *made) {
    const struct ledger *ledger = attempt->ledger;
    size_t data_bytes = made->document == NULL ? 0 : made->document->bytes;
    if (!exists(attempt) && ledger->topic_count >= ledger->limits->topics_max) {
        return refuse(AHORA_TOO_MANY, "the broker holds as many topics as it may");
    }
    size_t held_bytes = exists(attempt) ? attempt->topic->document->bytes : 0;
    struct outcome growth = made->document == NULL ? fine : check_growth(attempt, held_bytes, data_bytes);
    if (growth.code != AHORA_OK) {
        return growth;
    }
    bool grows = data_bytes > held_bytes;
    if (grows && ledger->documents_bytes - held_bytes + data_bytes > ledger->limits->documents_bytes_max) {
        return refuse(AHORA_OVERLOADED, "the broker holds as many bytes of documents as it may");
    }
    size_t source_bytes = attempt->source == NULL ? 0 : attempt->source->bytes;
    if (!note_has_room(ledger, attempt->name_bytes, attempt->key.bytes, source_bytes, data_bytes)) {
        return refuse(AHORA_STORE_FULL, "the store has no room");
    }
    if (ledger->seq >= AHORA_SEQ_MAX) {
        return refuse(AHORA_INTERNAL, "all seqs are used up");
    }
    return fine;
}

/* ---- 6: the topic takes it ---- */

static void save(struct attempt *attempt, struct topic *topic, bool created) {
    struct ledger *ledger = attempt->ledger;
    assert(ledger->undo_count < AHORA_CHANGES_MAX);
    if (topic->source != NULL) {
        source_ref(topic->source);
    }
    ledger->undos[ledger->undo_count++] = (struct undo){
        .topic = topic,
        .document = topic->document == NULL ? NULL : document_ref(topic->document),
        .seq = topic->seq,
        .seq_before = topic->seq_before,
        .seq_created = topic->seq_created,
        .at = topic->at,
        .fresh_ms = topic->fresh_ms,
        .expire_ms = topic->expire_ms,
        .accepted_ms = topic->accepted_ms,
        .source = topic->source,
        .losses = topic->losses,
        .why = topic->why,
        .stale = topic->stale,
        .created = created,
    };
}

static void take(struct attempt *attempt, struct topic *topic, struct made *made) {
    struct ledger *ledger = attempt->ledger;
    const struct change_request *request = &attempt->request;
    bool is_new = topic_is_removed(topic);
    struct document *old = topic->document;
    topic_hold(ledger, topic, made->document);
    topic->seq_before = is_new ? 0 : topic->seq;
    topic->seq = ++ledger->seq;
    topic->seq_created = is_new ? topic->seq : topic->seq_created;
    topic->at = attempt->at;
    topic->fresh_ms = request->has_fresh_ms ? request->fresh_ms : is_new ? -1 : topic->fresh_ms;
    topic->expire_ms = request->has_expire_ms ? request->expire_ms : is_new ? -1 : topic->expire_ms;
    topic_mark(ledger, topic, false);
    topic->why = request->op == CHANGE_DELETE ? AHORA_WHY_DELETED : AHORA_WHY_NONE;
    topic->accepted_ms = ledger->mono_ms;
    source_hold(&ledger->sources, topic_is_removed(topic) ? NULL : attempt->source, topic);
    bool set = promise_renew(ledger, topic);
    assert(set && "reserved");
    (void)set;
    note_change(ledger, topic, attempt->key, request->op, made->patch, old);
}

static struct outcome accept(struct attempt *attempt, struct made *made) {
    struct ledger *ledger = attempt->ledger;
    struct topic *topic = attempt->topic;
    bool created = topic == NULL;
    if (!note_reserve(ledger)) {
        return refuse(AHORA_OVERLOADED, "no memory");
    }
    if (created && (topic = topic_create(ledger, &attempt->name, attempt->kind)) == NULL) {
        return refuse(AHORA_OVERLOADED, "no memory");
    }
    if (attempt->atomic) {
        save(attempt, topic, created);
    }
    take(attempt, topic, made);
    if (!attempt->atomic) {
        ledger_note_removal(ledger, topic);
    }
    *made = (struct made){0}; /* taken */
    ledger->metrics->changes[attempt->request.op]++;
    return (struct outcome){.code = AHORA_OK, .seq = topic->seq};
}

static struct outcome run(struct attempt *attempt) {
    struct outcome outcome = check_form(attempt);
    if (outcome.code != AHORA_OK) {
        return outcome;
    }
    compose_key(attempt);
    if (recall(attempt, &outcome)) {
        attempt->ledger->metrics->keys_repeated++;
        return outcome;
    }
    outcome = check_conditions(attempt);
    struct made made = {0};
    if (outcome.code == AHORA_OK) {
        outcome = makers[attempt->request.op](attempt, &made);
    }
    if (outcome.code == AHORA_OK) {
        outcome = check_room(attempt, &made);
    }
    if (outcome.code == AHORA_OK) {
        outcome = accept(attempt, &made);
    }
    document_unref(made.document);
    document_unref(made.patch);
    return outcome;
}

/* ---- results ---- */

/* A field name as a JSON pointer below /data (RFC 6901: ~ is ~0, / is ~1), cut so that a result keeps its bound. */
static void put_pointer(struct buffer *out, struct span field) {
    uint8_t text[256];
    size_t bytes = 0;
    memcpy(text, "/data/", 6);
    bytes += 6;
    for (size_t i = 0; i < field.bytes && bytes + 2 <= sizeof text; i++) {
        uint8_t byte = field.data[i];
        if (byte == '~' || byte == '/') {
            text[bytes++] = '~';
            text[bytes++] = byte == '~' ? '0' : '1';
        } else {
            text[bytes++] = byte;
        }
    }
    while (bytes > 0 && bytes < 6 + field.bytes && (text[bytes - 1] & 0xc0) == 0x80 && bytes + 2 > sizeof text) {
        bytes--; /* never half a character */
    }
    pack_put_text(out, span_of(text, bytes));
}

static void put_result(struct buffer *out, const struct outcome *outcome) {
    static const uint8_t accepted[] = {0x81, 0xa3, 's', 'e', 'q'}; /* a map of one entry, up to its value */
    if (outcome->code == AHORA_OK) {
        buffer_put(out, accepted, sizeof accepted);
        pack_put_int(out, outcome->seq);
        return;
    }
    pack_put_map(out, 1);
    bool has_seq = outcome->code == AHORA_CONFLICT;
    bool has_field = outcome->field.data != NULL;
    bool has_violations = outcome->violations != NULL;
    bool has_retry = outcome->retry_ms > 0;
    pack_put_key(out, "error");
    pack_put_map(out, 2 + has_seq + (has_field || has_violations) + has_retry);
    pack_put_key(out, "code");
    pack_put_key(out, ahora_code_name(outcome->code));
    pack_put_key(out, "detail");
    pack_put_key(out, outcome->detail == NULL ? "" : outcome->detail);
    if (has_seq) {
        pack_put_key(out, "seq");
        pack_put_int(out, outcome->seq);
    }
    if (has_violations) {
        pack_put_key(out, "errors");
        violations_put(out, outcome->violations, "/data", VIOLATIONS_BYTES_MAX);
    } else if (has_field) {
        pack_put_key(out, "errors");
        pack_put_list(out, 1);
        pack_put_map(out, 2);
        pack_put_key(out, "pointer");
        put_pointer(out, outcome->field);
        pack_put_key(out, "detail");
        pack_put_key(out, outcome->detail);
    }
    if (has_retry) {
        pack_put_key(out, "retry_ms");
        pack_put_int(out, outcome->retry_ms);
    }
}

static void finish_result(struct ledger *ledger, struct buffer *results, const struct outcome *outcome) {
    if (outcome->code != AHORA_OK) {
        ledger->metrics->changes_refused[outcome->code]++;
    }
    put_result(results, outcome);
}

/* ---- lists ---- */

static struct outcome read_and_run(struct attempt *attempt, struct pack_reader *reader, uint32_t index) {
    const char *detail = NULL;
    enum ahora_code code = change_decode(reader, &attempt->request, &detail);
    if (code == AHORA_OK && rights_is_denied(attempt->denied, index)) {
        return refuse(AHORA_FORBIDDEN, "this topic may not be written so");
    }
    return code == AHORA_OK ? run(attempt) : refuse(code, detail);
}

static void apply_each(struct attempt *attempt, struct span changes, uint32_t count, struct buffer *results) {
    struct pack_reader reader = pack_reader_of(changes);
    (void)pack_read_list(&reader);
    for (uint32_t i = 0; i < count; i++) {
        attempt->key = (struct span){0};
        struct outcome outcome = read_and_run(attempt, &reader, i);
        remember(attempt, &outcome);
        finish_result(attempt->ledger, results, &outcome);
    }
}

static void put_back(struct ledger *ledger, const struct undo *undo) {
    struct topic *topic = undo->topic;
    struct document *now = topic->document;
    topic_hold(ledger, topic, undo->document);
    document_unref(now);
    topic->seq = undo->seq;
    topic->seq_before = undo->seq_before;
    topic->seq_created = undo->seq_created;
    topic->at = undo->at;
    topic->fresh_ms = undo->fresh_ms;
    topic->expire_ms = undo->expire_ms;
    topic->why = undo->why;
    topic_mark(ledger, topic, undo->stale);
    topic->accepted_ms = undo->accepted_ms;
    source_hold_again(&ledger->sources, undo->source, topic, undo->losses);
    source_unref(&ledger->sources, undo->source);
    bool set = promise_renew(ledger, topic);
    assert(set && "it once had this promise");
    (void)set;
    if (undo->created) {
        topic_destroy(ledger, topic);
        ledger->ref_last--;
    }
}

/* Where an atomic list began. */
struct mark {
    int64_t seq;
    size_t records_bytes;
    size_t change_count;
    size_t keys_added;
};

static void roll_back(struct ledger *ledger, const struct mark *mark) {
    while (ledger->change_count > mark->change_count) {
        struct change *change = &ledger->changes[--ledger->change_count];
        ledger->metrics->changes[change->op]--;
        change_release(change);
    }
    while (ledger->undo_count > 0) {
        put_back(ledger, &ledger->undos[--ledger->undo_count]);
    }
    keys_forget_newest(&ledger->keys, ledger->keys.added - mark->keys_added);
    buffer_cut(&ledger->records, mark->records_bytes);
    ledger->seq = mark->seq;
}

static void keep(struct ledger *ledger) {
    for (size_t i = 0; i < ledger->undo_count; i++) {
        ledger_note_removal(ledger, ledger->undos[i].topic);
        document_unref(ledger->undos[i].document);
        source_unref(&ledger->sources, ledger->undos[i].source);
    }
    ledger->undo_count = 0;
}

static void abort_list(struct ledger *ledger, uint32_t count, uint32_t failed, const struct outcome *cause,
                       struct buffer *results) {
    const struct outcome aborted = refuse(AHORA_ABORTED, "another change of the atomic list failed");
    for (uint32_t i = 0; i < count; i++) {
        finish_result(ledger, results, i == failed ? cause : &aborted);
    }
}

static void apply_all(struct attempt *attempt, struct span changes, uint32_t count, struct buffer *results) {
    struct ledger *ledger = attempt->ledger;
    const struct mark mark = {ledger->seq, ledger->records.bytes, ledger->change_count, ledger->keys.added};
    const size_t results_before = results->bytes;
    struct pack_reader reader = pack_reader_of(changes);
    (void)pack_read_list(&reader);
    assert(ledger->undo_count == 0);
    for (uint32_t i = 0; i < count; i++) {
        attempt->key = (struct span){0};
        struct outcome outcome = read_and_run(attempt, &reader, i);
        if (outcome.code != AHORA_OK) {
            roll_back(ledger, &mark);
            buffer_cut(results, results_before);
            abort_list(ledger, count, i, &outcome, results);
            return;
        }
        remember(attempt, &outcome);
        finish_result(ledger, results, &outcome);
    }
    keep(ledger);
}

void ledger_apply(struct ledger *ledger, const char *principal, struct source *source, struct span changes, uint32_t count,
                  bool atomic, struct buffer *results) {
    ledger_apply_allowed(ledger, principal, source, changes, count, atomic, NULL, results);
}

void ledger_apply_allowed(struct ledger *ledger, const char *principal, struct source *source, struct span changes,
                          uint32_t count, bool atomic, const uint8_t *denied, struct buffer *results) {
    assert(count > 0 && count <= AHORA_CHANGES_MAX);
    struct attempt attempt = {.ledger = ledger, .principal = principal, .source = source, .atomic = atomic, .denied = denied};
    pack_put_list(results, count);
    if (atomic) {
        apply_all(&attempt, changes, count, results);
    } else {
        apply_each(&attempt, changes, count, results);
    }
    keys_trim(&ledger->keys, ledger->limits->keys_max); /* not before: an aborted list must cost nobody a key */
}
