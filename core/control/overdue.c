/* SPDX-License-Identifier: MIT */
#include "control/supervisor.h"

#include "base/clock.h"

/* Records that take longer than the "timeout" of their stage. */

#define LOOKS 4 /* in the time that a record may take */
#define LEAST_NS (5 * FLOW_MS)

static const struct flow_graph_stage *timed(const struct flow_plan *plan, size_t replica)
{
    const struct flow_graph_stage *stage = plan->stages[plan->replicas[replica].stage].graph;
    return stage != NULL && stage->timeout_ns > 0 ? stage : NULL;
}

static void strike(struct supervisor *sup, size_t replica)
{
    const struct flow_plan_replica *self = &sup->launch->plan->replicas[replica];
    struct member_state *state = &sup->states[self->group];
    struct flow_str text = {0};
    if (sup->launch->plan->groups[self->group].spawned) {
        state->revival.overdue = true;
        state->revival.late = replica;
        (void)sup->crews[self->group].launcher->force(&sup->crews[self->group]);
        return;
    }
    flow_str_addf(&text, "stage '%s' replica %u", sup->launch->plan->stages[self->stage].name,
                  self->index);
    flow_sight_describe(sup->launch, replica, &text);
    flow_supervisor_fail(sup, FLOW_EBAD, text.failed ? "a record takes too long" : text.text);
    flow_str_clear(&text);
}

void flow_supervisor_watch(struct supervisor *sup, int64_t now_ns)
{
    const struct flow_plan *plan = sup->launch->plan;
    sup->watch_ns = FLOW_NEVER;
    if (sup->retreat.under_way)
        return;
    for (size_t i = 0; i < plan->replica_count && !sup->aborting; i++) {
        const struct flow_graph_stage *stage = timed(plan, i);
        if (stage == NULL)
            continue;
        int64_t next = stage->timeout_ns / LOOKS;
        next = now_ns + (next > LEAST_NS ? next : LEAST_NS);
        sup->watch_ns = next < sup->watch_ns ? next : sup->watch_ns;
        const struct member_state *state = &sup->states[plan->replicas[i].group];
        if (state->gone || state->ended || state->down || state->revival.overdue)
            continue;
        if (flow_sight_is_overdue(&sup->sights[i], sup->launch, i, now_ns))
            strike(sup, i);
    }
}
