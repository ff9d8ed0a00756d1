/* SPDX-License-Identifier: MIT */
#ifndef SOAK_MARKED_H
#define SOAK_MARKED_H

/*
 * A command and every process that stems from it, found by a mark in their environment: orphans
 * keep it when they have lost their parent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct marked {
    char mark[64]; /* "SOAK_MARK=..." */
    pid_t pid;     /* the command itself */
    int pidfd;
};

int64_t now_ms(void);

/* Start the command with a mark of its own.  False: see errno. */
bool marked_start(struct marked *marked, char *const argv[]);

/* Wait until the command ends, at most so long (< 0: for ever); false: it goes on. */
bool marked_ends(const struct marked *marked, int timeout_ms);

/* Its wait status, once it has ended. */
int marked_status(const struct marked *marked);

/* All processes with the mark that are alive, at most `most`; returns how many. */
size_t marked_find(const struct marked *marked, pid_t *pids, size_t most);

/* The child of the command whose command line ends with `label`; 0: none. */
pid_t marked_labelled(const struct marked *marked, const char *label);

/* Wait until no process has the mark, at most so long; returns how many are left. */
size_t marked_gone(const struct marked *marked, int timeout_ms);

/* Resident set of all of them [KiB], shared pages counted in each. */
uint64_t marked_rss_kib(const struct marked *marked);

void marked_kill_all(const struct marked *marked);

#endif /* SOAK_MARKED_H */
