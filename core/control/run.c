/* SPDX-License-Identifier: MIT */

/* A run from end to end: plan, what it needs from the system, supervision, books, report. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "control/folder.h"
#include "control/here.h"
#include "control/job.h"
#include "control/launch.h"
#include "control/limits.h"
#include "control/run.h"
#include "control/session.h"
#include "control/standing.h"
#include "control/supervise.h"
#include "control/system.h"
#include "plan/delivery.h"
#include "watch/cut.h"
#include "watch/report.h"
#include "watch/rows.h"

/* What a run has taken from the system.  On the heap, since stuck threads may need it for ever. */
struct run {
    const struct flow_session *session;
    const struct flow_graph *graph;
    struct flow_topology topology;
    struct flow_plan *plan;
    struct flow_board board;
    bool has_board;
    struct flow_memory memory; /* map NULL: none */
    struct flow_folder folder;
    struct flow_standing standing;
    char *program;
    const struct flow_observer *observer; /* NULL: there is none */
    char *no_way_back;                    /* NULL: nothing stands in the way */
    struct flow_launch launch;
};

/* ---- what is needed ---- */

static bool has_spawned_group(const struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->group_count; i++)
        if (plan->groups[i].spawned)
            return true;
    return false;
}

static bool has_remote_link(const struct flow_plan *plan)
{
    for (size_t i = 0; i < plan->link_count; i++)
        if (!plan->links[i].local)
            return true;
    return false;
}

static enum flow_status make_board(struct run *run, bool shared, struct flow_error *err)
{
    const struct flow_board_size size = flow_board_size_of(run->plan);
    const enum flow_status rc = flow_board_new(&size, shared, &run->board, err);
    run->has_board = rc == FLOW_OK;
    return rc;
}

/* Without it the run does the same, with more copies: where the limits of the system forbid so much
 * address space, that is better than not to run at all. */
static void make_memory(struct run *run)
{
    const struct flow_memory_size size = {
        .links = run->plan->link_count,
        .arena_bytes = run->plan->arena_bytes,
    };
    if (size.arena_bytes > 0 && flow_memory_new(&size, &run->memory, NULL) == FLOW_OK)
        run->launch.memory = &run->memory;
}

/* The program to start for a group: by its path, or, when that is gone or renamed, as it runs. */
static enum flow_status find_program(struct run *run, struct flow_error *err)
{
    const char *link = "/proc/self/exe";
    char path[PATH_MAX];
    const ssize_t size = readlink(link, path, sizeof(path) - 1);
    path[size > 0 ? size : 0] = '\0';

    const char *program = run->session->worker_program;
    if (program == NULL)
        program = access(path, X_OK) == 0 ? path : link;
    run->program = flow_strdup(program);
    return run->program != NULL ? FLOW_OK : flow_fail(err, FLOW_ENOMEM, "no memory for a path");
}

static enum flow_status make_job(struct run *run, struct flow_error *err)
{
    if (run->graph->origin == NULL)
        return flow_fail(err, FLOW_EINVAL, "only a graph from flow_graph_load runs in processes");
    const struct flow_job job = {
        .run_id = run->launch.run_id,
        .digest = flow_plan_digest(run->plan),
        .cpus = run->plan->cpus,
        .room_bytes = run->plan->room_bytes,
        .topology = run->topology,
        .origin = run->graph->origin,
        .plugin_folders = run->session->plugin_folders,
        .folder = run->folder.path,
        .state = run->standing.state.path,
        .session = run->standing.from.epoch,
    };
    return flow_job_write(&job, &run->launch.job_fd, err);
}

/*
 * A program that does not call flow_worker_main would, as a process of a run, begin anew and start
 * processes in its turn, without end.
 */
static enum flow_status check_not_worker(struct flow_error *err)
{
    char line[256];
    const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (size <= 0)
        return FLOW_OK;

    line[size] = '\0'; /* arguments follow one another, each with its zero */
    const size_t first = strlen(line) + 1;
    if ((size_t)size <= first || strcmp(line + first, FLOW_WORKER_FLAG) != 0)
        return FLOW_OK;
    return flow_fail(err, FLOW_EINVAL,
                     "this program was started as a process of a run: it must call "
                     "flow_worker_main first thing in main");
}

