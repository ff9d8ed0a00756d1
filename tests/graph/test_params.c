/* SPDX-License-Identifier: MIT */
/* Parameters, references in strings, and what the command line changes. */
#include <stdio.h>

#include "support/read_graph.h"

static const char graph_text[] =
    "{ \"flowrun\": 1,\n"
    "  \"params\": {\n"
    "    \"text\": { \"type\": \"string\", \"default\": \"book\" },\n"
    "    \"count\": { \"type\": \"int\", \"default\": 3 },\n"
    "    \"factor\": { \"type\": \"float\", \"default\": 0.25 },\n"
    "    \"lower\": { \"type\": \"bool\", \"default\": true },\n"
    "    \"size\": { \"type\": \"size\", \"default\": \"2KiB\" },\n"
    "    \"delay\": { \"type\": \"duration\", \"default\": \"5ms\" },\n"
    "    \"cores\": { \"type\": \"int\", \"default\": \"${env:FLOWRUN_TEST_CORES:-2}\" } },\n"
    "  \"stages\": {\n"
    "    \"n\": { \"use\": \"gen.sequence\", \"with\": { \"count\": \"${param:count}\",\n"
    "           \"size\": \"${param:size}\" } },\n"
    "    \"w\": { \"use\": \"text.words\", \"from\": \"n\", \"workers\": \"${param:cores}\",\n"
    "           \"with\": { \"lower\": \"${param:lower}\" } },\n"
    "    \"s\": { \"use\": \"sleep\", \"from\": \"w\", \"with\": { \"delay\": \"${param:delay}\" "
    "},\n"
    "           \"workers\": \"${env:FLOWRUN_TEST_CORES:-4}\" },\n"
    "    \"x\": { \"use\": \"./scale.so\", \"from\": \"s\",\n"
    "           \"with\": { \"factor\": \"${param:factor}\" } },\n"
    "    \"o\": { \"use\": \"lines.write\", \"from\": \"x\", \"with\": { \"path\":\n"
    "      \"${param:text}-${param:count}-${param:factor}-${param:lower}-${param:size}-$${x}-$5\" "
    "} }\n"
    "  } }";

static json_t *with(const struct flow_graph *graph, const char *stage, const char *key)
{
    return json_object_get(get_stage(graph, stage)->with, key);
}

static void assert_path(const struct flow_graph *graph, const char *expected)
{
    assert_string_equal(json_string_value(with(graph, "o", "path")), expected);
}

TEST(a_string_that_is_one_reference_takes_the_type_of_its_parameter)
{
    struct flow_graph *graph = read_graph(graph_text, NULL);
    assert_true(json_is_integer(with(graph, "n", "count")));
    assert_int_equal(json_integer_value(with(graph, "n", "count")), 3);
    assert_string_equal(json_string_value(with(graph, "n", "size")), "2KiB");
    assert_true(json_is_true(with(graph, "w", "lower")));
    assert_string_equal(json_string_value(with(graph, "s", "delay")), "5ms");
    assert_true(json_real_value(with(graph, "x", "factor")) == 0.25);
    assert_int_equal(get_stage(graph, "w")->workers, 2);
    assert_int_equal(get_stage(graph, "s")->workers, 4);
    flow_graph_free(graph);
}

TEST(inside_a_longer_string_a_parameter_stands_as_it_was_written)
{
    struct flow_graph *graph = read_graph(graph_text, NULL);
    assert_path(graph, "book-3-0.25-true-2KiB-${x}-$5");
    flow_graph_free(graph);
}

TEST(the_command_line_gives_parameters_and_the_last_one_counts)
{
    static const char *const params[] = {
        "text=a=b",  "count=7", "factor=1e1",       "lower=false", "size=64",
        "delay=1us", "text=c",  "text=${env:PATH}", NULL,
    };
    const struct flow_graph_options options = {.params = params};
    struct flow_graph *graph = read_graph(graph_text, &options);
    assert_int_equal(json_integer_value(with(graph, "n", "count")), 7);
    assert_string_equal(json_string_value(with(graph, "n", "size")), "64");
    assert_true(json_is_false(with(graph, "w", "lower")));
    /* What a user gives is never looked at for references. */
    assert_path(graph, "${env:PATH}-7-1e1-false-64-${x}-$5");
    flow_graph_free(graph);
}

