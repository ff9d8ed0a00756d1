/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_BATCHING_H
#define FLOW_ENGINE_BATCHING_H

/*
 * How many records a batch gets, at most: few for slow readers, so that what waits in it is little
 * time's work (engine/window.h), and else what the plan says.
 *
 * A batch that is full sooner than the plan says is not cut inside of what one record emits, which
 * may yet have to be withdrawn as a whole: there it is widened instead.
 *
 * Threads: the replica's own.
 */

#include "engine/port.h"

/* Choose the size of the port's next shared batch. */
void flow_batching_choose(struct flow_port_out *port);

/* ... and of a keyed edge's next batch for one of its readers. */
void flow_batching_choose_keyed(struct flow_edge_out *edge, size_t reader);

/* ... and of all. */
void flow_batching_choose_all(struct flow_port_out *port);

/* Does a record fit into the open batch?  Else that is to be sent. */
bool flow_batching_fits(const struct flow_emission *shared, struct flow_builder *builder,
                        size_t size, size_t key_size);

#endif /* FLOW_ENGINE_BATCHING_H */
