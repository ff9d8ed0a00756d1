/* SPDX-License-Identifier: MIT */

/* The results as Markdown. */

#include <math.h>
#include <stdlib.h>

#include "driver/alloc.h"
#include "driver/figures.h"
#include "driver/report.h"

#define BEGIN "<!-- bench:begin -->\n"
#define END "<!-- bench:end -->\n"

/* Three digits that count. */
static char *scaled(double value, const char *const units[], size_t unit_count)
{
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < unit_count; unit++)
        value /= 1000;
    const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return bench_format("%.*f %s", digits, value, units[unit]);
}

char *bench_rate_text(double per_second, enum bench_figure figure)
{
    static const char *const records[] = {"/s", "k/s", "M/s", "G/s"};
    static const char *const bytes[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    return scaled(per_second, figure == BENCH_TEXT ? bytes : records, 4);
}

char *bench_time_text(double ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    return scaled(ns, units, 4);
}

static void print_text(FILE *out, char *text)
{
    (void)fprintf(out, "%s", text);
    free(text);
}

static void print_rate(FILE *out, const struct bench_spread *rate, enum bench_figure figure)
{
    print_text(out, bench_rate_text(rate->median, figure));
    (void)fprintf(out, " (");
    print_text(out, bench_rate_text(rate->min, figure));
    (void)fprintf(out, " to ");
    print_text(out, bench_rate_text(rate->max, figure));
    (void)fprintf(out, ")");
}

static void print_name(FILE *out, const struct bench_row *row)
{
    (void)fprintf(out, "| %s | %s%s%s |", row->point, row->contender,
                  row->variant[0] != '\0' ? ", " : "", row->variant);
}

static void print_rate_row(FILE *out, const struct bench_row *row)
{
    const struct bench_figures figures = bench_figures_of(row);
    (void)fprintf(out, " ");
    print_rate(out, &figures.rate, row->figure);
    (void)fprintf(out, " | ");
    if (row->figure != BENCH_TEXT) {
        print_text(out, bench_time_text(figures.cpu_ns.median));
        (void)fprintf(out, " | ");
    }
    if (row->figure == BENCH_CHAIN) {
        print_text(out, bench_time_text(figures.cpu_ns.median / (double)row->options.stages));
        (void)fprintf(out, " | ");
    }
    (void)fprintf(out, "%.2f | %.2f | %.1f |\n", figures.seconds.median, figures.cpu.median,
                  figures.peak.median / 1048576);
}

static void print_delay_row(FILE *out, const struct bench_row *row)
{
    const struct bench_figures figures = bench_figures_of(row);
    for (size_t i = 0; i < BENCH_DELAYS - 1; i++) {
        const struct bench_spread *delay = &figures.delay[i];
        if (i == 3)
            continue; /* the median from the due time says little: that of the timer */
        (void)fprintf(out, " ");
        print_text(out, bench_time_text(delay->median));
        if (i == 0) {
            (void)fprintf(out, " (");
            print_text(out, bench_time_text(delay->min));
            (void)fprintf(out, " to ");
            print_text(out, bench_time_text(delay->max));
            (void)fprintf(out, ")");
        }
        (void)fprintf(out, " |");
    }
    (void)fprintf(out, " %.1f %% | %.1f |\n", 100 * figures.cpu.median / figures.seconds.median,
                  figures.peak.median / 1048576);
}

static void print_start_row(FILE *out, const struct bench_row *row)
{
    const struct bench_figures figures = bench_figures_of(row);
    const double stages = (double)row->options.stages;
    (void)fprintf(out, " ");
    print_text(out, bench_time_text(figures.seconds.median * 1e9));
    (void)fprintf(out, " (");
    print_text(out, bench_time_text(figures.seconds.min * 1e9));
    (void)fprintf(out, " to ");
    print_text(out, bench_time_text(figures.seconds.max * 1e9));
    (void)fprintf(out, ") | ");
    print_text(out, bench_time_text(figures.seconds.median * 1e9 / stages));
    (void)fprintf(out, " | %.3f | %.1f | %.1f | %.0f |\n", figures.cpu.median,
                  figures.peak.median / 1048576, figures.tree.median / 1048576,
                  figures.tree.median / 1024 / stages);
}

static void print_head(FILE *out, enum bench_figure figure)
{
    static const char *const heads[] = {
        [BENCH_RATE] =
            "| | | rate (least to most) | CPU per record | seconds | CPU s | peak MiB |\n"
            "|---|---|---:|---:|---:|---:|---:|\n",
        [BENCH_CHAIN] =
            "| | | rate (least to most) | CPU per record | and stage | seconds | CPU s | "
            "peak MiB |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
        [BENCH_DELAY] =
            "| | | p50 (least to most) | p99 | p99.9 | p99 from when it was due | CPU of a "
            "core | peak MiB |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
        [BENCH_START] =
            "| | | whole run (least to most) | per stage | CPU s | peak MiB | private MiB "
            "of all | private KiB per stage |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
        [BENCH_TEXT] = "| | | rate (least to most) | seconds | CPU s | peak MiB |\n"
                       "|---|---|---:|---:|---:|---:|\n",
    };
    (void)fprintf(out, "\n%s", heads[figure]);
}

static void print_row(FILE *out, const struct bench_row *row)
{
    static void (*const printers[])(FILE * out, const struct bench_row *row) = {
        [BENCH_RATE] = print_rate_row,   [BENCH_CHAIN] = print_rate_row,
        [BENCH_DELAY] = print_delay_row, [BENCH_START] = print_start_row,
        [BENCH_TEXT] = print_rate_row,
    };
    if (row->absent != NULL)
        return;
    print_name(out, row);
    if (row->flaw != NULL)
        (void)fprintf(out, " **void**: %s |\n", row->flaw);
    else if (row->sample_count == 0)
        (void)fprintf(out, " not measured |\n");
    else
        printers[row->figure](out, row);
}

/* Each contender that could not run, once. */
static void print_absent(FILE *out, const struct bench_rows *rows, const char *workload)
{
    const char *last = "";
    for (size_t i = 0; i < rows->count; i++) {
        const struct bench_row *row = &rows->items[i];
        bool is_new = row->absent != NULL && strcmp(row->workload, workload) == 0;
        for (size_t before = 0; is_new && before < i; before++) {
            const struct bench_row *other = &rows->items[before];
            is_new = strcmp(other->workload, workload) != 0 ||
                     strcmp(other->contender, row->contender) != 0 || other->absent == NULL;
        }
        if (is_new)
            (void)fprintf(out, "%s%s (%s)", *last == '\0' ? "\nAbsent: " : "; ", row->contender,
                          row->absent);
        if (is_new)
            last = row->contender;
    }
    (void)fprintf(out, "%s", *last == '\0' ? "" : ".\n");
}

static void print_workload(FILE *out, const struct bench_rows *rows,
                           const struct bench_workload *workload)
{
    bool has_begun = false;
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->items[i].workload, workload->name) != 0)
            continue;
        if (!has_begun) {
            (void)fprintf(out, "\n### %s\n\n%s\n", workload->title, workload->text);
            print_head(out, rows->items[i].figure);
        }
        has_begun = true;
        print_row(out, &rows->items[i]);
    }
    print_absent(out, rows, workload->name);
}

