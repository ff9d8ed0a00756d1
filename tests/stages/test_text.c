/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *words(const char *with)
{
    const struct flow_harness_options options = {.with = with, .batch = 2};
    return flow_harness_new(harness_builtin("text.words"), &options);
}

TEST(words_are_runs_of_letters_and_digits)
{
    static const struct {
        const char *text;
        size_t size;
        const char *words;
    } cases[] = {
        {"", 0, ""},
        {" \t.,-_", 6, ""},
        {"word", 4, "word\n"},
        {"  two words ", 12, "two\nwords\n"},
        {"don't 3com X_y", 14, "don\nt\n3com\nX\ny\n"},
        {"a\0b", 3, "a\nb\n"},
        {"caf\xc3\xa9s", 6, "caf\ns\n"},
        {"@AZ[`az{/09:", 12, "AZ\naz\n09\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = words(NULL);
        flow_harness_feed_bytes(h, cases[i].text, cases[i].size);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0), cases[i].words);
        flow_harness_free(h);
    }
}

TEST(words_do_not_run_on_into_the_next_record)
{
    struct flow_harness *h = words(NULL);
    flow_harness_feed_keyed(h, "key", "one tw");
    flow_harness_feed(h, "o three");
    flow_harness_feed(h, "four");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "one\ntw\no\nthree\nfour\n");
    assert_null(flow_harness_record(h, 0, 0)->key);
    flow_harness_free(h);
}

TEST(lower_makes_small_letters)
{
    struct flow_harness *h = words("{\"lower\": true}");
    flow_harness_feed(h, "The QUICK brown 4X");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "the\nquick\nbrown\n4x\n");
    flow_harness_free(h);
}

TEST(every_byte_is_a_separator_unless_it_is_a_letter_or_digit)
{
    struct flow_harness *h = words(NULL);
    for (int byte = 0; byte < 256; byte++) {
        const char text[3] = {'x', (char)(unsigned char)byte, 'x'};
        flow_harness_feed_bytes(h, text, sizeof(text));
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), (256 - 62) * 2 + 62);
    flow_harness_free(h);
}

