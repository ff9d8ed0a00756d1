/* SPDX-License-Identifier: MIT */
#include "bench/near.h"

#include <stdlib.h>
#include <string.h>

#include "bench/rows.h"
#include "driver/report.h"

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

TEST(rates_have_three_digits_and_a_unit)
{
    static const struct {
        double rate;
        const char *text;
    } cases[] = {
        {0.5, "0.50 /s"},    {999.4, "999 /s"},      {999.6, "1.00 k/s"},   {1234, "1.23 k/s"},
        {12345, "12.3 k/s"}, {34100000, "34.1 M/s"}, {9.994e6, "9.99 M/s"}, {9.996e6, "10.0 M/s"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_text(bench_rate_text(cases[i].rate, BENCH_RATE), cases[i].text);
    assert_text(bench_rate_text(2.5e9, BENCH_TEXT), "2.50 GB/s");
}

TEST(times_have_three_digits_and_a_unit)
{
    assert_text(bench_time_text(12.34), "12.3 ns");
    assert_text(bench_time_text(4567), "4.57 µs");
    assert_text(bench_time_text(1.2e6), "1.20 ms");
    assert_text(bench_time_text(3e12), "3000 s");
}

static char *markdown_of(const struct bench_rows *rows)
{
    char *text = NULL;
    size_t size = 0;
    struct bench_verdicts verdicts = {0};
    struct bench_report report = {.rows = rows,
                                  .verdicts = &verdicts,
                                  .machine =
                                      json_pack("{s:s, s:i}", "processor", "Z80", "cores", 1),
                                  .rounds = 3,
                                  .seconds = 0.5};
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    bench_report_markdown(&report, out);
    (void)fclose(out);
    json_decref(report.machine);
    return text;
}

TEST(a_row_shows_its_median_and_its_spread)
{
    struct bench_rows rows = {0};
    (void)make_row(&rows, &(struct made_row){"chain", "16 B", "rings", "copy", {2e6, 9e6, 1e6}});
    char *text = markdown_of(&rows);
    assert_non_null(strstr(text, "| processor | Z80 |\n| cores | 1 |\n"));
    assert_non_null(strstr(text, "Medians of 3 rounds"));
    assert_non_null(strstr(text, "### Three stages in a row\n"));
    assert_non_null(strstr(text,
                           "| 16 B | rings, copy | 2.00 M/s (1.00 M/s to 9.00 M/s) | 250 ns | "
                           "1.00 | 0.50 | 2.0 |\n"));
    assert_null(strstr(text, "### Starting up")); /* nobody ran it */
    free(text);
    bench_rows_clear(&rows);
}

TEST(a_void_row_says_why_and_shows_no_figure)
{
    struct bench_rows rows = {0};
    struct bench_row *row =
        make_row(&rows, &(struct made_row){"chain", "16 B", "rings", "copy", {2e6, 0, 0}});
    row->flaw = bench_format("the bytes add up to nothing");
    char *text = markdown_of(&rows);
    assert_non_null(
        strstr(text, "| 16 B | rings, copy | **void**: the bytes add up to nothing |\n"));
    assert_null(strstr(text, "2.00 M/s"));
    free(text);
    bench_rows_clear(&rows);
}

TEST(a_contender_that_is_absent_is_named_once_with_the_reason)
{
    struct bench_rows rows = {0};
    (void)make_row(&rows, &(struct made_row){"chain", "16 B", "python", "copy", {1, 0, 0}});
    const struct made_row points[] = {{"chain", "16 B", "tbb", "copy", {0}},
                                      {"chain", "1 KiB", "tbb", "copy", {0}},
                                      {"chain", "1 KiB", "python", "copy", {0}}};
    for (size_t i = 0; i < COUNT(points); i++)
        make_row(&rows, &points[i])->absent = bench_format("not here");
    char *text = markdown_of(&rows);
    assert_non_null(strstr(text, "\nAbsent: tbb (not here); python (not here).\n"));
    assert_null(strstr(text, "| 16 B | tbb"));
    free(text);
    bench_rows_clear(&rows);
}

TEST(only_what_stands_between_the_marks_of_a_page_is_replaced)
{
    const char *page = "# P\nours\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nmore\n";
    assert_text(bench_page_update(page, "new\n"),
                "# P\nours\n<!-- bench:begin -->\n\nnew\n\n<!-- bench:end -->\nmore\n");
}

TEST(a_page_written_twice_is_the_same)
{
    char *once = bench_page_update(NULL, "tables\n");
    char *twice = bench_page_update(once, "tables\n");
    assert_string_equal(once, twice);
    free(twice);
    free(once);
}

TEST(a_page_without_marks_is_left_alone)
{
    assert_null(bench_page_update("# P\n", "new\n"));
    assert_null(bench_page_update("<!-- bench:end -->\n<!-- bench:begin -->\n", "new\n"));
}

TEST(the_json_has_every_round_and_every_reason)
{
    struct bench_rows rows = {0};
    struct bench_verdicts verdicts = {0};
    (void)make_row(&rows, &(struct made_row){"chain", "16 B", "rings", "copy", {2e6, 9e6, 1e6}});
    make_row(&rows, &(struct made_row){"chain", "16 B", "tbb", "copy", {0}})->absent =
        bench_format("not here");
    const struct bench_report report = {
        .rows = &rows, .verdicts = &verdicts, .machine = json_object(), .rounds = 3};
    json_t *results = bench_report_json(&report);
    const json_t *first = json_array_get(json_object_get(results, "rows"), 0);
    const json_t *second = json_array_get(json_object_get(results, "rows"), 1);
    assert_int_equal(json_array_size(json_object_get(first, "rounds")), 3);
    assert_string_equal(json_string_value(json_object_get(first, "status")), "measured");
    assert_near(json_real_value(json_object_get(json_object_get(first, "rate"), "median")), 2e6);
    assert_string_equal(json_string_value(json_object_get(second, "status")), "absent");
    assert_string_equal(json_string_value(json_object_get(second, "reason")), "not here");
    assert_null(json_object_get(second, "rate"));
    json_decref(results);
    json_decref(report.machine);
    bench_rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_have_three_digits_and_a_unit),
        cmocka_unit_test(times_have_three_digits_and_a_unit),
        cmocka_unit_test(a_row_shows_its_median_and_its_spread),
        cmocka_unit_test(a_void_row_says_why_and_shows_no_figure),
        cmocka_unit_test(a_contender_that_is_absent_is_named_once_with_the_reason),
        cmocka_unit_test(only_what_stands_between_the_marks_of_a_page_is_replaced),
        cmocka_unit_test(a_page_written_twice_is_the_same),
        cmocka_unit_test(a_page_without_marks_is_left_alone),
        cmocka_unit_test(the_json_has_every_round_and_every_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
