/* SPDX-License-Identifier: MIT */
#include "control/setback.h"
#include "watch/rows.h"

#include <signal.h>
#include <string.h>

#include "control/revive.h"
#include "support/check.h"
#include "support/hand_graph.h"

#define MS ((int64_t)1000000)

struct fixture {
    struct hand *hand;
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_launch launch;
    struct flow_board_replica *slot;
    struct flow_board_group *orders;
    struct flow_setback setback;
    struct flow_str text;
    uint64_t newest;
    int64_t due_ns;
};

/* read, count (twice), print in processes, with checkpoints; it is count[1] that dies. */
static void set_up(struct fixture *f)
{
    *f = (struct fixture){.hand = hand_new(), .newest = 3};
    struct hand *h = f->hand;
    h->graph.mode = FLOW_PROCESSES;
    h->graph.checkpoints = true;
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t count = hand_stage(h, "count", &hand_count, 2);
    h->stages[count].restart = (struct flow_restart){.on = true,
                                                     .tries = 3,
                                                     .window_ns = 1000 * MS,
                                                     .backoff_ns = 10 * MS,
                                                     .backoff_max_ns = 15 * MS};
    (void)hand_edge(h, read, count);
    (void)hand_edge(h, count, hand_stage(h, "print", &hand_sink, 1));
    f->plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(f->plan);
    const struct flow_board_size size = flow_board_size_of(f->plan);
    assert_int_equal(flow_board_new(&size, false, &f->board, NULL), FLOW_OK);
    f->launch = (struct flow_launch){.plan = f->plan, .board = &f->board};
    f->slot = &f->board.replicas[2];
    f->orders = &f->board.groups[f->plan->replicas[1].group];
}

static void tear_down(struct fixture *f)
{
    flow_str_clear(&f->text);
    flow_board_close(&f->board);
    flow_plan_free(f->plan);
    hand_free(f->hand);
}

static bool goes_back(struct fixture *f, const struct flow_loss *how)
{
    struct flow_loss loss = *how;
    loss.replica = 2;
    loss.newest = f->newest;
    flow_str_clear(&f->text);
    f->text = (struct flow_str){0};
    return flow_setback_decide(&f->setback, &f->launch, &loss, &f->due_ns, &f->text);
}

static bool dies(struct fixture *f, int number, int64_t now_ns)
{
    const struct flow_death death = {.known = true, .signal = number};
    return goes_back(f, &(struct flow_loss){.death = &death, .now_ns = now_ns});
}

static bool says(const struct fixture *f, const char *text)
{
    return f->text.text != NULL && strstr(f->text.text, text) != NULL;
}

/* `print` 0: the replica was not told to look. */
static void take_in_hand(struct fixture *f, uint64_t record, uint64_t print)
{
    flow_set(&f->slot->hand_batch, 7);
    flow_set(&f->slot->hand_record, record);
    flow_set(&f->slot->hand_print, print);
}

TEST(deaths_from_outside_have_the_limit_of_restart)
{
    struct fixture f;
    set_up(&f);
    take_in_hand(&f, 12, 0);
    assert_true(dies(&f, SIGKILL, 0));
    assert_true(says(&f, "(1 of 3)"));
    assert_true(dies(&f, SIGKILL, 1));
    assert_true(dies(&f, SIGKILL, 2));
    assert_false(dies(&f, SIGKILL, 3));
    assert_true(says(&f, "the run had gone back for it 3 times within 1.0 s, which is all that "
                         "\"restart\" allows"));
    tear_down(&f);
}

TEST(the_limit_is_of_a_window_of_time)
{
    struct fixture f;
    set_up(&f);
    for (int64_t i = 0; i < 10; i++)
        assert_true(dies(&f, SIGTERM, i * 400 * MS));
    tear_down(&f);
}

TEST(without_a_new_checkpoint_the_wait_doubles_and_with_one_there_is_none)
{
    struct fixture f;
    set_up(&f);
    assert_true(dies(&f, SIGKILL, 0));
    assert_int_equal(f.due_ns, 0);
    assert_true(dies(&f, SIGKILL, 100));
    assert_int_equal(f.due_ns, 100 + 10 * MS);
    f.setback.deaths = 0;
    assert_true(dies(&f, SIGKILL, 200));
    assert_int_equal(f.due_ns, 200 + 15 * MS);
    f.newest = 4;
    assert_true(dies(&f, SIGKILL, 300));
    assert_int_equal(f.due_ns, 300);
    tear_down(&f);
}

