/* SPDX-License-Identifier: MIT */
#include "random/model.h"

#include <jansson.h>
#include <stdio.h>

static const char *const type_names[] = {
    [RT_SOURCE] = "rt.source",   [RT_MAP] = "rt.map",
    [RT_RESERVE] = "rt.reserve", [RT_BATCH] = "rt.batch",
    [RT_HOLD] = "rt.hold",       [RT_FAIL] = "rt.fail",
    [RT_FILTER] = "rt.filter",   [RT_RUNS] = "rt.runs",
    [RT_FORWARD] = "rt.forward", [RT_FORWARD_BATCH] = "rt.forward_batch",
    [RT_SPLIT] = "rt.split",     [RT_EXPAND] = "rt.expand",
    [RT_COUNT] = "rt.count",     [RT_JOIN2] = "rt.join2",
    [RT_SINK] = "rt.sink",       [RT_SINKN] = "rt.sinkn",
};

static const char *const share_names[] = {"balance", "key", "all"};
static const char *const order_names[] = {NULL, "input", "key", "none"};
static const char *const when_full_names[] = {"block", "drop_new", "drop_old"};
static const char *const then_names[] = {"stop", "skip", "route"};
static const char *const kind_names[] = {"same", "xor", "reverse", "grow", "halve"};
static const char *const key_names[] = {"keep", "derive", "drop"};

const char *rt_type_name(enum rt_type type)
{
    return type_names[type];
}

char *rt_stage_name(const struct rt_graph *graph, unsigned stage, char buf[RT_KEY_SIZE])
{
    snprintf(buf, RT_KEY_SIZE, "%s%u", type_names[graph->stages[stage].type] + 3, stage);
    return buf;
}

enum rt_order rt_effective_order(const struct rt_graph *graph, unsigned stage)
{
    const struct rt_stage *s = &graph->stages[stage];
    if (s->order != RT_ORDER_DEFAULT)
        return s->order;
    for (unsigned e = 0; e < graph->edge_count; e++)
        if (graph->edges[e].to == stage && graph->edges[e].share == RT_BY_KEY && s->workers > 1)
            return RT_ORDER_KEY;
    return RT_ORDER_INPUT;
}

static struct rt_traits arriving_traits(const struct rt_graph *graph, unsigned stage)
{
    struct rt_traits in = {.json = true};
    for (unsigned e = 0; e < graph->edge_count; e++) {
        const struct rt_edge *edge = &graph->edges[e];
        if (edge->to != stage)
            continue;
        const struct rt_traits *from = &graph->out[edge->from][edge->from_port];
        in.lossy |= from->lossy || edge->when_full != RT_BLOCK;
        in.loose |= from->loose || edge->pointer != NULL;
        in.dead |= from->dead;
        in.json &= from->json;
    }
    return in;
}

static bool changes_bytes(const struct rt_stage *stage)
{
    switch (stage->type) {
    case RT_MAP:
    case RT_RESERVE:
    case RT_BATCH:
    case RT_HOLD:
        return stage->transform.kind != RT_SAME;
    case RT_EXPAND:
    case RT_COUNT:
    case RT_JOIN2:
        return true;
    case RT_SOURCE:
    case RT_FAIL:
    case RT_FILTER:
    case RT_RUNS:
    case RT_FORWARD:
    case RT_FORWARD_BATCH:
    case RT_SPLIT:
    case RT_SINK:
    case RT_SINKN:
        break;
    }
    return false;
}

static bool gives_keys(const struct rt_stage *stage)
{
    const bool transforms = stage->type == RT_MAP || stage->type == RT_RESERVE ||
                            stage->type == RT_BATCH || stage->type == RT_HOLD;
    return stage->type == RT_COUNT || (transforms && stage->transform.key != RT_KEY_KEEP);
}

