/* SPDX-License-Identifier: MIT */
#include "plan/bounds.h"
#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

static struct flow_plan *plan_of(const struct hand *h)
{
    struct flow_error err = {0};
    const struct flow_plan_options options = {.cpus = 2};
    struct flow_plan *plan = flow_plan_new(&h->graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_non_null(plan);
    return plan;
}

/* from ×a → to ×b */
static struct hand *two(unsigned a, unsigned b)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "from", &hand_source, a);
    const size_t to = hand_stage(h, "to", &hand_sink, b);
    (void)hand_edge(h, from, to);
    return h;
}

TEST(credits_follow_what_a_link_is_for)
{
    static const struct {
        unsigned readers;
        enum flow_mode mode;
        enum flow_share share;
        uint32_t batches;
        uint64_t bytes;
    } cases[] = {
        {1, FLOW_THREADS, FLOW_BALANCE, 32, 32 * MIB},
        {3, FLOW_THREADS, FLOW_BALANCE, 2, 32 * MIB},
        {20, FLOW_THREADS, FLOW_BALANCE, 2, 256 * MIB / 20},
        {3, FLOW_THREADS, FLOW_KEY, 32, 32 * MIB},
        {3, FLOW_THREADS, FLOW_ALL, 32, 32 * MIB},
        {1, FLOW_PROCESSES, FLOW_BALANCE, 8, 8 * MIB},
        {3, FLOW_PROCESSES, FLOW_BALANCE, 3, 8 * MIB},
        {3, FLOW_PROCESSES, FLOW_KEY, 8, 8 * MIB},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = two(1, cases[i].readers);
        h->graph.mode = cases[i].mode;
        h->edges[0].share = cases[i].share;
        struct flow_plan *plan = plan_of(h);
        for (size_t k = 0; k < plan->link_count; k++) {
            assert_int_equal(plan->links[k].credit.batches, cases[i].batches);
            assert_int_equal(plan->links[k].credit.bytes, cases[i].bytes);
            assert_true(plan->links[k].credit.large);
            assert_true(plan->links[k].credit.records == UINT64_MAX);
        }
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(links_read_by_number_have_many_batches_and_few_bytes)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 2);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    struct flow_plan *plan = plan_of(h);
    assert_true(plan->edges[1].merge_numbered);
    assert_int_equal(plan->links[2].credit.batches, 256);
    assert_int_equal(plan->links[2].credit.bytes, 4 * MIB);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(a_queue_of_the_graph_narrows_its_links)
{
    static const struct {
        struct flow_queue queue;
        struct {
            uint32_t batches;
            uint64_t records, bytes, held;
        } credit;
    } cases[] = {
        {{.items = 1}, {1, 1, 64 * KIB, 128 * KIB}},
        {{.items = 5}, {5, 5, 320 * KIB, 640 * KIB}},
        {{.items = 100000}, {32, 100000, 2 * MIB, 4 * MIB}},
        {{.bytes = 1}, {32, UINT64_MAX, 1, 2}},
        {{.bytes = 100 * KIB}, {32, UINT64_MAX, 100 * KIB, 200 * KIB}},
        {{.items = 2, .bytes = 9}, {2, 2, 9, 18}},
        {{.bytes = UINT64_MAX}, {32, UINT64_MAX, UINT64_MAX, 4 * MIB}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = two(1, 1);
        h->edges[0].queue = cases[i].queue;
        struct flow_plan *plan = plan_of(h);
        const struct flow_credit *credit = &plan->links[0].credit;
        assert_int_equal(credit->batches, cases[i].credit.batches);
        assert_true(credit->records == cases[i].credit.records);
        assert_true(credit->bytes == cases[i].credit.bytes);
        assert_int_equal(credit->held, cases[i].credit.held);
        assert_false(credit->large);
        flow_plan_free(plan);
        hand_free(h);
    }
}

/* By hand, in batches: links and what is held for them, open batches, batches in hand. */
TEST(the_bytes_in_flight_are_those_of_the_formula)
{
    static const struct {
        unsigned a, b;
        enum flow_mode mode;
        enum flow_share share;
        uint64_t bytes;
        uint64_t batches;
    } cases[] = {
        {1, 1, FLOW_THREADS, FLOW_BALANCE, 0, 32 + 1 + 2},
        {2, 3, FLOW_THREADS, FLOW_BALANCE, 0, 6 * 2 + 2 + 5},
        {2, 3, FLOW_THREADS, FLOW_KEY, 0, 6 * 32 + 6 + 5},
        {1, 1, FLOW_THREADS, FLOW_BALANCE, 64 * KIB, 2 + 1 + 2},
        {1, 1, FLOW_THREADS, FLOW_BALANCE, UINT64_MAX, 32 + 1 + 2},
        {1, 1, FLOW_PROCESSES, FLOW_BALANCE, 0, 8 + 17 + 1 + 2},
        {1, 1, FLOW_PROCESSES, FLOW_BALANCE, UINT64_MAX, 8 + 17 + 1 + 2},
        {2, 3, FLOW_PROCESSES, FLOW_ALL, 0, 6 * (8 + 17) + 2 + 5},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = two(cases[i].a, cases[i].b);
        h->graph.mode = cases[i].mode;
        h->edges[0].share = cases[i].share;
        h->edges[0].queue.bytes = cases[i].bytes;
        struct flow_plan *plan = plan_of(h);
        assert_int_equal(plan->batch_bytes, cases[i].mode == FLOW_THREADS ? 64 * KIB : 256 * KIB);
        assert_int_equal(plan->batch_records, 8192);
        assert_int_equal(plan->flight_bytes, cases[i].batches * plan->batch_bytes);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(a_queue_that_drops_its_oldest_keeps_as_much_again)
{
    static const struct {
        enum flow_share share;
        uint64_t batches;
    } cases[] = {
        {FLOW_BALANCE, 6 * 2 + 2 * 3 + 2 + 5},
        {FLOW_KEY, 6 * 32 + 6 * 33 + 6 + 5},
        {FLOW_ALL, 6 * 32 + 6 * 33 + 2 + 5},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = two(2, 3);
        h->edges[0].share = cases[i].share;
        h->edges[0].queue.when_full = FLOW_DROP_OLD;
        struct flow_plan *plan = plan_of(h);
        assert_int_equal(plan->flight_bytes, cases[i].batches * 64 * KIB);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(batches_stay_small_in_a_threads_run_with_an_isolated_stage)
{
    struct hand *h = two(1, 1);
    h->stages[1].isolate = true;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->batch_bytes, 64 * KIB);
    assert_false(plan->links[0].local);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(run_memory_is_kept_by_shrinking_everything_evenly)
{
    for (uint64_t memory = 16 * MIB; memory >= 168 * KIB; memory -= memory / 7) {
        struct hand *h = hand_wordcount();
        h->graph.memory = memory;
        struct flow_plan *plan = plan_of(h);
        assert_true(plan->flight_bytes <= memory);
        assert_true(plan->flight_bytes >= memory / 2 || plan->batch_bytes == 64 * KIB);
        assert_in_range(plan->batch_bytes, 4 * KIB, 64 * KIB);
        assert_in_range(plan->batch_records, 512, 8192);
        for (size_t i = 0; i < plan->link_count; i++) {
            assert_true(plan->links[i].credit.batches > 0);
            assert_true(plan->links[i].credit.bytes >= 4 * KIB);
        }
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(a_queue_smaller_than_the_least_is_not_raised_when_memory_is_short)
{
    struct hand *h = two(1, 1);
    h->edges[0].queue.bytes = 10;
    h->graph.memory = 20 * KIB;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->links[0].credit.bytes, 10);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(too_little_run_memory_is_refused_with_both_numbers)
{
    struct hand *h = two(2, 3);
    h->edges[0].share = FLOW_KEY;
    h->graph.memory = 64 * KIB;
    struct flow_error err = {0};
    assert_null(flow_plan_new(&h->graph, NULL, &err));
    assert_int_equal(err.status, FLOW_ERANGE);
    assert_string_equal(err.text,
                        "run.memory is 65536 bytes (64.0 KiB), but with the smallest batches 6 "
                        "links and 5 replicas need 94208 bytes (92.0 KiB)");
    hand_free(h);
}

TEST(the_least_that_a_refusal_names_is_enough)
{
    struct hand *h = two(2, 3);
    h->edges[0].share = FLOW_KEY;
    h->graph.memory = 94208;
    struct flow_plan *plan = plan_of(h);
    assert_int_equal(plan->flight_bytes, 94208);
    assert_int_equal(plan->links[0].credit.bytes, 4 * KIB);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(without_run_memory_a_wide_mesh_aims_at_the_usual_memory)
{
    struct hand *h = two(200, 200);
    h->edges[0].share = FLOW_KEY;
    struct flow_plan *plan = plan_of(h);
    assert_true(plan->flight_bytes <= FLOW_PLAN_USUAL_MEMORY);
    assert_true(plan->batch_bytes < 64 * KIB);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(descriptors_are_those_of_the_process_that_opens_the_most)
{
    static const struct {
        enum flow_mode mode;
        bool isolate, checkpoints;
        uint64_t descriptors;
    } cases[] = {
        {FLOW_THREADS, false, false, 32 + 8 + 9}, {FLOW_THREADS, false, true, 32 + 13 + 9},
        {FLOW_THREADS, true, false, 32 + 20},     {FLOW_PROCESSES, false, false, 32 + 10},
        {FLOW_PROCESSES, false, true, 32 + 11},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = two(2, 3);
        h->graph.mode = cases[i].mode;
        h->graph.checkpoints = cases[i].checkpoints;
        h->stages[1].isolate = cases[i].isolate;
        hand_edge(h, 0, 1)->from_port = FLOW_PORT_ERRORS; /* a second edge needs no more */
        struct flow_plan *plan = plan_of(h);
        assert_int_equal(plan->descriptors, cases[i].descriptors);
        flow_plan_free(plan);
        hand_free(h);
    }
}

TEST(the_engine_counts_every_process_and_the_launcher)
{
    struct hand *h = two(2, 3);
    struct flow_plan *threads = plan_of(h);
    assert_int_equal(threads->engine_bytes, 16 * MIB + 1280 * KIB + 3 * KIB);
    h->graph.mode = FLOW_PROCESSES;
    struct flow_plan *processes = plan_of(h);
    assert_int_equal(processes->engine_bytes, 96 * MIB + 1280 * KIB + 3 * KIB);
    flow_plan_free(threads);
    flow_plan_free(processes);
    hand_free(h);
}

TEST(a_replica_has_an_arena_if_it_sends_to_another_process)
{
    struct hand *h = two(2, 3);
    h->graph.mode = FLOW_PROCESSES;
    struct flow_plan *plan = plan_of(h);
    const uint64_t bytes = plan->replicas[0].arena_bytes;

    /* Three links of 3 batches, 7 more held for each and one open, and the room for large records.
     */
    assert_int_equal(plan->links[0].credit.batches, 3);
    assert_int_equal(bytes, 3 * (3 + 7 + 1) * (256 * KIB) + (64 << 20));
    assert_int_equal(plan->replicas[1].arena_at, bytes);
    assert_int_equal(plan->arena_bytes, 2 * bytes);
    for (size_t i = 2; i < plan->replica_count; i++)
        assert_int_equal(plan->replicas[i].arena_bytes, 0);
    flow_plan_free(plan);

    h->graph.memory = 32 << 20;
    plan = plan_of(h);
    assert_true(plan->replicas[0].arena_bytes <= plan->flight_bytes + (32 << 20));
    assert_int_equal(plan->replicas[1].arena_at % FLOW_PLAN_ARENA_GRAIN, 0);
    flow_plan_free(plan);

    h->graph.mode = FLOW_THREADS;
    plan = plan_of(h);
    assert_int_equal(plan->arena_bytes, 0);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(without_run_memory_half_of_what_can_be_had_is_aimed_at)
{
    struct hand *h = two(2, 3);
    h->graph.mode = FLOW_PROCESSES;
    struct flow_plan *usual = plan_of(h);
    const struct flow_plan_options options = {.cpus = 2, .room_bytes = 32 * MIB};
    struct flow_plan *tight = flow_plan_new(&h->graph, &options, NULL);
    assert_non_null(tight);
    assert_true(usual->flight_bytes > 8 * MIB);
    assert_true(tight->needed_bytes <= 16 * MIB);
    assert_true(tight->flight_bytes > 3 * MIB);
    flow_plan_free(tight);

    /* With the smallest batches it is more than that: the plan says how much, and no more. */
    const struct flow_plan_options none = {.cpus = 2, .room_bytes = MIB};
    tight = flow_plan_new(&h->graph, &none, NULL);
    assert_non_null(tight);
    assert_int_equal(tight->batch_bytes, FLOW_PLAN_MIN_BATCH);
    assert_true(tight->needed_bytes > MIB);
    flow_plan_free(tight);

    h->graph.memory = 100 * MIB; /* what the graph says holds */
    tight = flow_plan_new(&h->graph, &options, NULL);
    assert_int_equal(tight->flight_bytes, usual->flight_bytes);
    flow_plan_free(tight);
    flow_plan_free(usual);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_follow_what_a_link_is_for),
        cmocka_unit_test(links_read_by_number_have_many_batches_and_few_bytes),
        cmocka_unit_test(a_queue_of_the_graph_narrows_its_links),
        cmocka_unit_test(the_bytes_in_flight_are_those_of_the_formula),
        cmocka_unit_test(a_replica_has_an_arena_if_it_sends_to_another_process),
        cmocka_unit_test(a_queue_that_drops_its_oldest_keeps_as_much_again),
        cmocka_unit_test(batches_stay_small_in_a_threads_run_with_an_isolated_stage),
        cmocka_unit_test(run_memory_is_kept_by_shrinking_everything_evenly),
        cmocka_unit_test(a_queue_smaller_than_the_least_is_not_raised_when_memory_is_short),
        cmocka_unit_test(too_little_run_memory_is_refused_with_both_numbers),
        cmocka_unit_test(the_least_that_a_refusal_names_is_enough),
        cmocka_unit_test(without_run_memory_a_wide_mesh_aims_at_the_usual_memory),
        cmocka_unit_test(descriptors_are_those_of_the_process_that_opens_the_most),
        cmocka_unit_test(the_engine_counts_every_process_and_the_launcher),
        cmocka_unit_test(without_run_memory_half_of_what_can_be_had_is_aimed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
