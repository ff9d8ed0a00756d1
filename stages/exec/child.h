/* SPDX-License-Identifier: MIT */
#ifndef STAGES_EXEC_CHILD_H
#define STAGES_EXEC_CHILD_H

/*
 * A program that runs beside the stage, with pipes to its input, output and errors, all of which do
 * not block here.  It is a process group of its own, and is killed if the thread that started it
 * dies.
 *
 * Threads: one owner.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_PIPE (1 << 20) /* bytes that a pipe may hold, if the system lets it */

struct child {
    pid_t pid;        /* 0: none */
    int in, out, err; /* -1: closed */
};

#define CHILD_NONE                                                                                 \
    {                                                                                              \
        .in = -1, .out = -1, .err = -1                                                             \
    }

static inline void child_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* What the child does until it is the program; only calls that are safe after fork.  `fds`: its
 * input, output, errors, and where to say why it failed. */
__attribute__((noreturn)) static inline void child_become(const int fds[4], char *const *argv,
                                                          char *const *environment,
                                                          const char *folder, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before that */
        _exit(1);
    if (dup2(fds[0], 0) >= 0 && dup2(fds[1], 1) >= 0 && dup2(fds[2], 2) >= 0 &&
        (folder == NULL || chdir(folder) == 0))
        (void)execvpe(argv[0], argv, environment);
    const int error = errno;
    const ssize_t told = write(fds[3], &error, sizeof(error));
    _exit(told > 0 ? 127 : 126);
}

/* Start it.  0, or errno: of a call here, or of the program's start. */
static inline int child_start(struct child *child, char *const *argv, char *const *environment,
                              const char *folder)
{
    int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    const pid_t parent = getpid();
    int error = 0;
    pid_t pid = -1;
    for (int i = 0; i < 4 && error == 0; i++)
        error = pipe2(pipes[i], O_CLOEXEC) != 0 ? errno : 0;
    if (error == 0) {
        pid = fork();
        error = pid < 0 ? errno : 0;
    }
    if (pid == 0) {
        const int fds[4] = {pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][1]};
        child_become(fds, argv, environment, folder, parent);
    }
    child_close(&pipes[0][0]);
    child_close(&pipes[1][1]);
    child_close(&pipes[2][1]);
    child_close(&pipes[3][1]);
    if (pid > 0 && read(pipes[3][0], &error, sizeof(error)) > 0) {
        (void)waitpid(pid, NULL, 0);
        pid = -1;
    }
    child_close(&pipes[3][0]);
    if (pid < 0) {
        child_close(&pipes[0][1]);
        child_close(&pipes[1][0]);
        child_close(&pipes[2][0]);
        return error;
    }
    *child = (struct child){pid, pipes[0][1], pipes[1][0], pipes[2][0]};
    (void)fcntl(child->in, F_SETPIPE_SZ, CHILD_PIPE);
    (void)fcntl(child->out, F_SETPIPE_SZ, CHILD_PIPE);
    (void)fcntl(child->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(child->out, F_SETFL, O_NONBLOCK);
    (void)fcntl(child->err, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Has it ended within so many milliseconds?  Then `*status` is as of waitpid. */
static inline bool child_wait(struct child *child, int ms, int *status)
{
    if (waitpid(child->pid, status, WNOHANG) != child->pid) {
        struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, child->pid, 0), .events = POLLIN};
        const bool ended = end.fd >= 0 && poll(&end, 1, ms) > 0;
        child_close(&end.fd);
        if (!ended || waitpid(child->pid, status, 0) != child->pid)
            return false;
    }
    child->pid = 0;
    return true;
}

/* End it, and all that it has started, whatever it does. */
static inline void child_kill(struct child *child)
{
    child_close(&child->in);
    child_close(&child->out);
    child_close(&child->err);
    if (child->pid <= 0)
        return;
    (void)kill(-child->pid, SIGKILL);
    (void)kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
}

#endif /* STAGES_EXEC_CHILD_H */
