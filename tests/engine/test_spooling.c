/* SPDX-License-Identifier: MIT */
#include "group_run.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "support/root.h"

/*
 * A source that cannot emit a number again once it has waited, which tells whoever sent it that all
 * is well; and runs with it that are aborted and gone on with.
 */

#define NUMBERS 20000
#define BURST 16
#define LONG_RECORD 1024 /* bytes, of a source that does not wait */

static atomic_ullong sent;     /* numbers handed to the stage, in all runs */
static atomic_ullong accepted; /* ... whose sender knows that they are safe */
static atomic_ullong calls;    /* of produce */
static atomic_ullong most;     /* numbers that there are */
static atomic_bool ends;       /* behind the last of them */
static atomic_bool oversized;  /* numbers come as records that are too large */
static bool waits;             /* the source does, before each burst */

static enum flow_status emit_too_large(struct flow_stage *stage)
{
    const size_t size = FLOW_RECORD_MAX + 1;
    char *bytes = calloc(1, size);
    assert_non_null(bytes);
    const enum flow_status rc = flow_emit(stage, bytes, size);
    free(bytes);
    return rc;
}

static enum flow_status emit_number(struct flow_stage *stage, uint64_t number)
{
    char text[LONG_RECORD] = "";
    if (atomic_load(&oversized))
        return emit_too_large(stage);
    const int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return flow_emit(stage, text, waits ? (size_t)size : sizeof(text));
}

static enum flow_status produce(void *self, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_EAGAIN;
    (void)self;
    atomic_fetch_add(&calls, 1);
    const bool all = sent == atomic_load(&most);
    if (waits || all)
        rc = flow_wait(stage, -1, 0, all && !atomic_load(&ends) ? 1000000 : 0);
    if (rc != FLOW_OK && rc != FLOW_EAGAIN)
        return rc;
    atomic_store(&accepted, sent);
    if (all && atomic_load(&ends))
        return FLOW_ECLOSED;
    rc = FLOW_OK;
    for (int i = 0; i < BURST && rc == FLOW_OK && sent < atomic_load(&most); i++)
        rc = emit_number(stage, sent++);
    return rc;
}

static enum flow_status save_nothing(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    (void)to;
    return FLOW_OK;
}

static const char *weakness(const void *self)
{
    (void)self;
    return "numbers come once";
}

static const struct flow_stage_type source = {.name = "t.once",
                                              .role = FLOW_PRODUCER,
                                              .traits = FLOW_ANSWERS,
                                              .produce = produce,
                                              .save = save_nothing,
                                              .weakness = weakness};

/* Keeps numbers; a run that goes on cuts back what came behind its checkpoint. */
static enum flow_status keep(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    struct kept *kept = &group_kept[0];
    (void)self;
    (void)stage;
    assert_true(kept->count < COUNT(kept->records));
    kept->records[kept->count++] = strndup(record->data, record->size);
    return FLOW_OK;
}

static enum flow_status save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    return flow_save_number(to, group_kept[0].count);
}

static enum flow_status restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct kept *kept = &group_kept[0];
    uint64_t count;
    (void)self;
    (void)stage;
    if (flow_load_number(from, &count) != FLOW_OK || count > kept->count)
        return FLOW_EPROTO;
    while (kept->count > count)
        free(kept->records[--kept->count]);
    return FLOW_OK;
}

static const struct flow_stage_type sink = {
    .name = "t.keep", .role = FLOW_CONSUMER, .process = keep, .save = save, .restore = restore};

/* ---- runs in sessions ---- */

struct fixture {
    struct hand *hand;
    struct root root;
    int folder;
    struct flow_checkpoints options;
    struct flow_manifest from; /* what the next session goes on from */
    struct flow_manifest_replica saved[2];
    struct group_run run;
    uint64_t position; /* in the log, of that */
};

static void set_up(struct fixture *f, uint64_t limit)
{
    *f = (struct fixture){.hand = hand_new(), .root = root_new()};
    f->folder = open(f->root.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->folder >= 0);
    f->options = (struct flow_checkpoints){.folder = f->folder, .disk = &flow_disk_real};
    const size_t from = hand_stage(f->hand, "numbers", &source, 1);
    (void)hand_edge(f->hand, from, hand_stage(f->hand, "sink", &sink, 1));
    f->hand->graph.checkpoints = true;
    f->hand->stages[from].spool_given = true;
    f->hand->stages[from].spool_bytes = limit;
    group_keeps = false;
    sent = 0;
    waits = true;
    atomic_store(&accepted, 0);
    atomic_store(&calls, 0);
    atomic_store(&most, NUMBERS);
    atomic_store(&ends, false);
}

