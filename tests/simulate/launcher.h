/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_LAUNCHER_H
#define SIMULATE_LAUNCHER_H

/*
 * The launcher of simulated processes, in place of control/launch_process.c: what it starts does
 * what control/worker.c does, but for reading the graph again.
 */

struct sim_world;

/* The state folder of the run, as its processes are told; NULL: it takes no checkpoints. */
void sim_launcher_use(const char *state);

#endif /* SIMULATE_LAUNCHER_H */
