/* SPDX-License-Identifier: MIT */
#include "engine/outlet_link.h"

#include "watch/cut.h"

/* The link with room and the fewest batches, then records, outstanding; NULL: none has room. */
static struct flow_outlet_link *least_loaded(struct flow_outlet *outlet)
{
    struct flow_outlet_link *best = NULL;
    for (size_t i = 0; i < outlet->link_count; i++) {
        struct flow_outlet_link *link = &outlet->links[(outlet->turn + i) % outlet->link_count];
        if (!flow_outlet_link_has_room(link))
            continue;
        if (best == NULL || link->sent - link->done < best->sent - best->done)
            best = link;
    }
    outlet->turn = (outlet->turn + 1) % outlet->link_count;
    return best;
}

bool flow_outlet_has_room(const struct flow_outlet *outlet, size_t reader)
{
    if (outlet->edge->when_full != FLOW_BLOCK)
        return true;
    if (outlet->edge->share == FLOW_KEY)
        return flow_outlet_link_has_room(&outlet->links[reader]);

    const bool any = outlet->edge->share == FLOW_BALANCE;
    for (size_t i = 0; i < outlet->link_count; i++) {
        if (flow_outlet_link_has_room(&outlet->links[i]) == any)
            return any;
    }
    return !any;
}

enum flow_status flow_outlet_send(struct flow_outlet *outlet, struct flow_outlet_link *link,
                                  const struct flow_message *message)
{
    struct flow_host *host = outlet->host;
    if (link->fused)
        return host->call(host->waiter, message);
    return flow_outbox_send(link->outbox, message, host->pool, &host->err);
}

/* Keep account of a batch until its reader reports that it is done. */
static void note_sent(struct flow_outlet_link *link, const struct flow_slice *slice,
                      uint64_t weight, const struct flow_position *at)
{
    struct sent_batch *entry = &link->ring[link->sent & link->ring_mask];
    *entry = (struct sent_batch){
        .records = slice->count, .first = slice->first, .bytes = weight, .order = slice->order};
    if (link->recovers)
        entry->at = *at;
    if (link->remote && slice->block != NULL)
        entry->held = flow_block_ref(slice->block);
    link->again = ++link->sent;
    link->out_records += slice->count;
    link->out_bytes += weight;
    link->held_bytes += weight;
}

static enum flow_status send_slice(struct flow_outlet *outlet, struct flow_outlet_link *link,
                                   const struct flow_slice *slice, uint64_t number)
{
    const uint64_t bytes =
        slice->block != NULL ? flow_block_span(slice->block, slice->first, slice->count) : 0;
    const uint64_t weight =
        slice->block != NULL ? flow_block_weight(slice->block, slice->first, slice->count) : 0;
    const uint64_t sequence = outlet->edge->merge_numbered ? slice->result
                              : outlet->numbers            ? outlet->sequence++
                                                           : link->sent;
    if (link->fused)
        link->received = link->done = link->acked = link->again = ++link->sent;
    else
        note_sent(link, slice, weight, &(struct flow_position){sequence, number});
    flow_count(&link->slot->sent, slice->count);
    flow_count(&link->slot->sent_batches, 1);
    flow_count(&link->slot->sent_bytes, bytes);
    const bool asks =
        flow_window_asks(&link->window, slice->count, link->out_records, link->sent, link->done);
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_BATCH,
        .flags = (uint8_t)((slice->last ? FLOW_MESSAGE_LAST : 0) | (asks ? FLOW_MESSAGE_ASK : 0)),
        .first = (uint16_t)slice->first,
        .count = (uint16_t)slice->count,
        .link = link->id,
        .sequence = (uint32_t)sequence,
        .batch = {slice->block != NULL && !slice->gives ? flow_block_ref(slice->block)
                                                        : slice->block,
                  number},
    };
    return flow_outlet_send(outlet, link, &message);
}

/* As much of `rest` as the link may take now; `rest` shrinks by it. */
static enum flow_status send_part(struct flow_outlet *outlet, struct flow_outlet_link *link,
                                  struct flow_slice *rest, uint64_t *number)
{
    struct flow_slice part = *rest;
    const uint64_t room = link->credit.records - link->out_records;
    if (outlet->deals && part.count > link->window.slice)
        part.count = link->window.slice;
    if (part.count > room)
        part.count = (uint32_t)room;
    part.last = rest->last && part.count == rest->count;
    part.gives = rest->gives && part.count == rest->count;

