/* SPDX-License-Identifier: MIT */
#ifndef FLOW_MACHINE_ROOM_H
#define FLOW_MACHINE_ROOM_H

/*
 * How much memory can still be had here: the least of what the machine has available, swap
 * included, what the control group of this process and those around it leave (memory.max,
 * memory.limit_in_bytes; file pages that nobody has touched lately count as free), and, for a run
 * that is all in this process, the limit of its address room (ulimit -v).
 *
 * Threads: pure, but for the files that are read.
 */

#include <stdbool.h>
#include <stdint.h>

struct flow_room {
    uint64_t bytes;   /* UINT64_MAX: it is not known */
    const char *what; /* whose limit that is, for people; static */
};

/* `root` stands for "/": a test gives a folder with a tree of its own. */
struct flow_room flow_room_find(const char *root, bool in_one_process);

#endif /* FLOW_MACHINE_ROOM_H */
