/* SPDX-License-Identifier: MIT */
#include "group_run.h"

#include <string.h>

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    atomic_store(&group_gate, 1);
    return 0;
}

static void finish(struct group_run *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

/* The numbers from 0 to `count` - 1, each `times` times in a row, in order. */
static void assert_counts_up(const struct kept *kept, size_t count, size_t times)
{
    assert_int_equal(kept->count, count * times);
    for (size_t i = 0; i < kept->count; i++)
        assert_int_equal(strtoll(kept->records[i], NULL, 10), i / times);
}

static int compare(const void *a, const void *b)
{
    const long long left = strtoll(*(char *const *)a, NULL, 10);
    const long long right = strtoll(*(char *const *)b, NULL, 10);
    return (left > right) - (left < right);
}

static void sort(struct kept *kept)
{
    qsort(kept->records, kept->count, sizeof(*kept->records), compare);
}

static uint64_t sum(const struct group_run *run, size_t stage, size_t offset)
{
    const struct flow_plan_stage *plan = &run->plan->stages[stage];
    uint64_t total = 0;
    for (size_t i = 0; i < plan->replica_count; i++)
        total += flow_read(
            (const flow_counter *)((const char *)&run->board.replicas[plan->first_replica + i] +
                                   offset));
    return total;
}
#define SUM(run, stage, field) sum(run, stage, offsetof(struct flow_board_replica, field))

TEST(a_pipeline_passes_every_record_in_order)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "twice", &group_twice, 1);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_counts_up(&group_kept[0], 1000, 2);
    assert_int_equal(SUM(&run, work, records_in), 1000);
    assert_int_equal(SUM(&run, work, records_out), 2000);
    finish(&run, h);
}

TEST(records_for_which_a_worker_emits_nothing_count_as_filtered)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "odd", &group_odd, 1);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_int_equal(SUM(&run, work, filtered), 500);
    assert_int_equal(SUM(&run, sink, filtered), 0); /* it has nothing to emit */
    finish(&run, h);
}

TEST(records_larger_than_a_batch_and_than_a_queue_arrive)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "twice", &group_twice, 3);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    hand_edge(h, source, work)->queue.bytes = 1;
    hand_edge(h, work, sink)->queue.bytes = 1;
    group_source_count = 40;
    group_source_size = (size_t)1 << 20;
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_counts_up(&group_kept[0], 40, 2);
    finish(&run, h);
}

TEST(a_broadcast_gives_every_stage_every_record)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {"sink0", "sink1", "sink2"};
        (void)hand_edge(h, source, hand_stage(h, names[i], &group_sink, 1));
    }
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    for (int i = 0; i < 3; i++)
        assert_counts_up(&group_kept[i], 1000, 1);
    finish(&run, h);
}

TEST(parallel_workers_in_a_row_keep_the_order_of_their_input)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t first = hand_stage(h, "first", &group_twice, 4);
    const size_t second = hand_stage(h, "second", &group_forward, 3);
    const size_t third = hand_stage(h, "third", &group_odd, 2);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    hand_edge(h, source, first)->queue.items = 3;
    (void)hand_edge(h, first, second);
    hand_edge(h, second, third)->queue.items = 1;
    (void)hand_edge(h, third, sink);
    group_source_count = 5000;
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_int_equal(group_kept[0].count, 5000);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(strtoll(group_kept[0].records[i], NULL, 10), i / 2 * 2 + 1);
    finish(&run, h);
}

TEST(what_parallel_workers_emit_at_the_end_comes_last_by_replica)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "tail", &group_tail, 3);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_int_equal(group_kept[0].count, 1003);
    assert_string_equal(group_kept[0].records[999], "999");
    assert_string_equal(group_kept[0].records[1000], "end 0");
    assert_string_equal(group_kept[0].records[1001], "end 1");
    assert_string_equal(group_kept[0].records[1002], "end 2");
    finish(&run, h);
}

TEST(equal_keys_go_to_the_same_replica)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t keys = hand_stage(h, "keys", &group_keyed, 1);
    const size_t work = hand_stage(h, "tail", &group_tail, 3);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, source, keys);
    hand_edge(h, keys, work)->share = FLOW_KEY;
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    /* Per key in order, and all of a key came by one replica: then order within a key holds. */
    long long last[10];
    memset(last, -1, sizeof(last));
    size_t ends = 0;
    for (size_t i = 0; i < group_kept[0].count; i++) {
        if (group_kept[0].records[i][0] == 'e') {
            ends++;
            continue;
        }
        const long long n = strtoll(group_kept[0].records[i], NULL, 10);
        assert_true(n > last[n % 10]);
        last[n % 10] = n;
    }
    assert_int_equal(ends, 3);
    assert_int_equal(group_kept[0].count, 1003);
    finish(&run, h);
}

