/* SPDX-License-Identifier: MIT */
#include "group_run.h"

#include <string.h>

/*
 * Runs that are aborted right behind a checkpoint and gone on with from it, again and again: what
 * the sinks have in the end is what an undisturbed run gives them.
 */

#define NUMBERS 20000
#define BURST 16

static atomic_bool endless; /* the last number does not come: a run must not end by itself */

static int set_up(void **state)
{
    (void)state;
    group_checkpoints = NULL;
    group_keeps = false;
    atomic_store(&endless, false);
    return 0;
}

/* ---- stages that save ---- */

struct counter {
    uint64_t count;
};

static enum flow_status counter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct counter *counter = self;
    (void)stage;
    return flow_save_number(to, counter->count);
}

static enum flow_status counter_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct counter *counter = self;
    (void)stage;
    return flow_load_number(from, &counter->count);
}

static enum flow_status emit_number(struct flow_stage *stage, uint64_t number)
{
    char text[24];
    const int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return flow_emit(stage, text, (size_t)size);
}

/* Numbers from 0 on; a stage whose name begins with 's' (short) has a tenth of them. */
static enum flow_status numbers(void *self, struct flow_stage *stage)
{
    struct counter *counter = self;
    const uint64_t most = flow_stage_info(stage)->name[0] == 's' ? NUMBERS / 10 : NUMBERS;
    enum flow_status rc = FLOW_OK;
    for (int i = 0; i < BURST && rc == FLOW_OK; i++) {
        if (counter->count == most)
            return FLOW_ECLOSED;
        if (counter->count == most - 1 && atomic_load(&endless)) {
            rc = flow_wait(stage, -1, 0, 1000000);
            return rc == FLOW_EAGAIN ? FLOW_OK : rc;
        }
        rc = emit_number(stage, counter->count++);
    }
    return rc;
}

static const struct flow_stage_type source = {.name = "t.numbers",
                                              .role = FLOW_PRODUCER,
                                              .state_size = sizeof(struct counter),
                                              .produce = numbers,
                                              .save = counter_save,
                                              .restore = counter_restore};

/* How many records there were before this one; at the end how many there were. */
static enum flow_status rank(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    struct counter *counter = self;
    (void)record;
    return emit_number(stage, counter->count++);
}

static enum flow_status rank_end(void *self, struct flow_stage *stage)
{
    const struct counter *counter = self;
    return emit_number(stage, counter->count);
}

static const struct flow_stage_type ranker = {.name = "t.rank",
                                              .role = FLOW_WORKER,
                                              .traits = FLOW_STATEFUL,
                                              .state_size = sizeof(struct counter),
                                              .process = rank,
                                              .finish = rank_end,
                                              .save = counter_save,
                                              .restore = counter_restore};

/* The record's number on its edge, which must go on as well. */
static enum flow_status number_of(void *self, struct flow_stage *stage,
                                  const struct flow_record *record)
{
    (void)self;
    return emit_number(stage, record->number);
}

static const struct flow_stage_type numberer = {
    .name = "t.number", .role = FLOW_WORKER, .process = number_of};

/* Keeps records, and cuts back what a run that is gone on with had kept behind the checkpoint. */
static struct kept *kept_of(struct flow_stage *stage)
{
    const char *name = flow_stage_info(stage)->name;
    const char last = name[strlen(name) - 1];
    return &group_kept[last >= '0' && last <= '3' ? last - '0' : 0];
}

static enum flow_status sink_process(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct kept *kept = kept_of(stage);
    (void)self;
    assert_true(kept->count < COUNT(kept->records));
    kept->records[kept->count++] = strndup(record->data, record->size);
    return FLOW_OK;
}

static enum flow_status sink_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    return flow_save_number(to, kept_of(stage)->count);
}

static enum flow_status sink_restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct kept *kept = kept_of(stage);
    uint64_t count;
    (void)self;
    if (flow_load_number(from, &count) != FLOW_OK || count > kept->count)
        return FLOW_EPROTO;
    while (kept->count > count)
        free(kept->records[--kept->count]);
    return FLOW_OK;
}

