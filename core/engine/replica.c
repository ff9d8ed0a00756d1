/* SPDX-License-Identifier: MIT */
#include "engine/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/barrier.h"
#include "engine/careful.h"
#include "engine/hold.h"
#include "engine/spooling.h"
#include "engine/waiting.h"
#include "param/param.h"
#include "record/arena.h"
#include "stage/type.h"

enum flow_status flow_replica_fail(struct flow_replica *replica, enum flow_status status,
                                   const uint64_t *number, const char *fmt, ...)
{
    char text[768];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    char which[32] = "";
    char record[48] = "";
    if (replica->info.replicas > 1)
        (void)snprintf(which, sizeof(which), " replica %u", replica->info.replica);
    if (number != NULL)
        (void)snprintf(record, sizeof(record), ", record %llu", (unsigned long long)*number);
    return flow_fail(&replica->host.err, status, "stage '%s'%s%s: %s", replica->info.name, which,
                     record, text);
}

static flow_counter *clock_of(struct flow_board_replica *slot, enum flow_replica_state why)
{
    switch (why) {
    case FLOW_STATE_WAIT_IN:
        return &slot->wait_in_ns;
    case FLOW_STATE_WAIT_OUT:
        return &slot->wait_out_ns;
    case FLOW_STATE_WAIT_SELF:
        return &slot->wait_self_ns;
    default: /* after its end, which no share is counted of */
        return NULL;
    }
}

int64_t flow_replica_rest(struct flow_replica *replica, enum flow_replica_state why)
{
    const int64_t now = flow_now_ns();
    flow_set(&replica->host.slot->state, why);
    flow_set(&replica->host.slot->since_ns, (uint64_t)now);
    return now;
}

int64_t flow_replica_wake(struct flow_replica *replica, enum flow_replica_state why,
                          int64_t start_ns)
{
    struct flow_board_replica *slot = replica->host.slot;
    const int64_t now = flow_now_ns();
    flow_set(&slot->state, FLOW_STATE_BUSY);
    flow_set(&slot->since_ns, (uint64_t)now);
    flow_counter *clock = clock_of(slot, why);
    if (clock != NULL)
        flow_count(clock, (uint64_t)(now - start_ns));
    return now - start_ns;
}

/* Between calls a fused member waits for input. */
int64_t flow_replica_enter(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    const int64_t now = flow_now_ns();
    flow_count(&slot->wait_in_ns, (uint64_t)now - flow_read(&slot->since_ns));
    flow_set(&slot->state, FLOW_STATE_BUSY);
    flow_set(&slot->since_ns, (uint64_t)now);
    return now;
}

void flow_replica_leave(struct flow_replica *replica, int64_t now_ns)
{
    flow_set(&replica->host.slot->state, FLOW_STATE_WAIT_IN);
    flow_set(&replica->host.slot->since_ns, (uint64_t)now_ns);
}

int64_t flow_replica_busy_ns(const struct flow_replica *replica)
{
    const struct flow_board_replica *slot = replica->host.slot;
    const int64_t end = (int64_t)flow_read(&slot->end_ns);
    const int64_t waited = (int64_t)(flow_read(&slot->wait_in_ns) + flow_read(&slot->wait_out_ns) +
                                     flow_read(&slot->wait_self_ns));
    const int64_t busy = end - (int64_t)flow_read(&slot->start_ns) - waited;
    return busy > 0 ? busy : 0;
}

static size_t connected_inputs(const struct flow_plan *plan, const struct flow_plan_replica *self)
{
    bool seen[64] = {false};
    size_t count = 0;
    for (size_t i = 0; i < self->in_count; i++) {
        const unsigned port = plan->edges[plan->links[self->in[i]].edge].to_port;
        if (port < 64 && !seen[port]) {
            seen[port] = true;
            count++;
        }
    }
    return count;
}

/* Where the other ends of the links are: a set of enum flow_reach. */
static unsigned reach_of(const struct flow_plan *plan, const size_t *links, size_t count)
{
    unsigned reach = 0;
    for (size_t i = 0; i < count; i++) {
        const struct flow_plan_link *link = &plan->links[links[i]];
        if (!link->fused)
            reach |= link->local ? FLOW_REACH_THREADS : FLOW_REACH_PROCESSES;
    }
    return reach;
}

unsigned flow_replica_reach(const struct flow_plan *plan, size_t id)
{
    const struct flow_plan_replica *self = &plan->replicas[id];
    return reach_of(plan, self->in, self->in_count) | reach_of(plan, self->out, self->out_count);
}

