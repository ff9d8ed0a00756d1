/* SPDX-License-Identifier: MIT */
#include "engine/task.h"

#include <string.h>

#include "base/clock.h"
#include "engine/barrier.h"
#include "engine/notice.h"
#include "engine/rejoin.h"
#include "engine/spooling.h"
#include "engine/tick.h"
#include "engine/waiting.h"

#define SLOW_PRODUCE_NS 1000000 /* after a call this long, what it emitted is sent at once */
#define SETTLE_LOOK_NS 20000000 /* between looks at the board while waiting for the end */
#define LOOK_AGAIN_NS 2000000   /* between looks for what nobody says; only after a death */
#define TAKE_BACK_NS 10000000   /* the same while what was passed on is not returned */
#define FEW_RECORDS 4           /* in a batch: less than a graph that is busy has */
#define TELL_AFTER_NS 1000000   /* how long writers may wait to hear while there is work to do */

static bool is_aborting(const struct flow_task *task)
{
    return atomic_load_explicit(task->env->aborting, memory_order_relaxed);
}

static struct flow_replica *first_of(const struct flow_task *task)
{
    return task->members[0];
}

enum flow_status flow_task_blame(struct flow_task *task, struct flow_replica *member,
                                 enum flow_status rc)
{
    /* A call that returns a pointer can only say that there is none: the stage then returns this.
     */
    if (rc == FLOW_EABORT && member->host.err.status != FLOW_OK)
        rc = member->host.err.status;
    if (rc == FLOW_OK || rc == FLOW_EABORT)
        return rc;
    if (task->culprit == NULL) {
        task->culprit = member;
        task->failure = rc;
    }
    return FLOW_EABORT;
}

/* ---- what arrives ---- */

/* The member at this task's end of a link; the first one, which will refuse it, for any other. */
static struct flow_replica *member_at(const struct flow_task *task, size_t link, bool from)
{
    const struct flow_plan *plan = task->env->plan;
    if (link >= plan->link_count || plan->links[link].fused)
        return first_of(task);
    const size_t replica = from ? plan->links[link].from : plan->links[link].to;
    const bool ours = plan->replicas[replica].task == task->id;
    return ours ? task->members[plan->replicas[replica].place] : first_of(task);
}

/* One end of the link is a new process: this one, or the other. */
static enum flow_status take_hello(struct flow_task *task, const struct flow_message *message)
{
    const bool writes = flow_task_writes(task, message->link);
    struct flow_replica *member = member_at(task, message->link, writes);
    first_of(task)->input.disturbed = writes;
    return flow_task_blame(task, member, flow_task_hello(member, message, writes));
}

static enum flow_status take_in(struct flow_task *task, const struct flow_message *message)
{
    if (message->kind == FLOW_MESSAGE_HELLO)
        return take_hello(task, message);
    const bool credit = message->kind == FLOW_MESSAGE_CREDIT;
    struct flow_replica *member = member_at(task, message->link, credit);
    if (!credit)
        return flow_task_blame(task, member, flow_input_accept(&member->input, message));
    double work_ns = 0;
    const enum flow_status rc = flow_output_credit(&member->output, message, &work_ns);
    flow_input_keep_pace(&first_of(task)->input, message->link, work_ns);
    return flow_task_blame(task, member, rc);
}

/* The next message, if there is one. */
static enum flow_status receive(struct flow_task *task, bool *arrived)
{
    struct flow_replica *first = first_of(task);
    *arrived = false;
    if (is_aborting(task) || task->culprit != NULL)
        return FLOW_EABORT;
    struct flow_message message;
    const enum flow_status rc = flow_inbox_receive(task->inbox, &message, &first->host.err);
    if (rc == FLOW_EAGAIN)
        return FLOW_OK;
    *arrived = true;
    return rc == FLOW_OK ? take_in(task, &message) : flow_task_blame(task, first, rc);
}

/* New writers that wait until nothing of their former processes is read any more. */
static enum flow_status answer_greeted(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    if (first->input.greeted == 0)
        return FLOW_OK;
    return flow_task_blame(task, first, flow_input_answer(&first->input, task->inbox));
}

enum flow_status flow_task_pump(struct flow_task *task, bool *arrived)
{
    bool more = true;
    *arrived = false;
    while (more) {
        const enum flow_status rc = receive(task, &more);
        if (rc != FLOW_OK)
            return rc;
        *arrived = *arrived || more;
    }
    return answer_greeted(task);
}

/*
 * When to look at what was lent although nothing has arrived: a new process may wait for it, at our
 * writer or further up.  0: not at all.
 */
