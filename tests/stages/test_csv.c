/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *csv(const char *with)
{
    const struct flow_harness_options options = {.with = with, .batch = 2};
    return flow_harness_new(harness_builtin("csv.parse"), &options);
}

static void check_csv(const char *with, const char *row, const char *expected)
{
    struct flow_harness *h = csv(with);
    flow_harness_feed(h, row);
    if (flow_harness_run(h) != FLOW_OK || flow_harness_reject_count(h) > 0)
        fail_msg("%s: %s%s", row, flow_harness_failure(h),
                 flow_harness_reject_count(h) > 0 ? flow_harness_reject(h, 0) : "");
    assert_string_equal(flow_harness_text(h, 0), expected);
    flow_harness_free(h);
}

static void check_refused(const char *with, const char *row, const char *reason)
{
    struct flow_harness *h = csv(with);
    flow_harness_feed(h, "1,2");
    flow_harness_feed(h, row);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 1);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_string_equal(flow_harness_reject(h, 0), reason);
    flow_harness_free(h);
}

#define ABC "\"columns\": [\"a\", \"b\", \"c\"]"

TEST(rows_become_objects_lists_and_cells)
{
    check_csv("{" ABC "}", "1,two,\"th\"\"ree\"",
              "{\"a\":\"1\",\"b\":\"two\",\"c\":\"th\\\"ree\"}\n");
    check_csv("{" ABC ", \"as\": \"array\"}", ",\"\",\"a,\nb\"", "[\"\",\"\",\"a,\\nb\"]\n");
    check_csv("{" ABC ", \"as\": \"tsv\"}", "x y,\"\"\"\",\"a\tb\\\n\"", "x y\t\"\ta\\tb\\\\\\n\n");
    check_csv("{\"as\": \"array\"}", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18",
              "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\","
              "\"14\",\"15\",\"16\",\"17\",\"18\"]\n");
    check_csv("{\"as\": \"array\"}", "", "[\"\"]\n");
    check_csv("{\"as\": \"tsv\"}", ",,", "\t\t\n");
    check_csv("{\"columns\": \"\\u00e9\\\"\"}", "x", "{\"\xc3\xa9\\\"\":\"x\"}\n");
}

TEST(the_separator_can_be_another_byte)
{
    check_csv("{\"as\": \"array\", \"separator\": \"\\t\"}", "a,b\t\"c\td\"",
              "[\"a,b\",\"c\\td\"]\n");
    check_csv("{\"as\": \"array\", \"separator\": \";\"}", "long field before;b;",
              "[\"long field before\",\"b\",\"\"]\n");
}

TEST(quotes_within_a_field_that_does_not_begin_with_one_are_characters)
{
    check_csv("{\"as\": \"array\"}", "5\" pipe, \"x\"", "[\"5\\\" pipe\",\" \\\"x\\\"\"]\n");
}

TEST(columns_are_selected_by_name_and_number)
{
    check_csv("{" ABC ", \"select\": [\"c\", \"1\", \"c\"]}", "1,2,\"3\"\"\"",
              "{\"c\":\"3\\\"\",\"a\":\"1\",\"c\":\"3\\\"\"}\n");
    check_csv("{\"as\": \"tsv\", \"select\": [\"3\", \"2\"]}", "1,2,3,4", "3\t2\n");
}

TEST(numbers_and_empty_fields_can_be_numbers_and_null)
{
    check_csv("{\"as\": \"array\", \"numbers\": true, \"empty\": \"null\"}",
              "1,-2.5e3,007,,\"\",0x1,\"8\",true",
              "[1,-2.5e3,\"007\",null,null,\"0x1\",8,\"true\"]\n");
}

TEST(rows_that_name_the_columns_are_left_out)
{
    struct flow_harness *h = csv("{" ABC "}");
    flow_harness_feed(h, "\xef\xbb\xbf"
                         "a,\"b\",c");
    flow_harness_feed(h, "1,2,3");
    flow_harness_feed(h, "a,b,c");
    flow_harness_feed(h, "a,b,cc");
    flow_harness_feed(h, "a,b,");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_record(h, 0, 0)->data,
                        "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}");
    flow_harness_free(h);
}

TEST(a_column_can_become_the_key_and_else_the_key_stays)
{
    struct flow_harness *h = csv("{" ABC ", \"as\": \"tsv\", \"select\": \"a\", \"key\": \"b\"}");
    flow_harness_feed_keyed(h, "old", "1,\"x\"\"y\",3");
    flow_harness_feed_keyed(h, "old", "1,,3");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "x\"y");
    assert_null(flow_harness_record(h, 0, 1)->key);
    flow_harness_free(h);
    h = csv("{\"as\": \"tsv\"}");
    flow_harness_feed_keyed(h, "old", "1");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "old");
    flow_harness_free(h);
}

