/* SPDX-License-Identifier: MIT */

/* What a refused record leaves behind: nothing of its own, all of the others', and exact books. */

#include <string.h>

#include "base/clock.h"
#include "group_run.h"
#include "watch/report.h"

#define LONG_SIZE 6000 /* such a record is forwarded by reference */

static atomic_size_t seen; /* by the sink that notes */

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    atomic_store(&group_gate, 1);
    atomic_store(&seen, 0);
    return 0;
}

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

/* Forwards; every tenth record emits something first, and is then refused. */
static enum flow_status forward_or_refuse(void *self, struct flow_stage *stage,
                                          const struct flow_record *record)
{
    (void)self;
    if (number_of(record) % 10 != 9)
        return flow_forward(stage, 0, record);
    const enum flow_status rc = flow_emit(stage, "never", 5);
    return rc == FLOW_OK ? flow_reject(stage, "a nine") : rc;
}
static const struct flow_stage_type forwards_or_refuses = {
    .name = "t.forwards_or_refuses", .role = FLOW_WORKER, .process = forward_or_refuse};

/* Emits a line before and one after what it forwards. */
static enum flow_status frame(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    enum flow_status rc = flow_emit(stage, "before", 6);
    if (rc == FLOW_OK)
        rc = flow_forward(stage, 0, record);
    return rc == FLOW_OK ? flow_emit(stage, "after", 5) : rc;
}
static const struct flow_stage_type frames = {
    .name = "t.frames", .role = FLOW_WORKER, .process = frame};

/* Emits more than a batch, and then refuses odd records. */
static enum flow_status overflow(void *self, struct flow_stage *stage,
                                 const struct flow_record *record)
{
    (void)self;
    for (int i = 0; i < 30; i++) {
        const char key = (char)('a' + i);
        char *at = flow_reserve(stage, 0, LONG_SIZE);
        if (at == NULL)
            return FLOW_EABORT;
        memset(at, ' ', LONG_SIZE);
        memcpy(at, record->data, record->size);
        const struct flow_target to = {.key = &key, .key_size = 1};
        const enum flow_status rc = flow_commit(stage, &to, LONG_SIZE);
        if (rc != FLOW_OK)
            return rc;
    }
    return number_of(record) % 2 == 1 ? flow_reject(stage, "odd") : FLOW_OK;
}
static const struct flow_stage_type overflows = {
    .name = "t.overflows", .role = FLOW_WORKER, .process = overflow};

static enum flow_status note(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    atomic_fetch_add(&seen, 1);
    return FLOW_OK;
}
static const struct flow_stage_type notes = {
    .name = "t.notes", .role = FLOW_CONSUMER, .process = note};

/* Emits, and every second time waits until the reader has seen that. */
static enum flow_status emit_and_wait(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    (void)self;
    enum flow_status rc = flow_emit(stage, record->data, record->size);
    const int64_t until = flow_now_ns() + 10000000000;
    const bool waits = number_of(record) % 2 == 1;
    while (rc == FLOW_OK && waits && atomic_load(&seen) <= (size_t)number_of(record)) {
        if (flow_now_ns() > until)
            return flow_stage_fail(stage, FLOW_EIO, "what was emitted has not been sent");
        rc = flow_wait(stage, -1, 0, 1000000);
        rc = rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    return rc;
}
static const struct flow_stage_type emits_and_waits = {
    .name = "t.emits_and_waits", .role = FLOW_WORKER, .process = emit_and_wait};

struct counter {
    int64_t next;
};

/* Different records with the same key, an empty one. */
static enum flow_status produce_empty_keys(void *self, struct flow_stage *stage)
{
    struct counter *counter = self;
    if (counter->next == group_source_count)
        return FLOW_ECLOSED;
    char text[64];
    const int size =
        snprintf(text, sizeof(text), "{\"k\":\"\",\"n\":%lld}", (long long)counter->next++);
    return flow_emit(stage, text, (size_t)size);
}
static const struct flow_stage_type empty_keys = {.name = "t.empty_keys",
                                                  .role = FLOW_PRODUCER,
                                                  .state_size = sizeof(struct counter),
                                                  .produce = produce_empty_keys};

static struct hand *with_policy(const struct flow_stage_type *type, enum flow_on_error then)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "work", type, 1);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, hand_stage(h, "sink0", &group_sink, 1));
    h->stages[work].errors = (struct flow_error_policy){.then = then};
    return h;
}

