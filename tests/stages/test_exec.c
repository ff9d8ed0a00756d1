/* SPDX-License-Identifier: MIT */

/* exec with programs that everybody has: cat, head, sed, sh. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *new_exec(const char *with)
{
    return flow_harness_new(harness_builtin("exec"), &(struct flow_harness_options){.with = with});
}

static void feed_numbers(struct flow_harness *h, int count)
{
    char text[16];
    for (int i = 1; i <= count; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        flow_harness_feed(h, text);
    }
}

TEST(records_go_through_a_program_and_come_out_as_it_writes_them)
{
    struct flow_harness *h = new_exec("{\"command\": [\"sed\", \"s/^/<&/\"]}");
    flow_harness_feed(h, "one");
    flow_harness_feed(h, "");
    flow_harness_feed(h, "three");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "<one\n<\n<three\n");
    flow_harness_free(h);
}

TEST(one_string_is_a_line_for_the_shell_with_folder_and_environment)
{
    struct flow_harness *h =
        new_exec("{\"command\": \"cat >/dev/null; pwd; echo $WHO\", \"cwd\": \"/\", "
                 "\"env\": \"WHO=me\"}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "/\nme\n");
    flow_harness_free(h);
}

TEST(more_goes_through_than_pipes_hold_in_either_direction)
{
    struct flow_harness *h = new_exec("{\"command\": \"cat\"}");
    char line[1000];
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 5000; i++)
        flow_harness_feed_bytes(h, line, sizeof(line));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 5000);
    assert_int_equal(flow_harness_record(h, 0, 4999)->size, sizeof(line));
    flow_harness_free(h);
}

TEST(records_of_every_size_come_back_as_they_went_in_however_they_are_batched)
{
    static const size_t batches[] = {0, 1, 7};
    char line[300];
    for (size_t i = 0; i < sizeof(line); i++)
        line[i] = (char)('!' + i % 90);
    for (size_t b = 0; b < COUNT(batches); b++) {
        struct flow_harness *h = flow_harness_new(
            harness_builtin("exec"),
            &(struct flow_harness_options){.with = "{\"command\": \"cat\"}", .batch = batches[b]});
        for (size_t i = 0; i < 2 * sizeof(line); i++)
            flow_harness_feed_bytes(h, line, i * 7 % sizeof(line));
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 2 * sizeof(line));
        for (size_t i = 0; i < 2 * sizeof(line); i++) {
            const struct flow_harness_record *record = flow_harness_record(h, 0, i);
            assert_int_equal(record->size, i * 7 % sizeof(line));
            assert_memory_equal(record->data, line, record->size);
        }
        flow_harness_free(h);
    }
}

TEST(records_with_keys_go_through_without_them)
{
    struct flow_harness *h = new_exec("{\"command\": \"cat\"}");
    flow_harness_feed_keyed(h, "k", "one");
    flow_harness_feed_keyed(h, "key\n", "two");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "one\ntwo\n");
    assert_null(flow_harness_record(h, 0, 1)->key);
    flow_harness_free(h);
}

TEST(a_program_that_wants_no_more_ends_well)
{
    struct flow_harness *h = new_exec("{\"command\": \"head -n 5\"}");
    char line[1000];
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 5000; i++)
        flow_harness_feed_bytes(h, line, sizeof(line));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 5);
    flow_harness_free(h);
}

TEST(any_bytes_go_through_with_a_length_before_each_record)
{
    struct flow_harness *h = new_exec("{\"command\": \"cat\", \"framing\": \"length\"}");
    flow_harness_feed_bytes(h, "a\nb\0c", 5);
    flow_harness_feed(h, "");
    flow_harness_feed(h, "d");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_memory_equal(flow_harness_record(h, 0, 0)->data, "a\nb\0c", 5);
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 0);
    flow_harness_free(h);

    h = new_exec("{\"command\": \"tr '\\\\n' x\", \"framing\": \"nul\"}");
    flow_harness_feed(h, "a\nb");
    flow_harness_feed(h, "c");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "axb\nc\n");
    flow_harness_free(h);
}

TEST(what_would_be_two_records_for_the_program_is_refused)
{
    struct flow_harness *h = new_exec("{\"command\": \"cat\"}");
    flow_harness_feed(h, "c");
    flow_harness_feed(h, "a\nb");
    flow_harness_feed(h, "d");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "c\nd\n");
    assert_string_equal(flow_harness_reject(h, 0),
                        "1: it has a line end in it, which ends a record for the program; "
                        "\"framing\": \"nul\" or \"length\" lets it");
    flow_harness_free(h);
}

TEST(with_a_window_each_record_has_its_answer_and_key)
{
    struct flow_harness *h =
        new_exec("{\"command\": [\"sed\", \"-u\", \"s/^/<&/\"], \"window\": 10}");
    flow_harness_feed_keyed(h, "k", "0");
    feed_numbers(h, 100);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 101);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "k");
    assert_string_equal(flow_harness_record(h, 0, 100)->data, "<100");
    flow_harness_free(h);
}

TEST(a_program_that_buffers_its_answers_gives_them_when_its_input_ends)
{
    struct flow_harness *h = new_exec("{\"command\": \"sed s/^/x/\", \"window\": 1000}");
    feed_numbers(h, 100);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 100);
    assert_string_equal(flow_harness_record(h, 0, 99)->data, "x100");
    flow_harness_free(h);
}

TEST(what_a_program_has_not_answered_when_it_dies_is_given_to_the_next)
{
    struct flow_harness *h =
        new_exec("{\"command\": \"for i in 1 2 3; do read x; echo $x; done; exit 3\","
                 " \"window\": 7}");
    feed_numbers(h, 100);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 0);
    assert_int_equal(flow_harness_count(h, 0), 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(atoi(flow_harness_record(h, 0, i)->data), i + 1);
    flow_harness_free(h);
}

TEST(a_record_that_ends_the_program_too_often_is_refused_alone)
{
    struct flow_harness *h = new_exec(
        "{\"command\": \"while read x; do [ $x = 5 ] && kill -9 $$; echo $x; done\", \"window\": "
        "4, \"restart\": 2}");
    feed_numbers(h, 20);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 19);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_non_null(strstr(flow_harness_reject(h, 0), "4: "));
    assert_non_null(strstr(flow_harness_reject(h, 0),
                           "was killed by signal 9 (Killed) before it had answered"));
    flow_harness_free(h);
}

TEST(a_hung_program_is_left_for_another_and_only_what_was_dropped_is_lost)
{
    struct flow_harness *h = new_exec(
        "{\"command\": \"while read x; do [ $x = 3 ] && sleep 1000; echo $x; done\", \"window\": "
        "3}");
    feed_numbers(h, 3);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    while (flow_harness_in_flight(h) > 1)
        assert_int_equal(flow_harness_turn(h), FLOW_OK);
    flow_harness_drop(h);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "1\n2\n");
    flow_harness_free(h);
}

TEST(what_cannot_be_run_or_ends_badly_is_said_by_name)
{
    static const struct {
        const char *with, *text;
    } cases[] = {
        {"{\"command\": [\"/no/such\", \"x\"]}",
         "cannot run '/no/such': No such file or directory"},
        {"{\"command\": [\"cat\", \"-\"], \"cwd\": \"/no/such\"}",
         "cannot run 'cat' in /no/such: No such file or directory"},
        {"{\"command\": []}", "'command' is empty; name a program"},
        {"{\"command\": \"cat\", \"env\": \"x\"}", "'env' has 'x', which is not NAME=value"},
        {"{\"command\": \"exit 3\"}",
         "'exit 3' ended with exit code 3; \"exit_codes\" lists those that are well"},
        {"{\"command\": \"cat; sleep 1000\", \"end_within\": \"50ms\"}",
         "'cat; sleep 1000' has not ended within 0 s of its input (\"end_within\")"},
        {"{\"command\": \"printf '7\\n8\\n9\\n'; cat\", \"window\": 2}",
         "has written '9' though it had answered everything: with \"window\" it writes one record "
         "for each, and nothing else"},
        {"{\"command\": \"tr -d '\\\\n' </dev/zero\", \"max_size\": 100000}", "has written"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = new_exec(cases[i].with);
        feed_numbers(h, 2);
        const enum flow_status rc = flow_harness_run(h);
        if (rc == FLOW_OK || strstr(flow_harness_failure(h), cases[i].text) == NULL)
            fail_msg("%s: %s", cases[i].with, flow_harness_failure(h));
        flow_harness_free(h);
    }
}

TEST(without_a_window_neither_order_nor_checkpoints_are_promised)
{
    const struct flow_stage_type *type = harness_builtin("exec");
    struct flow_harness *h = flow_harness_new(
        type, &(struct flow_harness_options){.with = "{\"command\": \"cat\"}", .numbered = true});
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "need \"order\": \"none\""));
    flow_harness_free(h);
    h = flow_harness_new(type, &(struct flow_harness_options){.with = "{\"command\": \"cat\"}",
                                                              .checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "\"checkpoint\": \"restart\""));
    flow_harness_free(h);
}

TEST(at_a_checkpoint_everything_comes_out_and_another_program_goes_on)
{
    struct flow_harness *h = flow_harness_new(
        harness_builtin("exec"),
        &(struct flow_harness_options){
            .with = "{\"command\": \"cat\", \"checkpoint\": \"restart\"}", .checkpoints = true});
    struct flow_harness_saved saved;
    feed_numbers(h, 10);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_drain(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 10);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    feed_numbers(h, 10);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 20);
    free(saved.bytes);
    flow_harness_free(h);
}

TEST(it_ends_in_the_middle_of_what_the_program_writes)
{
    struct flow_harness *h = flow_harness_new(
        harness_builtin("exec"),
        &(struct flow_harness_options){.with = "{\"command\": \"yes\"}", .abort_after = 3});
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_go_through_a_program_and_come_out_as_it_writes_them),
        cmocka_unit_test(one_string_is_a_line_for_the_shell_with_folder_and_environment),
        cmocka_unit_test(more_goes_through_than_pipes_hold_in_either_direction),
        cmocka_unit_test(records_of_every_size_come_back_as_they_went_in_however_they_are_batched),
        cmocka_unit_test(records_with_keys_go_through_without_them),
        cmocka_unit_test(a_program_that_wants_no_more_ends_well),
        cmocka_unit_test(any_bytes_go_through_with_a_length_before_each_record),
        cmocka_unit_test(what_would_be_two_records_for_the_program_is_refused),
        cmocka_unit_test(with_a_window_each_record_has_its_answer_and_key),
        cmocka_unit_test(a_program_that_buffers_its_answers_gives_them_when_its_input_ends),
        cmocka_unit_test(what_a_program_has_not_answered_when_it_dies_is_given_to_the_next),
        cmocka_unit_test(a_record_that_ends_the_program_too_often_is_refused_alone),
        cmocka_unit_test(a_hung_program_is_left_for_another_and_only_what_was_dropped_is_lost),
        cmocka_unit_test(what_cannot_be_run_or_ends_badly_is_said_by_name),
        cmocka_unit_test(without_a_window_neither_order_nor_checkpoints_are_promised),
        cmocka_unit_test(at_a_checkpoint_everything_comes_out_and_another_program_goes_on),
        cmocka_unit_test(it_ends_in_the_middle_of_what_the_program_writes),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* which the engine's threads are not sent either */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
