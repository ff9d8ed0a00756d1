/* SPDX-License-Identifier: MIT */

/* What happens to a run: deaths, stops, losses; see enum sim_fault_kind. */

#include <signal.h>

#include "simulate/table.h"

#define STOP_MOST_MS 3000 /* for which a process is stopped */
#define FULL_MOST_MS 50   /* for which there is no room on the disk */
#define CRASHES_MOST 2    /* deaths by SIGSEGV */
#define REPLACED 85       /* percent of those that are struck can be replaced ... */
#define REPLACED_SAVED 40 /* ... and in a run that can go back */
#define ORPHAN_STEPS 2000 /* that a process may outlive its coordinator */

static bool is_victim(const struct sim_world *world, const struct sim_process *process,
                      bool replaced)
{
    return !process->dead && process->group != SIM_COORDINATOR &&
           (!replaced || world->is_replaced(world->plan, process->group));
}

/* One that lives, and is not the coordinator; NULL: none. */
static struct sim_process *pick_process(struct sim_world *world, bool replaced)
{
    size_t count = 0;
    for (struct sim_process *p = world->processes; p != NULL; p = p->next)
        count += is_victim(world, p, replaced);
    if (count == 0)
        return NULL;
    size_t which = sim_pick(&world->chance, count);
    for (struct sim_process *p = world->processes; p != NULL; p = p->next) {
        if (is_victim(world, p, replaced) && which-- == 0)
            return p;
    }
    return NULL;
}

static void kill_others(struct sim_world *world)
{
    for (struct sim_process *p = world->processes; p != NULL; p = p->next) {
        if (p != world->coordinator)
            sim_process_kill(world, p, SIGKILL);
    }
}

static bool strike_one(struct sim_world *world, enum sim_fault_kind kind)
{
    const unsigned percent = world->state != NULL ? REPLACED_SAVED : REPLACED;
    struct sim_process *process = pick_process(world, sim_percent(&world->chance, percent));
    if (process == NULL)
        return false;
    if (kind == SIM_STOP) {
        sim_say(world, "SIGSTOP to process %d, group %zu", (int)process->pid, process->group);
        process->stopped_until =
            world->now_ns + (int64_t)(1 + sim_pick(&world->chance, STOP_MOST_MS)) * 1000000;
        return true;
    }
    /* A third fault with the same record in hand would set it aside, and rightly so. */
    const bool fault = world->crashes < CRASHES_MOST && sim_percent(&world->chance, 30);
    world->crashes += fault;
    sim_say(world, "%s to process %d, group %zu", fault ? "SIGSEGV" : "SIGKILL", (int)process->pid,
            process->group);
    process->struck = true;
    sim_process_kill(world, process, fault ? SIGSEGV : SIGKILL);
    return true;
}

static bool strike(struct sim_world *world, enum sim_fault_kind kind)
{
    switch (kind) {
    case SIM_KILL:
    case SIM_STOP:
        return strike_one(world, kind);
    case SIM_CRASH:
    case SIM_POWER:
        sim_say(world, kind == SIM_CRASH ? "SIGKILL to all" : "the power is gone");
        world->power_lost = kind == SIM_POWER;
        kill_others(world);
        sim_process_kill(world, world->coordinator, SIGKILL);
        return true;
    case SIM_ORPHAN:
        sim_say(world, "SIGKILL to the coordinator");
        sim_process_kill(world, world->coordinator, SIGKILL);
        world->orphans_die_at = world->steps + sim_pick(&world->chance, ORPHAN_STEPS);
        return true;
    case SIM_FULL:
        sim_say(world, "no room on the disk");
        world->full_until_ns =
            world->now_ns + (int64_t)(1 + sim_pick(&world->chance, FULL_MOST_MS)) * 1000000;
        return true;
    case SIM_DRAIN:
        sim_say(world, "asked to stop");
        sim_channel_put(world, world->stop_fd, "", 1);
        return true;
    case SIM_FAULTS:
        break;
    }
    return false;
}

void sim_faults_strike(struct sim_world *world)
{
    while (world->faults_done < world->fault_count &&
           world->faults[world->faults_done].step <= world->steps && !world->coordinator->dead) {
        const struct sim_fault fault = world->faults[world->faults_done++];
        world->struck[fault.kind] += strike(world, fault.kind);
    }
    if (world->steps >= world->orphans_die_at) {
        world->orphans_die_at = UINT64_MAX;
        for (struct sim_process *p = world->processes; p != NULL; p = p->next) {
            if (p != world->coordinator && p->group != SIM_COORDINATOR &&
                p->pid < world->coordinator->pid)
                sim_process_kill(world, p, SIGKILL);
        }
    }
}
