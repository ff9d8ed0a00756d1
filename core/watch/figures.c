/* SPDX-License-Identifier: MIT */
#include "watch/figures.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

static double share(int64_t part, int64_t whole)
{
    if (part <= 0 || whole <= 0)
        return 0;
    return part < whole ? (double)part / (double)whole : 1;
}

/* Time in one kind of waiting, with what has passed of a wait that is not over. */
static int64_t waited(const struct flow_board_replica *counts, const flow_counter *counter,
                      enum flow_replica_state state, int64_t now_ns)
{
    int64_t sum = (int64_t)flow_read(counter);
    const int64_t since = (int64_t)flow_read(&counts->since_ns);
    if (flow_read(&counts->state) == (uint64_t)state && now_ns > since)
        sum += now_ns - since;
    return sum;
}

/* When the replica ended; a process that was killed left no such time, so its last sign of life. */
static int64_t end_of(const struct flow_board_replica *counts)
{
    const int64_t end = (int64_t)flow_read(&counts->end_ns);
    return end != 0 ? end : (int64_t)flow_read(&counts->since_ns);
}

struct flow_times flow_replica_times(const struct flow_board_replica *counts, int64_t now_ns)
{
    const int64_t start = (int64_t)flow_read(&counts->start_ns);
    const int64_t end = (int64_t)flow_read(&counts->end_ns);
    const int64_t until = end != 0 ? end : now_ns;
    if (start == 0 || until <= start)
        return (struct flow_times){0};

    struct flow_times times = {
        .wait_in = waited(counts, &counts->wait_in_ns, FLOW_STATE_WAIT_IN, until),
        .wait_out = waited(counts, &counts->wait_out_ns, FLOW_STATE_WAIT_OUT, until),
        .wait_self = waited(counts, &counts->wait_self_ns, FLOW_STATE_WAIT_SELF, until),
    };
    const int64_t rest = until - start - times.wait_in - times.wait_out - times.wait_self;
    times.busy = rest > 0 ? rest : 0;
    return times;
}

uint64_t flow_count_routed(const struct flow_plan_stage *stage,
                           const struct flow_board_replica *counts)
{
    /* A sequencer refuses nothing. */
    const bool routes = stage->graph != NULL && stage->graph->errors.then == FLOW_ROUTE;
    return routes ? flow_read(&counts->routed) + flow_read(&counts->unkeyed) : 0;
}

static void add_counts(struct flow_figures_stage *stage, const struct flow_board_replica *counts)
{
    stage->in += flow_read(&counts->records_in);
    stage->out += flow_read(&counts->records_out);
    stage->bytes_in += flow_read(&counts->bytes_in);
    stage->bytes_out += flow_read(&counts->bytes_out);
    stage->filtered += flow_read(&counts->filtered);
    stage->skipped += flow_read(&counts->skipped);
    stage->routed += flow_read(&counts->routed);
    stage->failed += flow_read(&counts->failed);
    stage->retried += flow_read(&counts->retried);
    stage->unkeyed += flow_read(&counts->unkeyed);
    stage->unread += flow_read(&counts->unread);
}

static void add_shares(struct flow_figures_stage *stage, const struct flow_board_replica *counts,
                       int64_t elapsed_ns)
{
    const double n = (double)stage->replicas;
    const struct flow_times times = flow_replica_times(counts, end_of(counts));
    stage->shares.busy += share(times.busy, elapsed_ns) / n;
    stage->shares.wait_in += share(times.wait_in, elapsed_ns) / n;
    stage->shares.wait_out += share(times.wait_out, elapsed_ns) / n;
    stage->shares.wait_self += share(times.wait_self, elapsed_ns) / n;
    stage->shares.cpu += share((int64_t)flow_read(&counts->cpu_ns), elapsed_ns) / n;
    stage->shares.ready += share((int64_t)flow_read(&counts->ready_ns), elapsed_ns) / n;
}

/* Of each task: fused stages keep one thread occupied together, each while the others wait. */
static double *occupied_tasks(const struct flow_plan *plan, const struct flow_board *board,
                              int64_t elapsed_ns)
{
    double *tasks = flow_calloc(plan->task_count + 1, sizeof(*tasks));
    for (size_t i = 0; i < plan->task_count && tasks != NULL; i++) {
        int64_t occupied_ns = 0;
        for (size_t k = 0; k < plan->tasks[i].replica_count; k++) {
            const struct flow_board_replica *counts = &board->replicas[plan->tasks[i].replicas[k]];
            const struct flow_times times = flow_replica_times(counts, end_of(counts));
            occupied_ns += times.busy + times.wait_self;
        }
        tasks[i] = share(occupied_ns, elapsed_ns);
    }
    return tasks;
}

static void note_busiest(struct flow_figures_stage *figures, const struct flow_plan *plan,
                         const struct flow_plan_stage *stage, const double *tasks)
{
    for (size_t i = 0; i < stage->replica_count; i++) {
        const size_t replica = stage->first_replica + i;
        const double occupied = tasks[plan->replicas[replica].task];
        if (occupied > figures->occupied) {
            figures->occupied = occupied;
            figures->busiest = replica;
        }
    }
}