TEST(share_all_gives_every_replica_every_record)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "forward", &group_forward, 3);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    hand_edge(h, source, work)->share = FLOW_ALL;
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    sort(&group_kept[0]);
    assert_counts_up(&group_kept[0], 1000, 3);
    finish(&run, h);
}

TEST(merged_edges_deliver_all_of_both)
{
    struct hand *h = hand_new();
    const size_t left = hand_stage(h, "left", &group_source, 1);
    const size_t right = hand_stage(h, "right", &group_source, 1);
    const size_t work = hand_stage(h, "forward", &group_forward, 3);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, left, work);
    (void)hand_edge(h, right, work);
    (void)hand_edge(h, work, sink);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    sort(&group_kept[0]);
    assert_counts_up(&group_kept[0], 1000, 2);
    finish(&run, h);
}

/* source -> work -> sink, with a reader on the errors port when the policy routes. */
static struct hand *with_policy(const struct flow_stage_type *type,
                                const struct flow_error_policy *policy)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "work", type, 1);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    h->stages[work].errors = *policy;
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, sink);
    if (policy->then == FLOW_ROUTE) {
        const size_t dead = hand_stage(h, "sink1", &group_sink, 1);
        hand_edge(h, work, dead)->from_port = FLOW_PORT_ERRORS;
    }
    return h;
}

static void assert_no_tens(const struct kept *kept)
{
    assert_int_equal(kept->count, 900);
    for (size_t i = 0; i < 900; i++)
        assert_int_equal(strtoll(kept->records[i], NULL, 10), i / 9 * 10 + i % 9 + 1);
}

TEST(a_bad_record_stops_the_run_with_its_stage_and_number)
{
    const struct flow_stage_type *const types[] = {&group_picky, &group_batch_picky};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct hand *h = with_policy(types[i], &(struct flow_error_policy){.then = FLOW_STOP});
        struct group_run run;
        assert_int_equal(group_run(&run, h), FLOW_EBAD);
        assert_string_equal(run.error.text, "stage 'work', record 0: 0 is a multiple of 10");
        finish(&run, h);
    }
}

TEST(bad_records_are_skipped_and_counted_and_what_they_emitted_is_withdrawn)
{
    const struct flow_stage_type *const types[] = {&group_picky, &group_batch_picky};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct hand *h = with_policy(types[i], &(struct flow_error_policy){.then = FLOW_SKIP});
        struct group_run run;
        assert_int_equal(group_run(&run, h), FLOW_OK);
        assert_no_tens(&group_kept[0]);
        assert_int_equal(SUM(&run, 1, skipped), 100);
        assert_int_equal(SUM(&run, 1, done), 900);
        finish(&run, h);
    }
}

TEST(bad_records_are_routed_with_everything_known_of_them)
{
    struct hand *h = with_policy(&group_picky, &(struct flow_error_policy){.then = FLOW_ROUTE});
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_no_tens(&group_kept[0]);
    assert_int_equal(group_kept[1].count, 100);
    assert_string_equal(group_kept[1].records[7],
                        "{\"stage\":\"work\",\"replica\":0,\"record\":70,\"reason\":\"70 is a "
                        "multiple of 10\",\"tries\":1,\"text\":\"70\"}");
    assert_int_equal(SUM(&run, 1, routed), 100);
    finish(&run, h);
}

/* The source's numbers are JSON, but none of them is an object with a key; see also test_keys.c. */
TEST(records_without_the_key_of_an_edge_are_routed_with_their_numbers)
{
    group_source_count = 50;
    const struct flow_stage_type *const types[] = {&group_twice, &group_forward};
    for (size_t i = 0; i < COUNT(types); i++) {
        char pointer[] = "/k";
        struct hand *h = with_policy(types[i], &(struct flow_error_policy){.then = FLOW_ROUTE});
        h->edges[1].share = FLOW_KEY;
        h->edges[1].key = pointer;
        struct group_run run;

        assert_int_equal(group_run(&run, h), FLOW_OK);

        const size_t count = types[i] == &group_twice ? 100 : 50;
        assert_int_equal(group_kept[0].count, 0);
        assert_int_equal(group_kept[1].count, count);
        for (size_t n = 0; n < count; n++) {
            char expected[32];
            (void)snprintf(expected, sizeof(expected), "\"record\":%zu,", n);
            assert_non_null(strstr(group_kept[1].records[n], expected));
        }
        assert_int_equal(SUM(&run, 1, unkeyed), count);
        finish(&run, h);
    }
}

