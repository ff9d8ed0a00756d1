/* SPDX-License-Identifier: MIT */
#include "engine/turn.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/aside.h"

int64_t flow_turn_timeout(const struct flow_replica *replica)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_stage *stage =
        &plan->stages[plan->replicas[replica->host.replica].stage];
    return stage->graph != NULL ? stage->graph->timeout_ns : 0;
}

enum flow_status flow_turn_no_memory(struct flow_replica *replica)
{
    return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for a record in flight");
}

enum flow_status flow_turn_set_reason(struct flow_replica *replica, const char *reason)
{
    (void)snprintf(replica->reason, sizeof(replica->reason), "%s", reason);
    replica->has_reason = true;
    return FLOW_EBAD;
}

/* ---- batches ---- */

static enum flow_status settle_batch(struct flow_replica *replica,
                                     const struct flow_held_batch *batch)
{
    struct flow_board_replica *slot = replica->host.slot;
    enum flow_status rc = FLOW_OK;
    flow_count(&slot->records_in, batch->count);
    flow_count(&slot->bytes_in, batch->bytes);
    flow_count(&slot->batches_in, 1);
    if (replica->output.numbered) {
        replica->output.shared.result = batch->sequence;
        rc = flow_output_complete_result(&replica->output);
    }
    flow_replica_publish(replica);
    if (rc == FLOW_OK)
        rc = flow_input_settle(&replica->input, batch->link, batch->sequence);
    return rc;
}

enum flow_status flow_turn_settle(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && hold->batch_first < hold->batch_next) {
        const struct flow_held_batch batch = *flow_hold_batch(hold, hold->batch_first);
        if (!batch.handed || batch.pending > 0)
            return FLOW_OK;
        hold->batch_first++;
        rc = settle_batch(replica, &batch);
    }
    return rc;
}

/* ---- records ---- */

void flow_turn_count(struct flow_replica *replica, uint64_t emitted)
{
    flow_count(&replica->host.slot->done, 1);
    if (replica->emits && emitted == 0)
        flow_count(&replica->host.slot->filtered, 1);
}

/* What was emitted before its turn; nothing of it is withdrawn any more. */
static enum flow_status emit_beside(struct flow_replica *replica, struct flow_held *held)
{
    const uint64_t in_hand = replica->stage.in_hand;
    enum flow_status rc = FLOW_OK;
    struct flow_piece piece;
    unsigned port = 0;
    replica->stage.in_hand = 0;
    if (replica->output.numbered)
        replica->output.shared.result = flow_hold_batch(replica->hold, held->batch)->sequence;
    for (size_t at = 0; rc == FLOW_OK && flow_beside_next(&held->beside, &at, &port, &piece);)
        rc = flow_output_emit(&replica->output, port, &piece);
    replica->stage.in_hand = in_hand;
    return rc;
}

static enum flow_status give_up(struct flow_replica *replica, const struct flow_record *record,
                                const char *reason, unsigned tries, const struct flow_fatal *fatal)
{
    replica->fatal = fatal;
    const enum flow_status rc = flow_policy_give_up(replica, record, reason, tries);
    replica->fatal = NULL;
    return rc;
}

/* It is its turn. */
static enum flow_status take_turn(struct flow_replica *replica, struct flow_held *held)
{
    const bool good = held->state == FLOW_HELD_OK;
    enum flow_status rc = emit_beside(replica, held);
    if (rc != FLOW_OK)
        return rc;
    if (held->fatal == NULL)
        flow_count(&replica->host.slot->retried, good ? held->tries : held->tries - 1);
    if (good)
        flow_turn_count(replica, held->emitted + held->beside.count);
    else
        rc = give_up(replica, &held->token.record, held->reason, held->tries, held->fatal);
    if (rc == FLOW_OK)
        flow_hold_remove(replica->hold, held);
    return rc;
}

static bool is_over(const struct flow_held *held)
{
    return held->state == FLOW_HELD_OK || held->state == FLOW_HELD_BAD;
}

/* `held` is done or given up: it goes, or gets in line; with it those who waited for it only.  A
 * batch is settled before anything goes out for the next one. */
static enum flow_status advance(struct flow_replica *replica, struct flow_held *held)
{
    struct flow_hold *hold = replica->hold;
    enum flow_status rc = FLOW_OK;
    flow_set(&replica->host.slot->held, hold->waiting);
    if (!hold->in_order) {
        rc = take_turn(replica, held);
        return rc == FLOW_OK ? flow_turn_settle(replica) : rc;
    }
    while (rc == FLOW_OK && hold->first != NULL && is_over(hold->first)) {
        rc = take_turn(replica, hold->first);
        if (rc == FLOW_OK)
            rc = flow_turn_settle(replica);
    }
    return rc;
}

enum flow_status flow_turn_done(struct flow_replica *replica, struct flow_held *held)
{
    held->state = FLOW_HELD_OK;
    return advance(replica, held);
}

static enum flow_status set_aside(struct flow_replica *replica, struct flow_held *held,
                                  const char *reason)
{
    free(held->reason);
    held->reason = flow_strdup(reason);
    if (held->reason == NULL)
        return flow_turn_no_memory(replica);
    held->state = FLOW_HELD_BAD;
    return advance(replica, held);
}

static enum flow_status try_again(struct flow_replica *replica, struct flow_held *held,
                                  const struct flow_record *record)
{
    struct flow_hold *hold = replica->hold;
    if (held == NULL) {
        held = flow_hold_add(hold, record, hold->batch_next - 1);
        if (held == NULL)
            return flow_turn_no_memory(replica);
        held->tries = 1;
    }
    held->state = FLOW_HELD_RETRY;
    hold->waiting++;
    const int64_t due = flow_now_ns() + flow_policy_backoff(replica->policy, held->tries);
    return flow_hold_arm(hold, held, due) ? FLOW_OK : flow_turn_no_memory(replica);
}

enum flow_status flow_turn_refuse(struct flow_replica *replica, struct flow_held *held,
                                  const struct flow_record *record)
{
    const char *reason = flow_policy_reason(replica);
    const unsigned tries = held != NULL ? ++held->tries : 1;
    if (tries <= replica->policy->retries)
        return try_again(replica, held, record);
    /* A run that stops need not wait for the record's turn. */
    if (held == NULL || replica->policy->then == FLOW_STOP)
        return flow_policy_give_up(replica, record, reason, tries);
    return set_aside(replica, held, reason);
}

enum flow_status flow_turn_give_up_fatal(struct flow_replica *replica, struct flow_held *held,
                                         const struct flow_record *record,
                                         const struct flow_fatal *fatal)
{
    char reason[160];
    flow_fatal_describe(fatal, reason, sizeof(reason));
    if (held == NULL)
        return give_up(replica, record, reason, fatal->tries, fatal);
    held->tries = fatal->tries;
    held->fatal = fatal;
    return set_aside(replica, held, reason);
}
