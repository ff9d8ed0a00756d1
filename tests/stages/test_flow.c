/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/harness.h"

/* gen.records, timer, sample, dedup, throttle, print. */

static struct flow_harness *make(const char *type, const char *with, bool resumes,
                                 size_t stop_after)
{
    const struct flow_harness_options options = {.with = with,
                                                 .checkpoints = true,
                                                 .resumes = resumes,
                                                 .stop_after = stop_after,
                                                 .batch = 3};
    return flow_harness_new(harness_builtin(type), &options);
}

static void refuses(const char *type, const char *with, const char *words)
{
    struct flow_harness *h = make(type, with, false, 0);
    assert_int_not_equal(flow_harness_open(h), FLOW_OK);
    if (strstr(flow_harness_failure(h), words) == NULL)
        fail_msg("'%s' lacks '%s'", flow_harness_failure(h), words);
    flow_harness_free(h);
}

static void assert_halves_are_refused(const char *type, const char *with,
                                      const struct flow_harness_saved *saved)
{
    for (size_t size = 0; size < saved->size; size++) {
        const struct flow_harness_saved half = {saved->bytes, size};
        struct flow_harness *h = make(type, with, true, 0);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
        flow_harness_free(h);
    }
}

static void feed(struct flow_harness *h, size_t from, size_t to)
{
    char text[40];
    char key[40];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(key, sizeof(key), "k%zu", i % 7);
        (void)snprintf(text, sizeof(text), "{\"id\": %zu, \"n\": \"%zu\"}", i, i % 5);
        flow_harness_feed_keyed(h, key, text);
    }
}

/* A stage that is saved at any place, and another that goes on, do together what one does. */
static void assert_parts_make_the_whole(const char *type, const char *with, size_t count)
{
    struct flow_harness *whole = make(type, with, false, 0);
    feed(whole, 0, count);
    assert_int_equal(flow_harness_run(whole), FLOW_OK);
    for (size_t cut = 0; cut <= count; cut += count / 5) {
        struct flow_harness_saved saved;
        struct flow_harness *first = make(type, with, false, 0);
        feed(first, 0, cut);
        assert_int_equal(flow_harness_open(first), FLOW_OK);
        assert_int_equal(flow_harness_work(first), FLOW_OK);
        assert_int_equal(flow_harness_save(first, &saved), FLOW_OK);
        struct flow_harness *second = make(type, with, true, 0);
        feed(second, cut, count);
        assert_int_equal(flow_harness_open(second), FLOW_OK);
        assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
        assert_int_equal(flow_harness_work(second), FLOW_OK);
        assert_int_equal(flow_harness_finish(second), FLOW_OK);
        for (unsigned port = 0; port < 2; port++) {
            char *both = NULL;
            assert_true(asprintf(&both, "%s%s", flow_harness_text(first, port),
                                 flow_harness_text(second, port)) >= 0);
            assert_string_equal(both, flow_harness_text(whole, port));
            free(both);
        }
        if (cut == count / 5)
            assert_halves_are_refused(type, with, &saved);
        free(saved.bytes);
        flow_harness_free(first);
        flow_harness_free(second);
    }
    flow_harness_free(whole);
}

/* ---- gen.records ---- */

