/* SPDX-License-Identifier: MIT */

/* Timers of stages that take batches: called between callbacks, by whoever has the thread. */

#include <sched.h>
#include <string.h>

#include "group_run.h"
#include "watch/report.h"

#define MS INT64_C(1000000)

static atomic_int ticks;       /* calls of `ready` */
static atomic_int in_callback; /* the ticker is in one */
static atomic_int intrusions;  /* ... in which another one was called */
static atomic_int finished;    /* `finish` of the stage has returned */

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    group_checkpoints = NULL;
    atomic_store(&group_gate, 1);
    atomic_store(&ticks, 0);
    atomic_store(&in_callback, 0);
    atomic_store(&intrusions, 0);
    atomic_store(&finished, 0);
    return 0;
}

/* ---- stages ---- */

/* Emits three records and then, until there were so many ticks, waits or emits more. */
struct patient {
    int64_t next;
    bool waits;
};

#define TICKS_WANTED 5

static enum flow_status produce_until_ticks(struct patient *p, struct flow_stage *stage)
{
    char text[32];
    if (p->next >= 3 && atomic_load(&ticks) >= TICKS_WANTED)
        return FLOW_ECLOSED;
    if (p->next >= 3 && p->waits) {
        const enum flow_status rc = flow_wait(stage, -1, 0, MS);
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    const int size = snprintf(text, sizeof(text), "%lld", (long long)p->next++);
    return flow_emit(stage, text, (size_t)size);
}

static enum flow_status produce_and_wait(void *self, struct flow_stage *stage)
{
    struct patient *p = self;
    p->waits = true;
    return produce_until_ticks(p, stage);
}
static const struct flow_stage_type waits = {.name = "t.waits",
                                             .role = FLOW_PRODUCER,
                                             .state_size = sizeof(struct patient),
                                             .produce = produce_and_wait};

static enum flow_status produce_busily(void *self, struct flow_stage *stage)
{
    return produce_until_ticks(self, stage);
}
static const struct flow_stage_type busy = {.name = "t.busy",
                                            .role = FLOW_PRODUCER,
                                            .state_size = sizeof(struct patient),
                                            .produce = produce_busily};

static void enter(void)
{
    if (atomic_fetch_add(&in_callback, 1) != 0)
        atomic_fetch_add(&intrusions, 1);
}

static enum flow_status leave(enum flow_status rc)
{
    atomic_fetch_sub(&in_callback, 1);
    return rc;
}

static enum flow_status ticker_open(void *self, struct flow_stage *stage)
{
    (void)self;
    return flow_timer(stage, 1, 1);
}

static enum flow_status ticker_take(void *self, struct flow_stage *stage,
                                    const struct flow_batch *batch)
{
    (void)self;
    enter();
    return leave(flow_forward_batch(stage, 0, batch));
}

/* The next one, and a record that belongs to none. */
static enum flow_status ticker_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                     unsigned events)
{
    (void)self;
    enter();
    if (tag != 1 || events != 0)
        return leave(flow_stage_fail(stage, FLOW_EIO, "a stranger's timer"));
    atomic_fetch_add(&ticks, 1);
    const enum flow_status rc = flow_emit(stage, "tick", 4);
    return leave(rc == FLOW_OK ? flow_timer(stage, 1, MS / 10) : rc);
}

static const struct flow_stage_type ticker = {.name = "t.ticker",
                                              .role = FLOW_WORKER,
                                              .open = ticker_open,
                                              .process_batch = ticker_take,
                                              .ready = ticker_ready};

/* ---- runs ---- */

