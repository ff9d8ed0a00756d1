/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_DEATH_H
#define FLOW_CONTROL_DEATH_H

/* How a process of a run ended, and how that is told to people. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "plan/plan.h"
#include "watch/board.h"

struct flow_death {
    pid_t pid;
    bool known;  /* false: somebody else has collected its status */
    bool forced; /* it had closed its channel but lived on, and the coordinator killed it */
    int signal;  /* that killed it, or 0 */
    int code;    /* its exit code, when no signal killed it */
};

/* Where the group stood when its process died. */
enum flow_death_moment {
    FLOW_DIED_STARTING, /* before it bound its inboxes */
    FLOW_DIED_OPENING,  /* before its stages were open */
    FLOW_DIED_RUNNING,
    FLOW_DIED_LEAVING, /* when its work was done */
};

/*
 * One line for people: stage, replica, pid, what happened, after how many records, what to do.
 *     stage 'words' replica 1 (pid 123) was killed by signal 11 (Segmentation fault) in a callback
 *     of its stage, after 4711 records in; ...
 */
void flow_death_describe(const struct flow_death *death, enum flow_death_moment moment,
                         const struct flow_plan *plan, const struct flow_board *board, size_t group,
                         struct flow_str *out);

/* Is it one that the code of the process itself brings about, as SIGSEGV? */
bool flow_death_is_fault(int signal);

/* What the board says of it: the signal, or FLOW_CAUSE_EXIT and the exit code. */
uint64_t flow_death_cause(const struct flow_death *death);

/* "stage 'words' replica 1": the first replica of a group, and how many others it has. */
void flow_group_describe(const struct flow_plan *plan, size_t group, struct flow_str *out);

#endif /* FLOW_CONTROL_DEATH_H */
