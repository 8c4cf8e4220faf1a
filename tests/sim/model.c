/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/sim/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/kind.h"
#include "proto/pack.h"
#include "tests/sim/report.h"
#include "tests/sim/rules.h"

/* ---- wishes as bytes ---- */

static void put_malformed(struct buffer *out, const struct wish *wish) {
    pack_put_map(out, 2);
    pack_put_key(out, "op");
    pack_put_key(out, wish->op == CHANGE_SET ? "set" : "increase"); /* no data, or no such op */
    pack_put_key(out, "topic");
    pack_put_key(out, wish->path);
}

void wish_put(struct buffer *out, const struct wish *wish) {
    if (wish->fault == AHORA_BAD_MESSAGE) {
        put_malformed(out, wish);
        return;
    }
    struct buffer data;
    buffer_init(&data, SIZE_MAX);
    struct change_request change = {
        .op = wish->op,
        .topic = span_of_text(wish->path),
        .has_at = wish->has_at,
        .at = wish->at,
        .has_if_seq = wish->has_if_seq,
        .if_seq = wish->if_seq,
        .if_newer = wish->if_newer,
        .has_fresh_ms = wish->has_fresh_ms,
        .fresh_ms = wish->fresh_ms,
        .has_expire_ms = wish->has_expire_ms,
        .expire_ms = wish->expire_ms,
    };
    if (wish->key[0] != '\0') {
        change.key = span_of_text(wish->key);
    }
    if (wish->op == CHANGE_SET || wish->op == CHANGE_PATCH || wish->op == CHANGE_ADJUST) {
        paper_put(&data, &wish->data);
        change.data = buffer_span(&data);
    }
    change_put(out, &change);
    buffer_fini(&data);
}

/* ---- topics ---- */

void model_fini(struct model *model) {
    for (unsigned i = 0; i < model->topic_count; i++) {
        free(model->topics[i].versions);
    }
    free(model->keys);
    free(model->past);
    *model = (struct model){0};
}

int model_find_topic(const struct model *model, struct span path) {
    for (unsigned i = 0; i < model->topic_count; i++) {
        if (span_is(path, model->topics[i].path)) {
            return (int)i;
        }
    }
    return -1;
}

unsigned model_add_topic(struct model *model, const char *path) {
    int known = model_find_topic(model, span_of_text(path));
    if (known >= 0) {
        return (unsigned)known;
    }
    struct model_topic *topic = &model->topics[model->topic_count];
    (void)snprintf(topic->path, sizeof topic->path, "%s", path);
    return model->topic_count++;
}

static struct version *newest(struct model_topic *topic) {
    return topic->count == 0 ? NULL : &topic->versions[topic->count - 1];
}

static const struct version *newest_of(const struct model_topic *topic) {
    return topic->count == 0 ? NULL : &topic->versions[topic->count - 1];
}

static bool is_there(const struct model_topic *topic) {
    return topic->count > 0 && !newest_of(topic)->removed;
}

const struct version *model_at(const struct model *model, unsigned index, int64_t seq) {
    const struct model_topic *topic = &model->topics[index];
    for (size_t i = topic->count; i > 0; i--) {
        if (topic->versions[i - 1].seq <= seq) {
            return &topic->versions[i - 1];
        }
    }
    return NULL;
}

const struct version *model_version(const struct model *model, unsigned index, int64_t seq) {
    const struct version *version = model_at(model, index, seq);
    return version != NULL && version->seq == seq ? version : NULL;
}

bool model_exists_at(const struct model *model, unsigned index, int64_t seq) {
    const struct version *version = model_at(model, index, seq);
    return version != NULL && !version->removed;
}

int64_t model_count(const struct model *model, uint64_t topics, int64_t after, int64_t until) {
    int64_t count = 0;
    for (unsigned t = 0; t < model->topic_count; t++) {
        for (size_t i = model->topics[t].count; i > 0 && (topics >> t & 1) && model->topics[t].versions[i - 1].seq > after;
             i--) {
            count += model->topics[t].versions[i - 1].seq <= until;
        }
    }
    return count;
}

/* ---- patterns ---- */

static size_t segment_bytes(const char *text) {
    return strcspn(text, "/");
}