static void finish(struct group_run *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

static void end_well(struct group_run *run)
{
    struct flow_error err = {0};
    const enum flow_status ended = group_end(run);
    assert_string_equal(run->error.text, "");
    assert_int_equal(ended, FLOW_OK);
    const enum flow_status rc = flow_ledger_check(run->plan, &run->board, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, FLOW_OK);
}

/* producer -> first -> second -> sink, in one thread or in one for each. */
static struct hand *chain(const struct flow_stage_type *producer,
                          const struct flow_stage_type *first, const struct flow_stage_type *second,
                          bool fused)
{
    struct hand *h = hand_new();
    const struct flow_stage_type *const types[] = {first, second, &group_sink};
    static const char *const names[] = {"first", "second", "sink"};
    size_t last = hand_stage(h, "source", producer, 1);
    for (size_t i = 0; i < COUNT(types); i++) {
        const size_t next = hand_stage(h, names[i], types[i], 1);
        h->stages[next].fuse = fused ? FLOW_FUSE_ON : FLOW_FUSE_OFF;
        (void)hand_edge(h, last, next);
        last = next;
    }
    return h;
}

/* What came: numbers from 0 on, and ticks in between. */
static void assert_kept(int64_t numbers, int64_t least_ticks)
{
    int64_t number = 0;
    int64_t ticked = 0;
    for (size_t i = 0; i < group_kept[0].count; i++) {
        if (strcmp(group_kept[0].records[i], "tick") == 0)
            ticked++;
        else
            assert_int_equal(strtoll(group_kept[0].records[i], NULL, 10), number++);
    }
    if (numbers >= 0)
        assert_int_equal(number, numbers);
    assert_true(ticked >= least_ticks);
    assert_int_equal(ticked, atomic_load(&ticks));
    assert_int_equal(atomic_load(&intrusions), 0);
}

static void run_chain(struct hand *h, size_t tasks, int64_t numbers)
{
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    assert_int_equal(run.plan->task_count, tasks);
    end_well(&run);
    assert_kept(numbers, TICKS_WANTED);
    finish(&run, h);
}

TEST(timers_are_called_while_the_thread_sleeps_for_want_of_input)
{
    run_chain(chain(&waits, &ticker, &group_forward, false), 4, 3);
}

TEST(timers_of_members_are_called_while_their_producer_waits)
{
    run_chain(chain(&waits, &ticker, &group_forward, true), 1, 3);
    set_up(NULL);
    run_chain(chain(&waits, &group_forward, &ticker, true), 1, 3);
}

TEST(timers_are_called_between_batches_that_keep_coming)
{
    run_chain(chain(&busy, &ticker, &group_forward, false), 4, -1);
    set_up(NULL);
    run_chain(chain(&busy, &ticker, &group_forward, true), 1, -1);
}

/* ---- a member that waits ---- */

/* Refuses record 1 until there was another tick. */
static enum flow_status refuse_until_tick(void *self, struct flow_stage *stage,
                                          const struct flow_record *record)
{
    int *seen = self;
    if (memcmp(record->data, "1", 1) != 0)
        return flow_forward(stage, 0, record);
    if (*seen == 0)
        *seen = atomic_load(&ticks) + 1;
    if (atomic_load(&ticks) < *seen)
        return flow_reject(stage, "there was no tick");
    return flow_forward(stage, 0, record);
}
static const struct flow_stage_type refuses = {.name = "t.refuses",
                                               .role = FLOW_WORKER,
                                               .state_size = sizeof(int),
                                               .process = refuse_until_tick};

TEST(timers_are_called_while_a_member_before_waits_for_the_next_try)
{
    struct hand *h = chain(&waits, &refuses, &ticker, true);
    h->stages[1].errors = (struct flow_error_policy){
        .then = FLOW_STOP, .retries = 1000, .backoff_ns = MS, .backoff_max_ns = MS};
    run_chain(h, 1, 3);
}

/* ---- room ---- */

static struct hand *to_a_gate(bool fused)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t tick = hand_stage(h, "tick", &ticker, 1);
    const size_t sink = hand_stage(h, "sink", &group_gated_sink, 1);
    h->stages[tick].fuse = fused ? FLOW_FUSE_ON : FLOW_FUSE_OFF;
    h->stages[sink].fuse = FLOW_FUSE_OFF;
    (void)hand_edge(h, source, tick);
    hand_edge(h, tick, sink)->queue.items = 2;
    return h;
}

TEST(a_stage_with_timers_that_waits_for_room_loses_nothing)
{
    for (int fused = 0; fused < 2; fused++) {
        set_up(NULL);
        group_source_size = 3000;
        atomic_store(&group_gate, 0);
        struct hand *h = to_a_gate(fused);
        struct group_run run;
        group_start(&run, h, FLOW_OK);
        const size_t replica = run.plan->stages[1].first_replica;
        while (flow_read(&run.board.replicas[replica].state) != FLOW_STATE_WAIT_OUT)
            (void)sched_yield();
        atomic_store(&group_gate, 1);
        end_well(&run);
        assert_kept(group_source_count, 0);
        finish(&run, h);
    }
}

