/* SPDX-License-Identifier: MIT */

/*
 * The comparison: reads what is asked for, measures, writes the page and the results.  Called by
 * tools/bench/run, which has built everything before.
 */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/alloc.h"
#include "driver/machine.h"
#include "driver/measure.h"
#include "driver/process.h"
#include "driver/report.h"

#define ROUNDS 3
#define SECONDS 0.5
#define QUICK_SECONDS 0.02
#define BUDGET 15
#define TIMEOUT 120

struct arguments {
    struct bench_setup setup;
    struct bench_measure_options measure;
    const char *page, *results;
    bool is_list;
};

enum option_id {
    HELP = 1,
    QUICK,
    LIST,
    ROUNDS_GIVEN,
    SECONDS_GIVEN,
    ONLY,
    CONTENDER,
    PAGE,
    RESULTS,
    FLOWRUN,
    PROGRAMS,
    SCRIPTS,
    FOLDER,
};

static const struct option options[] = {
    {"help", no_argument, NULL, HELP},
    {"quick", no_argument, NULL, QUICK},
    {"list", no_argument, NULL, LIST},
    {"rounds", required_argument, NULL, ROUNDS_GIVEN},
    {"seconds", required_argument, NULL, SECONDS_GIVEN},
    {"only", required_argument, NULL, ONLY},
    {"contender", required_argument, NULL, CONTENDER},
    {"page", required_argument, NULL, PAGE},
    {"results", required_argument, NULL, RESULTS},
    {"flowrun", required_argument, NULL, FLOWRUN},
    {"programs", required_argument, NULL, PROGRAMS},
    {"scripts", required_argument, NULL, SCRIPTS},
    {"folder", required_argument, NULL, FOLDER},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *out)
{
    (void)fprintf(out,
                  "usage: bench --flowrun FILE --programs FOLDER --scripts FOLDER --folder FOLDER\n"
                  "             [--page FILE] [--results FILE] [--quick] [--list]\n"
                  "             [--rounds N] [--seconds S] [--only WORKLOAD] [--contender NAME]\n"
                  "tools/bench/run calls it with what it needs.  Workloads:\n");
    for (size_t i = 0; i < bench_workload_count; i++)
        (void)fprintf(out, "  %-10s %s\n", bench_workloads[i].name, bench_workloads[i].title);
}

static double number(const char *text, double least, double most)
{
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most))
        bench_die("%s is no number from %g to %g", text, least, most);
    return value;
}

static void check_workload(const char *name)
{
    for (size_t i = 0; i < bench_workload_count; i++) {
        if (strcmp(bench_workloads[i].name, name) == 0)
            return;
    }
    usage(stderr);
    bench_die("there is no workload %s", name);
}

static void apply(struct arguments *to, int option, const char *value)
{
    switch (option) {
    case HELP:
        usage(stdout);
        exit(0);
    case QUICK:
        to->setup.is_quick = true;
        to->measure.seconds = QUICK_SECONDS;
        break;
    case LIST:
        to->is_list = true;
        break;
    case ROUNDS_GIVEN:
        to->measure.rounds = (unsigned)number(value, 1, 1000);
        break;
    case SECONDS_GIVEN:
        to->measure.seconds = number(value, 0.001, 60);
        break;
    case ONLY:
        check_workload(value);
        to->setup.only = value;
        break;
    case CONTENDER:
        to->setup.contenders = value;
        break;
    case PAGE:
        to->page = value;
        break;
    case RESULTS:
        to->results = value;
        break;
    case FLOWRUN:
        to->setup.flowrun = value;
        break;
    case PROGRAMS:
        to->setup.programs = value;
        break;
    case SCRIPTS:
        to->setup.scripts = value;
        break;
    case FOLDER:
        to->setup.folder = value;
        break;
    default:
        usage(stderr);
        exit(2);
    }
}

