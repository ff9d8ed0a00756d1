/* SPDX-License-Identifier: MIT */
#include "control/supervisor.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "control/channel.h"

/* Groups that end, well or not, and those whose process is replaced. */

#define FORCED_NS                                                                                  \
    (10000 * FLOW_MS)                /* after SIGKILL: only what hangs in the kernel takes longer  \
                                      */
#define LEAVING_NS (60000 * FLOW_MS) /* after the last ENDED, for processes to have exited */

void flow_supervisor_end(struct supervisor *sup, size_t i)
{
    if (sup->states[i].ended)
        return;
    sup->states[i].ended = true;
    sup->working--;
    sup->end_ns = flow_now_ns();
    if (sup->retreat.under_way)
        return;
    if (sup->phase != RUNNING && !sup->aborting)
        flow_supervisor_fail(sup, FLOW_EPROTO, "a group of the run ended before it was started");
    if (sup->working == 0 && !sup->aborting)
        sup->force_ns = sup->end_ns + LEAVING_NS;
}

static void mark_gone(struct supervisor *sup, size_t i)
{
    if (!sup->states[i].ended) {
        sup->working--;
        sup->end_ns = flow_now_ns();
    }
    sup->states[i].ended = true;
    sup->states[i].gone = true;
    sup->live--;
}

static void describe(const struct supervisor *sup, size_t i, const struct flow_death *death,
                     struct flow_str *text)
{
    static const enum flow_death_moment moments[] = {[BINDING] = FLOW_DIED_STARTING,
                                                     [OPENING] = FLOW_DIED_OPENING,
                                                     [RUNNING] = FLOW_DIED_RUNNING};
    const struct flow_launch *launch = sup->launch;
    const struct member_state *state = &sup->states[i];
    if (state->revival.overdue) {
        flow_group_describe(launch->plan, sup->crews[i].group, text);
        flow_sight_describe(launch, state->revival.late, text);
        flow_str_add(text, " and was killed");
        return;
    }
    const enum run_phase phase = state->replaced ? state->joined : sup->phase;
    flow_death_describe(death, state->ended ? FLOW_DIED_LEAVING : moments[phase], launch->plan,
                        launch->board, sup->crews[i].group, text);
}

/* Is another process to take its place?  What is done is added to `text`. */
static bool decide(struct supervisor *sup, size_t i, const struct flow_death *death,
                   struct flow_str *text)
{
    const struct flow_crew *crew = &sup->crews[i];
    const struct flow_plan_group *group = &sup->launch->plan->groups[crew->group];
    struct flow_revival *revival = &sup->states[i].revival;
    if (sup->phase != RUNNING)
        return group->spawned &&
               flow_revival_retry(revival, sup->launch, crew, death, flow_now_ns(), text);
    return group->recovers &&
           flow_revival_decide(revival, sup->launch, crew, death, flow_now_ns(), text);
}

/* Start it again, if that is to be done. */
static bool replace(struct supervisor *sup, size_t i, const struct flow_death *death,
                    struct flow_str *text)
{
    struct member_state *state = &sup->states[i];
    if (!decide(sup, i, death, text))
        return false;
    state->down = true;
    if (sup->phase != RUNNING)
        sup->unanswered += state->answered ? 1 : 0;
    state->answered = false;
    if (state->revival.due_ns < sup->revive_ns)
        sup->revive_ns = state->revival.due_ns;
    if (!text->failed)
        flow_supervisor_tell(sup, text->text);
    return true;
}

static void mourn(struct supervisor *sup, size_t i, const struct flow_death *death)
{
    struct flow_str text = {0};
    const bool recovers =
        sup->phase == RUNNING && sup->launch->plan->groups[sup->crews[i].group].recovers;
    /* Between its last word and its end there was nothing left that could be lost. */
    const bool done = recovers && flow_revival_is_done(sup->launch, sup->crews[i].group);
    describe(sup, i, death, &text);
    const bool goes_on = done || replace(sup, i, death, &text) ||
                         (!recovers && flow_supervisor_retreat(sup, i, death, &text));
    if (!goes_on)
        flow_supervisor_fail(sup, FLOW_EIO,
                             text.failed ? "a process of the run has died" : text.text);
    flow_str_clear(&text);
}

/* Its channel is closed. */
void flow_supervisor_lose(struct supervisor *sup, size_t i)
{
    struct flow_death death = {.known = true};
    sup->crews[i].launcher->collect(&sup->crews[i], &death);
    const bool well = sup->states[i].ended && death.signal == 0 && death.code == 0;
    if (!well && !sup->aborting && !sup->retreat.under_way)
        mourn(sup, i, &death);
    if (!sup->states[i].down)
        mark_gone(sup, i);
}

void flow_supervisor_drop_dead(struct supervisor *sup)
{
    for (size_t i = 0; i < sup->count; i++) {
        if (!sup->states[i].down)
            continue;
        sup->states[i].down = false;
        mark_gone(sup, i);
    }
    sup->revive_ns = FLOW_NEVER;
}

/* One that is there already, or, and then one more for the next time, one that is started. */
static enum flow_status start_process(struct supervisor *sup, size_t i, struct flow_error *why)
{
    struct flow_crew *crew = &sup->crews[i];
    if (flow_nursery_give(&sup->nursery, crew))
        return FLOW_OK;
    const enum flow_status rc = crew->launcher->start(sup->launch, crew, why);
    if (rc == FLOW_OK)
        flow_nursery_open(&sup->nursery, sup->launch);
    return rc;
}

