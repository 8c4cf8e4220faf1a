/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/bytes.h"
#include "broker/base/checksum.h"
#include "broker/store/journal.h"

#include "tests/unit/store_model.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SEGMENT_BYTES ((size_t)64 << 10)
#define LARGE_BYTES ((size_t)5 << 20) /* several of the parts in which it is read */
#define TURNS 40

/* A journal of one segment with turns of 1 to 5 changes, and the file as bytes. */
struct fixture {
    char *path;
    int directory;
    struct segment *segment;
    int64_t seq_last[TURNS + 1]; /* after so many turns */
    size_t end[TURNS + 1];
    uint8_t *image;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->path = directory_create();
    struct journal journal;
    assert_int_equal(journal_open(&journal, fixture->path), RESULT_OK);
    fixture->directory = dup(journal.directory);
    journal_close(&journal);
    assert_int_equal(segment_create(&fixture->segment, &disk_real, fixture->directory, SEGMENT_BYTES), RESULT_OK);
    assert_int_equal(segment_rename(fixture->segment, fixture->directory, 1), RESULT_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    segment_destroy(fixture->segment);
    close(fixture->directory);
    directory_destroy(fixture->path);
    free(fixture->image);
    free(fixture);
    return 0;
}

static enum result append_with(struct fixture *fixture, const struct disk *disk, int64_t seq_first, int64_t seq_last) {
    struct buffer buffer;
    buffer_init(&buffer, SEGMENT_BYTES);
    for (int64_t seq = seq_first; seq <= seq_last; seq++) {
        model_put(&buffer, seq);
    }
    assert_false(buffer.failed);
    enum result result = segment_append(fixture->segment, disk, buffer_span(&buffer), seq_first, seq_last);
    buffer_fini(&buffer);
    return result;
}

static void append_turns(struct fixture *fixture) {
    fixture->end[0] = fixture->segment->used;
    for (int i = 1; i <= TURNS; i++) {
        fixture->seq_last[i] = fixture->seq_last[i - 1] + 1 + i % 5;
        assert_int_equal(append_with(fixture, &disk_real, fixture->seq_last[i - 1] + 1, fixture->seq_last[i]), RESULT_OK);
        fixture->end[i] = fixture->segment->used;
    }
    fixture->image = malloc(SEGMENT_BYTES);
    assert_int_equal(pread(fixture->segment->file, fixture->image, SEGMENT_BYTES, 0), SEGMENT_BYTES);
}

static void write_image(struct fixture *fixture, const uint8_t *image, size_t bytes) {
    assert_int_equal(ftruncate(fixture->segment->file, (off_t)bytes), 0);
    assert_int_equal(pwrite(fixture->segment->file, image, bytes, 0), bytes);
}

/* Loads everything; the journal stays open. */
static enum result load(struct fixture *fixture, struct journal *journal, struct model *model) {
    *model = (struct model){0};
    assert_int_equal(journal_open(journal, fixture->path), RESULT_OK);
    struct record records[LOADED_AT_ONCE];
    size_t count;
    enum result result;
    while ((result = journal_load(journal, records, LOADED_AT_ONCE, &count)) == RESULT_OK) {
        assert_in_range(count, 1, LOADED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            model_take(model, &records[i]);
        }
    }
    return result;
}

static void turns_come_back_in_order(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    struct journal journal;
    assert_int_equal(journal_open(&journal, fixture->path), RESULT_OK);
    int64_t seq = 0;
    struct record record;
    while (journal_load(&journal, &record, 1, &(size_t){0}) == RESULT_OK) {
        assert_int_equal(record.seq, ++seq);
    }
    assert_int_equal(seq, fixture->seq_last[TURNS]);
    assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 0);
    journal_close(&journal);
}

static struct segment *create_large(const struct fixture *fixture) {
    struct segment *segment = NULL;
    assert_int_equal(segment_create(&segment, &disk_real, fixture->directory, LARGE_BYTES), RESULT_OK);
    assert_int_equal(segment_rename(segment, fixture->directory, 1), RESULT_OK); /* in the place of the small one */
    return segment;
}

