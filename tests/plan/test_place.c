/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "plan/place.h"
#include "support/check.h"
#include "support/hand_graph.h"

/*
 * Two NUMA nodes with one cache each; under each cache four cores of two threads: CPUs 0 to 7 are
 * the first threads, 8 to 15 the second ones.  CPU 16 is offline, 17 belongs to somebody else.
 */
static struct flow_cpu cpus[18];
static const struct flow_topology machine = {cpus, COUNT(cpus)};

static int set_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 16; i++) {
        const uint32_t core = i % 8;
        cpus[i] = (struct flow_cpu){
            .number = i, .node = core / 4, .cache = core / 4 * 4, .core = core, .thread = i / 8};
    }
    cpus[16] = (struct flow_cpu){.number = 16, .state = FLOW_CPU_OFFLINE};
    cpus[17] = (struct flow_cpu){.number = 17, .state = FLOW_CPU_FORBIDDEN};
    return 0;
}

static struct flow_plan *plan_on(const struct hand *h, const struct flow_topology *topology,
                                 struct flow_error *err)
{
    const struct flow_plan_options options = {.cpus = 2, .topology = topology};
    return flow_plan_new(&h->graph, &options, err);
}

/* "0 1 2-3 any": the CPUs of all replicas in plan order. */
static bool places(const struct hand *h, const char *expected)
{
    struct flow_error err = {0};
    struct flow_plan *plan = plan_on(h, &machine, &err);
    if (plan == NULL)
        print_error("%s\n", err.text);
    assert_non_null(plan);
    struct flow_str text = {0};
    for (size_t i = 0; i < plan->replica_count; i++) {
        flow_str_add(&text, i > 0 ? " " : "");
        if (plan->replicas[i].cpu_count == 0)
            flow_str_add(&text, "any");
        flow_cpus_add(&text, plan->replicas[i].cpus, plan->replicas[i].cpu_count);
    }
    const bool same = strcmp(text.text, expected) == 0;
    if (!same)
        print_error("expected %s, got %s\n", expected, text.text);
    flow_str_clear(&text);
    flow_plan_free(plan);
    return same;
}

/* read -> work (`workers` of them) -> print */
static struct hand *chain(unsigned workers, enum flow_pin pin)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, workers);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    h->graph.pin = pin;
    return h;
}

static void give(struct hand *h, size_t stage, uint32_t *list, size_t count)
{
    h->stages[stage].cpus = list;
    h->stages[stage].cpu_count = count;
}

TEST(without_a_word_about_places_nothing_is_placed_and_no_machine_is_needed)
{
    struct hand *h = chain(3, FLOW_PIN_NONE);
    assert_false(flow_plan_places(&h->graph));
    assert_true(places(h, "any any any any any"));
    struct flow_plan *plan = plan_on(h, NULL, NULL);
    assert_non_null(plan);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_stage_gets_one_of_its_cpus_for_each_replica_if_there_are_enough)
{
    uint32_t list[] = {2, 5, 9};
    struct hand *h = chain(2, FLOW_PIN_NONE);
    give(h, 1, list, 3);
    assert_true(flow_plan_places(&h->graph));
    assert_true(places(h, "any 2 5 any"));
    h->stages[1].workers = 3;
    assert_true(places(h, "any 2 5 9 any"));
    hand_free(h);
}

TEST(a_stage_with_more_replicas_than_cpus_shares_them)
{
    uint32_t list[] = {2, 3, 4, 9};
    struct hand *h = chain(5, FLOW_PIN_NONE);
    give(h, 1, list, 4);
    assert_true(places(h, "any 2-4,9 2-4,9 2-4,9 2-4,9 2-4,9 any"));
    hand_free(h);
}

TEST(auto_workers_of_a_stage_with_cpus_are_as_many_as_these)
{
    uint32_t list[] = {1, 2, 3};
    struct hand *h = chain(FLOW_WORKERS_AUTO, FLOW_PIN_NONE);
    give(h, 1, list, 3);
    assert_true(places(h, "any 1 2 3 any"));
    hand_free(h);
}

TEST(compact_fills_one_cache_core_by_core_and_then_the_next)
{
    struct hand *h = chain(3, FLOW_PIN_COMPACT);
    assert_true(places(h, "0 1 2 3 8"));
    h->stages[1].workers = 8;
    assert_true(places(h, "0 1 2 3 8 9 10 11 4 5"));
    hand_free(h);
}

