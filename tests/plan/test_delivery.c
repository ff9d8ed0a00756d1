/* SPDX-License-Identifier: MIT */
#include "plan/delivery.h"

#include "support/check.h"
#include "support/hand_graph.h"

static const char *reads_once(const void *self)
{
    (void)self;
    return "it is read once";
}

static enum flow_status save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    (void)to;
    return FLOW_OK;
}

/* read, which cannot read again, and print, which can take back; no plan yet. */
struct fixture {
    struct flow_stage_type source, sink;
    struct hand *hand;
    struct flow_plan *plan;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.source = hand_source, .sink = hand_sink, .hand = hand_new()};
    f->source.weakness = reads_once;
    f->source.save = f->sink.save = save;
    const size_t read = hand_stage(f->hand, "read", &f->source, 1);
    (void)hand_edge(f->hand, read, hand_stage(f->hand, "print", &f->sink, 1));
    f->hand->graph.checkpoints = true;
}

static void plan(struct fixture *f)
{
    f->plan = flow_plan_new(&f->hand->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(f->plan);
}

static void tear_down(struct fixture *f)
{
    flow_plan_free(f->plan);
    hand_free(f->hand);
}

static void say(struct fixture *f, size_t stage, enum flow_delivery delivery)
{
    f->hand->stages[stage].delivery_given = true;
    f->hand->stages[stage].delivery = delivery;
}

TEST(the_word_of_either_end_counts_and_that_of_run_where_there_is_none)
{
    static const struct {
        int read, print; /* enum flow_delivery; -1: it says nothing */
        enum flow_delivery run;
        const char *refusal; /* NULL: it is sound */
    } cases[] = {
        {-1, -1, FLOW_DELIVERY_NONE, NULL},
        {-1, -1, FLOW_DELIVERY_EXACTLY,
         "run.delivery demands \"exactly-once\", but from 'read' to 'print' it is at most once: it "
         "is read once"},
        {-1, FLOW_DELIVERY_AT_MOST, FLOW_DELIVERY_EXACTLY, NULL},
        {FLOW_DELIVERY_NONE, -1, FLOW_DELIVERY_EXACTLY, NULL},
        {-1, FLOW_DELIVERY_AT_LEAST, FLOW_DELIVERY_NONE,
         "stages.print.delivery demands \"at-least-once\", but from 'read' to 'print' it is at "
         "most "
         "once: it is read once"},
        {FLOW_DELIVERY_AT_MOST, FLOW_DELIVERY_EXACTLY, FLOW_DELIVERY_NONE,
         "stages.print.delivery demands \"exactly-once\", but from 'read' to 'print' it is at most "
         "once: it is read once"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct flow_error err = {0};
        set_up(&f);
        if (cases[i].read >= 0)
            say(&f, 0, (enum flow_delivery)cases[i].read);
        if (cases[i].print >= 0)
            say(&f, 1, (enum flow_delivery)cases[i].print);
        f.hand->graph.delivery = cases[i].run;
        plan(&f);
        const enum flow_status rc = flow_delivery_check(f.plan, &err);
        assert_int_equal(rc, cases[i].refusal != NULL ? FLOW_EINVAL : FLOW_OK);
        assert_string_equal(err.text, cases[i].refusal != NULL ? cases[i].refusal : "");
        tear_down(&f);
    }
}

TEST(a_run_goes_back_if_what_would_be_lost_may_be)
{
    static const struct {
        int read;
        enum flow_delivery run;
        bool spools;
        unsigned traits;
        const char *why;
    } cases[] = {
        {-1, FLOW_DELIVERY_NONE, false, 0, "it is read once"},
        {-1, FLOW_DELIVERY_NONE, false, FLOW_ANSWERS, "it is read once"},
        {-1, FLOW_DELIVERY_NONE, true, 0, "what is not in its spool yet is not sent again"},
        {-1, FLOW_DELIVERY_NONE, true, FLOW_ANSWERS, NULL},
        {-1, FLOW_DELIVERY_AT_MOST, false, 0, NULL},
        {-1, FLOW_DELIVERY_AT_MOST, true, 0, NULL},
        {FLOW_DELIVERY_AT_MOST, FLOW_DELIVERY_NONE, false, 0, NULL},
        {FLOW_DELIVERY_NONE, FLOW_DELIVERY_AT_MOST, false, 0, "it is read once"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        size_t stage = 7;
        const char *why = "";
        set_up(&f);
        if (cases[i].read >= 0)
            say(&f, 0, (enum flow_delivery)cases[i].read);
        f.hand->graph.delivery = cases[i].run;
        f.source.traits = cases[i].traits;
        f.hand->stages[0].spool_given = cases[i].spools;
        f.hand->stages[0].spool_bytes = cases[i].spools ? 1 << 20 : 0;
        plan(&f);
        assert_int_equal(flow_delivery_way_back(f.plan, &stage, &why, NULL), FLOW_OK);
        assert_true(stage == (cases[i].why != NULL ? 0 : FLOW_NONE));
        assert_true((why == NULL) == (cases[i].why == NULL));
        if (why != NULL)
            assert_string_equal(why, cases[i].why);
        tear_down(&f);
    }
}

TEST(a_spool_that_cannot_be_or_is_of_no_use_is_refused)
{
    static const struct {
        size_t stage;
        bool checkpoints, weak;
        const char *refusal; /* NULL: it is sound */
    } cases[] = {
        {0, true, true, NULL},
        {1, true, true,
         "stage 'print' is to have a spool, which only producers can have; what it is given comes "
         "again by itself"},
        {0, false, true,
         "stage 'read' is to have a spool, which lies in the state folder of a run that takes "
         "checkpoints: add \"state\": true to \"run\", or --state"},
        {0, true, false,
         "stage 'read' is to have a spool, but needs none: it can read again what it has read; "
         "leave \"spool\" out there"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct flow_error err = {0};
        set_up(&f);
        f.source.weakness = cases[i].weak ? reads_once : NULL;
        f.hand->graph.checkpoints = cases[i].checkpoints;
        f.hand->stages[cases[i].stage].spool_given = true;
        f.hand->stages[cases[i].stage].spool_bytes = 1 << 20;
        plan(&f);
        const enum flow_status rc = flow_delivery_check(f.plan, &err);
        assert_int_equal(rc, cases[i].refusal != NULL ? FLOW_EINVAL : FLOW_OK);
        assert_string_equal(err.text, cases[i].refusal != NULL ? cases[i].refusal : "");
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_of_either_end_counts_and_that_of_run_where_there_is_none),
        cmocka_unit_test(a_run_goes_back_if_what_would_be_lost_may_be),
        cmocka_unit_test(a_spool_that_cannot_be_or_is_of_no_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