void rt_stage_trace(struct rt_graph *graph, unsigned stage)
{
    const struct rt_stage *s = &graph->stages[stage];
    struct rt_traits in = arriving_traits(graph, stage);
    if (s->type == RT_SOURCE)
        in.json = s->source.json;
    graph->in[stage] = in;
    for (unsigned port = 0; port < RT_OUTPUTS; port++)
        graph->out[stage][port] = (struct rt_traits){
            .lossy = in.lossy,
            .loose = in.loose && !gives_keys(s),
            .dead = in.dead,
            .json = in.json && !changes_bytes(s),
        };
    graph->out[stage][RT_ERRORS] =
        (struct rt_traits){.lossy = in.lossy, .loose = in.loose, .dead = true};
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *source_json(const struct rt_source *source)
{
    json_t *with = json_object();
    json_object_set_new(with, "count", integer((uint64_t)source->count));
    json_object_set_new(with, "seed", integer((uint64_t)source->seed));
    json_object_set_new(with, "size_min", integer(source->size_min));
    json_object_set_new(with, "size_max", integer(source->size_max));
    json_object_set_new(with, "keyed", integer((uint64_t)source->keyed));
    json_object_set_new(with, "key_space", integer((uint64_t)source->key_space));
    json_object_set_new(with, "json", json_boolean(source->json));
    json_object_set_new(with, "flush_every", integer((uint64_t)source->flush_every));
    return with;
}

static json_t *transform_json(const struct rt_transform *transform)
{
    json_t *with = json_object();
    json_object_set_new(with, "kind", json_string(kind_names[transform->kind]));
    json_object_set_new(with, "key", json_string(key_names[transform->key]));
    json_object_set_new(with, "key_space", integer((uint64_t)transform->key_space));
    json_object_set_new(with, "salt", integer((uint64_t)transform->salt));
    json_object_set_new(with, "bad", integer((uint64_t)transform->bad));
    json_object_set_new(with, "fails", integer((uint64_t)transform->fails));
    json_object_set_new(with, "tries", integer((uint64_t)transform->tries));
    json_object_set_new(with, "spin", integer((uint64_t)transform->spin));
    return with;
}

static json_t *choice_json(const struct rt_choice *choice)
{
    json_t *with = json_object();
    json_object_set_new(with, "salt", integer((uint64_t)choice->salt));
    json_object_set_new(with, "percent", integer((uint64_t)choice->percent));
    return with;
}

static json_t *expand_json(const struct rt_expand *expand)
{
    json_t *with = json_object();
    json_object_set_new(with, "salt", integer((uint64_t)expand->salt));
    json_object_set_new(with, "most", integer((uint64_t)expand->most));
    json_object_set_new(with, "burst", integer((uint64_t)expand->burst));
    json_object_set_new(with, "size_most", integer(expand->size_most));
    return with;
}

static json_t *path_json(const char *name)
{
    json_t *with = json_object();
    json_object_set_new(with, "path", json_sprintf("${param:out}/%s.bin", name));
    return with;
}

/* The parameters of a stage, or NULL where its type has none. */
static json_t *with_json(const struct rt_stage *stage, const char *name)
{
    switch (stage->type) {
    case RT_SOURCE:
        return source_json(&stage->source);
    case RT_MAP:
    case RT_RESERVE:
    case RT_BATCH:
    case RT_HOLD:
    case RT_FAIL:
        return transform_json(&stage->transform);
    case RT_FILTER:
    case RT_RUNS:
    case RT_SPLIT:
        return choice_json(&stage->choice);
    case RT_EXPAND:
        return expand_json(&stage->expand);
    case RT_SINK:
    case RT_SINKN:
        return path_json(name);
    case RT_FORWARD:
    case RT_FORWARD_BATCH:
    case RT_COUNT:
    case RT_JOIN2:
        break;
    }
    return NULL;
}

static json_t *errors_json(const struct rt_policy *policy)
{
    if (policy->retries == 0)
        return json_string(then_names[policy->then]);
    json_t *errors = json_object();
    json_object_set_new(errors, "retry", integer(policy->retries));
    json_object_set_new(errors, "backoff", json_sprintf("%ums", policy->backoff_ms));
    json_object_set_new(errors, "then", json_string(then_names[policy->then]));
    return errors;
}

static const char *port_name(const struct rt_stage *stage, unsigned port)
{
    if (port == RT_ERRORS)
        return ".errors";
    if (stage->type == RT_SPLIT)
        return port == 0 ? ".picked" : ".rest";
    return "";
}

static json_t *queue_json(const struct rt_edge *edge)
{
    json_t *queue = json_object();
    if (edge->items > 0)
        json_object_set_new(queue, "items", integer(edge->items));
    if (edge->bytes > 0)
        json_object_set_new(queue, "bytes", integer(edge->bytes));
    if (edge->when_full != RT_BLOCK)
        json_object_set_new(queue, "when_full", json_string(when_full_names[edge->when_full]));
    return queue;
}

static json_t *edge_json(const struct rt_graph *graph, const struct rt_edge *edge)
{
    const struct rt_stage *from = &graph->stages[edge->from];
    char name[RT_KEY_SIZE];
    json_t *ref = json_sprintf("%s%s", rt_stage_name(graph, edge->from, name),
                               port_name(from, edge->from_port));
    json_t *queue = queue_json(edge);
    if (edge->share == RT_BALANCE && json_object_size(queue) == 0) {
        json_decref(queue);
        return ref;
    }
    json_t *object = json_object();
    json_object_set_new(object, "stage", ref);
    json_object_set_new(object, "share", json_string(share_names[edge->share]));
    if (edge->pointer != NULL)
        json_object_set_new(object, "key", json_string(edge->pointer));
    if (json_object_size(queue) > 0)
        json_object_set(object, "queue", queue);
    json_decref(queue);
    return object;
}

/* The edges into one port: an edge, or a list of several. */
static json_t *port_json(const struct rt_graph *graph, unsigned stage, unsigned port)
{
    json_t *list = json_array();
    for (unsigned e = 0; e < graph->edge_count; e++)
        if (graph->edges[e].to == stage && graph->edges[e].to_port == port)
            json_array_append_new(list, edge_json(graph, &graph->edges[e]));
    if (json_array_size(list) != 1)
        return list;
    json_t *only = json_incref(json_array_get(list, 0));
    json_decref(list);
    return only;
}

static json_t *inputs_json(const struct rt_graph *graph, unsigned stage)
{
    json_t *inputs = json_object();
    json_object_set_new(inputs, "left", port_json(graph, stage, 0));
    json_object_set_new(inputs, "right", port_json(graph, stage, 1));
    return inputs;
}

static json_t *stage_json(const struct rt_graph *graph, unsigned stage, const char *plugin)
{
    const struct rt_stage *s = &graph->stages[stage];
    char name[RT_KEY_SIZE];
    json_t *object = json_object();
    json_object_set_new(object, "use", json_sprintf("%s:%s", plugin, type_names[s->type]));
    json_t *with = with_json(s, rt_stage_name(graph, stage, name));
    if (with != NULL)
        json_object_set_new(object, "with", with);
    if (s->type == RT_JOIN2)
        json_object_set_new(object, "inputs", inputs_json(graph, stage));
    else if (s->type != RT_SOURCE)
        json_object_set_new(object, "from", port_json(graph, stage, 0));
    if (s->workers > 1)
        json_object_set_new(object, "workers", integer(s->workers));
    if (s->order != RT_ORDER_DEFAULT)
        json_object_set_new(object, "order", json_string(order_names[s->order]));
    if (s->errors.then != RT_STOP || s->errors.retries > 0)
        json_object_set_new(object, "errors", errors_json(&s->errors));
    if (s->isolate)
        json_object_set_new(object, "isolate", json_true());
    return object;
}

bool rt_graph_write(const struct rt_graph *graph, const char *plugin, const char *path)
{
    json_t *stages = json_object();
    char name[RT_KEY_SIZE];
    for (unsigned s = 0; s < graph->stage_count; s++)
        json_object_set_new(stages, rt_stage_name(graph, s, name), stage_json(graph, s, plugin));
    json_t *root = json_pack("{s:i, s:{s:{s:s}}, s:o}", "flowrun", 1, "params", "out", "type",
                             "string", "stages", stages);
    if (graph->memory_mib > 0)
        json_object_set_new(root, "run",
                            json_pack("{s:o}", "memory", json_sprintf("%uMiB", graph->memory_mib)));
    const bool ok = json_dump_file(root, path, JSON_INDENT(2)) == 0;
    json_decref(root);
    return ok;
}
