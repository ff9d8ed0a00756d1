/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

struct state {
    char *path;
    int64_t count;
    int64_t any;
    double gain;
    double ratio;
    bool wrap;
    uint64_t buffer;
    int64_t delay;
    int mode;
    struct flow_list files;
    char *extra;
    char *prefix;
};

static const struct flow_param table[] = {
    FLOW_PARAM_STR(struct state, path, FLOW_REQUIRED, "file to read"),
    FLOW_PARAM_I64(struct state, count, "10", 1, 0x1p53, "how many [records]"),
    FLOW_PARAM_I64(struct state, any, "-3", -0x1p53, 0x1p53, "any number"),
    FLOW_PARAM_F64(struct state, gain, "0.1", -INFINITY, 2.5, "gain"),
    FLOW_PARAM_F64(struct state, ratio, "1", 0.1, INFINITY, "ratio"),
    FLOW_PARAM_BOOL(struct state, wrap, "true", "go round"),
    FLOW_PARAM_SIZE(struct state, buffer, "64KiB", 0, 1 << 20, "buffer [bytes]"),
    FLOW_PARAM_DURATION(struct state, delay, "250ms", 0, 3600e9, "delay"),
    FLOW_PARAM_ENUM(struct state, mode, "slow", "fast|slow", "how"),
    FLOW_PARAM_LIST(struct state, files, NULL, "files"),
    FLOW_PARAM_JSON(struct state, extra, "{\"a\":1}", "anything"),
    FLOW_PARAM_STR(struct state, prefix, "", "before each line"),
    FLOW_PARAM_END,
};

TEST(a_description_has_a_row_per_parameter)
{
    struct flow_str out = {0};
    flow_params_describe(table, &out);
    char *text = flow_str_take(&out);
    assert_string_equal(text, "  path    string          required   file to read\n"
                              "  count   integer >= 1    = 10       how many [records]\n"
                              "  any     integer         = -3       any number\n"
                              "  gain    number <= 2.5   = 0.1      gain\n"
                              "  ratio   number >= 0.1   = 1        ratio\n"
                              "  wrap    true|false      = true     go round\n"
                              "  buffer  size <= 1MiB    = 64KiB    buffer [bytes]\n"
                              "  delay   duration <= 1h  = 250ms    delay\n"
                              "  mode    fast|slow       = slow     how\n"
                              "  files   strings         optional   files\n"
                              "  extra   JSON            = {\"a\":1}  anything\n"
                              "  prefix  string          = \"\"       before each line\n");
    free(text);
}

TEST(a_page_has_a_table_with_a_row_per_parameter)
{
    struct flow_str out = {0};
    flow_params_markdown(table, &out);
    char *text = flow_str_take(&out);
    assert_string_equal(text, "| parameter | value | unit | default | range | |\n"
                              "|---|---|---|---|---|---|\n"
                              "| `path` | string |  | required |  | file to read |\n"
                              "| `count` | integer | records | `10` | 1 or more | how many |\n"
                              "| `any` | integer |  | `-3` |  | any number |\n"
                              "| `gain` | number |  | `0.1` | up to 2.5 | gain |\n"
                              "| `ratio` | number |  | `1` | 0.1 or more | ratio |\n"
                              "| `wrap` | boolean |  | `true` |  | go round |\n"
                              "| `buffer` | size | bytes | `\"64KiB\"` | up to 1MiB | buffer |\n"
                              "| `delay` | duration |  | `\"250ms\"` | up to 1h | delay |\n"
                              "| `mode` | `fast`, `slow` |  | `\"slow\"` |  | how |\n"
                              "| `files` | list of strings |  | none |  | files |\n"
                              "| `extra` | JSON |  | `{\"a\":1}` |  | anything |\n"
                              "| `prefix` | string |  | `\"\"` |  | before each line |\n");
    free(text);
    out = (struct flow_str){0};
    flow_params_markdown(NULL, &out);
    assert_int_equal(out.size, 0);
}

