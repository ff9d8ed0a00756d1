/* SPDX-License-Identifier: MIT */

/*
 * A process of a run.  launch_process.c starts it with
 *
 *     flowrun --flowrun-worker CHANNEL BOARD JOB MEMORY GROUP [NAME]
 *
 * It reads the graph again from the job, plans it, and must come to the same plan as the
 * coordinator; then its main thread serves the channel as any group does (member.c).  One without a
 * group (-1) makes others instead, which have all that behind them (nursery.h).
 *
 * A second thread, the guard, only watches whether the coordinator is still there.  When it dies
 * the kernel closes its end of the channel, and the guard removes the run's folder and ends the
 * process within milliseconds, also when stages and the main thread are stuck.  That all processes
 * of the run try to remove the folder at once does no harm.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/channel.h"
#include "control/folder.h"
#include "control/job.h"
#include "control/launch.h"
#include "control/member.h"
#include "control/nurse.h"
#include "control/session.h"
#include "control/system.h"
#include "engine/warm.h"
#include "watch/rows.h"

/* The command line. */
struct orders {
    int channel, board, job;
    int memory; /* -1: the processes of the run share nothing but the board */
    size_t group;
    char **argv;
};

/* What the process works with, built from the job. */
struct work {
    struct flow_job job;
    struct flow_session *session;
    struct flow_graph *graph;
    struct flow_plan *plan;
    struct flow_board board;
    bool has_board;
    struct flow_memory memory;        /* map NULL: none */
    struct flow_transport *transport; /* of a process that a nursery has made; else NULL */
    int state_fd;                     /* a descriptor of the state folder; -1: none */
    struct flow_manifest from;
    struct flow_checkpoints checkpoints;
};

/* It lasts as long as the process. */
struct guard {
    int channel;
    char *folder; /* NULL: none */
};

/* ---- beginning ---- */

static bool parse_number(const char *text, long min, long max, long *number)
{
    char *end = NULL;
    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= min && *number <= max;
}

static bool parse_orders(int argc, char **argv, struct orders *orders)
{
    long numbers[5];
    if (argc < 7)
        return false;
    for (int i = 0; i < 5; i++) {
        if (!parse_number(argv[2 + i], i >= 3 ? -1 : 0, INT32_MAX, &numbers[i]))
            return false;
    }
    *orders = (struct orders){
        .channel = (int)numbers[0],
        .board = (int)numbers[1],
        .job = (int)numbers[2],
        .memory = (int)numbers[3],
        .group = numbers[4] >= 0 ? (size_t)numbers[4] : FLOW_NURSERY_GROUP,
        .argv = argv,
    };
    return true;
}

