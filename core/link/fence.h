/* SPDX-License-Identifier: MIT */
#ifndef FLOW_LINK_FENCE_H
#define FLOW_LINK_FENCE_H

/*
 * What an inbox knows of links whose other end may be replaced: which incarnation it listens to,
 * and what that has lent it.  Private to link/; see docs/recovery.md.
 *
 * Fencing.  What a process has sent may arrive when it is dead and another has taken its place.
 * Once the new one has said so on a link (FLOW_MESSAGE_HELLO), frames of the old one are dropped
 * there unread: what they lend may lie in memory that is being written to again.
 *
 * Leases.  For each slot of a link the last tag that was lent is remembered; the word in the slot
 * says whether it has been returned.  So it can be told when nobody reads any more what a dead
 * process has lent, also in processes that it was passed on to.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>

#include "record/frame.h"

struct flow_fence_link;

struct flow_fence {
    struct flow_fence_link *links; /* ascending */
    size_t count, capacity;
};

enum flow_fence_verdict {
    FLOW_FENCE_PASS,
    FLOW_FENCE_DROP,   /* of an incarnation that has been replaced */
    FLOW_FENCE_STRANGE /* of one that has not said that it is there, or cannot be */
};

/* The other end of this link may be replaced.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_fence_add(struct flow_fence *fence, uint32_t link,
                                               struct flow_error *err);
void flow_fence_clear(struct flow_fence *fence);

/* A message of this incarnation has come: shall it be read? */
enum flow_fence_verdict flow_fence_judge(struct flow_fence *fence,
                                         const struct flow_message *message, uint32_t incarnation);

/* It has passed, and lends what `lease` says. */
void flow_fence_note(struct flow_fence *fence, uint32_t link, const struct flow_lease *lease,
                     const struct flow_memory *memory);

/* Has something that came by this link not been returned yet? */
bool flow_fence_holds(const struct flow_fence *fence, uint32_t link,
                      const struct flow_memory *memory);

#endif /* FLOW_LINK_FENCE_H */
