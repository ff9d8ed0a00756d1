/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *top(const char *with, const char *const *records)
{
    const struct flow_harness_options options = {.with = with};
    struct flow_harness *h = flow_harness_new(harness_builtin("sort.top"), &options);
    for (; *records != NULL; records++)
        flow_harness_feed(h, *records);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    return h;
}

TEST(the_largest_come_first_and_ties_by_their_bytes)
{
    static const char *const records[] = {"2 b", "10 ten", "2 a", "9", "2", "-3", "0 zero", NULL};
    static const struct {
        const char *with;
        const char *text;
    } cases[] = {
        {NULL, "10 ten\n9\n2\n2 a\n2 b\n0 zero\n-3\n"},
        {"{\"n\": 3}", "10 ten\n9\n2\n"},
        {"{\"n\": 1}", "10 ten\n"},
        {"{\"ascending\": true}", "-3\n0 zero\n2\n2 a\n2 b\n9\n10 ten\n"},
        {"{\"ascending\": true, \"n\": 4}", "-3\n0 zero\n2\n2 a\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = top(cases[i].with, records);
        assert_string_equal(flow_harness_text(h, 0), cases[i].text);
        flow_harness_free(h);
    }
}

TEST(numbers_of_any_form_and_length_are_ordered_by_value)
{
    static const char *const records[] = {"18446744073709551616 big",
                                          "18446744073709551615",
                                          "0099",
                                          "+100",
                                          "  7 blanks",
                                          "7.50 half",
                                          "7.5a",
                                          "7.4999",
                                          "-0",
                                          "-0.5",
                                          "-12",
                                          "-2 minus",
                                          "0 zero",
                                          "1e9 one",
                                          "0.25.9",
                                          NULL};
    struct flow_harness *h = top("{\"n\": 100}", records);
    assert_string_equal(
        flow_harness_text(h, 0),
        "18446744073709551616 big\n18446744073709551615\n+100\n0099\n7.50 half\n"
        "7.5a\n7.4999\n  7 blanks\n1e9 one\n0.25.9\n-0\n0 zero\n-0.5\n-2 minus\n-12\n");
    flow_harness_free(h);
}

TEST(a_record_without_a_number_is_rejected)
{
    static const char *const records[] = {"", "x 1", "-", "5", ".5", "- 5", "+", "   ", NULL};
    struct flow_harness *h = top(NULL, records);
    assert_string_equal(flow_harness_text(h, 0), "5\n");
    assert_int_equal(flow_harness_reject_count(h), 7);
    assert_string_equal(flow_harness_reject(h, 0), "0: no number at the start of \"\"");
    assert_string_equal(flow_harness_reject(h, 1), "0: no number at the start of \"x 1\"");
    flow_harness_free(h);
}

TEST(a_long_or_strange_record_is_shown_cut_and_escaped)
{
    struct flow_harness *h =
        flow_harness_new(harness_builtin("sort.top"), &(struct flow_harness_options){0});
    char bytes[100] = "\"\\\n\r\t\0\xff";
    memset(bytes + 7, 'x', sizeof(bytes) - 7);
    flow_harness_feed_bytes(h, bytes, sizeof(bytes));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_reject(h, 0),
                        "0: no number at the start of "
                        "\"\\\"\\\\\\n\\r\\t\\x00\\xffxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...");
    flow_harness_free(h);
}

TEST(keys_stay_with_their_records)
{
    struct flow_harness *h =
        flow_harness_new(harness_builtin("sort.top"), &(struct flow_harness_options){0});
    flow_harness_feed_keyed(h, "low", "1");
    flow_harness_feed_keyed(h, "high", "2");
    flow_harness_feed(h, "3");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_null(flow_harness_record(h, 0, 0)->key);
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "high");
    assert_string_equal(flow_harness_record(h, 0, 1)->data, "2");
    assert_string_equal(flow_harness_record(h, 0, 2)->key, "low");
    flow_harness_free(h);
}

/* 1 to 5000 in an order that jumps about, so that the heap is turned over in every way. */
TEST(the_best_of_many_are_found_in_any_order)
{
    for (unsigned step = 1; step < 5000; step += 617) {
        const struct flow_harness_options options = {.with = "{\"n\": 100}"};
        struct flow_harness *h = flow_harness_new(harness_builtin("sort.top"), &options);
        char text[16];
        for (unsigned i = 0; i < 4999; i++) {
            (void)snprintf(text, sizeof(text), "%u", i * step % 4999 + 1);
            flow_harness_feed(h, text);
        }
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 100);
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(strtoul(flow_harness_record(h, 0, i)->data, NULL, 10), 4999 - i);
        flow_harness_free(h);
    }
}

static int descending(const void *left, const void *right)
{
    const double a = strtod(*(const char *const *)left, NULL);
    const double b = strtod(*(const char *const *)right, NULL);
    return (a < b) - (a > b);
}

/* Numbers on both sides of zero and of what a rank can tell apart, more and fewer than n. */
TEST(numbers_of_all_sizes_come_in_order_however_many_are_kept)
{
    static char texts[600][40];
    const char *sorted[COUNT(texts)];
    for (size_t i = 0; i < COUNT(texts); i++) {
        char digits[24] = "123456789012345678901";
        digits[i % 21 + 1] = '\0';
        digits[i % (i % 21 + 1)] = (char)('1' + i / 60 % 9);
        (void)snprintf(texts[i], sizeof(texts[i]), "%s%s%s", i % 2 == 0 ? "-" : "", digits,
                       i % 5 == 0 ? ".5" : "");
        sorted[i] = texts[i];
    }
    qsort(sorted, COUNT(sorted), sizeof(*sorted), descending);
    static const size_t kept[] = {1, 7, 299, 599, 600, 1000};
    for (size_t k = 0; k < COUNT(kept) * 2; k++) {
        const size_t n = kept[k / 2];
        const bool ascending = k % 2 == 1;
        char with[64];
        (void)snprintf(with, sizeof(with), "{\"n\": %zu, \"ascending\": %s}", n,
                       ascending ? "true" : "false");
        const struct flow_harness_options options = {.with = with};
        struct flow_harness *h = flow_harness_new(harness_builtin("sort.top"), &options);
        for (size_t i = 0; i < COUNT(texts); i++)
            flow_harness_feed(h, texts[i * 7 % COUNT(texts)]);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), n < COUNT(texts) ? n : COUNT(texts));
        for (size_t i = 0; i < flow_harness_count(h, 0); i++) {
            const char *want = sorted[ascending ? COUNT(texts) - 1 - i : i];
            assert_true(strtod(flow_harness_record(h, 0, i)->data, NULL) == strtod(want, NULL));
        }
        flow_harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_come_first_and_ties_by_their_bytes),
        cmocka_unit_test(numbers_of_any_form_and_length_are_ordered_by_value),
        cmocka_unit_test(a_record_without_a_number_is_rejected),
        cmocka_unit_test(a_long_or_strange_record_is_shown_cut_and_escaped),
        cmocka_unit_test(keys_stay_with_their_records),
        cmocka_unit_test(numbers_of_all_sizes_come_in_order_however_many_are_kept),
        cmocka_unit_test(the_best_of_many_are_found_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
