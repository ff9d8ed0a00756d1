/* SPDX-License-Identifier: MIT */
#include "soak/closer.h"

#include <errno.h>
#include <unistd.h>

/* Preloaded into a program: lets others close its descriptors, as a faulty plugin might. */

static void take(int signal, siginfo_t *info, void *context)
{
    const int cause = errno;
    (void)signal;
    (void)context;
    (void)close(info->si_value.sival_int);
    errno = cause;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
    (void)sigaction(CLOSER_SIGNAL, &action, NULL);
}
