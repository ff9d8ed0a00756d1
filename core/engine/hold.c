/* SPDX-License-Identifier: MIT */
#include "engine/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/careful.h"
#include "engine/fault.h"
#include "engine/turn.h"

#define FIRST_BATCHES 16u

/* ---- the record in hand ---- */

/* What is emitted from now on is for a record, perhaps without a token. */
static void begin_hand(struct flow_replica *replica, struct flow_held *held, uint64_t sequence)
{
    struct flow_hold *hold = replica->hold;
    const bool direct = held == NULL || (flow_turn_is(hold, held) && held->beside.count == 0);
    hold->hand =
        (struct flow_hand){.active = true, .direct = direct, .held = held, .sequence = sequence};
    const struct flow_record *record = held != NULL ? &held->token.record : hold->own_record;
    flow_set(&replica->host.slot->hand_record, record->number);
    if (replica->careful)
        flow_set(&replica->host.slot->hand_print, flow_record_print(record));
    flow_set(&replica->host.slot->hand_batch, sequence + 1);
    replica->stage.in_hand = 0;
    if (!direct) {
        hold->hand.beside = flow_beside_mark(&held->beside);
        replica->stage.rooms = hold->closed;
        return;
    }
    replica->stage.rooms = replica->output.rooms;
    if (replica->output.numbered)
        replica->output.shared.result = sequence;
    if (replica->may_undo)
        replica->stage.in_hand = ++replica->serial;
    hold->hand.mark = flow_output_mark(&replica->output);
}

/* Nothing is emitted for it for now. */
static void end_hand(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    struct flow_held *held = hold->hand.held;
    if (hold->hand.direct)
        *(held != NULL ? &held->emitted : &hold->own_emitted) +=
            flow_output_mark(&replica->output) - hold->hand.mark;
    else
        hold->beside_bytes += held->beside.size - hold->hand.beside.size;
    hold->hand.active = false;
    replica->stage.in_hand = 0;
    replica->stage.rooms = replica->output.numbered ? hold->closed : replica->output.rooms;
    flow_set(&replica->host.slot->hand_batch, 0);
}

/* It was refused: nothing of what was emitted since it was taken in hand shall stay. */
static void withdraw(struct flow_replica *replica)
{
    struct flow_hand *hand = &replica->hold->hand;
    if (hand->direct)
        flow_output_rollback(&replica->output);
    else
        flow_beside_rewind(&hand->held->beside, &hand->beside);
}

static uint64_t sequence_of(const struct flow_hold *hold, const struct flow_held *held)
{
    return flow_hold_batch(hold, held->batch)->sequence;
}

/* The record that `process` is at work on is in hand again. */
static void return_to_own(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    if (hold->processing && !hold->own_done)
        begin_hand(replica, hold->own, hold->own_sequence);
}

void flow_hold_let_go(struct flow_replica *replica)
{
    if (replica->hold->hand.active)
        end_hand(replica);
}

/* ---- batches ---- */

static bool widen_batches(struct flow_hold *hold)
{
    const uint64_t size = hold->batches == NULL ? FIRST_BATCHES : (hold->batch_mask + 1) * 2;
    struct flow_held_batch *wider = flow_calloc((size_t)size, sizeof(*wider));
    if (wider == NULL)
        return false;
    for (uint64_t n = hold->batch_first; n < hold->batch_next; n++)
        wider[n & (size - 1)] = *flow_hold_batch(hold, n);
    free(hold->batches);
    hold->batches = wider;
    hold->batch_mask = size - 1;
    return true;
}

enum flow_status flow_hold_begin_batch(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    const struct flow_item *item = &replica->item;
    const uint64_t count = hold->batch_next - hold->batch_first;
    if ((hold->batches == NULL || count > hold->batch_mask) && !widen_batches(hold))
        return flow_turn_no_memory(replica);
    *flow_hold_batch(hold, hold->batch_next++) = (struct flow_held_batch){
        .link = item->link,
        .count = item->count,
        .bytes = item->block != NULL ? flow_block_span(item->block, item->first, item->count) : 0,
        .sequence = item->sequence,
    };
    return FLOW_OK;
}

enum flow_status flow_hold_end_batch(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    flow_hold_batch(hold, hold->batch_next - 1)->handed = true;
    return flow_turn_settle(replica);
}

/* ---- process ---- */

/* `process` holds it: the time that it may take begins. */
static enum flow_status set_going(struct flow_replica *replica, struct flow_held *held)
{
    const int64_t timeout_ns = flow_turn_timeout(replica);
    held->state = FLOW_HELD_WAITING;
    flow_set(&replica->host.slot->held, ++replica->hold->waiting);
    if (timeout_ns == 0 || flow_hold_arm(replica->hold, held, flow_now_ns() + timeout_ns))
        return FLOW_OK;
    return flow_turn_no_memory(replica);
}

/* `process` has returned; it may have done its record even before. */
static enum flow_status take_answer(struct flow_replica *replica, enum flow_status rc)
{
    struct flow_hold *hold = replica->hold;
    struct flow_held *own = hold->own;
    const struct flow_record *record = own != NULL ? &own->token.record : hold->own_record;
    if (hold->own_done && rc == FLOW_EBAD)
        return flow_replica_fail(replica, FLOW_EINVAL, &hold->own_record->number,
                                 "refuses a record that it has done");
    if (hold->own_done)
        return rc == FLOW_OK ? rc : flow_policy_stop(replica, rc, NULL);
    if (rc == FLOW_EBAD)
        withdraw(replica);
    end_hand(replica);
    if (rc == FLOW_OK && hold->own_held) {
        return set_going(replica, own);
    }
    if (rc == FLOW_OK && own != NULL)
        return flow_turn_done(replica, own);
    if (rc == FLOW_OK)
        flow_turn_count(replica, hold->own_emitted);
    if (rc == FLOW_EBAD)
        return flow_turn_refuse(replica, own, record);
    return rc == FLOW_OK ? rc : flow_policy_stop(replica, rc, &record->number);
}

