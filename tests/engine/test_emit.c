/* SPDX-License-Identifier: MIT */

/* The ways to emit, mixed: what stages write to the open batch themselves, and what they do not. */

#include <string.h>

#include "group_run.h"
#include "watch/report.h"

static int set_up(void **state)
{
    (void)state;
    group_source_count = 1000;
    group_source_size = 0;
    atomic_store(&group_gate, 1);
    return 0;
}

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

/* Every way there is, one after the other; some give the batch keys on the way. */
static enum flow_status mix(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    const struct flow_target plain = {0};
    const struct flow_target keyed = {.key = "key", .key_size = 3};
    void *room;
    switch (number_of(record) % 9) {
    case 0:
        return flow_emit(stage, record->data, record->size);
    case 1:
        return flow_forward(stage, 0, record);
    case 2:
        return flow_emit_to(stage, &plain, record->data, record->size);
    case 3:
        room = flow_reserve(stage, 0, record->size + 1000);
        if (room == NULL)
            return FLOW_EABORT;
        memcpy(room, record->data, record->size);
        return flow_commit(stage, &plain, record->size);
    case 4:
        if (number_of(record) < 500)
            return flow_emit(stage, record->data, record->size);
        return flow_emit_to(stage, &keyed, record->data, record->size);
    case 5:
        (void)flow_reserve(stage, 0, 100); /* never committed */
        return flow_emit(stage, record->data, record->size);
    case 6: {
        struct flow_writer writer = flow_writer_begin(stage, 0);
        const enum flow_status rc = flow_writer_emit(&writer, record->data, record->size);
        flow_writer_end(&writer);
        return rc;
    }
    case 7: {
        struct flow_writer writer = flow_writer_begin(stage, 0);
        room = flow_writer_reserve(&writer, record->size + 1000);
        if (room != NULL)
            memcpy(room, record->data, record->size);
        const enum flow_status rc =
            room != NULL ? flow_writer_commit(&writer, record->size) : FLOW_EABORT;
        flow_writer_end(&writer);
        return rc;
    }
    default:
        return flow_forward(stage, 0, record);
    }
}
static const struct flow_stage_type mixes = {
    .name = "t.mixes", .role = FLOW_WORKER, .process = mix};

/* The same, after which every tenth is refused. */
static enum flow_status mix_and_refuse(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    enum flow_status rc = mix(self, stage, record);
    if (rc == FLOW_OK && number_of(record) % 10 == 0) {
        rc = mix(self, stage, record);
        return rc == FLOW_OK ? flow_reject(stage, "a tenth") : rc;
    }
    return rc;
}
static const struct flow_stage_type mixes_and_refuses = {
    .name = "t.mixes_and_refuses", .role = FLOW_WORKER, .process = mix_and_refuse};

/* A whole batch by one writer, what is odd being reserved and then written. */
static enum flow_status write_all(void *self, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        const struct flow_record *record = &c.record;
        if (record->number % 2 == 0) {
            rc = flow_writer_emit(&writer, record->data, record->size);
            continue;
        }
        void *room = flow_writer_reserve(&writer, record->size + 7);
        if (room != NULL)
            memcpy(room, record->data, record->size);
        rc = room != NULL ? flow_writer_commit(&writer, record->size) : FLOW_EABORT;
    }
    flow_writer_end(&writer);
    return rc;
}
static const struct flow_stage_type writes_all = {
    .name = "t.writes_all", .role = FLOW_WORKER, .process_batch = write_all};

