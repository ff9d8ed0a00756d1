/* SPDX-License-Identifier: MIT */
#include "watch/rows.h"

static bool has_rows(const struct flow_plan *plan, size_t replica)
{
    const struct flow_plan_replica *self = &plan->replicas[replica];
    return plan->stages[self->stage].recovers && self->in_count > 0;
}

/* For all that its writer may have sent since the last acknowledgement. */
static size_t row_count(const struct flow_plan *plan, size_t replica)
{
    const uint64_t held = flow_plan_link_keeps(&plan->links[plan->replicas[replica].in[0]]);
    size_t count = 16;
    while (count < held + 2) /* the last one acknowledged stays, and one is being written */
        count *= 2;
    return count;
}

static size_t stride_of(const struct flow_plan *plan, size_t replica)
{
    return FLOW_ROW_LINKS + 2 * plan->replicas[replica].out_count;
}

/* Those of all replicas before this one. */
static size_t words_before(const struct flow_plan *plan, size_t replica)
{
    size_t words = 0;
    for (size_t i = 0; i < replica; i++)
        words += has_rows(plan, i) ? row_count(plan, i) * stride_of(plan, i) : 0;
    return words;
}

struct flow_board_size flow_board_size_of(const struct flow_plan *plan)
{
    return (struct flow_board_size){
        .replicas = plan->replica_count,
        .links = plan->link_count,
        .groups = plan->group_count,
        .words = words_before(plan, plan->replica_count),
    };
}

struct flow_rows flow_rows_of(const struct flow_plan *plan, const struct flow_board *board,
                              size_t replica)
{
    const struct flow_rows none = {0};
    if (!has_rows(plan, replica))
        return none;
    const size_t at = words_before(plan, replica);
    const struct flow_rows rows = {
        .words = board->words + at,
        .stride = stride_of(plan, replica),
        .count = row_count(plan, replica),
    };
    return board->word_count >= at + rows.stride * rows.count ? rows : none;
}