static bool matches(const char *pattern, const char *path) {
    if (strcmp(pattern, "**") == 0) {
        return true;
    }
    size_t wanted = segment_bytes(pattern);
    size_t found = segment_bytes(path);
    bool wild = wanted == 1 && pattern[0] == '*';
    if (!wild && (wanted != found || memcmp(pattern, path, wanted) != 0)) {
        return false;
    }
    if (pattern[wanted] == '\0' || path[found] == '\0') {
        return pattern[wanted] == path[found];
    }
    return matches(pattern + wanted + 1, path + found + 1);
}

uint64_t model_match(const struct model *model, const char *pattern) {
    uint64_t found = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        found |= (uint64_t)matches(pattern, model->topics[i].path) << i;
    }
    return found;
}

/* ---- sums ---- */

size_t model_topics(const struct model *model) {
    size_t count = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        count += is_there(&model->topics[i]);
    }
    return count;
}

static bool is_known_removal(const struct model_topic *topic) {
    return topic->count > 0 && newest_of(topic)->removed && !topic->forgotten;
}

size_t model_removals(const struct model *model) {
    size_t count = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        count += is_known_removal(&model->topics[i]);
    }
    return count;
}

size_t model_documents_bytes(const struct model *model) {
    size_t bytes = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        bytes += is_there(&model->topics[i]) ? paper_bytes(&newest_of(&model->topics[i])->paper) : 0;
    }
    return bytes;
}

/* ---- keys ---- */

static const struct model_key *find_key(const struct model *model, const char *principal, const char *key) {
    for (size_t i = 0; i < model->key_count; i++) {
        if (strcmp(model->keys[i].key, key) == 0 && strcmp(model->keys[i].principal, principal) == 0) {
            return &model->keys[i];
        }
    }
    return NULL;
}

static void remember(struct model *model, const char *principal, const char *key, struct verdict verdict) {
    if (model->key_count == model->key_capacity) {
        model->key_capacity = 2 * model->key_capacity + 16;
        model->keys = realloc(model->keys, model->key_capacity * sizeof *model->keys);
        MUST(model->keys != NULL, "no memory");
    }
    struct model_key *known = &model->keys[model->key_count++];
    *known = (struct model_key){.verdict = verdict, .until_ms = model->mono_ms + model->limits->key_ms};
    (void)snprintf(known->principal, sizeof known->principal, "%s", principal);
    (void)snprintf(known->key, sizeof known->key, "%s", key);
}

static void note_past(struct model *model, const char *principal, const char *key, int64_t seq) {
    if (model->past_count == model->past_capacity) {
        model->past_capacity = 2 * model->past_capacity + 16;
        model->past = realloc(model->past, model->past_capacity * sizeof *model->past);
        MUST(model->past != NULL, "no memory");
    }
    struct model_past *past = &model->past[model->past_count++];
    *past = (struct model_past){.seq = seq, .at_wall_ms = model->wall_ms};
    (void)snprintf(past->principal, sizeof past->principal, "%s", principal);
    (void)snprintf(past->key, sizeof past->key, "%s", key);
}

static int by_until(const void *a, const void *b) {
    const struct model_key *left = a;
    const struct model_key *right = b;
    if (left->until_ms != right->until_ms) {
        return left->until_ms < right->until_ms ? -1 : 1;
    }
    return (left->verdict.seq > right->verdict.seq) - (left->verdict.seq < right->verdict.seq);
}

static void forget_oldest(struct model *model, size_t count) {
    model->key_count -= count;
    if (count > 0) {
        memmove(model->keys, model->keys + count, model->key_count * sizeof *model->keys);
    }
}

static void trim_keys(struct model *model) {
    const size_t keys_max = model->limits->keys_max;
    forget_oldest(model, model->key_count > keys_max ? model->key_count - keys_max : 0);
}

/* Of each key the newest change whose time is not over. */
static void recall_past(struct model *model) {
    const int64_t key_ms = model->limits->key_ms;
    model->key_count = 0;
    for (size_t i = model->past_count; i > 0; i--) {
        const struct model_past *past = &model->past[i - 1];
        int64_t left_ms = past->at_wall_ms + key_ms - model->wall_ms;
        left_ms = left_ms < key_ms ? left_ms : key_ms;
        if (left_ms > 0 && find_key(model, past->principal, past->key) == NULL) {
            remember(model, past->principal, past->key, (struct verdict){AHORA_OK, past->seq});
            model->keys[model->key_count - 1].until_ms = model->mono_ms + left_ms;
        }
    }
    if (model->key_count > 0) {
        qsort(model->keys, model->key_count, sizeof *model->keys, by_until);
    }
    trim_keys(model);
}

