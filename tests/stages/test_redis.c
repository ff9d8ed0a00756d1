/* SPDX-License-Identifier: MIT */
/* needs: redis.in */
#include <stdlib.h>

#include "plugin_type.h"
#include "server.h"

/* redis.in and redis.out against a real server, asked by redis-cli. */

static int start(void **state)
{
    (void)state;
    return server_start("redis");
}

/* What the server answers, lines joined by blanks. */
FLOW_PRINTF(1, 2) static const char *ask(const char *fmt, ...)
{
    char *command = NULL;
    va_list args;
    va_start(args, fmt);
    assert_true(vasprintf(&command, fmt, args) > 0);
    va_end(args);
    const char *text =
        server_hear("redis-cli -s %s --no-auth-warning %s 2>&1", server.address, command);
    free(command);
    return text;
}

static char *with(const char *rest)
{
    char *text = NULL;
    if (asprintf(&text, "{\"server\": \"%s\"%s}", server.address, rest) < 0)
        abort();
    return text;
}

static struct flow_harness *make(const char *type, const char *rest,
                                 struct flow_harness_options options)
{
    char *text = with(rest);
    options.with = text;
    options.name = options.name != NULL ? options.name : "stage";
    struct flow_harness *h = flow_harness_new(plugin_type(type), &options);
    free(text);
    return h;
}

static struct flow_harness *plain(const char *type, const char *rest)
{
    return make(type, rest, (struct flow_harness_options){0});
}

static void runs(struct flow_harness *h)
{
    const enum flow_status rc = flow_harness_run(h);
    assert_string_equal(flow_harness_failure(h), "");
    assert_int_equal(rc, FLOW_OK);
}

/* A stream of `count` entries with the fields n and name. */
static void fill(const char *stream, int count)
{
    (void)ask("DEL %s", stream);
    for (int i = 1; i <= count; i++)
        (void)ask("XADD %s %d-1 n %d name 'number %d'", stream, i, i, i);
}

/* ---- redis.in ---- */

TEST(entries_are_json_objects_or_one_field_with_a_key)
{
    fill("plain", 2);
    (void)ask("XADD plain 3-0 'q\"' 'a\xc3\xa9' raw $(printf '\\377')");
    struct flow_harness *h =
        plain("redis.in", ", \"stream\": \"plain\", \"until_end\": true, \"id\": \"at\", "
                          "\"key\": \"@id\"");
    runs(h);
    assert_string_equal(flow_harness_text(h, 0),
                        "{\"at\":\"1-1\",\"n\":\"1\",\"name\":\"number 1\"}\n"
                        "{\"at\":\"2-1\",\"n\":\"2\",\"name\":\"number 2\"}\n"
                        "{\"at\":\"3-0\",\"q\\\"\":\"a\xc3\xa9\",\"raw_base64\":\"/w==\"}\n");
    assert_string_equal(flow_harness_record(h, 0, 2)->key, "3-0");
    flow_harness_free(h);
    h = plain("redis.in", ", \"stream\": \"plain\", \"count\": 2, \"field\": \"name\", "
                          "\"key\": \"n\", \"batch\": 1");
    runs(h);
    assert_string_equal(flow_harness_text(h, 0), "number 1\nnumber 2\n");
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "2");
    flow_harness_free(h);
}