TEST(an_environment_variable_counts_where_it_is_set_and_not_empty)
{
    assert_int_equal(setenv("FLOWRUN_TEST_CORES", "8", 1), 0);
    struct flow_graph *graph = read_graph(graph_text, NULL);
    assert_int_equal(get_stage(graph, "w")->workers, 8);
    assert_int_equal(get_stage(graph, "s")->workers, 8);
    flow_graph_free(graph);

    assert_int_equal(setenv("FLOWRUN_TEST_CORES", "", 1), 0);
    graph = read_graph(graph_text, NULL);
    assert_int_equal(get_stage(graph, "s")->workers, 4);
    flow_graph_free(graph);
    assert_int_equal(unsetenv("FLOWRUN_TEST_CORES"), 0);
}

TEST(an_environment_variable_that_is_not_utf8_is_refused)
{
    assert_int_equal(setenv("FLOWRUN_TEST_CORES", "\xff", 1), 0);
    char *messages = NULL;
    assert_null(try_graph(graph_text, NULL, &messages));
    assert_non_null(strstr(messages, "${env:FLOWRUN_TEST_CORES:-2}: the value of this environment "
                                     "variable is not UTF-8 text"));
    free(messages);
    assert_int_equal(unsetenv("FLOWRUN_TEST_CORES"), 0);
}

TEST(set_overrides_single_parameters_with_json_or_text)
{
    static const char *const sets[] = {
        "n.count=12", "o.path=a b.txt", "o.newline=\"1\"", "w.lower=false", "n.size=1KiB", NULL,
    };
    const struct flow_graph_options options = {.sets = sets};
    struct flow_graph *graph = read_graph(graph_text, &options);
    assert_int_equal(json_integer_value(with(graph, "n", "count")), 12);
    assert_string_equal(json_string_value(with(graph, "n", "size")), "1KiB");
    assert_path(graph, "a b.txt");
    assert_string_equal(json_string_value(with(graph, "o", "newline")), "1");
    assert_true(json_is_false(with(graph, "w", "lower")));
    flow_graph_free(graph);
}

TEST(workers_and_mode_of_the_command_line_count_more_than_the_file)
{
    static const char *const workers[] = {"w=5", "s=auto", NULL};
    const struct flow_graph_options options = {.workers = workers, .mode = "processes"};
    struct flow_graph *graph = read_graph(graph_text, &options);
    assert_int_equal(get_stage(graph, "w")->workers, 5);
    assert_int_equal(get_stage(graph, "s")->workers, FLOW_WORKERS_AUTO);
    assert_int_equal(graph->mode, FLOW_PROCESSES);
    flow_graph_free(graph);
}

static struct flow_graph *with_fuse(const char *run, const char *stage, const char *option)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "{\"flowrun\":1,%s\"params\":{\"f\":{\"type\":\"bool\",\"default\":true},"
                   "\"a\":{\"type\":\"string\",\"default\":\"auto\"}},"
                   "\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
                   "\"o\":{\"use\":\"null\",\"from\":\"n\"%s}}}",
                   run, stage);
    const struct flow_graph_options options = {.fuse = option};
    return read_graph(text, &options);
}