static atomic_ullong committed; /* what the last commit said */

static enum flow_status sink_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    (void)self;
    (void)stage;
    atomic_store(&committed, epoch);
    return FLOW_OK;
}

static const struct flow_stage_type sink = {.name = "t.keeper",
                                            .role = FLOW_CONSUMER,
                                            .process = sink_process,
                                            .save = sink_save,
                                            .restore = sink_restore,
                                            .commit = sink_commit};

/* ---- a stage with records in flight ---- */

#define PARKED 7 /* which bursts of numbers are no multiple of */

static atomic_size_t flushed; /* records that were in flight when a checkpoint, or the end, came */
static atomic_bool saved_early; /* a state was saved with records in flight */

struct park {
    struct flow_token *tokens[PARKED];
    size_t count;
    uint64_t taken;
};

/* The newest first: that they come out in order is the engine's business. */
static enum flow_status answer_all(struct park *park, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && park->count > 0) {
        struct flow_token *token = park->tokens[--park->count];
        rc = flow_resume(stage, token);
        if (rc == FLOW_OK)
            rc = flow_emit(stage, token->record.data, token->record.size);
        rc = flow_done(stage, token, rc);
    }
    return rc;
}

static enum flow_status park_one(void *self, struct flow_stage *stage,
                                 const struct flow_record *record)
{
    struct park *park = self;
    park->taken++;
    park->tokens[park->count] = flow_hold(stage, record);
    if (park->tokens[park->count] == NULL)
        return FLOW_EABORT;
    park->count++;
    return park->count == PARKED ? answer_all(park, stage) : FLOW_OK;
}

/* Nothing that it waits for ever happens: only a full group and a flush bring records out. */
static enum flow_status park_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    (void)tag;
    (void)events;
    return answer_all(self, stage);
}

static enum flow_status park_flush(void *self, struct flow_stage *stage)
{
    struct park *park = self;
    atomic_fetch_add(&flushed, park->count);
    return answer_all(park, stage);
}

static enum flow_status park_end(void *self, struct flow_stage *stage)
{
    const struct park *park = self;
    return emit_number(stage, park->taken);
}

static enum flow_status park_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct park *park = self;
    (void)stage;
    if (park->count > 0)
        atomic_store(&saved_early, true);
    return flow_save_number(to, park->taken);
}

static enum flow_status park_restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct park *park = self;
    (void)stage;
    return flow_load_number(from, &park->taken);
}

static const struct flow_stage_type parker = {.name = "t.park",
                                              .role = FLOW_WORKER,
                                              .traits = FLOW_STATEFUL,
                                              .state_size = sizeof(struct park),
                                              .process = park_one,
                                              .ready = park_ready,
                                              .flush = park_flush,
                                              .finish = park_end,
                                              .save = park_save,
                                              .restore = park_restore};

/* ---- runs in sessions ---- */

static void release(struct group_run *run)
{
    flow_board_close(&run->board);
    flow_plan_free(run->plan);
}

/*
 * Take `most` checkpoints, back to back, and abort behind the last one; or run to the end.  True:
 * that is what happened.  `from` is what the run goes on from, and becomes the newest checkpoint.
 */
