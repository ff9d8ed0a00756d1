/* SPDX-License-Identifier: MIT */
#include "record/builder.h"

#include <assert.h>
#include <string.h>

#define WORD sizeof(uint32_t)
#define SHRINK_BELOW 2 /* a batch that fills at most 1/2 of its block moves into a smaller one */

static size_t word_aligned(size_t size)
{
    return (size + WORD - 1) & ~(WORD - 1);
}

static size_t column_size(size_t count, bool keyed)
{
    return count * WORD * (keyed ? 2 : 1);
}

static void put_word(uint8_t *top, size_t i, size_t value)
{
    const uint32_t word = (uint32_t)value;
    memcpy(top - (i + 1) * WORD, &word, WORD);
}

static uint8_t *data_of(const struct flow_block *block)
{
    return block->frame + FLOW_FRAME_HEADER;
}

/* The end of the memory, where columns start while a block is being filled. */
static uint8_t *end_of(const struct flow_block *block)
{
    return data_of(block) + block->capacity;
}

bool flow_builder_fits(const struct flow_builder *builder, size_t size, size_t key_size)
{
    if (builder->block == NULL || builder->count == 0)
        return true;

    const bool keyed = builder->keyed || key_size > 0;
    const size_t needed = word_aligned(builder->used + size + key_size) +
                          column_size((size_t)builder->count + 1, keyed);
    return needed <= builder->target && needed <= builder->block->capacity &&
           builder->count < builder->most;
}

bool flow_builder_holds(const struct flow_builder *builder, size_t size, size_t key_size)
{
    const bool keyed = builder->keyed || key_size > 0;
    return builder->block != NULL && word_aligned(builder->used + size + key_size) +
                                             column_size((size_t)builder->count + 1, keyed) <=
                                         builder->block->capacity;
}

uint8_t *flow_builder_reserved(const struct flow_builder *builder)
{
    return builder->block != NULL ? data_of(builder->block) + builder->used : NULL;
}

/* Give the column room for key sizes; those so far are 0. */
static void start_keys(struct flow_builder *builder)
{
    if (builder->block != NULL) {
        uint8_t *top = end_of(builder->block);
        for (uint32_t i = builder->count; i-- > 0;) {
            const uint32_t end = flow_column_(top, i);
            put_word(top, (size_t)i * 2, end);
            put_word(top, (size_t)i * 2 + 1, 0);
        }
    }
    builder->keyed = true;
}

static bool open_block(struct flow_builder *builder, size_t needed)
{
    struct flow_block *block = builder->block;
    if (block != NULL && block->capacity >= needed)
        return true;

    flow_block_unref(block); /* it is empty, and too small for a huge record */
    builder->block =
        flow_pool_take(builder->pool, needed > builder->target ? needed : builder->target);
    builder->used = 0;
    builder->count = 0;
    return builder->block != NULL;
}

uint8_t *flow_builder_reserve(struct flow_builder *builder, size_t size, size_t key_size)
{
    if (key_size > 0 && !builder->keyed)
        start_keys(builder);
    if (builder->block == NULL || builder->count == 0) {
        const size_t needed = word_aligned(size + key_size) + column_size(1, true);
        if (!open_block(builder, needed))
            return NULL;
    }
    return data_of(builder->block) + builder->used;
}

void flow_builder_commit(struct flow_builder *builder, size_t size, const void *key,
                         size_t key_size)
{
    uint8_t *data = data_of(builder->block);
    uint8_t *top = end_of(builder->block);
    size_t end = builder->used + size;

    if (key_size > 0 && !builder->keyed)
        start_keys(builder);
    if (key_size > 0)
        memcpy(data + end, key, key_size);
    end += key_size;
    if (builder->keyed) {
        put_word(top, (size_t)builder->count * 2, end);
        put_word(top, (size_t)builder->count * 2 + 1, key_size);
    } else {
        put_word(top, builder->count, end);
    }
    builder->used = end;
    builder->count++;
}

uint32_t flow_builder_rollback(struct flow_builder *builder, uint64_t id)
{
    if (builder->block == NULL || builder->mark_id != id)
        return 0;
    const uint32_t withdrawn = builder->count - builder->mark_count;
    builder->used = builder->mark_used;
    builder->count = builder->mark_count;
    return withdrawn;
}

