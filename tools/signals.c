/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t pipe_in = -1;
static volatile sig_atomic_t last;
static volatile sig_atomic_t count;

static void on_signal(int number)
{
    const int saved = errno;
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
