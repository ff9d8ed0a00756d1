/* SPDX-License-Identifier: MIT */
/*
 * Every folder of tests/bad_graphs/ has a graph.json, the exact text in expected.txt that a user
 * gets to see, and perhaps options in args, one a line: "--param NAME=VALUE" and so on.
 *
 *     graph_test_bad_graphs NAME    prints what one of them gives now
 */
#include "graph/graph.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"
#include "support/fake_types.h"

#define FOLDER FLOW_SOURCE_DIR "/tests/bad_graphs"
#define ARGS_MAX 8

/* The options of one case; the texts point into `lines`. */
struct args {
    char *lines;
    const char *params[ARGS_MAX + 1], *sets[ARGS_MAX + 1], *workers[ARGS_MAX + 1];
    size_t param_count, set_count, worker_count;
    const char *mode;
    const char *fuse;
    const char *pin;
    const char *checkpoint;
};

/* A file of a case, zero-terminated; NULL: there is none. */
static char *read_text(const char *name, const char *file, size_t *size)
{
    char path[512];
    (void)snprintf(path, sizeof(path), FOLDER "/%s/%s", name, file);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return NULL;
    (void)fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    char *text = calloc(1, *size + 1);
    if (text != NULL && fread(text, 1, *size, in) != *size) {
        free(text);
        text = NULL;
    }
    (void)fclose(in);
    return text;
}

/* Graphs that the case uses as stages lie beside it. */
static char *load_part(void *context, const char *path, size_t *size, struct flow_error *err)
{
    const char *folder = context;
    char *text = read_text(strrchr(folder, '/') + 1, path, size);
    if (text == NULL)
        (void)flow_fail(err, FLOW_EIO, "cannot open '%s': there is no such file", path);
    return text;
}

static void add_arg(struct args *args, const char *line)
{
    const char *value = strchr(line, ' ');
    assert_non_null(value);
    value++;
    if (strncmp(line, "--param ", 8) == 0 && args->param_count < ARGS_MAX)
        args->params[args->param_count++] = value;
    else if (strncmp(line, "--set ", 6) == 0 && args->set_count < ARGS_MAX)
        args->sets[args->set_count++] = value;
    else if (strncmp(line, "--workers ", 10) == 0 && args->worker_count < ARGS_MAX)
        args->workers[args->worker_count++] = value;
    else if (strncmp(line, "--mode ", 7) == 0)
        args->mode = value;
    else if (strncmp(line, "--fuse ", 7) == 0)
        args->fuse = value;
    else if (strncmp(line, "--pin ", 6) == 0)
        args->pin = value;
    else if (strncmp(line, "--checkpoint ", 13) == 0)
        args->checkpoint = value;
    else
        fail_msg("cannot use the line '%s'", line);
}

static void read_args(const char *name, struct args *args)
{
    size_t size = 0;
    *args = (struct args){.lines = read_text(name, "args", &size)};
    char *next = NULL;
    char *line = args->lines != NULL ? strtok_r(args->lines, "\n", &next) : NULL;
    for (; line != NULL; line = strtok_r(NULL, "\n", &next))
        add_arg(args, line);
}

/* What flowrun check would print; NULL: nothing, the graph is accepted. */
static char *messages_of(const char *name)
{
    size_t size = 0;
    char *text = read_text(name, "graph.json", &size);
    assert_non_null(text);
    struct args args;
    read_args(name, &args);
    const struct flow_graph_options options = {
        .path = "graph.json",
        .params = args.params,
        .sets = args.sets,
        .workers = args.workers,
        .mode = args.mode,
        .fuse = args.fuse,
        .pin = args.pin,
        .checkpoint = args.checkpoint,
    };
    struct flow_diag diag = {0};
    char folder[512];
    (void)snprintf(folder, sizeof(folder), FOLDER "/%s", name);
    const struct flow_types types = {
        .context = folder, .find = fake_find, .names = fake_names, .load = load_part};
    struct flow_graph *graph = flow_graph_read(text, size, &options, &types, &diag);
    struct flow_str out = {0};
    if (graph == NULL)
        flow_diag_print(&diag, &out);
    flow_graph_free(graph);
    flow_diag_clear(&diag);
    free(args.lines);
    free(text);
    return graph == NULL ? flow_str_take(&out) : NULL;
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Whether the case gives what it should; else it says what it gives. */
static bool holds(const char *name)
{
    size_t size = 0;
    char *expected = read_text(name, "expected.txt", &size);
    char *given = messages_of(name);
    const bool same = expected != NULL && given != NULL && strcmp(expected, given) == 0;
    if (!same)
        print_error("%s: expected\n%sgot\n%s\n", name, expected != NULL ? expected : "(no file)\n",
                    given != NULL ? given : "(accepted)");
    free(expected);
    free(given);
    return same;
}

TEST(every_bad_graph_is_refused_with_exactly_its_message)
{
    struct dirent **entries = NULL;
    const int count = scandir(FOLDER, &entries, is_case, alphasort);
    assert_true(count >= 70);
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        wrong += !holds(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        char *given = messages_of(argv[1]);
        (void)fputs(given != NULL ? given : "(accepted)\n", stdout);
        free(given);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_graph_is_refused_with_exactly_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
