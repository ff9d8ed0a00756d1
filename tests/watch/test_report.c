/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "watch/fixture.h"

static const struct flow_report_info done = {.elapsed_ns = SECOND, .status = "done"};

static void expect_report(struct fixture *f, const struct flow_report_info *info,
                          const char *expected)
{
    char *text = flow_report_text(&f->plan, &f->board, info);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

TEST(the_text_shows_stages_edges_memory_and_bottleneck)
{
    expect_report(
        *state, &done,
        "wordcount: done in 1.0 s, in threads on 2 CPUs\n"
        "\n"
        "stage  workers     in    out  filtered  routed     rate  busy  wait in  wait out   CPU\n"
        "read         1      -  1,000         0       0  1.0 k/s  10 %        0      90 %  10 %\n"
        "words        2  1,000  2,000        25      10  1.0 k/s  97 %      1 %       2 %  50 %\n"
        "count        2  2,000      -         0       0  2.0 k/s  40 %     60 %         0  10 %\n"
        "late         1     10      -         0       0     10/s     0    100 %         0     0\n"
        "\n"
        "edge                    share   sent  received\n"
        "read -> words         balance  1,000     1,000\n"
        "words -> count            key  2,000     2,000\n"
        "words.errors -> late  balance     10        10\n"
        "\n"
        "memory: peak 24.0 MiB; the plan allows 96.0 MiB, 64.0 MiB of it for records under way\n"
        "bottleneck: the 2 workers of words were busy 97 % of the time; there is a worker for "
        "every CPU already, so only cheaper work or more CPUs would help\n");
}

TEST(columns_appear_when_they_have_something_to_say)
{
    struct fixture *f = *state;
    f->graph_stages[WORDS].errors.then = FLOW_SKIP;
    flow_set(&f->board_replicas[WORDS_0].records_out, 1200);
    flow_set(&f->board_replicas[WORDS_0].routed, 0);
    flow_set(&f->board_replicas[WORDS_0].filtered, 0);
    flow_set(&f->board_replicas[WORDS_0].skipped, 1234567);
    flow_set(&f->board_replicas[WORDS_1].retried, 3);
    flow_set(&f->board_replicas[READ_0].unread, 5);
    flow_set(&f->board_links[R_W1].dropped, 7);
    flow_set(&f->board_replicas[READ_0].wait_self_ns, SECOND / 20);
    f->plan.mode = FLOW_PROCESSES;
    f->plan.cpus = 1;
    const struct flow_report_info failed = {.elapsed_ns = SECOND, .status = "failed"};
    expect_report(
        f, &failed,
        "wordcount: failed after 1.0 s, in processes on 1 CPU\n"
        "\n"
        "stage  workers     in    out    skipped  retried  dropped  unread     rate  busy  wait in "
        " "
        "wait out  wait self   CPU\n"
        "read         1      -  1,000          0        0        7       5  1.0 k/s   5 %        0 "
        " "
        "    90 %        5 %  10 %\n"
        "words        2  1,000  2,000  1,234,567        3        0       0  1.0 k/s  97 %      1 % "
        " "
        "     2 %          0  50 %\n"
        "count        2  2,000      -          0        0        0       0  2.0 k/s  40 %     60 % "
        " "
        "       0          0  10 %\n"
        "late         1     10      -          0        0        0       0     10/s     0    100 % "
        " "
        "       0          0     0\n"
        "\n"
        "edge                    share   sent  received  dropped\n"
        "read -> words         balance  1,000     1,000        7\n"
        "words -> count            key  2,000     2,000        0\n"
        "words.errors -> late  balance     10        10        0\n"
        "\n"
        "memory: peak 24.0 MiB; the plan allows 96.0 MiB, 64.0 MiB of it for records under way\n"
        "bottleneck: the 2 workers of words were busy 97 % of the time; all CPUs are at work, so "
        "only "
        "cheaper work or more CPUs would help\n");
}

TEST(a_run_that_never_started_has_no_figures)
{
    const struct flow_report_info failed = {.status = "failed"};
    expect_report(*state, &failed,
                  "wordcount: failed before the first record, in threads on 2 CPUs\n");
}

/* The last line of the text without its first word. */
static void expect_bottleneck(struct fixture *f, int64_t elapsed_ns, const char *expected)
{
    const struct flow_report_info info = {.elapsed_ns = elapsed_ns, .status = "done"};
    char *text = flow_report_text(&f->plan, &f->board, &info);
    assert_non_null(text);
    const char *line = strstr(text, "\nbottleneck: ");
    assert_non_null(line);
    assert_string_equal(line + strlen("\nbottleneck: "), expected);
    free(text);
}

static void wait_for(struct fixture *f, size_t replica, int64_t in_ms, int64_t out_ms,
                     int64_t self_ms)
{
    struct flow_board_replica *counts = &f->board_replicas[replica];
    flow_set(&counts->wait_in_ns, (uint64_t)in_ms * 1000000);
    flow_set(&counts->wait_out_ns, (uint64_t)out_ms * 1000000);
    flow_set(&counts->wait_self_ns, (uint64_t)self_ms * 1000000);
}

static void spend_cpu(struct fixture *f, size_t replica, int64_t ms)
{
    flow_set(&f->board_replicas[replica].cpu_ns, (uint64_t)ms * 1000000);
}

TEST(a_stateless_stage_on_idle_cpus_is_told_to_take_more_workers)
{
    struct fixture *f = *state;
    f->plan.cpus = 3;
    expect_bottleneck(f, SECOND,
                      "the 2 workers of words were busy 97 % of the time; it keeps no state, so "
                      "more workers would help\n");
}

TEST(a_stateless_stage_on_busy_cpus_is_told_that_only_cheaper_work_helps)
{
    struct fixture *f = *state;
    spend_cpu(f, WORDS_0, 950);
    spend_cpu(f, WORDS_1, 950);
    expect_bottleneck(f, SECOND,
                      "the 2 workers of words were busy 97 % of the time; all CPUs are at work, so "
                      "only cheaper work or more CPUs would help\n");
}

TEST(a_stateless_stage_with_a_worker_for_every_cpu_is_told_so)
{
    expect_bottleneck(*state, SECOND,
                      "the 2 workers of words were busy 97 % of the time; there is a worker for "
                      "every CPU already, so only cheaper work or more CPUs would help\n");
}

TEST(a_stateless_stage_off_the_cpu_is_told_of_both_reasons)
{
    struct fixture *f = *state;
    spend_cpu(f, WORDS_0, 300);
    spend_cpu(f, WORDS_1, 300);
    expect_bottleneck(
        f, SECOND,
        "the 2 workers of words were busy 97 % of the time; it keeps no state and was "
        "off the CPU for most of that, so more workers would help, unless other "
        "programs took the CPUs\n");
}

TEST(a_stage_that_waits_outside_may_have_more_workers_than_cpus)
{
    struct fixture *f = *state;
    wait_for(f, WORDS_0, 10, 10, 900);
    wait_for(f, WORDS_1, 10, 10, 900);
    expect_bottleneck(f, SECOND,
                      "the 2 workers of words were occupied 98 % of the time; it mostly waits for "
                      "something outside and keeps no state, so more workers would help, also more "
                      "than there are CPUs\n");
}

TEST(one_slow_worker_among_idle_ones_is_named)
{
    struct fixture *f = *state;
    wait_for(f, WORDS_0, 900, 0, 0);
    wait_for(f, WORDS_1, 700, 0, 0);
    wait_for(f, COUNT_1, 0, 0, 0);
    expect_bottleneck(f, SECOND,
                      "count[1] was busy 100 % of the time, all 2 workers of count only 70 %; most "
                      "records have keys that belong to this worker\n");
    f->types[COUNT_KEYS].traits = 0;
    expect_bottleneck(f, SECOND,
                      "count[1] was busy 100 % of the time, all 2 workers of count only 70 %; its "
                      "records differ much in size or cost\n");
}

TEST(a_stage_with_state_is_told_about_keys)
{
    struct fixture *f = *state;
    wait_for(f, COUNT_0, 0, 0, 0);
    wait_for(f, COUNT_1, 0, 0, 0);
    expect_bottleneck(
        f, SECOND,
        "the 2 workers of count were busy 100 % of the time; it shares its records by "
        "key, so more workers would help while there are more keys\n");
    f->types[LATE].traits = FLOW_STATEFUL;
    wait_for(f, COUNT_0, 900, 0, 0);
    wait_for(f, COUNT_1, 900, 0, 0);
    wait_for(f, LATE_0, 0, 0, 0);
    expect_bottleneck(f, SECOND,
                      "late was busy 100 % of the time; it keeps state, so more workers would help "
                      "only if records can be shared by key\n");
}

TEST(a_single_stage_and_a_sequencer_have_advice_of_their_own)
{
    struct fixture *f = *state;
    f->types[LATE].traits = FLOW_STATEFUL | FLOW_SINGLE;
    wait_for(f, LATE_0, 0, 0, 0);
    expect_bottleneck(f, SECOND,
                      "late was busy 100 % of the time; it never has more than one worker, so only "
                      "less or cheaper work would help\n");
    f->stages[LATE].type = NULL;
    expect_bottleneck(f, SECOND,
                      "late was busy 100 % of the time; it puts records back into order for the "
                      "parallel stage after it, which \"order\": \"none\" there would save\n");
}

TEST(a_producer_is_named_as_the_limit)
{
    struct fixture *f = *state;
    wait_for(f, READ_0, 0, 10, 0);
    expect_bottleneck(f, SECOND,
                      "read was busy 99 % of the time; the producer is the limit, the stages after "
                      "it had room to spare\n");
    wait_for(f, READ_0, 0, 10, 900);
    expect_bottleneck(
        f, SECOND,
        "read was occupied 99 % of the time; the producer waits for its source, which "
        "is the limit\n");
}

/* The thread of read also runs late: a part of its time each. */
static struct fixture *with_fused(struct fixture *f, int64_t read_ms, int64_t late_ms)
{
    fuse(f, READ_0, LATE_0);
    f->plan.cpus = 4;
    wait_for(f, READ_0, 0, 1000 - read_ms, 0);
    wait_for(f, LATE_0, 1000 - late_ms, 0, 0);
    wait_for(f, WORDS_0, 500, 0, 0);
    wait_for(f, WORDS_1, 500, 0, 0);
    return f;
}

TEST(stages_of_one_thread_are_the_bottleneck_together)
{
    expect_bottleneck(
        with_fused(*state, 450, 490), SECOND,
        "read and late, fused in one thread, were busy 94 % of the time, late the "
        "most with 49 %; \"fuse\": false on late would give it a thread of its own\n");
}

TEST(fused_stages_are_not_parted_where_no_cpu_is_free)
{
    struct fixture *f = with_fused(*state, 450, 490);
    f->plan.cpus = 1;
    expect_bottleneck(f, SECOND,
                      "read and late, fused in one thread, were busy 94 % of the time, late the "
                      "most with 49 %; all CPUs are at work, so only cheaper work or more CPUs "
                      "would help\n");
}

TEST(fused_stages_are_not_parted_where_one_does_all_the_work)
{
    expect_bottleneck(with_fused(*state, 950, 30), SECOND,
                      "read and late, fused in one thread, were busy 98 % of the time, read the "
                      "most with 95 %; the producer is the limit, the stages after it had room to "
                      "spare\n");
    struct fixture *f = *state;
    wait_for(f, READ_0, 0, 970, 0);
    wait_for(f, LATE_0, 50, 0, 0);
    spend_cpu(f, LATE_0, 900);
    expect_bottleneck(f, SECOND,
                      "read and late, fused in one thread, were busy 98 % of the time, late the "
                      "most with 95 %; it keeps no state, so more workers would help\n");
}

TEST(fused_stages_that_were_mostly_idle_are_no_bottleneck)
{
    expect_bottleneck(with_fused(*state, 250, 300), SECOND,
                      "none, no stage was busy for long (the most was read and late with 55 %), "
                      "the time went into waiting for one another\n");
}

TEST(of_many_fused_stages_the_first_are_named)
{
    struct fixture *f = with_fused(*state, 150, 150);
    const size_t others[] = {WORDS_0, WORDS_1, COUNT_0, COUNT_1};
    for (size_t i = 0; i < COUNT(others); i++) {
        fuse(f, READ_0, others[i]);
        wait_for(f, others[i], 850, 0, 0);
    }
    wait_for(f, COUNT_1, 700, 0, 0);
    wait_for(f, COUNT_0, 700, 0, 0);
    expect_bottleneck(
        f, SECOND,
        "read, late, words, words and 2 others, fused in one thread, were busy 100 % of the time, "
        "count the most with 30 %; \"fuse\": false on count would give it a thread of its own\n");
}

TEST(the_report_shows_which_stages_were_fused)
{
    struct fixture *f = with_fused(*state, 450, 490);
    char *text = flow_report_text(&f->plan, &f->board, &done);
    assert_non_null(strstr(text, "\n\nfused: read + late\n\nedge "));
    free(text);
    text = flow_report_json(&f->plan, &f->board, &done);
    json_t *json = json_loads(text, 0, NULL);
    json_t *stages = json_object_get(json, "stages");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(stages, LATE), "fused_into")), "read");
    assert_true(json_is_null(json_object_get(json_array_get(stages, READ), "fused_into")));
    json_decref(json);
    free(text);
}

