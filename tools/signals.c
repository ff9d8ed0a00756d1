/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t pipe_in = -1;
static volatile sig_atomic_t last;
static volatile sig_atomic_t count;
static struct timespec last_time; /* written and read by the handler alone */

/*
 * timeout(1) and some service managers signal a process and then its group, so that one wish comes
 * twice: the same signal again within a tenth of a second is not another.
 */
static bool is_echo(int number)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const long long passed_ms = (long long)(now.tv_sec - last_time.tv_sec) * 1000 +
                                (now.tv_nsec - last_time.tv_nsec) / 1000000;
    const bool echo = count > 0 && number == last && passed_ms < 100;
    if (!echo)
        last_time = now;
    return echo;
}

static void on_signal(int number)
{
    const int saved = errno;
    if (is_echo(number)) {
        errno = saved;
        return;
    }
    last = number;
    count = count + 1;
    if (count >= 2) {
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
    }
    const char byte = 's';
    const ssize_t size = write(pipe_in, &byte, 1); /* a full pipe holds enough of them */
    (void)size;
    errno = saved;
}

int signals_catch(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    pipe_in = ends[1];

    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigaddset(&action.sa_mask, SIGINT);
    (void)sigaddset(&action.sa_mask, SIGTERM);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    return ends[0];
}

int signals_last(void)
{
    return last;
}
