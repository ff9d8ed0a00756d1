/* SPDX-License-Identifier: MIT */
#include "record/builder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

static struct flow_builder builder_of(struct flow_pool *pool)
{
    return (struct flow_builder){.pool = pool, .target = 4096, .most = 1000};
}

static void add(struct flow_builder *builder, const char *text, const char *key)
{
    const size_t key_size = key != NULL ? strlen(key) : 0;
    uint8_t *at = flow_builder_reserve(builder, strlen(text), key_size);
    assert_non_null(at);
    memcpy(at, text, strlen(text));
    flow_builder_commit(builder, strlen(text), key, key_size);
}

static void assert_record(const struct flow_block *block, uint32_t i, const char *text,
                          const char *key)
{
    const struct flow_batch view = flow_block_view(block, i, 1);
    const struct flow_record record = flow_batch_record(&view, 0);
    assert_int_equal(record.size, strlen(text));
    assert_memory_equal(record.data, text, record.size);
    if (key == NULL) {
        assert_null(record.key);
        return;
    }
    assert_int_equal(record.key_size, strlen(key));
    assert_memory_equal(record.key, key, record.key_size);
}

TEST(records_read_back_as_they_were_written)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "one", NULL);
    add(&builder, "", NULL);
    add(&builder, "three", NULL);

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);

    assert_int_equal(count, 3);
    assert_int_equal(block->size, 8);
    assert_record(block, 0, "one", NULL);
    assert_record(block, 1, "", NULL);
    assert_record(block, 2, "three", NULL);
    assert_int_equal(flow_block_span(block, 1, 2), 5);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_key_may_come_late_and_stays_with_its_record)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "plain", NULL);
    add(&builder, "keyed", "k");
    add(&builder, "again", NULL);

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);

    assert_true(block->keyed);
    assert_record(block, 0, "plain", NULL);
    assert_record(block, 1, "keyed", "k");
    assert_record(block, 2, "again", NULL);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_batch_is_full_by_bytes_or_by_records)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';

    uint32_t added = 0;
    for (; flow_builder_fits(&builder, 100, 0); added++)
        add(&builder, text, NULL);
    assert_int_equal(added, 4096 / 104);
    flow_builder_clear(&builder);

    builder.most = 7;
    for (added = 0; flow_builder_fits(&builder, 0, 0); added++)
        add(&builder, "", NULL);
    assert_int_equal(added, 7);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_huge_record_gets_a_block_of_its_own)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    const size_t size = 1000000;
    char *text = calloc(1, size + 1);
    memset(text, 'y', size);
    add(&builder, text, "key");
    assert_false(flow_builder_fits(&builder, 1, 0));

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);

    assert_int_equal(count, 1);
    assert_record(block, 0, text, "key");
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
    free(text);
}

TEST(a_small_batch_moves_into_a_small_block)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "tiny", NULL);

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);

    assert_int_equal(block->capacity, 256);
    assert_int_equal(builder.block->capacity, 4096);
    assert_record(block, 0, "tiny", NULL);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_withdrawn_record_leaves_those_before_it)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "good", NULL);
    flow_builder_mark(&builder, 5);
    add(&builder, "bad", "with a key");
    flow_builder_mark(&builder, 5); /* the same record again: the first mark counts */
    add(&builder, "worse", NULL);

    uint64_t bytes = 0;
    flow_builder_rollback(&builder, 4, &bytes); /* another record's: nothing happens */
    assert_int_equal(flow_builder_count(&builder), 3);
    assert_int_equal(bytes, 0);
    flow_builder_rollback(&builder, 5, &bytes);
    assert_int_equal(bytes, 8); /* without the key */

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);
    assert_int_equal(count, 1);
    assert_record(block, 0, "good", NULL);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_seal_within_a_record_cuts_before_it)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "before", "k0");
    flow_builder_mark(&builder, 9);
    add(&builder, "during", "k1");
    add(&builder, "still", NULL);

    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 9, &count);

    assert_int_equal(count, 1);
    assert_record(block, 0, "before", "k0");
    flow_block_unref(block);
    assert_int_equal(flow_builder_count(&builder), 2);
    add(&builder, "more", NULL);
    block = flow_builder_seal(&builder, 0, &count);
    assert_int_equal(count, 3);
    assert_record(block, 0, "during", "k1");
    assert_record(block, 2, "more", NULL);
    flow_block_unref(block);

    add(&builder, "next", NULL);
    flow_builder_mark(&builder, 10);
    add(&builder, "gone", NULL);
    uint64_t bytes = 0;
    assert_int_equal(flow_builder_rollback(&builder, 10, &bytes), 1);
    assert_int_equal(bytes, 4);
    assert_int_equal(flow_builder_count(&builder), 1);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_part_of_a_block_can_be_copied)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    add(&builder, "zero", "a");
    add(&builder, "one", "bb");
    add(&builder, "two", NULL);
    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 0, &count);

    struct flow_block *part = flow_block_copy(pool, block, 1, 2);

    assert_int_equal(part->count, 2);
    assert_record(part, 0, "one", "bb");
    assert_record(part, 1, "two", NULL);
    flow_block_unref(part);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