TEST(rows_that_cannot_be_read_are_refused_with_place_and_reason)
{
    const char *with = "{\"columns\": [\"a\", \"b\"]}";
    check_refused(with, "x,\"y", "1: byte 3: a quoted field that does not end: \"\\\"y\"");
    check_refused(with, "x,\"y\"\"",
                  "1: byte 3: a quoted field that does not end: \"\\\"y\\\"\\\"\"");
    check_refused(with, "\"x\"y,z",
                  "1: byte 4: something follows the quote that ends a field: \"y,z\"");
    check_refused(with, "1", "1: 1 field, where 2 are named: \"1\"");
    check_refused(with, "", "1: 1 field, where 2 are named: \"\"");
    check_refused(with, "1,2,3", "1: 3 fields, where 2 are named: \"1,2,3\"");
    check_refused(with, "1,caf\xe9",
                  "1: field 2 is not UTF-8: \"caf\\xe9\"; iconv turns other encodings into it");
    check_refused("{\"as\": \"array\", \"select\": \"2\"}", "1",
                  "1: 1 field, where 2 are asked for: \"1\"");
}

TEST(ragged_rows_can_be_filled_up_and_cut)
{
    check_csv("{" ABC ", \"ragged\": \"pad\"}", "1", "{\"a\":\"1\",\"b\":\"\",\"c\":\"\"}\n");
    check_csv("{" ABC ", \"ragged\": \"pad\", \"empty\": \"null\", \"key\": \"c\"}", "1,2",
              "{\"a\":\"1\",\"b\":\"2\",\"c\":null}\n");
    check_csv("{" ABC ", \"ragged\": \"pad\"}", "1,2,3,4",
              "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}\n");
}

TEST(large_fields_and_zero_bytes_pass)
{
    struct flow_harness *h = csv("{\"as\": \"array\"}");
    flow_harness_feed_bytes(h, "a\0b,\1", 5);
    const size_t size = 1 << 20;
    char *large = malloc(size + 1);
    assert_non_null(large);
    memset(large, '"', size);
    large[size] = '\0';
    flow_harness_feed(h, large);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "[\"a\\u0000b\",\"\\u0001\"]");
    assert_int_equal(flow_harness_record(h, 0, 1)->size, size - 2 + 4);
    flow_harness_free(h);
    free(large);
}

TEST(names_come_from_the_first_line_of_a_file)
{
    char path[] = "/tmp/flowrun-csv-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *text = "\xef\xbb\xbfid;\"the \"\"name\"\"\"\r\n1;2\r\n";
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    char with[200];
    (void)snprintf(with, sizeof(with), "{\"columns_from\": \"%s\", \"separator\": \";\"}", path);
    struct flow_harness *h = csv(with);
    flow_harness_feed(h, "\xef\xbb\xbfid;\"the \"\"name\"\"\"");
    flow_harness_feed(h, "1;2");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "{\"id\":\"1\",\"the \\\"name\\\"\":\"2\"}\n");
    flow_harness_free(h);

    assert_int_equal(truncate(path, 0), 0);
    h = csv(with);
    assert_int_equal(flow_harness_open(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "(columns_from) has no first line with names"));
    flow_harness_free(h);
    assert_int_equal(unlink(path), 0);
    h = csv(with);
    assert_int_equal(flow_harness_open(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "(columns_from): No such file or directory"));
    flow_harness_free(h);
}

