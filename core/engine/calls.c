/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/barrier.h"
#include "engine/spooling.h"
#include "engine/tick.h"

/* What a callback may call; the functions of flowrun/stage.h end here. */

static struct flow_replica *replica_of(struct flow_stage *stage)
{
    return (struct flow_replica *)stage;
}

/* A port that the type has?  The errors port is not for stages to write to. */
static enum flow_status check_port(struct flow_replica *replica, unsigned port)
{
    const size_t count = replica->output.port_count - 1;
    if (port < count)
        return FLOW_OK;
    return flow_replica_fail(replica, FLOW_EINVAL, NULL, "emits on port %u, but has %zu", port,
                             count);
}

static enum flow_status call_emit(struct flow_stage *stage, const struct flow_target *to,
                                  const void *data, size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    const enum flow_status rc = check_port(replica, to->port);
    if (rc != FLOW_OK)
        return rc;
    const struct flow_piece piece = {data, size, to->key, to->key != NULL ? to->key_size : 0};
    if (replica->spooling != NULL) {
        const enum flow_status spooled = flow_spooling_add(replica, to->port, &piece);
        if (spooled != FLOW_OK)
            return spooled;
    }
    return flow_output_emit(&replica->output, to->port, &piece);
}

/* The index, in its block, of the record that `process` was handed. */
static uint32_t index_in_hand(const struct flow_replica *replica)
{
    return replica->batch.first + replica->batch.count - replica->cursor.left - 1;
}

static bool is_record(const struct flow_batch *batch, uint32_t i, const struct flow_record *record)
{
    const struct flow_record same = flow_batch_record(batch, i);
    return same.data == record->data && same.size == record->size && same.key == record->key;
}

/* The index, in its block, of a record of the batch in hand; false for a stranger. */
static bool find_record(const struct flow_replica *replica, const struct flow_record *record,
                        uint32_t *index)
{
    if (record == &replica->cursor.record) {
        *index = index_in_hand(replica);
        return true;
    }
    if (replica->item.block == NULL || record->number < replica->batch.number ||
        record->number - replica->batch.number >= replica->batch.count)
        return false;
    const uint32_t at = (uint32_t)(record->number - replica->batch.number);
    *index = replica->batch.first + at;
    if (is_record(&replica->batch, at, record))
        return true;
    /* It may have been looked up before the batch was copied to be edited, and copied again. */
    const struct flow_edit *edit = &replica->edit;
    for (size_t i = 0; i < edit->copy_count; i++)
        if (is_record(&edit->copies[i].batch, at, record))
            return true;
    return edit->original != NULL && is_record(&edit->source, at, record);
}

/* Kept out of the short ways below, which would have to save registers for it. */
#define APART __attribute__((noinline))

APART static enum flow_status forward(struct flow_replica *replica, unsigned port,
                                      const struct flow_record *record)
{
    const enum flow_status rc = check_port(replica, port);
    if (rc != FLOW_OK)
        return rc;

    uint32_t index;
    if (find_record(replica, record, &index))
        return flow_output_forward(&replica->output, port, replica->item.block, index, 1);
    const struct flow_piece piece = {record->data, record->size, record->key, record->key_size};
    return flow_output_emit(&replica->output, port, &piece);
}

/* Mostly the record that `process` was handed, after others: that is kept short. */
static enum flow_status call_forward(struct flow_stage *stage, unsigned port,
                                     const struct flow_record *record)
{
    struct flow_replica *replica = replica_of(stage);
    if (record == &replica->cursor.record && port < stage->room_count &&
        flow_port_extend_run(&replica->output.ports[port], replica->item.block,
                             index_in_hand(replica)))
        return FLOW_OK;
    return forward(replica, port, record);
}

static enum flow_status call_forward_batch(struct flow_stage *stage, unsigned port,
                                           const struct flow_batch *batch)
{
    struct flow_replica *replica = replica_of(stage);
    const enum flow_status rc = check_port(replica, port);
    if (rc != FLOW_OK || batch->count == 0)
        return rc;
    if (replica->item.block == NULL || batch->top != replica->batch.top ||
        batch->bytes != replica->batch.bytes || batch->first < replica->batch.first ||
        batch->first + batch->count > replica->batch.first + replica->batch.count)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "forwards a batch that is not the one in hand");
    return flow_output_forward(&replica->output, port, replica->item.block, batch->first,
                               batch->count);
}

APART static void *edit(struct flow_replica *replica, const struct flow_record *record)
{
    const bool in_hand =
        replica->type->process == NULL || record->number == replica->cursor.record.number;
    uint32_t index;
    if (in_hand && find_record(replica, record, &index))
        return flow_edit_record_of(replica, index - replica->batch.first);
    (void)flow_replica_fail(replica, FLOW_EINVAL, NULL,
                            "edits a record that is not the one in hand");
    return NULL;
}

