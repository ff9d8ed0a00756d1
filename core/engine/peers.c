/* SPDX-License-Identifier: MIT */
#include "engine/peers.h"

#include <stdlib.h>

#include "base/mem.h"

size_t flow_peers_find(const size_t *list, size_t count, size_t id)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (list[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && list[low] == id ? low : FLOW_NONE;
}

struct flow_outbox *flow_peers_outbox(const struct flow_peers *peers, size_t replica)
{
    const size_t task = peers->plan->replicas[replica].task;
    const size_t at = flow_peers_find(peers->tasks, peers->count, task);
    return at == FLOW_NONE ? NULL : peers->outboxes[at];
}

static int by_number(const void *a, const void *b)
{
    const size_t left = *(const size_t *)a;
    const size_t right = *(const size_t *)b;
    return (left > right) - (left < right);
}

/* The tasks at the other ends of a replica's links, as they come; how many there are then. */
static size_t note_ends(struct flow_peers *peers, const struct flow_plan_replica *self,
                        size_t count)
{
    const struct flow_plan *plan = peers->plan;
    for (size_t i = 0; i < self->in_count; i++) {
        const struct flow_plan_link *link = &plan->links[self->in[i]];
        if (!link->fused)
            peers->tasks[count++] = plan->replicas[link->from].task;
    }
    for (size_t i = 0; i < self->out_count; i++) {
        const struct flow_plan_link *link = &plan->links[self->out[i]];
        if (!link->fused)
            peers->tasks[count++] = plan->replicas[link->to].task;
    }
    return count;
}

static void list_peers(struct flow_peers *peers, const struct flow_plan_task *task)
{
    size_t count = 0;
    for (size_t i = 0; i < task->replica_count; i++)
        count = note_ends(peers, &peers->plan->replicas[task->replicas[i]], count);
    if (count > 0)
        qsort(peers->tasks, count, sizeof(*peers->tasks), by_number);
    for (size_t i = 0; i < count; i++) {
        if (peers->count == 0 || peers->tasks[peers->count - 1] != peers->tasks[i])
            peers->tasks[peers->count++] = peers->tasks[i];
    }
}

enum flow_status flow_peers_connect(struct flow_peers *peers, const struct flow_plan *plan,
                                    size_t task, struct flow_transport *transport,
                                    struct flow_error *err)
{
    const struct flow_plan_task *self = &plan->tasks[task];
    *peers = (struct flow_peers){.plan = plan};
    size_t most = 0;
    for (size_t i = 0; i < self->replica_count; i++) {
        const struct flow_plan_replica *replica = &plan->replicas[self->replicas[i]];
        most += replica->in_count + replica->out_count;
    }
    peers->tasks = flow_calloc(most, sizeof(*peers->tasks));
    peers->outboxes = flow_calloc(most, sizeof(*peers->outboxes));
    if (peers->tasks == NULL || peers->outboxes == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for %zu neighbours", most);

    list_peers(peers, self);
    for (size_t i = 0; i < peers->count; i++) {
        const bool remote = plan->tasks[peers->tasks[i]].group != self->group;
        const enum flow_status rc =
            flow_outbox_open(transport, peers->tasks[i], remote, &peers->outboxes[i], err);
        if (rc != FLOW_OK)
            return rc;
        /* Either end may learn from the board that the other has left, before its last words. */
        if (plan->groups[self->group].recovers ||
            plan->groups[plan->tasks[peers->tasks[i]].group].recovers)
            flow_outbox_doubt(peers->outboxes[i]);
    }
    return FLOW_OK;
}

void flow_peers_disconnect(struct flow_peers *peers, bool abandon)
{
    for (size_t i = 0; i < peers->count; i++)
        flow_outbox_close(peers->outboxes[i], abandon);
    free(peers->outboxes);
    free(peers->tasks);
    *peers = (struct flow_peers){0};
}
