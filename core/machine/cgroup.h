/* SPDX-License-Identifier: MIT */
#ifndef FLOW_MACHINE_CGROUP_H
#define FLOW_MACHINE_CGROUP_H

/*
 * The control groups that this process is in, for whoever wants to know a limit of theirs: both
 * hierarchies, version 2 and version 1, where Debian and containers mount them.
 *
 * `root` stands for "/": a test gives a folder with a tree of its own.
 *
 * Threads: pure, but for the files that are read.
 */

struct flow_cgroup_look {
    const char *controller;       /* "cpu" */
    const char *const *mounts_v1; /* where version 1 of it is mounted; NULL ends the list */
    /* Called with each folder of a group, the process's own first, then those around it. */
    void (*see_v2)(void *context, const char *folder);
    void (*see_v1)(void *context, const char *folder);
    void *context;
};

/* What cannot be read is passed over. */
void flow_cgroup_walk(const char *root, const struct flow_cgroup_look *look);

/* The numbers that folder/name begins with, at most two; returns how many there are. */
int flow_cgroup_numbers(const char *folder, const char *name, long long numbers[2]);

/* The number behind the word `key` in folder/name, which has a word and a number a line; 0: none.
 */
long long flow_cgroup_entry(const char *folder, const char *name, const char *key);

#endif /* FLOW_MACHINE_CGROUP_H */
