/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_PLAN_H
#define FLOW_PLAN_PLAN_H

/*
 * A plan: the graph expanded into replicas, links, groups and endpoints.  Plain data, made without
 * a socket or a thread, and the same on every machine for the same graph and options; every
 * launcher takes it and starts some of its replicas.
 *
 *   stage ──< replica            a stage of the plan is a stage of the graph, or a sequencer that
 *   edge  ──< link               the plan put in (see below)
 *   task  ──< replica            a task is a thread: one replica, or several that are fused (see
 *                                plan/fuse.h), in the order in which records pass them
 *   group ──< task               a group is a process
 *
 * Order.  The output of a parallel stage with order "input" is read in the order of its input.  The
 * one upstream replica numbers its batches, each worker's results carry the number of the batch
 * that they came from, and the readers take results by number.  That needs exactly one replica
 * upstream, so where a parallel ordered stage reads from several replicas (parallel stages in a
 * row, a merge), the plan puts a sequencer in between: a stage of one replica that passes batches
 * through.  With one number space per parallel stage, every reader's next number is always being
 * worked on by a replica whose links are free, which is why bounded links cannot lock.
 *
 * Memory: flow_plan_free releases all; the graph is borrowed and must outlive the plan.
 * Threads: immutable once made.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "flowrun/error.h"
#include "graph/graph.h"
#include "machine/topology.h"

#define FLOW_NONE ((size_t)-1)
#define FLOW_NO_NODE UINT32_MAX

struct flow_plan_stage {
    const char *name; /* "words", or "words.order" for a sequencer before words */
    const struct flow_graph_stage *graph; /* NULL: a sequencer */
    const struct flow_stage_type *type;   /* NULL: a sequencer, which forwards all from in to out */
    size_t first_replica, replica_count;  /* replicas of a stage are adjacent */
    uint64_t spool_bytes; /* most that its spool may hold; 0: it has none, see docs/spool.md */
    bool recovers;        /* its processes are replaced when they die, see plan/recover.h */
    bool numbered;        /* parallel and ordered: results carry the number of their input batch */
    size_t task_of;       /* the stage that its task begins with: itself, unless it is fused */
    size_t turn;          /* its place in an order in which writers stand before readers */
};

struct flow_plan_edge {
    size_t graph_edge;  /* index in the graph, or FLOW_NONE for one made for a sequencer */
    size_t from;        /* plan stage */
    unsigned from_port; /* index in its outputs, or FLOW_PORT_ERRORS */
    size_t to;
    unsigned to_port;
    enum flow_share share;
    const char *key; /* JSON pointer or NULL; borrowed from the graph */
    enum flow_when_full when_full;
    bool merge_numbered; /* readers take results of `from`, which is numbered, by number */
    bool fused;          /* within a task: batches are handed over by a call */
    size_t first_link, link_count; /* adjacent, by from replica, then by to replica */
};

/* What one upstream replica may have outstanding at one downstream replica. */
struct flow_credit {
    uint32_t batches;
    uint64_t records; /* UINT64_MAX: no limit of its own */
    uint64_t bytes;   /* one batch may always be outstanding, however large */
    uint64_t held;    /* bytes that its writer may hold until they are acknowledged */
    bool large;       /* twice `batches` it may hold, however large they are */
};

struct flow_plan_link {
    size_t edge;
    size_t from, to; /* replicas */
    bool local;      /* both in one group: batches pass by reference */
    bool fused;      /* both in one task: batches pass by a call */
    struct flow_credit credit;
};

/*
 * How many batches the writer of a link has room to keep account of: those that were sent and are
 * not acknowledged, to a reader in its own process those that are not done.  A power of two.  Who
 * keeps something for each of them goes by this.
 */
uint64_t flow_plan_link_keeps(const struct flow_plan_link *link);

struct flow_plan_replica {
    size_t stage;
    unsigned index; /* among the replicas of its stage */
    size_t task;
    size_t place; /* in its task */
    size_t group;
    /* Links by index in plan->links, grouped by edge in plan order. */
    size_t *in;
    size_t in_count;
    size_t *out;
    size_t out_count;
    uint64_t arena_at, arena_bytes; /* its part of the shared memory's arenas; 0 bytes: none */
    const uint32_t *cpus;           /* where it runs; NULL: wherever the system puts it */
    size_t cpu_count;
    uint32_t node; /* of NUMA, that all of them belong to; FLOW_NO_NODE: there is none */
};

