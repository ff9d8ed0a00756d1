/* SPDX-License-Identifier: MIT */
#include "control/supervisor.h"

/*
 * One coordinator, the thread that called flow_run, and for each group a channel:
 *
 *     coordinator ══╦══ channel ══ member ── group 0   (a thread of this process)
 *      │  poll      ╠══ channel ══ member ── group 1   (a process)
 *      stop_fd      ╚══ channel ══ member ── group 2   (a process)
 *
 * Phases.  All groups go from phase to phase together; each arrow is a barrier, since a group may
 * connect only to what is bound, and no record may move before every stage could be opened:
 *
 *     start ── NEW ──> all READY ── OPEN ──> all OPENED ── START ──> all ENDED, channels closed
 *        └────────────────┴───────────┬──────────┴──────────────────────┘
 *                  a failure, a death, a second stop: ABORT to all, then all ENDED or dead
 *
 * Gone is a group when its channel is closed and what is left of it (a thread, a zombie) collected.
 * The coordinator returns when all are gone.  Everything it waits for is in one poll: the channels,
 * stop_fd, and the nearest of a few deadlines; without one of these it sleeps until something
 * happens.
 *
 * Failures.  The first one is the run's; what follows from it (and from the ABORT) is not told.  A
 * process that dies closes its channel without having said ENDED.  That is noticed at once,
 * whatever killed it, and needs no SIGCHLD, which belongs to the program around us.  In one round
 * of the poll closed channels are looked at before others: who died is the cause, who complains the
 * effect.
 *
 * Replacing.  A process whose stage permits it (plan/recover.h) and that dies once records flow is
 * no failure: revive.c says whether and when the next one is started.  It gets NEW, OPEN and START
 * at once, and nobody else is told: what was under way is between it and its neighbours.  One that
 * is killed before records flow is started again, whatever its stage, and the phase waits for it.
 *
 * Going back.  A process that nothing can take the place of, in a run that takes checkpoints: all
 * groups are ended, and started anew from the last one; see retreat.c.
 *
 * After ABORT the groups have GRACE_NS.  They use less for themselves (FLOW_MEMBER_JOIN_NS), so
 * that a group with a stuck stage can still name it.  Then processes are killed, and a thread that
 * is stuck is left behind.  All of this takes less than a second.
 *
 * The coordinator's own death, by whatever signal, closes all channels, and each process of the run
 * then removes the run's folder and exits, also if a stage of its own is stuck (worker.c).
 * PR_SET_PDEATHSIG is not used for it: SIGKILL would leave the folder, a milder signal a stage
 * could block, and it strikes when the *thread* ends that spawned the process, which a program that
 * embeds us may well let happen.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "control/channel.h"
#include "control/watchdog.h"
#include "watch/report.h"

#define GRACE_NS (700 * FLOW_MS) /* after ABORT, for all groups to be gone */
#define TICK_NS (200 * FLOW_MS)  /* between two calls of options->progress */
#define BURST 64                 /* messages of one group in a row, before others have their turn */

/* ---- saying something to the groups ---- */

static void say(struct supervisor *sup, size_t i, enum flow_notice_kind kind)
{
    if (!sup->states[i].gone && !sup->states[i].ended && !sup->states[i].down)
        (void)flow_channel_send(sup->crews[i].fd, kind, FLOW_OK, NULL);
    /* one that has gone away meanwhile shows in the next poll */
}

void flow_supervisor_say_epoch(const struct supervisor *sup, size_t i, enum flow_notice_kind kind,
                               uint64_t epoch, bool last)
{
    char text[40];
    (void)snprintf(text, sizeof(text), "%" PRIu64 "%s", epoch, last ? " last" : "");
    if (!sup->states[i].gone && !sup->states[i].ended && !sup->states[i].down)
        (void)flow_channel_send(sup->crews[i].fd, kind, FLOW_OK, text);
}

static void say_all(struct supervisor *sup, enum flow_notice_kind kind)
{
    for (size_t i = 0; i < sup->count; i++)
        say(sup, i, kind);
}

void flow_supervisor_say_abort(struct supervisor *sup)
{
    say_all(sup, FLOW_SAY_ABORT);
}

static void abort_all(struct supervisor *sup)
{
    if (sup->aborting)
        return;
    sup->aborting = true;
    sup->retreat.under_way = false;
    sup->drain_ns = FLOW_NEVER;
    sup->force_ns = flow_now_ns() + GRACE_NS;
    say_all(sup, FLOW_SAY_ABORT);
    flow_supervisor_drop_dead(sup);
}

/* The first failure is the run's; any failure ends it. */
void flow_supervisor_fail(struct supervisor *sup, enum flow_status status, const char *text)
{
    if (sup->status == FLOW_OK)
        sup->status = flow_fail(sup->err, status != FLOW_OK ? status : FLOW_EPROTO, "%s", text);
    abort_all(sup);
}

