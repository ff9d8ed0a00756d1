/* SPDX-License-Identifier: MIT */
/* needs: postgres.copy */
#include <stdlib.h>

#include "plugin_type.h"
#include "server.h"

/* postgres.copy against a real server, asked by psql. */

static int start(void **state)
{
    (void)state;
    return server_start("postgres");
}

/* What the server answers: values with | between them, rows with blanks. */
static const char *ask(const char *sql)
{
    return server_hear("PGOPTIONS=--client-min-messages=warning psql '%s' -qtA -v ON_ERROR_STOP=1 "
                       "-c \"%s\" 2>&1",
                       server.address, sql);
}

static struct flow_harness *make(const char *rest, struct flow_harness_options options)
{
    char *with = NULL;
    assert_true(asprintf(&with, "{\"connection\": \"%s\"%s}", server.address, rest) > 0);
    options.with = with;
    struct flow_harness *h = flow_harness_new(plugin_type("postgres.copy"), &options);
    free(with);
    return h;
}

static void write_all(const char *rest, size_t batch, const char *const *records)
{
    struct flow_harness *h = make(rest, (struct flow_harness_options){.batch = batch});
    for (size_t i = 0; records[i] != NULL; i++)
        flow_harness_feed(h, records[i]);
    const enum flow_status rc = flow_harness_run(h);
    assert_string_equal(flow_harness_failure(h), "");
    assert_int_equal(rc, FLOW_OK);
    if (flow_harness_reject_count(h) > 0)
        fail_msg("%s", flow_harness_reject(h, 0));
    flow_harness_free(h);
}

TEST(values_of_json_keep_their_kinds)
{
    static const char *const records[] = {
        "{\"a\": 1, \"b c\": \"text\"}",
        "{\"b c\": \"\\u00e9\\n\\t\\\"\\\\N\\ud83d\\ude00\", \"x\": [], \"\\u0061\": 2.5}",
        "{\"a\": -3e2, \"b c\": null}",
        "{\"a\": true, \"b c\": {\"d\":\n\t[1, \"\\n\"]}}",
        "{\"b c\": \"\"}",
        " {} ",
        NULL};
    write_all(
        ", \"table\": \"public.kinds\", \"columns\": [\"a\", \"b c\"], \"create\": \"DROP TABLE "
        "IF EXISTS kinds; CREATE TABLE kinds(n serial, a text, \\\"b c\\\" text)\"",
        2, records);
    assert_string_equal(ask("SELECT n, coalesce(a, 'NULL'), coalesce(replace(replace(\\\"b c\\\", "
                            "chr(10), 'LF'), chr(9), 'TAB'), 'NULL') FROM kinds ORDER BY n"),
                        "1|1|text "
                        "2|2.5|\xc3\xa9LFTAB\"\\N\xf0\x9f\x98\x80 "
                        "3|-3e2|NULL "
                        "4|true|{\"d\":LFTAB[1, \"\\n\"]} "
                        "5|NULL| "
                        "6|NULL|NULL");
}

TEST(lines_are_given_as_they_are)
{
    static const char *const text[] = {"1\tone", "2\t\\N", "3\ta\\tb", NULL};
    static const char *const csv[] = {"1,one", "2,", "3,\"a, \"\"b\"\"\nc\"", "4,\"\"", NULL};
    (void)ask("DROP TABLE IF EXISTS lines; CREATE TABLE lines(n int, t text)");
    write_all(", \"table\": \"lines\", \"format\": \"text\"", 0, text);
    assert_string_equal(ask("SELECT * FROM lines ORDER BY n"), "1|one 2| 3|a\tb");
    (void)ask("DELETE FROM lines");
    write_all(", \"table\": \"lines\", \"format\": \"csv\", \"columns\": [\"n\", \"t\"]", 1, csv);
    assert_string_equal(ask("SELECT n, t IS NULL, replace(t, chr(10), 'LF') FROM lines ORDER BY n"),
                        "1|f|one 2|t| 3|f|a, \"b\"LFc 4|f|");
}

/* All is committed. */
static void settle(struct flow_harness *h)
{
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    free(saved.bytes);
}

