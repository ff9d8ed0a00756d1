/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "plan/cpu.h"
#include "plan/plan.h"
#include "support/check.h"
#include "support/root.h"

TEST(nothing_to_read_is_no_quota)
{
    assert_int_equal(flow_cpu_quota("/nowhere/at/all"), 0);
    struct root root = root_new();
    assert_int_equal(flow_cpu_quota(root.path), 0);
    root_add(&root, "/proc/self/cgroup", "");
    assert_int_equal(flow_cpu_quota(root.path), 0);
    root_free(&root);
}

TEST(version_2_quotas_round_up)
{
    static const struct {
        const char *text;
        unsigned cores;
    } cases[] = {
        {"max 100000\n", 0},
        {"100000 100000\n", 1},
        {"1000 100000\n", 1},
        {"150000 100000\n", 2},
        {"400000 100000\n", 4},
        {"400001 100000\n", 5},
        {"5000 1000\n", 5},
        {"100000\n", 0},
        {"", 0},
        {"-5 100000\n", 0},
        {"100000 0\n", 0},
        {"some text\n", 0},
        {"99999999999999999999 1\n", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct root root = root_new();
        root_add(&root, "/proc/self/cgroup", "0::/job\n");
        root_add(&root, "/sys/fs/cgroup/job/cpu.max", cases[i].text);
        assert_int_equal(flow_cpu_quota(root.path), cases[i].cores);
        root_free(&root);
    }
}

TEST(the_tightest_group_on_the_way_up_counts)
{
    struct root root = root_new();
    root_add(&root, "/proc/self/cgroup", "0::/user.slice/job/inner\n");
    root_add(&root, "/sys/fs/cgroup/user.slice/job/inner/cpu.max", "800000 100000\n");
    root_add(&root, "/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
    root_add(&root, "/sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n");
    root_add(&root, "/sys/fs/cgroup/cpu.max", "700000 100000\n");
    assert_int_equal(flow_cpu_quota(root.path), 3);
    root_free(&root);
}

TEST(a_container_that_shows_the_hosts_path_has_the_quota_of_its_own_mount)
{
    static const char *const lines[] = {"0::/docker/0123\n", "0::/../../elsewhere\n", "0::/\n"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct root root = root_new();
        root_add(&root, "/proc/self/cgroup", lines[i]);
        root_add(&root, "/sys/fs/cgroup/cpu.max", "200000 100000\n");
        assert_int_equal(flow_cpu_quota(root.path), 2);
        root_free(&root);
    }
}

TEST(version_1_quotas_are_read_from_the_cpu_controller_alone)
{
    static const struct {
        const char *line;
        unsigned cores;
    } cases[] = {
        {"4:cpu,cpuacct:/job\n", 3}, {"4:cpuacct,cpu:/job\n", 3}, {"4:cpu:/job\n", 3},
        {"4:cpuset:/job\n", 0},      {"4:cpuacct:/job\n", 0},     {"4:memory:/job\n", 0},
        {"no colon\n", 0},           {"one:colon\n", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct root root = root_new();
        root_add(&root, "/proc/self/cgroup", cases[i].line);
        root_add(&root, "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
        root_add(&root, "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
        root_add(&root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        root_add(&root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        assert_int_equal(flow_cpu_quota(root.path), cases[i].cores);
        root_free(&root);
    }
}

TEST(both_versions_side_by_side_give_the_smaller)
{
    struct root root = root_new();
    root_add(&root, "/proc/self/cgroup", "9:name=systemd:/\n1:cpu:/a\n0::/b\n");
    root_add(&root, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "600000\n");
    root_add(&root, "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    root_add(&root, "/sys/fs/cgroup/unified/b/cpu.max", "500000 100000\n");
    assert_int_equal(flow_cpu_quota(root.path), 5);
    root_free(&root);
}

TEST(the_count_is_at_least_one_and_at_most_what_is_online)
{
    const long online = sysconf(_SC_NPROCESSORS_CONF);
    assert_in_range(flow_cpu_count(), 1, (unsigned long)online);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_read_is_no_quota),
        cmocka_unit_test(version_2_quotas_round_up),
        cmocka_unit_test(the_tightest_group_on_the_way_up_counts),
        cmocka_unit_test(a_container_that_shows_the_hosts_path_has_the_quota_of_its_own_mount),
        cmocka_unit_test(version_1_quotas_are_read_from_the_cpu_controller_alone),
        cmocka_unit_test(both_versions_side_by_side_give_the_smaller),
        cmocka_unit_test(the_count_is_at_least_one_and_at_most_what_is_online),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
