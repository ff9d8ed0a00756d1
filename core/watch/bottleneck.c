/* SPDX-License-Identifier: MIT */
#include "watch/figures.h"

#include "base/str.h"

/*
 * The bottleneck is the stage with the replica that waited least for others: what comes before it
 * waits for room, what comes after it waits for input.  Time that a stage spends waiting by itself
 * (a timer, a descriptor of its own) counts as occupied: nobody else can use that worker.
 *
 * Stages that are fused share one thread.  Each of three may be busy a third of the time only, and
 * yet they hold the run up, so what counts is how long their thread was occupied.
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

/* A fused stage is worth a thread of its own, if there is a CPU, where this much of the time would
 * go with it, and as much would stay. */
#define WORTH_A_THREAD 0.2

/* More stages of one thread are not listed by name. */
#define MOST_NAMES 4

static double average(const struct flow_figures_stage *stage)
{
    return stage->shares.busy + stage->shares.wait_self;
}

/* Of those that share a thread, the one that takes most of it. */
static size_t most_occupied(const struct flow_plan *plan, const struct flow_figures *figures)
{
    size_t top = 0;
    for (size_t i = 1; i < plan->stage_count; i++) {
        const struct flow_figures_stage *best = &figures->stages[top];
        const struct flow_figures_stage *stage = &figures->stages[i];
        if (stage->occupied > best->occupied ||
            (!(stage->occupied < best->occupied) && average(stage) > average(best)))
            top = i;
    }
    return top;
}

static const struct flow_plan_task *task_of(const struct flow_plan *plan, size_t stage)
{
    return &plan->tasks[plan->replicas[plan->stages[stage].first_replica].task];
}

static size_t member(const struct flow_plan *plan, const struct flow_plan_task *task, size_t place)
{
    return plan->replicas[task->replicas[place]].stage;
}

/* "gen", "gen and null", "gen, copy, look, sum and 3 others". */
static void say_names(struct flow_str *str, const struct flow_plan *plan,
                      const struct flow_plan_task *task)
{
    const size_t count = task->replica_count;
    const size_t named = count > MOST_NAMES + 1 ? MOST_NAMES : count;
    for (size_t i = 0; i < named; i++) {
        const char *before = i == 0 ? "" : i + 1 < count ? ", " : " and ";
        flow_str_addf(str, "%s%s", before, plan->stages[member(plan, task, i)].name);
    }
    if (named < count)
        flow_str_addf(str, " and %zu others", count - named);
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
                    const struct flow_figures *figures, size_t index)
{
    const struct flow_figures_stage *stage = &figures->stages[index];
    const struct flow_plan_task *task = task_of(plan, index);
    const char *verb = waits_itself(stage) ? "occupied" : "busy";
    if (task->replica_count > 1) {
        say_names(str, plan, task);
        flow_str_addf(str,
                      ", fused in one thread, were %s %.0f %% of the time, %s the most with "
                      "%.0f %%",
                      verb, stage->occupied * 100, stage->name, average(stage) * 100);
    } else if (uneven(stage)) {
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

/* What would leave the thread if a fused stage did, or would stay, whichever is less. */
static double parted(const struct flow_figures_stage *stage)
{
    const double own = average(stage);
    const double rest = stage->occupied - own;
    return own < rest ? own : rest;
}

/* The fused stage whose leaving would part the work of its thread best; the first cannot leave. */
static size_t best_to_part(const struct flow_plan *plan, const struct flow_figures *figures,
                           const struct flow_plan_task *task)
{
    size_t best = FLOW_NONE;
    double most = WORTH_A_THREAD;
    for (size_t i = 1; i < task->replica_count; i++) {
        const size_t stage = member(plan, task, i);
        if (parted(&figures->stages[stage]) > most) {
            most = parted(&figures->stages[stage]);
            best = stage;
        }
    }
    return best;
}

static void say_advice(struct flow_str *str, const struct flow_plan *plan,
                       const struct flow_figures *figures, size_t index)
{
    const size_t part = best_to_part(plan, figures, task_of(plan, index));
    if (part == FLOW_NONE)
        flow_str_addf(str, "; %s", advice(plan, figures, index));
    else if (figures->cpus_used >= SATURATED * plan->cpus)
        flow_str_add(str, "; all CPUs are at work, so only cheaper work or more CPUs would help");
    else
        flow_str_addf(str, "; \"fuse\": false on %s would give it a thread of its own",
                      plan->stages[part].name);
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
        flow_str_add(&str, "none, no stage was busy for long (the most was ");
        if (task_of(plan, top)->replica_count > 1)
            say_names(&str, plan, task_of(plan, top));
        else
            flow_str_add(&str, figures->stages[top].name);
        flow_str_addf(&str, " with %.0f %%), the time went into waiting for one another",
                      figures->stages[top].occupied * 100);
        return flow_str_take(&str);
    }

    say_who(&str, plan, figures, top);
    say_advice(&str, plan, figures, top);
    *stage = top;
    return flow_str_take(&str);
}
