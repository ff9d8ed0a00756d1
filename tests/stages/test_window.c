/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/harness.h"

/* window and join. */

struct input {
    unsigned port;
    const char *key, *text;
};

static struct flow_harness *make(const char *type, const char *with, bool resumes,
                                 const struct input *inputs, size_t from, size_t to)
{
    const struct flow_harness_options options = {
        .with = with, .checkpoints = true, .resumes = resumes, .batch = 2};
    struct flow_harness *h = flow_harness_new(harness_builtin(type), &options);
    for (size_t i = from; i < to; i++)
        flow_harness_feed_record(h,
                                 &(struct flow_record){
                                     .port = inputs[i].port,
                                     .data = inputs[i].text,
                                     .size = strlen(inputs[i].text),
                                     .key = inputs[i].key,
                                     .key_size = inputs[i].key != NULL ? strlen(inputs[i].key) : 0,
                                 });
    return h;
}

/* In one go, and saved and restored at each place: the same. */
static void expect(const char *type, const char *with, const struct input *inputs, size_t count,
                   const char *out, const char *other)
{
    struct flow_harness *h = make(type, with, false, inputs, 0, count);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), out);
    assert_string_equal(flow_harness_text(h, 1), other);
    flow_harness_free(h);
    for (size_t cut = 0; cut <= count; cut++) {
        struct flow_harness_saved saved;
        struct flow_harness *first = make(type, with, false, inputs, 0, cut);
        assert_int_equal(flow_harness_open(first), FLOW_OK);
        assert_int_equal(flow_harness_work(first), FLOW_OK);
        assert_int_equal(flow_harness_save(first, &saved), FLOW_OK);
        struct flow_harness *second = make(type, with, true, inputs, cut, count);
        assert_int_equal(flow_harness_open(second), FLOW_OK);
        assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
        assert_int_equal(flow_harness_work(second), FLOW_OK);
        assert_int_equal(flow_harness_finish(second), FLOW_OK);
        char *both = NULL;
        assert_true(asprintf(&both, "%s%s", flow_harness_text(first, 0),
                             flow_harness_text(second, 0)) >= 0);
        assert_string_equal(both, out);
        free(both);
        flow_harness_free(second);
        flow_harness_free(first);
        for (size_t size = 0; size < saved.size; size++) {
            const struct flow_harness_saved half = {saved.bytes, size};
            h = make(type, with, true, inputs, 0, 0);
            assert_int_equal(flow_harness_open(h), FLOW_OK);
            assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
            flow_harness_free(h);
        }
        free(saved.bytes);
    }
}

static void refuses(const char *type, const char *with, const char *words)
{
    struct flow_harness *h = make(type, with, false, NULL, 0, 0);
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), words));
    flow_harness_free(h);
}

static void rejects(const char *type, const char *with, const struct input *input,
                    const char *words)
{
    struct flow_harness *h = make(type, with, false, input, 0, 1);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    if (strstr(flow_harness_reject(h, 0), words) == NULL)
        fail_msg("'%s' lacks '%s'", flow_harness_reject(h, 0), words);
    flow_harness_free(h);
}

/* ---- window ---- */

TEST(numbers_are_summed_up_by_key)
{
    static const struct input inputs[] = {
        {0, "a", "1"}, {0, "b", "-2.5"}, {0, "a", "3"}, {0, "a", "1e1"}, {0, NULL, "7"}};
    expect(
        "window", "{}", inputs, COUNT(inputs),
        "{\"key\":\"a\",\"count\":3,\"sum\":14,\"mean\":4.666666666666667,\"min\":1,\"max\":10}\n"
        "{\"key\":\"b\",\"count\":1,\"sum\":-2.5,\"mean\":-2.5,\"min\":-2.5,\"max\":-2.5}\n"
        "{\"key\":\"\",\"count\":1,\"sum\":7,\"mean\":7,\"min\":7,\"max\":7}\n",
        "");
    expect("window", "{\"count\": 2}", inputs, COUNT(inputs),
           "{\"key\":\"a\",\"count\":2,\"sum\":4,\"mean\":2,\"min\":1,\"max\":3}\n"
           "{\"key\":\"a\",\"count\":1,\"sum\":10,\"mean\":10,\"min\":10,\"max\":10}\n"
           "{\"key\":\"b\",\"count\":1,\"sum\":-2.5,\"mean\":-2.5,\"min\":-2.5,\"max\":-2.5}\n"
           "{\"key\":\"\",\"count\":1,\"sum\":7,\"mean\":7,\"min\":7,\"max\":7}\n",
           "");
}

