/* SPDX-License-Identifier: MIT */
#include "simulate/trial.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/session.h"
#include "plan/plan.h"
#include "random/generate.h"
#include "random/ledger.h"
#include "random/stages.h"
#include "simulate/attempt.h"
#include "simulate/disk.h"
#include "stages/builtin.h"
#include "watch/report.h"

#define GRAPHS_SEED 7 /* the series of graphs */
#define LINES_OF 8    /* of so many graphs, one is of the stages that come with flowrun */
#define GRAPH_FILE SIM_ROOT "graph.json"
#define STATE SIM_ROOT "state"
#define ATTEMPTS 12
#define FAULTS_SAVED 3 /* at most in an attempt, with checkpoints */
#define FAULTY 4       /* attempts that have faults; the ones after them are left alone */

extern const struct flow_plugin flow_plugin_random;

/* ---- the verdict ---- */

__attribute__((format(printf, 2, 3))) static bool wrong(struct rt_verdict *verdict, const char *fmt,
                                                        ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(verdict->text, sizeof(verdict->text), fmt, args);
    va_end(args);
    return false;
}

/* ---- graphs ---- */

bool sim_trials_init(struct sim_trials *trials)
{
    *trials = (struct sim_trials){.world = sim_world_new(), .builtin = {&flow_plugin_random}};
    for (size_t i = 0; flow_builtin_plugins[i] != NULL && i + 2 < SIM_PLUGINS; i++)
        trials->builtin[i + 1] = flow_builtin_plugins[i];
    const struct flow_session_options options = {.builtin = trials->builtin};
    sim_world = trials->world;
    sim_world_reset(trials->world, 0);
    trials->session = flow_session_new(&options, NULL);
    return trials->session != NULL;
}

static void forget_graph(struct sim_trials *trials)
{
    for (unsigned i = 0; i < SIM_WAYS; i++) {
        flow_plan_free(trials->loaded[i].plan);
        flow_graph_unload(trials->loaded[i].graph);
        trials->loaded[i] = (struct sim_loaded){0};
    }
    if (trials->has_graph && !trials->is_lines)
        rt_expected_clear(&trials->expected);
    sim_lines_clear(&trials->lines);
    free(trials->text);
    trials->text = NULL;
    trials->has_graph = false;
}

void sim_trials_clear(struct sim_trials *trials)
{
    forget_graph(trials);
    flow_session_free(trials->session);
    sim_world_reset(trials->world, 0);
}

static void take_graph(struct sim_trials *trials, uint64_t index)
{
    if (trials->has_graph && trials->index == index)
        return;
    forget_graph(trials);
    trials->index = index;
    trials->is_lines = index % LINES_OF == LINES_OF - 1;
    if (trials->is_lines) {
        trials->text = sim_lines_new(&trials->lines, index);
        trials->graph.stage_count = 0;
        trials->expected.failing = RT_STAGES_MAX;
    } else {
        rt_generate_small(GRAPHS_SEED, index, &trials->graph, &trials->expected);
        trials->text = rt_graph_text(&trials->graph);
    }
    trials->has_graph = true;
    trials->figures.graphs++;
}

/* "sink7.lasting=true" for each sink; to be freed with the list. */
static void ask_for_lasting(const struct rt_graph *graph, char *sets[RT_STAGES_MAX + 1])
{
    size_t count = 0;
    for (unsigned s = 0; s < graph->stage_count; s++) {
        char name[RT_KEY_SIZE];
        if (rt_is_sink(&graph->stages[s]) &&
            asprintf(&sets[count], "%s.lasting=true", rt_stage_name(graph, s, name)) >= 0)
            count++;
    }
    sets[count] = NULL;
}

/* Checkpoints as often as a simulated run needs them, and no limit of deaths. */
static void adjust(struct flow_graph *graph, int64_t checkpoint_ns)
{
    if (graph->checkpoints)
        graph->checkpoint_ns = checkpoint_ns;
    for (size_t i = 0; i < graph->stage_count; i++)
        graph->stages[i].restart.tries = 1000;
}

