/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan/delivery.h"
#include "plan/plan.h"
#include "plan/wire.h"
#include "plan/words.h"

/* Counts in JSON are signed; more than that is as good as no limit. */
static json_int_t number(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

/* A text of which nothing may have failed; NULL then, which json_pack reports. */
static json_t *text_json(struct flow_str *text)
{
    char *taken = flow_str_take(text);
    json_t *json = taken != NULL ? json_string(taken) : NULL;
    free(taken);
    return json;
}

static json_t *policy_json(const struct flow_plan_stage *stage)
{
    if (stage->graph == NULL)
        return json_null();
    const struct flow_error_policy *policy = &stage->graph->errors;
    return json_pack("{s:s, s:I, s:I, s:I}", "then", flow_on_error_name(policy->then), "retries",
                     (json_int_t)policy->retries, "backoff_ns", (json_int_t)policy->backoff_ns,
                     "backoff_max_ns", (json_int_t)policy->backoff_max_ns);
}

static json_t *stage_json(const struct flow_plan *plan, size_t index)
{
    const struct flow_plan_stage *stage = &plan->stages[index];
    return json_pack(
        "{s:s, s:s?, s:s, s:I, s:s, s:b, s:b, s:b, s:s?, s:s?, s:s, s:o}", "name", stage->name,
        "type", stage->type != NULL ? stage->type->name : NULL, "role", flow_plan_role(plan, index),
        "workers", number(stage->replica_count), "workers_reason",
        flow_plan_workers_reason(plan, index), "numbered", (int)stage->numbered, "restarts",
        (int)stage->recovers, "isolate", (int)(stage->graph != NULL && stage->graph->isolate),
        "fused_into", stage->task_of != index ? plan->stages[stage->task_of].name : NULL, "order",
        stage->graph != NULL ? flow_order_name(stage->graph->order) : NULL, "order_of_results",
        flow_plan_order_words(plan, index), "errors", policy_json(stage));
}

static json_t *credit_json(const struct flow_credit *credit)
{
    json_t *records =
        credit->records != UINT64_MAX ? json_integer(number(credit->records)) : json_null();
    return json_pack("{s:I, s:I, s:o}", "batches", number(credit->batches), "bytes",
                     number(credit->bytes), "records", records);
}

static json_t *edge_json(const struct flow_plan *plan, size_t index)
{
    const struct flow_plan_edge *edge = &plan->edges[index];
    struct flow_str from = {0};
    struct flow_str to = {0};
    flow_plan_output_words(plan, edge, &from);
    flow_plan_input_words(plan, edge, &to);
    return json_pack("{s:o, s:o, s:b, s:s, s:s?, s:s, s:b, s:I, s:b, s:b, s:o}", "from",
                     text_json(&from), "to", text_json(&to), "sequencer",
                     (int)(edge->graph_edge == FLOW_NONE), "share", flow_share_name(edge->share),
                     "key", edge->key, "when_full", flow_when_full_name(edge->when_full),
                     "by_number", (int)edge->merge_numbered, "links", number(edge->link_count),
                     "local", (int)flow_plan_edge_local(plan, edge), "fused", (int)edge->fused,
                     "each_link", credit_json(&plan->links[edge->first_link].credit));
}

/* null: anywhere. */
static json_t *cpus_json(const struct flow_plan_replica *replica)
{
    if (replica->cpu_count == 0)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < replica->cpu_count && list != NULL; i++) {
        if (json_array_append_new(list, json_integer(replica->cpus[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *replica_json(const struct flow_plan *plan, size_t replica)
{
    char name[FLOW_GRAPH_MAX_NAME + 32];
    const struct flow_plan_replica *r = &plan->replicas[replica];
    const bool one_node = r->cpu_count > 0 && r->node != FLOW_NO_NODE;
    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "name",
                     flow_plan_replica_name(plan, replica, name, sizeof(name)), "thread",
                     number(r->task), "process", number(r->group), "cpus", cpus_json(r), "node",
                     one_node ? json_integer(r->node) : json_null());
}

static json_t *group_json(const struct flow_plan *plan, size_t group)
{
    return json_pack("{s:b, s:I}", "spawned", (int)plan->groups[group].spawned, "replicas",
                     number(plan->groups[group].replica_count));
}

static json_t *crash_json(const struct flow_plan *plan, size_t index)
{
    return json_string(flow_plan_crash_words(plan)[index]);
}

/* The array of what `item` makes of 0 to count - 1. */
static json_t *array_json(const struct flow_plan *plan, size_t count,
                          json_t *(*item)(const struct flow_plan *plan, size_t index))
{
    json_t *array = json_array();
    for (size_t i = 0; i < count && array != NULL; i++) {
        if (json_array_append_new(array, item(plan, i)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *memory_json(const struct flow_plan *plan)
{
    json_t *allowed =
        plan->graph->memory > 0 ? json_integer(number(plan->graph->memory)) : json_null();
    return json_pack("{s:I, s:o, s:I, s:I, s:I, s:I}", "in_flight", number(plan->flight_bytes),
                     "allowed", allowed, "shared_room", number(plan->arena_bytes), "engine",
                     number(plan->engine_bytes), "batch_bytes", number(plan->batch_bytes),
                     "batch_records", number(plan->batch_records));
}

static json_t *path_json(const struct flow_plan *plan, const struct flow_delivery_path *path)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "from", plan->stages[path->from].name, "to",
                     plan->stages[path->to].name, "delivery", flow_delivery_words(path), "loses",
                     path->loses, "twice", path->twice);
}

static json_t *delivery_json(const struct flow_plan *plan)
{
    struct flow_delivery_path *paths = NULL;
    size_t count = 0;
    if (flow_delivery_list(plan, &paths, &count, NULL) != FLOW_OK)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < count && list != NULL; i++) {
        if (json_array_append_new(list, path_json(plan, &paths[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    free(paths);
    return list;
}

json_t *flow_plan_json(const struct flow_plan *plan)
{
    char digest[20];
    (void)snprintf(digest, sizeof(digest), "%016" PRIx64, flow_plan_digest(plan));
    size_t sentences = 0;
    while (flow_plan_crash_words(plan)[sentences] != NULL)
        sentences++;
    return json_pack(
        "{s:s, s:s?, s:s, s:s, s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b, s:o}",
        "graph", plan->graph->name, "description", plan->graph->description, "mode",
        plan->mode == FLOW_THREADS ? "threads" : "processes", "pin",
        flow_pin_name(plan->graph->pin), "cpus", number(plan->cpus), "digest", digest, "links",
        number(plan->link_count), "stages", array_json(plan, plan->stage_count, stage_json),
        "edges", array_json(plan, plan->edge_count, edge_json), "replicas",
        array_json(plan, plan->replica_count, replica_json), "processes",
        array_json(plan, plan->group_count, group_json), "memory", memory_json(plan), "descriptors",
        number(plan->descriptors), "if_something_crashes", array_json(plan, sentences, crash_json),
        "checkpoints", (int)plan->graph->checkpoints, "delivery", delivery_json(plan));
}
