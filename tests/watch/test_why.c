/* SPDX-License-Identifier: MIT */
#include "watch/why.h"

#include "base/mem.h"
#include "watch/fixture.h"

#define NOW (100 * (int64_t)SECOND)

/* A run that stands still: everybody waits for input, but what the test changes. */
static struct flow_why_input still(struct fixture *f)
{
    for (size_t i = 0; i < REPLICAS; i++) {
        flow_set(&f->board_replicas[i].state, FLOW_STATE_WAIT_IN);
        flow_set(&f->board_replicas[i].since_ns, 60 * (uint64_t)SECOND);
        flow_set(&f->board_replicas[i].thread, 1000 + i);
    }
    flow_set(&f->board_groups[0].pid, 1000);
    return (struct flow_why_input){
        .plan = &f->plan,
        .board = &f->board,
        .now_ns = NOW,
        .moved_ns = 70 * (int64_t)SECOND,
    };
}

static void set_state(struct fixture *f, size_t replica, enum flow_replica_state state)
{
    flow_set(&f->board_replicas[replica].state, (uint64_t)state);
}

/* The writer waits for room on this link. */
static void fill(struct fixture *f, size_t link, uint64_t batches)
{
    f->links[link].credit = (struct flow_credit){.batches = 4, .records = UINT64_MAX};
    set_state(f, f->links[link].from, FLOW_STATE_WAIT_OUT);
    flow_set(&f->board_links[link].full_batches, batches);
    flow_set(&f->board_links[link].full_records, batches * 10);
}

/* Assert the kind, the first culprit, and that the headline holds `words`. */
static void assert_why(const struct flow_why_input *input, enum flow_why_kind kind, size_t culprit,
                       const char *words)
{
    struct flow_why why;
    struct flow_str text = {0};
    assert_true(flow_why_find(input, &why));
    flow_why_headline(input, &why, &text);
    assert_string_equal(flow_why_kind_name(why.kind), flow_why_kind_name(kind));
    if (culprit != FLOW_NONE) {
        assert_true(why.culprit_count > 0);
        assert_int_equal(why.culprits[0], culprit);
    }
    if (strstr(text.text, words) == NULL)
        fail_msg("'%s' does not hold '%s'", text.text, words);
    flow_str_clear(&text);
    flow_why_clear(&why);
}

TEST(who_is_in_a_callback_is_named_and_not_those_who_wait_for_it)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    fill(f, R_W1, 4);
    set_state(f, WORDS_1, FLOW_STATE_BUSY);
    assert_why(
        &input, FLOW_WHY_CALLBACK, WORDS_1,
        "nothing has moved for at least 30.0 s: stage 'words' replica 1 (process 1000, thread "
        "1002) has not come back from a callback for 40.0 s");
}

TEST(a_thread_that_is_stopped_comes_before_one_in_a_callback)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    struct flow_why_thread threads[REPLICAS] = {[COUNT_0] = {.state = 'T'}};
    input.threads = threads;
    set_state(f, WORDS_1, FLOW_STATE_BUSY);
    assert_why(&input, FLOW_WHY_STOPPED, COUNT_0, "is stopped by a signal");
    threads[COUNT_0].state = 'X';
    assert_why(&input, FLOW_WHY_GONE, COUNT_0, "is gone");
}

TEST(a_stage_that_waits_for_something_outside_is_said_to)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    set_state(f, READ_0, FLOW_STATE_WAIT_SELF);
    flow_set(&f->board_replicas[READ_0].wait_fd, 1);
    assert_why(&input, FLOW_WHY_OUTSIDE, READ_0, "waits by itself for descriptor 0");
    flow_set(&f->board_replicas[READ_0].wait_fd, 0);
    flow_set(&f->board_replicas[READ_0].wait_until_ns, (uint64_t)NOW + 5 * (uint64_t)SECOND);
    assert_why(&input, FLOW_WHY_OUTSIDE, READ_0, "for its time to pass, 5.0 s more");
}

