/* SPDX-License-Identifier: MIT */
/* The CPUs of a stage: "0-3,6". */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

enum verdict { GOOD, NOT_A_LIST, BACKWARDS, TOO_LARGE };

/* A number at `*at`, which moves behind it. */
static enum verdict read_number(const char **at, uint32_t *number)
{
    if (**at < '0' || **at > '9')
        return NOT_A_LIST;
    uint32_t value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (uint32_t)(**at - '0');
        if (value >= FLOW_GRAPH_MAX_CPUS)
            return TOO_LARGE;
    }
    *number = value;
    return GOOD;
}

/* "6" or "0-3" at `*at`, which moves behind it. */
static enum verdict read_range(const char **at, bool *chosen)
{
    uint32_t first = 0;
    enum verdict verdict = read_number(at, &first);
    uint32_t last = first;
    if (verdict == GOOD && **at == '-') {
        (*at)++;
        verdict = read_number(at, &last);
    }
    if (verdict == GOOD && last < first)
        verdict = BACKWARDS;
    for (uint32_t i = first; verdict == GOOD && i <= last; i++)
        chosen[i] = true;
    return verdict;
}

static enum verdict read_list(const char *text, bool *chosen)
{
    enum verdict verdict = read_range(&text, chosen);
    while (verdict == GOOD && *text == ',') {
        text++;
        verdict = read_range(&text, chosen);
    }
    return verdict == GOOD && *text != '\0' ? NOT_A_LIST : verdict;
}

static void report(struct flow_reader *r, const struct flow_node *node, enum verdict verdict)
{
    const struct flow_shown shown = flow_show(node);
    if (verdict == TOO_LARGE)
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'cpus' must be numbers of CPUs from 0 to %d, not %s",
                      FLOW_GRAPH_MAX_CPUS - 1, shown.text);
    else if (verdict == BACKWARDS)
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'cpus' must go from the lower to the higher number, not %s", shown.text);
    else
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'cpus' must be a string with the numbers of CPUs, as in \"0-3,6\", not %s",
                      shown.text);
}

static void keep(struct flow_reader *r, struct flow_graph_stage *stage, const bool *chosen)
{
    size_t count = 0;
    for (size_t i = 0; i < FLOW_GRAPH_MAX_CPUS; i++)
        count += chosen[i];
    stage->cpus = flow_calloc(count, sizeof(*stage->cpus));
    if (stage->cpus == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (uint32_t i = 0; i < FLOW_GRAPH_MAX_CPUS; i++)
        if (chosen[i])
            stage->cpus[stage->cpu_count++] = i;
}

void flow_reader_cpus(struct flow_reader *r, const struct flow_node *node,
                      struct flow_graph_stage *stage)
{
    if (node == NULL || (node->broken && json_is_string(node->json)))
        return;
    bool *chosen = flow_calloc(FLOW_GRAPH_MAX_CPUS, sizeof(*chosen));
    if (chosen == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    const char *text = json_string_value(node->json);
    const enum verdict verdict = text != NULL ? read_list(text, chosen) : NOT_A_LIST;
    if (verdict == GOOD)
        keep(r, stage, chosen);
    else
        report(r, node, verdict);
    free(chosen);
}

bool flow_graph_same_cpus(const struct flow_graph_stage *a, const struct flow_graph_stage *b)
{
    return a->cpu_count == b->cpu_count &&
           (a->cpu_count == 0 || memcmp(a->cpus, b->cpus, a->cpu_count * sizeof(*a->cpus)) == 0);
}