/* Turns of up to so many changes until it is full; the last seq. */
static int64_t fill_large(struct segment *segment, int64_t changes_max) {
    struct buffer buffer;
    buffer_init(&buffer, LARGE_BYTES);
    for (int64_t seq = 0;;) {
        const int64_t last = seq + 1 + seq % changes_max;
        buffer_cut(&buffer, 0);
        for (int64_t i = seq + 1; i <= last; i++) {
            model_put(&buffer, i);
        }
        if (buffer.bytes > segment_room(segment)) {
            buffer_fini(&buffer);
            return seq;
        }
        assert_int_equal(segment_append(segment, &disk_real, buffer_span(&buffer), seq + 1, last), RESULT_OK);
        seq = last;
    }
}

/* The file is read a part at a time: none is read over records that the caller still looks at. */
static void records_that_come_together_stay_until_the_next_call(void **state) {
    struct fixture *fixture = *state;
    for (int64_t changes_max = 1; changes_max <= 10000; changes_max *= 100) {
        struct segment *segment = create_large(fixture);
        const int64_t seq_last = fill_large(segment, changes_max);
        struct journal journal;
        struct record records[64];
        size_t count;
        size_t calls = 0;
        int64_t seq = 0;
        assert_int_equal(journal_open(&journal, fixture->path), RESULT_OK);
        assert_true(journal_measure(&journal) >= 1);
        assert_true(journal.bytes_left >= segment->used);
        for (; journal_load(&journal, records, 64, &count) == RESULT_OK; calls++) {
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(records[i].seq, ++seq);
                model_expect_put(&records[i]);
            }
        }
        assert_int_equal(seq, seq_last);
        assert_in_range(calls, (size_t)seq / 64, (size_t)seq / 64 + LARGE_BYTES / (1 << 20) + 2); /* over the ends of turns */
        assert_in_range(journal.bytes_left, 0, LARGE_BYTES - segment->used + SEGMENT_HEADER_BYTES);
        journal_close(&journal);
        segment_destroy(segment);
    }
}

static int turns_before(const struct fixture *fixture, size_t bytes) {
    int turns = 0;
    while (turns < TURNS && fixture->end[turns + 1] <= bytes) {
        turns++;
    }
    return turns;
}

/* The process died inside a write: a part of the last turn is there, then the zeros of the preallocated file. */
static void a_thousand_kills_keep_whole_turns_and_no_half_one(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    uint8_t *image = malloc(SEGMENT_BYTES);
    srandom(1);
    for (int i = 0; i < 1000; i++) {
        size_t span = fixture->end[TURNS] - fixture->end[0];
        size_t cut = fixture->end[0] + (size_t)random() % (span / 8 + 1) * 8;
        memcpy(image, fixture->image, SEGMENT_BYTES);
        memset(image + cut, 0, SEGMENT_BYTES - cut);
        write_image(fixture, image, SEGMENT_BYTES);
        struct journal journal;
        struct model model;
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        model_expect(&model, fixture->seq_last[turns_before(fixture, cut)]);
        assert_int_equal(journal_damaged(&journal, ENDING_KILLED), 0);
        journal_close(&journal);
    }
    free(image);
}

/* The machine died: of what was not synced anything may be missing, down to the length of the file. */
static void a_file_cut_anywhere_is_a_tear_after_a_power_loss(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    srandom(2);
    for (int i = 0; i < 300; i++) {
        size_t cut = fixture->end[0] + (size_t)random() % (fixture->end[TURNS] - fixture->end[0]);
        write_image(fixture, fixture->image, cut);
        struct journal journal;
        struct model model;
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        model_expect(&model, fixture->seq_last[turns_before(fixture, cut)]);
        assert_int_equal(journal_damaged(&journal, ENDING_POWER_LOSS), 0);
        journal_close(&journal);
    }
}

