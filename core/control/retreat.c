/* SPDX-License-Identifier: MIT */
#include "control/supervisor.h"

/*
 * A run that goes back to its last checkpoint by itself.
 *
 *                 a death                 all are gone            time is up
 *     running ──────────────> retreating ─────────────> quiet ─────────────> starting ──> running
 *                              │ ABORT, then SIGKILL      │ flow_launch.renew   NEW, OPEN, START
 *                              └ nobody is listened to    └ "why" and stops are
 *
 * Nothing of the former groups may write when the new ones begin.  That rests on the kernel: each
 * process has been waited for, each thread joined, before anything is made anew, and the new ones
 * meet in another folder with other memory, so that nothing sent before can reach them.  Where
 * something cannot be ended (a thread in a callback, a process that hangs in the kernel), the run
 * fails.
 *
 * Somebody who wants the run to stop meanwhile is heard: the groups then start at once, and are
 * told to drain.
 */

#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"
#include "watch/why.h"

#define KILL_NS (200 * FLOW_MS)    /* after ABORT, for processes to be gone by themselves */
#define THREADS_NS (700 * FLOW_MS) /* the same for threads, which cannot be killed */
#define DYING_NS (10000 * FLOW_MS) /* after SIGKILL: only what hangs in the kernel takes longer */

static void describe_target(const struct supervisor *sup, int64_t now_ns, struct flow_str *text)
{
    char age[32];
    const struct flow_rounds *rounds = sup->launch->rounds;
    const uint64_t epoch = flow_rounds_last(rounds);
    const int64_t made_ns = flow_rounds_last_ns(rounds);
    if (epoch == 0)
        flow_str_add(text, "to its beginning, since there is no checkpoint yet");
    else if (made_ns == 0)
        flow_str_addf(text, "to checkpoint %" PRIu64 ", with which it had begun", epoch);
    else
        flow_str_addf(text, "to checkpoint %" PRIu64 ", made %s before", epoch,
                      flow_format_duration(now_ns - made_ns, age, sizeof(age)));
}

static void begin_retreat(struct supervisor *sup, int64_t now_ns, int64_t due_ns)
{
    sup->retreat = (struct retreat){
        .under_way = true,
        .died_ns = now_ns,
        .due_ns = sup->draining ? now_ns : due_ns,
        .force_ns = now_ns + KILL_NS,
    };
    sup->force_ns = FLOW_NEVER;
    sup->outcome->went_back++;
    flow_supervisor_say_abort(sup);
    flow_supervisor_drop_dead(sup);
}

bool flow_supervisor_retreat(struct supervisor *sup, size_t i, const struct flow_death *death,
                             struct flow_str *text)
{
    const struct flow_launch *launch = sup->launch;
    if (launch->renew == NULL)
        return false;
    struct member_state *state = &sup->states[i];
    const struct flow_plan_group *group = &launch->plan->groups[sup->crews[i].group];
    const size_t actor = flow_why_actor(launch->plan, launch->board, group->tasks[0]);
    const struct flow_loss loss = {
        .replica = state->revival.overdue ? state->revival.late : actor,
        .death = death,
        .overdue = state->revival.overdue,
        .starting = sup->phase != RUNNING,
        .now_ns = flow_now_ns(),
        .newest = flow_rounds_last(launch->rounds),
    };
    struct flow_setback *setback = &sup->setbacks[launch->plan->replicas[loss.replica].stage];
    int64_t due_ns = 0;
    if (!flow_setback_decide(setback, launch, &loss, &due_ns, text))
        return false;
    flow_count(&launch->board->replicas[loss.replica].deaths, 1);
    flow_str_add(text, "; the run goes back ");
    describe_target(sup, loss.now_ns, text);
    flow_supervisor_tell(sup, text->failed ? "a process has died; the run goes back" : text->text);
    begin_retreat(sup, loss.now_ns, due_ns);
    return true;
}

/* ---- until all are gone ---- */

