/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Start a debugger with its words to be read from `*out`; an errno value. */
static int start(char *const argv[], int *out, pid_t *pid)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (rc == 0)
            rc =
                posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (rc == 0)
            rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (rc == 0)
            rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    if (rc == 0)
        *out = ends[0];
    else
        (void)close(ends[0]);
    return rc;
}

/* Print the frames ("#0 ...") of the thread whose heading holds `heading`; NULL: of any. */
static size_t copy_frames(FILE *from, const char *heading)
{
    char line[1024];
    size_t count = 0;
    bool ours = heading == NULL;
    while (fgets(line, sizeof(line), from) != NULL) {
        if (heading != NULL && strncmp(line, "Thread ", 7) == 0)
            ours = strstr(line, heading) != NULL;
        else if (ours && line[0] == '#') {
            (void)printf("    %s%s", line, strchr(line, '\n') != NULL ? "" : "\n");
            count++;
        }
    }
    return count;
}

static bool run_debugger(char *const argv[], const char *heading)
{
    int out = -1;
    pid_t pid = -1;
    if (start(argv, &out, &pid) != 0)
        return false;
    FILE *from = fdopen(out, "r");
    const size_t frames = from != NULL ? copy_frames(from, heading) : 0;
    if (from != NULL)
        (void)fclose(from);
    else
        (void)close(out);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return frames > 0;
}

static bool use_elfutils(long thread)
{
    char program[] = "eu-stack";
    char one[] = "-1";
    char flag[] = "-p";
    char number[24];
    char *const argv[] = {program, one, flag, number, NULL};
    (void)snprintf(number, sizeof(number), "%ld", thread);
    return run_debugger(argv, NULL);
}

static bool use_gdb(long process, long thread)
{
    char program[] = "gdb";
    char words[][24] = {"-nx", "-batch", "-p", "", "-ex", "thread apply all bt"};
    char *const argv[] = {program,  words[0], words[1], words[2],
                          words[3], words[4], words[5], NULL};
    char heading[40];
    (void)snprintf(words[3], sizeof(words[3]), "%ld", process);
    (void)snprintf(heading, sizeof(heading), "LWP %ld)", thread);
    if (run_debugger(argv, heading))
        return true;
    /* A process of one thread has headings only with libthread_db. */
    return process == thread && run_debugger(argv, NULL);
}

bool stack_print(long process, long thread)
{
    (void)fflush(stdout);
    return use_elfutils(thread) || use_gdb(process, thread);
}