static void every_flipped_bit_is_reported_and_what_it_hit_not_served(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    uint8_t *image = malloc(SEGMENT_BYTES);
    srandom(3);
    for (int i = 0; i < 1000; i++) {
        size_t bit = (size_t)random() % (fixture->end[TURNS] * 8);
        memcpy(image, fixture->image, SEGMENT_BYTES);
        image[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_image(fixture, image, SEGMENT_BYTES);
        struct journal journal;
        struct model model; /* takes only what was written */
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        bool is_reported = journal_damaged(&journal, ENDING_CLEAN) > 0 && journal_damaged(&journal, ENDING_KILLED) > 0;
        if (!is_reported) { /* only the padding behind records carries nothing */
            model_expect(&model, fixture->seq_last[TURNS]);
        }
        journal_close(&journal);
    }
    free(image);
}

static void turns_behind_a_damaged_one_are_found(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    for (size_t at = 0; at < 48; at += 8) { /* head, checksum of the head, records */
        memset(fixture->image + fixture->end[10] + at, 0xff, 8);
        write_image(fixture, fixture->image, SEGMENT_BYTES);
        struct journal journal;
        struct model model;
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        assert_int_equal(model.seq_last, fixture->seq_last[TURNS]);
        assert_int_equal(journal_damaged(&journal, ENDING_POWER_LOSS), 1);
        journal_close(&journal);
    }
}

/* A segment of its own, with zeros of so many bytes in front of each second turn, never written or written; returns how many turns are behind zeros. */
static size_t append_among_zeros(struct fixture *fixture, bool are_written) {
    static const size_t gaps[] = {
        8, 56, 64, 72, 4096, ((size_t)1 << 20) - 40, (size_t)1 << 20, ((size_t)1 << 20) + 8, (size_t)3 << 20};
    static const uint8_t zeros[(size_t)3 << 20];
    const size_t count = sizeof gaps / sizeof gaps[0];
    segment_destroy(fixture->segment);
    assert_int_equal(segment_create(&fixture->segment, &disk_real, fixture->directory, (size_t)16 << 20), RESULT_OK);
    assert_int_equal(segment_rename(fixture->segment, fixture->directory, 1), RESULT_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(append_with(fixture, &disk_real, 1 + 2 * (int64_t)i, 1 + 2 * (int64_t)i), RESULT_OK);
        if (are_written) {
            assert_int_equal(pwrite(fixture->segment->file, zeros, gaps[i], (off_t)fixture->segment->used), gaps[i]);
        }
        fixture->segment->used += gaps[i];
        assert_int_equal(append_with(fixture, &disk_real, 2 + 2 * (int64_t)i, 2 + 2 * (int64_t)i), RESULT_OK);
    }
    return count;
}

static void zeros_among_turns_are_passed_over_to_the_byte(void **state) {
    struct fixture *fixture = *state;
    for (int are_written = 0; are_written <= 1; are_written++) {
        const size_t gaps = append_among_zeros(fixture, are_written);
        struct journal journal;
        struct model model;
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        assert_int_equal(model.seq_last, 2 * gaps);
        assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), gaps);
        journal_close(&journal);
    }
}

static void a_word_in_the_unwritten_rest_is_seen(void **state) {
    struct fixture *fixture = *state;
    const uint8_t word[8] = {[7] = 1};
    append_turns(fixture);
    for (size_t at = fixture->end[TURNS] + 64; at + 8 <= SEGMENT_BYTES; at += 4104) {
        write_image(fixture, fixture->image, SEGMENT_BYTES);
        assert_int_equal(pwrite(fixture->segment->file, word, sizeof word, (off_t)at), sizeof word);
        struct journal journal;
        struct model model;
        assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
        assert_int_equal(model.seq_last, fixture->seq_last[TURNS]);
        assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 1);
        journal_close(&journal);
    }
}

