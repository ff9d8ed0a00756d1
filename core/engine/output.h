/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_OUTPUT_H
#define FLOW_ENGINE_OUTPUT_H

/*
 * The output side of a replica: its ports (engine/port.h), taken together.
 *
 * A batch goes out when it is full, and when the replica has nothing left to read.
 *
 * Threads: the replica's own.
 */

#include "engine/host.h"
#include "engine/port.h"

struct flow_output {
    struct flow_emission shared; /* `judge` and `unkeyed` are set by the owner before init */
    struct flow_port_out *ports; /* the type's outputs, then the errors port */
    size_t port_count;
    bool numbered;            /* results carry the number of their input batch, shared.result */
    struct flow_room_ closed; /* for ports that the type does not have */
    struct flow_room_ *
        *rooms; /* for struct flow_stage: the ports' but the errors port's, `closed` */
};

/* `port_count` without the errors port, which comes last. */
FLOW_NODISCARD enum flow_status flow_output_init(struct flow_output *output, struct flow_host *host,
                                                 size_t port_count);
void flow_output_clear(struct flow_output *output);

bool flow_output_is_connected(const struct flow_output *output, size_t port);

/* Bring shared.emitted and shared.emitted_bytes up to date. */
void flow_output_tally(struct flow_output *output);

/* How many records the stage has emitted so far, also where nothing takes them, to compare with
 * later. */
static inline uint64_t flow_output_mark(const struct flow_output *output)
{
    uint64_t emitted = output->shared.emitted + output->shared.unread;
    for (size_t p = 0; p + 1 < output->port_count; p++)
        emitted += flow_port_uncounted(&output->ports[p]);
    return emitted;
}

/* Emit a copy. */
FLOW_NODISCARD enum flow_status flow_output_emit(struct flow_output *output, size_t port,
                                                 const struct flow_piece *record);

/* Room for `size` bytes, and their commitment; see flowrun/stage.h. */
void *flow_output_reserve(struct flow_output *output, size_t port, size_t size);
FLOW_NODISCARD enum flow_status flow_output_commit(struct flow_output *output, size_t port,
                                                   size_t size, const void *key, size_t key_size);

/* Pass on `count` records of a sealed block, from `first` on, as they are. */
FLOW_NODISCARD enum flow_status flow_output_forward(struct flow_output *output, size_t port,
                                                    struct flow_block *block, uint32_t first,
                                                    uint32_t count);

/* The batch in hand has been processed: runs of it that are being forwarded end. */
FLOW_NODISCARD enum flow_status flow_output_settle_runs(struct flow_output *output);

/* Withdraw what the record in hand, if there is one, has emitted and is not yet sent. */
void flow_output_rollback(struct flow_output *output);

/* Send every open batch; with `try_only`, those that go out at once. */
FLOW_NODISCARD enum flow_status flow_output_flush(struct flow_output *output, bool try_only);

/* Numbered: send what is left of result `shared.result`, and that it is complete. */
FLOW_NODISCARD enum flow_status flow_output_complete_result(struct flow_output *output);

/* After a flush: send the barrier of a checkpoint by every edge. */
FLOW_NODISCARD enum flow_status flow_output_barrier(struct flow_output *output, uint64_t epoch);

/* After the last flush: end every edge.  `results` is the number of results for numbered ones. */
FLOW_NODISCARD enum flow_status flow_output_end(struct flow_output *output, uint64_t results);

/* A reader of link `message->link` has reported; `*work_ns`: what all that it was sent takes it, if
 * that holds this replica back. */
FLOW_NODISCARD enum flow_status flow_output_credit(struct flow_output *output,
                                                   const struct flow_message *message,
                                                   double *work_ns);

/* Of links with an end that is replaced: see engine/outlet.h. */
FLOW_NODISCARD enum flow_status flow_output_hello(struct flow_output *output,
                                                  const struct flow_message *message, bool is_new);
FLOW_NODISCARD enum flow_status flow_output_greet(struct flow_output *output, uint32_t incarnation);
bool flow_output_is_answered(struct flow_output *output);
void flow_output_resume(struct flow_output *output, bool *any);
bool flow_output_is_ended(const struct flow_output *output);

/* Everything begun before this number (of the task's clock) has arrived. */
uint64_t flow_output_oldest(const struct flow_output *output);

/* Has every reader in another process acknowledged everything? */
bool flow_output_is_settled(const struct flow_output *output);

#endif /* FLOW_ENGINE_OUTPUT_H */
