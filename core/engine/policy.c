/* SPDX-License-Identifier: MIT */

/*
 * What happens to a bad record.  A record callback returns FLOW_EBAD; a batch callback refuses
 * records one by one, and those to be tried again are handed to it once more, each as a batch of
 * one.
 *
 *   bad ──> tries left? ──yes──> wait (backoff, doubling) ──> again
 *              │ no
 *              ├─ stop    the run fails with the message
 *              ├─ skip    counted
 *              └─ route   to the errors port, as a JSON object
 *
 * What the record had emitted before it failed is withdrawn, unless it has been sent already
 * because it filled a batch, or because the stage waited in between.  What the stage had edited of
 * it is undone: it is tried again, and reported, as it came (see edit.h).
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/careful.h"
#include "engine/error_record.h"
#include "engine/fault.h"
#include "engine/tick.h"
#include "engine/waiting.h"

static enum flow_status route(struct flow_replica *replica, const struct flow_record *record,
                              const char *reason, unsigned tries)
{
    char *text = flow_error_record(replica, record, reason, tries);
    if (text == NULL)
        return flow_replica_fail(replica, FLOW_ENOMEM, &record->number,
                                 "out of memory for its error record");
    const struct flow_piece piece = {.data = text, .size = strlen(text)};
    /* It stays, even if what the record in hand has emitted is withdrawn. */
    const uint64_t in_hand = replica->stage.in_hand;
    replica->stage.in_hand = 0;
    replica->routing = true;
    const enum flow_status rc =
        flow_output_emit(&replica->output, replica->output.port_count - 1, &piece);
    replica->routing = false;
    replica->stage.in_hand = in_hand;
    free(text);
    return rc;
}

/* The tries are used up: do as the policy says. */
enum flow_status flow_policy_give_up(struct flow_replica *replica, const struct flow_record *record,
                                     const char *reason, unsigned tries)
{
    struct flow_board_replica *slot = replica->host.slot;
    switch (replica->policy->then) {
    case FLOW_SKIP:
        flow_count(&slot->skipped, 1);
        return FLOW_OK;
    case FLOW_ROUTE:
        flow_count(&slot->routed, 1);
        return route(replica, record, reason, tries);
    case FLOW_STOP:
        break;
    }
    flow_count(&slot->failed, 1);
    return flow_replica_fail(replica, FLOW_EBAD, &record->number, "%s", reason);
}

const char *flow_policy_reason(const struct flow_replica *replica)
{
    return replica->has_reason ? replica->reason : "the stage refused it without a reason";
}

/* The wait before try number `tries` + 1. */
int64_t flow_policy_backoff(const struct flow_error_policy *policy, unsigned tries)
{
    int64_t wait = policy->backoff_ns;
    for (unsigned i = 1; i < tries && wait < policy->backoff_max_ns; i++)
        wait *= 2;
    return wait < policy->backoff_max_ns || policy->backoff_max_ns == 0 ? wait
                                                                        : policy->backoff_max_ns;
}

static enum flow_status wait_for_retry(struct flow_replica *replica, unsigned tries)
{
    flow_count(&replica->host.slot->retried, 1);
    flow_set(&replica->host.slot->hand_batch, 0); /* it is not with the stage meanwhile */
    return flow_tick_wait(replica, flow_policy_backoff(replica->policy, tries));
}

/* Whoever looks at the board, perhaps after this process, knows what it had in hand. */
static void take_in_hand(struct flow_replica *replica, uint64_t record)
{
    flow_set(&replica->host.slot->hand_record, record);
    flow_set(&replica->host.slot->hand_batch, replica->item.sequence + 1);
}

/* A record of the batch in hand as a batch of one. */
static enum flow_status try_alone(struct flow_replica *replica, uint32_t index)
{
    const struct flow_batch whole = replica->batch;
    replica->batch.first += index;
    replica->batch.number += index;
    replica->batch.count = 1;
    replica->trying_again = true;
    enum flow_status rc =
        replica->type->process_batch(replica->self, &replica->stage, &replica->batch);
    if (rc == FLOW_OK && replica->has_reason)
        rc = FLOW_EBAD;
    replica->trying_again = false;
    if (rc == FLOW_EBAD)
        flow_output_rollback(&replica->output);
    const enum flow_status reverted = flow_edit_revert(replica);
    replica->batch = whole;
    return rc == FLOW_OK ? reverted : rc;
}

/* The record in hand was refused: nothing of what it did shall stay. */
static void undo(struct flow_replica *replica)
{
    flow_output_rollback(&replica->output);
    flow_edit_undo(replica);
}