TEST(reading_ends_by_count_by_idleness_and_at_the_end)
{
    static const struct {
        const char *rest;
        size_t count;
    } cases[] = {
        {", \"count\": 3", 3},
        {", \"count\": 3, \"batch\": 2", 3},
        {", \"until_end\": true", 5},
        {", \"until_end\": true, \"batch\": 2", 5},
        {", \"until_end\": true, \"from\": \"3-1\"", 2},
        {", \"until_end\": true, \"from\": \"$\"", 0},
        {", \"idle\": \"20ms\"", 5},
        {", \"idle\": \"20ms\", \"from\": \"4\"", 2},
        {", \"group\": \"g\", \"until_end\": true, \"batch\": 2", 5},
        {", \"group\": \"g\", \"count\": 1", 1},
        {", \"group\": \"g\", \"idle\": \"20ms\"", 5},
        {", \"group\": \"g\", \"idle\": \"20ms\", \"from\": \"$\"", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rest[256];
        fill("ends", 5);
        (void)snprintf(rest, sizeof(rest), ", \"stream\": \"ends\"%s", cases[i].rest);
        struct flow_harness *h = plain("redis.in", rest);
        runs(h);
        if (flow_harness_count(h, 0) != cases[i].count)
            fail_msg("%s: %zu records", cases[i].rest, flow_harness_count(h, 0));
        flow_harness_free(h);
    }
}

TEST(an_empty_stream_ends_at_once)
{
    struct flow_harness *h =
        plain("redis.in", ", \"stream\": \"none\", \"until_end\": true, \"group\": \"g\"");
    runs(h);
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
    h = plain("redis.in", ", \"stream\": \"none2\", \"until_end\": true");
    runs(h);
    flow_harness_free(h);
}

static const char group[] = ", \"stream\": \"work\", \"group\": \"g\", \"idle\": \"20ms\", "
                            "\"batch\": 2, \"field\": \"n\"";

TEST(a_group_shares_entries_and_what_is_emitted_is_acknowledged)
{
    fill("work", 4);
    struct flow_harness *h =
        make("redis.in", ", \"stream\": \"work\", \"group\": \"g\", \"count\": 2",
             (struct flow_harness_options){.replicas = 2, .replica = 1});
    runs(h);
    assert_string_equal(ask("XINFO CONSUMERS work g | head -n 2"), "name stage-1");
    flow_harness_free(h);
    h = plain("redis.in", group);
    runs(h);
    assert_string_equal(flow_harness_text(h, 0), "3\n4\n");
    flow_harness_free(h);
    assert_string_equal(ask("XPENDING work g | head -n 1"), "0");
}

static struct flow_harness *go_on(const struct flow_harness_saved *saved)
{
    struct flow_harness *h = make(
        "redis.in", group, (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    while (flow_harness_step(h) == FLOW_OK)
        ;
    assert_string_equal(flow_harness_failure(h), "");
    return h;
}

TEST(what_no_checkpoint_covers_comes_again_and_nothing_else)
{
    struct flow_harness_saved saved;
    fill("work", 7);
    struct flow_harness *h =
        make("redis.in", group, (struct flow_harness_options){.checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_OK); /* nothing from before */
    assert_int_equal(flow_harness_step(h), FLOW_OK); /* 1 and 2 */
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_OK); /* 3 and 4; 5 and 6 are asked for */
    assert_int_equal(flow_harness_count(h, 0), 4);
    flow_harness_free(h); /* killed before the commit */
    assert_string_not_equal(ask("XPENDING work g | head -n 1"), "0");

    h = go_on(&saved);
    assert_string_equal(flow_harness_text(h, 0), "3\n4\n5\n6\n7\n");
    struct flow_harness_saved more;
    assert_int_equal(flow_harness_save(h, &more), FLOW_OK);
    assert_string_equal(ask("XPENDING work g | head -n 1"), "5");
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    assert_string_equal(ask("XPENDING work g | head -n 1"), "0");
    flow_harness_free(h);

    h = go_on(&more); /* killed after the commit: told once more, nothing comes */
    assert_string_equal(flow_harness_text(h, 0), "");
    flow_harness_free(h);
    free(saved.bytes);
    free(more.bytes);
}

TEST(without_a_group_reading_goes_on_behind_the_saved_entry)
{
    struct flow_harness_saved saved;
    static const char rest[] =
        ", \"stream\": \"alone\", \"batch\": 2, \"until_end\": true, \"field\": \"n\"";
    fill("alone", 5);
    struct flow_harness *h =
        make("redis.in", rest, (struct flow_harness_options){.checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_OK);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    h = make("redis.in", rest, (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    while (flow_harness_step(h) == FLOW_OK)
        ;
    assert_string_equal(flow_harness_text(h, 0), "3\n4\n5\n");
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(entries_deleted_meanwhile_are_passed_over)
{
    fill("work", 4);
    (void)ask("XGROUP CREATE work g 0");
    (void)ask("XREADGROUP GROUP g stage COUNT 3 STREAMS work '>'");
    (void)ask("XDEL work 2-1");
    struct flow_harness *h = plain("redis.in", group);
    runs(h);
    assert_string_equal(flow_harness_text(h, 0), "1\n3\n4\n");
    flow_harness_free(h);
    assert_string_equal(ask("XPENDING work g | head -n 1"), "0");
}

TEST(large_values_and_zero_bytes_pass)
{
    (void)ask("DEL large");
    (void)ask("EVAL \"redis.call('XADD', 'large', '1-0', 'v', string.rep('x', 3000000)); "
              "redis.call('XADD', 'large', '2-0', 'v', 'a\\\\0b'); "
              "redis.call('XADD', 'large', '3-0', 'v', '')\" 0");
    struct flow_harness *h =
        plain("redis.in", ", \"stream\": \"large\", \"until_end\": true, \"field\": \"v\"");
    runs(h);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_int_equal(flow_harness_record(h, 0, 0)->size, 3000000);
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 3);
    assert_memory_equal(flow_harness_record(h, 0, 1)->data, "a\0b", 3);
    assert_int_equal(flow_harness_record(h, 0, 2)->size, 0);
    flow_harness_free(h);
}

TEST(an_abort_between_records_ends_reading)
{
    fill("work", 4);
    struct flow_harness *h =
        make("redis.in", group, (struct flow_harness_options){.abort_after = 1});
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    flow_harness_free(h);
}

/* ---- redis.out ---- */

static struct flow_harness *out(const char *rest)
{
    return make("redis.out", rest, (struct flow_harness_options){.batch = 3});
}

TEST(records_become_commands)
{
    static const struct {
        const char *rest, *question, *answer;
    } cases[] = {
        {", \"key\": \"x\"", "XRANGE o:x - + | grep -v -- -", ""},
        {", \"key\": \"o\"", "XRANGE o - + | grep -v -- -", "data one data two data three data "},
        {", \"key\": \"o\", \"field\": \"f\", \"maxlen\": 1000", "XLEN o", "4"},
        {", \"verb\": \"rpush\", \"key\": \"o\"", "LRANGE o 0 -1", "one two three "},
        {", \"verb\": \"lpush\", \"key\": \"o\"", "LRANGE o 0 -1", " three two one"},
        {", \"verb\": \"sadd\", \"key\": \"o\"", "SCARD o", "4"},
        {", \"verb\": \"set\"", "MGET k1 k2 k3 k4", "one two three "},
        {", \"verb\": \"set\", \"prefix\": \"o:\"", "MGET o:k1 o:k2 o:k3 o:k4", "one two three "},
        {", \"verb\": \"set\", \"expire\": \"1h\", \"key\": \"o\"",
         "TTL o | sed 's/3600/good/; s/3599/good/'", "good"},
        {", \"verb\": \"publish\", \"key\": \"o\"", "PUBSUB NUMSUB o", "o 0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)ask("FLUSHALL");
        struct flow_harness *h = out(cases[i].rest);
        flow_harness_feed_keyed(h, "k1", "one");
        flow_harness_feed_keyed(h, "k2", "two");
        flow_harness_feed_keyed(h, "k3", "three");
        flow_harness_feed_keyed(h, "k4", "");
        runs(h);
        assert_int_equal(flow_harness_reject_count(h), 0);
        flow_harness_free(h);
        if (strcmp(ask("%s", cases[i].question), cases[i].answer) != 0)
            fail_msg("%s: '%s'", cases[i].rest, ask("%s", cases[i].question));
    }
}

TEST(members_of_json_become_fields)
{
    (void)ask("FLUSHALL");
    struct flow_harness *h = out(", \"key\": \"o\", \"fields\": [\"a\", \"b\"]");
    flow_harness_feed(h, "{\"b\": \"x\\n\\u00e9\", \"c\": 1, \"a\": [1, 2]}");
    flow_harness_feed(h, "{\"b\": null}");
    flow_harness_feed(h, "{\"c\": 1}");
    flow_harness_feed(h, "[1]");
    flow_harness_feed(h, "{\"a\"");
    runs(h);
    assert_int_equal(flow_harness_reject_count(h), 3);
    assert_string_equal(flow_harness_reject(h, 0), "2: it has none of the members that 'fields' "
                                                   "names: \"{\\\"c\\\": 1}\"");
    assert_non_null(strstr(flow_harness_reject(h, 1), "it is no JSON object"));
    assert_non_null(strstr(flow_harness_reject(h, 2), "it is no JSON: "));
    flow_harness_free(h);
    assert_string_equal(ask("XRANGE o - + | grep -v -- -"), "a [1, 2] b x \xc3\xa9 b null");
}

TEST(what_the_server_refuses_is_refused_by_record)
{
    (void)ask("FLUSHALL");
    (void)ask("SET k2 text");
    struct flow_harness *h = out(", \"verb\": \"rpush\"");
    flow_harness_feed_keyed(h, "k1", "one");
    flow_harness_feed(h, "no key");
    flow_harness_feed_keyed(h, "k2", "two");
    flow_harness_feed_keyed(h, "k1", "four");
    runs(h);
    assert_int_equal(flow_harness_reject_count(h), 2);
    assert_non_null(strstr(flow_harness_reject(h, 0), "no key, which 'key' asks for"));
    assert_non_null(strstr(flow_harness_reject(h, 1), "2: WRONGTYPE"));
    assert_non_null(strstr(flow_harness_reject(h, 1), ": \"two\""));
    flow_harness_free(h);
    assert_string_equal(ask("LRANGE k1 0 -1"), "one four");
}

TEST(many_and_large_records_arrive)
{
    (void)ask("FLUSHALL");
    struct flow_harness *h = make("redis.out", ", \"verb\": \"rpush\", \"key\": \"o\"",
                                  (struct flow_harness_options){0});
    char *large = calloc(1, 5000000);
    assert_non_null(large);
    flow_harness_feed_bytes(h, large, 5000000);
    for (int i = 0; i < 20000; i++)
        flow_harness_feed(h, "0123456789 0123456789 0123456789");
    flow_harness_feed_bytes(h, large, 3000000);
    free(large);
    runs(h);
    assert_int_equal(flow_harness_reject_count(h), 0);
    flow_harness_free(h);
    assert_string_equal(ask("LLEN o"), "20002");
    assert_string_equal(ask("EVAL \"return #redis.call('LINDEX', 'o', 0)\" 0"), "5000000");
}

TEST(a_lost_connection_refuses_what_has_no_answer_and_the_next_batch_finds_a_new_one)
{
    (void)ask("FLUSHALL");
    struct flow_harness *h = out(", \"verb\": \"rpush\", \"key\": \"o\"");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    (void)ask("CLIENT KILL TYPE normal");
    flow_harness_feed(h, "lost");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_non_null(strstr(flow_harness_reject(h, 0), "the connection is lost: "));
    assert_non_null(strstr(flow_harness_reject(h, 0), "it may have been done or not"));
    flow_harness_feed(h, "found");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    flow_harness_free(h);
    assert_string_equal(ask("LRANGE o 0 -1"), "found");
}

TEST(a_reader_whose_connection_is_lost_says_so)
{
    fill("work", 1);
    struct flow_harness *h = plain("redis.in", ", \"stream\": \"work\", \"idle\": \"1h\"");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_OK);
    (void)ask("CLIENT KILL TYPE normal");
    assert_int_equal(flow_harness_step(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "the connection is lost: "));
    flow_harness_free(h);
}

/* ---- both ---- */

TEST(parameters_that_make_no_sense_are_refused)
{
    static const struct {
        const char *type, *with, *words;
    } cases[] = {
        {"redis.in", "{\"stream\": \"s\", \"server\": \"/none/redis.sock\"}",
         "Redis at '/none/redis.sock': cannot connect: No such file"},
        {"redis.in", "{\"stream\": \"s\", \"server\": \"127.0.0.1:x\"}", "it is neither HOST"},
        {"redis.in", "{\"stream\": \"s\", \"server\": \"127.0.0.1:1\"}", "Connection refused"},
        {"redis.in", "{\"stream\": \"s\", \"from\": \"now\"}",
         "'from' is 'now'; an entry's number"},
        {"redis.in", "{\"stream\": \"s\", \"consumer\": \"c\"}", "is a name in a 'group'"},
        {"redis.in", "{\"stream\": \"s\", \"field\": \"f\", \"id\": \"i\"}", "'id' is a member"},
        {"redis.out", "{\"key\": \"k\", \"prefix\": \"p\"}", "'prefix' goes with"},
        {"redis.out", "{\"verb\": \"set\", \"maxlen\": 3}", "go with xadd"},
        {"redis.out", "{\"verb\": \"set\", \"expire\": \"1us\"}", "shorter than 1 ms"},
        {"redis.out", "{\"expire\": \"1s\"}", "'expire' goes with set"},
        {"redis.out", "{\"fields\": [\"a\", \"a\"]}", "'fields' has 'a' twice"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_harness_options options = {.with = cases[i].with};
        struct flow_harness *h = flow_harness_new(plugin_type(cases[i].type), &options);
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        if (strstr(flow_harness_failure(h), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_failure(h), cases[i].words);
        flow_harness_free(h);
    }
}

TEST(what_the_server_says_against_a_stage_is_its_failure)
{
    (void)ask("FLUSHALL");
    (void)ask("SET text text");
    static const struct {
        const char *rest, *words;
    } cases[] = {
        {", \"stream\": \"text\", \"group\": \"g\"", "XGROUP CREATE: WRONGTYPE"},
        {", \"stream\": \"text\", \"until_end\": true", "XREVRANGE: WRONGTYPE"},
        {", \"stream\": \"text\"", "XREAD: WRONGTYPE"},
        {", \"stream\": \"s\", \"password\": \"p\"", "cannot log in: "},
        {", \"stream\": \"s\", \"database\": 99", "cannot select the database: ERR"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = plain("redis.in", cases[i].rest);
        assert_int_equal(flow_harness_run(h), FLOW_EIO);
        if (strstr(flow_harness_failure(h), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_failure(h), cases[i].words);
        flow_harness_free(h);
    }
    fill("work", 1);
    struct flow_harness *h = plain("redis.in", ", \"stream\": \"work\", \"field\": \"no\"");
    assert_int_equal(flow_harness_run(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h),
                           "stream 'work': entry 1-1 has no field 'no', which 'field' asks for"));
    flow_harness_free(h);
    h = make("redis.in", ", \"stream\": \"work\"", (struct flow_harness_options){.replicas = 2});
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "2 workers would each read all entries"));
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_json_objects_or_one_field_with_a_key),
        cmocka_unit_test(reading_ends_by_count_by_idleness_and_at_the_end),
        cmocka_unit_test(an_empty_stream_ends_at_once),
        cmocka_unit_test(a_group_shares_entries_and_what_is_emitted_is_acknowledged),
        cmocka_unit_test(what_no_checkpoint_covers_comes_again_and_nothing_else),
        cmocka_unit_test(without_a_group_reading_goes_on_behind_the_saved_entry),
        cmocka_unit_test(entries_deleted_meanwhile_are_passed_over),
        cmocka_unit_test(large_values_and_zero_bytes_pass),
        cmocka_unit_test(an_abort_between_records_ends_reading),
        cmocka_unit_test(records_become_commands),
        cmocka_unit_test(members_of_json_become_fields),
        cmocka_unit_test(what_the_server_refuses_is_refused_by_record),
        cmocka_unit_test(many_and_large_records_arrive),
        cmocka_unit_test(
            a_lost_connection_refuses_what_has_no_answer_and_the_next_batch_finds_a_new_one),
        cmocka_unit_test(a_reader_whose_connection_is_lost_says_so),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
        cmocka_unit_test(what_the_server_says_against_a_stage_is_its_failure),
    };
    return cmocka_run_group_tests(tests, start, server_stop);
}
