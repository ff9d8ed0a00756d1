/* SPDX-License-Identifier: MIT */
#include "plan/bounds.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/units.h"
#include "plan/wire.h"
#include "stage/type.h"

/* Batches that a link may have outstanding, by what it is for. */
#define BATCHES_MERGE 256u     /* read by number: a fast worker must not wait for a slow one */
#define BATCHES_POOL_LOCAL 2u  /* one in hand and one waiting: work goes to the one who is free */
#define BATCHES_POOL_REMOTE 3u /* the way there and back takes longer */
#define BATCHES_LOCAL 32u      /* fewer, and the two ends wake each other all the time */
#define BATCHES_REMOTE 8u      /* of larger batches */

/* What large records may have outstanding on a link, where nothing else is said: between threads,
 */
#define LARGE_BYTES ((uint64_t)32 << 20)
#define LARGE_REMOTE_BYTES ((uint64_t)8 << 20) /* ... between processes ... */
#define LARGE_TOTAL ((uint64_t)256 << 20)      /* ... and on all links of the run */

/* What the writer of a link may keep beside what its reader has, in batches; see engine/outlet. */
#define HELD_ROOM 4u        /* times the credit: until acknowledged, on a link between processes, */
#define HELD_BATCHES 8u     /* ... and rounded up to a power of two no more than this */
#define WAITING_BATCHES 64u /* on an edge that drops its oldest records */

/* The bytes of links scale by fractions of this. */
#define WHOLE 4096u
#define TIGHT (WHOLE / 8)

/* What the engine takes beside the records. */
#define PROCESS_BYTES ((uint64_t)16 << 20)
#define PROCESS_OWN_BYTES ((uint64_t)1536 << 10) /* of that, what no other process shares */
#define REPLICA_BYTES                                                                              \
    ((uint64_t)256 << 10) /* the stack touched, sockets, the stage's own struct                    \
                           */
#define LINK_BYTES ((uint64_t)512)
#define PROCESS_DESCRIPTORS 32u /* of them 16 in reserve: libzmq aborts when it finds none left */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t usual_batches(const struct flow_plan *plan, const struct flow_plan_edge *edge)
{
    if (edge->share == FLOW_BALANCE && plan->stages[edge->to].replica_count > 1)
        return flow_plan_edge_local(plan, edge) ? BATCHES_POOL_LOCAL : BATCHES_POOL_REMOTE;
    if (edge->merge_numbered)
        return BATCHES_MERGE;
    return flow_plan_edge_local(plan, edge) ? BATCHES_LOCAL : BATCHES_REMOTE;
}

/* Records larger than a batch are passed by reference, and lent: more than one should fit. */
static uint64_t large_bytes(const struct flow_plan *plan, const struct flow_plan_edge *edge)
{
    if (plan->graph->memory > 0 || edge->when_full != FLOW_BLOCK || edge->merge_numbered)
        return 0;
    return smaller(flow_plan_edge_local(plan, edge) ? LARGE_BYTES : LARGE_REMOTE_BYTES,
                   LARGE_TOTAL / larger(plan->link_count, 1));
}

/* The credit of each link of an edge, its bytes scaled to scale / WHOLE. */
static struct flow_credit edge_credit(const struct flow_plan *plan,
                                      const struct flow_plan_edge *edge, uint32_t scale)
{
    static const struct flow_queue made = {0};
    const struct flow_queue *queue =
        edge->graph_edge != FLOW_NONE ? &plan->graph->edges[edge->graph_edge].queue : &made;

    if (edge->fused) /* the call returns when the batch has been dealt with */
        return (struct flow_credit){
            .batches = 1, .records = UINT64_MAX, .bytes = plan->batch_bytes};
    uint32_t batches = usual_batches(plan, edge);
    if (queue->items > 0)
        batches = (uint32_t)smaller(batches, queue->items);
    uint64_t bytes = (uint64_t)batches * plan->batch_bytes;
    if (edge->merge_numbered)
        bytes = smaller(bytes, FLOW_PLAN_MERGE_BYTES);
    if (queue->bytes > 0)
        bytes = queue->bytes;
    const uint64_t least = smaller(bytes, FLOW_PLAN_MIN_BATCH);
    if (scale < WHOLE)
        bytes = larger(least, bytes / WHOLE * scale + bytes % WHOLE * scale / WHOLE);
    const bool takes_large = scale == WHOLE && queue->bytes == 0 && queue->items == 0;
    const uint64_t large = takes_large ? large_bytes(plan, edge) : 0;
    return (struct flow_credit){
        .batches = batches,
        .records = queue->items > 0 ? queue->items : UINT64_MAX,
        .bytes = larger(bytes, large),
        .held = 2 * smaller(bytes, (uint64_t)batches * plan->batch_bytes),
        .large = large > bytes,
    };
}