/* All orders at once: who cannot obey the first says so, and does not hear the others. */
static void say_begin(const struct supervisor *sup, size_t i)
{
    static const enum flow_notice_kind orders[] = {FLOW_SAY_NEW, FLOW_SAY_OPEN, FLOW_SAY_START,
                                                   FLOW_SAY_DRAIN};
    const size_t count = sup->draining ? 4 : 3;
    for (size_t k = 0; k < count; k++)
        (void)flow_channel_send(sup->crews[i].fd, orders[k], FLOW_OK, NULL);
}

/* Then, what the others have been told of checkpoints. */
static void say_committed(const struct supervisor *sup, size_t i)
{
    const struct flow_rounds *rounds = sup->launch->rounds;
    if (rounds != NULL)
        flow_supervisor_say_epoch(sup, i, FLOW_SAY_COMMIT, flow_rounds_last(rounds),
                                  flow_rounds_is_last(rounds));
}

/* Before records flow: it catches up with the others. */
static void start_early(struct supervisor *sup, size_t i)
{
    struct flow_error why = {0};
    struct member_state *state = &sup->states[i];
    if (sup->crews[i].launcher->start(sup->launch, &sup->crews[i], &why) != FLOW_OK) {
        flow_supervisor_fail(sup, why.status, why.text);
        return;
    }
    state->down = false;
    state->again = sup->phase == OPENING;
    (void)flow_channel_send(sup->crews[i].fd, FLOW_SAY_NEW, FLOW_OK, NULL);
    if (state->again)
        (void)flow_channel_send(sup->crews[i].fd, FLOW_SAY_OPEN, FLOW_OK, NULL);
}

static void start_again(struct supervisor *sup, size_t i)
{
    struct flow_error why = {0};
    struct member_state *state = &sup->states[i];
    flow_revival_begin(&state->revival, sup->launch, sup->crews[i].group);
    sup->sights[flow_revival_replica(sup->launch, sup->crews[i].group)] = (struct flow_sight){0};
    state->replaced = true;
    state->joined = BINDING;
    if (start_process(sup, i, &why) != FLOW_OK) {
        flow_supervisor_fail(sup, why.status, why.text);
        return;
    }
    state->down = false;
    say_begin(sup, i);
    say_committed(sup, i);
}

void flow_supervisor_revive(struct supervisor *sup)
{
    const int64_t now_ns = flow_now_ns();
    sup->revive_ns = FLOW_NEVER;
    for (size_t i = 0; i < sup->count && !sup->aborting; i++) {
        const struct flow_revival *revival = &sup->states[i].revival;
        if (sup->states[i].down && revival->due_ns <= now_ns)
            sup->phase == RUNNING ? start_again(sup, i) : start_early(sup, i);
        else if (sup->states[i].down && revival->due_ns < sup->revive_ns)
            sup->revive_ns = revival->due_ns;
    }
}

/* A group with stuck stages: a process is about to end itself, threads are left behind. */
void flow_supervisor_leave(struct supervisor *sup, size_t i, const char *text)
{
    const bool threads = sup->crews[i].launcher == &flow_thread_launcher;
    const bool dies = sup->retreat.under_way && !threads; /* as it is to, and nothing is lost */
    sup->states[i].stuck = true;
    if (!dies)
        flow_supervisor_tell(sup, text);
    if (!dies && !sup->aborting)
        flow_supervisor_fail(sup, FLOW_EPROTO, text);
    if (!threads)
        return;
    sup->outcome->stuck = true;
    sup->crews[i].launcher->collect(&sup->crews[i], NULL);
    mark_gone(sup, i);
}

static void tell_forced(struct supervisor *sup, size_t i)
{
    struct flow_str text = {0};
    flow_group_describe(sup->launch->plan, sup->crews[i].group, &text);
    flow_str_add(&text, sup->crews[i].launcher == &flow_thread_launcher
                            ? " does not come back from a callback and is left behind"
                            : " did not end in time and is killed");
    if (!text.failed)
        flow_supervisor_tell(sup, text.text);
    flow_str_clear(&text);
}

/* Time is up: end by force what is still there; if even that did not help, leave it. */
void flow_supervisor_force(struct supervisor *sup)
{
    for (size_t i = 0; i < sup->count; i++) {
        struct flow_crew *crew = &sup->crews[i];
        if (sup->states[i].gone)
            continue;
        if (!sup->forced && !sup->states[i].stuck)
            tell_forced(sup, i);
        if (sup->forced) {
            close(crew->fd);
            mark_gone(sup, i);
        } else if (!crew->launcher->force(crew)) {
            sup->outcome->stuck = true;
            mark_gone(sup, i);
        }
    }
    sup->forced = true;
    sup->force_ns = flow_now_ns() + FORCED_NS;
}

void flow_supervisor_give_up(struct supervisor *sup)
{
    char limit[32];
    struct flow_str text = {0};
    flow_str_addf(&text,
                  "the run was aborted: draining took longer than run.drain allows (%s); what was "
                  "still in flight is lost",
                  flow_format_duration(sup->launch->plan->graph->drain_ns, limit, sizeof(limit)));
    flow_supervisor_fail(sup, FLOW_EABORT, text.failed ? "draining took too long" : text.text);
    flow_str_clear(&text);
}
