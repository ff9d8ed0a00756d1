/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

struct status_line status_line_new(bool quiet)
{
    const char *term = getenv("TERM");
    const bool capable = term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
    return (struct status_line){.wanted = !quiet && capable && isatty(STDERR_FILENO) == 1};
}

/* "987", "12.3 k", "4.5 M" */
static const char *short_count(double count, char *buf, size_t size)
{
    static const char units[] = {' ', 'k', 'M', 'G', 'T'};
    size_t unit = 0;
    for (; count >= 999.95 && unit + 1 < sizeof(units); unit++)
        count /= 1000;
    if (unit == 0)
        (void)snprintf(buf, size, "%.0f", count);
    else
        (void)snprintf(buf, size, "%.1f %c", count, units[unit]);
    return buf;
}

static int terminal_width(void)
{
    struct winsize window = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 ? window.ws_col : 80;
}

void status_line_update(void *context, const struct flow_progress *progress)
{
    struct status_line *line = context;
    if (!line->wanted)
        return;

    char in[32];
    char done[32];
    char rate[32];
    char text[512];
    size_t size = (size_t)snprintf(text, sizeof(text), "%.1f s  %s in  %s done  %s/s",
                                   (double)progress->elapsed_ns / 1e9,
                                   short_count((double)progress->records_in, in, sizeof(in)),
                                   short_count((double)progress->records_done, done, sizeof(done)),
                                   short_count(progress->rate, rate, sizeof(rate)));
    if (progress->errors > 0)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "  %" PRIu64 " errors",
                                 progress->errors);
    if (progress->slowest != NULL)
        (void)snprintf(text + size, sizeof(text) - size, "  busiest: %s", progress->slowest);

    (void)fprintf(stderr, CLEAR_LINE "%.*s", terminal_width() - 1, text);
    (void)fflush(stderr);
    line->shown = true;
}

void status_line_log(void *context, const char *text)
{
    status_line_clear(context);
    (void)fprintf(stderr, "%s\n", text);
}

void status_line_clear(struct status_line *line)
{
    if (line->shown)
        (void)fputs(CLEAR_LINE, stderr);
    line->shown = false;
}
