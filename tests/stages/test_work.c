/* SPDX-License-Identifier: MIT */
/* The stages that stand in for work or for nobody: cpu.squares, sleep, null, inspect. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *stage(const char *type, const char *with)
{
    const struct flow_harness_options options = {.with = with};
    return flow_harness_new(harness_builtin(type), &options);
}

/* Run `h`, and put what it prints into `text`. */
static void run_printing(struct flow_harness *h, char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    const enum flow_status rc = flow_harness_run(h);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
    (void)close(ends[1]);
    const ssize_t got = read(ends[0], text, size - 1);
    (void)close(ends[0]);
    assert_int_equal(rc, FLOW_OK);
    assert_true(got >= 0);
    text[got] = '\0';
}

TEST(squares_are_summed_modulo_2_to_the_64)
{
    struct flow_harness *h = stage("cpu.squares", NULL);
    flow_harness_feed(h, "0");
    flow_harness_feed(h, "1");
    flow_harness_feed(h, "2");
    flow_harness_feed(h, "0004");
    flow_harness_feed_keyed(h, "key", "1000");
    flow_harness_feed(h, "5000000");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "0\n0\n1\n14\n332833500\n4773166019248396768\n");
    assert_null(flow_harness_record(h, 0, 0)->key);
    assert_string_equal(flow_harness_record(h, 0, 4)->key, "key");
    flow_harness_free(h);
}

TEST(squares_looks_up_from_a_long_sum_and_goes_on_right)
{
    struct flow_harness *h = stage("cpu.squares", NULL);
    flow_harness_feed(h, "40000000");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "8896384125098331904\n");
    flow_harness_free(h);
}

TEST(squares_leaves_a_long_sum_when_the_run_is_aborted)
{
    const struct flow_harness_options options = {.abort_after = 1};
    struct flow_harness *h = flow_harness_new(harness_builtin("cpu.squares"), &options);
    flow_harness_feed(h, "1");
    flow_harness_feed(h, "18446744073709551615");
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    flow_harness_free(h);
}

TEST(squares_rejects_what_is_no_whole_number)
{
    static const char *const bad[] = {
        "", "x", "-1", "+1", "1.5", "1 ", " 1", "0x10", "18446744073709551616"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct flow_harness *h = stage("cpu.squares", NULL);
        flow_harness_feed(h, bad[i]);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 0);
        char expected[80];
        (void)snprintf(expected, sizeof(expected), "0: not a whole number below 2^64: \"%s\"",
                       bad[i]);
        assert_string_equal(flow_harness_reject(h, 0), expected);
        flow_harness_free(h);
    }
}

TEST(sleep_with_a_delay_takes_any_record)
{
    struct flow_harness *h = stage("sleep", "{\"delay\": \"20ms\"}");
    flow_harness_feed(h, "");
    flow_harness_feed_keyed(h, "key", "7");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_waited_ns(h), 40000000);
    assert_string_equal(flow_harness_text(h, 0), "\n7\n");
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "key");
    flow_harness_free(h);
}

TEST(sleep_without_a_delay_reads_it_from_the_record)
{
    struct flow_harness *h = stage("sleep", NULL);
    flow_harness_feed(h, "5");
    flow_harness_feed(h, "0 no time");
    flow_harness_feed(h, "010\tten");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_waited_ns(h), 15000000);
    assert_string_equal(flow_harness_text(h, 0), "5\n0 no time\n010\tten\n");
    flow_harness_free(h);
}

TEST(sleep_rejects_a_record_that_names_no_time)
{
    static const char *const bad[] = {"", "soon", "5ms", "-5", " 5", "86400001", "1.5"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct flow_harness *h = stage("sleep", NULL);
        flow_harness_feed(h, bad[i]);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        char expected[100];
        (void)snprintf(expected, sizeof(expected),
                       "0: no milliseconds (at most a day) at the start of \"%s\"", bad[i]);
        assert_string_equal(flow_harness_reject(h, 0), expected);
        assert_int_equal(flow_harness_waited_ns(h), 0);
        flow_harness_free(h);
    }
}

TEST(sleep_may_end_a_path_and_can_be_aborted)
{
    struct flow_harness *h =
        flow_harness_new(harness_builtin("sleep"), &(struct flow_harness_options){.unread = true});
    flow_harness_feed(h, "1");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 0);
    assert_int_equal(flow_harness_waited_ns(h), 1000000);
    flow_harness_free(h);

    h = flow_harness_new(harness_builtin("sleep"),
                         &(struct flow_harness_options){.abort_after = 1});
    flow_harness_feed(h, "1");
    flow_harness_feed(h, "1");
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
}

TEST(null_takes_everything)
{
    struct flow_harness *h = stage("null", NULL);
    flow_harness_feed(h, "");
    flow_harness_feed_keyed(h, "key", "text");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
}

TEST(inspect_prints_number_key_and_bytes_and_passes_them_on)
{
    char text[1024];
    struct flow_harness *h = stage("inspect", NULL);
    flow_harness_feed(h, "hello");
    flow_harness_feed_keyed(h, "k\n", "say \"hi\"\t");
    flow_harness_feed_bytes(h, "\0\xff", 2);
    flow_harness_feed(h, "");
    run_printing(h, text, sizeof(text));
    assert_string_equal(text, "stage #0 \"hello\"\n"
                              "stage #1 key \"k\\n\" \"say \\\"hi\\\"\\t\"\n"
                              "stage #2 \"\\x00\\xff\"\n"
                              "stage #3 \"\"\n");
    assert_int_equal(flow_harness_count(h, 0), 4);
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "k\n");
    flow_harness_free(h);
}

TEST(inspect_prints_no_more_than_its_limits)
{
    char text[1024];
    const struct flow_harness_options options = {
        .with = "{\"limit\": 2, \"max_size\": 3}", .batch = 1, .unread = true};
    struct flow_harness *h = flow_harness_new(harness_builtin("inspect"), &options);
    flow_harness_feed(h, "abc");
    flow_harness_feed(h, "abcd");
    flow_harness_feed(h, "no more");
    run_printing(h, text, sizeof(text));
    assert_string_equal(text, "stage #0 \"abc\"\nstage #1 \"abc\"... (4 bytes)\n");
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squares_are_summed_modulo_2_to_the_64),
        cmocka_unit_test(squares_looks_up_from_a_long_sum_and_goes_on_right),
        cmocka_unit_test(squares_leaves_a_long_sum_when_the_run_is_aborted),
        cmocka_unit_test(squares_rejects_what_is_no_whole_number),
        cmocka_unit_test(sleep_with_a_delay_takes_any_record),
        cmocka_unit_test(sleep_without_a_delay_reads_it_from_the_record),
        cmocka_unit_test(sleep_rejects_a_record_that_names_no_time),
        cmocka_unit_test(sleep_may_end_a_path_and_can_be_aborted),
        cmocka_unit_test(null_takes_everything),
        cmocka_unit_test(inspect_prints_number_key_and_bytes_and_passes_them_on),
        cmocka_unit_test(inspect_prints_no_more_than_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