/* Of four records one is emitted, one forwarded and two are not, one of them after a wait. */
static enum flow_status emit_half(void *self, struct flow_stage *stage,
                                  const struct flow_record *record)
{
    (void)self;
    switch (number_of(record) % 4) {
    case 0:
        return flow_emit(stage, record->data, record->size);
    case 1:
        return flow_forward(stage, 0, record);
    case 2: {
        const enum flow_status rc = flow_wait(stage, -1, 0, 0);
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    default:
        return FLOW_OK;
    }
}
static const struct flow_stage_type emits_half = {
    .name = "t.emits_half", .role = FLOW_WORKER, .process = emit_half};

static enum flow_status drop_few(void *self, struct flow_stage *stage,
                                 const struct flow_record *record)
{
    (void)self;
    return number_of(record) % 100 == 7 ? FLOW_OK : flow_forward(stage, 0, record);
}
static const struct flow_stage_type drops_few = {
    .name = "t.drops_few", .role = FLOW_WORKER, .process = drop_few};

/* Even numbers to the first port, odd ones to the second. */
static enum flow_status part(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    const struct flow_target to = {.port = (unsigned)(number_of(record) % 2)};
    return flow_emit_to(stage, &to, record->data, record->size);
}
static const struct flow_stage_type parts = {
    .name = "t.parts", .role = FLOW_WORKER, .outputs = hand_two_outputs, .process = part};

static enum flow_status emit_nothing(void *self, struct flow_stage *stage)
{
    int64_t *next = self;
    return (*next)++ == group_source_count ? FLOW_ECLOSED : flow_emit(stage, "", 0);
}
static const struct flow_stage_type empties = {.name = "t.empties",
                                               .role = FLOW_PRODUCER,
                                               .state_size = sizeof(int64_t),
                                               .produce = emit_nothing};

static enum flow_status emit_too_much(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    (void)self;
    (void)flow_emit(stage, record->data, record->size); /* so that a batch is open */
    return flow_emit(stage, record->data, (size_t)-1);
}
static const struct flow_stage_type emits_too_much = {
    .name = "t.emits_too_much", .role = FLOW_WORKER, .process = emit_too_much};

static enum flow_status reserve_too_much(void *self, struct flow_stage *stage,
                                         const struct flow_record *record)
{
    (void)self;
    (void)flow_emit(stage, record->data, record->size); /* so that a batch is open */
    return flow_reserve(stage, 0, FLOW_RECORD_MAX + 1) == NULL ? FLOW_EABORT : FLOW_OK;
}
static const struct flow_stage_type reserves_too_much = {
    .name = "t.reserves_too_much", .role = FLOW_WORKER, .process = reserve_too_much};

static enum flow_status emit_elsewhere(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    (void)self;
    const struct flow_target to = {.port = 1};
    return flow_emit_to(stage, &to, record->data, record->size);
}
static const struct flow_stage_type emits_elsewhere = {
    .name = "t.emits_elsewhere", .role = FLOW_WORKER, .process = emit_elsewhere};

static enum flow_status emit_at_the_end(void *self, struct flow_stage *stage,
                                        const struct flow_record *record)
{
    (void)self;
    return flow_emit(stage, record->data, record->size);
}
static const struct flow_stage_type emits_at_the_end = {
    .name = "t.emits_at_the_end", .role = FLOW_CONSUMER, .process = emit_at_the_end};

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

TEST(records_keep_their_order_whichever_way_they_are_emitted)
{
    static const size_t sizes[] = {0, 100, 3000, 30000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct hand *h = graph_of(&mixes);
        group_source_size = sizes[s];
        struct group_run run;

        run_to_end(&run, h);

        assert_int_equal(group_kept[0].count, 1000);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(strtoull(group_kept[0].records[i], NULL, 10), i);
        assert_int_equal(flow_read(&run.board.replicas[1].records_out), 1000);
        finish(&run, h);
    }
}

TEST(a_writer_emits_batches_of_records_of_any_size_in_order)
{
    static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 100, 3000, 30000, 100000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct hand *h = graph_of(&writes_all);
        group_source_size = sizes[s];
        group_source_count = sizes[s] < 3000 ? 20000 : 500;
        struct group_run run;

        run_to_end(&run, h);

        assert_int_equal(group_kept[0].count, group_source_count);
        for (size_t i = 0; i < group_kept[0].count; i++) {
            assert_int_equal(strtoull(group_kept[0].records[i], NULL, 10), i);
            assert_true(strlen(group_kept[0].records[i]) < 6); /* the rest is blank */
        }
        assert_int_equal(flow_read(&run.board.replicas[1].bytes_out),
                         flow_read(&run.board.replicas[1].bytes_in));
        assert_int_equal(flow_read(&run.board.replicas[1].records_out), group_source_count);
        finish(&run, h);
    }
}

TEST(a_refused_record_leaves_nothing_whichever_way_it_was_emitted)
{
    static const size_t sizes[] = {0, 100, 3000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct hand *h = graph_of(&mixes_and_refuses);
        h->stages[1].errors = (struct flow_error_policy){.then = FLOW_SKIP};
        group_source_size = sizes[s];
        struct group_run run;

        run_to_end(&run, h);

        assert_int_equal(group_kept[0].count, 900);
        for (size_t i = 0; i < 900; i++)
            assert_int_equal(strtoull(group_kept[0].records[i], NULL, 10), i / 9 * 10 + i % 9 + 1);
        assert_int_equal(flow_read(&run.board.replicas[1].records_out), 900);
        assert_int_equal(flow_read(&run.board.replicas[1].skipped), 100);
        finish(&run, h);
    }
}

