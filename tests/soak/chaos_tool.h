/* SPDX-License-Identifier: MIT */
#ifndef SOAK_CHAOS_TOOL_H
#define SOAK_CHAOS_TOOL_H

/* What the parts of chaos_tool share: one life of a run, and what is done to it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>

#include "soak/marked.h"
#include "soak/phases.h"

/* What was asked for. */
struct plan {
    const char *state, *fault, *victim, *disk;
    enum phase phase; /* PHASE_COUNT: any */
    int calm_ms, hold_ms;
    unsigned seed;
};

struct life {
    struct plan plan;
    struct marked run;
    struct phases phases;
    unsigned seed;
};

/* What came of it. */
struct done {
    bool struck;
    bool outlived; /* stopped, it was there when it should go on */
    enum phase phase;
    int64_t at_ns;
    char victim[256];
};

int chaos_complain(const char *what);

/* From 0 on, below `below`. */
unsigned chance(struct life *life, unsigned below);

/* Let the run go on for so long; false: it ended before. */
bool pass(struct life *life, int64_t ns);

/* Do it. */
struct done strike(struct life *life);

/* chaos_tool labels */
int print_labels(const char *explained, const char *kind);

#endif /* SOAK_CHAOS_TOOL_H */
