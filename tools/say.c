/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"

/* https://no-color.org: present and not empty. */
static bool use_color(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && *no_color != '\0')
        return false;
    return isatty(STDERR_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

bool say_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs(use_color() ? "\033[1;31mflowrun:\033[0m " : "flowrun: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputs("\n", stderr);
    va_end(args);
    return false;
}

int say_result(const char *text)
{
    errno = 0;
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return EXIT_DONE;
    (void)say_error("cannot write to standard output: %s", strerror(errno));
    return EXIT_FAILED;
}
