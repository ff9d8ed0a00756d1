/* SPDX-License-Identifier: MIT */
#include "machine/topology.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

#ifdef FLOW_HAVE_HWLOC

static struct flow_topology load(void)
{
    struct flow_topology topology;
    struct flow_error err = {0};
    const enum flow_status rc = flow_topology_load(&topology, &err);
    if (rc != FLOW_OK)
        print_error("%s\n", err.text);
    assert_int_equal(rc, FLOW_OK);
    return topology;
}

TEST(the_usable_cpus_are_those_of_this_process)
{
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    struct flow_topology topology = load();
    size_t usable = 0;
    for (size_t i = 0; i < topology.count; i++) {
        const struct flow_cpu *cpu = &topology.cpus[i];
        assert_true(i == 0 || cpu->number > topology.cpus[i - 1].number);
        if (cpu->state == FLOW_CPU_USABLE)
            assert_true(CPU_ISSET(cpu->number, &mine));
        usable += cpu->state == FLOW_CPU_USABLE;
    }
    assert_int_equal(usable, CPU_COUNT(&mine));
    flow_topology_clear(&topology);
}

TEST(cpus_outside_of_the_affinity_are_forbidden)
{
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &mine))
        first++;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    struct flow_topology topology = load();
    assert_int_equal(sched_setaffinity(0, sizeof(mine), &mine), 0);
    for (size_t i = 0; i < topology.count; i++)
        assert_int_equal(topology.cpus[i].state == FLOW_CPU_USABLE,
                         topology.cpus[i].number == first);
    flow_topology_clear(&topology);
}

/* hwloc can make a machine up. */
static struct flow_topology load_made_up(const char *machine)
{
    assert_int_equal(setenv("HWLOC_SYNTHETIC", machine, 1), 0);
    struct flow_topology topology = load();
    assert_int_equal(unsetenv("HWLOC_SYNTHETIC"), 0);
    return topology;
}

TEST(cpus_know_what_they_share)
{
    struct flow_topology topology = load_made_up("node:2 l3:2 l2:2 core:1 pu:2");
    assert_int_equal(topology.count, 16);
    for (uint32_t i = 0; i < 16; i++) {
        const struct flow_cpu *cpu = &topology.cpus[i];
        assert_int_equal(cpu->number, i);
        assert_int_equal(cpu->node, i / 8);
        assert_int_equal(cpu->cache, i / 4 * 4);
        assert_int_equal(cpu->core, i / 2 * 2);
        assert_int_equal(cpu->thread, i % 2);
        assert_int_equal(cpu->state, FLOW_CPU_USABLE);
    }
    flow_topology_clear(&topology);
}

TEST(where_each_core_has_its_caches_for_itself_the_package_stands_for_them)
{
    struct flow_topology topology = load_made_up("package:2 l2:4 core:1 pu:1");
    assert_int_equal(topology.count, 8);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(topology.cpus[i].cache, i / 4 * 4);
    flow_topology_clear(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usable_cpus_are_those_of_this_process),
        cmocka_unit_test(cpus_outside_of_the_affinity_are_forbidden),
        cmocka_unit_test(cpus_know_what_they_share),
        cmocka_unit_test(where_each_core_has_its_caches_for_itself_the_package_stands_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

TEST(without_hwloc_the_machine_is_unknown_and_it_is_said_why)
{
    struct flow_topology topology;
    struct flow_error err = {0};
    assert_int_equal(flow_topology_load(&topology, &err), FLOW_EIO);
    assert_string_equal(err.text,
                        "this flowrun was built without hwloc and cannot place stages on CPUs: "
                        "build it where libhwloc-dev is installed, or leave out 'cpus' and 'pin'");
    assert_int_equal(topology.count, 0);
    flow_topology_clear(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_hwloc_the_machine_is_unknown_and_it_is_said_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