/* read was busy for all of its life, but that was a tenth of the run. */
TEST(a_stage_that_ended_early_is_not_the_bottleneck)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[READ_0].end_ns, SECOND + SECOND / 10);
    wait_for(f, READ_0, 0, 0, 0);
    expect_bottleneck(f, SECOND,
                      "the 2 workers of words were busy 97 % of the time; there is a worker for "
                      "every CPU already, so only cheaper work or more CPUs would help\n");
}

TEST(no_bottleneck_is_made_up)
{
    struct fixture *f = *state;
    wait_for(f, WORDS_0, 500, 0, 0);
    wait_for(f, WORDS_1, 460, 0, 0);
    expect_bottleneck(f, SECOND,
                      "none, no stage was busy for long (the most was words with 54 %), the time "
                      "went into waiting for one another\n");
    expect_bottleneck(f, 19999999, "none to name, the run was too short to tell\n");
}

TEST(a_replica_that_was_killed_ends_with_its_last_sign_of_life)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[LATE_0].end_ns, 0);
    flow_set(&f->board_replicas[LATE_0].since_ns, SECOND + SECOND / 2);
    flow_set(&f->board_replicas[LATE_0].state, FLOW_STATE_WAIT_IN);
    wait_for(f, LATE_0, 250, 0, 0);
    char *text = flow_report_json(&f->plan, &f->board, &done);
    json_t *json = json_loads(text, 0, NULL);
    const json_t *stage = json_array_get(json_object_get(json, "stages"), LATE);
    assert_true(json_real_value(json_object_get(stage, "seconds")) == 0.5);
    assert_true(json_real_value(json_object_get(stage, "wait_in")) == 0.25);
    json_decref(json);
    free(text);
}