static void tear_down(struct fixture *f)
{
    (void)close(f->folder);
    root_free(&f->root);
    hand_free(f->hand);
    group_checkpoints = NULL;
    group_keeps = false;
}

static void begin(struct fixture *f, enum flow_status opened)
{
    f->options.from = f->from.epoch != 0 ? &f->from : NULL;
    f->options.session = f->from.epoch;
    group_checkpoints = &f->options;
    group_start(&f->run, f->hand, opened);
    group_keeps = true;
}

static void end(struct fixture *f, enum flow_status status)
{
    assert_int_equal(group_end(&f->run), status);
    flow_board_close(&f->run.board);
    flow_plan_free(f->run.plan);
    /* Whoever has not heard that a number is safe sends it again. */
    sent = atomic_load(&accepted);
}

static void abort_run(struct fixture *f)
{
    group_abort(&f->run);
    end(f, FLOW_OK);
}

/* True: all have finished, and this was the last one. */
static bool checkpoint(struct fixture *f)
{
    const uint64_t epoch = f->from.epoch + 1;
    const bool done = group_checkpoint(&f->run, epoch);
    struct flow_loader numbers;
    uint64_t before;
    (void)pthread_mutex_lock(&f->run.lock);
    for (size_t i = 0; i < COUNT(f->saved); i++)
        f->saved[i] = f->run.has_saved[i] && !done ? f->run.saved[i] : f->run.finished[i];
    (void)pthread_mutex_unlock(&f->run.lock);
    f->from = (struct flow_manifest){
        .epoch = epoch + done, .replica_count = COUNT(f->saved), .replicas = f->saved};
    numbers = (struct flow_loader){f->saved[0].blob.bytes, (size_t)f->saved[0].blob.size};
    assert_int_equal(flow_load_number(&numbers, &before), FLOW_OK);
    assert_int_equal(flow_load_number(&numbers, &f->position), FLOW_OK);
    group_commit(&f->run, f->from.epoch, done);
    return done;
}

static void wait_until_all_is_accepted(void)
{
    while (atomic_load(&accepted) < atomic_load(&most))
        sched_yield();
}

static void finish(struct fixture *f)
{
    atomic_store(&ends, true);
    while (!checkpoint(f))
        continue;
    end(f, FLOW_OK);
}

/* All of them, in order; numbers that were sent again may be there again. */
static void assert_all_there(bool once)
{
    uint64_t next = 0;
    for (size_t i = 0; i < group_kept[0].count; i++) {
        const uint64_t number = strtoull(group_kept[0].records[i], NULL, 10);
        assert_true(once ? number == next : number <= next);
        next = number == next ? next + 1 : next;
    }
    assert_int_equal(next, atomic_load(&most));
}

/* ---- tests ---- */

TEST(what_was_accepted_is_there_however_often_the_run_is_aborted)
{
    static const enum flow_mode modes[] = {FLOW_THREADS, FLOW_PROCESSES};
    for (size_t m = 0; m < COUNT(modes); m++) {
        struct fixture f;
        set_up(&f, 1 << 30);
        f.hand->graph.mode = modes[m];
        for (int session = 0; session < 12; session++) {
            begin(&f, FLOW_OK);
            const uint64_t had = atomic_load(&accepted);
            while (atomic_load(&accepted) < had + 50 && atomic_load(&accepted) < NUMBERS)
                sched_yield();
            for (int i = 0; i < session % 4; i++) /* in some sessions none, also in the first */
                (void)checkpoint(&f);
            abort_run(&f);
        }
        begin(&f, FLOW_OK);
        finish(&f);
        assert_all_there(false);
        tear_down(&f);
    }
}

TEST(a_barrier_cuts_what_is_emitted_again_and_the_next_run_goes_on_there)
{
    struct fixture f;
    unsigned cuts = 0;
    set_up(&f, 1 << 30);
    begin(&f, FLOW_OK);
    (void)checkpoint(&f);
    wait_until_all_is_accepted();
    abort_run(&f);
    atomic_store(&calls, 0);
    for (int i = 0; i < 5; i++) {
        const uint64_t from = f.position;
        begin(&f, FLOW_OK);
        (void)checkpoint(&f); /* at once: a thousand entries are still to come */
        assert_true(f.position > from || atomic_load(&calls) > 0);
        cuts += atomic_load(&calls) == 0;
        abort_run(&f);
    }
    assert_true(cuts > 0);
    begin(&f, FLOW_OK);
    finish(&f);
    assert_all_there(true);
    tear_down(&f);
}

