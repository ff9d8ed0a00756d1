/* SPDX-License-Identifier: MIT */
#include "plan/words.h"

#include "base/units.h"
#include "plan/delivery.h"
#include "plan/recover.h"

/* The lists of a stage's first replica hold at least one link of each edge of the stage. */
static const struct flow_plan_replica *first_replica(const struct flow_plan *plan, size_t stage)
{
    return &plan->replicas[plan->stages[stage].first_replica];
}

static const struct flow_plan_edge *edge_of(const struct flow_plan *plan, size_t link)
{
    return &plan->edges[plan->links[link].edge];
}

/* Does a reader take the results of the stage by number? */
static bool is_merged(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_replica *replica = first_replica(plan, stage);
    bool merged = false;
    for (size_t i = 0; i < replica->out_count && !merged; i++)
        merged = edge_of(plan, replica->out[i])->merge_numbered;
    return merged;
}

/* Does anything take from the stage's own ports, that of errors not counted? */
static bool is_read(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_replica *replica = first_replica(plan, stage);
    bool read = false;
    for (size_t i = 0; i < replica->out_count && !read; i++)
        read = edge_of(plan, replica->out[i])->from_port != FLOW_PORT_ERRORS;
    return read;
}

static bool has_several_inputs(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_replica *replica = first_replica(plan, stage);
    for (size_t i = 1; i < replica->in_count; i++) {
        if (edge_of(plan, replica->in[i])->to_port != edge_of(plan, replica->in[0])->to_port)
            return true;
    }
    return false;
}

static bool has_share(const struct flow_plan *plan, size_t stage, enum flow_share share)
{
    const struct flow_plan_replica *replica = first_replica(plan, stage);
    bool has = false;
    for (size_t i = 0; i < replica->in_count && !has; i++)
        has = edge_of(plan, replica->in[i])->share == share;
    return has;
}

const char *flow_plan_role(const struct flow_plan *plan, size_t stage)
{
    static const char *const names[] = {
        [FLOW_PRODUCER] = "producer",
        [FLOW_WORKER] = "worker",
        [FLOW_CONSUMER] = "consumer",
    };
    const struct flow_stage_type *type = plan->stages[stage].type;
    if (type == NULL)
        return "sequencer";
    if (type->role == FLOW_EITHER)
        return names[is_read(plan, stage) ? FLOW_WORKER : FLOW_CONSUMER];
    return names[type->role];
}

const char *flow_plan_workers_reason(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_stage *s = &plan->stages[stage];
    if (s->graph == NULL || s->graph->workers != FLOW_WORKERS_AUTO)
        return "";
    if ((s->type->traits & FLOW_SINGLE) != 0)
        return "auto: the type allows one";
    if ((s->type->traits & FLOW_STATEFUL) != 0 && s->replica_count == 1 && plan->cpus > 1)
        return "auto: keeps state, not shared by key";
    return s->graph->cpu_count > 0 ? "auto: its CPUs" : "auto: the cores";
}

const char *flow_plan_order_words(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_stage *s = &plan->stages[stage];
    if (!is_read(plan, stage))
        return "";
    if (s->numbered)
        return is_merged(plan, stage) ? "of its input" : "as it comes (dealt out again)";
    if (s->replica_count == 1)
        return "as emitted";
    if (first_replica(plan, stage)->in_count == 0 || has_share(plan, stage, FLOW_ALL))
        return "as it comes, each worker's own kept";
    if (has_share(plan, stage, FLOW_KEY))
        return s->graph->order == FLOW_ORDER_NONE ? "as it comes" : "within a key";
    if (s->graph->order != FLOW_ORDER_NONE && has_several_inputs(plan, stage))
        return "as it comes (several inputs)";
    return "as it comes";
}

void flow_plan_errors_words(const struct flow_plan_stage *stage, struct flow_str *out)
{
    if (stage->graph == NULL)
        return;
    const struct flow_error_policy *policy = &stage->graph->errors;
    if (policy->retries > 0) {
        char wait[32];
        flow_str_addf(out, "retry %u %s after %s", policy->retries,
                      policy->retries == 1 ? "time" : "times",
                      flow_format_duration(policy->backoff_ns, wait, sizeof(wait)));
        if (policy->retries > 1 && policy->backoff_max_ns > policy->backoff_ns)
            flow_str_addf(out, " to %s",
                          flow_format_duration(policy->backoff_max_ns, wait, sizeof(wait)));
        flow_str_add(out, ", then ");
    }
    flow_str_add(out, flow_on_error_name(policy->then));
}

static void add_port(struct flow_str *out, const struct flow_port *ports, unsigned port)
{
    if (flow_port_count(ports) > 1)
        flow_str_addf(out, ".%s", ports[port].name);
}

