/* SPDX-License-Identifier: MIT */
#include "engine/inlet.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/keep.h"
#include "watch/cut.h"

#define COST_WEIGHT 4 /* a report changes the average by 1/4 of the difference */

/*
 * Does the writer of this link need to hear of arrivals and acknowledgements in time?  It does if
 * its task has something to acknowledge in turn, which the first of its members then reads.
 */
static bool writer_counts(const struct flow_plan *plan, const struct flow_plan_link *link)
{
    if (link->fused)
        return false;
    if (!link->local)
        return true;
    const struct flow_plan_task *task = &plan->tasks[plan->replicas[link->from].task];
    const struct flow_plan_replica *writer = &plan->replicas[task->replicas[0]];
    for (size_t i = 0; i < writer->in_count; i++) {
        if (!plan->links[writer->in[i]].local)
            return true;
    }
    return false;
}

static enum flow_status init_edge(struct flow_input *input, size_t edge)
{
    struct flow_inlet_edge *made = &input->edges[input->edge_count];
    made->edge = edge;
    made->merges = input->host->plan->edges[edge].merge_numbered;
    if (made->merges) {
        const enum flow_status rc = flow_merge_init(&made->merge, &input->host->err);
        if (rc != FLOW_OK)
            return rc;
    }
    input->edge_count++;
    return FLOW_OK;
}

static enum flow_status init_link(struct flow_input *input, struct flow_inlet *inlet, size_t id)
{
    struct flow_host *host = input->host;
    const struct flow_plan_link *link = &host->plan->links[id];
    const struct flow_plan_edge *edge = &host->plan->edges[link->edge];
    if (input->edge_count == 0 || input->edges[input->edge_count - 1].edge != link->edge) {
        const enum flow_status rc = init_edge(input, link->edge);
        if (rc != FLOW_OK)
            return rc;
    }
    *inlet = (struct flow_inlet){
        .id = (uint32_t)id,
        .port = edge->to_port,
        .edge = &input->edges[input->edge_count - 1],
        .writer = link->fused ? NULL : flow_peers_outbox(host->peers, link->from),
        .slot = &host->board->links[id],
        .credit = link->credit,
        .prompt = edge->share == FLOW_BALANCE && host->plan->stages[edge->to].replica_count > 1,
        .counts = writer_counts(host->plan, link),
        .recovers = host->plan->stages[edge->from].recovers,
    };
    return FLOW_OK;
}

