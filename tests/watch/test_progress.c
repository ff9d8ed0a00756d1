/* SPDX-License-Identifier: MIT */
#include "watch/fixture.h"

TEST(progress_counts_what_producers_gave_and_consumers_took)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[READ_0].unread, 5);
    flow_set(&f->board_replicas[WORDS_1].skipped, 2);
    struct flow_sampler *sampler = flow_sampler_new(&f->plan, &f->board, SECOND);
    assert_non_null(sampler);

    struct flow_progress progress = {0};
    flow_sampler_take(sampler, 2 * (int64_t)SECOND, &progress);
    assert_int_equal(progress.elapsed_ns, SECOND);
    assert_int_equal(progress.records_in, 1005);
    assert_int_equal(progress.records_done, 2010);
    assert_int_equal(progress.errors, 12);
    assert_true(progress.rate == 2010);
    assert_string_equal(progress.slowest, "words");
    flow_sampler_free(sampler);
}

/* words is half-way through a long wait, count works. */
TEST(rate_and_slowest_stage_are_those_of_late)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < REPLICAS; i++)
        flow_set(&f->board_replicas[i].end_ns, 0);
    struct flow_sampler *sampler = flow_sampler_new(&f->plan, &f->board, SECOND);
    assert_non_null(sampler);
    struct flow_progress progress = {0};
    flow_sampler_take(sampler, 2 * (int64_t)SECOND, &progress);
    assert_string_equal(progress.slowest, "words");

    for (size_t i = 0; i < REPLICAS; i++) {
        flow_set(&f->board_replicas[i].state, FLOW_STATE_WAIT_IN);
        flow_set(&f->board_replicas[i].since_ns, 2 * (uint64_t)SECOND);
    }
    flow_set(&f->board_replicas[COUNT_1].state, FLOW_STATE_BUSY);
    flow_set(&f->board_replicas[COUNT_1].records_in, 1010);
    flow_sampler_take(sampler, 2 * (int64_t)SECOND + SECOND / 5, &progress);
    assert_int_equal(progress.records_done, 2020);
    assert_true(progress.rate == 50);
    assert_string_equal(progress.slowest, "count");
    flow_sampler_free(sampler);
}

/* count[1] is busiest of all replicas, but read and late together keep their thread busier. */
TEST(the_slowest_stage_is_sought_in_the_thread_that_is_busiest)
{
    struct fixture *f = *state;
    fuse(f, READ_0, LATE_0);
    for (size_t i = 0; i < REPLICAS; i++)
        flow_set(&f->board_replicas[i].wait_in_ns, SECOND);
    flow_set(&f->board_replicas[READ_0].wait_out_ns, 0);
    flow_set(&f->board_replicas[READ_0].wait_in_ns, SECOND / 10 * 6);
    flow_set(&f->board_replicas[LATE_0].wait_in_ns, SECOND / 10 * 5);
    flow_set(&f->board_replicas[COUNT_1].wait_in_ns, SECOND / 10 * 4);
    struct flow_sampler *sampler = flow_sampler_new(&f->plan, &f->board, SECOND);
    assert_non_null(sampler);
    struct flow_progress progress = {0};
    flow_sampler_take(sampler, 2 * (int64_t)SECOND, &progress);
    assert_string_equal(progress.slowest, "late");
    flow_sampler_free(sampler);
}

TEST(before_anything_moves_nothing_is_slowest)
{
    struct fixture *f = *state;
    memset(f->board_replicas, 0, sizeof(f->board_replicas));
    struct flow_sampler *sampler = flow_sampler_new(&f->plan, &f->board, SECOND);
    assert_non_null(sampler);
    struct flow_progress progress = {0};
    flow_sampler_take(sampler, SECOND, &progress);
    assert_true(progress.rate == 0);
    assert_null(progress.slowest);
    flow_sampler_free(sampler);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(progress_counts_what_producers_gave_and_consumers_took),
        CASE(rate_and_slowest_stage_are_those_of_late),
        CASE(the_slowest_stage_is_sought_in_the_thread_that_is_busiest),
        CASE(before_anything_moves_nothing_is_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
