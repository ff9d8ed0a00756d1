/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "base/units.h"
#include "plan/columns.h"
#include "plan/delivery.h"
#include "plan/place.h"
#include "plan/plan.h"
#include "plan/wire.h"
#include "plan/words.h"

#define PATHS_MOST 100 /* that are printed */

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void add_head(const struct flow_plan *plan, struct flow_str *out)
{
    const struct flow_graph *graph = plan->graph;
    flow_str_add(out, graph->name);
    if (graph->description != NULL)
        flow_str_addf(out, ": %s", graph->description);
    flow_str_addf(out,
                  "\n%zu stage%s as %zu replica%s joined by %zu link%s; auto means %u worker%s\n",
                  plan->stage_count, plural(plan->stage_count), plan->replica_count,
                  plural(plan->replica_count), plan->link_count, plural(plan->link_count),
                  plan->cpus, plural(plan->cpus));
}

static void add_stage(const struct flow_plan *plan, size_t index, struct flow_str *cells)
{
    const struct flow_plan_stage *stage = &plan->stages[index];
    const char *reason = flow_plan_workers_reason(plan, index);
    flow_str_addf(cells, "%s\t%s\t%s\t%zu", stage->name,
                  stage->type != NULL ? stage->type->name : "-", flow_plan_role(plan, index),
                  stage->replica_count);
    if (*reason != '\0')
        flow_str_addf(cells, " (%s)", reason);
    flow_str_addf(cells, "\t%s\t", flow_plan_order_words(plan, index));
    flow_plan_errors_words(stage, cells);
    flow_str_add(cells, "\n");
}