enum flow_status flow_input_init(struct flow_input *input, struct flow_host *host)
{
    const struct flow_plan_replica *self = &host->plan->replicas[host->replica];
    *input = (struct flow_input){.host = host};
    input->links = flow_calloc(self->in_count, sizeof(*input->links));
    input->edges = flow_calloc(self->in_count, sizeof(*input->edges));
    if (input->links == NULL || input->edges == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for %zu links", self->in_count);
    const enum flow_status aligns = flow_align_init(&input->align, self->in_count, &host->err);
    if (aligns != FLOW_OK)
        return aligns;
    for (size_t i = 0; i < self->in_count; i++) {
        const enum flow_status rc = init_link(input, &input->links[i], self->in[i]);
        if (rc != FLOW_OK)
            return rc;
        input->link_count++;
    }
    return FLOW_OK;
}

void flow_input_clear(struct flow_input *input)
{
    for (; input->ready_count > 0; input->ready_count--) {
        flow_block_unref(input->ready[input->ready_first].message.batch.block);
        input->ready_first = (input->ready_first + 1) % input->ready_capacity;
    }
    free(input->ready);
    flow_align_clear(&input->align);
    for (size_t i = 0; i < input->edge_count; i++)
        flow_merge_clear(&input->edges[i].merge);
    for (size_t i = 0; i < input->link_count; i++)
        free(input->links[i].unacked);
    free(input->edges);
    free(input->links);
    *input = (struct flow_input){0};
}

static enum flow_status widen_ready(struct flow_input *input)
{
    const size_t capacity = input->ready_capacity > 0 ? input->ready_capacity * 2 : 16;
    struct flow_arrival *ready = flow_calloc(capacity, sizeof(*ready));
    if (ready == NULL)
        return flow_fail(&input->host->err, FLOW_ENOMEM, "out of memory for arrivals");
    for (size_t i = 0; i < input->ready_count; i++)
        ready[i] = input->ready[(input->ready_first + i) % input->ready_capacity];
    free(input->ready);
    input->ready = ready;
    input->ready_first = 0;
    input->ready_capacity = capacity;
    return FLOW_OK;
}

static enum flow_status make_ready(struct flow_input *input, const struct flow_arrival *arrival)
{
    if (input->ready_count == input->ready_capacity) {
        const enum flow_status rc = widen_ready(input);
        if (rc != FLOW_OK) {
            flow_block_unref(arrival->message.batch.block);
            return rc;
        }
    }
    input->ready[(input->ready_first + input->ready_count) % input->ready_capacity] = *arrival;
    input->ready_count++;
    return FLOW_OK;
}

/* Move what the merge has in order to the ready queue. */
static enum flow_status advance_merge(struct flow_input *input, struct flow_merge *merge)
{
    struct flow_arrival arrival;
    while (flow_merge_take(merge, &arrival)) {
        const enum flow_status rc = make_ready(input, &arrival);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

static enum flow_status bad_link(struct flow_input *input, const struct flow_inlet *inlet,
                                 const char *what, uint64_t met, uint64_t expected)
{
    const struct flow_plan *plan = input->host->plan;
    char name[160];
    return flow_fail(&input->host->err, FLOW_EPROTO,
                     "what arrives from %s does not add up: %s %llu instead of %llu",
                     flow_plan_replica_name(plan, plan->links[inlet->id].from, name, sizeof(name)),
                     what, (unsigned long long)met, (unsigned long long)expected);
}

/* Once the barrier has come by all links that have not ended, it is next. */
static enum flow_status align(struct flow_input *input)
{
    if (input->align.count == 0 || input->align.count + input->ended < input->link_count)
        return FLOW_OK;
    for (size_t i = 0; i < input->edge_count; i++) {
        if (input->edges[i].merges && input->edges[i].merge.held > 0)
            return flow_fail(&input->host->err, FLOW_EPROTO,
                             "a barrier has come before a result that was sent before it");
    }
    const struct flow_arrival barrier = {
        .message = {.kind = FLOW_MESSAGE_BARRIER, .batch = {NULL, input->align.epoch}},
    };
    struct flow_message *held = NULL;
    size_t count = 0;
    const bool past = flow_cut_is_past(input->host->slot, input->align.epoch);
    for (size_t i = 0; i < input->link_count && !past; i++)
        flow_cut_note_received(input->links[i].slot, input->align.epoch);
    flow_align_release(&input->align, &held, &count);
    enum flow_status rc = make_ready(input, &barrier);
    for (size_t i = 0; i < count; i++) {
        if (rc == FLOW_OK)
            rc = flow_input_accept(input, &held[i]);
        else if (held[i].kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(held[i].batch.block);
    }
    free(held);
    return rc;
}

static enum flow_status accept_barrier(struct flow_input *input, struct flow_inlet *inlet,
                                       size_t index, const struct flow_message *message)
{
    if (message->sequence != (uint32_t)inlet->received)
        return bad_link(input, inlet, "the number of batches before a barrier is",
                        message->sequence, (uint32_t)inlet->received);
    const enum flow_status rc =
        flow_align_reach(&input->align, index, message->batch.number, &input->host->err);
    return rc == FLOW_OK ? align(input) : rc;
}

static enum flow_status accept_end(struct flow_input *input, struct flow_inlet *inlet,
                                   const struct flow_message *message)
{
    if (message->sequence != (uint32_t)inlet->received)
        return bad_link(input, inlet, "the number of batches is", message->sequence,
                        (uint32_t)inlet->received);
    if (inlet->edge->merges) {
        if (inlet->edge->total_known && inlet->edge->total != message->batch.number)
            return bad_link(input, inlet, "the number of results is", message->batch.number,
                            inlet->edge->total);
        inlet->edge->total_known = true;
        inlet->edge->total = message->batch.number;
    }
    input->results = message->batch.number;
    inlet->ended = true;
    input->ended++;
    if (inlet->recovers) {
        const enum flow_status rc = flow_inlet_confirm_end(input, inlet);
        if (rc != FLOW_OK)
            return rc;
    }
    return align(input);
}

static enum flow_status accept_batch(struct flow_input *input, struct flow_inlet *inlet,
                                     uint32_t index, const struct flow_message *message)
{
    const struct flow_plan_edge *edge = &input->host->plan->edges[inlet->edge->edge];
    const struct flow_plan_stage *self = &input->host->plan->stages[edge->to];
    const bool free_numbers = edge->merge_numbered || self->numbered || self->recovers;
    const struct flow_arrival arrival = {
        .message = *message,
        .sequence = flow_sequence_expand(inlet->sequence, message->sequence),
        .link = index,
    };
    if (!free_numbers && arrival.sequence != inlet->received) {
        flow_block_unref(message->batch.block);
        return bad_link(input, inlet, "the batch's number is", arrival.sequence, inlet->received);
    }
    inlet->sequence = arrival.sequence + (free_numbers ? 0 : 1);
    inlet->received++;
    if (input->keep != NULL && arrival.sequence < input->keep->from) {
        flow_block_unref(message->batch.block); /* all that came of it has arrived */
        inlet->done = inlet->settled = inlet->acked = inlet->received;
        return FLOW_OK;
    }
    if (inlet->recovers && inlet->edge->merges && (message->flags & FLOW_MESSAGE_LAST) != 0)
        flow_set(&inlet->slot->closed, arrival.sequence + 1);
    flow_count(&inlet->slot->received, message->count);
    flow_count(&inlet->slot->received_batches, 1);
    if (!inlet->edge->merges)
        return make_ready(input, &arrival);

    const enum flow_status rc = flow_merge_put(&inlet->edge->merge, &arrival, &input->host->err);
    if (rc != FLOW_OK) {
        flow_block_unref(message->batch.block);
        return rc;
    }
    return advance_merge(input, &inlet->edge->merge);
}

enum flow_status flow_input_accept(struct flow_input *input, const struct flow_message *message)
{
    const struct flow_plan_replica *self = &input->host->plan->replicas[input->host->replica];
    const size_t index = flow_peers_find(self->in, self->in_count, message->link);
    struct flow_inlet *inlet = index != FLOW_NONE ? &input->links[index] : NULL;
    if (inlet == NULL || inlet->ended) {
        if (message->kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(message->batch.block);
        return flow_fail(&input->host->err, FLOW_EPROTO, "a batch has come by link %u, which %s",
                         message->link, inlet == NULL ? "does not lead here" : "has ended");
    }
    if (message->kind == FLOW_MESSAGE_BARRIER && inlet->recovers &&
        flow_align_knows(&input->align, index, message->batch.number))
        return FLOW_OK;
    if (flow_align_holds(&input->align, index))
        return flow_align_hold(&input->align, message, &input->host->err);
    if (message->kind == FLOW_MESSAGE_END)
        return accept_end(input, inlet, message);
    if (message->kind == FLOW_MESSAGE_BARRIER)
        return accept_barrier(input, inlet, index, message);
    return accept_batch(input, inlet, (uint32_t)index, message);
}

bool flow_input_next(struct flow_input *input, struct flow_item *item)
{
    if (input->ready_count == 0)
        return false;
    const struct flow_arrival *arrival = &input->ready[input->ready_first];
    *item = (struct flow_item){
        .link = arrival->link,
        .port = input->links[arrival->link].port,
        .block = arrival->message.batch.block,
        .first = arrival->message.first,
        .count = arrival->message.count,
        .number = arrival->message.batch.number,
        .sequence = arrival->sequence,
        .asks = (arrival->message.flags & FLOW_MESSAGE_ASK) != 0,
        .barrier =
            arrival->message.kind == FLOW_MESSAGE_BARRIER ? arrival->message.batch.number : 0,
    };
    input->ready_first = (input->ready_first + 1) % input->ready_capacity;
    input->ready_count--;
    return true;
}

uint32_t flow_input_cost(const struct flow_input *input)
{
    if (input->cost_ns == 0 || input->pace_ns <= input->cost_ns)
        return input->cost_ns;
    return input->pace_ns < INT32_MAX ? (uint32_t)input->pace_ns : INT32_MAX;
}

enum flow_status flow_inlet_report(struct flow_input *input, struct flow_inlet *inlet)
{
    const struct flow_message message = {
        .kind = FLOW_MESSAGE_CREDIT,
        .link = inlet->id,
        .credit = {(uint32_t)inlet->received, (uint32_t)inlet->done, (uint32_t)inlet->acked,
                   flow_input_cost(input)},
    };
    inlet->told_received = inlet->received;
    inlet->told_done = inlet->done;
    inlet->told_acked = inlet->acked;
    inlet->due = false;
    inlet->quiet_records = 0;
    inlet->quiet_bytes = 0;
    return flow_outbox_send(inlet->writer, &message, input->host->pool, &input->host->err);
}

static bool is_half(uint64_t used, uint64_t credit)
{
    return used >= credit - credit / 2;
}

static bool must_report(const struct flow_inlet *inlet)
{
    return inlet->prompt || is_half(inlet->done - inlet->told_done, inlet->credit.batches) ||
           is_half(inlet->quiet_records, inlet->credit.records) ||
           is_half(inlet->quiet_bytes, inlet->credit.bytes);
}

/* Remember when the results of batch `inlet->settled` were begun. */
static enum flow_status note_finished(struct flow_input *input, struct flow_inlet *inlet)
{
    const uint64_t count = inlet->settled - inlet->acked;
    if (inlet->unacked == NULL || count > inlet->unacked_mask) {
        const size_t size = inlet->unacked == NULL ? 16 : (inlet->unacked_mask + 1) * 2;
        struct finished *wider = flow_calloc(size, sizeof(*wider));
        if (wider == NULL)
            return flow_fail(&input->host->err, FLOW_ENOMEM, "out of memory for acknowledgements");
        for (uint64_t n = inlet->acked; n < inlet->settled; n++)
            wider[n & (size - 1)] = inlet->unacked[n & inlet->unacked_mask];
        free(inlet->unacked);
        inlet->unacked = wider;
        inlet->unacked_mask = size - 1;
    }
    inlet->unacked[inlet->settled & inlet->unacked_mask].order = *input->host->clock;
    return FLOW_OK;
}

/* Of a process that has been replaced: its successor counts anew. */
static bool is_stale(uint64_t *stale)
{
    if (*stale == 0)
        return false;
    (*stale)--;
    return true;
}

/* What a batch took that had to wait for a process to be replaced says nothing of records. */
static void learn_cost(struct flow_input *input, uint32_t count, int64_t elapsed_ns)
{
    const bool disturbed = input->disturbed;
    input->disturbed = false;
    if (count == 0 || elapsed_ns < 0 || disturbed)
        return;
    int64_t cost = elapsed_ns / count;
    if (cost < 1)
        cost = 1;
    if (cost > INT32_MAX)
        cost = INT32_MAX;
    const int64_t before = input->cost_ns;
    input->cost_ns = (uint32_t)(before == 0 ? cost : before + (cost - before) / COST_WEIGHT);
}

enum flow_status flow_input_done(struct flow_input *input, const struct flow_item *item,
                                 int64_t elapsed_ns)
{
    struct flow_inlet *inlet = &input->links[item->link];
    const uint64_t bytes =
        item->block != NULL ? flow_block_weight(item->block, item->first, item->count) : 0;
    if (is_stale(&inlet->stale)) {
        learn_cost(input, item->count, elapsed_ns);
        input->taken += item->count;
        return FLOW_OK;
    }
    inlet->done++;
    if (!input->host->tracks)
        inlet->acked = inlet->done;
    inlet->quiet_records += item->count;
    inlet->quiet_bytes += bytes;
    learn_cost(input, item->count, elapsed_ns);
    input->taken += item->count;
    if (inlet->writer != NULL && (item->asks || must_report(inlet)))
        inlet->due = input->due = true;
    return FLOW_OK;
}

enum flow_status flow_input_settle(struct flow_input *input, uint32_t link, uint64_t sequence)
{
    struct flow_inlet *inlet = &input->links[link];
    if (is_stale(&inlet->stale_settled) || !input->host->tracks)
        return FLOW_OK;
    const enum flow_status rc = note_finished(input, inlet);
    if (rc != FLOW_OK)
        return rc;
    if (input->keep != NULL)
        flow_keep_note(input->keep, inlet->settled, sequence + 1);
    inlet->settled++;
    return FLOW_OK;
}

enum flow_status flow_input_report(struct flow_input *input)
{
    enum flow_status rc = FLOW_OK;
    input->due = false;
    for (size_t i = 0; i < input->link_count && rc == FLOW_OK; i++) {
        if (input->links[i].due)
            rc = flow_inlet_report(input, &input->links[i]);
    }
    return rc;
}

enum flow_status flow_input_acknowledge(struct flow_input *input, uint64_t oldest, bool all)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < input->link_count && rc == FLOW_OK; i++) {
        struct flow_inlet *inlet = &input->links[i];
        const uint64_t before = inlet->acked;
        while (inlet->acked < inlet->settled &&
               inlet->unacked[inlet->acked & inlet->unacked_mask].order < oldest)
            inlet->acked++;
        if (input->keep != NULL && inlet->acked > before)
            flow_keep_publish(input->keep, inlet->acked - 1); /* before the writer lets go of it */
        const bool news = inlet->told_received != inlet->received ||
                          inlet->told_done != inlet->done || inlet->told_acked != inlet->acked;
        if (news && inlet->writer != NULL && (all || inlet->counts))
            rc = flow_inlet_report(input, inlet);
    }
    return rc;
}

/* The slowest link sets the pace, until it has become faster or another one slower. */
void flow_input_keep_pace(struct flow_input *input, uint32_t link, double work_ns)
{
    const double pace_ns = input->taken > 0 ? work_ns / (double)input->taken : 0;
    if (pace_ns < input->pace_ns && link != input->pace_link)
        return;
    input->pace_ns = pace_ns;
    input->pace_link = link;
}

bool flow_input_is_complete(const struct flow_input *input)
{
    if (input->ended < input->link_count || input->ready_count > 0)
        return false;
    for (size_t i = 0; i < input->edge_count; i++) {
        const struct flow_inlet_edge *edge = &input->edges[i];
        if (edge->merges && (edge->merge.next != edge->total || edge->merge.held > 0))
            return false;
    }
    return true;
}

bool flow_input_is_settled(const struct flow_input *input)
{
    for (size_t i = 0; i < input->link_count; i++) {
        const struct flow_inlet *inlet = &input->links[i];
        if (inlet->counts && inlet->told_acked != inlet->received)
            return false;
    }
    return true;
}