static bool load(struct sim_trials *trials, enum sim_way way, struct rt_verdict *verdict)
{
    static const char *const fuses[] = {"auto", "on", "off"};
    static const int64_t intervals_ns[] = {1000000, 3000000, 20000000};
    static const char *const params[] = {"out=" SIM_ROOT "out", NULL};
    struct sim_loaded *loaded = &trials->loaded[way];
    const bool processes = way == SIM_PROCESSES || way == SIM_PROCESSES_SAVED;
    const bool saved = way == SIM_PROCESSES_SAVED || way == SIM_THREADS_SAVED;
    char *sets[RT_STAGES_MAX + 1];
    const struct flow_load_options options = {
        .params = params,
        .sets = (const char *const *)sets,
        .mode = processes ? "processes" : "threads",
        .fuse = way == SIM_PROCESSES && trials->index % 4 != 0 ? "off"
                                                               : fuses[(trials->index + way) % 3],
        .state = saved ? STATE : NULL,
        .checkpoint = saved ? "10ms" : NULL, /* as short as people may say */
    };
    if (loaded->plan != NULL)
        return true;
    ask_for_lasting(&trials->graph, sets);
    char *messages = NULL;
    struct flow_error err = {0};
    sim_disk_put(trials->world, GRAPH_FILE, trials->text, strlen(trials->text));
    loaded->graph = flow_graph_load(trials->session, GRAPH_FILE, &options, &messages, &err);
    const struct flow_plan_options machine = {.cpus = 2};
    if (loaded->graph != NULL)
        adjust(loaded->graph, intervals_ns[trials->index % 3]);
    if (loaded->graph != NULL)
        loaded->plan = flow_plan_new(loaded->graph, &machine, &err);
    const bool ok = loaded->plan != NULL || wrong(verdict, "the graph is refused: %.900s",
                                                  messages != NULL ? messages : err.text);
    free(messages);
    for (size_t i = 0; sets[i] != NULL; i++)
        free(sets[i]);
    return ok;
}

/* ---- faults ---- */

static enum sim_fault_kind pick_kind(struct sim_world *world, enum sim_way way)
{
    static const enum sim_fault_kind of_processes[] = {SIM_KILL, SIM_KILL, SIM_KILL, SIM_STOP};
    static const enum sim_fault_kind of_saved[] = {SIM_KILL, SIM_KILL,   SIM_DRAIN, SIM_CRASH,
                                                   SIM_STOP, SIM_ORPHAN, SIM_POWER, SIM_FULL};
    static const enum sim_fault_kind of_threads[] = {SIM_CRASH, SIM_DRAIN, SIM_POWER, SIM_FULL};
    if (way == SIM_PROCESSES)
        return of_processes[sim_pick(&world->chance, 4)];
    return way == SIM_PROCESSES_SAVED ? of_saved[sim_pick(&world->chance, 8)]
                                      : of_threads[sim_pick(&world->chance, 4)];
}

/* A few of them, at any step that a run without them has, or a little later. */
static void deal_faults(struct sim_world *world, enum sim_way way, const struct sim_loaded *loaded)
{
    const uint64_t many = way == SIM_PROCESSES ? SIM_FAULTS_MOST : FAULTS_SAVED;
    world->fault_count = way == SIM_THREADS ? 0 : 1 + sim_pick(&world->chance, many);
    world->faults_done = 0;
    const uint64_t begins = sim_percent(&world->chance, 80) ? loaded->begins : 0;
    const uint64_t most = loaded->steps + loaded->steps / 4 + 1 - begins;
    for (size_t i = 0; i < world->fault_count; i++) {
        struct sim_fault fault = {pick_kind(world, way),
                                  world->steps + begins + sim_pick(&world->chance, most)};
        size_t at = i;
        for (; at > 0 && world->faults[at - 1].step > fault.step; at--)
            world->faults[at] = world->faults[at - 1];
        world->faults[at] = fault;
    }
}

static uint64_t faults_struck(const struct sim_world *world)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        sum += world->struck[i];
    return sum;
}

/* ---- what must come of a run ---- */

struct course {
    struct sim_trials *trials;
    enum sim_way way;
    const struct sim_loaded *loaded;
    struct sim_attempt attempts[ATTEMPTS];
    unsigned count;
    uint64_t struck;  /* faults before this attempt */
    uint64_t full;    /* ... and of those, disks without room */
    uint64_t drains;  /* ... wishes that it stop */
    unsigned crashes; /* ... deaths by SIGSEGV */
};

/* With checkpoints nothing ends a run but the disk, a crash while a stage is opened, and a second
 * wish that it stop. */
static bool may_fail_saved(const struct course *course)
{
    const struct sim_world *world = course->trials->world;
    return course->way == SIM_THREADS_SAVED || world->struck[SIM_FULL] > course->full ||
           world->struck[SIM_DRAIN] > course->drains + 1 || world->crashes > course->crashes;
}

