/* SPDX-License-Identifier: MIT */
#include "plan/recover.h"

#include <string.h>

#include "support/check.h"
#include "support/hand_graph.h"

static enum flow_status finish(void *self, struct flow_stage *stage)
{
    (void)self;
    (void)stage;
    return FLOW_OK;
}

static const struct flow_stage_type hand_last = {
    .name = "text.last", .role = FLOW_WORKER, .finish = finish};

static enum flow_status hand_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    (void)to;
    return FLOW_OK;
}

static const struct flow_stage_type saved_source = {
    .name = "lines.read", .role = FLOW_PRODUCER, .save = hand_save};

static struct hand *processes(void)
{
    struct hand *h = hand_new();
    h->graph.mode = FLOW_PROCESSES;
    return h;
}

static size_t worker(struct hand *h, const char *name, unsigned workers)
{
    const size_t stage = hand_stage(h, name, &hand_map, workers);
    h->stages[stage].restart = (struct flow_restart){.on = true, .tries = 5};
    return stage;
}

/* The names of the plan's stages, those that are replaced with a '*', in one text. */
static const char *stages_of(struct hand *h)
{
    static char text[256];
    struct flow_plan *plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(plan);
    text[0] = '\0';
    for (size_t i = 0; i < plan->stage_count; i++) {
        (void)strncat(text, plan->stages[i].name, sizeof(text) - strlen(text) - 1);
        (void)strncat(text, plan->stages[i].recovers ? "* " : " ", sizeof(text) - strlen(text) - 1);
    }
    flow_plan_free(plan);
    return text;
}

TEST(a_worker_behind_a_producer_is_replaced_and_needs_nothing_more)
{
    struct hand *h = processes();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = worker(h, "work", 3);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, hand_stage(h, "print", &hand_sink, 1));
    assert_string_equal(stages_of(h), "read work* print ");
    h->stages[work].order = FLOW_ORDER_NONE;
    assert_string_equal(stages_of(h), "read work* print ");
    h->stages[work].restart.on = false;
    assert_string_equal(stages_of(h), "read work print ");
    h->stages[work].restart.on = true;
    h->graph.mode = FLOW_THREADS;
    assert_string_equal(stages_of(h), "read work print ");
    h->stages[work].isolate = true;
    assert_string_equal(stages_of(h), "read work* print ");
    hand_free(h);
}

TEST(between_two_that_are_replaced_and_behind_several_replicas_stands_a_sequencer)
{
    struct hand *h = processes();
    const size_t read = hand_stage(h, "read", &hand_source, 2);
    const size_t one = worker(h, "one", 1);
    const size_t two = worker(h, "two", 1);
    (void)hand_edge(h, read, one);
    (void)hand_edge(h, one, two);
    (void)hand_edge(h, two, hand_stage(h, "print", &hand_sink, 1));
    assert_string_equal(stages_of(h), "read one.order one* two.order two* print ");
    hand_free(h);
}

TEST(what_may_be_dealt_or_dropped_otherwise_the_second_time_is_so_behind_a_sequencer)
{
    struct hand *h = processes();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = worker(h, "work", 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, hand_stage(h, "two", &hand_sink, 2));
    hand_edge(h, work, hand_stage(h, "tap", &hand_sink, 1))->queue.when_full = FLOW_DROP_NEW;
    hand_edge(h, work, hand_stage(h, "bad", &hand_sink, 2))->from_port = FLOW_PORT_ERRORS;
    assert_string_equal(stages_of(h), "read work* two.work.order two tap.work.order tap "
                                      "bad.work.errors.order bad ");
    hand_free(h);
}

TEST(input_by_key_from_several_replicas_cannot_be_sequenced_for_several_workers)
{
    struct hand *h = processes();
    const size_t read = hand_stage(h, "read", &hand_source, 2);
    const size_t work = worker(h, "work", 2);
    hand_edge(h, read, work)->share = FLOW_KEY;
    (void)hand_edge(h, work, hand_stage(h, "print", &hand_sink, 1));
    assert_string_equal(stages_of(h), "read work print ");
    h->stages[read].workers = 1;
    assert_string_equal(stages_of(h), "read work* print ");
    hand_free(h);
}

TEST(what_keeps_state_or_may_lose_its_input_is_not_replaced)
{
    struct hand *h = processes();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = worker(h, "work", 1);
    struct flow_graph_edge *edge = hand_edge(h, read, work);
    (void)hand_edge(h, work, hand_stage(h, "print", &hand_sink, 1));
    h->stages[work].type = &hand_count;
    assert_string_equal(stages_of(h), "read work print ");
    h->stages[work].type = &hand_last;
    assert_string_equal(stages_of(h), "read work print ");
    h->stages[work].type = &hand_map;
    edge->queue.when_full = FLOW_DROP_OLD;
    assert_string_equal(stages_of(h), "read work print ");
    edge->queue.when_full = FLOW_BLOCK;
    h->stages[work].fuse = FLOW_FUSE_ON;
    assert_string_equal(stages_of(h), "read work print ");
    hand_free(h);
}

/* So a run goes on from a checkpoint in threads too, where nothing is replaced. */
TEST(beside_checkpoints_nothing_gets_a_sequencer_for_being_replaced_alone)
{
    static const struct flow_stage_type keeper = {
        .name = "text.keep", .role = FLOW_WORKER, .save = hand_save};
    struct hand *h = processes();
    h->graph.checkpoints = true;
    const size_t read = hand_stage(h, "read", &saved_source, 1);
    const size_t one = worker(h, "one", 1);
    (void)hand_edge(h, read, one);
    const size_t two = worker(h, "two", 2);
    struct flow_graph_edge *edge = hand_edge(h, one, two);
    (void)hand_edge(h, two, hand_stage(h, "print", &hand_sink, 1));
    assert_string_equal(stages_of(h), "read one two* print "); /* one deals, so it is not */
    h->stages[two].workers = 1;
    assert_string_equal(stages_of(h), "read one* two print ");
    h->stages[one].workers = h->stages[two].workers = 2; /* between them stands one anyway */
    assert_string_equal(stages_of(h), "read one* two.order two* print ");
    h->graph.checkpoints = false;
    h->stages[one].workers = h->stages[two].workers = 1;
    assert_string_equal(stages_of(h), "read one* two.order two* print ");
    h->graph.checkpoints = true;
    edge->queue.when_full = FLOW_DROP_OLD;
    assert_string_equal(stages_of(h), "read one two print ");
    h->stages[one].type = &keeper;
    edge->queue.when_full = FLOW_BLOCK;
    assert_string_equal(stages_of(h), "read one two* print ");
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_behind_a_producer_is_replaced_and_needs_nothing_more),
        cmocka_unit_test(
            between_two_that_are_replaced_and_behind_several_replicas_stands_a_sequencer),
        cmocka_unit_test(
            what_may_be_dealt_or_dropped_otherwise_the_second_time_is_so_behind_a_sequencer),
        cmocka_unit_test(
            input_by_key_from_several_replicas_cannot_be_sequenced_for_several_workers),
        cmocka_unit_test(what_keeps_state_or_may_lose_its_input_is_not_replaced),
        cmocka_unit_test(beside_checkpoints_nothing_gets_a_sequencer_for_being_replaced_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
