/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Command line options: one table for parsing and for help. A command names the options it takes as a mask.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "include/ahora/ahora.h"

enum option_bit {
    OPTION_SERVER = 1 << 0,
    OPTION_ENCODING = 1 << 1, /* --json, --msgpack */
    OPTION_CHANGE = 1 << 2,   /* --at --if-seq --if-newer --key --fresh-ms --expire-ms */
    OPTION_ACK = 1 << 3,
    OPTION_PUB = 1 << 4, /* -l --atomic */
    OPTION_LIMIT = 1 << 5,
    OPTION_SUB = 1 << 6,     /* --since --every --count --until-live --where --near */
    OPTION_REPLAY = 1 << 7,  /* --speed --rate --loop --producers */
    OPTION_RAW = 1 << 8,     /* --json of status */
    OPTION_RANGE = 1 << 9,   /* --days --key */
    OPTION_SOURCE = 1 << 10, /* --source --on-lost --grace */
    OPTION_TOP = 1 << 11,    /* --every --count of top */
};

#define PRODUCERS_MAX 64
#define CONDITIONS_MAX 64

struct options {
    const char *server;
    const char *ca_file;     /* NULL: what the system trusts */
    const char *certificate; /* NULL: none */
    const char *certificate_key;
    bool insecure;
    bool json;
    struct ahora_change change; /* only what the options say */
    enum ahora_ack ack;
    bool lines;
    bool atomic;
    const char *days; /* NULL: all */
    int64_t limit;
    const char *since;
    int64_t every_ms;
    int64_t count;
    bool until_live;
    const char *where[CONDITIONS_MAX];
    unsigned where_count;
    bool is_near;
    struct ahora_near near;
    double speed; /* 0: as fast as acknowledged */
    double rate;  /* changes a second; 0: not limited */
    bool loop;
    int64_t producers;
    const char *source;
    enum ahora_on_lost on_lost;
    bool has_grace_ms;
    int64_t grace_ms;
    bool help;
};

struct option_row {
    const char *name;
    char letter; /* 0: none */
    unsigned bit;
    const char *value; /* NULL: takes none */
    const char *help;
    bool (*take)(struct options *options, const char *value);
};

/* The table, for those who describe it; NULL past the last. */
const struct option_row *options_at(size_t index);

/* The words that a value may be, separated by blanks; NULL: anything. */
const char *options_words(const char *name);

/* Sets *first to the index of the first argument that is no option; options may follow arguments. False after a message on
   stderr. The server defaults to AHORA_URL of the environment. */
bool options_parse(struct options *options, unsigned mask, int argc, char **argv, int *first);

void options_help(unsigned mask);

#endif
