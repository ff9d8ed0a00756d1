/* SPDX-License-Identifier: MIT */
/* needs: json.filter */
#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static const struct flow_stage_type *filter_type(void)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/json.filter.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

static struct flow_harness *filter(const char *where, bool invert)
{
    json_t *json = json_pack("{s:s, s:b}", "where", where, "invert", (int)invert);
    char *with = json_dumps(json, 0);
    json_decref(json);
    assert_non_null(with);
    const struct flow_harness_options options = {.with = with, .batch = 1};
    struct flow_harness *h = flow_harness_new(filter_type(), &options);
    free(with);
    return h;
}

/* Does the condition hold for the document? */
static bool holds(const char *where, const char *document)
{
    struct flow_harness *h = filter(where, false);
    flow_harness_feed(h, document);
    if (flow_harness_run(h) != FLOW_OK || flow_harness_reject_count(h) > 0)
        fail_msg("'%s' of %s: %s", where, document, flow_harness_failure(h));
    assert_int_equal(flow_harness_count(h, 0) + flow_harness_count(h, 1), 1);
    const bool holds = flow_harness_count(h, 0) == 1;
    assert_string_equal(flow_harness_record(h, holds ? 0 : 1, 0)->data, document);
    flow_harness_free(h);
    return holds;
}

#define DOCUMENT                                                                                   \
    "{\"n\": 42, \"big\": 9007199254740993, \"f\": 2.50, \"neg\": -1e3, \"s\": \"abc\", \"e\": "   \
    "\"a\\tb\\u00e9\", "                                                                           \
    "\"t\": true, \"no\": false, \"z\": null, \"o\": {\"x\": \"abc\"}, \"l\": [1, \"two\"], \"a "  \
    "b\": 1, "                                                                                     \
    "\"and\": 3, \"empty\": \"\"}"

static const char *const holding[] = {
    "/n == 42",
    "/n==42.0",
    "/n != 43",
    "/n >= 42 and /n <= 42",
    "/n < 42.5",
    "/n > -1",
    "42 == /n",
    "/big == 9007199254740993",
    "/big < 9007199254740994",
    "/f == 2.5",
    "/f == 25e-1",
    "/f > 2.499999999999",
    "/neg == -1000",
    "/neg < /f",
    "/s == \"abc\"",
    "/s == /o/x",
    "/s < \"abd\"",
    "/s > \"ab\"",
    "/e == \"a\\tb\xc3\xa9\"",
    "/e == \"a\\u0009b\\u00e9\"",
    "/empty == \"\"",
    "/empty < /s",
    "/t == true",
    "/t != false",
    "/no == false",
    "/z == null",
    "/l/1 == \"two\"",
    "'/a b' == 1",
    "/and==3 and/n==42",
    "exists /z",
    "not exists /gone",
    "not exists /l/2",
    "exists ''",
    "exists /o and exists /l",
    "/gone != 1",
    "/o != /o",
    "/s matches \"^a.c$\"",
    "/s matches \"(?i)ABC\"",
    "/e matches \"\\\\t.\xc3\xa9\"",
    "not /s matches \"b$\"",
    "not (/n == 1 or /n == 2)",
    "not /n == 1 and /n == 42",
    "/n == 1 and /n == 2 or /n == 42",
    "/n == 42 or /n == 1 and /n == 2",
    "((/n == 42))",
    "not not /t == true",
    " /n\t==\n42 ",
    "true == true",
};
static const char *const failing[] = {
    "/n == \"42\"",
    "/n == 42.0000001",
    "/n < \"50\"",
    "/s > 1",
    "/big == 9007199254740992",
    "/gone == null",
    "/gone == /gone",
    "/gone < 1",
    "/o == /o",
    "/o == /l",
    "/t >= true",
    "/z <= null",
    "/t == false",
    "/t == 1",
    "/n matches \"4\"",
    "/gone matches \"\"",
    "/s matches \"^b\"",
    "exists /gone",
    "exists /s/0",
    "(/n == 42 or /n == 1) and /n == 1",
    "not (/n == 42 and /t == true)",
};

TEST(conditions_hold_when_they_should_and_not_when_they_should_not)
{
    for (size_t i = 0; i < COUNT(holding); i++) {
        if (!holds(holding[i], DOCUMENT))
            fail_msg("'%s' does not hold", holding[i]);
    }
    for (size_t i = 0; i < COUNT(failing); i++) {
        if (holds(failing[i], DOCUMENT))
            fail_msg("'%s' holds", failing[i]);
    }
}

TEST(numbers_compare_by_value_however_they_are_written)
{
    assert_true(holds("'' == 1", "1.0"));
    assert_true(holds("'' == 0", "-0.0"));
    assert_true(holds("'' == 100", "1E2"));
    assert_true(holds("'' < 1e400", "1e308"));
    assert_true(holds("'' == 123456789012345678", "123456789012345678"));
    assert_false(holds("'' == 123456789012345678", "123456789012345679"));
    assert_true(holds("'' > 999999999999999999", "1000000000000000000000"));
    assert_true(holds("'' == 0.1", "0.10000000000000000000000000000000000"));
    assert_true(holds("'' == 0.3", "3e-1"));
    assert_true(holds("'' == 0.000000000000000000000000000123", "123e-30"));
}

