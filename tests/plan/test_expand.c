/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

static struct flow_plan *plan_of(const struct hand *h, unsigned cpus)
{
    struct flow_error err = {0};
    const struct flow_plan_options options = {.cpus = cpus};
    struct flow_plan *plan = flow_plan_new(&h->graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_non_null(plan);
    return plan;
}

static const struct flow_plan_stage *stage_named(const struct flow_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->stage_count; i++) {
        if (strcmp(plan->stages[i].name, name) == 0)
            return &plan->stages[i];
    }
    return NULL;
}

TEST(auto_is_the_cores_but_one_for_what_cannot_be_shared)
{
    static const struct {
        const struct flow_stage_type *type;
        enum flow_share share;
        size_t workers;
    } cases[] = {
        {&hand_map, FLOW_BALANCE, 6},   {&hand_map, FLOW_KEY, 6},   {&hand_map, FLOW_ALL, 6},
        {&hand_count, FLOW_BALANCE, 1}, {&hand_count, FLOW_KEY, 6}, {&hand_count, FLOW_ALL, 1},
        {&hand_top, FLOW_BALANCE, 1},   {&hand_top, FLOW_KEY, 1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = hand_new();
        const size_t read = hand_stage(h, "read", &hand_source, 1);
        const size_t work = hand_stage(h, "work", cases[i].type, FLOW_WORKERS_AUTO);
        hand_edge(h, read, work)->share = cases[i].share;
        struct flow_plan *plan = plan_of(h, 6);
        assert_int_equal(plan->cpus, 6);
        assert_int_equal(plan->stages[1].replica_count, cases[i].workers);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(auto_of_a_stateful_stage_is_one_if_any_edge_is_not_shared_by_key)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t count = hand_stage(h, "count", &hand_count, FLOW_WORKERS_AUTO);
    hand_edge(h, read, count)->share = FLOW_KEY;
    (void)hand_edge(h, read, count);
    struct flow_plan *plan = plan_of(h, 6);
    assert_int_equal(stage_named(plan, "count")->replica_count, 1);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(auto_never_exceeds_the_limit_of_workers)
{
    struct hand *h = hand_new();
    (void)hand_stage(h, "read", &hand_source, FLOW_WORKERS_AUTO);
    struct flow_plan *plan = plan_of(h, 5000);
    assert_int_equal(plan->cpus, FLOW_GRAPH_MAX_WORKERS);
    assert_int_equal(plan->replica_count, FLOW_GRAPH_MAX_WORKERS);
    flow_plan_free(plan);
    hand_free(h);
}

/* read ×readers → work ×workers → print */
static struct hand *three(unsigned readers, unsigned workers)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, readers);
    const size_t work = hand_stage(h, "work", &hand_map, workers);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    return h;
}

TEST(a_parallel_ordered_stage_behind_one_replica_is_numbered_without_a_sequencer)
{
    struct hand *h = three(1, 4);
    struct flow_plan *plan = plan_of(h, 1);
    assert_int_equal(plan->stage_count, 3);
    assert_int_equal(plan->edge_count, 2);
    assert_true(plan->stages[1].numbered);
    assert_false(plan->edges[0].merge_numbered);
    assert_true(plan->edges[1].merge_numbered);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(order_by_key_over_balance_is_numbered_as_well)
{
    struct hand *h = three(1, 4);
    h->stages[1].order = FLOW_ORDER_KEY;
    struct flow_plan *plan = plan_of(h, 1);
    assert_true(plan->stages[1].numbered);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(stages_whose_order_cannot_be_promised_or_seen_are_not_numbered)
{
    enum { SINGLE, UNORDERED, KEYED, ALL, TWO_PORTS, UNREAD, ONLY_ERRORS, CASES };
    for (int i = 0; i < CASES; i++) {
        struct hand *h = three(1, i == SINGLE ? 1 : 4);
        if (i == UNORDERED)
            h->stages[1].order = FLOW_ORDER_NONE;
        if (i == KEYED)
            h->edges[0].share = FLOW_KEY;
        if (i == ALL)
            h->edges[0].share = FLOW_ALL;
        if (i == TWO_PORTS)
            hand_edge(h, 0, 1)->to_port = 1;
        if (i == UNREAD)
            h->graph.edge_count = 1;
        if (i == ONLY_ERRORS)
            h->edges[1].from_port = FLOW_PORT_ERRORS;
        struct flow_plan *plan = plan_of(h, 1);
        assert_int_equal(plan->stage_count, 3);
        assert_false(plan->stages[1].numbered);
        for (size_t e = 0; e < plan->edge_count; e++)
            assert_false(plan->edges[e].merge_numbered);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(results_dealt_out_to_several_readers_without_an_order_go_as_they_come)
{
    static const struct {
        enum flow_share share;
        unsigned readers;
        bool merged;
    } cases[] = {
        {FLOW_BALANCE, 1, true},
        {FLOW_BALANCE, 2, false},
        {FLOW_KEY, 2, true},
        {FLOW_ALL, 2, true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = three(1, 4);
        h->stages[2].workers = cases[i].readers;
        h->edges[1].share = cases[i].share;
        struct flow_plan *plan = plan_of(h, 1);
        assert_int_equal(plan->edges[1].merge_numbered, cases[i].merged);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(parallel_producers_are_not_numbered)
{
    struct hand *h = three(3, 1);
    struct flow_plan *plan = plan_of(h, 1);
    assert_false(plan->stages[0].numbered);
    assert_false(plan->edges[0].merge_numbered);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(errors_of_a_numbered_stage_are_read_as_they_come)
{
    struct hand *h = three(1, 4);
    const size_t dead = hand_stage(h, "dead", &hand_sink, 1);
    hand_edge(h, 1, dead)->from_port = FLOW_PORT_ERRORS;
    struct flow_plan *plan = plan_of(h, 1);
    assert_true(plan->edges[1].merge_numbered);
    assert_int_equal(plan->edges[2].from_port, FLOW_PORT_ERRORS);
    assert_false(plan->edges[2].merge_numbered);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_sequencer_stands_between_two_parallel_ordered_stages)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t a = hand_stage(h, "a", &hand_map, 3);
    const size_t b = hand_stage(h, "b", &hand_map, 2);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, a);
    hand_edge(h, a, b)->queue = (struct flow_queue){.items = 7};
    (void)hand_edge(h, b, print);
    struct flow_plan *plan = plan_of(h, 1);

    assert_int_equal(plan->stage_count, 5);
    const struct flow_plan_stage *sequencer = &plan->stages[2];
    assert_string_equal(sequencer->name, "b.order");
    assert_null(sequencer->graph);
    assert_null(sequencer->type);
    assert_int_equal(sequencer->replica_count, 1);
    assert_false(sequencer->numbered);
    assert_string_equal(plan->stages[3].name, "b");
    assert_true(plan->stages[3].numbered);

    assert_int_equal(plan->edge_count, 4);
    const struct flow_plan_edge *into = &plan->edges[1];
    assert_int_equal(into->graph_edge, 1);
    assert_int_equal(into->to, 2);
    assert_true(into->merge_numbered);
    assert_int_equal(plan->links[into->first_link].credit.records, 7);

    const struct flow_plan_edge *made = &plan->edges[2];
    assert_true(made->graph_edge == FLOW_NONE);
    assert_int_equal(made->from, 2);
    assert_int_equal(made->to, 3);
    assert_int_equal(made->share, FLOW_BALANCE);
    assert_int_equal(made->when_full, FLOW_BLOCK);
    assert_false(made->merge_numbered);
    assert_true(plan->links[made->first_link].credit.records == UINT64_MAX);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(an_edge_that_may_drop_does_so_behind_a_sequencer_that_takes_every_result)
{
    const enum flow_when_full policies[] = {FLOW_DROP_NEW, FLOW_DROP_OLD, FLOW_FAIL};
    for (size_t i = 0; i < COUNT(policies); i++) {
        struct hand *h = three(1, 4);
        h->edges[1].queue = (struct flow_queue){.items = 7, .when_full = policies[i]};
        struct flow_plan *plan = plan_of(h, 1);

        assert_int_equal(plan->stage_count, 4);
        char name[160];
        (void)snprintf(name, sizeof(name), "%s.%s.order", h->names[2], h->names[1]);
        assert_string_equal(plan->stages[2].name, name);
        const struct flow_plan_edge *results = &plan->edges[1];
        assert_int_equal(results->to, 2);
        assert_true(results->merge_numbered);
        assert_int_equal(results->when_full, FLOW_BLOCK);
        const struct flow_plan_edge *behind = &plan->edges[2];
        assert_int_equal(behind->graph_edge, 1);
        assert_int_equal(behind->from, 2);
        assert_int_equal(behind->to, 3);
        assert_int_equal(behind->when_full, policies[i]);
        assert_false(behind->merge_numbered);
        assert_int_equal(plan->links[behind->first_link].credit.records, 7);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(a_merge_into_a_parallel_ordered_stage_gets_one_sequencer_for_all_its_edges)
{
    struct hand *h = hand_new();
    const size_t left = hand_stage(h, "left", &hand_source, 1);
    const size_t right = hand_stage(h, "right", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_join, 2);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    hand_edge(h, left, work)->to_port = 1;
    hand_edge(h, right, work)->to_port = 1;
    (void)hand_edge(h, work, print);
    struct flow_plan *plan = plan_of(h, 1);

    assert_int_equal(plan->stage_count, 5);
    assert_string_equal(plan->stages[2].name, "work.order");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(plan->edges[i].to, 2);
        assert_int_equal(plan->edges[i].to_port, 0);
    }
    assert_int_equal(plan->edges[2].from, 2);
    assert_int_equal(plan->edges[2].to, 3);
    assert_int_equal(plan->edges[2].to_port, 1);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(two_edges_from_one_replica_need_a_sequencer_too)
{
    struct hand *h = three(1, 4);
    hand_edge(h, 0, 1)->from_port = 1;
    struct flow_plan *plan = plan_of(h, 1);
    assert_non_null(stage_named(plan, "work.order"));
    flow_plan_free(plan);
    hand_free(h);
}

TEST(edges_stand_in_the_order_of_their_readers)
{
    struct hand *h = three(2, 2);
    const struct flow_graph_edge first = h->edges[0];
    h->edges[0] = h->edges[1];
    h->edges[1] = first;
    struct flow_plan *plan = plan_of(h, 1);
    for (size_t i = 1; i < plan->edge_count; i++)
        assert_true(plan->edges[i - 1].to <= plan->edges[i].to);
    assert_int_equal(plan->edges[0].graph_edge, 1);
    assert_true(plan->edges[1].graph_edge == FLOW_NONE);
    assert_int_equal(plan->edges[2].graph_edge, 0);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(too_many_workers_are_refused_with_both_numbers)
{
    struct hand *h = hand_new();
    for (unsigned i = 0; i < 65; i++)
        (void)hand_stage(h, "read", &hand_source, FLOW_GRAPH_MAX_WORKERS);
    struct flow_error err = {0};
    assert_null(flow_plan_new(&h->graph, NULL, &err));
    assert_int_equal(err.status, FLOW_ERANGE);
    assert_string_equal(err.text,
                        "the graph asks for 66560 workers in all; at most 65536 are supported");
    hand_free(h);
}

TEST(too_many_links_are_refused_with_both_numbers)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1001);
    const size_t print = hand_stage(h, "print", &hand_sink, 1000);
    (void)hand_edge(h, read, print);
    struct flow_error err = {0};
    assert_null(flow_plan_new(&h->graph, NULL, &err));
    assert_int_equal(err.status, FLOW_ERANGE);
    assert_string_equal(err.text, "the graph needs 1001000 links between its workers; at most "
                                  "1000000 are supported");
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_is_the_cores_but_one_for_what_cannot_be_shared),
        cmocka_unit_test(auto_of_a_stateful_stage_is_one_if_any_edge_is_not_shared_by_key),
        cmocka_unit_test(auto_never_exceeds_the_limit_of_workers),
        cmocka_unit_test(
            a_parallel_ordered_stage_behind_one_replica_is_numbered_without_a_sequencer),
        cmocka_unit_test(order_by_key_over_balance_is_numbered_as_well),
        cmocka_unit_test(stages_whose_order_cannot_be_promised_or_seen_are_not_numbered),
        cmocka_unit_test(results_dealt_out_to_several_readers_without_an_order_go_as_they_come),
        cmocka_unit_test(parallel_producers_are_not_numbered),
        cmocka_unit_test(errors_of_a_numbered_stage_are_read_as_they_come),
        cmocka_unit_test(a_sequencer_stands_between_two_parallel_ordered_stages),
        cmocka_unit_test(an_edge_that_may_drop_does_so_behind_a_sequencer_that_takes_every_result),
        cmocka_unit_test(
            a_merge_into_a_parallel_ordered_stage_gets_one_sequencer_for_all_its_edges),
        cmocka_unit_test(two_edges_from_one_replica_need_a_sequencer_too),
        cmocka_unit_test(edges_stand_in_the_order_of_their_readers),
        cmocka_unit_test(too_many_workers_are_refused_with_both_numbers),
        cmocka_unit_test(too_many_links_are_refused_with_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
