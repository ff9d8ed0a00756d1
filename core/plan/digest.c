/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "plan/plan.h"

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static int mix_bytes(const char *bytes, size_t size, void *digest)
{
    uint64_t *at = digest;
    for (size_t i = 0; i < size; i++)
        *at = (*at ^ (unsigned char)bytes[i]) * FNV_PRIME;
    return 0;
}

/* Values go in as eight bytes, lowest first, and texts with their end: no two lists look alike. */
static void mix(uint64_t *digest, uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8)
        *digest = (*digest ^ (value >> i & 0xff)) * FNV_PRIME;
}

static void mix_text(uint64_t *digest, const char *text)
{
    mix(digest, text != NULL);
    if (text != NULL)
        (void)mix_bytes(text, strlen(text) + 1, digest);
}

static void mix_stage(uint64_t *digest, const struct flow_plan_stage *stage)
{
    mix_text(digest, stage->name);
    mix(digest, stage->replica_count);
    mix(digest, stage->numbered);
    if (stage->spool_bytes > 0) /* what is saved has a place in the spool */
        mix_text(digest, "spool");
    mix(digest, stage->graph != NULL);
    if (stage->graph == NULL)
        return;
    const struct flow_error_policy *errors = &stage->graph->errors;
    mix_text(digest, stage->type->name);
    mix(digest, stage->graph->order);
    mix(digest, errors->then);
    mix(digest, errors->retries);
    mix(digest, (uint64_t)errors->backoff_ns);
    mix(digest, (uint64_t)errors->backoff_max_ns);
    mix(digest, (uint64_t)stage->graph->timeout_ns);
    mix(digest, stage->graph->with != NULL);
    /* Only a lack of memory fails it: then the digest is of use to nobody, and fits no other. */
    if (stage->graph->with != NULL &&
        json_dump_callback(stage->graph->with, mix_bytes, digest, JSON_COMPACT) != 0)
        mix(digest, UINT64_MAX);
}

static void mix_edge(uint64_t *digest, const struct flow_plan_edge *edge)
{
    mix(digest, edge->graph_edge);
    mix(digest, edge->from);
    mix(digest, edge->from_port);
    mix(digest, edge->to);
    mix(digest, edge->to_port);
    mix(digest, edge->share);
    mix_text(digest, edge->key);
    mix(digest, edge->when_full);
    mix(digest, edge->merge_numbered);
    mix(digest, edge->fused);
}

static void mix_link(uint64_t *digest, const struct flow_plan_link *link)
{
    mix(digest, link->from);
    mix(digest, link->to);
    mix(digest, link->local);
    mix(digest, link->credit.batches);
    mix(digest, link->credit.records);
    mix(digest, link->credit.bytes);
    mix(digest, link->credit.held);
}

static void mix_replica(uint64_t *digest, const struct flow_plan_replica *replica)
{
    mix(digest, replica->group);
    mix(digest, replica->cpu_count);
    for (size_t i = 0; i < replica->cpu_count; i++)
        mix(digest, replica->cpus[i]);
}

static void mix_input(uint64_t *digest, const struct flow_plan *plan,
                      const struct flow_plan_edge *edge)
{
    mix_text(digest, plan->stages[edge->from].name);
    mix(digest, edge->from_port);
    mix(digest, edge->to_port);
    mix(digest, edge->share);
    mix_text(digest, edge->key);
    mix(digest, edge->when_full);
}

uint64_t flow_plan_stage_digest(const struct flow_plan *plan, size_t stage)
{
    uint64_t digest = FNV_START;
    mix_stage(&digest, &plan->stages[stage]);
    for (size_t i = 0; i < plan->edge_count; i++) {
        if (plan->edges[i].to == stage)
            mix_input(&digest, plan, &plan->edges[i]);
    }
    return digest;
}

/* Lists of replicas and groups follow from what is mixed in and need no place of their own. */
uint64_t flow_plan_digest(const struct flow_plan *plan)
{
    uint64_t digest = FNV_START;
    mix_text(&digest, plan->graph->name);
    mix(&digest, (uint64_t)plan->graph->drain_ns);
    mix(&digest, plan->mode);
    mix(&digest, plan->stage_count);
    for (size_t i = 0; i < plan->stage_count; i++) {
        mix_stage(&digest, &plan->stages[i]);
        mix(&digest, plan->stages[i].recovers); /* as the mode, no matter to a checkpoint */
    }
    mix(&digest, plan->edge_count);
    for (size_t i = 0; i < plan->edge_count; i++)
        mix_edge(&digest, &plan->edges[i]);
    for (size_t i = 0; i < plan->link_count; i++)
        mix_link(&digest, &plan->links[i]);
    for (size_t i = 0; i < plan->replica_count; i++)
        mix_replica(&digest, &plan->replicas[i]);
    for (size_t i = 0; i < plan->replica_count; i++)
        mix(&digest, plan->replicas[i].task);
    for (size_t i = 0; i < plan->replica_count; i++)
        mix(&digest, plan->replicas[i].arena_bytes);
    mix(&digest, plan->batch_bytes);
    mix(&digest, plan->batch_records);
    mix(&digest, plan->fused_bytes);
    return digest;
}
