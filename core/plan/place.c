/* SPDX-License-Identifier: MIT */
#include "plan/place.h"

#include <stdlib.h>

#include "base/mem.h"

/* The placing of a plan's replicas under way. */
struct placing {
    struct flow_plan *plan;
    const struct flow_topology *topology;
    size_t *walk; /* first replicas of tasks without CPUs of their own, neighbours in the graph side
                     by side */
    size_t walk_count;
    struct flow_cpu *cpus; /* to be dealt out, cache by cache */
    size_t cpu_count;
};

bool flow_plan_places(const struct flow_graph *graph)
{
    bool places = graph->pin != FLOW_PIN_NONE;
    for (size_t i = 0; i < graph->stage_count && !places; i++)
        places = graph->stages[i].cpu_count > 0;
    return places;
}

void flow_cpus_add(struct flow_str *out, const uint32_t *cpus, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t first = i;
        while (i + 1 < count && cpus[i + 1] == cpus[i] + 1)
            i++;
        flow_str_addf(out, "%s%u", first > 0 ? "," : "", cpus[first]);
        if (i > first)
            flow_str_addf(out, "-%u", cpus[i]);
    }
}

static const struct flow_cpu *find_cpu(const struct flow_topology *topology, uint32_t number)
{
    size_t low = 0;
    size_t high = topology->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (topology->cpus[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < topology->count && topology->cpus[low].number == number ? &topology->cpus[low]
                                                                         : NULL;
}

/* ---- stages with CPUs of their own ---- */

static void add_usable(struct flow_str *out, const struct flow_topology *topology)
{
    const struct flow_cpu *cpus = topology->cpus;
    for (size_t i = 0; i < topology->count; i++) {
        if (cpus[i].state != FLOW_CPU_USABLE)
            continue;
        const size_t first = i;
        while (i + 1 < topology->count && cpus[i + 1].state == FLOW_CPU_USABLE &&
               cpus[i + 1].number == cpus[i].number + 1)
            i++;
        flow_str_addf(out, "%s%u", out->size > 0 ? "," : "", cpus[first].number);
        if (i > first)
            flow_str_addf(out, "-%u", cpus[i].number);
    }
}

static enum flow_status refuse(const struct flow_graph_stage *stage, uint32_t number,
                               const struct flow_cpu *cpu, const struct flow_topology *topology,
                               struct flow_error *err)
{
    const char *why = cpu == NULL                      ? "does not exist on this machine"
                      : cpu->state == FLOW_CPU_OFFLINE ? "is offline"
                                                       : "is closed to this process";
    struct flow_str usable = {0};
    add_usable(&usable, topology);
    const enum flow_status rc =
        flow_fail(err, FLOW_ERANGE, "stage '%s' asks for CPU %u, which %s; to be had: %s",
                  stage->name, number, why, usable.text != NULL ? usable.text : "none");
    flow_str_clear(&usable);
    return rc;
}

static enum flow_status check_stage(const struct flow_graph_stage *stage,
                                    const struct flow_topology *topology, struct flow_error *err)
{
    for (size_t i = 0; i < stage->cpu_count; i++) {
        const struct flow_cpu *cpu = find_cpu(topology, stage->cpus[i]);
        if (cpu == NULL || cpu->state != FLOW_CPU_USABLE)
            return refuse(stage, stage->cpus[i], cpu, topology, err);
    }
    return FLOW_OK;
}

static void put_stage(struct flow_plan *plan, const struct flow_plan_stage *stage)
{
    const struct flow_graph_stage *graph = stage->graph;
    const bool shared = graph->cpu_count < stage->replica_count;
    for (size_t i = 0; i < stage->replica_count; i++) {
        struct flow_plan_replica *replica = &plan->replicas[stage->first_replica + i];
        replica->cpus = shared ? graph->cpus : &graph->cpus[i];
        replica->cpu_count = shared ? graph->cpu_count : 1;
    }
}

static bool has_own(const struct flow_plan_stage *stage)
{
    return stage->graph != NULL && stage->graph->cpu_count > 0;
}

static enum flow_status put_stages(const struct placing *p, struct flow_error *err)
{
    for (size_t i = 0; i < p->plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &p->plan->stages[i];
        if (!has_own(stage))
            continue;
        const enum flow_status rc = check_stage(stage->graph, p->topology, err);
        if (rc != FLOW_OK)
            return rc;
        put_stage(p->plan, stage);
    }
    return FLOW_OK;
}

/* ---- the walk ---- */

/* A stack of stages; each edge puts its reader on it once. */
struct stack {
    size_t *stages;
    size_t count;
    bool *seen;
};

static void push_readers(const struct flow_plan *plan, size_t stage, struct stack *stack)
{
    const struct flow_plan_replica *first = &plan->replicas[plan->stages[stage].first_replica];
    size_t last = FLOW_NONE;
    for (size_t i = first->out_count; i-- > 0;) { /* the first reader on top */
        const size_t edge = plan->links[first->out[i]].edge;
        if (edge != last)
            stack->stages[stack->count++] = plan->edges[edge].to;
        last = edge;
    }
}

static void walk_from(struct placing *p, size_t stage, struct stack *stack)
{
    stack->stages[stack->count++] = stage;
    while (stack->count > 0) {
        const size_t at = stack->stages[--stack->count];
        const struct flow_plan_stage *s = &p->plan->stages[at];
        if (stack->seen[at])
            continue;
        stack->seen[at] = true;
        for (size_t i = 0; i < s->replica_count && !has_own(s) && s->task_of == at; i++)
            p->walk[p->walk_count++] = s->first_replica + i;
        push_readers(p->plan, at, stack);
    }
}

static enum flow_status walk(struct placing *p)
{
    const struct flow_plan *plan = p->plan;
    struct stack stack = {
        .stages = flow_calloc(plan->edge_count + 1, sizeof(*stack.stages)),
        .seen = flow_calloc(plan->stage_count, sizeof(*stack.seen)),
    };
    p->walk = flow_calloc(plan->replica_count, sizeof(*p->walk));
    const bool room = stack.stages != NULL && stack.seen != NULL && p->walk != NULL;
    for (size_t i = 0; room && i < plan->stage_count; i++) {
        if (plan->replicas[plan->stages[i].first_replica].in_count == 0)
            walk_from(p, i, &stack);
    }
    free(stack.stages);
    free(stack.seen);
    return room ? FLOW_OK : FLOW_ENOMEM;
}

/* ---- the CPUs ---- */

static bool is_claimed(const struct flow_graph *graph, uint32_t number)
{
    for (size_t i = 0; i < graph->stage_count; i++) {
        for (size_t k = 0; k < graph->stages[i].cpu_count; k++) {
            if (graph->stages[i].cpus[k] == number)
                return true;
        }
    }
    return false;
}

/* Those that may be used and, with `unclaimed`, that no stage has asked for. */
static void list_cpus(struct placing *p, bool unclaimed)
{
    for (size_t i = 0; i < p->topology->count; i++) {
        const struct flow_cpu *cpu = &p->topology->cpus[i];
        if (cpu->state == FLOW_CPU_USABLE &&
            !(unclaimed && is_claimed(p->plan->graph, cpu->number)))
            p->cpus[p->cpu_count++] = *cpu;
    }
}

static int compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

/* Cache by cache; under each, first threads of cores first. */
static int by_distance(const void *a, const void *b)
{
    const struct flow_cpu *x = a;
    const struct flow_cpu *y = b;
    int order = compare(x->node, y->node);
    order = order != 0 ? order : compare(x->cache, y->cache);
    order = order != 0 ? order : compare(x->thread, y->thread);
    return order != 0 ? order : compare(x->number, y->number);
}

static enum flow_status sort_cpus(struct placing *p, struct flow_error *err)
{
    p->cpus = flow_calloc(p->topology->count, sizeof(*p->cpus));
    p->plan->order = flow_calloc(p->topology->count, sizeof(*p->plan->order));
    if (p->cpus == NULL || p->plan->order == NULL)
        return FLOW_ENOMEM;
    list_cpus(p, true);
    if (p->cpu_count == 0)
        list_cpus(p, false);
    if (p->cpu_count == 0)
        return flow_fail(err, FLOW_ERANGE, "no CPU is open to this process");
    qsort(p->cpus, p->cpu_count, sizeof(*p->cpus), by_distance);
    for (size_t i = 0; i < p->cpu_count; i++)
        p->plan->order[i] = p->cpus[i].number;
    return FLOW_OK;
}

/* ---- dealing ---- */

/* Replicas [first, end) of the walk to CPUs [from, from + count): one each, or all to all. */
static void deal(const struct placing *p, size_t first, size_t end, size_t from, size_t count)
{
    const bool shared = p->walk_count > p->cpu_count;
    for (size_t i = first; i < end; i++) {
        struct flow_plan_replica *replica = &p->plan->replicas[p->walk[i]];
        replica->cpus = &p->plan->order[shared ? from : from + (i - first)];
        replica->cpu_count = shared ? count : 1;
    }
}

/* To every cache as many of the replicas as it has of the CPUs. */
static void deal_in_shares(const struct placing *p)
{
    size_t from = 0;
    while (from < p->cpu_count) {
        size_t end = from + 1;
        while (end < p->cpu_count && p->cpus[end].node == p->cpus[from].node &&
               p->cpus[end].cache == p->cpus[from].cache)
            end++;
        deal(p, p->walk_count * from / p->cpu_count, p->walk_count * end / p->cpu_count, from,
             end - from);
        from = end;
    }
}

static enum flow_status pin(struct placing *p, struct flow_error *err)
{
    enum flow_status rc = walk(p);
    if (rc == FLOW_OK)
        rc = sort_cpus(p, err);
    if (rc != FLOW_OK)
        return rc;
    if (p->plan->graph->pin == FLOW_PIN_COMPACT && p->walk_count <= p->cpu_count)
        deal(p, 0, p->walk_count, 0, p->cpu_count);
    else
        deal_in_shares(p);
    return FLOW_OK;
}

/* The members of a task run where its first one does. */
static void follow_tasks(struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->replica_count; i++) {
        struct flow_plan_replica *replica = &plan->replicas[i];
        const size_t first = plan->tasks[replica->task].replicas[0];
        replica->cpus = plan->replicas[first].cpus;
        replica->cpu_count = plan->replicas[first].cpu_count;
    }
}

static uint32_t common_node(const struct flow_topology *topology,
                            const struct flow_plan_replica *replica)
{
    const uint32_t node = find_cpu(topology, replica->cpus[0])->node;
    for (size_t i = 1; i < replica->cpu_count; i++) {
        if (find_cpu(topology, replica->cpus[i])->node != node)
            return FLOW_NO_NODE;
    }
    return node;
}

static void note_nodes(const struct placing *p)
{
    for (size_t i = 0; i < p->plan->replica_count; i++) {
        struct flow_plan_replica *replica = &p->plan->replicas[i];
        replica->node = replica->cpu_count > 0 ? common_node(p->topology, replica) : FLOW_NO_NODE;
    }
}

enum flow_status flow_plan_place(struct flow_plan *plan, const struct flow_topology *topology,
                                 struct flow_error *err)
{
    if (!flow_plan_places(plan->graph))
        return FLOW_OK;
    if (topology == NULL)
        return flow_fail(err, FLOW_EINVAL,
                         "the graph says where its stages run, and nothing is known of the "
                         "machine's CPUs");

    struct placing p = {.plan = plan, .topology = topology};
    enum flow_status rc = put_stages(&p, err);
    if (rc == FLOW_OK && plan->graph->pin != FLOW_PIN_NONE)
        rc = pin(&p, err);
    if (rc == FLOW_OK) {
        follow_tasks(plan);
        note_nodes(&p);
    }
    free(p.walk);
    free(p.cpus);
    return rc;
}
