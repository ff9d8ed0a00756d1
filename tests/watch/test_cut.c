/* SPDX-License-Identifier: MIT */
#include "watch/cut.h"

#include "watch/fixture.h"

static void note_all(struct fixture *f, uint64_t epoch)
{
    for (size_t i = 0; i < REPLICAS; i++)
        flow_cut_note(&f->board_replicas[i], epoch);
    for (size_t i = 0; i < LINKS; i++) {
        flow_cut_note_sent(&f->board_links[i], epoch);
        flow_cut_note_received(&f->board_links[i], epoch);
    }
}

/* The run goes on for a while, and then its process dies somewhere. */
static void go_on(struct fixture *f)
{
    for (size_t i = 0; i < REPLICAS; i++) {
        flow_count(&f->board_replicas[i].records_in, 17);
        flow_count(&f->board_replicas[i].done, 5);
        flow_set(&f->board_replicas[i].state, FLOW_STATE_BUSY);
        flow_set(&f->board_replicas[i].hand_batch, 4);
    }
    for (size_t i = 0; i < LINKS; i++) {
        flow_count(&f->board_links[i].sent, 20 + i);
        flow_count(&f->board_links[i].sent_batches, 2);
        flow_count(&f->board_links[i].received, 11);
        flow_count(&f->board_links[i].dropped, 1);
    }
}

TEST(the_books_of_a_checkpoint_balance_again)
{
    struct fixture *f = *state;
    struct flow_error err = {0};
    note_all(f, 7);
    go_on(f);
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, &err), FLOW_EPROTO);
    flow_cut_restore(&f->plan, &f->board, 7, 100, 250);
    err = (struct flow_error){0};
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, &err), FLOW_OK);
    assert_string_equal(err.text, "");
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].records_in), 600);
    assert_int_equal(flow_read(&f->board_links[R_W1].sent), 400);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].state), FLOW_STATE_NEW);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].hand_batch), 0);
}

TEST(the_next_checkpoint_does_not_touch_the_one_that_is_there)
{
    struct fixture *f = *state;
    note_all(f, 7);
    go_on(f);
    note_all(f, 8); /* it is not committed */
    flow_cut_restore(&f->plan, &f->board, 7, 0, 0);
    assert_int_equal(flow_read(&f->board_links[R_W1].sent), 400);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_1].records_in), 400);
}

TEST(without_a_checkpoint_all_begins_at_nothing)
{
    struct fixture *f = *state;
    note_all(f, 7);
    flow_cut_note_end(&f->board_replicas[READ_0], 8);
    flow_cut_restore(&f->plan, &f->board, 0, 0, 0);
    assert_int_equal(flow_read(&f->board_replicas[READ_0].records_out), 0);
    assert_int_equal(flow_read(&f->board_replicas[READ_0].final_epoch), 0);
    assert_int_equal(flow_read(&f->board_links[W0_C0].sent), 0);
    assert_int_equal(flow_read(&f->board_links[W0_C0].received_batches), 0);
}

TEST(who_had_finished_keeps_what_it_counted_and_who_finished_after_does_not)
{
    struct fixture *f = *state;
    note_all(f, 7);
    go_on(f);
    flow_cut_note_end(&f->board_replicas[READ_0], 7); /* at the end it has sent 20 more */
    flow_cut_note_end(&f->board_replicas[WORDS_0], 8);
    flow_cut_restore(&f->plan, &f->board, 7, 0, 0);
    assert_int_equal(flow_read(&f->board_links[R_W0].sent), 620);
    assert_int_equal(flow_read(&f->board_links[R_W0].received), 600);
    assert_int_equal(flow_read(&f->board_replicas[READ_0].final_epoch), 7);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].records_in), 600);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].final_epoch), 0);
}

TEST(batches_that_say_again_that_there_is_no_more_count_at_both_ends_or_at_none)
{
    struct fixture *f = *state;
    struct flow_board_link *link = &f->board_links[R_W0];
    note_all(f, 7);
    flow_cut_note_end(&f->board_replicas[READ_0], 7);
    flow_cut_note_end(&f->board_replicas[WORDS_0], 7);
    const uint64_t had = flow_read(&link->received_batches);
    flow_set(&link->sent_batches, had + 1);
    flow_cut_restore(&f->plan, &f->board, 7, 0, 0);
    assert_int_equal(flow_read(&link->sent_batches), had);
    assert_int_equal(flow_read(&link->received_batches), had);
}

TEST(an_end_that_is_come_to_again_is_still_the_first)
{
    struct flow_board_replica slot = {0};
    flow_cut_note_end(&slot, 3);
    flow_cut_note_end(&slot, 5);
    assert_int_equal(flow_read(&slot.final_epoch), 3);
}

TEST(what_was_sent_is_noted_with_the_first_barrier_and_anew_when_the_run_has_gone_back)
{
    struct fixture *f = *state;
    struct flow_board_link *link = &f->board_links[R_W1];
    note_all(f, 7);
    go_on(f);
    flow_cut_note_sent(link, 7); /* a successor sends it again */
    flow_cut_note_sent(link, 8);
    flow_cut_restore(&f->plan, &f->board, 7, 0, 0);
    assert_int_equal(flow_read(&link->sent), 400);
    flow_count(&link->sent, 3);
    flow_cut_note_sent(link, 8);
    flow_count(&link->sent, 1);
    flow_cut_restore(&f->plan, &f->board, 8, 0, 0);
    assert_int_equal(flow_read(&link->sent), 403);
}

TEST(the_time_in_which_nobody_ran_is_nobodys_work)
{
    struct fixture *f = *state;
    const uint64_t before = flow_read(&f->board_replicas[WORDS_0].wait_self_ns);
    flow_set(&f->board_replicas[WORDS_0].start_ns, 1);
    flow_set(&f->board_replicas[WORDS_0].end_ns, 0);
    flow_cut_restore(&f->plan, &f->board, 0, 100, 250);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].wait_self_ns) - before, 150);
    assert_int_equal(flow_read(&f->board_replicas[WORDS_0].since_ns), 250);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_books_of_a_checkpoint_balance_again),
        CASE(the_next_checkpoint_does_not_touch_the_one_that_is_there),
        CASE(without_a_checkpoint_all_begins_at_nothing),
        CASE(who_had_finished_keeps_what_it_counted_and_who_finished_after_does_not),
        CASE(batches_that_say_again_that_there_is_no_more_count_at_both_ends_or_at_none),
        CASE(an_end_that_is_come_to_again_is_still_the_first),
        CASE(what_was_sent_is_noted_with_the_first_barrier_and_anew_when_the_run_has_gone_back),
        CASE(the_time_in_which_nobody_ran_is_nobodys_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