/* It went well.  What a type of batches filters is not counted. */
static void count_done(const struct flow_replica *replica, uint64_t mark)
{
    flow_count(&replica->host.slot->done, 1);
    if (replica->type->process != NULL && replica->emits &&
        flow_output_mark(&replica->output) == mark)
        flow_count(&replica->host.slot->filtered, 1);
}

/* One more try of one record, by whichever callback the type has. */
static enum flow_status try_record(struct flow_replica *replica, uint32_t index,
                                   const struct flow_record *record)
{
    const struct flow_stage_type *type = replica->type;
    const uint64_t mark = flow_output_mark(&replica->output);
    replica->has_reason = false;
    replica->stage.in_hand = ++replica->serial;
    take_in_hand(replica, record->number);
    enum flow_status rc = flow_fault_any(replica) ? flow_fault_meet(replica, record) : FLOW_OK;
    if (rc != FLOW_OK) {
        undo(replica);
    } else if (type->process == NULL) {
        rc = try_alone(replica, index);
    } else {
        rc = type->process(replica->self, &replica->stage, record);
        if (rc == FLOW_EBAD)
            undo(replica);
    }
    replica->stage.in_hand = 0;
    if (rc == FLOW_OK)
        count_done(replica, mark);
    return rc;
}

/* A record has been refused `tries` times: try on or give up. */
static enum flow_status handle_bad(struct flow_replica *replica, uint32_t index,
                                   const struct flow_record *record, unsigned tries)
{
    enum flow_status rc = FLOW_EBAD;
    for (; rc == FLOW_EBAD && tries <= replica->policy->retries; tries++) {
        rc = wait_for_retry(replica, tries);
        if (rc == FLOW_OK)
            rc = try_record(replica, index, record);
    }
    return rc == FLOW_EBAD
               ? flow_policy_give_up(replica, record, flow_policy_reason(replica), tries)
               : rc;
}

/* A callback returned something else than FLOW_OK and FLOW_EBAD. */
enum flow_status flow_policy_stop(struct flow_replica *replica, enum flow_status status,
                                  const uint64_t *number)
{
    if (status == FLOW_EABORT && !replica->has_reason)
        return status;
    return flow_replica_fail(replica, status, number, "%s",
                             replica->has_reason ? replica->reason
                                                 : "the stage failed without a reason");
}

#define CHECK_EVERY_NS 20000 /* how often a stage of slow records looks at the clock */
#define FLUSH_AFTER_NS 1000000
#define STRIDE_MOST 256

/* Slow records: what is done goes on while the rest of the batch is being worked on. */
static enum flow_status flush_if_slow(struct flow_replica *replica, uint32_t *stride,
                                      int64_t *checked_ns)
{
    const int64_t now = flow_now_ns();
    const int64_t passed = now - *checked_ns;
    *checked_ns = now;
    if (passed < CHECK_EVERY_NS && *stride < STRIDE_MOST)
        *stride *= 2;
    else if (passed > CHECK_EVERY_NS * 4)
        *stride = *stride > 8 ? *stride / 8 : 1;
    if (now - replica->flushed_ns < FLUSH_AFTER_NS)
        return FLOW_OK;
    replica->flushed_ns = now;
    bool arrived;
    enum flow_status rc = flow_task_pump(replica->task, &arrived);
    if (rc == FLOW_OK && flow_tick_is_due(replica->task, now))
        rc = flow_tick_call(replica->task, replica->place + 1);
    return rc == FLOW_OK ? flow_task_flush(replica, true) : rc;
}

/* What process_records keeps while it goes through a batch. */
struct pass {
    uint32_t stride; /* records between two looks at the clock */
    int64_t checked_ns;
    uint64_t done, filtered;
};

/* The next records, `pass->stride` at most, as long as all goes well: the loop that all is for. */
static enum flow_status process_some(struct flow_replica *replica, struct pass *pass)
{
    struct flow_stage *stage = &replica->stage;
    struct flow_cursor *cursor = &replica->cursor;
    const bool emits = replica->emits;
    const bool may_undo = replica->may_undo;
    flow_counter *hand = &replica->host.slot->hand_record;
    uint64_t mark = emits ? flow_output_mark(&replica->output) : 0;
    enum flow_status rc = FLOW_OK;
    uint32_t left = pass->stride;
    for (; left > 0 && flow_batch_next(cursor); left--) {
        replica->has_reason = false;
        flow_set(hand, cursor->record.number);
        if (may_undo)
            stage->in_hand = ++replica->serial;
        rc = replica->type->process(replica->self, stage, &cursor->record);
        if (rc != FLOW_OK)
            break;
        if (emits) {
            const uint64_t now = flow_output_mark(&replica->output);
            pass->filtered += now == mark;
            mark = now;
        }
    }
    pass->done += pass->stride - left;
    if (rc == FLOW_EBAD)
        undo(replica);
    stage->in_hand = 0;
    return rc;
}

