/* SPDX-License-Identifier: MIT */
#include "control/revive.h"

#include <signal.h>
#include <string.h>

#include "support/check.h"
#include "support/hand_graph.h"
#include "watch/rows.h"

#define MS ((int64_t)1000000)

struct fixture {
    struct hand *hand;
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_launch launch;
    struct flow_crew crew;
    struct flow_board_replica *slot;
    struct flow_board_group *orders;
    struct flow_revival revival;
    struct flow_restart *restart;
    struct flow_str text;
};

/* read, work, print in processes; it is work that dies. */
static void set_up(struct fixture *f)
{
    *f = (struct fixture){.hand = hand_new()};
    struct hand *h = f->hand;
    h->graph.mode = FLOW_PROCESSES;
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 1);
    h->stages[work].restart = (struct flow_restart){.on = true,
                                                    .tries = 3,
                                                    .window_ns = 1000 * MS,
                                                    .backoff_ns = 10 * MS,
                                                    .backoff_max_ns = 15 * MS};
    h->stages[work].timeout_ns = 100 * MS;
    f->restart = &h->stages[work].restart;
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, hand_stage(h, "print", &hand_sink, 1));
    f->plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(f->plan);
    const struct flow_board_size size = flow_board_size_of(f->plan);
    assert_int_equal(flow_board_new(&size, false, &f->board, NULL), FLOW_OK);
    f->launch = (struct flow_launch){.plan = f->plan, .board = &f->board};
    f->crew = (struct flow_crew){.group = f->plan->replicas[1].group};
    f->slot = &f->board.replicas[1];
    f->orders = &f->board.groups[f->crew.group];
}

static void tear_down(struct fixture *f)
{
    flow_str_clear(&f->text);
    flow_board_close(&f->board);
    flow_plan_free(f->plan);
    hand_free(f->hand);
}

static bool dies(struct fixture *f, int number, int64_t now_ns)
{
    const struct flow_death death = {.known = true, .signal = number};
    flow_str_clear(&f->text);
    f->text = (struct flow_str){0};
    const bool replaced =
        flow_revival_decide(&f->revival, &f->launch, &f->crew, &death, now_ns, &f->text);
    if (replaced)
        flow_revival_begin(&f->revival, &f->launch, f->crew.group);
    return replaced;
}

static void take_in_hand(struct fixture *f, uint64_t batch, uint64_t record)
{
    flow_set(&f->slot->hand_batch, batch + 1);
    flow_set(&f->slot->hand_record, record);
}

TEST(who_got_nothing_done_waits_longer_and_longer_and_who_did_does_not_wait)
{
    struct fixture f;
    set_up(&f);
    f.restart->tries = 10;
    static const int64_t waits[] = {0, 10, 15, 15};
    for (size_t i = 0; i < COUNT(waits); i++) {
        assert_true(dies(&f, SIGKILL, 1000 * MS));
        assert_int_equal(f.revival.due_ns, (1000 + waits[i]) * MS);
    }
    flow_count(&f.slot->kept_turn, 1);
    assert_true(dies(&f, SIGKILL, 1200 * MS));
    assert_int_equal(f.revival.due_ns, 1200 * MS);
    assert_int_equal(flow_read(&f.orders->restarts), COUNT(waits) + 1);
    tear_down(&f);
}

TEST(deaths_from_outside_are_limited_within_a_window)
{
    struct fixture f;
    set_up(&f);
    for (int64_t i = 0; i < 3; i++)
        assert_true(dies(&f, SIGKILL, i * MS));
    assert_false(dies(&f, SIGKILL, 4 * MS));
    assert_non_null(strstr(f.text.text, "had been replaced 3 times within 1"));
    assert_true(dies(&f, SIGKILL, 5000 * MS));
    tear_down(&f);
}

TEST(a_record_that_kills_three_times_is_set_aside_and_counts_towards_no_limit)
{
    struct fixture f;
    set_up(&f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flow_read(&f.orders->aside[0].number), 0);
        take_in_hand(&f, 5, 4711);
        assert_true(dies(&f, SIGSEGV, 7 * MS));
        assert_int_equal(f.revival.due_ns, 7 * MS);
    }
    assert_int_equal(flow_read(&f.orders->aside[0].number), 4712);
    assert_int_equal(flow_read(&f.orders->aside[0].tries), 3);
    assert_int_equal(flow_read(&f.orders->aside[0].cause), SIGSEGV);
    assert_int_equal(f.revival.deaths, 0);
    tear_down(&f);
}

TEST(another_record_begins_anew_and_a_kill_from_outside_is_not_its_fault)
{
    struct fixture f;
    set_up(&f);
    take_in_hand(&f, 5, 1);
    assert_true(dies(&f, SIGSEGV, MS));
    take_in_hand(&f, 5, 2);
    assert_true(dies(&f, SIGSEGV, MS));
    assert_int_equal(f.revival.charges, 1);
    take_in_hand(&f, 5, 2);
    assert_true(dies(&f, SIGKILL, MS));
    assert_int_equal(f.revival.charges, 1);
    assert_int_equal(f.revival.deaths, 1);
    tear_down(&f);
}

