/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

struct filter {
    int64_t taps;
    double cutoff;
    bool wrap;
    char *window;
    char *label;
    uint64_t buffer;
    int64_t delay;
    int mode;
    struct flow_list paths;
    char *extra;
    int64_t any;
};

static const struct flow_param table[] = {
    FLOW_PARAM_I64(struct filter, taps, "64", 1, 4096, "filter length [samples]"),
    FLOW_PARAM_F64(struct filter, cutoff, "0.5", 0, 1, "cut-off [fraction of Nyquist]"),
    FLOW_PARAM_BOOL(struct filter, wrap, "true", "go round at the end"),
    FLOW_PARAM_STR(struct filter, window, "hann", "window name"),
    FLOW_PARAM_STR(struct filter, label, NULL, "shown in logs"),
    FLOW_PARAM_SIZE(struct filter, buffer, "64KiB", 4096, 1 << 20, "buffer [bytes]"),
    FLOW_PARAM_DURATION(struct filter, delay, "250ms", 1000000, 3600e9, "delay [time]"),
    FLOW_PARAM_ENUM(struct filter, mode, "slow", "fast|slow|off", "how to go"),
    FLOW_PARAM_LIST(struct filter, paths, "[\"a\", \"b\"]", "files"),
    FLOW_PARAM_JSON(struct filter, extra, "{\"a\": [1, 0.1]}", "anything"),
    FLOW_PARAM_I64(struct filter, any, "0", -0x1p53, 0x1p53, "a number"),
    FLOW_PARAM_END,
};

struct reader {
    char *path;
    int64_t limit;
};

static const struct flow_param required[] = {
    FLOW_PARAM_STR(struct reader, path, FLOW_REQUIRED, "file to read"),
    FLOW_PARAM_I64(struct reader, limit, FLOW_REQUIRED, 0, 0x1p53, "lines to read [lines]"),
    FLOW_PARAM_END,
};

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    return json;
}

static enum flow_status read_text(const struct flow_param *rows, const char *text, void *obj,
                                  struct flow_error *err)
{
    json_t *json = parse(text);
    const enum flow_status rc = flow_params_read(rows, json, obj, err);
    json_decref(json);
    return rc;
}

TEST(absent_keys_take_their_defaults)
{
    struct filter f = {0};
    assert_int_equal(flow_params_read(table, NULL, &f, NULL), FLOW_OK);
    assert_int_equal(f.taps, 64);
    assert_true(f.cutoff == 0.5);
    assert_true(f.wrap);
    assert_string_equal(f.window, "hann");
    assert_null(f.label);
    assert_int_equal(f.buffer, 65536);
    assert_int_equal(f.delay, 250000000);
    assert_int_equal(f.mode, 1);
    assert_int_equal(f.paths.count, 2);
    assert_string_equal(f.paths.items[0], "a");
    assert_string_equal(f.paths.items[1], "b");
    assert_string_equal(f.extra, "{\"a\":[1,0.10000000000000001]}");
    flow_params_clear(table, &f);
    assert_null(f.window);
    assert_null(f.extra);
    assert_null(f.paths.items);
    assert_int_equal(f.paths.count, 0);
    flow_params_clear(table, &f);
}

TEST(given_keys_are_converted_to_their_fields)
{
    struct filter f = {0};
    assert_int_equal(read_text(table,
                               "{\"taps\": 4096, \"cutoff\": 1, \"wrap\": false,"
                               " \"window\": \"\", \"label\": \"\xc3\xa4\", \"buffer\": 4096,"
                               " \"delay\": \"1h\", \"mode\": \"off\", \"paths\": [],"
                               " \"extra\": null, \"any\": -9007199254740992}",
                               &f, NULL),
                     FLOW_OK);
    assert_int_equal(f.taps, 4096);
    assert_true(f.cutoff == 1.0);
    assert_false(f.wrap);
    assert_string_equal(f.window, "");
    assert_string_equal(f.label, "\xc3\xa4");
    assert_int_equal(f.buffer, 4096);
    assert_int_equal(f.delay, 3600000000000);
    assert_int_equal(f.mode, 2);
    assert_int_equal(f.paths.count, 0);
    assert_string_equal(f.extra, "null");
    assert_true(f.any == -((int64_t)1 << 53));
    flow_params_clear(table, &f);
}

