/* SPDX-License-Identifier: MIT */
#include "control/setback.h"

#include <inttypes.h>

#include "base/units.h"
#include "control/revive.h"
#include "graph/reader.h"
#include "stage/type.h"

/* ---- deaths that have a limit ---- */

/* What a stage that the plan put in has, too. */
static const struct flow_restart *restart_of(const struct flow_plan *plan, size_t replica)
{
    const struct flow_graph_stage *stage = plan->stages[plan->replicas[replica].stage].graph;
    return stage != NULL ? &stage->restart : &flow_restart_default;
}

static bool count_death(struct flow_setback *setback, const struct flow_restart *restart,
                        int64_t now_ns, struct flow_str *text)
{
    char window[32];
    if (setback->deaths == 0 ||
        (restart->window_ns > 0 && now_ns - setback->window_ns > restart->window_ns)) {
        setback->deaths = 0;
        setback->window_ns = now_ns;
    }
    if (++setback->deaths <= restart->tries) {
        flow_str_addf(text, " (%u of %u)", setback->deaths, restart->tries);
        return true;
    }
    flow_str_addf(text,
                  "; the run had gone back for it %u times within %s, which is all that "
                  "\"restart\" allows",
                  restart->tries,
                  restart->window_ns > 0
                      ? flow_format_duration(restart->window_ns, window, sizeof(window))
                      : "this run");
    return false;
}

/* ---- the record in hand ---- */

static bool is_own_fault(const struct flow_loss *loss)
{
    const struct flow_death *death = loss->death;
    return loss->overdue || (death->known && !death->forced &&
                             (death->signal == 0 || flow_death_is_fault(death->signal)));
}

static uint64_t cause_of(const struct flow_loss *loss)
{
    return loss->overdue ? FLOW_CAUSE_TIMEOUT : flow_death_cause(loss->death);
}

/* Where it stands that all replicas of the stage look. */
static struct flow_board_group *orders_of(const struct flow_launch *launch, size_t replica)
{
    const struct flow_plan *plan = launch->plan;
    const size_t first = plan->stages[plan->replicas[replica].stage].first_replica;
    return &launch->board->groups[plan->replicas[first].group];
}

static bool set_aside(struct flow_setback *setback, const struct flow_launch *launch,
                      const struct flow_loss *loss)
{
    struct flow_board_group *orders = orders_of(launch, loss->replica);
    for (size_t i = 0; i < FLOW_ASIDE_MOST; i++) {
        struct flow_board_aside *entry = &orders->aside[i];
        if (flow_read(&entry->number) != 0)
            continue;
        flow_set(&entry->tries, setback->charges);
        flow_set(&entry->cause, cause_of(loss));
        flow_set(&entry->print, setback->print);
        flow_set(&entry->stage, launch->plan->replicas[loss->replica].stage);
        flow_set(&entry->epoch, 0);
        flow_set(&entry->number, setback->blamed);
        setback->known = false;
        setback->blamed = setback->print = 0;
        return true;
    }
    return false;
}

/* What a replica has begun: one that holds records counts those of a batch when all are done, so
 * there it is what has come. */
static uint64_t taken_by(const struct flow_launch *launch, size_t replica)
{
    const struct flow_plan *plan = launch->plan;
    const struct flow_plan_replica *self = &plan->replicas[replica];
    const struct flow_stage_type *type = plan->stages[self->stage].type;
    if (type == NULL || !flow_type_holds(type))
        return flow_read(&launch->board->replicas[replica].records_in);
    uint64_t taken = 0;
    for (size_t i = 0; i < self->in_count; i++)
        taken += flow_read(&launch->board->links[self->in[i]].received);
    return taken;
}

/*
 * Who does not know which record it was, or what it looks like, looks closer the next time: one by
 * one, until all replicas of the stage have taken in as much as they had.
 */
static void look_closer(const struct flow_launch *launch, size_t replica)
{
    const struct flow_plan_stage *stage =
        &launch->plan->stages[launch->plan->replicas[replica].stage];
    struct flow_board_replica *slots = &launch->board->replicas[stage->first_replica];
    uint64_t taken = 0;
    for (size_t i = 0; i < stage->replica_count; i++)
        taken += taken_by(launch, stage->first_replica + i);
    for (size_t i = 0; i < stage->replica_count; i++)
        flow_set(&slots[i].careful_until, taken);
}

