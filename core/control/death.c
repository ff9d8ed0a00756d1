/* SPDX-License-Identifier: MIT */
#include "control/death.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "watch/why.h"

void flow_group_describe(const struct flow_plan *plan, size_t group, struct flow_str *out)
{
    const struct flow_plan_group *members = &plan->groups[group];
    if (members->replica_count == 0) {
        flow_str_addf(out, "group %zu", group);
        return;
    }
    const struct flow_plan_task *task = &plan->tasks[members->tasks[0]];
    const struct flow_plan_replica *replica = &plan->replicas[task->replicas[0]];
    flow_str_addf(out, "stage '%s' replica %u", plan->stages[replica->stage].name, replica->index);
    if (members->replica_count > 1)
        flow_str_addf(out, " and %zu others", members->replica_count - 1);
}

static const char *signal_text(int signal)
{
    const char *text = sigdescr_np(signal);
    return text != NULL ? text : "a signal without a name";
}

static void describe_cause(const struct flow_death *death, struct flow_str *out)
{
    if (!death->known) {
        flow_str_add(out, " ended, and somebody else has collected its exit status");
    } else if (death->forced) {
        flow_str_add(out, " closed its control channel, which a stage must not do, and was killed");
    } else if (death->signal != 0) {
        flow_str_addf(out, " was killed by signal %d (%s)", death->signal,
                      signal_text(death->signal));
    } else {
        flow_str_addf(out, " exited with code %d", death->code);
    }
}

static const char *doing(uint64_t state)
{
    switch (state) {
    case FLOW_STATE_OPENING:
        return "while its stage was opening";
    case FLOW_STATE_BUSY:
        return "in a callback of its stage";
    case FLOW_STATE_WAIT_IN:
        return "while it waited for input";
    case FLOW_STATE_WAIT_OUT:
        return "while it waited for room downstream";
    case FLOW_STATE_WAIT_SELF:
        return "while its stage waited";
    case FLOW_STATE_DRAINING:
        return "when it had finished and its output was under way";
    default:
        return "in the middle of its work";
    }
}

static void describe_moment(enum flow_death_moment moment, const struct flow_board_replica *counts,
                            struct flow_str *out)
{
    switch (moment) {
    case FLOW_DIED_STARTING:
        flow_str_add(out, " before it was ready");
        break;
    case FLOW_DIED_OPENING:
        flow_str_add(out, " while its stage was opening");
        break;
    case FLOW_DIED_RUNNING:
        flow_str_addf(out, " %s, after %llu records in and %llu out",
                      doing(flow_read(&counts->state)),
                      (unsigned long long)flow_read(&counts->records_in),
                      (unsigned long long)flow_read(&counts->records_out));
        break;
    case FLOW_DIED_LEAVING:
        flow_str_add(out, " when its work was done and counted");
        break;
    }
}

bool flow_death_is_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
           signal == SIGABRT || signal == SIGSYS || signal == SIGTRAP;
}

uint64_t flow_death_cause(const struct flow_death *death)
{
    return death->signal != 0 ? (uint64_t)death->signal : FLOW_CAUSE_EXIT + (uint64_t)death->code;
}

static const char *remedy(const struct flow_death *death, enum flow_death_moment moment)
{
    if (!death->known)
        return "leave the children of a run to flow_run: no wait for any child, no ignored SIGCHLD";
    if (death->forced)
        return "close only descriptors that the stage opened";
    if (flow_death_is_fault(death->signal) && moment == FLOW_DIED_STARTING)
        return "no callback of the stage had run: look at the limits (ulimit -a), and at what the "
               "stage's file does when it is loaded";
    if (flow_death_is_fault(death->signal))
        return "this is a fault in the stage's code: run it under a debugger or with "
               "-fsanitize=address";
    if (death->signal == SIGKILL)
        return "somebody killed it, or the system was out of memory (see dmesg)";
    if (death->signal == SIGPIPE)
        return "it wrote to a pipe that nobody reads any more";
    if (death->signal != 0)
        return "somebody sent it that signal";
    if (moment == FLOW_DIED_STARTING)
        return "the program started for it must call flow_worker_main first, and must find its "
               "libraries";
    return "a stage must not call exit: return flow_stage_fail instead";
}

static void describe_work(enum flow_death_moment moment, const struct flow_plan *plan,
                          const struct flow_board *board, const struct flow_plan_task *task,
                          struct flow_str *out)
{
    const size_t replica = flow_why_actor(plan, board, plan->replicas[task->replicas[0]].task);
    if (moment == FLOW_DIED_RUNNING && task->replica_count > 1)
        flow_str_addf(out, ", when '%s' was at work,",
                      plan->stages[plan->replicas[replica].stage].name);
    describe_moment(moment, &board->replicas[replica], out);
}

void flow_death_describe(const struct flow_death *death, enum flow_death_moment moment,
                         const struct flow_plan *plan, const struct flow_board *board, size_t group,
                         struct flow_str *out)
{
    const struct flow_plan_group *members = &plan->groups[group];
    flow_group_describe(plan, group, out);
    flow_str_addf(out, " (pid %ld)", (long)death->pid);
    describe_cause(death, out);
    if (members->task_count > 0)
        describe_work(moment, plan, board, &plan->tasks[members->tasks[0]], out);
    flow_str_addf(out, "; %s", remedy(death, moment));
}