/* min(count * b, bytes + b), where bytes may be anything up to 2^64. */
static uint64_t room(const struct flow_plan *plan, uint64_t count, uint64_t bytes)
{
    const uint64_t by_count = count * plan->batch_bytes;
    if (bytes >= by_count)
        return by_count;
    return smaller(by_count, bytes + plan->batch_bytes);
}

uint64_t flow_plan_link_keeps(const struct flow_plan_link *link)
{
    const uint64_t least = link->local ? (uint64_t)link->credit.batches + 1
                                       : (uint64_t)HELD_ROOM * link->credit.batches;
    uint64_t size = 1;
    while (size < least)
        size *= 2;
    return size;
}

/* What the writer of a link to another process holds until it is acknowledged. */
static uint64_t held_room(const struct flow_plan *plan, const struct flow_credit *credit)
{
    return room(plan, (uint64_t)HELD_BATCHES * credit->batches, credit->held);
}

/* The formula in bounds.h, for one edge: its links, what waits for them, and the open batches. */
static uint64_t edge_flight(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                            uint32_t scale)
{
    const struct flow_credit credit = edge_credit(plan, edge, scale);
    const uint64_t writers = plan->stages[edge->from].replica_count;
    const uint64_t queues = edge->share == FLOW_BALANCE ? writers : edge->link_count;
    const uint64_t open = edge->share == FLOW_KEY ? edge->link_count : writers;

    if (edge->fused)
        return open * plan->batch_bytes;
    uint64_t link = room(plan, credit.batches, credit.bytes);
    if (!flow_plan_edge_local(plan, edge))
        link += held_room(plan, &credit);
    uint64_t bytes = edge->link_count * link + open * plan->batch_bytes;
    if (edge->when_full == FLOW_DROP_OLD)
        bytes += queues * room(plan, WAITING_BATCHES, credit.bytes);
    return bytes;
}

static uint64_t flight(const struct flow_plan *plan, uint32_t scale)
{
    uint64_t bytes = (uint64_t)plan->replica_count * plan->batch_bytes;
    for (size_t i = 0; i < plan->edge_count; i++)
        bytes += edge_flight(plan, &plan->edges[i], scale);
    return bytes;
}

static uint32_t usual_batch_bytes(const struct flow_plan *plan)
{
    bool linked = false;
    for (size_t i = 0; i < plan->edge_count && !linked; i++)
        linked = !plan->edges[i].fused;
    return plan->mode == FLOW_PROCESSES && linked ? FLOW_PLAN_REMOTE_BATCH : FLOW_PLAN_LOCAL_BATCH;
}

/*
 * The largest batches whose links need not shrink below an eighth, then the largest scale that
 * fits: both small batches and short queues cost speed, small batches more.
 */
static uint32_t fit(struct flow_plan *plan, uint64_t limit)
{
    plan->batch_bytes = usual_batch_bytes(plan);
    while (plan->batch_bytes > FLOW_PLAN_MIN_BATCH && flight(plan, TIGHT) > limit)
        plan->batch_bytes /= 2;
    uint32_t fits = 0;
    uint32_t exceeds = WHOLE + 1;
    while (exceeds - fits > 1) {
        const uint32_t middle = fits + (exceeds - fits) / 2;
        if (flight(plan, middle) <= limit)
            fits = middle;
        else
            exceeds = middle;
    }
    return fits;
}

static enum flow_status refuse(const struct flow_plan *plan, struct flow_error *err)
{
    char given[32];
    char needed[32];
    return flow_fail(err, FLOW_ERANGE,
                     "run.memory is %llu bytes (%s), but with the smallest batches %zu links and "
                     "%zu replicas need %llu bytes (%s)",
                     (unsigned long long)plan->graph->memory,
                     flow_format_size(plan->graph->memory, given, sizeof(given)), plan->link_count,
                     plan->replica_count, (unsigned long long)plan->flight_bytes,
                     flow_format_size(plan->flight_bytes, needed, sizeof(needed)));
}

/*
 * What each replica of a stage opens for its neighbours: a socket for each, and where it is in
 * another process a connection there and one back.  Several edges between two stages need only one.
 */
static bool stage_descriptors(const struct flow_plan *plan, uint64_t *descriptors)
{
    size_t *reader = flow_calloc(plan->stage_count, sizeof(*reader)); /* the last one seen, + 1 */
    if (reader == NULL)
        return false;
    for (size_t i = 0; i < plan->edge_count; i++) {
        const struct flow_plan_edge *edge = &plan->edges[i];
        if (edge->fused || reader[edge->from] == edge->to + 1)
            continue;
        reader[edge->from] = edge->to + 1;
        const uint64_t each = flow_plan_edge_local(plan, edge) ? 1 : 3;
        descriptors[edge->from] += each * plan->stages[edge->to].replica_count;
        descriptors[edge->to] += each * plan->stages[edge->from].replica_count;
    }
    free(reader);
    return true;
}

/* One socket for all that comes in, with checkpoints an eventfd for what they ask of it, and what
 * each member opens for its neighbours. */