static int64_t look_again_ns(const struct flow_task *task)
{
    if (!task->env->plan->recovers)
        return 0;
    const bool passes_on = flow_task_take_back(task);
    if (first_of(task)->input.greeted > 0)
        return LOOK_AGAIN_NS;
    return passes_on ? TAKE_BACK_NS : 0;
}

enum flow_status flow_task_sleep(struct flow_replica *who, enum flow_replica_state why,
                                 struct pollfd *fds, size_t count, int64_t timeout_ns)
{
    struct pollfd all[5] = {{.fd = who->env->abort_fd, .events = POLLIN},
                            {.fd = who->task->notice_fd, .events = POLLIN}};
    for (size_t i = 0; i < count; i++)
        all[i + 2] = fds[i];

    const int64_t look_ns = look_again_ns(who->task);
    const bool soon = look_ns > 0 && (timeout_ns < 0 || timeout_ns > look_ns);
    const int64_t start = flow_replica_rest(who, why);
    enum flow_status rc =
        flow_inbox_wait(who->task->inbox, all, count + 2, soon ? look_ns : timeout_ns);
    if (rc == FLOW_EAGAIN && soon)
        rc = FLOW_OK;
    const int64_t passed = flow_replica_wake(who, why, start);
    if (why == FLOW_STATE_WAIT_OUT)
        first_of(who->task)->waited_out_ns += passed;

    for (size_t i = 0; i < count; i++)
        fds[i].revents = all[i + 2].revents;
    if (all[1].revents != 0)
        flow_notice_take(who->task);
    return is_aborting(who->task) ? FLOW_EABORT : rc;
}

/* The output side is out of credit: see what has come in, or sleep until something does. */
/* What writers wait to hear. */
static enum flow_status report_due(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    return first->input.due ? flow_task_blame(task, first, flow_input_report(&first->input))
                            : FLOW_OK;
}

static enum flow_status wait_room(void *context)
{
    struct flow_replica *replica = context;
    bool arrived;
    enum flow_status rc = flow_task_pump(replica->task, &arrived);
    if (rc != FLOW_OK || arrived)
        return rc;
    rc = report_due(replica->task);
    if (rc != FLOW_OK)
        return rc;
    return flow_task_sleep(replica, FLOW_STATE_WAIT_OUT, NULL, 0, -1);
}

/* A replica that drops rather than wait would never hear of room again if it did not look. */
static enum flow_status look(void *context)
{
    struct flow_replica *replica = context;
    bool arrived;
    return flow_task_pump(replica->task, &arrived);
}

/* ---- fused members ---- */

/* What a member that is called does with what it was handed, from `start_ns` to `ended_ns`. */
static enum flow_status answer(struct flow_replica *member, const struct flow_message *message,
                               int64_t start_ns)
{
    member->ended_ns = start_ns;
    enum flow_status rc = flow_input_accept(&member->input, message);
    while (rc == FLOW_OK && flow_input_next(&member->input, &member->item)) {
        rc = flow_replica_take(member, member->ended_ns);
        flow_block_unref(member->item.block);
        member->item.block = NULL;
    }
    if (rc == FLOW_OK && message->kind == FLOW_MESSAGE_END &&
        flow_input_is_complete(&member->input)) {
        rc = flow_replica_finish(member);
        member->ended_ns = flow_now_ns();
    }
    return rc;
}

static enum flow_status call(void *context, const struct flow_message *message)
{
    struct flow_replica *caller = context;
    struct flow_task *task = caller->task;
    const struct flow_plan *plan = task->env->plan;
    if (task->culprit != NULL) {
        if (message->kind == FLOW_MESSAGE_BATCH)
            flow_block_unref(message->batch.block);
        return FLOW_EABORT;
    }
    struct flow_replica *member =
        task->members[plan->replicas[plan->links[message->link].to].place];
    const int64_t start = flow_replica_enter(member);
    const enum flow_status rc = answer(member, message, start);
    flow_replica_leave(member, member->ended_ns);
    flow_count(&caller->host.slot->wait_out_ns, (uint64_t)(member->ended_ns - start));
    return flow_task_blame(task, member, rc);
}

const struct flow_replica_waits flow_task_waits = {wait_room, look, call};

/* It is at work on that for a while, as if it had been called, and `who` waits for it. */
static enum flow_status flush_member(struct flow_replica *who, struct flow_replica *member,
                                     bool try_only)
{
    const int64_t start = flow_replica_enter(member);
    const enum flow_status rc = flow_output_flush(&member->output, try_only);
    const int64_t end = flow_now_ns();
    flow_replica_leave(member, end);
    flow_count(&who->host.slot->wait_out_ns, (uint64_t)(end - start));
    return rc;
}

