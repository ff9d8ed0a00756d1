/* SPDX-License-Identifier: MIT */

/* tools/simulate: many seeds, or one that failed. */

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "simulate/trial.h"

#define PATIENCE_S 60 /* real time, for one seed */

struct options {
    uint64_t start, count;
    uint64_t failures; /* after which it stops */
    bool verbose;
};

static volatile uint64_t seed_now; /* for who is interrupted */

/* An endless loop in which nothing is called. */
static void give_up(int signal)
{
    char text[96];
    const int size = snprintf(text, sizeof(text), "seed %" PRIu64 ": FAILED: signal %d\n", seed_now,
                              signal);
    if (write(STDOUT_FILENO, text, (size_t)size) != size)
        _exit(70);
    _exit(1);
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},   {"seeds", required_argument, NULL, 'n'},
        {"start", required_argument, NULL, 'k'},  {"verbose", no_argument, NULL, 'v'},
        {"failures", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 's':
            options->start = strtoull(optarg, NULL, 10);
            options->count = 1;
            break;
        case 'n':
            options->count = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            options->start = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            options->failures = strtoull(optarg, NULL, 10);
            break;
        case 'v':
            options->verbose = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_figures(const struct sim_figures *figures, uint64_t failed, double seconds)
{
    static const char *const names[SIM_FAULTS] = {
        [SIM_KILL] = "SIGKILL to a process", [SIM_STOP] = "SIGSTOP for a while",
        [SIM_CRASH] = "SIGKILL to all",      [SIM_ORPHAN] = "SIGKILL to the coordinator",
        [SIM_POWER] = "power loss",          [SIM_FULL] = "disk full for a while",
        [SIM_DRAIN] = "asked to stop"};
    printf("seeds               %" PRIu64 "\n", figures->seeds);
    printf("graphs              %" PRIu64 "\n", figures->graphs);
    printf("steps               %" PRIu64 "\n", figures->steps);
    printf("faults\n");
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        printf("  %-26s  %" PRIu64 "\n", names[i], figures->struck[i]);
    printf("processes replaced  %" PRIu64 "\n", figures->replaced);
    printf("resumed             %" PRIu64 "\n", figures->resumes);
    printf("ended with a reason %" PRIu64 "\n", figures->ended);
    printf("seconds             %.1f (%.0f seeds a second)\n", seconds,
           (double)figures->seeds / seconds);
    printf("failed              %" PRIu64 "\n", failed);
}

static uint64_t try_all(struct sim_trials *trials, const struct options *options)
{
    uint64_t failed = 0;
    for (uint64_t i = 0; i < options->count && failed < options->failures; i++) {
        struct rt_verdict verdict;
        seed_now = options->start + i;
        alarm(PATIENCE_S);
        if (sim_trial(trials, seed_now, &verdict))
            continue;
        failed++;
        printf("seed %" PRIu64 ": FAILED: %s\n", seed_now, verdict.text);
    }
    alarm(0);
    return failed;
}

int main(int argc, char **argv)
{
    struct options options = {.count = 1000, .failures = 10};
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: %s [--seed N | --seeds N [--start N]] [--failures N] [--verbose]\n",
                argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    static struct sim_trials trials;
    json_set_alloc_funcs(malloc, free);
    json_object_seed(1);
    if (!sim_trials_init(&trials)) {
        fputs("simulate: no memory\n", stderr);
        return 70;
    }
    trials.world->verbose = options.verbose;
    signal(SIGALRM, give_up);
    signal(SIGABRT, give_up);
    const double begin = seconds_now();
    const uint64_t failed = try_all(&trials, &options);
    print_figures(&trials.figures, failed, seconds_now() - begin);
    sim_trials_clear(&trials);
    return failed == 0 ? 0 : 1;
}
