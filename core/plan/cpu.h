/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_CPU_H
#define FLOW_PLAN_CPU_H

/*
 * The CPU quota of the control group that this process is in, and of those around it: the least of
 * them, in cores, rounded up; 0: there is none.  Both hierarchies are read, version 2 (cpu.max) and
 * version 1 (cpu.cfs_quota_us, cpu.cfs_period_us), where Debian and containers mount them.  What
 * cannot be read counts as no quota.
 *
 * `root` stands for "/": a test gives a folder with a tree of its own.
 */
unsigned flow_cpu_quota(const char *root);

#endif /* FLOW_PLAN_CPU_H */