/* What the process inherited is not for the programs that its stages start. */
static bool hide_descriptors(const struct orders *orders)
{
    return fcntl(orders->channel, F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(orders->board, F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(orders->job, F_SETFD, FD_CLOEXEC) == 0 &&
           (orders->memory < 0 || fcntl(orders->memory, F_SETFD, FD_CLOEXEC) == 0);
}

/* It was started with these two blocked, see launch_process.c; other dispositions are inherited, so
 * that a stage meets the same ones as on a thread of the coordinator's process. */
static void settle_signals(void)
{
    sigset_t none;
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* ---- the guard ---- */

/* Only the hang-up, which is always told; or the stage has closed the channel. */
static bool is_lost(int channel, int timeout_ms)
{
    struct pollfd fd = {.fd = channel, .events = 0};
    return poll(&fd, 1, timeout_ms) > 0;
}

/* The coordinator is gone. */
static void *stand_guard(void *context)
{
    const struct guard *guard = context;
    while (!is_lost(guard->channel, -1))
        continue;
    if (guard->folder != NULL)
        flow_folder_wipe(guard->folder);
    _exit(1);
}

static bool begin_guard(struct guard *guard)
{
    pthread_t thread;
    const int cause = pthread_create(&thread, NULL, stand_guard, guard);
    if (cause == 0)
        (void)pthread_detach(thread);
    errno = cause;
    return cause == 0;
}

/* Nobody tells it to stop, since a stage might have closed whatever that went by. */
static bool start_guard(const struct work *work, const struct orders *orders,
                        struct flow_error *err)
{
    struct guard *guard = flow_alloc(sizeof(*guard));
    const char *folder = work->job.folder;
    if (guard != NULL)
        *guard = (struct guard){orders->channel, folder != NULL ? flow_strdup(folder) : NULL};
    errno = ENOMEM;
    if (guard != NULL && (folder == NULL || guard->folder != NULL) && begin_guard(guard))
        return true;
    (void)flow_system_fail(err, errno, "cannot watch over the coordinator");
    if (guard != NULL)
        free(guard->folder);
    free(guard);
    return false;
}

/* ---- the work ---- */

static enum flow_status read_graph(struct work *work, struct flow_error *err)
{
    struct flow_diag diag = {.path = work->job.origin->path,
                             .text = work->job.origin->text,
                             .text_size = work->job.origin->size};
    work->graph = flow_origin_read_graph(work->job.origin, &work->session->types, &diag);
    enum flow_status rc = FLOW_OK;
    if (work->graph == NULL && diag.count == 0)
        rc = flow_fail(err, FLOW_ENOMEM, "no memory to read the graph in a process of the run");
    else if (work->graph == NULL)
        rc = flow_fail(err, FLOW_EINVAL,
                       "the graph was sound for the coordinator, but not for a process of its "
                       "run: %s",
                       diag.items[0].message);
    flow_diag_clear(&diag);
    /* Asked for on the command line, checkpoints are not in the text of the graph. */
    if (rc == FLOW_OK)
        work->graph->checkpoints = work->job.state != NULL;
    return rc;
}

static enum flow_status plan_graph(struct work *work, struct flow_error *err)
{
    const struct flow_plan_options options = {
        .cpus = (unsigned)work->job.cpus,
        .room_bytes = work->job.room_bytes,
        .topology = &work->job.topology,
    };
    work->plan = flow_plan_new(work->graph, &options, err);
    if (work->plan == NULL)
        return FLOW_ENOMEM;
    if (flow_plan_digest(work->plan) != work->job.digest)
        return flow_fail(err, FLOW_EPROTO,
                         "a process of the run came to another plan than the coordinator: has the "
                         "program, a plugin or an environment variable that the graph uses changed "
                         "meanwhile?");
    return FLOW_OK;
}

static enum flow_status open_board(struct work *work, const struct orders *orders,
                                   struct flow_error *err)
{
    const struct flow_board_size size = flow_board_size_of(work->plan);
    const enum flow_status rc = flow_board_open(orders->board, &size, &work->board, err);
    work->has_board = rc == FLOW_OK;
    return rc;
}

/* Once it is mapped, nobody here needs the descriptor. */
static enum flow_status open_memory(struct work *work, const struct orders *orders,
                                    struct flow_error *err)
{
    if (orders->memory < 0)
        return FLOW_OK;
    const struct flow_memory_size size = {
        .links = work->plan->link_count,
        .arena_bytes = work->plan->arena_bytes,
    };
    const enum flow_status rc = flow_memory_open(orders->memory, &size, &work->memory, err);
    close(orders->memory);
    return rc;
}

/* Before a stage is opened: from then on it may write to what the checkpoints speak of. */
static enum flow_status join_state(struct work *work, const struct orders *orders,
                                   struct flow_error *err)
{
    if (work->job.state == NULL)
        return FLOW_OK;
    /* Who takes another's place goes on from where that was, and the checkpoint may be gone. */
    const uint64_t restarts = flow_read(&work->board.groups[orders->group].restarts);
    const bool restores = work->job.session != 0 && restarts == 0;
    enum flow_status rc = flow_state_join(work->job.state, &work->state_fd, err);
    if (rc == FLOW_OK && restores)
        rc = flow_state_read(work->state_fd, work->job.session, &work->from, err);
    if (rc == FLOW_OK && restores && work->from.replica_count != work->plan->replica_count)
        rc = flow_fail(err, FLOW_EPROTO, "a process of the run has read another checkpoint");
    work->checkpoints = (struct flow_checkpoints){
        .folder = work->state_fd,
        .disk = &flow_disk_real,
        .from = restores ? &work->from : NULL,
        .session = work->job.session,
    };
    return rc;
}

static enum flow_status prepare(struct work *work, const struct orders *orders,
                                const struct flow_plugin *const *builtin, struct flow_error *err)
{
    work->session =
        flow_session_new_exact(builtin, (const char *const *)work->job.plugin_folders, err);
    if (work->session == NULL)
        return FLOW_ENOMEM;
    enum flow_status rc = read_graph(work, err);
    if (rc == FLOW_OK)
        rc = plan_graph(work, err);
    if (rc == FLOW_OK)
        rc = open_board(work, orders, err);
    if (rc == FLOW_OK)
        rc = open_memory(work, orders, err);
    return rc;
}

static void clear_work(struct work *work)
{
    flow_transport_free(work->transport);
    if (work->state_fd >= 0)
        close(work->state_fd);
    flow_manifest_clear(&work->from);
    flow_memory_close(&work->memory);
    if (work->has_board)
        flow_board_close(&work->board);
    flow_plan_free(work->plan);
    flow_graph_free(work->graph);
    flow_session_free(work->session);
    flow_job_clear(&work->job);
}

static void serve(struct work *work, const struct orders *orders)
{
    struct flow_board board = work->board;
    const struct flow_member_options options = {
        .plan = work->plan,
        .group = orders->group,
        .board = &board,
        .memory = work->memory.map != NULL ? &work->memory : NULL,
        .folder = work->job.folder,
        .run_id = work->job.run_id,
        .checkpoints = work->job.state != NULL ? &work->checkpoints : NULL,
        .transport = work->transport,
        .fd = orders->channel,
    };
    work->transport = NULL;
    if (!flow_member_serve(&options))
        _exit(1); /* stages are stuck: nothing they use may be taken away */
}

static void say_failed(int channel, const struct flow_error *error)
{
    (void)flow_channel_send(channel, FLOW_SAY_FAILED, error->status, error->text);
    (void)flow_channel_send(channel, FLOW_SAY_ENDED, FLOW_OK, NULL);
}

/* What it needs for any group. */
static enum flow_status make_transport(struct work *work, struct flow_error *err)
{
    const struct flow_group_options options = {
        .plan = work->plan,
        .memory = work->memory.map != NULL ? &work->memory : NULL,
        .folder = work->job.folder,
        .run_id = work->job.run_id,
    };
    return flow_transport_of_any(&options, &work->transport, err);
}

/* Of a process that a nursery has made: what it becomes. */
static enum flow_status become_group(struct work *work, struct orders *orders,
                                     struct flow_error *err)
{
    char name[FLOW_GRAPH_MAX_NAME + 32];
    const struct flow_plan *plan = work->plan;
    enum flow_status rc = make_transport(work, err);
    if (rc == FLOW_OK)
        rc = flow_nurse_await(orders->channel, &orders->group, err);
    if (rc != FLOW_OK)
        return rc;
    if (orders->group >= plan->group_count)
        return flow_fail(err, FLOW_EPROTO, "the run has no group %zu", orders->group);
    const size_t replica = plan->tasks[plan->groups[orders->group].tasks[0]].replicas[0];
    flow_nurse_rename(orders->argv[6], orders->argv[7], orders->group,
                      flow_plan_replica_name(plan, replica, name, sizeof(name)));
    return FLOW_OK;
}

static enum flow_status work_guarded(struct work *work, struct orders *orders,
                                     const struct flow_plugin *const *builtin,
                                     struct flow_error *err)
{
    if (!start_guard(work, orders, err))
        return FLOW_EIO;
    enum flow_status rc = work->plan == NULL ? prepare(work, orders, builtin, err) : FLOW_OK;
    if (rc == FLOW_OK)
        rc = join_state(work, orders, err);
    if (rc == FLOW_OK)
        serve(work, orders);
    /* The hang-up may have been noticed here before the guard has woken: the folder has to go. */
    if (work->job.folder != NULL && is_lost(orders->channel, 0))
        flow_folder_wipe(work->job.folder);
    return rc;
}

/*
 * Returns in each of the processes that it makes, once that has become a group, and in its own when
 * the run has ended.  Whoever is no group leaves the folder alone when its channel is closed: a
 * spare may be sent away.
 */
static enum flow_status work_as_nursery(struct work *work, struct orders *orders,
                                        const struct flow_plugin *const *builtin,
                                        struct flow_error *err)
{
    enum flow_status rc = prepare(work, orders, builtin, err);
    if (rc == FLOW_OK)
        rc = flow_nurse_serve(&orders->channel, err);
    if (rc == FLOW_OK)
        rc = become_group(work, orders, err);
    return rc;
}

/* The channel stays open until the process has ended: its closing says so. */
bool flow_worker_main(const struct flow_session_options *options, int argc, char **argv,
                      int *exit_code)
{
    if (argc < 2 || strcmp(argv[1], FLOW_WORKER_FLAG) != 0)
        return false;
    struct orders orders;
    *exit_code = 2; /* somebody has tried it by hand */
    if (!parse_orders(argc, argv, &orders) || !hide_descriptors(&orders))
        return true;

    settle_signals();
    struct work work = {.state_fd = -1};
    struct flow_error error = {0};
    enum flow_status rc = flow_job_read(orders.job, &work.job, &error);
    close(orders.job);
    const struct flow_plugin *const *builtin = options != NULL ? options->builtin : NULL;
    if (rc == FLOW_OK && orders.group == FLOW_NURSERY_GROUP)
        rc = work_as_nursery(&work, &orders, builtin, &error);
    if (rc == FLOW_OK)
        rc = work_guarded(&work, &orders, builtin, &error);
    if (rc != FLOW_OK)
        say_failed(orders.channel, &error);
    clear_work(&work);
    *exit_code = rc == FLOW_OK ? 0 : 1;
    return true;
}
