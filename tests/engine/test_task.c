/* SPDX-License-Identifier: MIT */
#include "group_run.h"

#include <sched.h>
#include <string.h>

#include "watch/report.h"

/* Stages that are fused: one thread runs them, each calling the next. */

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

/* A stage that runs in the thread of the one before it. */
static size_t fused_stage(struct hand *h, const char *name, const struct flow_stage_type *type)
{
    const size_t stage = hand_stage(h, name, type, 1);
    h->stages[stage].fuse = FLOW_FUSE_ON;
    return stage;
}

static void assert_tasks(const struct group_run *run, size_t count)
{
    assert_int_equal(run->plan->task_count, count);
}

/* It came to its end, all in so many threads, and its books balance. */
static void run_well(struct group_run *run, struct hand *h, size_t tasks)
{
    struct flow_error err = {0};
    assert_int_equal(group_run(run, h), FLOW_OK);
    assert_tasks(run, tasks);
    const enum flow_status rc = flow_ledger_check(run->plan, &run->board, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, FLOW_OK);
}

static const struct flow_board_replica *counts_of(const struct group_run *run, size_t stage)
{
    return &run->board.replicas[run->plan->stages[stage].first_replica];
}

/* source -> first -> second -> sink, all in one thread. */
static struct hand *chain(const struct flow_stage_type *first, const struct flow_stage_type *second)
{
    struct hand *h = hand_new();
    size_t last = hand_stage(h, "source", &group_source, 1);
    const struct flow_stage_type *const types[] = {first, second, &group_sink};
    static const char *const names[] = {"first", "second", "sink"};
    for (size_t i = 0; i < COUNT(types); i++) {
        const size_t next = fused_stage(h, names[i], types[i]);
        (void)hand_edge(h, last, next);
        last = next;
    }
    return h;
}

enum { SOURCE, FIRST, SECOND, SINK };

/* The numbers from 0 on but for multiples of `but`, each `times` times in a row. */
static void assert_counts_up(const struct kept *kept, long long count, size_t times, long long but)
{
    size_t at = 0;
    for (long long n = 0; n < count; n++) {
        for (size_t i = 0; i < times && n % but != 0; i++) {
            assert_true(at < kept->count);
            assert_int_equal(strtoll(kept->records[at++], NULL, 10), n);
        }
    }
    assert_int_equal(at, kept->count);
}

static void assert_all(const struct kept *kept, size_t count, size_t times)
{
    assert_int_equal(kept->count, count * times);
    for (size_t i = 0; i < kept->count; i++)
        assert_int_equal(strtoll(kept->records[i], NULL, 10), i / times);
}

TEST(fused_stages_pass_every_record_in_order)
{
    static const size_t sizes[] = {0, 100, 5000, 100000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        group_source_size = sizes[i];
        struct hand *h = chain(&group_twice, &group_forward);
        struct group_run run;
        run_well(&run, h, 1);
        assert_all(&group_kept[0], 1000, 2);
        assert_int_equal(flow_read(&counts_of(&run, FIRST)->records_out), 2000);
        finish(&run, h);
    }
}

TEST(every_member_has_its_times_and_they_add_up)
{
    group_source_size = 1000;
    group_source_count = 20000;
    struct hand *h = chain(&group_twice, &group_forward);
    struct group_run run;
    run_well(&run, h, 1);
    uint64_t busy = 0;
    for (size_t i = SOURCE; i <= SINK; i++) {
        const struct flow_board_replica *counts = counts_of(&run, i);
        const uint64_t waited = flow_read(&counts->wait_in_ns) + flow_read(&counts->wait_out_ns);
        const uint64_t life = flow_read(&counts->end_ns) - flow_read(&counts->start_ns);
        assert_true(waited <= life);
        busy += life - waited;
    }
    const struct flow_board_replica *source = counts_of(&run, SOURCE);
    const uint64_t life = flow_read(&source->end_ns) - flow_read(&source->start_ns);
    assert_in_range(busy, life / 2, life + life / 10);
    finish(&run, h);
}

