/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_STAGES_SERVER_H
#define FLOW_TESTS_STAGES_SERVER_H

/* A real server for the tests of a program: it stops when the program ends, however it does. */

#include <flowrun/stage.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

struct server {
    char address[256];
    pid_t pid;
    int input; /* it stops when this end of its input is closed */
    FILE *said;
};

static struct server server = {.pid = -1}; /* from the set-up of the tests to their tear-down */

/* Run a program that prints its address and stops when its input ends: the last step of a set-up.
 */
static inline int server_run(const char *program, const char *argument)
{
    int in[2];
    int out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    server.pid = fork();
    if (server.pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        (void)close(in[0]);
        (void)close(in[1]);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execl(program, program, argument, (char *)NULL);
        _exit(127);
    }
    assert_true(server.pid > 0);
    (void)close(in[0]);
    (void)close(out[1]);
    server.input = in[1];
    server.said = fdopen(out[0], "r");
    assert_non_null(server.said);
    if (fgets(server.address, sizeof(server.address), server.said) == NULL)
        fail_msg("%s %s does not start", program, argument);
    server.address[strcspn(server.address, "\n")] = '\0';
    return 0;
}

/* Redis or PostgreSQL. */
static inline int server_start(const char *kind)
{
    return server_run(FLOW_SOURCE_DIR "/tests/stages/support/server.sh", kind);
}

/* The tear-down. */
static inline int server_stop(void **state)
{
    (void)state;
    if (server.pid <= 0)
        return 0;
    (void)close(server.input);
    (void)waitpid(server.pid, NULL, 0);
    (void)fclose(server.said);
    server.pid = -1;
    return 0;
}

/* Give a line to a program that answers each by one of its own. */
static inline void server_tell(const char *line)
{
    char answer[64];
    const size_t size = strlen(line);
    assert_int_equal(write(server.input, line, size), (ssize_t)size);
    assert_non_null(fgets(answer, sizeof(answer), server.said));
}

/* What a command of the shell says, at most 8 KiB, with blanks between its lines. */
FLOW_PRINTF(1, 2) static inline const char *server_hear(const char *fmt, ...)
{
    static char text[8192];
    char *command = NULL;
    va_list args;
    va_start(args, fmt);
    const int size = vasprintf(&command, fmt, args);
    va_end(args);
    assert_true(size > 0);
    FILE *said = popen(command, "r"); /* NOLINT(cert-env33-c): the test's own words */
    free(command);
    assert_non_null(said);
    const size_t got = fread(text, 1, sizeof(text) - 1, said);
    (void)pclose(said);
    text[got] = '\0';
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '\n' ? ' ' : *at;
    if (got > 0)
        text[got - 1] = '\0';
    return text;
}

#endif /* FLOW_TESTS_STAGES_SERVER_H */