/* The record is not handed to the stage any more. */
static enum flow_status give_up_fatal(struct flow_replica *replica,
                                      const struct flow_record *record,
                                      const struct flow_fatal *fatal)
{
    char reason[160];
    flow_fatal_describe(fatal, reason, sizeof(reason));
    flow_set(&replica->host.slot->hand_batch, 0);
    replica->fatal = fatal;
    const enum flow_status rc = flow_policy_give_up(replica, record, reason, fatal->tries);
    replica->fatal = NULL;
    return rc;
}

/* If the next record is set aside, deal with it; else go no further than to the next such one. */
static enum flow_status pass_fatal(struct flow_replica *replica, struct pass *pass)
{
    struct flow_cursor *cursor = &replica->cursor;
    const uint64_t next = cursor->record.number + 1;
    const struct flow_fatal *fatal = flow_aside_find(&replica->aside, next, cursor->left);
    if (fatal == NULL)
        return FLOW_OK;
    if (fatal->number > next) {
        if (pass->stride > fatal->number - next)
            pass->stride = (uint32_t)(fatal->number - next);
        return FLOW_OK;
    }
    (void)flow_batch_next(cursor);
    const enum flow_status rc = give_up_fatal(replica, &cursor->record, fatal);
    take_in_hand(replica, next);
    return rc == FLOW_OK && cursor->left > 0 ? pass_fatal(replica, pass) : rc;
}

/* No more than one record, and none that has been given up. */
static enum flow_status pass_careful(struct flow_replica *replica, struct pass *pass)
{
    struct flow_cursor next = replica->cursor;
    (void)flow_batch_next(&next);
    const struct flow_fatal *fatal = flow_careful_look(replica, &next.record);
    pass->stride = 1;
    if (fatal == NULL)
        return FLOW_OK;
    replica->cursor = next;
    const enum flow_status rc = give_up_fatal(replica, &replica->cursor.record, fatal);
    return rc == FLOW_OK && next.left > 0 ? pass_careful(replica, pass) : rc;
}

static enum flow_status process_records(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    const struct flow_record *record = &replica->cursor.record;
    struct pass pass = {.stride = 1, .checked_ns = flow_now_ns()};
    enum flow_status rc = FLOW_OK;
    replica->cursor = flow_batch_begin(&replica->batch);
    while (rc == FLOW_OK && replica->cursor.left > 0) {
        if (replica->careful || replica->aside.count > 0) {
            rc = replica->careful ? pass_careful(replica, &pass) : pass_fatal(replica, &pass);
            if (rc != FLOW_OK || replica->cursor.left == 0)
                break;
        }
        flow_set(&slot->hand_batch, replica->item.sequence + 1);
        rc = process_some(replica, &pass);
        if (rc == FLOW_EBAD)
            rc = handle_bad(replica, (uint32_t)(record->number - replica->batch.number), record, 1);
        else if (rc != FLOW_OK)
            rc = flow_policy_stop(replica, rc, &record->number);
        if (rc == FLOW_OK)
            rc = flush_if_slow(replica, &pass.stride, &pass.checked_ns);
    }
    flow_count(&slot->done, pass.done);
    flow_count(&slot->filtered, pass.filtered);
    return rc;
}

static enum flow_status process_whole(struct flow_replica *replica)
{
    replica->in_batch = true;
    replica->refused_count = 0;
    replica->has_reason = false;
    take_in_hand(replica, FLOW_WHOLE_BATCH);
    const uint64_t bad_before =
        flow_read(&replica->host.slot->skipped) + flow_read(&replica->host.slot->routed);
    enum flow_status rc =
        replica->type->process_batch(replica->self, &replica->stage, &replica->batch);
    replica->in_batch = false;
    if (rc != FLOW_OK)
        return flow_policy_stop(replica, rc, NULL);

    const uint64_t bad = flow_read(&replica->host.slot->skipped) +
                         flow_read(&replica->host.slot->routed) - bad_before;
    flow_count(&replica->host.slot->done, replica->batch.count - bad - replica->refused_count);
    if (replica->refused_count > 0)
        rc = flow_edit_revert(replica);
    for (size_t i = 0; i < replica->refused_count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(&replica->batch, replica->refused[i]);
        rc = handle_bad(replica, replica->refused[i], &record, 1);
    }
    return rc;
}