TEST(a_record_may_emit_more_than_a_batch_though_it_may_be_withdrawn)
{
    group_source_count = 200;
    struct hand *h = with_policy(&group_bulky, &(struct flow_error_policy){.then = FLOW_SKIP});
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    size_t good = 0;
    for (size_t i = 0; i < group_kept[0].count; i++)
        good += strtoll(group_kept[0].records[i], NULL, 10) % 2 == 0;
    assert_int_equal(good, 1000);
    assert_int_equal(SUM(&run, 1, skipped), 100);
    finish(&run, h);
}

TEST(a_record_is_tried_again_and_emits_once)
{
    group_source_count = 20;
    struct hand *h =
        with_policy(&group_flaky, &(struct flow_error_policy){.then = FLOW_STOP, .retries = 2});
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_counts_up(&group_kept[0], 20, 1);
    assert_int_equal(SUM(&run, 1, retried), 40);
    assert_int_equal(SUM(&run, 1, done), 20);
    finish(&run, h);
}

TEST(a_record_that_never_gets_better_is_given_up_after_its_tries)
{
    group_source_count = 3;
    struct hand *h =
        with_policy(&group_flaky, &(struct flow_error_policy){.then = FLOW_ROUTE, .retries = 1});
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_int_equal(group_kept[0].count, 0);
    assert_int_equal(group_kept[1].count, 3);
    assert_non_null(strstr(group_kept[1].records[2], "\"tries\":2"));
    finish(&run, h);
}

static struct hand *with_queue(enum flow_when_full when_full)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t slow = hand_stage(h, "slow0", &group_gated_sink, 1);
    const size_t fast = hand_stage(h, "fast1", &group_sink, 1);
    struct flow_graph_edge *edge = hand_edge(h, source, slow);
    edge->queue.items = 10;
    edge->queue.when_full = when_full;
    (void)hand_edge(h, source, fast);
    atomic_store(&group_gate, 0);
    return h;
}

/* The fast reader sees the end while the slow one has not begun: it was not held back. */
static void open_gate_after_the_source(struct group_run *run)
{
    while (flow_read(&run->board.replicas[0].end_ns) == 0)
        sched_yield();
    atomic_store(&group_gate, 1);
}

TEST(drop_new_keeps_the_first_records)
{
    struct hand *h = with_queue(FLOW_DROP_NEW);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    open_gate_after_the_source(&run);

    assert_int_equal(group_end(&run), FLOW_OK);

    assert_counts_up(&group_kept[1], 1000, 1);
    assert_in_range(group_kept[0].count, 1, 30);
    assert_string_equal(group_kept[0].records[0], "0");
    assert_int_equal(flow_read(&run.board.links[0].sent) + flow_read(&run.board.links[0].dropped),
                     1000);
    assert_int_equal(flow_read(&run.board.links[0].sent), group_kept[0].count);
    finish(&run, h);
}

TEST(drop_old_keeps_the_last_records)
{
    struct hand *h = with_queue(FLOW_DROP_OLD);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    /* The source cannot end before its queue has drained; its fast reader has all before. */
    while (flow_read(&run.board.replicas[2].records_in) < 1000)
        sched_yield();
    atomic_store(&group_gate, 1);

    assert_int_equal(group_end(&run), FLOW_OK);

    assert_counts_up(&group_kept[1], 1000, 1);
    assert_in_range(group_kept[0].count, 10, 40);
    assert_string_equal(group_kept[0].records[group_kept[0].count - 1], "999");
    assert_int_equal(flow_read(&run.board.links[0].sent) + flow_read(&run.board.links[0].dropped),
                     1000);
    finish(&run, h);
}

TEST(a_reader_that_was_dropped_for_gets_records_again_when_it_has_room)
{
    const enum flow_when_full policies[] = {FLOW_DROP_NEW, FLOW_DROP_OLD};
    for (size_t i = 0; i < COUNT(policies); i++) {
        struct hand *h = hand_new();
        const size_t source = hand_stage(h, "source", &group_source, 1);
        const size_t slow = hand_stage(h, "slow", &group_gated_sink, 1);
        hand_edge(h, source, slow)->queue =
            (struct flow_queue){.items = 10, .when_full = policies[i]};
        group_source_count = -1; /* for ever, and it never waits */
        group_source_size = 4096;
        atomic_store(&group_gate, 0);
        struct group_run run;
        group_start(&run, h, FLOW_OK);
        while (flow_read(&run.board.links[0].dropped) == 0)
            sched_yield();
        atomic_store(&group_gate, 1);
        while (flow_read(&run.board.replicas[1].records_in) < 1000)
            sched_yield();
        group_drain(&run);

        assert_int_equal(group_end(&run), FLOW_OK);
        finish(&run, h);
    }
}

