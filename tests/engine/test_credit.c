/* SPDX-License-Identifier: MIT */

/* Writers learn in time what their readers have done, whatever else goes on. */

#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "group_run.h"
#include "watch/rows.h"

#define PATIENCE_NS 40000000000

static atomic_size_t taken[2]; /* by watchers, of each kind of record: 'a' and 'b' */

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    atomic_store(&group_gate, 1);
    atomic_store(&taken[0], 0);
    atomic_store(&taken[1], 0);
    return 0;
}

struct counter {
    int64_t next;
};

/* Large records, each when the reader has all but the last two before it. */
static enum flow_status produce_in_step(void *self, struct flow_stage *stage)
{
    struct counter *counter = self;
    if (counter->next == group_source_count)
        return FLOW_ECLOSED;
    char *at = flow_reserve(stage, 0, 100000);
    if (at == NULL)
        return FLOW_EABORT;
    memset(at, 'a', 100000);
    const enum flow_status rc = flow_commit(stage, &(struct flow_target){0}, 100000);
    counter->next++;
    const int64_t until = flow_now_ns() + PATIENCE_NS;
    while (rc == FLOW_OK && (int64_t)atomic_load(&taken[0]) + 2 < counter->next) {
        if (flow_now_ns() > until)
            return flow_stage_fail(stage, FLOW_EIO, "only %zu of %lld records have arrived",
                                   atomic_load(&taken[0]), (long long)counter->next);
        (void)sched_yield();
    }
    return rc;
}
static const struct flow_stage_type in_step = {.name = "t.in_step",
                                               .role = FLOW_PRODUCER,
                                               .state_size = sizeof(struct counter),
                                               .produce = produce_in_step};

/* So many batches, of few records each, that the reader is never without one. */
static enum flow_status produce_for_ever(void *self, struct flow_stage *stage)
{
    (void)self;
    char *at = flow_reserve(stage, 0, 8000);
    if (at == NULL)
        return FLOW_EABORT;
    memset(at, 'b', 8000);
    return flow_commit(stage, &(struct flow_target){0}, 8000);
}
static const struct flow_stage_type for_ever = {
    .name = "t.for_ever", .role = FLOW_PRODUCER, .produce = produce_for_ever};

static enum flow_status produce_some(void *self, struct flow_stage *stage)
{
    struct counter *counter = self;
    if (counter->next++ == group_source_count)
        return FLOW_ECLOSED;
    return flow_emit(stage, "a", 1);
}
static const struct flow_stage_type some = {.name = "t.some",
                                            .role = FLOW_PRODUCER,
                                            .state_size = sizeof(struct counter),
                                            .produce = produce_some};

static enum flow_status watch(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    (void)stage;
    atomic_fetch_add(&taken[*(const char *)record->data == 'a' ? 0 : 1], 1);
    return FLOW_OK;
}
static const struct flow_stage_type watcher = {
    .name = "t.watcher", .role = FLOW_CONSUMER, .process = watch};

/* The slowest of all: what is before it never waits for anything else. */
static enum flow_status watch_slowly(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    const int64_t until = flow_now_ns() + 100000;
    while (flow_now_ns() < until)
        ;
    return watch(self, stage, record);
}
static const struct flow_stage_type slow_watcher = {
    .name = "t.slow_watcher", .role = FLOW_CONSUMER, .process = watch_slowly};

static void finish(struct group_run *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

static void a_reader_that_keeps_up_loses_nothing(enum flow_when_full when_full)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &in_step, 1);
    struct flow_graph_edge *edge = hand_edge(h, source, hand_stage(h, "sink", &watcher, 1));
    edge->queue.items = 10;
    edge->queue.when_full = when_full;
    group_source_count = 200;
    struct group_run run;

    const enum flow_status rc = group_run(&run, h);

    if (rc != FLOW_OK)
        fail_msg("%s", run.error.text);
    assert_int_equal(atomic_load(&taken[0]), 200);
    assert_int_equal(flow_read(&run.board.links[0].dropped), 0);
    finish(&run, h);
}

TEST(a_queue_that_drops_new_records_has_room_again_when_its_reader_has_caught_up)
{
    a_reader_that_keeps_up_loses_nothing(FLOW_DROP_NEW);
}