void flow_supervisor_tell(struct supervisor *sup, const char *line)
{
    if (sup->options->log != NULL)
        sup->options->log(sup->options->context, line);
}

/* With checkpoints a run is stopped at one. */
static void drain_all(struct supervisor *sup)
{
    const int64_t limit = sup->launch->plan->graph->drain_ns;
    say_all(sup, FLOW_SAY_DRAIN);
    if (sup->launch->rounds != NULL)
        flow_rounds_stop(sup->launch->rounds, flow_now_ns());
    if (limit > 0 && sup->drain_ns == FLOW_NEVER) /* it goes on while the run goes back */
        sup->drain_ns = flow_now_ns() + limit;
}

/* ---- phases ---- */

static void enter(struct supervisor *sup, enum run_phase phase, enum flow_notice_kind kind)
{
    sup->phase = phase;
    sup->unanswered = sup->live;
    for (size_t i = 0; i < sup->count; i++)
        sup->states[i].answered = false;
    say_all(sup, kind);
}

static void begin_running(struct supervisor *sup)
{
    const int64_t now_ns = flow_now_ns();
    if (sup->start_ns == 0)
        sup->start_ns = now_ns;
    enter(sup, RUNNING, FLOW_SAY_START);
    if (sup->launch->rounds != NULL)
        flow_rounds_start(sup->launch->rounds, now_ns);
    if (sup->options->progress != NULL && sup->sampler == NULL) {
        sup->sampler = flow_sampler_new(sup->launch->plan, sup->launch->board, sup->start_ns);
        sup->tick_ns = sup->sampler != NULL ? now_ns + TICK_NS : FLOW_NEVER;
    }
    flow_watchdog_reset(sup->watchdog, now_ns);
    flow_supervisor_watch(sup, now_ns);
    if (sup->draining)
        drain_all(sup);
}

/* A process that replaces another goes through the phases alone; it knows all orders already. */
static void answer_late(struct supervisor *sup, size_t i, enum run_phase phase)
{
    struct member_state *state = &sup->states[i];
    if (state->joined != phase || state->ended) {
        flow_supervisor_fail(sup, FLOW_EPROTO, "a group of the run answered what it was not asked");
        return;
    }
    state->joined = phase == BINDING ? OPENING : RUNNING;
}

static void answer(struct supervisor *sup, size_t i, enum run_phase phase)
{
    struct member_state *state = &sup->states[i];
    if (sup->retreat.under_way)
        return;
    if (state->replaced) {
        answer_late(sup, i, phase);
        return;
    }
    if (state->again && phase == BINDING && sup->phase == OPENING) {
        state->again = false; /* where the others have been long since */
        return;
    }
    if (sup->phase != phase || state->answered || state->ended) {
        flow_supervisor_fail(sup, FLOW_EPROTO, "a group of the run answered what it was not asked");
        return;
    }
    state->answered = true;
    if (--sup->unanswered > 0 || sup->aborting)
        return;
    if (phase == BINDING) {
        sup->outcome->opened = true;
        enter(sup, OPENING, FLOW_SAY_OPEN);
    } else {
        begin_running(sup);
    }
}

/* ---- checkpoints ---- */

static void say_epoch(struct supervisor *sup, enum flow_notice_kind kind, uint64_t epoch, bool last)
{
    for (size_t i = 0; i < sup->count; i++)
        flow_supervisor_say_epoch(sup, i, kind, epoch, last);
}

static void hear_saved(struct supervisor *sup, const char *text)
{
    struct flow_round round;
    struct flow_error why = {0};
    if (sup->aborting || sup->retreat.under_way)
        return;
    if (sup->launch->rounds == NULL || sup->phase != RUNNING) {
        flow_supervisor_fail(sup, FLOW_EPROTO,
                             "a group of the run saved what it was not asked for");
        return;
    }
    const enum flow_status rc =
        flow_rounds_hear(sup->launch->rounds, text, flow_now_ns(), &round, &why);
    if (rc != FLOW_OK) {
        flow_supervisor_fail(sup, rc, why.text);
        return;
    }
    if (round.committed != 0) {
        flow_setback_forget(sup->launch->board, round.committed, false);
        say_epoch(sup, FLOW_SAY_COMMIT, round.committed, round.last);
    }
    sup->outcome->held = round.stop;
    if (round.stop)
        abort_all(sup);
}

static void begin_epoch(struct supervisor *sup)
{
    if (!sup->aborting)
        say_epoch(sup, FLOW_SAY_EPOCH, flow_rounds_begin(sup->launch->rounds), false);
}

static int64_t epoch_due_ns(const struct supervisor *sup)
{
    return sup->launch->rounds != NULL && sup->phase == RUNNING && !sup->aborting &&
                   !sup->retreat.under_way
               ? flow_rounds_due_ns(sup->launch->rounds)
               : FLOW_NEVER;
}

