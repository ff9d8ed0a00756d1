/* SPDX-License-Identifier: MIT */
#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

/* batch and sort. */

static struct flow_harness *make(const char *type, const char *with, bool checkpoints, bool resumes)
{
    const struct flow_harness_options options = {
        .with = with, .checkpoints = checkpoints, .resumes = resumes, .batch = 7};
    return flow_harness_new(harness_builtin(type), &options);
}

static void expect(const char *type, const char *with, const char *const *records, const char *text)
{
    struct flow_harness *h = make(type, with, false, false);
    for (size_t i = 0; records[i] != NULL; i++)
        flow_harness_feed(h, records[i]);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), text);
    flow_harness_free(h);
}

static void refuses(const char *type, const char *with, const char *words)
{
    struct flow_harness *h = make(type, with, false, false);
    assert_int_not_equal(flow_harness_open(h), FLOW_OK);
    if (strstr(flow_harness_failure(h), words) == NULL)
        fail_msg("'%s' lacks '%s'", flow_harness_failure(h), words);
    flow_harness_free(h);
}

/* ---- batch ---- */

TEST(records_are_joined_by_count_and_size)
{
    static const char *const records[] = {"1", "22", "", "\"4\"", NULL};
    expect("batch", "{\"count\": 2, \"separator\": \"; \"}", records, "1; 22\n; \"4\"\n");
    expect("batch", "{\"bytes\": 4, \"separator\": \"+\"}", records, "1+22\n+\"4\"\n");
    expect("batch", "{\"as\": \"strings\"}", records, "[\"1\",\"22\",\"\",\"\\\"4\\\"\"]\n");
    expect("batch", "{}", records + 4, "");
}

TEST(arrays_of_json_take_only_json)
{
    struct flow_harness *h = make("batch", "{\"as\": \"json\"}", false, false);
    flow_harness_feed(h, "{\"a\": [1]}");
    flow_harness_feed(h, "{\"a\": ");
    flow_harness_feed(h, "\"\xff\"");
    flow_harness_feed(h, " 2 ");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "[{\"a\": [1]}, 2 ]\n");
    assert_int_equal(flow_harness_reject_count(h), 2);
    assert_string_equal(flow_harness_reject(h, 0), "1: it is no JSON: \"{\\\"a\\\": \"");
    assert_string_equal(flow_harness_reject(h, 1), "2: it is not UTF-8: \"\\\"\\xff\\\"\"");
    flow_harness_free(h);
}

