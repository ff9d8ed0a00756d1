/* SPDX-License-Identifier: MIT */
#include "engine/keep.h"

#include <string.h>

#include "support/check.h"
#include "support/hand_graph.h"

/* read, work, print in processes; it is work that keeps, with one link to its reader. */
struct fixture {
    struct hand *hand;
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_host host;
    struct flow_edge_out edge;
    struct flow_port_out port;
    struct flow_output output;
    struct flow_keep keep;
    struct flow_board_link *in, *out;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.hand = hand_new()};
    struct hand *h = f->hand;
    h->graph.mode = FLOW_PROCESSES;
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 1);
    h->stages[work].restart.on = true;
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, hand_stage(h, "print", &hand_sink, 1));
    f->plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, NULL);
    assert_non_null(f->plan);
    const struct flow_board_size size = flow_board_size_of(f->plan);
    assert_int_equal(flow_board_new(&size, false, &f->board, NULL), FLOW_OK);
    f->host = (struct flow_host){
        .plan = f->plan, .board = &f->board, .replica = 1, .slot = &f->board.replicas[1]};
    f->in = &f->board.links[f->plan->replicas[1].in[0]];
    f->out = &f->board.links[f->plan->replicas[1].out[0]];
    f->edge.outlet = (struct flow_outlet){
        .edge = &f->plan->edges[1], .first_link = f->plan->replicas[1].out[0], .link_count = 1};
    f->port = (struct flow_port_out){.edges = &f->edge, .edge_count = 1};
    f->output = (struct flow_output){.ports = &f->port, .port_count = 1};
    assert_int_equal(flow_keep_init(&f->keep, &f->host, &f->output), FLOW_OK);
    flow_keep_base(&f->keep);
}

static void tear_down(struct fixture *f)
{
    flow_board_close(&f->board);
    flow_plan_free(f->plan);
    hand_free(f->hand);
}

/* A successor of the process that has kept so far. */
static void succeed(struct fixture *f)
{
    assert_int_equal(flow_keep_init(&f->keep, &f->host, &f->output), FLOW_OK);
    flow_keep_restore(&f->keep, &f->output);
}

/* Batch `index` had 10 records, for which 3 were sent. */
static void process(struct fixture *f, uint64_t index, uint64_t sequence)
{
    flow_count(&f->host.slot->records_in, 10);
    flow_count(&f->out->sent, 3);
    flow_keep_note(&f->keep, index, sequence + 1);
}

TEST(a_successor_of_one_that_had_done_nothing_begins_at_the_beginning)
{
    struct fixture f;
    set_up(&f);
    succeed(&f);
    assert_int_equal(f.keep.from, 0);
    assert_int_equal(flow_read(&f.host.slot->records_in), 0);
    tear_down(&f);
}

TEST(in_a_run_that_went_back_such_a_one_begins_with_the_counts_of_the_checkpoint)
{
    struct fixture f;
    set_up(&f);
    flow_set(&f.host.slot->records_in, 70);
    flow_set(&f.out->sent, 21);
    flow_set(&f.out->received, 21);
    flow_keep_base(&f.keep); /* by the first process of the attempt */
    flow_count(&f.host.slot->records_in, 4);
    succeed(&f);
    assert_int_equal(f.keep.from, 0);
    assert_int_equal(flow_read(&f.host.slot->records_in), 70);
    assert_int_equal(flow_read(&f.in->received), 70);
    assert_int_equal(flow_read(&f.out->sent), 21);

    process(&f, 0, 5);
    flow_set(&f.out->received, 24);
    succeed(&f);
    assert_int_equal(f.keep.from, 6);
    assert_int_equal(flow_read(&f.host.slot->records_in), 80);
    tear_down(&f);
}

TEST(a_successor_begins_behind_the_last_batch_of_which_everything_has_arrived)
{
    for (uint64_t arrived = 0; arrived <= 9; arrived++) {
        struct fixture f;
        set_up(&f);
        for (uint64_t i = 0; i < 3; i++)
            process(&f, i, 100 + i);
        flow_set(&f.out->received, arrived);
        succeed(&f);
        const uint64_t whole = arrived / 3;
        assert_int_equal(f.keep.from, whole > 0 ? 100 + whole : 0);
        assert_int_equal(flow_read(&f.host.slot->records_in), 10 * whole);
        assert_int_equal(flow_read(&f.out->sent), 3 * whole);
        assert_int_equal(flow_read(&f.in->received), 10 * whole);
        tear_down(&f);
    }
}

