/* SPDX-License-Identifier: MIT */

/* The results as JSON. */

#include "driver/figures.h"
#include "driver/report.h"

static const char *const delay_names[BENCH_DELAYS] = {"p50",     "p99",     "p999",
                                                      "due_p50", "due_p99", "due_p999"};

static json_t *spread_json(const struct bench_spread *spread)
{
    return json_pack("{s:f, s:f, s:f}", "median", spread->median, "min", spread->min, "max",
                     spread->max);
}

static json_t *round_json(const struct bench_row *row, const struct bench_sample *sample)
{
    json_t *round = json_pack("{s:f, s:f, s:f}", "seconds", sample->seconds, "cpu", sample->cpu,
                              "peak", sample->peak);
    if (row->figure == BENCH_START)
        json_object_set_new(round, "private", json_real(sample->tree));
    for (size_t i = 0; row->figure == BENCH_DELAY && i < BENCH_DELAYS; i++)
        json_object_set_new(round, delay_names[i], json_real(sample->delay[i]));
    return round;
}

static json_t *row_json(const struct bench_row *row)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I}", "workload", row->workload, "point",
                               row->point, "contender", row->contender, "variant", row->variant,
                               "records", (json_int_t)row->count);
    if (row->less.records > 0)
        json_object_set_new(object, "taken_off",
                            json_pack("{s:f, s:f, s:f}", "records", row->less.records, "seconds",
                                      row->less.seconds, "cpu", row->less.cpu));
    json_t *rounds = json_array();
    for (size_t i = 0; i < row->sample_count; i++)
        json_array_append_new(rounds, round_json(row, &row->samples[i]));
    json_object_set_new(object, "rounds", rounds);
    const char *status = row->absent != NULL ? "absent" : row->flaw != NULL ? "void" : "measured";
    json_object_set_new(object, "status", json_string(status));
    if (row->absent != NULL || row->flaw != NULL)
        json_object_set_new(object, "reason",
                            json_string(row->absent != NULL ? row->absent : row->flaw));
    if (!bench_row_is_measured(row))
        return object;
    const struct bench_figures figures = bench_figures_of(row);
    json_object_set_new(object, "rate", spread_json(&figures.rate));
    json_object_set_new(object, "seconds", spread_json(&figures.seconds));
    json_object_set_new(object, "cpu_ns", spread_json(&figures.cpu_ns));
    json_object_set_new(object, "peak", spread_json(&figures.peak));
    for (size_t i = 0; row->figure == BENCH_DELAY && i < BENCH_DELAYS; i++)
        json_object_set_new(object, delay_names[i], spread_json(&figures.delay[i]));
    return object;
}

static json_t *verdict_json(const struct bench_verdict *verdict)
{
    json_t *object = json_pack("{s:s, s:s}", "what", verdict->what, "goal", verdict->goal);
    json_object_set_new(object, "measured",
                        verdict->is_known ? json_real(verdict->measured) : json_null());
    json_object_set_new(object, "met",
                        verdict->is_known ? json_boolean(verdict->is_met) : json_null());
    return object;
}

json_t *bench_report_json(const struct bench_report *report)
{
    json_t *rows = json_array();
    json_t *verdicts = json_array();
    for (size_t i = 0; i < report->rows->count; i++)
        json_array_append_new(rows, row_json(&report->rows->items[i]));
    for (size_t i = 0; i < report->verdicts->count; i++)
        json_array_append_new(verdicts, verdict_json(&report->verdicts->items[i]));
    return json_pack("{s:O, s:i, s:f, s:o, s:o}", "machine", report->machine, "rounds",
                     (int)report->rounds, "seconds_aimed_at", report->seconds, "rows", rows,
                     "targets", verdicts);
}