TEST(records_are_made_from_a_template)
{
    struct flow_harness *h = make(
        "gen.records",
        "{\"count\": 500, \"template\": \"{n:4}|{uuid}|{random:3-5}|{hex:5}|{choice:ab|c|}|{{x\"}",
        false, 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 500);
    bool seen[3] = {false, false, false};
    for (size_t i = 0; i < 500; i++) {
        const char *text = flow_harness_record(h, 0, i)->data;
        unsigned n = 0;
        char uuid[40];
        int random = 0;
        char hex[8];
        assert_int_equal(sscanf(text, "%4u|%36[0-9a-f-]|%d|%5[0-9a-f]|", &n, uuid, &random, hex),
                         4);
        assert_int_equal(n, i + 1);
        assert_int_equal(uuid[14], '4');
        assert_true(random >= 3 && random <= 5);
        seen[random - 3] = true;
        const char *end = strstr(text, "|ab|{x") != NULL  ? "|ab|{x"
                          : strstr(text, "|c|{x") != NULL ? "|c|{x"
                                                          : "||{x";
        assert_string_equal(text + strlen(text) - strlen(end), end);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    flow_harness_free(h);
}

TEST(records_are_filled_up_to_their_size)
{
    struct flow_harness *h = make("gen.records", "{\"count\": 12, \"size\": 3}", false, 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "1  ");
    assert_string_equal(flow_harness_record(h, 0, 11)->data, "12 ");
    flow_harness_free(h);
}

TEST(templates_that_are_wrong_are_refused_with_the_place)
{
    refuses("gen.records", "{\"template\": \"a{b}\"}", "character 2: {n}, {n:6}");
    refuses("gen.records", "{\"template\": \"{n\"}", "character 1");
    refuses("gen.records", "{\"template\": \"{random:5-4}\"}", "character 1");
    refuses("gen.records", "{\"template\": \"{n:}\"}", "character 1");
    refuses("gen.records", "{\"template\": \"{hex:99999}\"}", "character 1");
}

TEST(records_go_on_as_they_would_have)
{
    const char *with = "{\"count\": 3000, \"template\": \"{n} {uuid} {random:0-9}\", \"seed\": 7}";
    struct flow_harness *whole = make("gen.records", with, false, 0);
    assert_int_equal(flow_harness_run(whole), FLOW_OK);
    struct flow_harness *first = make("gen.records", with, false, 600);
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_run(first), FLOW_OK);
    assert_int_equal(flow_harness_save(first, &saved), FLOW_OK);
    struct flow_harness *second = make("gen.records", with, true, 0);
    assert_int_equal(flow_harness_open(second), FLOW_OK);
    assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(second), FLOW_OK);
    char *both = NULL;
    assert_true(asprintf(&both, "%s%s", flow_harness_text(first, 0), flow_harness_text(second, 0)) >
                0);
    assert_string_equal(both, flow_harness_text(whole, 0));
    free(both);
    free(saved.bytes);
    flow_harness_free(first);
    flow_harness_free(second);
    flow_harness_free(whole);
}

TEST(a_rate_is_waited_for)
{
    struct flow_harness *h = make("gen.records", "{\"count\": 4, \"rate\": 100}", false, 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 4);
    assert_true(flow_harness_waited_ns(h) >= 20000000);
    flow_harness_free(h);
}

/* ---- timer ---- */

TEST(ticks_come_one_after_the_other_and_go_on)
{
    const char *with = "{\"every\": \"1ms\", \"count\": 5, \"at_once\": true}";
    struct flow_harness *h = make("timer", with, false, 0);
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    while (flow_harness_count(h, 0) < 1)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "1");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    h = make("timer", with, true, 0);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    const size_t count = flow_harness_count(h, 0); /* ticks may be missed, but not the last one */
    assert_true(count >= 1 && count <= 4);
    assert_string_equal(flow_harness_record(h, 0, count - 1)->data, "5");
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(a_tick_may_be_the_time)
{
    struct flow_harness *h =
        make("timer", "{\"every\": \"1ms\", \"count\": 1, \"at_once\": true, \"emit\": \"time\"}",
             false, 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    int parts[7];
    assert_int_equal(sscanf(flow_harness_record(h, 0, 0)->data, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ",
                            parts, parts + 1, parts + 2, parts + 3, parts + 4, parts + 5,
                            parts + 6),
                     7);
    flow_harness_free(h);
}

/* ---- sample ---- */

TEST(samples_are_what_they_are_asked_to_be)
{
    struct flow_harness *h = make("sample", "{\"how\": \"every\", \"n\": 3}", false, 0);
    feed(h, 0, 8);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_int_equal(flow_harness_count(h, 1), 5);
    assert_string_equal(flow_harness_record(h, 0, 1)->key, "k3");
    flow_harness_free(h);

    h = make("sample", "{\"how\": \"first\", \"n\": 3}", false, 0);
    feed(h, 0, 8);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    flow_harness_free(h);

    h = make("sample", "{\"how\": \"fraction\", \"fraction\": 0.25}", false, 0);
    feed(h, 0, 4000);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    const size_t taken = flow_harness_count(h, 0);
    assert_true(taken > 880 && taken < 1120); /* 1000, and more than four times its deviation */
    flow_harness_free(h);
}

TEST(each_record_has_the_same_chance_to_be_in_the_reservoir)
{
    size_t hits[20] = {0};
    for (int seed = 0; seed < 1000; seed++) {
        char with[80];
        (void)snprintf(with, sizeof(with), "{\"how\": \"reservoir\", \"n\": 5, \"seed\": %d}",
                       seed);
        struct flow_harness *h = make("sample", with, false, 0);
        feed(h, 0, 20);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 5);
        for (size_t i = 0; i < 5; i++)
            hits[atoi(flow_harness_record(h, 0, i)->data + 7)]++; /* NOLINT(cert-err34-c) */
        flow_harness_free(h);
    }
    for (size_t i = 0; i < 20; i++)
        assert_true(hits[i] > 190 && hits[i] < 310); /* 250, deviation 14 */
}

