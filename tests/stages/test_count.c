/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *counter(const char *type, size_t batch)
{
    const struct flow_harness_options options = {.batch = batch};
    return flow_harness_new(harness_builtin(type), &options);
}

TEST(keys_are_counted_and_come_sorted_at_the_end)
{
    for (size_t batch = 0; batch < 3; batch++) {
        struct flow_harness *h = counter("count.keys", batch);
        static const char *const records[] = {"pear", "apple", "pear", "", "app", "apple", "pear"};
        for (size_t i = 0; i < COUNT(records); i++)
            flow_harness_feed(h, records[i]);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_work(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 0);
        assert_int_equal(flow_harness_finish(h), FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0), "1 \n1 app\n2 apple\n3 pear\n");
        assert_string_equal(flow_harness_record(h, 0, 3)->key, "pear");
        flow_harness_free(h);
    }
}

TEST(a_record_with_a_key_is_counted_by_it)
{
    struct flow_harness *h = counter("count.keys", 0);
    flow_harness_feed_keyed(h, "red", "one");
    flow_harness_feed_keyed(h, "red", "two");
    flow_harness_feed(h, "red");
    flow_harness_feed(h, "one");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "1 one\n3 red\n");
    flow_harness_free(h);
}

TEST(keys_may_hold_any_bytes)
{
    struct flow_harness *h = counter("count.keys", 0);
    flow_harness_feed_bytes(h, "\0", 1);
    flow_harness_feed_bytes(h, "\0\0", 2);
    flow_harness_feed_bytes(h, "\xff", 1);
    flow_harness_feed_bytes(h, "\0", 1);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_memory_equal(flow_harness_record(h, 0, 0)->data, "2 \0", 3);
    assert_memory_equal(flow_harness_record(h, 0, 1)->data, "1 \0\0", 4);
    assert_memory_equal(flow_harness_record(h, 0, 2)->data, "1 \xff", 3);
    flow_harness_free(h);
}

/* Enough to grow the table several times and to fill more than one block of key bytes. */
TEST(twenty_thousand_keys_are_told_apart)
{
    struct flow_harness *h = counter("count.keys", 1000);
    char text[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            (void)snprintf(text, sizeof(text), "key-%07d", i);
            flow_harness_feed(h, text);
        }
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 20000);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "2 key-0000000");
    assert_string_equal(flow_harness_record(h, 0, 19999)->data, "2 key-0019999");
    flow_harness_free(h);
}

/* Every byte, and keys that begin alike for longer than the sort looks at single bytes. */
TEST(many_keys_of_any_kind_come_out_in_the_order_of_their_bytes)
{
    struct flow_harness *h = counter("count.keys", 100);
    char key[300];
    for (unsigned i = 0; i < 3000; i++) {
        memset(key, (int)(i % 3), sizeof(key));
        const size_t size = i % 7 == 0 ? 30 + i % 200 : i % 26;
        if (size > 0)
            key[size - 1] = (char)(unsigned char)(i * 37 % 256);
        if (size > 2)
            key[i % size] = (char)(unsigned char)(i % 256);
        flow_harness_feed_bytes(h, key, size);
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_in_range(flow_harness_count(h, 0), 500, 3000);
    uint64_t sum = 0;
    for (size_t i = 0; i < flow_harness_count(h, 0); i++) {
        const struct flow_harness_record *b = flow_harness_record(h, 0, i);
        sum += strtoull(b->data, NULL, 10);
        if (i == 0)
            continue;
        const struct flow_harness_record *a = flow_harness_record(h, 0, i - 1);
        const size_t least = a->key_size < b->key_size ? a->key_size : b->key_size;
        const int order = least > 0 ? memcmp(a->key, b->key, least) : 0;
        assert_true(order < 0 || (order == 0 && a->key_size < b->key_size));
    }
    assert_int_equal(sum, 3000);
    flow_harness_free(h);
}

TEST(with_sum_a_record_counts_as_often_as_its_number_says)
{
    for (size_t batch = 0; batch < 3; batch++) {
        const struct flow_harness_options options = {.with = "{\"sum\": true}", .batch = batch};
        struct flow_harness *h = flow_harness_new(harness_builtin("count.keys"), &options);
        flow_harness_feed_keyed(h, "pear", "3 whatever");
        flow_harness_feed(h, "4 pear");
        flow_harness_feed(h, "0 nothing");
        flow_harness_feed(h, "2  blank");
        flow_harness_feed(h, "7");
        flow_harness_feed(h, "10apples");
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0),
                            "7 \n2  blank\n10 apples\n0 nothing\n7 pear\n");
        flow_harness_free(h);
    }
}

