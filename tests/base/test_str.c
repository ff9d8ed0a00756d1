/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

TEST(appended_pieces_make_one_text)
{
    struct flow_str str = {0};
    flow_str_add(&str, "a");
    flow_str_addf(&str, "%d-%s", 42, "b");
    flow_str_add_bytes(&str, "c\0d", 3);
    assert_int_equal(str.size, 8);
    assert_memory_equal(str.text, "a42-bc\0d", 9);

    char *text = flow_str_take(&str);
    assert_memory_equal(text, "a42-bc\0d", 9);
    assert_null(str.text);
    assert_int_equal(str.size, 0);
    free(text);
}

TEST(a_long_format_is_not_cut)
{
    struct flow_str str = {0};
    for (int i = 0; i < 500; i++)
        flow_str_addf(&str, "%0100d", i);
    assert_int_equal(str.size, 50000);
    assert_string_equal(str.text + 49997, "499");
    flow_str_clear(&str);
    assert_null(str.text);
}

TEST(an_empty_text_is_taken_as_an_empty_text)
{
    struct flow_str str = {0};
    char *text = flow_str_take(&str);
    assert_string_equal(text, "");
    free(text);
}

TEST(a_failed_allocation_is_remembered_and_told_at_the_end)
{
    char filler[200];
    memset(filler, 'x', sizeof(filler));
    int n = 0;
    for (bool failed = true; failed; n++) {
        struct flow_str str = {0};
        flow_mem_fail_at(n);
        flow_str_add(&str, "one");
        flow_str_addf(&str, "%.*s", 200, filler);
        flow_str_add_bytes(&str, filler, 200);
        char *text = flow_str_take(&str);
        flow_mem_fail_at(-1);
        failed = text == NULL;
        assert_null(str.text);
        assert_false(str.failed);
        if (!failed)
            assert_int_equal(strlen(text), 403);
        free(text);
    }
    assert_true(n >= 3);
}

TEST(the_closest_word_is_found_and_far_ones_are_not)
{
    static const char *const words[] = {"stages", "lines.read", "lines.write", "from",
                                        "key",    "text",       "name",        NULL};
    static const struct {
        const char *word;
        const char *closest;
    } cases[] = {
        {"lines.raed", "lines.read"},  /* a swap */
        {"lines.reda", "lines.read"},  /* a swap at the end */
        {"ilnes.read", "lines.read"},  /* a swap at the start */
        {"line.read", "lines.read"},   /* a letter left out */
        {"lines.reaad", "lines.read"}, /* a letter too many */
        {"lines.wrote", "lines.write"},
        {"form", "from"}, /* one swap, where two replaced letters would be too far */
        {"kex", "key"},
        {"ke", "key"},
        {"kx", NULL},   /* two of three */
        {"fxxm", NULL}, /* two of four */
        {"stage", "stages"},
        {"from", "from"},
        {"", NULL},
        {"zzzzzzzz", NULL},
        {"x", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *closest = flow_str_closest(cases[i].word, words);
        if (cases[i].closest == NULL)
            assert_null(closest);
        else
            assert_string_equal(closest, cases[i].closest);
    }
}

TEST(the_nearest_of_several_close_words_wins_and_then_the_first)
{
    static const char *const words[] = {"counts", "count", "couns", NULL};
    assert_string_equal(flow_str_closest("coun", words), "count");
    assert_string_equal(flow_str_closest("couns", words), "couns");
    assert_string_equal(flow_str_closest("countss", words), "counts");
}

TEST(very_long_words_are_neither_close_nor_a_danger)
{
    char word[5000];
    memset(word, 'a', sizeof(word));
    word[4999] = '\0';
    const char *const words[] = {word, "b", NULL};
    assert_null(flow_str_closest(word, words));
    assert_null(flow_str_closest("a", words));
    word[128] = '\0';
    assert_ptr_equal(flow_str_closest(word, words), words[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_pieces_make_one_text),
        cmocka_unit_test(a_long_format_is_not_cut),
        cmocka_unit_test(an_empty_text_is_taken_as_an_empty_text),
        cmocka_unit_test(a_failed_allocation_is_remembered_and_told_at_the_end),
        cmocka_unit_test(the_closest_word_is_found_and_far_ones_are_not),
        cmocka_unit_test(the_nearest_of_several_close_words_wins_and_then_the_first),
        cmocka_unit_test(very_long_words_are_neither_close_nor_a_danger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