static void run_to_end(struct group_run *run, struct hand *h)
{
    const enum flow_status rc = group_run(run, h);
    if (rc != FLOW_OK)
        fail_msg("%s", run->error.text);
}

static void assert_balanced(const struct group_run *run)
{
    struct flow_error err = {0};
    if (flow_ledger_check(run->plan, &run->board, &err) != FLOW_OK)
        fail_msg("%s", err.text);
}

static void finish(struct group_run *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

TEST(a_refused_record_does_not_take_those_forwarded_before_it_along)
{
    struct hand *h = with_policy(&forwards_or_refuses, FLOW_SKIP);
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 900);
    for (size_t i = 0; i < 900; i++)
        assert_int_equal(strtoll(group_kept[0].records[i], NULL, 10), i / 9 * 10 + i % 9);
    assert_balanced(&run);
    finish(&run, h);
}

TEST(what_a_record_emits_keeps_its_order_around_a_long_forwarded_record)
{
    struct hand *h = with_policy(&frames, FLOW_SKIP);
    group_source_count = 200;
    group_source_size = LONG_SIZE;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 600);
    for (size_t i = 0; i < 200; i++) {
        assert_string_equal(group_kept[0].records[3 * i], "before");
        assert_int_equal(strtoll(group_kept[0].records[3 * i + 1], NULL, 10), i);
        assert_string_equal(group_kept[0].records[3 * i + 2], "after");
    }
    finish(&run, h);
}

TEST(what_is_withdrawn_does_not_count_as_emitted)
{
    struct hand *h = with_policy(&group_picky, FLOW_SKIP);
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(flow_read(&run.board.replicas[1].records_out), 900);
    assert_int_equal(flow_read(&run.board.replicas[1].bytes_out), 2601);
    assert_balanced(&run);
    finish(&run, h);
}

TEST(the_edges_of_a_port_agree_on_what_was_withdrawn)
{
    struct hand *h = with_policy(&overflows, FLOW_SKIP);
    const size_t other = hand_stage(h, "sink1", &group_sink, 3);
    hand_edge(h, 1, other)->share = FLOW_KEY;
    group_source_count = 30;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, group_kept[1].count);
    assert_balanced(&run);
    finish(&run, h);
}

TEST(what_a_record_has_emitted_is_sent_while_it_waits)
{
    struct hand *h = with_policy(&emits_and_waits, FLOW_SKIP);
    h->stages[2].type = &notes;
    group_source_count = 20;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(atomic_load(&seen), 20);
    finish(&run, h);
}

TEST(an_error_record_without_the_key_of_its_edge_ends_the_run)
{
    struct hand *h = with_policy(&group_picky, FLOW_ROUTE);
    char pointer[] = "/nothing";
    struct flow_graph_edge *errors = hand_edge(h, 1, hand_stage(h, "sink1", &group_sink, 2));
    errors->from_port = FLOW_PORT_ERRORS;
    errors->share = FLOW_KEY;
    errors->key = pointer;
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_EBAD);

    assert_string_equal(run.error.text,
                        "stage 'work': its error record cannot be shared by key: the record has "
                        "nothing at its key /nothing");
    finish(&run, h);
}

TEST(records_whose_key_is_an_empty_string_go_to_one_replica)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &empty_keys, 1);
    const size_t sink = hand_stage(h, "sink0", &group_sink, 4);
    char pointer[] = "/k";
    struct flow_graph_edge *edge = hand_edge(h, source, sink);
    edge->share = FLOW_KEY;
    edge->key = pointer;
    struct group_run run;

    run_to_end(&run, h);

    size_t used = 0;
    for (size_t i = 0; i < 4; i++)
        used += flow_read(&run.board.replicas[1 + i].records_in) > 0;
    assert_int_equal(group_kept[0].count, 1000);
    assert_int_equal(used, 1);
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_refused_record_does_not_take_those_forwarded_before_it_along,
                               set_up),
        cmocka_unit_test_setup(what_a_record_emits_keeps_its_order_around_a_long_forwarded_record,
                               set_up),
        cmocka_unit_test_setup(what_is_withdrawn_does_not_count_as_emitted, set_up),
        cmocka_unit_test_setup(the_edges_of_a_port_agree_on_what_was_withdrawn, set_up),
        cmocka_unit_test_setup(what_a_record_has_emitted_is_sent_while_it_waits, set_up),
        cmocka_unit_test_setup(an_error_record_without_the_key_of_its_edge_ends_the_run, set_up),
        cmocka_unit_test_setup(records_whose_key_is_an_empty_string_go_to_one_replica, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
