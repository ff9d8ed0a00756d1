/* SPDX-License-Identifier: MIT */
#include "watch/stall.h"

#include <stdlib.h>

#include "base/mem.h"

static uint64_t sum_of(const struct flow_stall *stall, size_t replica)
{
    const struct flow_plan_replica *self = &stall->plan->replicas[replica];
    const struct flow_board_replica *counts = &stall->board->replicas[replica];
    uint64_t sum =
        flow_read(&counts->batches_in) + flow_read(&counts->done) + flow_read(&counts->skipped) +
        flow_read(&counts->routed) + flow_read(&counts->failed) + flow_read(&counts->retried) +
        flow_read(&counts->records_out) + flow_read(&counts->unread) + flow_read(&counts->woken);
    sum += flow_read(&counts->state) != FLOW_STATE_NEW ? 1 : 0;
    sum += flow_read(&counts->start_ns) != 0 ? 1 : 0;
    sum += flow_read(&counts->end_ns) != 0 ? 1 : 0;
    for (size_t i = 0; i < self->in_count; i++)
        sum += flow_read(&stall->board->links[self->in[i]].received_batches);
    for (size_t i = 0; i < self->out_count; i++)
        sum += flow_read(&stall->board->links[self->out[i]].sent_batches) +
               flow_read(&stall->board->links[self->out[i]].dropped);
    return sum;
}

bool flow_stall_init(struct flow_stall *stall, const struct flow_plan *plan,
                     const struct flow_board *board, int64_t now_ns)
{
    *stall = (struct flow_stall){
        .plan = plan,
        .board = board,
        .replicas = flow_calloc(plan->replica_count + 1, sizeof(*stall->replicas)),
        .moved_ns = now_ns,
        .looked_ns = now_ns,
    };
    for (size_t i = 0; stall->replicas != NULL && i < plan->replica_count; i++)
        stall->replicas[i] = (struct flow_stall_replica){sum_of(stall, i), now_ns};
    return stall->replicas != NULL;
}

void flow_stall_clear(struct flow_stall *stall)
{
    free(stall->replicas);
    *stall = (struct flow_stall){0};
}

void flow_stall_look(struct flow_stall *stall, int64_t now_ns)
{
    stall->looked_ns = now_ns;
    for (size_t i = 0; i < stall->plan->replica_count; i++) {
        const uint64_t sum = sum_of(stall, i);
        if (sum == stall->replicas[i].sum)
            continue;
        stall->replicas[i] = (struct flow_stall_replica){sum, now_ns};
        stall->moved_ns = now_ns;
    }
}

void flow_stall_touch(struct flow_stall *stall, int64_t now_ns)
{
    stall->moved_ns = now_ns;
    for (size_t i = 0; i < stall->plan->replica_count; i++)
        stall->replicas[i].moved_ns = now_ns;
}