TEST(what_cannot_be_summed_is_rejected)
{
    for (size_t batch = 0; batch < 2; batch++) {
        const struct flow_harness_options options = {.with = "{\"sum\": true}", .batch = batch};
        struct flow_harness *h = flow_harness_new(harness_builtin("count.keys"), &options);
        flow_harness_feed(h, "18446744073709551615 a");
        flow_harness_feed(h, "1 a");
        flow_harness_feed(h, "b");
        flow_harness_feed(h, "18446744073709551616 c");
        flow_harness_feed_keyed(h, "d", "");
        flow_harness_feed(h, "0 a");
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0), "18446744073709551615 a\n");
        assert_int_equal(flow_harness_reject_count(h), 4);
        flow_harness_free(h);
    }
}

TEST(sums_of_counts_are_the_counts_of_all)
{
    struct flow_harness *parts = counter("count.keys", 0);
    flow_harness_feed(parts, "a");
    flow_harness_feed(parts, "b b");
    flow_harness_feed(parts, "a");
    assert_int_equal(flow_harness_run(parts), FLOW_OK);
    const struct flow_harness_options options = {.with = "{\"sum\": true}"};
    struct flow_harness *h = flow_harness_new(harness_builtin("count.keys"), &options);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < flow_harness_count(parts, 0); i++) {
            const struct flow_harness_record *record = flow_harness_record(parts, 0, i);
            if (twice == 0)
                flow_harness_feed_keyed(h, record->key, record->data);
            else
                flow_harness_feed(h, record->data);
        }
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "4 a\n2 b b\n");
    flow_harness_free(parts);
    flow_harness_free(h);
}

TEST(a_key_larger_than_a_block_is_kept_whole)
{
    static char big[200000];
    memset(big, 'x', sizeof(big));
    struct flow_harness *h = counter("count.keys", 1);
    flow_harness_feed(h, "a");
    flow_harness_feed_bytes(h, big, sizeof(big));
    flow_harness_feed(h, "z");
    flow_harness_feed_bytes(h, big, sizeof(big));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    const struct flow_harness_record *record = flow_harness_record(h, 0, 1);
    assert_int_equal(record->size, sizeof(big) + 2);
    assert_memory_equal(record->data, "2 xxx", 5);
    flow_harness_free(h);
}

TEST(no_records_give_no_keys_but_a_number)
{
    struct flow_harness *h = counter("count.keys", 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);

    h = counter("count.records", 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "0\n");
    flow_harness_free(h);
}

TEST(records_are_counted_over_all_batches)
{
    struct flow_harness *h = counter("count.records", 4);
    for (int i = 0; i < 11; i++)
        flow_harness_feed(h, i % 2 == 0 ? "" : "x");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "11\n");
    flow_harness_free(h);
}

TEST(an_aborted_run_ends_the_emitting_of_counts)
{
    const struct flow_harness_options options = {.abort_after = 1};
    struct flow_harness *h = flow_harness_new(harness_builtin("count.keys"), &options);
    flow_harness_feed(h, "a");
    flow_harness_feed(h, "b");
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_counted_and_come_sorted_at_the_end),
        cmocka_unit_test(a_record_with_a_key_is_counted_by_it),
        cmocka_unit_test(keys_may_hold_any_bytes),
        cmocka_unit_test(twenty_thousand_keys_are_told_apart),
        cmocka_unit_test(many_keys_of_any_kind_come_out_in_the_order_of_their_bytes),
        cmocka_unit_test(with_sum_a_record_counts_as_often_as_its_number_says),
        cmocka_unit_test(what_cannot_be_summed_is_rejected),
        cmocka_unit_test(sums_of_counts_are_the_counts_of_all),
        cmocka_unit_test(a_key_larger_than_a_block_is_kept_whole),
        cmocka_unit_test(no_records_give_no_keys_but_a_number),
        cmocka_unit_test(records_are_counted_over_all_batches),
        cmocka_unit_test(an_aborted_run_ends_the_emitting_of_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
