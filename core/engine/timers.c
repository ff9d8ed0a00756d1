/* SPDX-License-Identifier: MIT */
#include "engine/timers.h"

#include <stdlib.h>

#include "base/mem.h"

void flow_timers_clear(struct flow_timers *timers)
{
    free(timers->entries);
    *timers = (struct flow_timers){0};
}

static void put(struct flow_timers *timers, size_t at, const struct flow_timer_entry *entry)
{
    timers->entries[at] = *entry;
    if (entry->place != NULL)
        *entry->place = at + 1;
}

static void rise(struct flow_timers *timers, size_t at)
{
    const struct flow_timer_entry entry = timers->entries[at];
    while (at > 0 && timers->entries[(at - 1) / 2].due_ns > entry.due_ns) {
        put(timers, at, &timers->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(timers, at, &entry);
}

static void sink(struct flow_timers *timers, size_t at)
{
    const struct flow_timer_entry entry = timers->entries[at];
    for (size_t child = at * 2 + 1; child < timers->count; child = at * 2 + 1) {
        if (child + 1 < timers->count &&
            timers->entries[child + 1].due_ns < timers->entries[child].due_ns)
            child++;
        if (timers->entries[child].due_ns >= entry.due_ns)
            break;
        put(timers, at, &timers->entries[child]);
        at = child;
    }
    put(timers, at, &entry);
}

bool flow_timers_add(struct flow_timers *timers, const struct flow_timer_entry *entry)
{
    if (!flow_grow(&timers->entries, &timers->capacity, timers->count + 1,
                   sizeof(*timers->entries)))
        return false;
    timers->entries[timers->count] = *entry;
    rise(timers, timers->count++);
    return true;
}

void flow_timers_remove(struct flow_timers *timers, size_t place)
{
    if (timers->entries[place].place != NULL)
        *timers->entries[place].place = 0;
    if (place == --timers->count)
        return;
    timers->entries[place] = timers->entries[timers->count];
    sink(timers, place);
    rise(timers, place);
}

bool flow_timers_set(struct flow_timers *timers, uint64_t tag, int64_t due_ns)
{
    for (size_t i = 0; i < timers->count; i++) {
        if (timers->entries[i].tag == tag) {
            flow_timers_remove(timers, i);
            break;
        }
    }
    return due_ns < 0 ||
           flow_timers_add(timers, &(struct flow_timer_entry){.due_ns = due_ns, .tag = tag});
}

bool flow_timers_take(struct flow_timers *timers, int64_t now_ns, struct flow_timer_entry *entry)
{
    if (flow_timers_next(timers) > now_ns)
        return false;
    *entry = timers->entries[0];
    flow_timers_remove(timers, 0);
    return true;
}