enum flow_status flow_task_flush(struct flow_replica *who, bool try_only)
{
    struct flow_task *task = who->task;
    enum flow_status rc = flow_task_blame(task, who, flow_output_flush(&who->output, try_only));
    for (size_t i = who->place + 1; i < task->member_count && rc == FLOW_OK; i++)
        rc = flow_task_blame(task, task->members[i], flush_member(who, task->members[i], try_only));
    return rc;
}

/* ---- the loop ---- */

/* Before sleeping, and before the end: writers that keep count hear how far we are. */
static enum flow_status tell_writers(struct flow_task *task, bool all)
{
    struct flow_replica *first = first_of(task);
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < task->member_count && first->host.tracks; i++) {
        const uint64_t own = flow_output_oldest(&task->members[i]->output);
        oldest = own < oldest ? own : oldest;
    }
    return flow_task_blame(task, first, flow_input_acknowledge(&first->input, oldest, all));
}

static enum flow_status check_missing(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    if (flow_input_is_complete(&first->input))
        return FLOW_OK;
    return flow_task_blame(task, first,
                           flow_replica_fail(first, FLOW_EPROTO, NULL,
                                             "its input has ended, but some of it has not come"));
}

enum flow_status flow_task_tell(struct flow_task *task)
{
    enum flow_status rc = report_due(task);
    if (rc == FLOW_OK)
        rc = tell_writers(task, false);
    return rc == FLOW_OK ? answer_greeted(task) : rc;
}

