/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_SUPERVISOR_H
#define FLOW_CONTROL_SUPERVISOR_H

/* The coordinator's state: private to supervise.c, which talks to groups, to ending.c, which is
 * about those that end, die or are replaced, and to retreat.c, which takes a run back to its last
 * checkpoint. */

#include "control/channel.h"
#include "control/nursery.h"
#include "control/revive.h"
#include "control/setback.h"
#include "control/supervise.h"
#include "control/watchdog.h"
#include "watch/report.h"

#define FLOW_MS ((int64_t)1000 * 1000)
#define FLOW_NEVER INT64_MAX

enum run_phase { BINDING, OPENING, RUNNING };

struct member_state {
    bool answered; /* in this phase */
    bool ended;    /* has said ENDED */
    bool stuck;    /* has said STUCK */
    bool gone;
    bool replaced;         /* its process is not the first one since records flow */
    bool again;            /* in this phase it was started again, and begins with the first one */
    bool down;             /* its process has died, and the next one is not started yet */
    enum run_phase joined; /* of a process that was started later: where it is */
    struct flow_revival revival;
};

/* On the way back to the last checkpoint: first all groups are to be gone. */
struct retreat {
    bool under_way;
    int64_t died_ns;  /* when that began which it is for */
    int64_t due_ns;   /* when the groups are to be started again */
    int64_t force_ns; /* when those still there are ended by force */
    unsigned forced;  /* so often */
};

struct supervisor {
    const struct flow_launch *launch;
    const struct flow_run_options *options;
    struct flow_outcome *outcome;
    struct flow_error *err;
    enum flow_status status; /* of the run so far */
    enum run_phase phase;
    struct flow_crew *crews; /* one for each group of the plan */
    struct member_state *states;
    struct pollfd *fds; /* one for each group, then stop_fd, the watchdog's, the nursery's */
    struct flow_watchdog *watchdog; /* NULL: no memory for one */
    struct flow_sight *sights;      /* by replica */
    struct flow_nursery nursery;    /* of processes that take others' places */
    struct flow_setback *setbacks;  /* by stage */
    size_t count;
    size_t unanswered;            /* groups that have not answered the phase's message */
    size_t live;                  /* groups not gone */
    size_t working;               /* groups that have not said ENDED and are not gone */
    struct flow_sampler *sampler; /* NULL: nobody wants progress */
    int stop_fd;
    bool draining, aborting, forced;
    struct retreat retreat;
    int64_t start_ns;  /* when records began to flow; 0: they have not */
    int64_t end_ns;    /* when the last group that ended did so */
    int64_t tick_ns;   /* the next call of options->progress */
    int64_t drain_ns;  /* when draining has taken too long */
    int64_t revive_ns; /* when the next process is to be replaced */
    int64_t watch_ns;  /* the next look for records that take too long */
    int64_t force_ns;  /* when those still there are ended by force */
};

/* The first failure is the run's; any failure ends it. */
void flow_supervisor_fail(struct supervisor *sup, enum flow_status status, const char *text);

/* A line for the operator. */
void flow_supervisor_tell(struct supervisor *sup, const char *line);

/* Say something about a checkpoint to group i. */
void flow_supervisor_say_epoch(const struct supervisor *sup, size_t i, enum flow_notice_kind kind,
                               uint64_t epoch, bool last);

/* ABORT to all groups. */
void flow_supervisor_say_abort(struct supervisor *sup);

/* Start all groups, or as many as can be, and begin with the first phase. */
void flow_supervisor_start(struct supervisor *sup);

/*
 * Group `i` has died, of what `text` says, which is added to and told: the run goes back.  False:
 * it does not, and `text` says why.
 */
bool flow_supervisor_retreat(struct supervisor *sup, size_t i, const struct flow_death *death,
                             struct flow_str *text);

/* On the way back: when there is something to be done, and do it. */
int64_t flow_supervisor_retreat_due(const struct supervisor *sup);
void flow_supervisor_return(struct supervisor *sup, int64_t now_ns);

/* Somebody asks why nothing moves, perhaps on the way back. */
void flow_supervisor_answer_why(struct supervisor *sup);

/* Draining has taken too long. */
void flow_supervisor_give_up(struct supervisor *sup);

/* A group has said ENDED. */
void flow_supervisor_end(struct supervisor *sup, size_t i);

/* Its channel is closed. */
void flow_supervisor_lose(struct supervisor *sup, size_t i);

/* Threads of a group do not come back; see FLOW_SAY_STUCK. */
void flow_supervisor_leave(struct supervisor *sup, size_t i, const char *text);

/* Time is up: end by force what is still there; if even that did not help, leave it. */
void flow_supervisor_force(struct supervisor *sup);

/* Processes that are waiting to be replaced are not, any more. */
void flow_supervisor_drop_dead(struct supervisor *sup);

/* Replace those whose time has come; sets sup->revive_ns. */
void flow_supervisor_revive(struct supervisor *sup);

/* Look for records that take too long; sets sup->watch_ns. */
void flow_supervisor_watch(struct supervisor *sup, int64_t now_ns);

#endif /* FLOW_CONTROL_SUPERVISOR_H */
