/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_BOARD_H
#define FLOW_WATCH_BOARD_H

/*
 * The board: what every replica is doing and has counted, in memory that all processes of a run
 * share (a memfd) and that outlives any of them.
 *
 * Each slot has one writer, the replica's own thread, which stores with relaxed atomics; anybody
 * may read at any time.  Sums are exact once the writer has ended.
 *
 * Threads: see above.  Memory: flow_board_close unmaps it; the last process to do so frees it.
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"

enum flow_replica_state {
    FLOW_STATE_NEW, /* not started */
    FLOW_STATE_OPENING,
    FLOW_STATE_OPENED,    /* waits for all others to be, too */
    FLOW_STATE_BUSY,      /* in a callback */
    FLOW_STATE_WAIT_IN,   /* waits for input */
    FLOW_STATE_WAIT_OUT,  /* waits for room downstream */
    FLOW_STATE_WAIT_SELF, /* waits in flow_wait, between tries, or for records in flight */
    FLOW_STATE_DRAINING,  /* has finished; waits for its output to be acknowledged */
    FLOW_STATE_DONE,
    FLOW_STATE_FAILED,
};

#define FLOW_KEPT 13 /* counters of a replica, from `records_in` to `unread` */

typedef _Atomic uint64_t flow_counter; /* written with flow_count, read with flow_read */

/* Two cache lines' worth and more, so that writers do not share one. */
struct flow_board_replica {
    _Alignas(64) flow_counter state; /* enum flow_replica_state */
    flow_counter records_in;         /* taken from links */
    flow_counter bytes_in;
    flow_counter batches_in;
    flow_counter done;        /* processed without an error */
    flow_counter filtered;    /* of those, emitted nothing */
    flow_counter skipped;     /* bad, by policy skip */
    flow_counter routed;      /* bad, sent to the errors port */
    flow_counter failed;      /* bad, and ended the run */
    flow_counter retried;     /* tries beyond the first */
    flow_counter unkeyed;     /* times an emitted record had no key for an edge that wants one */
    flow_counter records_out; /* emitted to ports that something takes from, errors among them */
    flow_counter bytes_out;
    flow_counter unread;     /* emitted to ports that nothing takes from */
    flow_counter start_ns;   /* flow_now_ns when it began to run */
    flow_counter end_ns;     /* when it ended; 0: it has not */
    flow_counter wait_in_ns; /* time spent in each kind of waiting */
    flow_counter wait_out_ns;
    flow_counter wait_self_ns;
    flow_counter cpu_ns;   /* of its thread; set at the end */
    flow_counter ready_ns; /* the thread could have run, but others had the CPUs; likewise */
    flow_counter since_ns; /* when `state` last changed */
    flow_counter thread;   /* the kernel's number of its thread; 0: it has none yet */
    flow_counter held;     /* records in flight, those to be tried again among them */
    flow_counter woken;    /* how often a descriptor that the stage watches was ready */
    /* Of FLOW_STATE_WAIT_SELF: */
    flow_counter wait_fd;       /* the descriptor waited for, plus one; 0: none */
    flow_counter wait_until_ns; /* when it ends in any case; 0: never */
    /* What outlives the process: the batch in hand, and how far it had got, see engine/keep.h. */
    flow_counter hand_batch;  /* its sequence and 1 more; 0: none is in a callback */
    flow_counter hand_record; /* the number of the record; FLOW_WHOLE_BATCH: not known */
    flow_counter kept_turn;   /* how often batches were acknowledged */
    flow_counter kept_batch;  /* the sequence of the first one that is not; 0: none ever was */
    /* For a run that goes back to a checkpoint, see watch/cut.h: */
    flow_counter cut[2][FLOW_KEPT]; /* the counts at its moment in an epoch, by its parity */
    flow_counter passed_epoch;      /* the last one whose barrier it has passed */
    flow_counter base_out;          /* records emitted before the counts above began */
    flow_counter final_epoch;       /* from this one on they are those of its end; 0: not yet */
    flow_counter deaths;            /* so often it died and the run went back */
    flow_counter careful_until;     /* go record by record up to so many taken in; 0: no need */
    flow_counter hand_print;        /* then, what the record in hand looks like; 0: not known */
};

