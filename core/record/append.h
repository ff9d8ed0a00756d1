/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_APPEND_H
#define FLOW_RECORD_APPEND_H

/*
 * Adding a record in the short way, to an open block that has room for it.
 *
 * Threads: the builder's owner.
 */

#include "record/builder.h"

/*
 * Can `record`, of at most FLOW_RECORD_MAX, be added as it is: to an open block that has records
 * and, for a key, has keys?
 */
static inline bool flow_builder_has(const struct flow_builder *builder,
                                    const struct flow_piece *record)
{
    const size_t left = (size_t)(builder->room.column - builder->room.at);
    const size_t needed = record->size + record->key_size + flow_builder_step(builder);
    return builder->room.column > builder->lowest && needed <= left &&
           (builder->keyed || record->key_size == 0);
}

/* Add it, as a part of what record `in_hand` (0: none) emits; flow_builder_has was asked. */
static inline void flow_builder_add(struct flow_builder *builder, uint64_t in_hand,
                                    const struct flow_piece *record)
{
    struct flow_room_ *room = &builder->room;
    if (in_hand != 0)
        flow_builder_mark(builder, in_hand);
    memcpy(room->at, record->data, record->size);
    room->at += record->size;
    if (builder->keyed) {
        const uint32_t key_size = (uint32_t)record->key_size;
        if (key_size > 0)
            memcpy(room->at, record->key, key_size);
        room->at += key_size;
        memcpy(room->column - 2 * FLOW_WORD, &key_size, FLOW_WORD);
    }
    const uint32_t end = (uint32_t)(room->at - room->data);
    memcpy(room->column - FLOW_WORD, &end, FLOW_WORD);
    room->column -= flow_builder_step(builder);
    flow_builder_count_all(builder);
}

#endif /* FLOW_RECORD_APPEND_H */