TEST(nothing_is_produced_while_the_log_is_full_and_a_checkpoint_makes_room)
{
    const uint64_t limit = 256 << 10;
    struct fixture f;
    set_up(&f, limit);
    waits = false;
    atomic_store(&most, 2000);
    begin(&f, FLOW_OK);
    const struct flow_board_replica *slot = &f.run.board.replicas[0];
    uint64_t before = 0;
    for (int i = 0; i < 4; i++) {
        /* It waits for that alone: it has no flow_wait of its own before it is through. */
        while (flow_read(&slot->state) != FLOW_STATE_WAIT_SELF)
            sched_yield();
        const uint64_t bytes = (flow_read(&slot->records_out) - before) * LONG_RECORD;
        assert_in_range(bytes, limit - limit / 8, limit + ((uint64_t)64 << 10) + BURST * 1024);
        before = flow_read(&slot->records_out);
        (void)checkpoint(&f);
        while (flow_read(&slot->records_out) == before)
            sched_yield();
    }
    assert_true(sent < atomic_load(&most));
    finish(&f);
    assert_all_there(true);
    tear_down(&f);
}

TEST(a_log_that_is_damaged_is_refused_and_the_stage_is_named)
{
    struct fixture f;
    char byte = 'x';
    set_up(&f, 1 << 30);
    begin(&f, FLOW_OK);
    wait_until_all_is_accepted();
    abort_run(&f);
    const int fd = openat(f.folder, "spool-0-0", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, 1), 1);
    (void)close(fd);
    begin(&f, FLOW_EPROTO);
    assert_string_equal(f.run.error.text,
                        "stage 'numbers': its spool, files 'spool-0-*' in the state folder, is "
                        "damaged, or lacks a part, at offset 0");
    end(&f, FLOW_EPROTO);
    tear_down(&f);
}

/* The newest one may turn out to be damaged, and then the run goes on from the one before. */
TEST(the_log_reaches_back_to_the_checkpoint_before_the_one_that_a_run_began_with)
{
    struct fixture f;
    struct flow_manifest_replica older[2];
    set_up(&f, 1 << 30);
    atomic_store(&most, 100);
    begin(&f, FLOW_OK);
    (void)checkpoint(&f);
    wait_until_all_is_accepted();
    abort_run(&f);
    const struct flow_manifest first = f.from;
    memcpy(older, f.saved, sizeof(older));
    atomic_store(&most, 200);
    begin(&f, FLOW_OK); /* it writes to a segment of its own */
    wait_until_all_is_accepted();
    (void)checkpoint(&f);
    abort_run(&f);
    begin(&f, FLOW_OK); /* from the second one, which it commits again */
    while (atomic_load(&calls) == 0)
        sched_yield();
    abort_run(&f);

    memcpy(f.saved, older, sizeof(older));
    f.from = first;
    begin(&f, FLOW_OK);
    finish(&f);
    assert_all_there(true);
    tear_down(&f);
}

TEST(a_record_that_is_too_large_ends_the_run_and_not_every_run_after_it)
{
    struct fixture f;
    set_up(&f, 1 << 30);
    atomic_store(&most, 1);
    atomic_store(&oversized, true);
    begin(&f, FLOW_OK);
    end(&f, FLOW_ERANGE);
    assert_non_null(strstr(f.run.error.text, "stage 'numbers': a record of 268435457 bytes was"));
    atomic_store(&oversized, false); /* it is sent shorter */
    begin(&f, FLOW_OK);
    finish(&f);
    assert_all_there(true);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_accepted_is_there_however_often_the_run_is_aborted),
        cmocka_unit_test(a_barrier_cuts_what_is_emitted_again_and_the_next_run_goes_on_there),
        cmocka_unit_test(nothing_is_produced_while_the_log_is_full_and_a_checkpoint_makes_room),
        cmocka_unit_test(a_log_that_is_damaged_is_refused_and_the_stage_is_named),
        cmocka_unit_test(
            the_log_reaches_back_to_the_checkpoint_before_the_one_that_a_run_began_with),
        cmocka_unit_test(a_record_that_is_too_large_ends_the_run_and_not_every_run_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
