/* SPDX-License-Identifier: MIT */

/* Records in flight: order, errors, time-outs and bounds of stages that hold them.  Checkpoints are
 * tried in test_barrier.c. */

#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "group_run.h"
#include "watch/report.h"

#define GROUP 8 /* records that are answered together, the last one first */

static atomic_size_t most_seen; /* in flight at a time */
static atomic_size_t dropped;

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    group_checkpoints = NULL;
    atomic_store(&group_gate, 1);
    atomic_store(&most_seen, 0);
    atomic_store(&dropped, 0);
    return 0;
}

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

/* ---- stages ---- */

struct holder {
    struct flow_token *tokens[GROUP];
    size_t count, in_flight;
    int fd;
};

static void note_most(size_t count)
{
    if (count > atomic_load(&most_seen))
        atomic_store(&most_seen, count);
}

static enum flow_status holder_open(void *self, struct flow_stage *stage)
{
    struct holder *h = self;
    h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(h->fd >= 0);
    flow_hold_most(stage, 3 * GROUP);
    return flow_watch(stage, h->fd, 1, 7);
}

/* The newest first; `picky` refuses multiples of 10, after it has emitted them. */
static enum flow_status answer_all(struct holder *h, struct flow_stage *stage, bool picky)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && h->count > 0) {
        struct flow_token *token = h->tokens[--h->count];
        h->in_flight--;
        rc = flow_resume(stage, token);
        if (rc == FLOW_OK)
            rc = flow_emit(stage, token->record.data, token->record.size);
        if (rc == FLOW_OK && picky && number_of(&token->record) % 10 == 0)
            rc = flow_reject(stage, "%lld is a multiple of 10", number_of(&token->record));
        rc = flow_done(stage, token, rc);
    }
    return rc;
}

static enum flow_status hold_one(struct holder *h, struct flow_stage *stage,
                                 const struct flow_record *record)
{
    h->tokens[h->count] = flow_hold(stage, record);
    if (h->tokens[h->count] == NULL)
        return FLOW_EABORT;
    h->count++;
    note_most(++h->in_flight);
    const uint64_t one = 1;
    if (h->count == GROUP)
        assert_int_equal(write(h->fd, &one, sizeof(one)), sizeof(one));
    return h->count < GROUP ? flow_timer(stage, 1, 200000) : flow_timer(stage, 1, -1);
}

/* Every fifth is answered at once, some with the whole group in the same call. */
static enum flow_status hold(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    struct holder *h = self;
    if (number_of(record) % 5 == 1)
        return flow_emit(stage, record->data, record->size);
    if (h->count == GROUP || number_of(record) % 17 == 2) {
        const enum flow_status rc = answer_all(h, stage, false);
        if (rc != FLOW_OK)
            return rc;
    }
    return hold_one(h, stage, record);
}

static void take_event(const struct holder *h, uint64_t tag, unsigned events)
{
    uint64_t value;
    if (events == 0) {
        assert_int_equal(tag, 1);
        return;
    }
    assert_int_equal(tag, 7);
    (void)!read(h->fd, &value, sizeof(value));
}

static enum flow_status hold_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    take_event(self, tag, events);
    return answer_all(self, stage, false);
}

static void holder_close(void *self, struct flow_stage *stage)
{
    struct holder *h = self;
    flow_unwatch(stage, h->fd);
    (void)close(h->fd);
}

static const struct flow_stage_type holds = {.name = "t.holds",
                                             .role = FLOW_WORKER,
                                             .state_size = sizeof(struct holder),
                                             .open = holder_open,
                                             .process = hold,
                                             .ready = hold_ready,
                                             .close = holder_close};

static enum flow_status picky(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    struct holder *h = self;
    const enum flow_status rc = h->count == GROUP ? answer_all(h, stage, true) : FLOW_OK;
    return rc == FLOW_OK ? hold_one(h, stage, record) : rc;
}

static enum flow_status picky_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                    unsigned events)
{
    take_event(self, tag, events);
    return answer_all(self, stage, true);
}

