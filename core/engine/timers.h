/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_TIMERS_H
#define FLOW_ENGINE_TIMERS_H

/*
 * What is to happen at some time: a heap of times, each with a tag or a thing of its owner's, which
 * is told where its entry has moved to, so that it can be taken out again.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_timer_entry {
    int64_t due_ns;
    uint64_t tag;
    size_t *place; /* where its place in the heap, and 1 more, is kept; NULL: nobody asks */
};

struct flow_timers {
    struct flow_timer_entry *entries;
    size_t count, capacity;
};

void flow_timers_clear(struct flow_timers *timers);

/* Add an entry.  False: no memory. */
bool flow_timers_add(struct flow_timers *timers, const struct flow_timer_entry *entry);

/* Take the entry at `place` out. */
void flow_timers_remove(struct flow_timers *timers, size_t place);

/* Set the one of this tag, or add it; `due_ns` < 0 takes it out.  Looks at each.  False: no memory.
 */
bool flow_timers_set(struct flow_timers *timers, uint64_t tag, int64_t due_ns);

/* Take out the first one that is due; false: none is. */
bool flow_timers_take(struct flow_timers *timers, int64_t now_ns, struct flow_timer_entry *entry);

/* When the first one is due; INT64_MAX: there is none. */
static inline int64_t flow_timers_next(const struct flow_timers *timers)
{
    return timers->count > 0 ? timers->entries[0].due_ns : INT64_MAX;
}

#endif /* FLOW_ENGINE_TIMERS_H */
