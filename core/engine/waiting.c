/* SPDX-License-Identifier: MIT */
#include "engine/waiting.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/barrier.h"
#include "engine/careful.h"
#include "engine/tick.h"
#include "engine/turn.h"

#define USUAL_MOST 1000u              /* records in flight, if the stage does not say */
#define LINE_FACTOR 4u                /* records in line, in multiples of those in flight, ... */
#define LINE_LEAST 64u                /* ... and these on top */
#define LINE_BYTES ((size_t)64 << 20) /* of what waits for its turn */
#define BATCHES_MOST 4096u
#define LOOK_EVERY 16u /* records between two looks at descriptors and at the clock */
#define FLUSH_AFTER_NS 1000000

/* Does it matter in which order, or for which batch, things are emitted? */
static bool has_turns(const struct flow_replica *replica)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_stage *stage =
        &plan->stages[plan->replicas[replica->host.replica].stage];
    return stage->graph == NULL || stage->graph->order != FLOW_ORDER_NONE || stage->numbered ||
           stage->recovers;
}

enum flow_status flow_hold_init(struct flow_replica *replica)
{
    struct flow_hold *hold = flow_alloc(sizeof(*hold));
    if (hold == NULL)
        return flow_turn_no_memory(replica);
    replica->hold = hold;
    hold->in_order = has_turns(replica);
    hold->most = USUAL_MOST;
    hold->closed = flow_calloc(replica->stage.room_count + 1, sizeof(struct flow_room_ *));
    hold->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (hold->closed == NULL)
        return flow_turn_no_memory(replica);
    if (hold->epoll < 0)
        return flow_replica_fail(replica, FLOW_EIO, NULL,
                                 "cannot make an epoll descriptor: too many files are open");
    for (size_t i = 0; i <= replica->stage.room_count; i++)
        hold->closed[i] = &replica->output.closed;
    replica->stage.calls = &flow_hold_calls;
    if (replica->output.numbered)
        replica->stage.rooms = hold->closed;
    return FLOW_OK;
}

void flow_hold_free(struct flow_hold *hold)
{
    if (hold == NULL)
        return;
    if (hold->epoll >= 0)
        (void)close(hold->epoll);
    flow_hold_free_tokens(hold);
    flow_timers_clear(&hold->stage_timers);
    flow_timers_clear(&hold->held_timers);
    free(hold->watched);
    free(hold->batches);
    free(hold->closed);
    free(hold);
}

/* May the stage be given another record? */
static bool has_place(const struct flow_hold *hold)
{
    return hold->waiting < hold->most && hold->count < hold->most * LINE_FACTOR + LINE_LEAST &&
           (hold->beside_bytes < LINE_BYTES || hold->waiting == 0) &&
           hold->batch_next - hold->batch_first <= BATCHES_MOST;
}

enum flow_status flow_waiting_sleep(struct flow_replica *replica)
{
    struct flow_hold *hold = replica->hold;
    const bool only = hold->waiting > 0 && (hold->finishing || !has_place(hold));
    struct pollfd fds[1] = {{.fd = hold->watched_count > 0 ? hold->epoll : -1, .events = POLLIN}};
    bool any = false;
    enum flow_status rc = flow_watch_dispatch(replica, &any);
    if (rc != FLOW_OK || any)
        return rc;
    flow_set(&replica->host.slot->wait_fd, 0);
    flow_set(&replica->host.slot->wait_until_ns, 0);
    rc = flow_task_sleep(replica, only ? FLOW_STATE_WAIT_SELF : FLOW_STATE_WAIT_IN, fds, 1,
                         flow_tick_limit(replica->task, replica->place, flow_watch_timeout(hold)));
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

/* Somewhere in a batch, or before a barrier: do what there is to do, or sleep. */
static enum flow_status rest(struct flow_replica *replica)
{
    struct flow_task *task = replica->task;
    bool some = false;
    enum flow_status rc = flow_task_pump(task, &some);
    if (rc != FLOW_OK || some)
        return rc;
    rc = flow_watch_dispatch(replica, &some);
    if (rc != FLOW_OK || some)
        return rc;
    if (flow_tick_limit(task, replica->place + 1, -1) == 0)
        return flow_tick_call(task, replica->place + 1);
    rc = flow_task_flush(replica, false);
    if (rc == FLOW_OK)
        rc = flow_task_tell(task);
    if (rc == FLOW_OK && flow_barrier_has_commit(task))
        return flow_barrier_commit(task);
    return rc == FLOW_OK ? flow_waiting_sleep(replica) : rc;
}

static enum flow_status wait_for_place(struct flow_replica *replica)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && !has_place(replica->hold))
        rc = rest(replica);
    return rc;
}

enum flow_status flow_waiting_look(struct flow_replica *replica)
{
    bool any = false;
    enum flow_status rc = flow_watch_dispatch(replica, &any);
    const int64_t now = flow_now_ns();
    if (rc != FLOW_OK || now - replica->flushed_ns < FLUSH_AFTER_NS)
        return rc;
    replica->flushed_ns = now;
    rc = flow_task_pump(replica->task, &any);
    if (rc == FLOW_OK && flow_tick_is_due(replica->task, now))
        rc = flow_tick_call(replica->task, replica->place + 1);
    return rc == FLOW_OK ? flow_task_flush(replica, true) : rc;
}

static enum flow_status hand_over(struct flow_replica *replica, const struct flow_record *record)
{
    const struct flow_fatal *fatal =
        replica->careful || replica->aside.count > 0 ? flow_careful_look(replica, record) : NULL;
    return fatal != NULL ? flow_hold_give_up(replica, record, fatal)
                         : flow_hold_process(replica, record, NULL);
}

enum flow_status flow_waiting_process(struct flow_replica *replica)
{
    struct flow_cursor *cursor = &replica->cursor;
    enum flow_status rc = FLOW_OK;
    *cursor = flow_batch_begin(&replica->batch);
    for (uint32_t n = 1; rc == FLOW_OK && cursor->left > 0; n++) {
        rc = wait_for_place(replica);
        if (rc != FLOW_OK)
            break;
        (void)flow_batch_next(cursor);
        rc = hand_over(replica, &cursor->record);
        if (rc == FLOW_OK && (n % LOOK_EVERY == 0 || cursor->left == 0))
            rc = flow_waiting_look(replica);
    }
    return rc == FLOW_OK ? flow_output_settle_runs(&replica->output) : rc;
}

enum flow_status flow_waiting_drain(struct flow_replica *replica, bool last)
{
    struct flow_hold *hold = replica->hold;
    if (hold == NULL)
        return FLOW_OK;
    enum flow_status rc = FLOW_OK;
    hold->finishing = true;
    replica->has_reason = false;
    if (replica->type->flush != NULL)
        rc = replica->type->flush(replica->self, &replica->stage);
    flow_hold_let_go(replica);
    if (rc != FLOW_OK)
        return flow_policy_stop(replica, rc, NULL);
    while (rc == FLOW_OK && hold->count > 0)
        rc = rest(replica);
    hold->finishing = false;
    if (last)
        replica->stage.rooms = replica->output.rooms;
    hold->ended = last;
    return rc;
}