TEST(a_queue_that_drops_old_records_has_room_again_when_its_reader_has_caught_up)
{
    a_reader_that_keeps_up_loses_nothing(FLOW_DROP_OLD);
}

TEST(a_queue_that_must_not_be_full_has_room_again_when_its_reader_has_caught_up)
{
    a_reader_that_keeps_up_loses_nothing(FLOW_FAIL);
}

static const struct flow_board *watched;
static atomic_size_t watched_links, most_ahead;

/* Takes a tenth of a millisecond, and notes how many records were sent somewhere before it and are
 * still under way. */
static enum flow_status look_back(void *self, struct flow_stage *stage,
                                  const struct flow_record *record)
{
    const size_t before = atomic_load(&taken[1]);
    for (size_t i = 0; i < atomic_load(&watched_links); i++) {
        const size_t ahead = (size_t)flow_read(&watched->links[i].sent) - before;
        if (ahead > atomic_load(&most_ahead))
            atomic_store(&most_ahead, ahead);
    }
    return watch_slowly(self, stage, record);
}
static const struct flow_stage_type slow_looker = {
    .name = "t.slow_looker", .role = FLOW_CONSUMER, .process = look_back};

/* 10,000 records of a tenth of a millisecond would fit into two batches.  What is under way on a
 * link is 20 ms of work, or, on a machine that is late with its reports, several times as much. */
TEST(a_slow_reader_never_has_seconds_of_work_before_it)
{
    for (size_t between = 0; between < 3; between++) {
        struct hand *h = hand_new();
        size_t last = hand_stage(h, "source", &group_source, 1);
        for (size_t i = 0; i < between; i++) {
            const size_t next = hand_stage(h, i == 0 ? "a" : "b", &group_forward, 1);
            (void)hand_edge(h, last, next);
            last = next;
        }
        (void)hand_edge(h, last, hand_stage(h, "sink", &slow_looker, 1));
        group_source_count = 10000;
        atomic_store(&taken[1], 0);
        atomic_store(&most_ahead, 0);
        atomic_store(&watched_links, 0);
        struct group_run run;
        watched = &run.board;
        atomic_store(&watched_links, between + 1);
        assert_int_equal(group_run(&run, h), FLOW_OK);
        assert_int_equal(atomic_load(&taken[1]), 10000);
        assert_in_range(atomic_load(&most_ahead), 1, 8000);
        finish(&run, h);
    }
}

static const void *made_at[800];
static atomic_size_t shared_records; /* that have come in the memory they were written to */

static enum flow_status produce_noted(void *self, struct flow_stage *stage)
{
    struct counter *counter = self;
    if (counter->next == (int64_t)COUNT(made_at))
        return FLOW_ECLOSED;
    int64_t *at = flow_reserve(stage, 0, 8000);
    if (at == NULL)
        return FLOW_EABORT;
    memset(at, 0, 8000);
    memcpy(at, &counter->next, sizeof(counter->next));
    made_at[counter->next++] = at;
    return flow_commit(stage, &(struct flow_target){0}, 8000);
}
static const struct flow_stage_type noted = {.name = "t.noted",
                                             .role = FLOW_PRODUCER,
                                             .state_size = sizeof(struct counter),
                                             .produce = produce_noted};

static enum flow_status forward_eighth(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    (void)self;
    return record->number % 8 == 0 ? flow_forward(stage, 0, record) : FLOW_OK;
}
static const struct flow_stage_type eighth = {
    .name = "t.eighth", .role = FLOW_WORKER, .process = forward_eighth};

static enum flow_status compare_place(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    (void)self;
    (void)stage;
    int64_t number;
    memcpy(&number, record->data, sizeof(number));
    atomic_fetch_add(&shared_records, made_at[number] == record->data);
    return FLOW_OK;
}
static const struct flow_stage_type place_watcher = {
    .name = "t.place_watcher", .role = FLOW_CONSUMER, .process = compare_place};

