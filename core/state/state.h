/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_STATE_H
#define FLOW_STATE_STATE_H

/*
 * The state folder of a run: what it goes on from when it was interrupted.
 *
 *     lock                  held by the coordinator (flock), with its pid
 *     members               held, shared, by each other process of the run
 *     checkpoint-12.json    a manifest; the last two are kept
 *     state-12-3            what replica 3 has saved at checkpoint 12
 *     end-10-3              ... when it had nothing more to do, in a run that went on from 10
 *
 * A checkpoint exists from the moment in which its manifest has its name, and not before: the
 * manifest is written last, under another name, and everything that it speaks of is on the disk by
 * then.  One that turns out to be damaged is left out, and the one before it is taken.
 *
 * Threads: one owner, but for `path` and `fd`, which may be read by all.
 */

#include "state/manifest.h"

struct flow_state {
    const struct flow_disk *disk;
    char *path;
    int fd;         /* of the folder; -1: not open */
    int lock;       /* of its lock; -1: not held */
    uint64_t last;  /* the newest epoch that has a manifest; 0: none */
    uint64_t older; /* the one before it that is kept; 0: none */
};

#define FLOW_STATE_NONE                                                                            \
    {                                                                                              \
        .fd = -1, .lock = -1                                                                       \
    }

/*
 * Make the folder, if it is not there, and lock it.  Waits for what is left of a run that has died
 * to be gone.  FLOW_EIO, also if another run holds it, with that run's pid; FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_state_open(const char *path, const struct flow_disk *disk,
                                                struct flow_state *state, struct flow_error *err);
void flow_state_close(struct flow_state *state);

/* Wait until no process of the run, or of one that has died, is there any more.  FLOW_EIO. */
FLOW_NODISCARD enum flow_status flow_state_wait(const struct flow_state *state,
                                                struct flow_error *err);

/*
 * In a process of the run: hold the folder as long as the process lives, so that nobody goes on
 * while it might still write.  The descriptor of the folder goes to `fd`.  FLOW_EIO.
 */
FLOW_NODISCARD enum flow_status flow_state_join(const char *path, int *fd, struct flow_error *err);

/*
 * The newest checkpoint that is whole.  FLOW_ENOENT: there is none.  What is damaged is removed,
 * and `said` gets a line for each (to be cleared by the caller).  FLOW_EIO: there are some, but all
 * are damaged; FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_state_load(struct flow_state *state,
                                                struct flow_manifest *manifest,
                                                struct flow_str *said, struct flow_error *err);

/* The manifest of just this epoch, for the other processes of a run. */
FLOW_NODISCARD enum flow_status flow_state_read(int fd, uint64_t epoch,
                                                struct flow_manifest *manifest,
                                                struct flow_error *err);

/* Make a checkpoint, whose blobs are on the disk; then remove what is older than the one before.
 * FLOW_EIO, FLOW_ENOMEM: it may or may not exist. */
FLOW_NODISCARD enum flow_status flow_state_commit(struct flow_state *state,
                                                  const struct flow_manifest *manifest,
                                                  struct flow_error *err);

/*
 * Remove all checkpoints: the run begins anew.  With `keep_spools`, what producers have put into
 * their spools (state/spool.h) stays and is emitted.
 */
FLOW_NODISCARD enum flow_status flow_state_reset(struct flow_state *state, bool keep_spools,
                                                 struct flow_error *err);

/* Do spools of an interrupted run lie there? */
FLOW_NODISCARD enum flow_status flow_state_look_for_spools(const struct flow_state *state,
                                                           bool *there, struct flow_error *err);

/*
 * The name of a replica's blob; `finished` ones are named by the session.  Each process that takes
 * another's place has names of its own: what the former one has saved may be in a checkpoint
 * already.
 */
void flow_state_blob_name(uint64_t epoch, size_t replica, bool finished, unsigned incarnation,
                          char name[FLOW_BLOB_NAME]);

#endif /* FLOW_STATE_STATE_H */
