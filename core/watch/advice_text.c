/* SPDX-License-Identifier: MIT */

/* Advice for people. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/units.h"
#include "watch/advice.h"
#include "watch/table.h"

#define AS_GOOD 0.9 /* of the best rate: no different, as far as a sample can tell */

static const struct flow_table_column stage_columns[] = {
    {"stage", false},   {"workers", false},  {"does", false},
    {"records", false}, {"a record", false}, {"its CPU", false},
};

static const struct flow_table_column trial_columns[] = {
    {"tried", false},
    {"rate", false},
    {"against the first", false},
};

static const char *occupation_words(enum flow_occupation occupation)
{
    switch (occupation) {
    case FLOW_COMPUTES:
        return "computes";
    case FLOW_BLOCKS:
        return "waits for something outside";
    case FLOW_STARVES:
        return "waits for input";
    case FLOW_HELD_BACK:
        return "waits for room";
    }
    return "?";
}

static void add_time(struct flow_table *table, uint64_t records, double ns)
{
    char text[32];
    flow_table_add(table,
                   records > 0 ? flow_format_duration((int64_t)ns, text, sizeof(text)) : "-");
}

static void print_stages(struct flow_str *out, const struct flow_advice *advice)
{
    struct flow_table table = {.columns = stage_columns,
                               .column_count = sizeof(stage_columns) / sizeof(stage_columns[0])};
    for (size_t i = 0; i < advice->stage_count; i++) {
        const struct flow_advice_stage *stage = &advice->stages[i];
        flow_table_add(&table, stage->name);
        flow_table_count(&table, stage->workers);
        flow_table_addf(&table, "%s %.0f %%", occupation_words(stage->occupation),
                        stage->share * 100);
        flow_table_count(&table, stage->records);
        add_time(&table, stage->records, stage->work_ns);
        add_time(&table, stage->records, stage->cpu_ns);
    }
    flow_table_print(&table, out);
    flow_table_clear(&table);
}

/* "squares with 2 workers, sum with 4 workers", or what the command line would say. */
static void say_workers(struct flow_str *out, const struct flow_advice *advice, bool as_options)
{
    const char *before = "";
    for (size_t i = 0; i < advice->stage_count; i++) {
        const struct flow_advice_stage *stage = &advice->stages[i];
        if (stage->advised == stage->workers)
            continue;
        flow_str_add(out, before);
        if (as_options)
            flow_str_addf(out, "--workers %s=%zu", stage->name, stage->advised);
        else
            flow_str_addf(out, "%s with %zu workers", stage->name, stage->advised);
        before = as_options ? " " : ", ";
    }
}

static void add_trial(struct flow_table *table, const char *what, double rate, double first)
{
    char text[32];
    flow_table_add(table, what);
    flow_table_addf(table, "%s/s", flow_format_count(rate, text, sizeof(text)));
    flow_table_addf(table, "%.2f", first > 0 ? rate / first : 0);
}

static void print_trials(struct flow_str *out, const struct flow_advice *advice,
                         const struct flow_trial_result trials[FLOW_TRIALS])
{
    struct flow_str advised = {0};
    say_workers(&advised, advice, false);
    if (!flow_advice_changes(advice))
        flow_str_add(&advised, "fused where that is worth it (--fuse auto)");
    char *words = flow_str_take(&advised);
    const char *const names[FLOW_TRIALS] = {
        [FLOW_TRIAL_AS_IT_IS] = "as it is, each worker a thread (--fuse off)",
        [FLOW_TRIAL_ONE_THREAD] = "in as few threads as can be (--fuse on)",
        [FLOW_TRIAL_ADVISED] = words != NULL ? words : "as advised",
        [FLOW_TRIAL_PROCESSES] = "the same in processes (--mode processes)",
    };
    struct flow_table table = {.columns = trial_columns,
                               .column_count = sizeof(trial_columns) / sizeof(trial_columns[0])};
    for (size_t i = 0; i < FLOW_TRIALS; i++)
        if (trials[i].done)
            add_trial(&table, names[i], trials[i].rate, trials[FLOW_TRIAL_AS_IT_IS].rate);
    flow_table_print(&table, out);
    flow_table_clear(&table);
    free(words);
}

/* ---- what to make of it ---- */

static double best_of(const struct flow_trial_result trials[FLOW_TRIALS])
{
    double best = 0;
    for (size_t i = 0; i < FLOW_TRIALS; i++)
        if (trials[i].done && trials[i].rate > best)
            best = trials[i].rate;
    return best;
}

