/* SPDX-License-Identifier: MIT */
#include "control/test_compare.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"

/* What is said of these records; "" if they are as expected. */
static char *said_of(const struct flow_graph_expect *expect, const char *const *texts)
{
    struct flow_test_record items[8];
    struct flow_test_records records = {.items = items};
    for (; texts[records.count] != NULL; records.count++)
        items[records.count] =
            (struct flow_test_record){texts[records.count], strlen(texts[records.count])};
    struct flow_str out = {0};
    flow_str_add(&out, "");
    flow_test_compare(expect, &records, "graph.json", &out);
    char *said = flow_str_take(&out);
    assert_non_null(said);
    return said;
}

/* `conditions`: an object as in a test. */
static void assert_said(const char *conditions, const char *const *texts, const char *expected)
{
    json_t *json = json_loads(conditions, 0, NULL);
    assert_non_null(json);
    char label[] = "out";
    const json_t *count = json_object_get(json, "count");
    const struct flow_graph_expect expect = {
        .label = label,
        .line = 7,
        .records = json_object_get(json, "records"),
        .unordered = json_object_get(json, "unordered"),
        .contains = json_object_get(json, "contains"),
        .matches = json_object_get(json, "matches"),
        .count = count != NULL ? json_integer_value(count) : -1,
    };
    char *said = said_of(&expect, texts);
    assert_string_equal(said, expected);
    free(said);
    json_decref(json);
}

static const char *const three[] = {"one", "two", "two", NULL};
static const char *const none[] = {NULL};

TEST(records_are_compared_in_order_and_the_first_difference_is_told)
{
    assert_said("{\"records\": [\"one\", \"two\", \"two\"]}", three, "");
    assert_said("{\"records\": []}", none, "");
    assert_said("{\"records\": [\"one\", \"zwei\", \"three\"]}", three,
                "graph.json:7: 'out': record 2 is \"two\", not \"zwei\"\n");
    assert_said("{\"records\": [\"one\"]}", three,
                "graph.json:7: 'out': 3 records came, where 1 was expected\n"
                "graph.json:7: 'out': record 2 is one too many: \"two\"\n");
    assert_said("{\"records\": [\"one\", \"two\"]}", none,
                "graph.json:7: 'out': 0 records came, where 2 were expected\n"
                "graph.json:7: 'out': record 1 is missing: \"one\"\n");
}

TEST(what_is_no_text_is_compared_as_json)
{
    static const char *const records[] = {"{ \"b\": [1, 2], \"a\": null }", "17", "no json", NULL};
    assert_said("{\"records\": [{\"a\": null, \"b\": [1, 2]}, 17, \"no json\"]}", records, "");
    assert_said("{\"records\": [{\"a\": 1}, 17, {}]}", records,
                "graph.json:7: 'out': record 1 is \"{ \"b\": [1, 2], \"a\": null }\", not "
                "{\"a\":1}\n");
    assert_said("{\"contains\": [18]}", records, "graph.json:7: 'out': no record is 18\n");
}

TEST(a_set_needs_each_record_for_itself_and_no_other)
{
    assert_said("{\"unordered\": [\"two\", \"one\", \"two\"]}", three, "");
    assert_said("{\"unordered\": [\"one\", \"one\", \"two\"]}", three,
                "graph.json:7: 'out': no record is \"one\"\n"
                "graph.json:7: 'out': record 3 is not expected: \"two\"\n");
    assert_said("{\"contains\": [\"two\"]}", three, "");
    assert_said("{\"contains\": [\"three\"]}", three,
                "graph.json:7: 'out': no record is \"three\"\n");
}

TEST(each_record_has_to_match_each_pattern)
{
    assert_said("{\"matches\": [\"^[a-z]+$\", \"o\"]}", three, "");
    assert_said("{\"matches\": [\"^t\"]}", three,
                "graph.json:7: 'out': record 1 does not match '^t': \"one\"\n");
    assert_said("{\"matches\": [\"^t\"]}", none, "");
}

TEST(a_count_is_a_count)
{
    assert_said("{\"count\": 3}", three, "");
    assert_said("{\"count\": 0}", none, "");
    assert_said("{\"count\": 4}", three,
                "graph.json:7: 'out': 3 records came, where 4 were expected\n");
}

TEST(records_go_through_a_file_as_they_are)
{
    char path[] = "/tmp/flowrun-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    json_t *list = json_loads("[\"\", \"a\\u0000b\", {\"b\": 1}, 7]", JSON_ALLOW_NUL, NULL);
    struct flow_error err = {0};
    assert_int_equal(flow_test_write(path, list, &err), FLOW_OK);
    struct flow_test_records records;
    assert_int_equal(flow_test_read(path, &records, &err), FLOW_OK);
    assert_int_equal(records.count, 4);
    assert_int_equal(records.items[0].size, 0);
    assert_int_equal(records.items[1].size, 3);
    assert_memory_equal(records.items[1].data, "a\0b", 3);
    assert_memory_equal(records.items[2].data, "{\"b\":1}", 7);
    assert_memory_equal(records.items[3].data, "7", 1);
    flow_test_records_clear(&records);

    assert_int_equal(truncate(path, 6), 0); /* in the middle of the second one's size */
    assert_int_equal(flow_test_read(path, &records, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "ends in the middle of a record"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(flow_test_read(path, &records, &err), FLOW_OK);
    assert_int_equal(records.count, 0);
    json_decref(list);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_compared_in_order_and_the_first_difference_is_told),
        cmocka_unit_test(what_is_no_text_is_compared_as_json),
        cmocka_unit_test(a_set_needs_each_record_for_itself_and_no_other),
        cmocka_unit_test(each_record_has_to_match_each_pattern),
        cmocka_unit_test(a_count_is_a_count),
        cmocka_unit_test(records_go_through_a_file_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