static bool is_same(const struct flow_setback *setback, uint64_t number, uint64_t print)
{
    if (setback->print != 0 && print != 0)
        return setback->print == print;
    return setback->blamed == number + 1;
}

/* A record was in hand. */
static bool charge(struct flow_setback *setback, const struct flow_launch *launch,
                   const struct flow_loss *loss, bool gained, struct flow_str *text)
{
    const struct flow_board_replica *slot = &launch->board->replicas[loss->replica];
    const uint64_t number = flow_read(&slot->hand_record);
    const uint64_t print = flow_read(&slot->hand_print);
    const bool same = is_same(setback, number, print);
    setback->charges = same ? setback->charges + 1 : 1;
    setback->blamed = number + 1;
    setback->print = print;
    look_closer(launch, loss->replica);
    flow_str_addf(text, "; record %" PRIu64 " was in hand (%u of %d)", number, setback->charges,
                  FLOW_BLAME_TRIES);
    if (setback->charges >= FLOW_BLAME_TRIES && print != 0) {
        if (set_aside(setback, launch, loss)) {
            flow_str_add(text, ": it is set aside");
            return true;
        }
        flow_str_addf(text, "; %d records in a row were set aside already", FLOW_ASIDE_MOST);
        return false;
    }
    return gained || (same && print != 0) ||
           count_death(setback, restart_of(launch->plan, loss->replica), loss->now_ns, text);
}

static bool judge(struct flow_setback *setback, const struct flow_launch *launch,
                  const struct flow_loss *loss, bool gained, struct flow_str *text)
{
    const struct flow_board_replica *slot = &launch->board->replicas[loss->replica];
    const struct flow_restart *restart = restart_of(launch->plan, loss->replica);
    const bool had_whole = setback->whole;
    setback->whole = false;
    if (flow_read(&slot->hand_batch) == 0 || loss->starting || !is_own_fault(loss))
        return count_death(setback, restart, loss->now_ns, text);
    if (flow_read(&slot->hand_record) != FLOW_WHOLE_BATCH)
        return charge(setback, launch, loss, gained, text);
    setback->whole = true;
    look_closer(launch, loss->replica);
    flow_str_add(text, "; a batch was in hand, whose records are tried alone the next time");
    return gained || !had_whole || count_death(setback, restart, loss->now_ns, text);
}

bool flow_setback_decide(struct flow_setback *setback, const struct flow_launch *launch,
                         const struct flow_loss *loss, int64_t *due_ns, struct flow_str *text)
{
    const struct flow_restart *restart = restart_of(launch->plan, loss->replica);
    const bool gained = !setback->known || loss->newest != setback->epoch;
    if (launch->no_way_back != NULL) {
        flow_str_addf(text, "; the run does not go back to a checkpoint by itself: %s",
                      launch->no_way_back);
        return false;
    }
    if (!restart->on) {
        flow_str_add(text, "; its \"restart\" is false");
        return false;
    }
    if (loss->starting && is_own_fault(loss)) /* it would do so again */
        return false;
    setback->known = true;
    setback->epoch = loss->newest;
    if (!judge(setback, launch, loss, gained, text))
        return false;
    setback->idle = gained ? 0 : setback->idle + 1;
    *due_ns = loss->now_ns + flow_restart_wait(restart, setback->idle);
    return true;
}

void flow_setback_forget(struct flow_board *board, uint64_t epoch, bool back)
{
    for (size_t g = 0; g < board->group_count; g++) {
        for (size_t i = 0; i < FLOW_ASIDE_MOST; i++) {
            struct flow_board_aside *entry = &board->groups[g].aside[i];
            const uint64_t met = flow_read(&entry->epoch);
            if (met != 0 && met <= epoch)
                flow_set(&entry->number, 0);
            else if (back)
                flow_set(&entry->epoch, 0);
        }
    }
}
