/* SPDX-License-Identifier: MIT */
#include "engine/hold.h"

#include "base/clock.h"
#include "engine/fault.h"
#include "engine/replica.h"
#include "engine/turn.h"
#include "engine/waiting.h"

/* What a stage that waits without blocking may call: what is emitted before its turn goes beside
 * the record, all else the usual way (engine/calls.c). */

static struct flow_replica *replica_of(struct flow_stage *stage)
{
    return (struct flow_replica *)stage;
}

/* Where emissions go before their turn; NULL: the usual way. */
static struct flow_beside *beside_of(const struct flow_replica *replica)
{
    const struct flow_hand *hand = &replica->hold->hand;
    return hand->active && !hand->direct ? &hand->held->beside : NULL;
}

/* May the stage emit here and now? */
static enum flow_status check(struct flow_replica *replica, unsigned port)
{
    const struct flow_hold *hold = replica->hold;
    if (port >= replica->stage.room_count)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL, "emits on port %u, but has %zu", port,
                                 replica->stage.room_count);
    if (!hold->hand.active && replica->output.numbered && !hold->ended)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "emits for no record, but results of several workers are put in "
                                 "the order of the input: \"order\": \"none\" or one worker "
                                 "lets it");
    return FLOW_OK;
}

static enum flow_status check_size(struct flow_replica *replica, size_t size)
{
    if (size <= FLOW_RECORD_MAX)
        return FLOW_OK;
    return flow_replica_fail(replica, FLOW_ERANGE, NULL,
                             "a record of %zu bytes was emitted; the most is %zu", size,
                             FLOW_RECORD_MAX);
}

static enum flow_status keep(struct flow_replica *replica, unsigned port,
                             const struct flow_piece *piece)
{
    enum flow_status rc = check_size(replica, piece->size);
    if (rc == FLOW_OK)
        rc = check_size(replica, piece->size + piece->key_size);
    if (rc == FLOW_OK && !flow_beside_add(beside_of(replica), port, piece))
        rc = flow_turn_no_memory(replica);
    return rc;
}

static enum flow_status call_emit(struct flow_stage *stage, const struct flow_target *to,
                                  const void *data, size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    const enum flow_status rc = check(replica, to->port);
    if (rc != FLOW_OK)
        return rc;
    if (beside_of(replica) == NULL)
        return flow_replica_calls.emit(stage, to, data, size);
    const struct flow_piece piece = {data, size, to->key, to->key != NULL ? to->key_size : 0};
    return keep(replica, to->port, &piece);
}

static enum flow_status call_forward(struct flow_stage *stage, unsigned port,
                                     const struct flow_record *record)
{
    struct flow_replica *replica = replica_of(stage);
    const enum flow_status rc = check(replica, port);
    if (rc != FLOW_OK)
        return rc;
    if (beside_of(replica) == NULL)
        return flow_replica_calls.forward(stage, port, record);
    const struct flow_piece piece = {record->data, record->size, record->key, record->key_size};
    return keep(replica, port, &piece);
}

static enum flow_status call_forward_batch(struct flow_stage *stage, unsigned port,
                                           const struct flow_batch *batch)
{
    if (replica_of(stage)->in_batch)
        return flow_replica_calls.forward_batch(stage, port, batch);
    return flow_replica_fail(replica_of(stage), FLOW_EINVAL, NULL,
                             "forwards a batch, but was handed a record");
}

static void *refuse_edit(struct flow_stage *stage, const struct flow_record *record)
{
    (void)flow_replica_fail(replica_of(stage), FLOW_EINVAL, &record->number,
                            "edits a record in place, which a type with 'ready' cannot");
    return NULL;
}

static uint8_t *refuse_edit_batch(struct flow_stage *stage, const struct flow_batch *batch)
{
    (void)batch;
    (void)flow_replica_fail(replica_of(stage), FLOW_EINVAL, NULL,
                            "edits a batch in place, which a type with 'ready' cannot");
    return NULL;
}

