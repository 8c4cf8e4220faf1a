/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The model: what the broker must do, said in the plainest way. It keeps every version of every topic, so it can tell what any
 * subscriber must hold at any seq. Arrays and loops only; it shares the wire's codes and limits with the broker, nothing else.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "broker/core/limits.h"
#include "include/ahora/protocol.h"
#include "proto/message.h"
#include "tests/sim/paper.h"

#define TOPICS_MAX 64 /* so that a set of topics is one word */
#define PATH_BYTES 48
#define KEY_BYTES 24
#define PRINCIPAL_BYTES 12

/* One wanted change, before it is bytes. */
struct wish {
    enum change_op op;
    enum ahora_code fault; /* what is wrong with its form: bad_message, bad_topic, unknown_kind; AHORA_OK: nothing */
    int topic;             /* index, when its form is right */
    char path[PATH_BYTES];
    struct paper data;
    char key[KEY_BYTES]; /* empty: none */
    bool has_at, has_if_seq, if_newer, has_fresh_ms, has_expire_ms;
    int64_t at, if_seq, fresh_ms, expire_ms;
};

void wish_put(struct buffer *out, const struct wish *wish);

struct verdict {
    enum ahora_code code;
    int64_t seq; /* accepted: its seq; conflict: the current one */
};

struct version {
    int64_t seq, seq_before, seq_created, at, fresh_ms, expire_ms;
    int64_t accepted_ms; /* when its last write was accepted, by the clock of this life */
    int64_t accepted_at; /* the same as it was stored */
    int source;          /* that wrote it, -1: none */
    int64_t grace_ms;    /* of the source, as it was stored */
    bool removed;
    bool stale;
    enum ahora_why why;
    enum change_op op;
    struct paper paper;
};

struct model_topic {
    char path[PATH_BYTES];
    struct version *versions;
    size_t count, capacity;
    bool forgotten; /* a removal that nobody needs to know any more */
};

struct model_key {
    char principal[PRINCIPAL_BYTES];
    char key[KEY_BYTES];
    struct verdict verdict;
    int64_t until_ms;
};

/* A change that was accepted with a key: what a crash leaves of the keys. */
struct model_past {
    char principal[PRINCIPAL_BYTES];
    char key[KEY_BYTES];
    int64_t seq;
    int64_t at_wall_ms;
};

#define SOURCES_MAX 4 /* "s0" to "s3"; those with odd numbers take their topics with them */
#define NO_SOURCE (-1)

struct model_source {
    unsigned sessions;
    int64_t grace_ms;
    int64_t due_ms; /* INT64_MAX: it is not in its grace */
    uint64_t armed; /* orders what is due at the same time */
};

struct model {
    const struct limits *limits;
    struct model_topic topics[TOPICS_MAX];
    unsigned topic_count;
    int64_t seq;         /* applied */
    int64_t seq_stored;  /* appended to the journal, may be shown */
    int64_t seq_durable; /* on disk */
    int64_t floor;       /* removals up to here may be unknown */
    size_t room;
    size_t records_bytes;
    int64_t wall_ms, mono_ms;
    struct model_key *keys;
    size_t key_count, key_capacity;
    struct model_past *past; /* by seq */
    size_t past_count, past_capacity;
    struct model_source sources[SOURCES_MAX];
    uint64_t armed;
    uint64_t lost; /* topics whose source was lost, and that may still have to be marked */
};

void model_fini(struct model *model);
unsigned model_add_topic(struct model *model, const char *path);   /* its index; once per path */
int model_find_topic(const struct model *model, struct span path); /* -1: none */

void model_apply(struct model *model, const char *principal, int source, const struct wish *wishes, size_t count, bool atomic,
                 struct verdict *verdicts);
void model_turn_stored(struct model *model);
void model_expire_keys(struct model *model);

/* A crash: what came after `seq` never was, removals up to `floor` are forgotten; keys are known for
   the rest of their time, by the wall clock. */
void model_crash(struct model *model, int64_t seq, int64_t floor);

/* ---- what happens by itself ---- */

void model_start(struct model *model); /* nobody is in any grace */
const char *model_source_name(int source);
bool model_source_deletes(int source);
void model_source_enter(struct model *model, int source, int64_t grace_ms);
void model_source_leave(struct model *model, int source);

/* After a crash the broker gives the source this grace: one that it stored, of what it still remembers perhaps not the newest. */
void model_regrace(struct model *model, int source, int64_t grace_ms);

/* The broker says that so many sources are lost now: the first that are due. */
void model_lose(struct model *model, size_t count);

/* The broker made this change by itself: it must be right, and is made here too. */
void model_own_change(struct model *model, unsigned topic, int64_t seq, bool removed, enum ahora_why why);

/* Nothing is due, or lost and not marked. */
bool model_is_settled(const struct model *model);

/* The newest version at or before `seq`, NULL if none; the one of exactly that seq. */
const struct version *model_at(const struct model *model, unsigned topic, int64_t seq);
const struct version *model_version(const struct model *model, unsigned topic, int64_t seq);
bool model_exists_at(const struct model *model, unsigned topic, int64_t seq);

/* How many versions of these topics lie in (after, until]. */
int64_t model_count(const struct model *model, uint64_t topics, int64_t after, int64_t until);

/* The topics a pattern selects. */
uint64_t model_match(const struct model *model, const char *pattern);

/* Sums the broker tells in its metrics. */
size_t model_topics(const struct model *model);
size_t model_removals(const struct model *model);
size_t model_documents_bytes(const struct model *model);

#endif
