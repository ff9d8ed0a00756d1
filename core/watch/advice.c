/* SPDX-License-Identifier: MIT */
#include "watch/advice.h"

#include <stdlib.h>

#include "base/mem.h"

/*
 * The model.  A stage i has spent D_i of its workers' time on what the sample brought it, and C_i
 * on a CPU.  However many workers n_i there are, the same work takes
 *
 *     T = max( D_i / n_i for each stage i,  sum of all C_i / CPUs )
 *
 * as long as there is enough of it to overlap.  The second term, and D_i of every stage that can
 * have no more workers, bound what can be had: no stage needs more workers than take it below that.
 * What is advised is the least n_i that do.
 *
 * Time in which a thread could have run, but others had the CPUs, is not work of its stage: the
 * kernel tells how much that was.
 */

#define OFF_CPU 0.5       /* below this share of its time in callbacks a stage blocks there */
#define MOST_BLOCKED 64   /* workers that do little but wait */
#define WORTH_IT 1.1      /* a gain below this is none */
#define DISTURBED 0.2     /* of a CPU: so much was lost to others although some were free of us */
#define NO_WORK_NS 1000.0 /* in all of the sample */

/* ---- what can have more workers ---- */

static bool shares_by_key(const struct flow_plan *plan, size_t stage)
{
    for (size_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].to == stage && plan->edges[i].share == FLOW_KEY)
            return true;
    return false;
}

static const char *limit_of(const struct flow_plan *plan, size_t index)
{
    const struct flow_stage_type *type = plan->stages[index].type;
    if (type->role == FLOW_PRODUCER)
        return "it is a producer, whose pace is that of its source";
    if ((type->traits & FLOW_SINGLE) != 0)
        return "it never has more than one worker";
    if ((type->traits & FLOW_STATEFUL) != 0 && !shares_by_key(plan, index))
        return "it keeps state, so it can have more workers only if records can be shared by key";
    return NULL;
}

/* ---- what it does ---- */

uint64_t flow_count_done(const struct flow_plan *plan, const struct flow_board *board, size_t stage)
{
    const struct flow_plan_stage *s = &plan->stages[stage];
    const bool producer = plan->replicas[s->first_replica].in_count == 0;
    uint64_t done = 0;
    for (size_t i = 0; i < s->replica_count; i++) {
        const struct flow_board_replica *counts = &board->replicas[s->first_replica + i];
        done += producer ? flow_read(&counts->records_out) + flow_read(&counts->unread)
                         : flow_read(&counts->done) + flow_read(&counts->skipped) +
                               flow_read(&counts->routed);
    }
    return done;
}

/* Of the time in callbacks, what it would have taken on a machine of its own. */
static double work(const struct flow_shares *shares)
{
    const double least = shares->cpu < shares->busy ? shares->cpu : shares->busy;
    const double work = shares->busy - shares->ready;
    return work > least ? work : least;
}

static bool blocks(const struct flow_shares *shares)
{
    return shares->wait_self > shares->busy || shares->cpu < OFF_CPU * work(shares);
}

static void note_occupation(struct flow_advice_stage *stage, const struct flow_shares *shares)
{
    const double occupied = shares->busy + shares->wait_self;
    stage->blocking = blocks(shares);
    if (occupied >= shares->wait_in && occupied >= shares->wait_out) {
        stage->occupation = stage->blocking ? FLOW_BLOCKS : FLOW_COMPUTES;
        stage->share = occupied;
    } else if (shares->wait_in >= shares->wait_out) {
        stage->occupation = FLOW_STARVES;
        stage->share = shares->wait_in;
    } else {
        stage->occupation = FLOW_HELD_BACK;
        stage->share = shares->wait_out;
    }
}

/* D of the model, in a second of the sample. */
static double demand(const struct flow_figures_stage *figures)
{
    return (double)figures->replicas * (work(&figures->shares) + figures->shares.wait_self);
}

/* ---- what would help ---- */

static size_t fewest(double demand, double bound, size_t most)
{
    size_t n = 1;
    /* A hair's breadth more than a whole number is a whole number. */
    while (n < most && demand / (double)n > bound * 1.005)
        n++;
    return n;
}

static size_t most_workers(const struct flow_advice *advice, const struct flow_advice_stage *stage)
{
    const size_t most = stage->blocking ? MOST_BLOCKED : advice->cpus;
    return stage->limit != NULL || most < stage->workers ? stage->workers : most;
}

/* The least that the work of a second of the sample can take, whatever the workers. */
static double bound_of(const struct flow_advice *advice, const double *demands, double cpu)
{
    double bound = cpu / advice->cpus;
    for (size_t i = 0; i < advice->stage_count; i++) {
        const double least = demands[i] / (double)most_workers(advice, &advice->stages[i]);
        bound = least > bound ? least : bound;
    }
    return bound;
}

