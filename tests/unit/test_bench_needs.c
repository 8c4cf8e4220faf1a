/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Each limit of a machine is found before the first connection, and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/needs.h"

static const struct needs needs = {
    .connections = 40000, .of_server = 20000, .of_process = 10000, .of_address = 20000, .bytes_of_end = 8192, .ends_here = 2};

static const struct limits enough = {.memory_bytes = INT64_C(40000) * 16384,
                                     .process_files = 10128,
                                     .server_files = 20128,
                                     .machine_files = 80000,
                                     .ports = 20256,
                                     .tcp_pages = 1000,
                                     .tcp_pages_tight = 20000,
                                     .tcp_pages_max = 21000};

static void just_enough_is_enough(void **state) {
    (void)state;
    char why[160] = "";
    assert_true(needs_fit(&needs, &enough, why, sizeof why));
    assert_string_equal(why, "");
}

static void what_is_unknown_is_not_asked_for(void **state) {
    (void)state;
    char why[160];
    const struct limits unknown = {.memory_bytes = -1,
                                   .process_files = -1,
                                   .server_files = -1,
                                   .machine_files = -1,
                                   .ports = -1,
                                   .tcp_pages = -1,
                                   .tcp_pages_tight = -1,
                                   .tcp_pages_max = -1};
    assert_true(needs_fit(&needs, &unknown, why, sizeof why));
    assert_int_equal(needs_at_once(20000, 7, &unknown), 7);
}

static void one_less_is_named(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        const char *name;
    } rows[] = {
        {offsetof(struct limits, memory_bytes), "only 624 MiB of memory"},
        {offsetof(struct limits, process_files), "in the load: a process may hold 10127 here (ulimit -Hn); --loads 3 would do"},
        {offsetof(struct limits, server_files), "in the broker: it may hold 20127 here (ulimit -Hn)"},
        {offsetof(struct limits, machine_files), "fs.file-max"},
        {offsetof(struct limits, ports), "net.ipv4.ip_local_port_range"},
        {offsetof(struct limits, tcp_pages_max), "net.ipv4.tcp_mem"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[160];
        struct limits limits = enough;
        *(int64_t *)(void *)((char *)&limits + rows[i].offset) -= 1;
        assert_false(needs_fit(&needs, &limits, why, sizeof why));
        assert_non_null(strstr(why, rows[i].name));
    }
}

/* The other end has its own machine. */
static void of_a_broker_elsewhere_only_one_end_is_here(void **state) {
    (void)state;
    char why[160];
    struct needs remote = needs;
    struct limits half = enough;
    remote.ends_here = 1;
    half.memory_bytes /= 2;
    half.machine_files /= 2;
    assert_true(needs_fit(&remote, &half, why, sizeof why));
    assert_false(needs_fit(&needs, &half, why, sizeof why));
}

static void no_more_at_once_than_tcp_may_hold(void **state) {
    (void)state;
    assert_int_equal(needs_at_once(1000, 32, &enough), 19);
    assert_int_equal(needs_at_once(1000, 4, &enough), 4);
    assert_int_equal(needs_at_once(500000, 4, &enough), 1);
    assert_int_equal(needs_at_once(1000, 0, &enough), 1);
}

static void this_machine_says_what_it_has(void **state) {
    (void)state;
    struct limits limits = limits_read();
    assert_true(limits.memory_bytes > 0);
    assert_true(limits.process_files != 0);
    assert_true(limits.tcp_pages_max >= limits.tcp_pages_tight);
    assert_true(limits.ports != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(just_enough_is_enough),
        cmocka_unit_test(what_is_unknown_is_not_asked_for),
        cmocka_unit_test(one_less_is_named),
        cmocka_unit_test(of_a_broker_elsewhere_only_one_end_is_here),
        cmocka_unit_test(no_more_at_once_than_tcp_may_hold),
        cmocka_unit_test(this_machine_says_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
