/* SPDX-License-Identifier: MIT */
#include "driver/proof.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/key.h"
#include "common/work.h"
#include "driver/alloc.h"

/* 0 + 1 + … + count - 1, modulo 2^64. */
static uint64_t sum_below(uint64_t count)
{
    return count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
}

static uint64_t pattern_sum(uint64_t size, uint64_t skipped_words)
{
    uint8_t *pattern = bench_alloc(1, size);
    bench_pattern_fill(pattern, size);
    uint64_t sum = bench_sum(pattern, size);
    for (uint64_t i = 0; i < skipped_words; i++)
        sum -= bench_word(pattern, i);
    free(pattern);
    return sum;
}

static struct bench_tally expect_chain(const struct bench_options *o, uint64_t count)
{
    struct bench_tally tally = {.count = count, .bytes = count * o->size};
    const bool is_paced = bench_is(o->workload, "latency");
    tally.sum = sum_below(count);
    if (bench_is(o->read, "all"))
        tally.sum += count * pattern_sum(o->size, is_paced ? 3 : 1);
    if (bench_is(o->middle, "edit") && bench_is(o->workload, "chain"))
        tally.sum += count * BENCH_EDIT * (o->stages - 2);
    return tally;
}

static struct bench_tally expect_jobs(const struct bench_options *o, uint64_t count)
{
    const struct bench_jobs jobs = {o->steps, o->long_steps, o->every};
    struct bench_tally tally = {.count = count, .bytes = count * BENCH_JOB_SIZE};
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t steps = bench_job_steps(&jobs, i);
        tally.sum += i + steps + bench_work_told(i, steps);
    }
    return tally;
}

static struct bench_tally expect_keyed(const struct bench_options *o, uint64_t count)
{
    uint32_t *counts = bench_alloc(o->keys, sizeof(*counts));
    struct bench_tally tally = {0};
    for (uint64_t i = 0; i < count; i++)
        counts[bench_key_of(i, o->keys)]++;
    for (uint64_t key = 0; key < o->keys; key++) {
        char digits[BENCH_KEY_SIZE];
        char text[BENCH_COUNT_SIZE];
        if (counts[key] == 0)
            continue;
        bench_key_digits(digits, key);
        bench_tally_add_text(&tally, text, bench_count_write(text, counts[key], digits));
    }
    free(counts);
    return tally;
}

struct bench_tally bench_proof_expect(const struct bench_options *options, uint64_t count)
{
    if (bench_is(options->workload, "jobs"))
        return expect_jobs(options, count);
    if (bench_is(options->workload, "keyed"))
        return expect_keyed(options, count);
    return expect_chain(options, count);
}

static uint64_t number_of(const json_t *proof, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(proof, key));
}

static char *check_proof(const json_t *proof, const struct bench_tally *expected, bool is_ordered)
{
    const char *sum = json_string_value(json_object_get(proof, "sum"));
    const uint64_t count = number_of(proof, "count");
    const uint64_t bytes = number_of(proof, "bytes");
    if (count != expected->count || bytes != expected->bytes)
        return bench_format("%" PRIu64 " records of %" PRIu64 " bytes arrived, not %" PRIu64
                            " of %" PRIu64,
                            count, bytes, expected->count, expected->bytes);
    if (sum == NULL || strtoull(sum, NULL, 16) != expected->sum)
        return bench_format("the bytes add up to %s, not to %016" PRIx64,
                            sum != NULL ? sum : "nothing", expected->sum);
    if (is_ordered && number_of(proof, "disorder") > 0)
        return bench_format("%" PRIu64 " records were out of order", number_of(proof, "disorder"));
    return NULL;
}

static void read_delays(const json_t *proof, struct bench_sample *sample)
{
    static const char *const names[BENCH_DELAYS] = {"p50",     "p99",     "p999",
                                                    "due_p50", "due_p99", "due_p999"};
    for (size_t i = 0; i < BENCH_DELAYS; i++)
        sample->delay[i] = json_number_value(json_object_get(proof, names[i]));
}

char *bench_proof_check(const struct bench_row *row, uint64_t count, const char *output,
                        struct bench_sample *sample)
{
    if (row->ends == 0)
        return strcmp(output, row->text) == 0 ? NULL
                                              : bench_format("the output is not what it must be");
    const struct bench_tally expected = bench_proof_expect(&row->options, count);
    unsigned seen = 0;
    char *flaw = NULL;
    while (flaw == NULL && *output != '\0') {
        const size_t size = strcspn(output, "\n");
        json_t *proof = json_loadb(output, size, 0, NULL);
        if (proof == NULL)
            flaw = bench_format("no proof: %.*s", (int)(size < 80 ? size : 80), output);
        else
            flaw = check_proof(proof, &expected, row->is_ordered);
        if (flaw == NULL && row->figure == BENCH_DELAY)
            read_delays(proof, sample);
        json_decref(proof);
        output += size + (output[size] == '\n');
        seen++;
    }
    if (flaw == NULL && seen != row->ends)
        flaw = bench_format("%u proofs instead of %u", seen, row->ends);
    return flaw;
}
