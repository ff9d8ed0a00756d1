/* SPDX-License-Identifier: MIT */
/* needs: jq */
#include <dlfcn.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct harness *jq(const char *with)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/jq.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(plugin->types[0], &options);
}

static void check_jq(const char *with, const char *record, const char *expected)
{
    struct harness *h = jq(with);
    harness_feed(h, record);
    if (harness_run(h) != FLOW_OK || harness_reject_count(h) > 0)
        fail_msg("%s: %s", with,
                 harness_reject_count(h) > 0 ? harness_reject(h, 0) : harness_failure(h));
    assert_string_equal(harness_text(h, 0), expected);
    harness_free(h);
}

static void check_refused(const char *with, const char *record, const char *reason)
{
    struct harness *h = jq(with);
    harness_feed(h, record);
    harness_feed(h, "{\"a\":[]}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_true(harness_reject_count(h) >= 1);
    assert_string_equal(harness_reject(h, 0), reason);
    harness_free(h);
}

TEST(a_record_becomes_as_many_as_the_program_gives)
{
    check_jq("{\"program\": \"{n: (.a + 1), s: .b}\"}", "{\"a\": 1, \"b\": \"\xc3\xa9\\u0000\"}",
             "{\"n\":2,\"s\":\"\xc3\xa9\\u0000\"}\n");
    check_jq("{\"program\": \".[]\"}", "[1, \"x\", null, [2]]", "1\n\"x\"\nnull\n[2]\n");
    check_jq("{\"program\": \"empty\"}", "1", "");
    check_jq("{\"program\": \"select(.a > 1)\"}", "{\"a\":1}", "");
    check_jq("{\"program\": \".[]\", \"raw\": true}", "[\"a\\tb\", 1, \"\"]", "a\tb\n1\n\n");
    check_jq("{\"program\": \"split(\\\",\\\")[1]\", \"text\": true}", "a,b,c", "\"b\"\n");
    check_jq("{\"program\": \". + $more + ($list | length)\", \"args\": {\"more\": 4, \"list\": "
             "[1, 2]}}",
             "1", "7\n");
}

TEST(what_a_program_refuses_leaves_nothing_behind)
{
    check_refused("{\"program\": \".a[0], .a.b\"}", "{\"a\":[1]}",
                  "0: the program says: Cannot index array with string \"b\"");
    check_refused("{\"program\": \"1, error({code: 5})\"}", "1",
                  "0: the program says: {\"code\":5}");
    check_refused("{\"program\": \"1, halt\"}", "1",
                  "0: the program halts; 'empty' or 'error' end a record");
    check_refused("{\"program\": \"range(1e9)\", \"max_size\": 1000}", "1",
                  "0: more than max_size becomes of it");
    check_refused("{\"program\": \"range(1e9) | \\\"\\\"\", \"raw\": true, \"max_size\": 1000}",
                  "1", "0: more results than max_size become of it");
    struct harness *h = jq("{\"program\": \"1, .a.b\"}");
    harness_feed(h, "{\"a\":5}");
    harness_feed(h, "{\"a\":{\"b\":2}}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "1\n2\n");
    assert_int_equal(harness_reject_count(h), 1);
    harness_free(h);
}

TEST(records_that_are_not_json_are_refused_with_the_place)
{
    check_refused("{\"program\": \".\"}", "", "0: not JSON: byte 1: it is empty: \"\"");
    check_refused("{\"program\": \".\"}", "{\"a\":1} 2",
                  "0: not JSON: byte 9: something follows after the value: \"2\"");
    check_refused("{\"program\": \".\"}", "\"\xff\"",
                  "0: not JSON: byte 2: bytes that are not UTF-8: "
                  "\"\\xff\\\"\"");
    check_refused("{\"program\": \".\", \"text\": true}", "a\xff",
                  "0: it is not UTF-8: \"a\\xff\"");
}

TEST(wrong_programs_and_arguments_are_refused_before_the_run)
{
    static const struct {
        const char *with, *reason;
    } bad[] = {
        {"{\"program\": \".a |\"}", "program '.a |': syntax error, unexpected $end"},
        {"{\"program\": \"nofunction\"}", "program 'nofunction': nofunction/0 is not defined"},
        {"{\"program\": \"$x\"}", "program '$x': $x is not defined"},
        {"{\"program\": \"import \\\"a\\\" as a; .\"}", "program 'import \"a\" as a; .': "},
        {"{\"program\": \".\", \"args\": [1]}",
         "'args' is \"[1]\"; it is an object of variables, as in {\"limit\": 5}"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct harness *h = jq(bad[i].with);
        assert_int_equal(harness_open(h), FLOW_EINVAL);
        if (strncmp(harness_failure(h), bad[i].reason, strlen(bad[i].reason)) != 0)
            fail_msg("expected '%s', was told '%s'", bad[i].reason, harness_failure(h));
        harness_free(h);
    }
}

TEST(an_aborted_run_ends_it_in_the_middle)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/jq.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    const struct harness_options options = {.with = "{\"program\": \".[]\"}", .abort_after = 1};
    struct harness *h = harness_new(plugin->types[0], &options);
    harness_feed(h, "[1,2,3]");
    assert_int_equal(harness_run(h), FLOW_EABORT);
    assert_int_equal(harness_count(h, 0), 1);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_as_many_as_the_program_gives),
        cmocka_unit_test(what_a_program_refuses_leaves_nothing_behind),
        cmocka_unit_test(records_that_are_not_json_are_refused_with_the_place),
        cmocka_unit_test(wrong_programs_and_arguments_are_refused_before_the_run),
        cmocka_unit_test(an_aborted_run_ends_it_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