void model_expire_keys(struct model *model) {
    size_t old = 0;
    while (old < model->key_count && model->keys[old].until_ms <= model->mono_ms) {
        old++;
    }
    forget_oldest(model, old);
}

/* ---- one change ---- */

static struct verdict refused(enum ahora_code code) {
    return (struct verdict){.code = code};
}

static enum ahora_code add_up(const char *path, const struct paper *old, const struct paper *deltas, struct paper *sums) {
    *sums = (struct paper){0};
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        const struct mark_value *delta = &deltas->fields[i].value;
        const struct mark_value *now = &old->fields[i].value;
        if (delta->mark == MARK_ABSENT) {
            continue;
        }
        if (delta->mark != MARK_INT || (now->mark != MARK_ABSENT && now->mark != MARK_INT)) {
            return AHORA_INVALID;
        }
        const int64_t a = now->number;
        const int64_t b = delta->number;
        const bool fits = b >= 0 ? a <= INT64_MAX - b : a >= INT64_MIN - b;
        int64_t min, max;
        const bool bounded = rules_bound(path, i, &min, &max);
        if (!fits || (bounded && (a + b < min || a + b > max))) {
            return AHORA_OUT_OF_RANGE;
        }
        sums->fields[i].value = (struct mark_value){MARK_INT, a + b};
    }
    return AHORA_OK;
}

/* The document takes the shape of its kind. */
static enum ahora_code shape(const struct model *model, const struct wish *wish, const struct version *old,
                             const struct paper *said, int64_t at, struct paper *made) {
    const size_t bytes_max = model->limits->document_bytes_max;
    if (paper_bytes(said) > bytes_max || paper_bytes(made) > bytes_max) {
        return AHORA_TOO_LARGE;
    }
    if (!rules_allow(wish->path, made)) {
        report_note(EVENT_INVALID);
        return AHORA_INVALID;
    }
    const struct paper before = *made;
    rules_write(wish->path, made, old == NULL ? NULL : &old->paper, said, at);
    if (!paper_equal(&before, made)) {
        report_note(EVENT_DERIVED);
    }
    return paper_bytes(made) > bytes_max ? AHORA_TOO_LARGE : AHORA_OK;
}

static enum ahora_code make(const struct model *model, const struct wish *wish, const struct version *old, int64_t at,
                            struct paper *made) {
    struct paper patch = wish->data;
    switch (wish->op) {
    case CHANGE_SET:
        *made = wish->data;
        return shape(model, wish, old, made, at, made);
    case CHANGE_ADJUST: {
        enum ahora_code code = add_up(wish->path, &old->paper, &wish->data, &patch);
        if (code != AHORA_OK) {
            return code;
        }
    } /* fall through */
    case CHANGE_PATCH:
        *made = old->paper;
        paper_merge(made, &patch);
        return shape(model, wish, old, &patch, at, made);
    case CHANGE_TOUCH:
        *made = old->paper;
        return AHORA_OK;
    default:
        *made = (struct paper){0};
        return AHORA_OK;
    }
}

static size_t varint_bytes(int64_t number) {
    size_t bytes = 1;
    for (uint64_t rest = (uint64_t)number >> 7; rest > 0; rest >>= 7) {
        bytes++;
    }
    return bytes;
}

static size_t key_bytes(const struct wish *wish, const char *principal) {
    return wish->key[0] == '\0' ? 0 : strlen(principal) + 1 + strlen(wish->key);
}

/* broker/core/record.h draws the record. */
static size_t record_bytes(const char *path, size_t key_bytes_count, const struct version *version) {
    const bool sourced = version->source != NO_SOURCE;
    const size_t data_bytes = version->removed ? 0 : paper_bytes(&version->paper);
    return 6 + varint_bytes(version->seq) + varint_bytes(version->seq_created) + varint_bytes(version->at) +
           varint_bytes(version->accepted_at) + (version->fresh_ms >= 0 ? varint_bytes(version->fresh_ms) : 0) +
           (version->expire_ms >= 0 ? varint_bytes(version->expire_ms) : 0) +
           (sourced ? varint_bytes(version->grace_ms) + strlen(model_source_name(version->source)) : 0) +
           varint_bytes((int64_t)data_bytes) + strlen(path) + key_bytes_count + data_bytes;
}