/* Feed `count` numbers as rows, those in `bad` (sorted, 0 ends) as rows of the text given. */
static void feed(struct flow_harness *h, int count, const int *bad, const char *text)
{
    for (int i = 1; i <= count; i++) {
        char row[64];
        (void)snprintf(row, sizeof(row), "%d\tx", i);
        flow_harness_feed(h, i == *bad ? text : row);
        bad += i == *bad;
    }
}

TEST(rows_that_the_server_refuses_are_refused_one_by_one)
{
    static const int none[] = {0};
    static const struct {
        const char *create, *bad, *words;
        int at[8];
    } cases[] = {
        {"n int, t text", "x\ty", "invalid input syntax for type integer: \"x\": \"x\\ty\"", {7}},
        {"n int, t text", "5", "missing data for column \"t\": \"5\"", {1, 2, 500, 999, 1000}},
        {"n int, t text", "5\t6\t7", "extra data after last expected column", {1000}},
        {"n int, t text", "5\t\xff", "invalid byte sequence for encoding", {3, 4}},
        {"n int UNIQUE, t text", "6\tz", "duplicate key value violates unique constraint", {300}},
        {"n int CHECK (n > 0), t text", "-1\tz", "violates check constraint", {1, 64, 65, 128}},
        {"n int NOT NULL, t text", "\\N\tz", "null value in column \"n\"", {12}},
        /* told at the end of the statement, without the line */
        {"n int REFERENCES known(n), t text", "-7\tz", "violates foreign key", {5, 6, 900}},
        {"n int, t text", "", "invalid input syntax for type integer", {10}},
    };
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        char sql[512];
        size_t bad = 0;
        while (cases[i / 2].at[bad] != 0)
            bad++;
        (void)snprintf(sql, sizeof(sql),
                       "DROP TABLE IF EXISTS bad, known; CREATE TABLE known(n int PRIMARY KEY); "
                       "INSERT INTO known SELECT generate_series(1, 1000); CREATE TABLE bad(%s)",
                       cases[i / 2].create);
        assert_string_equal(ask(sql), "");
        struct flow_harness *h = make(", \"table\": \"bad\", \"format\": \"text\"",
                                      (struct flow_harness_options){.checkpoints = i % 2 == 1});
        feed(h, 1000, bad > 0 ? cases[i / 2].at : none, cases[i / 2].bad);
        const enum flow_status rc = flow_harness_run(h);
        assert_string_equal(flow_harness_failure(h), "");
        assert_int_equal(rc, FLOW_OK);
        assert_int_equal(flow_harness_reject_count(h), bad);
        for (size_t k = 0; k < bad; k++) {
            assert_int_equal(atoi(flow_harness_reject(h, k)), cases[i / 2].at[k] - 1);
            if (strstr(flow_harness_reject(h, k), cases[i / 2].words) == NULL)
                fail_msg("'%s' lacks '%s'", flow_harness_reject(h, k), cases[i / 2].words);
        }
        if (i % 2 == 1)
            settle(h);
        flow_harness_free(h);
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) = %zu, count(DISTINCT n) = %zu FROM bad",
                       1000 - bad, 1000 - bad);
        assert_string_equal(ask(sql), "t|t");
    }
}

TEST(lines_that_would_be_more_or_less_than_a_row_are_refused)
{
    static const struct {
        const char *format, *line, *words;
    } cases[] = {
        {"text", "1\ta\n2\tb", "it has a line end, and so would be two rows"},
        {"text", "\\.", "it is what ends the rows of COPY"},
        {"csv", "\\.", "it is what ends the rows of COPY"},
        {"csv", "1,a\n2,b", "it has a line end outside of quotes"},
        {"csv", "1,\"a", "it has a quote that is not closed"},
        {"json", "[1]", "it is no JSON object"},
        {"json", "", "it is no JSON object"},
        {"json", "{\"n\": 1", "it is no JSON"},
        {"json", "{\"n\": \"\xff\"}", "it is not UTF-8"},
        {"json", "{\"t\": \"\\u0000\"}", "it has a character 0 (\\u0000)"},
    };
    (void)ask("DROP TABLE IF EXISTS odd; CREATE TABLE odd(n int, t text)");
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rest[128];
        const bool json = strcmp(cases[i].format, "json") == 0;
        const char *good = json                                  ? "{\"n\": 9}"
                           : strcmp(cases[i].format, "csv") == 0 ? "9,good"
                                                                 : "9\tgood";
        (void)snprintf(rest, sizeof(rest),
                       ", \"table\": \"odd\", \"columns\": [\"n\", \"t\"], \"format\": \"%s\"",
                       cases[i].format);
        struct flow_harness *h = make(rest, (struct flow_harness_options){0});
        flow_harness_feed(h, good);
        flow_harness_feed(h, cases[i].line);
        flow_harness_feed(h, good);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_reject_count(h), 1);
        if (strstr(flow_harness_reject(h, 0), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_reject(h, 0), cases[i].words);
        flow_harness_free(h);
    }
    assert_string_equal(ask("SELECT count(*), sum(n) FROM odd"), "20|180");
}