/* ---- what arrives ---- */

static void hear(struct supervisor *sup, size_t i, const struct flow_notice *notice)
{
    switch (notice->kind) {
    case FLOW_SAY_READY:
        answer(sup, i, BINDING);
        break;
    case FLOW_SAY_OPENED:
        answer(sup, i, OPENING);
        break;
    case FLOW_SAY_FAILED: /* what follows from a death, or from the abort, is no failure */
        if (!sup->retreat.under_way)
            flow_supervisor_fail(sup, notice->status, notice->text);
        break;
    case FLOW_SAY_LOG:
        flow_supervisor_tell(sup, notice->text);
        break;
    case FLOW_SAY_SAVED:
        hear_saved(sup, notice->text);
        break;
    case FLOW_SAY_STUCK:
        flow_supervisor_leave(sup, i, notice->text);
        break;
    case FLOW_SAY_ENDED:
        flow_supervisor_end(sup, i);
        break;
    default:
        flow_supervisor_fail(sup, FLOW_EPROTO, "a group of the run gave an order");
    }
}

/* Read what group i has said. */
static void listen(struct supervisor *sup, size_t i)
{
    for (int n = 0; n < BURST && !sup->states[i].gone && !sup->states[i].down; n++) {
        struct flow_notice notice;
        struct flow_error why = {0};
        const enum flow_status rc = flow_channel_receive(sup->crews[i].fd, &notice, &why);
        if (rc == FLOW_EAGAIN)
            return;
        if (rc == FLOW_OK)
            hear(sup, i, &notice);
        else if (rc == FLOW_ECLOSED)
            flow_supervisor_lose(sup, i);
        else
            flow_supervisor_fail(sup, rc, why.text);
    }
}

/* Somebody wants the run to stop: the first time gently, the second time at once. */
static void hear_stop(struct supervisor *sup)
{
    char byte;
    const ssize_t got = read(sup->stop_fd, &byte, 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        sup->stop_fd = -1;
        return;
    }

    sup->outcome->stopped = true;
    if (sup->draining) {
        flow_supervisor_fail(sup, FLOW_EABORT,
                             "the run was aborted: it was asked to stop a second time");
    } else {
        sup->draining = true;
        sup->retreat.due_ns = flow_now_ns();
        if (sup->phase == RUNNING && !sup->retreat.under_way)
            drain_all(sup);
    }
}

/* ---- time ---- */

static void tell_progress(struct supervisor *sup, int64_t now_ns)
{
    struct flow_progress progress = {0};
    flow_sampler_take(sup->sampler, now_ns, &progress);
    sup->options->progress(sup->options->context, &progress);
    sup->tick_ns = now_ns + TICK_NS;
}

/* A run that stands still ends if its graph wants that. */
static void watch(struct supervisor *sup, int64_t now_ns)
{
    struct flow_error why = {0};
    if (flow_watchdog_look(sup->watchdog, now_ns, &why) != FLOW_OK)
        flow_supervisor_fail(sup, why.status, why.text);
}

/* When the watchdog is to look: not while nobody runs. */
static int64_t watchdog_due_ns(const struct supervisor *sup)
{
    return sup->aborting || sup->retreat.under_way ? FLOW_NEVER : flow_watchdog_due(sup->watchdog);
}

static void look_at_clock(struct supervisor *sup)
{
    const int64_t now_ns = flow_now_ns();
    if (now_ns >= sup->tick_ns)
        tell_progress(sup, now_ns);
    if (now_ns >= watchdog_due_ns(sup))
        watch(sup, now_ns);
    if (now_ns >= sup->watch_ns)
        flow_supervisor_watch(sup, now_ns);
    if (now_ns >= flow_supervisor_retreat_due(sup))
        flow_supervisor_return(sup, now_ns);
    if (now_ns >= sup->revive_ns)
        flow_supervisor_revive(sup);
    if (now_ns >= epoch_due_ns(sup))
        begin_epoch(sup);
    if (now_ns >= sup->drain_ns)
        flow_supervisor_give_up(sup);
    if (now_ns >= sup->force_ns)
        flow_supervisor_force(sup);
}

/* How long the poll may take [ms], rounded up; -1: for ever. */
static int next_timeout(const struct supervisor *sup)
{
    const int64_t others[] = {sup->drain_ns, sup->force_ns, sup->revive_ns, sup->watch_ns};
    int64_t at = sup->tick_ns;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        at = others[i] < at ? others[i] : at;
    const int64_t also[] = {epoch_due_ns(sup), watchdog_due_ns(sup),
                            flow_supervisor_retreat_due(sup)};
    for (size_t i = 0; i < sizeof(also) / sizeof(also[0]); i++)
        at = also[i] < at ? also[i] : at;
    if (at == FLOW_NEVER)
        return -1;
    const int64_t left = at - flow_now_ns();
    if (left <= 0)
        return 0;
    return left / FLOW_MS >= INT32_MAX ? INT32_MAX : (int)((left + FLOW_MS - 1) / FLOW_MS);
}