static bool run_session(struct hand *h, struct flow_manifest *from, uint64_t most)
{
    struct group_run run;
    struct flow_checkpoints options = {.folder = -1,
                                       .disk = &flow_disk_real,
                                       .from = from->epoch != 0 ? from : NULL,
                                       .session = from->epoch};
    group_checkpoints = &options;
    group_start(&run, h, FLOW_OK);
    group_keeps = true;
    bool done = false;
    const uint64_t end = from->epoch + most;
    for (uint64_t epoch = from->epoch + 1; epoch <= end && !done; epoch++) {
        done = group_checkpoint(&run, epoch);
        (void)pthread_mutex_lock(&run.lock);
        struct flow_manifest next = {.epoch = epoch + done,
                                     .replica_count = run.plan->replica_count};
        next.replicas = calloc(next.replica_count, sizeof(*next.replicas));
        assert_non_null(next.replicas);
        /* One that has saved at this epoch, and finished since, stands in it as it was before. */
        for (size_t i = 0; i < next.replica_count; i++)
            next.replicas[i] = run.has_saved[i] && !done ? run.saved[i] : run.finished[i];
        (void)pthread_mutex_unlock(&run.lock);
        /* What the run began from is looked at only until it has begun. */
        free(from->replicas);
        *from = next;
        group_commit(&run, from->epoch, done);
    }
    if (!done)
        group_abort(&run);
    assert_int_equal(group_end(&run), FLOW_OK);
    release(&run);
    return done;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What the sinks have now, to be compared with what they have later. */
struct truth {
    char **records[COUNT(group_kept)];
    size_t count[COUNT(group_kept)];
};

static void take_truth(struct truth *truth, bool ordered)
{
    for (size_t i = 0; i < COUNT(group_kept); i++) {
        struct kept *kept = &group_kept[i];
        truth->count[i] = kept->count;
        truth->records[i] = calloc(kept->count + 1, sizeof(char *));
        memcpy(truth->records[i], kept->records, kept->count * sizeof(char *));
        kept->count = 0;
        if (!ordered && truth->count[i] > 0)
            qsort(truth->records[i], truth->count[i], sizeof(char *), by_text);
    }
}

static void assert_same(const struct truth *truth, bool ordered)
{
    for (size_t i = 0; i < COUNT(group_kept); i++) {
        struct kept *kept = &group_kept[i];
        assert_int_equal(kept->count, truth->count[i]);
        if (!ordered && kept->count > 0)
            qsort(kept->records, kept->count, sizeof(*kept->records), by_text);
        for (size_t k = 0; k < kept->count; k++)
            assert_string_equal(kept->records[k], truth->records[i][k]);
    }
}

static void free_truth(struct truth *truth)
{
    for (size_t i = 0; i < COUNT(group_kept); i++) {
        for (size_t k = 0; k < truth->count[i]; k++)
            free(truth->records[i][k]);
        free(truth->records[i]);
    }
}

/* An undisturbed run, then one in many sessions of one to three checkpoints. */
static void check_sessions(struct hand *h, bool ordered)
{
    struct group_run run;
    struct truth truth;
    group_checkpoints = NULL;
    group_keeps = false;
    assert_int_equal(group_run(&run, h), FLOW_OK);
    release(&run);
    take_truth(&truth, ordered);

    struct flow_manifest from = {0};
    size_t sessions = 0;
    group_keeps = false;
    atomic_store(&endless, true);
    assert_false(run_session(h, &from, 1));
    atomic_store(&endless, false);
    while (!run_session(h, &from, 1 + sessions % 3))
        sessions++;
    assert_same(&truth, ordered);

    /* Everything was done, and was committed: a run from there has nothing left to do. */
    assert_true(run_session(h, &from, 1));
    assert_same(&truth, ordered);
    free(from.replicas);
    free_truth(&truth);
}

/* In all ways in which the stages may lie in threads and processes. */
static void check(struct hand *h, bool ordered)
{
    static const enum flow_fuse fuses[] = {FLOW_FUSE_OFF, FLOW_FUSE_AUTO};
    for (size_t i = 0; i < COUNT(fuses); i++) {
        h->graph.fuse = fuses[i];
        h->graph.mode = FLOW_THREADS;
        check_sessions(h, ordered);
        h->graph.mode = FLOW_PROCESSES;
        check_sessions(h, ordered);
    }
    hand_free(h);
}

/* A source, a worker with state, a sink. */
static struct hand *pipeline(void)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t work = hand_stage(h, "rank", &ranker, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, work);
    (void)hand_edge(h, work, to);
    return h;
}

