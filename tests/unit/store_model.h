/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What the tests of the store share: a directory that goes away afterwards, and changes that can be computed from their seq alone,
 * so that any state read back can be compared with the state after the first N changes.
 */
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "broker/core/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_TOPICS 50
#define LOADED_AT_ONCE 7 /* more than a turn has, so that a batch goes over its end, and begins within one */

/* ---- directories ---- */

static inline char *directory_create(void) {
    const char *base = getenv("TMPDIR");
    char name[256];
    snprintf(name, sizeof name, "%s/ahora-test-XXXXXX", base == NULL ? "/tmp" : base);
    char *made = mkdtemp(name);
    assert_non_null(made);
    return strdup(made);
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void directory_destroy(char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

/* ---- changes ---- */

static inline uint64_t model_mix(uint64_t seq) {
    uint64_t x = seq * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

static inline unsigned model_topic(int64_t seq) {
    return (unsigned)(model_mix((uint64_t)seq) % MODEL_TOPICS);
}

/* Every eleventh change or so removes its topic. */
static inline void model_put(struct buffer *out, int64_t seq) {
    char topic[32];
    char data[512];
    uint64_t mix = model_mix((uint64_t)seq);
    bool removed = mix / MODEL_TOPICS % 11 == 0;
    memset(data, 'a' + (int)(mix % 26), sizeof data);
    int length = snprintf(data, sizeof data, "seq %lld ", (long long)seq);
    data[length] = '.';
    snprintf(topic, sizeof topic, "stock/%u", model_topic(seq));
    record_put(out, &(struct record){
                        .topic = span_of_text(topic),
                        .data = span_of(data, removed ? 0 : 20 + mix / 7 % 400),
                        .seq = seq,
                        .seq_created = 1,
                        .at = 1000 + seq,
                        .fresh_ms = -1,
                        .expire_ms = -1,
                        .removed = removed,
                        .why = removed ? AHORA_WHY_DELETED : AHORA_WHY_NONE,
                    });
}

/* The newest of each topic that was read back. */
struct model {
    int64_t seqs[MODEL_TOPICS];
    int64_t seq_last;
};

/* A record that was read back is exactly the one that was written. */
static inline void model_expect_put(const struct record *record) {
    struct buffer wanted;
    struct buffer got;
    buffer_init(&wanted, 4096);
    buffer_init(&got, 4096);
    model_put(&wanted, record->seq);
    record_put(&got, record);
    assert_int_equal(wanted.bytes, got.bytes);
    assert_memory_equal(wanted.data, got.data, got.bytes);
    buffer_fini(&wanted);
    buffer_fini(&got);
}

static inline void model_take(struct model *model, const struct record *record) {
    model_expect_put(record);
    int64_t *seq = &model->seqs[model_topic(record->seq)];
    *seq = record->seq > *seq ? record->seq : *seq;
    model->seq_last = record->seq > model->seq_last ? record->seq : model->seq_last;
}

/* The state is that after the first `seq_last` changes. */
static inline void model_expect(const struct model *model, int64_t seq_last) {
    struct model wanted = {.seq_last = seq_last};
    for (int64_t seq = 1; seq <= seq_last; seq++) {
        wanted.seqs[model_topic(seq)] = seq;
    }
    assert_int_equal(model->seq_last, seq_last);
    for (unsigned i = 0; i < MODEL_TOPICS; i++) {
        assert_int_equal(model->seqs[i], wanted.seqs[i]);
    }
}

#endif