TEST(spread_uses_all_caches_alike_and_keeps_neighbours_together)
{
    struct hand *h = chain(4, FLOW_PIN_SPREAD);
    assert_true(places(h, "0 1 2 4 5 6"));
    h->stages[1].workers = 14;
    assert_true(places(h, "0 1 2 3 8 9 10 11 4 5 6 7 12 13 14 15"));
    hand_free(h);
}

TEST(with_more_replicas_than_cpus_each_gets_all_of_a_cache)
{
    static const enum flow_pin pins[] = {FLOW_PIN_COMPACT, FLOW_PIN_SPREAD};
    for (size_t i = 0; i < COUNT(pins); i++) {
        struct hand *h = chain(16, pins[i]);
        struct flow_plan *plan = plan_on(h, &machine, NULL);
        assert_non_null(plan);
        for (size_t r = 0; r < 18; r++) {
            assert_int_equal(plan->replicas[r].cpu_count, 8);
            assert_int_equal(plan->replicas[r].cpus[0], r < 9 ? 0 : 4);
            assert_int_equal(plan->replicas[r].node, r < 9 ? 0 : 1);
        }
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(pinning_leaves_alone_what_a_stage_has_asked_for)
{
    uint32_t list[] = {0, 2};
    struct hand *h = chain(2, FLOW_PIN_COMPACT);
    give(h, 1, list, 2);
    assert_true(places(h, "1 0 2 3"));
    uint32_t all[16];
    for (uint32_t i = 0; i < 16; i++)
        all[i] = i;
    give(h, 1, all, 16);
    assert_true(places(h, "0 0 1 1")); /* nothing is left: all are shared */
    hand_free(h);
}

TEST(replicas_are_placed_along_the_graph_not_along_the_file)
{
    struct hand *h = hand_new();
    const size_t print_b = hand_stage(h, "print_b", &hand_sink, 1);
    const size_t work_a = hand_stage(h, "work_a", &hand_map, 1);
    const size_t read_b = hand_stage(h, "read_b", &hand_source, 1);
    const size_t print_a = hand_stage(h, "print_a", &hand_sink, 1);
    const size_t read_a = hand_stage(h, "read_a", &hand_source, 1);
    const size_t work_b = hand_stage(h, "work_b", &hand_map, 1);
    (void)hand_edge(h, work_b, print_b);
    (void)hand_edge(h, read_a, work_a);
    (void)hand_edge(h, work_a, print_a);
    (void)hand_edge(h, read_b, work_b);
    h->graph.pin = FLOW_PIN_SPREAD; /* three of them on each node */
    assert_true(places(h, "2 5 0 6 4 1"));
    hand_free(h);
}

TEST(fused_stages_are_placed_together_unless_their_cpus_differ)
{
    uint32_t list[] = {5};
    struct hand *h = chain(1, FLOW_PIN_COMPACT);
    h->graph.fuse = FLOW_FUSE_ON;
    for (size_t i = 0; i < 3; i++)
        h->stages[i].fuse = FLOW_FUSE_ON;
    assert_true(places(h, "0 0 0"));
    give(h, 1, list, 1);
    assert_true(places(h, "0 5 1"));
    give(h, 2, list, 1);
    assert_true(places(h, "0 5 5"));
    hand_free(h);
}

TEST(a_replica_has_the_node_of_its_cpus_if_it_is_one)
{
    uint32_t list[] = {3, 4};
    struct hand *h = chain(3, FLOW_PIN_COMPACT);
    give(h, 1, list, 2);
    struct flow_plan *plan = plan_on(h, &machine, NULL);
    assert_non_null(plan);
    assert_int_equal(plan->replicas[0].node, 0);
    assert_int_equal(plan->replicas[1].node, FLOW_NO_NODE);
    flow_plan_free(plan);
    h->stages[1].workers = 2;
    plan = plan_on(h, &machine, NULL);
    assert_non_null(plan);
    assert_int_equal(plan->replicas[1].node, 0);
    assert_int_equal(plan->replicas[2].node, 1);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_cpu_that_cannot_be_had_is_refused_with_those_that_can)
{
    static const struct {
        uint32_t cpu;
        const char *text;
    } cases[] = {
        {16, "stage 'work' asks for CPU 16, which is offline; to be had: 0-15"},
        {17, "stage 'work' asks for CPU 17, which is closed to this process; to be had: 0-15"},
        {18, "stage 'work' asks for CPU 18, which does not exist on this machine; to be had: "
             "0-15"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t list[] = {1, cases[i].cpu};
        struct flow_error err = {0};
        struct hand *h = chain(1, FLOW_PIN_NONE);
        give(h, 1, list, 2);
        assert_null(plan_on(h, &machine, &err));
        assert_int_equal(err.status, FLOW_ERANGE);
        assert_string_equal(err.text, cases[i].text);
        hand_free(h);
    }
}

TEST(places_without_a_known_machine_are_refused)
{
    struct flow_error err = {0};
    struct hand *h = chain(1, FLOW_PIN_COMPACT);
    assert_null(plan_on(h, NULL, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    assert_string_equal(err.text, "the graph says where its stages run, and nothing is known of "
                                  "the machine's CPUs");
    hand_free(h);
}

TEST(plans_that_place_differently_have_different_digests)
{
    struct hand *h = chain(2, FLOW_PIN_COMPACT);
    struct flow_plan *compact = plan_on(h, &machine, NULL);
    h->graph.pin = FLOW_PIN_SPREAD;
    struct flow_plan *spread = plan_on(h, &machine, NULL);
    assert_true(compact != NULL && spread != NULL);
    assert_true(flow_plan_digest(compact) != flow_plan_digest(spread));
    flow_plan_free(compact);
    flow_plan_free(spread);
    hand_free(h);
}

TEST(explain_shows_where_each_replica_runs)
{
    uint32_t list[] = {3, 4};
    struct hand *h = chain(3, FLOW_PIN_COMPACT);
    give(h, 1, list, 2);
    struct flow_plan *plan = plan_on(h, &machine, NULL);
    assert_non_null(plan);
    struct flow_str text = {0};
    flow_plan_explain(plan, &text);
    assert_non_null(strstr(text.text, "\nPlaces (pin: compact)\n"
                                      "  REPLICA             CPU  NUMA NODE\n"
                                      "  read                0    0\n"
                                      "  work[0] to work[2]  3-4  several\n"
                                      "  print               1    0\n\n"));
    flow_str_clear(&text);

    json_t *json = flow_plan_json(plan);
    json_t *replicas = json_object_get(json, "replicas");
    assert_string_equal(json_string_value(json_object_get(json, "pin")), "compact");
    json_t *read = json_array_get(replicas, 0);
    json_t *work = json_array_get(replicas, 2);
    assert_int_equal(json_array_size(json_object_get(work, "cpus")), 2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(work, "cpus"), 1)), 4);
    assert_true(json_is_null(json_object_get(work, "node")));
    assert_int_equal(json_integer_value(json_object_get(read, "node")), 0);
    assert_true(json_is_integer(json_object_get(read, "node")));
    json_decref(json);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(placing_survives_any_lack_of_memory)
{
    uint32_t list[] = {3, 4};
    struct hand *h = chain(3, FLOW_PIN_COMPACT);
    give(h, 1, list, 2);
    struct flow_plan *plan = NULL;
    for (int n = 0; plan == NULL; n++) {
        struct flow_error err = {0};
        flow_mem_fail_at(n);
        plan = plan_on(h, &machine, &err);
        flow_mem_fail_at(-1);
        assert_true(plan != NULL || err.status == FLOW_ENOMEM);
    }
    flow_plan_free(plan);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_about_places_nothing_is_placed_and_no_machine_is_needed),
        cmocka_unit_test(a_stage_gets_one_of_its_cpus_for_each_replica_if_there_are_enough),
        cmocka_unit_test(a_stage_with_more_replicas_than_cpus_shares_them),
        cmocka_unit_test(auto_workers_of_a_stage_with_cpus_are_as_many_as_these),
        cmocka_unit_test(compact_fills_one_cache_core_by_core_and_then_the_next),
        cmocka_unit_test(spread_uses_all_caches_alike_and_keeps_neighbours_together),
        cmocka_unit_test(with_more_replicas_than_cpus_each_gets_all_of_a_cache),
        cmocka_unit_test(pinning_leaves_alone_what_a_stage_has_asked_for),
        cmocka_unit_test(replicas_are_placed_along_the_graph_not_along_the_file),
        cmocka_unit_test(fused_stages_are_placed_together_unless_their_cpus_differ),
        cmocka_unit_test(a_replica_has_the_node_of_its_cpus_if_it_is_one),
        cmocka_unit_test(a_cpu_that_cannot_be_had_is_refused_with_those_that_can),
        cmocka_unit_test(places_without_a_known_machine_are_refused),
        cmocka_unit_test(plans_that_place_differently_have_different_digests),
        cmocka_unit_test(explain_shows_where_each_replica_runs),
        cmocka_unit_test(placing_survives_any_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
