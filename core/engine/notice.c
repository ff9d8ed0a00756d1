/* SPDX-License-Identifier: MIT */
#include "engine/notice.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum flow_status flow_notice_open(struct flow_task *task, struct flow_error *err)
{
    task->notice_fd = -1;
    if (task->env->epochs == NULL)
        return FLOW_OK;
    task->epoch = task->committed = task->env->epochs->session;
    task->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return task->notice_fd >= 0
               ? FLOW_OK
               : flow_fail(err, FLOW_EIO, "cannot make an eventfd: %s", strerror(errno));
}

void flow_notice_close(struct flow_task *task)
{
    if (task->notice_fd >= 0)
        (void)close(task->notice_fd);
    task->notice_fd = -1;
}

void flow_task_notice(const struct flow_task *task)
{
    const uint64_t one = 1;
    while (task->notice_fd >= 0 && write(task->notice_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

void flow_notice_take(const struct flow_task *task)
{
    uint64_t count;
    const ssize_t got = read(task->notice_fd, &count, sizeof(count));
    (void)got;
}
