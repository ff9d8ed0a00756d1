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
    const size_t first = host->plan->stages[self->stage].first_replica;
    flow_aside_read(&replica->aside, &host->board->groups[self->group],
                    &host->board->groups[host->plan->replicas[first].group], self->stage);
    replica->careful = flow_read(&host->slot->careful_until) != 0;
}

/* One of those given up that looks like it.  Each stands for one record, for whichever replica of
 * the stage meets it first; `epoch` will have that behind it. */
static const struct flow_fatal *find(const struct flow_aside *aside, uint64_t print, uint64_t epoch)
{
    for (size_t i = 0; i < aside->count; i++) {
        const struct flow_fatal *fatal = &aside->records[i];
        uint64_t none = 0;
        if (fatal->print == print &&
            atomic_compare_exchange_strong(&fatal->entry->epoch, &none, epoch))
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
    flow_set(&replica->host.slot->hand_print, print);
    return find(&replica->aside, print, replica->saved_epoch + 1);
}

/* What all replicas of the stage have taken in. */
static uint64_t taken_by_all(const struct flow_host *host)
{
    const struct flow_plan_stage *stage =
        &host->plan->stages[host->plan->replicas[host->replica].stage];
    uint64_t taken = 0;
    for (size_t i = 0; i < stage->replica_count; i++)
        taken += flow_read(&host->board->replicas[stage->first_replica + i].records_in);
    return taken;
}

void flow_careful_pass(struct flow_replica *replica)
{
    const struct flow_host *host = &replica->host;
    if (!replica->careful || taken_by_all(host) < flow_read(&host->slot->careful_until))
        return;
    replica->careful = false;
    replica->aside.count = 0;
    flow_set(&host->slot->hand_print, 0);
}
