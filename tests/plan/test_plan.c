/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

static const struct flow_plan_options two_cpus = {.cpus = 2};

/* Every kind of thing that a plan allocates for: a sequencer, links, processes. */
static struct hand *every_kind(void)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 2);
    const size_t work = hand_stage(h, "work", &hand_map, 3);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    h->stages[print].isolate = true;
    return h;
}

TEST(a_failed_allocation_fails_the_plan_and_leaves_nothing_behind)
{
    struct hand *h = every_kind();
    struct flow_plan *plan = NULL;
    int n = 0;
    for (; plan == NULL; n++) {
        struct flow_error err = {0};
        flow_mem_fail_at(n);
        plan = flow_plan_new(&h->graph, &two_cpus, &err);
        flow_mem_fail_at(-1);
        if (plan == NULL) {
            assert_int_equal(err.status, FLOW_ENOMEM);
            assert_string_equal(err.text, "out of memory while planning 'hand'");
        }
    }
    assert_true(n > 10);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_failed_allocation_fails_the_explanation)
{
    struct hand *h = every_kind();
    struct flow_plan *plan = flow_plan_new(&h->graph, &two_cpus, NULL);
    assert_non_null(plan);
    struct flow_str whole = {0};
    bool failed = true;
    for (int n = 0; failed; n++) {
        flow_str_clear(&whole);
        flow_mem_fail_at(n);
        flow_plan_explain(plan, &whole);
        flow_mem_fail_at(-1);
        failed = whole.failed;
    }
    assert_non_null(whole.text);
    flow_str_clear(&whole);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_failed_allocation_fails_the_json)
{
    struct hand *h = every_kind();
    struct flow_plan *plan = flow_plan_new(&h->graph, &two_cpus, NULL);
    assert_non_null(plan);
    json_t *json = NULL;
    int n = 0;
    for (; json == NULL; n++) {
        flow_mem_fail_at(n);
        json = flow_plan_json(plan);
        flow_mem_fail_at(-1);
    }
    assert_true(n > 1);
    json_decref(json);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(free_takes_null)
{
    flow_plan_free(NULL);
}

TEST(without_options_auto_is_what_this_process_may_use)
{
    struct hand *h = hand_wordcount();
    struct flow_plan *plan = flow_plan_new(&h->graph, NULL, NULL);
    assert_non_null(plan);
    assert_int_equal(plan->cpus, flow_cpu_count());
    flow_plan_free(plan);
    hand_free(h);
}

static uint64_t digest_of(const struct hand *h)
{
    struct flow_plan *plan = flow_plan_new(&h->graph, &two_cpus, NULL);
    assert_non_null(plan);
    const uint64_t digest = flow_plan_digest(plan);
    flow_plan_free(plan);
    return digest;
}

TEST(equal_graphs_have_equal_digests)
{
    struct hand *a = every_kind();
    struct hand *b = every_kind();
    assert_true(digest_of(a) == digest_of(b));
    hand_free(a);
    hand_free(b);
}

static void change(struct hand *h, int what)
{
    switch (what) {
    case 0:
        h->stages[1].workers = 4;
        break;
    case 1:
        h->names[1][0] = 'W';
        break;
    case 2:
        h->graph.mode = FLOW_PROCESSES;
        break;
    case 3:
        h->stages[2].isolate = false;
        break;
    case 4:
        h->stages[1].errors.then = FLOW_SKIP;
        break;
    case 5:
        h->stages[1].errors.retries = 1;
        break;
    case 6:
        h->stages[1].type = &hand_count;
        break;
    case 7:
        h->edges[1].queue.items = 9;
        break;
    case 8:
        h->edges[1].queue.when_full = FLOW_FAIL;
        break;
    case 9:
        h->edges[1].share = FLOW_ALL;
        break;
    case 10:
        h->stages[1].order = FLOW_ORDER_NONE;
        break;
    case 11:
        h->graph.memory = 1 << 20;
        break;
    case 12:
        h->graph.drain_ns = 5;
        break;
    default:
        h->edges[1].to_port = 1;
        break;
    }
}

TEST(whatever_changes_in_a_graph_changes_the_digest)
{
    struct hand *same = every_kind();
    const uint64_t before = digest_of(same);
    hand_free(same);
    for (int what = 0; what <= 13; what++) {
        struct hand *h = every_kind();
        change(h, what);
        assert_true(digest_of(h) != before);
        hand_free(h);
    }
}

TEST(parameters_of_a_stage_are_in_the_digest)
{
    struct hand *h = every_kind();
    json_t *first = json_pack("{s:i}", "n", 1);
    json_t *second = json_pack("{s:i}", "n", 2);
    h->stages[0].with = first;
    const uint64_t before = digest_of(h);
    h->stages[0].with = second;
    assert_true(digest_of(h) != before);
    json_decref(first);
    json_decref(second);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_fails_the_plan_and_leaves_nothing_behind),
        cmocka_unit_test(a_failed_allocation_fails_the_explanation),
        cmocka_unit_test(a_failed_allocation_fails_the_json),
        cmocka_unit_test(free_takes_null),
        cmocka_unit_test(without_options_auto_is_what_this_process_may_use),
        cmocka_unit_test(equal_graphs_have_equal_digests),
        cmocka_unit_test(whatever_changes_in_a_graph_changes_the_digest),
        cmocka_unit_test(parameters_of_a_stage_are_in_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
