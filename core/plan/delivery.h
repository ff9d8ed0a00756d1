/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_DELIVERY_H
#define FLOW_PLAN_DELIVERY_H

/*
 * What a run that is interrupted and gone on with does to records: for each producer and each stage
 * at the end of a path from it, whether some may be lost or come twice, and why.
 */

#include "plan/plan.h"

/* A path, or all the paths between the two. */
struct flow_delivery_path {
    size_t from, to;   /* plan stages */
    const char *loses; /* why records may be lost; NULL: none are */
    const char *twice; /* why they may come twice; NULL: they do not */
    bool spooled;      /* what the first one emits lies in its spool */
};

/* All of them, in the order of the plan; to be freed.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_delivery_list(const struct flow_plan *plan,
                                                   struct flow_delivery_path **paths, size_t *count,
                                                   struct flow_error *err);

/* "exactly once", "at least once", "at most once" or "none". */
const char *flow_delivery_words(const struct flow_delivery_path *path);

/*
 * FLOW_EINVAL: the graph demands a delivery that some path cannot give, or the run is to take
 * checkpoints of a stage that cannot save what it would have to; FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_delivery_check(const struct flow_plan *plan,
                                                    struct flow_error *err);

/*
 * May a run that takes checkpoints go back to one by itself?  If it would lose records that nobody
 * has said may be lost, `*stage` is the producer that cannot read them again, and `*why` the
 * reason; else FLOW_NONE and NULL.  FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_delivery_way_back(const struct flow_plan *plan, size_t *stage,
                                                       const char **why, struct flow_error *err);

/*
 * How large the spool of a stage may become; 0: it has none.  Where the graph as a whole asks for
 * spools, producers get one that cannot read again what they have read.
 */
uint64_t flow_delivery_spool(const struct flow_graph *graph, const struct flow_graph_stage *stage);

/* With its parameters, what a stage's type says against doing its records again; see `weakness` in
 * <flowrun/stage.h>.  FLOW_ENOMEM, or what its parameters are refused for. */
FLOW_NODISCARD enum flow_status flow_delivery_weakness(const struct flow_graph_stage *stage,
                                                       const char **weakness,
                                                       struct flow_error *err);

#endif /* FLOW_PLAN_DELIVERY_H */