/* Somewhere in the batch is a record that kills, or is to be found: each is a batch of its own, or
 * next for the cursor. */
static enum flow_status process_each(struct flow_replica *replica)
{
    enum flow_status rc = FLOW_OK;
    replica->cursor = flow_batch_begin(&replica->batch);
    for (uint32_t i = 0; i < replica->batch.count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(&replica->batch, i);
        if (replica->type->process != NULL)
            (void)flow_batch_next(&replica->cursor);
        const struct flow_fatal *fatal = flow_careful_look(replica, &record);
        if (fatal != NULL) {
            rc = give_up_fatal(replica, &record, fatal);
            continue;
        }
        rc = try_record(replica, i, &record);
        if (rc == FLOW_EBAD)
            rc = handle_bad(replica, i, &record, 1);
        else if (rc != FLOW_OK)
            rc = flow_policy_stop(replica, rc, &record.number);
    }
    return rc;
}

/* Of a stage that waits: its descriptors and timers have their turn after each batch. */
static enum flow_status process_beside(struct flow_replica *replica)
{
    const enum flow_status rc = process_whole(replica);
    flow_set(&replica->host.slot->hand_batch, 0); /* it is not to blame for what they do */
    return rc == FLOW_OK ? flow_waiting_look(replica) : rc;
}

static bool must_be_careful(const struct flow_replica *replica)
{
    const struct flow_aside *aside = &replica->aside;
    return replica->careful || aside->careful == replica->item.sequence + 1 ||
           (aside->count > 0 &&
            flow_aside_find(aside, replica->batch.number, replica->batch.count) != NULL);
}

enum flow_status flow_policy_process(struct flow_replica *replica)
{
    if (replica->batch.count == 0)
        return FLOW_OK;
    enum flow_status rc;
    if (replica->hold != NULL)
        rc = replica->hold->by_batch && !replica->careful ? process_beside(replica)
                                                          : flow_waiting_process(replica);
    else if (flow_fault_any(replica))
        rc = process_each(replica);
    else if (replica->type->process != NULL)
        rc = process_records(replica);
    else
        rc = must_be_careful(replica) ? process_each(replica) : process_whole(replica);
    if (replica->careful)
        flow_set(&replica->host.slot->hand_print, 0);
    flow_set(&replica->host.slot->hand_batch, 0);
    flow_edit_end(replica);
    return rc;
}

/* flow_reject, flow_batch_reject and flow_stage_fail end here; the reason has been noted. */
enum flow_status flow_policy_refuse(struct flow_replica *replica, enum flow_status status,
                                    uint32_t index)
{
    if (status != FLOW_EBAD || !replica->in_batch || replica->trying_again)
        return replica->trying_again && status == FLOW_EBAD ? FLOW_OK : status;
    if (index >= replica->batch.count)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "refuses record %" PRIu32 " of a batch of %" PRIu32, index,
                                 replica->batch.count);

    const struct flow_record record = flow_batch_record(flow_edit_source(replica), index);
    if (replica->policy->retries == 0) {
        replica->has_reason = false;
        return flow_policy_give_up(replica, &record, replica->reason, 1);
    }
    if (!flow_grow(&replica->refused, &replica->refused_capacity, replica->refused_count + 1,
                   sizeof(*replica->refused)))
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for refused records");
    replica->refused[replica->refused_count++] = index;
    replica->has_reason = false;
    return FLOW_OK;
}

enum flow_status flow_policy_unkeyed(void *context, const struct flow_piece *piece, uint64_t number,
                                     const char *reason)
{
    struct flow_replica *replica = context;
    const struct flow_record record = {
        .data = piece->data,
        .size = piece->size,
        .key = piece->key,
        .key_size = piece->key_size,
        .number = number,
    };
    if (replica->routing)
        return flow_replica_fail(replica, FLOW_EBAD, NULL,
                                 "its error record cannot be shared by key: %s", reason);
    flow_count(&replica->host.slot->unkeyed, 1);
    switch (replica->policy->then) {
    case FLOW_SKIP:
        return FLOW_OK;
    case FLOW_ROUTE:
        return route(replica, &record, reason, 1);
    case FLOW_STOP:
        break;
    }
    return flow_replica_fail(replica, FLOW_EBAD, NULL,
                             "its output record %" PRIu64 " cannot be shared by key: %s", number,
                             reason);
}
