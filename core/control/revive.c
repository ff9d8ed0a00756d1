/* SPDX-License-Identifier: MIT */
#include "control/revive.h"

#include <inttypes.h>

#include "base/units.h"
#include "graph/reader.h"

size_t flow_revival_replica(const struct flow_launch *launch, size_t group)
{
    const struct flow_plan *plan = launch->plan;
    return plan->tasks[plan->groups[group].tasks[0]].replicas[0];
}

static const struct flow_graph_stage *stage_of(const struct flow_plan *plan, size_t replica)
{
    return plan->stages[plan->replicas[replica].stage].graph;
}

bool flow_revival_is_done(const struct flow_launch *launch, size_t group)
{
    const struct flow_plan *plan = launch->plan;
    const struct flow_plan_replica *self = &plan->replicas[flow_revival_replica(launch, group)];
    return flow_read(&launch->board->links[self->in[0]].ended) != 0;
}

void flow_revival_begin(struct flow_revival *revival, const struct flow_launch *launch,
                        size_t group)
{
    struct flow_board_group *orders = &launch->board->groups[group];
    const size_t replica = flow_revival_replica(launch, group);
    flow_count(&orders->restarts, 1);
    flow_set(&launch->board->replicas[replica].hand_batch, 0); /* nobody writes there now */
    revival->kept = flow_read(&launch->board->replicas[replica].kept_turn);
    revival->overdue = false;
}

/* ---- who is to blame ---- */

static bool is_own_fault(const struct flow_revival *revival, const struct flow_death *death)
{
    if (revival->overdue)
        return true;
    return death->known && !death->forced &&
           (death->signal == 0 || flow_death_is_fault(death->signal));
}

static uint64_t cause_of(const struct flow_revival *revival, const struct flow_death *death)
{
    if (revival->overdue)
        return FLOW_CAUSE_TIMEOUT;
    return flow_death_cause(death);
}

/* An entry for one record more: a free one, or one whose batch has been acknowledged. */
static size_t find_entry(const struct flow_revival *revival, const struct flow_board_replica *slot)
{
    const uint64_t from = flow_read(&slot->kept_batch);
    for (size_t i = 0; i < FLOW_ASIDE_MOST; i++) {
        if (revival->aside[i] <= from) /* one more than its batch */
            return i;
    }
    return FLOW_NONE;
}

static bool set_aside(struct flow_revival *revival, struct flow_board_group *orders,
                      const struct flow_board_replica *slot, uint64_t cause)
{
    const size_t at = find_entry(revival, slot);
    if (at == FLOW_NONE)
        return false;
    struct flow_board_aside *entry = &orders->aside[at];
    revival->aside[at] = flow_read(&slot->hand_batch);
    flow_set(&entry->tries, revival->charges);
    flow_set(&entry->cause, cause);
    flow_set(&entry->number, revival->blamed);
    revival->blamed = 0;
    return true;
}

/* The record in hand did it. */
static bool charge(struct flow_revival *revival, struct flow_board_group *orders,
                   const struct flow_board_replica *slot, uint64_t cause, struct flow_str *text)
{
    const uint64_t number = flow_read(&slot->hand_record);
    revival->charges = revival->blamed == number + 1 ? revival->charges + 1 : 1;
    revival->blamed = number + 1;
    if (revival->charges < FLOW_BLAME_TRIES) {
        flow_str_addf(text, "; record %" PRIu64 " was in hand (%u of %d): its process is replaced",
                      number, revival->charges, FLOW_BLAME_TRIES);
        return true;
    }
    if (set_aside(revival, orders, slot, cause)) {
        flow_str_addf(text,
                      "; record %" PRIu64 " was in hand (%d of %d): it is set aside, and its "
                      "process replaced",
                      number, FLOW_BLAME_TRIES, FLOW_BLAME_TRIES);
        return true;
    }
    flow_str_addf(text, "; %d records in a row were set aside already", FLOW_ASIDE_MOST);
    return false;
}

/* ---- deaths from outside ---- */

int64_t flow_restart_wait(const struct flow_restart *restart, unsigned idle)
{
    int64_t wait = idle > 0 ? restart->backoff_ns : 0;
    for (unsigned i = 1; i < idle && wait < restart->backoff_max_ns; i++)
        wait *= 2;
    return wait < restart->backoff_max_ns ? wait : restart->backoff_max_ns;
}