TEST(what_members_emit_at_the_end_runs_through_those_behind_them)
{
    struct hand *h = chain(&group_tail, &group_twice);
    struct group_run run;
    run_well(&run, h, 1);
    assert_int_equal(group_kept[0].count, 2002);
    assert_string_equal(group_kept[0].records[1999], "999");
    assert_string_equal(group_kept[0].records[2000], "end 0");
    assert_string_equal(group_kept[0].records[2001], "end 0");
    finish(&run, h);
}

/* Each side keeps its own order, whatever the other does. */
TEST(a_fused_diamond_delivers_all_of_both_sides)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t left = fused_stage(h, "left", &group_twice);
    const size_t right = fused_stage(h, "right", &group_tail);
    const size_t join = fused_stage(h, "join", &group_forward);
    const size_t sink = fused_stage(h, "sink", &group_sink);
    (void)hand_edge(h, source, left);
    (void)hand_edge(h, source, right);
    (void)hand_edge(h, left, join);
    (void)hand_edge(h, right, join);
    (void)hand_edge(h, join, sink);
    struct group_run run;
    run_well(&run, h, 1);
    size_t times[1000] = {0};
    size_t ends = 0;
    for (size_t i = 0; i < group_kept[0].count; i++) {
        if (group_kept[0].records[i][0] == 'e')
            ends++;
        else
            times[strtoll(group_kept[0].records[i], NULL, 10)]++;
    }
    assert_int_equal(ends, 1);
    assert_int_equal(group_kept[0].count, 3001);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(times[i], 3);
    finish(&run, h);
}

/* ---- failing ---- */

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

/* Fails for good, which no policy can change. */
static enum flow_status break_at_500(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    (void)self;
    if (number_of(record) == 500)
        return flow_stage_fail(stage, FLOW_EIO, "the disk is full");
    return flow_forward(stage, 0, record);
}
static const struct flow_stage_type breaks = {
    .name = "t.breaks", .role = FLOW_WORKER, .process = break_at_500};

/* Emits, and refuses number 500. */
static enum flow_status refuse_500(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    (void)self;
    const enum flow_status rc = flow_emit(stage, record->data, record->size);
    return rc == FLOW_OK && number_of(record) == 500 ? flow_reject(stage, "no 500 please") : rc;
}
static const struct flow_stage_type refuses = {
    .name = "t.refuses", .role = FLOW_WORKER, .process = refuse_500};

static enum flow_status break_at_end(void *self, struct flow_stage *stage)
{
    (void)self;
    return flow_stage_fail(stage, FLOW_EIO, "cannot sum up");
}
static enum flow_status forward(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}
static const struct flow_stage_type breaks_at_end = {
    .name = "t.breaks_at_end", .role = FLOW_WORKER, .process = forward, .finish = break_at_end};

static void assert_fails(const struct flow_stage_type *second,
                         const struct flow_error_policy *policy, const char *text)
{
    struct hand *h = chain(&group_twice, second);
    h->stages[FIRST].errors = *policy;
    size_t tasks = 1;
    if (policy->then == FLOW_ROUTE) {
        const size_t dead = hand_stage(h, "sink1", &group_sink, 1);
        hand_edge(h, FIRST, dead)->from_port = FLOW_PORT_ERRORS;
        tasks = 2;
    }
    struct group_run run;
    assert_true(group_run(&run, h) != FLOW_OK);
    assert_tasks(&run, tasks);
    assert_string_equal(run.error.text, text);
    const struct flow_board_replica *counts = counts_of(&run, FIRST);
    assert_int_equal(flow_read(&counts->skipped) + flow_read(&counts->routed) +
                         flow_read(&counts->retried) + flow_read(&counts->failed),
                     0);
    finish(&run, h);
}

/* With small records it fails when the batch is sent at the end, with large ones while the caller
 * emits. */
