/* SPDX-License-Identifier: MIT */
#include "engine/window.h"

#include "base/clock.h"
#include "record/frame.h"
#include "support/check.h"

#define US 1000u
#define MS 1000000u

static struct flow_window window_of(enum flow_window_kind kind, uint64_t links)
{
    struct flow_window window;
    flow_window_init(&window, kind, links, false);
    return window;
}

#define MUCH 10000000000u

/* Reports of one cost by a reader that has done much, enough of them for slices to reach their
 * size. */
static void learn(struct flow_window *window, uint32_t cost_ns)
{
    for (int i = 0; i < 12; i++)
        flow_window_learn(window, 0, MUCH, cost_ns, 100);
}

TEST(a_window_begins_with_eight_records_and_grows_with_what_its_reader_has_done)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    assert_int_equal(window.records, 8);
    assert_int_equal(window.slice, 2);
    flow_window_learn(&window, 0, 1, 1 * US, 100);
    assert_int_equal(window.records, 8);
    flow_window_learn(&window, 0, 8, 1 * US, 100);
    assert_int_equal(window.records, 32);
    assert_int_equal(window.slice, 8);
    flow_window_learn(&window, 0, 1000, 1 * US, 100);
    assert_int_equal(window.records, 4000);
    assert_int_equal(window.slice, 1000);
}

TEST(a_window_holds_twenty_milliseconds_of_work_in_four_slices)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    learn(&window, 1 * MS);
    assert_int_equal(window.records, 20);
    assert_int_equal(window.slice, 5);
    learn(&window, 10 * US);
    assert_int_equal(window.records, 2000);
    assert_int_equal(window.slice, 500);
    learn(&window, 50);
    assert_int_equal(window.records, 400000);
    assert_int_equal(window.slice, FLOW_BATCH_RECORDS_MAX);
    learn(&window, 2000000000);
    assert_int_equal(window.records, 2); /* one in hand, one waiting */
    assert_int_equal(window.slice, 1);
}

TEST(large_records_that_are_read_stay_in_a_cache)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    for (int i = 0; i < 12; i++)
        flow_window_learn(&window, 0, MUCH, 100 * US, 1 << 20);
    assert_int_equal(window.records, 4); /* 4 MiB, which is more than 250 us of work */
    for (int i = 0; i < 12; i++)
        flow_window_learn(&window, 0, MUCH, 1 * US, 1 << 20);
    assert_int_equal(window.records, 250); /* nobody looks into them: 250 us of work */
    for (int i = 0; i < 12; i++)
        flow_window_learn(&window, 0, MUCH, 500 * US, 8 << 20);
    assert_int_equal(window.records, 2);
    for (int i = 0; i < 12; i++)
        flow_window_learn(&window, 0, MUCH, 1 * MS, 65535);
    assert_int_equal(window.records, 20); /* of the usual size: 20 ms of work */
}

TEST(a_report_without_a_cost_teaches_nothing)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    learn(&window, 0);
    assert_int_equal(window.records, 8);
}

TEST(links_to_one_reader_share_its_time_but_each_has_a_little)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 4);
    learn(&window, 10 * US);
    assert_int_equal(window.records, 500);
    window = window_of(FLOW_WINDOW_STREAM, 1000);
    learn(&window, 10 * US);
    assert_int_equal(window.records, 200);
}

TEST(an_edge_with_a_policy_of_its_own_is_not_bounded_in_time)
{
    struct flow_window window = window_of(FLOW_WINDOW_NONE, 1);
    learn(&window, 1 * MS);
    assert_true(flow_window_is_open(&window, 1000000, 0));
    assert_int_equal(window.slice, FLOW_BATCH_RECORDS_MAX);
    assert_false(flow_window_asks(&window, 100, 1000000, 1, 0));
}

