/* SPDX-License-Identifier: MIT */

/* The verbs that look at something without running it. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_code.h"
#include "say.h"
#include "session.h"
#include "svg.h"
#include "verbs.h"

/* Print `text` (taken; NULL: `err` says why there is none) and return the exit code. */
static int show(char *text, const struct flow_error *err)
{
    if (text == NULL)
        return failed(err);
    const int code = say_result(text);
    free(text);
    return code;
}

static enum flow_format text_or_json(const struct arguments *arguments)
{
    return arguments->json ? FLOW_FORMAT_JSON : FLOW_FORMAT_TEXT;
}

/* What only planning finds: run.memory is too small. */
static int check_plan(const struct flow_graph *graph)
{
    struct flow_error err = {0};
    char *plan = flow_graph_explain(graph, FLOW_FORMAT_JSON, &err);
    const int code = plan != NULL ? EXIT_DONE : failed(&err);
    free(plan);
    return code;
}

int check_graph(const struct arguments *arguments)
{
    struct opened opened = {0};
    int code = graph_open(arguments, &opened);
    if (code == EXIT_DONE)
        code = check_plan(opened.graph);
    if (code == EXIT_DONE) {
        size_t stages = 0;
        size_t edges = 0;
        flow_graph_size(opened.graph, &stages, &edges);
        (void)printf("%s: ok (%zu %s, %zu %s)\n", arguments->operand, stages,
                     stages == 1 ? "stage" : "stages", edges, edges == 1 ? "edge" : "edges");
    }
    opened_close(&opened);
    return code;
}

int explain_graph(const struct arguments *arguments)
{
    struct opened opened = {0};
    struct flow_error err = {0};
    int code = graph_open(arguments, &opened);
    if (code == EXIT_DONE)
        code = show(flow_graph_explain(opened.graph, text_or_json(arguments), &err), &err);
    opened_close(&opened);
    return code;
}

/* ---- draw ---- */

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    bool ok = file != NULL && fputs(text, file) >= 0;
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    if (ok)
        return EXIT_DONE;
    (void)say_error("cannot write '%s': %s", path, strerror(errno));
    return EXIT_FAILED;
}

static enum flow_format drawing_format(const char *name)
{
    if (strcmp(name, "mermaid") == 0)
        return FLOW_FORMAT_MERMAID;
    return strcmp(name, "text") == 0 ? FLOW_FORMAT_TEXT : FLOW_FORMAT_DOT;
}

static int write_drawing(const struct arguments *arguments, const char *drawing)
{
    if (strcmp(arguments->format, "svg") == 0)
        return svg_draw(drawing, arguments->output);
    if (arguments->output != NULL)
        return write_file(arguments->output, drawing);
    return say_result(drawing);
}

int draw_graph(const struct arguments *arguments)
{
    struct opened opened = {0};
    struct flow_error err = {0};
    int code = graph_open(arguments, &opened);
    if (code == EXIT_DONE) {
        char *drawing = flow_graph_draw(opened.graph, drawing_format(arguments->format), &err);
        code = drawing != NULL ? write_drawing(arguments, drawing) : failed(&err);
        free(drawing);
    }
    opened_close(&opened);
    return code;
}

/* ---- stage types ---- */

int list_stages(const struct arguments *arguments)
{
    struct opened opened = {0};
    struct flow_error err = {0};
    int code = session_open(&opened);
    if (code == EXIT_DONE)
        code = show(flow_stages_list(opened.session, text_or_json(arguments), &err), &err);
    opened_close(&opened);
    return code;
}

int describe_stage(const struct arguments *arguments)
{
    if (arguments->json && arguments->markdown) {
        (void)say_error("'describe' takes --json or --markdown, not both");
        return EXIT_USAGE;
    }
    struct opened opened = {0};
    struct flow_error err = {0};
    int code = session_open(&opened);
    if (code == EXIT_DONE) {
        const enum flow_format format =
            arguments->markdown ? FLOW_FORMAT_MARKDOWN : text_or_json(arguments);
        char *text = flow_stage_describe(opened.session, arguments->operand, format, &err);
        const bool found = text != NULL;
        code = show(text, &err);
        if (!found)
            code = err.status == FLOW_ENOENT ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    opened_close(&opened);
    return code;
}

int print_schema(const struct arguments *arguments)
{
    (void)arguments;
    struct opened opened = {0};
    struct flow_error err = {0};
    int code = session_open(&opened);
    if (code == EXIT_DONE)
        code = show(flow_schema(opened.session, &err), &err);
    opened_close(&opened);
    return code;
}
