/* SPDX-License-Identifier: MIT */
#include "plan/fuse.h"

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/hand_graph.h"

static const struct flow_stage_type light_map = {
    .name = "t.map", .role = FLOW_WORKER, .traits = FLOW_LIGHT};
static const struct flow_stage_type light_sink = {
    .name = "t.sink", .role = FLOW_CONSUMER, .traits = FLOW_LIGHT};

static struct flow_plan *plan_of(const struct hand *h)
{
    struct flow_error err = {0};
    struct flow_plan *plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, &err);
    assert_string_equal(err.text, "");
    assert_non_null(plan);
    return plan;
}

static void fuse_all(struct hand *h)
{
    for (size_t i = 0; i < h->graph.stage_count; i++)
        h->stages[i].fuse = FLOW_FUSE_ON;
}

/* The tasks of the plan are "a+b c d+e": by task, the stages of its replicas in their order. */
static void assert_tasks(const struct hand *h, const char *expected)
{
    struct flow_plan *plan = plan_of(h);
    struct flow_str text = {0};
    for (size_t i = 0; i < plan->task_count; i++) {
        flow_str_add(&text, i > 0 ? " " : "");
        for (size_t k = 0; k < plan->tasks[i].replica_count; k++) {
            const struct flow_plan_replica *replica = &plan->replicas[plan->tasks[i].replicas[k]];
            assert_int_equal(replica->task, i);
            assert_int_equal(replica->place, k);
            assert_int_equal(replica->group, plan->tasks[i].group);
            flow_str_addf(&text, "%s%s", k > 0 ? "+" : "", plan->stages[replica->stage].name);
        }
    }
    assert_string_equal(text.text, expected);
    flow_str_clear(&text);
    for (size_t i = 0; i < plan->link_count; i++) {
        const struct flow_plan_link *link = &plan->links[i];
        const bool same = plan->replicas[link->from].task == plan->replicas[link->to].task;
        assert_int_equal(link->fused, same);
        assert_int_equal(plan->edges[link->edge].fused, same);
        assert_true(!link->fused || link->local);
    }
    flow_plan_free(plan);
}

/* read -> work -> print, the last two of the types given. */
static struct hand *chain(const struct flow_stage_type *work, const struct flow_stage_type *print)
{
    struct hand *h = hand_new();
    const size_t a = hand_stage(h, "read", &hand_source, 1);
    const size_t b = hand_stage(h, "work", work, 1);
    const size_t c = hand_stage(h, "print", print, 1);
    (void)hand_edge(h, a, b);
    (void)hand_edge(h, b, c);
    return h;
}

TEST(left_to_itself_a_reader_is_fused_if_it_is_light)
{
    static const struct {
        const struct flow_stage_type *work, *print;
        const char *tasks;
    } cases[] = {
        {&hand_map, &hand_sink, "read work print"},
        {&hand_map, &light_sink, "read work+print"},
        {&light_map, &hand_sink, "read+work print"},
        {&light_map, &light_sink, "read+work+print"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = chain(cases[i].work, cases[i].print);
        assert_tasks(h, cases[i].tasks);
        hand_free(h);
    }
}

TEST(fuse_on_and_off_decide_whatever_the_type_is)
{
    struct hand *h = chain(&hand_map, &light_sink);
    h->stages[1].fuse = FLOW_FUSE_ON;
    h->stages[2].fuse = FLOW_FUSE_OFF;
    assert_tasks(h, "read+work print");
    h->stages[2].fuse = FLOW_FUSE_ON;
    assert_tasks(h, "read+work+print");
    h->stages[1].fuse = FLOW_FUSE_OFF;
    assert_tasks(h, "read work+print");
    hand_free(h);
}

TEST(an_edge_with_a_queue_is_no_call)
{
    static const struct flow_queue queues[] = {
        {.items = 10},
        {.bytes = 1000},
        {.when_full = FLOW_DROP_NEW},
        {.when_full = FLOW_DROP_OLD},
        {.when_full = FLOW_FAIL},
    };
    for (size_t i = 0; i < COUNT(queues); i++) {
        struct hand *h = chain(&light_map, &light_sink);
        fuse_all(h);
        h->edges[1].queue = queues[i];
        assert_tasks(h, "read+work print");
        hand_free(h);
    }
}

TEST(an_isolated_stage_is_fused_with_nobody)
{
    struct hand *h = chain(&light_map, &light_sink);
    fuse_all(h);
    h->stages[1].isolate = true;
    assert_tasks(h, "read work print");
    hand_free(h);
}

TEST(a_stage_of_several_workers_is_fused_with_nobody)
{
    struct hand *h = chain(&light_map, &light_sink);
    fuse_all(h);
    h->stages[1].workers = 2;
    assert_tasks(h, "read work work print");
    hand_free(h);
}

/* Two parallel stages in a row that keep order have one between them. */
TEST(a_sequencer_that_several_replicas_feed_begins_a_task)
{
    struct hand *h = hand_new();
    size_t last = hand_stage(h, "read", &hand_source, 1);
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const size_t next = hand_stage(h, names[i], &light_map, i < 2 ? 2 : 1);
        (void)hand_edge(h, last, next);
        last = next;
    }
    fuse_all(h);
    assert_tasks(h, "read a a b.order b b c");
    hand_free(h);
}