static bool is_good(const struct flow_trial_result *trial, double best)
{
    return trial->done && trial->rate >= AS_GOOD * best;
}

static void say_bottleneck(struct flow_str *out, const struct flow_advice *advice)
{
    const struct flow_advice_stage *stage = &advice->stages[advice->bottleneck];
    flow_str_addf(out, "%s holds the run up: it %s %.0f %% of the time", stage->name,
                  occupation_words(stage->occupation), stage->share * 100);
    if (stage->limit != NULL)
        flow_str_addf(out, "; %s", stage->limit);
    flow_str_add(out, ".\n");
}

static void say_workers_advice(struct flow_str *out, const struct flow_advice *advice,
                               const struct flow_trial_result trials[FLOW_TRIALS])
{
    const double first = trials[FLOW_TRIAL_AS_IT_IS].rate;
    const struct flow_trial_result *tried = &trials[FLOW_TRIAL_ADVISED];
    flow_str_add(out, "More workers pay: ");
    say_workers(out, advice, true);
    flow_str_addf(out, " (in the graph \"workers\"); expected %.1f times", advice->speed_up);
    if (tried->done && first > 0)
        flow_str_addf(out, ", measured %.1f times", tried->rate / first);
    flow_str_add(out, ".\n");
    const struct flow_advice_stage *stage = &advice->stages[advice->bottleneck];
    if (stage->blocking && stage->advised > stage->workers)
        flow_str_addf(out,
                      "%s waits rather than computes. Its workers are threads that sleep; a stage "
                      "type that holds many records at a time needs one thread for all of them.\n",
                      stage->name);
}

static void say_mode(struct flow_str *out, const struct flow_trial_result trials[FLOW_TRIALS])
{
    const struct flow_trial_result *threads = &trials[FLOW_TRIAL_ADVISED];
    const struct flow_trial_result *processes = &trials[FLOW_TRIAL_PROCESSES];
    if (!threads->done || !processes->done || !(threads->rate > 0))
        return;
    const double ratio = processes->rate / threads->rate;
    if (ratio >= AS_GOOD)
        flow_str_add(out, "Processes are as fast here, and a stage that crashes does not take the "
                          "others along: --mode processes if that can happen.\n");
    else
        flow_str_addf(out,
                      "Threads: processes reach %.0f %% of that, which is the price for stages "
                      "that may crash alone.\n",
                      ratio * 100);
}

static void say_advice(struct flow_str *out, const struct flow_advice *advice,
                       const struct flow_trial_result trials[FLOW_TRIALS])
{
    const double best = best_of(trials);
    say_bottleneck(out, advice);
    if (is_good(&trials[FLOW_TRIAL_ONE_THREAD], best) && !flow_advice_changes(advice)) {
        flow_str_add(out, "One thread is enough: nothing that was tried is faster by a tenth. "
                          "--fuse on saves the others.\n");
        return;
    }
    if (flow_advice_changes(advice))
        say_workers_advice(out, advice, trials);
    else if (is_good(&trials[FLOW_TRIAL_ADVISED], best))
        flow_str_add(out, "The graph is as it should be; leave the fusing to flowrun.\n");
    else if (is_good(&trials[FLOW_TRIAL_AS_IT_IS], best))
        flow_str_add(out, "A thread for each stage is best: --fuse off.\n");
    say_mode(out, trials);
}

char *flow_advice_text(const struct flow_advice *advice,
                       const struct flow_trial_result trials[FLOW_TRIALS], const char *note)
{
    struct flow_str out = {0};
    print_stages(&out, advice);
    flow_str_add(&out, "\n");
    if (advice->bottleneck != FLOW_NONE) {
        flow_str_addf(&out, "Records that %s does, on %u %s:\n\n",
                      advice->stages[advice->bottleneck].name, advice->cpus,
                      advice->cpus == 1 ? "CPU" : "CPUs");
        print_trials(&out, advice, trials);
        flow_str_add(&out, "\n");
    }
    if (note != NULL)
        flow_str_addf(&out, "%s\n", note);
    if (advice->disturbed)
        flow_str_add(&out, "Other programs kept the CPUs busy meanwhile: what was measured says "
                           "little.\n");
    if (advice->bottleneck != FLOW_NONE)
        say_advice(&out, advice, trials);
    else if (note == NULL)
        flow_str_add(&out, "No stage has done anything in the sample, so there is nothing to say: "
                           "a longer one (--seconds) may tell.\n");
    return flow_str_take(&out);
}
