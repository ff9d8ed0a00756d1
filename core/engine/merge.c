/* SPDX-License-Identifier: MIT */
#include "engine/merge.h"

#include <stdlib.h>

#include "base/mem.h"

#define FIRST_SLOTS 64u
#define MOST_SLOTS (1u << 24)
#define NO_PART UINT32_MAX

struct flow_merge_slot {
    uint32_t head, tail;
};

static void empty_slots(struct flow_merge_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct flow_merge_slot){NO_PART, NO_PART};
}

enum flow_status flow_merge_init(struct flow_merge *merge, struct flow_error *err)
{
    *merge = (struct flow_merge){.free_part = NO_PART};
    merge->slots = flow_calloc(FIRST_SLOTS, sizeof(*merge->slots));
    if (merge->slots == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an ordered merge");
    empty_slots(merge->slots, FIRST_SLOTS);
    merge->mask = FIRST_SLOTS - 1;
    return FLOW_OK;
}

void flow_merge_clear(struct flow_merge *merge)
{
    for (size_t i = 0; merge->slots != NULL && i <= merge->mask; i++) {
        for (uint32_t at = merge->slots[i].head; at != NO_PART; at = merge->parts[at].next)
            flow_block_unref(merge->parts[at].arrival.message.batch.block);
    }
    free(merge->slots);
    free(merge->parts);
    *merge = (struct flow_merge){0};
}

static enum flow_status widen(struct flow_merge *merge, uint64_t distance, struct flow_error *err)
{
    if (distance >= MOST_SLOTS)
        return flow_fail(err, FLOW_EPROTO, "a result is %llu batches ahead of the next one",
                         (unsigned long long)distance);
    size_t count = merge->mask + 1;
    while (count <= distance)
        count *= 2;
    struct flow_merge_slot *slots = flow_calloc(count, sizeof(*slots));
    if (slots == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an ordered merge");

    empty_slots(slots, count);
    for (uint64_t n = merge->next; n <= merge->next + merge->mask; n++)
        slots[n & (count - 1)] = merge->slots[n & merge->mask];
    free(merge->slots);
    merge->slots = slots;
    merge->mask = count - 1;
    return FLOW_OK;
}

static uint32_t new_part(struct flow_merge *merge)
{
    if (merge->free_part != NO_PART) {
        const uint32_t at = merge->free_part;
        merge->free_part = merge->parts[at].next;
        return at;
    }
    if (merge->part_count >= NO_PART || !flow_grow(&merge->parts, &merge->part_capacity,
                                                   merge->part_count + 1, sizeof(*merge->parts)))
        return NO_PART;
    return (uint32_t)merge->part_count++;
}

enum flow_status flow_merge_put(struct flow_merge *merge, const struct flow_arrival *arrival,
                                struct flow_error *err)
{
    if (arrival->sequence < merge->next)
        return flow_fail(err, FLOW_EPROTO, "result %llu has come twice",
                         (unsigned long long)arrival->sequence);
    const uint64_t distance = arrival->sequence - merge->next;
    if (distance > merge->mask) {
        const enum flow_status rc = widen(merge, distance, err);
        if (rc != FLOW_OK)
            return rc;
    }
    const uint32_t at = new_part(merge);
    if (at == NO_PART)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for an ordered merge");

    struct flow_merge_slot *slot = &merge->slots[arrival->sequence & merge->mask];
    merge->parts[at] = (struct flow_merge_part){*arrival, NO_PART};
    if (slot->head == NO_PART)
        slot->head = at;
    else
        merge->parts[slot->tail].next = at;
    slot->tail = at;
    merge->held++;
    return FLOW_OK;
}

bool flow_merge_take(struct flow_merge *merge, struct flow_arrival *arrival)
{
    struct flow_merge_slot *slot = &merge->slots[merge->next & merge->mask];
    const uint32_t at = slot->head;
    if (at == NO_PART)
        return false;

    *arrival = merge->parts[at].arrival;
    slot->head = merge->parts[at].next;
    merge->parts[at].next = merge->free_part;
    merge->free_part = at;
    merge->held--;
    if ((arrival->message.flags & FLOW_MESSAGE_LAST) != 0)
        merge->next++;
    return true;
}

static bool copy_part(struct flow_message *message, struct flow_pool *pool)
{
    struct flow_block *block = message->batch.block;
    if (block == NULL)
        return true;
    struct flow_block *copy = flow_block_copy(pool, block, message->first, message->count);
    if (copy == NULL)
        return false;
    flow_block_unref(block);
    message->batch.block = copy;
    message->first = 0;
    return true;
}

enum flow_status flow_merge_copy(struct flow_merge *merge, uint32_t link, struct flow_pool *pool,
                                 struct flow_error *err)
{
    for (size_t i = 0; i <= merge->mask; i++) {
        for (uint32_t at = merge->slots[i].head; at != NO_PART; at = merge->parts[at].next) {
            struct flow_arrival *arrival = &merge->parts[at].arrival;
            if (arrival->link == link && !copy_part(&arrival->message, pool))
                return flow_fail(err, FLOW_ENOMEM, "out of memory for an ordered merge");
        }
    }
    return FLOW_OK;
}