struct flow_plan_task {
    size_t *replicas; /* the first one reads the task's input, or produces */
    size_t replica_count;
    size_t group;
};

struct flow_plan_group {
    bool spawned;  /* a process of its own; else the launcher's process */
    bool recovers; /* of a stage that does: one task of one replica */
    size_t *tasks; /* ascending */
    size_t task_count;
    size_t replica_count;
};

struct flow_plan {
    const struct flow_graph *graph;
    enum flow_mode mode;
    unsigned cpus;       /* what "auto" stood for, at most FLOW_GRAPH_MAX_WORKERS */
    uint64_t room_bytes; /* memory that can be had; 0: not known */
    struct flow_plan_stage
        *stages; /* graph stages in file order, a sequencer right before its stage */
    size_t stage_count;
    struct flow_plan_edge *edges; /* in order of the stages that they lead to */
    size_t edge_count;
    struct flow_plan_replica *replicas;
    size_t replica_count;
    struct flow_plan_link *links;
    size_t link_count;
    struct flow_plan_task *tasks;
    size_t task_count;
    struct flow_plan_group *groups; /* in threads mode group 0 is the launcher's own process */
    size_t group_count;
    bool recovers;   /* some group does */
    char *names;     /* private: of the sequencers */
    uint32_t *order; /* private: CPUs that replicas are dealt to */
    size_t *indices; /* private: what the index lists of replicas, tasks and groups point into */
    uint32_t batch_bytes;   /* a batch is sent when it holds this much, ... */
    uint32_t batch_records; /* ... or this many records */
    uint32_t fused_bytes;   /* the same as batch_bytes between fused stages */
    uint64_t flight_bytes;  /* bound on the bytes in flight: all links and open batches */
    uint64_t engine_bytes;  /* what the engine takes beside: stacks, sockets, processes */
    uint64_t arena_bytes;   /* all arenas: address room, which is memory only where written */
    uint64_t needed_bytes;  /* flight_bytes, and what the processes themselves take at least */
    uint64_t descriptors;   /* the most that one process opens */
};

struct flow_plan_options {
    unsigned cpus;       /* for workers "auto"; 0: those this process may use, see flow_cpu_count */
    uint64_t room_bytes; /* memory that can be had; 0: not known, see plan/bounds.h */
    const struct flow_topology *topology; /* needed if flow_plan_places; borrowed for the call */
};

/* Does the graph say where replicas are to run? */
bool flow_plan_places(const struct flow_graph *graph);

/* FLOW_ENOMEM; FLOW_ERANGE when `run.memory` is too small, there are too many links, or a stage
 * asks for a CPU that cannot be had; FLOW_EINVAL when a stage's "fuse" demands what its workers
 * forbid. */
struct flow_plan *flow_plan_new(const struct flow_graph *graph,
                                const struct flow_plan_options *options, struct flow_error *err);
void flow_plan_free(struct flow_plan *plan);

/* The cores this process may use: the smaller of its affinity and its cgroup's quota, rounded up.
 */
unsigned flow_cpu_count(void);

/* The plan for people, as `flowrun explain` prints it, or as JSON. */
void flow_plan_explain(const struct flow_plan *plan, struct flow_str *out);
json_t *flow_plan_json(const struct flow_plan *plan);

/* "words" or, for a stage of several replicas, "words[2]", into `buf`; returns it. */
char *flow_plan_replica_name(const struct flow_plan *plan, size_t replica, char *buf,
                             size_t buf_size);

/*
 * A digest of what a state that a replica of the stage has saved depends on: its type, parameters,
 * order and number of workers, and where its input comes from; not of how the run is spread over
 * threads and processes.
 */
uint64_t flow_plan_stage_digest(const struct flow_plan *plan, size_t stage);

/* A 64-bit digest of everything above: two processes that planned alike agree on it. */
uint64_t flow_plan_digest(const struct flow_plan *plan);

#endif /* FLOW_PLAN_PLAN_H */