/* What only a run of several processes needs. */
static enum flow_status prepare_spawning(struct run *run, struct flow_error *err)
{
    const enum flow_status rc = check_not_worker(err);
    return rc == FLOW_OK ? find_program(run, err) : rc;
}

/* What the groups of one attempt share but the board.  A run that goes back makes it anew. */
static enum flow_status furnish(struct run *run, struct flow_error *err)
{
    const bool spawning = has_spawned_group(run->plan);
    enum flow_status rc = FLOW_OK;
    if (spawning || has_remote_link(run->plan))
        rc = flow_folder_new(&run->folder, err);
    if (rc == FLOW_OK)
        make_memory(run);
    if (rc == FLOW_OK && spawning)
        rc = make_job(run, err);
    run->launch.folder = run->folder.path;
    run->launch.rounds = run->standing.rounds;
    return rc;
}

static void clear_out(struct run *run)
{
    if (run->launch.job_fd >= 0)
        close(run->launch.job_fd);
    run->launch.job_fd = -1;
    run->launch.memory = NULL;
    flow_folder_remove(&run->folder);
    flow_memory_close(&run->memory);
}

/* See struct flow_launch. */
static enum flow_status renew(void *context, int64_t died_ns, struct flow_error *err)
{
    struct run *run = context;
    const enum flow_status rc = flow_standing_go_back(run->plan, &run->standing, err);
    if (rc != FLOW_OK)
        return rc;
    flow_cut_restore(run->plan, &run->board, run->standing.from.epoch, died_ns, flow_now_ns());
    clear_out(run);
    return furnish(run, err);
}

static enum flow_status prepare_way_back(struct run *run, struct flow_error *err)
{
    size_t stage;
    const char *why;
    const enum flow_status rc = flow_delivery_way_back(run->plan, &stage, &why, err);
    if (run->standing.rounds == NULL || rc != FLOW_OK)
        return rc;
    run->launch.context = run;
    run->launch.renew = renew;
    run->launch.checkpoints = &run->standing.checkpoints;
    if (why == NULL)
        return FLOW_OK;
    struct flow_str text = {0};
    flow_str_addf(&text,
                  "what '%s' has read since would be lost: %s (its \"delivery\": \"at-most-once\", "
                  "or that of 'run', allows it)",
                  run->plan->stages[stage].name, why);
    run->no_way_back = flow_str_take(&text);
    run->launch.no_way_back = run->no_way_back;
    return run->no_way_back != NULL ? FLOW_OK : flow_fail(err, FLOW_ENOMEM, "no memory for a text");
}

static enum flow_status prepare(struct run *run, const struct flow_run_options *options,
                                struct flow_error *err)
{
    run->plan = flow_plan_here(run->graph, &run->topology, err);
    if (run->plan == NULL)
        return err != NULL && err->status != FLOW_OK ? err->status : FLOW_ENOMEM;

    const bool spawning = has_spawned_group(run->plan);
    enum flow_status rc = flow_standing_open(run->plan, options, &run->standing, err);
    if (rc != FLOW_OK || run->standing.done)
        return rc;
    const struct flow_room room = flow_room_find("", run->plan->mode == FLOW_THREADS);
    rc = flow_limits_memory(run->plan, &room, err);
    if (rc == FLOW_OK)
        rc = flow_limits_raise(run->plan, err);
    if (rc == FLOW_OK && getrandom(&run->launch.run_id, sizeof(run->launch.run_id), 0) < 0)
        rc = flow_system_fail(err, errno, "no random numbers for the run's id");
    if (rc == FLOW_OK)
        rc = make_board(run, spawning, err);
    if (rc == FLOW_OK && spawning)
        rc = prepare_spawning(run, err);
    if (rc == FLOW_OK)
        rc = prepare_way_back(run, err);
    if (rc == FLOW_OK)
        rc = furnish(run, err);
    run->launch.plan = run->plan;
    run->launch.board = &run->board;
    run->launch.program = run->program;
    return rc;
}

/* ---- the end ---- */

static const char *status_word(enum flow_status rc, const struct flow_outcome *outcome)
{
    if (rc == FLOW_EABORT)
        return "aborted";
    if (rc != FLOW_OK)
        return "failed";
    return outcome->stopped ? "stopped" : "done";
}

