/* SPDX-License-Identifier: MIT */

/* Advice on a graph: samples of its run in a few forms, one after the other. */

#include "flowrun/advise.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "control/run.h"
#include "control/system.h"
#include "plan/delivery.h"
#include "watch/advice.h"

#define SAMPLE_NS 2000000000
#define SHORTEST_NS 50000000 /* what takes less than this is mostly starting up */

/* One who asks for advice, and what is known so far. */
struct adviser {
    struct flow_session *session;
    const char *path;
    const struct flow_load_options *load;
    const struct flow_advise_options *options;
    struct flow_graph *graph; /* of the first sample: names point into it */
    struct flow_advice advice;
    struct flow_trial_result trials[FLOW_TRIALS];
    char *note; /* NULL: there is nothing to add */
};

/* A sample that is under way. */
struct sample {
    struct adviser *adviser;
    enum flow_trial trial;
    int stop[2];         /* a pipe: bytes in it end the run */
    bool over;           /* its time is up */
    bool unwanted;       /* somebody wants all of it to end */
    enum flow_status rc; /* of looking at what it has counted */
    struct flow_error *err;
};

/* ---- what a sample shows ---- */

static size_t find_stage(const struct flow_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->stage_count; i++)
        if (plan->stages[i].graph != NULL && strcmp(plan->stages[i].graph->name, name) == 0)
            return i;
    return FLOW_NONE;
}

/* What cannot be read twice cannot be sampled twice. */
static enum flow_status note_weak_source(struct sample *sample, const struct flow_plan *plan)
{
    const char *weakness = NULL;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < plan->stage_count && rc == FLOW_OK && weakness == NULL; i++) {
        const struct flow_plan_stage *stage = &plan->stages[i];
        if (plan->replicas[stage->first_replica].in_count > 0 || stage->graph == NULL)
            continue;
        rc = flow_delivery_weakness(stage->graph, &weakness, sample->err);
        if (weakness == NULL)
            continue;
        struct flow_str note = {0};
        flow_str_addf(&note,
                      "Only one sample was taken, since producer '%s' could not begin "
                      "again: %s.",
                      stage->name, weakness);
        sample->adviser->note = flow_str_take(&note);
        if (sample->adviser->note == NULL)
            rc = flow_fail(sample->err, FLOW_ENOMEM, "no memory for a note");
    }
    return rc;
}

/* All of it took hardly longer than it takes to start: no form of it would be better. */
static enum flow_status note_short_run(struct sample *sample, int64_t elapsed_ns)
{
    char took[32];
    struct flow_str note = {0};
    flow_str_addf(&note,
                  "All of it takes %s, most of which is starting up: one thread is enough, and "
                  "nothing here is worth a change.",
                  flow_format_duration(elapsed_ns, took, sizeof(took)));
    sample->adviser->note = flow_str_take(&note);
    sample->adviser->advice.bottleneck = FLOW_NONE;
    return sample->adviser->note != NULL
               ? FLOW_OK
               : flow_fail(sample->err, FLOW_ENOMEM, "no memory for a note");
}

static void look_back(void *context, const struct flow_plan *plan, const struct flow_board *board,
                      int64_t elapsed_ns)
{
    struct sample *sample = context;
    struct adviser *adviser = sample->adviser;
    if (sample->trial == FLOW_TRIAL_AS_IT_IS) {
        sample->rc = flow_advice_init(&adviser->advice, plan, board, elapsed_ns, sample->err);
        if (sample->rc == FLOW_OK && !sample->over && elapsed_ns < SHORTEST_NS)
            sample->rc = note_short_run(sample, elapsed_ns);
        else if (sample->rc == FLOW_OK)
            sample->rc = note_weak_source(sample, plan);
    }
    const struct flow_advice *advice = &adviser->advice;
    if (sample->rc != FLOW_OK || elapsed_ns <= 0 || advice->bottleneck == FLOW_NONE)
        return;
    const size_t stage = find_stage(plan, advice->stages[advice->bottleneck].name);
    const double seconds = (double)elapsed_ns / 1e9;
    adviser->trials[sample->trial] = (struct flow_trial_result){
        .done = true,
        .ended = !sample->over,
        .rate = (double)flow_count_done(plan, board, stage) / seconds,
        .seconds = seconds,
    };
}

/* ---- a sample ---- */

static bool is_wanted(const struct adviser *adviser)
{
    struct pollfd fd = {.fd = adviser->options->stop_fd, .events = POLLIN};
    return fd.fd < 0 || poll(&fd, 1, 0) <= 0;
}

/* Called a few times a second: when it is time, end the run without draining it. */
static void watch_clock(void *context, const struct flow_progress *progress)
{
    struct sample *sample = context;
    const struct flow_advise_options *options = sample->adviser->options;
    const int64_t most = options->sample_ns > 0 ? options->sample_ns : SAMPLE_NS;
    sample->unwanted = sample->unwanted || !is_wanted(sample->adviser);
    if (sample->over || (progress->elapsed_ns < most && !sample->unwanted))
        return;
    sample->over = write(sample->stop[1], "..", 2) == 2;
}

static void pass_log(void *context, const char *line)
{
    const struct sample *sample = context;
    const struct flow_advise_options *options = sample->adviser->options;
    if (options->log != NULL)
        options->log(options->context, line);
}

