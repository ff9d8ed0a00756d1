/* SPDX-License-Identifier: MIT */

/*
 * Random graphs, run by the flowrun program in threads and in processes, against the reference
 * interpreter.
 *
 *     test_random [--seed S] [--start K] [--count N] [--mode threads|processes|both] [--keep]
 *                 [--timeout SECONDS]
 *
 * The same seed gives the same graphs.  What fails is kept, with the command that runs it again.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "random/compare.h"
#include "random/generate.h"
#include "random/launch.h"
#include "random/ledger.h"

#define MOST_FAILURES 10
#define DEATHS_MOST 4
#define LIFE_MOST_MS 120
#define KILLS 3 /* "restart" allows 5 of each stage */
#define MOST_TEXT ((size_t)4 << 20)

struct options {
    const char *self;
    uint64_t seed, start, count;
    const char *mode;
    int timeout_ms;
    bool keep;
};

/* How a graph is run.  Fused or not, it gives the same. */
struct way {
    const char *name; /* for files */
    const char *mode;
    const char *fuse;
    bool dies;      /* killed some times, and gone on with */
    bool goes_back; /* some of its processes are killed, and it goes back by itself */
};

struct trial {
    const struct options *options;
    const struct rt_graph *graph;
    const struct rt_expected *expected;
    const char *folder; /* of this graph */
    const struct way *way;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct rt_verdict *verdict, const char *fmt,
                                                        ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(verdict->text, sizeof(verdict->text), fmt, args);
    va_end(args);
    return false;
}

/* A path, to be freed. */
__attribute__((format(printf, 1, 2))) static char *path_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, args) < 0)
        exit(70);
    va_end(args);
    return path;
}

/* The beginning of a file, empty if there is none; to be freed. */
static char *read_text(const char *path)
{
    char *text = calloc(1, MOST_TEXT + 1);
    if (text == NULL)
        exit(70);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return text;
    text[fread(text, 1, MOST_TEXT, file)] = 0;
    fclose(file);
    return text;
}

/* Why the run failed: what the report says, or the beginning of what else was said. */
static const char *reason_of(const char *said)
{
    const char *message = strstr(said, "\"message\": ");
    return message != NULL ? message : said;
}

/* A run that its graph ends with a bad record: exit code 1, and the stage and the reason named. */
static bool fails_as_it_should(const struct trial *trial, const struct rt_outcome *outcome,
                               const char *said, struct rt_verdict *verdict)
{
    char name[RT_KEY_SIZE];
    rt_stage_name(trial->graph, trial->expected->failing, name);
    if (outcome->exit_code != 1)
        return wrong(verdict, "a bad record in %s must end the run with 1, not %d", name,
                     outcome->exit_code);
    if (strstr(said, name) == NULL || strstr(said, "refused ") == NULL)
        return wrong(verdict, "the message names not %s and its reason", name);
    return true;
}

static bool judge(const struct trial *trial, const struct rt_outcome *outcome, const char *said,
                  const char *folder, struct rt_verdict *verdict)
{
    if (outcome->hung)
        return wrong(verdict, "hangs: killed after %d s", trial->options->timeout_ms / 1000);
    if (outcome->signal != 0)
        return wrong(verdict, "ended by signal %d (%s)", outcome->signal,
                     strsignal(outcome->signal));
    if (outcome->left)
        return wrong(verdict, "left processes behind");
    if (trial->expected->failing != RT_STAGES_MAX)
        return fails_as_it_should(trial, outcome, said, verdict);
    if (outcome->exit_code != 0)
        return wrong(verdict, "exit code %d: %.400s", outcome->exit_code, reason_of(said));
    return rt_sinks_agree(trial->graph, trial->expected, folder, verdict) &&
           (trial->way->dies || rt_ledger_agrees(trial->graph, trial->expected, said, verdict));
}

/* How often it has been killed before it came to an end; the moments derive from the graph. */
static unsigned kill_some_times(const struct trial *trial, const struct rt_launch *launch)
{
    uint64_t moment = trial->options->seed * 1000003 + trial->graph->index;
    struct rt_launch killed = *launch;
    struct rt_outcome outcome = {.hung = true};
    unsigned deaths = 0;
    for (; deaths < DEATHS_MOST; deaths++) {
        moment = moment * UINT64_C(6364136223846793005) + 1442695040888963407u;
        killed.timeout_ms = (int)(moment >> 33) % LIFE_MOST_MS + 1;
        killed.resumes = true;
        if (!rt_launch(&killed, &outcome) || !outcome.hung)
            return deaths + 1; /* it has ended: what comes now only says so, or fails again */
    }
    return deaths;
}

static bool run_in(const struct trial *trial, const struct rt_launch *launch,
                   struct rt_verdict *verdict)
{
    struct rt_outcome outcome;
    if (mkdir(launch->folder, 0777) != 0)
        return wrong(verdict, "%s: %s", launch->folder, strerror(errno));
    const unsigned deaths = trial->way->dies ? kill_some_times(trial, launch) : 0;
    struct rt_launch last = *launch;
    last.resumes = deaths > 0;
    if (!rt_launch(&last, &outcome))
        return wrong(verdict, "cannot start %s: %s", RT_FLOWRUN, strerror(errno));
    char *said = read_text(launch->err);
    const bool ok = judge(trial, &outcome, said, launch->folder, verdict);
    free(said);
    return ok;
}