static void write_plain(struct flow_builder *builder, uint64_t in_hand, const char *text)
{
    assert_true(flow_room_fits_(&builder->room, strlen(text)));
    memcpy(builder->room.at, text, strlen(text));
    flow_room_add_(&builder->room, in_hand, strlen(text));
}

TEST(what_a_stage_writes_to_the_room_is_a_record_of_the_builder)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    builder.direct = true;
    assert_false(flow_room_fits_(&builder.room, 0)); /* nothing is open */
    add(&builder, "first", NULL);
    write_plain(&builder, 0, "second");
    write_plain(&builder, 7, "third");
    write_plain(&builder, 7, "");
    assert_int_equal(flow_builder_uncounted(&builder), 3);
    assert_int_equal(flow_builder_count(&builder), 4);

    uint64_t bytes = 0;
    assert_int_equal(flow_builder_rollback(&builder, 7, &bytes), 2);
    assert_int_equal(bytes, 5);
    flow_builder_bar(&builder);
    assert_false(flow_room_fits_(&builder.room, 0));
    flow_builder_unbar(&builder);
    write_plain(&builder, 8, "fourth");
    uint32_t count = 0;
    struct flow_block *block = flow_builder_seal(&builder, 8, &count);

    assert_int_equal(count, 2);
    assert_record(block, 0, "first", NULL);
    assert_record(block, 1, "second", NULL);
    flow_block_unref(block);
    block = flow_builder_seal(&builder, 0, &count);
    assert_int_equal(count, 1);
    assert_record(block, 0, "fourth", NULL);
    flow_block_unref(block);
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_room_is_closed_when_the_batch_is_full_or_has_keys)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = builder_of(pool);
    builder.direct = true;
    add(&builder, "first", NULL);
    size_t written = 1;
    for (; flow_room_fits_(&builder.room, 100); written++) {
        memset(builder.room.at, 'x', 100);
        flow_room_add_(&builder.room, 0, 100);
    }
    assert_int_equal(written, 1 + (4096 - 12) / 104);
    assert_false(flow_builder_fits(&builder, 100, 0));
    assert_false(flow_room_fits_(&builder.room, SIZE_MAX));
    assert_false(flow_room_fits_(&builder.room, SIZE_MAX - 3));
    flow_builder_clear(&builder);

    builder.most = 3;
    add(&builder, "", NULL);
    for (written = 1; flow_room_fits_(&builder.room, 0); written++)
        flow_room_add_(&builder.room, 0, 0);
    assert_int_equal(written, 3);
    flow_builder_clear(&builder);

    add(&builder, "text", "key");
    assert_false(flow_room_fits_(&builder.room, 1));
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

TEST(a_run_of_records_is_added_as_far_as_it_fits)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder from = builder_of(pool);
    char text[8];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        add(&from, text, i % 3 == 0 ? "k" : NULL);
    }
    uint32_t count = 0;
    struct flow_block *keyed = flow_builder_seal(&from, 0, &count);
    struct flow_builder to = builder_of(pool);
    to.most = 50;

    assert_int_equal(flow_builder_add_run(&to, keyed, 10, 90), 0); /* nothing is open */
    add(&to, "start", NULL);
    assert_int_equal(flow_builder_add_run(&to, keyed, 10, 90), 0); /* it has no keys yet */
    add(&to, "", "key");
    assert_int_equal(flow_builder_add_run(&to, keyed, 10, 90), 48);

    struct flow_block *block = flow_builder_seal(&to, 0, &count);
    assert_int_equal(count, 50);
    for (uint32_t i = 0; i < 48; i++) {
        (void)snprintf(text, sizeof(text), "%u", i + 10);
        assert_record(block, i + 2, text, (i + 10) % 3 == 0 ? "k" : NULL);
    }
    flow_block_unref(block);
    flow_block_unref(keyed);
    flow_builder_clear(&from);
    flow_builder_clear(&to);
    flow_pool_free(pool);
}