struct flow_block *flow_block_copy(struct flow_pool *pool, const struct flow_block *from,
                                   uint32_t first, uint32_t count)
{
    const size_t step = flow_block_step(from);
    const uint32_t start = first == 0 ? 0 : flow_column_(from->top, (first - 1u) * step);
    const size_t span = flow_block_span(from, first, count);
    const size_t column = column_size(count, from->keyed);
    struct flow_block *to = flow_pool_take(pool, word_aligned(span) + column);
    if (to == NULL)
        return NULL;

    uint8_t *data = data_of(to);
    uint8_t *top = data + word_aligned(span) + column;
    memcpy(data, from->data + start, span);
    if (first == 0) {
        memcpy(top - column, from->top - column, column);
    } else {
        for (size_t i = 0; i < count; i++) {
            put_word(top, i * step, flow_column_(from->top, (first + i) * step) - start);
            if (from->keyed)
                put_word(top, i * step + 1, flow_column_(from->top, (first + i) * step + 1));
        }
    }
    to->keyed = from->keyed;
    to->top = top;
    to->size = span;
    to->count = count;
    return to;
}

/* Fill in what readers need to know of the first `count` records of the open block. */
static void describe(const struct flow_builder *builder, uint32_t count, size_t used)
{
    struct flow_block *block = builder->block;
    block->keyed = builder->keyed;
    block->count = count;
    block->size = used;
    block->top = end_of(block);
}

/* Move the column down to the data, so that both can go out as one frame. */
static void close_gap(struct flow_block *block)
{
    const size_t column = column_size(block->count, block->keyed);
    uint8_t *top = data_of(block) + word_aligned(block->size) + column;
    memmove(top - column, block->top - column, column);
    block->top = top;
}

/* Keep the records from the mark on in a new open block. */
static bool keep_tail(struct flow_builder *builder, struct flow_builder *rest)
{
    const struct flow_block *block = builder->block;
    const struct flow_block whole = {.data = data_of(block),
                                     .top = end_of(block),
                                     .keyed = builder->keyed,
                                     .count = builder->count};
    const uint32_t tail = builder->count - builder->mark_count;

    *rest = *builder;
    rest->block = NULL;
    rest->count = 0;
    rest->used = 0;
    struct flow_batch view = flow_block_view(&whole, builder->mark_count, tail);
    const size_t needed = builder->used - builder->mark_used + column_size((size_t)tail + 1, true);
    if (!open_block(rest, needed))
        return false;
    for (uint32_t i = 0; i < tail; i++) {
        const struct flow_record record = flow_batch_record(&view, i);
        memcpy(data_of(rest->block) + rest->used, record.data, record.size);
        flow_builder_commit(rest, record.size, record.key, record.key_size);
    }
    rest->mark_used = 0;
    rest->mark_count = 0;
    return true;
}

struct flow_block *flow_builder_seal(struct flow_builder *builder, uint64_t id, uint32_t *count)
{
    *count = builder->block == NULL ? 0 : builder->count;
    if (*count == 0)
        return NULL;

    struct flow_builder rest = *builder;
    rest.block = NULL;
    rest.count = 0;
    rest.used = 0;
    uint32_t cut = builder->count;
    size_t used = builder->used;
    if (id != 0 && builder->mark_id == id && builder->mark_count > 0 &&
        builder->mark_count < builder->count) {
        cut = builder->mark_count;
        used = builder->mark_used;
        if (!keep_tail(builder, &rest))
            return NULL;
    } else if (builder->mark_id == id) {
        rest.mark_sent = rest.mark_sent || builder->mark_count < builder->count;
        rest.mark_used = 0;
        rest.mark_count = 0;
    }
    *count = cut;

    describe(builder, cut, used);
    struct flow_block *block = builder->block;
    const size_t filled = word_aligned(used) + column_size(cut, builder->keyed);
    if (filled * SHRINK_BELOW <= block->capacity) {
        struct flow_block *small = flow_block_copy(builder->pool, block, 0, cut);
        if (small == NULL) {
            flow_block_unref(rest.block);
            return NULL;
        }
        if (rest.block == NULL) { /* the large one goes on being filled */
            rest.block = block;
            block->keyed = false;
        } else {
            flow_block_unref(block);
        }
        block = small;
    } else if (builder->compact) {
        close_gap(block);
    }
    *builder = rest;
    return block;
}

void flow_builder_clear(struct flow_builder *builder)
{
    flow_block_unref(builder->block);
    builder->block = NULL;
    builder->used = 0;
    builder->count = 0;
}
