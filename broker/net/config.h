/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The configuration: defaults < file < environment < flags. One table (config_table.c) names every key with its section, type, bounds
 * and text; the file, the environment, `--test` and the documentation all follow it. Unknown keys and bad values are errors.
 */
#ifndef NET_CONFIG_H
#define NET_CONFIG_H

#include "broker/core/limits.h"
#include "broker/net/log.h"
#include "broker/store/store.h"

#include <stdbool.h>
#include <stdio.h>

#define CONFIG_TEXT_BYTES_MAX 256

struct config {
    char listen[CONFIG_TEXT_BYTES_MAX]; /* addresses, separated by commas */
    char listen_public[CONFIG_TEXT_BYTES_MAX];
    char listen_internal[CONFIG_TEXT_BYTES_MAX];
    char trusted_proxies[CONFIG_TEXT_BYTES_MAX]; /* addresses and networks, separated by blanks */
    bool insecure_open;
    char allowed_origins[CONFIG_TEXT_BYTES_MAX]; /* separated by blanks */
    char data[CONFIG_TEXT_BYTES_MAX];
    enum log_level log_level;
    char kinds[CONFIG_TEXT_BYTES_MAX];            /* the directory of an operator's own kinds; empty: none */
    char kinds_topics_max[CONFIG_TEXT_BYTES_MAX]; /* "stock:1000000 order:50000"; read into core by config_check */
    char kinds_bytes_max[CONFIG_TEXT_BYTES_MAX];  /* "stock:1G"; the same */

    char auth_keys[CONFIG_TEXT_BYTES_MAX]; /* access.h; empty: none */
    char auth_jwks[CONFIG_TEXT_BYTES_MAX];
    char auth_api_keys[CONFIG_TEXT_BYTES_MAX];
    char auth_revoked[CONFIG_TEXT_BYTES_MAX];
    char auth_issuer[CONFIG_TEXT_BYTES_MAX];
    char auth_audience[CONFIG_TEXT_BYTES_MAX];
    char auth_anonymous_sub[CONFIG_TEXT_BYTES_MAX]; /* patterns, separated by blanks */
    char auth_anonymous_fields[CONFIG_TEXT_BYTES_MAX];
    int64_t auth_anonymous_every_ms;
    int64_t auth_anonymous_max_subs; /* 0: as any session */
    int64_t auth_skew_ms;
    int64_t auth_token_bytes_max;
    bool auth_open_figures;
    int64_t auth_judge_ms;    /* of a turn */
    int64_t auth_waiting_max; /* requests, of each shard */

    struct store_options store; /* path points at `data` */
    struct limits core;
    char fresh_ms[CONFIG_TEXT_BYTES_MAX];  /* "service:2m stock:0"; read into core by config_check */
    char expire_ms[CONFIG_TEXT_BYTES_MAX]; /* the same */

    int64_t shards; /* loops that fan out, each on a thread of its own; 0: one for each core */

    char tls_certificate[CONFIG_TEXT_BYTES_MAX]; /* files, PEM */
    char tls_key[CONFIG_TEXT_BYTES_MAX];
    char tls_client_ca[CONFIG_TEXT_BYTES_MAX];           /* empty: clients show no certificates */
    char tls_client_crl[CONFIG_TEXT_BYTES_MAX];          /* empty: none is revoked */
    char tls_client_certificates[CONFIG_TEXT_BYTES_MAX]; /* "required" or "optional" */
    char tls_min_version[CONFIG_TEXT_BYTES_MAX];         /* "1.2" or "1.3" */
    int64_t handshake_ms;                                /* from accept to the end of the handshake */
    int64_t handshakes_max;                              /* under way at once */
    int64_t handshake_steps_max;                         /* in one turn of a loop */
    int64_t idle_records_max;                            /* without data, of one connection */

