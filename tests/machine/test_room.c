/* SPDX-License-Identifier: MIT */
#include "machine/room.h"

#include <string.h>
#include <sys/resource.h>

#include "support/check.h"
#include "support/root.h"

static void add_machine(const struct root *root)
{
    root_add(root, "/proc/meminfo",
             "MemTotal:  9999 kB\nMemFree:  10 kB\nMemAvailable:  4000 kB\nSwapFree: 96 kB\n");
}

TEST(where_nothing_can_be_read_it_is_not_known)
{
    struct root root = root_new();
    assert_true(flow_room_find(root.path, false).bytes == UINT64_MAX);
    root_free(&root);
}

TEST(the_machine_has_what_is_available_and_its_swap)
{
    struct root root = root_new();
    add_machine(&root);
    const struct flow_room room = flow_room_find(root.path, false);
    assert_int_equal(room.bytes, 4096 * 1024);
    assert_string_equal(room.what, "what the machine has available");
    root_free(&root);
}

TEST(a_control_group_leaves_what_is_not_used_and_pages_that_lie_idle)
{
    struct root root = root_new();
    add_machine(&root);
    root_add(&root, "/proc/self/cgroup", "0::/a/b\n");
    root_add(&root, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    root_add(&root, "/sys/fs/cgroup/a/b/memory.current", "700\n");
    assert_int_equal(flow_room_find(root.path, false).bytes, 4096 * 1024);
    root_add(&root, "/sys/fs/cgroup/a/memory.max", "1000\n");
    root_add(&root, "/sys/fs/cgroup/a/memory.current", "700\n");
    root_add(&root, "/sys/fs/cgroup/a/memory.stat", "anon 600\ninactive_file 100\nfile 1\n");
    const struct flow_room room = flow_room_find(root.path, false);
    assert_int_equal(room.bytes, 400);
    assert_string_equal(room.what, "memory.max of the control group");
    root_add(&root, "/sys/fs/cgroup/a/memory.max", "500\n"); /* lowered below what is used */
    assert_int_equal(flow_room_find(root.path, false).bytes, 0);
    root_free(&root);
}

TEST(version_1_is_read_likewise)
{
    struct root root = root_new();
    add_machine(&root);
    root_add(&root, "/proc/self/cgroup", "3:cpu:/x\n4:memory:/j\n");
    root_add(&root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    root_add(&root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n");
    assert_int_equal(flow_room_find(root.path, false).bytes, 4096 * 1024);
    root_add(&root, "/sys/fs/cgroup/memory/j/memory.limit_in_bytes", "2000\n");
    root_add(&root, "/sys/fs/cgroup/memory/j/memory.usage_in_bytes", "1500\n");
    root_add(&root, "/sys/fs/cgroup/memory/j/memory.stat", "cache 7\ntotal_inactive_file 30\n");
    const struct flow_room room = flow_room_find(root.path, false);
    assert_int_equal(room.bytes, 530);
    assert_string_equal(room.what, "memory.limit_in_bytes of the control group");
    root_free(&root);
}

TEST(the_limit_of_addresses_counts_for_a_run_in_one_process)
{
    struct root root = root_new();
    add_machine(&root);
    root_add(&root, "/proc/self/statm", "1 1 1\n");
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    const struct rlimit low = {1024 * 1024, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    const struct flow_room one = flow_room_find(root.path, true);
    const struct flow_room several = flow_room_find(root.path, false);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_in_range(one.bytes, 1, 1024 * 1024 - 1);
    assert_string_equal(one.what, "ulimit -v");
    assert_int_equal(several.bytes, 4096 * 1024);
    root_free(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_can_be_read_it_is_not_known),
        cmocka_unit_test(the_machine_has_what_is_available_and_its_swap),
        cmocka_unit_test(a_control_group_leaves_what_is_not_used_and_pages_that_lie_idle),
        cmocka_unit_test(version_1_is_read_likewise),
        cmocka_unit_test(the_limit_of_addresses_counts_for_a_run_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
