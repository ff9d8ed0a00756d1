/* SPDX-License-Identifier: MIT */

/* The verb that runs a graph. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"
#include "progress.h"
#include "say.h"
#include "session.h"
#include "signals.h"
#include "verbs.h"

static void print_report(const struct arguments *arguments, const struct flow_run_result *result)
{
    const enum report_form usual = arguments->quiet ? REPORT_NONE : REPORT_TEXT;
    const enum report_form form = arguments->report == REPORT_DEFAULT ? usual : arguments->report;
    const char *text = form == REPORT_JSON ? result->report_json : result->report_text;
    if (form != REPORT_NONE && text != NULL)
        (void)fputs(text, stderr);
}

/* A run that came to opening its stages and failed did so by itself; before that, and whenever it
 * lacks memory or threads, by its surroundings. */
static int judge(enum flow_status rc, const struct flow_run_result *result,
                 const struct flow_error *err)
{
    const int code = rc != FLOW_OK ? failed(err) : EXIT_DONE;
    if (rc != FLOW_OK && !(rc == FLOW_EABORT && result->stopped))
        return result->report_text != NULL && rc != FLOW_ENOMEM ? EXIT_FAILED : code;
    return result->stopped && signals_last() != 0 ? EXIT_SIGNAL + signals_last() : EXIT_DONE;
}

static bool running; /* a graph, in this process */

/* A stage that calls exit would end the program as if all were well, its records lost. */
static void refuse_exit(void)
{
    static const char text[] = "flowrun: a stage called exit() in the middle of the run; what was "
                               "under way is lost\n";
    if (!running)
        return;
    const ssize_t size = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)size;
    _exit(EXIT_FAILED);
}

static int run_opened(const struct arguments *arguments, const struct opened *opened, int stop_fd)
{
    struct status_line line = status_line_new(arguments->quiet);
    const struct flow_run_options options = {
        .stop_fd = stop_fd,
        .context = &line,
        .progress = line.wanted ? status_line_update : NULL,
        .log = arguments->quiet ? NULL : status_line_log,
        .resume = arguments->resume,
    };
    struct flow_run_result result = {0};
    struct flow_error err = {0};
    running = atexit(refuse_exit) == 0;
    const enum flow_status rc = flow_run(opened->session, opened->graph, &options, &result, &err);
    running = false;
    status_line_clear(&line);

    print_report(arguments, &result);
    const int code = judge(rc, &result, &err);
    free(result.report_text);
    free(result.report_json);
    if (result.stuck) {
        (void)fflush(NULL);
        _exit(code);
    }
    return code;
}

int run_graph(const struct arguments *arguments)
{
    struct opened opened = {0};
    int code = graph_open(arguments, &opened);
    if (code == EXIT_DONE) {
        const int stop_fd = signals_catch();
        if (stop_fd < 0) {
            (void)say_error("cannot make a pipe for signals: %s", strerror(errno));
            code = EXIT_ENVIRONMENT;
        } else {
            code = run_opened(arguments, &opened, stop_fd);
        }
    }
    opened_close(&opened);
    return code;
}
