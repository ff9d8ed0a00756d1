/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

#include "exit_code.h"
#include "folders.h"
#include "say.h"
#include "stages/builtin.h"

bool serve_as_worker(int argc, char **argv, int *exit_code)
{
    const struct flow_session_options options = {.builtin = flow_builtin_plugins};
    return flow_worker_main(&options, argc, argv, exit_code);
}

int failed(const struct flow_error *error)
{
    (void)say_error("%s", error->text);
    switch (error->status) {
    case FLOW_ENOMEM:
    case FLOW_EIO:
        return EXIT_ENVIRONMENT;
    case FLOW_ERANGE: /* the plan does not fit into the memory that the graph allows */
    case FLOW_EINVAL:
        return EXIT_GRAPH;
    default:
        return EXIT_FAILED;
    }
}

int session_open(struct opened *opened)
{
    char **folders = folders_new();
    const struct flow_session_options options = {
        .builtin = flow_builtin_plugins,
        .plugin_folders = (const char *const *)folders,
    };
    struct flow_error err = {0};
    *opened = (struct opened){.session = flow_session_new(&options, &err)};
    folders_free(folders);
    if (opened->session != NULL)
        return EXIT_DONE;
    (void)failed(&err);
    return EXIT_ENVIRONMENT;
}

struct flow_load_options load_options(const struct arguments *arguments)
{
    return (struct flow_load_options){
        .params = arguments->params.items,
        .sets = arguments->sets.items,
        .workers = arguments->workers.items,
        .mode = arguments->mode,
        .fuse = arguments->fuse,
        .pin = arguments->pin,
        .stall = arguments->stall,
        .state = arguments->state == NULL && arguments->resume ? "" : arguments->state,
        .checkpoint = arguments->checkpoint,
    };
}

int graph_open(const struct arguments *arguments, struct opened *opened)
{
    const int code = session_open(opened);
    if (code != EXIT_DONE)
        return code;

    const struct flow_load_options options = load_options(arguments);
    struct flow_error err = {0};
    char *messages = NULL;
    opened->graph = flow_graph_load(opened->session, arguments->operand, &options, &messages, &err);
    if (opened->graph != NULL)
        return EXIT_DONE;
    if (messages != NULL) {
        (void)fputs(messages, stderr);
        free(messages);
        return EXIT_GRAPH;
    }
    (void)failed(&err);
    return err.status == FLOW_ENOMEM ? EXIT_ENVIRONMENT : EXIT_GRAPH;
}

void opened_close(struct opened *opened)
{
    flow_graph_unload(opened->graph);
    flow_session_free(opened->session);
}
