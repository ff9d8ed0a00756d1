/* SPDX-License-Identifier: MIT */
#ifndef SOAK_CLOSER_H
#define SOAK_CLOSER_H

/* Queued to a process that has preloaded soak/closer.c, with a descriptor, it closes that. */
#include <signal.h>

#define CLOSER_SIGNAL (SIGRTMIN + 7)

#endif /* SOAK_CLOSER_H */
