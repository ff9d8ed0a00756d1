/* SPDX-License-Identifier: MIT */
#include "engine/align.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum flow_status flow_align_init(struct flow_align *align, size_t links, struct flow_error *err)
{
    *align = (struct flow_align){.link_count = links};
    align->reached = flow_calloc(links, sizeof(*align->reached));
    if (align->reached == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for %zu links", links);
    return FLOW_OK;
}

void flow_align_clear(struct flow_align *align)
{
    for (size_t i = 0; i < align->held_count; i++) {
        if (align->held[i].kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(align->held[i].batch.block);
    }
    free(align->held);
    free(align->reached);
    *align = (struct flow_align){0};
}

enum flow_status flow_align_hold(struct flow_align *align, const struct flow_message *message,
                                 struct flow_error *err)
{
    if (!flow_grow(&align->held, &align->held_capacity, align->held_count + 1,
                   sizeof(*align->held))) {
        if (message->kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(message->batch.block);
        return flow_fail(err, FLOW_ENOMEM, "out of memory for what waits behind a barrier");
    }
    align->held[align->held_count++] = *message;
    return FLOW_OK;
}

void flow_align_drop(struct flow_align *align, uint32_t link)
{
    size_t kept = 0;
    for (size_t i = 0; i < align->held_count; i++) {
        const struct flow_message *message = &align->held[i];
        if (message->link != link)
            align->held[kept++] = *message;
        else if (message->kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(message->batch.block);
    }
    align->held_count = kept;
}

enum flow_status flow_align_reach(struct flow_align *align, size_t link, uint64_t epoch,
                                  struct flow_error *err)
{
    if (align->count > 0 ? epoch != align->epoch : epoch <= align->epoch)
        return flow_fail(err, FLOW_EPROTO,
                         "the barrier of checkpoint %llu has come while that of %llu is awaited",
                         (unsigned long long)epoch, (unsigned long long)align->epoch);
    align->epoch = epoch;
    align->reached[link] = true;
    align->count++;
    return FLOW_OK;
}

void flow_align_release(struct flow_align *align, struct flow_message **held, size_t *count)
{
    memset(align->reached, 0, align->link_count * sizeof(*align->reached));
    align->count = 0;
    *held = align->held;
    *count = align->held_count;
    align->held = NULL;
    align->held_count = align->held_capacity = 0;
}
