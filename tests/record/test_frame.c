/* SPDX-License-Identifier: MIT */
#include "record/frame.h"

#include <stdlib.h>
#include <string.h>

#include "record/builder.h"
#include "support/check.h"

#define RUN 0x1122334455667788u

static const struct flow_wire wire = {.run_id = RUN};

struct made {
    struct flow_pool *pool;
    struct flow_block *block;
    size_t size;
};

/* A frame with the records "aa" (key "k") and "bbb". */
static struct made make_frame(void)
{
    struct made made = {.pool = flow_pool_new()};
    struct flow_builder builder = {.pool = made.pool, .target = 4096, .most = 100, .compact = true};
    memcpy(flow_builder_reserve(&builder, 2, 1), "aa", 2);
    flow_builder_commit(&builder, 2, "k", 1);
    memcpy(flow_builder_reserve(&builder, 3, 0), "bbb", 3);
    flow_builder_commit(&builder, 3, NULL, 0);
    uint32_t count = 0;
    made.block = flow_builder_seal(&builder, 0, &count);
    flow_builder_clear(&builder);

    const struct flow_message message = {.kind = FLOW_MESSAGE_BATCH,
                                         .flags = FLOW_MESSAGE_LAST,
                                         .count = 2,
                                         .link = 7,
                                         .sequence = 9,
                                         .batch = {made.block, 1234567890123}};
    made.size = flow_frame_seal(&message, &wire);
    return made;
}

static void clear(struct made *made)
{
    flow_block_unref(made->block);
    flow_pool_free(made->pool);
}

TEST(a_batch_reads_back_from_its_frame)
{
    struct made made = make_frame();
    struct flow_message message;
    struct flow_block view = {0};

    assert_int_equal(made.size, 64 + 8 + 16);
    assert_int_equal(flow_frame_read(made.block->frame, made.size, &wire, &message, &view, NULL),
                     FLOW_OK);

    assert_int_equal(message.kind, FLOW_MESSAGE_BATCH);
    assert_int_equal(message.flags, FLOW_MESSAGE_LAST);
    assert_int_equal(message.link, 7);
    assert_int_equal(message.sequence, 9);
    assert_int_equal(message.batch.number, 1234567890123);
    assert_int_equal(view.count, 2);
    const struct flow_batch batch = flow_block_view(&view, 0, 2);
    const struct flow_record first = flow_batch_record(&batch, 0);
    assert_memory_equal(first.data, "aa", 2);
    assert_memory_equal(first.key, "k", 1);
    const struct flow_record second = flow_batch_record(&batch, 1);
    assert_memory_equal(second.data, "bbb", 3);
    assert_null(second.key);
    clear(&made);
}

TEST(credits_and_ends_read_back_from_theirs)
{
    uint8_t frame[FLOW_FRAME_HEADER];
    struct flow_message message;
    struct flow_block view = {0};
    const struct flow_message credit = {
        .kind = FLOW_MESSAGE_CREDIT, .link = 3, .credit = {10, 9, 8, 77}};
    flow_frame_write(&credit, &wire, frame);
    assert_int_equal(flow_frame_read(frame, sizeof(frame), &wire, &message, &view, NULL), FLOW_OK);
    assert_int_equal(message.credit.received, 10);
    assert_int_equal(message.credit.done, 9);
    assert_int_equal(message.credit.acked, 8);
    assert_int_equal(message.credit.cost_ns, 77);

    const struct flow_message end = {
        .kind = FLOW_MESSAGE_END, .link = 3, .sequence = 5, .batch = {NULL, 1u << 20}};
    flow_frame_write(&end, &wire, frame);
    assert_int_equal(flow_frame_read(frame, sizeof(frame), &wire, &message, &view, NULL), FLOW_OK);
    assert_int_equal(message.kind, FLOW_MESSAGE_END);
    assert_int_equal(message.sequence, 5);
    assert_int_equal(message.batch.number, 1u << 20);
}

/* The header's checksum, as an attacker would mend it. */
static void mend(uint8_t *frame)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < 60; i++)
        sum = (sum ^ frame[i]) * 16777619u;
    memcpy(frame + 60, &sum, sizeof(sum));
}

static void put32(uint8_t *frame, size_t at, uint32_t value)
{
    memcpy(frame + at, &value, sizeof(value));
}

TEST(a_frame_that_lies_is_refused_with_the_reason)
{
    static const struct {
        size_t at;
        uint32_t value;
        bool mended;
        const char *text;
    } cases[] = {
        {0, 0x12345678, true, "a frame starts with 12345678 instead of 31524c46"},
        {4, 0x01000002, true, "a frame has version 2, this program speaks 1"},
        {8, 99, false, "a frame's header has a wrong checksum"},
        {16, 1, true, "a frame belongs to another run"},
        {44, 1000, true, "a frame of 88 bytes says that it has 1000"},
        {4, 0x01090001, true, "a frame has the unknown kind 9"},
        {4, 0x20010001, true, "a frame of kind 1 has the flags 20"},
        {4, 0x80030001, true, "a frame of kind 3 has the flags 80"},
        {28, 1, true, "a frame's sequence number has more than 32 bits"},
        {48, 1, true, "a frame uses reserved fields of its header"},
        {56, 1, true, "a frame uses reserved fields of its header"},
        {12, 20000, true, "a frame has 20000 records, at most 16384 are possible"},
        {12, 3, true, "a frame of 88 bytes cannot hold 3 records with 6 bytes of data"},
        {40, 0xffffffff, true,
         "a frame of 88 bytes cannot hold 2 records with 4294967295 bytes of data"},
        {12, 0, true, "a frame without records has 88 bytes"},
        {84, 7, true, "a frame's record ends are out of order"}, /* record 0 ends past record 1 */
        {80, 9, true, "a frame's record ends are out of order"}, /* its key is longer than it */
        {76, 4, true, "a frame's record ends are out of order"}, /* the last end is not the size */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct made made = make_frame();
        put32(made.block->frame, cases[i].at, cases[i].value);
        if (cases[i].mended)
            mend(made.block->frame);
        struct flow_message message;
        struct flow_block view = {0};
        struct flow_error err = {0};
        assert_int_equal(
            flow_frame_read(made.block->frame, made.size, &wire, &message, &view, &err),
            FLOW_EPROTO);
        assert_string_equal(err.text, cases[i].text);
        clear(&made);
    }
}

TEST(a_frame_cut_anywhere_is_refused)
{
    struct made made = make_frame();
    for (size_t size = 0; size < made.size; size++) {
        struct flow_message message;
        struct flow_block view = {0};
        uint8_t *cut = malloc(size + 1); /* so that a sanitizer sees reads past its end */
        memcpy(cut, made.block->frame, size);
        assert_int_equal(flow_frame_read(cut, size, &wire, &message, &view, NULL), FLOW_EPROTO);
        free(cut);
    }
    clear(&made);
}

TEST(numbers_expand_around_what_is_near)
{
    assert_int_equal(flow_sequence_expand(0, 5), 5);
    assert_int_equal(flow_sequence_expand(0xfffffffeu, 1), 0x100000001u);
    assert_int_equal(flow_sequence_expand(0x100000001u, 0xfffffffe), 0xfffffffeu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_reads_back_from_its_frame),
        cmocka_unit_test(credits_and_ends_read_back_from_theirs),
        cmocka_unit_test(a_frame_that_lies_is_refused_with_the_reason),
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(numbers_expand_around_what_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