/* Has some port been given the record in hand, which is the last one that can have been? */
static bool is_forwarded(const struct flow_replica *replica)
{
    const uint32_t index = index_in_hand(replica);
    for (size_t p = 0; p < replica->stage.room_count; p++) {
        const struct flow_run_out *run = &replica->output.ports[p].run;
        if (run->count > 0 && run->first + run->count > index)
            return true;
    }
    return false;
}

/* Mostly the record that `process` was handed, which nobody else can see: that is kept short. */
static void *call_edit(struct flow_stage *stage, const struct flow_record *record)
{
    struct flow_replica *replica = replica_of(stage);
    if (record == &replica->cursor.record && stage->in_hand == 0 &&
        flow_block_is_own(replica->item.block) && !is_forwarded(replica))
        return flow_block_bytes(replica->item.block) + flow_offset(&replica->batch, record);
    return edit(replica, record);
}

static uint8_t *call_edit_batch(struct flow_stage *stage, const struct flow_batch *batch)
{
    struct flow_replica *replica = replica_of(stage);
    if (batch == &replica->batch)
        return flow_edit_own(replica, 0, batch->count);
    (void)flow_replica_fail(replica, FLOW_EINVAL, NULL,
                            "edits a batch that is not the one it was handed");
    return NULL;
}

static void *call_reserve(struct flow_stage *stage, unsigned port, size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    if (check_port(replica, port) != FLOW_OK)
        return NULL;
    void *room = flow_output_reserve(&replica->output, port, size);
    if (replica->spooling != NULL)
        replica->spooling->reserved = room;
    return room;
}

static enum flow_status call_commit(struct flow_stage *stage, const struct flow_target *to,
                                    size_t size)
{
    struct flow_replica *replica = replica_of(stage);
    const enum flow_status rc = check_port(replica, to->port);
    if (rc != FLOW_OK)
        return rc;
    const size_t key_size = to->key != NULL ? to->key_size : 0;
    if (replica->spooling != NULL && replica->spooling->reserved != NULL) {
        const struct flow_piece piece = {replica->spooling->reserved, size, to->key, key_size};
        const enum flow_status spooled = flow_spooling_add(replica, to->port, &piece);
        if (spooled != FLOW_OK)
            return spooled;
    }
    return flow_output_commit(&replica->output, to->port, size, to->key, key_size);
}

FLOW_PRINTF(4, 0)
static enum flow_status call_fail(struct flow_stage *stage, enum flow_status status, uint32_t index,
                                  const char *fmt, va_list args)
{
    struct flow_replica *replica = replica_of(stage);
    (void)vsnprintf(replica->reason, sizeof(replica->reason), fmt, args);
    replica->has_reason = true;
    return flow_policy_refuse(replica, status, index);
}

static enum flow_status wait_step(struct flow_replica *replica, struct pollfd *fds, size_t count,
                                  int64_t left)
{
    bool arrived;
    const enum flow_status rc = flow_task_pump(replica->task, &arrived);
    if (rc != FLOW_OK || arrived)
        return rc;
    left = flow_tick_limit(replica->task, replica->place + 1, left);
    struct flow_board_replica *slot = replica->host.slot;
    flow_set(&slot->wait_fd, (uint64_t)(fds[0].fd + 1));
    flow_set(&slot->wait_until_ns, left >= 0 ? (uint64_t)(flow_now_ns() + left) : 0);
    return flow_task_sleep(replica, FLOW_STATE_WAIT_SELF, fds, count, left);
}

/* Has a producer something to do that it can only be called for once it has returned? */
static bool is_wanted(const struct flow_replica *replica)
{
    const struct flow_task *task = replica->task;
    return flow_barrier_is_due(task) ||
           (replica->type->commit != NULL && flow_barrier_has_commit(task));
}

static enum flow_status call_wait(struct flow_stage *stage, int fd, short events,
                                  int64_t timeout_ns)
{
    struct flow_replica *replica = replica_of(stage);
    const bool stops = replica->info.inputs == 0;
    const int64_t until = flow_now_ns() + (timeout_ns > 0 ? timeout_ns : 0);
    enum flow_status rc = flow_task_flush(replica, false);
    /* That cuts before what the record in hand has emitted, which has to go too. */
    if (rc == FLOW_OK && replica->stage.in_hand != 0)
        rc = flow_task_flush(replica, false);
    if (rc == FLOW_OK)
        rc = flow_spooling_wait(replica, fd, events);
    while (rc == FLOW_OK) {
        if (stops && atomic_load_explicit(replica->env->draining, memory_order_relaxed))
            return FLOW_ECLOSED;
        if (stops && is_wanted(replica))
            return FLOW_EAGAIN;
        struct pollfd fds[2] = {{.fd = fd, .events = events},
                                {.fd = stops ? replica->env->drain_fd : -1, .events = POLLIN}};
        int64_t left = timeout_ns < 0 ? -1 : until - flow_now_ns();
        if (timeout_ns >= 0 && left <= 0)
            left = 0;
        rc = wait_step(replica, fds, 2, left);
        rc = rc == FLOW_EAGAIN ? FLOW_OK : rc; /* it may be a timer's time that is up */
        if (rc == FLOW_OK && fds[0].revents == 0 && flow_tick_is_due(replica->task, flow_now_ns()))
            rc = flow_tick_behind(replica);
        if (rc == FLOW_OK && fds[0].revents != 0)
            return FLOW_OK;
        if (rc == FLOW_OK && timeout_ns >= 0 && flow_now_ns() >= until)
            return FLOW_EAGAIN;
    }
    return rc;
}

