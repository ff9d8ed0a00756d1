/* SPDX-License-Identifier: MIT */
/* needs: text.regex */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static struct harness *regex(const char *with)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/text.regex.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(plugin->types[0], &options);
}

/* What comes out of each of the two ports for one record. */
static void check_regex(const char *with, const char *record, const char *out,
                        const char *unmatched)
{
    struct harness *h = regex(with);
    harness_feed(h, record);
    if (harness_run(h) != FLOW_OK || harness_reject_count(h) > 0)
        fail_msg("%s: %s", with, harness_failure(h));
    assert_string_equal(harness_text(h, 0), out);
    assert_string_equal(harness_text(h, 1), unmatched);
    harness_free(h);
}

static void check_open(const char *with, const char *reason)
{
    struct harness *h = regex(with);
    assert_int_equal(harness_open(h), FLOW_EINVAL);
    assert_string_equal(harness_failure(h), reason);
    harness_free(h);
}

TEST(records_that_match_are_parted_from_the_others)
{
    struct harness *h = regex("{\"pattern\": \"^\xc3\x84.$\", \"ignore_case\": true}");
    harness_feed_keyed(h, "k", "\xc3\xa4\xe2\x82\xac");
    harness_feed(h, "\xc3\x84"
                    "ab");
    harness_feed(h, "");
    harness_feed_bytes(h, "\xc3\x84\0", 3);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 2);
    assert_string_equal(harness_record(h, 0, 0)->key, "k");
    assert_int_equal(harness_record(h, 0, 1)->size, 3);
    assert_int_equal(harness_count(h, 1), 2);
    harness_free(h);
}

TEST(groups_are_extracted_by_their_names_or_numbers)
{
    const char *line = "GET /a\\\"b\t\x01 200";
    check_regex("{\"pattern\": \"(?<verb>[A-Z]+) (.*?) (?<code>\\\\d+)(?<rest> .*)?$\", \"mode\": "
                "\"extract\"}",
                line, "{\"verb\":\"GET\",\"code\":\"200\",\"rest\":null}\n", "");
    check_regex(
        "{\"pattern\": \"([A-Z]+) (.*?) (\\\\d+)\", \"mode\": \"extract\", \"numbers\": true}",
        line, "{\"1\":\"GET\",\"2\":\"/a\\\\\\\"b\\t\\u0001\",\"3\":200}\n", "");
    check_regex(
        "{\"pattern\": \"([A-Z]+) (.*?) (\\\\d+)(x)?\", \"mode\": \"extract\", \"as\": \"array\"}",
        line, "[\"GET\",\"/a\\\\\\\"b\\t\\u0001\",\"200\",null]\n", "");
    check_regex(
        "{\"pattern\": \"(x)?([A-Z]+) (.*?) (\\\\d+)\", \"mode\": \"extract\", \"as\": \"tsv\"}",
        line, "\tGET\t/a\\\\\"b\\t\x01\t200\n", "");
    check_regex("{\"pattern\": \"\\\\d+\", \"mode\": \"extract\"}", line, "{\"0\":\"200\"}\n", "");
    check_regex("{\"pattern\": \"x\\\\d\", \"mode\": \"extract\"}", line, "",
                "GET /a\\\"b\t\x01 200\n");
    check_regex("{\"pattern\": \"(?<z>.)(?<a>.)\", \"mode\": \"extract\"}", "12",
                "{\"z\":\"1\",\"a\":\"2\"}\n", "");
}

TEST(numbers_are_those_of_json)
{
    check_regex(
        "{\"pattern\": \"\\\\S+\", \"mode\": \"extract\", \"numbers\": true, \"all\": true, "
        "\"as\": \"array\"}",
        "1 -2.5e3 007 1. +1 0 0x1 1e",
        "[1]\n[-2.5e3]\n[\"007\"]\n[\"1.\"]\n[\"+1\"]\n[0]\n[\"0x1\"]\n[\"1e\"]\n", "");
}

TEST(all_matches_of_a_record_are_records_of_their_own)
{
    check_regex(
        "{\"pattern\": \"(?<k>\\\\w+)=(?<v>\\\\w*)\", \"mode\": \"extract\", \"all\": true}",
        "a=1 b= c=3",
        "{\"k\":\"a\",\"v\":\"1\"}\n{\"k\":\"b\",\"v\":\"\"}\n{\"k\":\"c\",\"v\":\"3\"}\n", "");
    check_regex("{\"pattern\": \"a*\", \"mode\": \"extract\", \"all\": true, \"as\": \"tsv\"}",
                "baac", "\naa\n\n\n", "");
}

