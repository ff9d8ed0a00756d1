/* SPDX-License-Identifier: MIT */
#include "watch/why.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static uint64_t state_of(const struct flow_board *board, size_t replica)
{
    return flow_read(&board->replicas[replica].state);
}

bool flow_why_is_live(const struct flow_board *board, size_t replica)
{
    const uint64_t state = state_of(board, replica);
    return state != FLOW_STATE_DONE && state != FLOW_STATE_FAILED;
}

size_t flow_why_actor(const struct flow_plan *plan, const struct flow_board *board, size_t task)
{
    const struct flow_plan_task *self = &plan->tasks[task];
    for (size_t i = self->replica_count; i-- > 1;) {
        const uint64_t state = state_of(board, self->replicas[i]);
        if (state == FLOW_STATE_OPENING || state == FLOW_STATE_BUSY ||
            state == FLOW_STATE_WAIT_OUT || state == FLOW_STATE_WAIT_SELF)
            return self->replicas[i];
    }
    return self->replicas[0];
}

/* ---- who waits for whom ---- */

/* Is any link of this writer marked as full? */
static bool knows_full(const struct flow_why_input *input, size_t replica)
{
    const struct flow_plan_replica *self = &input->plan->replicas[replica];
    for (size_t i = 0; i < self->out_count; i++)
        if (flow_read(&input->board->links[self->out[i]].full_batches) > 0)
            return true;
    return false;
}

bool flow_why_waits(const struct flow_why_input *input, size_t replica, size_t link)
{
    const struct flow_plan_link *self = &input->plan->links[link];
    const struct flow_board *board = input->board;
    const uint64_t state = state_of(board, replica);
    if (self->fused)
        return false;
    if (state == FLOW_STATE_WAIT_IN)
        return self->to == replica && flow_why_is_live(board, self->from) &&
               state_of(board, self->from) != FLOW_STATE_DRAINING;
    if (state == FLOW_STATE_WAIT_OUT)
        return self->from == replica &&
               (flow_read(&board->links[link].full_batches) > 0 || !knows_full(input, replica));
    return state == FLOW_STATE_DRAINING && !self->local && flow_why_is_live(board, self->to) &&
           input->plan->replicas[self->from].task == input->plan->replicas[replica].task;
}

size_t flow_why_waits_on(const struct flow_why_input *input, size_t replica, size_t *links,
                         size_t room)
{
    size_t count = 0;
    const struct flow_plan_task *task = &input->plan->tasks[input->plan->replicas[replica].task];
    for (size_t n = 0; n < task->replica_count; n++) {
        const struct flow_plan_replica *member = &input->plan->replicas[task->replicas[n]];
        for (size_t i = 0; i < member->in_count + member->out_count; i++) {
            const size_t link =
                i < member->in_count ? member->in[i] : member->out[i - member->in_count];
            if (!flow_why_waits(input, replica, link))
                continue;
            if (count < room)
                links[count] = link;
            count++;
        }
    }
    return count;
}

/* The actor at the other end of a link. */
static size_t other_end(const struct flow_why_input *input, size_t replica, size_t link)
{
    const struct flow_plan_link *self = &input->plan->links[link];
    const size_t task = input->plan->replicas[replica].task;
    const size_t end = input->plan->replicas[self->to].task == task ? self->from : self->to;
    return flow_why_actor(input->plan, input->board, input->plan->replicas[end].task);
}

/* ---- whom to blame ---- */

typedef bool blame(const struct flow_why_input *input, size_t replica);

static bool is_stopped(const struct flow_why_input *input, size_t replica)
{
    const char state = input->threads != NULL ? input->threads[replica].state : 0;
    return state == 'T' || state == 't';
}

static bool is_gone(const struct flow_why_input *input, size_t replica)
{
    const char state = input->threads != NULL ? input->threads[replica].state : 0;
    return state == 'Z' || state == 'X';
}

static bool is_opening(const struct flow_why_input *input, size_t replica)
{
    return state_of(input->board, replica) == FLOW_STATE_OPENING;
}

static bool is_new(const struct flow_why_input *input, size_t replica)
{
    return state_of(input->board, replica) == FLOW_STATE_NEW;
}

static bool is_busy(const struct flow_why_input *input, size_t replica)
{
    return state_of(input->board, replica) == FLOW_STATE_BUSY;
}

static bool is_outside(const struct flow_why_input *input, size_t replica)
{
    const uint64_t state = state_of(input->board, replica);
    return state == FLOW_STATE_WAIT_SELF ||
           (state == FLOW_STATE_WAIT_IN && flow_read(&input->board->replicas[replica].held) > 0);
}

/* It alone has not moved for long, and with it nobody on its thread. */
static bool is_hanging(const struct flow_why_input *input, size_t replica)
{
    const struct flow_plan_task *task = &input->plan->tasks[input->plan->replicas[replica].task];
    for (size_t i = 0; i < task->replica_count; i++)
        if (input->now_ns - input->moved[task->replicas[i]].moved_ns < input->hang_ns)
            return false;
    return is_busy(input, replica) || is_opening(input, replica);
}

