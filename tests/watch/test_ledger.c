/* SPDX-License-Identifier: MIT */
#include "watch/fixture.h"

TEST(books_that_balance_are_passed)
{
    struct fixture *f = *state;
    struct flow_error err = {0};
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, &err), FLOW_OK);
    assert_int_equal(err.status, FLOW_OK);
}

static void expect_off(struct fixture *f, const char *text)
{
    struct flow_error err = {0};
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, &err), FLOW_EPROTO);
    assert_int_equal(err.status, FLOW_EPROTO);
    assert_string_equal(err.text, text);
}

TEST(a_record_lost_on_a_link_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_links[W1_C0].received, 299);
    expect_off(f,
               "the books do not balance at words[1] -> count[0]: 300 records sent, 299 received");
}

TEST(a_batch_lost_on_a_link_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_links[W0_L].received_batches, 3);
    expect_off(f,
               "the books do not balance at words[0].errors -> late: 4 batches sent, 3 received");
}

TEST(a_record_lost_between_link_and_stage_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[COUNT_1].records_in, 999);
    expect_off(f, "the books do not balance at stage count[1]: 1000 records received on its edges, "
                  "999 taken in");
}

TEST(a_record_without_an_end_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[WORDS_0].done, 589);
    expect_off(f, "the books do not balance at stage words[0]: 600 records in, but 589 done, "
                  "0 skipped, 10 routed, 0 failed");
}

TEST(a_record_emitted_but_not_sent_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[READ_0].records_out, 1001);
    expect_off(f, "the books do not balance at read -> words: 1001 records emitted, but 1000 sent "
                  "or dropped");
}

TEST(a_stage_with_several_edges_is_named_as_a_whole)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[WORDS_1].records_out, 801);
    expect_off(f,
               "the books do not balance at stage words[1]: 801 records emitted, but 800 sent or "
               "dropped");
}

TEST(a_routed_record_that_did_not_arrive_is_named)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[WORDS_0].routed, 11);
    flow_set(&f->board_replicas[WORDS_0].done, 589);
    expect_off(f, "the books do not balance at words[0].errors -> late: 11 records routed, but 10 "
                  "sent and 0 dropped");
}

TEST(dropped_records_are_accounted_for)
{
    struct fixture *f = *state;
    flow_set(&f->board_replicas[READ_0].records_out, 1007);
    flow_set(&f->board_links[R_W1].dropped, 7);
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, NULL), FLOW_OK);
}

/* words[0] gives all its 500 records to both; words[1] gives 300 to both. */
static void share_with_all(struct fixture *f)
{
    f->edges[EDGE_COUNT].share = FLOW_ALL;
    carry(f, W0_C0, 500);
    carry(f, W1_C1, 300);
    flow_set(&f->board_replicas[WORDS_0].records_out, 510);
    flow_set(&f->board_replicas[WORDS_1].records_out, 300);
    for (size_t i = COUNT_0; i <= COUNT_1; i++) {
        flow_set(&f->board_replicas[i].records_in, 800);
        flow_set(&f->board_replicas[i].done, 800);
    }
}

TEST(an_edge_that_gives_all_to_all_counts_once)
{
    struct fixture *f = *state;
    share_with_all(f);
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, NULL), FLOW_OK);
}

TEST(a_reader_of_all_that_got_less_is_named)
{
    struct fixture *f = *state;
    share_with_all(f);
    carry(f, W1_C1, 298);
    flow_set(&f->board_links[W1_C1].dropped, 1);
    flow_set(&f->board_replicas[COUNT_1].records_in, 798);
    flow_set(&f->board_replicas[COUNT_1].done, 798);
    expect_off(f,
               "the books do not balance at words[1] -> count[1]: 298 records sent and 1 dropped, "
               "but 300 for the first reader, and all get all");
}

/* The errors of words become a second edge of its first port. */
TEST(edges_of_one_port_that_differ_are_named)
{
    struct fixture *f = *state;
    f->edges[EDGE_LATE].from_port = 0;
    f->graph_stages[WORDS].errors.then = FLOW_SKIP;
    flow_set(&f->board_links[W0_L].dropped, 3);
    expect_off(f,
               "the books do not balance at words[0] -> late: 10 records sent and 3 dropped, but "
               "1200 on another edge of this port");
}

/* 5 records of words[1] went to the errors, since the edge to count found no key in them. */
static void lose_keys(struct fixture *f)
{
    f->edges[EDGE_COUNT].key = "/word";
    flow_set(&f->board_replicas[WORDS_1].unkeyed, 5);
    flow_set(&f->board_replicas[WORDS_1].records_out, 810);
    carry(f, W1_L, 5);
    flow_set(&f->board_replicas[LATE_0].records_in, 15);
    flow_set(&f->board_replicas[LATE_0].done, 15);
}

TEST(records_without_a_key_are_accounted_for)
{
    struct fixture *f = *state;
    lose_keys(f);
    assert_int_equal(flow_ledger_check(&f->plan, &f->board, NULL), FLOW_OK);
}

TEST(more_missing_than_had_no_key_is_named)
{
    struct fixture *f = *state;
    lose_keys(f);
    flow_set(&f->board_replicas[WORDS_1].records_out, 811);
    expect_off(f,
               "the books do not balance at stage words[1]: 811 records emitted, but 805 sent or "
               "dropped");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(books_that_balance_are_passed),
        CASE(a_record_lost_on_a_link_is_named),
        CASE(a_batch_lost_on_a_link_is_named),
        CASE(a_record_lost_between_link_and_stage_is_named),
        CASE(a_record_without_an_end_is_named),
        CASE(a_record_emitted_but_not_sent_is_named),
        CASE(a_stage_with_several_edges_is_named_as_a_whole),
        CASE(a_routed_record_that_did_not_arrive_is_named),
        CASE(dropped_records_are_accounted_for),
        CASE(an_edge_that_gives_all_to_all_counts_once),
        CASE(a_reader_of_all_that_got_less_is_named),
        CASE(edges_of_one_port_that_differ_are_named),
        CASE(records_without_a_key_are_accounted_for),
        CASE(more_missing_than_had_no_key_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