TEST(samples_go_on_from_a_checkpoint)
{
    assert_parts_make_the_whole("sample", "{\"how\": \"every\", \"n\": 3}", 50);
    assert_parts_make_the_whole("sample", "{\"how\": \"fraction\", \"fraction\": 0.5}", 50);
    assert_parts_make_the_whole("sample", "{\"how\": \"first\", \"n\": 13}", 50);
    assert_parts_make_the_whole("sample", "{\"how\": \"reservoir\", \"n\": 13}", 50);
}

/* ---- dedup ---- */

TEST(each_value_comes_once)
{
    static const struct {
        const char *with;
        size_t out;
    } cases[] = {
        {"{}", 40},
        {"{\"by\": \"key\"}", 7},
        {"{\"by\": \"field\", \"field\": \"/n\"}", 5},
        {"{\"by\": \"field\", \"field\": \"/id\"}", 40},
        {"{\"by\": \"key\", \"remember\": 7}", 7},
        {"{\"by\": \"key\", \"remember\": 3}", 40}, /* 7 keys in turn, 6 at most are known */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = make("dedup", cases[i].with, false, 0);
        feed(h, 0, 40);
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), cases[i].out);
        assert_int_equal(flow_harness_count(h, 0) + flow_harness_count(h, 1), 40);
        flow_harness_free(h);
        if (cases[i].out < 40)
            assert_parts_make_the_whole("dedup", cases[i].with, 40);
    }
    struct flow_harness *h = make("dedup", "{\"by\": \"field\", \"field\": \"/n\"}", false, 0);
    flow_harness_feed(h, "{\"n\": 1}");
    flow_harness_feed(h, "{\"n\": \"1\"}");
    flow_harness_feed(h, "{\"n\": \"\\u0031\"}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 2);
    flow_harness_free(h);
}

TEST(a_field_is_looked_for_in_all_of_a_document_that_is_valid)
{
    static const struct {
        const char *text;
        bool refused;
    } cases[] = {
        {"{\"n\": 1}", false},
        {"{\"n\": 2, \"n\": 1}", false}, /* the last one counts */
        {"{\"\\u006e\": 1}", false},
        {" {\"m\": {\"n\": 2}, \"n\": 1 } ", false},
        {"{\"n\": 1, \"m\": \"\xff\"}", true},
        {"{\"n\": 1, \"m\": \"\\ud800\"}", true},
        {"{\"n\": 1, \"m\": 01}", true},
        {"{\"n\": 1} 1", true},
        {"", true},
    };
    struct flow_harness *h = make("dedup", "{\"by\": \"field\", \"field\": \"/n\"}", false, 0);
    for (size_t i = 0; i < COUNT(cases); i++)
        flow_harness_feed(h, cases[i].text);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 1);
    assert_int_equal(flow_harness_reject_count(h), 5);
    for (size_t i = 0, n = 0; i < COUNT(cases); i++) {
        if (!cases[i].refused)
            continue;
        assert_non_null(strstr(flow_harness_reject(h, n++), ": no JSON: \""));
    }
    flow_harness_free(h);
}

TEST(records_without_the_value_are_refused)
{
    struct flow_harness *h = make("dedup", "{\"by\": \"field\", \"field\": \"/n\"}", false, 0);
    flow_harness_feed(h, "{\"m\": 1}");
    flow_harness_feed(h, "{\"m\": ");
    flow_harness_feed(h, "{\"n\": 1}");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 2);
    assert_non_null(strstr(flow_harness_reject(h, 0), "0: its field is missing: \"{\\\"m"));
    assert_non_null(strstr(flow_harness_reject(h, 1), "1: no JSON: \"{\\\"m"));
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
    h = make("dedup", "{\"by\": \"key\"}", false, 0);
    flow_harness_feed(h, "x");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_non_null(strstr(flow_harness_reject(h, 0), "0: it has no key: \"x\""));
    flow_harness_free(h);
    refuses("dedup", "{\"by\": \"field\"}", "go together");
    refuses("dedup", "{\"by\": \"field\", \"field\": \"n\"}", "field 'n': it does not begin with");
}

