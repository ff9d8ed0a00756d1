/* SPDX-License-Identifier: MIT */
#include <flowrun/testing.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"

/* ---- the end of a test ---- */

static jmp_buf after;
static char broken[512];

void flow_harness_broken(const char *message)
{
    (void)snprintf(broken, sizeof(broken), "%s", message);
    longjmp(after, 1);
}

/* Run `step`, which is to end the test with a message that has `text` in it. */
static void assert_broken(void (*step)(struct flow_harness *h), struct flow_harness *h,
                          const char *text)
{
    broken[0] = '\0';
    if (setjmp(after) == 0)
        step(h);
    if (strstr(broken, text) == NULL)
        fail_msg("'%s' does not say '%s'", broken, text);
}

/* ---- a stage that does as each record says ---- */

struct puppet {
    int64_t number;
    bool reads_less;
    unsigned opened;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct puppet, number, "1", 0, 9, "a number"),
    FLOW_PARAM_BOOL(struct puppet, reads_less, "false", "restore leaves something"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"left", "bytes", "what to do"},
    {"right", "bytes", "what to do"},
    {NULL, NULL, NULL},
};

static enum flow_status misbehave(struct flow_stage *stage, const struct flow_record *record)
{
    const struct flow_target far = {.port = 7};
    switch (*(const char *)record->data) {
    case 'p':
        return flow_emit_to(stage, &far, "x", 1);
    case 'c': {
        const struct flow_target here = {0};
        return flow_commit(stage, &here, 1);
    }
    case 'l': {
        const struct flow_target here = {0};
        if (flow_reserve(stage, 0, 2) == NULL)
            return FLOW_EABORT;
        return flow_commit(stage, &here, 3);
    }
    case 's':
        return FLOW_EIO;
    case 'w':
        return flow_wait(stage, -1, 0, -1);
    default:
        return FLOW_EINVAL;
    }
}

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    struct puppet *p = self;
    if (record->size == 0)
        return flow_reject(stage, "it is empty, on port %u", record->port);
    switch (*(const char *)record->data) {
    case 'e':
        return flow_forward(stage, 0, record);
    case 'n':
        flow_log(stage, "%s of %s has %d", flow_stage_info(stage)->name,
                 flow_stage_info(stage)->folder, (int)p->number);
        return FLOW_OK;
    case 'f':
        return flow_stage_fail(stage, FLOW_EIO, "no disk");
    case 't':
        return flow_wait(stage, -1, 0, 1500000000) == FLOW_EABORT ? FLOW_EABORT : FLOW_OK;
    default:
        return misbehave(stage, record);
    }
}

static enum flow_status save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct puppet *p = self;
    (void)stage;
    return flow_save_number(to, (uint64_t)p->number);
}

static enum flow_status restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct puppet *p = self;
    uint64_t number = 0;
    (void)stage;
    const enum flow_status rc = p->reads_less ? FLOW_OK : flow_load_number(from, &number);
    p->number = (int64_t)number;
    return rc;
}

static const char *weakness(const void *self)
{
    const struct puppet *p = self;
    return p->number == 7 ? "seven is read once" : NULL;
}

static const struct flow_stage_type puppet = {
    .name = "test.puppet",
    .help = "does as it is told",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct puppet),
    .process = process,
    .save = save,
    .restore = restore,
    .weakness = weakness,
};

static struct flow_harness *told(const char *what)
{
    struct flow_harness *h = flow_harness_new(&puppet, NULL);
    flow_harness_feed(h, what);
    return h;
}

/* ---- tests ---- */

TEST(records_come_on_the_ports_they_are_fed_to_with_their_keys)
{
    struct flow_harness *h = flow_harness_new(&puppet, NULL);
    flow_harness_feed_record(h, &(struct flow_record){.data = "", .port = 1});
    flow_harness_feed_keyed(h, "key", "e1");
    flow_harness_feed_bytes(h, "e\0e", 3);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_string_equal(flow_harness_reject(h, 0), "0: it is empty, on port 1");
    assert_int_equal(flow_harness_count(h, 0), 2);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "key");
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 3);
    assert_string_equal(flow_harness_text(h, 0), "e1\ne");
    flow_harness_free(h);
}

TEST(options_and_parameters_reach_the_stage)
{
    const struct flow_harness_options options = {
        .with = "{\"number\": 7}", .name = "puppet", .folder = "/graphs"};
    struct flow_harness *h = flow_harness_new(&puppet, &options);
    assert_string_equal(flow_harness_weakness(h), "seven is read once");
    flow_harness_feed(h, "n");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_log_count(h), 1);
    assert_string_equal(flow_harness_log(h, 0), "puppet of /graphs has 7");
    assert_int_equal(((struct puppet *)flow_harness_state(h))->number, 7);
    flow_harness_free(h);
}

TEST(refused_parameters_say_why)
{
    char *why = flow_harness_refusal(&puppet, "{\"number\": 10}");
    assert_non_null(why);
    assert_non_null(strstr(why, "'number' is 10; it must be an integer from 0 to 9"));
    free(why);
    assert_null(flow_harness_refusal(&puppet, "{\"number\": 9}"));
}

TEST(time_is_added_up_and_not_waited_for)
{
    struct flow_harness *h = told("t");
    flow_harness_feed(h, "t");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_waited_ns(h), 3000000000);
    flow_harness_free(h);
}