TEST(a_member_that_fails_is_named_and_the_policy_of_its_caller_does_not_swallow_it)
{
    static const struct flow_error_policy policies[] = {
        {.then = FLOW_STOP},
        {.then = FLOW_SKIP},
        {.then = FLOW_ROUTE},
        {.then = FLOW_SKIP, .retries = 3},
    };
    static const size_t sizes[] = {0, 3000, 40000};
    for (size_t i = 0; i < COUNT(policies); i++) {
        for (size_t k = 0; k < COUNT(sizes); k++) {
            group_source_size = sizes[k];
            assert_fails(&breaks, &policies[i], "stage 'second', record 1000: the disk is full");
            assert_fails(&refuses, &policies[i], "stage 'second', record 1000: no 500 please");
            assert_fails(&breaks_at_end, &policies[i], "stage 'second': cannot sum up");
        }
    }
}

TEST(a_producer_that_skips_does_not_swallow_the_failure_of_its_reader)
{
    group_source_size = 3000;
    struct hand *h = chain(&breaks, &group_forward);
    h->stages[SOURCE].errors.then = FLOW_SKIP;
    struct group_run run;
    assert_int_equal(group_run(&run, h), FLOW_EIO);
    assert_string_equal(run.error.text, "stage 'first', record 500: the disk is full");
    assert_int_equal(flow_read(&counts_of(&run, SOURCE)->skipped), 0);
    finish(&run, h);
}

TEST(a_member_that_cannot_open_is_named)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = fused_stage(h, "work", &group_forward);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, fused_stage(h, "bad", &group_bad_open));
    struct group_run run;
    group_start(&run, h, FLOW_EIO);
    assert_int_equal(group_end(&run), FLOW_EIO);
    assert_string_equal(run.error.text, "stage 'bad': there is no such thing");
    assert_int_equal(flow_read(&counts_of(&run, SOURCE)->records_out), 0);
    finish(&run, h);
}

/* ---- error policies ---- */

TEST(bad_records_are_routed_within_a_task)
{
    static const size_t sizes[] = {0, 3000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        group_source_size = sizes[i];
        struct hand *h = chain(&group_forward, &group_picky);
        h->stages[SECOND].errors.then = FLOW_ROUTE;
        const size_t dead = fused_stage(h, "sink1", &group_sink);
        hand_edge(h, SECOND, dead)->from_port = FLOW_PORT_ERRORS;
        struct group_run run;
        run_well(&run, h, 1);
        assert_counts_up(&group_kept[0], 1000, 1, 10);
        assert_int_equal(group_kept[1].count, 100);
        assert_non_null(strstr(group_kept[1].records[7], "\"record\":70,\"reason\":\"70 is a "
                                                         "multiple of 10\",\"tries\":1"));
        finish(&run, h);
    }
}

TEST(caller_and_member_skip_each_its_own_bad_records)
{
    static const size_t sizes[] = {0, 3000};
    static const struct flow_stage_type *const types[] = {&group_picky, &group_batch_picky};
    for (size_t i = 0; i < COUNT(sizes) * COUNT(types); i++) {
        group_source_size = sizes[i / 2];
        struct hand *h = chain(types[i % 2], &refuses);
        h->stages[FIRST].errors.then = h->stages[SECOND].errors.then = FLOW_SKIP;
        struct group_run run;
        run_well(&run, h, 1);
        assert_counts_up(&group_kept[0], 1000, 1, 10);
        assert_int_equal(flow_read(&counts_of(&run, FIRST)->skipped), 100);
        assert_int_equal(flow_read(&counts_of(&run, SECOND)->skipped), 0); /* 500 never came */
        finish(&run, h);
    }
}

TEST(what_a_refused_record_emitted_is_withdrawn_from_a_batch_that_has_not_been_handed_over)
{
    struct hand *h = chain(&refuses, &group_picky);
    h->stages[FIRST].errors.then = h->stages[SECOND].errors.then = FLOW_SKIP;
    struct group_run run;
    run_well(&run, h, 1);
    assert_int_equal(flow_read(&counts_of(&run, FIRST)->skipped), 1);
    assert_int_equal(flow_read(&counts_of(&run, SECOND)->skipped), 99);
    assert_counts_up(&group_kept[0], 1000, 1, 10);
    finish(&run, h);
}

