/* SPDX-License-Identifier: MIT */
#include "bench/near.h"

#include <stdlib.h>
#include <string.h>

#include "common/key.h"
#include "common/work.h"
#include "driver/alloc.h"
#include "driver/proof.h"

static struct bench_options options_of(const char *workload, uint64_t size)
{
    return (struct bench_options){.workload = workload,
                                  .middle = "copy",
                                  .read = "all",
                                  .order = "none",
                                  .size = size,
                                  .stages = 3,
                                  .keys = 100,
                                  .steps = 50,
                                  .long_steps = 500,
                                  .every = 10};
}

static void assert_tallies_match(const struct bench_tally *told, const struct bench_tally *seen)
{
    assert_int_equal(told->count, seen->count);
    assert_int_equal(told->bytes, seen->bytes);
    assert_int_equal(told->sum, seen->sum);
}

/* What an end sees of a chain whose middle stage edits, or does not. */
static struct bench_tally run_chain(const struct bench_options *o, uint64_t count)
{
    struct bench_tally tally = {0};
    uint8_t *pattern = bench_alloc(1, o->size);
    uint8_t *record = bench_alloc(1, o->size);
    bench_pattern_fill(pattern, o->size);
    for (uint64_t i = 0; i < count; i++) {
        bench_record_write(record, pattern, o->size, i);
        if (strcmp(o->middle, "edit") == 0)
            bench_record_edit(record);
        if (strcmp(o->read, "head") == 0)
            bench_tally_add_head(&tally, record, o->size);
        else
            bench_tally_add(&tally, record, o->size);
    }
    free(record);
    free(pattern);
    return tally;
}

TEST(the_sum_of_a_chain_is_told_without_making_a_record)
{
    const uint64_t sizes[] = {16, 17, 23, 24, 100, 1024};
    const char *const middles[] = {"copy", "edit"};
    const char *const reads[] = {"all", "head"};
    for (size_t i = 0; i < COUNT(sizes) * 4; i++) {
        struct bench_options o = options_of("chain", sizes[i / 4]);
        o.middle = middles[i % 2];
        o.read = i % 2 == 0 ? reads[i / 2 % 2] : "all";
        const struct bench_tally seen = run_chain(&o, 1001);
        const struct bench_tally told = bench_proof_expect(&o, 1001);
        assert_tallies_match(&told, &seen);
        assert_int_equal(seen.disorder, 0);
    }
}

TEST(every_byte_of_a_record_counts_in_its_sum)
{
    for (size_t size = 1; size <= 40; size++) {
        uint8_t record[40] = {0};
        const uint64_t before = bench_sum(record, size);
        for (size_t i = 0; i < size; i++) {
            record[i] = 1;
            assert_int_not_equal(bench_sum(record, size), before);
            record[i] = 0;
        }
        assert_int_equal(bench_sum(record, size), before);
    }
}

TEST(records_that_change_places_are_noticed)
{
    struct bench_tally tally = {0};
    const uint64_t order[] = {0, 1, 3, 2, 4};
    for (size_t i = 0; i < COUNT(order); i++)
        bench_tally_note(&tally, order[i], 16);
    assert_int_equal(tally.disorder, 1);
}

TEST(the_result_of_work_is_told_without_doing_it)
{
    const uint64_t steps[] = {0, 1, 2, 3, 64, 1000, 4097};
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_int_equal(bench_work_told(i, steps[i]), bench_work(i, steps[i]));
}

TEST(the_sum_of_jobs_is_told_without_doing_them)
{
    const struct bench_options o = options_of("jobs", 100);
    const struct bench_jobs jobs = {o.steps, o.long_steps, o.every};
    struct bench_tally seen = {0};
    uint64_t long_ones = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint8_t job[BENCH_JOB_SIZE];
        bench_job_write(job, &jobs, i);
        long_ones += bench_word(job, 1) == o.long_steps;
        bench_job_do(job);
        bench_tally_add(&seen, job, sizeof(job));
    }
    const struct bench_tally told = bench_proof_expect(&o, 1000);
    assert_tallies_match(&told, &seen);
    assert_in_range(long_ones, 60, 140); /* one in ten */
}

TEST(the_counts_of_keys_are_told_as_the_counters_write_them)
{
    const struct bench_options o = options_of("keyed", 16);
    uint64_t counts[100] = {0};
    struct bench_tally seen = {0};
    for (uint64_t i = 0; i < 5000; i++)
        counts[bench_mix(i) % 100]++;
    for (unsigned k = 0; k < 100; k++) {
        char text[64];
        const int size = snprintf(text, sizeof(text), "%u %08u", (unsigned)counts[k], k);
        bench_tally_add_text(&seen, text, (size_t)size);
    }
    const struct bench_tally told = bench_proof_expect(&o, 5000);
    assert_tallies_match(&told, &seen);
}

