/* SPDX-License-Identifier: MIT */
#include "bench/near.h"

#include <string.h>

#include "bench/rows.h"
#include "driver/targets.h"

static const struct bench_verdict *find(const struct bench_verdicts *verdicts, const char *what,
                                        const char *goal)
{
    for (size_t i = 0; i < verdicts->count; i++) {
        if (strcmp(verdicts->items[i].what, what) == 0 &&
            strcmp(verdicts->items[i].goal, goal) == 0)
            return &verdicts->items[i];
    }
    fail_msg("no target %s, %s", what, goal);
    return NULL;
}

TEST(a_ratio_of_medians_is_held_against_its_target)
{
    struct bench_rows rows = {0};
    (void)make_row(
        &rows, &(struct made_row){"chain", "100 B", "flowrun threads", "copy", {7e6, 8e6, 9e6}});
    (void)make_row(&rows, &(struct made_row){
                              "chain", "100 B", "naive ZeroMQ threads", "copy", {1e6, 1e6, 5e6}});
    (void)make_row(
        &rows, &(struct made_row){"chain", "100 B", "hand-written rings", "copy", {1e7, 1e7, 1e7}});
    struct bench_verdicts verdicts = bench_targets_judge(&rows);
    const struct bench_verdict *met =
        find(&verdicts, "chain, 100 B: rate of flowrun threads, copy / naive ZeroMQ threads, copy",
             "at least 8");
    assert_true(met->is_known && met->is_met);
    assert_near(met->measured, 8);
    const struct bench_verdict *unmet =
        find(&verdicts, "chain, 100 B: rate of flowrun threads, copy / hand-written rings, copy",
             "at least 0.9");
    assert_true(unmet->is_known && !unmet->is_met);
    bench_verdicts_clear(&verdicts);
    bench_rows_clear(&rows);
}

TEST(a_target_of_rows_that_were_not_measured_is_neither_met_nor_missed)
{
    struct bench_rows rows = {0};
    (void)make_row(&rows,
                   &(struct made_row){"chain", "100 B", "flowrun threads", "copy", {8e6, 0, 0}});
    make_row(&rows,
             &(struct made_row){"chain", "100 B", "naive ZeroMQ threads", "copy", {1e6, 0, 0}})
        ->flaw = bench_format("void");
    struct bench_verdicts verdicts = bench_targets_judge(&rows);
    const struct bench_verdict *verdict =
        find(&verdicts, "chain, 100 B: rate of flowrun threads, copy / naive ZeroMQ threads, copy",
             "at least 8");
    assert_false(verdict->is_known);
    bench_verdicts_clear(&verdicts);
    bench_rows_clear(&rows);
}

TEST(a_target_of_processor_time_is_in_nanoseconds_a_record)
{
    struct bench_rows rows = {0};
    (void)make_row(&rows,
                   &(struct made_row){"chain", "100 B", "flowrun threads", "edit", {25e6, 0, 0}});
    struct bench_verdicts verdicts = bench_targets_judge(&rows);
    const struct bench_verdict *verdict =
        find(&verdicts, "chain, 100 B: CPU per record of flowrun threads, edit", "at most 25 ns");
    assert_near(verdict->measured, 20); /* half a second for 25 million */
    assert_true(verdict->is_met);
    bench_verdicts_clear(&verdicts);
    bench_rows_clear(&rows);
}

TEST(at_every_point_the_best_of_flowrun_is_held_against_the_best_peer)
{
    struct bench_rows rows = {0};
    const struct made_row made[] = {
        {"broadcast", "100 B", "flowrun threads", "", {3e6, 0, 0}},
        {"broadcast", "100 B", "flowrun processes", "", {1e6, 0, 0}},
        {"broadcast", "100 B", "GNU Radio", "", {4e6, 0, 0}},
        {"broadcast", "100 B", "Python threads", "", {1e4, 0, 0}},
        {"broadcast", "100 B", "hand-written rings", "", {9e6, 0, 0}}, /* a limit, no peer */
    };
    for (size_t i = 0; i < COUNT(made); i++)
        (void)make_row(&rows, &made[i]);
    struct bench_verdicts verdicts = bench_targets_judge(&rows);
    const struct bench_verdict *verdict =
        find(&verdicts, "broadcast, 100 B: rate of flowrun threads / GNU Radio", "at least 1");
    assert_true(verdict->is_known && !verdict->is_met);
    assert_near(verdict->measured, 0.75);
    bench_verdicts_clear(&verdicts);
    bench_rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ratio_of_medians_is_held_against_its_target),
        cmocka_unit_test(a_target_of_rows_that_were_not_measured_is_neither_met_nor_missed),
        cmocka_unit_test(a_target_of_processor_time_is_in_nanoseconds_a_record),
        cmocka_unit_test(at_every_point_the_best_of_flowrun_is_held_against_the_best_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
