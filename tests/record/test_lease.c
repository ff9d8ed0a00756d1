/* SPDX-License-Identifier: MIT */
#include "record/frame.h"

#include <stdlib.h>
#include <string.h>

#include "record/arena.h"
#include "record/builder.h"
#include "support/check.h"

/* Batches that are lent: what travels is where they lie, and none of it is believed. */

#define RUN 77
#define LINK 1
#define ARENA ((uint64_t)256 << 10)

struct fixture {
    struct flow_memory memory;
    struct flow_wire wire;
    struct flow_pool *pool;
    struct flow_block *block; /* 5000 records of 8 bytes; with keys, "key" behind each */
    struct flow_block lent;   /* what flow_frame_write_lease is told of it */
    struct flow_message message;
    uint8_t frame[FLOW_FRAME_LEASE];
};

static void write_frame(struct fixture *f, uint32_t first, uint32_t count)
{
    f->lent = (struct flow_block){
        .keyed = f->block->keyed,
        .count = count,
        .size = flow_block_span(f->block, first, count),
        .lease = {.data = f->block->data,
                  .top = f->block->top,
                  .first = first,
                  .tag = 41,
                  .slot = flow_memory_slots(&f->memory, LINK) + 7},
    };
    f->message = (struct flow_message){
        .kind = FLOW_MESSAGE_BATCH, .link = LINK, .sequence = 3, .batch = {NULL, 99}};
    flow_frame_write_lease(&f->message, &f->wire, &f->lent, f->frame);
}

static void set_up(struct fixture *f, bool keyed)
{
    const struct flow_memory_size size = {.links = 2, .arena_bytes = ARENA};
    assert_int_equal(flow_memory_new(&size, &f->memory, NULL), FLOW_OK);
    f->wire = (struct flow_wire){.run_id = RUN, .memory = &f->memory};
    f->pool = flow_pool_new();
    flow_pool_use_arena(f->pool, flow_arena_new(&f->memory, 0, ARENA, NULL));
    struct flow_builder builder = {.pool = f->pool, .target = 131072, .most = 10000};
    for (uint64_t i = 0; i < 5000; i++) {
        memcpy(flow_builder_reserve(&builder, sizeof(i), keyed ? 3 : 0), &i, sizeof(i));
        flow_builder_commit(&builder, sizeof(i), "key", keyed ? 3 : 0);
    }
    uint32_t count = 0;
    f->block = flow_builder_seal(&builder, 0, &count);
    flow_builder_clear(&builder);
    assert_true(f->block->shared);
    write_frame(f, 0, 5000);
}

static void tear_down(struct fixture *f)
{
    flow_block_unref(f->block);
    flow_pool_free(f->pool);
    flow_memory_close(&f->memory);
}

/* As a reader does: the frame, then the column into memory of its own, exactly as large. */
static enum flow_status read_lease(const struct fixture *f, struct flow_block *view,
                                   uint8_t **column, struct flow_error *err)
{
    struct flow_message message;
    *view = (struct flow_block){0};
    *column = NULL;
    enum flow_status rc =
        flow_frame_read(f->frame, sizeof(f->frame), &f->wire, &message, view, err);
    if (rc != FLOW_OK)
        return rc;
    const size_t size = flow_frame_column(view);
    *column = malloc(size);
    return flow_frame_copy_column(view, &f->memory, *column + size, err);
}

static void assert_records(const struct flow_block *view, uint64_t first)
{
    const struct flow_batch batch = flow_block_view(view, 0, view->count);
    for (uint32_t i = 0; i < view->count; i++) {
        const struct flow_record record = flow_batch_record(&batch, i);
        uint64_t value;
        assert_int_equal(record.size, sizeof(value));
        memcpy(&value, record.data, sizeof(value));
        assert_int_equal(value, first + i);
        assert_int_equal(record.key_size, view->keyed ? 3 : 0);
        assert_true(!view->keyed || memcmp(record.key, "key", 3) == 0);
    }
}

TEST(whole_batches_and_parts_of_them_are_read_where_they_lie)
{
    static const uint32_t parts[][2] = {{0, 5000}, {0, 1}, {1, 4999}, {4999, 1}, {1000, 2000}};
    for (size_t i = 0; i < 2 * COUNT(parts); i++) {
        struct fixture f;
        struct flow_block view;
        uint8_t *column;
        set_up(&f, i % 2 == 1);
        const uint32_t first = parts[i / 2][0];
        write_frame(&f, first, parts[i / 2][1]);

        assert_int_equal(read_lease(&f, &view, &column, NULL), FLOW_OK);

        assert_int_equal(view.count, parts[i / 2][1]);
        assert_int_equal(view.lease.tag, 41);
        assert_ptr_equal(view.lease.slot, f.lent.lease.slot);
        assert_ptr_equal(view.data, f.block->data + first * (view.keyed ? 11u : 8u));
        assert_records(&view, first);
        free(column);
        tear_down(&f);
    }
}