static void append(struct model_topic *topic, const struct version *version) {
    if (topic->count == topic->capacity) {
        topic->capacity = 2 * topic->capacity + 8;
        topic->versions = realloc(topic->versions, topic->capacity * sizeof *topic->versions);
        MUST(topic->versions != NULL, "no memory");
    }
    topic->versions[topic->count++] = *version;
}

static enum ahora_code check_room(const struct model *model, const struct wish *wish, const char *principal, int source,
                                  const struct version *old, size_t data_bytes) {
    const size_t old_bytes = old == NULL ? 0 : paper_bytes(&old->paper);
    if (old == NULL && model_topics(model) >= model->limits->topics_max) {
        return AHORA_TOO_MANY;
    }
    if (data_bytes > old_bytes && model_documents_bytes(model) - old_bytes + data_bytes > model->limits->documents_bytes_max) {
        return AHORA_OVERLOADED;
    }
    const size_t source_bytes = source == NO_SOURCE ? 0 : strlen(model_source_name(source));
    const size_t bound = 6 + 80 + strlen(wish->path) + key_bytes(wish, principal) + source_bytes + data_bytes;
    return model->records_bytes + bound > model->room ? AHORA_STORE_FULL : AHORA_OK;
}

static enum ahora_code check_conditions(const struct wish *wish, const struct version *old, int64_t at,
                                        struct verdict *verdict) {
    int64_t seq = old == NULL ? 0 : old->seq;
    verdict->seq = seq;
    if (wish->has_if_seq && wish->if_seq != seq) {
        return AHORA_CONFLICT;
    }
    if (old == NULL && wish->op != CHANGE_SET) {
        return AHORA_NOT_FOUND;
    }
    return wish->if_newer && old != NULL && at <= old->at ? AHORA_SUPERSEDED : AHORA_OK;
}

static struct verdict accept(struct model *model, const struct wish *wish, const char *principal, int source,
                             const struct version *old, int64_t at, const struct paper *made) {
    struct model_topic *topic = &model->topics[wish->topic];
    struct version version = {
        .seq = ++model->seq,
        .seq_before = old == NULL ? 0 : old->seq,
        .at = at,
        .fresh_ms = wish->has_fresh_ms ? wish->fresh_ms
                    : old == NULL      ? -1
                                       : old->fresh_ms,
        .expire_ms = wish->has_expire_ms ? wish->expire_ms
                     : old == NULL       ? -1
                                         : old->expire_ms,
        .accepted_ms = model->mono_ms,
        .accepted_at = model->wall_ms,
        .removed = wish->op == CHANGE_DELETE,
        .op = wish->op,
        .paper = *made,
    };
    version.why = version.removed ? AHORA_WHY_DELETED : AHORA_WHY_NONE;
    version.source = version.removed ? NO_SOURCE : source;
    version.grace_ms = version.source == NO_SOURCE ? 0 : model->sources[version.source].grace_ms;
    version.seq_created = old == NULL ? version.seq : old->seq_created;
    if (old == NULL && topic->count > 0) {
        report_note(EVENT_RECREATED);
    }
    if (old != NULL && old->stale && !version.removed) {
        report_note(EVENT_FRESH_AGAIN);
    }
    if (wish->key[0] != '\0') {
        note_past(model, principal, wish->key, version.seq);
    }
    model->records_bytes += record_bytes(wish->path, key_bytes(wish, principal), &version);
    append(topic, &version);
    topic->forgotten = false;
    model->lost &= ~(UINT64_C(1) << wish->topic);
    return (struct verdict){AHORA_OK, version.seq};
}

