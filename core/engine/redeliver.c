/* SPDX-License-Identifier: MIT */
#include "engine/outlet_link.h"

/*
 * Links of which an end is replaced; docs/recovery.md says how that goes together.
 *
 * A new reader gets all that the former one has not acknowledged, in the same order, with the same
 * numbers, and as its credit permits.  A new writer makes its results once more, from a point on of
 * which everything before has arrived; since it makes the same ones, as many records as the reader
 * has had are counted and not sent.
 */

enum flow_status flow_outlet_send_end(struct flow_outlet *outlet, struct flow_outlet_link *link)
{
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_END,
        .link = link->id,
        .sequence = (uint32_t)(link->sent - link->base),
        .batch = {NULL, link->last},
    };
    return flow_outlet_send(outlet, link, &message);
}

/* ---- the reader is new ---- */

static enum flow_status send_one_again(struct flow_outlet *outlet, struct flow_outlet_link *link)
{
    const struct sent_batch *entry = &link->ring[link->again & link->ring_mask];
    link->again++;
    link->out_records += entry->records;
    link->out_bytes += entry->bytes;
    const bool asks =
        flow_window_asks(&link->window, entry->records, link->out_records, link->again, link->done);
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_BATCH,
        .flags = asks || link->again == link->sent ? FLOW_MESSAGE_ASK : 0,
        .first = (uint16_t)entry->first,
        .count = (uint16_t)entry->records,
        .link = link->id,
        .sequence = (uint32_t)entry->at.sequence,
        .batch = {entry->held != NULL ? flow_block_ref(entry->held) : NULL, entry->at.number},
    };
    flow_count(&link->slot->redelivered, entry->records);
    return flow_outlet_send(outlet, link, &message);
}

/* The barrier lies between two batches.  One that has been passed comes a second time by this, and
 * is known for it by all further down. */
static enum flow_status send_barrier_again(struct flow_outlet *outlet,
                                           struct flow_outlet_link *link, uint64_t index)
{
    if (link->barrier_epoch == 0 || link->barrier_at != index)
        return FLOW_OK;
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_BARRIER,
        .link = link->id,
        .sequence = (uint32_t)(index - link->base),
        .batch = {NULL, link->barrier_epoch},
    };
    return flow_outlet_send(outlet, link, &message);
}

/* As for what is sent for the first time, but that it is held already. */
static bool may_send_again(const struct flow_outlet_link *link)
{
    return link->again - link->done < link->credit.batches &&
           link->out_records < link->credit.records && link->out_bytes < link->credit.bytes &&
           flow_window_is_open(&link->window, link->out_records, link->done);
}

enum flow_status flow_outlet_send_again(struct flow_outlet *outlet, struct flow_outlet_link *link,
                                        bool all)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && link->again < link->sent && (all || may_send_again(link))) {
        rc = send_barrier_again(outlet, link, link->again);
        if (rc == FLOW_OK)
            rc = send_one_again(outlet, link);
    }
    if (rc == FLOW_OK && link->again == link->sent)
        rc = send_barrier_again(outlet, link, link->sent);
    if (rc == FLOW_OK && link->ended && link->again == link->sent)
        rc = flow_outlet_send_end(outlet, link);
    return rc;
}

/*
 * Nothing that is not acknowledged has been sent.  The last barrier is not acknowledged: batches
 * behind it may be, if nothing came of them, while it was on its way to some of the next readers
 * and died with the process.  So it is given again in any case.  Where it was lost nothing has come
 * behind it, and all before it has arrived.
 */
static void rewind_link(struct flow_outlet_link *link)
{
    if (link->barrier_at < link->acked)
        link->barrier_at = link->acked;
    link->base = link->received = link->done = link->again = link->acked;
    link->out_records = 0;
    link->out_bytes = 0;
    link->window.quiet = 0;
    link->window.asked = link->done;
    link->window.asked_ns = 0;
}

