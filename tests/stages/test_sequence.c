/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *run(const struct flow_harness_options *options,
                                enum flow_status expected)
{
    struct flow_harness *h = flow_harness_new(harness_builtin("gen.sequence"), options);
    assert_int_equal(flow_harness_run(h), expected);
    return h;
}

TEST(numbers_follow_from_step_and_count)
{
    static const struct {
        const char *with;
        const char *text;
    } cases[] = {
        {"{\"count\": 0}", ""},
        {"{\"count\": 3}", "1\n2\n3\n"},
        {"{\"count\": 3, \"from\": 99}", "99\n100\n101\n"},
        {"{\"count\": 3, \"from\": 5, \"step\": 0}", "5\n5\n5\n"},
        {"{\"count\": 4, \"from\": 10, \"step\": -10}", "10\n0\n-10\n-20\n"},
        {"{\"count\": 2, \"from\": 9007199254740991}", "9007199254740991\n9007199254740992\n"},
        {"{\"count\": 3, \"from\": 9, \"size\": 4}", "0009\n0010\n0011\n"},
        {"{\"count\": 2, \"from\": -5, \"size\": \"4B\"}", "-005\n-004\n"},
        {"{\"count\": 2, \"from\": 12345, \"size\": 2}", "12345\n12346\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            run(&(struct flow_harness_options){.with = cases[i].with}, FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0), cases[i].text);
        flow_harness_free(h);
    }
}

TEST(every_number_of_up_to_six_digits_is_written_right)
{
    struct flow_harness *h = run(
        &(struct flow_harness_options){.with = "{\"count\": 3000, \"from\": -333, \"step\": 337}"},
        FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3000);
    const char *text = flow_harness_text(h, 0);
    for (long i = 0; i < 3000; i++) {
        char *end = NULL;
        assert_int_equal(strtol(text, &end, 10), -333 + i * 337);
        assert_int_equal(*end, '\n');
        text = end + 1;
    }
    flow_harness_free(h);
}

TEST(a_large_size_is_filled_up_with_zeros)
{
    struct flow_harness *h =
        run(&(struct flow_harness_options){.with = "{\"count\": 3, \"size\": \"1MiB\"}"}, FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    const struct flow_harness_record *last = flow_harness_record(h, 0, 2);
    assert_int_equal(last->size, 1 << 20);
    assert_int_equal(strspn(last->data, "0"), (1 << 20) - 1);
    assert_int_equal(last->data[last->size - 1], '3');
    flow_harness_free(h);
}

TEST(replicas_emit_each_number_once_between_them)
{
    for (unsigned replicas = 1; replicas <= 4; replicas++) {
        unsigned seen[11] = {0};
        for (unsigned replica = 0; replica < replicas; replica++) {
            const struct flow_harness_options options = {
                .with = "{\"count\": 10}", .replica = replica, .replicas = replicas};
            struct flow_harness *h = run(&options, FLOW_OK);
            for (size_t i = 0; i < flow_harness_count(h, 0); i++)
                seen[strtoul(flow_harness_record(h, 0, i)->data, NULL, 10)]++;
            flow_harness_free(h);
        }
        assert_int_equal(seen[0], 0);
        for (size_t i = 1; i <= 10; i++)
            assert_int_equal(seen[i], 1);
    }
}

TEST(keys_are_the_number_modulo_keys)
{
    struct flow_harness *h =
        run(&(struct flow_harness_options){.with = "{\"count\": 5, \"from\": -2, \"keys\": 3}"},
            FLOW_OK);
    static const char *const keys[] = {"1", "2", "0", "1", "2"};
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_string_equal(flow_harness_record(h, 0, i)->key, keys[i]);
    flow_harness_free(h);

    h = run(&(struct flow_harness_options){.with = "{\"count\": 1}"}, FLOW_OK);
    assert_null(flow_harness_record(h, 0, 0)->key);
    flow_harness_free(h);
}

TEST(a_sequence_beyond_64_bits_is_refused_before_it_starts)
{
    const struct flow_harness_options options = {
        .with = "{\"count\": 4096, \"from\": 1, \"step\": 9007199254740992}"};
    struct flow_harness *h = flow_harness_new(harness_builtin("gen.sequence"), &options);
    assert_int_equal(flow_harness_open(h), FLOW_ERANGE);
    assert_string_equal(flow_harness_failure(h),
                        "4096 numbers from 1 by steps of 9007199254740992 do not fit into 64 bits");
    flow_harness_free(h);
}

TEST(a_wish_to_stop_ends_it_soon)
{
    struct flow_harness *h =
        run(&(struct flow_harness_options){.with = "{\"count\": 1000000}", .stop_after = 1000},
            FLOW_OK);
    assert_in_range(flow_harness_count(h, 0), 1000, 1255);
    flow_harness_free(h);
}

TEST(an_aborted_run_ends_it_at_once)
{
    struct flow_harness *h =
        run(&(struct flow_harness_options){.with = "{\"count\": 1000000}", .abort_after = 10},
            FLOW_EABORT);
    assert_int_equal(flow_harness_count(h, 0), 10);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_follow_from_step_and_count),
        cmocka_unit_test(every_number_of_up_to_six_digits_is_written_right),
        cmocka_unit_test(a_large_size_is_filled_up_with_zeros),
        cmocka_unit_test(replicas_emit_each_number_once_between_them),
        cmocka_unit_test(keys_are_the_number_modulo_keys),
        cmocka_unit_test(a_sequence_beyond_64_bits_is_refused_before_it_starts),
        cmocka_unit_test(a_wish_to_stop_ends_it_soon),
        cmocka_unit_test(an_aborted_run_ends_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
