/* SPDX-License-Identifier: MIT */
#include "engine/backlog.h"

#include <stdlib.h>

#include "base/mem.h"
#include "record/block.h"

bool flow_backlog_init(struct flow_backlog *backlog)
{
    *backlog = (struct flow_backlog){0};
    backlog->slices = flow_calloc(FLOW_BACKLOG_MOST, sizeof(*backlog->slices));
    return backlog->slices != NULL;
}

void flow_backlog_clear(struct flow_backlog *backlog)
{
    while (backlog->count > 0)
        flow_backlog_take(backlog, flow_backlog_oldest(backlog)->count);
    free(backlog->slices);
    *backlog = (struct flow_backlog){0};
}

void flow_backlog_add(struct flow_backlog *backlog, const struct flow_slice *slice)
{
    (void)flow_block_ref(slice->block);
    backlog->slices[(backlog->first + backlog->count) % FLOW_BACKLOG_MOST] = *slice;
    backlog->count++;
    backlog->records += slice->count;
    backlog->bytes += flow_block_weight(slice->block, slice->first, slice->count);
}

void flow_backlog_add_barrier(struct flow_backlog *backlog, uint64_t epoch, uint64_t order)
{
    backlog->slices[(backlog->first + backlog->count) % FLOW_BACKLOG_MOST] =
        (struct flow_slice){.barrier = epoch, .order = order};
    backlog->count++;
}

static void go(struct flow_backlog *backlog)
{
    backlog->first = (backlog->first + 1) % FLOW_BACKLOG_MOST;
    backlog->count--;
}

void flow_backlog_take(struct flow_backlog *backlog, uint32_t count)
{
    struct flow_slice *oldest = &backlog->slices[backlog->first];
    if (oldest->barrier != 0)
        go(backlog);
    if (count == 0 || oldest->barrier != 0)
        return;
    backlog->records -= count;
    backlog->bytes -= flow_block_weight(oldest->block, oldest->first, count);
    oldest->first += count;
    oldest->count -= count;
    if (oldest->count > 0)
        return;
    flow_block_unref(oldest->block);
    go(backlog);
}