static const struct flow_stage_type picky_holds = {.name = "t.picky_holds",
                                                   .role = FLOW_WORKER,
                                                   .state_size = sizeof(struct holder),
                                                   .open = holder_open,
                                                   .process = picky,
                                                   .ready = picky_ready,
                                                   .close = holder_close};

/* Never answers; what has to be dropped is. */
static enum flow_status swallow(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    if (number_of(record) % 2 == 0)
        return flow_emit(stage, record->data, record->size);
    return flow_hold(stage, record) != NULL ? FLOW_OK : FLOW_EABORT;
}

static enum flow_status no_call(void *self, struct flow_stage *stage, uint64_t tag, unsigned events)
{
    (void)self;
    (void)tag;
    (void)events;
    return flow_stage_fail(stage, FLOW_EINVAL, "nothing is watched");
}

static void drop(void *self, struct flow_stage *stage, struct flow_token *token)
{
    (void)self;
    (void)stage;
    assert_int_equal(number_of(&token->record) % 2, 1);
    atomic_fetch_add(&dropped, 1);
}

static const struct flow_stage_type swallows = {
    .name = "t.swallows", .role = FLOW_WORKER, .process = swallow, .ready = no_call, .drop = drop};

static const struct flow_stage_type keeps_all = {
    .name = "t.keeps_all", .role = FLOW_WORKER, .process = swallow, .ready = no_call};

/* ---- runs ---- */

static void finish(struct group_run *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

static struct hand *chain(const struct flow_stage_type *type, unsigned workers,
                          enum flow_order order, const struct flow_error_policy *policy)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "work", type, workers);
    h->stages[work].order = order;
    if (policy != NULL)
        h->stages[work].errors = *policy;
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, hand_stage(h, "sink0", &group_sink, 1));
    if (policy != NULL && policy->then == FLOW_ROUTE)
        hand_edge(h, work, hand_stage(h, "sink1", &group_sink, 1))->from_port = FLOW_PORT_ERRORS;
    return h;
}

static void run_well(struct group_run *run, struct hand *h)
{
    struct flow_error err = {0};
    const enum flow_status rc = group_run(run, h);
    assert_string_equal(run->error.text, "");
    assert_int_equal(rc, FLOW_OK);
    const enum flow_status books = flow_ledger_check(run->plan, &run->board, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(books, FLOW_OK);
}

static void assert_ascending(const struct kept *kept, size_t count)
{
    assert_int_equal(kept->count, count);
    for (size_t i = 1; i < kept->count; i++)
        assert_true(strtoll(kept->records[i - 1], NULL, 10) < strtoll(kept->records[i], NULL, 10));
}

static const struct flow_board_replica *counts_of(const struct group_run *run, size_t stage)
{
    return &run->board.replicas[run->plan->stages[stage].first_replica];
}

/* ---- tests ---- */

static void what_is_answered_in_any_order_goes_out_in_the_order_of_the_input(void **state)
{
    (void)state;
    struct group_run run;
    for (unsigned workers = 1; workers <= 4; workers += 3) {
        struct hand *h = chain(&holds, workers, FLOW_ORDER_INPUT, NULL);
        run_well(&run, h);
        assert_ascending(&group_kept[0], 1000);
        assert_int_equal(flow_read(&counts_of(&run, 1)->held), 0);
        finish(&run, h);
    }
}

static void without_order_results_go_out_as_they_come_and_none_is_lost(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h = chain(&holds, 1, FLOW_ORDER_NONE, NULL);
    run_well(&run, h);
    assert_int_equal(group_kept[0].count, 1000);
    long long sum = 0;
    size_t earlier = 0; /* than the one before it */
    for (size_t i = 0; i < 1000; i++) {
        const long long number = strtoll(group_kept[0].records[i], NULL, 10);
        earlier += i > 0 && number < strtoll(group_kept[0].records[i - 1], NULL, 10);
        sum += number;
    }
    assert_true(earlier > 0);
    assert_int_equal(sum, 999 * 500);
    finish(&run, h);
}

static void a_stage_is_given_no_more_than_it_may_have_in_flight(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h =
        chain(&swallows, 1, FLOW_ORDER_NONE, &(struct flow_error_policy){.then = FLOW_SKIP});
    h->stages[1].timeout_ns = 20000000;
    group_source_count = 3000; /* 1,500 of which are never answered: 1,000 at a time, then 500 */
    run_well(&run, h);
    assert_int_equal(group_kept[0].count, 1500);
    assert_int_equal(atomic_load(&dropped), 1500);
    assert_int_equal(flow_read(&counts_of(&run, 1)->skipped), 1500);
    finish(&run, h);

    h = chain(&picky_holds, 1, FLOW_ORDER_INPUT, &(struct flow_error_policy){.then = FLOW_SKIP});
    run_well(&run, h);
    assert_in_range(atomic_load(&most_seen), 1, 3 * GROUP);
    finish(&run, h);
}

static void a_refused_record_leaves_nothing_and_its_bytes_go_to_the_errors_port(void **state)
{
    (void)state;
    static const enum flow_order orders[] = {FLOW_ORDER_INPUT, FLOW_ORDER_NONE};
    struct group_run run;
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct hand *h =
            chain(&picky_holds, 1, orders[i], &(struct flow_error_policy){.then = FLOW_ROUTE});
        run_well(&run, h);
        assert_int_equal(group_kept[0].count, 900);
        assert_int_equal(group_kept[1].count, 100);
        for (size_t k = 0; k < 900; k++)
            assert_int_not_equal(strtoll(group_kept[0].records[k], NULL, 10) % 10, 0);
        if (orders[i] == FLOW_ORDER_INPUT)
            assert_string_equal(group_kept[1].records[1],
                                "{\"stage\":\"work\",\"replica\":0,\"record\":10,\"reason\":\"10 "
                                "is a multiple of 10\",\"tries\":1,\"text\":\"10\"}");
        finish(&run, h);
    }
}

