/* SPDX-License-Identifier: MIT */
/* read (0.1 s of work) -> words (two workers, 0.97 s each) -> count (two by key); on two CPUs. */
#include <jansson.h>

#include "watch/advice.h"
#include "watch/fixture.h"

static struct flow_advice advise(struct fixture *f)
{
    static const char *const names[] = {"read", "words", "count", "late"};
    static char kept[STAGES][8];
    for (size_t i = 0; i < STAGES; i++) {
        (void)snprintf(kept[i], sizeof(kept[i]), "%s", names[i]);
        f->graph_stages[i].name = kept[i];
        f->types[i].role = i == READ ? FLOW_PRODUCER : FLOW_EITHER;
    }
    struct flow_advice advice;
    struct flow_error err = {0};
    assert_int_equal(flow_advice_init(&advice, &f->plan, &f->board, SECOND, &err), FLOW_OK);
    assert_int_equal(advice.stage_count, STAGES);
    return advice;
}

static void spend(struct fixture *f, size_t replica, uint64_t wait_in_ms, uint64_t cpu_ms,
                  uint64_t ready_ms)
{
    struct flow_board_replica *counts = &f->board_replicas[replica];
    flow_set(&counts->wait_in_ns, wait_in_ms * 1000000);
    flow_set(&counts->wait_out_ns, 0);
    flow_set(&counts->cpu_ns, cpu_ms * 1000000);
    flow_set(&counts->ready_ns, ready_ms * 1000000);
}

TEST(a_stage_that_computes_gets_as_many_workers_as_cpus_can_serve)
{
    struct fixture *f = *state;
    f->plan.cpus = 8;
    spend(f, WORDS_0, 0, 1000, 0);
    spend(f, WORDS_1, 0, 1000, 0);
    struct flow_advice advice = advise(f);
    assert_int_equal(advice.bottleneck, WORDS);
    const struct flow_advice_stage *words = &advice.stages[WORDS];
    assert_int_equal(words->occupation, FLOW_COMPUTES);
    assert_false(words->blocking);
    assert_int_equal(words->workers, 2);
    /* 2 s of work in all; count, by key, can take its 0.8 s to 8 workers, but CPUs have 2.3 s. */
    assert_int_equal(words->advised, 7);
    assert_true(advice.speed_up > 3.4 && advice.speed_up < 3.6);
    assert_null(words->limit);
    assert_int_equal(words->records, 1000);
    assert_true(words->work_ns > 1999999 && words->work_ns < 2000001);
    assert_true(flow_advice_changes(&advice));
    flow_advice_clear(&advice);
}

TEST(where_all_cpus_are_at_work_nothing_is_advised)
{
    struct fixture *f = *state;
    spend(f, WORDS_0, 0, 1000, 0);
    spend(f, WORDS_1, 0, 1000, 0);
    struct flow_advice advice = advise(f);
    assert_int_equal(advice.bottleneck, WORDS);
    assert_false(flow_advice_changes(&advice));
    assert_true(advice.speed_up < 1.01);
    flow_advice_clear(&advice);
}

TEST(a_stage_that_waits_outside_gets_more_workers_than_there_are_cpus)
{
    struct fixture *f = *state;
    spend(f, WORDS_0, 0, 5, 0);
    spend(f, WORDS_1, 0, 5, 0);
    spend(f, READ_0, 995, 5, 0);
    spend(f, COUNT_0, 995, 5, 0);
    spend(f, COUNT_1, 995, 5, 0);
    struct flow_advice advice = advise(f);
    assert_int_equal(advice.bottleneck, WORDS);
    assert_int_equal(advice.stages[WORDS].occupation, FLOW_BLOCKS);
    assert_true(advice.stages[WORDS].blocking);
    assert_int_equal(advice.stages[WORDS].advised, 64);
    assert_true(advice.speed_up > 31 && advice.speed_up < 33);
    flow_advice_clear(&advice);
}

TEST(time_that_others_had_the_cpus_is_no_work_and_no_waiting)
{
    struct fixture *f = *state;
    spend(f, WORDS_0, 0, 300, 700);
    spend(f, WORDS_1, 0, 300, 700);
    struct flow_advice advice = advise(f);
    assert_true(advice.disturbed);
    assert_false(advice.stages[WORDS].blocking);
    assert_true(advice.stages[WORDS].work_ns > 599999 && advice.stages[WORDS].work_ns < 600001);
    flow_advice_clear(&advice);
}