static const struct flow_error_policy stop_policy = {.then = FLOW_STOP};

static void describe(struct flow_replica *replica, const struct flow_replica_waits *waits,
                     size_t id)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_replica *self = &plan->replicas[id];
    const struct flow_plan_stage *stage = &plan->stages[self->stage];
    replica->stage = (struct flow_stage){.calls = &flow_replica_calls, .info = &replica->info};
    replica->info = (struct flow_info){
        .name = stage->name,
        .replica = self->index,
        .replicas = (unsigned)stage->replica_count,
        .inputs = (unsigned)connected_inputs(plan, self),
        .folder = plan->graph->folder,
        .checkpoints = replica->env->epochs != NULL,
        .resumes = replica->env->epochs != NULL && replica->env->epochs->session != 0,
        .numbered = stage->numbered,
    };
    replica->type = stage->type != NULL ? stage->type : &flow_sequencer_type;
    replica->policy = stage->graph != NULL ? &stage->graph->errors : &stop_policy;
    replica->faults = stage->graph != NULL ? stage->graph->faults : NULL;
    replica->may_undo = replica->policy->then != FLOW_STOP || replica->policy->retries > 0;
    replica->host = (struct flow_host){
        .plan = plan,
        .replica = id,
        .board = replica->env->board,
        .slot = &replica->env->board->replicas[id],
        .peers = &replica->task->peers,
        .in_hand = &replica->stage.in_hand,
        .tracks = (reach_of(plan, self->in, self->in_count) & FLOW_REACH_PROCESSES) != 0,
        .clock = &replica->task->clock,
        .waiter = replica,
        .wait_room = waits->wait_room,
        .look = waits->look,
        .call = waits->call,
    };
}

/* What goes to other processes is written where they can read it. */
static enum flow_status use_arena(struct flow_replica *replica, size_t id, struct flow_error *err)
{
    const struct flow_plan_replica *self = &replica->env->plan->replicas[id];
    if (replica->env->memory == NULL || self->arena_bytes == 0)
        return FLOW_OK;
    struct flow_arena *arena =
        flow_arena_new(replica->env->memory, self->arena_at, self->arena_bytes, err);
    if (arena == NULL)
        return err != NULL ? err->status : FLOW_ENOMEM;
    flow_pool_use_arena(replica->host.pool, arena);
    return FLOW_OK;
}

enum flow_status flow_replica_new(struct flow_task *task, const struct flow_replica_waits *waits,
                                  size_t id, struct flow_replica **replica, struct flow_error *err)
{
    struct flow_replica *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a replica");
    made->env = task->env;
    made->task = task;
    made->place = task->env->plan->replicas[id].place;
    describe(made, waits, id);
    made->host.pool = flow_pool_new();
    enum flow_status rc = FLOW_OK;
    if (made->host.pool == NULL)
        rc = flow_fail(err, FLOW_ENOMEM, "out of memory for a replica");
    if (rc == FLOW_OK)
        rc = use_arena(made, id, err);
    if (rc != FLOW_OK) {
        flow_replica_free(made);
        return rc;
    }
    *replica = made;
    return FLOW_OK;
}

void flow_replica_let_go(struct flow_replica *replica)
{
    flow_block_unref(replica->item.block);
    replica->item.block = NULL;
    flow_input_clear(&replica->input);
    flow_output_clear(&replica->output);
}

void flow_replica_free(struct flow_replica *replica)
{
    if (replica == NULL)
        return;
    flow_replica_let_go(replica);
    flow_edit_clear(&replica->edit);
    flow_hold_free(replica->hold);
    flow_timers_clear(&replica->timers);
    flow_spooling_free(replica);
    flow_pool_free(replica->host.pool);
    free(replica->refused);
    free(replica);
}

static enum flow_status fill_state(struct flow_replica *replica)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_stage *stage =
        &plan->stages[plan->replicas[replica->host.replica].stage];
    replica->self = flow_alloc(replica->type->state_size);
    if (replica->self == NULL)
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for its state");
    if (replica->type->params == NULL)
        return FLOW_OK;

    struct flow_error err = {0};
    json_t *with = stage->graph != NULL ? stage->graph->with : NULL;
    const enum flow_status rc = flow_params_read(replica->type->params, with, replica->self, &err);
    return rc == FLOW_OK ? rc : flow_replica_fail(replica, rc, NULL, "%s", err.text);
}