void flow_plan_output_words(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                            struct flow_str *out)
{
    const struct flow_plan_stage *from = &plan->stages[edge->from];
    flow_str_add(out, from->name);
    if (edge->from_port == FLOW_PORT_ERRORS)
        flow_str_add(out, ".errors");
    else if (from->type != NULL)
        add_port(out, flow_type_outputs(from->type), edge->from_port);
}

void flow_plan_input_words(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                           struct flow_str *out)
{
    const struct flow_plan_stage *to = &plan->stages[edge->to];
    flow_str_add(out, to->name);
    if (to->type != NULL)
        add_port(out, flow_type_inputs(to->type), edge->to_port);
}

void flow_plan_task_words(const struct flow_plan *plan, size_t task, struct flow_str *out)
{
    const struct flow_plan_task *self = &plan->tasks[task];
    for (size_t i = 0; i < self->replica_count; i++)
        flow_str_addf(out, "%s%s", i > 0 ? " + " : "",
                      plan->stages[plan->replicas[self->replicas[i]].stage].name);
}

const char *flow_plan_loss_words(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_stage *self = &plan->stages[stage];
    const struct flow_plan_task *task = &plan->tasks[plan->replicas[self->first_replica].task];
    if (task->replica_count > 1)
        return "it shares a thread";
    if (self->graph == NULL)
        return "it is a sequencer";
    const char *obstacle = flow_plan_obstacle(plan, self->graph);
    return obstacle != NULL ? obstacle : "no one replica can hold what it has not acknowledged";
}

/* Why the death of its process ends a run with checkpoints; NULL: the run goes back to one. */
static const char *way_back_words(const struct flow_plan *plan, size_t stage)
{
    const struct flow_plan_stage *self = &plan->stages[stage];
    size_t producer;
    const char *why;
    if (!plan->groups[plan->replicas[self->first_replica].group].spawned)
        return "it is a thread of the process that runs the others";
    if (self->graph != NULL && !self->graph->restart.on)
        return "its \"restart\" is false";
    if (flow_delivery_way_back(plan, &producer, &why, NULL) != FLOW_OK)
        return "there is no memory to go back";
    return why;
}

void flow_plan_death_words(const struct flow_plan *plan, size_t stage, struct flow_str *out)
{
    const bool back = plan->graph->checkpoints;
    const char *end = back ? way_back_words(plan, stage) : flow_plan_loss_words(plan, stage);
    if (plan->stages[stage].recovers)
        flow_str_add(out, "it is replaced");
    else if (end == NULL)
        flow_str_add(out, "the run goes back to its last checkpoint");
    else
        flow_str_addf(out, "the run ends%s: %s", back ? " and can be gone on with" : "", end);
}

/* The same where a run takes checkpoints. */
static const char *const *resumable_words(const struct flow_plan *plan)
{
    static const char *const threads[] = {
        "All stages are threads of one process and share its fate: a crash in one ends the run.",
        "With --resume it goes on from its last checkpoint.",
        NULL,
    };
    static const char *const processes[] = {
        "A process is replaced, or the run goes back to its last checkpoint, as the table says.",
        "If it ends, or all of it dies, it goes on from there with --resume.",
        NULL,
    };
    return plan->group_count > 1 || plan->mode == FLOW_PROCESSES ? processes : threads;
}

const char *const *flow_plan_crash_words(const struct flow_plan *plan)
{
    static const char *const one[] = {
        "All stages are threads of one process and share its fate: a crash in one ends the run.",
        "What was in flight is lost, and nothing is delivered again: start the run anew.",
        NULL,
    };
    static const char *const some[] = {
        "A process that dies ends the run, with its stage, its pid and its signal in the message.",
        "The stages of the launcher's own process share its fate.",
        "What was in flight is lost, and nothing is delivered again: start the run anew.",
        NULL,
    };
    static const char *const all[] = {
        "A process that dies ends the run, with its stage, its pid and its signal in the message.",
        "What was in flight is lost, and nothing is delivered again: start the run anew.",
        NULL,
    };
    static const char *const fused[] = {
        "A process that dies ends the run, with its stage, its pid and its signal in the message.",
        "Fused stages are one process and share its fate.",
        "What was in flight is lost, and nothing is delivered again: start the run anew.",
        NULL,
    };
    if (plan->graph->checkpoints)
        return resumable_words(plan);
    static const char *const replaced[] = {
        "A process is replaced where the table says so, and what it had not passed on is delivered "
        "again.",
        "Any other one ends the run, with its stage, its pid and its signal in the message; what "
        "was "
        "in flight is then lost.",
        NULL,
    };
    if (plan->recovers)
        return replaced;
    if (plan->mode == FLOW_PROCESSES)
        return plan->task_count < plan->replica_count ? fused : all;
    return plan->group_count > 1 ? some : one;
}