static uint64_t task_descriptors(const struct flow_plan *plan, const struct flow_plan_task *task,
                                 const uint64_t *of_stage)
{
    uint64_t descriptors = plan->graph->checkpoints ? 2 : 1;
    for (size_t i = 0; i < task->replica_count; i++)
        descriptors += of_stage[plan->replicas[task->replicas[i]].stage];
    const struct flow_plan_stage *first = &plan->stages[plan->replicas[task->replicas[0]].stage];
    descriptors += first->type != NULL && flow_type_holds(first->type); /* what it watches with */
    return descriptors;
}

/* Of the process that opens the most. */
static bool count_descriptors(struct flow_plan *plan)
{
    uint64_t *of_stage = flow_calloc(plan->stage_count, sizeof(*of_stage));
    if (of_stage == NULL || !stage_descriptors(plan, of_stage)) {
        free(of_stage);
        return false;
    }
    for (size_t i = 0; i < plan->group_count; i++) {
        const struct flow_plan_group *group = &plan->groups[i];
        uint64_t descriptors = PROCESS_DESCRIPTORS;
        for (size_t k = 0; k < group->task_count; k++)
            descriptors += task_descriptors(plan, &plan->tasks[group->tasks[k]], of_stage);
        plan->descriptors = larger(plan->descriptors, descriptors);
    }
    free(of_stage);
    return true;
}

/* What its remote links and the batches it fills for them may take. */
static uint64_t arena_need(const struct flow_plan *plan, const struct flow_plan_replica *replica)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < replica->out_count; i++) {
        const struct flow_plan_link *link = &plan->links[replica->out[i]];
        if (link->local)
            continue;
        bytes += room(plan, link->credit.batches, link->credit.bytes) +
                 held_room(plan, &link->credit) + plan->batch_bytes;
    }
    return bytes;
}

static void lay_out_arenas(struct flow_plan *plan)
{
    const uint64_t given = plan->graph->memory;
    const uint64_t spare =
        given > 0 ? smaller(given, FLOW_PLAN_ARENA_SPARE) : FLOW_PLAN_ARENA_SPARE;
    for (size_t i = 0; i < plan->replica_count; i++) {
        struct flow_plan_replica *replica = &plan->replicas[i];
        const uint64_t need = arena_need(plan, replica);
        const uint64_t grains = (need + spare + FLOW_PLAN_ARENA_GRAIN - 1) / FLOW_PLAN_ARENA_GRAIN;
        replica->arena_at = plan->arena_bytes;
        replica->arena_bytes = need > 0 ? grains * FLOW_PLAN_ARENA_GRAIN : 0;
        plan->arena_bytes += replica->arena_bytes;
    }
}

/* What the engine takes beside, if a process takes so much. */
static uint64_t engine_bytes(const struct flow_plan *plan, uint64_t process_bytes)
{
    const uint64_t launcher = plan->mode == FLOW_PROCESSES ? 1 : 0;
    return (plan->group_count + launcher) * process_bytes + plan->replica_count * REPLICA_BYTES +
           plan->link_count * LINK_BYTES;
}

/* What the records under way should fit into. */
static uint64_t memory_limit(const struct flow_plan *plan)
{
    const uint64_t engine = engine_bytes(plan, PROCESS_OWN_BYTES);
    const uint64_t half = plan->room_bytes / 2;
    if (plan->graph->memory > 0)
        return plan->graph->memory;
    if (plan->room_bytes == 0)
        return FLOW_PLAN_USUAL_MEMORY;
    return smaller(FLOW_PLAN_USUAL_MEMORY, half > engine ? half - engine : 0);
}

enum flow_status flow_plan_bound(struct flow_plan *plan, struct flow_error *err)
{
    const uint64_t given = plan->graph->memory;
    const uint32_t scale = fit(plan, memory_limit(plan));
    plan->flight_bytes = flight(plan, scale);
    if (given > 0 && plan->flight_bytes > given)
        return refuse(plan, err);
    plan->fused_bytes = (uint32_t)smaller(FLOW_PLAN_FUSED_BATCH, plan->batch_bytes);
    plan->batch_records = (uint32_t)smaller(FLOW_PLAN_MAX_BATCH_RECORDS, plan->batch_bytes / 8);
    for (size_t i = 0; i < plan->edge_count; i++) {
        const struct flow_plan_edge *edge = &plan->edges[i];
        const struct flow_credit credit = edge_credit(plan, edge, scale);
        for (size_t k = 0; k < edge->link_count; k++)
            plan->links[edge->first_link + k].credit = credit;
    }
    lay_out_arenas(plan);
    plan->engine_bytes = engine_bytes(plan, PROCESS_BYTES);
    plan->needed_bytes = plan->flight_bytes + engine_bytes(plan, PROCESS_OWN_BYTES);
    return count_descriptors(plan) ? FLOW_OK : FLOW_ENOMEM;
}
