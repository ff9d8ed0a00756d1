/* SPDX-License-Identifier: MIT */
#include "engine/pin.h"

#include <pthread.h>
#include <sched.h>

#include "support/check.h"

/* What became of a thread that was to be pinned. */
struct pinned {
    const struct flow_plan *plan;
    enum flow_status status;
    struct flow_error error;
    cpu_set_t set;
};

static void *pin(void *context)
{
    struct pinned *pinned = context;
    pinned->status = flow_pin_thread(pinned->plan, 0, &pinned->error);
    (void)sched_getaffinity(0, sizeof(pinned->set), &pinned->set);
    return NULL;
}

static struct pinned pin_to(const uint32_t *cpus, size_t count)
{
    struct flow_plan_replica replica = {.cpus = cpus, .cpu_count = count};
    const struct flow_plan plan = {.replicas = &replica, .replica_count = 1};
    struct pinned pinned = {.plan = &plan};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pin, &pinned), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return pinned;
}

TEST(a_thread_runs_where_its_replica_was_placed)
{
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    uint32_t last = 0;
    for (uint32_t i = 0; i < CPU_SETSIZE; i++)
        last = CPU_ISSET(i, &mine) ? i : last;
    const struct pinned pinned = pin_to(&last, 1);
    assert_int_equal(pinned.status, FLOW_OK);
    assert_int_equal(CPU_COUNT(&pinned.set), 1);
    assert_true(CPU_ISSET(last, &pinned.set));
}

TEST(a_replica_that_was_not_placed_runs_anywhere)
{
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    const struct pinned pinned = pin_to(NULL, 0);
    assert_int_equal(pinned.status, FLOW_OK);
    assert_true(CPU_EQUAL(&pinned.set, &mine));
}

TEST(a_set_that_the_kernel_refuses_is_named)
{
    static const uint32_t nowhere[] = {8000, 8001, 8190};
    const struct pinned pinned = pin_to(nowhere, COUNT(nowhere));
    assert_int_equal(pinned.status, FLOW_EIO);
    assert_string_equal(pinned.error.text, "cannot run on CPU 8000-8001,8190: Invalid argument");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_where_its_replica_was_placed),
        cmocka_unit_test(a_replica_that_was_not_placed_runs_anywhere),
        cmocka_unit_test(a_set_that_the_kernel_refuses_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