TEST(a_value_may_be_written_in_other_ways)
{
    struct filter f = {0};
    assert_int_equal(read_text(table,
                               "{\"taps\": 1e3, \"buffer\": \"1MiB\", \"paths\": \"one\","
                               " \"any\": 9007199254740992, \"extra\": \"text\"}",
                               &f, NULL),
                     FLOW_OK);
    assert_int_equal(f.taps, 1000);
    assert_int_equal(f.buffer, 1048576);
    assert_int_equal(f.paths.count, 1);
    assert_string_equal(f.paths.items[0], "one");
    assert_true(f.any == (int64_t)1 << 53);
    assert_string_equal(f.extra, "\"text\"");
    flow_params_clear(table, &f);
}

static const struct {
    const char *json;
    enum flow_status status;
    const char *text;
    const char *hint;
} bad[] = {
    {"[]", FLOW_ETYPE, "the parameters are an array; they must be an object", NULL},
    {"3", FLOW_ETYPE, "the parameters are a number; they must be an object", NULL},
    {"null", FLOW_ETYPE, "the parameters are null; they must be an object", NULL},
    {"{\"tap\": 8}", FLOW_ENOENT,
     "unknown parameter 'tap'; known: taps cutoff wrap window label buffer delay mode paths extra "
     "any",
     "did you mean 'taps'?"},
    {"{\"qqqqq\": 8}", FLOW_ENOENT,
     "unknown parameter 'qqqqq'; known: taps cutoff wrap window label buffer delay mode paths "
     "extra any",
     NULL},
    {"{\"taps\": 0}", FLOW_ERANGE, "'taps' is 0; it must be an integer from 1 to 4096", NULL},
    {"{\"taps\": 4097}", FLOW_ERANGE, "'taps' is 4097; it must be an integer from 1 to 4096", NULL},
    {"{\"taps\": 8.5}", FLOW_ETYPE, "'taps' is 8.5; it must be an integer from 1 to 4096", NULL},
    {"{\"taps\": \"8\"}", FLOW_ETYPE, "'taps' is \"8\"; it must be an integer from 1 to 4096",
     NULL},
    {"{\"taps\": true}", FLOW_ETYPE, "'taps' is true; it must be an integer from 1 to 4096", NULL},
    {"{\"any\": 9007199254740993}", FLOW_ERANGE, "'any' is 9007199254740993; it must be an integer",
     NULL},
    {"{\"any\": -9007199254740993}", FLOW_ERANGE,
     "'any' is -9007199254740993; it must be an integer", NULL},
    {"{\"any\": 1e300}", FLOW_ERANGE, "'any' is 1e300; it must be an integer", NULL},
    {"{\"cutoff\": 1.5}", FLOW_ERANGE, "'cutoff' is 1.5; it must be a number from 0 to 1", NULL},
    {"{\"cutoff\": -0.1}", FLOW_ERANGE, "'cutoff' is -0.1; it must be a number from 0 to 1", NULL},
    {"{\"cutoff\": \"low\"}", FLOW_ETYPE, "'cutoff' is \"low\"; it must be a number from 0 to 1",
     NULL},
    {"{\"wrap\": 1}", FLOW_ETYPE, "'wrap' is 1; it must be true or false", NULL},
    {"{\"window\": null}", FLOW_ETYPE, "'window' is null; it must be a string", NULL},
    {"{\"window\": \"a\\u0000b\"}", FLOW_ETYPE, "'window' is \"a\\u0000b\"; it must be a string",
     NULL},
    {"{\"window\": {\"a\": [1, 2]}}", FLOW_ETYPE, "'window' is {\"a\":[1,2]}; it must be a string",
     NULL},
    {"{\"buffer\": 4095}", FLOW_ERANGE,
     "'buffer' is 4095; it must be a size (such as 4096 or \"64KiB\") from 4KiB to 1MiB", NULL},
    {"{\"buffer\": \"2MiB\"}", FLOW_ERANGE,
     "'buffer' is \"2MiB\"; it must be a size (such as 4096 or \"64KiB\") from 4KiB to 1MiB", NULL},
    {"{\"buffer\": -1}", FLOW_ERANGE,
     "'buffer' is -1; it must be a size (such as 4096 or \"64KiB\") from 4KiB to 1MiB", NULL},
    {"{\"buffer\": 4096.5}", FLOW_ETYPE,
     "'buffer' is 4096.5; it must be a size (such as 4096 or \"64KiB\") from 4KiB to 1MiB", NULL},
    {"{\"buffer\": \"64 KiB\"}", FLOW_ETYPE,
     "'buffer' is \"64 KiB\"; it must be a size (such as 4096 or \"64KiB\") from 4KiB to 1MiB",
     NULL},
    {"{\"delay\": 250}", FLOW_ETYPE,
     "'delay' is 250; it must be a duration (such as \"250ms\") from 1ms to 1h", NULL},
    {"{\"delay\": \"250\"}", FLOW_ETYPE,
     "'delay' is \"250\"; it must be a duration (such as \"250ms\") from 1ms to 1h", NULL},
    {"{\"delay\": \"1us\"}", FLOW_ERANGE,
     "'delay' is \"1us\"; it must be a duration (such as \"250ms\") from 1ms to 1h", NULL},
    {"{\"delay\": \"9007199254740993ns\"}", FLOW_ERANGE,
     "'delay' is \"9007199254740993ns\"; it must be a duration (such as \"250ms\") from 1ms to 1h",
     NULL},
    {"{\"mode\": \"fas\"}", FLOW_ERANGE,
     "'mode' is \"fas\"; it must be one of \"fast\", \"slow\", \"off\"", NULL},
    {"{\"mode\": \"fast|slow\"}", FLOW_ERANGE,
     "'mode' is \"fast|slow\"; it must be one of \"fast\", \"slow\", \"off\"", NULL},
    {"{\"mode\": \"\"}", FLOW_ERANGE,
     "'mode' is \"\"; it must be one of \"fast\", \"slow\", \"off\"", NULL},
    {"{\"mode\": 0}", FLOW_ETYPE, "'mode' is 0; it must be one of \"fast\", \"slow\", \"off\"",
     NULL},
    {"{\"paths\": [\"a\", 7, \"b\"]}", FLOW_ETYPE,
     "'paths' is [\"a\",7,\"b\"]; it must be a string or a list of strings", NULL},
    {"{\"paths\": {}}", FLOW_ETYPE, "'paths' is {}; it must be a string or a list of strings",
     NULL},
    {"{\"taps\": \"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
     FLOW_ETYPE,
     "'taps' is \"01234567890123456789012345678901234567890123456789012345678...; it must be an "
     "integer from 1 to 4096",
     NULL},
};