TEST(what_does_not_come_back_from_opening_is_named)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    for (size_t i = 0; i < REPLICAS; i++)
        set_state(f, i, FLOW_STATE_OPENED);
    set_state(f, LATE_0, FLOW_STATE_OPENING);
    assert_why(&input, FLOW_WHY_OPENING, LATE_0, "stage 'late' (process 1000, thread 1005)");
    set_state(f, LATE_0, FLOW_STATE_NEW);
    assert_why(&input, FLOW_WHY_OPENING, LATE_0, "has not come back from opening");
}

TEST(a_reader_that_sleeps_with_a_batch_on_the_way_was_not_woken)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    fill(f, R_W0, 4);
    flow_set(&f->board_links[R_W0].sent_batches, 5);
    assert_why(&input, FLOW_WHY_ASLEEP, WORDS_0, "there is work on the way");
}

TEST(one_with_nobody_left_to_wait_for_is_named)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    set_state(f, READ_0, FLOW_STATE_DONE);
    assert_why(&input, FLOW_WHY_ASLEEP, WORDS_0, "nobody to wait for");
}

/* words[0] waits for room at late, and late, wired to feed read, waits for room there. */
TEST(a_circle_is_a_deadlock_with_its_edges_and_the_queue_that_would_free_it)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    for (size_t i = 0; i < REPLICAS; i++)
        set_state(f, i, FLOW_STATE_DONE);
    f->links[R_W1].from = LATE_0;
    f->links[R_W1].to = WORDS_0;
    f->out[LATE_0][0] = R_W1;
    f->replicas[LATE_0].out_count = 1;
    fill(f, W0_L, 4);
    fill(f, R_W1, 3);
    assert_why(&input, FLOW_WHY_DEADLOCK, WORDS_0,
               "a deadlock: words[0] waits for room at late, which has 4 of 4 batches (40 records) "
               "under way to it; late waits for room at words[0], which has 3 of 4 batches (30 "
               "records) under way to it; a larger queue on words.errors -> late would free it");
}

TEST(a_run_that_moves_or_has_ended_blames_nobody)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    set_state(f, WORDS_0, FLOW_STATE_BUSY);
    input.moving = true;
    assert_why(&input, FLOW_WHY_MOVING, FLOW_NONE, "records are moving");
    input.moving = false;
    for (size_t i = 0; i < REPLICAS; i++)
        set_state(f, i, FLOW_STATE_DONE);
    assert_why(&input, FLOW_WHY_ENDED, FLOW_NONE, "all stages have ended");
}

TEST(one_that_hangs_while_others_move_is_named_with_its_whole_thread_in_view)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    struct flow_stall_replica moved[REPLICAS];
    for (size_t i = 0; i < REPLICAS; i++)
        moved[i] = (struct flow_stall_replica){.moved_ns = NOW};
    set_state(f, WORDS_0, FLOW_STATE_BUSY);
    input.moving = true;
    input.moved = moved;
    input.hang_ns = 10 * (int64_t)SECOND;
    moved[WORDS_0].moved_ns = NOW - 20 * (int64_t)SECOND;
    assert_why(&input, FLOW_WHY_HANGING, WORDS_0,
               "records are moving, but stage 'words' replica 0");
    fuse(f, WORDS_0, LATE_0);
    assert_why(&input, FLOW_WHY_MOVING, FLOW_NONE, "records are moving");
}

TEST(the_details_have_a_line_for_each_live_replica_and_say_how_many_are_left_out)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    fill(f, R_W0, 4);
    fuse(f, COUNT_0, COUNT_1);
    set_state(f, LATE_0, FLOW_STATE_DONE);
    set_state(f, WORDS_1, FLOW_STATE_BUSY);
    struct flow_why why;
    struct flow_str text = {0};
    assert_true(flow_why_find(&input, &why));
    flow_why_details(&input, &why, SIZE_MAX, &text);
    assert_string_equal(text.text,
                        "  words[1]  in a callback, for 40.0 s\n"
                        "  read      waits for room at words[0], which has 4 of 4 batches (40 "
                        "records) under way to it, for 40.0 s\n"
                        "  words[0]  waits for input from read, for 40.0 s\n"
                        "  count[0]  waits for input from words[0]; words[1], for 40.0 s\n"
                        "  count[1]  shares its thread with count[0]\n"
                        "  1 of 6 replicas have ended\n");
    flow_str_clear(&text);
    flow_why_details(&input, &why, 2, &text);
    assert_non_null(strstr(text.text, "\n  and 3 more\n"));
    flow_str_clear(&text);
    flow_why_clear(&why);
}

