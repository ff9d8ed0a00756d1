/* SPDX-License-Identifier: MIT */
/* needs: sqlite.write */
#include "folder.h"
#include "plugin_type.h"

static struct flow_harness *stage(const struct folder *folder, const char *type, const char *rest,
                                  bool resumes, size_t stop_after)
{
    char *with = folder_with(folder, "path", "db", rest);
    const struct flow_harness_options options = {
        .with = with, .checkpoints = true, .resumes = resumes, .stop_after = stop_after};
    struct flow_harness *h = flow_harness_new(plugin_type(type), &options);
    free(with);
    return h;
}

static struct flow_harness *writer(const struct folder *folder, const char *rest, bool resumes)
{
    return stage(folder, "sqlite.write", rest, resumes, 0);
}

/* All is committed. */
static void settle(struct flow_harness *h)
{
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    free(saved.bytes);
}

static void write_all(const struct folder *folder, const char *rest, const char *const *records)
{
    struct flow_harness *h = writer(folder, rest, false);
    for (size_t i = 0; records[i] != NULL; i++)
        flow_harness_feed_keyed(h, "k", records[i]);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 0);
    settle(h);
    flow_harness_free(h);
}

static void expect(const struct folder *folder, const char *rest, const char *text)
{
    struct flow_harness *h = stage(folder, "sqlite.query", rest, false, 0);
    const enum flow_status rc = flow_harness_run(h);
    assert_string_equal(flow_harness_failure(h), "");
    assert_int_equal(rc, FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), text);
    flow_harness_free(h);
}

static const char table[] = ", \"table\": \"t\", \"columns\": [\"a\", \"b c\"],"
                            "\"create\": \"CREATE TABLE IF NOT EXISTS t(a UNIQUE, 'b c')\"";
static const char all[] = ", \"sql\": \"SELECT * FROM t\"";

TEST(values_of_json_keep_their_kinds)
{
    const struct folder folder = folder_new();
    static const char *const records[] = {
        "{\"a\": 1, \"b c\": \"text\"}",
        "{\"b c\": \"\\u00e9\\n\\\"\\ud83d\\ude00\", \"x\": [], \"\\u0061\": 9223372036854775807}",
        "{\"a\": 9223372036854775808, \"b c\": -9223372036854775807}",
        "{\"a\": 1.5e3, \"b c\": null}",
        "{\"a\": true, \"b c\": {\"d\": [1, 2]}}",
        " {} ",
        NULL};
    write_all(&folder,
              ", \"conflict\": \"ignore\", \"table\": \"t\", \"columns\": [\"a\", \"b c\"],"
              "\"create\": \"CREATE TABLE t(a, 'b c')\"",
              records);
    expect(&folder, all,
           "{\"a\":1,\"b c\":\"text\"}\n"
           "{\"a\":9223372036854775807,\"b c\":\"\xc3\xa9\\n\\\"\xf0\x9f\x98\x80\"}\n"
           "{\"a\":9.2233720368547758e+18,\"b c\":-9223372036854775807}\n"
           "{\"a\":1500.0,\"b c\":null}\n"
           "{\"a\":1,\"b c\":\"{\\\"d\\\": [1, 2]}\"}\n"
           "{\"a\":null,\"b c\":null}\n");
    expect(&folder, ", \"sql\": \"SELECT 'a\\tb\\\\', NULL, x'61'\", \"format\": \"tsv\"",
           "a\\tb\\\\\t\\N\ta\n");
    expect(&folder, ", \"sql\": \"SELECT x'0001fe' AS b, x'' AS e, 0.1 AS r\"",
           "{\"b\":\"AAH+\",\"e\":\"\",\"r\":0.1}\n");
    folder_look(&folder, 1);
}