/* Had a death to end the run, or may it have? */
static bool may_fail(const struct course *course, const struct sim_attempt *attempt)
{
    const struct sim_world *world = course->trials->world;
    if (faults_struck(world) == course->struck)
        return false;
    if (course->way >= SIM_PROCESSES_SAVED)
        return may_fail_saved(course);
    if (course->way != SIM_PROCESSES || attempt->outcome.elapsed_ns == 0)
        return true;
    for (const struct sim_process *p = world->processes; p != NULL; p = p->next) {
        if (p->struck && !world->is_replaced(course->loaded->plan, p->group))
            return true;
    }
    return false;
}

/* A bad record ends the run: the message names its stage and the reason. */
static bool fails_as_it_should(const struct course *course, const struct sim_attempt *attempt,
                               struct rt_verdict *verdict)
{
    char name[RT_KEY_SIZE];
    const struct sim_trials *trials = course->trials;
    rt_stage_name(&trials->graph, trials->expected.failing, name);
    if (attempt->rc == FLOW_OK)
        return wrong(verdict, "a bad record in %s must end the run", name);
    if (strstr(attempt->err.text, name) == NULL || strstr(attempt->err.text, "refused ") == NULL)
        return wrong(verdict, "the message names not %s and its reason: %.600s", name,
                     attempt->err.text);
    return true;
}

static bool report_agrees(const struct course *course, const struct sim_attempt *attempt,
                          struct rt_verdict *verdict)
{
    const struct flow_report_info info = {.elapsed_ns = attempt->outcome.elapsed_ns,
                                          .status = "done"};
    char *report = flow_report_json(attempt->plan, &attempt->board, &info);
    const bool ok = report != NULL && rt_ledger_agrees(&course->trials->graph,
                                                       &course->trials->expected, report, verdict);
    free(report);
    return ok;
}

static bool output_agrees(const struct course *course, const struct sim_attempt *attempt,
                          struct rt_verdict *verdict)
{
    const struct sim_trials *trials = course->trials;
    if (trials->is_lines)
        return sim_lines_agree(&trials->lines, true, verdict);
    if (!rt_sinks_agree(&trials->graph, &trials->expected, SIM_ROOT "out", verdict))
        return false;
    return course->count > 1 || faults_struck(trials->world) > 0 ||
           report_agrees(course, attempt, verdict);
}

enum next { GO_ON, RIGHT, WRONG };

static enum next judge_failure(const struct course *course, const struct sim_attempt *attempt,
                               struct rt_verdict *verdict)
{
    struct sim_trials *trials = course->trials;
    const bool struck = faults_struck(trials->world) > course->struck;
    const bool fails = trials->expected.failing != RT_STAGES_MAX;
    if (fails && (!struck || strstr(attempt->err.text, "refused ") != NULL))
        return fails_as_it_should(course, attempt, verdict) ? RIGHT : WRONG;
    if (struck && !may_fail(course, attempt)) {
        (void)wrong(verdict, "the run should have survived: %.900s", attempt->err.text);
        return WRONG;
    }
    if (struck && course->way != SIM_PROCESSES)
        return GO_ON;
    if (struck) {
        trials->figures.ended++;
        if (trials->is_lines && !sim_lines_agree(&trials->lines, false, verdict))
            return WRONG; /* a file under its own name is whole */
        return attempt->err.text[0] != '\0' ? RIGHT : WRONG;
    }
    (void)wrong(verdict, "the run fails: %.900s", attempt->err.text);
    return WRONG;
}

static enum next judge(const struct course *course, const struct sim_attempt *attempt,
                       struct rt_verdict *verdict)
{
    const struct sim_world *world = course->trials->world;
    switch (attempt->end) {
    case SIM_CRASHED:
        return GO_ON;
    case SIM_STUCK:
        (void)wrong(verdict, "stuck: nobody can go on at step %" PRIu64, world->steps);
        return WRONG;
    case SIM_ENDLESS:
        (void)wrong(verdict, "no end: %" PRIu64 " steps, %.1f s", world->steps,
                    (double)world->now_ns / 1e9);
        return WRONG;
    case SIM_DONE:
        break;
    }
    for (const struct sim_process *p = world->processes; p != NULL; p = p->next) {
        /* A spare that nobody heard of ends by itself, when it sees that its channel is closed. */
        if (!p->dead && p->pid > world->coordinator->pid && p->group != SIM_NURSERY) {
            (void)wrong(verdict, "process %d outlives the run", (int)p->pid);
            return WRONG;
        }
    }
    if (attempt->rc != FLOW_OK)
        return judge_failure(course, attempt, verdict);
    if (attempt->outcome.held)
        return GO_ON;
    if (course->trials->expected.failing != RT_STAGES_MAX)
        return fails_as_it_should(course, attempt, verdict) ? RIGHT : WRONG;
    return output_agrees(course, attempt, verdict) ? RIGHT : WRONG;
}

