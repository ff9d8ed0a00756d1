/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_ROUNDS_H
#define FLOW_CONTROL_ROUNDS_H

/*
 * The coordinator's account of checkpoints: when the next one is due, which replicas have saved
 * their states for it, and, when all have, its manifest.
 *
 *            due                  the last replica has saved       written
 *     quiet ─────> under way ────────────────────────────────> committed ──> quiet
 *
 * One is under way at a time.  A replica that has finished has saved for good.  When all have, one
 * more manifest says so; it is the last.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "plan/plan.h"
#include "state/state.h"

struct flow_rounds;

struct flow_rounds_options {
    struct flow_state *state;         /* open; borrowed */
    const struct flow_manifest *head; /* graph and stages, as in every manifest of the run */
    const struct flow_plan *plan;     /* borrowed; says whose processes may be replaced */
    uint64_t session;                 /* the epoch that the run goes on from; 0: none */
    int64_t session_ns;               /* when that was made; 0: not in this run */
    int64_t interval_ns;              /* from the end of one to the beginning of the next */
};

/* What has come of a piece of news. */
struct flow_round {
    uint64_t committed; /* the epoch that can no longer be lost; 0: none */
    bool last;          /* everything has finished: there will be no other */
    bool stop;          /* it began when the run was asked to stop */
};

FLOW_NODISCARD enum flow_status flow_rounds_new(const struct flow_rounds_options *options,
                                                struct flow_rounds **rounds,
                                                struct flow_error *err);
void flow_rounds_free(struct flow_rounds *rounds);

/* Records begin to flow. */
void flow_rounds_start(struct flow_rounds *rounds, int64_t now_ns);

/* The run is asked to stop: one more, as soon as may be. */
void flow_rounds_stop(struct flow_rounds *rounds, int64_t now_ns);

/* When the next one is due; INT64_MAX: not before there is news. */
int64_t flow_rounds_due_ns(const struct flow_rounds *rounds);

/* Begin the one that is due: its epoch. */
uint64_t flow_rounds_begin(struct flow_rounds *rounds);

/*
 * A group says that a replica has saved (a text of flow_rounds_write).  Writes the manifest if that
 * was the last one.  FLOW_EPROTO: that makes no sense; FLOW_EIO, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_rounds_hear(struct flow_rounds *rounds, const char *text,
                                                 int64_t now_ns, struct flow_round *round,
                                                 struct flow_error *err);

/* The run has ended well: nothing is left to go on with. */
FLOW_NODISCARD enum flow_status flow_rounds_close(struct flow_rounds *rounds,
                                                  struct flow_error *err);

/* The newest committed epoch; 0: none. */
uint64_t flow_rounds_last(const struct flow_rounds *rounds);

/* Is it the last one there will be? */
bool flow_rounds_is_last(const struct flow_rounds *rounds);

/* When it was made [flow_now_ns]; 0: the run had begun with it, or there is none. */
int64_t flow_rounds_last_ns(const struct flow_rounds *rounds);

/* What a group says of a replica that has saved; to be freed.  NULL: no memory. */
char *flow_rounds_write(size_t replica, uint64_t epoch, const struct flow_manifest_replica *saved);

/* The head of the manifests of a plan.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_rounds_head(const struct flow_plan *plan,
                                                 struct flow_manifest *head,
                                                 struct flow_error *err);

#endif /* FLOW_CONTROL_ROUNDS_H */
