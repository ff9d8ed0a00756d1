/* SPDX-License-Identifier: MIT */
#include "engine/waiting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "engine/turn.h"

/* Descriptors and timers: what a stage watches, and when it is called. */

#define EVENTS 64 /* that are taken at a time */

/* ---- what is watched ---- */

static bool make_place(struct flow_hold *hold, int fd)
{
    const size_t before = hold->watched_capacity;
    if (!flow_grow(&hold->watched, &hold->watched_capacity, (size_t)fd + 1, sizeof(*hold->watched)))
        return false;
    memset(hold->watched + before, 0, (hold->watched_capacity - before) * sizeof(*hold->watched));
    return true;
}

enum flow_status flow_watch_add(struct flow_replica *replica, int fd, unsigned events, uint64_t tag)
{
    struct flow_hold *hold = replica->hold;
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (fd < 0)
        return flow_replica_fail(replica, FLOW_EINVAL, NULL, "watches descriptor %d", fd);
    if (!make_place(hold, fd))
        return flow_turn_no_memory(replica);
    struct flow_watched *watched = &hold->watched[fd];
    int rc = epoll_ctl(hold->epoll, watched->active ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    /* It was closed and opened again, or closed without a word, by its owner. */
    if (rc < 0 && (errno == ENOENT || errno == EEXIST))
        rc = epoll_ctl(hold->epoll, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    if (rc < 0)
        return flow_replica_fail(replica, FLOW_EIO, NULL, "cannot watch descriptor %d: %s", fd,
                                 errno == EPERM ? "it is always ready, as a file is"
                                                : strerror(errno));
    hold->watched_count += !watched->active;
    *watched = (struct flow_watched){.active = true, .tag = tag};
    return FLOW_OK;
}

void flow_watch_remove(struct flow_hold *hold, int fd)
{
    if (fd < 0 || (size_t)fd >= hold->watched_capacity || !hold->watched[fd].active)
        return;
    (void)epoll_ctl(hold->epoll, EPOLL_CTL_DEL, fd, NULL);
    hold->watched[fd].active = false;
    hold->watched_count--;
}

int64_t flow_watch_timeout(const struct flow_hold *hold)
{
    const int64_t a = flow_timers_next(&hold->stage_timers);
    const int64_t b = flow_timers_next(&hold->held_timers);
    const int64_t next = a < b ? a : b;
    if (next == INT64_MAX)
        return -1;
    const int64_t left = next - flow_now_ns();
    return left > 0 ? left : 0;
}

/* ---- calls ---- */

static enum flow_status call_ready(struct flow_replica *replica, uint64_t tag, unsigned events)
{
    replica->has_reason = false;
    flow_count(&replica->host.slot->woken, 1);
    const enum flow_status rc = replica->type->ready(replica->self, &replica->stage, tag, events);
    flow_hold_let_go(replica);
    return rc == FLOW_OK ? rc : flow_policy_stop(replica, rc, NULL);
}

/* It has been in flight for too long. */
static enum flow_status drop(struct flow_replica *replica, struct flow_held *held)
{
    char limit[32];
    char reason[96];
    const int64_t timeout_ns = flow_turn_timeout(replica);
    (void)snprintf(reason, sizeof(reason), "it was in flight for longer than \"timeout\" (%s)",
                   flow_format_duration(timeout_ns, limit, sizeof(limit)));
    replica->type->drop(replica->self, &replica->stage, &held->token);
    return flow_hold_refuse(replica, held, reason);
}

static enum flow_status call_held(struct flow_replica *replica, uint64_t tag)
{
    struct flow_held *held = (struct flow_held *)(uintptr_t)tag;
    return held->state == FLOW_HELD_RETRY ? flow_hold_process(replica, &held->token.record, held)
                                          : drop(replica, held);
}

static enum flow_status call_timers(struct flow_replica *replica, bool *any)
{
    struct flow_hold *hold = replica->hold;
    const int64_t next_held = flow_timers_next(&hold->held_timers);
    if (flow_timers_next(&hold->stage_timers) == INT64_MAX && next_held == INT64_MAX)
        return FLOW_OK;
    const int64_t now = flow_now_ns();
    struct flow_timer_entry entry;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && flow_timers_take(&hold->held_timers, now, &entry)) {
        *any = true;
        rc = call_held(replica, entry.tag);
    }
    while (rc == FLOW_OK && flow_timers_take(&hold->stage_timers, now, &entry)) {
        *any = true;
        rc = call_ready(replica, entry.tag, 0);
    }
    return rc;
}

static enum flow_status call_watched(struct flow_replica *replica, bool *any)
{
    struct flow_hold *hold = replica->hold;
    struct epoll_event events[EVENTS];
    if (hold->watched_count == 0)
        return FLOW_OK;
    const int count = epoll_wait(hold->epoll, events, EVENTS, 0);
    enum flow_status rc = FLOW_OK;
    for (int i = 0; i < count && rc == FLOW_OK; i++) {
        const struct flow_watched *watched = &hold->watched[events[i].data.fd];
        if (!watched->active) /* the call before this one has seen to it */
            continue;
        *any = true;
        rc = call_ready(replica, watched->tag, events[i].events);
    }
    return rc;
}

enum flow_status flow_watch_dispatch(struct flow_replica *replica, bool *any)
{
    const enum flow_status rc = call_timers(replica, any);
    return rc == FLOW_OK ? call_watched(replica, any) : rc;
}