static void a_refused_record_ends_the_run_with_its_reason(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h =
        chain(&picky_holds, 1, FLOW_ORDER_INPUT, &(struct flow_error_policy){.then = FLOW_STOP});
    assert_int_equal(group_run(&run, h), FLOW_EBAD);
    assert_non_null(strstr(run.error.text, "stage 'work', record "));
    assert_non_null(strstr(run.error.text, "0 is a multiple of 10"));
    finish(&run, h);
}

static void a_refused_record_is_tried_again_while_the_others_go_on(void **state)
{
    (void)state;
    struct group_run run;
    const struct flow_error_policy policy = {
        .then = FLOW_ROUTE, .retries = 2, .backoff_ns = 1000000};
    struct hand *h = chain(&picky_holds, 1, FLOW_ORDER_INPUT, &policy);
    run_well(&run, h);
    assert_ascending(&group_kept[0], 900);
    assert_int_equal(group_kept[1].count, 100);
    assert_non_null(strstr(group_kept[1].records[0], "\"tries\":3"));
    assert_int_equal(flow_read(&counts_of(&run, 1)->retried), 200);
    finish(&run, h);
}

static void a_record_in_flight_for_too_long_is_dropped_and_the_others_stay_in_order(void **state)
{
    (void)state;
    struct group_run run;
    group_source_count = 100;
    struct hand *h =
        chain(&swallows, 2, FLOW_ORDER_INPUT, &(struct flow_error_policy){.then = FLOW_ROUTE});
    h->stages[1].timeout_ns = 5000000;
    run_well(&run, h);
    assert_ascending(&group_kept[0], 50);
    assert_int_equal(group_kept[1].count, 50);
    assert_non_null(
        strstr(group_kept[1].records[0],
               "\"reason\":\"it was in flight for longer than \\\"timeout\\\" (5.0 ms)"));
    finish(&run, h);
}

static void what_cannot_be_dropped_cannot_have_a_time_limit(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h = chain(&keeps_all, 1, FLOW_ORDER_INPUT, NULL);
    h->stages[1].timeout_ns = 5000000;
    assert_int_equal(group_run(&run, h), FLOW_EINVAL);
    assert_string_equal(run.error.text,
                        "stage 'work': \"timeout\" cannot be kept: its type t.keeps_all holds "
                        "records and has no 'drop' to let go of one");
    finish(&run, h);
}