/* What a publisher could put into a document: a turn, well-formed in every respect but the secret of this segment. */
static void a_turn_imitated_inside_a_document_is_not_taken(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    size_t bytes = fixture->end[1] - fixture->end[0];
    size_t at = 8 * ((fixture->end[20] - fixture->end[0]) / 8);
    segment_destroy(fixture->segment);
    assert_int_equal(segment_create(&fixture->segment, &disk_real, fixture->directory, SEGMENT_BYTES), RESULT_OK);
    assert_int_equal(segment_rename(fixture->segment, fixture->directory, 1), RESULT_OK);
    assert_int_equal(pwrite(fixture->segment->file, fixture->image + fixture->end[0], bytes, (off_t)at), bytes);
    assert_int_equal(pwrite(fixture->segment->file, fixture->image + fixture->end[0], bytes, (off_t)fixture->end[0]), bytes);
    struct journal journal;
    struct model model;
    assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
    assert_int_equal(model.seq_last, 0);
    assert_true(journal_damaged(&journal, ENDING_KILLED) > 0);
    journal_close(&journal);
}

static void a_newer_format_is_refused(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    bytes_put_u32(fixture->image + 8, SEGMENT_VERSION + 1);
    bytes_put_u64(fixture->image + SEGMENT_HEADER_BYTES - 8, checksum_of(fixture->image, SEGMENT_HEADER_BYTES - 8, 0));
    write_image(fixture, fixture->image, SEGMENT_BYTES);
    struct journal journal;
    struct model model;
    assert_int_equal(load(fixture, &journal, &model), RESULT_VERSION);
    journal_close(&journal);
}

static void a_cut_journal_is_whole_and_loses_its_empty_segments(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    memset(fixture->image + fixture->end[30] + 64, 0, SEGMENT_BYTES - fixture->end[30] - 64);
    write_image(fixture, fixture->image, SEGMENT_BYTES);
    struct segment *empty;
    assert_int_equal(segment_create(&empty, &disk_real, fixture->directory, SEGMENT_BYTES), RESULT_OK);
    assert_int_equal(segment_rename(empty, fixture->directory, 99999), RESULT_OK);
    segment_destroy(empty);
    struct journal journal;
    struct model model;
    assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
    assert_int_equal(journal_damaged(&journal, ENDING_KILLED), 0);
    assert_int_equal(journal_cut(&journal), RESULT_OK);
    assert_int_equal(journal_bytes(&journal), fixture->end[30]);
    journal_close(&journal);
    assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
    assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 0);
    model_expect(&model, fixture->seq_last[30]);
    journal_close(&journal);
}

static void load_behind(struct fixture *fixture, struct journal *journal, int64_t seq_folded, int64_t *seq_first) {
    assert_int_equal(journal_open(journal, fixture->path), RESULT_OK);
    journal->seq_folded = seq_folded;
    struct record record;
    *seq_first = 0;
    while (journal_load(journal, &record, 1, &(size_t){0}) == RESULT_OK) {
        *seq_first = *seq_first == 0 ? record.seq : *seq_first;
    }
}

static void what_is_folded_is_not_loaded_again(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    memset(fixture->image + fixture->end[5] + 8, 0xff, 8); /* what is bad in there concerns nobody any more */
    write_image(fixture, fixture->image, SEGMENT_BYTES);
    struct journal journal;
    int64_t seq_first;
    load_behind(fixture, &journal, fixture->seq_last[10], &seq_first);
    assert_int_equal(seq_first, fixture->seq_last[10] + 1);
    assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 0);
    assert_int_equal(journal_cut(&journal), RESULT_OK);
    assert_int_equal(journal_bytes(&journal), fixture->end[TURNS]);
    journal_close(&journal);
}

static void a_segment_that_is_folded_as_a_whole_is_dropped(void **state) {
    struct fixture *fixture = *state;
    append_turns(fixture);
    struct journal journal;
    int64_t seq_first;
    load_behind(fixture, &journal, fixture->seq_last[TURNS], &seq_first);
    assert_int_equal(seq_first, 0);
    assert_int_equal(journal_cut(&journal), RESULT_OK);
    assert_true(list_is_empty(&journal.segments));
    assert_int_equal(faccessat(fixture->directory, fixture->segment->name, F_OK, 0), -1);
    journal_close(&journal);
}

/* ---- gaps ---- */

#define PARTS 3
#define PART_TURNS 10 /* of one change each */

