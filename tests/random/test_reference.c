/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "random/generate.h"
#include "random/reference.h"
#include "support/check.h"

/* A graph built by hand; static, since it is large. */
static struct rt_graph graph;
static struct rt_expected expected;

static int start_graph(void **state __attribute__((unused)))
{
    graph = (struct rt_graph){0};
    return 0;
}

static int end_graph(void **state __attribute__((unused)))
{
    rt_expected_clear(&expected);
    return 0;
}

static struct rt_stage *add(enum rt_type type, unsigned workers)
{
    struct rt_stage *stage = &graph.stages[graph.stage_count++];
    *stage = (struct rt_stage){.type = type, .workers = workers};
    stage->transform = (struct rt_transform){.key_space = 3, .tries = 1, .fails = 1};
    return stage;
}

/* Into the last stage. */
static struct rt_edge *join(unsigned from, unsigned port, enum rt_share share)
{
    struct rt_edge *edge = &graph.edges[graph.edge_count++];
    *edge = (struct rt_edge){
        .from = from, .from_port = port, .to = graph.stage_count - 1, .share = share};
    return edge;
}

/* Records "ID:5:0:", "ID:5:1:", ... */
static void add_source(int64_t count)
{
    add(RT_SOURCE, 1)->source =
        (struct rt_source){.count = count, .seed = 5, .size_min = 7, .size_max = 7, .key_space = 1};
}

static void run(void)
{
    for (unsigned s = 0; s < graph.stage_count; s++)
        rt_stage_trace(&graph, s);
    assert_true(rt_reference_run(&graph, 1000000, 1000000, &expected));
}

static const struct rt_stream *sink(unsigned stage)
{
    return &expected.sinks[stage];
}

static void assert_item(const struct rt_item *item, const char *text)
{
    assert_int_equal(item->size, strlen(text));
    assert_memory_equal(item->data, text, item->size);
}

static size_t chain_count(const struct rt_stream *stream)
{
    size_t chains = 0;
    for (size_t i = 0; i < stream->count; i++) {
        size_t j = 0;
        while (stream->items[j].chain != stream->items[i].chain)
            j++;
        chains += j == i;
    }
    return chains;
}

TEST(a_source_gives_its_records_in_one_chain)
{
    add_source(3);
    add(RT_SINK, 1);
    join(0, 0, RT_BALANCE);
    run();
    assert_int_equal(sink(1)->count, 3);
    assert_int_equal(chain_count(sink(1)), 1);
    assert_item(&sink(1)->items[0], "ID:5:0:");
    assert_item(&sink(1)->items[2], "ID:5:2:");
}

TEST(two_replicas_of_a_source_stride_and_make_two_chains)
{
    add_source(4);
    graph.stages[0].workers = 2;
    add(RT_SINK, 1);
    join(0, 0, RT_BALANCE);
    run();
    assert_int_equal(chain_count(sink(1)), 2);
    assert_item(&sink(1)->items[0], "ID:5:0:");
    assert_item(&sink(1)->items[1], "ID:5:2:");
    assert_item(&sink(1)->items[2], "ID:5:1:");
    assert_int_equal(sink(1)->items[0].chain, sink(1)->items[1].chain);
}