TEST(a_batch_does_not_get_older_than_it_may)
{
    struct flow_harness *h = make("batch", "{\"age\": \"1h\", \"count\": 3}", true, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    for (int i = 0; i < 4; i++)
        flow_harness_feed(h, "a");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "a\na\na\n");
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_turn(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "a\na\na\na\n");
    flow_harness_free(h);

    h = make("batch", "{\"age\": \"1h\", \"count\": 3}", true, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_turn(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "a\n");
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(what_goes_by_the_clock_is_refused_where_results_have_their_turns)
{
    static const char *const cases[][2] = {{"batch", "{\"age\": \"1s\"}"},
                                           {"window", "{\"every\": \"1s\"}"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_harness_options options = {
            .with = cases[i][1], .replicas = 2, .numbered = true};
        struct flow_harness *h = flow_harness_new(harness_builtin(cases[i][0]), &options);
        assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
        assert_non_null(strstr(flow_harness_failure(h), "\"order\": \"none\" or one worker"));
        flow_harness_free(h);
    }
}

/* ---- sort ---- */

TEST(records_are_sorted_by_bytes_and_by_numbers)
{
    static const char *const records[] = {"b",  "a",   "",  "a\x01", "abcdefgh2", "abcdefgh1",
                                          "10", "9.5", "9", "-3",    NULL};
    expect("sort", "{}", records, "\n-3\n10\n9\n9.5\na\na\x01\nabcdefgh1\nabcdefgh2\nb\n");
    expect("sort", "{\"reverse\": true}", records,
           "b\nabcdefgh2\nabcdefgh1\na\x01\na\n9.5\n9\n10\n-3\n\n");
    static const char *const numbers[] = {"10 a",
                                          "9.50",
                                          "-0",
                                          "9.5 b",
                                          "1e1 c",
                                          "100000000000000000000001",
                                          "100000000000000000000000",
                                          "-100000000000000000000001",
                                          "-100000000000000000000002",
                                          "0",
                                          NULL};
    expect("sort", "{\"numeric\": true}", numbers,
           "-100000000000000000000002\n-100000000000000000000001\n-0\n0\n9.50\n9.5 b\n10 a\n1e1 c\n"
           "100000000000000000000000\n100000000000000000000001\n");
    expect("sort", "{\"numeric\": true, \"unique\": true, \"reverse\": true}", numbers,
           "100000000000000000000001\n100000000000000000000000\n10 a\n9.50\n-0\n"
           "-100000000000000000000001\n-100000000000000000000002\n");
}

TEST(records_are_sorted_by_columns_fields_and_keys)
{
    static const char *const columns[] = {"a,2", "b,1,x", "c,1", "d,10", NULL};
    expect("sort", "{\"by\": \"column\", \"column\": 2, \"separator\": \",\"}", columns,
           "b,1,x\nc,1\nd,10\na,2\n");
    static const char *const fields[] = {"{\"a\": {\"b\": \"y\"}}", "{\"a\": {\"b\": \"\\u0078\"}}",
                                         "{\"a\": {\"b\": \"xa\"}}", NULL};
    expect("sort", "{\"by\": \"field\", \"field\": \"/a/b\"}", fields,
           "{\"a\": {\"b\": \"\\u0078\"}}\n{\"a\": {\"b\": \"xa\"}}\n{\"a\": {\"b\": \"y\"}}\n");
    struct flow_harness *h = make("sort", "{\"by\": \"key\"}", false, false);
    flow_harness_feed_keyed(h, "b", "1");
    flow_harness_feed_keyed(h, "a", "2");
    flow_harness_feed(h, "3");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "2\n1\n");
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "a");
    assert_string_equal(flow_harness_reject(h, 0), "2: it has no key: \"3\"");
    flow_harness_free(h);
}

TEST(records_without_the_value_are_refused)
{
    static const struct {
        const char *with, *record, *words;
    } cases[] = {
        {"{\"numeric\": true}", "x1", "no number is there to sort it by"},
        {"{\"by\": \"column\", \"column\": 2}", "x", "it has no such column"},
        {"{\"by\": \"field\", \"field\": \"/a\"}", "{}", "it has no such field"},
        {"{\"by\": \"field\", \"field\": \"/a\"}", "{", "it is no JSON"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = make("sort", cases[i].with, false, false);
        flow_harness_feed(h, cases[i].record);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_non_null(strstr(flow_harness_reject(h, 0), cases[i].words));
        assert_int_equal(flow_harness_count(h, 0), 0);
        flow_harness_free(h);
    }
    refuses("sort", "{\"by\": \"field\"}", "go together");
    refuses("sort", "{\"separator\": \"ab\"}", "is not one byte");
    refuses("sort", "{\"by\": \"field\", \"field\": \"a\"}", "does not begin with");
}

static const char *shuffled(size_t i)
{
    static char text[64];
    (void)snprintf(text, sizeof(text), "%zu and some more to fill the memory", i * 7919 % 100003);
    return text;
}

static void assert_shuffled_is_sorted(const struct flow_harness *h, size_t count)
{
    assert_int_equal(flow_harness_count(h, 0), count);
    long before = -1;
    for (size_t i = 0; i < count; i += 1 + i / 1000) { /* the harness looks from the front */
        const long now = strtol(flow_harness_record(h, 0, i)->data, NULL, 10);
        assert_true(now > before);
        before = now;
    }
}

TEST(more_than_memory_holds_goes_to_files)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "temp", "t", ", \"numeric\": true, \"memory\": \"1MiB\"");
    struct flow_harness *h = make("sort", with, false, false);
    for (size_t i = 0; i < 60000; i++)
        flow_harness_feed(h, shuffled(i));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_shuffled_is_sorted(h, 60000);
    flow_harness_free(h);
    assert_int_equal(folder_look(&folder, 0), 1);
    char *path = folder_path(&folder, "t");
    assert_int_equal(rmdir(path), 0); /* nothing is left in it */
    free(path);
    free(with);
    folder_look(&folder, 1);
}

TEST(sorting_goes_on_from_a_checkpoint)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "temp", "", ", \"numeric\": true");
    struct flow_harness *h = make("sort", with, true, false);
    struct flow_harness_saved saved = {0};
    size_t fed = 0;
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    for (int round = 0; round < 70; round++) { /* so many files that some are merged */
        free(saved.bytes);
        for (int i = 0; i < 20; i++)
            flow_harness_feed(h, shuffled(fed++));
        assert_int_equal(flow_harness_work(h), FLOW_OK);
        assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
        if (round % 2 == 0)
            assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
        flow_harness_free(h);
        h = make("sort", with, true, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    }
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_shuffled_is_sorted(h, fed);
    flow_harness_free(h);

    for (size_t size = 0; size < saved.size; size++) {
        const struct flow_harness_saved half = {saved.bytes, size};
        h = make("sort", with, true, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        const enum flow_status rc = flow_harness_restore(h, &half);
        assert_int_not_equal(rc, FLOW_OK);
        flow_harness_free(h);
    }
    char *scratch = folder_path(&folder, ".flowrun-sort-stage-0");
    char *remove_all = NULL;
    assert_true(asprintf(&remove_all, "rm -r %s", scratch) > 0);
    assert_int_equal(system(remove_all), 0); /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
    h = make("sort", with, true, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "has 0 bytes, at the checkpoint it had"));
    flow_harness_free(h);
    free(remove_all);
    free(scratch);
    free(saved.bytes);
    free(with);
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_joined_by_count_and_size),
        cmocka_unit_test(arrays_of_json_take_only_json),
        cmocka_unit_test(a_batch_does_not_get_older_than_it_may),
        cmocka_unit_test(what_goes_by_the_clock_is_refused_where_results_have_their_turns),
        cmocka_unit_test(records_are_sorted_by_bytes_and_by_numbers),
        cmocka_unit_test(records_are_sorted_by_columns_fields_and_keys),
        cmocka_unit_test(records_without_the_value_are_refused),
        cmocka_unit_test(more_than_memory_holds_goes_to_files),
        cmocka_unit_test(sorting_goes_on_from_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