TEST(what_is_remembered_is_bounded)
{
    struct flow_harness *h = make("dedup", "{\"memory\": \"1MiB\"}", false, 0);
    feed(h, 0, 30000);
    assert_int_equal(flow_harness_run(h), FLOW_ENOMEM);
    assert_non_null(
        strstr(flow_harness_failure(h), "24576 different values take more than 1048576 bytes"));
    flow_harness_free(h);
    h = make("dedup", "{\"memory\": \"1MiB\", \"remember\": 5000}", false, 0);
    feed(h, 0, 30000);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
}

/* ---- throttle ---- */

TEST(records_wait_for_their_turn)
{
    struct flow_harness *h = make("throttle", "{\"rate\": 200, \"burst\": 2}", false, 0);
    feed(h, 0, 5);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 5);
    assert_true(flow_harness_waited_ns(h) >= 10000000);
    flow_harness_free(h);
}

/* ---- print ---- */

static char *printed(const char *with, const char *key, const char *text)
{
    struct flow_harness *h = make("print", with, false, 0);
    if (key != NULL)
        flow_harness_feed_keyed(h, key, text);
    else
        flow_harness_feed(h, text);
    char path[] = "/tmp/flowrun-print-XXXXXX";
    const int fd = mkstemp(path);
    assert_int_equal(unlink(path), 0);
    (void)fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    const enum flow_status rc = flow_harness_run(h);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
    assert_int_equal(rc, FLOW_OK);
    flow_harness_free(h);
    char *out = calloc(1, 4096);
    assert_true(pread(fd, out, 4095, 0) >= 0);
    (void)close(fd);
    return out;
}

TEST(records_are_printed_as_they_are_asked_for)
{
    static const struct {
        const char *with, *key, *text, *line;
    } cases[] = {
        {"{}", NULL, "a\tb", "a\tb\n"},
        {"{\"format\": \"{n} {key}: {record} {{{stage}\"}", "k", "x", "1 k: x {stage\n"},
        {"{\"format\": \"[{key}]\"}", NULL, "x", "[]\n"},
        {"{\"format\": \"{key} {record}\", \"color\": \"always\"}", "k", "x",
         "\033[36mk\033[0m x\n"},
        {"{\"escape\": \"always\"}", NULL, "\033[2J\xc3\xa9\xc2\x9b\xff\"",
         "\\x1b[2J\xc3\xa9\\xc2\\x9b\\xff\"\n"},
        {"{\"max_size\": 2}", NULL, "abcd", "ab... (4 bytes)\n"},
        {"{}", NULL, "", "\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *out = printed(cases[i].with, cases[i].key, cases[i].text);
        assert_string_equal(out, cases[i].line);
        free(out);
    }
    refuses("print", "{\"format\": \"a {b}\"}", "format 'a {b}', character 3: {record}, {key}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_made_from_a_template),
        cmocka_unit_test(records_are_filled_up_to_their_size),
        cmocka_unit_test(templates_that_are_wrong_are_refused_with_the_place),
        cmocka_unit_test(records_go_on_as_they_would_have),
        cmocka_unit_test(a_rate_is_waited_for),
        cmocka_unit_test(ticks_come_one_after_the_other_and_go_on),
        cmocka_unit_test(a_tick_may_be_the_time),
        cmocka_unit_test(samples_are_what_they_are_asked_to_be),
        cmocka_unit_test(each_record_has_the_same_chance_to_be_in_the_reservoir),
        cmocka_unit_test(samples_go_on_from_a_checkpoint),
        cmocka_unit_test(each_value_comes_once),
        cmocka_unit_test(a_field_is_looked_for_in_all_of_a_document_that_is_valid),
        cmocka_unit_test(records_without_the_value_are_refused),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(records_wait_for_their_turn),
        cmocka_unit_test(records_are_printed_as_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
