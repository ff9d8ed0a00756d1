/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_GROUP_H
#define FLOW_ENGINE_GROUP_H

/*
 * The replicas of one group of a plan, run as threads of this process.  A launcher drives it:
 *
 *     new ──> open ──> start ──> (drain) ──> all ended ──> join ──> free
 *      │       │         │          │                       ^
 *      └───────┴─────────┴──────────┴──────── abort ────────┘
 *
 * `new` binds every inbox of the group.  Once all groups of a run have done so, `open` starts the
 * threads, which connect to their neighbours and open their stages.  Once all groups have done
 * that, `start` lets records flow.  So no record moves before every stage of the run is ready, and
 * a stage that cannot open ends the run before anything has been written.
 *
 * Threads: the calls below come from one thread, the owner's.  The callbacks come from threads of
 * the group and must be quick and thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "engine/epochs.h"
#include "flowrun/error.h"
#include "plan/plan.h"
#include "watch/board.h"

struct flow_group;
struct flow_transport;

struct flow_group_events {
    void *context;
    /* A replica failed (its message is complete: stage, replica, record, reason).  Once per group.
     */
    void (*failed)(void *context, const struct flow_error *error);
    /* The last replica has ended, well or not.  Once per group that was started. */
    void (*ended)(void *context);
    /* A replica has saved its state; see engine/epochs.h. */
    void (*saved)(void *context, size_t replica, uint64_t epoch,
                  const struct flow_manifest_replica *saved);
    /* A stage has something to say to the operator. */
    void (*log)(void *context, const char *line);
};

struct flow_group_options {
    const struct flow_plan *plan;
    size_t group;
    struct flow_board *board;
    const struct flow_memory *memory; /* what processes share; NULL: nothing */
    const char *folder; /* private folder of the run's sockets; NULL when no link crosses groups */
    uint64_t run_id;    /* frames of another run are refused */
    uint32_t incarnation; /* how often the process of this group has been replaced */
    const struct flow_checkpoints *checkpoints; /* NULL: the run takes none */
    struct flow_transport *transport; /* taken over, also on failure; NULL: it makes its own */
    struct flow_group_events events;
};

/* Everything in `options` is borrowed until flow_group_free. */
FLOW_NODISCARD enum flow_status flow_group_new(const struct flow_group_options *options,
                                               struct flow_group **group, struct flow_error *err);

/* Returns when every stage of the group is open, or with the first one's error. */
FLOW_NODISCARD enum flow_status flow_group_open(struct flow_group *group, struct flow_error *err);

void flow_group_start(struct flow_group *group);

/*
 * Checkpoint `epoch` begins: producers send its barrier.  It can no longer be lost; with `last`,
 * that holds for all that the run does, and threads that have finished may end.
 */
void flow_group_begin_epoch(struct flow_group *group, uint64_t epoch);
void flow_group_commit_epoch(struct flow_group *group, uint64_t epoch, bool last);

/*
 * Producers end as if they had no more; what is in flight arrives.  With checkpoints they only stop
 * to emit and send one more barrier when it is due, and the group is to be aborted then.
 */
void flow_group_drain(struct flow_group *group);

/* Everything ends at once: callbacks get FLOW_EABORT from the engine's calls; stages are closed. */
void flow_group_abort(struct flow_group *group);

/*
 * Wait until all threads have ended, at most `timeout_ns` (< 0: for ever).  FLOW_EAGAIN: a thread
 * is stuck in a callback; `err` names the stages.  The group must then not be freed.
 */
FLOW_NODISCARD enum flow_status flow_group_join(struct flow_group *group, int64_t timeout_ns,
                                                struct flow_error *err);

/* Only when joined, or never opened. */
void flow_group_free(struct flow_group *group);

#endif /* FLOW_ENGINE_GROUP_H */