static bool call_stopping(const struct flow_stage *stage)
{
    const struct flow_replica *replica = (const struct flow_replica *)stage;
    return atomic_load_explicit(replica->env->draining, memory_order_relaxed) ||
           atomic_load_explicit(replica->env->aborting, memory_order_relaxed);
}

static bool call_connected(const struct flow_stage *stage, unsigned port)
{
    const struct flow_replica *replica = (const struct flow_replica *)stage;
    return flow_output_is_connected(&replica->output, port);
}

FLOW_PRINTF(2, 0)
static void call_log(struct flow_stage *stage, const char *fmt, va_list args)
{
    struct flow_replica *replica = replica_of(stage);
    if (replica->env->log == NULL)
        return;
    char line[1024];
    int used = snprintf(line, sizeof(line), "%s: ", replica->info.name);
    if (used < 0 || (size_t)used >= sizeof(line))
        used = 0;
    (void)vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, args);
    replica->env->log(replica->env->context, line);
}

/* ---- for stages that have `ready`; see hold_calls.c ---- */

static enum flow_status refuse_waiting(struct flow_stage *stage)
{
    return flow_replica_fail(replica_of(stage), FLOW_EINVAL, NULL,
                             "holds records or watches descriptors, but its type has no 'ready', "
                             "or takes batches");
}

static struct flow_token *refuse_hold(struct flow_stage *stage, const struct flow_record *record)
{
    (void)record;
    (void)refuse_waiting(stage);
    return NULL;
}

static enum flow_status refuse_resume(struct flow_stage *stage, struct flow_token *token)
{
    (void)token;
    return refuse_waiting(stage);
}

static enum flow_status refuse_done(struct flow_stage *stage, struct flow_token *token,
                                    enum flow_status status)
{
    (void)token;
    (void)status;
    return refuse_waiting(stage);
}

static void refuse_hold_most(struct flow_stage *stage, size_t count)
{
    (void)count;
    (void)refuse_waiting(stage);
}

static enum flow_status refuse_watch(struct flow_stage *stage, int fd, unsigned events,
                                     uint64_t tag)
{
    (void)fd;
    (void)events;
    (void)tag;
    return refuse_waiting(stage);
}

static void refuse_unwatch(struct flow_stage *stage, int fd)
{
    (void)fd;
    (void)refuse_waiting(stage);
}

/* Which a stage that takes batches may do, too. */
static enum flow_status call_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns)
{
    struct flow_replica *replica = replica_of(stage);
    if (replica->type->ready == NULL)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "sets a timer, but its type has no 'ready'");
    if (replica->output.numbered)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL,
                                 "sets a timer, but results of several workers are put in the "
                                 "order of the input: \"order\": \"none\" or one worker lets it");
    if (flow_tick_set(replica, tag, after_ns))
        return FLOW_OK;
    return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for a timer");
}

const struct flow_calls flow_replica_calls = {
    .abi = FLOW_ABI,
    .emit = call_emit,
    .forward = call_forward,
    .forward_batch = call_forward_batch,
    .edit = call_edit,
    .edit_batch = call_edit_batch,
    .reserve = call_reserve,
    .commit = call_commit,
    .fail = call_fail,
    .wait = call_wait,
    .stopping = call_stopping,
    .connected = call_connected,
    .hold = refuse_hold,
    .resume = refuse_resume,
    .done = refuse_done,
    .hold_most = refuse_hold_most,
    .watch = refuse_watch,
    .unwatch = refuse_unwatch,
    .timer = call_timer,
    .log = call_log,
};

static enum flow_status pass_on(void *self, struct flow_stage *stage,
                                const struct flow_batch *batch)
{
    (void)self;
    return flow_forward_batch(stage, 0, batch);
}

const struct flow_stage_type flow_sequencer_type = {
    .name = "flow.sequencer",
    .help = "pass batches on, in one order",
    .role = FLOW_WORKER,
    .process_batch = pass_on,
};