TEST(a_failure_of_the_stage_ends_the_run_with_its_text)
{
    struct flow_harness *h = told("f");
    flow_harness_feed(h, "e");
    assert_int_equal(flow_harness_run(h), FLOW_EIO);
    assert_string_equal(flow_harness_failure(h), "no disk");
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
}

TEST(work_goes_on_with_what_was_fed_since)
{
    struct flow_harness *h = told("e1");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    flow_harness_feed(h, "e2");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "e1\ne2\n");
    flow_harness_free(h);
}

TEST(state_is_saved_and_restored)
{
    struct flow_harness *h =
        flow_harness_new(&puppet, &(struct flow_harness_options){.with = "{\"number\": 5}"});
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);

    h = flow_harness_new(&puppet, NULL);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(((struct puppet *)flow_harness_state(h))->number, 5);
    flow_harness_free(h);
    free(saved.bytes);
}

static void run(struct flow_harness *h)
{
    (void)flow_harness_run(h);
}

TEST(who_breaks_a_rule_ends_the_test)
{
    static const struct {
        const char *what, *text;
    } cases[] = {
        {"p", "test.puppet: it names output port 7, and has 1"},
        {"c", "test.puppet: it commits what it has not reserved"},
        {"l", "it commits 3 bytes and has reserved 2"},
        {"s", "it returns status 9 without having said why"},
        {"w", "it waits for nothing, for ever"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = told(cases[i].what);
        assert_broken(run, h, cases[i].text);
        flow_harness_free(h);
    }
}

static void ask_record(struct flow_harness *h)
{
    (void)flow_harness_record(h, 0, 1);
}

static void ask_reject(struct flow_harness *h)
{
    (void)flow_harness_reject(h, 0);
}

static void ask_log(struct flow_harness *h)
{
    (void)flow_harness_log(h, 0);
}

static void ask_commit(struct flow_harness *h)
{
    (void)flow_harness_commit(h, 1);
}

static void feed_elsewhere(struct flow_harness *h)
{
    flow_harness_feed_record(h, &(struct flow_record){.data = "", .port = 2});
}

static void restore_less(struct flow_harness *h)
{
    uint8_t bytes[8] = {0};
    ((struct puppet *)flow_harness_state(h))->reads_less = true;
    (void)flow_harness_restore(h, &(struct flow_harness_saved){bytes, sizeof(bytes)});
}

TEST(a_test_that_asks_for_what_is_not_there_ends)
{
    struct flow_harness *h = told("e");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_broken(ask_record, h, "test.puppet: it emitted 1 records on port 0, no more");
    assert_broken(ask_reject, h, "it rejected 0 records, no more");
    assert_broken(ask_log, h, "it logged 0 lines, no more");
    assert_broken(ask_commit, h, "it has no commit");
    assert_broken(feed_elsewhere, h, "it has no input port 2");
    flow_harness_free(h);
}

TEST(restore_has_to_read_all_that_was_saved)
{
    struct flow_harness *h = flow_harness_new(&puppet, NULL);
    broken[0] = '\0';
    assert_broken(restore_less, h, "restore leaves 8 bytes of what save has saved");
    flow_harness_free(h);
}

static void make_bad(struct flow_harness *h)
{
    (void)h;
    (void)flow_harness_new(&puppet, &(struct flow_harness_options){.with = "{\"nimber\": 1}"});
}

TEST(parameters_that_are_refused_end_the_test)
{
    assert_broken(make_bad, NULL,
                  "test.puppet: unknown parameter 'nimber'; known: number reads_less");
}

static void load_many(struct flow_harness *h)
{
    (void)h;
    (void)flow_harness_load(PLUGIN, NULL);
}

static void load_none(struct flow_harness *h)
{
    (void)h;
    (void)flow_harness_load(PLUGIN, "test.three");
}

static void load_nothing(struct flow_harness *h)
{
    (void)h;
    (void)flow_harness_load("/no/such/file.so", NULL);
}

TEST(a_type_is_loaded_from_its_file)
{
    const struct flow_stage_type *type = flow_harness_load(PLUGIN, "test.two");
    assert_string_equal(type->name, "test.two");
    struct flow_harness *h = flow_harness_new(type, NULL);
    flow_harness_feed(h, "through");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "through\n");
    flow_harness_free(h);
    assert_broken(load_many, NULL, "has several stage types: name one");
    assert_broken(load_none, NULL, "has no stage type 'test.three'");
    assert_broken(load_nothing, NULL, "cannot load plugin '/no/such/file.so'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_on_the_ports_they_are_fed_to_with_their_keys),
        cmocka_unit_test(options_and_parameters_reach_the_stage),
        cmocka_unit_test(refused_parameters_say_why),
        cmocka_unit_test(time_is_added_up_and_not_waited_for),
        cmocka_unit_test(a_failure_of_the_stage_ends_the_run_with_its_text),
        cmocka_unit_test(work_goes_on_with_what_was_fed_since),
        cmocka_unit_test(state_is_saved_and_restored),
        cmocka_unit_test(who_breaks_a_rule_ends_the_test),
        cmocka_unit_test(a_test_that_asks_for_what_is_not_there_ends),
        cmocka_unit_test(restore_has_to_read_all_that_was_saved),
        cmocka_unit_test(parameters_that_are_refused_end_the_test),
        cmocka_unit_test(a_type_is_loaded_from_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
