/* SPDX-License-Identifier: MIT */

/*
 * What tools/chaos needs and a shell cannot do well.
 *
 *     chaos_tool life OUT OPTION... -- COMMAND...
 *         runs the command, a run of flowrun with a state folder, does one thing to it at a chosen
 *         moment, and waits for its end.  Writes to OUT, as shell variables, how it ended, what was
 *         done, in which phase of its checkpoints, and what was left.
 *     chaos_tool labels EXPLAINED KIND
 *         the names of a graph's processes that hold stages of a kind: producer, worker, stateful,
 *         consumer; EXPLAINED is what `flowrun explain --json` says of it
 *
 *     --state FOLDER    its state folder
 *     --fault FAULT     kill, stop (SIGSTOP, then SIGCONT), full (the disk), limit (no descriptor
 * more) or close (one descriptor, by soak/closer.c)
 *     --victim LABELS   names of processes, one of which is taken by chance; "run": the
 * coordinator; "all": every process at once
 *     --phase PHASE     when: before, between, aligning, committing, draining, ended, or any
 *     --calm MS         how long an undisturbed run takes
 *     --hold MS         how long a stop, a full disk or a limit lasts
 *     --disk FOLDER     on which file system there is no room
 *     --seed N          what chance takes
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soak/chaos_tool.h"

#define PATIENCE_MS                                                                                \
    100000 /* for a run that has been struck: a process that does not leave gets a minute */
#define ORPHANS_MS 10000 /* for what outlives it */
#define ASK_MS 3000      /* for the first signs of a run that is asked to stop */

int chaos_complain(const char *what)
{
    fprintf(stderr, "chaos_tool: %s: %s\n", what, strerror(errno));
    return 70;
}