TEST(a_stage_says_itself_whether_it_is_fused_or_the_run_does_or_the_command_line)
{
#define RUN(value) "\"run\":{\"fuse\":" value "},"
#define STAGE(value) ",\"fuse\":" value
    static const struct {
        const char *run, *stage, *option;
        enum flow_fuse graph, o;
        bool given;
    } cases[] = {
        {"", "", NULL, FLOW_FUSE_AUTO, FLOW_FUSE_AUTO, false},
        {RUN("true"), "", NULL, FLOW_FUSE_ON, FLOW_FUSE_ON, false},
        {RUN("false"), "", NULL, FLOW_FUSE_OFF, FLOW_FUSE_OFF, false},
        {RUN("\"auto\""), "", NULL, FLOW_FUSE_AUTO, FLOW_FUSE_AUTO, false},
        {RUN("false"), STAGE("true"), NULL, FLOW_FUSE_OFF, FLOW_FUSE_ON, true},
        {RUN("true"), STAGE("\"auto\""), NULL, FLOW_FUSE_ON, FLOW_FUSE_AUTO, true},
        {"", STAGE("\"${param:f}\""), NULL, FLOW_FUSE_AUTO, FLOW_FUSE_ON, true},
        {RUN("\"${param:f}\""), STAGE("\"${param:a}\""), NULL, FLOW_FUSE_ON, FLOW_FUSE_AUTO, true},
        {RUN("true"), "", "off", FLOW_FUSE_OFF, FLOW_FUSE_OFF, false},
        {RUN("false"), "", "auto", FLOW_FUSE_AUTO, FLOW_FUSE_AUTO, false},
        {"", "", "on", FLOW_FUSE_ON, FLOW_FUSE_ON, false},
        {"", STAGE("false"), "on", FLOW_FUSE_ON, FLOW_FUSE_OFF, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_graph *graph = with_fuse(cases[i].run, cases[i].stage, cases[i].option);
        assert_int_equal(graph->fuse, cases[i].graph);
        assert_int_equal(get_stage(graph, "o")->fuse, cases[i].o);
        assert_int_equal(get_stage(graph, "o")->fuse_given, cases[i].given);
        flow_graph_free(graph);
    }
}

TEST(references_are_not_followed_into_what_they_put_in)
{
    struct flow_graph *graph = read_graph(
        "{\"flowrun\":1,\"params\":{\"a\":{\"type\":\"string\",\"default\":\"$${param:b}\"},"
        "\"b\":{\"type\":\"string\",\"default\":\"x\"}},\"stages\":{"
        "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
        "\"o\":{\"use\":\"lines.write\",\"from\":\"n\",\"with\":{\"path\":\"${param:a}/"
        "$$${param:b}\"}}"
        "}}",
        NULL);
    assert_path(graph, "${param:b}/$${param:b}");
    flow_graph_free(graph);
}

TEST(references_cannot_blow_a_graph_up)
{
    struct flow_str text = {0};
    flow_str_add(&text, "{\"flowrun\":1,\"params\":{\"a\":{\"type\":\"string\",\"default\":\"");
    for (int i = 0; i < 100000; i++)
        flow_str_add(&text, "0123456789");
    flow_str_add(&text, "\"}},\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
                        "\"o\":{\"use\":\"lines.write\",\"from\":\"n\",\"with\":{\"path\":\"");
    for (int i = 0; i < 100000; i++)
        flow_str_add(&text, "${param:a}");
    flow_str_add(&text, "\"}}}}");
    char *messages = NULL;
    assert_null(try_graph(text.text, NULL, &messages));
    assert_non_null(
        strstr(messages, "${param:a}: with all references replaced the graph is too large"));
    free(messages);
    flow_str_clear(&text);
}

TEST(a_thousand_parameters_are_enough)
{
    struct flow_str text = {0};
    flow_str_add(&text, "{\"flowrun\":1,\"params\":{");
    for (int i = 0; i < 1001; i++)
        flow_str_addf(&text, "%s\"p%d\":{\"type\":\"int\",\"default\":1}", i > 0 ? "," : "", i);
    flow_str_add(&text, "},\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
                        "\"o\":{\"use\":\"null\",\"from\":\"n\"}}}");
    char *messages = NULL;
    assert_null(try_graph(text.text, NULL, &messages));
    assert_non_null(
        strstr(messages, "the graph declares 1001 parameters, where at most 1000 are allowed"));
    free(messages);
    flow_str_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_that_is_one_reference_takes_the_type_of_its_parameter),
        cmocka_unit_test(inside_a_longer_string_a_parameter_stands_as_it_was_written),
        cmocka_unit_test(the_command_line_gives_parameters_and_the_last_one_counts),
        cmocka_unit_test(an_environment_variable_counts_where_it_is_set_and_not_empty),
        cmocka_unit_test(an_environment_variable_that_is_not_utf8_is_refused),
        cmocka_unit_test(set_overrides_single_parameters_with_json_or_text),
        cmocka_unit_test(workers_and_mode_of_the_command_line_count_more_than_the_file),
        cmocka_unit_test(
            a_stage_says_itself_whether_it_is_fused_or_the_run_does_or_the_command_line),
        cmocka_unit_test(references_are_not_followed_into_what_they_put_in),
        cmocka_unit_test(references_cannot_blow_a_graph_up),
        cmocka_unit_test(a_thousand_parameters_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