static void read_arguments(struct arguments *to, int argc, char **argv)
{
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;)
        apply(to, option == 'h' ? HELP : option, optarg);
    if (optind < argc || to->setup.flowrun == NULL || to->setup.programs == NULL ||
        to->setup.scripts == NULL || to->setup.folder == NULL) {
        usage(stderr);
        exit(2);
    }
    if (mkdir(to->setup.folder, 0777) != 0 && errno != EEXIST)
        bench_die("cannot make the folder %s: %s", to->setup.folder, strerror(errno));
}

static bool knows_fuse(const char *flowrun)
{
    char *argv[] = {bench_format("%s", flowrun), bench_format("run"), bench_format("--help"), NULL};
    const struct bench_run_options how = {.timeout = 10};
    struct bench_run run = bench_run_command(argv, &how);
    const bool knows = strstr(run.output, "--fuse") != NULL;
    bench_run_clear(&run);
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    return knows;
}

static void tell(const struct bench_row *row, const char *text)
{
    (void)fprintf(stderr, "%s%s, %s: %s%s%s, %s%s", isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "",
                  row->workload, row->point, row->contender, row->variant[0] != '\0' ? ", " : "",
                  row->variant, text, isatty(STDERR_FILENO) == 1 ? "" : "\n");
}

static void write_page(const char *path, const struct bench_report *report)
{
    char *tables = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&tables, &size);
    if (memory == NULL)
        bench_die("no memory");
    bench_report_markdown(report, memory);
    if (fclose(memory) != 0)
        bench_die("no memory");
    if (path == NULL) {
        (void)fputs(tables, stdout);
    } else {
        char *old = bench_read_file(path);
        char *page = bench_page_update(old, tables);
        FILE *file = page != NULL ? fopen(path, "we") : NULL;
        if (page == NULL)
            bench_die("%s has no lines <!-- bench:begin --> and <!-- bench:end -->", path);
        if (file == NULL || fputs(page, file) == EOF || fclose(file) != 0)
            bench_die("cannot write %s: %s", path, strerror(errno));
        free(page);
        free(old);
    }
    free(tables);
}

static void write_results(const char *path, const struct bench_report *report)
{
    json_t *results = bench_report_json(report);
    if (results == NULL || json_dump_file(results, path, JSON_INDENT(1)) != 0)
        bench_die("cannot write %s", path);
    json_decref(results);
}

/* A void row fails the run: something lost or changed records. */
static int count_void(const struct bench_rows *rows)
{
    int count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct bench_row *row = &rows->items[i];
        if (row->flaw == NULL)
            continue;
        (void)fprintf(stderr, "bench: void: %s, %s: %s %s: %s\n", row->workload, row->point,
                      row->contender, row->variant, row->flaw);
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.measure = {.rounds = ROUNDS,
                                              .seconds = SECONDS,
                                              .budget = BUDGET,
                                              .timeout = TIMEOUT,
                                              .tell = tell}};
    read_arguments(&arguments, argc, argv);
    /* The scripts among the contenders find what is compiled for them there. */
    (void)setenv("BENCH_PROGRAMS", arguments.setup.programs, 1);
    arguments.setup.has_fuse = knows_fuse(arguments.setup.flowrun);
    arguments.setup.step_ns = bench_machine_step_ns();
    struct bench_rows rows = {0};
    struct bench_report report = {.rows = &rows,
                                  .machine = bench_machine_describe(&arguments.setup),
                                  .rounds = arguments.measure.rounds,
                                  .seconds = arguments.measure.seconds};
    bench_lineup(&arguments.setup, &rows);
    if (!arguments.is_list)
        bench_measure(&rows, &arguments.measure);
    (void)fprintf(stderr, "\n");
    struct bench_verdicts verdicts = bench_targets_judge(&rows);
    report.verdicts = &verdicts;
    write_page(arguments.page, &report);
    if (arguments.results != NULL)
        write_results(arguments.results, &report);
    const int flaws = count_void(&rows);
    bench_verdicts_clear(&verdicts);
    bench_rows_clear(&rows);
    json_decref(report.machine);
    return flaws > 0 ? 1 : 0;
}
