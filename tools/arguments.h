/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_ARGUMENTS_H
#define FLOW_TOOLS_ARGUMENTS_H

/*
 * The command line: a verb, its operand and its options, which may stand before or after the
 * operand.  Verbs and options are rows of two tables; help, checks and "did you mean" come from
 * them.
 *
 * Memory: arguments point into argv; arguments_clear releases the lists.
 */

#include <stdbool.h>
#include <stddef.h>

enum report_form { REPORT_DEFAULT, REPORT_TEXT, REPORT_JSON, REPORT_NONE };

/* Texts that end with NULL, as run.h wants them. */
struct text_list {
    const char **items;
    size_t count;
};

struct arguments {
    const struct verb *verb;
    const char *operand; /* the graph or the stage type; NULL: the verb takes none */
    const char *second;  /* NULL: the verb takes one at most */
    struct text_list params, sets, workers;
    const char *mode;       /* NULL: as the graph says */
    const char *fuse;       /* likewise */
    const char *pin;        /* likewise */
    const char *stall;      /* likewise */
    const char *state;      /* likewise */
    const char *checkpoint; /* likewise */
    const char *seconds;    /* NULL: as long as usual */
    bool resume;
    const char *format; /* "text", "dot", "mermaid" or "svg" */
    const char *output; /* NULL: standard output */
    enum report_form report;
    bool json;
    bool markdown;
    bool tap;
    bool quiet;
    bool no_stack;
};

struct verb {
    const char *name;
    const char *operand; /* "GRAPH", "TYPE", "[RUN]" (which may be left out) or NULL */
    const char *second;  /* likewise; NULL: it takes one at most */
    const char *help;    /* one line */
    unsigned options;    /* those it takes: bits of enum option_id */
    int (*run)(const struct arguments *arguments);
};

enum option_id {
    OPTION_PARAM = 1 << 0,
    OPTION_SET = 1 << 1,
    OPTION_WORKERS = 1 << 2,
    OPTION_MODE = 1 << 3,
    OPTION_REPORT = 1 << 4,
    OPTION_QUIET = 1 << 5,
    OPTION_JSON = 1 << 6,
    OPTION_FORMAT = 1 << 7,
    OPTION_OUTPUT = 1 << 8,
    OPTION_HELP = 1 << 9,
    OPTION_VERSION = 1 << 10,
    OPTION_FUSE = 1 << 11,
    OPTION_PIN = 1 << 12,
    OPTION_STALL = 1 << 13,
    OPTION_NO_STACK = 1 << 14,
    OPTION_STATE = 1 << 15,
    OPTION_CHECKPOINT = 1 << 16,
    OPTION_RESUME = 1 << 17,
    OPTION_SECONDS = 1 << 18,
    OPTION_MARKDOWN = 1 << 19,
    OPTION_TAP = 1 << 20,
};

/* What stands before each graph's plan. */
#define OPTIONS_GRAPH                                                                              \
    (OPTION_PARAM | OPTION_SET | OPTION_WORKERS | OPTION_MODE | OPTION_FUSE | OPTION_PIN |         \
     OPTION_STATE | OPTION_CHECKPOINT)

/*
 * Parse.  `verbs` ends with a row without a name; its first row is what a bare graph means. Returns
 * true when there is something to do; else help, the version or an error has been printed and
 * `exit_code` is set.
 */
bool arguments_parse(int argc, char **argv, const struct verb *verbs, struct arguments *arguments,
                     int *exit_code);
void arguments_clear(struct arguments *arguments);

#endif /* FLOW_TOOLS_ARGUMENTS_H */