    int64_t vanished_ms;     /* TCP keepalive; 0: as the system has it */
    int64_t connections_max; /* 0: what the limit of open files allows */
    int64_t connections_per_address_max;
    bool limit_loopback;
    int64_t sessions_per_subject_max;
    int64_t handshake_rate_max;     /* connections let in a second; 0: unlimited */
    int64_t handshakes_waiting_max; /* of each shard */
    int64_t handshake_wait_ms;
    int64_t turn_ms;          /* while a turn of a loop takes longer, newcomers wait */
    int64_t memory_bytes_max; /* past it nothing may grow; 0: most of what this machine or control group has */

    int64_t header_ms; /* a request head must be complete within */
    int64_t header_bytes_max;
    int64_t body_ms;  /* a request body that is not a stream must be complete within */
    int64_t idle_ms;  /* a kept connection waits so long for the next request */
    int64_t stall_ms; /* a peer that neither goes on with its stream of lines nor reads what it asked for is dropped after */
    int64_t body_bytes_max;     /* of one request that is not a stream */
    int64_t bodies_bytes_max;   /* of all bodies held at once */
    int64_t yield_ms;           /* one that dawdled for so long makes room */
    int64_t requests_max;       /* requests with a complete body that wait for their answer, and as many streams */
    int64_t page_items_max;     /* items of one JSON page of GET /v1/topics */
    int64_t listed_topics_max;  /* that all listings under way may hold */
    int64_t range_nights_max;   /* of one POST /v1/range */
    int64_t stream_results_max; /* results of one NDJSON stream that wait for the disk or for the reader */
    int64_t event_streams_max;  /* Server-Sent Events at once */

    int64_t close_ms;             /* a WebSocket peer must answer our close within */
    int64_t receive_bytes;        /* read from a WebSocket at once, into the buffer of the loop */
    int64_t notsent_lowat_bytes;  /* TCP_NOTSENT_LOWAT of every socket */
    int64_t fragments_max;        /* of one WebSocket message */
    int64_t idle_frames_rate_max; /* of one WebSocket, a second */
    int64_t messages_bytes_max;   /* of all messages that have not arrived in full */
    int64_t turn_bytes_max;       /* written to one session in one turn of the loop */

    int64_t drain_ms;
    int64_t retry_ms;        /* clients are told to come back within so long, spread evenly */
    int64_t return_rate_max; /* and not more of them in a second: of many, the last are told to come later */

    size_t errors; /* found while reading; each was told on the stream given */
};

enum config_type {
    CONFIG_TEXT,
    CONFIG_NUMBER,
    CONFIG_BYTES,    /* 65536, 64K, 64M, 64G (powers of 1024) */
    CONFIG_DURATION, /* milliseconds, or 500ms, 5s, 10m, 1h */
    CONFIG_BOOL,     /* true false yes no on off */
    CONFIG_LEVEL,    /* error warn info debug */
    CONFIG_SYNC,     /* every, off, or a duration */
};

struct config_key {
    const char *section;
    const char *name;
    enum config_type type;
    size_t offset; /* in struct config */
    int64_t min;
    int64_t max;
    const char *text;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

void config_init(struct config *config);

/* One value from anywhere. False, with the reason in `why`: no such key, or a bad value. */
bool config_set(struct config *config, const char *section, const char *name, const char *value, char *why, size_t why_bytes);

/* Every error is one line `file:line: reason` on `errors`, and counted. */
void config_read_file(struct config *config, const char *path, FILE *errors);

/* AHORA_<SECTION>_<KEY>. Variables of other sections than ours (AHORA_URL) are none of our business. */
void config_read_environment(struct config *config, char *const *environment, FILE *errors);

/* A value of CONFIG_NUMBER, CONFIG_BYTES or CONFIG_DURATION. */
bool config_parse_amount(enum config_type type, const char *text, int64_t *amount);

/* Milliseconds, or 500ms, 5s, 10m, 1h. */
bool config_parse_duration(const char *text, int64_t *duration_ms);

/* Values that contradict each other; and reads what is made of several. */
void config_check(struct config *config, FILE *errors);

/* What is in force, in the form of a file. */
void config_print(const struct config *config, FILE *out);

#endif
