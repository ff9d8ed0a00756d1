/* SPDX-License-Identifier: MIT */
#include "watch/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"
#include "watch/figures.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct count {
    const char *name;
    uint64_t value;
};

struct real {
    const char *name;
    double value;
};

/* The setters return whether it worked; `value` is taken, and may be NULL. */
static bool set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static bool set_counts(json_t *object, const struct count *counts, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = set(object, counts[i].name, json_integer((json_int_t)counts[i].value));
    return ok;
}

static bool set_reals(json_t *object, const struct real *reals, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = set(object, reals[i].name, json_real(reals[i].value));
    return ok;
}

static bool set_stage(json_t *object, const struct flow_figures_stage *stage)
{
    const struct count counts[] = {
        {"workers", stage->replicas},
        {"in", stage->in},
        {"out", stage->out},
        {"bytes_in", stage->bytes_in},
        {"bytes_out", stage->bytes_out},
        {"filtered", stage->filtered},
        {"skipped", stage->skipped},
        {"routed", stage->routed},
        {"failed", stage->failed},
        {"retried", stage->retried},
        {"unkeyed", stage->unkeyed},
        {"dropped", stage->dropped},
        {"unread", stage->unread},
        {"restarts", stage->restarts},
    };
    const struct real reals[] = {
        {"seconds", stage->seconds},          {"rate", stage->rate},
        {"busy", stage->shares.busy},         {"wait_in", stage->shares.wait_in},
        {"wait_out", stage->shares.wait_out}, {"wait_self", stage->shares.wait_self},
        {"cpu", stage->shares.cpu},
    };
    return set(object, "name", json_string(stage->name)) &&
           set_counts(object, counts, COUNT(counts)) && set_reals(object, reals, COUNT(reals));
}

static bool set_edge(json_t *object, const struct flow_plan *plan, size_t index,
                     const struct flow_figures_edge *edge)
{
    const struct count counts[] = {
        {"sent", edge->sent},   {"received", edge->received},       {"dropped", edge->dropped},
        {"bytes", edge->bytes}, {"redelivered", edge->redelivered},
    };
    char *name = flow_edge_name(plan, index);
    const bool ok = name != NULL && set(object, "name", json_string(name)) &&
                    set(object, "share", json_string(flow_share_name(plan->edges[index].share))) &&
                    set_counts(object, counts, COUNT(counts));
    free(name);
    return ok;
}

static bool set_stages(json_t *report, const struct flow_plan *plan,
                       const struct flow_figures *figures)
{
    json_t *list = json_array();
    bool ok = set(report, "stages", list);
    for (size_t i = 0; i < plan->stage_count && ok; i++) {
        json_t *object = json_object();
        const size_t into = plan->stages[i].task_of;
        ok = json_array_append_new(list, object) == 0 && set_stage(object, &figures->stages[i]) &&
             set(object, "fused_into",
                 into != i ? json_string(plan->stages[into].name) : json_null());
    }
    return ok;
}

static bool set_edges(json_t *report, const struct flow_plan *plan,
                      const struct flow_figures *figures)
{
    json_t *list = json_array();
    bool ok = set(report, "edges", list);
    for (size_t i = 0; i < plan->edge_count && ok; i++) {
        json_t *object = json_object();
        ok = json_array_append_new(list, object) == 0 &&
             set_edge(object, plan, i, &figures->edges[i]);
    }
    return ok;
}

static bool set_memory(json_t *report, const struct flow_plan *plan,
                       const struct flow_figures *figures)
{
    const struct count counts[] = {
        {"peak", figures->peak_bytes},
        {"bound", figures->bound_bytes},
        {"in_flight_bound", plan->flight_bytes},
    };
    json_t *object = json_object();
    return set(report, "memory", object) && set_counts(object, counts, COUNT(counts));
}

static bool set_bottleneck(json_t *report, const struct flow_plan *plan,
                           const struct flow_figures *figures, int64_t elapsed_ns)
{
    size_t stage = FLOW_NONE;
    char *text = flow_bottleneck(plan, figures, elapsed_ns, &stage);
    json_t *object = json_object();
    const bool ok = set(report, "bottleneck", object) && text != NULL &&
                    set(object, "stage",
                        stage == FLOW_NONE ? json_null() : json_string(plan->stages[stage].name)) &&
                    set(object, "text", json_string(text));
    free(text);
    return ok;
}

/* A text that may hold anything, such as a file's name; what is not UTF-8 becomes '?'. */
static json_t *any_text(const char *text)
{
    struct flow_str str = {0};
    const size_t size = strlen(text);
    for (size_t at = 0, step = 0; at < size; at += step) {
        step = flow_utf8_size(text + at, size - at);
        flow_str_add_bytes(&str, step > 0 ? text + at : "?", step > 0 ? step : 1);
        step = step > 0 ? step : 1;
    }
    char *clean = flow_str_take(&str);
    json_t *json = clean != NULL ? json_string(clean) : NULL;
    free(clean);
    return json;
}

static bool set_head(json_t *report, const struct flow_plan *plan,
                     const struct flow_figures *figures, const struct flow_report_info *info)
{
    json_t *message = info->message != NULL ? any_text(info->message) : json_null();
    return set(report, "graph", json_string(plan->graph->name)) &&
           set(report, "status", json_string(info->status)) && set(report, "message", message) &&
           set(report, "mode", json_string(plan->mode == FLOW_THREADS ? "threads" : "processes")) &&
           set(report, "cpus", json_integer(plan->cpus)) &&
           set(report, "cpus_used", json_real(figures->cpus_used)) &&
           set(report, "elapsed", json_real((double)info->elapsed_ns / 1e9)) &&
           set(report, "went_back", json_integer(info->went_back));
}

char *flow_report_json(const struct flow_plan *plan, const struct flow_board *board,
                       const struct flow_report_info *info)
{
    struct flow_figures figures = {0};
    struct flow_str out = {0};
    char *text = NULL;
    json_t *report = json_object();
    if (flow_figures_init(&figures, plan, board, info->elapsed_ns) &&
        set_head(report, plan, &figures, info) && set_stages(report, plan, &figures) &&
        set_edges(report, plan, &figures) && set_memory(report, plan, &figures) &&
        set_bottleneck(report, plan, &figures, info->elapsed_ns))
        text = json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    flow_str_add(&out, text != NULL ? text : "");
    flow_str_add(&out, "\n");
    json_decref(report);
    flow_figures_clear(&figures);
    const bool ok = text != NULL;
    free(text);
    if (!ok)
        flow_str_clear(&out);
    return ok ? flow_str_take(&out) : NULL;
}