TEST(records_are_tried_again_in_caller_and_member_and_arrive_once)
{
    static const size_t sizes[] = {0, 3000, 40000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        group_source_count = 100;
        group_source_size = sizes[i];
        struct hand *h = chain(&group_flaky, &group_flaky);
        h->stages[FIRST].errors.retries = h->stages[SECOND].errors.retries = 2;
        struct group_run run;
        run_well(&run, h, 1);
        assert_all(&group_kept[0], 100, 1);
        assert_int_equal(flow_read(&counts_of(&run, FIRST)->retried), 200);
        assert_int_equal(flow_read(&counts_of(&run, SECOND)->retried), 200);
        finish(&run, h);
    }
}

/* What went to the next stage before the record was refused stays there; the good ones are whole.
 */
TEST(a_record_may_emit_more_than_a_batch_though_it_may_be_withdrawn)
{
    group_source_count = 200;
    struct hand *h = chain(&group_bulky, &group_forward);
    h->stages[FIRST].errors.then = FLOW_SKIP;
    struct group_run run;
    run_well(&run, h, 1);
    size_t good = 0;
    for (size_t i = 0; i < group_kept[0].count; i++)
        good += strtoll(group_kept[0].records[i], NULL, 10) % 2 == 0;
    assert_int_equal(good, 1000);
    assert_int_equal(flow_read(&counts_of(&run, FIRST)->skipped), 100);
    finish(&run, h);
}

/* ---- waiting ---- */

static atomic_size_t seen;

/* Emits, and waits until what stands behind it has seen as much. */
static enum flow_status wait_for_seen(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    size_t *emitted = self;
    enum flow_status rc = flow_emit(stage, record->data, record->size);
    ++*emitted;
    while (rc == FLOW_OK && atomic_load(&seen) < *emitted) {
        rc = flow_wait(stage, -1, 0, 1000);
        rc = rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    return rc;
}
static const struct flow_stage_type waits = {
    .name = "t.waits", .role = FLOW_WORKER, .state_size = sizeof(size_t), .process = wait_for_seen};

static enum flow_status see(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    atomic_fetch_add(&seen, 1);
    return flow_forward(stage, 0, record);
}
static const struct flow_stage_type sees = {.name = "t.sees", .role = FLOW_WORKER, .process = see};

/* Also through a stage between them, whose batch is begun by the call. */
TEST(what_a_member_has_emitted_goes_on_while_it_waits)
{
    for (int far = 0; far < 2; far++) {
        group_source_count = 50;
        atomic_store(&seen, 0);
        struct hand *h = hand_new();
        size_t last = hand_stage(h, "source", &group_source, 1);
        const struct flow_stage_type *const types[] = {&group_forward, &waits,
                                                       far ? &group_forward : &sees,
                                                       far ? &sees : &group_forward, &group_sink};
        for (size_t i = 0; i < COUNT(types); i++) {
            const size_t next = fused_stage(h, "stage", types[i]);
            (void)hand_edge(h, last, next);
            last = next;
        }
        struct group_run run;
        run_well(&run, h, 1);
        assert_int_equal(atomic_load(&seen), 50);
        assert_int_equal(group_kept[0].count, 50);
        assert_true(flow_read(&counts_of(&run, 2)->wait_self_ns) > 0 || !far);
        finish(&run, h);
    }
}

/* source, left and right are one thread; each of the two has a reader of its own. */
static struct hand *forked(void)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t left = fused_stage(h, "left", &group_forward);
    const size_t right = fused_stage(h, "right", &group_forward);
    const size_t slow = hand_stage(h, "slow0", &group_gated_sink, 1);
    const size_t fast = hand_stage(h, "fast1", &group_sink, 1);
    (void)hand_edge(h, source, left);
    (void)hand_edge(h, source, right);
    (void)hand_edge(h, left, slow);
    (void)hand_edge(h, right, fast);
    group_source_size = 4096;
    atomic_store(&group_gate, 0);
    return h;
}