    rest->first += part.count;
    rest->count -= part.count;
    *number += part.count;
    if (link->withholds && flow_outlet_withhold(link, &part))
        return FLOW_OK;
    return send_slice(outlet, link, &part, *number - part.count);
}

static struct flow_outlet_link *pick(struct flow_outlet *outlet, size_t reader)
{
    if (outlet->edge->share == FLOW_BALANCE)
        return least_loaded(outlet);
    struct flow_outlet_link *link = &outlet->links[reader];
    return flow_outlet_link_has_room(link) ? link : NULL;
}

static enum flow_status refuse(struct flow_outlet *outlet)
{
    const struct flow_plan *plan = outlet->host->plan;
    return flow_fail(
        &outlet->host->err, FLOW_ERANGE,
        "the queue of its edge to '%s' is full and \"when_full\" is \"fail\"; a larger "
        "queue, more workers of '%s', or \"block\" would help",
        plan->stages[outlet->edge->to].name, plan->stages[outlet->edge->to].name);
}

static void count_dropped(struct flow_outlet *outlet, size_t reader, uint32_t records)
{
    flow_count(&outlet->links[reader].slot->dropped, records);
}

/* For those who ask why a run stands still: the links that this replica waits for, if it `waits`.
 */
static void publish_full(struct flow_outlet *outlet, size_t reader, bool waits)
{
    const bool any = outlet->edge->share == FLOW_BALANCE;
    for (size_t i = any ? 0 : reader; i < (any ? outlet->link_count : reader + 1); i++) {
        const struct flow_outlet_link *link = &outlet->links[i];
        flow_set(&link->slot->full_batches, waits ? link->sent - link->done : 0);
        flow_set(&link->slot->full_records, waits ? link->out_records : 0);
    }
}

/* Wait for room on the links that may take what comes next. */
static enum flow_status wait_for_room(struct flow_outlet *outlet, size_t reader)
{
    publish_full(outlet, reader, true);
    const enum flow_status rc = outlet->host->wait_room(outlet->host->waiter);
    publish_full(outlet, reader, false);
    return rc;
}

/* Send a slice to one reader (or, by balance, to whoever is free), waiting for room. */
static enum flow_status send_blocking(struct flow_outlet *outlet, const struct flow_slice *slice,
                                      size_t reader, uint64_t *number)
{
    struct flow_slice rest = *slice;
    for (;;) {
        struct flow_outlet_link *link = pick(outlet, reader);
        const enum flow_status rc =
            link != NULL ? send_part(outlet, link, &rest, number) : wait_for_room(outlet, reader);
        if (rc == FLOW_OK && (link == NULL || rest.count > 0))
            continue;
        if (rest.gives && rest.count > 0) /* its last part has not gone */
            flow_block_unref(rest.block);
        return rc;
    }
}

/* The same as far as there is room; what is left stays in `rest`. */
static enum flow_status send_what_fits(struct flow_outlet *outlet, struct flow_slice *rest,
                                       size_t reader, uint64_t *number)
{
    enum flow_status rc = FLOW_OK;
    struct flow_outlet_link *link;
    while (rc == FLOW_OK && rest->count > 0 && (link = pick(outlet, reader)) != NULL)
        rc = send_part(outlet, link, rest, number);
    return rc;
}

enum flow_status flow_outlet_send_barrier(struct flow_outlet *outlet, struct flow_outlet_link *link,
                                          uint64_t epoch)
{
    if (link->complete)
        return FLOW_OK;
    const enum flow_status rc =
        link->again < link->sent ? flow_outlet_send_again(outlet, link, true) : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    link->barrier_epoch = epoch;
    link->barrier_at = link->sent;
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_BARRIER,
        .link = link->id,
        .sequence = (uint32_t)(link->sent - link->base),
        .batch = {NULL, epoch},
    };
    flow_cut_note_sent(link->slot, epoch);
    return flow_outlet_send(outlet, link, &message);
}

