/* SPDX-License-Identifier: MIT */
#include "engine/outlet_link.h"

#include <stdlib.h>

#include "base/mem.h"

#define DEALT 4 /* slices of a batch that several readers share, for each of them */

static enum flow_window_kind window_kind(const struct flow_plan *plan,
                                         const struct flow_plan_edge *edge)
{
    if (edge->when_full != FLOW_BLOCK || edge->fused)
        return FLOW_WINDOW_NONE;
    if (edge->share == FLOW_BALANCE && plan->stages[edge->to].replica_count > 1)
        return FLOW_WINDOW_DEAL;
    return edge->merge_numbered ? FLOW_WINDOW_MERGE : FLOW_WINDOW_STREAM;
}

static enum flow_status init_link(struct flow_outlet_link *link, struct flow_host *host, size_t id)
{
    const struct flow_plan_link *plan = &host->plan->links[id];
    link->id = (uint32_t)id;
    link->remote = !plan->local;
    link->recovers = host->plan->stages[host->plan->replicas[plan->to].stage].recovers;
    link->credit = plan->credit;
    link->slot = &host->board->links[id];
    link->fused = plan->fused;
    link->outbox = plan->fused ? NULL : flow_peers_outbox(host->peers, plan->to);
    flow_window_init(&link->window, window_kind(host->plan, &host->plan->edges[plan->edge]),
                     host->plan->replicas[plan->to].in_count, link->remote);
    link->ring_mask = flow_plan_link_keeps(plan) - 1;
    link->ring = flow_calloc(link->ring_mask + 1, sizeof(*link->ring));
    if (link->ring == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for a link");
    return FLOW_OK;
}

enum flow_status flow_outlet_init(struct flow_outlet *outlet, struct flow_host *host, size_t edge,
                                  size_t first_link, size_t link_count)
{
    const struct flow_plan_edge *plan = &host->plan->edges[edge];
    *outlet = (struct flow_outlet){
        .host = host,
        .edge = plan,
        .first_link = first_link,
        .deals = plan->share == FLOW_BALANCE && link_count > 1,
        .numbers = host->plan->stages[plan->to].numbered,
    };
    outlet->links = flow_calloc(link_count, sizeof(*outlet->links));
    if (outlet->links == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu links", link_count);
    outlet->link_count = link_count;
    for (size_t i = 0; i < link_count; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        const enum flow_status rc = init_link(link, host, first_link + i);
        if (rc != FLOW_OK)
            return rc;
        if (plan->when_full != FLOW_DROP_OLD)
            continue;
        if (!flow_backlog_init(&link->waiting))
            return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for a queue");
    }
    return FLOW_OK;
}

void flow_outlet_clear(struct flow_outlet *outlet)
{
    for (size_t i = 0; i < outlet->link_count; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        for (uint64_t n = link->acked; link->ring != NULL && n < link->sent; n++)
            flow_block_unref(link->ring[n & link->ring_mask].held);
        free(link->ring);
        flow_backlog_clear(&link->waiting);
    }
    free(outlet->links);
    *outlet = (struct flow_outlet){0};
}

bool flow_outlet_link_has_room(const struct flow_outlet_link *link)
{
    return link->sent - link->done < link->credit.batches &&
           link->out_records < link->credit.records && link->out_bytes < link->credit.bytes &&
           link->sent - link->acked <= link->ring_mask && link->again == link->sent &&
           (!link->remote || link->held_bytes < link->credit.held ||
            (link->credit.large &&
             link->sent - link->acked < 2 * (uint64_t)link->credit.batches)) &&
           flow_window_is_open(&link->window, link->out_records, link->done);
}

static void release_to(struct flow_outlet_link *link, uint64_t acked)
{
    for (; link->acked < acked; link->acked++) {
        struct sent_batch *entry = &link->ring[link->acked & link->ring_mask];
        link->held_bytes -= entry->bytes;
        flow_block_unref(entry->held);
        entry->held = NULL;
    }
}

uint32_t flow_outlet_batch(const struct flow_outlet *outlet, size_t reader)
{
    if (outlet->edge->share == FLOW_KEY)
        return outlet->links[reader].window.slice;
    uint64_t all = 0;
    uint32_t least = FLOW_BATCH_RECORDS_MAX;
    for (size_t i = 0; i < outlet->link_count; i++) {
        const uint32_t slice = outlet->links[i].window.slice;
        all += (uint64_t)slice * DEALT;
        least = slice < least ? slice : least;
    }
    if (!outlet->deals)
        return least;
    return all < FLOW_BATCH_RECORDS_MAX ? (uint32_t)all : FLOW_BATCH_RECORDS_MAX;
}

enum flow_status flow_outlet_credit(struct flow_outlet *outlet, size_t reader,
                                    const struct flow_message *message)
{
    struct flow_outlet_link *link = &outlet->links[reader];
    /* Of two links to one reader the first brings our hello, and the reader may then report by the
     * second what it had of the process before. */
    if (link->greets && !link->answered)
        return FLOW_OK;
    const uint64_t base = link->base;
    const uint64_t received =
        base + flow_sequence_expand(link->received - base, message->credit.received);
    const uint64_t done = base + flow_sequence_expand(link->done - base, message->credit.done);
    /* Nothing is held for a reader in this process, which need not report what it has acked. */
    const uint64_t acked =
        link->remote ? base + flow_sequence_expand(link->acked - base, message->credit.acked)
                     : done;
    if (received < link->received || done < link->done || acked < link->acked ||
        received > link->again || done > received || acked > done)
        return flow_fail(&outlet->host->err, FLOW_EPROTO,
                         "link %u reports more than was sent to it: %llu of %llu batches", link->id,
                         (unsigned long long)received, (unsigned long long)link->again);

    const uint64_t out_records = link->out_records;
    const uint64_t out_bytes = link->out_bytes;
    for (; link->done < done; link->done++) {
        const struct sent_batch *entry = &link->ring[link->done & link->ring_mask];
        link->out_records -= entry->records;
        link->out_bytes -= entry->bytes;
        link->done_records += entry->records;
    }
    link->received = received;
    release_to(link, acked);
    flow_window_learn(&link->window, done, link->done_records, message->credit.cost_ns,
                      out_records > 0 ? out_bytes / out_records : 0);
    return link->again < link->sent ? flow_outlet_send_again(outlet, link, false) : FLOW_OK;
}
