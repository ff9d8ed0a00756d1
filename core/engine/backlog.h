/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_BACKLOG_H
#define FLOW_ENGINE_BACKLOG_H

/*
 * What waits at the writer of an edge that drops its oldest records, until its link has room:
 * slices, oldest first.  Each keeps its block.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_BACKLOG_MOST 64 /* slices */

/* Some records of a sealed block on their way to the readers of an edge. */
struct flow_slice {
    struct flow_block *block; /* NULL: no records, only a mark that a result is complete */
    uint32_t first, count;
    uint64_t order;   /* when its first record was emitted, in the replica's own count */
    uint64_t result;  /* the input batch that it is a result of, where results are numbered */
    bool last;        /* ... and the last of it */
    uint64_t barrier; /* no records, but the barrier of this epoch; 0: none */
    bool gives;       /* the block's reference goes with the slice, whatever becomes of it; only
                         where flow_outlet_takes */
};

struct flow_backlog {
    struct flow_slice *slices; /* a ring of FLOW_BACKLOG_MOST; NULL: nothing ever waits */
    size_t first, count;
    uint64_t records, bytes; /* bytes by their weight in a batch */
};

/* False: memory is short. */
bool flow_backlog_init(struct flow_backlog *backlog);
void flow_backlog_clear(struct flow_backlog *backlog);

/* There must be one. */
static inline const struct flow_slice *flow_backlog_oldest(const struct flow_backlog *backlog)
{
    return &backlog->slices[backlog->first];
}

/* Add a slice behind the others, taking a reference to its block; there must be room for it. */
void flow_backlog_add(struct flow_backlog *backlog, const struct flow_slice *slice);

/* Add a barrier behind the others; there must be room for it. */
void flow_backlog_add_barrier(struct flow_backlog *backlog, uint64_t epoch, uint64_t order);

/* Take the first `count` records off the oldest slice; it goes when it has no more, a barrier at
 * once. */
void flow_backlog_take(struct flow_backlog *backlog, uint32_t count);

#endif /* FLOW_ENGINE_BACKLOG_H */