static struct verdict try(struct model *model, const struct wish *wish, const char *principal, int source) {
    const int64_t at = wish->has_at ? wish->at : model->wall_ms;
    if (wish->fault != AHORA_OK) {
        return refused(wish->fault);
    }
    if (at > model->wall_ms + model->limits->at_ahead_ms_max || wish->fresh_ms > model->limits->promise_ms_max ||
        wish->expire_ms > model->limits->promise_ms_max) {
        return refused(AHORA_INVALID);
    }
    const struct model_key *known = wish->key[0] == '\0' ? NULL : find_key(model, principal, wish->key);
    if (known != NULL) {
        report_note(EVENT_KEY_REPEATED);
        return known->verdict;
    }
    struct model_topic *topic = &model->topics[wish->topic];
    struct version copy; /* accepting may move the versions */
    const struct version *old = is_there(topic) ? &copy : NULL;
    if (old != NULL) {
        copy = *newest(topic);
    }
    struct verdict verdict = {0};
    struct paper made = {0};
    verdict.code = check_conditions(wish, old, at, &verdict);
    if (verdict.code == AHORA_OK) {
        verdict.code = make(model, wish, old, at, &made);
    }
    const size_t data_bytes = wish->op == CHANGE_DELETE ? 0 : paper_bytes(&made);
    if (verdict.code == AHORA_OK) {
        verdict.code = check_room(model, wish, principal, source, old, data_bytes);
    }
    if (verdict.code == AHORA_OK) {
        verdict = accept(model, wish, principal, source, old, at, &made);
    }
    if (wish->key[0] != '\0' && verdict.code == AHORA_OK) {
        remember(model, principal, wish->key, verdict);
    }
    return verdict;
}

/* ---- lists ---- */

static void forget_after(struct model *model, int64_t seq) {
    for (unsigned i = 0; i < model->topic_count; i++) {
        struct model_topic *topic = &model->topics[i];
        while (topic->count > 0 && newest(topic)->seq > seq) {
            topic->count--;
        }
    }
    while (model->past_count > 0 && model->past[model->past_count - 1].seq > seq) {
        model->past_count--;
    }
    model->seq = seq;
}

static void apply_atomic(struct model *model, const char *principal, int source, const struct wish *wishes, size_t count,
                         struct verdict *verdicts) {
    const uint64_t lost = model->lost;
    const int64_t seq = model->seq;
    const size_t records_bytes = model->records_bytes;
    const size_t key_count = model->key_count;
    bool forgotten[TOPICS_MAX];
    for (unsigned i = 0; i < model->topic_count; i++) {
        forgotten[i] = model->topics[i].forgotten;
    }
    for (size_t i = 0; i < count; i++) {
        verdicts[i] = try(model, &wishes[i], principal, source);
        if (verdicts[i].code == AHORA_OK) {
            continue;
        }
        forget_after(model, seq);
        for (unsigned t = 0; t < model->topic_count; t++) {
            model->topics[t].forgotten = forgotten[t];
        }
        model->records_bytes = records_bytes;
        model->key_count = key_count;
        model->lost = lost;
        for (size_t j = 0; j < count; j++) {
            verdicts[j] = j == i ? verdicts[i] : refused(AHORA_ABORTED);
        }
        report_note(EVENT_ATOMIC_ABORTED);
        return;
    }
    report_note(EVENT_ATOMIC_KEPT);
}

static void note_code(enum ahora_code code) {
    static const struct {
        enum ahora_code code;
        enum event event;
    } notes[] = {
        {AHORA_CONFLICT, EVENT_CONFLICT},     {AHORA_SUPERSEDED, EVENT_SUPERSEDED}, {AHORA_OUT_OF_RANGE, EVENT_OUT_OF_RANGE},
        {AHORA_NOT_FOUND, EVENT_NOT_FOUND},   {AHORA_TOO_LARGE, EVENT_TOO_LARGE},   {AHORA_TOO_MANY, EVENT_TOO_MANY},
        {AHORA_OVERLOADED, EVENT_OVERLOADED}, {AHORA_STORE_FULL, EVENT_STORE_FULL},
    };
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (notes[i].code == code) {
            report_note(notes[i].event);
        }
    }
}

void model_apply(struct model *model, const char *principal, int source, const struct wish *wishes, size_t count, bool atomic,
                 struct verdict *verdicts) {
    if (atomic) {
        apply_atomic(model, principal, source, wishes, count, verdicts);
    }
    for (size_t i = 0; i < count; i++) {
        if (!atomic) {
            verdicts[i] = try(model, &wishes[i], principal, source);
        }
        note_code(verdicts[i].code);
    }
    trim_keys(model);
}