static void poke(struct fixture *f, size_t at, uint64_t value, size_t size)
{
    memcpy(f->frame + at, &value, size);
    uint32_t sum = 2166136261u; /* the header's checksum, which a liar can compute too */
    for (size_t i = 0; i < 60; i++)
        sum = (sum ^ f->frame[i]) * 16777619u;
    memcpy(f->frame + 60, &sum, sizeof(sum));
}

TEST(a_lease_that_points_elsewhere_is_refused)
{
    static const char outside[] = "do not lie in the run's shared memory";
    static const struct {
        size_t at;
        uint64_t value;
        size_t size;
        const char *text;
    } cases[] = {
        {64, 0, 8, outside}, /* the slots are no data */
        {64, UINT64_MAX, 8, outside},
        {64, 65536 + ARENA, 8, outside},
        {64, 65536 + ARENA - 39999, 8, outside}, /* its last byte is one too far */
        {40, 0xffffffff, 4, outside},
        {72, 0, 8, outside},
        {72, 65536 + 5000 * 4 - 4, 8, outside}, /* the column begins before the arenas */
        {72, 65536 + ARENA + 4, 8, outside},
        {72, 65536 + 40001, 8, outside}, /* no word begins there */
        {72, UINT64_MAX - 3, 8, outside},
        {80, 16384 - 4999, 4, "at most 16384 are possible"},
        {80, 0xffffffff, 4, "at most 16384 are possible"},
        {12, 16385, 4, "at most 16384 are possible"},
        {84, FLOW_SLOTS, 4, "lends by slot 64 of link 1"},
        {8, 2, 4, "lends by slot 7 of link 2"},
        {8, 0xffffffff, 4, "lends by slot 7 of link 4294967295"},
        {92, 1, 4, "which is none"},
        {44, 64, 4, "says that it has 64"},
        {12, 0, 4, "a frame without records has 96 bytes"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        struct flow_block view;
        uint8_t *column;
        struct flow_error err = {0};
        set_up(&f, false);
        poke(&f, cases[i].at, cases[i].value, cases[i].size);

        assert_int_equal(read_lease(&f, &view, &column, &err), FLOW_EPROTO);

        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("case %zu: '%s' does not say '%s'", i, err.text, cases[i].text);
        free(column);
        tear_down(&f);
    }
}

TEST(a_lease_in_a_run_that_lends_nothing_is_refused)
{
    struct fixture f;
    struct flow_block view;
    uint8_t *column;
    struct flow_error err = {0};
    set_up(&f, false);
    f.wire.memory = NULL;

    assert_int_equal(read_lease(&f, &view, &column, &err), FLOW_EPROTO);

    assert_string_equal(err.text, "a frame of 96 bytes lends what it cannot");
    tear_down(&f);
}

static void put_word(struct fixture *f, size_t word, uint32_t value)
{
    memcpy((uint8_t *)f->block->frame + (f->block->top - f->block->frame) - (word + 1) * 4, &value,
           4);
}

TEST(a_column_that_lies_is_refused)
{
    static const struct {
        size_t word;
        uint32_t value;
        bool keyed;
        uint32_t first;
    } cases[] = {
        {0, 0xffffffff, false, 0},  /* the next one ends before it */
        {1, 0, false, 0},           /* this one does */
        {4999, 40001, false, 0},    /* one byte more than was said */
        {9, 0xfffffff0, false, 10}, /* where a part begins */
        {9, 200000, false, 10},     /* ... inside the memory, but behind its own end */
        {1, 12, true, 0},           /* a key larger than its record */
        {3, 0xffffffff, true, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        struct flow_block view;
        uint8_t *column;
        struct flow_error err = {0};
        set_up(&f, cases[i].keyed);
        write_frame(&f, cases[i].first, 5000 - cases[i].first);
        put_word(&f, cases[i].word, cases[i].value);

        if (read_lease(&f, &view, &column, &err) != FLOW_EPROTO)
            fail_msg("case %zu was believed", i);
        assert_string_equal(err.text, "a frame's record ends are out of order");
        free(column);
        tear_down(&f);
    }
}

TEST(what_the_writer_changes_after_the_check_changes_no_end)
{
    struct fixture f;
    struct flow_block view;
    uint8_t *column;
    set_up(&f, true);
    assert_int_equal(read_lease(&f, &view, &column, NULL), FLOW_OK);

    for (size_t word = 0; word < 10000; word++)
        put_word(&f, word, 0xfffffff0);

    assert_records(&view, 0);
    free(column);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_batches_and_parts_of_them_are_read_where_they_lie),
        cmocka_unit_test(a_lease_that_points_elsewhere_is_refused),
        cmocka_unit_test(a_lease_in_a_run_that_lends_nothing_is_refused),
        cmocka_unit_test(a_column_that_lies_is_refused),
        cmocka_unit_test(what_the_writer_changes_after_the_check_changes_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
