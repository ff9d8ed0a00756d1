/* SPDX-License-Identifier: MIT */
#include "graph/node.h"

#include <stdlib.h>
#include <string.h>

#include "graph/text.h"
#include "support/check.h"

/* A text and what was read from it. */
struct read {
    struct flow_diag diag;
    char *plain;
    struct flow_node root;
    json_t *json;
};

static void read_text(struct read *read, const char *text)
{
    *read = (struct read){.diag = {.path = "g", .text = text, .text_size = strlen(text)}};
    read->plain = flow_text_plain(&read->diag);
    assert_non_null(read->plain);
    read->json = flow_node_read(&read->diag, read->plain, &read->root);
}

static void clear(struct read *read)
{
    flow_node_clear(&read->root);
    json_decref(read->json);
    free(read->plain);
    flow_diag_clear(&read->diag);
}

/* The source text of a place. */
static void assert_text(const struct read *read, size_t offset, size_t size, const char *expected)
{
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(read->diag.text + offset, expected, size);
}

TEST(every_key_and_value_knows_its_place)
{
    struct read read;
    read_text(&read, "{ \"a\" : 12, // c\n \"b\\u0062\": [true, { \"c\": \"x\\ty\" }, -1.5e3,], }");
    assert_non_null(read.json);
    assert_int_equal(read.root.count, 2);

    const struct flow_node *a = flow_node_get(&read.root, "a");
    assert_text(&read, FLOW_AT_KEY(a), "\"a\"");
    assert_text(&read, FLOW_AT(a), "12");
    assert_int_equal(json_integer_value(a->json), 12);

    const struct flow_node *b = flow_node_get(&read.root, "bb");
    assert_text(&read, FLOW_AT_KEY(b), "\"b\\u0062\"");
    assert_text(&read, FLOW_AT(b), "["); /* a message points at the bracket ... */
    assert_text(&read, b->offset, b->size, "[true, { \"c\": \"x\\ty\" }, -1.5e3,]");
    assert_int_equal(b->count, 3);
    assert_text(&read, FLOW_AT(&b->items[0]), "true");
    assert_text(&read, FLOW_AT(&b->items[2]), "-1.5e3");

    const struct flow_node *c = flow_node_get(&b->items[1], "c");
    assert_text(&read, FLOW_AT(c), "\"x\\ty\"");
    assert_string_equal(json_string_value(c->json), "x\ty");
    clear(&read);
}

TEST(escapes_become_the_characters_they_stand_for)
{
    struct read read;
    read_text(&read, "[\"\\u00e9\\u20ac\\ud83d\\ude00\\n\\/x\", \"\\ud83d\\udE00\"]");
    assert_non_null(read.json);
    assert_string_equal(json_string_value(read.root.items[0].json),
                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n/x");
    assert_string_equal(json_string_value(read.root.items[1].json), "\xf0\x9f\x98\x80");
    clear(&read);
}

TEST(of_a_double_key_the_last_stays_with_its_own_value_and_place)
{
    struct read read;
    read_text(&read, "{\"a\": {\"x\": 1}, \"b\": 2, \"a\": [7, 8], \"a\": {\"y\": [9]}}");
    assert_non_null(read.json);
    assert_int_equal(read.diag.count, 2);
    assert_string_equal(read.diag.items[0].message, "duplicate key 'a'");
    assert_string_equal(read.diag.items[0].hint, "it stands first on line 1");
    assert_int_equal(read.diag.items[0].offset, 24);
    assert_int_equal(read.diag.items[1].offset, 37);

    assert_int_equal(read.root.count, 2);
    assert_string_equal(read.root.items[0].key, "b");
    const struct flow_node *a = flow_node_get(&read.root, "a");
    const struct flow_node *y = flow_node_get(a, "y");
    assert_int_equal(json_integer_value(y->items[0].json), 9);
    assert_text(&read, FLOW_AT(&y->items[0]), "9");
    clear(&read);
}

TEST(a_member_is_only_found_in_an_object_that_has_it)
{
    struct read read;
    read_text(&read, "{\"a\": [1]}");
    assert_null(flow_node_get(&read.root, "b"));
    assert_null(flow_node_get(flow_node_get(&read.root, "a"), "a"));
    assert_null(flow_node_get(NULL, "a"));
    clear(&read);
}

TEST(values_are_shown_as_json_and_never_in_full_when_long_or_secret)
{
    struct read read;
    read_text(&read, "[1, -2.5, true, false, null, \"a\\\\b\", {}, [], "
                     "\"0123456789012345678901234567890123456789012345678901234567890\"]");
    static const char *const shown[] = {
        "1",         "-2.5",   "true",
        "false",     "null",   "\"a\\b\"",
        "an object", "a list", "\"012345678901234567890123456789012345678901234567890123456...\"",
    };
    assert_int_equal(read.root.count, COUNT(shown));
    for (size_t i = 0; i < COUNT(shown); i++)
        assert_string_equal(flow_show(&read.root.items[i]).text, shown[i]);
    read.root.items[0].secret = true;
    assert_string_equal(flow_show(&read.root.items[0]).text, "the value of a secret parameter");
    clear(&read);
}

TEST(a_file_of_a_million_values_is_read_and_one_more_is_refused)
{
    char *text = malloc(2 * FLOW_NODE_MAX + 8);
    assert_non_null(text);
    size_t size = 0;
    text[size++] = '[';
    for (size_t i = 0; i < FLOW_NODE_MAX; i++) {
        text[size++] = '1';
        text[size++] = i + 1 < FLOW_NODE_MAX ? ',' : ']';
    }
    text[size] = '\0';
    struct read read;
    read_text(&read, text);
    assert_non_null(read.json);
    clear(&read);

    memcpy(text + size - 1, ",1]", 4);
    read_text(&read, text);
    assert_null(read.json);
    assert_string_equal(read.diag.items[0].message, "the file has more than 1000000 values");
    clear(&read);
    free(text);
}

TEST(a_hundred_thousand_double_keys_are_found_without_comparing_each_with_each)
{
    const size_t count = 100000;
    char *text = malloc(count * 8 + 8);
    assert_non_null(text);
    size_t size = 0;
    text[size++] = '{';
    for (size_t i = 0; i < count; i++) {
        memcpy(text + size, "\"a\":1,", 6);
        size += 6;
    }
    text[size - 1] = '}';
    text[size] = '\0';
    struct read read;
    read_text(&read, text);
    assert_non_null(read.json);
    assert_int_equal(read.root.count, 1);
    assert_int_equal(read.diag.count + read.diag.omitted, count - 1);
    clear(&read);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_and_value_knows_its_place),
        cmocka_unit_test(escapes_become_the_characters_they_stand_for),
        cmocka_unit_test(of_a_double_key_the_last_stays_with_its_own_value_and_place),
        cmocka_unit_test(a_member_is_only_found_in_an_object_that_has_it),
        cmocka_unit_test(values_are_shown_as_json_and_never_in_full_when_long_or_secret),
        cmocka_unit_test(a_file_of_a_million_values_is_read_and_one_more_is_refused),
        cmocka_unit_test(a_hundred_thousand_double_keys_are_found_without_comparing_each_with_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