static bool count_death(struct flow_revival *revival, const struct flow_restart *restart,
                        const struct flow_board_replica *slot, int64_t now_ns,
                        struct flow_str *text)
{
    char window[32];
    if (revival->deaths == 0 ||
        (restart->window_ns > 0 && now_ns - revival->window_ns > restart->window_ns)) {
        revival->deaths = 0;
        revival->window_ns = now_ns;
    }
    if (++revival->deaths > restart->tries) {
        flow_str_addf(text,
                      "; it had been replaced %u times within %s, which is all that "
                      "\"restart\" allows",
                      restart->tries,
                      restart->window_ns > 0
                          ? flow_format_duration(restart->window_ns, window, sizeof(window))
                          : "this run");
        return false;
    }
    const bool idle = flow_read(&slot->kept_turn) == revival->kept;
    revival->due_ns = now_ns + flow_restart_wait(restart, idle ? revival->idle : 0);
    revival->idle = idle ? revival->idle + 1 : 0;
    flow_str_addf(text, "; its process is replaced (%u of %u)", revival->deaths, restart->tries);
    return true;
}

bool flow_revival_decide(struct flow_revival *revival, const struct flow_launch *launch,
                         const struct flow_crew *crew, const struct flow_death *death,
                         int64_t now_ns, struct flow_str *text)
{
    const size_t replica = flow_revival_replica(launch, crew->group);
    const struct flow_board_replica *slot = &launch->board->replicas[replica];
    struct flow_board_group *orders = &launch->board->groups[crew->group];
    const struct flow_restart *restart = &stage_of(launch->plan, replica)->restart;
    const uint64_t batch = flow_read(&slot->hand_batch);
    const bool whole = flow_read(&slot->hand_record) == FLOW_WHOLE_BATCH;
    const bool careful = flow_read(&orders->careful) == batch;
    if (batch == 0 || !is_own_fault(revival, death) || (whole && careful))
        return count_death(revival, restart, slot, now_ns, text);
    revival->due_ns = now_ns;
    if (!whole)
        return charge(revival, orders, slot, cause_of(revival, death), text);
    flow_set(&orders->careful, batch);
    flow_str_add(text, "; its process is replaced, and will try the records of this batch alone");
    return true;
}

bool flow_revival_retry(struct flow_revival *revival, const struct flow_launch *launch,
                        const struct flow_crew *crew, const struct flow_death *death,
                        int64_t now_ns, struct flow_str *text)
{
    const size_t replica = flow_revival_replica(launch, crew->group);
    const struct flow_graph_stage *stage = stage_of(launch->plan, replica);
    const struct flow_restart *restart =
        stage != NULL ? &stage->restart : &flow_restart_default; /* of a sequencer */
    const bool outside =
        death->known && !death->forced && death->signal != 0 && !flow_death_is_fault(death->signal);
    return outside && restart->on &&
           count_death(revival, restart, &launch->board->replicas[replica], now_ns, text);
}

/* ---- records that take too long ---- */

bool flow_sight_is_overdue(struct flow_sight *sight, const struct flow_launch *launch,
                           size_t replica, int64_t now_ns)
{
    const struct flow_board_replica *slot = &launch->board->replicas[replica];
    const uint64_t state = flow_read(&slot->state);
    const struct flow_sight now = {flow_read(&slot->hand_batch), flow_read(&slot->hand_record),
                                   now_ns};
    const bool works =
        now.batch != 0 && (state == FLOW_STATE_BUSY || state == FLOW_STATE_WAIT_SELF);
    if (works && now.batch == sight->batch && now.record == sight->record && sight->since_ns != 0)
        return now_ns - sight->since_ns >= stage_of(launch->plan, replica)->timeout_ns;
    *sight = works ? now : (struct flow_sight){0};
    return false;
}

void flow_sight_describe(const struct flow_launch *launch, size_t replica, struct flow_str *out)
{
    char limit[32];
    const struct flow_board_replica *slot = &launch->board->replicas[replica];
    const uint64_t record = flow_read(&slot->hand_record);
    if (record == FLOW_WHOLE_BATCH)
        flow_str_add(out, " has worked on a batch");
    else
        flow_str_addf(out, " has worked on record %" PRIu64, record);
    flow_str_addf(
        out, " for longer than its \"timeout\" (%s)",
        flow_format_duration(stage_of(launch->plan, replica)->timeout_ns, limit, sizeof(limit)));
}