TEST(bad_input_is_refused_with_its_reason_and_leaves_nothing)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct filter f = {0};
        struct flow_error err = {0};
        const enum flow_status rc = read_text(table, bad[i].json, &f, &err);
        assert_string_equal(err.text, bad[i].text);
        assert_int_equal(rc, bad[i].status);
        assert_null(f.window);
        assert_null(f.extra);
        assert_null(f.paths.items);
    }
}

/* What flow_params_check reported, one finding after the other. */
struct findings {
    struct flow_str text;
    size_t count;
};

static void note(void *context, const char *key, const char *message, const char *hint)
{
    struct findings *findings = context;
    flow_str_addf(&findings->text, "%s|%s|%s\n", key != NULL ? key : "-", message,
                  hint != NULL ? hint : "-");
    findings->count++;
}

static bool check_text(const struct flow_param *rows, const char *text, struct findings *findings)
{
    const struct flow_param_report report = {.context = findings, .report = note};
    json_t *json = text != NULL ? parse(text) : NULL;
    const bool sound = flow_params_check(rows, json, &report);
    json_decref(json);
    assert_int_equal(sound, findings->count == 0);
    return sound;
}

TEST(a_check_says_the_same_as_reading_does)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct findings findings = {0};
        assert_false(check_text(table, bad[i].json, &findings));
        assert_int_equal(findings.count, 1);
        const char *message = strchr(findings.text.text, '|') + 1;
        if (strchr(bad[i].text, '|') == NULL)
            assert_memory_equal(message, bad[i].text, strlen(bad[i].text));
        const char *hint = strrchr(message, '|') + 1;
        assert_int_equal(strncmp(hint, "-\n", 2) == 0, bad[i].hint == NULL);
        if (bad[i].hint != NULL)
            assert_memory_equal(hint, bad[i].hint, strlen(bad[i].hint));
        flow_str_clear(&findings.text);
    }
}

