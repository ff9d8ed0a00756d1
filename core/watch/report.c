/* SPDX-License-Identifier: MIT */
#include "watch/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/units.h"
#include "plan/words.h"
#include "watch/figures.h"
#include "watch/table.h"

static const struct flow_table_column stage_columns[] = {
    {"stage", false},    {"workers", false},  {"in", false},     {"out", false},
    {"filtered", true},  {"skipped", true},   {"routed", true},  {"failed", true},
    {"retried", true},   {"unkeyed", true},   {"dropped", true}, {"unread", true},
    {"restarts", true},  {"rate", false},     {"busy", false},   {"wait in", false},
    {"wait out", false}, {"wait self", true}, {"CPU", false},
};

static const struct flow_table_column edge_columns[] = {
    {"edge", false},     {"share", false},  {"sent", false},
    {"received", false}, {"dropped", true}, {"redelivered", true},
};

static void add_share(struct flow_table *table, double share)
{
    if (share < 0.005)
        flow_table_add(table, "0");
    else
        flow_table_addf(table, "%.0f %%", share * 100);
}

static void add_stage(struct flow_table *table, const struct flow_figures_stage *stage)
{
    flow_table_add(table, stage->name);
    flow_table_count(table, stage->replicas);
    if (stage->producer)
        flow_table_add(table, "-");
    else
        flow_table_count(table, stage->in);
    if (stage->consumer)
        flow_table_add(table, "-");
    else
        flow_table_count(table, stage->out);

    const uint64_t counts[] = {stage->filtered, stage->skipped, stage->routed,
                               stage->failed,   stage->retried, stage->unkeyed,
                               stage->dropped,  stage->unread,  stage->restarts};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        flow_table_count(table, counts[i]);

    char rate[32];
    flow_table_addf(table, "%s/s", flow_format_count(stage->rate, rate, sizeof(rate)));
    const double shares[] = {stage->shares.busy, stage->shares.wait_in, stage->shares.wait_out,
                             stage->shares.wait_self, stage->shares.cpu};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        add_share(table, shares[i]);
}

static void print_stages(struct flow_str *out, const struct flow_plan *plan,
                         const struct flow_figures *figures)
{
    struct flow_table table = {.columns = stage_columns,
                               .column_count = sizeof(stage_columns) / sizeof(stage_columns[0])};
    for (size_t i = 0; i < plan->stage_count; i++)
        add_stage(&table, &figures->stages[i]);
    flow_table_print(&table, out);
    flow_table_clear(&table);
}

/* The stages that shared a thread, a line for each such thread. */
static void print_fused(struct flow_str *out, const struct flow_plan *plan)
{
    if (plan->task_count == plan->replica_count)
        return;
    for (size_t i = 0; i < plan->task_count; i++) {
        if (plan->tasks[i].replica_count == 1)
            continue;
        flow_str_add(out, "fused: ");
        flow_plan_task_words(plan, i, out);
        flow_str_add(out, "\n");
    }
    flow_str_add(out, "\n");
}

static void print_edges(struct flow_str *out, const struct flow_plan *plan,
                        const struct flow_figures *figures)
{
    struct flow_table table = {.columns = edge_columns,
                               .column_count = sizeof(edge_columns) / sizeof(edge_columns[0])};
    for (size_t i = 0; i < plan->edge_count; i++) {
        char *name = flow_edge_name(plan, i);
        if (name == NULL)
            table.failed = true;
        else
            flow_table_add(&table, name);
        free(name);
        flow_table_add(&table, flow_share_name(plan->edges[i].share));
        flow_table_count(&table, figures->edges[i].sent);
        flow_table_count(&table, figures->edges[i].received);
        flow_table_count(&table, figures->edges[i].dropped);
        flow_table_count(&table, figures->edges[i].redelivered);
    }
    flow_table_print(&table, out);
    flow_table_clear(&table);
}

static void print_head(struct flow_str *out, const struct flow_plan *plan,
                       const struct flow_report_info *info)
{
    char elapsed[32];
    flow_str_addf(out, "%s: %s ", plan->graph->name, info->status);
    if (info->elapsed_ns <= 0)
        flow_str_add(out, "before the first record");
    else
        flow_str_addf(out, "%s %s", strcmp(info->status, "done") == 0 ? "in" : "after",
                      flow_format_duration(info->elapsed_ns, elapsed, sizeof(elapsed)));
    flow_str_addf(out, ", in %s on %u %s\n", plan->mode == FLOW_THREADS ? "threads" : "processes",
                  plan->cpus, plan->cpus == 1 ? "CPU" : "CPUs");
    if (info->went_back > 0)
        flow_str_addf(out, "went back to its last checkpoint %u time%s\n", info->went_back,
                      info->went_back == 1 ? "" : "s");
}

static void print_memory(struct flow_str *out, const struct flow_plan *plan,
                         const struct flow_figures *figures)
{
    char peak[32];
    char bound[32];
    char flight[32];
    flow_str_addf(out, "memory: peak %s; the plan allows %s, %s of it for records under way\n",
                  flow_format_size(figures->peak_bytes, peak, sizeof(peak)),
                  flow_format_size(figures->bound_bytes, bound, sizeof(bound)),
                  flow_format_size(plan->flight_bytes, flight, sizeof(flight)));
}

char *flow_report_text(const struct flow_plan *plan, const struct flow_board *board,
                       const struct flow_report_info *info)
{
    struct flow_figures figures = {0};
    size_t stage = FLOW_NONE;
    char *bottleneck = NULL;
    struct flow_str out = {0};
    if (flow_figures_init(&figures, plan, board, info->elapsed_ns))
        bottleneck = flow_bottleneck(plan, &figures, info->elapsed_ns, &stage);
    if (bottleneck == NULL)
        goto done;

    print_head(&out, plan, info);
    if (info->elapsed_ns <= 0)
        goto done;
    flow_str_add(&out, "\n");
    print_stages(&out, plan, &figures);
    flow_str_add(&out, "\n");
    print_fused(&out, plan);
    print_edges(&out, plan, &figures);
    flow_str_add(&out, "\n");
    print_memory(&out, plan, &figures);
    flow_str_addf(&out, "bottleneck: %s\n", bottleneck);

done:
    free(bottleneck);
    flow_figures_clear(&figures);
    return out.size > 0 ? flow_str_take(&out) : NULL;
}