static void print_targets(FILE *out, const struct bench_verdicts *verdicts)
{
    (void)fprintf(out,
                  "\n### Targets\n\nMedians of this run; a ratio of times or rates unless it has "
                  "a unit.\n\n| what | target | measured | |\n|---|---|---:|---|\n");
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct bench_verdict *verdict = &verdicts->items[i];
        (void)fprintf(out, "| %s | %s | ", verdict->what, verdict->goal);
        if (verdict->is_known)
            (void)fprintf(out, "%.3g | %s |\n", verdict->measured,
                          verdict->is_met ? "met" : "**not met**");
        else
            (void)fprintf(out, "not measured | |\n");
    }
}

static void print_machine(FILE *out, json_t *machine)
{
    const char *key;
    json_t *value;
    (void)fprintf(out, "### The machine\n\n| | |\n|---|---|\n");
    json_object_foreach(machine, key, value) {
        if (json_is_string(value))
            (void)fprintf(out, "| %s | %s |\n", key, json_string_value(value));
        else
            (void)fprintf(out, "| %s | %.3g |\n", key, json_number_value(value));
    }
}

void bench_report_markdown(const struct bench_report *report, FILE *out)
{
    print_machine(out, report->machine);
    (void)fprintf(out,
                  "\nMedians of %u rounds, in which the contenders took turns; runs of about %.2g "
                  "s of processor time.\n",
                  report->rounds, report->seconds);
    print_targets(out, report->verdicts);
    for (size_t i = 0; i < bench_workload_count; i++)
        print_workload(out, report->rows, &bench_workloads[i]);
}

char *bench_page_update(const char *page, const char *tables)
{
    if (page == NULL)
        page = "# Performance\n\n" BEGIN END;
    const char *begin = strstr(page, BEGIN);
    const char *end = begin != NULL ? strstr(begin, END) : NULL;
    if (end == NULL)
        return NULL;
    return bench_format("%.*s\n%s\n%s", (int)(begin + strlen(BEGIN) - page), page, tables, end);
}