/* Three segments, with changes 1 to 10, 11 to 20 and 21 to 30; `begins`: the place of each turn. */
static void append_parts(struct fixture *fixture, size_t begins[PARTS][PART_TURNS]) {
    for (int part = 0; part < PARTS; part++) {
        int64_t seq = part * PART_TURNS + 1;
        if (part > 0) {
            segment_destroy(fixture->segment);
            assert_int_equal(segment_create(&fixture->segment, &disk_real, fixture->directory, SEGMENT_BYTES), RESULT_OK);
            assert_int_equal(segment_rename(fixture->segment, fixture->directory, seq), RESULT_OK);
        }
        for (int turn = 0; turn < PART_TURNS; turn++, seq++) {
            begins[part][turn] = fixture->segment->used;
            assert_int_equal(append_with(fixture, &disk_real, seq, seq), RESULT_OK);
        }
    }
}

static void part_name(char name[SEGMENT_NAME_DIGITS + 1], int part) {
    snprintf(name, SEGMENT_NAME_DIGITS + 1, "%016x", (unsigned)(part * PART_TURNS + 1));
}

/* What never reached the disk reads as zeros. */
static void zero_part(struct fixture *fixture, int part, size_t from, size_t to) {
    char name[SEGMENT_NAME_DIGITS + 1];
    part_name(name, part);
    int file = openat(fixture->directory, name, O_WRONLY);
    uint8_t *zeros = calloc(1, to - from);
    assert_int_equal(pwrite(file, zeros, to - from, (off_t)from), to - from);
    free(zeros);
    close(file);
}

static void remove_part(struct fixture *fixture, int part) {
    char name[SEGMENT_NAME_DIGITS + 1];
    part_name(name, part);
    assert_int_equal(unlinkat(fixture->directory, name, 0), 0);
}

static void load_after(struct fixture *fixture, struct journal *journal, struct model *model, enum ending ending) {
    *model = (struct model){0};
    assert_int_equal(journal_open(journal, fixture->path), RESULT_OK);
    journal->ends_at_gap = ending == ENDING_POWER_LOSS;
    struct record records[LOADED_AT_ONCE];
    size_t count;
    enum result result;
    while ((result = journal_load(journal, records, LOADED_AT_ONCE, &count)) == RESULT_OK) {
        assert_in_range(count, 1, LOADED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            model_take(model, &records[i]);
        }
    }
    assert_int_equal(result, RESULT_NOT_FOUND);
}

/* One place is missing: reported, and what follows is served. */
static void expect_damage(struct fixture *fixture, int64_t missing) {
    for (enum ending ending = ENDING_CLEAN; ending <= ENDING_KILLED; ending++) {
        struct journal journal;
        struct model model;
        load_after(fixture, &journal, &model, ending);
        assert_int_equal(model.seq_last, PARTS * PART_TURNS);
        assert_int_not_equal(model.seqs[model_topic(missing)], missing);
        assert_int_equal(journal_damaged(&journal, ending), 1);
        assert_int_equal(journal.cut, 0);
        journal_close(&journal);
    }
}

/* The journal ends there, and for good. */
static void expect_prefix(struct fixture *fixture, int64_t seq_last, uint64_t cut) {
    struct journal journal;
    struct model model;
    load_after(fixture, &journal, &model, ENDING_POWER_LOSS);
    model_expect(&model, seq_last);
    assert_int_equal(journal_damaged(&journal, ENDING_POWER_LOSS), 0);
    assert_int_equal(journal.cut, cut);
    assert_int_equal(journal_cut(&journal), RESULT_OK);
    journal_close(&journal);
    load_after(fixture, &journal, &model, ENDING_CLEAN);
    model_expect(&model, seq_last);
    assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 0);
    assert_int_equal(journal.cut, 0);
    journal_close(&journal);
}

static void a_segment_that_ends_too_early_is_noticed(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    zero_part(fixture, 0, begins[0][7], SEGMENT_BYTES);
    expect_damage(fixture, 9);
    expect_prefix(fixture, 7, 20);
}

static void a_segment_that_ends_within_a_turn_is_noticed(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    zero_part(fixture, 1, begins[1][5] + TURN_HEAD_BYTES + 8, SEGMENT_BYTES);
    expect_damage(fixture, 17);
    expect_prefix(fixture, 15, 10);
}

