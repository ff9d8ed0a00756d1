/* SPDX-License-Identifier: MIT */
#include "random/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ORPHANS_S 5 /* that nobody collects, to be gone */
#define KILL_WITHIN_MS 150

extern char **environ;

static int spawn(const struct rt_launch *launch, pid_t *pid)
{
    char out[4096];
    snprintf(out, sizeof(out), "out=%s", launch->folder);
    const char *const argv[] = {launch->program,
                                launch->graph,
                                "--mode",
                                launch->mode,
                                "--fuse",
                                launch->fuse,
                                "--param",
                                out,
                                "--report",
                                "json",
                                launch->state != NULL ? "--checkpoint" : NULL,
                                "10ms",
                                "--state",
                                launch->state,
                                launch->resumes ? "--resume" : NULL,
                                NULL};
    const int create = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, launch->err, create, 0644);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    /* posix_spawn takes the words as non-const and leaves them alone. */
    union {
        const char *const *constant;
        char *const *words;
    } words = {.constant = argv};
    const int rc = posix_spawn(pid, launch->program, &files, &attributes, words.words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Whether the process ends within the time. */
static bool ends_within(pid_t pid, int timeout_ms)
{
    const int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return true; /* then waitpid waits */
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int rc;
    do
        rc = poll(&ended, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    close(fd);
    return rc != 0;
}

/*
 * Has the run left processes behind?  They are ours now, to be collected.  Some may be on their way
 * out: a leak check runs in a process of its own, which outlives the one that was killed by a
 * little.
 */
static bool leaves_orphans(pid_t group, const sigset_t *child)
{
    const struct timespec most = {.tv_sec = ORPHANS_S};
    for (;;) {
        const pid_t got = waitpid(-group, NULL, WNOHANG);
        if (got < 0)
            return false;
        if (got == 0 && sigtimedwait(child, NULL, &most) < 0 && errno == EAGAIN)
            break;
    }
    kill(-group, SIGKILL);
    while (waitpid(-group, NULL, 0) > 0)
        continue;
    return true;
}

/* One of the processes that the run has started; 0: it has none. */
static pid_t pick_child(pid_t pid, uint64_t chance)
{
    char path[64];
    long children[256];
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && count < 256 && fscanf(file, "%ld", &children[count]) == 1)
        count++;
    if (file != NULL)
        fclose(file);
    return count > 0 ? (pid_t)children[chance % count] : 0;
}

/* Kill some of its processes, each some time after the one before. */
static unsigned kill_children(const struct rt_launch *launch, pid_t pid)
{
    uint64_t moment = launch->moment;
    unsigned killed = 0;
    for (unsigned i = 0; i < launch->kills; i++) {
        moment = moment * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (ends_within(pid, (int)((moment >> 33) % KILL_WITHIN_MS)))
            break;
        const pid_t child = pick_child(pid, moment >> 40);
        if (child != 0 && kill(child, SIGKILL) == 0)
            killed++;
    }
    return killed;
}

bool rt_launch(const struct rt_launch *launch, struct rt_outcome *outcome)
{
    *outcome = (struct rt_outcome){.exit_code = -1};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = 0;
    errno = spawn(launch, &pid);
    if (errno != 0)
        return false;
    outcome->killed = kill_children(launch, pid);
    outcome->hung = !ends_within(pid, launch->timeout_ms);
    if (outcome->hung)
        kill(-pid, SIGKILL);
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        return false;
    outcome->left = leaves_orphans(pid, &child);
    if (WIFEXITED(status))
        outcome->exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status))
        outcome->signal = WTERMSIG(status);
    return true;
}