/* ---- order ---- */

static enum flow_status order_open(void *self, struct flow_stage *stage)
{
    (void)self;
    static const struct {
        uint64_t tag;
        int64_t after_ns;
    } timers[] = {{3, 3},  {1, 0},
                  {4, 1},  {2, 2},
                  {4, -1}, {5, INT64_C(3600) * 1000 * MS},
                  {5, 4},  {6, INT64_C(3600) * 1000 * MS}};
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < COUNT(timers) && rc == FLOW_OK; i++)
        rc = flow_timer(stage, timers[i].tag,
                        timers[i].after_ns > 4 || timers[i].after_ns < 0 ? timers[i].after_ns
                                                                         : timers[i].after_ns * MS);
    return rc;
}

static enum flow_status order_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                    unsigned events)
{
    (void)self;
    (void)events;
    char text[128];
    const int size = snprintf(text, sizeof(text), "%.64s %llu", flow_stage_info(stage)->name,
                              (unsigned long long)tag);
    if (tag == 5)
        atomic_fetch_add(&ticks, TICKS_WANTED);
    return flow_emit(stage, text, (size_t)size);
}

static enum flow_status swallow(void *self, struct flow_stage *stage,
                                const struct flow_batch *batch)
{
    (void)self;
    (void)stage;
    (void)batch;
    return FLOW_OK;
}
static const struct flow_stage_type in_order = {.name = "t.in_order",
                                                .role = FLOW_WORKER,
                                                .open = order_open,
                                                .process_batch = swallow,
                                                .ready = order_ready};

TEST(timers_come_by_their_times_once_each_and_not_those_that_were_taken_out)
{
    static const char *const expected[] = {"first 1", "first 2", "first 3", "first 5"};
    for (int fused = 0; fused < 2; fused++) {
        set_up(NULL);
        struct hand *h = chain(&waits, &in_order, &group_forward, fused);
        struct group_run run;
        group_start(&run, h, FLOW_OK);
        end_well(&run);
        assert_int_equal(group_kept[0].count, COUNT(expected));
        for (size_t i = 0; i < COUNT(expected); i++)
            assert_string_equal(group_kept[0].records[i], expected[i]);
        finish(&run, h);
    }
}

/* ---- the end ---- */

/* Its time is up when it has finished. */
static enum flow_status late_finish(void *self, struct flow_stage *stage)
{
    (void)self;
    atomic_store(&finished, 1);
    return flow_timer(stage, 1, 0);
}

static enum flow_status late_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    (void)self;
    (void)tag;
    (void)events;
    if (atomic_load(&finished))
        return flow_stage_fail(stage, FLOW_EIO, "called when it had finished");
    return FLOW_OK;
}
static const struct flow_stage_type late = {.name = "t.late",
                                            .role = FLOW_WORKER,
                                            .process_batch = ticker_take,
                                            .ready = late_ready,
                                            .finish = late_finish};

/* Waits for a while at its end, when those behind it have their turn. */
static enum flow_status linger(void *self, struct flow_stage *stage)
{
    (void)self;
    if (!atomic_load(&finished))
        return flow_stage_fail(stage, FLOW_EIO, "the other one has not finished before");
    const enum flow_status rc = flow_wait(stage, -1, 0, MS);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

static enum flow_status forward(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}
static const struct flow_stage_type lingers = {
    .name = "t.lingers", .role = FLOW_WORKER, .process = forward, .finish = linger};

/* The other side of a diamond, later in the task, has had its end when this one has its own. */
TEST(a_member_that_has_finished_is_not_called_by_its_timers)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t left = hand_stage(h, "left", &lingers, 1);
    const size_t right = hand_stage(h, "right", &late, 1);
    const size_t sink = hand_stage(h, "sink", &group_sink, 1);
    h->stages[left].fuse = h->stages[right].fuse = h->stages[sink].fuse = FLOW_FUSE_ON;
    hand_edge(h, source, left)->from_port = FLOW_PORT_ERRORS; /* its end goes out last */
    (void)hand_edge(h, source, right);
    (void)hand_edge(h, left, sink);
    (void)hand_edge(h, right, sink);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    assert_int_equal(run.plan->task_count, 1);
    end_well(&run);
    assert_int_equal(group_kept[0].count, 1000);
    finish(&run, h);
}

