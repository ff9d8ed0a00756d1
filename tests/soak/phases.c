/* SPDX-License-Identifier: MIT */
#include "soak/phases.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define SYNC_NS 1000000 /* the folder is synced within that, as far as we believe */
#define MANIFEST_MOST 65536
#define IN_WRITTEN (IN_CREATE | IN_MODIFY) /* what was there before is not created once more */

static const char *const names[PHASE_COUNT] = {
    "before", "between", "aligning", "committing", "draining", "ended",
};

const char *phase_name(enum phase phase)
{
    return names[phase];
}

enum phase phase_named(const char *name)
{
    enum phase phase = PHASE_BEFORE;
    while (phase < PHASE_COUNT && strcmp(names[phase], name) != 0)
        phase++;
    return phase;
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_manifest(const char *name)
{
    const size_t size = strlen(name);
    return strncmp(name, "checkpoint-", 11) == 0 && strcmp(name + size - 5, ".json") == 0;
}

/* Does the manifest say that no replica has anything left to do? */
static bool is_final(const struct phases *phases, const char *name)
{
    static char text[MANIFEST_MOST];
    const int fd = openat(phases->folder, name, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0 && strstr(text, "\"finished\":false") == NULL;
}

static void take(struct phases *phases, const struct inotify_event *event)
{
    const char *name = event->name;
    if ((event->mask & IN_DELETE) != 0) {
        phases->named_ns = 0;
    } else if ((event->mask & IN_WRITTEN) != 0 && strncmp(name, "state-", 6) == 0) {
        phases->saves += !phases->aligning;
        phases->aligning = true;
    } else if ((event->mask & IN_WRITTEN) != 0 && strcmp(name, "checkpoint.new") == 0) {
        phases->begins += !phases->committing;
        phases->committing = true;
        phases->aligning = false;
    } else if ((event->mask & IN_MOVED_TO) != 0 && is_manifest(name)) {
        phases->committing = false;
        phases->exists = true;
        phases->named_ns = now_ns();
        phases->commits++;
        phases->final = phases->final || is_final(phases, name);
    }
}

static bool begin(struct phases *phases)
{
    const int copy = dup(phases->folder);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (folder == NULL)
        return false;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        phases->exists = phases->exists || is_manifest(entry->d_name);
        phases->final =
            phases->final || (is_manifest(entry->d_name) && is_final(phases, entry->d_name));
    }
    return closedir(folder) == 0;
}

bool phases_open(struct phases *phases, const char *folder)
{
    *phases = (struct phases){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    phases->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return phases->fd >= 0 && phases->folder >= 0 &&
           inotify_add_watch(phases->fd, folder, IN_WRITTEN | IN_MOVED_TO | IN_DELETE) >= 0 &&
           begin(phases);
}

void phases_close(struct phases *phases)
{
    close(phases->fd);
    close(phases->folder);
}

void phases_look(struct phases *phases)
{
    _Alignas(struct inotify_event) char bytes[16384];
    for (ssize_t size; (size = read(phases->fd, bytes, sizeof(bytes))) > 0;) {
        for (char *at = bytes; at < bytes + size;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            if (event->len > 0)
                take(phases, event);
            at += sizeof(*event) + event->len;
        }
    }
}

int phases_wait(const struct phases *phases, int ended_fd)
{
    struct pollfd fds[] = {{.fd = phases->fd, .events = POLLIN},
                           {.fd = ended_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0)
        continue;
    return fds[0].revents != 0 ? 0 : -1;
}

enum phase phases_at(const struct phases *phases, int64_t at_ns)
{
    if (phases->committing || (phases->named_ns != 0 && at_ns - phases->named_ns < SYNC_NS))
        return PHASE_COMMITTING;
    if (phases->final)
        return PHASE_ENDED;
    if (phases->asked)
        return PHASE_DRAINING;
    if (phases->aligning)
        return PHASE_ALIGNING;
    return phases->exists ? PHASE_BETWEEN : PHASE_BEFORE;
}
