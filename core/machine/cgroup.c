/* SPDX-License-Identifier: MIT */
#include "machine/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

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

int flow_cgroup_numbers(const char *folder, const char *name, long long numbers[2])
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

long long flow_cgroup_entry(const char *folder, const char *name, const char *key)
{
    struct flow_str path = {0};
    struct flow_str text = {0};
    long long found = 0;
    flow_str_addf(&path, "%s/%s", folder, name);
    if (!path.failed && read_file(path.text, &text)) {
        const size_t size = strlen(key);
        char *rest = text.text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            if (strncmp(line, key, size) == 0 && (line[size] == ' ' || line[size] == ':'))
                found = strtoll(line + size + 1, NULL, 10);
        }
    }
    flow_str_clear(&path);
    flow_str_clear(&text);
    return found;
}

/* Inside a container the path may be the host's, and its folders not be there: then only those that
   are count. */
static void walk(const struct flow_cgroup_look *look,
                 void (*see)(void *context, const char *folder), const char *root,
                 const char *mount, const char *group)
{
    struct flow_str path = {0};
    flow_str_addf(&path, "%s%s%s", root, mount, group);
    if (path.failed)
        return;
    const size_t top = strlen(root) + strlen(mount);
    size_t size = path.size;
    for (;;) {
        path.text[size] = '\0';
        see(look->context, path.text);
        if (size <= top)
            break;
        while (size > top && path.text[--size] != '/')
            continue;
    }
    flow_str_clear(&path);
}

static bool is_among(const char *controllers, const char *controller)
{
    const size_t wanted = strlen(controller);
    for (const char *at = controllers; *at != '\0'; at += *at == ',') {
        const size_t size = strcspn(at, ",");
        if (size == wanted && strncmp(at, controller, size) == 0)
            return true;
        at += size;
    }
    return false;
}

/* A line of /proc/self/cgroup: "4:cpu,cpuacct:/group" (version 1) or "0::/group" (version 2). */
static void look_at_line(const char *root, const struct flow_cgroup_look *look, char *line)
{
    static const char *const mounts_v2[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL};
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return;
    *group++ = '\0';
    controllers++;
    const bool first = *controllers != '\0';
    if (first && !is_among(controllers, look->controller))
        return;
    /* A group outside of this namespace is shown as "/../x": nothing of it can be read. */
    if (group[0] != '/' || strstr(group, "/..") != NULL)
        group[0] = '\0';
    for (const char *const *mount = first ? look->mounts_v1 : mounts_v2; *mount != NULL; mount++)
        walk(look, first ? look->see_v1 : look->see_v2, root, *mount, group);
}

void flow_cgroup_walk(const char *root, const struct flow_cgroup_look *look)
{
    struct flow_str path = {0};
    struct flow_str text = {0};
    flow_str_addf(&path, "%s/proc/self/cgroup", root);
    if (!path.failed && read_file(path.text, &text)) {
        char *rest = text.text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;)
            look_at_line(root, look, line);
    }
    flow_str_clear(&path);
    flow_str_clear(&text);
}
