/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/sim/paper.h"

#include <string.h>

#include "proto/pack.h"

/* The first two are counts in some kinds: `adjust` has a floor there. */
static const char *const field_names[PAPER_FIELDS] = {"available", "capacity", "a", "b", "m", "n", "level", "log", "position"};
static const char *const subfield_names[PAPER_SUBFIELDS] = {"x", "y", "z", "lat", "lon"};

#define TEXT_PADDING_MAX (PAPER_TEXT_BYTES - 16)

const char *paper_field_name(unsigned field) {
    return field_names[field];
}

const char *paper_subfield_name(unsigned subfield) {
    return subfield_names[subfield];
}

/* ---- drawing ---- */

static int64_t draw_number(struct dice *dice) {
    switch (dice_below(dice, 12)) {
    case 0:
        return INT64_MAX - (int64_t)dice_below(dice, 3);
    case 1:
        return INT64_MIN + (int64_t)dice_below(dice, 3);
    case 2:
        return dice_between(dice, -70000, 70000);
    default:
        return dice_between(dice, -4, 12);
    }
}

static struct mark_value draw_scalar(struct dice *dice) {
    static const enum mark marks[] = {MARK_INT, MARK_INT, MARK_INT, MARK_TEXT, MARK_TRUE, MARK_NIL};
    struct mark_value value = {.mark = marks[dice_below(dice, sizeof marks / sizeof marks[0])]};
    if (value.mark == MARK_INT) {
        value.number = draw_number(dice);
    } else if (value.mark == MARK_TEXT) {
        value.number = (int64_t)dice_below(dice, 1000);
    }
    return value;
}

struct mark_value paper_draw_scalar(struct dice *dice) {
    return draw_scalar(dice);
}

/* Few places, at the poles and on both sides of the antimeridian too, so that many are near each other. */
int64_t paper_draw_lat(struct dice *dice) {
    static const int64_t lats[] = {0, 1, 2, 3, 88, 89, 90, -90};
    return lats[dice_below(dice, sizeof lats / sizeof lats[0])];
}

int64_t paper_draw_lon(struct dice *dice) {
    static const int64_t lons[] = {0, 1, 2, 178, 179, 180, -180, -179};
    return lons[dice_below(dice, sizeof lons / sizeof lons[0])];
}

static void draw_position(struct paper_field *field, struct dice *dice) {
    *field = (struct paper_field){.value.mark = MARK_MAP};
    field->inside[PAPER_LAT] = (struct mark_value){MARK_INT, paper_draw_lat(dice)};
    field->inside[PAPER_LON] = (struct mark_value){MARK_INT, paper_draw_lon(dice)};
    if (dice_chance(dice, 100)) {
        field->inside[dice_chance(dice, 500) ? PAPER_LAT : PAPER_LON] = draw_scalar(dice);
    }
}

static void draw_fields(struct paper *paper, struct dice *dice, unsigned per_mille) {
    *paper = (struct paper){0};
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        struct paper_field *field = &paper->fields[i];
        if (!dice_chance(dice, i == PAPER_LEVEL || i == PAPER_LOG ? per_mille / 5 : per_mille)) {
            continue;
        }
        if (i == PAPER_POSITION && dice_chance(dice, 900)) {
            draw_position(field, dice);
            continue;
        }
        if (i == PAPER_LEVEL && dice_chance(dice, 500)) { /* what a producer may say, or what it read */
            field->value = (struct mark_value){MARK_TEXT, dice_chance(dice, 500) ? 9 : dice_between(dice, 1, 3)};
            continue;
        }
        if (i < 4 || i == PAPER_LEVEL || i == PAPER_LOG || dice_chance(dice, 300)) {
            field->value =
                i < 2 && !dice_chance(dice, 100) ? (struct mark_value){MARK_INT, dice_between(dice, 0, 9)} : draw_scalar(dice);
            continue;
        }
        field->value.mark = MARK_MAP;
        for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
            if (dice_chance(dice, 400)) {
                field->inside[j] = draw_scalar(dice);
            }
        }
    }
}

void paper_draw(struct paper *paper, struct dice *dice) {
    draw_fields(paper, dice, 450);
}

void paper_draw_patch(struct paper *paper, struct dice *dice) {
    draw_fields(paper, dice, 250);
    if (dice_chance(dice, 200)) {
        paper->fields[dice_below(dice, PAPER_FIELDS)] = (struct paper_field){.value.mark = MARK_NIL};
    }
}

void paper_draw_adjust(struct paper *paper, struct dice *dice) {
    *paper = (struct paper){0};
    for (unsigned i = 0; i < 4; i++) {
        if (dice_chance(dice, i < 2 ? 600 : 150)) {
            paper->fields[i].value =
                (struct mark_value){MARK_INT, dice_chance(dice, 50) ? draw_number(dice) : dice_between(dice, -5, 5)};
        }
    }
    if (dice_chance(dice, 30)) {
        paper->fields[2].value = (struct mark_value){MARK_TEXT, 7};
    }
}

/* ---- the plain rules ---- */

static bool values_equal(struct mark_value a, struct mark_value b) {
    return a.mark == b.mark && a.number == b.number;
}

