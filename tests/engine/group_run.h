/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_GROUP_RUN_H
#define FLOW_TESTS_GROUP_RUN_H

/*
 * Runs a graph made by hand, the groups of its plan as threads of this process, though they speak
 * as if each were a process of its own; and the stages that such graphs are made of: a source of
 * numbers, workers that do one thing each, and a sink that keeps what it gets.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "engine/group.h"
#include "support/hand_graph.h"

/* What sinks have taken, in order, per stage name. */
struct kept {
    char *records[1 << 16];
    size_t count;
};

#define GROUP_MOST 8
#define GROUP_REPLICAS 16 /* that can take checkpoints */

struct group_run {
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_group *groups[GROUP_MOST]; /* as in the plan */
    size_t group_count;
    char folder[64];         /* of their sockets; "": there is one group */
    struct flow_error error; /* of the first failure */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ended;   /* groups */
    uint64_t epoch; /* the checkpoint that `saved` is of */
    struct flow_manifest_replica saved[GROUP_REPLICAS];
    bool has_saved[GROUP_REPLICAS];
    struct flow_manifest_replica finished[GROUP_REPLICAS]; /* for all epochs to come */
    bool has_finished[GROUP_REPLICAS];
    bool failed;
};

/* The numbers from 0 on that a source emits; what workers and sinks do is said by their types. */
extern int64_t group_source_count;
extern size_t group_source_size;  /* bytes of a record at least, padded with spaces */
extern struct kept group_kept[4]; /* by the digit at the end of the sink's name, else 0 */
extern const struct flow_checkpoints *group_checkpoints; /* NULL: runs take none */
extern bool group_keeps;      /* what sinks have kept is not forgotten when the next run starts */
extern atomic_int group_gate; /* gated sinks and sources wait until it is open (1) */

extern const struct flow_stage_type group_source, group_twice, group_odd, group_picky, group_flaky,
    group_forward, group_tail, group_keyed, group_batch_picky, group_bulky, group_sink,
    group_gated_sink, group_bad_open;

/* Start; asserts that everything opens unless `open_status` says otherwise. */
void group_start(struct group_run *run, struct hand *h, enum flow_status open_status);

/* Tell all groups that a checkpoint begins, and wait until all replicas have saved or finished
 * (then true: all have finished); or that it is committed. */
bool group_checkpoint(struct group_run *run, uint64_t epoch);
void group_commit(struct group_run *run, uint64_t epoch, bool last);

/* Tell all groups to drain, or to abort. */
void group_drain(struct group_run *run);
void group_abort(struct group_run *run);

/* Wait for the end or a failure (then abort), take everything down; FLOW_OK or the failure. */
enum flow_status group_end(struct group_run *run);

/* Both of them. */
enum flow_status group_run(struct group_run *run, struct hand *h);

#endif /* FLOW_TESTS_GROUP_RUN_H */
