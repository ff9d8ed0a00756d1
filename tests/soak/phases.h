/* SPDX-License-Identifier: MIT */
#ifndef SOAK_PHASES_H
#define SOAK_PHASES_H

/*
 * In which phase of its checkpoints a run is, as its state folder shows it from outside.
 *
 *     state-N-R appears          a replica has begun to save: aligning
 *     checkpoint.new appears     the manifest is being written: committing
 *     ... gets its name          still committing, until the folder is synced: the next removal,
 *                                or a moment later
 *     its replicas are all done  after the end of stream
 */

#include <stdbool.h>
#include <stdint.h>

enum phase {
    PHASE_BEFORE,     /* there is no checkpoint yet */
    PHASE_BETWEEN,    /* there is one, and none is being made */
    PHASE_ALIGNING,   /* some replicas have saved */
    PHASE_COMMITTING, /* the manifest is being written */
    PHASE_DRAINING,   /* the run was asked to stop */
    PHASE_ENDED,      /* the checkpoint that says that all is done exists */
    PHASE_COUNT,
};

/* What has been seen; the counters tell one event from the next. */
struct phases {
    int fd; /* an inotify of the folder */
    int folder;
    bool exists, aligning, committing, final, asked;
    int64_t named_ns;                /* a manifest has just got its name; 0: that is over */
    unsigned saves, begins, commits; /* states, manifests begun, manifests named */
};

int64_t now_ns(void);

/* Watch the folder, which must exist, from what is in it now.  False: see errno. */
bool phases_open(struct phases *phases, const char *folder);
void phases_close(struct phases *phases);

/* Take in what has happened since; does not wait. */
void phases_look(struct phases *phases);

/* Wait for something to take in: 0; -1: there is nothing, and `ended_fd` has become readable. */
int phases_wait(const struct phases *phases, int ended_fd);

/* The phase at a time not before the last look, as far as is known. */
enum phase phases_at(const struct phases *phases, int64_t at_ns);

/* "before", "between", ...; and back, PHASE_COUNT: unknown. */
const char *phase_name(enum phase phase);
enum phase phase_named(const char *name);

#endif /* SOAK_PHASES_H */
