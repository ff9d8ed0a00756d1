/* SPDX-License-Identifier: MIT */

/* The verb that tries a graph out. */

#include "flowrun/advise.h"

#include <errno.h>
#include <fcntl.h>
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

#define MOST_SECONDS 3600.0

/* -1: it is no length of time for a sample, which has been said. */
static int64_t sample_ns(const char *text)
{
    if (text == NULL)
        return 0;
    char *end = NULL;
    const double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0.1) || seconds > MOST_SECONDS) {
        (void)say_error("--seconds takes a number from 0.1 to %.0f, not '%s'", MOST_SECONDS, text);
        return -1;
    }
    return (int64_t)(seconds * 1e9);
}

/*
 * What stages print is of no use to anybody who wants advice, and would be among it.  Returns what
 * standard output was; -1: it stays.
 */
static int silence_output(void)
{
    (void)fflush(stdout);
    const int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (kept >= 0 && nowhere >= 0)
        (void)dup2(nowhere, STDOUT_FILENO);
    if (nowhere >= 0)
        close(nowhere);
    return kept;
}

static void restore_output(int kept)
{
    if (kept < 0)
        return;
    (void)dup2(kept, STDOUT_FILENO);
    close(kept);
}

static int advise_opened(const struct arguments *arguments, struct opened *opened,
                         const struct flow_advise_options *options)
{
    const struct flow_load_options load = {
        .params = arguments->params.items,
        .sets = arguments->sets.items,
        .workers = arguments->workers.items,
        .pin = arguments->pin,
    };
    struct flow_advise_result result = {0};
    struct flow_error err = {0};
    char *messages = NULL;
    const int output = silence_output();
    const enum flow_status rc =
        flow_advise(opened->session, arguments->operand, &load, options, &result, &messages, &err);
    restore_output(output);
    int code = EXIT_DONE;
    if (rc == FLOW_OK) {
        code = say_result(arguments->json ? result.json : result.text);
    } else if (messages != NULL) {
        (void)fputs(messages, stderr);
        code = EXIT_GRAPH;
    } else if (rc == FLOW_EABORT && signals_last() != 0) {
        code = EXIT_SIGNAL + signals_last();
    } else {
        code = failed(&err);
    }
    free(messages);
    free(result.text);
    free(result.json);
    return code;
}

int advise_on(const struct arguments *arguments)
{
    const int64_t sample = sample_ns(arguments->seconds);
    if (sample < 0)
        return EXIT_USAGE;
    if (strcmp(arguments->operand, "-") == 0) {
        (void)say_error("standard input can be read once, and advice takes several samples: put "
                        "the graph into a file");
        return EXIT_USAGE;
    }
    const int stop_fd = signals_catch();
    if (stop_fd < 0) {
        (void)say_error("cannot make a pipe for signals: %s", strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    struct opened opened = {0};
    int code = graph_open(arguments, &opened); /* what is wrong with it is said as always */
    if (code == EXIT_DONE) {
        struct status_line line = {0};
        const struct flow_advise_options options = {
            .sample_ns = sample,
            .stop_fd = stop_fd,
            .context = &line,
            .log = arguments->quiet ? NULL : status_line_log,
        };
        code = advise_opened(arguments, &opened, &options);
    }
    opened_close(&opened);
    return code;
}
