/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_DISK_H
#define SIMULATE_DISK_H

/* The files of the simulated machine: all that lies under this folder. */

#define SIM_ROOT "/simulated/"

#endif /* SIMULATE_DISK_H */
