/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

static struct flow_plan *plan_of(const struct hand *h)
{
    struct flow_error err = {0};
    const struct flow_plan_options options = {.cpus = 2};
    struct flow_plan *plan = flow_plan_new(&h->graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_non_null(plan);
    return plan;
}

TEST(links_of_an_edge_are_adjacent_by_from_then_by_to)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 2);
    const size_t count = hand_stage(h, "count", &hand_count, 3);
    hand_edge(h, read, count)->share = FLOW_KEY;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->edges[0].first_link, 0);
    assert_int_equal(plan->edges[0].link_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(plan->links[i].edge, 0);
        assert_int_equal(plan->links[i].from, i / 3);
        assert_int_equal(plan->links[i].to, 2 + i % 3);
    }
    flow_plan_free(plan);
    hand_free(h);
}

static void check_list(const struct flow_plan *plan, size_t replica, bool in)
{
    const struct flow_plan_replica *r = &plan->replicas[replica];
    const size_t *list = in ? r->in : r->out;
    const size_t count = in ? r->in_count : r->out_count;
    for (size_t i = 0; i < count; i++) {
        const struct flow_plan_link *link = &plan->links[list[i]];
        assert_int_equal(in ? link->to : link->from, replica);
        if (i > 0)
            assert_true(list[i - 1] < list[i]);
    }
}

/* In the graph of the main job every kind of edge occurs. */
static void check_lists(const struct flow_plan *plan)
{
    size_t in = 0;
    size_t out = 0;
    size_t members = 0;
    for (size_t i = 0; i < plan->replica_count; i++) {
        check_list(plan, i, true);
        check_list(plan, i, false);
        in += plan->replicas[i].in_count;
        out += plan->replicas[i].out_count;
    }
    assert_int_equal(in, plan->link_count);
    assert_int_equal(out, plan->link_count);
    for (size_t i = 0; i < plan->group_count; i++) {
        for (size_t k = 0; k < plan->groups[i].task_count; k++)
            assert_int_equal(plan->tasks[plan->groups[i].tasks[k]].group, i);
        members += plan->groups[i].replica_count;
    }
    assert_int_equal(members, plan->replica_count);
    for (size_t i = 0; i < plan->replica_count; i++) {
        const struct flow_plan_replica *replica = &plan->replicas[i];
        assert_int_equal(plan->tasks[replica->task].replicas[replica->place], i);
        assert_int_equal(plan->tasks[replica->task].group, replica->group);
    }
    for (size_t i = 0; i < plan->link_count; i++) {
        const struct flow_plan_link *link = &plan->links[i];
        assert_int_equal(link->local,
                         plan->replicas[link->from].group == plan->replicas[link->to].group);
    }
}

TEST(every_replica_and_group_lists_exactly_what_is_its_own)
{
    for (int mode = 0; mode < 2; mode++) {
        for (int isolate = 0; isolate < 2; isolate++) {
            struct hand *h = hand_wordcount();
            h->graph.mode = (enum flow_mode)mode;
            h->stages[1].isolate = isolate != 0;
            struct flow_plan *plan = plan_of(h);
            check_lists(plan);
            flow_plan_free(plan);
            hand_free(h);
        }
    }
}

TEST(threads_share_the_launchers_process_and_isolated_replicas_do_not)
{
    struct hand *h = hand_wordcount();
    h->stages[1].isolate = true;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->group_count, 3);
    assert_false(plan->groups[0].spawned);
    assert_int_equal(plan->groups[0].replica_count, plan->replica_count - 2);
    for (size_t i = 1; i < 3; i++) {
        assert_true(plan->groups[i].spawned);
        assert_int_equal(plan->groups[i].replica_count, 1);
        const size_t replica = plan->tasks[plan->groups[i].tasks[0]].replicas[0];
        assert_int_equal(plan->replicas[replica].stage, 1);
        assert_int_equal(plan->replicas[replica].index, i - 1);
    }
    flow_plan_free(plan);
    hand_free(h);
}

TEST(the_launchers_group_exists_even_when_it_is_empty)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    h->stages[read].isolate = true;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->group_count, 2);
    assert_false(plan->groups[0].spawned);
    assert_int_equal(plan->groups[0].replica_count, 0);
    assert_int_equal(plan->replicas[0].group, 1);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(in_processes_mode_each_replica_has_a_process)
{
    struct hand *h = hand_wordcount();
    h->graph.mode = FLOW_PROCESSES;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->group_count, plan->replica_count);
    for (size_t i = 0; i < plan->group_count; i++) {
        assert_true(plan->groups[i].spawned);
        assert_int_equal(plan->groups[i].replica_count, 1);
        assert_int_equal(plan->tasks[plan->groups[i].tasks[0]].replicas[0], i);
    }
    flow_plan_free(plan);
    hand_free(h);
}

TEST(replicas_are_named_with_an_index_only_where_there_are_several)
{
    struct hand *h = hand_wordcount();
    struct flow_plan *plan = plan_of(h);
    char name[32];
    assert_string_equal(flow_plan_replica_name(plan, 0, name, sizeof(name)), "read");
    assert_string_equal(flow_plan_replica_name(plan, 2, name, sizeof(name)), "words[1]");
    char tiny[4];
    assert_string_equal(flow_plan_replica_name(plan, 2, tiny, sizeof(tiny)), "wor");
    flow_plan_free(plan);
    hand_free(h);
}

/* A quadratic search would take seconds for either. */
TEST(a_long_chain_and_a_wide_mesh_are_planned_at_once)
{
    struct hand *chain = hand_new();
    size_t last = hand_stage(chain, "s", &hand_source, 1);
    for (size_t i = 1; i < 1000; i++) {
        const size_t next = hand_stage(chain, "s", &hand_map, 2);
        (void)hand_edge(chain, last, next);
        last = next;
    }
    struct hand *mesh = hand_new();
    const size_t read = hand_stage(mesh, "read", &hand_source, 200);
    const size_t count = hand_stage(mesh, "count", &hand_count, 200);
    hand_edge(mesh, read, count)->share = FLOW_KEY;

    const int64_t start_ns = flow_thread_cpu_ns();
    struct flow_plan *long_plan = plan_of(chain);
    struct flow_plan *wide_plan = plan_of(mesh);
    struct flow_str text = {0};
    flow_plan_explain(long_plan, &text);
    flow_plan_explain(wide_plan, &text);
    assert_true(flow_thread_cpu_ns() - start_ns < INT64_C(500000000));

    assert_int_equal(long_plan->stage_count, 1997);
    assert_int_equal(wide_plan->link_count, 40000);
    check_lists(long_plan);
    check_lists(wide_plan);
    flow_str_clear(&text);
    flow_plan_free(long_plan);
    flow_plan_free(wide_plan);
    hand_free(chain);
    hand_free(mesh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_of_an_edge_are_adjacent_by_from_then_by_to),
        cmocka_unit_test(every_replica_and_group_lists_exactly_what_is_its_own),
        cmocka_unit_test(threads_share_the_launchers_process_and_isolated_replicas_do_not),
        cmocka_unit_test(the_launchers_group_exists_even_when_it_is_empty),
        cmocka_unit_test(in_processes_mode_each_replica_has_a_process),
        cmocka_unit_test(replicas_are_named_with_an_index_only_where_there_are_several),
        cmocka_unit_test(a_long_chain_and_a_wide_mesh_are_planned_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