static enum flow_status run_sample(struct sample *sample, struct flow_graph *graph,
                                   struct flow_error *err)
{
    if (pipe(sample->stop) != 0)
        return flow_system_fail(err, errno, "no pipe to end a sample by");
    const struct flow_run_options options = {
        .stop_fd = sample->stop[0],
        .context = sample,
        .progress = watch_clock,
        .log = pass_log,
    };
    const struct flow_observer observer = {sample, look_back};
    struct flow_run_result result = {0};
    enum flow_status rc =
        flow_run_observed(sample->adviser->session, graph, &options, &observer, &result, err);
    free(result.report_text);
    free(result.report_json);
    close(sample->stop[0]);
    close(sample->stop[1]);
    if (sample->unwanted)
        return flow_fail(err, FLOW_EABORT, "stopped");
    if (rc == FLOW_EABORT && sample->over && !result.stuck)
        rc = FLOW_OK;
    return rc == FLOW_OK ? sample->rc : rc;
}

static enum flow_status take_sample(struct adviser *adviser, enum flow_trial trial,
                                    const struct flow_load_options *load, char **messages,
                                    struct flow_error *err)
{
    struct flow_graph *graph =
        flow_graph_load(adviser->session, adviser->path, load, messages, err);
    if (graph == NULL)
        return err != NULL && err->status != FLOW_OK ? err->status : FLOW_EINVAL;
    /* What a run has left to go on with is none of our business. */
    graph->checkpoints = false;
    flow_graph_forget_delivery(graph);

    struct sample sample = {.adviser = adviser, .trial = trial, .err = err};
    const enum flow_status rc = run_sample(&sample, graph, err);
    if (trial == FLOW_TRIAL_AS_IT_IS)
        adviser->graph = graph;
    else
        flow_graph_unload(graph);
    return rc;
}

/* ---- its forms ---- */

/* "squares=2" for each stage; `one`: with one worker each.  NULL: no memory. */
static char **list_workers(const struct flow_advice *advice, bool one)
{
    char **list = flow_calloc(advice->stage_count + 1, sizeof(*list));
    bool fits = list != NULL;
    for (size_t i = 0; i < advice->stage_count && fits; i++) {
        const struct flow_advice_stage *stage = &advice->stages[i];
        struct flow_str text = {0};
        flow_str_addf(&text, "%s=%zu", stage->name, one ? 1 : stage->advised);
        list[i] = flow_str_take(&text);
        fits = list[i] != NULL;
    }
    if (fits)
        return list;
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
    return NULL;
}

/* A form of the graph that is tried, and may turn out not to be possible. */
static enum flow_status try_form(struct adviser *adviser, enum flow_trial trial,
                                 struct flow_error *err)
{
    struct flow_load_options load = *adviser->load;
    char **workers = list_workers(&adviser->advice, trial == FLOW_TRIAL_ONE_THREAD);
    if (workers == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory for the workers of a sample");
    load.workers = (const char *const *)workers;
    load.mode = trial == FLOW_TRIAL_PROCESSES ? "processes" : "threads";
    if (trial == FLOW_TRIAL_ONE_THREAD)
        load.fuse = "on";
    char *messages = NULL;
    struct flow_error why = {0};
    const enum flow_status rc = take_sample(adviser, trial, &load, &messages, &why);
    free(messages);
    for (size_t i = 0; workers[i] != NULL; i++)
        free(workers[i]);
    free(workers);
    if (rc == FLOW_OK)
        return FLOW_OK;
    if (rc == FLOW_EABORT || rc == FLOW_ENOMEM)
        return flow_fail(err, rc, "%s", why.text);
    adviser->trials[trial] = (struct flow_trial_result){0};
    return FLOW_OK;
}

static enum flow_status first_look(struct adviser *adviser, char **messages, struct flow_error *err)
{
    struct flow_load_options load = *adviser->load;
    load.fuse = "off";
    load.mode = "threads";
    return take_sample(adviser, FLOW_TRIAL_AS_IT_IS, &load, messages, err);
}

static enum flow_status try_all(struct adviser *adviser, char **messages, struct flow_error *err)
{
    enum flow_status rc = first_look(adviser, messages, err);
    if (adviser->note != NULL || adviser->advice.bottleneck == FLOW_NONE)
        return rc;
    for (int trial = FLOW_TRIAL_AS_IT_IS + 1; trial < FLOW_TRIALS && rc == FLOW_OK; trial++)
        rc = try_form(adviser, (enum flow_trial)trial, err);
    return rc;
}

enum flow_status flow_advise(struct flow_session *session, const char *path,
                             const struct flow_load_options *load,
                             const struct flow_advise_options *options,
                             struct flow_advise_result *result, char **messages,
                             struct flow_error *err)
{
    static const struct flow_load_options as_it_is = {0};
    struct flow_error own = {0};
    err = err != NULL ? err : &own;
    *result = (struct flow_advise_result){0};
    if (strcmp(path, "-") == 0)
        return flow_fail(err, FLOW_EINVAL,
                         "standard input can be read once, and advice takes several samples: put "
                         "the graph into a file");
    struct adviser adviser = {
        .session = session,
        .path = path,
        .load = load != NULL ? load : &as_it_is,
        .options = options,
        .advice = {.bottleneck = FLOW_NONE},
    };
    enum flow_status rc = try_all(&adviser, messages, err);
    if (rc == FLOW_OK) {
        result->text = flow_advice_text(&adviser.advice, adviser.trials, adviser.note);
        result->json = flow_advice_json(&adviser.advice, adviser.trials, adviser.note);
        if (result->text == NULL || result->json == NULL)
            rc = flow_fail(err, FLOW_ENOMEM, "no memory for the advice");
    }
    flow_advice_clear(&adviser.advice);
    flow_graph_unload(adviser.graph);
    free(adviser.note);
    return rc;
}
