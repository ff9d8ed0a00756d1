/* SPDX-License-Identifier: MIT */
/* needs: text.grep */
#include <dlfcn.h>

#include "support/check.h"
#include "support/harness.h"

static const struct flow_stage_type *grep_type(void)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/text.grep.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

static struct flow_harness *grep(const char *with)
{
    const struct flow_harness_options options = {.with = with, .batch = 3};
    struct flow_harness *h = flow_harness_new(grep_type(), &options);
    flow_harness_feed(h, "An apple");
    flow_harness_feed_keyed(h, "fruit", "a banana");
    flow_harness_feed(h, "");
    flow_harness_feed_bytes(h, "zero\0apple", 10);
    return h;
}

TEST(records_that_match_go_out_and_the_others_to_unmatched)
{
    struct flow_harness *h = grep("{\"pattern\": \"^a|apple$\"}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "An apple");
    assert_string_equal(flow_harness_record(h, 0, 1)->data, "a banana");
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "fruit");
    assert_memory_equal(flow_harness_record(h, 0, 2)->data, "zero\0apple", 10);
    assert_int_equal(flow_harness_count(h, 1), 1);
    assert_int_equal(flow_harness_record(h, 1, 0)->size, 0);
    flow_harness_free(h);
}

TEST(ignore_case_and_invert_do_what_they_say)
{
    struct flow_harness *h = grep("{\"pattern\": \"^AN\", \"ignore_case\": true}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "An apple\n");
    flow_harness_free(h);

    h = grep("{\"pattern\": \"an\", \"invert\": true}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_text(h, 1), "a banana\n");
    flow_harness_free(h);
}

TEST(a_wrong_pattern_is_refused_with_its_place)
{
    struct flow_harness *h = grep("{\"pattern\": \"a(b\"}");
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_string_equal(flow_harness_failure(h),
                        "pattern 'a(b', character 4: missing closing parenthesis");
    flow_harness_free(h);
}

TEST(a_record_that_cannot_be_matched_is_rejected_and_the_rest_goes_on)
{
    struct flow_harness *h = grep("{\"pattern\": \"(*UTF)a\"}");
    flow_harness_feed_bytes(h, "a\xff", 2);
    flow_harness_feed(h, "a");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_non_null(strstr(flow_harness_reject(h, 0), "1: pattern '(*UTF)a': UTF-8 error"));
    assert_int_equal(flow_harness_count(h, 0), 4);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_that_match_go_out_and_the_others_to_unmatched),
        cmocka_unit_test(ignore_case_and_invert_do_what_they_say),
        cmocka_unit_test(a_wrong_pattern_is_refused_with_its_place),
        cmocka_unit_test(a_record_that_cannot_be_matched_is_rejected_and_the_rest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