TEST(a_record_that_kills_three_times_is_set_aside_for_all_replicas)
{
    struct fixture f;
    set_up(&f);
    flow_set(&f.board.replicas[1].records_in, 100);
    flow_set(&f.slot->records_in, 40);
    take_in_hand(&f, 12, 0);
    assert_true(dies(&f, SIGSEGV, 0));
    assert_true(says(&f, "record 12 was in hand (1 of 3)"));
    assert_int_equal(flow_read(&f.slot->careful_until), 140);
    assert_int_equal(flow_read(&f.board.replicas[1].careful_until), 140);
    take_in_hand(&f, 12, 0xabc);
    assert_true(dies(&f, SIGSEGV, 1));
    assert_true(says(&f, "(2 of 3)"));
    take_in_hand(&f, 99, 0xabc); /* it has come in another order */
    assert_true(dies(&f, SIGSEGV, 2));
    assert_true(says(&f, "record 99 was in hand (3 of 3): it is set aside"));
    const struct flow_board_aside *entry = &f.orders->aside[0];
    assert_int_equal(flow_read(&entry->number), 100);
    assert_int_equal(flow_read(&entry->print), 0xabc);
    assert_int_equal(flow_read(&entry->tries), 3);
    assert_int_equal(flow_read(&entry->cause), SIGSEGV);
    assert_int_equal(flow_read(&entry->stage), f.plan->replicas[2].stage);
    tear_down(&f);
}

TEST(other_records_each_time_come_to_the_limit)
{
    struct fixture f;
    set_up(&f);
    unsigned times = 0;
    take_in_hand(&f, 0, 1);
    while (times < 20 && dies(&f, SIGABRT, (int64_t)times)) {
        times++;
        take_in_hand(&f, times, times + 1);
    }
    assert_int_equal(times, 4); /* the first one was not known to be in vain */
    assert_true(says(&f, "which is all that \"restart\" allows"));
    tear_down(&f);
}

TEST(other_records_with_checkpoints_in_between_do_not)
{
    struct fixture f;
    set_up(&f);
    for (uint64_t i = 0; i < 20; i++) {
        take_in_hand(&f, i, i + 1);
        assert_true(dies(&f, SIGABRT, (int64_t)i));
        f.newest++;
    }
    tear_down(&f);
}

TEST(of_a_whole_batch_the_records_are_tried_alone_first)
{
    struct fixture f;
    set_up(&f);
    flow_set(&f.slot->records_in, 40);
    take_in_hand(&f, FLOW_WHOLE_BATCH, 0);
    assert_true(dies(&f, SIGSEGV, 0));
    assert_true(says(&f, "a batch was in hand, whose records are tried alone the next time"));
    assert_int_equal(flow_read(&f.slot->careful_until), 40);
    assert_int_equal(f.setback.charges, 0);
    tear_down(&f);
}

TEST(a_record_that_takes_too_long_is_charged_too)
{
    struct fixture f;
    const struct flow_death death = {.known = true, .signal = SIGKILL};
    set_up(&f);
    for (int64_t i = 0; i < 3; i++) {
        take_in_hand(&f, 5, 0x55);
        assert_true(
            goes_back(&f, &(struct flow_loss){.death = &death, .overdue = true, .now_ns = i}));
    }
    assert_int_equal(flow_read(&f.orders->aside[0].cause), FLOW_CAUSE_TIMEOUT);
    tear_down(&f);
}

TEST(what_stands_in_the_way_ends_the_run_and_is_said)
{
    struct fixture f;
    const struct flow_death fault = {.known = true, .signal = SIGSEGV};
    const struct flow_death killed = {.known = true, .signal = SIGKILL};
    set_up(&f);
    assert_false(goes_back(&f, &(struct flow_loss){.death = &fault, .starting = true}));
    assert_true(goes_back(&f, &(struct flow_loss){.death = &killed, .starting = true}));
    f.hand->stages[1].restart.on = false;
    assert_false(dies(&f, SIGKILL, 0));
    assert_true(says(&f, "; its \"restart\" is false"));
    f.launch.no_way_back = "because of this";
    assert_false(dies(&f, SIGKILL, 0));
    assert_true(says(&f, "does not go back to a checkpoint by itself: because of this"));
    tear_down(&f);
}

TEST(a_record_set_aside_is_forgotten_once_a_checkpoint_has_it_behind_it)
{
    struct fixture f;
    set_up(&f);
    struct flow_board_aside *entry = &f.orders->aside[0];
    flow_set(&entry->number, 13);
    flow_setback_forget(&f.board, 4, false);
    assert_int_equal(flow_read(&entry->number), 13); /* nobody has met it */
    flow_set(&entry->epoch, 5);
    flow_setback_forget(&f.board, 4, true);
    assert_int_equal(flow_read(&entry->number), 13);
    assert_int_equal(flow_read(&entry->epoch), 0); /* it will be met again */
    flow_set(&entry->epoch, 5);
    flow_setback_forget(&f.board, 5, false);
    assert_int_equal(flow_read(&entry->number), 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deaths_from_outside_have_the_limit_of_restart),
        cmocka_unit_test(the_limit_is_of_a_window_of_time),
        cmocka_unit_test(without_a_new_checkpoint_the_wait_doubles_and_with_one_there_is_none),
        cmocka_unit_test(a_record_that_kills_three_times_is_set_aside_for_all_replicas),
        cmocka_unit_test(other_records_each_time_come_to_the_limit),
        cmocka_unit_test(other_records_with_checkpoints_in_between_do_not),
        cmocka_unit_test(of_a_whole_batch_the_records_are_tried_alone_first),
        cmocka_unit_test(a_record_that_takes_too_long_is_charged_too),
        cmocka_unit_test(what_stands_in_the_way_ends_the_run_and_is_said),
        cmocka_unit_test(a_record_set_aside_is_forgotten_once_a_checkpoint_has_it_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
