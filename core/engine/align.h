/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_ALIGN_H
#define FLOW_ENGINE_ALIGN_H

/*
 * What waits on the input side of a replica while a barrier has come by some of its links and not
 * by others: the messages behind it.  Credit bounds them.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>

#include "flowrun/error.h"
#include "record/frame.h"

struct flow_align {
    bool *reached; /* by link: the barrier has come */
    size_t link_count;
    size_t count;              /* links that it has come by */
    uint64_t epoch;            /* of the barrier, or of the last one */
    struct flow_message *held; /* in the order in which they came */
    size_t held_count, held_capacity;
};

FLOW_NODISCARD enum flow_status flow_align_init(struct flow_align *align, size_t links,
                                                struct flow_error *err);

/* Lets go of the blocks it holds. */
void flow_align_clear(struct flow_align *align);

/* Does what comes by the link have to wait? */
static inline bool flow_align_holds(const struct flow_align *align, size_t link)
{
    return align->count > 0 && align->reached[link];
}

/* Keep a message, with its reference; on failure that is gone. */
FLOW_NODISCARD enum flow_status flow_align_hold(struct flow_align *align,
                                                const struct flow_message *message,
                                                struct flow_error *err);

/* Let go of what is held of a link: its writer is a new process, and sends that again. */
void flow_align_drop(struct flow_align *align, uint32_t link);

/* Has a barrier come before that comes once more by a link, since its writer is a new process? */
static inline bool flow_align_knows(const struct flow_align *align, size_t link, uint64_t epoch)
{
    return epoch < align->epoch ||
           (epoch == align->epoch && (align->count == 0 || align->reached[link]));
}

/* The barrier has come by a link that does not wait.  FLOW_EPROTO: it is not the one awaited. */
FLOW_NODISCARD enum flow_status flow_align_reach(struct flow_align *align, size_t link,
                                                 uint64_t epoch, struct flow_error *err);

/* The barrier has come by all: hand over what was held, to be freed by the caller. */
void flow_align_release(struct flow_align *align, struct flow_message **held, size_t *count);

#endif /* FLOW_ENGINE_ALIGN_H */