TEST(a_small_part_of_a_batch_that_is_forwarded_does_not_keep_the_rest)
{
    const struct flow_stage_type *const types[] = {&group_forward, &eighth};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct hand *h = hand_new();
        const size_t source = hand_stage(h, "source", &noted, 1);
        const size_t work = hand_stage(h, "work", types[i], 1);
        (void)hand_edge(h, source, work);
        (void)hand_edge(h, work, hand_stage(h, "sink", &place_watcher, 1));
        atomic_store(&shared_records, 0);
        struct group_run run;

        assert_int_equal(group_run(&run, h), FLOW_OK);

        assert_int_equal(atomic_load(&shared_records) > 0, types[i] == &group_forward);
        finish(&run, h);
    }
}

/* A run of several groups, all in this process, linked as if each were a process. */
struct groups {
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_group *groups[8];
    char folder[32];
    atomic_size_t ended;
    atomic_bool failed;
    struct flow_error error;
};

static void note_failed(void *context, const struct flow_error *error)
{
    struct groups *run = context;
    run->error = *error;
    atomic_store(&run->failed, true);
}

static void note_ended(void *context)
{
    struct groups *run = context;
    atomic_fetch_add(&run->ended, 1);
}

static void start_groups(struct groups *run, const struct hand *h)
{
    struct flow_error err = {0};
    *run = (struct groups){.folder = "/tmp/flow_credit_XXXXXX"};
    assert_non_null(mkdtemp(run->folder));
    run->plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, &err);
    assert_non_null(run->plan);
    assert_in_range(run->plan->group_count, 2, COUNT(run->groups));
    const struct flow_board_size size = flow_board_size_of(run->plan);
    assert_int_equal(flow_board_new(&size, false, &run->board, &err), FLOW_OK);
    for (size_t i = 0; i < run->plan->group_count; i++) {
        const struct flow_group_options options = {
            .plan = run->plan,
            .group = i,
            .board = &run->board,
            .folder = run->folder,
            .run_id = 7,
            .events = {.context = run, .failed = note_failed, .ended = note_ended},
        };
        assert_int_equal(flow_group_new(&options, &run->groups[i], &err), FLOW_OK);
    }
    for (size_t i = 0; i < run->plan->group_count; i++)
        assert_int_equal(flow_group_open(run->groups[i], &err), FLOW_OK);
    for (size_t i = 0; i < run->plan->group_count; i++)
        flow_group_start(run->groups[i]);
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    (void)closedir(folder);
    (void)rmdir(path);
}

/* Wait until all groups have ended, or abort them all; true: they ended by themselves. */
static bool end_groups(struct groups *run)
{
    const int64_t until = flow_now_ns() + PATIENCE_NS;
    while (atomic_load(&run->ended) < run->plan->group_count && !atomic_load(&run->failed) &&
           flow_now_ns() < until)
        (void)sched_yield();
    const bool well =
        atomic_load(&run->ended) == run->plan->group_count && !atomic_load(&run->failed);
    for (size_t i = 0; i < run->plan->group_count && !well; i++)
        flow_group_abort(run->groups[i]);
    for (size_t i = 0; i < run->plan->group_count; i++)
        assert_int_equal(flow_group_join(run->groups[i], -1, NULL), FLOW_OK);
    for (size_t i = 0; i < run->plan->group_count; i++)
        flow_group_free(run->groups[i]);
    remove_folder(run->folder);
    return well;
}

static void free_groups(struct groups *run, struct hand *h)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
    hand_free(h);
}

static void wait_for(const atomic_size_t *count, size_t least)
{
    const int64_t until = flow_now_ns() + PATIENCE_NS;
    while (atomic_load(count) < least && flow_now_ns() < until)
        (void)sched_yield();
}

TEST(a_writer_in_another_process_goes_on_though_its_reader_is_never_idle)
{
    struct hand *h = hand_new();
    const size_t far = hand_stage(h, "far", &some, 1);
    const size_t near = hand_stage(h, "near", &for_ever, 1);
    const size_t sink = hand_stage(h, "sink", &slow_watcher, 1);
    h->stages[far].isolate = true;
    hand_edge(h, far, sink)->queue.items = 1;
    (void)hand_edge(h, near, sink);
    group_source_count = 400;
    struct groups run;
    start_groups(&run, h);

    wait_for(&taken[0], 400);

    const size_t had = atomic_load(&taken[0]);
    for (size_t i = 0; i < run.plan->group_count; i++)
        flow_group_drain(run.groups[i]);
    assert_true(end_groups(&run));
    assert_int_equal(had, 400);
    free_groups(&run, h);
}

