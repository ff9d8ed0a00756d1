/* SPDX-License-Identifier: MIT */
#include "control/member.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/channel.h"
#include "control/memory.h"
#include "control/rounds.h"
#include "link/transport.h"

enum phase { WAITING, BOUND, OPENED, RUNNING, GONE, STUCK };

/* On the heap, since threads that are stuck may still call back. */
struct member {
    struct flow_member_options options;
    struct flow_group *group; /* NULL while WAITING */
    enum phase phase;
    bool opened;  /* threads of the group exist, or did */
    int ended_fd; /* an eventfd that a thread of the group writes when the group has ended */
};

/* ---- what threads of the group call ---- */

static void on_failed(void *context, const struct flow_error *error)
{
    const struct member *member = context;
    (void)flow_channel_send(member->options.fd, FLOW_SAY_FAILED, error->status, error->text);
}

static void on_ended(void *context)
{
    const struct member *member = context;
    const uint64_t one = 1;
    while (write(member->ended_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void on_log(void *context, const char *line)
{
    const struct member *member = context;
    (void)flow_channel_send(member->options.fd, FLOW_SAY_LOG, FLOW_OK, line);
}

static void on_saved(void *context, size_t replica, uint64_t epoch,
                     const struct flow_manifest_replica *saved)
{
    const struct member *member = context;
    char *text = flow_rounds_write(replica, epoch, saved);
    (void)flow_channel_send(member->options.fd, text != NULL ? FLOW_SAY_SAVED : FLOW_SAY_FAILED,
                            text != NULL ? FLOW_OK : FLOW_ENOMEM,
                            text != NULL ? text : "no memory to tell of a saved state");
    free(text);
}

/* ---- what the coordinator says ---- */

static void say(const struct member *member, enum flow_notice_kind kind)
{
    (void)flow_channel_send(member->options.fd, kind, FLOW_OK, NULL);
}

/* The coordinator will answer with ABORT. */
static void say_failed(const struct member *member, const struct flow_error *error)
{
    (void)flow_channel_send(member->options.fd, FLOW_SAY_FAILED, error->status, error->text);
}

static void bind_group(struct member *member)
{
    const struct flow_group_options options = {
        .plan = member->options.plan,
        .group = member->options.group,
        .board = member->options.board,
        .memory = member->options.memory,
        .folder = member->options.folder,
        .run_id = member->options.run_id,
        .incarnation =
            (uint32_t)flow_read(&member->options.board->groups[member->options.group].restarts),
        .checkpoints = member->options.checkpoints,
        .transport = member->options.transport,
        .events = {.context = member,
                   .failed = on_failed,
                   .ended = on_ended,
                   .saved = on_saved,
                   .log = on_log},
    };
    struct flow_error error = {0};
    member->options.transport = NULL;
    if (flow_group_new(&options, &member->group, &error) != FLOW_OK) {
        say_failed(member, &error);
        return;
    }
    member->phase = BOUND;
    say(member, FLOW_SAY_READY);
}

static void open_group(struct member *member)
{
    struct flow_error error = {0};
    member->opened = true;
    if (flow_group_open(member->group, &error) != FLOW_OK) {
        say_failed(member, &error);
        return;
    }
    member->phase = OPENED;
    say(member, FLOW_SAY_OPENED);
}

/* Join and free the group and say so, or say which stages are stuck. */
static void finish(struct member *member, int64_t timeout_ns)
{
    struct flow_error error = {0};
    if (member->opened && flow_group_join(member->group, timeout_ns, &error) != FLOW_OK) {
        member->phase = STUCK;
        (void)flow_channel_send(member->options.fd, FLOW_SAY_STUCK, error.status, error.text);
        return;
    }

    flow_group_free(member->group);
    member->group = NULL;
    flow_set(&member->options.board->groups[member->options.group].peak_bytes, flow_peak_memory());
    member->phase = GONE;
    say(member, FLOW_SAY_ENDED);
}

static void abort_group(struct member *member)
{
    if (member->opened)
        flow_group_abort(member->group);
    finish(member, FLOW_MEMBER_JOIN_NS);
}

/* "12" or "12 last".  A group that has ended has nothing left to do with it. */
static void tell_epoch(const struct member *member, const struct flow_notice *notice)
{
    char *end = NULL;
    const uint64_t epoch = strtoull(notice->text, &end, 10);
    if (member->phase != RUNNING)
        return;
    if (notice->kind == FLOW_SAY_EPOCH)
        flow_group_begin_epoch(member->group, epoch);
    else
        flow_group_commit_epoch(member->group, epoch, strcmp(end, " last") == 0);
}

/* Does `kind` fit where the group is?  What does not is a fault of the coordinator: abort. */
static void obey(struct member *member, const struct flow_notice *notice)
{
    const enum flow_notice_kind kind = notice->kind;
    if (kind == FLOW_SAY_NEW && member->phase == WAITING && member->group == NULL) {
        bind_group(member);
    } else if (kind == FLOW_SAY_OPEN && member->phase == BOUND && !member->opened) {
        open_group(member);
    } else if (kind == FLOW_SAY_START && member->phase == OPENED) {
        member->phase = RUNNING;
        flow_group_start(member->group);
    } else if (kind == FLOW_SAY_DRAIN && member->phase == RUNNING) {
        flow_group_drain(member->group);
    } else if ((kind == FLOW_SAY_EPOCH || kind == FLOW_SAY_COMMIT) &&
               member->options.checkpoints != NULL) {
        tell_epoch(member, notice);
    } else {
        abort_group(member);
    }
}

/* Read one message and act on it; a coordinator that has gone or talks nonsense means ABORT. */
static void listen(struct member *member)
{
    struct flow_notice notice;
    const enum flow_status rc = flow_channel_receive(member->options.fd, &notice, NULL);
    if (rc == FLOW_EAGAIN)
        return;
    if (rc != FLOW_OK)
        notice.kind = FLOW_SAY_ABORT;
    obey(member, &notice);
}

static void serve(struct member *member)
{
    while (member->phase != GONE && member->phase != STUCK) {
        struct pollfd fds[2] = {
            {.fd = member->options.fd, .events = POLLIN},
            {.fd = member->ended_fd, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            abort_group(member);
        else if (fds[1].revents != 0)
            finish(member, -1);
        else if (fds[0].revents != 0)
            listen(member);
    }
}

bool flow_member_serve(const struct flow_member_options *options)
{
    flow_set(&options->board->groups[options->group].pid, (uint64_t)getpid());
    struct member *member = flow_alloc(sizeof(*member));
    const int ended_fd = member != NULL ? eventfd(0, EFD_CLOEXEC) : -1;
    if (ended_fd < 0) {
        const bool no_memory = member == NULL;
        free(member);
        (void)flow_channel_send(options->fd, FLOW_SAY_FAILED, no_memory ? FLOW_ENOMEM : FLOW_EIO,
                                no_memory ? "no memory to begin with"
                                          : "no descriptor to begin with: raise 'ulimit -n'");
        (void)flow_channel_send(options->fd, FLOW_SAY_ENDED, FLOW_OK, NULL);
        return true;
    }

    *member = (struct member){.options = *options, .ended_fd = ended_fd};
    serve(member);
    if (member->phase == STUCK)
        return false; /* its threads may still call back: `member` and the eventfd stay */
    flow_transport_free(member->options.transport);
    close(member->ended_fd);
    free(member);
    return true;
}
