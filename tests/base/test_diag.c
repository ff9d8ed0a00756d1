/* SPDX-License-Identifier: MIT */
#include "base/diag.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

static const char graph[] = "{\n"
                            "  \"stages\": {\n"
                            "    \"read\": { \"use\": \"lines.raed\" },\n"
                            "\t\"\xc3\xa4\": \"\xe2\x82\xac\", \"bad\": 1\r\n"
                            "}\n";

static struct flow_diag over(const char *text, size_t size)
{
    return (struct flow_diag){.path = "graph.json", .text = text, .text_size = size};
}

static size_t at(const char *word)
{
    return (size_t)(strstr(graph, word) - graph);
}

/* What is printed, to be compared and freed. */
static void assert_printed(struct flow_diag *diag, const char *expected)
{
    struct flow_str out = {0};
    flow_diag_print(diag, &out);
    char *text = flow_str_take(&out);
    assert_string_equal(text, expected);
    free(text);
    flow_diag_clear(diag);
}

TEST(a_finding_shows_its_place_the_line_a_caret_and_the_hint)
{
    struct flow_diag diag = over(graph, strlen(graph));
    flow_diag_add(&diag, at("\"lines.raed"), 12, "did you mean 'lines.read'?",
                  "unknown stage type '%s'", "lines.raed");
    assert_printed(&diag, "graph.json:3:22: error: unknown stage type 'lines.raed'\n"
                          "  3 |     \"read\": { \"use\": \"lines.raed\" },\n"
                          "    |                      ^~~~~~~~~~~~\n"
                          "    = did you mean 'lines.read'?\n"
                          "1 error in graph.json\n");
}

TEST(columns_count_characters_and_a_tab_is_one_space)
{
    struct flow_diag diag = over(graph, strlen(graph));
    flow_diag_add(&diag, at("\"bad"), 5, NULL, "bad key");
    assert_printed(&diag, "graph.json:4:12: error: bad key\n"
                          "  4 |  \"\xc3\xa4\": \"\xe2\x82\xac\", \"bad\": 1\n"
                          "    |            ^~~~~\n"
                          "1 error in graph.json\n");
}

TEST(findings_are_sorted_by_place_and_exact_doubles_are_dropped)
{
    struct flow_diag diag = over("ab\ncd", 5);
    flow_diag_add(&diag, FLOW_DIAG_NOWHERE, 0, NULL, "no place");
    flow_diag_add(&diag, 3, 1, NULL, "third");
    flow_diag_add(&diag, 0, 1, NULL, "first");
    flow_diag_add(&diag, 3, 1, NULL, "after the third");
    flow_diag_add(&diag, 3, 1, NULL, "third");
    flow_diag_add(&diag, 3, 1, "with a hint", "third");
    flow_diag_add(&diag, FLOW_DIAG_NOWHERE, 0, NULL, "no place");
    assert_printed(&diag, "graph.json:1:1: error: first\n  1 | ab\n    | ^\n"
                          "graph.json:2:1: error: third\n  2 | cd\n    | ^\n"
                          "graph.json:2:1: error: after the third\n  2 | cd\n    | ^\n"
                          "graph.json:2:1: error: third\n  2 | cd\n    | ^\n"
                          "    = with a hint\n"
                          "graph.json: error: no place\n"
                          "5 errors in graph.json\n");
}

TEST(the_end_of_the_text_and_empty_lines_are_places_too)
{
    struct flow_diag diag = over("a\n\nb", 4);
    flow_diag_add(&diag, 4, 1, NULL, "at the end");
    flow_diag_add(&diag, 99, 5, NULL, "beyond the end");
    flow_diag_add(&diag, 2, 1, NULL, "empty line");
    flow_diag_add(&diag, 1, 9, NULL, "on the newline");
    assert_printed(&diag, "graph.json:1:2: error: on the newline\n  1 | a\n    |  ^\n"
                          "graph.json:2:1: error: empty line\n  2 | \n    | ^\n"
                          "graph.json:3:2: error: at the end\n  3 | b\n    |  ^\n"
                          "graph.json:3:2: error: beyond the end\n  3 | b\n    |  ^\n"
                          "4 errors in graph.json\n");

    diag = (struct flow_diag){.text = "", .text_size = 0};
    flow_diag_add(&diag, 0, 1, NULL, "an empty file");
    assert_printed(&diag, "<memory>:1:1: error: an empty file\n  1 | \n    | ^\n"
                          "1 error in <memory>\n");
}

TEST(a_line_ends_before_its_carriage_return)
{
    struct flow_diag diag = over("ab\r\nc", 5);
    flow_diag_add(&diag, 3, 1, NULL, "on the newline");
    assert_printed(&diag, "graph.json:1:3: error: on the newline\n  1 | ab\n    |   ^\n"
                          "1 error in graph.json\n");
}

TEST(an_underline_ends_with_its_line)
{
    struct flow_diag diag = over("abc {\n}\n", 8);
    flow_diag_add(&diag, 4, 3, NULL, "object");
    assert_printed(&diag, "graph.json:1:5: error: object\n  1 | abc {\n    |     ^\n"
                          "1 error in graph.json\n");
}