static struct flow_figures_stage sum_stage(const struct flow_plan *plan,
                                           const struct flow_board *board, size_t index,
                                           int64_t elapsed_ns)
{
    const struct flow_plan_stage *stage = &plan->stages[index];
    const struct flow_plan_replica *first = &plan->replicas[stage->first_replica];
    struct flow_figures_stage sum = {
        .name = stage->name,
        .replicas = stage->replica_count,
        .producer = first->in_count == 0,
        .consumer = first->out_count == 0,
        .busiest = stage->first_replica,
    };

    int64_t start = INT64_MAX;
    int64_t end = 0;
    for (size_t i = 0; i < stage->replica_count; i++) {
        const struct flow_board_replica *counts = &board->replicas[stage->first_replica + i];
        const int64_t started = (int64_t)flow_read(&counts->start_ns);
        const int64_t ended = end_of(counts);
        add_counts(&sum, counts);
        sum.out -= flow_count_routed(stage, counts);
        sum.restarts += flow_read(&counts->deaths);
        const struct flow_board_group *group =
            &board->groups[plan->replicas[stage->first_replica + i].group];
        if (stage->recovers)
            sum.restarts += flow_read(&group->restarts) + flow_read(&group->former);
        add_shares(&sum, counts, elapsed_ns);
        if (started != 0 && started < start)
            start = started;
        if (ended > end)
            end = ended;
    }

    if (end > start)
        sum.seconds = (double)(end - start) / 1e9;
    const uint64_t moved = sum.producer ? sum.out + sum.unread : sum.in;
    sum.rate = elapsed_ns > 0 ? (double)moved * 1e9 / (double)elapsed_ns : 0;
    return sum;
}

static void sum_edges(struct flow_figures *figures, const struct flow_plan *plan,
                      const struct flow_board *board)
{
    for (size_t i = 0; i < plan->link_count; i++) {
        const struct flow_plan_link *link = &plan->links[i];
        const struct flow_board_link *counts = &board->links[i];
        struct flow_figures_edge *edge = &figures->edges[link->edge];
        const uint64_t dropped = flow_read(&counts->dropped);
        edge->sent += flow_read(&counts->sent);
        edge->received += flow_read(&counts->received);
        edge->bytes += flow_read(&counts->sent_bytes);
        edge->dropped += dropped;
        edge->redelivered += flow_read(&counts->redelivered);
        figures->stages[plan->edges[link->edge].from].dropped += dropped;
    }
}

static double cpus_used(const struct flow_plan *plan, const struct flow_board *board,
                        int64_t elapsed_ns)
{
    uint64_t cpu = 0;
    for (size_t i = 0; i < plan->replica_count; i++)
        cpu += flow_read(&board->replicas[i].cpu_ns);
    return elapsed_ns > 0 ? (double)cpu / (double)elapsed_ns : 0;
}

bool flow_figures_init(struct flow_figures *figures, const struct flow_plan *plan,
                       const struct flow_board *board, int64_t elapsed_ns)
{
    *figures = (struct flow_figures){0};
    figures->stages = flow_calloc(plan->stage_count + 1, sizeof(*figures->stages));
    figures->edges = flow_calloc(plan->edge_count + 1, sizeof(*figures->edges));
    double *tasks = occupied_tasks(plan, board, elapsed_ns);
    if (figures->stages == NULL || figures->edges == NULL || tasks == NULL) {
        free(tasks);
        flow_figures_clear(figures);
        return false;
    }

    for (size_t i = 0; i < plan->stage_count; i++) {
        figures->stages[i] = sum_stage(plan, board, i, elapsed_ns);
        note_busiest(&figures->stages[i], plan, &plan->stages[i], tasks);
    }
    free(tasks);
    sum_edges(figures, plan, board);
    for (size_t i = 0; i < board->group_count; i++)
        figures->peak_bytes += flow_read(&board->groups[i].peak_bytes);
    figures->bound_bytes = plan->flight_bytes + plan->engine_bytes;
    figures->cpus_used = cpus_used(plan, board, elapsed_ns);
    return true;
}

void flow_figures_clear(struct flow_figures *figures)
{
    free(figures->stages);
    free(figures->edges);
    *figures = (struct flow_figures){0};
}

char *flow_edge_name(const struct flow_plan *plan, size_t index)
{
    const struct flow_plan_edge *edge = &plan->edges[index];
    const struct flow_plan_stage *from = &plan->stages[edge->from];
    struct flow_str str = {0};
    flow_str_add(&str, from->name);
    if (edge->from_port != 0 && from->type != NULL)
        flow_str_addf(&str, ".%s", flow_output_name(from->type, edge->from_port));
    flow_str_addf(&str, " -> %s", plan->stages[edge->to].name);
    return flow_str_take(&str);
}