/* Nothing is ready and the inbox is empty. */
static enum flow_status idle(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    enum flow_status rc = flow_task_flush(first, false);
    if (rc == FLOW_OK)
        rc = flow_task_tell(task);
    if (rc != FLOW_OK || first->input.ready_count > 0 || flow_barrier_has_commit(task))
        return rc;
    if (first->input.ended == first->input.link_count)
        return check_missing(task);
    /* The last look found the inbox empty, also if flushing had to wait for room. */
    task->woken = true;
    if (flow_tick_limit(task, 0, -1) == 0)
        return flow_tick_call(task, 0);
    if (first->hold != NULL)
        return flow_waiting_sleep(first);
    rc = flow_task_sleep(first, FLOW_STATE_WAIT_IN, NULL, 0, flow_tick_limit(task, 0, -1));
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

/* One writer may have to hear of a batch while others keep us from ever being idle. */
static enum flow_status process_next(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    const bool few = first->item.count <= FEW_RECORDS;
    enum flow_status rc = flow_task_blame(task, first, flow_replica_take(first, flow_now_ns()));
    flow_block_unref(first->item.block);
    first->item.block = NULL;
    if (rc == FLOW_OK)
        rc = answer_greeted(task);
    if (rc == FLOW_OK && first->ended_ns - task->told_ns > TELL_AFTER_NS) {
        task->told_ns = first->ended_ns;
        rc = tell_writers(task, false);
    }
    /*
     * A few records after a sleep are most likely all there is.  A look whether there are more,
     * which is system calls, can wait until others are at work on these.
     */
    if (rc == FLOW_OK && task->woken && few)
        rc = flow_task_flush(first, true);
    if (rc == FLOW_OK && flow_tick_is_due(task, first->ended_ns))
        rc = flow_tick_call(task, 0);
    task->woken = false;
    return rc == FLOW_OK && task->culprit != NULL ? FLOW_EABORT : rc;
}

static enum flow_status consume_input(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && !flow_input_is_complete(&first->input)) {
        if (flow_barrier_has_commit(task))
            rc = flow_barrier_commit(task);
        if (rc != FLOW_OK)
            break;
        if (first->input.ready_count > 0) {
            rc = report_due(task);
            if (rc == FLOW_OK && flow_input_next(&first->input, &first->item))
                rc = process_next(task);
            continue;
        }
        /* One message at a time: a look at an empty inbox costs system calls. */
        bool arrived;
        rc = receive(task, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = idle(task);
    }
    return rc;
}

static bool is_draining(const struct flow_task *task)
{
    return atomic_load_explicit(task->env->draining, memory_order_relaxed);
}

/* One call of produce, and what is due after it. */
static enum flow_status produce_some(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    const int64_t start = flow_now_ns();
    bool taken;
    enum flow_status rc = flow_spooling_turn(first, &taken);
    if (rc == FLOW_OK && !taken)
        rc = flow_replica_produce(first);
    if (rc == FLOW_OK)
        rc = flow_spooling_settle(first);
    const int64_t now = flow_now_ns();
    if (rc == FLOW_OK && flow_tick_is_due(task, now))
        rc = flow_tick_call(task, 1);
    if (rc == FLOW_OK && now - start > SLOW_PRODUCE_NS)
        rc = flow_task_flush(first, false);
    if (rc == FLOW_OK && flow_barrier_is_due(task))
        rc = flow_barrier_begin(task);
    if (rc == FLOW_OK && flow_barrier_has_commit(task))
        rc = flow_barrier_commit(task);
    return rc;
}

static enum flow_status produce_all(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    enum flow_status rc = first->was_finished ? FLOW_ECLOSED : FLOW_OK;
    while (rc == FLOW_OK && !is_draining(task)) {
        if (is_aborting(task) || task->culprit != NULL)
            return FLOW_EABORT;
        rc = produce_some(task);
    }
    /* With checkpoints a run that is stopped can be gone on with, so nothing is finished. */
    if ((rc == FLOW_OK || rc == FLOW_ECLOSED) && task->env->epochs != NULL && is_draining(task) &&
        !first->was_finished)
        return flow_barrier_stop(task);
    return rc == FLOW_ECLOSED ? FLOW_OK : flow_task_blame(task, first, rc);
}

/* Could this process be replaced?  Then its writer stays until no successor would need it. */
static bool recovers(const struct flow_task *task)
{
    return first_of(task)->input.keep != NULL;
}

static bool is_settled(const struct flow_task *task)
{
    for (size_t i = 0; i < task->member_count; i++) {
        if (!flow_output_is_settled(&task->members[i]->output))
            return false;
    }
    return flow_input_is_settled(&first_of(task)->input) &&
           (!recovers(task) || flow_output_is_ended(&first_of(task)->output));
}

/* Stay until what was sent to other processes is acknowledged, and we have done so in turn. */
static enum flow_status settle(struct flow_task *task)
{
    /* A process that says on the board that it is done may die before it has said so to us. */
    const int64_t limit_ns = task->env->plan->recovers ? SETTLE_LOOK_NS : -1;
    enum flow_status rc = tell_writers(task, true);
    while (rc == FLOW_OK && !is_settled(task)) {
        bool arrived;
        rc = flow_task_pump(task, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = flow_task_sleep(first_of(task), FLOW_STATE_DRAINING, NULL, 0, limit_ns);
        if (rc == FLOW_OK || rc == FLOW_EAGAIN)
            rc = tell_writers(task, true);
    }
    if (rc != FLOW_OK || !recovers(task))
        return rc;
    flow_input_release(&first_of(task)->input);
    return flow_task_blame(task, first_of(task), flow_input_nudge(&first_of(task)->input));
}

/* The thread's time on the CPU, and in wait of one, belongs to the members as they were busy. */
static void share_cpu(const struct flow_task *task)
{
    const double cpu_ns = (double)flow_thread_cpu_ns();
    const double ready_ns = (double)flow_thread_ready_ns();
    double busy_ns = 0;
    for (size_t i = 0; i < task->member_count; i++)
        busy_ns += (double)flow_replica_busy_ns(task->members[i]);
    for (size_t i = 0; i < task->member_count; i++) {
        struct flow_replica *member = task->members[i];
        const double own = busy_ns > 0 ? (double)flow_replica_busy_ns(member) / busy_ns
                                       : 1 / (double)task->member_count;
        flow_set(&member->host.slot->cpu_ns, (uint64_t)(cpu_ns * own));
        flow_set(&member->host.slot->ready_ns, (uint64_t)(ready_ns * own));
    }
}

enum flow_status flow_task_run(struct flow_task *task)
{
    struct flow_replica *first = first_of(task);
    for (size_t i = 0; i < task->member_count; i++)
        flow_replica_begin(task->members[i]);

    bool complete = false;
    enum flow_status rc = flow_barrier_recommit(task);
    if (rc == FLOW_OK && task->env->incarnation > 0)
        rc = flow_task_blame(task, first, flow_task_rejoin(task, &complete));
    if (rc == FLOW_OK && !complete)
        rc = first->input.link_count > 0 ? consume_input(task) : produce_all(task);
    /* A producer that sees that it should stop says it has no more, and the last record may have
     * been cut short: nobody may take that for the end. */
    if (rc == FLOW_OK && is_aborting(task))
        rc = FLOW_EABORT;
    if (rc == FLOW_OK) /* the former one may have died before it had said so */
        rc = flow_task_blame(task, first,
                             complete ? flow_barrier_finish(first) : flow_replica_finish(first));
    if (rc == FLOW_OK && !complete)
        rc = settle(task);
    if (rc == FLOW_OK)
        rc = flow_barrier_settle(task);
    if (task->culprit != NULL) {
        flow_replica_explain(task->culprit, task->failure);
        rc = task->failure;
    }
    for (size_t i = 0; i < task->member_count; i++)
        flow_replica_end(task->members[i], rc == FLOW_OK);
    share_cpu(task);
    return rc;
}