static bool entries_equal(const struct paper_entry *a, const struct paper_entry *b) {
    return values_equal(a->a, b->a) && values_equal(a->note, b->note) && a->at == b->at;
}

bool paper_equal(const struct paper *a, const struct paper *b) {
    if (a->entry_count != b->entry_count) {
        return false;
    }
    for (unsigned i = 0; i < a->entry_count; i++) {
        if (!entries_equal(&a->entries[i], &b->entries[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        if (!values_equal(a->fields[i].value, b->fields[i].value)) {
            return false;
        }
        for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
            if (!values_equal(a->fields[i].inside[j], b->fields[i].inside[j])) {
                return false;
            }
        }
    }
    return true;
}

static void merge_map(struct paper_field *target, const struct paper_field *patch) {
    if (target->value.mark != MARK_MAP) {
        *target = (struct paper_field){.value.mark = MARK_MAP};
    }
    for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
        if (patch->inside[j].mark == MARK_NIL) {
            target->inside[j] = (struct mark_value){0};
        } else if (patch->inside[j].mark != MARK_ABSENT) {
            target->inside[j] = patch->inside[j];
        }
    }
}

void paper_merge(struct paper *target, const struct paper *patch) {
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        const struct paper_field *field = &patch->fields[i];
        if (field->value.mark == MARK_ABSENT) {
            continue;
        }
        if (i == PAPER_LOG) { /* a list is replaced */
            memcpy(target->entries, patch->entries, sizeof target->entries);
            target->entry_count = patch->entry_count;
        }
        if (field->value.mark == MARK_MAP) {
            merge_map(&target->fields[i], field);
        } else if (field->value.mark == MARK_NIL) {
            target->fields[i] = (struct paper_field){0};
        } else {
            target->fields[i] = (struct paper_field){.value = field->value};
        }
    }
}

/* ---- bytes ---- */

/* A text of number n: "t<n>" and some padding, so that documents differ in size. */
static size_t text_of(int64_t number, char *text) {
    char digits[8];
    size_t count = 0;
    uint64_t rest = (uint64_t)number;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    size_t bytes = 0;
    text[bytes++] = 't';
    while (count > 0) {
        text[bytes++] = digits[--count];
    }
    size_t padding = (size_t)number % TEXT_PADDING_MAX;
    memset(text + bytes, 'x', padding);
    return bytes + padding;
}

static void put_scalar(struct buffer *out, struct mark_value value) {
    char text[TEXT_PADDING_MAX + 16];
    switch (value.mark) {
    case MARK_INT:
        pack_put_int(out, value.number);
        return;
    case MARK_TEXT:
        pack_put_text(out, span_of(text, text_of(value.number, text)));
        return;
    case MARK_TRUE:
        pack_put_bool(out, true);
        return;
    default:
        pack_put_nil(out);
    }
}

size_t paper_text(int64_t number, char *text) {
    return text_of(number, text);
}

void paper_put_scalar(struct buffer *out, struct mark_value value) {
    put_scalar(out, value);
}

static uint32_t count_inside(const struct paper_field *field) {
    uint32_t count = 0;
    for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
        count += field->inside[j].mark != MARK_ABSENT;
    }
    return count;
}

static uint32_t count_fields(const struct paper *paper) {
    uint32_t count = 0;
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        count += paper->fields[i].value.mark != MARK_ABSENT;
    }
    return count;
}

static void put_entries(struct buffer *out, const struct paper *paper) {
    pack_put_list(out, paper->entry_count);
    for (unsigned i = 0; i < paper->entry_count; i++) {
        const struct paper_entry *entry = &paper->entries[i];
        pack_put_map(out, entry->note.mark == MARK_ABSENT ? 2 : 3);
        pack_put_key(out, "a");
        put_scalar(out, entry->a);
        pack_put_key(out, "at");
        pack_put_int(out, entry->at);
        if (entry->note.mark != MARK_ABSENT) {
            pack_put_key(out, "note");
            put_scalar(out, entry->note);
        }
    }
}

void paper_put(struct buffer *out, const struct paper *paper) {
    pack_put_map(out, count_fields(paper));
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        const struct paper_field *field = &paper->fields[i];
        if (field->value.mark == MARK_ABSENT) {
            continue;
        }
        pack_put_key(out, field_names[i]);
        if (field->value.mark == MARK_LOG) {
            put_entries(out, paper);
            continue;
        }
        if (field->value.mark != MARK_MAP) {
            put_scalar(out, field->value);
            continue;
        }
        pack_put_map(out, count_inside(field));
        for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
            if (field->inside[j].mark != MARK_ABSENT) {
                pack_put_key(out, subfield_names[j]);
                put_scalar(out, field->inside[j]);
            }
        }
    }
}

/* The MessagePack specification's lengths, by hand. */
static size_t int_bytes(int64_t number) {
    if (number >= 0) {
        return number < 128 ? 1 : number < 256 ? 2 : number < 65536 ? 3 : number < INT64_C(4294967296) ? 5 : 9;
    }
    return number >= -32 ? 1 : number >= -128 ? 2 : number >= -32768 ? 3 : number >= -INT64_C(2147483648) ? 5 : 9;
}

