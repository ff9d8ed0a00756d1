/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_PORT_H
#define FLOW_ENGINE_PORT_H

/*
 * One output port of a replica: the batch being filled, and the edges that take from it.
 *
 * Edges that take whole batches (balance, all) share one batch, by reference: a broadcast costs no
 * copy.  A keyed edge has a batch of its own for each reader.  What is forwarded untouched is not
 * copied either: a long enough run of records of the batch in hand goes on as a slice of it.
 *
 * Threads: the replica's own.
 */

#include "engine/host.h"
#include "engine/outlet.h"

/* What the ports of a replica share. */
struct flow_emission {
    struct flow_host *host;
    uint64_t result;  /* the input batch in hand, where results are numbered */
    uint64_t emitted; /* records on ports that something takes from, as far as counted */
    uint64_t emitted_bytes;
    uint64_t before;     /* ... before the checkpoint that the run goes on from */
    uint64_t unread;     /* records on ports that nothing takes from */
    uint64_t number;     /* of the record being put, on its port */
    struct flow_str key; /* scratch */
    void *judge;
    /* A record that was emitted, the `number`th of its port, has no key for a keyed edge, for the
     * reason given: do as the policy says. */
    enum flow_status (*unkeyed)(void *judge, const struct flow_piece *record, uint64_t number,
                                const char *reason);
};

/* Records of the batch in hand that are being forwarded, so far without a gap. */
struct flow_run_out {
    struct flow_block *block; /* borrowed; NULL: none */
    uint32_t first, count;
    uint32_t counted;   /* of them, in what the port has emitted */
    uint64_t record_id; /* of the last one, for rollback */
    uint64_t number;    /* of the first one, on the port */
};

struct flow_edge_out {
    struct flow_outlet outlet;
    struct flow_builder *builders; /* keyed: one for each reader */
};

struct flow_port_out {
    struct flow_emission *shared;
    struct flow_edge_out *edges;
    size_t edge_count;
    struct flow_edge_out *only;  /* the one edge, by records' own keys; NULL: not so */
    uint64_t emitted;            /* records, as counted, those withdrawn not among them */
    bool shares;                 /* some edge takes whole batches */
    bool keys;                   /* some edge is keyed */
    bool ordered;                /* results are numbered (never on the errors port) */
    struct flow_builder builder; /* of whole batches; or a scratch area for reservations */
    struct flow_run_out run;
};

void flow_port_init(struct flow_port_out *port, struct flow_emission *shared, bool ordered);
void flow_port_clear(struct flow_port_out *port);

/* An edge that takes from the port, by its links from this replica. */
FLOW_NODISCARD enum flow_status flow_port_add_edge(struct flow_port_out *port, size_t first_link,
                                                   size_t link_count);

/* All edges are there.  A port for the stage itself may let it write to the open batch. */
void flow_port_settle_edges(struct flow_port_out *port, bool is_own);

/* Count what the stage has written to the open batch, and what it has forwarded, as emitted. */
void flow_port_tally(struct flow_port_out *port);

/* Records that are emitted and not counted yet. */
static inline uint64_t flow_port_uncounted(const struct flow_port_out *port)
{
    return (uint64_t)flow_builder_uncounted(&port->builder) + port->run.count - port->run.counted;
}

/* See engine/output.h, which calls these. */
FLOW_NODISCARD enum flow_status flow_port_emit(struct flow_port_out *port,
                                               const struct flow_piece *record);
void *flow_port_reserve(struct flow_port_out *port, size_t size);
FLOW_NODISCARD enum flow_status flow_port_commit(struct flow_port_out *port, size_t size,
                                                 const void *key, size_t key_size);
FLOW_NODISCARD enum flow_status flow_port_forward(struct flow_port_out *port,
                                                  struct flow_block *block, uint32_t first,
                                                  uint32_t count);

/* Forward one record more, if it follows on those forwarded before it. */
static inline bool flow_port_extend_run(struct flow_port_out *port, const struct flow_block *block,
                                        uint32_t index)
{
    struct flow_run_out *run = &port->run;
    if (run->block != block || run->first + run->count != index)
        return false;
    run->count++;
    run->record_id = *port->shared->host->in_hand;
    return true;
}

/* Pass on the run of forwarded records: by reference where it pays, else as copies. */
FLOW_NODISCARD enum flow_status flow_port_end_run(struct flow_port_out *port);

/*
 * Withdraw what the record in hand has emitted, as far as it has not been sent.  Edges with batches
 * of their own stay alike: if one has sent a part, all keep the whole.
 */
void flow_port_rollback(struct flow_port_out *port);

/*
 * Send the open batches; with `try_only`, those that go out at once; with `last`, say that the
 * result in hand is complete, even if there is nothing to send.
 */
FLOW_NODISCARD enum flow_status flow_port_flush(struct flow_port_out *port, bool try_only,
                                                bool last);

/* Everything begun before this number (of the task's clock) has arrived. */
uint64_t flow_port_oldest(const struct flow_port_out *port);

#endif /* FLOW_ENGINE_PORT_H */