/* ---- a trial ---- */

static enum next attempt_once(struct course *course, bool faulty, struct rt_verdict *verdict)
{
    struct sim_trials *trials = course->trials;
    struct sim_world *world = trials->world;
    struct sim_attempt *attempt = &course->attempts[course->count];
    *attempt = (struct sim_attempt){
        .plan = course->loaded->plan,
        .state = course->way >= SIM_PROCESSES_SAVED ? STATE : NULL,
        .resumes = course->count > 0,
    };
    world->fault_count = 0;
    if (faulty)
        deal_faults(world, course->way, course->loaded);
    course->struck = faults_struck(world);
    course->full = world->struck[SIM_FULL];
    course->drains = world->struck[SIM_DRAIN];
    course->crashes = world->crashes;
    course->count++;
    world->limit = world->steps + 20000000;
    sim_attempt_run(world, attempt, course->count);
    sim_say(world, "the run %s: %s",
            attempt->end == SIM_DONE      ? "ended"
            : attempt->end == SIM_CRASHED ? "died"
                                          : "hangs",
            attempt->err.text);
    const enum next next = judge(course, attempt, verdict);
    if (world->power_lost)
        sim_disk_lose(world);
    world->power_lost = false;
    world->full_until_ns = 0;
    return next;
}

/* Run the graph until it has come to its end. */
static bool run_course(struct course *course, uint64_t seed, bool faulty,
                       struct rt_verdict *verdict)
{
    struct sim_world *world = course->trials->world;
    sim_world_reset(world, rt_mix(seed + 1));
    sim_temper_choose(world);
    enum next next = GO_ON;
    sim_disk_put_folder(world, "/simulated");
    (void)mkdir(SIM_ROOT "out", 0777);
    if (course->trials->is_lines)
        sim_lines_write(&course->trials->lines);
    while (next == GO_ON && course->count < ATTEMPTS)
        next = attempt_once(course, faulty && course->count < FAULTY, verdict);
    if (next == GO_ON)
        (void)wrong(verdict, "no end after %d attempts", ATTEMPTS);
    for (unsigned i = 0; i < course->count; i++) {
        const struct flow_board *board = &course->attempts[i].board;
        for (size_t g = 0; g < board->group_count; g++)
            course->trials->figures.replaced +=
                flow_read(&board->groups[g].restarts) + flow_read(&board->groups[g].former);
        course->trials->figures.returns += course->attempts[i].outcome.went_back;
    }
    sim_world_clear(world);
    for (unsigned i = 0; i < course->count; i++)
        sim_attempt_clear(&course->attempts[i]);
    return next == RIGHT;
}

static void note_figures(struct sim_trials *trials, const struct course *course)
{
    struct sim_figures *figures = &trials->figures;
    figures->seeds++;
    figures->steps += trials->world->steps;
    figures->resumes += course->count - 1;
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        figures->struck[i] += trials->world->struck[i];
}

static void note_steps(struct sim_loaded *loaded, const struct sim_world *world)
{
    loaded->steps = world->steps;
    loaded->begins = world->first_send;
}

bool sim_trial(struct sim_trials *trials, uint64_t seed, struct rt_verdict *verdict)
{
    const uint64_t variant = seed % SIM_OF_GRAPH;
    const enum sim_way way = (enum sim_way)(variant % SIM_WAYS);
    const bool faulty = variant >= SIM_WAYS;
    const uint64_t first = seed - variant + way;
    *verdict = (struct rt_verdict){0};
    take_graph(trials, seed / SIM_OF_GRAPH);
    struct sim_loaded *loaded = &trials->loaded[way];
    if (!load(trials, way, verdict))
        return false;
    if (faulty && loaded->steps == 0) {
        struct course measure = {.trials = trials, .way = way, .loaded = loaded};
        const bool verbose = trials->world->verbose;
        trials->world->verbose = false;
        const bool ok = run_course(&measure, first, false, verdict);
        trials->world->verbose = verbose;
        if (!ok)
            return wrong(verdict, "seed %" PRIu64 ", the same without faults, is wrong", first);
        note_steps(loaded, trials->world);
    }
    struct course course = {.trials = trials, .way = way, .loaded = loaded};
    const bool ok = run_course(&course, seed, faulty, verdict);
    if (!faulty)
        note_steps(loaded, trials->world);
    note_figures(trials, &course);
    return ok;
}