static bool run_graph(const struct trial *trial, struct rt_verdict *verdict)
{
    char *graph = path_of("%s/graph.json", trial->folder);
    char *folder = path_of("%s/%s", trial->folder, trial->way->name);
    char *err = path_of("%s/%s.err", trial->folder, trial->way->name);
    char *state = path_of("%s/%s.state", trial->folder, trial->way->name);
    const struct rt_launch launch = {
        .program = RT_FLOWRUN,
        .graph = graph,
        .mode = trial->way->mode,
        .fuse = trial->way->fuse,
        .folder = folder,
        .err = err,
        .state = trial->way->dies || trial->way->goes_back ? state : NULL,
        .kills = trial->way->goes_back ? KILLS : 0,
        .moment = trial->options->seed * 1000003 + trial->graph->index,
        .timeout_ms = trial->options->timeout_ms,
    };
    const bool ok = run_in(trial, &launch, verdict);
    free(graph);
    free(folder);
    free(err);
    free(state);
    return ok;
}

static void report(const struct trial *trial, const struct rt_verdict *verdict)
{
    const struct options *options = trial->options;
    printf("FAILED: graph %" PRIu64 " of seed %" PRIu64 " in %s: %s\n", trial->graph->index,
           options->seed, trial->way->name, verdict->text);
    printf("  kept:  %s (graph.json, %s.err, %s/)\n", trial->folder, trial->way->name,
           trial->way->name);
    printf("  again: %s --seed %" PRIu64 " --start %" PRIu64 " --count 1 --mode %s --keep\n",
           options->self, options->seed, trial->graph->index, trial->way->mode);
    if (strncmp(verdict->text, "hangs", 5) != 0)
        return;
    char *path = path_of("%s/graph.json", trial->folder);
    char *text = read_text(path);
    puts(text);
    free(text);
    free(path);
}

static void remove_folder(const char *folder)
{
    char *command = path_of("rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", folder);
    free(command);
}

static bool wants(const struct options *options, const char *mode)
{
    return strcmp(options->mode, "both") == 0 || strcmp(options->mode, mode) == 0;
}

static void write_graph(const struct rt_graph *graph, const char *folder)
{
    char *path = path_of("%s/graph.json", folder);
    if (mkdir(folder, 0777) != 0 || !rt_graph_write(graph, RT_PLUGIN, path)) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        exit(70);
    }
    free(path);
}

/* Returns how many of the ways failed.  A process takes long to start: one way of fusing each. */
static unsigned try_graph(const struct options *options, uint64_t index, const char *base)
{
    static const struct way ways[] = {
        {"threads", "threads", "off", false, false},
        {"threads-fused", "threads", "on", false, false},
        {"processes", "processes", "auto", false, false},
        {"processes-fused", "processes", "on", false, false},
        {"threads-killed", "threads", "auto", true, false},
        {"processes-killed", "processes", "auto", true, false},
        {"processes-back", "processes", "auto", false, true},
    };
    static struct rt_graph graph; /* large, and one at a time */
    struct rt_expected expected;
    char *folder = path_of("%s/%" PRIu64, base, index);
    rt_generate(options->seed, index, &graph, &expected);
    write_graph(&graph, folder);
    unsigned failures = 0;
    const size_t skipped = 2 + (size_t)(index % 2);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const struct trial trial = {options, &graph, &expected, folder, &ways[i]};
        struct rt_verdict verdict = {0};
        if (i == skipped || (ways[i].dies && index % 4 != (i - 4) * 2) ||
            (ways[i].goes_back && index % 2 == 0) || !wants(options, ways[i].mode) ||
            run_graph(&trial, &verdict))
            continue;
        report(&trial, &verdict);
        failures++;
    }
    rt_expected_clear(&expected);
    if (failures == 0 && !options->keep)
        remove_folder(folder);
    free(folder);
    return failures;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"start", required_argument, NULL, 'k'},
        {"count", required_argument, NULL, 'n'},
        {"mode", required_argument, NULL, 'm'},
        {"timeout", required_argument, NULL, 't'},
        {"keep", no_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 's':
            options->seed = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            options->start = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            options->count = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            options->mode = optarg;
            break;
        case 't':
            options->timeout_ms = atoi(optarg) * 1000;
            break;
        case 'x':
            options->keep = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && (wants(options, "threads") || wants(options, "processes"));
}

int main(int argc, char **argv)
{
    struct options options = {
        .self = argv[0], .seed = 1, .count = 125, .mode = "both", .timeout_ms = 60000};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--seed S] [--start K] [--count N] [--mode threads|processes]"
                " [--timeout SECONDS] [--keep]\n",
                argv[0]);
        return 2;
    }
    const char *tmp = getenv("TMPDIR");
    char *base = path_of("%s/random-graphs.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(base) == NULL) {
        fprintf(stderr, "cannot make %s: %s\n", base, strerror(errno));
        return 70;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);

    const time_t begin = time(NULL);
    uint64_t tried = 0;
    unsigned failures = 0;
    while (tried < options.count && failures < MOST_FAILURES)
        failures += try_graph(&options, options.start + tried++, base);
    if (failures == 0 && !options.keep)
        remove_folder(base);
    else
        printf("kept in %s\n", base);
    printf("%" PRIu64 " graphs of seed %" PRIu64 " from %" PRIu64
           " on, mode %s: %u failures, %ld s\n",
           tried, options.seed, options.start, options.mode, failures, (long)(time(NULL) - begin));
    free(base);
    return failures == 0 ? 0 : 1;
}
