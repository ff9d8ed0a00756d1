/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_OUTFILE_H
#define FLOW_STAGES_OUTFILE_H

/*
 * A file that appears under its name when it is complete.  Until then what is written lies beside
 * it: in NAME.part-PID-N, or, in a run that takes checkpoints, under a name that the next run finds
 * again, and then locked.
 *
 *     open, begin ──> write ... ──> sync ──> ... ──> show
 *       reopen ───┘    (a checkpoint)
 *
 * Threads: the stage's.  Memory: names are the struct's own; flow_outfile_close frees them.
 */

#include <flowrun/stage.h>

/* All zeros are no file. */
struct flow_outfile {
    int fd;
    bool writing;     /* fd is open */
    const char *name; /* for messages; borrowed, or the target */
    char *target;     /* what the temporary file becomes; NULL: written directly */
    char *temporary;  /* exists as long as this is not NULL and the file is open */
    bool named;       /* the folder holds the temporary file's name for good */
    bool patient;     /* on a disk that is full, wait for room */
    uint64_t length;  /* at the last checkpoint */
};

/*
 * Open the file of this path: what cannot be replaced is opened to be written directly.  In a run
 * that goes on only its names are known afterwards, and flow_outfile_reopen follows.
 */
enum flow_status flow_outfile_open(struct flow_outfile *file, struct flow_stage *stage,
                                   const char *path);

/* Begin a file of these names, which are taken.  `part`: NULL in a run without checkpoints. */
enum flow_status flow_outfile_begin(struct flow_outfile *file, struct flow_stage *stage,
                                    char *target, char *part);

/* Go on with it, as long as file->length says. */
enum flow_status flow_outfile_reopen(struct flow_outfile *file, struct flow_stage *stage);

enum flow_status flow_outfile_write(const struct flow_outfile *file, struct flow_stage *stage,
                                    const void *data, size_t size);

/* All that was written is on the disk, under a name that lasts; file->length is how much. */
enum flow_status flow_outfile_sync(struct flow_outfile *file, struct flow_stage *stage);

/* It is complete: it gets its name, and is closed. */
enum flow_status flow_outfile_show(struct flow_outfile *file, struct flow_stage *stage);

/* What a file is called in a run with checkpoints until it is complete; to be freed; NULL: no
 * memory. */
char *flow_outfile_part(const struct flow_stage *stage, const char *target);

/* Close it and forget it; what is not complete is removed unless it is to be gone on with. */
void flow_outfile_close(struct flow_outfile *file, const struct flow_stage *stage);

#endif /* FLOW_STAGES_OUTFILE_H */