TEST(quantiles_lie_between_the_values)
{
    static const struct input inputs[] = {
        {0, "a", "4"}, {0, "a", "1"}, {0, "a", "2"}, {0, "a", "3"}};
    expect("window", "{\"quantiles\": [\"0\", \"0.5\", \"0.999\", \"1\"]}", inputs, COUNT(inputs),
           "{\"key\":\"a\",\"count\":4,\"sum\":10,\"mean\":2.5,\"min\":1,\"max\":4,"
           "\"p0\":1,\"p50\":2.5,\"p99.9\":3.997,\"p100\":4}\n",
           "");
}

TEST(windows_of_time_wait_for_what_is_late)
{
    static const struct input inputs[] = {{0, "k", "{\"t\": 61, \"v\": 1, \"g\": \"x\"}"},
                                          {0, "k", "{\"t\": 119.5, \"v\": 2, \"g\": \"x\"}"},
                                          {0, "k", "{\"t\": 125, \"v\": 4, \"g\": 1}"},
                                          {0, "k", "{\"t\": 100, \"v\": 8, \"g\": \"x\"}"},
                                          {0, "k", "{\"t\": 131, \"v\": 16, \"g\": \"x\"}"},
                                          {0, "k", "{\"t\": 119, \"v\": 32, \"g\": \"x\"}"},
                                          {0, "k", "{\"t\": -1, \"v\": 64, \"g\": \"x\"}"}};
    expect("window",
           "{\"time\": \"/t\", \"value\": \"/v\", \"group\": \"/g\", \"size\": \"1m\","
           " \"lateness\": \"10s\"}",
           inputs, COUNT(inputs),
           "{\"key\":\"x\",\"start\":60,\"end\":120,\"count\":3,\"sum\":11,"
           "\"mean\":3.6666666666666665,\"min\":1,\"max\":8}\n"
           "{\"key\":\"1\",\"start\":120,\"end\":180,\"count\":1,\"sum\":4,\"mean\":4,\"min\":4,"
           "\"max\":4}\n"
           "{\"key\":\"x\",\"start\":120,\"end\":180,\"count\":1,\"sum\":16,\"mean\":16,\"min\":16,"
           "\"max\":16}\n",
           "{\"t\": 119, \"v\": 32, \"g\": \"x\"}\n{\"t\": -1, \"v\": 64, \"g\": \"x\"}\n");
    static const struct input dates[] = {{0, "k", "{\"t\": \"2024-02-29T23:59:59.5Z\", \"v\": 1}"}};
    expect(
        "window", "{\"time\": \"/t\", \"value\": \"/v\"}", dates, 1,
        "{\"key\":\"k\",\"start\":1709251140,\"end\":1709251200,\"count\":1,\"sum\":1,\"mean\":1,"
        "\"min\":1,\"max\":1}\n",
        "");
}