static void add_stages(const struct flow_plan *plan, struct flow_str *out)
{
    struct flow_str cells = {0};
    flow_str_add(&cells, "STAGE\tTYPE\tROLE\tWORKERS\tORDER OF RESULTS\tA BAD RECORD\n");
    for (size_t i = 0; i < plan->stage_count; i++)
        add_stage(plan, i, &cells);
    flow_str_add(out, "\nStages\n");
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

static void add_share(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                      struct flow_str *cells)
{
    if (edge->share == FLOW_BALANCE && plan->stages[edge->to].replica_count == 1)
        flow_str_add(cells, "-");
    else
        flow_str_add(cells, flow_share_name(edge->share));
    if (edge->key != NULL)
        flow_str_addf(cells, " %s", edge->key);
}

/* Of records that fit into a batch: a few large ones may have more. */
static void add_credit(const struct flow_plan *plan, const struct flow_credit *credit,
                       struct flow_str *cells)
{
    const uint64_t full = (uint64_t)credit->batches * plan->batch_bytes;
    char bytes[32];
    flow_str_addf(
        cells, "%" PRIu32 " batch%s, %s", credit->batches, credit->batches == 1 ? "" : "es",
        flow_format_size(credit->bytes < full ? credit->bytes : full, bytes, sizeof(bytes)));
    if (credit->records != UINT64_MAX)
        flow_str_addf(cells, ", %" PRIu64 " record%s", credit->records,
                      credit->records == 1 ? "" : "s");
}

static void add_edge(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                     struct flow_str *cells)
{
    flow_plan_output_words(plan, edge, cells);
    flow_str_add(cells, " → ");
    flow_plan_input_words(plan, edge, cells);
    flow_str_add(cells, "\t");
    add_share(plan, edge, cells);
    flow_str_addf(cells, "\t%zu\t", edge->link_count);
    if (edge->fused)
        flow_str_add(cells, "one batch in hand");
    else
        add_credit(plan, &plan->links[edge->first_link].credit, cells);
    const char *over = edge->fused ? "call" : flow_plan_edge_local(plan, edge) ? "memory" : "ipc";
    flow_str_addf(cells, "\t%s\t%s\t%s\n", flow_when_full_name(edge->when_full),
                  edge->merge_numbered ? "by number" : "as they come", over);
}

static void add_edges(const struct flow_plan *plan, struct flow_str *out)
{
    if (plan->edge_count == 0)
        return;
    struct flow_str cells = {0};
    flow_str_add(&cells, "FROM → TO\tSHARE\tLINKS\tROOM ON EACH\tWHEN FULL\tTAKEN\tOVER\n");
    for (size_t i = 0; i < plan->edge_count; i++)
        add_edge(plan, &plan->edges[i], &cells);
    flow_str_add(out, "\nEdges: different stages each get every record; the workers of one stage "
                      "share them\n");
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

static void add_sequencer(const struct flow_plan *plan, const struct flow_plan_edge *behind,
                          struct flow_str *out)
{
    const char *name = plan->stages[behind->from].name;
    const struct flow_plan_stage *reader = &plan->stages[behind->to];
    if (reader->recovers && !reader->numbered)
        flow_str_addf(out, "  %s holds what %s has not acknowledged, should its process die\n",
                      name, reader->name);
    else if (behind->graph_edge != FLOW_NONE && behind->when_full == FLOW_BLOCK)
        flow_str_addf(out, "  %s deals to %s what it would get in another way the second time\n",
                      name, reader->name);
    else if (behind->graph_edge != FLOW_NONE)
        flow_str_addf(out,
                      "  %s puts results in order before the edge to %s, which may drop some\n",
                      name, reader->name);
    else
        flow_str_addf(out,
                      "  %s gives what reaches %s one order, which its %zu workers then keep\n",
                      name, reader->name, reader->replica_count);
}

static void add_sequencers(const struct flow_plan *plan, struct flow_str *out)
{
    bool any = false;
    for (size_t i = 0; i < plan->edge_count; i++) {
        const struct flow_plan_edge *behind = &plan->edges[i];
        if (plan->stages[behind->from].graph != NULL)
            continue;
        if (!any)
            flow_str_add(out, "\nSequencers\n");
        any = true;
        add_sequencer(plan, behind, out);
    }
}

/* "gen + copy", or "work ×4", for the task that begins with a stage. */
static void add_task(const struct flow_plan *plan, size_t stage, struct flow_str *out)
{
    const struct flow_plan_stage *first = &plan->stages[stage];
    flow_plan_task_words(plan, plan->replicas[first->first_replica].task, out);
    if (first->replica_count > 1)
        flow_str_addf(out, " ×%zu", first->replica_count);
}

/* The tasks that stand in processes of their own, or the others. */
static void add_names(const struct flow_plan *plan, bool spawned, struct flow_str *out)
{
    const char *comma = "";
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (stage->task_of != i ||
            plan->groups[plan->replicas[stage->first_replica].group].spawned != spawned)
            continue;
        flow_str_add(out, comma);
        add_task(plan, i, out);
        comma = ", ";
    }
}

static void add_processes(const struct flow_plan *plan, struct flow_str *out)
{
    const size_t own = plan->mode == FLOW_THREADS ? plan->groups[0].task_count : 0;
    const size_t spawned = plan->group_count - (plan->mode == FLOW_THREADS ? 1 : 0);
    flow_str_add(out, "\nProcesses\n");
    if (own > 0) {
        flow_str_addf(out, "  %zu thread%s of this process: ", own, plural(own));
        add_names(plan, false, out);
        flow_str_add(out, "\n");
    }
    if (spawned > 0) {
        flow_str_addf(out, "  %zu process%s of one thread each: ", spawned,
                      spawned == 1 ? "" : "es");
        add_names(plan, true, out);
        flow_str_add(out, "\n");
    }
    if (plan->task_count < plan->replica_count)
        flow_str_add(out, "  stages joined by + are fused: one thread runs them, each calling the "
                          "next\n");
}

/* A line for each replica; for a run of replicas of one stage that have the same CPUs, one line. */
static size_t add_place(const struct flow_plan *plan, size_t first, struct flow_str *cells)
{
    char name[FLOW_GRAPH_MAX_NAME + 32];
    const struct flow_plan_replica *replica = &plan->replicas[first];
    size_t end = first + 1;
    while (end < plan->replica_count && plan->replicas[end].stage == replica->stage &&
           plan->replicas[end].cpus == replica->cpus)
        end++;
    flow_str_add(cells, flow_plan_replica_name(plan, first, name, sizeof(name)));
    if (end > first + 1)
        flow_str_addf(cells, " to %s", flow_plan_replica_name(plan, end - 1, name, sizeof(name)));
    flow_str_add(cells, "\t");
    if (replica->cpu_count == 0)
        flow_str_add(cells, "any\t-\n");
    else {
        flow_cpus_add(cells, replica->cpus, replica->cpu_count);
        if (replica->node == FLOW_NO_NODE)
            flow_str_add(cells, "\tseveral\n");
        else
            flow_str_addf(cells, "\t%" PRIu32 "\n", replica->node);
    }
    return end;
}

static void add_places(const struct flow_plan *plan, struct flow_str *out)
{
    if (!flow_plan_places(plan->graph))
        return;
    struct flow_str cells = {0};
    flow_str_add(&cells, "REPLICA\tCPU\tNUMA NODE\n");
    for (size_t i = 0; i < plan->replica_count;)
        i = add_place(plan, i, &cells);
    flow_str_addf(out, "\nPlaces (pin: %s)\n", flow_pin_name(plan->graph->pin));
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

static void add_memory(const struct flow_plan *plan, struct flow_str *out)
{
    struct flow_str cells = {0};
    char text[32];
    flow_str_addf(&cells, "in flight\t%s at most",
                  flow_format_size(plan->flight_bytes, text, sizeof(text)));
    if (plan->graph->memory > 0)
        flow_str_addf(&cells, ", of %s that run.memory allows",
                      flow_format_size(plan->graph->memory, text, sizeof(text)));
    if (plan->arena_bytes > 0)
        flow_str_addf(&cells, "\nshared\tof that, what crosses processes, in %s of addresses",
                      flow_format_size(plan->arena_bytes, text, sizeof(text)));
    flow_str_addf(&cells, "\nthe engine\tabout %s beside\n",
                  flow_format_size(plan->engine_bytes, text, sizeof(text)));
    flow_str_addf(&cells, "a batch\t%s or %" PRIu32 " records\n",
                  flow_format_size(plan->batch_bytes, text, sizeof(text)), plan->batch_records);
    flow_str_addf(&cells, "descriptors\t%" PRIu64 " in the process that opens the most\n",
                  plan->descriptors);
    flow_str_add(out, "\nMemory\n");
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

/* What becomes of each stage when one of its processes dies. */
static void add_restarts(const struct flow_plan *plan, struct flow_str *out)
{
    const bool back = plan->graph->checkpoints && plan->groups[plan->group_count - 1].spawned;
    if (!plan->recovers && !back)
        return;
    struct flow_str cells = {0};
    flow_str_add(&cells, "STAGE\tWHEN ITS PROCESS DIES\n");
    for (size_t i = 0; i < plan->stage_count; i++) {
        flow_str_addf(&cells, "%s\t", plan->stages[i].name);
        flow_plan_death_words(plan, i, &cells);
        flow_str_add(&cells, "\n");
    }
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

static void add_path(const struct flow_plan *plan, const struct flow_delivery_path *path,
                     struct flow_str *cells)
{
    flow_str_addf(cells, "%s → %s\t%s\t", plan->stages[path->from].name,
                  plan->stages[path->to].name, flow_delivery_words(path));
    if (path->loses != NULL)
        flow_str_addf(cells, "%s", path->loses);
    if (path->twice != NULL && path->twice != path->loses)
        flow_str_addf(cells, "%s%s", path->loses != NULL ? "; " : "", path->twice);
    if (path->loses == NULL && path->twice == NULL)
        flow_str_addf(cells, "what is read %s, and what is written be cut back",
                      path->spooled ? "lies in a spool and can be emitted again"
                                    : "can be read again");
    flow_str_add(cells, "\n");
}

/* Without checkpoints all paths are alike, and "If something crashes" says how. */
static void add_delivery(const struct flow_plan *plan, struct flow_str *out)
{
    struct flow_delivery_path *paths = NULL;
    size_t count = 0;
    if (!plan->graph->checkpoints)
        return;
    if (flow_delivery_list(plan, &paths, &count, NULL) != FLOW_OK) {
        out->failed = true;
        return;
    }
    struct flow_str cells = {0};
    char text[32];
    flow_str_add(&cells, "FROM → TO\tDELIVERY\tBECAUSE\n");
    for (size_t i = 0; i < count && i < PATHS_MOST; i++)
        add_path(plan, &paths[i], &cells);
    if (count > PATHS_MOST)
        flow_str_addf(&cells, "... and %zu more\t\t\n", count - PATHS_MOST);
    free(paths);
    flow_str_addf(out,
                  "\nDelivery, when the run is interrupted and gone on with (a checkpoint "
                  "every %s)\n",
                  flow_format_duration(plan->graph->checkpoint_ns, text, sizeof(text)));
    flow_columns(&cells, out);
    flow_str_clear(&cells);
}

void flow_plan_explain(const struct flow_plan *plan, struct flow_str *out)
{
    add_head(plan, out);
    add_stages(plan, out);
    add_edges(plan, out);
    add_sequencers(plan, out);
    add_processes(plan, out);
    add_places(plan, out);
    add_memory(plan, out);
    add_delivery(plan, out);
    flow_str_add(out, "\nIf something crashes\n");
    for (const char *const *line = flow_plan_crash_words(plan); *line != NULL; line++)
        flow_str_addf(out, "  %s\n", *line);
    add_restarts(plan, out);
}
