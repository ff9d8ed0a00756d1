/* SPDX-License-Identifier: MIT */

/* Editing records where they lie: nobody else sees it, and a refused record is as it came. */

#include <string.h>
#include <unistd.h>

#include "group_run.h"
#include "watch/report.h"

static atomic_int in_place, copied; /* edits, by where they were made */

static int set_up(void **state)
{
    (void)state;
    group_source_count = 2000;
    group_source_size = 8;
    atomic_store(&group_gate, 1);
    atomic_store(&in_place, 0);
    atomic_store(&copied, 0);
    return 0;
}

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

/* The edit of these tests: the last byte, a blank, becomes a mark. */
static enum flow_status mark(struct flow_stage *stage, const struct flow_record *record)
{
    const uint8_t *before = record->data;
    uint8_t *bytes = flow_edit(stage, record);
    if (bytes == NULL)
        return FLOW_EABORT;
    if (bytes[record->size - 1] != ' ')
        return flow_stage_fail(stage, FLOW_EIO, "it was edited before: %.8s", (const char *)bytes);
    atomic_fetch_add(bytes == before ? &in_place : &copied, 1);
    bytes[record->size - 1] = '!';
    return FLOW_OK;
}

static enum flow_status edit(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    const enum flow_status rc = mark(stage, record);
    return rc == FLOW_OK ? flow_forward(stage, 0, record) : rc;
}
static const struct flow_stage_type edits = {
    .name = "t.edits", .role = FLOW_WORKER, .process = edit};

/* Lets the others go on when its input has ended. */
static enum flow_status open_gate(void *self, struct flow_stage *stage)
{
    (void)self;
    (void)stage;
    atomic_store(&group_gate, 1);
    return FLOW_OK;
}
static const struct flow_stage_type edits_first = {
    .name = "t.edits_first", .role = FLOW_WORKER, .process = edit, .finish = open_gate};

static enum flow_status edit_all(struct flow_stage *stage, const struct flow_batch *batch)
{
    const uint8_t *before = batch->bytes;
    uint8_t *bytes = flow_edit_batch(stage, batch);
    if (bytes == NULL)
        return FLOW_EABORT;
    atomic_fetch_add(bytes == before ? &in_place : &copied, 1);
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);) {
        uint8_t *last = bytes + flow_offset(batch, &c.record) + c.record.size - 1;
        if (*last != ' ')
            return flow_stage_fail(stage, FLOW_EIO, "it was edited before");
        *last = '!';
    }
    return FLOW_OK;
}

static enum flow_status edit_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)self;
    const enum flow_status rc = edit_all(stage, batch);
    return rc == FLOW_OK ? flow_forward_batch(stage, 0, batch) : rc;
}
static const struct flow_stage_type edits_batches = {
    .name = "t.edits_batches", .role = FLOW_WORKER, .process_batch = edit_batch};

/* Looks its records up before it edits the first of them. */
static enum flow_status edit_each(void *self, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    while (rc == FLOW_OK && flow_batch_next(&c)) {
        uint8_t *bytes = flow_edit(stage, &c.record);
        if (bytes == NULL)
            return FLOW_EABORT;
        bytes[c.record.size - 1] = '!';
        rc = flow_forward(stage, 0, &c.record);
    }
    return rc;
}
static const struct flow_stage_type edits_each = {
    .name = "t.edits_each", .role = FLOW_WORKER, .process_batch = edit_each};

/* Looks at one that it has passed on once more, in the middle of a batch, which makes another copy
 * of the batch while records of the first one are in hand. */
static enum flow_status edit_back(void *self, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    const struct flow_record head = flow_batch_record(batch, 0);
    for (uint32_t i = 0; i < batch->count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        if (i > 0 && i == batch->count / 4 * 3 && flow_edit(stage, &head) == NULL)
            return FLOW_EABORT;
        uint8_t *bytes = flow_edit(stage, &record);
        if (bytes == NULL)
            return FLOW_EABORT;
        bytes[record.size - 1] = '!';
        rc = flow_forward(stage, 0, &record);
    }
    return rc;
}
static const struct flow_stage_type edits_back = {
    .name = "t.edits_back", .role = FLOW_WORKER, .process_batch = edit_back};