/* What bench_proof_check says to `output` for ten records of 16 bytes, or "good". */
static void assert_verdict(const char *output, unsigned ends, bool is_ordered, const char *expected)
{
    struct bench_row row = {
        .options = options_of("chain", 16), .ends = ends, .is_ordered = is_ordered};
    struct bench_sample sample;
    char *flaw = bench_proof_check(&row, 10, output, &sample);
    assert_string_equal(flaw != NULL ? flaw : "good", expected);
    free(flaw);
}

static char *proof_text(uint64_t count, uint64_t sum, unsigned disorder)
{
    return bench_format("{\"count\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"sum\": \"%016" PRIx64
                        "\", \"disorder\": %u}\n",
                        count, count * 16, sum, disorder);
}

TEST(a_run_counts_only_if_every_end_proves_its_records)
{
    const struct bench_options o = options_of("chain", 16);
    const uint64_t sum = bench_proof_expect(&o, 10).sum;
    char *good = proof_text(10, sum, 0);
    char *late = proof_text(10, sum, 2);
    char *lost = proof_text(9, sum, 0);
    char *changed = proof_text(10, sum + 1, 0);
    char *longer =
        bench_format("{\"count\": 10, \"bytes\": 161, \"sum\": \"%016" PRIx64 "\"}\n", sum);
    char *twice = bench_format("%s%s", good, good);
    char *wrong =
        bench_format("the bytes add up to %016" PRIx64 ", not to %016" PRIx64, sum + 1, sum);
    assert_verdict(good, 1, true, "good");
    assert_verdict(twice, 2, true, "good");
    assert_verdict(late, 1, false, "good");
    assert_verdict(late, 1, true, "2 records were out of order");
    assert_verdict(lost, 1, true, "9 records of 144 bytes arrived, not 10 of 160");
    assert_verdict(changed, 1, true, wrong);
    assert_verdict(longer, 1, true, "10 records of 161 bytes arrived, not 10 of 160");
    assert_verdict(good, 2, true, "1 proofs instead of 2");
    assert_verdict(twice, 1, true, "2 proofs instead of 1");
    assert_verdict("", 1, true, "0 proofs instead of 1");
    assert_verdict("done\n", 1, true, "no proof: done");
    free(wrong);
    free(twice);
    free(longer);
    free(changed);
    free(lost);
    free(late);
    free(good);
}

TEST(text_must_be_the_same_byte_for_byte)
{
    char expected[] = "2 a\n1 b\n";
    const struct bench_row row = {.text = expected};
    struct bench_sample sample;
    assert_null(bench_proof_check(&row, 0, "2 a\n1 b\n", &sample));
    char *flaw = bench_proof_check(&row, 0, "2 a\n1 c\n", &sample);
    assert_string_equal(flaw, "the output is not what it must be");
    free(flaw);
}

TEST(delays_are_read_from_the_proof)
{
    struct bench_row row = {.options = options_of("latency", 24), .ends = 1, .figure = BENCH_DELAY};
    struct bench_sample sample = {0};
    char *output =
        bench_format("{\"count\": 2, \"bytes\": 48, \"sum\": \"%016x\", \"disorder\": 0, "
                     "\"p50\": 10, \"p99\": 20, \"p999\": 30, \"due_p50\": 11, "
                     "\"due_p99\": 21, \"due_p999\": 31}\n",
                     1u);
    assert_null(bench_proof_check(&row, 2, output, &sample));
    assert_near(sample.delay[0], 10);
    assert_near(sample.delay[2], 30);
    assert_near(sample.delay[5], 31);
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_of_a_chain_is_told_without_making_a_record),
        cmocka_unit_test(every_byte_of_a_record_counts_in_its_sum),
        cmocka_unit_test(records_that_change_places_are_noticed),
        cmocka_unit_test(the_result_of_work_is_told_without_doing_it),
        cmocka_unit_test(the_sum_of_jobs_is_told_without_doing_them),
        cmocka_unit_test(the_counts_of_keys_are_told_as_the_counters_write_them),
        cmocka_unit_test(a_run_counts_only_if_every_end_proves_its_records),
        cmocka_unit_test(text_must_be_the_same_byte_for_byte),
        cmocka_unit_test(delays_are_read_from_the_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