enum flow_status flow_outlet_redeliver(struct flow_outlet *outlet, size_t reader,
                                       const struct flow_message *hello)
{
    struct flow_host *host = outlet->host;
    struct flow_outlet_link *link = &outlet->links[reader];
    if (!link->recovers)
        return flow_fail(&host->err, FLOW_EPROTO,
                         "the reader of link %u says that it has been replaced, which it cannot be",
                         link->id);
    enum flow_status rc = flow_outbox_reopen(link->outbox, hello->sequence, &host->err);
    if (rc != FLOW_OK)
        return rc;
    rewind_link(link);
    const uint64_t next = link->acked < link->sent
                              ? link->ring[link->acked & link->ring_mask].at.sequence
                          : outlet->numbers ? outlet->sequence
                                            : link->sent;
    const struct flow_message answer = {
        .kind = FLOW_MESSAGE_HELLO, .link = link->id, .batch = {NULL, next}};
    rc = flow_outlet_send(outlet, link, &answer);
    return rc == FLOW_OK ? flow_outlet_send_again(outlet, link, false) : rc;
}

/* ---- the writer is new ---- */

enum flow_status flow_outlet_greet(struct flow_outlet *outlet, uint32_t incarnation)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < outlet->link_count && rc == FLOW_OK; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        link->greets = true;
        link->complete = flow_read(&link->slot->ended) != 0;
        const struct flow_message hello = {
            .kind = FLOW_MESSAGE_HELLO, .link = link->id, .sequence = incarnation};
        if (!link->complete)
            rc = flow_outlet_send(outlet, link, &hello);
    }
    return rc;
}

void flow_outlet_note_answer(struct flow_outlet *outlet, size_t reader,
                             const struct flow_message *answer)
{
    outlet->links[reader].answered = true;
    outlet->links[reader].cost_ns = answer->sequence;
}

/* A reader that had the end from the former process may be gone, and will not answer then. */
bool flow_outlet_is_answered(struct flow_outlet *outlet)
{
    for (size_t i = 0; i < outlet->link_count; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        if (!link->answered)
            link->complete = flow_read(&link->slot->ended) != 0;
        if (!link->answered && !link->complete)
            return false;
    }
    return true;
}

/* The reader has answered, so its counts stand still. */
void flow_outlet_resume(struct flow_outlet *outlet, bool *any)
{
    outlet->number = 0;
    for (size_t i = 0; i < outlet->link_count; i++) {
        struct flow_outlet_link *link = &outlet->links[i];
        link->complete = flow_read(&link->slot->ended) != 0;
        *any = *any || link->complete;
        link->had = flow_read(&link->slot->received) - flow_read(&link->slot->sent);
        link->closed = flow_read(&link->slot->closed);
        link->withholds = link->complete || link->had > 0 || link->closed > 0;
        /* It is as fast as it was: there is no need to find that out anew, from a few records on.
         */
        link->done_records = flow_read(&link->slot->received);
        const uint64_t sent = flow_read(&link->slot->sent);
        flow_window_learn(&link->window, 0, link->done_records, link->cost_ns,
                          sent > 0 ? flow_read(&link->slot->sent_bytes) / sent : 0);
        /* Records go on being counted from there, for each reader of its own or for all alike. */
        if (outlet->edge->share != FLOW_ALL || i == 0)
            outlet->number += flow_read(&link->slot->sent);
    }
    outlet->number += flow_read(&outlet->links[0].slot->base_number);
}

static uint32_t smaller(uint32_t a, uint64_t b)
{
    return a < b ? a : (uint32_t)b;
}

bool flow_outlet_withhold(struct flow_outlet_link *link, struct flow_slice *slice)
{
    const uint32_t had = link->complete ? slice->count : smaller(slice->count, link->had);
    if (had > 0) {
        flow_count(&link->slot->sent, had);
        flow_count(&link->slot->sent_bytes, flow_block_span(slice->block, slice->first, had));
    }
    link->had -= link->complete ? 0 : had;
    const bool last = slice->last && !link->complete && slice->result >= link->closed;
    link->withholds = link->complete || link->had > 0 || slice->result < link->closed;
    if (had == slice->count && !last) {
        if (slice->gives)
            flow_block_unref(slice->block);
        return true;
    }
    slice->first += had;
    slice->count -= had;
    slice->last = last;
    return false;
}

bool flow_outlet_is_ended(const struct flow_outlet *outlet)
{
    for (size_t i = 0; i < outlet->link_count; i++) {
        if (flow_read(&outlet->links[i].slot->ended) == 0)
            return false;
    }
    return true;
}
