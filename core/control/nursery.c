/* SPDX-License-Identifier: MIT */
#include "control/nursery.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/channel.h"

/* How long one who needs a process waits for a spare that has been asked for: starting the program
 * takes about as long where the machine is busy. */
#define WAIT_MS 20
#define LAST_WAIT_MS                                                                               \
    300 /* for the pid of one that has been asked for, which is to be waited for                   \
         */

static void put_away(struct flow_crew *crew)
{
    struct flow_death death;
    if (crew->fd < 0)
        return;
    if (crew->pid != 0) {
        (void)flow_process_launcher.force(crew);
        flow_process_launcher.collect(crew, &death);
    } else {
        close(crew->fd); /* without its channel it ends by itself */
    }
    *crew = (struct flow_crew){.fd = -1};
}

static bool is_awaited(const struct flow_nursery *nursery)
{
    return nursery->spare.fd >= 0 && nursery->spare.pid == 0;
}

/* Wait for the pid of the spare that has been asked for. */
static void await_spare(struct flow_nursery *nursery, int timeout_ms)
{
    struct pollfd event = {.fd = nursery->home.fd, .events = POLLIN};
    if (!is_awaited(nursery))
        return;
    while (poll(&event, 1, timeout_ms) < 0 && errno == EINTR)
        continue;
    if (event.revents != 0)
        flow_nursery_hear(nursery);
}

void flow_nursery_close(struct flow_nursery *nursery)
{
    if (nursery->home.fd >= 0)
        await_spare(nursery, LAST_WAIT_MS);
    put_away(&nursery->spare);
    put_away(&nursery->home);
    nursery->ready = false;
}

void flow_nursery_open(struct flow_nursery *nursery, const struct flow_launch *launch)
{
    if (nursery->home.fd >= 0 || nursery->useless)
        return;
    nursery->home = (struct flow_crew){
        .launcher = &flow_process_launcher, .group = FLOW_NURSERY_GROUP, .fd = -1};
    nursery->useless = flow_process_launcher.start(launch, &nursery->home, NULL) != FLOW_OK;
}

int flow_nursery_fd(const struct flow_nursery *nursery)
{
    return nursery->home.fd;
}

/* Ask for a spare. */
static void ask(struct flow_nursery *nursery)
{
    int ends[2];
    if (!nursery->ready || nursery->spare.fd >= 0 || flow_channel_new(ends, NULL) != FLOW_OK)
        return;
    const enum flow_status rc = flow_channel_pass(nursery->home.fd, FLOW_SAY_FORK, ends[1]);
    close(ends[1]);
    if (rc != FLOW_OK) {
        close(ends[0]);
        return;
    }
    nursery->spare = (struct flow_crew){.launcher = &flow_process_launcher, .fd = ends[0]};
}

/* It has gone, or cannot do its work. */
static void give_up(struct flow_nursery *nursery)
{
    nursery->ready = false;
    if (is_awaited(nursery))
        put_away(&nursery->spare);
    put_away(&nursery->home);
}

void flow_nursery_hear(struct flow_nursery *nursery)
{
    struct flow_notice notice;
    const enum flow_status rc = flow_channel_receive(nursery->home.fd, &notice, NULL);
    if (rc == FLOW_EAGAIN)
        return;
    if (rc == FLOW_OK && notice.kind == FLOW_SAY_READY) {
        nursery->ready = true;
        ask(nursery);
        return;
    }
    if (rc == FLOW_OK && notice.kind == FLOW_SAY_BORN && is_awaited(nursery)) {
        nursery->spare.pid = (pid_t)strtol(notice.text, NULL, 10);
        return;
    }
    /* Another one may be begun where this one was killed, not where it says that it cannot. */
    nursery->useless = rc != FLOW_ECLOSED;
    give_up(nursery);
}

bool flow_nursery_give(struct flow_nursery *nursery, struct flow_crew *crew)
{
    char group[24];
    ask(nursery);
    await_spare(nursery, WAIT_MS);
    if (nursery->spare.pid == 0)
        return false;
    (void)snprintf(group, sizeof(group), "%zu", crew->group);
    const bool given =
        flow_channel_send(nursery->spare.fd, FLOW_SAY_JOIN, FLOW_OK, group) == FLOW_OK;
    if (given) {
        crew->fd = nursery->spare.fd;
        crew->pid = nursery->spare.pid;
        nursery->spare = (struct flow_crew){.fd = -1};
    } else {
        put_away(&nursery->spare); /* somebody has killed it */
    }
    ask(nursery);
    return given;
}