/* A barrier to one reader, or, where a queue stands for all of them, to all. */
static enum flow_status send_barriers(struct flow_outlet *outlet, size_t reader, uint64_t epoch)
{
    if (outlet->edge->share != FLOW_BALANCE)
        return flow_outlet_send_barrier(outlet, &outlet->links[reader], epoch);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < outlet->link_count && rc == FLOW_OK; i++)
        rc = flow_outlet_send_barrier(outlet, &outlet->links[i], epoch);
    return rc;
}

/* Take what is oldest off a queue: records are dropped, a barrier is not. */
static enum flow_status drop_oldest(struct flow_outlet *outlet, size_t reader)
{
    struct flow_backlog *queue = &outlet->links[reader].waiting;
    const struct flow_slice oldest = *flow_backlog_oldest(queue);
    count_dropped(outlet, reader, oldest.count);
    flow_backlog_take(queue, oldest.count);
    return oldest.barrier != 0 ? send_barriers(outlet, reader, oldest.barrier) : FLOW_OK;
}

/* Keep the newest records of `slice` that the queue may hold, at the cost of older ones. */
static enum flow_status keep_newest(struct flow_outlet *outlet, const struct flow_slice *slice,
                                    size_t reader)
{
    struct flow_outlet_link *link = &outlet->links[reader];
    struct flow_backlog *queue = &link->waiting;
    struct flow_slice kept = *slice;
    uint32_t surplus = 0;
    if (kept.count > link->credit.records) {
        surplus = kept.count - (uint32_t)link->credit.records;
        kept.first += surplus;
        kept.count -= surplus;
    }
    while (queue->count > 0 && (surplus > 0 || queue->count == FLOW_BACKLOG_MOST ||
                                queue->bytes >= link->credit.bytes ||
                                queue->records + kept.count > link->credit.records)) {
        const enum flow_status rc = drop_oldest(outlet, reader);
        if (rc != FLOW_OK)
            return rc;
    }
    count_dropped(outlet, reader, surplus); /* behind a barrier that was waiting */
    flow_backlog_add(queue, &kept);
    return FLOW_OK;
}

static enum flow_status drain_reader(struct flow_outlet *outlet, size_t reader)
{
    struct flow_backlog *queue = &outlet->links[reader].waiting;
    enum flow_status rc = FLOW_OK;
    bool moves = true;
    while (rc == FLOW_OK && moves && queue->count > 0) {
        struct flow_slice rest = *flow_backlog_oldest(queue);
        const uint32_t before = rest.count;
        if (rest.barrier != 0)
            rc = send_barriers(outlet, reader, rest.barrier);
        rc = rc == FLOW_OK ? send_what_fits(outlet, &rest, reader, &outlet->number) : rc;
        moves = rest.count == 0;
        flow_backlog_take(queue, before - rest.count);
    }
    return rc;
}

/* What waits first, then `rest`, as far as there is room. */
static enum flow_status send_in_turn(struct flow_outlet *outlet, struct flow_slice *rest,
                                     size_t reader, uint64_t *number)
{
    const struct flow_backlog *queue = &outlet->links[reader].waiting;
    enum flow_status rc = queue->count > 0 ? drain_reader(outlet, reader) : FLOW_OK;
    if (rc == FLOW_OK && queue->count == 0)
        rc = send_what_fits(outlet, rest, reader, number);
    return rc;
}

static enum flow_status offer_dropping(struct flow_outlet *outlet, const struct flow_slice *slice,
                                       size_t reader, uint64_t *number)
{
    struct flow_slice rest = *slice;
    enum flow_status rc = send_in_turn(outlet, &rest, reader, number);
    if (rc == FLOW_OK && rest.count > 0)
        rc = outlet->host->look(outlet->host->waiter);
    if (rc == FLOW_OK && rest.count > 0)
        rc = send_in_turn(outlet, &rest, reader, number);
    if (rc != FLOW_OK || rest.count == 0)
        return rc;

    if (outlet->edge->when_full == FLOW_FAIL)
        return refuse(outlet);
    if (outlet->edge->when_full == FLOW_DROP_NEW)
        count_dropped(outlet, reader, rest.count);
    else
        return keep_newest(outlet, &rest, reader);
    return FLOW_OK;
}

static enum flow_status offer_one(struct flow_outlet *outlet, const struct flow_slice *slice,
                                  size_t reader, uint64_t *number)
{
    return outlet->edge->when_full == FLOW_BLOCK ? send_blocking(outlet, slice, reader, number)
                                                 : offer_dropping(outlet, slice, reader, number);
}