static void give_up(struct supervisor *sup, size_t i, const char *what)
{
    struct flow_str text = {0};
    flow_group_describe(sup->launch->plan, sup->crews[i].group, &text);
    flow_str_add(&text, what);
    flow_str_add(&text, ", so the run cannot go back to its checkpoint by itself");
    flow_supervisor_fail(sup, FLOW_EPROTO, text.failed ? "the run cannot go back" : text.text);
    flow_str_clear(&text);
}

/* Time is up for those that are still there. */
static void force_all(struct supervisor *sup, int64_t now_ns)
{
    const unsigned before = sup->retreat.forced++;
    for (size_t i = 0; i < sup->count && sup->retreat.under_way; i++) {
        struct flow_crew *crew = &sup->crews[i];
        if (sup->states[i].gone)
            continue;
        if (crew->launcher == &flow_thread_launcher && before > 0)
            give_up(sup, i, " does not come back from a callback");
        else if (crew->launcher != &flow_thread_launcher && before > 1)
            give_up(sup, i, " is still there, though it was killed");
        else if (crew->launcher != &flow_thread_launcher)
            (void)crew->launcher->force(crew);
    }
    sup->retreat.force_ns = now_ns + (before == 0 ? THREADS_NS - KILL_NS : DYING_NS);
}

/* ---- and then ---- */

static void begin_anew(struct supervisor *sup)
{
    struct flow_error why = {0};
    sup->retreat.under_way = false;
    flow_nursery_close(&sup->nursery); /* what it makes belongs to the former groups */
    sup->nursery = (struct flow_nursery)FLOW_NURSERY_NONE;
    if (sup->launch->renew(sup->launch->context, sup->retreat.died_ns, &why) != FLOW_OK) {
        flow_supervisor_fail(sup, why.status, why.text);
        return;
    }
    flow_setback_forget(sup->launch->board, flow_rounds_last(sup->launch->rounds), true);
    for (size_t i = 0; i < sup->launch->plan->replica_count; i++)
        sup->sights[i] = (struct flow_sight){0};
    for (size_t i = 0; i < sup->count; i++) {
        /* Records set aside by their numbers keep them. */
        const struct flow_revival former = sup->states[i].revival;
        sup->states[i] = (struct member_state){.revival = former};
        sup->states[i].revival.overdue = false;
        sup->states[i].revival.kept = 0;
        sup->states[i].revival.idle = 0;
    }
    flow_supervisor_start(sup);
}

int64_t flow_supervisor_retreat_due(const struct supervisor *sup)
{
    if (!sup->retreat.under_way)
        return FLOW_NEVER;
    return sup->live > 0 ? sup->retreat.force_ns : sup->retreat.due_ns;
}

void flow_supervisor_return(struct supervisor *sup, int64_t now_ns)
{
    if (sup->live > 0)
        force_all(sup, now_ns);
    else
        begin_anew(sup);
}

/* What those learn who ask meanwhile, appended; nothing: the run is not on its way back. */
static void describe_retreat(const struct supervisor *sup, int64_t now_ns, struct flow_str *text)
{
    char wait[32];
    if (!sup->retreat.under_way && (sup->phase == RUNNING || sup->outcome->went_back == 0))
        return;
    flow_str_add(text, "a process has died, and the run goes back ");
    describe_target(sup, sup->retreat.died_ns, text);
    if (!sup->retreat.under_way)
        flow_str_add(text, ": its stages are being opened");
    else if (sup->live > 0)
        flow_str_addf(text, ": %zu of its groups have not ended yet", sup->live);
    else if (now_ns < sup->retreat.due_ns)
        flow_str_addf(text, ": it begins in %s",
                      flow_format_duration(sup->retreat.due_ns - now_ns, wait, sizeof(wait)));
}

void flow_supervisor_answer_why(struct supervisor *sup)
{
    struct flow_str text = {0};
    describe_retreat(sup, flow_now_ns(), &text);
    flow_watchdog_answer(sup->watchdog, text.failed ? NULL : text.text);
    flow_str_clear(&text);
}