/* Passes each record on as it is, and edited. */
static enum flow_status edit_after(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    (void)self;
    enum flow_status rc = flow_forward(stage, 0, record);
    if (rc == FLOW_OK)
        rc = mark(stage, record);
    return rc == FLOW_OK ? flow_forward(stage, 0, record) : rc;
}
static const struct flow_stage_type edits_after = {
    .name = "t.edits_after", .role = FLOW_WORKER, .process = edit_after};

/* Edits and forwards, and then refuses every tenth. */
static enum flow_status edit_and_refuse(void *self, struct flow_stage *stage,
                                        const struct flow_record *record)
{
    const long long number = number_of(record);
    const enum flow_status rc = edit(self, stage, record);
    return rc == FLOW_OK && number % 10 == 0 ? flow_reject(stage, "a tenth") : rc;
}
static const struct flow_stage_type edits_and_refuses = {
    .name = "t.edits_and_refuses", .role = FLOW_WORKER, .process = edit_and_refuse};

static enum flow_status edit_and_refuse_some(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = edit_all(stage, batch);
    for (uint32_t i = 0; i < batch->count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = number_of(&record) % 10 == 0 ? flow_batch_reject(stage, i, "a tenth")
                                          : flow_forward(stage, 0, &record);
    }
    return rc;
}
static const struct flow_stage_type edits_and_refuses_some = {
    .name = "t.edits_and_refuses_some", .role = FLOW_WORKER, .process_batch = edit_and_refuse_some};

struct tries {
    long long number; /* that was refused last */
    int count;
};

/* Tenths are good at the third try. */
static bool is_refused(struct tries *tries, long long number)
{
    if (number % 10 != 0)
        return false;
    if (tries->number != number + 1) /* so that 0 is not taken for a number seen */
        *tries = (struct tries){.number = number + 1};
    return ++tries->count < 3;
}

static enum flow_status edit_again(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    const bool refused = is_refused(self, number_of(record));
    const enum flow_status rc = edit(NULL, stage, record);
    return rc == FLOW_OK && refused ? flow_reject(stage, "not yet") : rc;
}
static const struct flow_stage_type edits_again = {.name = "t.edits_again",
                                                   .role = FLOW_WORKER,
                                                   .state_size = sizeof(struct tries),
                                                   .process = edit_again};

static enum flow_status edit_batch_again(void *self, struct flow_stage *stage,
                                         const struct flow_batch *batch)
{
    enum flow_status rc = edit_all(stage, batch);
    for (uint32_t i = 0; i < batch->count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        const bool tenth = number_of(&record) % 10 == 0;
        const bool refused = tenth && (batch->count > 1 || is_refused(self, number_of(&record)));
        rc = refused ? flow_batch_reject(stage, i, "not yet") : flow_forward(stage, 0, &record);
    }
    return rc;
}
static const struct flow_stage_type edits_batches_again = {.name = "t.edits_batches_again",
                                                           .role = FLOW_WORKER,
                                                           .state_size = sizeof(struct tries),
                                                           .process_batch = edit_batch_again};

/* Edits a record that it made up. */
static enum flow_status edit_stranger(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    (void)self;
    const struct flow_record stranger = {.data = "x", .size = 1, .number = record->number};
    return flow_edit(stage, &stranger) == NULL ? FLOW_EABORT : FLOW_OK;
}
static const struct flow_stage_type edits_strangers = {
    .name = "t.edits_strangers", .role = FLOW_WORKER, .process = edit_stranger};