static void a_run_is_aborted_with_records_in_flight(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h = chain(&keeps_all, 2, FLOW_ORDER_INPUT, NULL);
    group_start(&run, h, FLOW_OK);
    while (flow_read(&counts_of(&run, 1)->held) == 0)
        (void)sched_yield();
    group_abort(&run);
    assert_int_equal(group_end(&run), FLOW_OK);
    finish(&run, h);
}

/* ---- whole batches ---- */

static atomic_size_t batches_taken, records_taken;

static enum flow_status whole_open(void *self, struct flow_stage *stage)
{
    (void)self;
    flow_hold_most(stage, 0);
    return FLOW_OK;
}

static enum flow_status whole_process(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    (void)self;
    atomic_fetch_add(&records_taken, 1);
    if (number_of(record) % 10 == 0)
        return flow_reject(stage, "%lld is a multiple of 10", number_of(record));
    return flow_forward(stage, 0, record);
}

static enum flow_status whole_process_batch(void *self, struct flow_stage *stage,
                                            const struct flow_batch *batch)
{
    (void)self;
    atomic_fetch_add(&batches_taken, 1);
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; rc == FLOW_OK && i < batch->count; i++) {
        struct flow_batch one = *batch;
        one.first += i;
        one.count = 1;
        const struct flow_record record = flow_batch_record(batch, i);
        rc = number_of(&record) % 10 == 0
                 ? flow_batch_reject(stage, i, "%lld is a multiple of 10", number_of(&record))
                 : flow_forward_batch(stage, 0, &one);
    }
    return rc;
}

static const struct flow_stage_type wholes = {.name = "t.wholes",
                                              .role = FLOW_WORKER,
                                              .open = whole_open,
                                              .process = whole_process,
                                              .process_batch = whole_process_batch,
                                              .ready = no_call};

/* Errors of several workers come in no order. */
static void assert_one_ends(const struct kept *kept, const char *end)
{
    size_t found = 0;
    for (size_t i = 0; i < kept->count; i++) {
        const char *at = strstr(kept->records[i], end);
        found += at != NULL && strcmp(at, end) == 0;
    }
    assert_int_equal(found, 1);
}