static void a_missing_segment_is_noticed(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    remove_part(fixture, 1);
    expect_damage(fixture, 15);
    expect_prefix(fixture, 10, 10);
}

static void a_missing_first_segment_is_noticed(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    remove_part(fixture, 0);
    expect_damage(fixture, 5);
    expect_prefix(fixture, 0, 20);
}

static void a_hole_among_the_turns_of_a_segment_is_noticed(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    zero_part(fixture, 1, begins[1][3], begins[1][6]);
    expect_damage(fixture, 15);
    expect_prefix(fixture, 13, 14);
}

/* After a power loss as well: a disk that lies is no disk that was late. */
static void a_gap_with_other_bytes_in_it_is_damage(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    append_parts(fixture, begins);
    char name[SEGMENT_NAME_DIGITS + 1];
    part_name(name, 0);
    int file = openat(fixture->directory, name, O_WRONLY);
    assert_int_equal(pwrite(file, "\xff\xff\xff\xff", 4, (off_t)begins[0][9] + TURN_HEAD_BYTES), 4);
    close(file);
    struct journal journal;
    struct model model;
    load_after(fixture, &journal, &model, ENDING_POWER_LOSS);
    assert_int_equal(model.seq_last, PARTS * PART_TURNS);
    assert_int_equal(journal_damaged(&journal, ENDING_POWER_LOSS), 1);
    journal_close(&journal);
}

/* The first change that is yielded, and what is reported. */
static int64_t first_behind(struct fixture *fixture, int64_t seq_folded, bool seq_unknown, uint64_t *damaged) {
    struct journal journal;
    struct record record;
    int64_t seq_first = 0;
    assert_int_equal(journal_open(&journal, fixture->path), RESULT_OK);
    journal.seq_folded = seq_folded;
    journal.seq_unknown = seq_unknown;
    while (journal_load(&journal, &record, 1, &(size_t){0}) == RESULT_OK) {
        seq_first = seq_first == 0 ? record.seq : seq_first;
    }
    *damaged = journal_damaged(&journal, ENDING_CLEAN);
    journal_close(&journal);
    return seq_first;
}

static void a_gap_is_what_neither_the_checkpoint_nor_the_journal_has(void **state) {
    struct fixture *fixture = *state;
    size_t begins[PARTS][PART_TURNS];
    uint64_t damaged;
    append_parts(fixture, begins);
    remove_part(fixture, 1);
    assert_int_equal(first_behind(fixture, 20, false, &damaged), 21);
    assert_int_equal(damaged, 0);
    assert_int_equal(first_behind(fixture, 19, false, &damaged), 21);
    assert_int_equal(damaged, 1);
    remove_part(fixture, 0);
    assert_int_equal(first_behind(fixture, 20, false, &damaged), 21);
    assert_int_equal(damaged, 0);
    assert_int_equal(first_behind(fixture, 25, false, &damaged), 26);
    assert_int_equal(damaged, 0);
    assert_int_equal(first_behind(fixture, 0, true, &damaged), 21); /* nobody knows */
    assert_int_equal(damaged, 0);
}

static void a_turn_that_the_checkpoint_has_in_part_is_no_gap(void **state) {
    struct fixture *fixture = *state;
    uint64_t damaged;
    assert_int_equal(append_with(fixture, &disk_real, 1, 8), RESULT_OK);
    assert_int_equal(append_with(fixture, &disk_real, 9, 9), RESULT_OK);
    assert_int_equal(first_behind(fixture, 5, false, &damaged), 1);
    assert_int_equal(damaged, 0);
}

/* ---- a failing disk ---- */

static ssize_t write_half(int file, const struct iovec *pieces, int count, off_t offset) {
    (void)count;
    return pwrite(file, pieces[0].iov_base, pieces[0].iov_len > 16 ? 16 : pieces[0].iov_len, offset);
}

static ssize_t write_some_then_fail(int file, const struct iovec *pieces, int count, off_t offset) {
    if (pieces[0].iov_len == TURN_HEAD_BYTES) {
        return write_half(file, pieces, count, offset);
    }
    errno = ENOSPC;
    return -1;
}

