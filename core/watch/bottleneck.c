/* SPDX-License-Identifier: MIT */
#include "watch/figures.h"

#include "base/str.h"

/*
 * The bottleneck is the stage with the replica that waited least for others: what comes before it
 * waits for room, what comes after it waits for input.  Time that a stage spends waiting by itself
 * (a timer, a descriptor of its own) counts as occupied: nobody else can use that worker.
 */

/* Shorter runs are all start-up. */
#define SHORTEST_NS 20000000

/* Below this a stage is not what holds a run up. */
#define OCCUPIED 0.6

/* The share of all CPUs above which the machine is the limit. */
#define SATURATED 0.9

/* Below this share of its busy time on a CPU, a stage is held up by blocking calls or by others. */
#define OFF_CPU 0.5

/* A stage whose busiest worker is occupied so much more than the average deals its work unevenly.
 */
#define UNEVEN 0.25

static size_t most_occupied(const struct flow_plan *plan, const struct flow_figures *figures)
{
    size_t top = 0;
    for (size_t i = 1; i < plan->stage_count; i++) {
        if (figures->stages[i].occupied > figures->stages[top].occupied)
            top = i;
    }
    return top;
}

static double average(const struct flow_figures_stage *stage)
{
    return stage->shares.busy + stage->shares.wait_self;
}

static bool uneven(const struct flow_figures_stage *stage)
{
    return stage->replicas > 1 && stage->occupied - average(stage) > UNEVEN;
}

static bool waits_itself(const struct flow_figures_stage *stage)
{
    return stage->shares.wait_self > stage->shares.busy;
}

static void say_who(struct flow_str *str, const struct flow_plan *plan,
                    const struct flow_figures_stage *stage)
{
    const char *verb = waits_itself(stage) ? "occupied" : "busy";
    if (uneven(stage)) {
        char name[FLOW_GRAPH_MAX_NAME + 32];
        flow_str_addf(str, "%s was %s %.0f %% of the time, all %zu workers of %s only %.0f %%",
                      flow_plan_replica_name(plan, stage->busiest, name, sizeof(name)), verb,
                      stage->occupied * 100, stage->replicas, stage->name, average(stage) * 100);
    } else if (stage->replicas > 1) {
        flow_str_addf(str, "the %zu workers of %s were %s %.0f %% of the time", stage->replicas,
                      stage->name, verb, average(stage) * 100);
    } else {
        flow_str_addf(str, "%s was %s %.0f %% of the time", stage->name, verb,
                      stage->occupied * 100);
    }
}

static const char *stateless_advice(const struct flow_plan *plan,
                                    const struct flow_figures *figures,
                                    const struct flow_figures_stage *stage)
{
    if (waits_itself(stage))
        return "it mostly waits for something outside and keeps no state, so more workers would "
               "help, also more than there are CPUs";
    if (figures->cpus_used >= SATURATED * plan->cpus)
        return "all CPUs are at work, so only cheaper work or more CPUs would help";
    if (uneven(stage))
        return "its records differ much in size or cost";
    if (stage->shares.cpu < OFF_CPU * stage->shares.busy)
        return "it keeps no state and was off the CPU for most of that, so more workers would "
               "help, unless other programs took the CPUs";
    if (stage->replicas >= plan->cpus)
        return "there is a worker for every CPU already, so only cheaper work or more CPUs would "
               "help";
    return "it keeps no state, so more workers would help";
}

static const char *stateful_advice(const struct flow_figures_stage *stage)
{
    if (uneven(stage))
        return "most records have keys that belong to this worker";
    if (stage->replicas > 1)
        return "it shares its records by key, so more workers would help while there are more keys";
    return "it keeps state, so more workers would help only if records can be shared by key";
}

static const char *advice(const struct flow_plan *plan, const struct flow_figures *figures,
                          size_t index)
{
    const struct flow_figures_stage *stage = &figures->stages[index];
    const struct flow_stage_type *type = plan->stages[index].type;
    if (type == NULL)
        return "it puts records back into order for the parallel stage after it, which \"order\": "
               "\"none\" there would save";
    if (stage->producer && waits_itself(stage))
        return "the producer waits for its source, which is the limit";
    if (stage->producer)
        return "the producer is the limit, the stages after it had room to spare";
    if ((type->traits & FLOW_SINGLE) != 0)
        return "it never has more than one worker, so only less or cheaper work would help";
    if ((type->traits & FLOW_STATEFUL) != 0)
        return stateful_advice(stage);
    return stateless_advice(plan, figures, stage);
}

char *flow_bottleneck(const struct flow_plan *plan, const struct flow_figures *figures,
                      int64_t elapsed_ns, size_t *stage)
{
    struct flow_str str = {0};
    *stage = FLOW_NONE;
    if (elapsed_ns < SHORTEST_NS || plan->stage_count == 0) {
        flow_str_add(&str, "none to name, the run was too short to tell");
        return flow_str_take(&str);
    }

    const size_t top = most_occupied(plan, figures);
    if (figures->stages[top].occupied < OCCUPIED) {
        flow_str_addf(&str,
                      "none, no stage was busy for long (the most was %s with %.0f %%), the time "
                      "went into waiting for one another",
                      figures->stages[top].name, figures->stages[top].occupied * 100);
        return flow_str_take(&str);
    }

    say_who(&str, plan, &figures->stages[top]);
    flow_str_addf(&str, "; %s", advice(plan, figures, top));
    *stage = top;
    return flow_str_take(&str);
}
