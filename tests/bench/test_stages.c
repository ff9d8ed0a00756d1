/* SPDX-License-Identifier: MIT */
#include "support/check.h"

#include <string.h>

#include "common/key.h"
#include "common/work.h"
#include "stages/stages.h"
#include "support/harness.h"

static struct flow_harness *run(const struct flow_stage_type *type, const char *with)
{
    const struct flow_harness_options options = {.with = with};
    struct flow_harness *h = flow_harness_new(type, &options);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    return h;
}

TEST(gen_emits_numbered_records_of_the_pattern)
{
    struct flow_harness *h = run(&bench_gen, "{\"count\": 10000, \"size\": 100}");
    uint8_t expected[100];
    bench_pattern_fill(expected, sizeof(expected));
    assert_int_equal(flow_harness_count(h, 0), 10000);
    for (size_t i = 0; i < 10000; i++) {
        const struct flow_harness_record *record = flow_harness_record(h, 0, i);
        bench_set_word(expected, 0, i);
        assert_int_equal(record->size, sizeof(expected));
        assert_memory_equal(record->data, expected, sizeof(expected));
    }
    flow_harness_free(h);
}

TEST(keys_come_with_the_records)
{
    struct flow_harness *h = run(&bench_keys, "{\"count\": 1000, \"keys\": 7}");
    assert_int_equal(flow_harness_count(h, 0), 1000);
    for (size_t i = 0; i < 1000; i++) {
        const struct flow_harness_record *record = flow_harness_record(h, 0, i);
        char key[BENCH_KEY_SIZE + 1] = "";
        bench_key_write(key, i, 7);
        assert_string_equal(record->key, key);
        assert_int_equal(bench_word(record->data, 0), i);
    }
    flow_harness_free(h);
}

TEST(ticks_are_stamped_and_wait_for_their_time)
{
    struct flow_harness *h = run(&bench_ticks, "{\"count\": 3, \"size\": 24, \"rate\": 100000}");
    assert_int_equal(flow_harness_count(h, 0), 3);
    const char *first = flow_harness_record(h, 0, 0)->data;
    const char *last = flow_harness_record(h, 0, 2)->data;
    assert_int_equal(bench_word(last, 2) - bench_word(first, 2), 20000); /* due, ns */
    assert_true(bench_word(last, 1) >= bench_word(last, 2));             /* never early */
    flow_harness_free(h);
}

TEST(workers_copy_edit_and_pass_on)
{
    static const struct {
        const struct flow_stage_type *type;
        uint64_t change;
    } cases[] = {
        {&bench_copy, 0},          {&bench_copy_each, 0},
        {&bench_edit, BENCH_EDIT}, {&bench_edit_each, BENCH_EDIT},
        {&bench_pass, 0},          {&bench_pass_each, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_harness_options options = {0};
        struct flow_harness *h = flow_harness_new(cases[i].type, &options);
        uint8_t record[27];
        bench_pattern_fill(record, sizeof(record));
        flow_harness_feed_bytes(h, record, sizeof(record));
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        bench_set_word(record, 1, bench_word(record, 1) + cases[i].change);
        assert_int_equal(flow_harness_count(h, 0), 1);
        assert_int_equal(flow_harness_record(h, 0, 0)->size, sizeof(record));
        assert_memory_equal(flow_harness_record(h, 0, 0)->data, record, sizeof(record));
        flow_harness_free(h);
    }
}

TEST(spin_does_jobs_and_refuses_what_is_none)
{
    const struct bench_jobs jobs = {.steps = 1000};
    const struct flow_harness_options options = {0};
    struct flow_harness *h = flow_harness_new(&bench_spin, &options);
    uint8_t job[BENCH_JOB_SIZE];
    bench_job_write(job, &jobs, 5);
    flow_harness_feed_bytes(h, job, sizeof(job));
    flow_harness_feed(h, "no job");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 1);
    assert_int_equal(bench_word(flow_harness_record(h, 0, 0)->data, 2), bench_work_told(5, 1000));
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_string_equal(flow_harness_reject(h, 0), "0: no job: 6 bytes instead of 24");
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gen_emits_numbered_records_of_the_pattern),
        cmocka_unit_test(keys_come_with_the_records),
        cmocka_unit_test(ticks_are_stamped_and_wait_for_their_time),
        cmocka_unit_test(workers_copy_edit_and_pass_on),
        cmocka_unit_test(spin_does_jobs_and_refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