static double longest(const struct flow_advice *advice, const double *demands, bool advised)
{
    double most = 0;
    for (size_t i = 0; i < advice->stage_count; i++) {
        const struct flow_advice_stage *stage = &advice->stages[i];
        const double takes = demands[i] / (double)(advised ? stage->advised : stage->workers);
        most = takes > most ? takes : most;
    }
    return most;
}

static void choose_workers(struct flow_advice *advice, const double *demands, double cpu)
{
    const double bound = bound_of(advice, demands, cpu);
    for (size_t i = 0; i < advice->stage_count; i++) {
        struct flow_advice_stage *stage = &advice->stages[i];
        const size_t wanted = fewest(demands[i], bound, most_workers(advice, stage));
        stage->advised = wanted > stage->workers ? wanted : stage->workers;
    }

    const double now = longest(advice, demands, false);
    double then = longest(advice, demands, true);
    then = then > cpu / advice->cpus ? then : cpu / advice->cpus;
    advice->speed_up = then > 0 && now > then ? now / then : 1;
    if (advice->speed_up >= WORTH_IT)
        return;
    advice->speed_up = 1;
    for (size_t i = 0; i < advice->stage_count; i++)
        advice->stages[i].advised = advice->stages[i].workers;
}

static void find_bottleneck(struct flow_advice *advice, const double *demands, int64_t elapsed_ns)
{
    double most = NO_WORK_NS / (double)elapsed_ns;
    for (size_t i = 0; i < advice->stage_count; i++) {
        const double takes = demands[i] / (double)advice->stages[i].workers;
        if (takes > most && advice->stages[i].records > 0) {
            most = takes;
            advice->bottleneck = i;
        }
    }
}

static struct flow_advice_stage look_at(const struct flow_plan *plan,
                                        const struct flow_board *board,
                                        const struct flow_figures *figures, size_t index,
                                        int64_t elapsed_ns)
{
    const struct flow_figures_stage *counts = &figures->stages[index];
    struct flow_advice_stage stage = {
        .name = plan->stages[index].graph->name,
        .workers = counts->replicas,
        .advised = counts->replicas,
        .records = flow_count_done(plan, board, index),
        .limit = limit_of(plan, index),
    };
    note_occupation(&stage, &counts->shares);
    if (stage.records > 0) {
        const double each = (double)elapsed_ns / (double)stage.records;
        stage.work_ns = demand(counts) * each;
        stage.cpu_ns = counts->shares.cpu * (double)counts->replicas * each;
    }
    return stage;
}

enum flow_status flow_advice_init(struct flow_advice *advice, const struct flow_plan *plan,
                                  const struct flow_board *board, int64_t elapsed_ns,
                                  struct flow_error *err)
{
    *advice = (struct flow_advice){.bottleneck = FLOW_NONE, .speed_up = 1, .cpus = plan->cpus};
    struct flow_figures figures = {0};
    double *demands = flow_calloc(plan->stage_count, sizeof(*demands));
    advice->stages = flow_calloc(plan->stage_count, sizeof(*advice->stages));
    const bool fits = demands != NULL && advice->stages != NULL &&
                      flow_figures_init(&figures, plan, board, elapsed_ns);
    double cpu = 0;
    double ready = 0;
    for (size_t i = 0; fits && elapsed_ns > 0 && i < plan->stage_count; i++) {
        const struct flow_figures_stage *counts = &figures.stages[i];
        cpu += counts->shares.cpu * (double)counts->replicas;
        ready += counts->shares.ready * (double)counts->replicas;
        if (plan->stages[i].graph == NULL)
            continue;
        demands[advice->stage_count] = demand(counts);
        advice->stages[advice->stage_count++] = look_at(plan, board, &figures, i, elapsed_ns);
    }
    advice->disturbed = ready > DISTURBED && cpu + DISTURBED < advice->cpus;
    if (fits && elapsed_ns > 0) {
        find_bottleneck(advice, demands, elapsed_ns);
        choose_workers(advice, demands, cpu);
    }
    flow_figures_clear(&figures);
    free(demands);
    if (fits)
        return FLOW_OK;
    flow_advice_clear(advice);
    return flow_fail(err, FLOW_ENOMEM, "no memory for what the sample has shown");
}

void flow_advice_clear(struct flow_advice *advice)
{
    free(advice->stages);
    *advice = (struct flow_advice){0};
}

bool flow_advice_changes(const struct flow_advice *advice)
{
    for (size_t i = 0; i < advice->stage_count; i++)
        if (advice->stages[i].advised != advice->stages[i].workers)
            return true;
    return false;
}