static bool is_known_fault(const char *name)
{
    static const char *const known[] = {"kill", "stop", "full", "limit", "close"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

static bool parse(int argc, char **argv, struct plan *plan)
{
    static const struct option known[] = {
        {"state", required_argument, NULL, 's'},
        {"fault", required_argument, NULL, 'f'},
        {"victim", required_argument, NULL, 'v'},
        {"phase", required_argument, NULL, 'p'},
        {"calm", required_argument, NULL, 'c'},
        {"hold", required_argument, NULL, 'h'},
        {"disk", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    const char *phase = "any";
    for (int c; (c = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
        switch (c) {
        case 's':
            plan->state = optarg;
            break;
        case 'f':
            plan->fault = optarg;
            break;
        case 'v':
            plan->victim = optarg;
            break;
        case 'p':
            phase = optarg;
            break;
        case 'c':
            plan->calm_ms = atoi(optarg);
            break;
        case 'h':
            plan->hold_ms = atoi(optarg);
            break;
        case 'd':
            plan->disk = optarg;
            break;
        case 'n':
            plan->seed = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    plan->phase = phase_named(phase);
    errno = EINVAL;
    return plan->state != NULL && optind < argc && plan->calm_ms > 0 &&
           is_known_fault(plan->fault) && (plan->phase < PHASE_COUNT || strcmp(phase, "any") == 0);
}

/* ---- moments ---- */

/* Let the run go on until the time has come; false: it ended before. */
static bool pass_until(struct life *life, int64_t until_ns)
{
    for (int64_t left; (left = until_ns - now_ns()) > 0;) {
        phases_look(&life->phases);
        if (marked_ends(&life->run, left > 2000000 ? 1 : 0))
            return false;
    }
    return true;
}

bool pass(struct life *life, int64_t ns)
{
    return pass_until(life, now_ns() + ns);
}

/* Wait until a counter of the phases has grown by `times`; false: the run ended before. */
static bool pass_events(struct life *life, const unsigned *counter, unsigned times)
{
    const unsigned until = *counter + times;
    while (*counter < until) {
        phases_look(&life->phases);
        if (*counter < until && phases_wait(&life->phases, life->run.pidfd) < 0)
            return false;
    }
    return true;
}

static bool pass_until_final(struct life *life)
{
    while (!life->phases.final)
        if (!pass_events(life, &life->phases.commits, 1))
            return false;
    return true;
}

/* A third each: when the manifest is begun, while it is written, and when it has got its name. */
static bool await_commit(struct life *life)
{
    if (!pass_events(life, &life->phases.begins, 1 + chance(life, 4)))
        return false;
    switch (chance(life, 3)) {
    case 0:
        return true;
    case 1:
        return pass(life, chance(life, 1500) * 1000);
    default:
        return pass_events(life, &life->phases.commits, 1);
    }
}

/* Asked to stop, it makes one more checkpoint. */
static bool await_draining(struct life *life)
{
    if (!pass(life, (int64_t)chance(life, (unsigned)life->plan.calm_ms * 7 / 10) * 1000000))
        return false;
    kill(life->run.pid, SIGTERM);
    life->phases.asked = true;
    return pass(life, chance(life, 20000) * 1000);
}

/* The moment has come; false: the run ended before. */
static bool await_moment(struct life *life)
{
    const unsigned calm_us = (unsigned)life->plan.calm_ms * 1000;
    switch (life->plan.phase) {
    case PHASE_BEFORE:
        return pass(life, (int64_t)chance(life, calm_us / 5) * 1000);
    case PHASE_ALIGNING:
        return pass_events(life, &life->phases.saves, 1 + chance(life, 4)) &&
               pass(life, chance(life, 500) * 1000);
    case PHASE_COMMITTING:
        return await_commit(life);
    case PHASE_DRAINING:
        return await_draining(life);
    case PHASE_ENDED:
        return pass_until_final(life) && pass(life, chance(life, 3000) * 1000);
    case PHASE_BETWEEN:
    case PHASE_COUNT:
        break;
    }
    return pass(life, (int64_t)chance(life, calm_us) * 1000);
}

/* ---- a life ---- */

static void print_end(const struct life *life, FILE *out, bool hung, int64_t struck_ms)
{
    const int status = marked_status(&life->run);
    const int64_t ended = now_ms();
    const size_t left = marked_gone(&life->run, ORPHANS_MS);
    fprintf(out, "EXIT=%d\nENDED_BY=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fprintf(out, "HUNG=%d\nLEFT=%zu\nGONE_MS=%lld\nTOOK_MS=%lld\n", hung, left,
            (long long)(now_ms() - ended), (long long)(ended - struck_ms));
}

static void live(struct life *life, FILE *out)
{
    const int64_t begun_ms = now_ms();
    const bool due = await_moment(life);
    struct done done = {0};
    const int64_t struck_ms = due ? now_ms() : begun_ms;
    if (due)
        done = strike(life);
    const bool hung = !marked_ends(&life->run, PATIENCE_MS);
    if (hung)
        marked_kill_all(&life->run);
    print_end(life, out, hung, struck_ms);
    phases_look(&life->phases);
    const bool dead = done.struck && strcmp(life->plan.fault, "kill") == 0 &&
                      strcmp(life->plan.victim, "all") == 0;
    fprintf(out, "STRUCK=%d\nPHASE=%s\nVICTIM='%s'\nOUTLIVED=%d\n", done.struck,
            phase_name(dead ? phases_at(&life->phases, done.at_ns) : done.phase), done.victim,
            done.outlived);
    marked_kill_all(&life->run);
}

static int run_life(int argc, char **argv)
{
    struct life life = {.plan = {.fault = "kill", .victim = "all", .hold_ms = 500}};
    FILE *out = argc > 3 ? fopen(argv[2], "w") : NULL;
    if (out == NULL || !parse(argc - 2, argv + 2, &life.plan))
        return chaos_complain("life");
    life.seed = life.plan.seed;
    if (!phases_open(&life.phases, life.plan.state))
        return chaos_complain(life.plan.state);
    if (!marked_start_group(&life.run, argv + 2 + optind))
        return chaos_complain(argv[2 + optind]);
    live(&life, out);
    phases_close(&life.phases);
    return fclose(out) == 0 ? 0 : chaos_complain(argv[2]);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "life") == 0)
        return run_life(argc, argv);
    if (strcmp(verb, "labels") == 0 && argc == 4)
        return print_labels(argv[2], argv[3]);
    fputs("usage: chaos_tool life|labels ...\n", stderr);
    return 2;
}