TEST(the_json_holds_the_same)
{
    struct fixture *f = *state;
    char *text = flow_report_json(&f->plan, &f->board, &done);
    assert_non_null(text);

    /* After a wanted change: copy the text that the failure shows. */
    char expected[8192] = {0};
    FILE *file = fopen(FLOW_SOURCE_DIR "/tests/watch/report.json", "r");
    assert_non_null(file);
    assert_true(fread(expected, 1, sizeof(expected) - 1, file) > 0);
    (void)fclose(file);
    assert_string_equal(text, expected);
    free(text);
}

TEST(the_json_carries_the_reason_of_a_failure)
{
    struct fixture *f = *state;
    const struct flow_report_info failed = {
        .elapsed_ns = SECOND, .status = "failed", .message = "no file 'b\xff\xc3\xa4'"};
    char *text = flow_report_json(&f->plan, &f->board, &failed);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "failed");
    assert_string_equal(json_string_value(json_object_get(json, "message")),
                        "no file 'b?\xc3\xa4'");
    json_decref(json);
    free(text);
}

TEST(without_memory_there_is_no_report)
{
    struct fixture *f = *state;
    char *text = NULL;
    for (int n = 0; text == NULL; n++) {
        assert_true(n < 1000);
        flow_mem_fail_at(n);
        text = flow_report_text(&f->plan, &f->board, &done);
        if (n == 0)
            assert_null(text);
    }
    flow_mem_fail_at(-1);
    free(text);

    flow_mem_fail_at(0);
    assert_null(flow_report_json(&f->plan, &f->board, &done));
    flow_mem_fail_at(-1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_text_shows_stages_edges_memory_and_bottleneck),
        CASE(columns_appear_when_they_have_something_to_say),
        CASE(a_run_that_never_started_has_no_figures),
        CASE(a_stateless_stage_on_idle_cpus_is_told_to_take_more_workers),
        CASE(a_stateless_stage_on_busy_cpus_is_told_that_only_cheaper_work_helps),
        CASE(a_stateless_stage_with_a_worker_for_every_cpu_is_told_so),
        CASE(a_stateless_stage_off_the_cpu_is_told_of_both_reasons),
        CASE(a_stage_that_waits_outside_may_have_more_workers_than_cpus),
        CASE(one_slow_worker_among_idle_ones_is_named),
        CASE(a_stage_with_state_is_told_about_keys),
        CASE(a_single_stage_and_a_sequencer_have_advice_of_their_own),
        CASE(a_producer_is_named_as_the_limit),
        CASE(stages_of_one_thread_are_the_bottleneck_together),
        CASE(fused_stages_are_not_parted_where_no_cpu_is_free),
        CASE(fused_stages_are_not_parted_where_one_does_all_the_work),
        CASE(fused_stages_that_were_mostly_idle_are_no_bottleneck),
        CASE(of_many_fused_stages_the_first_are_named),
        CASE(the_report_shows_which_stages_were_fused),
        CASE(a_stage_that_ended_early_is_not_the_bottleneck),
        CASE(no_bottleneck_is_made_up),
        CASE(a_replica_that_was_killed_ends_with_its_last_sign_of_life),
        CASE(the_json_holds_the_same),
        CASE(the_json_carries_the_reason_of_a_failure),
        CASE(without_memory_there_is_no_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