TEST(statements_take_keys_records_and_columns)
{
    const struct folder folder = folder_new();
    static const char *const raw[] = {"{\"n\": 2}", "{\"n\": 3}", NULL};
    write_all(&folder,
              ", \"create\": \"CREATE TABLE t(k, r, n)\", \"sql\": "
              "\"INSERT INTO t VALUES(@key, @record, :n * 2)\"",
              raw);
    expect(&folder, ", \"sql\": \"SELECT * FROM t WHERE n > :n\", \"bind\": {\"n\": 5}",
           "{\"k\":\"k\",\"r\":\"{\\\"n\\\": 3}\",\"n\":6}\n");
    expect(&folder, ", \"sql\": \"SELECT ?2 AS a, ?1 AS b\", \"bind\": [\"x\", 1.5]",
           "{\"a\":1.5,\"b\":\"x\"}\n");
    static const char *const escaped[] = {"{\"n\": \"\\u0041\\n\", \"n\": \"\\u0042\"}", NULL};
    write_all(&folder,
              ", \"create\": \"DELETE FROM t\", \"sql\": \"INSERT INTO t VALUES(:n, $n, @n)\"",
              escaped);
    expect(&folder, all, "{\"k\":\"B\",\"r\":\"B\",\"n\":\"B\"}\n");
    expect(&folder, ", \"sql\": \"SELECT :a AS a, $b AS b\", \"bind\": {\"b\": null, \"a\": true}",
           "{\"a\":1,\"b\":null}\n");
    static const char *const tabs[] = {"a\\tb\t\\N\t7", "\t\\\\\t8", NULL};
    write_all(&folder,
              ", \"format\": \"tsv\", \"table\": \"t\", \"columns\": [\"k\", \"r\", \"n\"],"
              "\"create\": \"DELETE FROM t\"",
              tabs);
    expect(&folder, all,
           "{\"k\":\"a\\tb\",\"r\":null,\"n\":\"7\"}\n{\"k\":\"\",\"r\":\"\\\\\",\"n\":\"8\"}\n");
    folder_look(&folder, 1);
}

TEST(records_that_are_no_rows_are_refused_and_the_others_added)
{
    const struct folder folder = folder_new();
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"{\"a\": 1}", "1: UNIQUE constraint failed: t.a: \"{\\\"a\\\": 1}\""},
        {"[1]", "it is no JSON object"},
        {"", "it is no JSON object"},
        {"{\"a\": 3", "it is no JSON"},
        {"{\"a\": 4} x", "it is no JSON"},
        {"{\"a\": \"\xff\"}", "it is not UTF-8"},
    };
    struct flow_harness *h = writer(&folder, table, false);
    flow_harness_feed(h, "{\"a\": 1}");
    for (size_t i = 0; i < COUNT(cases); i++)
        flow_harness_feed(h, cases[i].text);
    flow_harness_feed(h, "{\"a\": 2}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_non_null(strstr(flow_harness_reject(h, i), cases[i].words));
    settle(h);
    flow_harness_free(h);
    expect(&folder, all, "{\"a\":1,\"b c\":null}\n{\"a\":2,\"b c\":null}\n");
    folder_look(&folder, 1);
}