/* Removals beyond the bound are forgotten, the oldest first. */
void model_turn_stored(struct model *model) {
    bool changed = model->seq > model->seq_stored;
    model->seq_stored = model->seq;
    model->records_bytes = 0;
    while (changed && model_removals(model) > model->limits->removals_max) {
        struct model_topic *oldest = NULL;
        for (unsigned i = 0; i < model->topic_count; i++) {
            struct model_topic *topic = &model->topics[i];
            if (is_known_removal(topic) && (oldest == NULL || newest(topic)->seq < newest(oldest)->seq)) {
                oldest = topic;
            }
        }
        oldest->forgotten = true;
        model->floor = newest(oldest)->seq > model->floor ? newest(oldest)->seq : model->floor;
        report_note(EVENT_REMOVAL_FORGOTTEN);
    }
}

/* ---- what happens by itself ---- */

void model_start(struct model *model) {
    for (int i = 0; i < SOURCES_MAX; i++) {
        model->sources[i] = (struct model_source){.due_ms = INT64_MAX};
    }
    model->lost = 0;
}

const char *model_source_name(int source) {
    static const char *const names[SOURCES_MAX] = {"s0", "s1", "van-two", "s3"};
    return names[source];
}

bool model_source_deletes(int source) {
    return source % 2 == 1;
}

/* What the source wrote last and did not lose yet. */
static uint64_t topics_of(const struct model *model, int source) {
    uint64_t topics = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = &model->topics[i];
        topics |= (uint64_t)(is_there(topic) && newest_of(topic)->source == source) << i;
    }
    return topics & ~model->lost;
}

static void begin_grace(struct model *model, int source) {
    model->sources[source].due_ms = model->mono_ms + model->sources[source].grace_ms;
    model->sources[source].armed = ++model->armed;
}

void model_regrace(struct model *model, int index, int64_t grace_ms) {
    struct model_source *source = &model->sources[index];
    bool known = false;
    for (unsigned i = 0; i < model->topic_count; i++) {
        for (size_t j = 0; j < model->topics[i].count; j++) {
            const struct version *version = &model->topics[i].versions[j];
            known |= version->source == index && version->grace_ms == grace_ms;
        }
    }
    MUST(known && source->due_ms != INT64_MAX, "%s has a grace that nobody asked for", model_source_name(index));
    source->due_ms += grace_ms - source->grace_ms;
    source->grace_ms = grace_ms;
}

void model_source_enter(struct model *model, int source, int64_t grace_ms) {
    if (model->sources[source].due_ms != INT64_MAX) {
        report_note(EVENT_SOURCE_BACK);
    }
    model->sources[source].sessions++;
    model->sources[source].grace_ms = grace_ms;
    model->sources[source].due_ms = INT64_MAX;
}

void model_source_leave(struct model *model, int source) {
    MUST(model->sources[source].sessions > 0, "a session of a source left twice");
    if (--model->sources[source].sessions == 0 && topics_of(model, source) != 0) {
        begin_grace(model, source);
    }
}

/* A source with nothing left is forgotten, and its grace with it. */
static int first_lost(const struct model *model) {
    int first = NO_SOURCE;
    for (int i = 0; i < SOURCES_MAX; i++) {
        const struct model_source *source = &model->sources[i];
        const struct model_source *least = first == NO_SOURCE ? NULL : &model->sources[first];
        bool is_due = source->due_ms <= model->mono_ms && topics_of(model, i) != 0;
        if (is_due && (least == NULL || source->due_ms < least->due_ms ||
                       (source->due_ms == least->due_ms && source->armed < least->armed))) {
            first = i;
        }
    }
    return first;
}

void model_lose(struct model *model, size_t count) {
    for (; count > 0; count--) {
        int source = first_lost(model);
        MUST(source != NO_SOURCE, "a source was lost that is not due");
        model->lost |= topics_of(model, source);
        model->sources[source].due_ms = INT64_MAX;
        report_note(EVENT_SOURCE_LOST);
    }
}

static int64_t kind_says(const struct model *model, const char *path, bool expire) {
    const size_t bytes = segment_bytes(path);
    for (size_t i = 0; i < model->limits->kind_promise_count; i++) {
        const struct kind_promise *promise = &model->limits->kind_promises[i];
        const int64_t ms = expire ? promise->expire_ms : promise->fresh_ms;
        if (ms >= 0 && strncmp(promise->name, path, bytes) == 0 && promise->name[bytes] == '\0') {
            return ms;
        }
    }
    return !expire && strncmp(path, "service/", 8) == 0 ? 120000 : 0;
}

