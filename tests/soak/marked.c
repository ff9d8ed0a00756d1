/* SPDX-License-Identifier: MIT */
#include "soak/marked.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

extern char **environ;

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool marked_start(struct marked *marked, char *const argv[])
{
    snprintf(marked->mark, sizeof(marked->mark), "SOAK_MARK=%ld.%lld", (long)getpid(),
             (long long)now_ms());
    char *mark = strdup(marked->mark);
    if (mark == NULL || putenv(mark) != 0) /* it is part of the environment now */
        return false;
    const int cause = posix_spawnp(&marked->pid, argv[0], NULL, NULL, argv, environ);
    unsetenv("SOAK_MARK");
    free(mark);
    errno = cause;
    if (cause != 0)
        return false;
    marked->pidfd = pidfd_open(marked->pid, 0);
    return marked->pidfd >= 0;
}

static bool ends(int pidfd, int timeout_ms)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    return poll(&ended, 1, timeout_ms) > 0;
}

bool marked_ends(const struct marked *marked, int timeout_ms)
{
    return ends(marked->pidfd, timeout_ms);
}

int marked_status(const struct marked *marked)
{
    int status = 0;
    waitpid(marked->pid, &status, 0);
    return status;
}

/* A file of /proc with its zeros, at most `size` bytes; returns how many. */
static size_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    FILE *file = fopen(path, "rb");
    const size_t got = file != NULL ? fread(buf, 1, size, file) : 0;
    if (file != NULL)
        fclose(file);
    return got;
}

static bool has_mark(const struct marked *marked, pid_t pid)
{
    static char text[1 << 17];
    const size_t size = read_proc(pid, "environ", text, sizeof(text));
    return size > 0 && memmem(text, size, marked->mark, strlen(marked->mark)) != NULL;
}

size_t marked_find(const struct marked *marked, pid_t *pids, size_t most)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && count < most && (entry = readdir(proc)) != NULL;) {
        const pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (pid > 0 && has_mark(marked, pid))
            pids[count++] = pid;
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

static bool is_labelled(pid_t pid, const char *label)
{
    char line[4096];
    const size_t length = strlen(label) + 1;
    const size_t size = read_proc(pid, "cmdline", line, sizeof(line));
    return size > length && memcmp(line + size - length, label, length) == 0 &&
           line[size - length - 1] == 0;
}

/* Among the children of the command: to look at all processes would cost those under test time. */
pid_t marked_labelled(const struct marked *marked, const char *label)
{
    char name[32];
    char children[1 << 15];
    snprintf(name, sizeof(name), "task/%ld/children", (long)marked->pid);
    const size_t size = read_proc(marked->pid, name, children, sizeof(children) - 1);
    children[size] = 0;
    char *rest = children;
    for (char *child; (child = strsep(&rest, " ")) != NULL;) {
        const pid_t pid = atoi(child);
        if (pid > 0 && is_labelled(pid, label))
            return pid;
    }
    return 0;
}

size_t marked_gone(const struct marked *marked, int timeout_ms)
{
    const int64_t until = now_ms() + timeout_ms;
    for (;;) {
        pid_t pids[MOST];
        const size_t count = marked_find(marked, pids, MOST);
        const int64_t left = until - now_ms();
        if (count == 0 || left <= 0)
            return count;
        const int pidfd = pidfd_open(pids[0], 0);
        if (pidfd >= 0) {
            ends(pidfd, (int)left);
            close(pidfd);
        }
    }
}

uint64_t marked_rss_kib(const struct marked *marked)
{
    pid_t pids[MOST];
    const size_t count = marked_find(marked, pids, MOST);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        char text[128] = "";
        text[read_proc(pids[i], "statm", text, sizeof(text) - 1)] = 0;
        const char *resident = strchr(text, ' ');
        if (resident != NULL)
            sum += strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    }
    return sum;
}

void marked_kill_all(const struct marked *marked)
{
    pid_t pids[MOST];
    const size_t count = marked_find(marked, pids, MOST);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}