TEST(what_cannot_have_more_workers_bounds_the_others)
{
    struct fixture *f = *state;
    f->plan.cpus = 8;
    spend(f, READ_0, 500, 500, 0);
    spend(f, WORDS_0, 0, 1000, 0);
    spend(f, WORDS_1, 0, 1000, 0);
    struct flow_advice advice = advise(f);
    assert_string_equal(advice.stages[READ].limit,
                        "it is a producer, whose pace is that of its source");
    assert_int_equal(advice.stages[WORDS].advised, 4);
    assert_true(advice.speed_up > 1.9 && advice.speed_up < 2.1);
    flow_advice_clear(&advice);
}

TEST(a_stage_with_state_and_without_keys_stays_alone)
{
    struct fixture *f = *state;
    f->plan.cpus = 8;
    f->edges[EDGE_COUNT].share = FLOW_BALANCE;
    for (size_t i = COUNT_0; i <= COUNT_1; i++)
        spend(f, i, 0, 1000, 0);
    spend(f, WORDS_0, 900, 100, 0);
    spend(f, WORDS_1, 900, 100, 0);
    struct flow_advice advice = advise(f);
    assert_int_equal(advice.bottleneck, COUNT_KEYS);
    assert_string_equal(advice.stages[COUNT_KEYS].limit,
                        "it keeps state, so it can have more workers only if records can be "
                        "shared by key");
    assert_false(flow_advice_changes(&advice));
    flow_advice_clear(&advice);
}

TEST(the_text_tells_what_was_tried_and_what_to_make_of_it)
{
    struct fixture *f = *state;
    f->plan.cpus = 8;
    spend(f, WORDS_0, 0, 1000, 0);
    spend(f, WORDS_1, 0, 1000, 0);
    struct flow_advice advice = advise(f);
    const struct flow_trial_result trials[FLOW_TRIALS] = {
        [FLOW_TRIAL_AS_IT_IS] = {.done = true, .rate = 1000, .seconds = 1},
        [FLOW_TRIAL_ONE_THREAD] = {.done = true, .rate = 500, .seconds = 1},
        [FLOW_TRIAL_ADVISED] = {.done = true, .rate = 3400, .seconds = 1},
        [FLOW_TRIAL_PROCESSES] = {.done = true, .rate = 1700, .seconds = 1},
    };
    char *text = flow_advice_text(&advice, trials, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "words with 7 workers, count with 3 workers"));
    assert_non_null(strstr(
        text, "words holds the run up: it computes 100 % of the time.\n"
              "More workers pay: --workers words=7 --workers count=3 (in the graph \"workers\"); "
              "expected 3.5 times, measured 3.4 times.\n"
              "Threads: processes reach 50 % of that"));
    free(text);

    char *json = flow_advice_json(&advice, trials, "a note");
    json_t *read = json_loads(json, 0, NULL);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_object_get(read, "bottleneck")), "words");
    assert_string_equal(json_string_value(json_object_get(read, "note")), "a note");
    const json_t *words = json_array_get(json_object_get(read, "stages"), WORDS);
    assert_int_equal(json_integer_value(json_object_get(words, "advised")), 7);
    assert_int_equal(json_array_size(json_object_get(read, "trials")), 4);
    json_decref(read);
    free(json);
    flow_advice_clear(&advice);
}

TEST(one_thread_is_enough_where_nothing_is_faster)
{
    struct fixture *f = *state;
    spend(f, WORDS_0, 0, 1000, 0);
    spend(f, WORDS_1, 0, 1000, 0);
    struct flow_advice advice = advise(f);
    struct flow_trial_result trials[FLOW_TRIALS] = {
        [FLOW_TRIAL_AS_IT_IS] = {.done = true, .rate = 1000, .seconds = 1},
        [FLOW_TRIAL_ONE_THREAD] = {.done = true, .rate = 950, .seconds = 1},
    };
    char *text = flow_advice_text(&advice, trials, NULL);
    assert_non_null(strstr(text, "One thread is enough"));
    free(text);
    trials[FLOW_TRIAL_ONE_THREAD].rate = 500;
    text = flow_advice_text(&advice, trials, NULL);
    assert_null(strstr(text, "One thread is enough"));
    assert_non_null(strstr(text, "A thread for each stage is best: --fuse off."));
    free(text);
    flow_advice_clear(&advice);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_stage_that_computes_gets_as_many_workers_as_cpus_can_serve),
        CASE(where_all_cpus_are_at_work_nothing_is_advised),
        CASE(a_stage_that_waits_outside_gets_more_workers_than_there_are_cpus),
        CASE(time_that_others_had_the_cpus_is_no_work_and_no_waiting),
        CASE(what_cannot_have_more_workers_bounds_the_others),
        CASE(a_stage_with_state_and_without_keys_stays_alone),
        CASE(the_text_tells_what_was_tried_and_what_to_make_of_it),
        CASE(one_thread_is_enough_where_nothing_is_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
