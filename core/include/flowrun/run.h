/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_RUN_H
#define FLOWRUN_RUN_H

/*
 * For programs that embed the engine, and what the flowrun program itself is written with: read a
 * graph, look at it, run it.
 *
 *     struct flow_session *session = flow_session_new(NULL, &err);
 *     char *messages = NULL;
 *     struct flow_graph *graph = flow_graph_load(session, "graph.json", NULL, &messages, &err);
 *     if (graph != NULL)
 *         rc = flow_run(session, graph, &options, &result, &err);
 *
 * The library never prints, exits, or installs a signal handler, unless an option says so.
 *
 * Threads: a session and what was made from it belong to one thread at a time.
 * Memory: texts returned are the caller's, to be released with free().
 */

#include <stdbool.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "flowrun/stage.h"

struct flow_session;
struct flow_graph;

struct flow_session_options {
    /* Plugins linked into the program; NULL ends the list. */
    const struct flow_plugin *const *builtin;
    /* Searched first; NULL ends the list; NULL: only the usual folders. */
    const char *const *plugin_folders;
    const char *worker_program; /* what is started for a process of a run; NULL: this executable */
};

/*
 * The catalogue of stage types: those of `builtin`, then in `plugin_folders`, in
 * $FLOWRUN_PLUGIN_PATH (a list separated by ':'), and in the installed folder.
 */
FLOW_EXPORT struct flow_session *flow_session_new(const struct flow_session_options *options,
                                                  struct flow_error *err);
FLOW_EXPORT void flow_session_free(struct flow_session *session);

/* What the command line changes in a graph; all lists end with NULL and may be NULL. */
struct flow_load_options {
    const char *const *params;  /* "NAME=VALUE" */
    const char *const *sets;    /* "STAGE.KEY=VALUE" */
    const char *const *workers; /* "STAGE=N" or "STAGE=auto" */
    const char *mode;           /* "threads", "processes", or NULL: as the graph says */
    const char *fuse;           /* "auto", "on", "off", or NULL: as the graph says */
    const char *pin;            /* "none", "compact", "spread", or NULL: as the graph says */
    const char *stall; /* after how long a run that stands still says so; NULL: as the graph says */
    const char *state; /* the state folder, "": the one beside the graph; NULL: likewise */
    const char *checkpoint; /* from one checkpoint to the next, "10s"; NULL: likewise */
};

/*
 * Read and check the graph in the file `path` ("-": standard input).  On failure NULL; then either
 * `messages` holds all findings as they are to be printed (FLOW_EINVAL), or only `err` is set
 * (FLOW_EIO, FLOW_ENOMEM).  The graph is to be unloaded before the session is freed.
 */
FLOW_EXPORT struct flow_graph *flow_graph_load(struct flow_session *session, const char *path,
                                               const struct flow_load_options *options,
                                               char **messages, struct flow_error *err);
FLOW_EXPORT void flow_graph_unload(struct flow_graph *graph);

enum flow_format {
    FLOW_FORMAT_TEXT,
    FLOW_FORMAT_JSON,
    FLOW_FORMAT_DOT,
    FLOW_FORMAT_MERMAID,
    FLOW_FORMAT_MARKDOWN,
};

/* The plan (text or JSON), the drawing (text, DOT or Mermaid).  NULL: see `err`. */
FLOW_EXPORT char *flow_graph_explain(const struct flow_graph *graph, enum flow_format format,
                                     struct flow_error *err);
FLOW_EXPORT char *flow_graph_draw(const struct flow_graph *graph, enum flow_format format,
                                  struct flow_error *err);

/* How many stages and edges the graph has. */
FLOW_EXPORT void flow_graph_size(const struct flow_graph *graph, size_t *stages, size_t *edges);

/* The JSON Schema of graph files with every known stage type. */
FLOW_EXPORT char *flow_schema(struct flow_session *session, struct flow_error *err);

/* All stage types, a line each (text) or whole (JSON); and one of them in full, also as what stands
 * in its page of the documentation (Markdown). */