TEST(a_pipeline_goes_on_where_it_was)
{
    check(pipeline(), true);
}

TEST(a_checkpoint_waits_for_records_in_flight_and_knows_of_no_half_done_one)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t work = hand_stage(h, "park", &parker, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, work);
    (void)hand_edge(h, work, to);
    check(h, true);
    assert_true(atomic_load(&flushed) > 0);
    assert_false(atomic_load(&saved_early));
}

TEST(fused_stages_pass_barriers_by_calls_also_around_a_diamond)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t left = hand_stage(h, "left", &ranker, 1);
    const size_t right = hand_stage(h, "right", &ranker, 1);
    const size_t both = hand_stage(h, "both", &ranker, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, left);
    (void)hand_edge(h, from, right);
    (void)hand_edge(h, left, both);
    (void)hand_edge(h, right, both);
    (void)hand_edge(h, both, to);
    for (size_t i = left; i <= to; i++) {
        h->stages[i].fuse_given = true;
        h->stages[i].fuse = FLOW_FUSE_ON;
    }
    check(h, true);
}

TEST(results_of_parallel_workers_keep_their_order_across_a_checkpoint)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t work = hand_stage(h, "twice", &group_twice, 3);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, work);
    (void)hand_edge(h, work, to);
    check(h, true);
}

TEST(two_parallel_stages_in_a_row_keep_their_order_too)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t odd = hand_stage(h, "odd", &group_odd, 2);
    const size_t work = hand_stage(h, "twice", &group_twice, 2);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, odd);
    (void)hand_edge(h, odd, work);
    (void)hand_edge(h, work, to);
    check(h, true);
}

TEST(keyed_states_go_on_each_with_its_own_keys)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t keys = hand_stage(h, "keys", &group_keyed, 1);
    const size_t work = hand_stage(h, "rank", &ranker, 2);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    h->stages[work].order = FLOW_ORDER_KEY;
    (void)hand_edge(h, from, keys);
    hand_edge(h, keys, work)->share = FLOW_KEY;
    (void)hand_edge(h, work, to);
    check(h, false);
}

TEST(workers_without_order_and_a_merge_of_producers_that_end_at_different_times)
{
    struct hand *h = hand_new();
    const size_t one = hand_stage(h, "numbers", &source, 1);
    const size_t two = hand_stage(h, "short", &source, 1);
    const size_t work = hand_stage(h, "twice", &group_twice, 2);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    h->stages[work].order = FLOW_ORDER_NONE;
    (void)hand_edge(h, one, work);
    (void)hand_edge(h, two, work);
    (void)hand_edge(h, two, to);
    (void)hand_edge(h, work, to);
    check(h, false);
}

TEST(a_diamond_with_room_for_one_record_does_not_lock)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "short", &source, 1);
    const size_t fast = hand_stage(h, "fast", &group_forward, 1);
    const size_t slow = hand_stage(h, "slow", &group_twice, 2);
    const size_t join = hand_stage(h, "join", &ranker, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    hand_edge(h, from, fast)->queue.items = 1;
    hand_edge(h, from, slow)->queue.items = 1;
    hand_edge(h, fast, join)->queue.items = 1;
    hand_edge(h, slow, join)->queue.items = 1;
    hand_edge(h, join, to)->queue.items = 1;
    check(h, true);
}

TEST(a_broadcast_reaches_all_replicas_and_all_stages_once)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t all = hand_stage(h, "all", &group_forward, 2);
    const size_t to = hand_stage(h, "sink0", &sink, 1);
    const size_t other = hand_stage(h, "sink1", &sink, 1);
    h->stages[all].order = FLOW_ORDER_NONE;
    hand_edge(h, from, all)->share = FLOW_ALL;
    (void)hand_edge(h, all, to);
    (void)hand_edge(h, from, other);
    check(h, false);
}