TEST(parameters_that_make_no_sense_are_refused)
{
    const struct folder folder = folder_new();
    static const struct {
        const char *type, *rest, *words;
    } cases[] = {
        {"sqlite.write", "", "one of 'table' and 'sql' is needed"},
        {"sqlite.write", ", \"table\": \"t\"", "'table' and 'columns' go together"},
        {"sqlite.write", ", \"table\": \"t\", \"columns\": \"a\"", "no such table: t"},
        {"sqlite.write", ", \"sql\": \"SELECT 1\"", "is not one statement that writes"},
        {"sqlite.write",
         ", \"create\": \"CREATE TABLE u(a)\", \"sql\": \"INSERT INTO u VALUES(?)\"",
         "placeholder 1: :field goes with JSON, ? with tsv"},
        {"sqlite.query", ", \"sql\": \"SELEC 1\"", "cannot prepare the query: near \"SELEC\""},
        {"sqlite.query", ", \"sql\": \"SELECT 1; SELECT 2\"", "is not one statement"},
        {"sqlite.query", ", \"sql\": \"DELETE FROM u\"", "'sql' is no query"},
        {"sqlite.query", ", \"sql\": \"SELECT 1 AS a\", \"key\": \"b\"", "has no column 'b'"},
        {"sqlite.query", ", \"sql\": \"SELECT 1\", \"bind\": {\"b\": 1}", "no placeholder :b"},
        {"sqlite.query", ", \"sql\": \"SELECT ?1\", \"bind\": [[1, 2]]",
         "'bind': value 1, [1,2]: "},
        {"sqlite.query", ", \"sql\": \"SELECT ?1\", \"bind\": 1",
         "'bind' is 1: a list or an object is expected"},
        {"sqlite.query", ", \"sql\": \"SELECT 1\", \"poll\": \"1s\"", "'poll' needs 'order'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = stage(&folder, cases[i].type, cases[i].rest, false, 0);
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        if (strstr(flow_harness_failure(h), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_failure(h), cases[i].words);
        flow_harness_free(h);
    }
    folder_look(&folder, 1);
}

/* ---- checkpoints ---- */

static struct flow_harness *go_on(const struct folder *folder,
                                  const struct flow_harness_saved *saved, const char *record)
{
    struct flow_harness *h = writer(folder, table, true);
    if (record != NULL)
        flow_harness_feed(h, record);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    return h;
}

TEST(rows_are_there_once_whenever_the_run_is_killed)
{
    const struct folder folder = folder_new();
    struct flow_harness_saved saved;
    struct flow_harness *h = writer(&folder, table, false);
    flow_harness_feed(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h); /* killed before the commit: nothing is in the database */
    expect(&folder, all, "");

    h = go_on(&folder, &saved, NULL);
    flow_harness_free(h);
    expect(&folder, all, "{\"a\":1,\"b c\":null}\n");

    /* Killed after the commit, which is made again; then a record between save and commit. */
    h = go_on(&folder, &saved, "{\"a\": 2}");
    free(saved.bytes);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    expect(&folder, all, "{\"a\":1,\"b c\":null}\n");
    settle(h);
    flow_harness_free(h);
    expect(&folder, all, "{\"a\":1,\"b c\":null}\n{\"a\":2,\"b c\":null}\n");

    for (size_t size = 0; size < saved.size; size++) {
        const struct flow_harness_saved half = {saved.bytes, size};
        h = writer(&folder, table, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
        flow_harness_free(h);
    }
    free(saved.bytes);
    folder_look(&folder, 1);
}

TEST(another_database_than_the_one_written_to_is_refused)
{
    const struct folder folder = folder_new();
    struct flow_harness_saved saved;
    struct flow_harness *h = writer(&folder, table, false);
    flow_harness_feed(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    settle(h);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    char *path = folder_path(&folder, "db");
    assert_int_equal(remove(path), 0);
    free(path);
    h = writer(&folder, table, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "holds checkpoint 0, and 1 was in it"));
    flow_harness_free(h);
    free(saved.bytes);
    folder_look(&folder, 1);
}

TEST(a_query_goes_on_behind_its_last_row)
{
    const struct folder folder = folder_new();
    static const char *const none[] = {NULL};
    write_all(&folder,
              ", \"create\": \"CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
              "SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i * 0.5 FROM n\","
              "\"table\": \"t\", \"columns\": \"a\"",
              none);
    static const char *const cases[] = {
        ", \"sql\": \"SELECT a FROM t\", \"order\": \"a\", \"key\": \"A\"",
        ", \"sql\": \"SELECT a FROM t\"",
        ", \"sql\": \"SELECT printf('%05d', a * 2) AS s FROM t\", \"order\": \"s\"",
        ", \"sql\": \"SELECT rowid AS i, a FROM t\", \"order\": \"i\"",
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct flow_harness *whole = stage(&folder, "sqlite.query", cases[c], false, 0);
        assert_int_equal(flow_harness_run(whole), FLOW_OK);
        assert_int_equal(flow_harness_count(whole, 0), 3000);
        struct flow_harness_saved saved;
        struct flow_harness *first = stage(&folder, "sqlite.query", cases[c], false, 600);
        assert_int_equal(flow_harness_run(first), FLOW_OK);
        assert_int_equal(flow_harness_save(first, &saved), FLOW_OK);
        struct flow_harness *second = stage(&folder, "sqlite.query", cases[c], true, 0);
        assert_int_equal(flow_harness_open(second), FLOW_OK);
        assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
        assert_int_equal(flow_harness_work(second), FLOW_OK);
        char *both = NULL;
        assert_true(
            asprintf(&both, "%s%s", flow_harness_text(first, 0), flow_harness_text(second, 0)) > 0);
        assert_string_equal(both, flow_harness_text(whole, 0));
        free(both);
        free(saved.bytes);
        flow_harness_free(first);
        flow_harness_free(second);
        flow_harness_free(whole);
    }
    struct flow_harness *h = stage(
        &folder, "sqlite.query", ", \"sql\": \"SELECT 1 AS a FROM t\", \"order\": \"a\"", false, 0);
    assert_int_equal(flow_harness_run(h), FLOW_EINVAL);
    assert_non_null(
        strstr(flow_harness_failure(h), "column 'a' is what it was in the row before in row 2"));
    flow_harness_free(h);
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_json_keep_their_kinds),
        cmocka_unit_test(statements_take_keys_records_and_columns),
        cmocka_unit_test(records_that_are_no_rows_are_refused_and_the_others_added),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
        cmocka_unit_test(rows_are_there_once_whenever_the_run_is_killed),
        cmocka_unit_test(another_database_than_the_one_written_to_is_refused),
        cmocka_unit_test(a_query_goes_on_behind_its_last_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
