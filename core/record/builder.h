/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_BUILDER_H
#define FLOW_RECORD_BUILDER_H

/*
 * A builder fills a block with records, in place, until it is sealed into a batch.
 *
 *     block ──> data │ records ──> at │   free   │ column <── ends of the records │ top
 *
 * It remembers where the record in hand began (flow_builder_mark), so that what a failed record has
 * emitted can be withdrawn, and so that a full batch is cut before that record and not inside it.
 *
 * Its head, `room`, is what a stage sees of it: flow_emit writes there without a call.  So what is
 * in the open block may be more than this side has counted; flow_builder_uncounted says how much.
 *
 * Threads: one owner.
 */

#include <string.h>

#include "record/block.h"

#define FLOW_WORD sizeof(uint32_t) /* an entry of the column */

struct flow_builder {
    struct flow_room_ room; /* all pointers NULL: nothing open */
    struct flow_pool *pool;
    struct flow_block *block; /* NULL: nothing open */
    uint8_t *top;             /* of the open block's column */
    uint8_t *lowest;          /* the floor without regard to who writes; top: see record/append.h */
    uint8_t *counted_at;      /* room.at and room.column when they were last counted */
    uint8_t *counted_column;
    bool keyed;       /* the open block has key sizes; stays on, once a key was seen */
    bool compact;     /* sealed blocks have no gap before the column: they may become frames */
    bool direct;      /* stages may write to the room */
    uint32_t most;    /* a batch is full at this many records */
    size_t target;    /* ... or this many bytes, column included */
    uint64_t order;   /* the owner's: when this block was opened */
    uint64_t sent_id; /* the last mark's of which something has been sealed */
};

/* Bytes and key of a record to be added. */
struct flow_piece {
    const void *data;
    size_t size;
    const void *key;
    size_t key_size;
};

/* Bytes that the column takes for each record. */
static inline size_t flow_builder_step(const struct flow_builder *builder)
{
    return builder->keyed ? 2 * FLOW_WORD : FLOW_WORD;
}

/* Records in the open block. */
static inline uint32_t flow_builder_count(const struct flow_builder *builder)
{
    const size_t column = (size_t)(builder->top - builder->room.column);
    return (uint32_t)(builder->keyed ? column / (2 * FLOW_WORD) : column / FLOW_WORD);
}

/* Records, without keys, that stages have written to the room since it was last counted. */
static inline uint32_t flow_builder_uncounted(const struct flow_builder *builder)
{
    return (uint32_t)((size_t)(builder->counted_column - builder->room.column) / FLOW_WORD);
}

static inline void flow_builder_count_all(struct flow_builder *builder)
{
    builder->counted_at = builder->room.at;
    builder->counted_column = builder->room.column;
}

/* Would a record of `size` bytes with its key fit into the open block?  True if nothing is open. */
bool flow_builder_fits(const struct flow_builder *builder, size_t size, size_t key_size);

/* If the open batch is full by its records, let it have twice as many, `limit` at most; false: it
 * has that many, or is full by its bytes.  What stages wrote to the room has been counted. */
bool flow_builder_widen(struct flow_builder *builder, uint32_t limit);

/*
 * Room for `size` bytes of data and `key_size` of key, opening a block (large enough for a huge
 * record) if none is open.  The caller has asked flow_builder_fits.  NULL when memory is short.
 */
uint8_t *flow_builder_reserve(struct flow_builder *builder, size_t size, size_t key_size);

/* Make what was just reserved, with `size` bytes written, a record; the key is copied behind it. */
void flow_builder_commit(struct flow_builder *builder, size_t size, const void *key,
                         size_t key_size);

/* Where the reservation lies; NULL without an open block. */
static inline uint8_t *flow_builder_reserved(const struct flow_builder *builder)
{
    return builder->room.at;
}

/* Do `size` bytes and a key have room in the open block's memory, whatever the target says? */
bool flow_builder_holds(const struct flow_builder *builder, size_t size, size_t key_size);

/* Stages shall not write to the room until the next record was added on this side. */
static inline void flow_builder_bar(struct flow_builder *builder)
{
    builder->room.floor = builder->top;
}

/* ... and now they may again, if they ever may. */
static inline void flow_builder_unbar(struct flow_builder *builder)
{
    builder->room.floor = builder->direct && !builder->keyed ? builder->lowest : builder->top;
}

/* Note, once for each `id`, where the record in hand begins: after its first reservation. */
static inline void flow_builder_mark(struct flow_builder *builder, uint64_t id)
{
    if (builder->room.mark_id == id)
        return;
    builder->room.mark_id = id;
    builder->room.mark_at = builder->room.at;
    builder->room.mark_column = builder->room.column;
}

/*
 * Add copies of the first of `count` records of a sealed block, from `first` on, as many as fit;
 * how many that were, 0 also if nothing is open.
 */
uint32_t flow_builder_add_run(struct flow_builder *builder, const struct flow_block *block,
                              uint32_t first, uint32_t count);

/* Has some of what was added since the mark for `id` been sealed already? */
static inline bool flow_builder_has_sent(const struct flow_builder *builder, uint64_t id)
{
    return builder->sent_id == id;
}

/* Withdraw what was added since the mark for `id`; how many records that were, and bytes. */
uint32_t flow_builder_rollback(struct flow_builder *builder, uint64_t id, uint64_t *bytes);

/*
 * Close the open block and hand it over: a batch of `*count` records, or NULL when it is empty or,
 * with *count > 0, when memory is short.  With `id` not 0, what was added since the mark for `id`
 * stays behind in a new open block, unless it is all there is.
 */
struct flow_block *flow_builder_seal(struct flow_builder *builder, uint64_t id, uint32_t *count);

/* Drop what is open. */
void flow_builder_clear(struct flow_builder *builder);

/* A block of its own with a part of another one's records; NULL when memory is short. */
struct flow_block *flow_block_copy(struct flow_pool *pool, const struct flow_block *from,
                                   uint32_t first, uint32_t count);

#endif /* FLOW_RECORD_BUILDER_H */
