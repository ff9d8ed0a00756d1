/* SPDX-License-Identifier: MIT */
/* needs: route */
#include <dlfcn.h>

#include "support/check.h"
#include "support/harness.h"

enum { A, B, C, REST = 8 };

static struct harness *route(const char *with)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/route.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(plugin->types[0], &options);
}

static void feed_documents(struct harness *h)
{
    harness_feed(h, "{\"status\":503}");
    harness_feed_keyed(h, "k", "{\"status\":404}");
    harness_feed(h, "{\"status\":200}");
    harness_feed(h, "{}");
}

TEST(a_record_goes_to_the_first_port_whose_rule_holds)
{
    struct harness *h = route("{\"a\": \"/status >= 500\", \"c\": \"/status >= 400\"}");
    feed_documents(h);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, A), "{\"status\":503}\n");
    assert_string_equal(harness_text(h, B), "");
    assert_string_equal(harness_text(h, C), "{\"status\":404}\n");
    assert_string_equal(harness_record(h, C, 0)->key, "k");
    assert_string_equal(harness_text(h, REST), "{\"status\":200}\n{}\n");
    harness_free(h);
}

TEST(with_all_it_goes_to_every_port_whose_rule_holds)
{
    struct harness *h =
        route("{\"a\": \"/status >= 500\", \"b\": \"/status >= 400\", \"send\": \"all\"}");
    feed_documents(h);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, A), "{\"status\":503}\n");
    assert_string_equal(harness_text(h, B), "{\"status\":503}\n{\"status\":404}\n");
    assert_int_equal(harness_count(h, REST), 2);
    harness_free(h);
}

TEST(rules_about_text_are_patterns)
{
    struct harness *h = route("{\"a\": \"ERROR\", \"h\": \"^#|^$\", \"by\": \"text\"}");
    harness_feed(h, "12 ERROR x");
    harness_feed(h, "# comment");
    harness_feed(h, "");
    harness_feed_bytes(h, "a\0ERROR", 7);
    harness_feed(h, "other");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, A), 2);
    assert_string_equal(harness_text(h, 7), "# comment\n\n");
    assert_string_equal(harness_text(h, REST), "other\n");
    harness_free(h);
}

TEST(wrong_rules_are_refused_with_their_port_and_place)
{
    struct harness *h = route("{\"a\": \"/x == 1\", \"b\": \"/x = 1\"}");
    assert_int_equal(harness_open(h), FLOW_EINVAL);
    assert_string_equal(harness_failure(h),
                        "rule b, '/x = 1', character 4: expected ==, !=, <, <=, "
                        ">, >= or matches, not '= 1'");
    harness_free(h);
    h = route("{\"a\": \"a(\", \"by\": \"text\"}");
    assert_int_equal(harness_open(h), FLOW_EINVAL);
    assert_string_equal(harness_failure(h),
                        "rule a, pattern 'a(', character 3: missing closing parenthesis");
    harness_free(h);
}

TEST(a_record_that_cannot_be_tried_goes_nowhere_and_the_rest_goes_on)
{
    struct harness *h = route("{\"a\": \"/x == 1\"}");
    harness_feed(h, "{\"x\":1");
    harness_feed(h, "{\"x\":1}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_reject(h, 0),
                        "0: not JSON: byte 7: no ',' or '}' after a member of "
                        "an object: \"\"");
    assert_string_equal(harness_text(h, A), "{\"x\":1}\n");
    harness_free(h);

    h = route(
        "{\"a\": \"a\", \"b\": \"(*LIMIT_MATCH=10)(x+)+$\", \"by\": \"text\", \"send\": \"all\"}");
    harness_feed(h, "axxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_reject(h, 0), "0: rule b cannot be tried: match limit exceeded");
    assert_int_equal(harness_count(h, A), 0);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_goes_to_the_first_port_whose_rule_holds),
        cmocka_unit_test(with_all_it_goes_to_every_port_whose_rule_holds),
        cmocka_unit_test(rules_about_text_are_patterns),
        cmocka_unit_test(wrong_rules_are_refused_with_their_port_and_place),
        cmocka_unit_test(a_record_that_cannot_be_tried_goes_nowhere_and_the_rest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
