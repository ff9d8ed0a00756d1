/* SPDX-License-Identifier: MIT */
#include "engine/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The tokens of records in flight: made, in line, gone. */

#define KEEP_BYTES ((size_t)64 << 10) /* of memory that is kept for the next record */

static bool copy_record(struct flow_held *held, const struct flow_record *record)
{
    const size_t size = record->size + record->key_size;
    if (!flow_grow(&held->bytes, &held->capacity, size + 1, 1))
        return false;
    memcpy(held->bytes, record->data, record->size);
    if (record->key_size > 0)
        memcpy(held->bytes + record->size, record->key, record->key_size);
    held->token.record = *record;
    held->token.record.data = held->bytes;
    if (record->key != NULL)
        held->token.record.key = held->bytes + record->size;
    return true;
}

struct flow_held *flow_hold_add(struct flow_hold *hold, const struct flow_record *record,
                                uint64_t batch)
{
    struct flow_held *held = hold->spare;
    if (held == NULL)
        held = flow_alloc(sizeof(*held));
    else
        hold->spare = held->next;
    if (held == NULL)
        return NULL;
    if (!copy_record(held, record)) {
        held->next = hold->spare;
        hold->spare = held;
        return NULL;
    }
    held->token.own = NULL;
    held->state = FLOW_HELD_IN_HAND;
    held->batch = batch;
    held->emitted = 0;
    held->tries = 0;
    held->fatal = NULL;
    held->next = NULL;
    held->prev = hold->last;
    *(hold->last != NULL ? &hold->last->next : &hold->first) = held;
    hold->last = held;
    hold->count++;
    flow_hold_batch(hold, batch)->pending++;
    return held;
}

void flow_hold_remove(struct flow_hold *hold, struct flow_held *held)
{
    *(held->prev != NULL ? &held->prev->next : &hold->first) = held->next;
    *(held->next != NULL ? &held->next->prev : &hold->last) = held->prev;
    hold->count--;
    flow_hold_batch(hold, held->batch)->pending--;
    flow_hold_disarm(hold, held);
    hold->beside_bytes -= held->beside.size;
    flow_beside_empty(&held->beside);
    free(held->reason);
    held->reason = NULL;
    if (held->capacity > KEEP_BYTES) {
        free(held->bytes);
        held->bytes = NULL;
        held->capacity = 0;
    }
    held->next = hold->spare;
    hold->spare = held;
}

bool flow_hold_arm(struct flow_hold *hold, struct flow_held *held, int64_t due_ns)
{
    flow_hold_disarm(hold, held);
    const struct flow_timer_entry entry = {
        .due_ns = due_ns, .tag = (uint64_t)(uintptr_t)held, .place = &held->timer};
    return flow_timers_add(&hold->held_timers, &entry);
}

void flow_hold_disarm(struct flow_hold *hold, struct flow_held *held)
{
    if (held->timer != 0)
        flow_timers_remove(&hold->held_timers, held->timer - 1);
}

static void free_list(struct flow_held *held)
{
    while (held != NULL) {
        struct flow_held *next = held->next;
        flow_beside_clear(&held->beside);
        free(held->reason);
        free(held->bytes);
        free(held);
        held = next;
    }
}

void flow_hold_free_tokens(struct flow_hold *hold)
{
    free_list(hold->first);
    free_list(hold->spare);
    hold->first = hold->last = hold->spare = NULL;
}
