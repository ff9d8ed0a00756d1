/* SPDX-License-Identifier: MIT */
#include "help.h"

static const struct option options[] = {
    {"param", "NAME=VALUE", NULL, "give a parameter of the graph a value", OPTION_PARAM, 'p'},
    {"set", "STAGE.KEY=VALUE", NULL, "change a parameter of a stage", OPTION_SET, 's'},
    {"workers", "STAGE=N", NULL, "how many workers; 'auto': one per CPU", OPTION_WORKERS, 'w'},
    {"mode", "MODE", "threads|processes", "threads or processes", OPTION_MODE, 'm'},
    {"fuse", "HOW", "auto|on|off", "run stages in the thread of the one before", OPTION_FUSE, 0},
    {"pin", "HOW", "none|compact|spread", "bind workers to CPUs: none, compact or spread",
     OPTION_PIN, 0},
    {"stall", "TIME", NULL, "say why nothing moves for so long; 0s: never", OPTION_STALL, 0},
    {"no-stack", NULL, NULL, "call no debugger for the stack of what is stuck", OPTION_NO_STACK, 0},
    {"state", "FOLDER", NULL, "take checkpoints, and keep them there", OPTION_STATE, 0},
    {"checkpoint", "TIME", NULL, "take one every so often (10s)", OPTION_CHECKPOINT, 0},
    {"resume", NULL, NULL, "go on from the last checkpoint", OPTION_RESUME, 0},
    {"seconds", "N", NULL, "how long each sample takes at most (2)", OPTION_SECONDS, 0},
    {"report", "FORM", "text|json|none", "text (default), json or none", OPTION_REPORT, 'r'},
    {"quiet", NULL, NULL, "no progress, report or messages, only errors", OPTION_QUIET, 'q'},
    {"json", NULL, NULL, "print JSON", OPTION_JSON, 0},
    {"markdown", NULL, NULL, "print what stands in the type's page", OPTION_MARKDOWN, 0},
    {"tap", NULL, NULL, "print in the form of the Test Anything Protocol", OPTION_TAP, 0},
    {"format", "FORMAT", "text|dot|mermaid|svg", "text, dot, mermaid or svg", OPTION_FORMAT, 'f'},
    {"output", "FILE", NULL, "write to FILE, not to standard output", OPTION_OUTPUT, 'o'},
    {"help", NULL, NULL, "print this", OPTION_HELP, 'h'},
    {"version", NULL, NULL, "print the version", OPTION_VERSION, 'V'},
    {.name = NULL},
};

const struct option *all_options(void)
{
    return options;
}

/* What the first page has no room for. */
#define LESS_USED                                                                                  \
    (OPTION_WORKERS | OPTION_STATE | OPTION_RESUME | OPTION_FUSE | OPTION_PIN |                    \
     OPTION_CHECKPOINT | OPTION_STALL | OPTION_NO_STACK)

static void print_options(FILE *to, unsigned wanted, const char *heading)
{
    (void)fprintf(to, "\n%s\n", heading);
    for (const struct option *option = options; option->name != NULL; option++) {
        if ((option->id & wanted) == 0)
            continue;
        char spelled[48];
        (void)snprintf(spelled, sizeof(spelled), "%c%c --%s %s", option->letter != 0 ? '-' : ' ',
                       option->letter != 0 ? option->letter : ' ', option->name,
                       option->value != NULL ? option->value : "");
        (void)fprintf(to, "  %-30s %s\n", spelled, option->help);
    }
}

static void print_program(FILE *to, const struct verb *verbs)
{
    (void)fputs("Run a graph of producers, workers and consumers.\n"
                "usage: flowrun [OPTION]... GRAPH      (a JSON file; '-' is standard input)\n"
                "       flowrun VERB [OPTION]... [GRAPH|TYPE|RUN]\n"
                "Verbs:\n",
                to);
    for (const struct verb *verb = verbs; verb->name != NULL; verb++)
        (void)fprintf(to, "  %-9s%-6s  %s\n", verb->name,
                      verb->second != NULL    ? verb->second
                      : verb->operand != NULL ? verb->operand
                                              : "",
                      verb->help);
    print_options(to, verbs->options & ~(unsigned)LESS_USED,
                  "Options, before or after the other words; flowrun run --help has more:");
}

void print_help(FILE *to, const struct verb *verbs, const struct verb *verb)
{
    if (verb == NULL) {
        print_program(to, verbs);
        return;
    }
    (void)fprintf(to, "flowrun %s: %s\n\nusage: flowrun %s [OPTION]...%s%s%s%s\n\n", verb->name,
                  verb->help, verb->name, verb->operand != NULL ? " " : "",
                  verb->operand != NULL ? verb->operand : "", verb->second != NULL ? " " : "",
                  verb->second != NULL ? verb->second : "");
    print_options(to, verb->options, "Options, before or after the other words:");
}