/* Is the promise of the newest version broken? */
static bool is_over(const struct model *model, const struct model_topic *topic, bool expire) {
    const struct version *version = newest_of(topic);
    const int64_t own = expire ? version->expire_ms : version->fresh_ms;
    const int64_t ms = own >= 0 ? own : kind_says(model, topic->path, expire);
    return is_there(topic) && ms > 0 && model->mono_ms - version->accepted_ms >= ms;
}

void model_own_change(struct model *model, unsigned index, int64_t seq, bool removed, enum ahora_why why) {
    struct model_topic *topic = &model->topics[index];
    const uint64_t bit = UINT64_C(1) << index;
    MUST(is_there(topic), "%s: changed by itself, but is not there", topic->path);
    struct version version = *newest(topic);
    const bool lost = (model->lost & bit) != 0;
    const bool takes = lost && model_source_deletes(version.source);
    const bool over = is_over(model, topic, true);
    MUST(seq == model->seq + 1, "%s: changed by itself at a wrong seq", topic->path);
    MUST(!removed || over || takes, "%s: removed before its time", topic->path);
    MUST(removed || (!version.stale && (is_over(model, topic, false) || (lost && !takes))), "%s: stale before its time",
         topic->path);
    MUST(removed || !over || lost, "%s: stale, must be removed", topic->path);
    MUST(why == (removed ? AHORA_WHY_EXPIRED : AHORA_WHY_NONE), "%s: wrong `why`", topic->path);
    const bool by_loss = lost && (removed || !is_over(model, topic, false));
    version.seq_before = version.seq;
    version.seq = ++model->seq;
    version.stale = !removed;
    version.removed = removed;
    version.why = why;
    version.op = removed ? CHANGE_DELETE : CHANGE_TOUCH;
    version.accepted_at = model->wall_ms - (model->mono_ms - version.accepted_ms);
    version.paper = removed ? (struct paper){0} : version.paper;
    if (removed || (lost && !takes)) {
        version.source = NO_SOURCE;
        version.grace_ms = 0;
        model->lost &= ~bit;
    }
    if (version.source != NO_SOURCE) { /* its newest hello's, which may be another by now */
        version.grace_ms = model->sources[version.source].grace_ms;
    }
    model->records_bytes += record_bytes(topic->path, 0, &version);
    append(topic, &version);
    report_note(by_loss ? EVENT_LOST : removed ? EVENT_EXPIRED : EVENT_STALE);
}

bool model_is_settled(const struct model *model) {
    for (unsigned i = 0; i < model->topic_count; i++) {
        const struct model_topic *topic = &model->topics[i];
        const bool lost = is_there(topic) && (model->lost >> i & 1);
        if (lost && (model_source_deletes(newest_of(topic)->source) || !newest_of(topic)->stale)) {
            return false;
        }
        if (is_there(topic) && (is_over(model, topic, true) || (!newest_of(topic)->stale && is_over(model, topic, false)))) {
            return false;
        }
    }
    return first_lost(model) == NO_SOURCE;
}

/* Promises go on where they stood, by the wall clock; every grace begins anew. */
static void restore_promises(struct model *model) {
    int64_t newest_of_source[SOURCES_MAX] = {0};
    model_start(model);
    for (unsigned i = 0; i < model->topic_count; i++) {
        struct version *version = newest(&model->topics[i]);
        if (version == NULL) {
            continue;
        }
        const int64_t age_ms = model->wall_ms - version->accepted_at;
        version->accepted_ms = model->mono_ms - (age_ms > 0 ? age_ms : 0);
        if (version->source != NO_SOURCE && version->seq > newest_of_source[version->source]) {
            newest_of_source[version->source] = version->seq;
            model->sources[version->source].grace_ms = version->grace_ms;
        }
    }
    for (int i = 0; i < SOURCES_MAX; i++) {
        if (newest_of_source[i] > 0) {
            begin_grace(model, i);
        }
    }
}

void model_crash(struct model *model, int64_t seq, int64_t floor) {
    forget_after(model, seq);
    model->seq_stored = seq;
    model->seq_durable = seq;
    model->floor = floor;
    recall_past(model);
    restore_promises(model);
    model->records_bytes = 0;
    for (unsigned i = 0; i < model->topic_count; i++) {
        struct model_topic *topic = &model->topics[i];
        topic->forgotten = topic->count > 0 && newest(topic)->removed && newest(topic)->seq <= floor;
    }
}
