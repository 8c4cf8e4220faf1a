/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/net/memory_limit.h"

/* ---- a small /proc and /sys ---- */

static int set_up(void **state) {
    char *root = strdup("/tmp/ahora-memory-XXXXXX");
    *state = root;
    return root == NULL || mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static int tear_down(void **state) {
    nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static void put(void **state, const char *name, const char *text) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", (const char *)*state, name);
    for (char *slash = strchr(path + strlen(*state) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect(void **state, uint64_t bytes, const char *source) {
    struct memory_limit limit = memory_limit_read_below(*state);
    assert_int_equal(limit.bytes, bytes);
    assert_string_equal(limit.source, source);
}

/* ---- cases ---- */

static void without_groups_the_machine_counts(void **state) {
    put(state, "/proc/meminfo", "MemTotal:       1024 kB\nMemFree:         10 kB\n");
    expect(state, 1 << 20, "machine");
    put(state, "/proc/self/cgroup", "0::/\n");
    put(state, "/sys/fs/cgroup/memory.max", "max\n");
    expect(state, 1 << 20, "machine");
}

static void a_group_above_may_be_the_tightest(void **state) {
    put(state, "/proc/meminfo", "MemTotal: 1048576 kB\n");
    put(state, "/proc/self/cgroup", "0::/system.slice/ahora.service\n");
    put(state, "/sys/fs/cgroup/system.slice/ahora.service/memory.max", "600000\n");
    expect(state, 600000, "control group");
    put(state, "/sys/fs/cgroup/system.slice/memory.max", "500000\n");
    expect(state, 500000, "control group");
    put(state, "/sys/fs/cgroup/memory.max", "400000\n");
    expect(state, 400000, "control group");
}

static void groups_of_version_1_are_read(void **state) {
    put(state, "/proc/meminfo", "MemTotal: 1048576 kB\n");
    put(state, "/proc/self/cgroup", "12:cpu,cpuacct:/a\n9:memory:/docker/x\n0::/\n");
    put(state, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "700000\n");
    expect(state, 700000, "control group");
    put(state, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n"); /* none, in its words */
    expect(state, 1 << 30, "machine");
}

static void nonsense_is_passed_over(void **state) {
    put(state, "/proc/self/cgroup", "\n:\nmemory\n0::\n5:memory\n::\n");
    put(state, "/sys/fs/cgroup/memory.max", "much\n");
    struct memory_limit limit = memory_limit_read_below(*state);
    assert_true(limit.bytes == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_groups_the_machine_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_above_may_be_the_tightest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups_of_version_1_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_passed_over, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
