/* SPDX-License-Identifier: MIT */
#include "engine/inlet.h"

/* Links whose writer, or whose reader, this one, is a new process; see docs/recovery.md. */

enum flow_status flow_inlet_confirm_end(struct flow_input *input, struct flow_inlet *inlet)
{
    flow_set(&inlet->slot->ended, 1);
    return flow_inlet_report(input, inlet);
}

static struct flow_inlet *find(struct flow_input *input, const struct flow_message *message)
{
    const struct flow_plan_replica *self = &input->host->plan->replicas[input->host->replica];
    const size_t at = flow_peers_find(self->in, self->in_count, message->link);
    return at != FLOW_NONE ? &input->links[at] : NULL;
}

static enum flow_status refuse(struct flow_input *input, const struct flow_message *message)
{
    return flow_fail(&input->host->err, FLOW_EPROTO,
                     "a process says hello by link %u, which leads from none that is replaced",
                     message->link);
}

enum flow_status flow_input_greet(struct flow_input *input, const struct flow_message *message)
{
    struct flow_inlet *inlet = find(input, message);
    if (inlet == NULL || !inlet->recovers)
        return refuse(input, message);
    enum flow_status rc = flow_outbox_reopen(inlet->writer, message->sequence, &input->host->err);
    flow_align_drop(&input->align, inlet->id);
    /* What waits for its turn waits for results of others, who may wait for answers likewise. */
    if (rc == FLOW_OK && inlet->edge->merges)
        rc = flow_merge_copy(&inlet->edge->merge, (uint32_t)(inlet - input->links),
                             input->host->pool, &input->host->err);
    if (rc != FLOW_OK)
        return rc;
    inlet->stale += inlet->received - inlet->done;
    inlet->stale_settled += inlet->received - (input->host->tracks ? inlet->settled : inlet->done);
    inlet->received = inlet->done = inlet->settled = inlet->acked = 0;
    inlet->told_received = inlet->told_done = inlet->told_acked = 0;
    inlet->quiet_records = inlet->quiet_bytes = 0;
    inlet->due = false;
    if (!inlet->edge->merges)
        inlet->sequence = 0;
    input->greeted += !inlet->greeted;
    inlet->greeted = true;
    return FLOW_OK;
}

enum flow_status flow_input_answer(struct flow_input *input, const struct flow_inbox *inbox)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < input->link_count && rc == FLOW_OK; i++) {
        struct flow_inlet *inlet = &input->links[i];
        if (!inlet->greeted || flow_inbox_holds(inbox, inlet->id))
            continue;
        const struct flow_message answer = {
            .kind = FLOW_MESSAGE_HELLO, .link = inlet->id, .sequence = flow_input_cost(input)};
        inlet->greeted = false;
        input->greeted--;
        rc = flow_outbox_send(inlet->writer, &answer, input->host->pool, &input->host->err);
    }
    return rc;
}

enum flow_status flow_input_welcome(struct flow_input *input, const struct flow_message *message)
{
    struct flow_inlet *inlet = find(input, message);
    if (inlet == NULL)
        return refuse(input, message);
    inlet->sequence = message->batch.number;
    return FLOW_OK;
}

enum flow_status flow_input_hello(struct flow_input *input, uint32_t incarnation)
{
    const struct flow_message hello = {
        .kind = FLOW_MESSAGE_HELLO, .link = input->links[0].id, .sequence = incarnation};
    return flow_outbox_send(input->links[0].writer, &hello, input->host->pool, &input->host->err);
}

void flow_input_release(struct flow_input *input)
{
    flow_set(&input->links[0].slot->ended, 1);
}

enum flow_status flow_input_nudge(struct flow_input *input)
{
    return flow_inlet_report(input, &input->links[0]);
}