TEST(what_markdown_would_take_for_its_own_shows_as_it_is)
{
    static const struct flow_param rows[] = {
        FLOW_PARAM_STR(struct state, path, "a|b", "*.txt | \\n | <none>"),
        FLOW_PARAM_STR(struct state, prefix, "`", "`"),
        FLOW_PARAM_END,
    };
    struct flow_str out = {0};
    flow_params_markdown(rows, &out);
    char *text = flow_str_take(&out);
    assert_non_null(strstr(text, "| `path` | string |  | `\"a\\|b\"` |  |"
                                 " \\*.txt \\| \\\\n \\| \\<none> |\n"));
    assert_non_null(strstr(text, "| `prefix` | string |  | ``\"`\"`` |  | \\` |\n"));
    free(text);
}

TEST(a_list_for_programs_has_an_object_per_parameter)
{
    json_t *list = flow_params_list(table);
    json_t *expected = json_loads(
        "[{\"name\": \"path\", \"type\": \"string\", \"unit\": null, \"required\": true,"
        "  \"default\": null, \"min\": null, \"max\": null, \"choices\": null,"
        "  \"help\": \"file to read\"},"
        " {\"name\": \"count\", \"type\": \"integer\", \"unit\": \"records\","
        "  \"required\": false, \"default\": 10, \"min\": 1, \"max\": null,"
        "  \"choices\": null, \"help\": \"how many\"},"
        " {\"name\": \"delay\", \"type\": \"duration\", \"unit\": null, \"required\": false,"
        "  \"default\": \"250ms\", \"min\": null, \"max\": 3600000000000,"
        "  \"choices\": null, \"help\": \"delay\"},"
        " {\"name\": \"mode\", \"type\": \"choice\", \"unit\": null, \"required\": false,"
        "  \"default\": \"slow\", \"min\": null, \"max\": null,"
        "  \"choices\": [\"fast\", \"slow\"], \"help\": \"how\"}]",
        0, NULL);
    assert_non_null(expected);
    assert_int_equal(json_array_size(list), 12);
    static const size_t rows[] = {0, 1, 7, 8};
    for (size_t i = 0; i < 4; i++)
        assert_true(json_equal(json_array_get(list, rows[i]), json_array_get(expected, i)));
    json_decref(list);
    json_decref(expected);
    list = flow_params_list(NULL);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

TEST(a_default_that_would_not_show_is_quoted)
{
    static const struct flow_param rows[] = {
        FLOW_PARAM_STR(struct state, path, "\n", "line end"),
        FLOW_PARAM_STR(struct state, prefix, "\t\"\\\x1b", "before each line"),
        FLOW_PARAM_END,
    };
    struct flow_str out = {0};
    flow_params_describe(rows, &out);
    char *text = flow_str_take(&out);
    assert_string_equal(text, "  path    string  = \"\\n\"            line end\n"
                              "  prefix  string  = \"\\t\\\"\\\\\\u001b\"  before each line\n");
    free(text);
}

TEST(a_table_without_rows_has_no_description)
{
    struct flow_str out = {0};
    flow_params_describe(NULL, &out);
    assert_int_equal(out.size, 0);
    flow_str_clear(&out);
}

TEST(a_schema_says_what_reading_accepts)
{
    json_t *schema = flow_params_schema(table);
    char *text = json_dumps(schema, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_t *expected = json_loads(
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\"],"
        "\"properties\":{"
        "\"path\":{\"type\":\"string\",\"description\":\"file to read\"},"
        "\"count\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},{\"type\":\"string\","
        "\"pattern\":\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"how many "
        "[records]\",\"default\":10},"
        "\"any\":{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"pattern\":"
        "\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"any number\",\"default\":-3},"
        "\"gain\":{\"anyOf\":[{\"type\":\"number\",\"maximum\":2.5},{\"type\":\"string\","
        "\"pattern\":\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"gain\",\"default\":0.1},"
        "\"ratio\":{\"anyOf\":[{\"type\":\"number\",\"minimum\":0.1},{\"type\":\"string\","
        "\"pattern\":\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"ratio\",\"default\":1},"
        "\"wrap\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"string\",\"pattern\":"
        "\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"go round\",\"default\":true},"
        "\"buffer\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0,\"maximum\":1048576},"
        "{\"type\":\"string\",\"pattern\":\"^[0-9]+(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$\"},"
        "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{.+\\\\}\"}],"
        "\"description\":\"buffer [bytes]\",\"default\":\"64KiB\"},"
        "\"delay\":{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^[0-9]+(ns|us|ms|s|m|h)$\"},"
        "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"delay\","
        "\"default\":\"250ms\"},"
        "\"mode\":{\"anyOf\":[{\"enum\":[\"fast\",\"slow\"]},{\"type\":\"string\",\"pattern\":"
        "\"\\\\$\\\\{.+\\\\}\"}],\"description\":\"how\",\"default\":\"slow\"},"
        "\"files\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":"
        "{\"type\":\"string\"}}],\"description\":\"files\"},"
        "\"extra\":{\"description\":\"anything\",\"default\":{\"a\":1}},"
        "\"prefix\":{\"type\":\"string\",\"description\":\"before each line\",\"default\":\"\"}}}",
        0, NULL);
    assert_non_null(expected);
    if (!json_equal(schema, expected))
        print_error("the schema is %s\n", text);
    assert_true(json_equal(schema, expected));
    free(text);
    json_decref(expected);
    json_decref(schema);
}

TEST(the_schema_of_no_parameters_accepts_only_an_empty_object)
{
    json_t *schema = flow_params_schema(NULL);
    char *text = json_dumps(schema, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text,
                        "{\"additionalProperties\":false,\"properties\":{},\"type\":\"object\"}");
    free(text);
    json_decref(schema);
}

TEST(a_failed_allocation_gives_no_half_schema_and_no_half_description)
{
    int schemas = 0;
    for (bool failed = true; failed; schemas++) {
        flow_mem_fail_at(schemas);
        json_t *schema = flow_params_schema(table);
        flow_mem_fail_at(-1);
        failed = schema == NULL;
        if (!failed)
            assert_int_equal(json_object_size(json_object_get(schema, "properties")), 12);
        json_decref(schema);
    }
    assert_true(schemas > 100);

    int descriptions = 0;
    for (bool failed = true; failed; descriptions++) {
        struct flow_str out = {0};
        flow_mem_fail_at(descriptions);
        flow_params_describe(table, &out);
        flow_mem_fail_at(-1);
        failed = out.failed;
        flow_str_clear(&out);
    }
    assert_true(descriptions > 30);
}

TEST(a_failed_allocation_gives_no_half_table_and_no_half_list)
{
    int tables = 0;
    for (bool failed = true; failed; tables++) {
        struct flow_str out = {0};
        flow_mem_fail_at(tables);
        flow_params_markdown(table, &out);
        flow_mem_fail_at(-1);
        failed = out.failed;
        flow_str_clear(&out);
    }
    assert_true(tables > 30);

    int lists = 0;
    for (bool failed = true; failed; lists++) {
        flow_mem_fail_at(lists);
        json_t *list = flow_params_list(table);
        flow_mem_fail_at(-1);
        failed = list == NULL;
        json_decref(list);
    }
    assert_true(lists > 100);
}

int main(void)
{
    json_set_alloc_funcs(flow_alloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_has_a_row_per_parameter),
        cmocka_unit_test(a_page_has_a_table_with_a_row_per_parameter),
        cmocka_unit_test(what_markdown_would_take_for_its_own_shows_as_it_is),
        cmocka_unit_test(a_list_for_programs_has_an_object_per_parameter),
        cmocka_unit_test(a_default_that_would_not_show_is_quoted),
        cmocka_unit_test(a_table_without_rows_has_no_description),
        cmocka_unit_test(a_schema_says_what_reading_accepts),
        cmocka_unit_test(the_schema_of_no_parameters_accepts_only_an_empty_object),
        cmocka_unit_test(a_failed_allocation_gives_no_half_schema_and_no_half_description),
        cmocka_unit_test(a_failed_allocation_gives_no_half_table_and_no_half_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