TEST(a_check_reports_every_finding_once)
{
    struct findings findings = {0};
    assert_false(check_text(required, "{}", &findings));
    assert_string_equal(findings.text.text,
                        "-|parameter 'path' is missing; it must be a string|file to read\n"
                        "-|parameter 'limit' is missing; it must be an integer of at least 0|"
                        "lines to read [lines]\n");
    flow_str_clear(&findings.text);

    findings = (struct findings){0};
    assert_false(check_text(required, "{\"pth\": 1, \"limit\": \"x\", \"zzzz\": {}}", &findings));
    assert_string_equal(findings.text.text,
                        "pth|unknown parameter 'pth'; known: path limit|did you mean 'path'?\n"
                        "limit|'limit' is \"x\"; it must be an integer of at least 0|-\n"
                        "zzzz|unknown parameter 'zzzz'; known: path limit|-\n"
                        "-|parameter 'path' is missing; it must be a string|file to read\n");
    flow_str_clear(&findings.text);
}

TEST(sound_input_has_no_findings)
{
    struct findings findings = {0};
    assert_true(check_text(table, NULL, &findings));
    assert_true(check_text(table, "{}", &findings));
    assert_true(
        check_text(table, "{\"paths\": [\"x\"], \"extra\": [1], \"label\": \"l\"}", &findings));
    assert_true(check_text(NULL, "{}", &findings));
}

TEST(sizes_and_durations_beyond_what_a_double_holds_are_refused)
{
    struct wide {
        uint64_t size;
        int64_t time;
    };
    static const struct flow_param wide[] = {
        FLOW_PARAM_SIZE(struct wide, size, "0", 0, 0x1p53, "size [bytes]"),
        FLOW_PARAM_DURATION(struct wide, time, "0s", 0, 0x1p53, "time"),
        FLOW_PARAM_END,
    };
    struct wide w = {0};
    assert_int_equal(read_text(wide, "{\"size\": 9007199254740992}", &w, NULL), FLOW_OK);
    assert_true(w.size == (uint64_t)1 << 53);
    assert_int_equal(read_text(wide, "{\"time\": \"9007199254740992ns\"}", &w, NULL), FLOW_OK);
    assert_true(w.time == (int64_t)1 << 53);

    static const char *const beyond[] = {"{\"size\": 9007199254740993}",
                                         "{\"size\": \"9007199254740993B\"}", "{\"size\": -1}",
                                         "{\"time\": \"9007199254740993ns\"}"};
    for (size_t i = 0; i < COUNT(beyond); i++)
        assert_int_equal(read_text(wide, beyond[i], &w, NULL), FLOW_ERANGE);
}

TEST(a_required_key_must_be_there)
{
    struct reader r = {0};
    struct flow_error err = {0};
    assert_int_equal(flow_params_read(required, NULL, &r, &err), FLOW_ENOENT);
    assert_string_equal(err.text, "parameter 'path' is missing; it must be a string");
    err = (struct flow_error){0};
    assert_int_equal(read_text(required, "{\"path\": \"p\"}", &r, &err), FLOW_ENOENT);
    assert_string_equal(err.text,
                        "parameter 'limit' is missing; it must be an integer of at least 0");
    assert_null(r.path);

    assert_int_equal(read_text(required, "{\"path\": \"p\", \"limit\": 3}", &r, NULL), FLOW_OK);
    assert_string_equal(r.path, "p");
    flow_params_clear(required, &r);
}