/* It sleeps, and there is nobody to wait for or something on the way to it. */
static bool is_asleep(const struct flow_why_input *input, size_t replica)
{
    const struct flow_plan_replica *self = &input->plan->replicas[replica];
    if (flow_why_waits_on(input, replica, NULL, 0) == 0)
        return true;
    for (size_t i = 0; i < self->in_count; i++) {
        const struct flow_board_link *link = &input->board->links[self->in[i]];
        if (state_of(input->board, replica) == FLOW_STATE_WAIT_IN &&
            flow_read(&link->sent_batches) > flow_read(&link->received_batches))
            return true;
    }
    return false;
}

/* All live actors of which `is` holds become the culprits. */
static bool blame_all(const struct flow_why_input *input, blame *is, struct flow_why *why)
{
    why->culprit_count = 0;
    for (size_t i = 0; i < input->plan->task_count; i++) {
        const size_t actor = flow_why_actor(input->plan, input->board, i);
        if (flow_why_is_live(input->board, actor) && is(input, actor))
            why->culprits[why->culprit_count++] = actor;
    }
    return why->culprit_count > 0;
}

static size_t place_of(const struct flow_why *why, size_t replica)
{
    size_t at = 0;
    while (at < why->culprit_count && why->culprits[at] != replica)
        at++;
    return at;
}

/* Everybody waits for somebody: whom one waits for, and he, and so on, until one comes again. */
static void find_circle(const struct flow_why_input *input, size_t replica, struct flow_why *why)
{
    size_t at = 0;
    why->culprit_count = 0;
    do {
        size_t link = 0;
        why->culprits[why->culprit_count++] = replica;
        if (flow_why_waits_on(input, replica, &link, 1) == 0)
            return; /* it has moved meanwhile */
        replica = other_end(input, replica, link);
        at = place_of(why, replica);
    } while (at == why->culprit_count);

    why->culprit_count -= at;
    memmove(why->culprits, why->culprits + at, why->culprit_count * sizeof(*why->culprits));
}

static size_t first_live(const struct flow_why_input *input)
{
    for (size_t i = 0; i < input->plan->task_count; i++) {
        const size_t actor = flow_why_actor(input->plan, input->board, i);
        if (flow_why_is_live(input->board, actor))
            return actor;
    }
    return FLOW_NONE;
}

bool flow_why_find(const struct flow_why_input *input, struct flow_why *why)
{
    static const struct {
        blame *is;
        enum flow_why_kind kind;
    } steps[] = {
        {is_stopped, FLOW_WHY_STOPPED}, {is_gone, FLOW_WHY_GONE},
        {is_opening, FLOW_WHY_OPENING}, {is_new, FLOW_WHY_OPENING},
        {is_busy, FLOW_WHY_CALLBACK},   {is_outside, FLOW_WHY_OUTSIDE},
        {is_asleep, FLOW_WHY_ASLEEP},
    };
    *why = (struct flow_why){.kind = FLOW_WHY_MOVING};
    why->culprits = flow_calloc(input->plan->task_count + 1, sizeof(*why->culprits));
    if (why->culprits == NULL)
        return false;

    if (input->back != NULL) {
        why->kind = FLOW_WHY_BACK;
        return true;
    }
    const size_t live = first_live(input);
    if (live == FLOW_NONE)
        why->kind = FLOW_WHY_ENDED;
    else if (input->moving && input->moved != NULL && blame_all(input, is_hanging, why))
        why->kind = FLOW_WHY_HANGING;
    if (live == FLOW_NONE || input->moving)
        return true;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        why->kind = steps[i].kind;
        if (blame_all(input, steps[i].is, why))
            return true;
    }
    why->kind = FLOW_WHY_DEADLOCK;
    find_circle(input, live, why);
    return true;
}

void flow_why_clear(struct flow_why *why)
{
    free(why->culprits);
    *why = (struct flow_why){0};
}

const char *flow_why_kind_name(enum flow_why_kind kind)
{
    static const char *const names[] = {
        [FLOW_WHY_MOVING] = "moving",     [FLOW_WHY_HANGING] = "hanging",
        [FLOW_WHY_ENDED] = "ended",       [FLOW_WHY_STOPPED] = "stopped",
        [FLOW_WHY_GONE] = "gone",         [FLOW_WHY_OPENING] = "opening",
        [FLOW_WHY_CALLBACK] = "callback", [FLOW_WHY_OUTSIDE] = "outside",
        [FLOW_WHY_ASLEEP] = "asleep",     [FLOW_WHY_DEADLOCK] = "deadlock",
        [FLOW_WHY_BACK] = "back",
    };
    return names[kind];
}