TEST(a_wrong_condition_is_refused_with_the_place_and_what_would_be_right)
{
    static const struct {
        const char *where, *reason;
    } bad[] = {
        {"", "condition '', character 1: expected a JSON pointer, a string in double quotes, a "
             "number, true, false, null, exists, 'not' or '('"},
        {"/a", "condition '/a', character 3: expected ==, !=, <, <=, >, >= or matches"},
        {"/a = 1", "condition '/a = 1', character 4: expected ==, !=, <, <=, >, >= or matches, not "
                   "'= 1'"},
        {"/a == ", "condition '/a == ', character 7: expected a JSON pointer, a string in double "
                   "quotes, a number, true, false, null, exists, 'not' or '('"},
        {"/a == nil",
         "condition '/a == nil', character 7: expected a JSON pointer, a string in "
         "double quotes, a number, true, false, null, exists, 'not' or '(', not 'nil'"},
        {"/a == 01", "condition '/a == 01', character 7: a number that begins with 0, not '01'"},
        {"/a == \"x", "condition '/a == \"x', character 7: it ends within a string, not '\"x'"},
        {"/a == 1 /b == 2", "condition '/a == 1 /b == 2', character 9: expected 'and', 'or' or the "
                            "end, not '/b == 2'"},
        {"(/a == 1", "condition '(/a == 1', character 9: expected 'and', 'or' or ')'"},
        {"/a == 1)", "condition '/a == 1)', character 8: expected 'and', 'or' or the end, not ')'"},
        {"exists 5", "condition 'exists 5', character 8: expected a JSON pointer such as /user/id, "
                     "not '5'"},
        {"'/a == 1", "condition ''/a == 1', character 1: a pointer in single quotes that does not "
                     "end, not ''/a == 1'"},
        {"/a~ == 1",
         "condition '/a~ == 1', character 1: '~' is written as ~0, and '/' in a name as "
         "~1, not '/a~ == 1'"},
        {"/a matches x", "condition '/a matches x', character 12: expected a regular expression in "
                         "double quotes, not 'x'"},
        {"\"a\" matches \"a\"", "condition '\"a\" matches \"a\"', character 13: what stands before "
                                "'matches' is a JSON pointer, not '\"a\"'"},
        {"/a matches \"(\"", "condition '/a matches \"(\"', character 12: expected a regular "
                             "expression: missing closing parenthesis, not '\"(\"'"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct flow_harness *h = filter(bad[i].where, false);
        assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
        assert_string_equal(flow_harness_failure(h), bad[i].reason);
        flow_harness_free(h);
    }
}

TEST(conditions_that_never_end_are_refused)
{
    char where[20000] = "";
    for (size_t i = 0; i < 70; i++)
        memcpy(where + i * 4, "not ", 5);
    memcpy(where + 280, "/a == 1", 8);
    struct flow_harness *h = filter(where, false);
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "at most 64 brackets"));
    flow_harness_free(h);

    for (size_t i = 0; i < 1000; i++)
        memcpy(where + i * 13, "/a == 1 and  ", 14);
    memcpy(where + 13000, "/a == 1", 8);
    h = filter(where, false);
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "at most 1000 comparisons"));
    flow_harness_free(h);
}

TEST(records_keep_their_key_and_invert_swaps_the_ports)
{
    struct flow_harness *h = filter("/a == 1", true);
    flow_harness_feed_keyed(h, "k", "{\"a\":1}");
    flow_harness_feed_keyed(h, "l", "{\"a\":2}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "l");
    assert_string_equal(flow_harness_record(h, 1, 0)->key, "k");
    flow_harness_free(h);
}

TEST(what_is_not_json_is_refused_and_the_rest_goes_on)
{
    struct flow_harness *h = filter("/a == 1", false);
    flow_harness_feed(h, "");
    flow_harness_feed(h, "{\"a\":1}");
    flow_harness_feed_bytes(h, "{\"a\":\0}", 7);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 2);
    assert_string_equal(flow_harness_reject(h, 0), "0: not JSON: byte 1: it is empty: \"\"");
    assert_string_equal(flow_harness_reject(h, 1),
                        "0: not JSON: byte 6: no value, or a word or a number that JSON does not "
                        "have: \"\\x00}\"");
    assert_string_equal(flow_harness_text(h, 0), "{\"a\":1}\n");
    flow_harness_free(h);
}

TEST(a_pattern_that_takes_too_long_ends_that_record_only)
{
    struct flow_harness *h = filter("/a matches \"(*LIMIT_MATCH=10)(a+)+$\"", false);
    flow_harness_feed(h, "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}");
    flow_harness_feed(h, "{\"a\":\"a\"}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_string_equal(
        flow_harness_reject(h, 0),
        "0: the condition cannot be tried: pattern '(*LIMIT_MATCH=10)(a+)+$': match "
        "limit exceeded");
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_hold_when_they_should_and_not_when_they_should_not),
        cmocka_unit_test(numbers_compare_by_value_however_they_are_written),
        cmocka_unit_test(a_wrong_condition_is_refused_with_the_place_and_what_would_be_right),
        cmocka_unit_test(conditions_that_never_end_are_refused),
        cmocka_unit_test(records_keep_their_key_and_invert_swaps_the_ports),
        cmocka_unit_test(what_is_not_json_is_refused_and_the_rest_goes_on),
        cmocka_unit_test(a_pattern_that_takes_too_long_ends_that_record_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