enum { LEFT = 1, RIGHT };

static void wait_for_state(const struct group_run *run, size_t stage, enum flow_replica_state state)
{
    while (flow_read(&counts_of(run, stage)->state) != (uint64_t)state)
        (void)sched_yield();
}

TEST(a_run_ends_while_a_member_waits_for_room_when_it_is_aborted)
{
    struct hand *h = forked();
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    wait_for_state(&run, LEFT, FLOW_STATE_WAIT_OUT);

    group_abort(&run);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_tasks(&run, 3);
    assert_true(group_kept[1].count < 1000);
    finish(&run, h);
}

/* The reader of right has taken all that it got, so its credits lie in the inbox of the task. */
TEST(credits_for_one_member_come_in_while_another_waits_for_room)
{
    struct hand *h = forked();
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    wait_for_state(&run, LEFT, FLOW_STATE_WAIT_OUT);
    const uint64_t sent = flow_read(&run.board.links[3].sent);
    while (flow_read(&run.board.links[3].received) < sent)
        (void)sched_yield();
    atomic_store(&group_gate, 1);

    assert_int_equal(group_end(&run), FLOW_OK);

    assert_all(&group_kept[0], 1000, 1);
    assert_all(&group_kept[1], 1000, 1);
    assert_int_equal(flow_ledger_check(run.plan, &run.board, NULL), FLOW_OK);
    finish(&run, h);
}

TEST(a_drained_task_delivers_what_was_produced)
{
    group_source_count = -1; /* for ever */
    group_source_size = 1000;
    struct hand *h = chain(&group_twice, &group_tail);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    while (flow_read(&counts_of(&run, SINK)->records_in) < 1000)
        (void)sched_yield();

    group_drain(&run);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_int_equal(flow_ledger_check(run.plan, &run.board, NULL), FLOW_OK);
    assert_int_equal(flow_read(&counts_of(&run, SINK)->done),
                     2 * flow_read(&counts_of(&run, SOURCE)->records_out) + 1);
    finish(&run, h);
}

static atomic_bool begun, has_finished;

/* As many that look at nothing but flow_stopping. */
static enum flow_status until_stopped(void *self, struct flow_stage *stage)
{
    (void)self;
    atomic_store(&begun, true);
    while (!flow_stopping(stage))
        (void)sched_yield();
    return FLOW_ECLOSED;
}

static enum flow_status take_any(void *self, struct flow_stage *stage,
                                 const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    return FLOW_OK;
}

static enum flow_status note_finish(void *self, struct flow_stage *stage)
{
    (void)self;
    (void)stage;
    atomic_store(&has_finished, true);
    return FLOW_OK;
}

TEST(an_aborted_run_finishes_nothing_though_its_producer_says_that_it_has_no_more)
{
    static const struct flow_stage_type stopped = {
        .name = "t.until_stopped", .role = FLOW_PRODUCER, .produce = until_stopped};
    static const struct flow_stage_type last = {
        .name = "t.last", .role = FLOW_CONSUMER, .process = take_any, .finish = note_finish};
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &stopped, 1);
    (void)hand_edge(h, source, fused_stage(h, "sink", &last));
    struct group_run run;
    atomic_store(&begun, false);
    atomic_store(&has_finished, false);
    group_start(&run, h, FLOW_OK);
    assert_tasks(&run, 1);
    while (!atomic_load(&begun))
        (void)sched_yield();
    group_abort(&run);
    assert_int_equal(group_end(&run), FLOW_OK);
    assert_false(atomic_load(&has_finished));
    finish(&run, h);
}

TEST(a_task_that_runs_for_ever_can_be_aborted)
{
    group_source_count = -1; /* for ever */
    struct hand *h = chain(&group_forward, &group_twice);
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    while (flow_read(&counts_of(&run, SINK)->records_in) < 1000)
        (void)sched_yield();

    group_abort(&run);

    assert_int_equal(group_end(&run), FLOW_OK);
    finish(&run, h);
}

