/* SPDX-License-Identifier: MIT */
/* "fuse": may a stage run in the thread of the stage before it. */
#include <string.h>

#include "graph/field.h"
#include "graph/text.h"

static const char *const fuse_names[] = {"auto", "on", "off", NULL};

const char *flow_fuse_name(enum flow_fuse fuse)
{
    return fuse_names[fuse];
}

bool flow_reader_fuse_value(struct flow_reader *r, const struct flow_node *node,
                            enum flow_fuse *fuse)
{
    if (node == NULL || (node->broken && json_is_string(node->json)))
        return false;
    const char *word = json_string_value(node->json);
    if (json_is_boolean(node->json)) {
        *fuse = json_is_true(node->json) ? FLOW_FUSE_ON : FLOW_FUSE_OFF;
        return true;
    }
    if (word != NULL && strcmp(word, "auto") == 0) {
        *fuse = FLOW_FUSE_AUTO;
        return true;
    }
    flow_diag_add(r->diag, FLOW_AT(node), NULL, "'fuse' must be true, false or \"auto\", not %s",
                  flow_show(node).text);
    return false;
}

void flow_reader_fuse_option(struct flow_reader *r)
{
    const char *word = r->options->fuse;
    if (word == NULL)
        return;
    for (int i = 0; fuse_names[i] != NULL; i++) {
        if (strcmp(word, fuse_names[i]) == 0) {
            r->graph->fuse = (enum flow_fuse)i;
            return;
        }
    }
    flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL,
                  "--fuse must be one of auto, on, off, not '%s'", flow_cut(word).text);
}

static bool has_queue(const struct flow_queue *queue)
{
    return queue->items > 0 || queue->bytes > 0 || queue->when_full != FLOW_BLOCK;
}

/* Why an edge cannot be a call from one stage to the other; NULL: it can. */
static const char *obstacle(const struct flow_graph *graph, const struct flow_graph_edge *edge)
{
    const struct flow_graph_stage *from = &graph->stages[edge->from];
    const struct flow_graph_stage *to = &graph->stages[edge->to];
    if (to->workers != 1)
        return "it does not have exactly one worker";
    if (from->workers != 1)
        return "the stage before it does not have exactly one worker";
    if (to->isolate || from->isolate)
        return "one of the two is to be isolated";
    if (!flow_graph_same_cpus(from, to))
        return "the two have different 'cpus'";
    if (has_queue(&edge->queue))
        return "the edge between them has a queue";
    return NULL;
}

static void report(struct flow_reader *r, size_t index, const char *why)
{
    flow_diag_add(r->diag, FLOW_AT(r->stages[index].fuse),
                  "\"auto\" fuses where it can be done and pays",
                  "stage '%s' cannot run in the thread of the stage before it: %s",
                  r->graph->stages[index].name, why);
}

void flow_reader_fuse(struct flow_reader *r, size_t index)
{
    const struct flow_graph_stage *stage = &r->graph->stages[index];
    if (!stage->fuse_given || stage->fuse != FLOW_FUSE_ON || r->unsure)
        return;
    const struct flow_edge_range edges = flow_reader_inputs(r, index);
    if (edges.first == edges.end) {
        report(r, index, "there is none");
        return;
    }
    for (size_t i = edges.first; i < edges.end; i++) {
        const struct flow_graph_edge *edge = &r->graph->edges[i];
        const char *why = edge->from != r->graph->edges[edges.first].from
                              ? "it reads from several stages"
                              : obstacle(r->graph, edge);
        if (why != NULL) {
            report(r, index, why);
            return;
        }
    }
}
