/* SPDX-License-Identifier: MIT */
#include "svg.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_code.h"
#include "say.h"

/* A descriptor from which `text` can be read; -1: errno says why. */
static int readable(const char *text)
{
    const int fd = memfd_create("flowrun-dot", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t left = strlen(text);
    while (left > 0) {
        const ssize_t size = write(fd, text, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            (void)close(fd);
            return -1;
        }
        text += size;
        left -= (size_t)size;
    }
    if (lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Start dot with these descriptors as its input and output; an errno value. */
static int start(int in, int out, pid_t *pid)
{
    char program[] = "dot";
    char format[] = "-Tsvg";
    char *const argv[] = {program, format, NULL};
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (rc == 0 && out != STDOUT_FILENO)
        rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawnp(pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return EXIT_ENVIRONMENT;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_DONE;
    (void)say_error("graphviz could not draw the graph");
    return EXIT_ENVIRONMENT;
}

static int draw(int in, int out)
{
    pid_t pid = -1;
    const int rc = start(in, out, &pid);
    if (rc == 0)
        return wait_for(pid);
    if (rc == ENOENT) {
        (void)say_error("SVG is drawn by graphviz, and its program 'dot' is not installed (the "
                        "package graphviz); --format dot prints what it would be given");
    } else {
        (void)say_error("cannot start graphviz: %s", strerror(rc));
    }
    return EXIT_ENVIRONMENT;
}

int svg_draw(const char *dot, const char *output)
{
    const int out = output == NULL ? STDOUT_FILENO
                                   : open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0) {
        (void)say_error("cannot write '%s': %s", output, strerror(errno));
        return EXIT_FAILED;
    }

    int code = EXIT_ENVIRONMENT;
    const int in = readable(dot);
    if (in < 0)
        (void)say_error("cannot hold the drawing: %s", strerror(errno));
    else
        code = draw(in, out);
    if (in >= 0)
        (void)close(in);
    if (output != NULL)
        (void)close(out);
    return code;
}
