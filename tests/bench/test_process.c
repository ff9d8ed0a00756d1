/* SPDX-License-Identifier: MIT */
#include "bench/near.h"

#include <stdlib.h>
#include <unistd.h>

#include "driver/alloc.h"
#include "driver/figures.h"
#include "driver/measure.h"
#include "driver/process.h"
#include "driver/row.h"

static struct bench_run run_shell(const char *command, double timeout)
{
    char *argv[] = {bench_format("sh"), bench_format("-c"), bench_format("%s", command), NULL};
    const struct bench_run_options options = {.timeout = timeout};
    struct bench_run run = bench_run_command(argv, &options);
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    return run;
}

TEST(a_run_has_its_output_and_what_it_took)
{
    struct bench_run run =
        run_shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo done", 60);
    assert_null(run.failure);
    assert_string_equal(run.output, "done\n");
    assert_true(run.seconds > 0 && run.cpu > 0 && run.peak > 100000);
    bench_run_clear(&run);
}

TEST(the_processor_time_of_children_counts)
{
    struct bench_run run =
        run_shell("(i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done); true", 60);
    struct bench_run idle = run_shell("true", 60);
    assert_true(run.cpu > 2 * idle.cpu);
    bench_run_clear(&idle);
    bench_run_clear(&run);
}

TEST(a_run_that_fails_says_how_and_what_it_said)
{
    struct bench_run run = run_shell("echo half; echo 'no luck' >&2; exit 3", 60);
    assert_string_equal(run.failure, "exit code 3: no luck");
    bench_run_clear(&run);
    run = run_shell("kill -9 $$", 60);
    assert_string_equal(run.failure, "ended by signal 9: ");
    bench_run_clear(&run);
}

TEST(a_program_that_is_not_there_fails_the_run)
{
    char program[] = "/nowhere/contender";
    char *argv[] = {program, NULL};
    const struct bench_run_options options = {.timeout = 60};
    struct bench_run run = bench_run_command(argv, &options);
    assert_string_equal(run.failure,
                        "exit code 127: /nowhere/contender: No such file or directory");
    bench_run_clear(&run);
}

TEST(a_run_that_takes_too_long_is_ended_with_all_its_children)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0); /* all of the run's processes hold its writing end */
    struct bench_run run = run_shell("sleep 600 & sleep 600", 0.05);
    assert_string_equal(run.failure, "not done after 0 s");
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* and are gone */
    (void)close(ends[0]);
    bench_run_clear(&run);
}

static void say_nothing(const struct bench_row *row, const char *text)
{
    (void)row;
    (void)text;
}

static const struct bench_measure_options quick = {
    .rounds = 3, .seconds = 0.001, .budget = 60, .timeout = 60, .tell = say_nothing};

TEST(the_arguments_of_a_row_are_told_the_count)
{
    struct bench_rows rows = {0};
    struct bench_row *row = bench_rows_add(&rows);
    bench_row_argue(row, bench_format("program"));
    bench_row_argue(row, bench_format("--set=gen.count={count}"));
    char **argv = bench_row_argv(row, 42);
    assert_string_equal(argv[0], "program");
    assert_string_equal(argv[1], "--set=gen.count=42");
    assert_null(argv[2]);
    bench_argv_free(argv);
    bench_rows_clear(&rows);
}

/* A row of a shell command that stands for a contender. */
static void add_shell_row(struct bench_rows *rows, const char *command)
{
    struct bench_row *row = bench_rows_add(rows);
    row->workload = "chain";
    row->point = row->contender = row->variant = "";
    row->text = bench_format("%s", "ok\n");
    row->is_whole = true;
    row->count = 10;
    bench_row_argue(row, bench_format("sh"));
    bench_row_argue(row, bench_format("-c"));
    bench_row_argue(row, bench_format("%s", command));
}