/* Against the plain definition, with words that begin and end at all places of 64 bytes. */
TEST(long_texts_are_split_as_by_looking_at_one_byte_after_the_other)
{
    static const char letters[] = "aZ 09zA,";
    static char expected[40000];
    uint32_t chance = 1;
    for (size_t size = 0; size < 700; size++) {
        char text[700];
        size_t used = 0;
        for (size_t i = 0; i < size; i++) {
            chance = chance * 1664525 + 1013904223;
            text[i] = size % 5 == 0 ? 'x' : letters[chance >> 24 & 7];
            const bool inside = strchr(" ,", text[i]) == NULL;
            if (inside)
                expected[used++] = text[i];
            if (!inside && used > 0 && expected[used - 1] != '\n')
                expected[used++] = '\n';
        }
        if (used > 0 && expected[used - 1] != '\n')
            expected[used++] = '\n';
        expected[used] = '\0';
        struct flow_harness *h = words(NULL);
        flow_harness_feed_bytes(h, text, size);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_string_equal(flow_harness_text(h, 0), expected);
        flow_harness_free(h);
    }
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The records of port 0, which come in no order. */
static void assert_sorted_equal(const struct flow_harness *h, const char *const *expected,
                                size_t count)
{
    const char *records[16];
    assert_int_equal(flow_harness_count(h, 0), count);
    for (size_t i = 0; i < count; i++)
        records[i] = flow_harness_record(h, 0, i)->data;
    qsort(records, count, sizeof(*records), by_text);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(records[i], expected[i]);
}

TEST(with_count_equal_words_come_out_once_with_their_number)
{
    for (size_t batch = 0; batch < 3; batch++) {
        const struct flow_harness_options options = {.with = "{\"count\": true}", .batch = batch};
        struct flow_harness *h = flow_harness_new(harness_builtin("text.words"), &options);
        flow_harness_feed(h, "to be, or not to be");
        flow_harness_feed(h, "To");
        flow_harness_feed(h, "be");
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_work(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 0);
        assert_int_equal(flow_harness_finish(h), FLOW_OK);
        static const char *const expected[] = {"1 To", "1 not", "1 or", "2 to", "3 be"};
        assert_sorted_equal(h, expected, COUNT(expected));
        for (size_t i = 0; i < COUNT(expected); i++) {
            const struct flow_harness_record *record = flow_harness_record(h, 0, i);
            assert_string_equal(record->key, record->data + 2);
        }
        flow_harness_free(h);
    }
}

TEST(with_count_and_lower_capitals_make_no_difference)
{
    const struct flow_harness_options options = {.with = "{\"count\": true, \"lower\": true}"};
    struct flow_harness *h = flow_harness_new(harness_builtin("text.words"), &options);
    flow_harness_feed(h, "Word WORD word w0Rd ABCDEFGHIJKLMNOPQRSTUVW ABCDEFGHIJKLMNOPQRSTUVWX");
    flow_harness_feed(h, "abcdefghijklmnopqrstuvw ABCDEFGHIJKLMNOPQRSTUVWX W0rd");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    static const char *const expected[] = {"1 abcdefghijklmnopqrstuvwx",
                                           "1 abcdefghijklmnopqrstuvwx",
                                           "2 abcdefghijklmnopqrstuvw", "2 w0rd", "3 word"};
    assert_sorted_equal(h, expected, COUNT(expected));
    flow_harness_free(h);
}

TEST(a_full_table_is_emitted_and_nothing_is_lost)
{
    const struct flow_harness_options options = {.with = "{\"count\": true, \"memory\": \"64KiB\"}",
                                                 .batch = 100};
    struct flow_harness *h = flow_harness_new(harness_builtin("text.words"), &options);
    char text[32];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            (void)snprintf(text, sizeof(text), "w%d all w%d", i, i);
            flow_harness_feed(h, text);
        }
    }
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    const size_t early = flow_harness_count(h, 0);
    assert_in_range(early, 10000, 15000);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    unsigned long words = 0;
    unsigned long all = 0;
    for (size_t i = 0; i < flow_harness_count(h, 0); i++) {
        const struct flow_harness_record *record = flow_harness_record(h, 0, i);
        const unsigned long count = strtoul(record->data, NULL, 10);
        words += strcmp(record->key, "all") != 0 ? count : 0;
        all += strcmp(record->key, "all") == 0 ? count : 0;
    }
    assert_int_equal(words, 30000);
    assert_int_equal(all, 15000);
    flow_harness_free(h);
}

TEST(with_nothing_to_hold_each_batch_gives_its_counts)
{
    const struct flow_harness_options options = {.with = "{\"count\": true, \"hold\": \"0s\"}",
                                                 .batch = 2};
    struct flow_harness *h = flow_harness_new(harness_builtin("text.words"), &options);
    flow_harness_feed(h, "a a");
    flow_harness_feed(h, "a");
    flow_harness_feed(h, "a");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "3 a\n1 a\n");
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 2);
    flow_harness_free(h);
}

TEST(an_aborted_run_ends_it_in_the_middle_of_a_record)
{
    static const char *const with[] = {NULL, "{\"lower\": true}", "{\"count\": true}"};
    for (size_t i = 0; i < COUNT(with); i++) {
        const struct flow_harness_options options = {.with = with[i], .abort_after = 2};
        struct flow_harness *h = flow_harness_new(harness_builtin("text.words"), &options);
        flow_harness_feed(h, "one two three four");
        assert_int_equal(flow_harness_run(h), FLOW_EABORT);
        assert_int_equal(flow_harness_count(h, 0), 2);
        flow_harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(words_do_not_run_on_into_the_next_record),
        cmocka_unit_test(lower_makes_small_letters),
        cmocka_unit_test(every_byte_is_a_separator_unless_it_is_a_letter_or_digit),
        cmocka_unit_test(long_texts_are_split_as_by_looking_at_one_byte_after_the_other),
        cmocka_unit_test(with_count_equal_words_come_out_once_with_their_number),
        cmocka_unit_test(with_count_and_lower_capitals_make_no_difference),
        cmocka_unit_test(a_full_table_is_emitted_and_nothing_is_lost),
        cmocka_unit_test(with_nothing_to_hold_each_batch_gives_its_counts),
        cmocka_unit_test(an_aborted_run_ends_it_in_the_middle_of_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