/* ---- the whole ---- */

static void wait_once(struct supervisor *sup)
{
    for (size_t i = 0; i < sup->count; i++)
        sup->fds[i] = (struct pollfd){
            .fd = sup->states[i].gone || sup->states[i].down ? -1 : sup->crews[i].fd,
            .events = POLLIN};
    sup->fds[sup->count] = (struct pollfd){.fd = sup->stop_fd, .events = POLLIN};
    sup->fds[sup->count + 1] =
        (struct pollfd){.fd = flow_watchdog_fd(sup->watchdog), .events = POLLIN};
    sup->fds[sup->count + 2] =
        (struct pollfd){.fd = flow_nursery_fd(&sup->nursery), .events = POLLIN};

    if (poll(sup->fds, sup->count + 3, next_timeout(sup)) > 0) {
        for (size_t i = 0; i < sup->count; i++)
            if ((sup->fds[i].revents & (POLLHUP | POLLERR)) != 0)
                listen(sup, i);
        for (size_t i = 0; i < sup->count; i++)
            if (sup->fds[i].revents == POLLIN)
                listen(sup, i);
        if (sup->fds[sup->count].revents != 0)
            hear_stop(sup);
        if (sup->fds[sup->count + 1].revents != 0)
            flow_supervisor_answer_why(sup);
        if (sup->fds[sup->count + 2].revents != 0)
            flow_nursery_hear(&sup->nursery);
    }
    look_at_clock(sup);
}

void flow_supervisor_start(struct supervisor *sup)
{
    const struct flow_plan *plan = sup->launch->plan;
    sup->working = 0;
    for (size_t i = 0; i < sup->count; i++)
        sup->states[i].gone = true;
    for (size_t i = 0; i < sup->count && !sup->aborting; i++) {
        struct flow_error why = {0};
        struct flow_crew *crew = &sup->crews[i];
        *crew = (struct flow_crew){
            .launcher = plan->groups[i].spawned ? &flow_process_launcher : &flow_thread_launcher,
            .group = i,
            .fd = -1,
        };
        if (crew->launcher->start(sup->launch, crew, &why) == FLOW_OK) {
            sup->states[i].gone = false;
            sup->live++;
            sup->working++;
        } else {
            flow_supervisor_fail(sup, why.status, why.text);
        }
    }
    if (!sup->aborting)
        enter(sup, BINDING, FLOW_SAY_NEW);
}

static bool has_memory(struct supervisor *sup)
{
    sup->crews = flow_calloc(sup->count, sizeof(*sup->crews));
    sup->states = flow_calloc(sup->count, sizeof(*sup->states));
    sup->fds = flow_calloc(sup->count + 3, sizeof(*sup->fds));
    sup->sights = flow_calloc(sup->launch->plan->replica_count, sizeof(*sup->sights));
    sup->setbacks = flow_calloc(sup->launch->plan->stage_count, sizeof(*sup->setbacks));
    return sup->crews != NULL && sup->states != NULL && sup->fds != NULL && sup->sights != NULL &&
           sup->setbacks != NULL;
}

enum flow_status flow_supervise(const struct flow_launch *launch,
                                const struct flow_run_options *options,
                                struct flow_outcome *outcome, struct flow_error *err)
{
    struct supervisor sup = {
        .launch = launch,
        .options = options,
        .outcome = outcome,
        .err = err,
        .count = launch->plan->group_count,
        .nursery = FLOW_NURSERY_NONE,
        .stop_fd = options->stop_fd,
        .tick_ns = FLOW_NEVER,
        .drain_ns = FLOW_NEVER,
        .force_ns = FLOW_NEVER,
        .revive_ns = FLOW_NEVER,
        .watch_ns = FLOW_NEVER,
    };
    *outcome = (struct flow_outcome){0};
    if (has_memory(&sup)) {
        sup.watchdog = flow_watchdog_new(launch, options);
        flow_supervisor_start(&sup);
        while (sup.live > 0 || sup.retreat.under_way)
            wait_once(&sup);
    } else {
        sup.status = flow_fail(err, FLOW_ENOMEM, "no memory to supervise %zu groups", sup.count);
    }

    outcome->elapsed_ns = sup.start_ns > 0 ? sup.end_ns - sup.start_ns : 0;
    flow_nursery_close(&sup.nursery);
    flow_watchdog_free(sup.watchdog);
    flow_sampler_free(sup.sampler);
    free(sup.setbacks);
    free(sup.sights);
    free(sup.fds);
    free(sup.states);
    free(sup.crews);
    return sup.status;
}
