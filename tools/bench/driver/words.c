/* SPDX-License-Identifier: MIT */
#include "driver/words.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/alloc.h"
#include "driver/contenders.h"
#include "driver/graph.h"
#include "driver/process.h"

#define WORKERS 2
#define FIRST "counted before it is shared"
#define EACH "every word shared"

/* The commands are told the text as their last argument. */
static const struct {
    const char *name;
    const char *variant;
    const char *program; /* of ours, or in PATH and called by words.sh; NULL: flowrun */
    const char *how;     /* what words.sh is told; NULL: the program is ours */
} counters[] = {
    {"flowrun threads", FIRST, NULL, NULL},
    {"flowrun processes", FIRST, NULL, NULL},
    {"flowrun threads", EACH, NULL, NULL},
    {"flowrun processes", EACH, NULL, NULL},
    {"two hand-written threads", "", "words", NULL},
    {"mawk", "", "mawk", "mawk"},
    {"parallel --pipe, two mawk", "", "parallel", "parallel"},
    {"parallel --pipepart, two mawk", "", "parallel", "pipepart"},
    {"Python Counter", "", "python3", "python"},
};

/* What is to come out; the text lies in `path`. */
static char *make_text(const struct bench_setup *setup, const char *path, const char *megabytes)
{
    char *argv[] = {bench_format("%s/text", setup->programs), bench_format("%s", path),
                    bench_format("%s", megabytes), NULL};
    const struct bench_run_options options = {.timeout = 120};
    struct bench_run run = bench_run_command(argv, &options);
    if (run.failure != NULL)
        bench_die("%s: %s", argv[0], run.failure);
    bench_run_clear(&run);
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    char *top = bench_format("%s.top", path);
    char *result = bench_read_file(top);
    if (result == NULL)
        bench_die("cannot read %s", top);
    free(top);
    return result;
}

static void add_row(const struct bench_setup *setup, struct bench_rows *rows, size_t i,
                    const char *text, uint64_t size, const char *result)
{
    struct bench_row *row = bench_rows_add(rows);
    row->workload = "wordcount";
    row->point = setup->is_quick ? "2 MB" : "200 MB";
    row->contender = counters[i].name;
    row->variant = counters[i].variant;
    row->figure = BENCH_TEXT;
    row->count = size;
    row->is_whole = true;
    row->text = bench_format("%s", result);
    if (counters[i].program == NULL) {
        const bool first = bench_is(counters[i].variant, FIRST);
        char *graph = bench_format("%s/wordcount%s.json", setup->folder, first ? "-first" : "");
        bench_graph_write_words(graph, text, WORKERS, first);
        bench_call_flowrun(bench_contender_find(counters[i].name), setup, row, graph, false);
        free(graph);
    } else if (counters[i].how == NULL) {
        bench_row_argue(row, bench_format("%s/%s", setup->programs, counters[i].program));
        bench_row_argue(row, bench_format("%s", text));
        bench_row_argue(row, bench_format("%d", WORKERS));
    } else {
        if (!bench_has_program(counters[i].program))
            row->absent = bench_format("%s is missing", counters[i].program);
        bench_row_argue(row, bench_format("%s/words.sh", setup->scripts));
        bench_row_argue(row, bench_format("%s", counters[i].how));
        bench_row_argue(row, bench_format("%s", text));
    }
}

void bench_words_add(const struct bench_setup *setup, struct bench_rows *rows)
{
    const char *megabytes = setup->is_quick ? "2" : "200";
    char *text = bench_format("%s/words-%s.txt", setup->folder, megabytes);
    char *result = make_text(setup, text, megabytes);
    struct stat file;
    if (stat(text, &file) != 0)
        bench_die("cannot find %s", text);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        if (setup->contenders == NULL || strstr(counters[i].name, setup->contenders) != NULL)
            add_row(setup, rows, i, text, (uint64_t)file.st_size, result);
    }
    free(result);
    free(text);
}