/* A run that ended well leaves nothing to go on with; any other says from where it can. */
static enum flow_status leave_state(struct run *run, enum flow_status rc,
                                    const struct flow_outcome *outcome,
                                    struct flow_run_result *result, struct flow_error *err)
{
    struct flow_rounds *rounds = run->standing.rounds;
    if (rounds == NULL)
        return rc;
    result->checkpoint = flow_rounds_last(rounds);
    if (rc == FLOW_OK && !outcome->held)
        return flow_rounds_close(rounds, err);
    if (rc != FLOW_OK && err != NULL && result->checkpoint != 0) {
        const size_t used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof(err->text) - used,
                       "; --resume goes on from checkpoint %" PRIu64 " in '%s'", result->checkpoint,
                       run->standing.state.path);
    }
    return rc;
}

/* Check the books of a run that ended well, and write the report of any that has begun. */
static enum flow_status conclude(struct run *run, enum flow_status rc,
                                 const struct flow_outcome *outcome, struct flow_run_result *result,
                                 struct flow_error *err)
{
    result->stopped = outcome->stopped;
    result->stuck = outcome->stuck;
    result->went_back = outcome->went_back;
    if (!outcome->opened)
        return rc;
    if (run->observer != NULL)
        run->observer->ended(run->observer->context, run->plan, &run->board, outcome->elapsed_ns);
    if (rc == FLOW_OK && !outcome->held)
        rc = flow_ledger_check(run->plan, &run->board, err);
    rc = leave_state(run, rc, outcome, result, err);

    const struct flow_report_info info = {
        .elapsed_ns = outcome->elapsed_ns,
        .status = status_word(rc, outcome),
        .message = rc != FLOW_OK && err != NULL ? err->text : NULL,
        .went_back = outcome->went_back,
    };
    result->report_text = flow_report_text(run->plan, &run->board, &info);
    result->report_json = flow_report_json(run->plan, &run->board, &info);
    if (rc == FLOW_OK && (result->report_text == NULL || result->report_json == NULL))
        rc = flow_fail(err, FLOW_ENOMEM, "the run is done, but there is no memory for its report");
    return rc;
}

/* Somebody has stopped the run, and may want to know what has become of it. */
static void tell_held(const struct run *run, const struct flow_run_options *options)
{
    char line[512];
    if (options->log == NULL)
        return;
    (void)snprintf(line, sizeof(line),
                   "stopped at checkpoint %" PRIu64 ": --resume goes on from there",
                   flow_rounds_last(run->standing.rounds));
    options->log(options->context, line);
}

static void free_run(struct run *run)
{
    clear_out(run);
    if (run->has_board)
        flow_board_close(&run->board);
    flow_plan_free(run->plan);
    flow_topology_clear(&run->topology);
    flow_standing_clear(&run->standing);
    free(run->program);
    free(run->no_way_back);
    free(run);
}

enum flow_status flow_run_observed(struct flow_session *session, const struct flow_graph *graph,
                                   const struct flow_run_options *options,
                                   const struct flow_observer *observer,
                                   struct flow_run_result *result, struct flow_error *err)
{
    *result = (struct flow_run_result){0};
    struct run *run = flow_alloc(sizeof(*run));
    if (run == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory for a run");
    *run = (struct run){
        .session = session,
        .graph = graph,
        .folder = FLOW_FOLDER_NONE,
        .standing = FLOW_STANDING_NONE,
        .observer = observer,
        .launch = {.job_fd = -1},
    };

    struct flow_outcome outcome = {0};
    enum flow_status rc = prepare(run, options, err);
    result->checkpoint = run->standing.from.epoch;
    if (rc == FLOW_OK && !run->standing.done) {
        rc = flow_supervise(&run->launch, options, &outcome, err);
        if (outcome.held)
            tell_held(run, options);
        rc = conclude(run, rc, &outcome, result, err);
    }
    if (!outcome.stuck)
        free_run(run);
    else if (run->folder.path != NULL)
        flow_folder_wipe(run->folder.path); /* all else may still be in use over there */
    return rc;
}

enum flow_status flow_run(struct flow_session *session, const struct flow_graph *graph,
                          const struct flow_run_options *options, struct flow_run_result *result,
                          struct flow_error *err)
{
    return flow_run_observed(session, graph, options, NULL, result, err);
}