TEST(fail_ends_the_run_when_the_queue_is_full)
{
    struct hand *h = with_queue(FLOW_FAIL);
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_ERANGE);

    assert_non_null(strstr(run.error.text, "the queue of its edge to 'slow0' is full"));
    finish(&run, h);
}

TEST(a_drained_run_delivers_what_was_produced)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    (void)hand_edge(h, source, sink);
    group_source_count = -1; /* for ever */
    group_source_size = 4096;
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    while (flow_read(&run.board.replicas[1].records_in) < 100)
        sched_yield();

    group_drain(&run);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_int_equal(SUM(&run, sink, done), SUM(&run, source, records_out));
    finish(&run, h);
}

TEST(an_aborted_run_ends_though_it_is_blocked)
{
    struct hand *h = with_queue(FLOW_BLOCK);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    while (flow_read(&run.board.replicas[0].state) != FLOW_STATE_WAIT_OUT)
        sched_yield();

    group_abort(&run);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_true(group_kept[1].count < 1000);
    finish(&run, h);
}

TEST(a_stage_that_cannot_open_is_named_before_any_record_moves)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    (void)hand_edge(h, source, hand_stage(h, "bad", &group_bad_open, 1));
    struct group_run run;
    group_start(&run, h, FLOW_EIO);

    assert_int_equal(group_end(&run), FLOW_EIO);

    assert_string_equal(run.error.text, "stage 'bad': there is no such thing");
    assert_int_equal(SUM(&run, source, records_out), 0);
    finish(&run, h);
}

TEST(a_long_chain_and_a_wide_stage_end)
{
    struct hand *h = hand_new();
    size_t last = hand_stage(h, "source", &group_source, 1);
    for (int i = 0; i < 100; i++) {
        const size_t next = hand_stage(h, "link", &group_forward, i == 50 ? 40 : 1);
        (void)hand_edge(h, last, next);
        last = next;
    }
    (void)hand_edge(h, last, hand_stage(h, "sink", &group_sink, 1));
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_OK);

    assert_counts_up(&group_kept[0], 1000, 1);
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pipeline_passes_every_record_in_order, set_up),
        cmocka_unit_test_setup(records_for_which_a_worker_emits_nothing_count_as_filtered, set_up),
        cmocka_unit_test_setup(records_larger_than_a_batch_and_than_a_queue_arrive, set_up),
        cmocka_unit_test_setup(a_broadcast_gives_every_stage_every_record, set_up),
        cmocka_unit_test_setup(parallel_workers_in_a_row_keep_the_order_of_their_input, set_up),
        cmocka_unit_test_setup(what_parallel_workers_emit_at_the_end_comes_last_by_replica, set_up),
        cmocka_unit_test_setup(equal_keys_go_to_the_same_replica, set_up),
        cmocka_unit_test_setup(share_all_gives_every_replica_every_record, set_up),
        cmocka_unit_test_setup(merged_edges_deliver_all_of_both, set_up),
        cmocka_unit_test_setup(a_bad_record_stops_the_run_with_its_stage_and_number, set_up),
        cmocka_unit_test_setup(
            bad_records_are_skipped_and_counted_and_what_they_emitted_is_withdrawn, set_up),
        cmocka_unit_test_setup(bad_records_are_routed_with_everything_known_of_them, set_up),
        cmocka_unit_test_setup(records_without_the_key_of_an_edge_are_routed_with_their_numbers,
                               set_up),
        cmocka_unit_test_setup(a_record_may_emit_more_than_a_batch_though_it_may_be_withdrawn,
                               set_up),
        cmocka_unit_test_setup(a_record_is_tried_again_and_emits_once, set_up),
        cmocka_unit_test_setup(a_record_that_never_gets_better_is_given_up_after_its_tries, set_up),
        cmocka_unit_test_setup(drop_new_keeps_the_first_records, set_up),
        cmocka_unit_test_setup(drop_old_keeps_the_last_records, set_up),
        cmocka_unit_test_setup(a_reader_that_was_dropped_for_gets_records_again_when_it_has_room,
                               set_up),
        cmocka_unit_test_setup(fail_ends_the_run_when_the_queue_is_full, set_up),
        cmocka_unit_test_setup(a_drained_run_delivers_what_was_produced, set_up),
        cmocka_unit_test_setup(an_aborted_run_ends_though_it_is_blocked, set_up),
        cmocka_unit_test_setup(a_stage_that_cannot_open_is_named_before_any_record_moves, set_up),
        cmocka_unit_test_setup(a_long_chain_and_a_wide_stage_end, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