TEST(a_reader_that_had_the_end_has_had_everything)
{
    struct fixture f;
    set_up(&f);
    process(&f, 0, 0);
    flow_set(&f.out->ended, 1);
    succeed(&f);
    assert_int_equal(f.keep.from, 1);
    tear_down(&f);
}

TEST(a_result_that_is_read_by_number_has_arrived_when_it_is_complete)
{
    struct fixture f;
    set_up(&f);
    struct flow_plan_edge numbered = *f.edge.outlet.edge;
    numbered.merge_numbered = true;
    f.edge.outlet.edge = &numbered;
    process(&f, 0, 7);
    flow_set(&f.out->received, 3);
    flow_set(&f.out->closed, 7); /* of the result before it */
    succeed(&f);
    assert_int_equal(f.keep.from, 0);

    process(&f, 0, 7);
    flow_set(&f.out->closed, 8);
    succeed(&f);
    assert_int_equal(f.keep.from, 8);
    tear_down(&f);
}

/* It died while it wrote: the stamp was taken away, and the rest is of two rows. */
TEST(half_a_row_is_none)
{
    struct fixture f;
    set_up(&f);
    process(&f, 0, 0);
    process(&f, 1, 1);
    const struct flow_rows rows = flow_rows_of(f.plan, &f.board, 1);
    flow_set(&rows.words[3 * rows.stride + FLOW_ROW_STAMP], 0); /* the first is not of a batch */
    flow_set(&f.out->received, 6);
    succeed(&f);
    assert_int_equal(f.keep.from, 1);
    tear_down(&f);
}

TEST(what_is_done_again_gets_rows_of_its_own)
{
    struct fixture f;
    set_up(&f);
    for (uint64_t i = 0; i < 3; i++)
        process(&f, i, i);
    flow_set(&f.out->received, 3);
    succeed(&f);
    assert_int_equal(f.keep.from, 1);

    /* It is handed batch 0 too, which it leaves alone, and emits less for batch 1 this time. */
    flow_count(&f.host.slot->records_in, 10);
    flow_count(&f.out->sent, 1);
    flow_keep_note(&f.keep, 1, 2);
    flow_set(&f.out->received, 9); /* as much as the first one had sent in all */
    succeed(&f);
    assert_int_equal(f.keep.from, 2);
    assert_int_equal(flow_read(&f.out->sent), 4);
    tear_down(&f);
}

TEST(the_row_that_was_acknowledged_outlives_all_that_may_be_sent_after_it)
{
    struct fixture f;
    set_up(&f);
    const size_t rows = flow_rows_of(f.plan, &f.board, 1).count;
    const uint64_t held = flow_plan_link_keeps(&f.plan->links[f.plan->replicas[1].in[0]]);
    assert_true(rows >= held + 2);
    for (uint64_t i = 0; i < 2 * rows; i++)
        process(&f, i, i);
    flow_keep_publish(&f.keep, 2 * rows - 1);
    assert_int_equal(flow_read(&f.host.slot->kept_batch), 2 * rows);
    assert_int_equal(flow_read(&f.host.slot->kept_turn), 1);
    flow_set(&f.out->received, 6 * rows);
    for (uint64_t i = 0; i < held; i++)
        process(&f, 2 * rows + i, 2 * rows + i);
    succeed(&f);
    assert_int_equal(f.keep.from, 2 * rows);
    tear_down(&f);
}

TEST(without_room_on_the_board_it_is_refused)
{
    struct fixture f;
    set_up(&f);
    f.board.word_count--;
    assert_int_equal(flow_keep_init(&f.keep, &f.host, &f.output), FLOW_EPROTO);
    assert_string_equal(f.host.err.text, "the board has no room for its progress");
    f.board.word_count++;
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_successor_of_one_that_had_done_nothing_begins_at_the_beginning),
        cmocka_unit_test(
            in_a_run_that_went_back_such_a_one_begins_with_the_counts_of_the_checkpoint),
        cmocka_unit_test(a_successor_begins_behind_the_last_batch_of_which_everything_has_arrived),
        cmocka_unit_test(a_reader_that_had_the_end_has_had_everything),
        cmocka_unit_test(a_result_that_is_read_by_number_has_arrived_when_it_is_complete),
        cmocka_unit_test(half_a_row_is_none),
        cmocka_unit_test(what_is_done_again_gets_rows_of_its_own),
        cmocka_unit_test(the_row_that_was_acknowledged_outlives_all_that_may_be_sent_after_it),
        cmocka_unit_test(without_room_on_the_board_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