static enum flow_status open_stage(struct flow_replica *replica)
{
    enum flow_status rc = fill_state(replica);
    if (rc != FLOW_OK)
        return rc;
    replica->opened = true;
    if (replica->type->open == NULL)
        return FLOW_OK;
    replica->has_reason = false;
    rc = replica->type->open(replica->self, &replica->stage);
    if (rc == FLOW_OK)
        return FLOW_OK;
    return flow_replica_fail(replica, rc, NULL, "%s",
                             replica->has_reason ? replica->reason : "cannot open");
}

/* The errors of sockets and links do not know the stage, and a callback may have returned a failure
 * without a word. */
void flow_replica_explain(struct flow_replica *replica, enum flow_status rc)
{
    struct flow_error *err = &replica->host.err;
    if (rc == FLOW_OK || rc == FLOW_EABORT || strncmp(err->text, "stage '", 7) == 0)
        return;
    const struct flow_error known = *err;
    *err = (struct flow_error){0};
    (void)flow_replica_fail(replica, rc, NULL, "%s",
                            known.status != FLOW_OK ? known.text
                            : replica->has_reason   ? replica->reason
                                                    : "the stage failed without a reason");
}

enum flow_status flow_replica_open(struct flow_replica *replica)
{
    struct flow_host *host = &replica->host;
    flow_set(&host->slot->thread, (uint64_t)gettid());
    flow_set(&host->slot->since_ns, (uint64_t)flow_now_ns());
    flow_set(&host->slot->state, FLOW_STATE_OPENING);
    const size_t outputs = replica->type->role == FLOW_CONSUMER
                               ? 0
                               : flow_port_count(flow_type_outputs(replica->type));
    replica->output.shared.judge = replica;
    replica->output.shared.unkeyed = flow_policy_unkeyed;

    enum flow_status rc = flow_input_init(&replica->input, host);
    if (rc == FLOW_OK)
        rc = flow_output_init(&replica->output, host, outputs);
    if (rc == FLOW_OK && host->plan->stages[host->plan->replicas[host->replica].stage].recovers) {
        rc = flow_keep_init(&replica->keep, host, &replica->output);
        replica->input.keep = &replica->keep;
    }
    flow_careful_begin(replica);
    replica->stage.rooms = replica->output.rooms;
    replica->stage.room_count = outputs;
    for (size_t i = 0; i < outputs && rc == FLOW_OK; i++)
        replica->emits = replica->emits || flow_output_is_connected(&replica->output, i);
    if (rc == FLOW_OK && flow_type_holds(replica->type))
        rc = flow_hold_init(replica);
    if (rc == FLOW_OK)
        rc = flow_spooling_init(replica);
    if (rc == FLOW_OK)
        rc = open_stage(replica);
    if (rc == FLOW_OK)
        rc = flow_barrier_restore(replica);
    if (rc == FLOW_OK && replica->input.keep != NULL && replica->env->incarnation == 0)
        flow_keep_base(&replica->keep);
    if (rc == FLOW_OK)
        rc = flow_spooling_open(replica);
    if (rc == FLOW_OK)
        flow_set(&host->slot->state, FLOW_STATE_OPENED);
    return rc;
}

/* The first of a task is at work from now on; the others wait to be called. */
void flow_replica_begin(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    const uint64_t now = (uint64_t)flow_now_ns();
    if (flow_read(&slot->start_ns) == 0)
        flow_set(&slot->start_ns, now);
    else if (flow_read(&slot->end_ns) == 0) /* since the former one died, nothing was done */
        flow_count(&slot->wait_self_ns, now - flow_read(&slot->since_ns));
    flow_set(&slot->since_ns, now);
    flow_set(&slot->state, replica->place == 0 ? FLOW_STATE_BUSY : FLOW_STATE_WAIT_IN);
}

static void note_end(struct flow_replica *replica)
{
    if (flow_read(&replica->host.slot->end_ns) == 0)
        flow_set(&replica->host.slot->end_ns, (uint64_t)flow_now_ns());
}

void flow_replica_end(struct flow_replica *replica, bool well)
{
    note_end(replica);
    flow_set(&replica->host.slot->state, well ? FLOW_STATE_DONE : FLOW_STATE_FAILED);
}

void flow_replica_publish(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    flow_output_tally(&replica->output);
    flow_set(&slot->records_out, replica->output.shared.emitted);
    flow_set(&slot->bytes_out, replica->output.shared.emitted_bytes);
    flow_set(&slot->unread, replica->output.shared.unread);
}

