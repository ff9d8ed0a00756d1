/* SPDX-License-Identifier: MIT */
#include "engine/careful.h"

/* FNV-1a, as of http://www.isthe.com/chongo/tech/comp/fnv */
static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
    return sum;
}

uint64_t flow_record_print(const struct flow_record *record)
{
    const uint64_t shape[2] = {record->size, record->port};
    uint64_t sum = mix(UINT64_C(0xcbf29ce484222325), shape, sizeof(shape));
    sum = mix(sum, record->data, record->size);
    if (record->key_size > 0)
        sum = mix(sum, record->key, record->key_size);
    return sum != 0 ? sum : 1;
}

void flow_careful_begin(struct flow_replica *replica)
{
    const struct flow_host *host = &replica->host;
    const struct flow_plan_replica *self = &host->plan->replicas[host->replica];
    flow_aside_read(&replica->aside, &host->board->groups[self->group], host->replica);
    replica->careful = flow_read(&host->slot->careful_until) != 0;
}

/* One of those given up that looks like it; each stands for one record. */
static struct flow_fatal *find(struct flow_aside *aside, uint64_t print)
{
    for (size_t i = 0; i < aside->count; i++) {
        struct flow_fatal *fatal = &aside->records[i];
        if (fatal->print == print && !fatal->met)
            return fatal;
    }
    return NULL;
}

const struct flow_fatal *flow_careful_look(struct flow_replica *replica,
                                           const struct flow_record *record)
{
    if (!replica->careful)
        return flow_aside_find(&replica->aside, record->number, 1);
    const uint64_t print = flow_record_print(record);
    struct flow_fatal *fatal = find(&replica->aside, print);
    flow_set(&replica->host.slot->hand_print, print);
    if (fatal != NULL) {
        fatal->met = true;
        flow_set(&fatal->entry->epoch, replica->saved_epoch + 1);
    }
    return fatal;
}

void flow_careful_pass(struct flow_replica *replica)
{
    const struct flow_board_replica *slot = replica->host.slot;
    if (!replica->careful || flow_read(&slot->records_in) < flow_read(&slot->careful_until))
        return;
    replica->careful = false;
    replica->aside.count = 0;
}