FLOW_EXPORT char *flow_stages_list(struct flow_session *session, enum flow_format format,
                                   struct flow_error *err);
FLOW_EXPORT char *flow_stage_describe(struct flow_session *session, const char *use,
                                      enum flow_format format, struct flow_error *err);

/* How a run is going, handed to flow_run_options.progress about five times a second. */
struct flow_progress {
    int64_t elapsed_ns;
    uint64_t records_in;   /* emitted by producers so far */
    uint64_t records_done; /* taken by consumers so far */
    uint64_t errors;       /* records skipped or routed */
    double rate;           /* records a second taken by consumers, lately */
    const char *slowest;   /* the busiest stage, lately */
};

struct flow_run_options {
    /*
     * A descriptor that becomes readable when somebody wants the run to stop; one byte is read each
     * time: the first drains, the second aborts.  -1: nobody will.
     */
    int stop_fd;
    void *context;
    void (*progress)(void *context, const struct flow_progress *progress); /* NULL: not wanted */
    void (*log)(void *context, const char *line); /* what stages say; NULL: not wanted */
    bool resume; /* go on from the newest checkpoint; the graph must take checkpoints */
};

struct flow_run_result {
    char *report_text;   /* NULL when the run did not come to opening its stages: the environment */
    char *report_json;   /* one JSON object, a newline after it; NULL likewise */
    bool stopped;        /* drained or aborted at somebody's wish */
    uint64_t checkpoint; /* the newest that the run has made or gone on from; 0: none */
    unsigned went_back;  /* so often the run went back to its last checkpoint by itself */
    bool stuck;          /* threads of this process are stuck in a stage: leave with _exit */
};

/*
 * Run the graph to its end.  FLOW_OK: every record was accounted for.  On failure the result is
 * filled as far as it goes and `err` says what happened.  FLOW_EABORT: aborted at somebody's wish.
 *
 * It raises the soft limit of open descriptors where the run needs that, and waits for its own
 * child processes by their pids: the program must not collect them, nor ignore SIGCHLD.
 */
FLOW_EXPORT FLOW_NODISCARD enum flow_status flow_run(struct flow_session *session,
                                                     const struct flow_graph *graph,
                                                     const struct flow_run_options *options,
                                                     struct flow_run_result *result,
                                                     struct flow_error *err);

/* One of the tests that a graph has of itself. */
struct flow_test_info {
    const char *name;  /* belongs to the graph */
    size_t line;       /* in the file, from 1 */
    int64_t within_ns; /* how long it may take: for the caller to see to */
};

FLOW_EXPORT size_t flow_graph_test_count(const struct flow_graph *graph);
/* `test`: its index; also below. */
FLOW_EXPORT struct flow_test_info flow_graph_test_info(const struct flow_graph *graph, size_t test);

/* Variable i of the test's environment, its name and `value`; NULL: there are no more.  The reader
 * of the graph knows them; the caller may want to set them for the stages. */
FLOW_EXPORT const char *flow_graph_test_env(const struct flow_graph *graph, size_t test, size_t i,
                                            const char **value);

/*
 * Read the graph for one of its tests and run it: producers that the test feeds and all consumers
 * are replaced, the rest is run as by flow_run.  FLOW_OK: the test was made; `findings` is what is
 * not as expected, lines for people, or NULL where nothing is.  Any other status: there was no
 * test.
 */
FLOW_EXPORT FLOW_NODISCARD enum flow_status flow_test_run(
    struct flow_session *session, const char *path, const struct flow_load_options *load,
    size_t test, const struct flow_run_options *options, char **findings, struct flow_error *err);

/*
 * What a program that serves as `worker_program` calls first in main: if it was started as a
 * process of a run it does that work and returns true, with the exit code for main.  `options`,
 * which may be NULL, are those that its own sessions have: the process needs the same built-in
 * plugins.
 */
FLOW_EXPORT bool flow_worker_main(const struct flow_session_options *options, int argc, char **argv,
                                  int *exit_code);

#endif /* FLOWRUN_RUN_H */
