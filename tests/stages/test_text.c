/* SPDX-License-Identifier: MIT */
#include "support/check.h"
#include "support/harness.h"

static struct harness *words(const char *with)
{
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(harness_builtin("text.words"), &options);
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
        struct harness *h = words(NULL);
        harness_feed_bytes(h, cases[i].text, cases[i].size);
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_string_equal(harness_text(h, 0), cases[i].words);
        harness_free(h);
    }
}

TEST(words_do_not_run_on_into_the_next_record)
{
    struct harness *h = words(NULL);
    harness_feed_keyed(h, "key", "one tw");
    harness_feed(h, "o three");
    harness_feed(h, "four");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "one\ntw\no\nthree\nfour\n");
    assert_null(harness_record(h, 0, 0)->key);
    harness_free(h);
}

TEST(lower_makes_small_letters)
{
    struct harness *h = words("{\"lower\": true}");
    harness_feed(h, "The QUICK brown 4X");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "the\nquick\nbrown\n4x\n");
    harness_free(h);
}

TEST(every_byte_is_a_separator_unless_it_is_a_letter_or_digit)
{
    struct harness *h = words(NULL);
    for (int byte = 0; byte < 256; byte++) {
        const char text[3] = {'x', (char)(unsigned char)byte, 'x'};
        harness_feed_bytes(h, text, sizeof(text));
    }
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), (256 - 62) * 2 + 62);
    harness_free(h);
}

TEST(an_aborted_run_ends_it_in_the_middle_of_a_record)
{
    static const char *const with[] = {NULL, "{\"lower\": true}"};
    for (size_t i = 0; i < COUNT(with); i++) {
        const struct harness_options options = {.with = with[i], .abort_after = 2};
        struct harness *h = harness_new(harness_builtin("text.words"), &options);
        harness_feed(h, "one two three four");
        assert_int_equal(harness_run(h), FLOW_EABORT);
        assert_int_equal(harness_count(h, 0), 2);
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(words_do_not_run_on_into_the_next_record),
        cmocka_unit_test(lower_makes_small_letters),
        cmocka_unit_test(every_byte_is_a_separator_unless_it_is_a_letter_or_digit),
        cmocka_unit_test(an_aborted_run_ends_it_in_the_middle_of_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
