/* SPDX-License-Identifier: MIT */
#include "driver/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver/alloc.h"

#define SAMPLE_MS 10
#define COMPLAINT 200 /* how much of what a failed run said is told */

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct child {
    pid_t pid;
    int output, complaints;
    double deadline;
    char *text;
    size_t size;
    double tree;
};

static bool spawn(struct child *child, char *const *argv)
{
    int out[2];
    int err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        return false;
    child->pid = fork();
    if (child->pid < 0)
        return false;
    if (child->pid == 0) {
        (void)setsid(); /* so that all its processes can be found, and ended */
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        const int null = open("/dev/null", O_RDONLY);
        if (null >= 0)
            (void)dup2(null, STDIN_FILENO);
        (void)execvp(argv[0], argv);
        (void)dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    (void)close(out[1]);
    (void)close(err[1]);
    child->output = out[0];
    child->complaints = err[0];
    return true;
}

/* Private pages of process `pid`, if it is one of the session [bytes]. */
static double private_bytes(const char *pid, pid_t session)
{
    long resident = 0;
    long shared = 0;
    char path[64];
    if (getsid((pid_t)strtol(pid, NULL, 10)) != session)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/statm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %ld %ld", &resident, &shared) != 2)
        resident = shared = 0;
    (void)fclose(file);
    return (double)(resident - shared) * (double)sysconf(_SC_PAGESIZE);
}

static void sample_tree(struct child *child)
{
    DIR *folder = opendir("/proc");
    double sum = 0;
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            sum += private_bytes(entry->d_name, child->pid);
    }
    (void)closedir(folder);
    if (sum > child->tree)
        child->tree = sum;
}

/* What is there to read, appended; false at its end. */
static bool read_more(int fd, char **text, size_t *size)
{
    char piece[4096];
    const ssize_t got = read(fd, piece, sizeof(piece));
    if (got <= 0)
        return false;
    *text = realloc(*text, *size + (size_t)got + 1);
    if (*text == NULL)
        bench_die("no memory");
    memcpy(*text + *size, piece, (size_t)got);
    *size += (size_t)got;
    (*text)[*size] = '\0';
    return true;
}

/* Read until both ends are closed; false: the time is up. */
static bool follow(struct child *child, char **complaints, bool sample)
{
    struct pollfd fds[] = {{.fd = child->output, .events = POLLIN},
                           {.fd = child->complaints, .events = POLLIN}};
    size_t complaint_size = 0;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        const double left = child->deadline - now();
        if (left <= 0)
            return false;
        (void)poll(fds, 2, sample ? SAMPLE_MS : (int)(left * 1000) + 1);
        if (sample)
            sample_tree(child);
        if (fds[0].revents != 0 && !read_more(child->output, &child->text, &child->size))
            fds[0].fd = -1;
        if (fds[1].revents != 0 && !read_more(child->complaints, complaints, &complaint_size))
            fds[1].fd = -1;
    }
    return true;
}

/* One line of what the run said. */
static char *describe_end(int status, const char *complaints)
{
    const char *last = complaints != NULL ? complaints : "";
    const size_t size = strcspn(last, "\n");
    const int shown = (int)(size < COMPLAINT ? size : COMPLAINT);
    if (WIFSIGNALED(status))
        return bench_format("ended by signal %d: %.*s", WTERMSIG(status), shown, last);
    return bench_format("exit code %d: %.*s", WEXITSTATUS(status), shown, last);
}

struct bench_run bench_run_command(char *const *argv, const struct bench_run_options *options)
{
    struct bench_run run = {0};
    struct child child = {0};
    char *complaints = NULL;
    (void)malloc_trim(0); /* the child's peak begins with what this process has */
    const double start = now();
    child.deadline = start + options->timeout;
    if (!spawn(&child, argv))
        bench_die("cannot start %s: %s", argv[0], strerror(errno));
    const bool in_time = follow(&child, &complaints, options->sample_tree);
    if (!in_time)
        (void)kill(-child.pid, SIGKILL);
    int status = 0;
    struct rusage usage = {0};
    while (wait4(child.pid, &status, 0, &usage) < 0 && errno == EINTR)
        continue;
    run.seconds = now() - start;
    run.cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
              (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    run.peak = (double)usage.ru_maxrss * 1024;
    run.tree = child.tree;
    run.output = child.text != NULL ? child.text : bench_format("%s", "");
    if (!in_time)
        run.failure = bench_format("not done after %.0f s", options->timeout);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        run.failure = describe_end(status, complaints);
    (void)close(child.output);
    (void)close(child.complaints);
    free(complaints);
    return run;
}

void bench_run_clear(struct bench_run *run)
{
    free(run->output);
    free(run->failure);
    *run = (struct bench_run){0};
}
