/* SPDX-License-Identifier: MIT */

/* tools/simulate: many seeds, or one that failed. */

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "simulate/trial.h"

#define PATIENCE_S 60 /* real time, for one seed */
#define JOBS_MOST 64

struct options {
    uint64_t start, count;
    uint64_t failures; /* after which a job stops */
    uint64_t jobs;
    bool verbose;
};

/* What a job tells at its end. */
struct account {
    struct sim_figures figures;
    uint64_t failed, first_failed;
};

static volatile uint64_t seed_now; /* for who is interrupted */
static volatile sig_atomic_t stopped;

/* Enough: the figures so far. */
static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* An endless loop in which nothing is called, or a crash. */
static void give_up(int signal)
{
    char text[96];
    const int size =
        snprintf(text, sizeof(text), "seed %" PRIu64 ": FAILED: signal %d\n", seed_now, signal);
    if (write(STDOUT_FILENO, text, (size_t)size) != size)
        _exit(70);
    _exit(1);
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"start", required_argument, NULL, 'k'},
        {"jobs", required_argument, NULL, 'j'},
        {"failures", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        const uint64_t number = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        switch (c) {
        case 's':
            options->start = number;
            options->count = 1;
            break;
        case 'n':
            options->count = number;
            break;
        case 'k':
            options->start = number;
            break;
        case 'j':
            options->jobs = number;
            break;
        case 'f':
            options->failures = number;
            break;
        case 'v':
            options->verbose = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && options->jobs > 0 && options->jobs <= JOBS_MOST;
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_figures(const struct account *account, double seconds)
{
    static const char *const names[SIM_FAULTS] = {
        [SIM_KILL] = "death of a process", [SIM_STOP] = "SIGSTOP for a while",
        [SIM_CRASH] = "SIGKILL to all",    [SIM_ORPHAN] = "SIGKILL to the coordinator",
        [SIM_POWER] = "power loss",        [SIM_FULL] = "disk full for a while",
        [SIM_DRAIN] = "asked to stop"};
    const struct sim_figures *figures = &account->figures;
    printf("seeds               %" PRIu64 "\n", figures->seeds);
    printf("graphs              %" PRIu64 "\n", figures->graphs);
    printf("steps               %" PRIu64 "\n", figures->steps);
    printf("faults\n");
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        printf("  %-26s  %" PRIu64 "\n", names[i], figures->struck[i]);
    printf("processes replaced  %" PRIu64 "\n", figures->replaced);
    printf("runs gone back      %" PRIu64 "\n", figures->returns);
    printf("runs gone on with   %" PRIu64 "\n", figures->resumes);
    printf("ended with a reason %" PRIu64 "\n", figures->ended);
    printf("seconds             %.1f (%.0f seeds a second)\n", seconds,
           (double)figures->seeds / seconds);
    printf("failed              %" PRIu64 "\n", account->failed);
    if (account->failed > 0)
        printf("first failing seed  %" PRIu64 "\n", account->first_failed);
}

static void try_seed(struct sim_trials *trials, uint64_t seed, struct account *account)
{
    struct rt_verdict verdict;
    seed_now = seed;
    alarm(PATIENCE_S);
    if (sim_trial(trials, seed, &verdict))
        return;
    if (account->failed++ == 0)
        account->first_failed = seed;
    printf("seed %" PRIu64 ": FAILED: %s\n", seed, verdict.text);
}

/* All seeds of every jobs-th graph, so that no graph is made twice. */
static bool work(const struct options *options, uint64_t job, struct account *account)
{
    static struct sim_trials trials;
    json_set_alloc_funcs(malloc, free);
    json_object_seed(1);
    if (!sim_trials_init(&trials)) {
        fputs("simulate: no memory\n", stderr);
        return false;
    }
    trials.world->verbose = options->verbose;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    signal(SIGALRM, give_up);
    signal(SIGABRT, give_up);
    signal(SIGSEGV, give_up);
    *account = (struct account){0};
    for (uint64_t i = 0; i < options->count && account->failed < options->failures; i++) {
        if (stopped != 0)
            break;
        const uint64_t seed = options->start + i;
        if (options->jobs == 1 || seed / SIM_OF_GRAPH % options->jobs == job)
            try_seed(&trials, seed, account);
    }
    alarm(0);
    account->figures = trials.figures;
    sim_trials_clear(&trials);
    return true;
}

static void add(struct account *all, const struct account *one)
{
    struct sim_figures *sum = &all->figures;
    if (one->failed > 0 && (all->failed == 0 || one->first_failed < all->first_failed))
        all->first_failed = one->first_failed;
    all->failed += one->failed;
    sum->seeds += one->figures.seeds;
    sum->graphs += one->figures.graphs;
    sum->steps += one->figures.steps;
    sum->resumes += one->figures.resumes;
    sum->replaced += one->figures.replaced;
    sum->returns += one->figures.returns;
    sum->ended += one->figures.ended;
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        sum->struck[i] += one->figures.struck[i];
}

/* One process for each job, and a pipe through which it tells its account. */
static bool work_in_jobs(const struct options *options, struct account *all)
{
    bool ok = true;
    int pipes[JOBS_MOST][2];
    for (uint64_t job = 0; job < options->jobs; job++) {
        if (pipe(pipes[job]) != 0)
            return false;
        if (fork() == 0) {
            struct account account;
            const bool done = work(options, job, &account);
            fflush(stdout);
            _exit(done && write(pipes[job][1], &account, sizeof(account)) ==
                              (ssize_t)sizeof(account)
                      ? 0
                      : 70);
        }
        close(pipes[job][1]);
    }
    for (uint64_t job = 0; job < options->jobs; job++) {
        struct account account;
        if (read(pipes[job][0], &account, sizeof(account)) == (ssize_t)sizeof(account))
            add(all, &account);
        else
            ok = false;
        close(pipes[job][0]);
    }
    while (wait(NULL) > 0)
        continue;
    return ok;
}

int main(int argc, char **argv)
{
    struct options options = {.count = 1000, .failures = 10, .jobs = 1};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--seed N | --seeds N [--start N] [--jobs N]] [--failures N]"
                " [--verbose]\n",
                argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct account all = {0};
    const double begin = seconds_now();
    const bool done = options.jobs == 1 ? work(&options, 0, &all) : work_in_jobs(&options, &all);
    print_figures(&all, seconds_now() - begin);
    if (!done)
        puts("a job did not come to its end");
    return done && all.failed == 0 ? 0 : 1;
}