TEST(a_row_has_a_sample_for_every_round)
{
    struct bench_rows rows = {0};
    add_shell_row(&rows, "echo ok");
    bench_measure(&rows, &quick);
    assert_null(rows.items[0].flaw);
    assert_int_equal(rows.items[0].sample_count, 3);
    assert_near(rows.items[0].samples[2].records, 10);
    bench_rows_clear(&rows);
}

TEST(a_contender_that_proves_nothing_is_void_and_the_others_go_on)
{
    struct bench_rows rows = {0};
    add_shell_row(&rows, "echo ko");
    add_shell_row(&rows, "echo ok");
    bench_measure(&rows, &quick);
    assert_string_equal(rows.items[0].flaw, "the output is not what it must be");
    assert_int_equal(rows.items[0].sample_count, 0);
    assert_int_equal(rows.items[1].sample_count, 3);
    bench_rows_clear(&rows);
}

TEST(what_a_smaller_run_takes_is_taken_off)
{
    struct bench_rows rows = {0};
    add_shell_row(&rows, "i=0; while [ $i -lt {count} ]; do i=$((i + 1)); done; echo ok");
    rows.items[0].count = 200000;
    rows.items[0].small = 100000;
    bench_measure(&rows, &quick);
    const struct bench_row *row = &rows.items[0];
    const struct bench_figures figures = bench_figures_of(row);
    assert_near(row->less.records, 100000);
    assert_near(row->samples[0].records, 200000);
    assert_true(row->less.cpu > 0 && row->less.cpu < figures.cpu.max);
    assert_near(figures.cpu_ns.min, (figures.cpu.min - row->less.cpu) * 1e9 / 100000);
    bench_rows_clear(&rows);
}

TEST(a_smaller_run_that_took_longer_is_not_taken_off)
{
    struct bench_sample sample = {.seconds = 2, .cpu = 1, .records = 100};
    const struct bench_row row = {
        .samples = &sample, .sample_count = 1, .less = {.seconds = 3, .cpu = 1.5, .records = 10}};
    const struct bench_figures figures = bench_figures_of(&row);
    assert_near(figures.rate.median, 50);
    assert_near(figures.cpu_ns.median, 1e7);
}

TEST(a_contender_that_has_used_up_its_time_gets_no_more_rounds)
{
    struct bench_rows rows = {0};
    struct bench_measure_options options = quick;
    options.budget = 1e-6;
    add_shell_row(&rows, "echo ok");
    bench_measure(&rows, &options);
    assert_null(rows.items[0].flaw);
    assert_int_equal(rows.items[0].sample_count, 1);
    bench_rows_clear(&rows);
}

TEST(the_count_is_chosen_by_the_time_that_records_take)
{
    struct bench_rows rows = {0};
    add_shell_row(&rows, "i=0; while [ $i -lt {count} ]; do i=$((i + 1)); done; echo ok");
    rows.items[0].count = 0;
    rows.items[0].start = 100;
    struct bench_measure_options options = quick;
    options.seconds = 0.05;
    bench_measure(&rows, &options);
    assert_null(rows.items[0].flaw);
    assert_true(rows.items[0].count > 1000);
    bench_rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_its_output_and_what_it_took),
        cmocka_unit_test(the_processor_time_of_children_counts),
        cmocka_unit_test(a_run_that_fails_says_how_and_what_it_said),
        cmocka_unit_test(a_program_that_is_not_there_fails_the_run),
        cmocka_unit_test(a_run_that_takes_too_long_is_ended_with_all_its_children),
        cmocka_unit_test(the_arguments_of_a_row_are_told_the_count),
        cmocka_unit_test(a_row_has_a_sample_for_every_round),
        cmocka_unit_test(a_contender_that_proves_nothing_is_void_and_the_others_go_on),
        cmocka_unit_test(what_a_smaller_run_takes_is_taken_off),
        cmocka_unit_test(a_smaller_run_that_took_longer_is_not_taken_off),
        cmocka_unit_test(a_contender_that_has_used_up_its_time_gets_no_more_rounds),
        cmocka_unit_test(the_count_is_chosen_by_the_time_that_records_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