TEST(parameters_that_cannot_be_are_refused)
{
    static const struct {
        const char *with, *reason;
    } bad[] = {
        {"{}", "'as': \"object\" needs the names of the columns: give 'columns', or 'columns_from' "
               "with the file that begins with them"},
        {"{\"columns\": \"a\", \"columns_from\": \"x\"}",
         "'columns' and 'columns_from' both name the columns; give one"},
        {"{" ABC ", \"separator\": \"\"}",
         "'separator' is ''; it is one byte, and no quote or line end"},
        {"{" ABC ", \"separator\": \", \"}",
         "'separator' is ', '; it is one byte, and no quote or line end"},
        {"{" ABC ", \"separator\": \"\\\"\"}",
         "'separator' is '\"'; it is one byte, and no quote or line end"},
        {"{" ABC ", \"select\": \"d\"}", "no column 'd' among the 3, from 'a' to 'c'"},
        {"{" ABC ", \"select\": \"4\"}", "no column '4' among the 3, from 'a' to 'c'"},
        {"{" ABC ", \"key\": \"0\"}", "no column '0' among the 3, from 'a' to 'c'"},
        {"{\"as\": \"tsv\", \"select\": \"a\"}",
         "no column 'a': names need 'columns' or 'columns_from', and numbers go from 1 to 100000"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct flow_harness *h = csv(bad[i].with);
        assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
        assert_string_equal(flow_harness_failure(h), bad[i].reason);
        flow_harness_free(h);
    }
}

/* ---- csv.format ---- */

static void check_format(const char *with, const char *const *records, const char *expected)
{
    const struct flow_harness_options options = {.with = with, .batch = 2};
    struct flow_harness *h = flow_harness_new(harness_builtin("csv.format"), &options);
    for (; *records != NULL; records++)
        flow_harness_feed(h, *records);
    if (flow_harness_run(h) != FLOW_OK || flow_harness_reject_count(h) > 0)
        fail_msg("%s%s", flow_harness_failure(h),
                 flow_harness_reject_count(h) > 0 ? flow_harness_reject(h, 0) : "");
    assert_string_equal(flow_harness_text(h, 0), expected);
    flow_harness_free(h);
}

#define FORMAT(with, expected, ...)                                                                \
    check_format(with, (const char *const[]){__VA_ARGS__, NULL}, expected)

TEST(objects_and_lists_become_rows)
{
    FORMAT("{\"columns\": [\"a\", \"b\"]}", "a,b\n1,\"x,\"\"y\"\"\"\n,\n\"two\nlines\",true\n",
           "{\"b\": \"x,\\\"y\\\"\", \"a\": 1}", "{\"a\": null, \"c\": 5}",
           "{\"a\": \"two\\nlines\", \"b\": true}");
    FORMAT(
        "{\"columns\": [\"/1\", \"/0/x\"], \"names\": [\"one\", \"an x\"], \"separator\": \"\\t\"}",
        "one\tan x\n2\t7\n", "[{\"x\": 7}, 2]");
    FORMAT("{\"columns\": [\"a/b~\"], \"header\": false}", "\"[1,\"\"2\"\"]\"\n",
           "{\"a/b~\": [1, \"2\"]}");
    FORMAT("{\"columns\": [\"a\", \"b,\"], \"quote\": \"all\"}", "\"a\",\"b,\"\n\"\",\"0\"\n",
           "{\"b,\": 0}");
}

TEST(the_header_comes_even_without_a_row_and_only_once)
{
    static const char with[] = "{\"columns\": [\"a\"]}";
    FORMAT(with, "a\n", NULL);
    const struct flow_harness_options options = {.with = with, .checkpoints = true};
    struct flow_harness_saved saved;
    struct flow_harness *h = flow_harness_new(harness_builtin("csv.format"), &options);
    flow_harness_feed(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    const struct flow_harness_options again = {.with = with, .checkpoints = true, .resumes = true};
    h = flow_harness_new(harness_builtin("csv.format"), &again);
    flow_harness_feed(h, "{\"a\": 2}");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "2\n");
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(what_cannot_be_a_row_is_refused)
{
    const struct flow_harness_options options = {
        .with = "{\"columns\": [\"a\"], \"missing\": \"reject\"}"};
    struct flow_harness *h = flow_harness_new(harness_builtin("csv.format"), &options);
    flow_harness_feed(h, "{\"b\": 1}");
    flow_harness_feed(h, "{\"a\": ");
    flow_harness_feed(h, "");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "a\n");
    assert_int_equal(flow_harness_reject_count(h), 3);
    assert_string_equal(flow_harness_reject(h, 0), "0: no 'a' in \"{\\\"b\\\": 1}\"");
    assert_non_null(strstr(flow_harness_reject(h, 1), "1: not JSON: byte 7: "));
    assert_non_null(strstr(flow_harness_reject(h, 2), "2: not JSON: byte 1: "));
    flow_harness_free(h);

    static const char *const cases[][2] = {
        {"{\"columns\": []}", "'columns' is empty: a row would have no field"},
        {"{\"columns\": [\"a\"], \"separator\": \"\\n\"}", "'separator' is '\n'"},
        {"{\"columns\": [\"a\"], \"names\": [\"b\", \"c\"]}", "'names' has 2, and 'columns' has 1"},
        {"{\"columns\": [\"a\"], \"names\": [\"b\"], \"header\": false}", "'header' is false"},
        {"{\"columns\": [\"/a~\"]}", "column '/a~': a '~' stands before neither 0 nor 1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_harness_options bad = {.with = cases[i][0]};
        h = flow_harness_new(harness_builtin("csv.format"), &bad);
        assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
        if (strstr(flow_harness_failure(h), cases[i][1]) == NULL)
            fail_msg("%s", flow_harness_failure(h));
        flow_harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_objects_lists_and_cells),
        cmocka_unit_test(the_separator_can_be_another_byte),
        cmocka_unit_test(quotes_within_a_field_that_does_not_begin_with_one_are_characters),
        cmocka_unit_test(columns_are_selected_by_name_and_number),
        cmocka_unit_test(numbers_and_empty_fields_can_be_numbers_and_null),
        cmocka_unit_test(rows_that_name_the_columns_are_left_out),
        cmocka_unit_test(a_column_can_become_the_key_and_else_the_key_stays),
        cmocka_unit_test(rows_that_cannot_be_read_are_refused_with_place_and_reason),
        cmocka_unit_test(ragged_rows_can_be_filled_up_and_cut),
        cmocka_unit_test(large_fields_and_zero_bytes_pass),
        cmocka_unit_test(names_come_from_the_first_line_of_a_file),
        cmocka_unit_test(parameters_that_cannot_be_are_refused),
        cmocka_unit_test(objects_and_lists_become_rows),
        cmocka_unit_test(the_header_comes_even_without_a_row_and_only_once),
        cmocka_unit_test(what_cannot_be_a_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