static size_t scalar_bytes(struct mark_value value) {
    char text[TEXT_PADDING_MAX + 16];
    if (value.mark == MARK_INT) {
        return int_bytes(value.number);
    }
    if (value.mark == MARK_TEXT) {
        size_t bytes = text_of(value.number, text);
        return bytes + (bytes < 32 ? 1 : 2);
    }
    return 1;
}

/* A list and a map of so few entries have one byte each; keys one and their letters. */
static size_t entries_bytes(const struct paper *paper) {
    size_t bytes = 0;
    for (unsigned i = 0; i < paper->entry_count; i++) {
        const struct paper_entry *entry = &paper->entries[i];
        bytes += 1 + 2 + scalar_bytes(entry->a) + 3 + int_bytes(entry->at);
        bytes += entry->note.mark == MARK_ABSENT ? 0 : 5 + scalar_bytes(entry->note);
    }
    return bytes;
}

size_t paper_bytes(const struct paper *paper) {
    size_t bytes = 1 + entries_bytes(paper);
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        const struct paper_field *field = &paper->fields[i];
        if (field->value.mark == MARK_ABSENT) {
            continue;
        }
        bytes += 1 + strlen(field_names[i]) + scalar_bytes(field->value);
        for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
            if (field->inside[j].mark != MARK_ABSENT) {
                bytes += 1 + strlen(subfield_names[j]) + scalar_bytes(field->inside[j]);
            }
        }
    }
    return bytes;
}

/* ---- reading ---- */

static bool read_text(struct span text, struct mark_value *value) {
    char again[TEXT_PADDING_MAX + 16];
    if (text.bytes < 2 || text.data[0] != 't') {
        return false;
    }
    int64_t number = 0;
    for (size_t i = 1; i < text.bytes && i < 5 && text.data[i] != 'x'; i++) {
        number = number * 10 + (text.data[i] - '0');
    }
    *value = (struct mark_value){MARK_TEXT, number};
    return number >= 0 && number < 1000 && text_of(number, again) == text.bytes && memcmp(again, text.data, text.bytes) == 0;
}

static bool read_scalar(struct pack_reader *reader, struct mark_value *value) {
    switch (pack_peek(reader)) {
    case PACK_INT:
        *value = (struct mark_value){MARK_INT, pack_read_int(reader)};
        return true;
    case PACK_TEXT:
        return read_text(pack_read_text(reader), value);
    case PACK_BOOL:
        *value = (struct mark_value){MARK_TRUE, 0};
        return pack_read_bool(reader);
    case PACK_NIL:
        *value = (struct mark_value){MARK_NIL, 0};
        pack_read_nil(reader);
        return true;
    default:
        return false;
    }
}

static int index_of(const char *const *names, unsigned count, struct span name) {
    for (unsigned i = 0; i < count; i++) {
        if (span_is(name, names[i])) {
            return (int)i;
        }
    }
    return -1;
}

static bool read_entry(struct pack_reader *reader, struct paper_entry *entry) {
    for (uint32_t left = pack_read_map(reader); left > 0; left--) {
        struct span key = pack_read_text(reader);
        if (span_is(key, "at")) {
            entry->at = pack_read_int(reader);
        } else if (!(span_is(key, "a") && read_scalar(reader, &entry->a)) &&
                   !(span_is(key, "note") && read_scalar(reader, &entry->note))) {
            return false;
        }
    }
    return !reader->failed && entry->a.mark != MARK_ABSENT;
}

static bool read_entries(struct pack_reader *reader, struct paper *paper) {
    paper->fields[PAPER_LOG].value.mark = MARK_LOG;
    for (uint32_t left = pack_read_list(reader); left > 0; left--) {
        if (paper->entry_count == PAPER_ENTRIES_MAX || !read_entry(reader, &paper->entries[paper->entry_count++])) {
            return false;
        }
    }
    return true;
}

static bool read_inside(struct pack_reader *reader, struct paper_field *field) {
    field->value.mark = MARK_MAP;
    for (uint32_t left = pack_read_map(reader); left > 0; left--) {
        int index = index_of(subfield_names, PAPER_SUBFIELDS, pack_read_text(reader));
        if (index < 0 || field->inside[index].mark != MARK_ABSENT || !read_scalar(reader, &field->inside[index])) {
            return false;
        }
    }
    return true;
}

bool paper_read(struct span map, struct paper *paper) {
    struct pack_reader reader = pack_reader_of(map);
    *paper = (struct paper){0};
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        int index = index_of(field_names, PAPER_FIELDS, pack_read_text(&reader));
        if (index < 0 || paper->fields[index].value.mark != MARK_ABSENT) {
            return false;
        }
        struct paper_field *field = &paper->fields[index];
        bool fine = index == PAPER_LOG && pack_peek(&reader) == PACK_LIST ? read_entries(&reader, paper)
                    : pack_peek(&reader) == PACK_MAP                      ? read_inside(&reader, field)
                                                                          : read_scalar(&reader, &field->value);
        if (!fine) {
            return false;
        }
    }
    return !reader.failed && reader.at == reader.end;
}