#define FLOW_WHOLE_BATCH UINT64_MAX

/* The two ends of a link are two writers: a cache line for each. */
struct flow_board_link {
    _Alignas(64) flow_counter sent; /* records handed to the link, dropped ones not among them */
    flow_counter sent_batches;
    flow_counter sent_bytes;
    flow_counter dropped;     /* records that the edge's queue policy dropped */
    flow_counter redelivered; /* records sent once more, to a process that took another's place */
    /* While the writer waits for room on this link: */
    flow_counter full_batches; /* under way then: sent and not reported as done */
    flow_counter full_records; /* ... in them */
    flow_counter cut_sent[2];  /* see the replica's `cut` */
    flow_counter cut_sent_batches[2];
    flow_counter cut_sent_bytes[2];
    flow_counter cut_dropped[2];
    flow_counter cut_epoch;   /* the last one of which they are */
    flow_counter base_number; /* of the edge: what numbers are beyond what is counted as sent */
    flow_counter base_port;   /* the same of the port, if this is its first edge */
    _Alignas(64) flow_counter received; /* records taken from the link by its reader */
    flow_counter received_batches;
    flow_counter closed; /* the last result that is complete here, and 1 more */
    flow_counter ended;  /* 1: the reader needs nothing more of the writer, not even to stay */
    flow_counter cut_received[2];
    flow_counter cut_received_batches[2];
};

/* A record that is not to be tried again, since it has killed its worker. */
struct flow_board_aside {
    flow_counter number; /* of the record, and 1 more; 0: the entry is free */
    flow_counter tries;
    flow_counter cause; /* the signal of the last death; or FLOW_CAUSE_TIMEOUT and the like */
    /* Numbers may be others when a run goes back, so there it is known by what it looks like: */
    flow_counter print; /* 0: by its number */
    flow_counter stage; /* ... and in which of the plan's stages */
    flow_counter epoch; /* the first one that has it behind it; 0: it has not been met again */
};

#define FLOW_CAUSE_TIMEOUT 1000u
#define FLOW_CAUSE_EXIT 2000u /* and the exit code */
#define FLOW_ASIDE_MOST 32

/* Per group: the peak resident set of its process; and what the coordinator says of it. */
struct flow_board_group {
    _Alignas(64) flow_counter peak_bytes;
    flow_counter pid;
    _Alignas(64) flow_counter restarts; /* how often its process was replaced: the incarnation */
    flow_counter former;                /* the same, before the run last went back */
    flow_counter careful; /* hand out the records of this batch one by one; see hand_batch */
    struct flow_board_aside aside[FLOW_ASIDE_MOST];
};

struct flow_board {
    void *map; /* the rest point into it */
    size_t map_size;
    int fd; /* to be inherited by processes of the run; -1: private to this process */
    struct flow_board_replica *replicas;
    struct flow_board_link *links;
    struct flow_board_group *groups;
    flow_counter *words; /* see watch/rows.h */
    size_t replica_count, link_count, group_count, word_count;
};

struct flow_board_size {
    size_t replicas, links, groups, words;
};

/* A zeroed board; with `shared`, in a memfd that a spawned process can open. */
FLOW_NODISCARD enum flow_status flow_board_new(const struct flow_board_size *size, _Bool shared,
                                               struct flow_board *board, struct flow_error *err);

/* The same board in another process, from the inherited descriptor; FLOW_EPROTO: of another size.
 */
FLOW_NODISCARD enum flow_status flow_board_open(int fd, const struct flow_board_size *size,
                                                struct flow_board *board, struct flow_error *err);

void flow_board_close(struct flow_board *board);

/* One writer adds; no read-modify-write instruction is needed. */
static inline void flow_count(flow_counter *counter, uint64_t add)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add,
                          memory_order_relaxed);
}

static inline void flow_set(flow_counter *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t flow_read(const flow_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif /* FLOW_WATCH_BOARD_H */
