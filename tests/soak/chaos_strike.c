/* SPDX-License-Identifier: MIT */
#include "soak/chaos_tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "soak/closer.h"

#define FDS_MOST 256

unsigned chance(struct life *life, unsigned below)
{
    return below > 0 ? (unsigned)rand_r(&life->seed) % below : 0;
}

/* ---- whom ---- */

/* One of the names between the commas of `labels`. */
static void pick_label(struct life *life, const char *labels, char *label, size_t size)
{
    unsigned count = 1;
    for (const char *at = labels; *at != '\0'; at++)
        count += *at == ',';
    for (unsigned skip = chance(life, count); skip > 0; skip--)
        labels = strchr(labels, ',') + 1;
    snprintf(label, size, "%.*s", (int)strcspn(labels, ","), labels);
}

/* 0: it is not there, yet or any more. */
static pid_t pick_victim(struct life *life, struct done *done)
{
    if (strcmp(life->plan.victim, "all") == 0 || strcmp(life->plan.victim, "run") == 0) {
        snprintf(done->victim, sizeof(done->victim), "%s", life->plan.victim);
        return life->run.pid;
    }
    pick_label(life, life->plan.victim, done->victim, sizeof(done->victim));
    return marked_labelled(&life->run, done->victim);
}

/* ---- what ---- */

static bool do_kill(const struct life *life, pid_t pid)
{
    return kill(strcmp(life->plan.victim, "all") == 0 ? -pid : pid, SIGKILL) == 0;
}

static bool do_stop(struct life *life, pid_t pid, struct done *done)
{
    const int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0 || pidfd_send_signal(pidfd, SIGSTOP, NULL, 0) != 0)
        return false;
    (void)pass(life, (int64_t)life->plan.hold_ms * 1000000);
    struct pollfd dead = {.fd = pidfd, .events = POLLIN};
    done->outlived = poll(&dead, 1, 0) == 0;
    (void)pidfd_send_signal(pidfd, SIGCONT, NULL, 0);
    close(pidfd);
    return true;
}

/* Take all the room there is, and give it back after a while. */
static bool do_full(struct life *life)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/ballast", life->plan.disk);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    off_t size = 0;
    for (off_t step = (off_t)1 << 26; fd >= 0 && step >= 1024;) {
        if (posix_fallocate(fd, size, step) == 0)
            size += step;
        else
            step /= 2;
    }
    if (fd < 0)
        return false;
    (void)pass(life, (int64_t)life->plan.hold_ms * 1000000);
    close(fd);
    return unlink(path) == 0;
}

/* No descriptor more than there are. */
static bool do_limit(struct life *life, pid_t pid)
{
    struct rlimit before;
    if (prlimit(pid, RLIMIT_NOFILE, NULL, &before) != 0)
        return false;
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    if (prlimit(pid, RLIMIT_NOFILE, &none, NULL) != 0)
        return false;
    (void)pass(life, (int64_t)life->plan.hold_ms * 1000000);
    (void)prlimit(pid, RLIMIT_NOFILE, &before, NULL);
    return true;
}

static int pick_descriptor(struct life *life, pid_t pid)
{
    int found[FDS_MOST];
    unsigned count = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry;
         folder != NULL && count < FDS_MOST && (entry = readdir(folder)) != NULL;) {
        if (atoi(entry->d_name) > STDERR_FILENO)
            found[count++] = atoi(entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    return count > 0 ? found[chance(life, count)] : -1;
}

static bool do_close(struct life *life, pid_t pid, struct done *done)
{
    const union sigval fd = {.sival_int = pick_descriptor(life, pid)};
    char path[64];
    char target[128] = "";
    snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pid, fd.sival_int);
    const ssize_t size = fd.sival_int >= 0 ? readlink(path, target, sizeof(target) - 1) : -1;
    const size_t used = strlen(done->victim);
    snprintf(done->victim + used, sizeof(done->victim) - used, " %d %.*s", fd.sival_int,
             (int)(size > 0 ? size : 0), target);
    return size > 0 && sigqueue(pid, CLOSER_SIGNAL, fd) == 0;
}

struct done strike(struct life *life)
{
    struct done done = {0};
    const char *fault = life->plan.fault;
    const pid_t pid = pick_victim(life, &done);
    if (pid == 0)
        return done;
    phases_look(&life->phases);
    done.at_ns = now_ns();
    done.phase = phases_at(&life->phases, done.at_ns);
    if (strcmp(fault, "kill") == 0)
        done.struck = do_kill(life, pid);
    else if (strcmp(fault, "stop") == 0)
        done.struck = do_stop(life, pid, &done);
    else if (strcmp(fault, "full") == 0)
        done.struck = do_full(life);
    else if (strcmp(fault, "limit") == 0)
        done.struck = do_limit(life, pid);
    else
        done.struck = do_close(life, pid, &done);
    return done;
}