TEST(what_is_dealt_goes_in_slices_of_a_millisecond_or_two_to_another_process)
{
    struct flow_window window = window_of(FLOW_WINDOW_DEAL, 2);
    assert_int_equal(window.slice, 1);
    learn(&window, 10 * US);
    assert_int_equal(window.slice, 100);
    assert_true(flow_window_is_open(&window, 1000000, 0)); /* credit bounds it */
    assert_false(flow_window_asks(&window, 100, 1000000, 1, 0));
    flow_window_init(&window, FLOW_WINDOW_DEAL, 2, true);
    learn(&window, 10 * US);
    assert_int_equal(window.slice, 200);
}

TEST(results_read_by_number_may_run_further_ahead)
{
    struct flow_window window = window_of(FLOW_WINDOW_MERGE, 2);
    assert_int_equal(window.records, 256);
    learn(&window, 1 * MS);
    assert_int_equal(window.records, 200);
}

/* Batches of 5 records of a millisecond: the window is 20. */
TEST(a_batch_asks_at_every_half_of_the_window)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    learn(&window, 1 * MS);
    assert_false(flow_window_asks(&window, 5, 5, 1, 0));
    assert_true(flow_window_asks(&window, 5, 10, 2, 0));
    assert_false(flow_window_asks(&window, 5, 15, 3, 0));
    assert_true(flow_window_is_open(&window, 15, 0));
    assert_true(flow_window_asks(&window, 5, 20, 4, 0));
    assert_false(flow_window_is_open(&window, 20, 0));
    flow_window_learn(&window, 2, MUCH, 1 * MS, 100);
    assert_true(flow_window_is_open(&window, 10, 2));
}

TEST(a_window_that_shrinks_below_what_is_outstanding_lets_one_pass_that_asks)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    learn(&window, 100 * US); /* 200 records */
    assert_false(flow_window_asks(&window, 40, 40, 1, 0));
    assert_false(flow_window_asks(&window, 40, 80, 2, 0));
    flow_window_learn(&window, 1, MUCH, 1 * MS, 100);
    assert_int_equal(window.records, 20);
    assert_true(flow_window_is_open(&window, 40, 1)); /* or nobody would ever report */
    assert_true(flow_window_asks(&window, 5, 45, 3, 1));
    assert_false(flow_window_is_open(&window, 45, 1));
    assert_true(flow_window_is_open(&window, 0, 3));
}

TEST(a_window_makes_up_for_reports_that_take_their_time)
{
    struct flow_window window = window_of(FLOW_WINDOW_STREAM, 1);
    learn(&window, 1 * MS);
    assert_true(flow_window_asks(&window, 10, 10, 1, 0));
    window.asked_ns = flow_now_ns() - (int64_t)30 * MS; /* ten of work, and twenty of lag */
    flow_window_learn(&window, 1, MUCH, 1 * MS, 100);
    assert_true(window.lag_ns >= 5 * MS);
    assert_in_range(window.records, 40, 70);

    for (uint64_t i = 2; i < 50; i++) { /* an accident is not made up for in full */
        (void)flow_window_asks(&window, window.records, window.records, i, i - 1);
        window.asked_ns = flow_now_ns() - (int64_t)60000 * MS;
        flow_window_learn(&window, i, MUCH, 1 * MS, 100);
    }
    assert_in_range(window.records, 110, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_window_begins_with_eight_records_and_grows_with_what_its_reader_has_done),
        cmocka_unit_test(a_window_holds_twenty_milliseconds_of_work_in_four_slices),
        cmocka_unit_test(large_records_that_are_read_stay_in_a_cache),
        cmocka_unit_test(a_report_without_a_cost_teaches_nothing),
        cmocka_unit_test(links_to_one_reader_share_its_time_but_each_has_a_little),
        cmocka_unit_test(an_edge_with_a_policy_of_its_own_is_not_bounded_in_time),
        cmocka_unit_test(what_is_dealt_goes_in_slices_of_a_millisecond_or_two_to_another_process),
        cmocka_unit_test(results_read_by_number_may_run_further_ahead),
        cmocka_unit_test(a_batch_asks_at_every_half_of_the_window),
        cmocka_unit_test(a_window_that_shrinks_below_what_is_outstanding_lets_one_pass_that_asks),
        cmocka_unit_test(a_window_makes_up_for_reports_that_take_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