TEST(a_writer_behind_another_process_goes_on_though_its_reader_is_never_idle)
{
    struct hand *h = hand_new();
    const size_t far = hand_stage(h, "far", &some, 1);
    const size_t work = hand_stage(h, "work", &group_forward, 1);
    const size_t near = hand_stage(h, "near", &for_ever, 1);
    const size_t sink = hand_stage(h, "sink", &slow_watcher, 1);
    h->stages[far].isolate = true;
    hand_edge(h, far, work)->queue.items = 1;
    (void)hand_edge(h, work, sink);
    (void)hand_edge(h, near, sink);
    group_source_count = 400;
    struct groups run;
    start_groups(&run, h);

    wait_for(&taken[0], 400);

    const size_t had = atomic_load(&taken[0]);
    for (size_t i = 0; i < run.plan->group_count; i++)
        flow_group_drain(run.groups[i]);
    assert_true(end_groups(&run));
    assert_int_equal(had, 400);
    free_groups(&run, h);
}

TEST(a_queue_without_a_sensible_limit_of_bytes_lets_records_through)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &some, 1);
    const size_t sink = hand_stage(h, "sink", &watcher, 1);
    h->stages[source].isolate = true;
    hand_edge(h, source, sink)->queue.bytes = (uint64_t)1 << 63;
    struct groups run;
    start_groups(&run, h);

    assert_true(end_groups(&run));

    assert_int_equal(atomic_load(&taken[0]), 1000);
    free_groups(&run, h);
}

/* Every stage in a process of its own, with queues of all kinds, ends and has lost nothing. */
TEST(stages_in_processes_of_their_own_settle_whatever_their_queues)
{
    const struct flow_queue queues[] = {
        {.items = 1}, {.bytes = 1}, {.items = 3, .bytes = 100}, {.items = 0}};
    for (unsigned i = 0; i < 16 * COUNT(queues); i++) {
        struct hand *h = hand_new();
        const size_t source = hand_stage(h, "source", &some, 1);
        const size_t first = hand_stage(h, "first", &group_twice, i & 1 ? 3 : 1);
        const size_t second = hand_stage(h, "second", &group_forward, i & 2 ? 2 : 1);
        const size_t sink = hand_stage(h, "sink", &watcher, 1);
        h->stages[i & 4 ? source : second].isolate = true;
        h->stages[i & 8 ? sink : source].isolate = true;
        const struct flow_queue queue = queues[i / 16];
        hand_edge(h, source, first)->queue = queue;
        hand_edge(h, first, second)->queue = queue;
        hand_edge(h, second, sink)->queue = queue;
        group_source_count = i % 3 == 0 ? 0 : 300;
        atomic_store(&taken[0], 0);
        struct groups run;
        start_groups(&run, h);

        const bool well = end_groups(&run);

        if (!well)
            fail_msg("run %u has not ended: %s", i, run.error.text);
        assert_int_equal(atomic_load(&taken[0]), 2 * group_source_count);
        free_groups(&run, h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            a_queue_that_drops_new_records_has_room_again_when_its_reader_has_caught_up, set_up),
        cmocka_unit_test_setup(
            a_queue_that_drops_old_records_has_room_again_when_its_reader_has_caught_up, set_up),
        cmocka_unit_test_setup(
            a_queue_that_must_not_be_full_has_room_again_when_its_reader_has_caught_up, set_up),
        cmocka_unit_test_setup(a_slow_reader_never_has_seconds_of_work_before_it, set_up),
        cmocka_unit_test_setup(a_small_part_of_a_batch_that_is_forwarded_does_not_keep_the_rest,
                               set_up),
        cmocka_unit_test_setup(a_writer_in_another_process_goes_on_though_its_reader_is_never_idle,
                               set_up),
        cmocka_unit_test_setup(
            a_writer_behind_another_process_goes_on_though_its_reader_is_never_idle, set_up),
        cmocka_unit_test_setup(a_queue_without_a_sensible_limit_of_bytes_lets_records_through,
                               set_up),
        cmocka_unit_test_setup(stages_in_processes_of_their_own_settle_whatever_their_queues,
                               set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