enum flow_status flow_hold_process(struct flow_replica *replica, const struct flow_record *record,
                                   struct flow_held *held)
{
    struct flow_hold *hold = replica->hold;
    struct flow_held *own = held;
    if (own == NULL && hold->in_order && hold->count > 0) {
        own = flow_hold_add(hold, record, hold->batch_next - 1);
        if (own == NULL)
            return flow_turn_no_memory(replica);
    }
    if (held != NULL)
        hold->waiting--;
    hold->own = own;
    hold->own_record = own != NULL ? &own->token.record : record;
    hold->own_held = hold->own_done = false;
    hold->own_emitted = 0;
    hold->own_sequence = held != NULL ? sequence_of(hold, held)
                                      : flow_hold_batch(hold, hold->batch_next - 1)->sequence;
    hold->processing = true;
    replica->has_reason = false;
    if (own != NULL)
        own->state = FLOW_HELD_IN_HAND;
    begin_hand(replica, own, hold->own_sequence);
    enum flow_status rc = flow_fault_any(replica) ? flow_fault_meet(replica, record) : FLOW_OK;
    /* Its own copy has the same bytes, but `forward` knows the record of the batch by address. */
    if (rc == FLOW_OK)
        rc = replica->type->process(replica->self, &replica->stage,
                                    held != NULL ? hold->own_record : record);
    hold->processing = false;
    if (hold->hand.active && (hold->own_done || hold->hand.held != hold->own)) {
        end_hand(replica); /* another one was left in hand */
        if (!hold->own_done)
            begin_hand(replica, hold->own, hold->own_sequence);
    }
    rc = take_answer(replica, rc);
    hold->own = NULL;
    return rc;
}

/* ---- what stages call ---- */

struct flow_held *flow_hold_keep(struct flow_replica *replica, const struct flow_record *record)
{
    struct flow_hold *hold = replica->hold;
    if (!hold->processing || hold->own_held || record->number != hold->own_record->number) {
        (void)flow_replica_fail(replica, FLOW_EINVAL, &record->number,
                                "holds a record that is not the one in hand");
        return NULL;
    }
    if (flow_turn_timeout(replica) > 0 && replica->type->drop == NULL) {
        (void)flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                "\"timeout\" cannot be kept: its type %s holds records and has no "
                                "'drop' to let go of one",
                                replica->type->name);
        return NULL;
    }
    if (hold->own == NULL) {
        hold->own = flow_hold_add(hold, record, hold->batch_next - 1);
        if (hold->own == NULL) {
            (void)flow_turn_no_memory(replica);
            return NULL;
        }
        hold->own->emitted = hold->own_emitted;
        if (hold->hand.active && hold->hand.held == NULL)
            hold->hand.held = hold->own;
    }
    hold->own_held = true;
    return hold->own;
}

static bool is_resumable(const struct flow_hold *hold, const struct flow_held *held)
{
    return held->state == FLOW_HELD_WAITING ||
           (held->state == FLOW_HELD_IN_HAND && held == hold->own && hold->own_held);
}

enum flow_status flow_hold_resume(struct flow_replica *replica, struct flow_held *held)
{
    struct flow_hold *hold = replica->hold;
    if (!is_resumable(hold, held))
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "resumes a record that is not in flight");
    flow_hold_let_go(replica);
    replica->has_reason = false;
    begin_hand(replica, held, sequence_of(hold, held));
    return FLOW_OK;
}

enum flow_status flow_hold_done(struct flow_replica *replica, struct flow_held *held,
                                enum flow_status status)
{
    struct flow_hold *hold = replica->hold;
    enum flow_status rc = FLOW_OK;
    if (!hold->hand.active || hold->hand.held != held)
        rc = flow_hold_resume(replica, held);
    if (rc != FLOW_OK)
        return rc;
    if (status == FLOW_EBAD)
        withdraw(replica);
    end_hand(replica);
    if (held == hold->own)
        hold->own_done = true;
    else
        hold->waiting--;
    flow_hold_disarm(hold, held);
    if (status == FLOW_OK)
        rc = flow_turn_done(replica, held);
    else if (status == FLOW_EBAD)
        rc = flow_turn_refuse(replica, held, &held->token.record);
    else
        rc = flow_policy_stop(replica, status, &held->token.record.number);
    replica->has_reason = false;
    if (rc == FLOW_OK)
        return_to_own(replica);
    return rc;
}

enum flow_status flow_hold_refuse(struct flow_replica *replica, struct flow_held *held,
                                  const char *reason)
{
    replica->hold->waiting--;
    (void)flow_turn_set_reason(replica, reason);
    return flow_turn_refuse(replica, held, &held->token.record);
}

enum flow_status flow_hold_give_up(struct flow_replica *replica, const struct flow_record *record,
                                   const struct flow_fatal *fatal)
{
    struct flow_hold *hold = replica->hold;
    struct flow_held *held = NULL;
    if (hold->in_order && hold->count > 0) {
        held = flow_hold_add(hold, record, hold->batch_next - 1);
        if (held == NULL)
            return flow_turn_no_memory(replica);
    }
    return flow_turn_give_up_fatal(replica, held, record, fatal);
}
