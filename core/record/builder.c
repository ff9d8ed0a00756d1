/* SPDX-License-Identifier: MIT */
#include "record/builder.h"

#include <assert.h>
#include <string.h>

#define WORD FLOW_WORD
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

static size_t used_of(const struct flow_builder *builder)
{
    return (size_t)(builder->room.at - builder->room.data);
}

/* What all records so far and one more take, column included. */
static size_t needed_for(const struct flow_builder *builder, size_t size, size_t key_size)
{
    const bool keyed = builder->keyed || key_size > 0;
    return word_aligned(used_of(builder) + size + key_size) +
           column_size((size_t)flow_builder_count(builder) + 1, keyed);
}

bool flow_builder_fits(const struct flow_builder *builder, size_t size, size_t key_size)
{
    const uint32_t count = flow_builder_count(builder);
    return count == 0 ||
           (count < builder->most && needed_for(builder, size, key_size) <= builder->target &&
            flow_builder_holds(builder, size, key_size));
}

bool flow_builder_holds(const struct flow_builder *builder, size_t size, size_t key_size)
{
    return builder->block != NULL &&
           needed_for(builder, size, key_size) <= (size_t)(builder->top - builder->room.data);
}

/* Give the column room for key sizes; those so far are 0. */
static void start_keys(struct flow_builder *builder)
{
    struct flow_room_ *room = &builder->room;
    uint8_t *top = builder->top;
    for (uint32_t i = flow_builder_count(builder); i-- > 0;) {
        const uint32_t end = flow_column_(top, i);
        put_word(top, (size_t)i * 2, end);
        put_word(top, (size_t)i * 2 + 1, 0);
    }
    if (top != NULL) {
        room->column = top - (top - room->column) * 2;
        room->mark_column = top - (top - room->mark_column) * 2;
    }
    builder->keyed = true;
}

/* Who may add the next record in the short way: nobody to a block that is empty or has a huge one.
 */
static void set_floor(struct flow_builder *builder)
{
    const size_t span = (size_t)(builder->top - builder->room.data);
    const size_t most = builder->most * flow_builder_step(builder);
    builder->lowest = builder->top;
    if (builder->room.column != builder->top && span <= builder->target)
        builder->lowest -= most < span ? most : span;
    flow_builder_unbar(builder);
    flow_builder_count_all(builder);
}

bool flow_builder_widen(struct flow_builder *builder, uint32_t limit)
{
    if (flow_builder_count(builder) < builder->most || builder->most >= limit)
        return false;
    builder->most = builder->most < limit / 2 ? builder->most * 2 : limit;
    set_floor(builder);
    return true;
}

/* Fill `block`, or nothing (NULL), from its beginning, `usable` bytes at most. */
static void start(struct flow_builder *builder, struct flow_block *block, size_t usable)
{
    uint8_t *data = block != NULL ? data_of(block) : NULL;
    uint8_t *top = block != NULL ? data + usable : NULL;
    builder->block = block;
    builder->top = top;
    builder->room.at = data;
    builder->room.data = data;
    builder->room.column = top;
    builder->room.mark_at = data;
    builder->room.mark_column = top;
    set_floor(builder);
}

/* An empty block with `needed` bytes: no more are used than the target says, unless it takes them.
 */
static bool open_block(struct flow_builder *builder, size_t needed)
{
    const size_t target = builder->target & ~(WORD - 1);
    struct flow_block *block = builder->block;
    if (block == NULL || block->capacity < needed || block->capacity < target) {
        flow_block_unref(block); /* it is empty, and too small for a huge record */
        block = flow_pool_take(builder->pool, needed > target ? needed : target);
    }
    start(builder, block, block == NULL || needed <= target ? target : block->capacity);
    return block != NULL;
}

uint8_t *flow_builder_reserve(struct flow_builder *builder, size_t size, size_t key_size)
{
    if (key_size > 0 && !builder->keyed)
        start_keys(builder);
    if (builder->room.column == builder->top) {
        const size_t needed = word_aligned(size + key_size) + column_size(1, true);
        if (!open_block(builder, needed))
            return NULL;
    }
    return builder->room.at;
}

void flow_builder_commit(struct flow_builder *builder, size_t size, const void *key,
                         size_t key_size)
{
    struct flow_room_ *room = &builder->room;
    if (key_size > 0 && !builder->keyed)
        start_keys(builder);
    room->at += size;
    if (key_size > 0)
        memcpy(room->at, key, key_size);
    room->at += key_size;
    put_word(room->column, 0, used_of(builder));
    if (builder->keyed)
        put_word(room->column, 1, key_size);
    room->column -= flow_builder_step(builder);
    set_floor(builder);
}

/* So many of the records fit, by bytes and by count; the ends of those are in the column then. */
static uint32_t add_ends(struct flow_builder *builder, const struct flow_block *block,
                         uint32_t first, uint32_t count)
{
    struct flow_room_ *room = &builder->room;
    const size_t step = flow_block_step(block);
    const uint32_t start = first == 0 ? 0 : flow_column_(block->top, (first - 1u) * step);
    const size_t used = used_of(builder);
    uint8_t *column = room->column;
    uint32_t i = 0;
    for (; i < count && column > builder->lowest; i++) {
        const size_t end = used + flow_column_(block->top, (first + i) * step) - start;
        uint8_t *next = column - flow_builder_step(builder);
        if (end > (size_t)(next - room->data))
            break;
        put_word(column, 0, end);
        if (builder->keyed)
            put_word(column, 1,
                     block->keyed ? flow_column_(block->top, (first + i) * step + 1) : 0);
        column = next;
    }
    room->column = column;
    return i;
}