TEST(what_emits_nothing_is_counted_as_filtered)
{
    struct hand *h = graph_of(&emits_half);
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 500);
    assert_int_equal(flow_read(&run.board.replicas[1].filtered), 500);
    assert_int_equal(flow_read(&run.board.replicas[1].records_out), 500);
    finish(&run, h);
}

TEST(a_filter_that_drops_few_keeps_the_rest_in_order)
{
    static const size_t sizes[] = {0, 100, 1000, 30000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct hand *h = graph_of(&drops_few);
        group_source_size = sizes[s];
        group_source_count = 5000;
        struct group_run run;

        run_to_end(&run, h);

        size_t at = 0;
        assert_int_equal(group_kept[0].count, 4950);
        for (size_t i = 0; i < 5000; i++) {
            if (i % 100 != 7)
                assert_int_equal(strtoull(group_kept[0].records[at++], NULL, 10), i);
        }
        assert_int_equal(flow_read(&run.board.replicas[1].filtered), 50);
        finish(&run, h);
    }
}

TEST(what_goes_to_a_port_that_nothing_reads_is_counted_and_not_kept)
{
    struct hand *h = graph_of(&parts);
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 500);
    assert_int_equal(flow_read(&run.board.replicas[1].unread), 500);
    assert_int_equal(flow_read(&run.board.replicas[1].filtered), 0);
    finish(&run, h);
}

TEST(each_port_has_an_open_batch_of_its_own)
{
    struct hand *h = graph_of(&parts);
    hand_edge(h, 1, hand_stage(h, "sink1", &group_sink, 1))->from_port = 1;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 500);
    assert_int_equal(group_kept[1].count, 500);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(strtoull(group_kept[i % 2].records[i / 2], NULL, 10), i);
    finish(&run, h);
}

TEST(empty_records_fill_batches_too)
{
    struct hand *h = hand_new();
    (void)hand_edge(h, hand_stage(h, "source", &empties, 1),
                    hand_stage(h, "sink0", &group_sink, 1));
    group_source_count = 50000;
    struct group_run run;

    run_to_end(&run, h);

    assert_int_equal(group_kept[0].count, 50000);
    assert_true(flow_read(&run.board.links[0].sent_batches) >= 50000 / 8192);
    finish(&run, h);
}

TEST(what_cannot_be_emitted_ends_the_run)
{
    static const struct {
        const struct flow_stage_type *type;
        enum flow_status status;
        const char *message;
    } cases[] = {
        {&emits_too_much, FLOW_ERANGE,
         "stage 'work': a record of 18446744073709551615 bytes was emitted; the most is 268435456"},
        {&reserves_too_much, FLOW_ERANGE,
         "stage 'work': a record of 268435457 bytes was emitted; the most is 268435456"},
        {&emits_elsewhere, FLOW_EINVAL, "stage 'work': emits on port 1, but has 1"},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct hand *h = graph_of(cases[c].type);
        struct group_run run;

        assert_int_equal(group_run(&run, h), cases[c].status);

        assert_string_equal(run.error.text, cases[c].message);
        finish(&run, h);
    }
}

TEST(a_consumer_cannot_emit)
{
    struct hand *h = hand_new();
    (void)hand_edge(h, hand_stage(h, "source", &group_source, 1),
                    hand_stage(h, "work", &emits_at_the_end, 1));
    struct group_run run;

    assert_int_equal(group_run(&run, h), FLOW_EINVAL);

    assert_string_equal(run.error.text, "stage 'work': emits on port 0, but has 0");
    finish(&run, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_keep_their_order_whichever_way_they_are_emitted, set_up),
        cmocka_unit_test_setup(a_writer_emits_batches_of_records_of_any_size_in_order, set_up),
        cmocka_unit_test_setup(a_refused_record_leaves_nothing_whichever_way_it_was_emitted,
                               set_up),
        cmocka_unit_test_setup(what_emits_nothing_is_counted_as_filtered, set_up),
        cmocka_unit_test_setup(a_filter_that_drops_few_keeps_the_rest_in_order, set_up),
        cmocka_unit_test_setup(what_goes_to_a_port_that_nothing_reads_is_counted_and_not_kept,
                               set_up),
        cmocka_unit_test_setup(each_port_has_an_open_batch_of_its_own, set_up),
        cmocka_unit_test_setup(empty_records_fill_batches_too, set_up),
        cmocka_unit_test_setup(what_cannot_be_emitted_ends_the_run, set_up),
        cmocka_unit_test_setup(a_consumer_cannot_emit, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