TEST(the_json_says_the_same)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    fill(f, R_W1, 4);
    set_state(f, WORDS_1, FLOW_STATE_BUSY);
    struct flow_why why;
    assert_true(flow_why_find(&input, &why));
    json_t *json = flow_why_json(&input, &why);
    const char *verdict = NULL, *stuck = NULL, *whom = NULL, *edge = NULL;
    int under_way = 0;
    assert_int_equal(json_unpack(json, "{s:s, s:[s], s:[{s:[{s:s, s:s, s:i}]}, *]}", "verdict",
                                 &verdict, "stuck", &stuck, "replicas", "waits_for", "replica",
                                 &whom, "edge", &edge, "under_way", &under_way),
                     0);
    assert_string_equal(verdict, "callback");
    assert_string_equal(stuck, "words[1]");
    assert_string_equal(whom, "words[1]");
    assert_string_equal(edge, "read -> words");
    assert_int_equal(under_way, 4);
    json_decref(json);
    flow_why_clear(&why);
}

TEST(nothing_is_said_and_nothing_lost_when_memory_is_short)
{
    struct fixture *f = *state;
    struct flow_why_input input = still(f);
    struct flow_why why;
    flow_mem_fail_at(0);
    assert_false(flow_why_find(&input, &why));
    flow_mem_fail_at(-1);
    struct flow_stall stall;
    flow_mem_fail_at(0);
    assert_false(flow_stall_init(&stall, &f->plan, &f->board, NOW));
    flow_mem_fail_at(-1);
}

TEST(every_counter_that_grows_is_movement_and_waking_up_is_none)
{
    struct fixture *f = *state;
    struct flow_board_replica *words = &f->board_replicas[WORDS_0];
    flow_counter *moves[] = {&words->batches_in,
                             &words->done,
                             &words->skipped,
                             &words->routed,
                             &words->failed,
                             &words->retried,
                             &words->records_out,
                             &words->unread,
                             &f->board_links[W0_C0].sent_batches,
                             &f->board_links[R_W0].received_batches};
    struct flow_stall stall;
    assert_true(flow_stall_init(&stall, &f->plan, &f->board, 1));
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        const int64_t now = 10 + (int64_t)i;
        flow_count(moves[i], 1);
        flow_stall_look(&stall, now);
        assert_int_equal(stall.moved_ns, now);
        assert_int_equal(stall.replicas[WORDS_0].moved_ns, now);
        assert_int_equal(stall.replicas[LATE_0].moved_ns, 1);
    }
    flow_set(&words->since_ns, 99);
    flow_set(&words->state, FLOW_STATE_WAIT_SELF);
    flow_count(&words->wait_self_ns, 5);
    flow_stall_look(&stall, 50);
    assert_int_equal(stall.moved_ns, 19);
    flow_stall_clear(&stall);
}

int main(void)
{
#define WITH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH(who_is_in_a_callback_is_named_and_not_those_who_wait_for_it),
        WITH(a_thread_that_is_stopped_comes_before_one_in_a_callback),
        WITH(a_stage_that_waits_for_something_outside_is_said_to),
        WITH(what_does_not_come_back_from_opening_is_named),
        WITH(a_reader_that_sleeps_with_a_batch_on_the_way_was_not_woken),
        WITH(one_with_nobody_left_to_wait_for_is_named),
        WITH(a_circle_is_a_deadlock_with_its_edges_and_the_queue_that_would_free_it),
        WITH(a_run_that_moves_or_has_ended_blames_nobody),
        WITH(one_that_hangs_while_others_move_is_named_with_its_whole_thread_in_view),
        WITH(the_details_have_a_line_for_each_live_replica_and_say_how_many_are_left_out),
        WITH(the_json_says_the_same),
        WITH(nothing_is_said_and_nothing_lost_when_memory_is_short),
        WITH(every_counter_that_grows_is_movement_and_waking_up_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