static void writes_cut_short_by_the_kernel_are_completed(void **state) {
    struct fixture *fixture = *state;
    struct disk disk = disk_real;
    disk.write_at = write_half;
    assert_int_equal(append_with(fixture, &disk, 1, 3), RESULT_OK);
    struct journal journal;
    struct model model;
    assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
    model_expect(&model, 3);
    journal_close(&journal);
}

static void a_failed_write_leaves_no_trace_behind_the_next(void **state) {
    struct fixture *fixture = *state;
    struct disk disk = disk_real;
    disk.write_at = write_some_then_fail;
    assert_int_equal(append_with(fixture, &disk_real, 1, 2), RESULT_OK);
    assert_int_equal(append_with(fixture, &disk, 3, 9), RESULT_NO_SPACE);
    assert_int_equal(append_with(fixture, &disk_real, 3, 4), RESULT_OK);
    struct journal journal;
    struct model model;
    assert_int_equal(load(fixture, &journal, &model), RESULT_NOT_FOUND);
    model_expect(&model, 4);
    assert_int_equal(journal_damaged(&journal, ENDING_CLEAN), 0);
    journal_close(&journal);
}

static void the_room_is_exactly_what_fits(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(segment_room(fixture->segment), segment_room_new(SEGMENT_BYTES));
    size_t bytes = segment_room(fixture->segment);
    uint8_t *records = calloc(1, bytes);
    assert_int_equal(segment_append(fixture->segment, &disk_real, span_of(records, bytes), 1, 1), RESULT_OK);
    assert_int_equal(fixture->segment->used, SEGMENT_BYTES);
    assert_int_equal(segment_room(fixture->segment), 0);
    free(records);
}

static int fail_to_reserve(int file, off_t bytes) {
    (void)file;
    (void)bytes;
    errno = ENOSPC;
    return -1;
}

static void a_full_disk_leaves_no_spare(void **state) {
    struct fixture *fixture = *state;
    struct disk disk = disk_real;
    disk.reserve = fail_to_reserve;
    struct segment *segment = NULL;
    assert_int_equal(segment_create(&segment, &disk, fixture->directory, SEGMENT_BYTES), RESULT_NO_SPACE);
    assert_null(segment);
    assert_int_equal(faccessat(fixture->directory, SEGMENT_SPARE_NAME, F_OK, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(turns_come_back_in_order),
        TEST(records_that_come_together_stay_until_the_next_call),
        TEST(a_thousand_kills_keep_whole_turns_and_no_half_one),
        TEST(a_file_cut_anywhere_is_a_tear_after_a_power_loss),
        TEST(every_flipped_bit_is_reported_and_what_it_hit_not_served),
        TEST(turns_behind_a_damaged_one_are_found),
        TEST(zeros_among_turns_are_passed_over_to_the_byte),
        TEST(a_word_in_the_unwritten_rest_is_seen),
        TEST(a_turn_imitated_inside_a_document_is_not_taken),
        TEST(a_newer_format_is_refused),
        TEST(a_cut_journal_is_whole_and_loses_its_empty_segments),
        TEST(what_is_folded_is_not_loaded_again),
        TEST(a_segment_that_is_folded_as_a_whole_is_dropped),
        TEST(a_segment_that_ends_too_early_is_noticed),
        TEST(a_segment_that_ends_within_a_turn_is_noticed),
        TEST(a_missing_segment_is_noticed),
        TEST(a_missing_first_segment_is_noticed),
        TEST(a_hole_among_the_turns_of_a_segment_is_noticed),
        TEST(a_gap_with_other_bytes_in_it_is_damage),
        TEST(a_gap_is_what_neither_the_checkpoint_nor_the_journal_has),
        TEST(a_turn_that_the_checkpoint_has_in_part_is_no_gap),
        TEST(writes_cut_short_by_the_kernel_are_completed),
        TEST(a_failed_write_leaves_no_trace_behind_the_next),
        TEST(the_room_is_exactly_what_fits),
        TEST(a_full_disk_leaves_no_spare),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
