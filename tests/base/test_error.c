/* SPDX-License-Identifier: MIT */
#include "flowrun/error.h"

#include <string.h>

#include "base/utf8.h"
#include "support/check.h"

TEST(a_failure_is_recorded_and_returned)
{
    struct flow_error err = {0};
    assert_int_equal(flow_fail(&err, FLOW_ENOENT, "no stage named '%s'", "x"), FLOW_ENOENT);
    assert_int_equal(err.status, FLOW_ENOENT);
    assert_string_equal(err.text, "no stage named 'x'");
}

TEST(the_first_failure_wins)
{
    struct flow_error err = {0};
    (void)flow_fail(&err, FLOW_ENOENT, "first");
    assert_int_equal(flow_fail(&err, FLOW_EIO, "second"), FLOW_EIO);
    assert_int_equal(err.status, FLOW_ENOENT);
    assert_string_equal(err.text, "first");
}

TEST(the_story_may_be_declined)
{
    assert_int_equal(flow_fail(NULL, FLOW_EIO, "nobody listens"), FLOW_EIO);
}

/* Whatever lies at the cut: 1 to 4 bytes a character, at every shift. */
TEST(a_long_text_is_cut_between_characters)
{
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < COUNT(characters); c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[4096] = "xxxx";
            text[shift] = '\0';
            while (strlen(text) < 2048)
                strcat(text, characters[c]);
            struct flow_error err = {0};
            (void)flow_fail(&err, FLOW_EIO, "%s", text);
            const size_t size = strlen(err.text);
            assert_true(size >= sizeof(err.text) - 4 && size < sizeof(err.text));
            assert_true(flow_utf8_valid(err.text, size));
            assert_memory_equal(err.text, text, size);
        }
    }
}

TEST(utf8_is_what_the_standard_says)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"", 0},
        {"\x80", 0},             /* a continuation alone */
        {"\xc0\xaf", 0},         /* overlong */
        {"\xc1\xbf", 0},         /* overlong */
        {"\xe0\x9f\xbf", 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\xed\xa0\x80", 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xe2\x82", 0}, /* cut */
        {"\xe2\x82z", 0},
        {"\xf0\x90\x80z", 0},
        {"\xc3", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(flow_utf8_size(cases[i].text, strlen(cases[i].text)), cases[i].size);
    assert_int_equal(flow_utf8_size("\xe2\x82\xac", 2), 0);
    assert_int_equal(flow_utf8_size("a", 0), 0);
    assert_true(flow_utf8_valid("", 0));
    assert_true(flow_utf8_valid("a\xc3\xa4\0b", 5));
    assert_false(flow_utf8_valid("a\xc3", 2));
}

TEST(a_cut_leaves_whole_characters)
{
    assert_int_equal(flow_utf8_cut("abc", 3, 5), 3);
    assert_int_equal(flow_utf8_cut("abc", 3, 2), 2);
    assert_int_equal(flow_utf8_cut("a\xe2\x82\xac", 4, 1), 1);
    assert_int_equal(flow_utf8_cut("a\xe2\x82\xac", 4, 2), 1);
    assert_int_equal(flow_utf8_cut("a\xe2\x82\xac", 4, 3), 1);
    assert_int_equal(flow_utf8_cut("a\xe2\x82\xac", 4, 4), 4);
    assert_int_equal(flow_utf8_cut("a\xe2\x82\xac"
                                   "b",
                                   5, 4),
                     4);
    assert_int_equal(flow_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5); /* no UTF-8: anywhere */
    assert_int_equal(flow_utf8_cut("abc", 3, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_recorded_and_returned),
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(the_story_may_be_declined),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(utf8_is_what_the_standard_says),
        cmocka_unit_test(a_cut_leaves_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