/* It passes batches on, which is not worth a thread. */
TEST(a_sequencer_whose_input_comes_from_one_task_joins_it)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t left = hand_stage(h, "left", &light_map, 1);
    const size_t right = hand_stage(h, "right", &light_map, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 2);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, left);
    (void)hand_edge(h, read, right);
    (void)hand_edge(h, left, work);
    (void)hand_edge(h, right, work);
    (void)hand_edge(h, work, print);
    assert_tasks(h, "read+left+right+work.order work work print");
    hand_free(h);
}

/* left and right can be of the task of read, and so can join. */
static struct hand *diamond(void)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t left = hand_stage(h, "left", &light_map, 1);
    const size_t right = hand_stage(h, "right", &light_map, 1);
    const size_t join = hand_stage(h, "join", &light_sink, 1);
    (void)hand_edge(h, read, left);
    (void)hand_edge(h, read, right);
    (void)hand_edge(h, left, join);
    (void)hand_edge(h, right, join);
    return h;
}

TEST(a_diamond_is_fused_if_all_its_sides_are)
{
    struct hand *h = diamond();
    assert_tasks(h, "read+left+right+join");
    h->stages[2].fuse = FLOW_FUSE_OFF;
    assert_tasks(h, "read+left right join");
    h->stages[1].fuse = FLOW_FUSE_OFF;
    assert_tasks(h, "read left right join");
    hand_free(h);
}

TEST(a_diamond_of_which_one_edge_has_a_queue_stays_open)
{
    struct hand *h = diamond();
    h->edges[3].queue.items = 5;
    assert_tasks(h, "read+left+right join");
    hand_free(h);
}

TEST(a_stage_that_reads_from_two_tasks_begins_one)
{
    struct hand *h = hand_new();
    const size_t a = hand_stage(h, "a", &hand_source, 1);
    const size_t b = hand_stage(h, "b", &hand_source, 1);
    const size_t merge = hand_stage(h, "merge", &light_map, 1);
    const size_t print = hand_stage(h, "print", &light_sink, 1);
    (void)hand_edge(h, a, merge);
    (void)hand_edge(h, b, merge);
    (void)hand_edge(h, merge, print);
    assert_tasks(h, "a b merge+print");
    hand_free(h);
}

TEST(a_thread_runs_so_many_stages_and_no_more)
{
    struct hand *h = hand_new();
    size_t last = hand_stage(h, "s", &hand_source, 1);
    for (size_t i = 1; i < 2 * FLOW_PLAN_MAX_FUSED + 5; i++) {
        const size_t next = hand_stage(h, "s", &light_map, 1);
        (void)hand_edge(h, last, next);
        last = next;
    }
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->task_count, 3);
    assert_int_equal(plan->tasks[0].replica_count, FLOW_PLAN_MAX_FUSED);
    assert_int_equal(plan->tasks[1].replica_count, FLOW_PLAN_MAX_FUSED);
    assert_int_equal(plan->tasks[2].replica_count, 5);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(writers_stand_before_readers_also_if_the_file_has_them_the_other_way_round)
{
    struct hand *h = hand_new();
    const size_t join = hand_stage(h, "join", &light_sink, 1);
    const size_t right = hand_stage(h, "right", &light_map, 1);
    const size_t left = hand_stage(h, "left", &light_map, 1);
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    (void)hand_edge(h, left, join);
    (void)hand_edge(h, right, join);
    (void)hand_edge(h, read, right);
    (void)hand_edge(h, left, right);
    (void)hand_edge(h, read, left);
    assert_tasks(h, "read+left+right+join");
    hand_free(h);
}