static void *call_reserve(struct flow_stage *stage, unsigned port, size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    struct flow_beside *beside = beside_of(replica);
    if (check(replica, port) != FLOW_OK)
        return NULL;
    if (beside == NULL)
        return flow_replica_calls.reserve(stage, port, size);
    if (check_size(replica, size) != FLOW_OK)
        return NULL;
    void *room = flow_beside_reserve(beside, size);
    if (room == NULL)
        (void)flow_turn_no_memory(replica);
    return room;
}

static enum flow_status call_commit(struct flow_stage *stage, const struct flow_target *to,
                                    size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    struct flow_beside *beside = beside_of(replica);
    const enum flow_status rc = check(replica, to->port);
    if (rc != FLOW_OK)
        return rc;
    if (beside == NULL)
        return flow_replica_calls.commit(stage, to, size);
    if (flow_beside_commit(beside, to->port, size, to->key, to->key != NULL ? to->key_size : 0))
        return FLOW_OK;
    return flow_turn_no_memory(replica);
}

static enum flow_status call_fail(struct flow_stage *stage, enum flow_status status, uint32_t index,
                                  const char *fmt, va_list args)
{
    return flow_replica_calls.fail(stage, status, index, fmt, args);
}

static enum flow_status call_wait(struct flow_stage *stage, int fd, short events,
                                  int64_t timeout_ns)
{
    return flow_replica_calls.wait(stage, fd, events, timeout_ns);
}

static bool call_stopping(const struct flow_stage *stage)
{
    return flow_replica_calls.stopping(stage);
}

static bool call_connected(const struct flow_stage *stage, unsigned port)
{
    return flow_replica_calls.connected(stage, port);
}

static void call_log(struct flow_stage *stage, const char *fmt, va_list args)
{
    flow_replica_calls.log(stage, fmt, args);
}

static struct flow_token *call_hold(struct flow_stage *stage, const struct flow_record *record)
{
    struct flow_held *held = flow_hold_keep(replica_of(stage), record);
    return held != NULL ? &held->token : NULL;
}

static enum flow_status call_resume(struct flow_stage *stage, struct flow_token *token)
{
    return flow_hold_resume(replica_of(stage), (struct flow_held *)token);
}

static enum flow_status call_done(struct flow_stage *stage, struct flow_token *token,
                                  enum flow_status status)
{
    return flow_hold_done(replica_of(stage), (struct flow_held *)token, status);
}

/* Only where nobody could tell: what is tried again, made once more or put in order is so record by
 * record, and so is what a test wants to fail. */
static bool may_take_batches(const struct flow_replica *replica)
{
    return replica->type->process_batch != NULL && !replica->output.numbered &&
           replica->input.keep == NULL && replica->policy->retries == 0 && !flow_fault_any(replica);
}

static void call_hold_most(struct flow_stage *stage, size_t count)
{
    struct flow_replica *replica = replica_of(stage);
    replica->hold->most = count > 0 ? count : 1;
    replica->hold->by_batch = count == 0 && may_take_batches(replica);
}

static enum flow_status call_watch(struct flow_stage *stage, int fd, unsigned events, uint64_t tag)
{
    return flow_watch_add(replica_of(stage), fd, events, tag);
}

static void call_unwatch(struct flow_stage *stage, int fd)
{
    flow_watch_remove(replica_of(stage)->hold, fd);
}

static enum flow_status call_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns)
{
    struct flow_replica *replica = replica_of(stage);
    const int64_t due = after_ns < 0 ? -1 : flow_now_ns() + after_ns;
    return flow_timers_set(&replica->hold->stage_timers, tag, due) ? FLOW_OK
                                                                   : flow_turn_no_memory(replica);
}

const struct flow_calls flow_hold_calls = {
    .abi = FLOW_ABI,
    .emit = call_emit,
    .forward = call_forward,
    .forward_batch = call_forward_batch,
    .edit = refuse_edit,
    .edit_batch = refuse_edit_batch,
    .reserve = call_reserve,
    .commit = call_commit,
    .fail = call_fail,
    .wait = call_wait,
    .stopping = call_stopping,
    .connected = call_connected,
    .hold = call_hold,
    .resume = call_resume,
    .done = call_done,
    .hold_most = call_hold_most,
    .watch = call_watch,
    .unwatch = call_unwatch,
    .timer = call_timer,
    .log = call_log,
};