TEST(large_records_arrive)
{
    const size_t size = 20000000;
    char *large = malloc(size + 1);
    assert_non_null(large);
    memset(large, 'x', size);
    large[size] = '\0';
    const char *const records[] = {large, "y", large, NULL};
    write_all(
        ", \"table\": \"large\", \"format\": \"text\", \"create\": \"CREATE TABLE large(t text)\"",
        0, records);
    free(large);
    assert_string_equal(ask("SELECT count(*), sum(length(t)) FROM large"), "3|40000001");
}

TEST(parameters_that_make_no_sense_are_refused)
{
    static const struct {
        const char *rest, *words;
    } cases[] = {
        {", \"table\": \"t\"", "'columns' is needed"},
        {", \"table\": \"t\", \"columns\": [\"a\", \"a\"]", "stands there twice"},
        {", \"table\": \"none\", \"columns\": \"a\"", "relation \"none\" does not exist"},
        {", \"table\": \"pg_catalog.x y\", \"format\": \"csv\"",
         "COPY \"pg_catalog\".\"x y\" FROM STDIN WITH (FORMAT csv): relation"},
        {", \"table\": \"here\", \"columns\": \"b\", \"create\": \"CREATE TABLE here(a int)\"",
         "column \"b\" of relation \"here\" does not exist"},
        {", \"table\": \"t\", \"columns\": \"b\", \"create\": \"CREAT\"",
         "cannot CREAT: syntax error at or near"},
        {", \"connection\": \"host=/none\", \"table\": \"t\", \"columns\": \"b\"",
         "PostgreSQL: cannot connect: connection to server on socket"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const bool elsewhere = strstr(cases[i].rest, "connection") != NULL;
        char with[256];
        (void)snprintf(with, sizeof(with), "{%s}", cases[i].rest + 2);
        struct flow_harness *h =
            elsewhere ? flow_harness_new(plugin_type("postgres.copy"),
                                         &(struct flow_harness_options){.with = with})
                      : make(cases[i].rest, (struct flow_harness_options){0});
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        if (strstr(flow_harness_failure(h), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_failure(h), cases[i].words);
        flow_harness_free(h);
    }
    struct flow_harness *h =
        make(", \"table\": \"here\", \"columns\": \"a\"",
             (struct flow_harness_options){.replicas = 2, .checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "where a run takes checkpoints set 'workers'"));
    flow_harness_free(h);
}

TEST(a_lost_connection_ends_the_run)
{
    (void)ask("DROP TABLE IF EXISTS here; CREATE TABLE here(a int)");
    struct flow_harness *h =
        make(", \"table\": \"here\", \"columns\": \"a\"", (struct flow_harness_options){0});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    (void)ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
              "pg_backend_pid() AND backend_type = 'client backend'");
    flow_harness_feed(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_work(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "PostgreSQL: cannot COPY \"here\""));
    flow_harness_free(h);
}

/* ---- checkpoints ---- */

static const char table[] = ", \"table\": \"once\", \"columns\": [\"a\"], "
                            "\"create\": \"CREATE TABLE IF NOT EXISTS once(a int UNIQUE)\"";
static const char all[] = "SELECT a FROM once ORDER BY a";

static struct flow_harness *begin(void)
{
    (void)ask("DROP TABLE IF EXISTS once");
    struct flow_harness *h = make(table, (struct flow_harness_options){.checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    return h;
}

static void add(struct flow_harness *h, const char *record)
{
    flow_harness_feed(h, record);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 0);
}

static struct flow_harness *go_on(const struct flow_harness_saved *saved)
{
    struct flow_harness *h =
        make(table, (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    return h;
}

TEST(rows_are_there_once_whenever_the_run_is_killed)
{
    struct flow_harness_saved saved;
    struct flow_harness_saved more;
    struct flow_harness *h = begin();
    add(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    add(h, "{\"a\": 2}");
    flow_harness_free(h); /* killed before the commit: nothing is in the database */
    assert_string_equal(ask(all), "");

    h = go_on(
        &saved); /* the checkpoint stands: what it covers is there now, what followed is not */
    assert_string_equal(ask(all), "1");
    add(h, "{\"a\": 2}");
    assert_int_equal(flow_harness_save(h, &more), FLOW_OK);
    add(h, "{\"a\": 3}");
    assert_string_equal(ask(all), "1");
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    assert_string_equal(ask(all), "1 2");
    flow_harness_free(h); /* killed after the commit */
    assert_string_equal(ask(all), "1 2");

    h = go_on(&more); /* told of it once more */
    assert_string_equal(ask(all), "1 2");
    add(h, "{\"a\": 3}");
    struct flow_harness_saved last;
    assert_int_equal(flow_harness_save(h, &last), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 3), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(ask(all), "1 2 3");
    free(saved.bytes);
    free(more.bytes);
    free(last.bytes);
}

TEST(rows_behind_a_save_survive_its_commit)
{
    struct flow_harness_saved saved;
    struct flow_harness *h = begin();
    add(h, "{\"a\": 1}");
    for (int i = 1; i <= 3; i++) {
        char record[32];
        assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
        (void)snprintf(record, sizeof(record), "{\"a\": %d}", i + 1);
        add(h, record);
        assert_int_equal(flow_harness_commit(h, (uint64_t)i), FLOW_OK);
        free(saved.bytes);
    }
    assert_string_equal(ask(all), "1 2 3");
    flow_harness_free(h);
}

TEST(another_database_than_the_one_written_to_is_refused)
{
    struct flow_harness_saved saved;
    struct flow_harness_saved more;
    struct flow_harness *h = begin();
    add(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    assert_int_equal(flow_harness_save(h, &more), FLOW_OK);
    flow_harness_free(h);
    (void)ask("DELETE FROM _flowrun");
    h = make(table, (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &more), FLOW_EIO);
    assert_non_null(
        strstr(flow_harness_failure(h), "it is not the one that the run has written to"));
    flow_harness_free(h);
    free(saved.bytes);
    free(more.bytes);
}

TEST(a_state_that_is_cut_short_is_refused)
{
    struct flow_harness_saved saved;
    struct flow_harness *h = begin();
    add(h, "{\"a\": 1}");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    for (size_t size = 0; size < saved.size; size += 7) {
        const struct flow_harness_saved cut = {.bytes = saved.bytes, .size = size};
        h = make(table, (struct flow_harness_options){.checkpoints = true, .resumes = true});
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_restore(h, &cut), FLOW_EPROTO);
        flow_harness_free(h);
    }
    free(saved.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_json_keep_their_kinds),
        cmocka_unit_test(lines_are_given_as_they_are),
        cmocka_unit_test(rows_that_the_server_refuses_are_refused_one_by_one),
        cmocka_unit_test(lines_that_would_be_more_or_less_than_a_row_are_refused),
        cmocka_unit_test(large_records_arrive),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
        cmocka_unit_test(a_lost_connection_ends_the_run),
        cmocka_unit_test(rows_are_there_once_whenever_the_run_is_killed),
        cmocka_unit_test(rows_behind_a_save_survive_its_commit),
        cmocka_unit_test(another_database_than_the_one_written_to_is_refused),
        cmocka_unit_test(a_state_that_is_cut_short_is_refused),
    };
    return cmocka_run_group_tests(tests, start, server_stop);
}