/* ---- failing ---- */

static enum flow_status fail_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    (void)self;
    (void)tag;
    (void)events;
    return flow_stage_fail(stage, FLOW_EIO, "the clock is broken");
}
static const struct flow_stage_type broken = {.name = "t.broken",
                                              .role = FLOW_WORKER,
                                              .open = ticker_open,
                                              .process_batch = ticker_take,
                                              .ready = fail_ready};

static enum flow_status refuse_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                     unsigned events)
{
    (void)self;
    (void)tag;
    (void)events;
    return flow_reject(stage, "there is no record to refuse");
}
static const struct flow_stage_type refuses_ready = {.name = "t.refuses_ready",
                                                     .role = FLOW_WORKER,
                                                     .open = ticker_open,
                                                     .process_batch = ticker_take,
                                                     .ready = refuse_ready};

TEST(a_timer_that_fails_ends_the_run_and_no_policy_swallows_it)
{
    const struct {
        const struct flow_stage_type *type;
        const char *text;
    } cases[] = {{&broken, "stage 'second': the clock is broken"},
                 {&refuses_ready, "stage 'second': there is no record to refuse"}};
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        struct hand *h = chain(&waits, &group_forward, cases[i / 2].type, i % 2 == 0);
        for (size_t k = 1; k < 3; k++)
            h->stages[k].errors.then = FLOW_SKIP;
        struct group_run run;
        assert_true(group_run(&run, h) != FLOW_OK);
        assert_string_equal(run.error.text, cases[i / 2].text);
        finish(&run, h);
    }
}

static const struct flow_stage_type deaf = {
    .name = "t.deaf", .role = FLOW_WORKER, .open = ticker_open, .process_batch = ticker_take};

TEST(a_timer_is_refused_where_nothing_could_be_called)
{
    struct hand *h = chain(&group_source, &deaf, &group_forward, false);
    struct group_run run;
    group_start(&run, h, FLOW_EINVAL);
    assert_int_equal(group_end(&run), FLOW_EINVAL);
    assert_string_equal(run.error.text, "stage 'first': sets a timer, but its type has no 'ready'");
    finish(&run, h);
}

TEST(a_timer_is_refused_where_results_of_workers_are_put_in_order)
{
    struct hand *h = chain(&group_source, &ticker, &group_forward, false);
    h->stages[1].workers = 2;
    struct group_run run;
    group_start(&run, h, FLOW_EINVAL);
    assert_int_equal(group_end(&run), FLOW_EINVAL);
    assert_non_null(strstr(run.error.text, "stage 'first' replica "));
    assert_non_null(strstr(run.error.text,
                           ": sets a timer, but results of several workers are put in the order of "
                           "the input: \"order\": \"none\" or one worker lets it"));
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timers_are_called_while_the_thread_sleeps_for_want_of_input, set_up),
        cmocka_unit_test_setup(timers_of_members_are_called_while_their_producer_waits, set_up),
        cmocka_unit_test_setup(timers_are_called_between_batches_that_keep_coming, set_up),
        cmocka_unit_test_setup(timers_are_called_while_a_member_before_waits_for_the_next_try,
                               set_up),
        cmocka_unit_test_setup(a_stage_with_timers_that_waits_for_room_loses_nothing, set_up),
        cmocka_unit_test_setup(
            timers_come_by_their_times_once_each_and_not_those_that_were_taken_out, set_up),
        cmocka_unit_test_setup(a_member_that_has_finished_is_not_called_by_its_timers, set_up),
        cmocka_unit_test_setup(a_timer_that_fails_ends_the_run_and_no_policy_swallows_it, set_up),
        cmocka_unit_test_setup(a_timer_is_refused_where_nothing_could_be_called, set_up),
        cmocka_unit_test_setup(a_timer_is_refused_where_results_of_workers_are_put_in_order,
                               set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