/* ---- between processes ---- */

/* source | first + second | sink, where | is the border of a process. */
static struct hand *across(const struct flow_stage_type *first,
                           const struct flow_stage_type *second, const struct flow_stage_type *sink)
{
    struct hand *h = chain(first, second);
    h->graph.mode = FLOW_PROCESSES;
    h->stages[FIRST].fuse = h->stages[SINK].fuse = FLOW_FUSE_OFF;
    h->stages[SINK].type = sink;
    return h;
}

TEST(a_task_between_processes_holds_nothing_for_ever)
{
    static const size_t sizes[] = {0, 1000, 300000};
    static const int64_t counts[] = {50000, 20000, 100};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        group_source_size = sizes[i];
        group_source_count = counts[i];
        struct hand *h = across(&group_forward, &group_tail, &group_sink);
        struct group_run run;
        run_well(&run, h, 3);
        assert_int_equal(group_kept[0].count, counts[i] + 1);
        finish(&run, h);
    }
}

/* A member that emits nothing has nothing whose arrival could be waited for. */
TEST(a_task_that_filters_everything_acknowledges_it)
{
    static const struct flow_error_policy skip = {.then = FLOW_SKIP};
    group_source_count = 20000;
    group_source_size = 100;
    struct hand *h = across(&group_odd, &group_picky, &group_sink);
    h->stages[SECOND].errors = skip;
    struct group_run run;
    run_well(&run, h, 3);
    assert_int_equal(group_kept[0].count, 10000);
    finish(&run, h);
}

static atomic_bool sink_is_deaf;

