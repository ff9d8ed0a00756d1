/* SPDX-License-Identifier: MIT */
#include "engine/host.h"

#include <stdlib.h>

#include "base/mem.h"

size_t flow_host_find(const size_t *links, size_t count, size_t id)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (links[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && links[low] == id ? low : FLOW_NONE;
}

struct flow_outbox *flow_host_outbox(const struct flow_host *host, size_t replica)
{
    const size_t at = flow_host_find(host->neighbours, host->neighbour_count, replica);
    return at == FLOW_NONE ? NULL : host->outboxes[at];
}

static int by_number(const void *a, const void *b)
{
    const size_t left = *(const size_t *)a;
    const size_t right = *(const size_t *)b;
    return (left > right) - (left < right);
}

static void list_neighbours(struct flow_host *host, const struct flow_plan_replica *self)
{
    const struct flow_plan_link *links = host->plan->links;
    size_t count = 0;
    for (size_t i = 0; i < self->in_count; i++)
        host->neighbours[count++] = links[self->in[i]].from;
    for (size_t i = 0; i < self->out_count; i++)
        host->neighbours[count++] = links[self->out[i]].to;
    if (count > 0)
        qsort(host->neighbours, count, sizeof(*host->neighbours), by_number);

    for (size_t i = 0; i < count; i++) {
        if (host->neighbour_count == 0 ||
            host->neighbours[host->neighbour_count - 1] != host->neighbours[i])
            host->neighbours[host->neighbour_count++] = host->neighbours[i];
    }
}

enum flow_status flow_host_connect(struct flow_host *host, struct flow_transport *transport)
{
    const struct flow_plan_replica *self = &host->plan->replicas[host->replica];
    const size_t most = self->in_count + self->out_count;
    host->neighbours = flow_calloc(most, sizeof(*host->neighbours));
    host->outboxes = flow_calloc(most, sizeof(*host->outboxes));
    if (host->neighbours == NULL || host->outboxes == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu neighbours", most);

    list_neighbours(host, self);
    for (size_t i = 0; i < host->neighbour_count; i++) {
        const size_t other = host->neighbours[i];
        const bool remote = host->plan->replicas[other].group != self->group;
        const enum flow_status rc =
            flow_outbox_open(transport, other, remote, &host->outboxes[i], &host->err);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

void flow_host_disconnect(struct flow_host *host, bool abandon)
{
    for (size_t i = 0; i < host->neighbour_count; i++)
        flow_outbox_close(host->outboxes[i], abandon);
    free(host->outboxes);
    free(host->neighbours);
    host->outboxes = NULL;
    host->neighbours = NULL;
    host->neighbour_count = 0;
}