TEST(in_processes_mode_a_process_runs_the_stages_of_a_task)
{
    struct hand *h = chain(&hand_map, &light_sink);
    h->graph.mode = FLOW_PROCESSES;
    assert_tasks(h, "read work+print");
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->group_count, 2);
    assert_int_equal(plan->groups[0].replica_count, 1);
    assert_int_equal(plan->groups[1].replica_count, 2);
    assert_int_equal(plan->groups[1].task_count, 1);
    assert_false(plan->links[0].local);
    assert_true(plan->links[1].local);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(plans_that_fuse_otherwise_have_other_digests)
{
    static const enum flow_fuse wishes[] = {FLOW_FUSE_ON, FLOW_FUSE_OFF};
    uint64_t digests[2];
    for (size_t i = 0; i < 2; i++) {
        struct hand *h = chain(&hand_map, &hand_sink);
        h->stages[2].fuse = wishes[i];
        struct flow_plan *plan = plan_of(h);
        digests[i] = flow_plan_digest(plan);
        flow_plan_free(plan);
        hand_free(h);
    }
    assert_true(digests[0] != digests[1]);
}

static void assert_refused(const struct hand *h, unsigned cpus, const char *expected)
{
    struct flow_error err = {0};
    assert_null(flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = cpus}, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    assert_string_equal(err.text, expected);
}

/* How many workers "auto" means is not known before the plan. */
TEST(a_stage_that_demands_what_its_workers_forbid_is_refused)
{
    struct hand *h = chain(&hand_map, &hand_sink);
    h->stages[1].workers = FLOW_WORKERS_AUTO;
    h->stages[2].fuse = FLOW_FUSE_ON;
    assert_tasks(h, "read work work print"); /* as `run` wishes */
    h->stages[2].fuse_given = true;
    assert_refused(h, 2,
                   "stage 'print' cannot run in the thread of the stage before it, as its \"fuse\" "
                   "demands: one of the two has several workers in this run, it may have records "
                   "in flight, or 32 stages share that thread already; \"auto\" fuses where it can be done and pays");
    struct flow_plan *plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 1}, NULL);
    assert_non_null(plan);
    assert_int_equal(plan->task_count, 2);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(fused_stages_take_less_memory_and_fewer_descriptors)
{
    struct hand *h = chain(&hand_map, &hand_sink);
    struct flow_plan *apart = plan_of(h);
    fuse_all(h);
    struct flow_plan *fused = plan_of(h);
    assert_true(fused->flight_bytes < apart->flight_bytes);
    assert_true(fused->descriptors < apart->descriptors);
    assert_true(fused->fused_bytes <= fused->batch_bytes);
    flow_plan_free(apart);
    flow_plan_free(fused);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_to_itself_a_reader_is_fused_if_it_is_light),
        cmocka_unit_test(fuse_on_and_off_decide_whatever_the_type_is),
        cmocka_unit_test(an_edge_with_a_queue_is_no_call),
        cmocka_unit_test(an_isolated_stage_is_fused_with_nobody),
        cmocka_unit_test(a_stage_of_several_workers_is_fused_with_nobody),
        cmocka_unit_test(a_sequencer_that_several_replicas_feed_begins_a_task),
        cmocka_unit_test(a_sequencer_whose_input_comes_from_one_task_joins_it),
        cmocka_unit_test(a_diamond_is_fused_if_all_its_sides_are),
        cmocka_unit_test(a_diamond_of_which_one_edge_has_a_queue_stays_open),
        cmocka_unit_test(a_stage_that_reads_from_two_tasks_begins_one),
        cmocka_unit_test(a_thread_runs_so_many_stages_and_no_more),
        cmocka_unit_test(
            writers_stand_before_readers_also_if_the_file_has_them_the_other_way_round),
        cmocka_unit_test(in_processes_mode_a_process_runs_the_stages_of_a_task),
        cmocka_unit_test(plans_that_fuse_otherwise_have_other_digests),
        cmocka_unit_test(a_stage_that_demands_what_its_workers_forbid_is_refused),
        cmocka_unit_test(fused_stages_take_less_memory_and_fewer_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
