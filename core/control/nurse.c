/* SPDX-License-Identifier: MIT */
#include "control/nurse.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/channel.h"
#include "control/system.h"

/* A copy of a process has only the thread that made it: what others held is held for ever. */
static bool is_alone(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return false;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream */
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count == 1;
}

/*
 * As fork, but the child is one of our parent's.  libc's fork cannot say so; what it does beyond
 * the call concerns other threads, of which there are none, and the number that libc keeps of this
 * one, where the kernel is told to put the new one.  Returns 0 in the child, -1 with errno.
 */
static pid_t clone_beside(void)
{
#if defined(SYS_clone3) && defined(PR_GET_TID_ADDRESS)
    int *address = NULL;
    if (prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) != 0)
        return -1;
    const struct clone_args args = {
        .flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .child_tid = (uint64_t)(uintptr_t)address,
    };
    (void)fflush(NULL); /* what is not written yet must not be written twice */
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* The next channel that wants a process. */
static enum flow_status await_wish(int channel, int *wish, struct flow_error *err)
{
    struct flow_notice notice;
    struct pollfd event = {.fd = channel, .events = POLLIN};
    enum flow_status rc = FLOW_EAGAIN;
    *wish = -1;
    while (rc == FLOW_EAGAIN) {
        if (poll(&event, 1, -1) < 0 && errno != EINTR)
            return flow_system_fail(err, errno, "cannot wait for the coordinator");
        rc = flow_channel_receive_passed(channel, &notice, wish, err);
    }
    if (rc == FLOW_OK && (notice.kind != FLOW_SAY_FORK || *wish < 0))
        rc = flow_fail(err, FLOW_EPROTO, "the coordinator wants what a nursery does not do");
    return rc;
}

static enum flow_status say_born(int channel, pid_t child)
{
    char pid[24];
    (void)snprintf(pid, sizeof(pid), "%ld", (long)child);
    return flow_channel_send(channel, FLOW_SAY_BORN, FLOW_OK, pid);
}

enum flow_status flow_nurse_serve(int *channel, struct flow_error *err)
{
    if (!is_alone())
        return flow_fail(err, FLOW_EINVAL, "a plugin has started a thread when it was loaded");
    enum flow_status rc = flow_channel_send(*channel, FLOW_SAY_READY, FLOW_OK, NULL);
    while (rc == FLOW_OK) {
        int wish;
        rc = await_wish(*channel, &wish, err);
        const pid_t pid = rc == FLOW_OK ? clone_beside() : 0;
        if (rc == FLOW_OK && pid == 0) {
            close(*channel);
            *channel = wish;
            return FLOW_OK;
        }
        if (pid < 0)
            rc = flow_system_fail(err, errno, "cannot make a process beside this one");
        else if (rc == FLOW_OK)
            rc = say_born(*channel, pid);
        if (wish >= 0)
            close(wish);
    }
    return rc;
}

enum flow_status flow_nurse_await(int channel, size_t *group, struct flow_error *err)
{
    struct flow_notice notice;
    struct pollfd event = {.fd = channel, .events = POLLIN};
    enum flow_status rc = FLOW_EAGAIN;
    while (rc == FLOW_EAGAIN) {
        if (poll(&event, 1, -1) < 0 && errno != EINTR)
            return flow_system_fail(err, errno, "cannot wait for the coordinator");
        rc = flow_channel_receive(channel, &notice, err);
    }
    if (rc != FLOW_OK)
        return rc;
    if (notice.kind != FLOW_SAY_JOIN)
        return flow_fail(err, FLOW_EPROTO, "a spare process was not told what it is");
    *group = strtoull(notice.text, NULL, 10);
    return FLOW_OK;
}

void flow_nurse_rename(char *first, char *last, size_t group, const char *name)
{
    if (last != first + strlen(first) + 1)
        return;
    const size_t room = (size_t)(last - first) + strlen(last) + 1;
    const size_t size = strlen(name) + 1;
    char number[24];
    const int digits = snprintf(number, sizeof(number), "%zu", group);
    if (digits <= 0 || size + (size_t)digits + 1 > room)
        return;
    const size_t width = room - size - 1;
    memset(first, ' ', width - (size_t)digits);
    memcpy(first + width - (size_t)digits, number, (size_t)digits + 1);
    memcpy(first + width + 1, name, size);
}
