/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_ADVICE_H
#define FLOW_WATCH_ADVICE_H

/*
 * What would make a graph faster, judged by a sample of its run in which every worker had a thread
 * of its own: what each stage does with its time, which would gain by more workers, and how much
 * may be expected of that.  advice.c opens with the model.
 *
 * Memory: flow_advice_clear releases; names are borrowed from the graph.
 */

#include <stdbool.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "plan/plan.h"
#include "watch/figures.h"

/* What a stage does most of the time. */
enum flow_occupation {
    FLOW_COMPUTES, /* it is in a callback, on a CPU */
    FLOW_BLOCKS,   /* it is in a callback, or in flow_wait, and waits there for something outside */
    FLOW_STARVES,  /* it waits for input */
    FLOW_HELD_BACK, /* it waits for room downstream */
};

struct flow_advice_stage {
    const char *name;
    enum flow_occupation occupation;
    double share;  /* of its time that goes into that */
    bool blocking; /* its callbacks wait more than they compute */
    size_t workers;
    size_t advised;   /* workers */
    uint64_t records; /* done in the sample; by a producer emitted */
    double work_ns;   /* of a worker, for each of them */
    double cpu_ns;
    const char *limit; /* why it cannot have more workers; NULL: it can */
};

struct flow_advice {
    struct flow_advice_stage *stages; /* of the graph, in file order */
    size_t stage_count;
    size_t bottleneck; /* the stage that is occupied most; FLOW_NONE: nothing was done */
    double speed_up;   /* expected of the advised workers */
    unsigned cpus;
    bool disturbed; /* other programs had a good part of the CPUs */
};

/* `elapsed_ns` is how long the sample took.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_advice_init(struct flow_advice *advice,
                                                 const struct flow_plan *plan,
                                                 const struct flow_board *board, int64_t elapsed_ns,
                                                 struct flow_error *err);
void flow_advice_clear(struct flow_advice *advice);

/* Does it advise any change of the workers? */
bool flow_advice_changes(const struct flow_advice *advice);

/* Records that the stage has done; by a producer, emitted. */
uint64_t flow_count_done(const struct flow_plan *plan, const struct flow_board *board,
                         size_t stage);

/* A sample of the graph in some form. */
enum flow_trial {
    FLOW_TRIAL_AS_IT_IS,
    FLOW_TRIAL_ONE_THREAD,
    FLOW_TRIAL_ADVISED,
    FLOW_TRIAL_PROCESSES,
    FLOW_TRIALS
};

struct flow_trial_result {
    bool done;   /* it was made */
    bool ended;  /* the graph came to its end in it */
    double rate; /* records of the bottleneck a second */
    double seconds;
};

/* All of it for people, and as JSON; the caller's.  NULL: no memory. */
char *flow_advice_text(const struct flow_advice *advice,
                       const struct flow_trial_result trials[FLOW_TRIALS], const char *note);
char *flow_advice_json(const struct flow_advice *advice,
                       const struct flow_trial_result trials[FLOW_TRIALS], const char *note);

#endif /* FLOW_WATCH_ADVICE_H */
