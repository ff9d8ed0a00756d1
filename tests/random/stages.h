/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_STAGES_H
#define RANDOM_STAGES_H

/* The stage types of the random graphs and what their sources share; stages.c exports them. */

#include <flowrun/stage.h>
#include <stdlib.h>

/* Room to build a record in; zeroed by the engine, freed by rt_scratch_clear. */
struct rt_scratch {
    uint8_t *data;
    size_t size;
};

/* Never NULL but for want of memory, also when `size` is 0. */
static inline uint8_t *rt_scratch_room(struct rt_scratch *scratch, size_t size)
{
    if (size >= scratch->size) {
        uint8_t *grown = realloc(scratch->data, size + 1);
        if (grown == NULL)
            return NULL;
        scratch->data = grown;
        scratch->size = size + 1;
    }
    return scratch->data;
}

static inline void rt_scratch_clear(struct rt_scratch *scratch)
{
    free(scratch->data);
}

static inline enum flow_status rt_no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a record");
}

extern const struct flow_stage_type rt_source_type;
extern const struct flow_stage_type rt_map_type;
extern const struct flow_stage_type rt_hold_type;
extern const struct flow_stage_type rt_fail_type;
extern const struct flow_stage_type rt_reserve_type;
extern const struct flow_stage_type rt_batch_type;
extern const struct flow_stage_type rt_expand_type;
extern const struct flow_stage_type rt_filter_type;
extern const struct flow_stage_type rt_runs_type;
extern const struct flow_stage_type rt_split_type;
extern const struct flow_stage_type rt_forward_type;
extern const struct flow_stage_type rt_forward_batch_type;
extern const struct flow_stage_type rt_mine_type;
extern const struct flow_stage_type rt_mines_type;
extern const struct flow_stage_type rt_stamp_type;
extern const struct flow_stage_type rt_keep_type;
extern const struct flow_stage_type rt_join2_type;
extern const struct flow_stage_type rt_count_type;
extern const struct flow_stage_type rt_sink_type;
extern const struct flow_stage_type rt_sinkn_type;

#endif /* RANDOM_STAGES_H */