TEST(a_window_by_the_clock_ends_when_its_time_is_over)
{
    static const char with[] = "{\"every\": \"1h\"}";
    static const struct input inputs[] = {{0, "a", "1"}, {0, "b", "2"}, {0, "a", "3"}};
    struct flow_harness *h = make("window", with, false, inputs, 0, 3);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 0);
    assert_int_equal(flow_harness_turn(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 2);
    assert_non_null(strstr(flow_harness_text(h, 0), "\"count\":2,\"sum\":4,"));
    flow_harness_feed(h, "5"); /* by the clock it would belong to the window that is over */
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_int_equal(flow_harness_count(h, 1), 0);
    flow_harness_free(h);

    h = make("window", with, true, inputs, 0, 0);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_turn(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 2);
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(records_that_cannot_be_summed_up_are_refused)
{
    const char *timed = "{\"time\": \"/t\", \"value\": \"/v\"}";
    rejects("window", "{}", &(struct input){0, "k", "x"}, "0: it is no number: \"x\"");
    rejects("window", "{}", &(struct input){0, "k", ""}, "it is no number");
    rejects("window", "{}", &(struct input){0, "k", "inf"}, "it is no number");
    rejects("window", "{}", &(struct input){0, "\xff", "1"}, "its key is not UTF-8");
    rejects("window", timed, &(struct input){0, "k", "{\"t\": 1}"}, "there is no number");
    rejects("window", timed, &(struct input){0, "k", "{\"v\": 1}"}, "there is no time");
    rejects("window", timed, &(struct input){0, "k", "{\"t\": \"now\", \"v\": 1}"},
            "that is no time");
    rejects("window", timed, &(struct input){0, "k", "{\"t\": 1, \"v\": 1"}, "it is no JSON");
    rejects("window", timed, &(struct input){0, "k", "{\"t\": 1e12, \"v\": 1}"}, "out of reach");
    rejects("window", "{\"group\": \"/g\"}", &(struct input){0, "k", "1"}, "there is no group");
    refuses("window", "{\"count\": 2, \"time\": \"/t\"}",
            "by 'count', by 'time' or by 'every', not by several");
    refuses("window", "{\"quantiles\": \"2\"}", "quantile '2' is not from 0 to 1");
    refuses("window", "{\"value\": \"v\"}", "value 'v': it does not begin with");
}

/* ---- join ---- */

static const struct input sides[] = {
    {0, "1", "{\"id\":1}"}, {1, "1", "one"},  {1, "2", "two"},        {1, "1", "uno"},
    {0, "3", "{\"id\":3}"}, {1, "4", "four"}, {0, "2", "{\"id\":2}"}, {0, "1", "again"},
};

TEST(records_of_two_sides_are_paired)
{
    const char *pairs = "{\"left\":{\"id\":1},\"right\":\"one\"}\n"
                        "{\"left\":{\"id\":1},\"right\":\"uno\"}\n"
                        "{\"left\":{\"id\":2},\"right\":\"two\"}\n"
                        "{\"left\":\"again\",\"right\":\"uno\"}\n"
                        "{\"left\":\"again\",\"right\":\"one\"}\n";
    static const char *const more[] = {
        "", "{\"left\":{\"id\":3},\"right\":null}\n", "{\"left\":null,\"right\":\"four\"}\n",
        "{\"left\":{\"id\":3},\"right\":null}\n{\"left\":null,\"right\":\"four\"}\n"};
    static const char *const rest[] = {"{\"id\":3}\nfour\n", "four\n", "{\"id\":3}\n", ""};
    static const char *const kinds[] = {"inner", "left", "right", "outer"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char with[40];
        char *out = NULL;
        (void)snprintf(with, sizeof(with), "{\"kind\": \"%s\"}", kinds[i]);
        assert_true(asprintf(&out, "%s%s", pairs, more[i]) > 0);
        expect("join", with, sides, COUNT(sides), out, rest[i]);
        free(out);
    }
}

TEST(records_are_joined_by_fields_and_written_as_text)
{
    static const struct input inputs[] = {
        {0, NULL, "{\"a\": \"\\u0078\"}"}, {1, "x", "right"}, {1, "y", "nobody"}};
    expect("join", "{\"left_field\": \"/a\", \"emit\": \"text\", \"separator\": \" = \"}", inputs,
           COUNT(inputs), "{\"a\": \"\\u0078\"} = right\n", "nobody\n");
}

TEST(records_that_cannot_be_joined_are_refused)
{
    rejects("join", "{}", &(struct input){0, NULL, "x"}, "0: it has no key: \"x\"");
    rejects("join", "{\"right_field\": \"/a\"}", &(struct input){1, NULL, "{}"},
            "the field is missing");
    rejects("join", "{\"right_field\": \"/a\"}", &(struct input){1, NULL, "{"}, "it is no JSON");
    rejects("join", "{}", &(struct input){0, "k", "\xff"}, "it is not UTF-8");
    refuses("join", "{\"left_field\": \"a\"}", "left_field 'a': it does not begin");
}

TEST(what_a_join_keeps_is_bounded)
{
    struct flow_harness *h = make("join", "{\"memory\": \"1MiB\"}", false, NULL, 0, 0);
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 1100; i++)
        flow_harness_feed_keyed(h, "k", text);
    assert_int_equal(flow_harness_run(h), FLOW_ENOMEM);
    assert_non_null(strstr(flow_harness_failure(h), "of both sides take more than 1048576 bytes"));
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_summed_up_by_key),
        cmocka_unit_test(quantiles_lie_between_the_values),
        cmocka_unit_test(windows_of_time_wait_for_what_is_late),
        cmocka_unit_test(a_window_by_the_clock_ends_when_its_time_is_over),
        cmocka_unit_test(records_that_cannot_be_summed_up_are_refused),
        cmocka_unit_test(records_of_two_sides_are_paired),
        cmocka_unit_test(records_are_joined_by_fields_and_written_as_text),
        cmocka_unit_test(records_that_cannot_be_joined_are_refused),
        cmocka_unit_test(what_a_join_keeps_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