uint32_t flow_builder_add_run(struct flow_builder *builder, const struct flow_block *block,
                              uint32_t first, uint32_t count)
{
    if (block->keyed && !builder->keyed)
        return 0; /* the caller adds one by one until one of them has a key */
    const uint32_t added = add_ends(builder, block, first, count);
    const size_t step = flow_block_step(block);
    const uint32_t start = first == 0 ? 0 : flow_column_(block->top, (first - 1u) * step);
    const size_t span = flow_block_span(block, first, added);
    if (span > 0) { /* there may be no block open */
        memcpy(builder->room.at, block->data + start, span);
        builder->room.at += span;
    }
    flow_builder_count_all(builder);
    return added;
}

uint32_t flow_builder_rollback(struct flow_builder *builder, uint64_t id, uint64_t *bytes)
{
    struct flow_room_ *room = &builder->room;
    if (builder->block == NULL || room->mark_id != id)
        return 0;
    const uint32_t before = flow_builder_count(builder);
    size_t keys = 0;
    for (uint8_t *at = room->column; builder->keyed && at < room->mark_column; at += 2 * WORD)
        keys += flow_column_(at + WORD, 0);
    *bytes += (size_t)(room->at - room->mark_at) - keys;
    room->at = room->mark_at;
    room->column = room->mark_column;
    set_floor(builder);
    return before - flow_builder_count(builder);
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

/* Fill in what readers need to know of the records of the open block up to `at` and `column`. */
static struct flow_block *describe(const struct flow_builder *builder, const uint8_t *at,
                                   const uint8_t *column)
{
    struct flow_block *block = builder->block;
    block->keyed = builder->keyed;
    block->count = (uint32_t)((size_t)(builder->top - column) / flow_builder_step(builder));
    block->size = (size_t)(at - builder->room.data);
    block->top = builder->top;
    return block;
}

/* Move the column down to the data, so that both can go out as one frame. */
static void close_gap(struct flow_block *block)
{
    const size_t column = column_size(block->count, block->keyed);
    uint8_t *top = data_of(block) + word_aligned(block->size) + column;
    memmove(top - column, block->top - column, column);
    block->top = top;
}

/* Copy the records from the mark on to a new open block of `rest`. */
static bool keep_tail(const struct flow_builder *builder, struct flow_builder *rest)
{
    const struct flow_room_ *room = &builder->room;
    const struct flow_block whole = {
        .data = room->data, .top = builder->top, .keyed = builder->keyed};
    const uint32_t first =
        (uint32_t)((size_t)(builder->top - room->mark_column) / flow_builder_step(builder));
    const uint32_t tail = flow_builder_count(builder) - first;
    const size_t needed =
        (size_t)(room->at - room->mark_at) + column_size((size_t)tail + 1, true) + WORD;

    rest->block = NULL;
    if (!open_block(rest, needed))
        return false;
    const struct flow_batch view = flow_block_view(&whole, first, tail);
    for (struct flow_cursor c = flow_batch_begin(&view); flow_batch_next(&c);) {
        memcpy(rest->room.at, c.record.data, c.record.size);
        flow_builder_commit(rest, c.record.size, c.record.key, c.record.key_size);
    }
    return true;
}

/* The sealed block leaves `builder`, by way of a smaller one where it is mostly empty. */
static struct flow_block *hand_over(struct flow_builder *builder, struct flow_builder *rest,
                                    struct flow_block *block)
{
    const size_t filled = word_aligned(block->size) + column_size(block->count, block->keyed);
    if (filled * SHRINK_BELOW > block->capacity) {
        if (builder->compact && !(block->shared && filled >= FLOW_SHARE_MIN))
            close_gap(block); /* a batch that is lent is read where it lies, gap and all */
        return block;
    }
    struct flow_block *small = flow_block_copy(builder->pool, block, 0, block->count);
    if (small == NULL) {
        flow_block_unref(rest->block);
        return NULL;
    }
    if (rest->block == NULL) { /* the large one goes on being filled */
        block->keyed = false;
        start(rest, block, (size_t)(builder->top - builder->room.data));
    } else {
        flow_block_unref(block);
    }
    return small;
}

struct flow_block *flow_builder_seal(struct flow_builder *builder, uint64_t id, uint32_t *count)
{
    const struct flow_room_ *room = &builder->room;
    *count = flow_builder_count(builder);
    if (*count == 0)
        return NULL;

    const bool marked = id != 0 && room->mark_id == id && room->mark_column != room->column;
    const bool cuts = marked && room->mark_column != builder->top;
    struct flow_builder rest = *builder;
    if (!cuts)
        start(&rest, NULL, 0);
    else if (!keep_tail(builder, &rest))
        return NULL;
    if (marked && !cuts)
        rest.sent_id = id;

    struct flow_block *block = cuts ? describe(builder, room->mark_at, room->mark_column)
                                    : describe(builder, room->at, room->column);
    *count = block->count;
    block = hand_over(builder, &rest, block);
    if (block != NULL)
        *builder = rest;
    return block;
}

void flow_builder_clear(struct flow_builder *builder)
{
    flow_block_unref(builder->block);
    start(builder, NULL, 0);
}
