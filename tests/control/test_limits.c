/* SPDX-License-Identifier: MIT */
#include "control/limits.h"

#include <string.h>

#include "support/check.h"

#define MIB ((uint64_t)1 << 20)

static const char what[] = "memory.max of the control group";

TEST(what_fits_into_the_memory_that_can_be_had_may_run)
{
    const struct flow_graph graph = {.memory = 0};
    const struct flow_plan plan = {.graph = &graph, .needed_bytes = 64 * MIB};
    struct flow_error err = {0};
    const struct flow_room just = {64 * MIB, what};
    const struct flow_room unknown = {UINT64_MAX, what};
    assert_int_equal(flow_limits_memory(&plan, &just, &err), FLOW_OK);
    assert_int_equal(flow_limits_memory(&plan, &unknown, &err), FLOW_OK);
    assert_string_equal(err.text, "");
}

TEST(what_does_not_is_refused_with_the_numbers_and_what_to_change)
{
    struct flow_graph graph = {.memory = 0};
    const struct flow_plan plan = {
        .graph = &graph, .needed_bytes = 64 * MIB, .flight_bytes = 60 * MIB};
    const struct flow_room room = {64 * MIB - 1024, what};
    struct flow_error err = {0};
    assert_int_equal(flow_limits_memory(&plan, &room, &err), FLOW_EIO);
    assert_string_equal(err.text, "the run may take 64.0 MiB of memory, 60.0 MiB of it for records "
                                  "under way with the smallest batches, and 64.0 MiB can be had "
                                  "(memory.max of the control group): more memory, or fewer "
                                  "workers, would help");
    graph.memory = 60 * MIB;
    err = (struct flow_error){0};
    assert_int_equal(flow_limits_memory(&plan, &room, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "under way by \"memory\" in \"run\", and "));
    assert_non_null(strstr(err.text, ": a smaller \"memory\", or fewer workers, would help"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_into_the_memory_that_can_be_had_may_run),
        cmocka_unit_test(what_does_not_is_refused_with_the_numbers_and_what_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
