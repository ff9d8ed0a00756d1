/* SPDX-License-Identifier: MIT */

/*
 * The plugin of the random graphs.  All its types but rt.count, rt.mine, rt.mines and rt.stamp are
 * pure functions of a record's bytes and key (functions.c), so that reference.c can say what a
 * graph must give.  Between them they use every call that a plugin has.
 */

#include "random/stages.h"

FLOW_PLUGIN(&rt_source_type, &rt_map_type, &rt_hold_type, &rt_fail_type, &rt_reserve_type,
            &rt_batch_type, &rt_expand_type, &rt_filter_type, &rt_runs_type, &rt_split_type,
            &rt_forward_type, &rt_forward_batch_type, &rt_join2_type, &rt_count_type, &rt_sink_type,
            &rt_sinkn_type, &rt_mine_type, &rt_mines_type, &rt_stamp_type, &rt_keep_type);
