/* SPDX-License-Identifier: MIT */
#include "plan/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan.h"

/* Where the folders of a hierarchy lie, and how its quota is written. */
struct hierarchy {
    const char *mounts[3]; /* NULL ends the list */
    unsigned (*quota)(const char *folder);
};

static bool read_file(const char *path, struct flow_str *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof(chunk))) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0)
            flow_str_add_bytes(out, chunk, (size_t)got);
    }
    (void)close(fd);
    return got == 0 && out->text != NULL && !out->failed;
}

/* The numbers at the start of folder/name, at most two; returns how many there are. */
static int read_numbers(const char *folder, const char *name, long long numbers[2])
{
    struct flow_str path = {0};
    struct flow_str text = {0};
    int found = 0;
    flow_str_addf(&path, "%s/%s", folder, name);
    if (!path.failed && read_file(path.text, &text)) {
        const char *at = text.text;
        char *end = NULL;
        for (; found < 2; found++, at = end) {
            errno = 0;
            numbers[found] = strtoll(at, &end, 10);
            if (end == at || errno != 0)
                break;
        }
    }
    flow_str_clear(&path);
    flow_str_clear(&text);
    return found;
}

static unsigned cores(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return 0;
    const long long whole = quota_us / period_us + (quota_us % period_us != 0);
    return whole < UINT_MAX ? (unsigned)whole : 0;
}

/* Version 2: "50000 100000", or "max 100000" for no quota. */
static unsigned quota_v2(const char *folder)
{
    long long numbers[2];
    return read_numbers(folder, "cpu.max", numbers) == 2 ? cores(numbers[0], numbers[1]) : 0;
}

/* Version 1: a quota of -1 is none. */
static unsigned quota_v1(const char *folder)
{
    long long quota[2];
    long long period[2];
    if (read_numbers(folder, "cpu.cfs_quota_us", quota) == 0 ||
        read_numbers(folder, "cpu.cfs_period_us", period) == 0)
        return 0;
    return cores(quota[0], period[0]);
}

static unsigned least(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* The least quota of a group and of all around it.  Inside a container the path may be the host's,
   and its folders not be there: then only those that are count. */
static unsigned walk(const struct hierarchy *hierarchy, const char *root, const char *mount,
                     const char *group)
{
    struct flow_str path = {0};
    flow_str_addf(&path, "%s%s%s", root, mount, group);
    if (path.failed)
        return 0;
    const size_t top = strlen(root) + strlen(mount);
    unsigned found = 0;
    size_t size = path.size;
    for (;;) {
        path.text[size] = '\0';
        found = least(found, hierarchy->quota(path.text));
        if (size <= top)
            break;
        while (size > top && path.text[--size] != '/')
            continue;
    }
    flow_str_clear(&path);
    return found;
}

static bool names_cpu(const char *controllers)
{
    for (const char *at = controllers; *at != '\0'; at += *at == ',') {
        const size_t size = strcspn(at, ",");
        if (size == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
        at += size;
    }
    return false;
}

/* A line of /proc/self/cgroup: "4:cpu,cpuacct:/group" (version 1) or "0::/group" (version 2). */
static unsigned line_quota(const char *root, char *line)
{
    static const struct hierarchy v1 = {{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", NULL},
                                        quota_v1};
    static const struct hierarchy v2 = {{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL},
                                        quota_v2};
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return 0;
    *group++ = '\0';
    controllers++;
    if (*controllers != '\0' && !names_cpu(controllers))
        return 0;
    /* A group outside of this namespace is shown as "/../x": nothing of it can be read. */
    if (group[0] != '/' || strstr(group, "/..") != NULL)
        group[0] = '\0';

    const struct hierarchy *hierarchy = *controllers != '\0' ? &v1 : &v2;
    unsigned found = 0;
    for (const char *const *mount = hierarchy->mounts; *mount != NULL; mount++)
        found = least(found, walk(hierarchy, root, *mount, group));
    return found;
}

unsigned flow_cpu_quota(const char *root)
{
    struct flow_str path = {0};
    struct flow_str text = {0};
    unsigned found = 0;
    flow_str_addf(&path, "%s/proc/self/cgroup", root);
    if (!path.failed && read_file(path.text, &text)) {
        char *rest = text.text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;)
            found = least(found, line_quota(root, line));
    }
    flow_str_clear(&path);
    flow_str_clear(&text);
    return found;
}

/* The mask of the kernel has an unknown size: EINVAL says that ours is too small. */
static unsigned affinity(void)
{
    for (size_t size = sizeof(cpu_set_t); size <= sizeof(cpu_set_t) << 10; size *= 2) {
        cpu_set_t *set = flow_alloc(size);
        if (set == NULL)
            return 0;
        const int rc = sched_getaffinity(0, size, set);
        const int fault = errno;
        const int count = rc == 0 ? CPU_COUNT_S(size, set) : 0;
        free(set);
        if (rc == 0 || fault != EINVAL)
            return (unsigned)count;
    }
    return 0;
}

unsigned flow_cpu_count(void)
{
    unsigned count = affinity();
    if (count == 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        count = online > 0 ? (unsigned)online : 1;
    }
    return least(count, flow_cpu_quota(""));
}