TEST(a_walk_meets_every_record_of_a_part)
{
    struct flow_pool *pool = flow_pool_new();
    for (int keys = 0; keys < 2; keys++) {
        struct flow_builder builder = builder_of(pool);
        char text[8];
        for (int i = 0; i < 20; i++) {
            (void)snprintf(text, sizeof(text), "%d", i);
            add(&builder, text, keys == 1 && i % 2 == 0 ? "k" : NULL);
        }
        uint32_t count = 0;
        struct flow_block *block = flow_builder_seal(&builder, 0, &count);
        for (uint32_t first = 0; first < 20; first += 5) {
            struct flow_batch view = flow_block_view(block, first, 20 - first);
            view.number = 1000;
            view.port = 3;
            uint32_t i = 0;
            for (struct flow_cursor c = flow_batch_begin(&view); flow_batch_next(&c); i++) {
                const struct flow_record same = flow_batch_record(&view, i);
                assert_ptr_equal(c.record.data, same.data);
                assert_int_equal(c.record.size, same.size);
                assert_ptr_equal(c.record.key, same.key);
                assert_int_equal(c.record.key_size, same.key_size);
                assert_int_equal(c.record.number, 1000 + i);
                assert_int_equal(c.record.port, 3);
            }
            assert_int_equal(i, 20 - first);
        }
        flow_block_unref(block);
        flow_builder_clear(&builder);
    }
    flow_pool_free(pool);
}

TEST(a_block_is_its_readers_own_when_it_has_one_and_is_writable)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_block *block = flow_pool_take(pool, 100);
    assert_true(flow_block_is_own(block));

    (void)flow_block_ref(block); /* as an edge does that holds it until it is acknowledged */
    assert_false(flow_block_is_own(block));
    flow_block_unref(block);
    assert_true(flow_block_is_own(block));

    block->writable = false; /* as memory that others have mapped */
    assert_false(flow_block_is_own(block));
    block->writable = true;
    flow_block_unref(block);
    flow_pool_free(pool);
}

struct returning {
    struct flow_block *blocks[100];
};

static void *return_all(void *context)
{
    struct returning *returning = context;
    for (size_t i = 0; i < 100; i++)
        flow_block_unref(returning->blocks[i]);
    return NULL;
}

TEST(blocks_come_back_from_other_threads_and_are_used_again)
{
    struct flow_pool *pool = flow_pool_new();
    struct returning returning[2];
    struct flow_block *first = NULL;
    for (int round = 0; round < 50; round++) {
        pthread_t threads[2];
        for (size_t t = 0; t < 2; t++) {
            for (size_t i = 0; i < 100; i++)
                assert_non_null(returning[t].blocks[i] = flow_pool_take(pool, 1000));
        }
        if (round == 0)
            first = returning[0].blocks[0];
        for (size_t t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, return_all, &returning[t]), 0);
        for (size_t t = 0; t < 2; t++)
            assert_int_equal(pthread_join(threads[t], NULL), 0);
    }

    bool seen = false;
    struct flow_block *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = flow_pool_take(pool, 1000);
        seen = seen || blocks[i] == first;
    }
    assert_true(seen);
    for (size_t i = 0; i < 200; i++)
        flow_block_unref(blocks[i]);
    flow_pool_free(pool);
}

TEST(a_block_beyond_the_largest_record_is_refused)
{
    struct flow_pool *pool = flow_pool_new();
    assert_null(flow_pool_take(pool, FLOW_RECORD_MAX * 2 + 1));
    flow_pool_free(pool);
}

TEST(the_largest_record_has_room)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_builder builder = {.pool = pool, .target = 65536, .most = 8192};

    assert_non_null(flow_builder_reserve(&builder, FLOW_RECORD_MAX, 0));

    assert_true(flow_builder_holds(&builder, FLOW_RECORD_MAX, 0));
    flow_builder_clear(&builder);
    flow_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_read_back_as_they_were_written),
        cmocka_unit_test(a_key_may_come_late_and_stays_with_its_record),
        cmocka_unit_test(a_batch_is_full_by_bytes_or_by_records),
        cmocka_unit_test(a_huge_record_gets_a_block_of_its_own),
        cmocka_unit_test(a_small_batch_moves_into_a_small_block),
        cmocka_unit_test(a_withdrawn_record_leaves_those_before_it),
        cmocka_unit_test(a_seal_within_a_record_cuts_before_it),
        cmocka_unit_test(a_part_of_a_block_can_be_copied),
        cmocka_unit_test(what_a_stage_writes_to_the_room_is_a_record_of_the_builder),
        cmocka_unit_test(a_room_is_closed_when_the_batch_is_full_or_has_keys),
        cmocka_unit_test(a_run_of_records_is_added_as_far_as_it_fits),
        cmocka_unit_test(a_walk_meets_every_record_of_a_part),
        cmocka_unit_test(a_block_is_its_readers_own_when_it_has_one_and_is_writable),
        cmocka_unit_test(blocks_come_back_from_other_threads_and_are_used_again),
        cmocka_unit_test(a_block_beyond_the_largest_record_is_refused),
        cmocka_unit_test(the_largest_record_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