enum flow_status flow_outlet_offer(struct flow_outlet *outlet, const struct flow_slice *slice,
                                   size_t reader)
{
    if (outlet->edge->share == FLOW_BALANCE)
        return offer_one(outlet, slice, 0, &outlet->number);
    if (outlet->edge->share == FLOW_KEY)
        return offer_one(outlet, slice, reader, &outlet->number);

    const uint64_t start = outlet->number;
    for (size_t i = 0; i < outlet->link_count; i++) {
        uint64_t number = start;
        const enum flow_status rc = offer_one(outlet, slice, i, &number);
        if (rc != FLOW_OK)
            return rc;
    }
    outlet->number = start + slice->count;
    return FLOW_OK;
}

enum flow_status flow_outlet_drain(struct flow_outlet *outlet)
{
    if (outlet->edge->when_full != FLOW_DROP_OLD)
        return FLOW_OK;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < outlet->link_count && rc == FLOW_OK; i++)
        rc = drain_reader(outlet, i);
    return rc;
}

static bool is_drained(const struct flow_outlet *outlet)
{
    for (size_t i = 0; i < outlet->link_count; i++) {
        if (outlet->links[i].waiting.count > 0)
            return false;
    }
    return true;
}

/* Behind what waits in the queue of a reader, if anything does. */
static enum flow_status queue_barrier(struct flow_outlet *outlet, size_t reader, uint64_t epoch)
{
    struct flow_backlog *queue = &outlet->links[reader].waiting;
    if (queue->count == 0)
        return send_barriers(outlet, reader, epoch);
    const enum flow_status rc =
        queue->count == FLOW_BACKLOG_MOST ? drop_oldest(outlet, reader) : FLOW_OK;
    if (rc == FLOW_OK)
        flow_backlog_add_barrier(queue, epoch, *outlet->host->clock);
    return rc;
}

enum flow_status flow_outlet_barrier(struct flow_outlet *outlet, uint64_t epoch)
{
    /* One queue stands for all readers of a balanced edge. */
    const size_t queues = outlet->edge->share == FLOW_BALANCE ? 1 : outlet->link_count;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < queues && rc == FLOW_OK; i++)
        rc = queue_barrier(outlet, i, epoch);
    return rc;
}

enum flow_status flow_outlet_end(struct flow_outlet *outlet, uint64_t total)
{
    enum flow_status rc = flow_outlet_drain(outlet);
    while (rc == FLOW_OK && !is_drained(outlet)) {
        rc = outlet->host->wait_room(outlet->host->waiter);
        if (rc == FLOW_OK)
            rc = flow_outlet_drain(outlet);
    }
    for (size_t i = 0; i < outlet->link_count && rc == FLOW_OK; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        link->ended = true;
        link->last = outlet->edge->merge_numbered ? total
                     : outlet->numbers            ? outlet->sequence
                                                  : link->sent;
        if (!link->complete && link->again == link->sent) /* else it follows what is sent again */
            rc = flow_outlet_send_end(outlet, link);
    }
    return rc;
}

/*
 * A reader that may be replaced says on the board when no successor would need us any more; one
 * whose writer may be says that it has had the end, and need not say so again to a process that it
 * does not know to be there.
 */
static bool has_ended(const struct flow_outlet_link *link)
{
    return flow_read(&link->slot->ended) != 0;
}

bool flow_outlet_is_settled(const struct flow_outlet *outlet)
{
    for (size_t i = 0; i < outlet->link_count; i++) {
        const struct flow_outlet_link *link = &outlet->links[i];
        const bool acked = !link->recovers && (!link->remote || link->acked == link->sent);
        if (!acked && !has_ended(link))
            return false;
    }
    return true;
}

uint64_t flow_outlet_oldest(const struct flow_outlet *outlet)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < outlet->link_count; i++) {
        const struct flow_outlet_link *link = &outlet->links[i];
        const struct sent_batch *first = &link->ring[link->received & link->ring_mask];
        if (link->received < link->sent && first->order < oldest && !has_ended(link))
            oldest = first->order;
        if (link->waiting.count > 0 && flow_backlog_oldest(&link->waiting)->order < oldest)
            oldest = flow_backlog_oldest(&link->waiting)->order;
    }
    return oldest;
}
