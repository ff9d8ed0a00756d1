/* SPDX-License-Identifier: MIT */
#include "graph/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/graph.h"
#include "support/check.h"

/* What flow_text_plain makes of `text`, or NULL with findings. */
static char *plain(struct flow_diag *diag, const char *text, size_t size)
{
    *diag = (struct flow_diag){.path = "graph.json", .text = text, .text_size = size};
    return flow_text_plain(diag);
}

TEST(comments_and_trailing_commas_become_spaces_and_nothing_moves)
{
    static const struct {
        const char *text;
        const char *plain;
    } cases[] = {
        {"{} // end", "{}       "},
        {"{/* a\n b */}", "{    \n     }"},
        {"[1, 2, ]", "[1, 2  ]"},
        {"[1,]", "[1 ]"},
        {"{\"a\": 1, // x\n}", "{\"a\": 1      \n}"},
        {"{\"a\": [ ], }", "{\"a\": [ ]  }"},
        {"\"// no /* comment */ ,]\"", "\"// no /* comment */ ,]\""},
        {"\"a \\\" // b\" // c", "\"a \\\" // b\"     "},
        {"\"a \\\\\" // b", "\"a \\\\\"     "},
        {"1 / 2", "1 / 2"},
        {"/**/1", "    1"},
        {"// only", "       "},
        /* Commas that are not trailing stay, for the parser to refuse. */
        {"[,]", "[,]"},
        {"[1,,]", "[1,,]"},
        {"{\"a\":,}", "{\"a\":,}"},
        {"[1,/* x */]", "[1        ]"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_diag diag;
        char *text = plain(&diag, cases[i].text, strlen(cases[i].text));
        assert_non_null(text);
        assert_string_equal(text, cases[i].plain);
        assert_int_equal(diag.count, 0);
        free(text);
    }
}

TEST(a_comment_that_never_ends_is_shown_where_it_begins)
{
    struct flow_diag diag;
    assert_null(plain(&diag, "{ /* oops }", 11));
    assert_int_equal(diag.count, 1);
    assert_int_equal(diag.items[0].offset, 2);
    assert_string_equal(diag.items[0].message, "this comment is never closed");
    flow_diag_clear(&diag);
}

TEST(a_byte_order_mark_is_dropped)
{
    struct flow_diag diag = {.text = "\xef\xbb\xbf{}", .text_size = 5};
    flow_text_skip_mark(&diag);
    assert_string_equal(diag.text, "{}");
    assert_int_equal(diag.text_size, 2);
    flow_text_skip_mark(&diag);
    assert_int_equal(diag.text_size, 2);
}

TEST(a_file_may_have_eight_mebibytes_and_not_one_byte_more)
{
    char *text = malloc(FLOW_GRAPH_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, ' ', FLOW_GRAPH_MAX_BYTES + 1);
    struct flow_diag diag;
    char *copy = plain(&diag, text, FLOW_GRAPH_MAX_BYTES);
    assert_non_null(copy);
    free(copy);

    assert_null(plain(&diag, text, FLOW_GRAPH_MAX_BYTES + 1));
    assert_int_equal(diag.count, 1);
    assert_string_equal(diag.items[0].message,
                        "the file is too large: 8388609 bytes, where a graph "
                        "may have at most 8388608 (8.0 MiB)");
    flow_diag_clear(&diag);
    free(text);
}

TEST(brackets_nest_thirty_two_deep_and_those_in_strings_do_not_count)
{
    char text[80] = "";
    memset(text, '[', FLOW_GRAPH_MAX_DEPTH);
    strcat(text, "\"[[[[\"");
    memset(text + strlen(text), ']', FLOW_GRAPH_MAX_DEPTH);
    struct flow_diag diag;
    char *copy = plain(&diag, text, strlen(text));
    assert_non_null(copy);
    free(copy);

    memset(text, '[', FLOW_GRAPH_MAX_DEPTH + 1);
    assert_null(plain(&diag, text, strlen(text)));
    assert_int_equal(diag.items[0].offset, FLOW_GRAPH_MAX_DEPTH);
    assert_string_equal(diag.items[0].message, "nested too deep: at most 32 objects and lists may "
                                               "stand inside each other");
    flow_diag_clear(&diag);
}

TEST(a_text_in_a_message_is_cut_between_characters)
{
    assert_string_equal(flow_cut("short").text, "short");
    char text[100];
    memset(text, 'a', sizeof(text));
    memcpy(text + 56, "\xc3\xa4", 2); /* would be cut in two */
    text[99] = '\0';
    const struct flow_cut cut = flow_cut(text);
    assert_int_equal(strlen(cut.text), 56 + 3);
    assert_string_equal(cut.text + 56, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_and_trailing_commas_become_spaces_and_nothing_moves),
        cmocka_unit_test(a_comment_that_never_ends_is_shown_where_it_begins),
        cmocka_unit_test(a_byte_order_mark_is_dropped),
        cmocka_unit_test(a_file_may_have_eight_mebibytes_and_not_one_byte_more),
        cmocka_unit_test(brackets_nest_thirty_two_deep_and_those_in_strings_do_not_count),
        cmocka_unit_test(a_text_in_a_message_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