static void a_stage_that_holds_nothing_takes_whole_batches_where_nobody_can_tell(void **state)
{
    (void)state;
    static const struct {
        unsigned workers;
        unsigned retries;
        bool whole;
    } cases[] = {{1, 0, true}, {2, 0, false}, {1, 1, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct group_run run;
        const struct flow_error_policy policy = {
            .then = FLOW_ROUTE, .retries = cases[i].retries, .backoff_ns = 1000};
        atomic_store(&batches_taken, 0);
        atomic_store(&records_taken, 0);
        struct hand *h = chain(&wholes, cases[i].workers, FLOW_ORDER_INPUT, &policy);
        run_well(&run, h);
        assert_ascending(&group_kept[0], 900);
        assert_int_equal(group_kept[1].count, 100);
        if (cases[i].retries == 0)
            assert_one_ends(&group_kept[1], ",\"record\":10,\"reason\":\"10 is a multiple of "
                                            "10\",\"tries\":1,\"text\":\"10\"}");
        assert_int_equal(atomic_load(&batches_taken) > 0, cases[i].whole);
        assert_int_equal(atomic_load(&records_taken) == 0, cases[i].whole);
        finish(&run, h);
    }
}

/* ---- what is refused ---- */

static enum flow_status hold_anyway(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    return flow_hold(stage, record) != NULL ? FLOW_OK : FLOW_EABORT;
}

static enum flow_status hold_twice(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    (void)self;
    if (flow_hold(stage, record) == NULL || flow_hold(stage, record) == NULL)
        return FLOW_EABORT;
    return FLOW_OK;
}

static enum flow_status edit_anyway(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    (void)self;
    return flow_edit(stage, record) != NULL ? FLOW_OK : FLOW_EABORT;
}

static enum flow_status emit_for_none(void *self, struct flow_stage *stage, uint64_t tag,
                                      unsigned events)
{
    (void)self;
    (void)tag;
    (void)events;
    return flow_emit(stage, "x", 1);
}

static enum flow_status set_timer(void *self, struct flow_stage *stage,
                                  const struct flow_record *record)
{
    (void)self;
    const enum flow_status rc = flow_timer(stage, 1, 0);
    return rc == FLOW_OK ? hold_anyway(self, stage, record) : rc;
}

static void what_a_stage_may_not_do_ends_the_run_with_a_message(void **state)
{
    (void)state;
    static const struct flow_stage_type plain = {
        .name = "t.plain", .role = FLOW_WORKER, .process = hold_anyway};
    static const struct flow_stage_type twice = {
        .name = "t.twice", .role = FLOW_WORKER, .process = hold_twice, .ready = no_call};
    static const struct flow_stage_type edits = {
        .name = "t.edits", .role = FLOW_WORKER, .process = edit_anyway, .ready = no_call};
    static const struct flow_stage_type loose = {
        .name = "t.loose", .role = FLOW_WORKER, .process = set_timer, .ready = emit_for_none};
    static const struct {
        const struct flow_stage_type *type;
        const char *text;
    } cases[] = {
        {&plain, "holds records or watches descriptors, but its type has no 'ready'"},
        {&twice, "holds a record that is not the one in hand"},
        {&edits, "edits a record in place, which a type with 'ready' cannot"},
        {&loose, "emits for no record, but results of several workers are put in the order of the "
                 "input: \"order\": \"none\" or one worker lets it"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct group_run run;
        struct hand *h = chain(cases[i].type, 2, FLOW_ORDER_INPUT, NULL);
        assert_int_equal(group_run(&run, h), FLOW_EINVAL);
        if (strstr(run.error.text, cases[i].text) == NULL)
            fail_msg("%s", run.error.text);
        finish(&run, h);
    }
}

static void a_stage_that_holds_records_is_not_called_by_another(void **state)
{
    (void)state;
    struct flow_error err = {0};
    struct hand *h = chain(&holds, 1, FLOW_ORDER_INPUT, NULL);
    h->stages[1].fuse = FLOW_FUSE_ON;
    h->stages[1].fuse_given = true;
    assert_null(flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, &err));
    assert_non_null(strstr(err.text, "it may have records in flight"));
    hand_free(h);
}

static void stages_behind_one_that_holds_records_may_be_called(void **state)
{
    (void)state;
    struct group_run run;
    struct hand *h = chain(&holds, 1, FLOW_ORDER_INPUT, NULL);
    h->stages[2].fuse = FLOW_FUSE_ON;
    h->stages[2].fuse_given = true;
    run_well(&run, h);
    assert_int_equal(run.plan->task_count, 2);
    assert_ascending(&group_kept[0], 1000);
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_answered_in_any_order_goes_out_in_the_order_of_the_input,
                               set_up),
        cmocka_unit_test_setup(without_order_results_go_out_as_they_come_and_none_is_lost, set_up),
        cmocka_unit_test_setup(a_stage_is_given_no_more_than_it_may_have_in_flight, set_up),
        cmocka_unit_test_setup(a_refused_record_leaves_nothing_and_its_bytes_go_to_the_errors_port,
                               set_up),
        cmocka_unit_test_setup(a_refused_record_ends_the_run_with_its_reason, set_up),
        cmocka_unit_test_setup(a_refused_record_is_tried_again_while_the_others_go_on, set_up),
        cmocka_unit_test_setup(
            a_record_in_flight_for_too_long_is_dropped_and_the_others_stay_in_order, set_up),
        cmocka_unit_test_setup(what_cannot_be_dropped_cannot_have_a_time_limit, set_up),
        cmocka_unit_test_setup(a_run_is_aborted_with_records_in_flight, set_up),
        cmocka_unit_test_setup(a_stage_that_holds_nothing_takes_whole_batches_where_nobody_can_tell,
                               set_up),
        cmocka_unit_test_setup(what_a_stage_may_not_do_ends_the_run_with_a_message, set_up),
        cmocka_unit_test_setup(a_stage_that_holds_records_is_not_called_by_another, set_up),
        cmocka_unit_test_setup(stages_behind_one_that_holds_records_may_be_called, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