TEST(matches_are_replaced_by_text_and_groups)
{
    check_regex(
        "{\"pattern\": \"(\\\\w+) (?<last>\\\\w+)\", \"mode\": \"replace\", \"replacement\": "
        "\"$<last>, $1 [$0] $$5 $<2>x\"}",
        "> Ann Lee Bo Ray", "> Lee, Ann [Ann Lee] $5 Leex Bo Ray\n", "");
    check_regex("{\"pattern\": \"a\", \"mode\": \"replace\"}", "banana", "bnana\n", "");
    check_regex("{\"pattern\": \"a\", \"mode\": \"replace\", \"all\": true}", "banana", "bnn\n",
                "");
    check_regex(
        "{\"pattern\": \"x*\", \"mode\": \"replace\", \"all\": true, \"replacement\": \"-\"}",
        "\xc3\xa9"
        "xb",
        "-\xc3\xa9--b-\n", "");
    check_regex("{\"pattern\": \"(a)|(b)\", \"mode\": \"replace\", \"all\": true, \"replacement\": "
                "\"<$1$2>\"}",
                "abc", "<a><b>c\n", "");
    check_regex("{\"pattern\": \"q\", \"mode\": \"replace\", \"replacement\": \"long\"}", "abc",
                "abc\n", "");
    check_regex("{\"pattern\": \"^$\", \"mode\": \"replace\", \"replacement\": \"empty\"}", "",
                "empty\n", "");
    check_regex("{\"pattern\": \"(?<=a)\\\\Kb|$\", \"mode\": \"replace\", \"all\": true, "
                "\"replacement\": \"!\"}",
                "abab", "a!a!!\n", "");
}

TEST(what_is_made_of_a_record_keeps_its_key)
{
    struct harness *h =
        regex("{\"pattern\": \"b\", \"mode\": \"replace\", \"replacement\": \"c\"}");
    harness_feed_keyed(h, "k", "abc");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_record(h, 0, 0)->data, "acc");
    assert_string_equal(harness_record(h, 0, 0)->key, "k");
    harness_free(h);
}

TEST(bytes_that_are_not_utf_8_match_nothing_and_do_no_harm)
{
    struct harness *h = regex("{\"pattern\": \"(?<w>.+)\", \"mode\": \"extract\", \"all\": true}");
    harness_feed_bytes(h,
                       "ab\xff"
                       "cd\xc3",
                       6);
    harness_feed_bytes(h, "\xff\xfe", 2);
    harness_feed_bytes(h, "a\0b", 3);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0),
                        "{\"w\":\"ab\"}\n{\"w\":\"cd\"}\n{\"w\":\"a\\u0000b\"}\n");
    assert_int_equal(harness_count(h, 1), 1);
    harness_free(h);
}

TEST(a_search_without_bounds_ends_that_record_only)
{
    struct harness *h = regex("{\"pattern\": \"(*LIMIT_MATCH=50)x|(a+)+$\", \"mode\": \"replace\", "
                              "\"all\": true, \"replacement\": \"-\"}");
    harness_feed(h, "xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    harness_feed(h, "x");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_reject_count(h), 1);
    assert_string_equal(harness_reject(h, 0),
                        "0: pattern '(*LIMIT_MATCH=50)x|(a+)+$': match limit exceeded");
    assert_string_equal(harness_text(h, 0), "-\n");
    harness_free(h);
}

TEST(large_groups_and_many_matches_are_written_in_full)
{
    const size_t size = 3 << 20;
    char *large = malloc(size + 1);
    assert_non_null(large);
    memset(large, '"', size);
    large[size] = '\0';
    struct harness *h = regex("{\"pattern\": \".*\", \"mode\": \"extract\", \"as\": \"array\"}");
    harness_feed(h, large);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_record(h, 0, 0)->size, 2 * size + 4);
    harness_free(h);

    h = regex(
        "{\"pattern\": \"\\\"\", \"mode\": \"replace\", \"all\": true, \"replacement\": \"ab\"}");
    harness_feed(h, large);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_record(h, 0, 0)->size, 2 * size);
    harness_free(h);
    free(large);
}

TEST(wrong_patterns_and_replacements_are_refused_with_their_place)
{
    check_open("{\"pattern\": \"a(b\"}", "pattern 'a(b', character 4: missing closing parenthesis");
    check_open("{\"pattern\": \"a\\\\C\"}",
               "pattern 'a\\C', character 4: using \\C is disabled by the application");
    check_open(
        "{\"pattern\": \"(a)\", \"mode\": \"replace\", \"replacement\": \"x$2\"}",
        "'replacement': 'x$2', at '$2': the pattern has no such group; $1, $<name> and $0 are "
        "groups, $$ is a $");
    const char *const bad[] = {"$", "$<a", "$<>", "$<b>", "$b", "$-", "$<1x>"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char with[200];
        (void)snprintf(with, sizeof(with),
                       "{\"pattern\": \"(?<a>a)\", \"mode\": \"replace\", \"replacement\": \"%s\"}",
                       bad[i]);
        struct harness *h = regex(with);
        assert_int_equal(harness_open(h), FLOW_EINVAL);
        assert_non_null(strstr(harness_failure(h), "the pattern has no such group"));
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_that_match_are_parted_from_the_others),
        cmocka_unit_test(groups_are_extracted_by_their_names_or_numbers),
        cmocka_unit_test(numbers_are_those_of_json),
        cmocka_unit_test(all_matches_of_a_record_are_records_of_their_own),
        cmocka_unit_test(matches_are_replaced_by_text_and_groups),
        cmocka_unit_test(what_is_made_of_a_record_keeps_its_key),
        cmocka_unit_test(bytes_that_are_not_utf_8_match_nothing_and_do_no_harm),
        cmocka_unit_test(a_search_without_bounds_ends_that_record_only),
        cmocka_unit_test(large_groups_and_many_matches_are_written_in_full),
        cmocka_unit_test(wrong_patterns_and_replacements_are_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