static enum flow_status edit_part(void *self, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    (void)self;
    const struct flow_batch part = *batch;
    return flow_edit_batch(stage, &part) == NULL ? FLOW_EABORT : FLOW_OK;
}
static const struct flow_stage_type edits_parts = {
    .name = "t.edits_parts", .role = FLOW_WORKER, .process_batch = edit_part};

static struct hand *graph_of(const struct flow_stage_type *type)
{
    struct hand *h = hand_new();
    const size_t source = hand_stage(h, "source", &group_source, 1);
    const size_t work = hand_stage(h, "work", type, 1);
    (void)hand_edge(h, source, work);
    (void)hand_edge(h, work, hand_stage(h, "sink0", &group_sink, 1));
    return h;
}

static void run_to_end(struct group_run *run, struct hand *h)
{
    const enum flow_status rc = group_run(run, h);
    if (rc != FLOW_OK)
        fail_msg("%s", run->error.text);
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

static void assert_kept(size_t sink, size_t i, long long number, bool edited)
{
    char text[32];
    (void)snprintf(text, sizeof(text), edited ? "%-7lld!" : "%lld", number);
    assert_string_equal(group_kept[sink].records[i], text);
}

/* One record a run where `process` is called for each: slow ones are sent on before the batch has
 * been processed, and what is left of it is edited in a copy then. */
TEST(the_only_reader_edits_in_place)
{
    static const struct flow_stage_type *const types[] = {&edits, &edits_batches, &edits_each};
    for (size_t t = 0; t < COUNT(types); t++) {
        struct hand *h = graph_of(types[t]);
        const size_t count = types[t] == &edits ? 1 : 20000;
        group_source_count = (int64_t)count;
        struct group_run run;

        run_to_end(&run, h);

        assert_int_equal(atomic_load(&copied), 0);
        assert_int_equal(group_kept[0].count, count);
        for (size_t i = 0; i < count; i++)
            assert_kept(0, i, (long long)i, true);
        finish(&run, h);
    }
}

TEST(a_keyed_reader_and_one_that_is_called_edit_in_place_too)
{
    struct hand *h = graph_of(&edits_batches);
    h->stages[1].workers = 2;
    h->edges[0].share = FLOW_KEY;
    group_source_count = 20000;
    struct group_run run;

    run_to_end(&run, h);
    assert_int_equal(atomic_load(&copied), 0);
    assert_int_equal(group_kept[0].count, 20000);
    finish(&run, h);

    h = graph_of(&edits_batches);
    for (size_t i = 1; i < 3; i++)
        h->stages[i].fuse = FLOW_FUSE_ON;
    run_to_end(&run, h);
    assert_int_equal(run.plan->task_count, 1);
    assert_int_equal(atomic_load(&copied), 0);
    assert_int_equal(group_kept[0].count, 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_kept(0, i, (long long)i, true);
    finish(&run, h);
}

TEST(other_readers_of_the_batch_see_nothing_of_an_edit)
{
    struct hand *h = graph_of(&edits_first);
    group_source_count = 8; /* so many may be on their way to one who has not taken any yet */
    (void)hand_edge(h, 0, hand_stage(h, "sink1", &group_gated_sink, 1));
    atomic_store(&group_gate, 0); /* it still reads when the last record has been edited */
    struct group_run run;

    run_to_end(&run, h);

    assert_true(atomic_load(&copied) > 0);
    assert_int_equal(group_kept[0].count, 8);
    assert_int_equal(group_kept[1].count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_kept(0, i, (long long)i, true);
        assert_kept(1, i, (long long)i, false);
    }
    finish(&run, h);
}

TEST(several_editors_of_one_batch_do_not_meet)
{
    struct hand *h = graph_of(&edits);
    for (size_t i = 1; i < 4; i++) {
        char name[] = {'s', 'i', 'n', 'k', (char)('0' + i), '\0'};
        char work[] = {'w', 'o', 'r', 'k', (char)('0' + i), '\0'};
        const size_t editor = hand_stage(h, work, i == 1 ? &edits_batches : &edits, 1);
        (void)hand_edge(h, 0, editor);
        (void)hand_edge(h, editor, hand_stage(h, name, &group_sink, 1));
    }
    group_source_count = 20000;
    struct group_run run;

    run_to_end(&run, h);

    for (size_t s = 0; s < 4; s++) {
        assert_int_equal(group_kept[s].count, 20000);
        for (size_t i = 0; i < 20000; i++)
            assert_kept(s, i, (long long)i, true);
    }
    finish(&run, h);
}

TEST(workers_who_share_a_batch_edit_their_parts_only)
{
    struct hand *h = graph_of(&edits_batches);
    h->stages[1].workers = 3;
    group_source_count = 20000;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_kept(0, i, (long long)i, true);
    finish(&run, h);
}

TEST(what_was_forwarded_before_an_edit_stays_as_it_was)
{
    struct hand *h = graph_of(&edits_after);
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_kept(0, i, (long long)i / 2, i % 2 == 1);
    finish(&run, h);
}

TEST(a_record_of_a_copy_that_was_copied_again_is_forwarded_as_edited)
{
    struct hand *h = graph_of(&edits_back);
    h->stages[1].errors = (struct flow_error_policy){.then = FLOW_SKIP};
    struct group_run run;
    group_source_count = 20000; /* batches grow, and parts of them are passed on by reference */

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_kept(0, i, (long long)i, true);
    finish(&run, h);
}

TEST(a_record_refused_after_an_edit_is_reported_as_it_came)
{
    static const struct flow_stage_type *const types[] = {&edits_and_refuses,
                                                          &edits_and_refuses_some};
    for (size_t t = 0; t < COUNT(types); t++) {
        struct hand *h = graph_of(types[t]);
        h->stages[1].errors = (struct flow_error_policy){.then = FLOW_ROUTE};
        hand_edge(h, 1, hand_stage(h, "sink1", &group_sink, 1))->from_port = FLOW_PORT_ERRORS;
        struct group_run run;

        run_to_end(&run, h);

        assert_int_equal(group_kept[0].count, 1800);
        assert_int_equal(group_kept[1].count, 200);
        for (size_t i = 0; i < 1800; i++)
            assert_kept(0, i, (long long)(i / 9 * 10 + i % 9 + 1), true);
        for (size_t i = 0; i < 200; i++) {
            char text[40];
            (void)snprintf(text, sizeof(text), "\"text\":\"%-8zu\"", i * 10);
            assert_non_null(strstr(group_kept[1].records[i], text));
        }
        finish(&run, h);
    }
}

TEST(a_record_is_tried_again_as_it_came)
{
    static const struct flow_stage_type *const types[] = {&edits_again, &edits_batches_again};
    for (size_t t = 0; t < COUNT(types); t++) {
        struct hand *h = graph_of(types[t]);
        h->stages[1].errors = (struct flow_error_policy){.then = FLOW_STOP, .retries = 3};
        struct group_run run;

        run_to_end(&run, h);

        bool seen[2000] = {false};
        assert_int_equal(group_kept[0].count, 2000);
        for (size_t i = 0; i < 2000; i++) {
            const size_t number = strtoull(group_kept[0].records[i], NULL, 10);
            assert_true(number < 2000 && !seen[number]);
            seen[number] = true;
            assert_kept(0, i, (long long)number, true);
        }
        finish(&run, h);
    }
}

TEST(only_what_is_in_hand_can_be_edited)
{
    static const struct {
        const struct flow_stage_type *type;
        const char *message;
    } cases[] = {
        {&edits_strangers, "stage 'work': edits a record that is not the one in hand"},
        {&edits_parts, "stage 'work': edits a batch that is not the one it was handed"},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct hand *h = graph_of(cases[c].type);
        struct group_run run;

        assert_int_equal(group_run(&run, h), FLOW_EINVAL);

        assert_string_equal(run.error.text, cases[c].message);
        finish(&run, h);
    }
}

/* Record 1000 is refused once before the stage is called, by a test of its graph. */
static void let_fail(struct hand *h, struct flow_graph_fault *fault,
                     const struct flow_graph_fault **list, char *mark)
{
    (void)strcpy(mark, "/tmp/flowrun-edit-XXXXXX");
    const int fd = mkstemp(mark);
    assert_true(fd >= 0);
    (void)close(fd);
    *fault = (struct flow_graph_fault){
        .stage = 1, .record = 1000, .kind = FLOW_FAULT_FAIL, .times = 1, .mark = mark};
    list[0] = fault;
    h->stages[1].faults = list;
    h->stages[1].errors = (struct flow_error_policy){.then = FLOW_STOP, .retries = 1};
}

static void forget(const char *mark)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s-0", mark);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(mark), 0);
}

TEST(a_stage_that_a_test_has_fail_may_edit)
{
    static const struct flow_stage_type *const types[] = {&edits, &edits_batches, &edits_again};
    for (size_t t = 0; t < 2 * COUNT(types); t++) {
        struct hand *h = graph_of(types[t / 2]);
        struct flow_graph_fault fault;
        const struct flow_graph_fault *list[2] = {NULL};
        char mark[48];
        struct group_run run;
        let_fail(h, &fault, list, mark);
        h->stages[1].errors.retries = 3;
        if (t % 2 == 1)
            (void)hand_edge(h, 0, hand_stage(h, "sink1", &group_sink, 1));

        run_to_end(&run, h);

        assert_int_equal(group_kept[0].count, 2000);
        for (size_t i = 0; i < 2000; i++) {
            assert_kept(0, i, (long long)i, true);
            if (t % 2 == 1)
                assert_kept(1, i, (long long)i, false);
        }
        forget(mark);
        finish(&run, h);
    }
}

TEST(a_stage_that_a_test_has_fail_has_the_counts_that_it_would_have)
{
    struct hand *h = graph_of(&group_odd);
    struct flow_graph_fault fault;
    const struct flow_graph_fault *list[2] = {NULL};
    char mark[48];
    struct group_run run;
    let_fail(h, &fault, list, mark);

    run_to_end(&run, h);

    const struct flow_board_replica *work = &run.board.replicas[run.plan->stages[1].first_replica];
    assert_int_equal(flow_read(&work->done), 2000);
    assert_int_equal(flow_read(&work->retried), 1);
    assert_int_equal(flow_read(&work->filtered), 1000);
    forget(mark);
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_only_reader_edits_in_place, set_up),
        cmocka_unit_test_setup(a_keyed_reader_and_one_that_is_called_edit_in_place_too, set_up),
        cmocka_unit_test_setup(other_readers_of_the_batch_see_nothing_of_an_edit, set_up),
        cmocka_unit_test_setup(several_editors_of_one_batch_do_not_meet, set_up),
        cmocka_unit_test_setup(workers_who_share_a_batch_edit_their_parts_only, set_up),
        cmocka_unit_test_setup(what_was_forwarded_before_an_edit_stays_as_it_was, set_up),
        cmocka_unit_test_setup(a_record_of_a_copy_that_was_copied_again_is_forwarded_as_edited,
                               set_up),
        cmocka_unit_test_setup(a_record_refused_after_an_edit_is_reported_as_it_came, set_up),
        cmocka_unit_test_setup(a_record_is_tried_again_as_it_came, set_up),
        cmocka_unit_test_setup(only_what_is_in_hand_can_be_edited, set_up),
        cmocka_unit_test_setup(a_stage_that_a_test_has_fail_may_edit, set_up),
        cmocka_unit_test_setup(a_stage_that_a_test_has_fail_has_the_counts_that_it_would_have,
                               set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
