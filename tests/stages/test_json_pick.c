/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct harness *pick(const char *with)
{
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(harness_builtin("json.pick"), &options);
}

/* What json.pick with these parameters makes of one document. */
static void check_pick(const char *with, const char *document, const char *expected)
{
    struct harness *h = pick(with);
    harness_feed(h, document);
    assert_int_equal(harness_run(h), FLOW_OK);
    if (harness_reject_count(h) > 0)
        fail_msg("%s is refused: %s", document, harness_reject(h, 0));
    assert_int_equal(harness_count(h, 0), 1);
    assert_string_equal(harness_record(h, 0, 0)->data, expected);
    harness_free(h);
}

static void check_refused(const char *with, const void *document, size_t size, const char *reason)
{
    struct harness *h = pick(with);
    harness_feed_bytes(h, document, size);
    harness_feed(h, "{\"a\":1}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_reject_count(h), 1);
    if (strncmp(harness_reject(h, 0), "0: ", 3) != 0 || !strstr(harness_reject(h, 0), reason))
        fail_msg("expected '%s', was told '%s'", reason, harness_reject(h, 0));
    assert_string_equal(harness_text(h, 0), "{\"a\":1}\n");
    harness_free(h);
}

#define DOCUMENT                                                                                   \
    "{\"id\": 7, \"user\": {\"name\": \"Ann \\\"A\\\" B\\u00e9\", \"tags\": [\"x\", {\"y\": "      \
    "2.50e1}]}, "                                                                                  \
    "\"ok\": true, \"none\": null, \"a/b\": 1, \"m~n\": \"t\\tb\\\\,c\", \"\": 0}"

TEST(fields_are_picked_as_objects_lists_tables_and_raw_text)
{
    check_pick("{\"fields\": [\"/id\", \"who=/user/name\", \"/user/tags\", \"/missing\"]}",
               DOCUMENT,
               "{\"id\":7,\"who\":\"Ann \\\"A\\\" B\\u00e9\",\"tags\":[\"x\",{\"y\":2.50e1}],"
               "\"missing\":null}");
    check_pick("{\"fields\": [\"/user/tags/1/y\", \"/ok\", \"/user/tags/2\"], \"as\": \"array\"}",
               DOCUMENT, "[2.50e1,true,null]");
    check_pick(
        "{\"fields\": [\"/id\", \"/m~0n\", \"/none\", \"/user/tags\", \"/gone\"], \"as\": \"tsv\"}",
        DOCUMENT, "7\tt\\tb\\\\,c\t\t[\"x\",{\"y\":2.50e1}]\t");
    check_pick(
        "{\"fields\": [\"/gone\", \"/user/name\", \"/user/tags\", \"/m~0n\"], \"as\": \"csv\"}",
        DOCUMENT, ",\"Ann \"\"A\"\" B\xc3\xa9\",\"[\"\"x\"\",{\"\"y\"\":2.50e1}]\",\"t\tb\\,c\"");
    check_pick("{\"fields\": [\"/user/name\"], \"as\": \"raw\"}", DOCUMENT, "Ann \"A\" B\xc3\xa9");
    check_pick("{\"fields\": [\"/none\"], \"as\": \"raw\"}", DOCUMENT, "null");
    check_pick("{\"fields\": [\"/gone\"], \"as\": \"raw\"}", DOCUMENT, "null");
    check_pick("{\"fields\": [\"/a~1b\", \"/\"]}", DOCUMENT, "{\"a/b\":1,\"\":0}");
    check_pick("{\"fields\": [\"all=\"]}", " [ 1 , \" \\\" 2\" ]\r\n", "{\"all\":[1,\" \\\" 2\"]}");
    check_pick("{\"fields\": [\"\"], \"as\": \"raw\"}", "-0.5E-7", "-0.5E-7");
}

TEST(names_of_fields_become_json_strings)
{
    check_pick("{\"fields\": [\"/a\\\"b\", \"c\\\\=/x\", \"\\u00e9=/x\"]}",
               "{\"a\\\"b\":1,\"x\":2}", "{\"a\\\"b\":1,\"c\\\\\":2,\"\xc3\xa9\":2}");
}

TEST(names_with_escapes_are_the_names_that_they_stand_for)
{
    check_pick("{\"fields\": [\"/name\", \"/\\ud83d\\ude00\"]}",
               "{\"n\\u0061me\":1,\"\\ud83d\\ude00\":2,\"nam\\u0066\":3}",
               "{\"name\":1,\"\xf0\x9f\x98\x80\":2}");
    check_pick("{\"fields\": [\"/a_long_name_of_a_field\"]}",
               "{\"a_long_name_of_a_fielx\":0,\"a_long_n\":1,\"a_long_name_of_a_field\":2}",
               "{\"a_long_name_of_a_field\":2}");
}

TEST(of_members_with_one_name_the_last_counts_with_all_that_is_in_it)
{
    check_pick("{\"fields\": [\"/a\", \"/a/b\"]}", "{\"a\":{\"b\":1},\"a\":{\"c\":2}}",
               "{\"a\":{\"c\":2},\"b\":null}");
    check_pick("{\"fields\": [\"/a/b/c\", \"/a/0\"]}", "{\"a\":{\"b\":{\"c\":1}},\"a\":[5]}",
               "{\"c\":null,\"0\":5}");
}

TEST(a_missing_field_is_null_or_left_out_or_ends_the_record)
{
    const char *fields = "\"fields\": [\"/b\", \"/a\"]";
    char with[200];
    (void)snprintf(with, sizeof(with), "{%s, \"missing\": \"omit\"}", fields);
    check_pick(with, "{\"a\":1}", "{\"a\":1}");
    check_pick(with, "{\"c\":1}", "{}");
    check_pick(with, "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}");

    (void)snprintf(with, sizeof(with), "{%s, \"missing\": \"drop\"}", fields);
    struct harness *h = pick(with);
    harness_feed(h, "{\"a\":1}");
    harness_feed(h, "{\"a\":1,\"b\":null}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "{\"b\":null,\"a\":1}\n");
    assert_int_equal(harness_reject_count(h), 0);
    harness_free(h);

    h = pick("{\"fields\": \"/b\", \"missing\": \"reject\"}");
    harness_feed(h, "{\"a\":1}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 0);
    assert_string_equal(harness_reject(h, 0), "0: no '/b' in \"{\\\"a\\\":1}\"");
    harness_free(h);
}

TEST(a_field_can_become_the_key)
{
    struct harness *h = pick("{\"fields\": \"\", \"as\": \"raw\", \"key\": \"/k\"}");
    harness_feed_keyed(h, "old", "{\"k\":\"new\"}");
    harness_feed(h, "{\"k\":\"caf\\u00e9\"}");
    harness_feed(h, "{\"k\":[ 1, 2 ]}");
    harness_feed(h, "{\"k\":\"\"}");
    harness_feed(h, "{\"k\":null}");
    harness_feed(h, "{}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 4);
    assert_string_equal(harness_record(h, 0, 0)->key, "new");
    assert_string_equal(harness_record(h, 0, 1)->key, "caf\xc3\xa9");
    assert_string_equal(harness_record(h, 0, 2)->key, "[1,2]");
    assert_null(harness_record(h, 0, 3)->key);
    assert_int_equal(harness_reject_count(h), 2);
    assert_string_equal(harness_reject(h, 1), "1: nothing at '/k' that could be its key");
    harness_free(h);
}

TEST(what_is_not_json_is_refused_with_the_place_and_the_reason)
{
    static const struct {
        const char *document, *reason;
    } bad[] = {
        {"", "not JSON: byte 1: it is empty: \"\""},
        {" \n", "byte 3: it is empty"},
        {"{", "byte 2: no name in quotes"},
        {"{\"a\"", "byte 5: no ':' after the name of a member"},
        {"{\"a\":", "byte 6: it ends where a value should be"},
        {"{\"a\":1", "byte 7: no ',' or '}' after a member of an object"},
        {"{\"a\":1,}", "byte 8: no name in quotes where a member of an object begins: \"}\""},
        {"{a:1}", "byte 2: no name in quotes"},
        {"[1,]", "byte 4: no value, or a word or a number that JSON does not have: \"]\""},
        {"[1 2]", "byte 4: no ',' or ']' after a part of a list: \"2]\""},
        {"[1", "byte 3: no ',' or ']'"},
        {"\"abcdefghij", "byte 12: it ends within a string"},
        {"\"a\tb\"", "byte 3: a control character in a string"},
        {"\"12345678\n\"", "byte 10: a control character in a string"},
        {"\"\\x\"", "byte 2: an escape that JSON does not have"},
        {"\"\\u12g4\"", "byte 2: an escape"},
        {"\"\\u123", "byte 2: an escape"},
        {"\"\\ud800\"", "byte 2: an escape"},
        {"\"\\ud800\\u0041\"", "byte 2: an escape"},
        {"\"\\udc00\"", "byte 2: an escape"},
        {"\"\\", "byte 2: an escape"},
        {"\"\x80\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xc0\xaf\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xe0\x9f\xbf\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xed\xa0\x80\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xf0\x8f\xbf\xbf\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xf5\x80\x80\x80\"", "byte 2: bytes that are not UTF-8"},
        {"\"\xe2\x82\"", "byte 2: bytes that are not UTF-8"},
        {"01", "byte 1: a number that begins with 0"},
        {"-", "byte 1: no value"},
        {"+1", "byte 1: no value"},
        {".5", "byte 1: no value"},
        {"1.", "byte 1: a number without digits after its point"},
        {"1.e3", "byte 1: a number without digits after its point"},
        {"1e", "byte 1: a number without digits in its exponent"},
        {"1e+", "byte 1: a number without digits in its exponent"},
        {"tru", "byte 1: a word that is not true, false or null"},
        {"nulL", "byte 1: a word"},
        {"NaN", "byte 1: no value"},
        {"{} {}", "byte 4: something follows after the value"},
        {"[1]]", "byte 4: something follows after the value"},
        {"'a'", "byte 1: no value"},
        {"\xef\xbb\xbf{}", "byte 1: no value"},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        check_refused("{\"fields\": \"/a\"}", bad[i].document, strlen(bad[i].document),
                      bad[i].reason);
    check_refused("{\"fields\": \"/a\"}", "{\"a\":1}\0", 8, "byte 8: something follows");
    check_refused("{\"fields\": \"/a\"}", "\"a\0\"", 4, "byte 3: a control character");
    check_refused("{\"fields\": \"/a\"}", "\0", 1, "byte 1: no value");
}

TEST(up_to_64_levels_are_taken_and_no_more)
{
    char text[200];
    memset(text, '[', 65);
    text[64] = '1';
    memset(text + 65, ']', 64);
    text[129] = '\0';
    check_pick(
        "{\"fields\": \"/0/0/0\", \"as\": \"raw\"}", text,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]"
        "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    check_refused("{\"fields\": \"/a\"}", text, 130,
                  "byte 65: more than 64 objects and lists in each other");
}

TEST(large_documents_and_strings_of_every_length_pass)
{
    char document[300];
    char expected[300];
    for (int size = 0; size < 70; size++) {
        (void)snprintf(
            document, sizeof(document), "{\"x\":\"%.*s\",\"y\":[],\"a\":\"%.*s\xc3\xa9\"}", size,
            "0123456789012345678901234567890123456789012345678901234567890123456789", 69 - size,
            "0123456789012345678901234567890123456789012345678901234567890123456789");
        (void)snprintf(expected, sizeof(expected), "%.*s\xc3\xa9", 69 - size,
                       "0123456789012345678901234567890123456789012345678901234567890123456789");
        check_pick("{\"fields\": \"/a\", \"as\": \"raw\"}", document, expected);
    }
    const size_t size = 1 << 20;
    char *large = malloc(size + 10);
    assert_non_null(large);
    memset(large, '\\', size + 10);
    memcpy(large, "{\"a\":\"", 6);
    memcpy(large + size + 6, "\"}", 3);
    struct harness *h = pick("{\"fields\": \"/a\", \"as\": \"tsv\", \"key\": \"/a\"}");
    harness_feed(h, large);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_record(h, 0, 0)->size, size);
    assert_int_equal(harness_record(h, 0, 0)->key_size, size / 2);
    harness_free(h);
    free(large);
}

TEST(parameters_that_cannot_be_are_refused)
{
    static const struct {
        const char *with, *reason;
    } bad[] = {
        {"{\"fields\": []}", "'fields' is empty: nothing would be picked"},
        {"{\"fields\": [\"a\"]}", "the field 'a': a JSON pointer begins with '/'"},
        {"{\"fields\": [\"n=a\"]}", "the field 'a': a JSON pointer begins with '/'"},
        {"{\"fields\": [\"/a~2\"]}",
         "the field '/a~2': '~' is written as ~0, and '/' in a name as ~1"},
        {"{\"fields\": [\"/a~\"]}",
         "the field '/a~': '~' is written as ~0, and '/' in a name as ~1"},
        {"{\"fields\": [\"/a\"], \"key\": \"b\"}", "'key' is 'b': a JSON pointer begins with '/'"},
        {"{\"fields\": [\"/a\", \"/b\"], \"as\": \"raw\"}",
         "'as': \"raw\" takes one field, and 'fields' has 2"},
        {"{\"fields\": [\"/a\"], \"as\": \"tsv\", \"missing\": \"omit\"}",
         "'missing': \"omit\" goes with 'as': \"object\" only; elsewhere the fields behind it "
         "would "
         "move"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct harness *h = pick(bad[i].with);
        assert_int_equal(harness_open(h), FLOW_EINVAL);
        assert_string_equal(harness_failure(h), bad[i].reason);
        harness_free(h);
    }
}

TEST(an_aborted_run_ends_it_in_the_middle)
{
    const struct harness_options options = {.with = "{\"fields\": \"/a\"}", .abort_after = 1};
    struct harness *h = harness_new(harness_builtin("json.pick"), &options);
    harness_feed(h, "{\"a\":1}");
    harness_feed(h, "{\"a\":2}");
    harness_feed(h, "{\"a\":3}");
    assert_int_equal(harness_run(h), FLOW_EABORT);
    assert_int_equal(harness_count(h, 0), 1);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_picked_as_objects_lists_tables_and_raw_text),
        cmocka_unit_test(names_of_fields_become_json_strings),
        cmocka_unit_test(names_with_escapes_are_the_names_that_they_stand_for),
        cmocka_unit_test(of_members_with_one_name_the_last_counts_with_all_that_is_in_it),
        cmocka_unit_test(a_missing_field_is_null_or_left_out_or_ends_the_record),
        cmocka_unit_test(a_field_can_become_the_key),
        cmocka_unit_test(what_is_not_json_is_refused_with_the_place_and_the_reason),
        cmocka_unit_test(up_to_64_levels_are_taken_and_no_more),
        cmocka_unit_test(large_documents_and_strings_of_every_length_pass),
        cmocka_unit_test(parameters_that_cannot_be_are_refused),
        cmocka_unit_test(an_aborted_run_ends_it_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
