/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_ROTATION_H
#define FLOW_STAGES_ROTATION_H

/*
 * One file after the other: when the next one begins, what it is called, how many are kept.
 *
 * In a run without checkpoints a file that is complete gets its name at once.  With them it waits,
 * written through, under PATH.part-STAGE-NUMBER, where PATH is the text of the parameter:
 *
 *     begin ──> end ──> waiting ──> save (a checkpoint holds its name and length) ──> commit: shown
 *
 * A run that goes on finds the waiting ones, goes on with the one that was open, and removes those
 * that were begun after the checkpoint: their numbers follow on the last one that it knows.
 *
 * Threads: the stage's.  Memory: flow_rotation_clear frees everything.
 */

#include "lines/outfile.h"
#include "lines/series.h"

/* A file that is complete and has no name yet. */
struct flow_rotated {
    char *target, *part;
    uint64_t length;
};

struct flow_rotation {
    uint64_t size; /* bytes of records in a file, before compression; 0: any number */
    int64_t every; /* a file is for so long [ns]; 0: for ever */
    uint64_t keep; /* files that stay; 0: all */
    struct flow_series series;
    uint64_t number; /* {n} of the file that was begun last */
    uint64_t begun;  /* files, all in all: the number of the open one's part */
    int64_t ends;    /* when the open one's time is over [ns since 1970]; INT64_MAX: never */
    struct flow_rotated *waiting;
    size_t count, capacity;
    size_t saved; /* so many of them are in the last checkpoint */
};

/* `size`, `every` and `keep` are set: check them and the path, and see which files there are. */
enum flow_status flow_rotation_init(struct flow_rotation *rotation, struct flow_stage *stage,
                                    const char *path);

/* Nanoseconds since 1970, by the clock on the wall. */
int64_t flow_rotation_now(void);

/* Begin the next file, at this time. */
enum flow_status flow_rotation_begin(struct flow_rotation *rotation, struct flow_stage *stage,
                                     struct flow_outfile *file, int64_t now);

/* The open file is complete, and closed afterwards. */
enum flow_status flow_rotation_end(struct flow_rotation *rotation, struct flow_stage *stage,
                                   struct flow_outfile *file);

enum flow_status flow_rotation_save(struct flow_rotation *rotation, const struct flow_outfile *file,
                                    struct flow_saver *to);
enum flow_status flow_rotation_restore(struct flow_rotation *rotation, struct flow_stage *stage,
                                       struct flow_outfile *file, struct flow_loader *from);

/* What the last checkpoint held gets its name. */
enum flow_status flow_rotation_commit(struct flow_rotation *rotation, struct flow_stage *stage);

void flow_rotation_clear(struct flow_rotation *rotation);

#endif /* FLOW_STAGES_ROTATION_H */