TEST(a_gutter_grows_with_the_line_number)
{
    char text[1200];
    memset(text, '\n', sizeof(text));
    text[1199] = 'x';
    struct flow_diag diag = over(text, sizeof(text));
    flow_diag_add(&diag, 1199, 1, "a hint", "far down");
    assert_printed(&diag, "graph.json:1200:1: error: far down\n"
                          "  1200 | x\n"
                          "       | ^\n"
                          "       = a hint\n"
                          "1 error in graph.json\n");
}

/* The part of `text` in line `number` (from 0). */
static void copy_line(const char *text, int number, char *line, size_t line_size)
{
    while (number-- > 0)
        text = strchr(text, '\n') + 1;
    const size_t size = strcspn(text, "\n");
    assert_true(size < line_size);
    memcpy(line, text, size);
    line[size] = '\0';
}

TEST(a_long_line_is_cut_around_the_caret)
{
    char text[1000];
    memset(text, 'x', sizeof(text));
    for (size_t place = 0; place < sizeof(text); place += 37) {
        text[place] = '#';
        struct flow_diag diag = over(text, sizeof(text));
        flow_diag_add(&diag, place, 1, NULL, "here");
        struct flow_str out = {0};
        flow_diag_print(&diag, &out);

        char source[128];
        char caret[128];
        copy_line(out.text, 1, source, sizeof(source));
        copy_line(out.text, 2, caret, sizeof(caret));
        assert_true(strlen(source) <= 110);
        assert_int_equal(source[strcspn(caret, "^")], '#');
        assert_int_equal(strncmp(source, "  1 | ...", 9) == 0, place > 64);
        text[place] = 'x';
        flow_str_clear(&out);
        flow_diag_clear(&diag);
    }
}

TEST(an_underline_does_not_run_past_a_cut)
{
    char text[1000];
    memset(text, 'x', sizeof(text));
    struct flow_diag diag = over(text, sizeof(text));
    flow_diag_add(&diag, 500, 400, NULL, "here");
    struct flow_str out = {0};
    flow_diag_print(&diag, &out);
    char caret[256];
    copy_line(out.text, 2, caret, sizeof(caret));
    assert_int_equal(strlen(caret), 6 + 3 + 96);
    flow_str_clear(&out);
    flow_diag_clear(&diag);
}

TEST(bytes_that_would_move_the_cursor_are_not_printed)
{
    const char text[] = "a\x1b[31mb\xff\xc2\x9b\x7f#";
    struct flow_diag diag = over(text, strlen(text));
    flow_diag_add(&diag, strlen(text) - 1, 1, "hint\x1b\n", "key '\x07\r\n'");
    assert_printed(&diag, "graph.json:1:11: error: key '?\?\?'\n"
                          "  1 | a?[31mb???#\n"
                          "    |           ^\n"
                          "    = hint??\n"
                          "1 error in graph.json\n");
}

TEST(beyond_the_limit_findings_are_counted_only)
{
    struct flow_diag diag = {.path = "g"};
    for (int i = 0; i < FLOW_DIAG_MAX + 7; i++)
        flow_diag_add(&diag, FLOW_DIAG_NOWHERE, 0, NULL, "finding %d", i);
    assert_int_equal(diag.count, FLOW_DIAG_MAX);
    struct flow_str out = {0};
    flow_diag_print(&diag, &out);
    assert_non_null(strstr(out.text, "g: error: finding 99\n107 errors in g, of which 7 are not "
                                     "shown\n"));
    flow_str_clear(&out);
    flow_diag_clear(&diag);
}

TEST(a_failed_allocation_loses_a_finding_but_not_the_fact)
{
    int failures = 0;
    for (int n = 0;; n++) {
        struct flow_diag diag = over(graph, strlen(graph));
        flow_mem_fail_at(n);
        flow_diag_add(&diag, 0, 1, "a hint", "first %s", "finding");
        flow_diag_add(&diag, 2, 1, NULL, "second");
        struct flow_str out = {0};
        flow_diag_print(&diag, &out);
        flow_mem_fail_at(-1);

        const bool lost = diag.failed;
        const bool unprinted = out.failed;
        assert_int_equal(diag.count, lost ? 1 : 2);
        if (!unprinted)
            assert_int_equal(strstr(out.text, "memory was short") != NULL, lost);
        flow_str_clear(&out);
        flow_diag_clear(&diag);
        if (!lost && !unprinted)
            break;
        failures++;
    }
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_shows_its_place_the_line_a_caret_and_the_hint),
        cmocka_unit_test(columns_count_characters_and_a_tab_is_one_space),
        cmocka_unit_test(findings_are_sorted_by_place_and_exact_doubles_are_dropped),
        cmocka_unit_test(the_end_of_the_text_and_empty_lines_are_places_too),
        cmocka_unit_test(a_line_ends_before_its_carriage_return),
        cmocka_unit_test(an_underline_ends_with_its_line),
        cmocka_unit_test(a_gutter_grows_with_the_line_number),
        cmocka_unit_test(a_long_line_is_cut_around_the_caret),
        cmocka_unit_test(an_underline_does_not_run_past_a_cut),
        cmocka_unit_test(bytes_that_would_move_the_cursor_are_not_printed),
        cmocka_unit_test(beyond_the_limit_findings_are_counted_only),
        cmocka_unit_test(a_failed_allocation_loses_a_finding_but_not_the_fact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