TEST(the_records_of_a_batch_that_kills_are_tried_alone)
{
    struct fixture f;
    set_up(&f);
    take_in_hand(&f, 5, FLOW_WHOLE_BATCH);
    assert_true(dies(&f, SIGABRT, MS));
    assert_int_equal(flow_read(&f.orders->careful), 6);
    assert_int_equal(f.revival.deaths, 0);
    tear_down(&f);
}

TEST(entries_are_used_again_once_their_batches_are_acknowledged)
{
    struct fixture f;
    set_up(&f);
    for (uint64_t n = 0; n < FLOW_ASIDE_MOST * 3; n++) {
        take_in_hand(&f, 5, n / 3);
        assert_true(dies(&f, SIGSEGV, MS));
    }
    for (int i = 0; i < 3; i++) {
        take_in_hand(&f, 6, 1000);
        assert_int_equal(dies(&f, SIGSEGV, MS), i < 2);
    }
    flow_set(&f.slot->kept_batch, 6);
    f.revival.charges = 2;
    take_in_hand(&f, 6, 1000);
    assert_true(dies(&f, SIGSEGV, MS));
    tear_down(&f);
}

TEST(a_record_is_overdue_when_it_alone_was_worked_on_for_the_whole_time)
{
    struct fixture f;
    set_up(&f);
    struct flow_sight sight = {0};
    flow_set(&f.slot->state, FLOW_STATE_BUSY);
    take_in_hand(&f, 5, 1);
    assert_false(flow_sight_is_overdue(&sight, &f.launch, 1, 10 * MS));
    assert_false(flow_sight_is_overdue(&sight, &f.launch, 1, 109 * MS));
    assert_true(flow_sight_is_overdue(&sight, &f.launch, 1, 110 * MS));
    take_in_hand(&f, 5, 2);
    assert_false(flow_sight_is_overdue(&sight, &f.launch, 1, 111 * MS));
    flow_set(&f.slot->state, FLOW_STATE_WAIT_OUT);
    assert_false(flow_sight_is_overdue(&sight, &f.launch, 1, 300 * MS));
    flow_set(&f.slot->state, FLOW_STATE_BUSY);
    assert_false(flow_sight_is_overdue(&sight, &f.launch, 1, 301 * MS));
    tear_down(&f);
}

TEST(before_records_flow_only_a_death_from_outside_is_tried_again)
{
    static const struct {
        struct flow_death death;
        bool on, again;
    } cases[] = {
        {{.known = true, .signal = SIGKILL}, true, true},
        {{.known = true, .signal = SIGTERM}, true, true},
        {{.known = true, .signal = SIGKILL}, false, false},
        {{.known = true, .signal = SIGSEGV}, true, false},
        {{.known = true, .code = 3}, true, false},
        {{.known = true, .signal = SIGKILL, .forced = true}, true, false},
        {{.known = false}, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        set_up(&f);
        f.restart->on = cases[i].on;
        const bool again =
            flow_revival_retry(&f.revival, &f.launch, &f.crew, &cases[i].death, 1000 * MS, &f.text);
        assert_int_equal(again, cases[i].again);
        assert_int_equal(flow_read(&f.orders->restarts), 0);
        if (again)
            assert_string_equal(f.text.text, "; its process is replaced (1 of 3)");
        tear_down(&f);
    }
}

TEST(before_records_flow_deaths_have_the_same_limit)
{
    struct fixture f;
    set_up(&f);
    const struct flow_death death = {.known = true, .signal = SIGKILL};
    for (int64_t i = 0; i < 3; i++)
        assert_true(flow_revival_retry(&f.revival, &f.launch, &f.crew, &death, i * MS, &f.text));
    assert_false(flow_revival_retry(&f.revival, &f.launch, &f.crew, &death, 3 * MS, &f.text));
    assert_non_null(strstr(f.text.text, "had been replaced 3 times within 1"));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_got_nothing_done_waits_longer_and_longer_and_who_did_does_not_wait),
        cmocka_unit_test(deaths_from_outside_are_limited_within_a_window),
        cmocka_unit_test(a_record_that_kills_three_times_is_set_aside_and_counts_towards_no_limit),
        cmocka_unit_test(another_record_begins_anew_and_a_kill_from_outside_is_not_its_fault),
        cmocka_unit_test(the_records_of_a_batch_that_kills_are_tried_alone),
        cmocka_unit_test(entries_are_used_again_once_their_batches_are_acknowledged),
        cmocka_unit_test(a_record_is_overdue_when_it_alone_was_worked_on_for_the_whole_time),
        cmocka_unit_test(before_records_flow_only_a_death_from_outside_is_tried_again),
        cmocka_unit_test(before_records_flow_deaths_have_the_same_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