TEST(transformations_do_what_their_names_say)
{
    static const struct {
        enum rt_kind kind;
        const char *result;
    } cases[] = {{RT_SAME, "abcde"}, {RT_REVERSE, "edcba"}, {RT_HALVE, "abc"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rt_transform t = {.kind = (int)cases[i].kind};
        uint8_t out[16] = {0};
        assert_int_equal(rt_transform_size(&t, 5), strlen(cases[i].result));
        rt_transform_fill(&t, (const uint8_t *)"abcde", 5, out);
        assert_memory_equal(out, cases[i].result, strlen(cases[i].result));
    }
}

TEST(order_says_how_many_chains_parallel_workers_leave)
{
    static const struct {
        enum rt_share share;
        enum rt_order order;
        size_t chains; /* of six records with different bytes and no keys */
    } cases[] = {
        {RT_BALANCE, RT_ORDER_DEFAULT, 1}, {RT_BALANCE, RT_ORDER_INPUT, 1},
        {RT_BALANCE, RT_ORDER_NONE, 6},    {RT_BALANCE, RT_ORDER_KEY, 6},
        {RT_BY_KEY, RT_ORDER_DEFAULT, 6},  {RT_ALL, RT_ORDER_DEFAULT, 3},
        {RT_ALL, RT_ORDER_NONE, 18},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        start_graph(NULL);
        add_source(6);
        add(RT_MAP, 3)->order = cases[i].order;
        join(0, 0, cases[i].share);
        add(RT_SINK, 1);
        join(1, 0, RT_BALANCE);
        run();
        assert_int_equal(chain_count(sink(2)), cases[i].chains);
        assert_int_equal(sink(2)->count, cases[i].share == RT_ALL ? 18 : 6);
        end_graph(NULL);
    }
}

TEST(records_of_one_key_stay_one_chain)
{
    add_source(60);
    graph.stages[0].source.keyed = 100;
    graph.stages[0].source.key_space = 4;
    add(RT_MAP, 2);
    join(0, 0, RT_BY_KEY);
    add(RT_SINKN, 3);
    join(1, 0, RT_BY_KEY);
    run();
    assert_int_equal(sink(2)->count, 60);
    assert_int_equal(chain_count(sink(2)), 4);
    for (size_t i = 0; i < 60; i++)
        assert_int_not_equal(sink(2)->items[i].group, 0);
}

TEST(a_pointer_finds_the_key_of_a_json_record)
{
    add_source(50);
    graph.stages[0].source.json = true;
    graph.stages[0].source.key_space = 5;
    add(RT_FORWARD, 2);
    join(0, 0, RT_BY_KEY)->pointer = "/k";
    add(RT_SINK, 1);
    join(1, 0, RT_BALANCE);
    run();
    assert_int_equal(chain_count(sink(2)), 5);
    assert_true(graph.in[2].loose);
}

TEST(a_split_deals_every_record_to_one_of_its_ports)
{
    add_source(40);
    add(RT_SPLIT, 1)->choice.percent = 50;
    join(0, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, 1, RT_BALANCE);
    run();
    assert_int_equal(sink(2)->count + sink(3)->count, 40);
    assert_int_equal(chain_count(sink(2)), 1);
    assert_int_equal(expected.counts[1].out, 40);
}

TEST(an_unread_port_keeps_nothing)
{
    add_source(40);
    add(RT_SPLIT, 1)->choice.percent = 0;
    join(0, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, 0, RT_BALANCE);
    run();
    assert_int_equal(sink(2)->count, 0);
    assert_int_equal(expected.counts[1].unread, 40);
    assert_int_equal(expected.counts[1].filtered, 0);
}

TEST(counting_gives_each_key_once_and_sorted)
{
    add_source(3);
    add_source(2);
    add(RT_COUNT, 1);
    join(0, 0, RT_BALANCE);
    join(1, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(2, 0, RT_BALANCE);
    run();
    assert_int_equal(sink(3)->count, 3);
    assert_item(&sink(3)->items[0], "=2");
    assert_item(&sink(3)->items[2], "=1");
    assert_memory_equal(sink(3)->items[0].key, "ID:5:0:", 7);
    assert_int_equal(chain_count(sink(3)), 1);
}

TEST(a_join_marks_records_with_their_port)
{
    add_source(1);
    add(RT_JOIN2, 1);
    join(0, 0, RT_BALANCE);
    join(0, 0, RT_BALANCE)->to_port = 1;
    add(RT_SINK, 1);
    join(1, 0, RT_BALANCE);
    run();
    assert_int_equal(sink(2)->count, 2);
    assert_item(&sink(2)->items[0], "L:ID:5:0:");
    assert_item(&sink(2)->items[1], "R:ID:5:0:");
    assert_int_equal(chain_count(sink(2)), 2);
}

TEST(tries_and_policy_decide_what_becomes_of_a_bad_record)
{
    static const struct {
        unsigned retries;
        int64_t fails;
        enum rt_then then;
        uint64_t done, skipped, routed, retried;
    } cases[] = {
        {0, 1, RT_SKIP, 0, 2, 0, 0},  {0, 1, RT_ROUTE, 0, 0, 2, 0}, {2, 2, RT_SKIP, 2, 0, 0, 4},
        {1, 2, RT_ROUTE, 0, 0, 2, 2}, {3, 1, RT_ROUTE, 2, 0, 0, 2},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        start_graph(NULL);
        add_source(2);
        struct rt_stage *stage = add(RT_FAIL, 1);
        stage->transform.bad = 100;
        stage->transform.fails = cases[i].fails;
        stage->errors = (struct rt_policy){cases[i].then, cases[i].retries, 1};
        join(0, 0, RT_BALANCE);
        add(RT_SINK, 1);
        join(1, 0, RT_BALANCE);
        add(RT_SINK, 1);
        join(1, RT_ERRORS, RT_BALANCE);
        run();
        assert_int_equal(sink(2)->count, cases[i].done);
        assert_int_equal(sink(3)->count, cases[i].routed);
        assert_int_equal(expected.counts[1].skipped, cases[i].skipped);
        assert_int_equal(expected.counts[1].retried, cases[i].retried);
        end_graph(NULL);
    }
}

TEST(a_dead_letter_names_stage_reason_and_tries)
{
    add_source(1);
    struct rt_stage *stage = add(RT_FAIL, 1);
    stage->transform.bad = 100;
    stage->transform.fails = 9;
    stage->errors = (struct rt_policy){RT_ROUTE, 2, 1};
    join(0, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, RT_ERRORS, RT_BALANCE);
    run();
    char reason[RT_KEY_SIZE], text[128];
    rt_reason("ID:5:0:", 7, reason);
    const int size = snprintf(text, sizeof(text), "fail1%c%s%c3%cID:5:0:", 0, reason, 0, 0);
    assert_int_equal(sink(2)->items[0].size, size);
    assert_memory_equal(sink(2)->items[0].data, text, (size_t)size);
    assert_true(graph.in[2].dead);
}

TEST(a_bad_record_without_a_policy_ends_the_run)
{
    add_source(1);
    add(RT_FAIL, 1)->transform.bad = 100;
    join(0, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, 0, RT_BALANCE);
    run();
    assert_int_equal(expected.failing, 1);
}

TEST(errors_of_parallel_workers_have_no_order)
{
    add_source(5);
    struct rt_stage *stage = add(RT_FAIL, 2);
    stage->transform.bad = 100;
    stage->errors.then = RT_ROUTE;
    join(0, 0, RT_BALANCE);
    add(RT_SINK, 1);
    join(1, RT_ERRORS, RT_BALANCE);
    run();
    assert_int_equal(chain_count(sink(2)), 5);
}

TEST(a_run_that_carries_too_much_is_given_up)
{
    add_source(100);
    add(RT_SINK, 1);
    join(0, 0, RT_BALANCE);
    rt_stage_trace(&graph, 0);
    rt_stage_trace(&graph, 1);
    assert_false(rt_reference_run(&graph, 99, 1000000, &expected));
    end_graph(NULL);
    assert_true(rt_reference_run(&graph, 100, 700, &expected));
    end_graph(NULL);
    assert_false(rt_reference_run(&graph, 100, 699, &expected));
}

/* How often something holds in the series that the random test runs. */
struct census {
    unsigned types[RT_SINKN + 1], shares[3], orders[4], dropping, merged, parallel, retried, routed;
    unsigned isolated, limited, stopping, pointed, single, large, empty, ordered, unordered;
};

static void count_stages(struct census *census)
{
    bool isolated = false;
    for (unsigned s = 0; s < graph.stage_count; s++) {
        const struct rt_stage *stage = &graph.stages[s];
        census->types[stage->type]++;
        census->orders[stage->order] += stage->workers > 1;
        census->parallel += stage->workers > 1;
        census->retried += expected.counts[s].retried > 0;
        census->routed += expected.counts[s].routed > 0;
        isolated |= stage->isolate;
        if (!rt_is_sink(stage) || sink(s)->count < 10)
            continue;
        census->ordered += chain_count(sink(s)) == 1;
        census->unordered += chain_count(sink(s)) > 1;
        for (size_t i = 0; i < sink(s)->count; i++) {
            census->large += sink(s)->items[i].size > 500000;
            census->empty += sink(s)->items[i].size == 0;
        }
    }
    census->isolated += isolated;
    census->limited += graph.memory_mib > 0;
    census->stopping += expected.failing != RT_STAGES_MAX;
}

static void count_edges(struct census *census)
{
    for (unsigned e = 0; e < graph.edge_count; e++) {
        const struct rt_edge *edge = &graph.edges[e];
        census->shares[edge->share] += graph.stages[edge->to].workers > 1;
        census->dropping += edge->when_full != RT_BLOCK;
        census->pointed += edge->pointer != NULL;
        census->single += edge->items == 1;
        census->merged += e > 0 && edge->to == edge[-1].to && edge->to_port == edge[-1].to_port;
    }
}

TEST(the_series_has_some_of_everything)
{
    struct census census = {0};
    for (uint64_t i = 0; i < 200; i++) {
        rt_generate(1, i, &graph, &expected);
        assert_true(expected.records <= 40000);
        count_stages(&census);
        count_edges(&census);
        end_graph(NULL);
    }
    for (unsigned type = 0; type <= RT_SINKN; type++)
        assert_in_range(census.types[type], 5, 100000);
    const unsigned counts[] = {
        census.shares[0], census.shares[1], census.shares[2], census.orders[0], census.orders[1],
        census.orders[2], census.orders[3], census.dropping,  census.merged,    census.parallel,
        census.retried,   census.routed,    census.isolated,  census.limited,   census.pointed,
        census.single,    census.large,     census.empty,     census.ordered,   census.unordered,
    };
    for (size_t i = 0; i < COUNT(counts); i++)
        assert_in_range(counts[i], 5, 1000000);
    assert_in_range(census.stopping, 1, 40);
}

TEST(a_graph_depends_on_its_seed_and_number_alone)
{
    static struct rt_graph again;
    struct rt_expected same;
    rt_generate(7, 3, &graph, &expected);
    rt_generate(7, 3, &again, &same);
    assert_int_equal(graph.stage_count, again.stage_count);
    assert_int_equal(expected.bytes, same.bytes);
    rt_expected_clear(&same);
    rt_generate(7, 4, &again, &same);
    assert_int_not_equal(expected.bytes, same.bytes);
    rt_expected_clear(&same);
}

#define ON_GRAPH(test) cmocka_unit_test_setup_teardown(test, start_graph, end_graph)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_GRAPH(a_source_gives_its_records_in_one_chain),
        ON_GRAPH(two_replicas_of_a_source_stride_and_make_two_chains),
        cmocka_unit_test(transformations_do_what_their_names_say),
        cmocka_unit_test(order_says_how_many_chains_parallel_workers_leave),
        ON_GRAPH(records_of_one_key_stay_one_chain),
        ON_GRAPH(a_pointer_finds_the_key_of_a_json_record),
        ON_GRAPH(a_split_deals_every_record_to_one_of_its_ports),
        ON_GRAPH(an_unread_port_keeps_nothing),
        ON_GRAPH(counting_gives_each_key_once_and_sorted),
        ON_GRAPH(a_join_marks_records_with_their_port),
        cmocka_unit_test(tries_and_policy_decide_what_becomes_of_a_bad_record),
        ON_GRAPH(a_dead_letter_names_stage_reason_and_tries),
        ON_GRAPH(a_bad_record_without_a_policy_ends_the_run),
        ON_GRAPH(errors_of_parallel_workers_have_no_order),
        ON_GRAPH(a_run_that_carries_too_much_is_given_up),
        cmocka_unit_test(the_series_has_some_of_everything),
        ON_GRAPH(a_graph_depends_on_its_seed_and_number_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
