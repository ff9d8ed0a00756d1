/* SPDX-License-Identifier: MIT */

/*
 * flowrun: runs a graph, or tells about it.  Results go to standard output, all else to standard
 * error.
 */

#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arguments.h"
#include "exit_code.h"
#include "say.h"
#include "session.h"
#include "verbs.h"

static const struct verb verbs[] = {
    {"run", "GRAPH", NULL, "run the graph; the verb may be left out",
     OPTIONS_GRAPH | OPTION_STALL | OPTION_RESUME | OPTION_REPORT | OPTION_QUIET | OPTION_HELP |
         OPTION_VERSION,
     run_graph},
    {"check", "GRAPH", NULL, "say what is wrong with the graph", OPTIONS_GRAPH | OPTION_HELP,
     check_graph},
    {"explain", "GRAPH", NULL, "print the plan: workers, processes, memory",
     OPTIONS_GRAPH | OPTION_JSON | OPTION_HELP, explain_graph},
    {"draw", "GRAPH", NULL, "draw the graph",
     OPTIONS_GRAPH | OPTION_FORMAT | OPTION_OUTPUT | OPTION_HELP, draw_graph},
    {"stages", NULL, NULL, "list the stage types", OPTION_JSON | OPTION_HELP, list_stages},
    {"describe", "TYPE", NULL, "describe a stage type: its ports and parameters",
     OPTION_JSON | OPTION_MARKDOWN | OPTION_HELP, describe_stage},
    {"schema", NULL, NULL, "print the JSON Schema of graph files, for editors", OPTION_HELP,
     print_schema},
    {"test", "GRAPH", NULL, "run the graph's own tests",
     OPTION_PARAM | OPTION_SET | OPTION_WORKERS | OPTION_MODE | OPTION_FUSE | OPTION_PIN |
         OPTION_TAP | OPTION_HELP,
     test_graph},
    {"new", "stage|graph", "NAME", "begin a stage or a graph: write its files", OPTION_HELP,
     write_new},
    {"advise", "GRAPH", NULL, "try it out: would concurrency help, and of which kind?",
     OPTION_PARAM | OPTION_SET | OPTION_WORKERS | OPTION_PIN | OPTION_SECONDS | OPTION_JSON |
         OPTION_QUIET | OPTION_HELP,
     advise_on},
    {"why", "[RUN]", NULL, "say what a live run waits for; without RUN list them",
     OPTION_JSON | OPTION_NO_STACK | OPTION_HELP, tell_why},
    {.name = NULL},
};

/*
 * A standard stream that the caller closed gets an opened file that refuses to be used.  Else its
 * number would go to the next socket or file, and a stage would read from that or write into it.
 */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* By default malloc sets 64 MiB of address room aside for each thread, which a limit on that soon
 * leaves nothing of. */
static void spare_address_room(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        (void)mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    spare_address_room();
    int code = 0;
    if (serve_as_worker(argc, argv, &code))
        return code;
    struct arguments arguments = {0};
    if (arguments_parse(argc, argv, verbs, &arguments, &code))
        code = arguments.verb->run(&arguments);
    if (code == EXIT_DONE)
        code = say_result(""); /* what was printed so far may not have come through */
    arguments_clear(&arguments);
    return code;
}