enum flow_status flow_replica_take(struct flow_replica *replica, int64_t start_ns)
{
    if (replica->item.barrier == 0)
        return flow_replica_process(replica, start_ns);
    const enum flow_status rc = flow_barrier_pass(replica, replica->item.barrier);
    replica->ended_ns = flow_now_ns();
    return rc;
}

/* With records in flight a batch is counted when it is settled. */
static enum flow_status begin_batch(struct flow_replica *replica)
{
    const struct flow_item *item = &replica->item;
    struct flow_board_replica *slot = replica->host.slot;
    if (replica->hold != NULL)
        return flow_hold_begin_batch(replica);
    if (item->block != NULL)
        flow_count(&slot->bytes_in, flow_block_span(item->block, item->first, item->count));
    flow_count(&slot->records_in, item->count);
    flow_count(&slot->batches_in, 1);
    replica->output.shared.result = item->sequence;
    return FLOW_OK;
}

enum flow_status flow_replica_process(struct flow_replica *replica, int64_t start_ns)
{
    struct flow_item *item = &replica->item;
    const int64_t waited = replica->waited_out_ns;

    replica->flushed_ns = start_ns;
    replica->batch = (struct flow_batch){.port = item->port, .number = item->number};
    if (item->block != NULL) {
        replica->batch = flow_block_view(item->block, item->first, item->count);
        replica->batch.port = item->port;
        replica->batch.number = item->number;
    }
    enum flow_status rc = begin_batch(replica);
    if (rc == FLOW_OK)
        rc = flow_policy_process(replica);
    if (rc == FLOW_OK && replica->output.numbered && replica->hold == NULL)
        rc = flow_output_complete_result(&replica->output);
    else if (rc == FLOW_OK)
        rc = flow_output_settle_runs(&replica->output);
    flow_replica_publish(replica);
    replica->ended_ns = flow_now_ns();
    if (rc != FLOW_OK)
        return rc;
    /* Waiting for room between two batches is a part of what a record takes. */
    const int64_t between = waited - replica->counted_out_ns;
    replica->counted_out_ns = replica->waited_out_ns;
    rc = flow_input_done(&replica->input, item, replica->ended_ns - start_ns + between);
    if (rc == FLOW_OK && replica->hold != NULL)
        return flow_hold_end_batch(replica);
    return rc == FLOW_OK ? flow_input_settle(&replica->input, item->link, item->sequence) : rc;
}

/* A producer refused a record of its own: the policy says whether it may go on. */
static enum flow_status refused_own(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    if (replica->policy->then == FLOW_SKIP) {
        flow_count(&slot->skipped, 1);
        return FLOW_OK;
    }
    if (replica->policy->then == FLOW_ROUTE)
        return flow_policy_unkeyed(replica, &(struct flow_piece){.data = ""},
                                   replica->output.shared.before + replica->output.shared.emitted,
                                   replica->reason);
    return flow_replica_fail(replica, FLOW_EBAD, NULL, "%s", replica->reason);
}

enum flow_status flow_replica_produce(struct flow_replica *replica)
{
    replica->has_reason = false;
    const enum flow_status rc = replica->type->produce(replica->self, &replica->stage);
    flow_replica_publish(replica);
    return rc == FLOW_EBAD ? refused_own(replica) : rc;
}

enum flow_status flow_replica_finish(struct flow_replica *replica)
{
    enum flow_status rc = replica->was_finished ? FLOW_OK : flow_waiting_drain(replica, true);
    const uint64_t results = replica->input.results;
    replica->has_reason = false;
    replica->output.shared.result = results + replica->info.replica;
    if (rc == FLOW_OK && replica->type->finish != NULL && !replica->was_finished)
        rc = replica->type->finish(replica->self, &replica->stage);
    replica->is_over = true;
    if (rc == FLOW_OK && replica->output.numbered)
        rc = flow_output_complete_result(&replica->output);
    if (rc == FLOW_OK)
        rc = flow_output_flush(&replica->output, false);
    flow_replica_publish(replica);
    if (rc == FLOW_OK)
        rc = flow_output_end(&replica->output, results + replica->info.replicas);
    if (rc == FLOW_OK)
        note_end(replica);
    return rc == FLOW_OK ? flow_barrier_finish(replica) : rc;
}

void flow_replica_close(struct flow_replica *replica)
{
    if (replica->opened && replica->type->close != NULL)
        replica->type->close(replica->self, &replica->stage);
    replica->opened = false;
    if (replica->self != NULL && replica->type->params != NULL)
        flow_params_clear(replica->type->params, replica->self);
    free(replica->self);
    replica->self = NULL;
}