TEST(records_go_on_being_numbered_where_they_were)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t work = hand_stage(h, "number", &numberer, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, work);
    (void)hand_edge(h, work, to);
    check(h, true);
}

TEST(bad_records_are_routed_with_the_numbers_they_would_have_had)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "short", &source, 1);
    const size_t work = hand_stage(h, "picky", &group_picky, 1);
    const size_t to = hand_stage(h, "sink0", &sink, 1);
    const size_t bad = hand_stage(h, "sink1", &sink, 1);
    h->stages[work].errors.then = FLOW_ROUTE;
    (void)hand_edge(h, from, work);
    (void)hand_edge(h, work, to);
    hand_edge(h, work, bad)->from_port = FLOW_PORT_ERRORS;
    check(h, true);
}

/* What is dropped depends on the time, but what arrives is in order and comes once. */
TEST(a_barrier_queues_behind_what_waits_on_an_edge_that_drops_its_oldest)
{
    for (int mode = FLOW_THREADS; mode <= FLOW_PROCESSES; mode++) {
        struct hand *h = hand_new();
        const size_t from = hand_stage(h, "numbers", &source, 1);
        const size_t to = hand_stage(h, "sink", &sink, 1);
        struct flow_graph_edge *edge = hand_edge(h, from, to);
        edge->queue = (struct flow_queue){.items = 8, .when_full = FLOW_DROP_OLD};
        h->graph.mode = (enum flow_mode)mode;
        struct flow_manifest manifest = {0};
        group_keeps = false;
        while (!run_session(h, &manifest, 2))
            continue;
        const struct kept *kept = &group_kept[0];
        for (size_t i = 1; i < kept->count; i++)
            assert_true(strtoll(kept->records[i], NULL, 10) >
                        strtoll(kept->records[i - 1], NULL, 10));
        assert_true(kept->count > 0);
        assert_int_equal(strtoll(kept->records[kept->count - 1], NULL, 10), NUMBERS - 1);
        free(manifest.replicas);
        hand_free(h);
    }
}

TEST(a_stop_ends_producers_without_an_end_of_their_output)
{
    struct hand *h = pipeline();
    struct group_run run;
    struct flow_checkpoints options = {.folder = -1, .disk = &flow_disk_real};
    group_checkpoints = &options;
    atomic_store(&endless, true);
    group_start(&run, h, FLOW_OK);
    group_drain(&run);
    assert_false(group_checkpoint(&run, 1));
    group_commit(&run, 1, false);
    /* Nothing is under way any more: the checkpoint after it holds the same. */
    struct flow_manifest_replica before[3];
    memcpy(before, run.saved, sizeof(before));
    assert_false(group_checkpoint(&run, 2));
    assert_int_equal(atomic_load(&committed), 1);
    for (size_t i = 0; i < COUNT(before); i++)
        assert_int_equal(before[i].blob.checksum, run.saved[i].blob.checksum);
    group_abort(&run);
    assert_int_equal(group_end(&run), FLOW_OK);
    release(&run);
    hand_free(h);
}

static enum flow_status failing_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)to;
    return flow_stage_fail(stage, FLOW_EIO, "the shelf is full");
}

TEST(a_stage_that_cannot_save_ends_the_run_with_its_reason)
{
    static const struct flow_stage_type bad = {.name = "t.bad",
                                               .role = FLOW_CONSUMER,
                                               .process = sink_process,
                                               .save = failing_save,
                                               .commit = sink_commit};
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "short", &source, 1);
    const size_t to = hand_stage(h, "sink", &bad, 1);
    (void)hand_edge(h, from, to);
    struct group_run run;
    struct flow_checkpoints options = {.folder = -1, .disk = &flow_disk_real};
    group_checkpoints = &options;
    group_start(&run, h, FLOW_OK);
    run.epoch = 1;
    for (size_t i = 0; i < run.group_count; i++)
        flow_group_begin_epoch(run.groups[i], 1);
    assert_int_equal(group_end(&run), FLOW_EIO);
    assert_string_equal(run.error.text, "stage 'sink': the shelf is full");
    release(&run);
    hand_free(h);
}

