/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_TRIAL_H
#define SIMULATE_TRIAL_H

/*
 * One seed: a random graph, a way to run it, a schedule and faults, all of which derive from it,
 * and what must come of it.
 *
 *     seed = graph * SIM_OF_GRAPH + variant       variant = schedule * SIM_WAYS + way
 *
 * Every eighth graph is one of simulate/lines.h.
 *
 * Schedule 0 of each way has no faults; it also says how many steps such a run takes, among which
 * the faults of the others are dealt.
 */

#include "random/compare.h"
#include "random/reference.h"
#include "simulate/lines.h"
#include "simulate/world.h"

#define SIM_SCHEDULES 32

enum sim_way {
    SIM_THREADS,
    SIM_PROCESSES,
    SIM_PROCESSES_SAVED, /* with checkpoints */
    SIM_THREADS_SAVED,
    SIM_WAYS
};

#define SIM_OF_GRAPH (SIM_SCHEDULES * SIM_WAYS)

struct sim_loaded {
    struct flow_graph *graph; /* NULL: not yet */
    struct flow_plan *plan;
    uint64_t steps;  /* of its run without faults; 0: not known */
    uint64_t begins; /* ... and of those, the ones before anything was sent */
};

struct sim_figures {
    uint64_t seeds, graphs, steps;
    uint64_t struck[SIM_FAULTS];
    uint64_t resumes;  /* runs that went on from a checkpoint, or began anew after a crash */
    uint64_t replaced; /* processes that took the place of another */
    uint64_t returns;  /* runs that went back to a checkpoint by themselves, each time */
    uint64_t ended;    /* runs that had to end with a message, and did */
};

#define SIM_PLUGINS 256

struct sim_trials {
    struct sim_world *world;
    const struct flow_plugin *builtin[SIM_PLUGINS]; /* NULL ends the list */
    struct flow_session *session;
    uint64_t index; /* of the graph at hand */
    bool has_graph;
    bool is_lines; /* a graph of simulate/lines.h, else a random one */
    struct sim_lines lines;
    struct rt_graph graph;
    struct rt_expected expected;
    char *text; /* the graph's, as it is loaded */
    struct sim_loaded loaded[SIM_WAYS];
    struct sim_figures figures;
};

/* False: no memory. */
bool sim_trials_init(struct sim_trials *trials);
void sim_trials_clear(struct sim_trials *trials);

/* Try a seed; false: the verdict says what is wrong. */
bool sim_trial(struct sim_trials *trials, uint64_t seed, struct rt_verdict *verdict);

#endif /* SIMULATE_TRIAL_H */
