/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A document of the model: a few fields of a fixed alphabet, two levels deep, as plain arrays. It shares no code with the broker's
 * documents: merging, adding and counting bytes are written again, in the most obvious way.
 */
#ifndef SIM_PAPER_H
#define SIM_PAPER_H

#include "proto/buffer.h"
#include "tests/sim/dice.h"

#define PAPER_FIELDS 9 /* level and log are what some kinds write themselves (kinds.h) */
#define PAPER_SUBFIELDS 5
#define PAPER_ENTRIES_MAX 3

#define PAPER_AVAILABLE 0
#define PAPER_CAPACITY 1
#define PAPER_A 2
#define PAPER_B 3
#define PAPER_M 4
#define PAPER_LEVEL 6
#define PAPER_LOG 7

/* Where the position is. */
#define PAPER_POSITION 8
#define PAPER_LAT 3
#define PAPER_LON 4

enum mark {
    MARK_ABSENT,
    MARK_NIL, /* in a merge patch: take away */
    MARK_TRUE,
    MARK_INT,
    MARK_TEXT,
    MARK_MAP,
    MARK_LOG, /* the entries of the paper */
};

struct mark_value {
    enum mark mark;
    int64_t number; /* of an integer, or of a text */
};

struct paper_field {
    struct mark_value value;
    struct mark_value inside[PAPER_SUBFIELDS];
};

struct paper_entry {
    struct mark_value a, note;
    int64_t at;
};

struct paper {
    struct paper_field fields[PAPER_FIELDS];
    struct paper_entry entries[PAPER_ENTRIES_MAX]; /* of the last field, when it is MARK_LOG; the rest is zero */
    unsigned entry_count;
};

const char *paper_field_name(unsigned field);
const char *paper_subfield_name(unsigned subfield);

/* A text of number n; its length. */
#define PAPER_TEXT_BYTES 166
size_t paper_text(int64_t number, char *text);

/* A scalar as MessagePack, and one drawn from the same as documents hold. */
void paper_put_scalar(struct buffer *out, struct mark_value value);
struct mark_value paper_draw_scalar(struct dice *dice);
int64_t paper_draw_lat(struct dice *dice);
int64_t paper_draw_lon(struct dice *dice);

/* Random ones. A patch may hold nils, an adjust only integers of the outer level (and, rarely, something else). */
void paper_draw(struct paper *paper, struct dice *dice);
void paper_draw_patch(struct paper *paper, struct dice *dice);
void paper_draw_adjust(struct paper *paper, struct dice *dice);

bool paper_equal(const struct paper *a, const struct paper *b);
void paper_merge(struct paper *target, const struct paper *patch);

/* As MessagePack; the length is counted on its own. */
void paper_put(struct buffer *out, const struct paper *paper);
size_t paper_bytes(const struct paper *paper);

/* False: not a map of this alphabet. */
bool paper_read(struct span map, struct paper *paper);

#endif
