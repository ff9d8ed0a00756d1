/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_LINES_H
#define SIMULATE_LINES_H

/*
 * Graphs of the stages that come with flowrun: the lines of a file, through some workers that pass
 * them on, into another, and their number into a third.  What must come of them is plain.
 */

#include "random/compare.h"
#include "simulate/chance.h"

struct sim_lines {
    char *input; /* what the file to be read holds */
    size_t size;
    uint64_t count;
    bool counts; /* there is a third file */
};

/* Make one; the graph's text, to be freed. */
char *sim_lines_new(struct sim_lines *lines, uint64_t seed);
void sim_lines_clear(struct sim_lines *lines);

/* Write the file that is read. */
void sim_lines_write(const struct sim_lines *lines);

/* With `whole`, the output must be there; else it may be missing. */
bool sim_lines_agree(const struct sim_lines *lines, bool whole, struct rt_verdict *verdict);

#endif /* SIMULATE_LINES_H */