/* Emits a record, and three more when the sink does not listen any more. */
static enum flow_status produce_four(void *self, struct flow_stage *stage)
{
    size_t *next = self;
    if (*next == 4)
        return FLOW_ECLOSED;
    if (*next == 1 && !atomic_load(&sink_is_deaf)) {
        const enum flow_status rc = flow_wait(stage, -1, 0, 1000000);
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    ++*next;
    return flow_emit(stage, "record", 6);
}
static const struct flow_stage_type four = {
    .name = "t.four", .role = FLOW_PRODUCER, .state_size = sizeof(size_t), .produce = produce_four};

/* With its first record in hand it takes in nothing until the gate is open. */
static enum flow_status turn_deaf(void *self, struct flow_stage *stage,
                                  const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    atomic_store(&sink_is_deaf, true);
    while (!atomic_load(&group_gate))
        (void)sched_yield();
    return FLOW_OK;
}
static const struct flow_stage_type deaf_sink = {
    .name = "t.deaf_sink", .role = FLOW_CONSUMER, .process = turn_deaf};

/* The task has told all that it may tell when it is draining itself. */
TEST(writers_hear_that_their_batches_are_done_only_when_the_results_have_arrived)
{
    atomic_store(&group_gate, 0);
    atomic_store(&sink_is_deaf, false);
    struct hand *h = across(&group_forward, &group_twice, &deaf_sink);
    h->stages[SOURCE].type = &four;
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    wait_for_state(&run, FIRST, FLOW_STATE_DRAINING);
    while (flow_read(&counts_of(&run, SOURCE)->end_ns) == 0)
        (void)sched_yield();
    for (int i = 0; i < 1000; i++) {
        assert_true(flow_read(&counts_of(&run, SOURCE)->state) != FLOW_STATE_DONE);
        (void)sched_yield();
    }

    atomic_store(&group_gate, 1);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_int_equal(flow_read(&counts_of(&run, SOURCE)->state), FLOW_STATE_DONE);
    assert_int_equal(flow_read(&counts_of(&run, SINK)->done), 8);
    assert_int_equal(flow_ledger_check(run.plan, &run.board, NULL), FLOW_OK);
    finish(&run, h);
}

TEST(a_task_that_produces_stays_until_what_its_last_member_sent_is_acknowledged)
{
    atomic_store(&group_gate, 0);
    atomic_store(&sink_is_deaf, false);
    struct hand *h = across(&group_forward, &group_twice, &deaf_sink);
    h->stages[SOURCE].type = &four;
    h->stages[FIRST].fuse = FLOW_FUSE_ON;
    struct group_run run;
    group_start(&run, h, FLOW_OK);
    while (flow_read(&counts_of(&run, SOURCE)->end_ns) == 0)
        (void)sched_yield();
    for (int i = 0; i < 1000; i++) {
        assert_true(flow_read(&counts_of(&run, SOURCE)->state) != FLOW_STATE_DONE);
        (void)sched_yield();
    }

    atomic_store(&group_gate, 1);

    assert_int_equal(group_end(&run), FLOW_OK);
    assert_tasks(&run, 2);
    assert_int_equal(flow_read(&counts_of(&run, SINK)->done), 8);
    finish(&run, h);
}

TEST(a_member_that_fails_in_another_process_is_named)
{
    group_source_size = 3000;
    struct hand *h = across(&group_forward, &breaks, &group_sink);
    h->stages[FIRST].errors.then = FLOW_SKIP;
    struct group_run run;
    assert_int_equal(group_run(&run, h), FLOW_EIO);
    assert_string_equal(run.error.text, "stage 'second', record 500: the disk is full");
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fused_stages_pass_every_record_in_order, set_up),
        cmocka_unit_test_setup(every_member_has_its_times_and_they_add_up, set_up),
        cmocka_unit_test_setup(what_members_emit_at_the_end_runs_through_those_behind_them, set_up),
        cmocka_unit_test_setup(a_fused_diamond_delivers_all_of_both_sides, set_up),
        cmocka_unit_test_setup(
            a_member_that_fails_is_named_and_the_policy_of_its_caller_does_not_swallow_it, set_up),
        cmocka_unit_test_setup(a_producer_that_skips_does_not_swallow_the_failure_of_its_reader,
                               set_up),
        cmocka_unit_test_setup(a_member_that_cannot_open_is_named, set_up),
        cmocka_unit_test_setup(bad_records_are_routed_within_a_task, set_up),
        cmocka_unit_test_setup(caller_and_member_skip_each_its_own_bad_records, set_up),
        cmocka_unit_test_setup(
            what_a_refused_record_emitted_is_withdrawn_from_a_batch_that_has_not_been_handed_over,
            set_up),
        cmocka_unit_test_setup(records_are_tried_again_in_caller_and_member_and_arrive_once,
                               set_up),
        cmocka_unit_test_setup(a_record_may_emit_more_than_a_batch_though_it_may_be_withdrawn,
                               set_up),
        cmocka_unit_test_setup(what_a_member_has_emitted_goes_on_while_it_waits, set_up),
        cmocka_unit_test_setup(a_run_ends_while_a_member_waits_for_room_when_it_is_aborted, set_up),
        cmocka_unit_test_setup(credits_for_one_member_come_in_while_another_waits_for_room, set_up),
        cmocka_unit_test_setup(a_drained_task_delivers_what_was_produced, set_up),
        cmocka_unit_test_setup(
            an_aborted_run_finishes_nothing_though_its_producer_says_that_it_has_no_more, set_up),
        cmocka_unit_test_setup(a_task_that_runs_for_ever_can_be_aborted, set_up),
        cmocka_unit_test_setup(a_task_between_processes_holds_nothing_for_ever, set_up),
        cmocka_unit_test_setup(a_task_that_filters_everything_acknowledges_it, set_up),
        cmocka_unit_test_setup(
            writers_hear_that_their_batches_are_done_only_when_the_results_have_arrived, set_up),
        cmocka_unit_test_setup(
            a_task_that_produces_stays_until_what_its_last_member_sent_is_acknowledged, set_up),
        cmocka_unit_test_setup(a_member_that_fails_in_another_process_is_named, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