TEST(a_state_that_is_not_what_the_type_saves_is_refused)
{
    struct hand *h = hand_new();
    const size_t from = hand_stage(h, "numbers", &source, 1);
    const size_t to = hand_stage(h, "sink", &sink, 1);
    (void)hand_edge(h, from, to);
    struct flow_manifest manifest = {0};
    (void)run_session(h, &manifest, 1);
    manifest.replicas[0].blob.size -= 8;
    manifest.replicas[0].blob.checksum =
        flow_checksum_add(FLOW_CHECKSUM_START, manifest.replicas[0].blob.bytes,
                          (size_t)manifest.replicas[0].blob.size);
    struct group_run run;
    struct flow_checkpoints options = {
        .folder = -1, .disk = &flow_disk_real, .from = &manifest, .session = manifest.epoch};
    group_checkpoints = &options;
    group_start(&run, h, FLOW_EPROTO);
    assert_string_equal(run.error.text, "stage 'numbers': what the checkpoint holds of its state "
                                        "is not what its type saves");
    assert_int_equal(group_end(&run), FLOW_EPROTO);
    release(&run);
    free(manifest.replicas);
    hand_free(h);
}

/* Who replaces one that dies before its first barrier has nothing else to learn it from. */
TEST(the_board_says_from_the_start_what_checkpoint_lies_behind_the_run)
{
    struct hand *h = pipeline();
    struct flow_manifest manifest = {0};
    atomic_store(&endless, true);
    (void)run_session(h, &manifest, 3);
    struct group_run run;
    struct flow_checkpoints options = {
        .folder = -1, .disk = &flow_disk_real, .from = &manifest, .session = manifest.epoch};
    group_checkpoints = &options;
    group_start(&run, h, FLOW_OK);
    for (size_t i = 0; i < run.plan->replica_count; i++)
        assert_int_equal(flow_read(&run.board.replicas[i].passed_epoch), 3);
    group_abort(&run);
    assert_int_equal(group_end(&run), FLOW_OK);
    release(&run);
    free(manifest.replicas);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pipeline_goes_on_where_it_was, set_up),
        cmocka_unit_test_setup(
            a_checkpoint_waits_for_records_in_flight_and_knows_of_no_half_done_one, set_up),
        cmocka_unit_test_setup(fused_stages_pass_barriers_by_calls_also_around_a_diamond, set_up),
        cmocka_unit_test_setup(results_of_parallel_workers_keep_their_order_across_a_checkpoint,
                               set_up),
        cmocka_unit_test_setup(two_parallel_stages_in_a_row_keep_their_order_too, set_up),
        cmocka_unit_test_setup(keyed_states_go_on_each_with_its_own_keys, set_up),
        cmocka_unit_test_setup(
            workers_without_order_and_a_merge_of_producers_that_end_at_different_times, set_up),
        cmocka_unit_test_setup(a_diamond_with_room_for_one_record_does_not_lock, set_up),
        cmocka_unit_test_setup(a_broadcast_reaches_all_replicas_and_all_stages_once, set_up),
        cmocka_unit_test_setup(records_go_on_being_numbered_where_they_were, set_up),
        cmocka_unit_test_setup(bad_records_are_routed_with_the_numbers_they_would_have_had, set_up),
        cmocka_unit_test_setup(a_barrier_queues_behind_what_waits_on_an_edge_that_drops_its_oldest,
                               set_up),
        cmocka_unit_test_setup(a_stop_ends_producers_without_an_end_of_their_output, set_up),
        cmocka_unit_test_setup(a_stage_that_cannot_save_ends_the_run_with_its_reason, set_up),
        cmocka_unit_test_setup(a_state_that_is_not_what_the_type_saves_is_refused, set_up),
        cmocka_unit_test_setup(the_board_says_from_the_start_what_checkpoint_lies_behind_the_run,
                               set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
