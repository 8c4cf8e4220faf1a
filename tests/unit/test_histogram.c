/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/histogram.h"

static struct histogram histogram;

static int start(void **state) {
    (void)state;
    histogram_clear(&histogram);
    return 0;
}

/* Each bucket begins where the one before it ends. */
static void buckets_join_without_hole(void **state) {
    (void)state;
    for (uint32_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        uint64_t highest = histogram_highest(i);
        assert_int_equal(histogram_index(highest), i);
        assert_int_equal(histogram_index(highest + 1), i + 1);
    }
    assert_int_equal(histogram_highest(HISTOGRAM_BUCKETS - 1), HISTOGRAM_VALUE_MAX);
}

static void a_value_is_known_to_one_part_in_1024(void **state) {
    (void)state;
    for (uint64_t value = 1; value < HISTOGRAM_VALUE_MAX / 3; value = value * 3 + 1) {
        uint64_t highest = histogram_highest(histogram_index(value));
        assert_true(highest >= value);
        assert_true(highest - value <= value / 1024);
    }
}

static void small_values_are_exact(void **state) {
    (void)state;
    for (uint64_t value = 0; value < 2048; value++) {
        assert_int_equal(histogram_highest(histogram_index(value)), value);
    }
}

static void an_empty_one_says_zero(void **state) {
    (void)state;
    assert_int_equal(histogram_at(&histogram, 50), 0);
    assert_int_equal(histogram_at(&histogram, 100), 0);
    assert_true(histogram_mean(&histogram) == 0);
}

static void percentiles_count_from_the_smallest(void **state) {
    (void)state;
    for (uint64_t value = 1000; value > 0; value--) {
        histogram_record(&histogram, value);
    }
    assert_int_equal(histogram_at(&histogram, 0), 1);
    assert_int_equal(histogram_at(&histogram, 50), 500);
    assert_int_equal(histogram_at(&histogram, 99), 990);
    assert_int_equal(histogram_at(&histogram, 99.9), 999);
    assert_int_equal(histogram_at(&histogram, 100), 1000);
    assert_true(histogram_mean(&histogram) == 500.5);
}

/* The bucket of the maximum reaches higher, but nothing so high was seen. */
static void no_percentile_is_above_the_maximum(void **state) {
    (void)state;
    histogram_record(&histogram, 1000001);
    assert_int_equal(histogram_at(&histogram, 50), 1000001);
    assert_int_equal(histogram_at(&histogram, 100), 1000001);
    assert_int_equal(histogram.min, 1000001);
}

static void what_is_too_large_counts_in_the_last_bucket(void **state) {
    (void)state;
    histogram_record(&histogram, UINT64_MAX);
    histogram_record(&histogram, 5);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(histogram_at(&histogram, 50), 5);
    assert_true(histogram_at(&histogram, 100) == UINT64_MAX);
}

static void adding_is_like_recording_both(void **state) {
    (void)state;
    static struct histogram other;
    static struct histogram both;
    histogram_clear(&other);
    histogram_clear(&both);
    for (uint64_t value = 1; value < 100000; value += 7) {
        histogram_record(value % 2 == 0 ? &histogram : &other, value);
        histogram_record(&both, value);
    }
    histogram_add(&histogram, &other);
    assert_memory_equal(histogram.counts, both.counts, sizeof both.counts);
    assert_int_equal(histogram.total, both.total);
    assert_int_equal(histogram.min, both.min);
    assert_int_equal(histogram.max, both.max);
}

static void adding_an_empty_one_changes_nothing(void **state) {
    (void)state;
    static struct histogram other;
    histogram_clear(&other);
    histogram_record(&histogram, 42);
    histogram_add(&histogram, &other);
    assert_int_equal(histogram.min, 42);
    assert_int_equal(histogram.total, 1);
}

/* Lines rise in value and share, and the last one has them all. */
static void hgrm_ends_with_everything(void **state) {
    (void)state;
    char text[16384] = "";
    for (uint64_t value = 1; value <= 100000; value++) {
        histogram_record(&histogram, value * 1000);
    }
    FILE *file = fmemopen(text, sizeof text - 1, "w");
    assert_non_null(file);
    assert_true(histogram_print_hgrm(&histogram, file, 1e6));
    fclose(file);
    double value_before = 0;
    double share_before = -1;
    double total_before = 0;
    const char *line = strstr(text, "\n\n");
    assert_non_null(line);
    for (line += 2; *line != '#'; line = strchr(line, '\n') + 1) {
        char *at;
        double value = strtod(line, &at);
        double share = strtod(at, &at);
        double total = strtod(at, NULL);
        assert_true(value >= value_before && share > share_before && total >= total_before);
        value_before = value;
        share_before = share;
        total_before = total;
    }
    assert_true(value_before == 100);
    assert_true(share_before == 1);
    assert_true(total_before == 100000);
    assert_non_null(strstr(line, "Total count    =       100000]"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buckets_join_without_hole, start),
        cmocka_unit_test_setup(a_value_is_known_to_one_part_in_1024, start),
        cmocka_unit_test_setup(small_values_are_exact, start),
        cmocka_unit_test_setup(an_empty_one_says_zero, start),
        cmocka_unit_test_setup(percentiles_count_from_the_smallest, start),
        cmocka_unit_test_setup(no_percentile_is_above_the_maximum, start),
        cmocka_unit_test_setup(what_is_too_large_counts_in_the_last_bucket, start),
        cmocka_unit_test_setup(adding_is_like_recording_both, start),
        cmocka_unit_test_setup(adding_an_empty_one_changes_nothing, start),
        cmocka_unit_test_setup(hgrm_ends_with_everything, start),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
