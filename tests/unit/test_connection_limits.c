/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

static struct connection_limits limits;

static int set_up(void **state) {
    (void)state;
    assert_true(connection_limits_init(&limits, 42));
    limits.connections_max = 100;
    limits.connections_per_address_max = 2;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    connection_limits_fini(&limits);
    return 0;
}

static enum admission enter(const char *address, struct address_count **count) {
    if (strchr(address, ':') != NULL) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
        return connection_limits_enter(&limits, (const struct sockaddr *)&in6, count);
    }
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, address, &in4.sin_addr), 1);
    return connection_limits_enter(&limits, (const struct sockaddr *)&in4, count);
}

static void share_of_an_address_is_bounded(void **state) {
    struct address_count *counts[3];
    (void)state;
    assert_int_equal(enter("10.0.0.1", &counts[0]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.1", &counts[1]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.1", &counts[2]), ADMISSION_TOO_MANY);
    assert_int_equal(enter("::ffff:10.0.0.1", &counts[2]), ADMISSION_TOO_MANY);
    assert_int_equal(limits.connections, 2);
    connection_limits_leave(&limits, counts[0]);
    assert_int_equal(enter("10.0.0.1", &counts[0]), ADMISSION_OK);
    connection_limits_leave(&limits, counts[0]);
    connection_limits_leave(&limits, counts[1]);
}

static void other_addresses_are_not_touched(void **state) {
    struct address_count *counts[3];
    (void)state;
    assert_int_equal(enter("10.0.0.1", &counts[0]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.1", &counts[1]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.2", &counts[2]), ADMISSION_OK);
    for (int i = 0; i < 3; i++) {
        connection_limits_leave(&limits, counts[i]);
    }
}

static void ipv6_counts_by_network(void **state) {
    struct address_count *counts[4];
    (void)state;
    assert_int_equal(enter("2001:db8:0:1::1", &counts[0]), ADMISSION_OK);
    assert_int_equal(enter("2001:db8:0:1::2", &counts[1]), ADMISSION_OK);
    assert_int_equal(enter("2001:db8:0:1:ffff::3", &counts[2]), ADMISSION_TOO_MANY);
    assert_int_equal(enter("2001:db8:0:2::1", &counts[2]), ADMISSION_OK);
    for (int i = 0; i < 3; i++) {
        connection_limits_leave(&limits, counts[i]);
    }
}

static void loopback_is_exempt_unless_asked(void **state) {
    struct address_count *counts[4];
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter(i == 1 ? "::1" : "127.0.0.1", &counts[i]), ADMISSION_OK);
        assert_null(counts[i]);
    }
    for (int i = 0; i < 3; i++) {
        connection_limits_leave(&limits, counts[i]);
    }
    limits.limit_loopback = true;
    assert_int_equal(enter("127.0.0.1", &counts[0]), ADMISSION_OK);
    assert_int_equal(enter("127.0.0.1", &counts[1]), ADMISSION_OK);
    assert_int_equal(enter("127.0.0.1", &counts[2]), ADMISSION_TOO_MANY);
    connection_limits_leave(&limits, counts[0]);
    connection_limits_leave(&limits, counts[1]);
}

static void total_is_bounded(void **state) {
    struct address_count *counts[3];
    (void)state;
    limits.connections_max = 2;
    assert_int_equal(enter("127.0.0.1", &counts[0]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.2", &counts[1]), ADMISSION_OK);
    assert_int_equal(enter("10.0.0.3", &counts[2]), ADMISSION_FULL);
    connection_limits_leave(&limits, counts[0]);
    connection_limits_leave(&limits, counts[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(share_of_an_address_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_addresses_are_not_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ipv6_counts_by_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(loopback_is_exempt_unless_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(total_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