TEST(a_type_without_parameters_takes_none)
{
    struct flow_error err = {0};
    assert_int_equal(flow_params_read(NULL, NULL, NULL, NULL), FLOW_OK);
    assert_int_equal(read_text(NULL, "{\"n\": 1}", NULL, &err), FLOW_ENOENT);
    assert_string_equal(err.text, "unknown parameter 'n'; the type has no parameters");
    flow_params_clear(NULL, NULL);
}

static const char *const given[] = {
    NULL,
    "{\"paths\": [\"a\", \"b\", \"c\"], \"label\": \"l\", \"extra\": {\"k\": [true]}}",
    "{\"paths\": [\"a\", 7]}",
    "{\"taps\": 0}",
    "{\"tap\": 0}",
};

/* jansson allocates through flow_alloc here, so that its failures are walked as well. */
TEST(a_failed_allocation_while_reading_leaves_nothing_behind)
{
    for (size_t i = 0; i < COUNT(given); i++) {
        json_t *json = given[i] != NULL ? parse(given[i]) : NULL;
        struct filter expected = {0};
        const enum flow_status undisturbed = flow_params_read(table, json, &expected, NULL);
        flow_params_clear(table, &expected);

        int n = 0;
        enum flow_status rc = FLOW_ENOMEM;
        for (; rc == FLOW_ENOMEM; n++) {
            struct filter f = {0};
            struct flow_error err = {0};
            flow_mem_fail_at(n);
            rc = flow_params_read(table, json, &f, &err);
            flow_mem_fail_at(-1);
            assert_int_equal(err.status, rc);
            if (rc == FLOW_ENOMEM)
                assert_non_null(strstr(err.text, "out of memory"));
            if (rc != FLOW_OK) {
                assert_null(f.window);
                assert_null(f.label);
                assert_null(f.extra);
                assert_null(f.paths.items);
            }
            flow_params_clear(table, &f);
        }
        assert_int_equal(rc, undisturbed);
        assert_true(n > 1);
        json_decref(json);
    }
}

TEST(a_failed_allocation_while_checking_is_no_finding_and_not_sound)
{
    for (size_t i = 1; i < COUNT(given); i++) {
        json_t *json = parse(given[i]);
        struct findings plain = {0};
        const struct flow_param_report plain_report = {.context = &plain, .report = note};
        const bool undisturbed = flow_params_check(table, json, &plain_report);

        for (int n = 0; n < 40; n++) {
            struct findings findings = {0};
            const struct flow_param_report report = {.context = &findings, .report = note};
            flow_mem_fail_at(n);
            const bool sound = flow_params_check(table, json, &report);
            flow_mem_fail_at(-1);
            assert_true(undisturbed || !sound);
            assert_true(findings.count <= plain.count);
            assert_true(findings.text.text == NULL || strstr(findings.text.text, "memory") == NULL);
            flow_str_clear(&findings.text);
        }
        flow_str_clear(&plain.text);
        json_decref(json);
    }
}

int main(void)
{
    json_set_alloc_funcs(flow_alloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_take_their_defaults),
        cmocka_unit_test(given_keys_are_converted_to_their_fields),
        cmocka_unit_test(a_value_may_be_written_in_other_ways),
        cmocka_unit_test(bad_input_is_refused_with_its_reason_and_leaves_nothing),
        cmocka_unit_test(a_check_says_the_same_as_reading_does),
        cmocka_unit_test(a_check_reports_every_finding_once),
        cmocka_unit_test(sound_input_has_no_findings),
        cmocka_unit_test(sizes_and_durations_beyond_what_a_double_holds_are_refused),
        cmocka_unit_test(a_required_key_must_be_there),
        cmocka_unit_test(a_type_without_parameters_takes_none),
        cmocka_unit_test(a_failed_allocation_while_reading_leaves_nothing_behind),
        cmocka_unit_test(a_failed_allocation_while_checking_is_no_finding_and_not_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
