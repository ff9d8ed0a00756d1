/* SPDX-License-Identifier: MIT */

/* Advice for programs. */

#include <jansson.h>
#include <stdlib.h>

#include "base/str.h"
#include "watch/advice.h"

static const char *const occupations[] = {
    [FLOW_COMPUTES] = "computes",
    [FLOW_BLOCKS] = "blocks",
    [FLOW_STARVES] = "starves",
    [FLOW_HELD_BACK] = "held back",
};

static const char *const trial_names[FLOW_TRIALS] = {
    [FLOW_TRIAL_AS_IT_IS] = "as it is",
    [FLOW_TRIAL_ONE_THREAD] = "one thread",
    [FLOW_TRIAL_ADVISED] = "advised",
    [FLOW_TRIAL_PROCESSES] = "processes",
};

static json_t *stage_json(const struct flow_advice_stage *stage)
{
    return json_pack("{s:s, s:s, s:f, s:I, s:I, s:I, s:f, s:f, s:s?}", "stage", stage->name, "does",
                     occupations[stage->occupation], "share", stage->share, "workers",
                     (json_int_t)stage->workers, "advised", (json_int_t)stage->advised, "records",
                     (json_int_t)stage->records, "work_ns", stage->work_ns, "cpu_ns", stage->cpu_ns,
                     "limit", stage->limit);
}

static json_t *trial_json(const struct flow_trial_result *trial, const char *name)
{
    return json_pack("{s:s, s:f, s:f, s:b}", "tried", name, "rate", trial->rate, "seconds",
                     trial->seconds, "ended", (int)trial->ended);
}

static json_t *advice_json(const struct flow_advice *advice,
                           const struct flow_trial_result trials[FLOW_TRIALS], const char *note)
{
    json_t *stages = json_array();
    json_t *tried = json_array();
    bool ok = stages != NULL && tried != NULL;
    for (size_t i = 0; i < advice->stage_count && ok; i++)
        ok = json_array_append_new(stages, stage_json(&advice->stages[i])) == 0;
    for (size_t i = 0; i < FLOW_TRIALS && ok; i++)
        if (trials[i].done)
            ok = json_array_append_new(tried, trial_json(&trials[i], trial_names[i])) == 0;
    if (!ok) {
        json_decref(stages);
        json_decref(tried);
        return NULL;
    }
    const char *bottleneck =
        advice->bottleneck != FLOW_NONE ? advice->stages[advice->bottleneck].name : NULL;
    return json_pack("{s:I, s:s?, s:f, s:o, s:o, s:s?, s:b}", "cpus", (json_int_t)advice->cpus,
                     "bottleneck", bottleneck, "expected", advice->speed_up, "stages", stages,
                     "trials", tried, "note", note, "disturbed", (int)advice->disturbed);
}

char *flow_advice_json(const struct flow_advice *advice,
                       const struct flow_trial_result trials[FLOW_TRIALS], const char *note)
{
    json_t *json = advice_json(advice, trials, note);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL)
        return NULL;
    struct flow_str out = {0};
    flow_str_addf(&out, "%s\n", text);
    free(text);
    return flow_str_take(&out);
}
