/* SPDX-License-Identifier: MIT */

/*
 * With `time`, several stretches of time may be open at once, the oldest first; one is emitted when
 * a record has come whose time lies `lateness` behind its end, for all keys.  With `every` a
 * record's time is that at which it comes, so one is open at most, and a timer ends it.  Without
 * both there is one stretch, which ends for a key after `count` records, and for all when the input
 * does.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "group/fact.h"
#include "group/pane.h"
#include "shared/bytes.h"
#include "shared/pace.h"
#include "shared/text.h"

enum { PORT_OUT, PORT_LATE };

struct windower {
    char *group;
    char *value;
    int64_t count;
    char *time;
    int64_t every;
    int unit; /* enum fact_unit */
    int64_t size;
    int64_t lateness;
    struct flow_list quantiles;

    struct facts facts;
    double *shares;
    struct pane **panes; /* by their start */
    size_t pane_count, pane_capacity;
    int64_t newest; /* the latest time that has come [ns] */
    bool timed;     /* windows are stretches of time */
    int64_t armed;  /* the start of the one that a timer will end */
    struct flow_text text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct windower, group, NULL, "JSON field to group by; else the record's key"),
    FLOW_PARAM_STR(struct windower, value, NULL,
                   "JSON field with the number; else the record is the number"),
    FLOW_PARAM_I64(struct windower, count, "0", 0, (int64_t)1 << 53,
                   "a window is so many [records] of a group; 0: all, or by 'time'"),
    FLOW_PARAM_STR(struct windower, time, NULL,
                   "JSON field with the time: a number, or 2024-02-29T23:59:59Z"),
    FLOW_PARAM_DURATION(struct windower, every, "0s", 0, 100 * 86400e9,
                        "a window is so long by the clock of the machine; 0: no clock [time]"),
    FLOW_PARAM_ENUM(struct windower, unit, "s", "s|ms", "of times that are numbers, since 1970"),
    FLOW_PARAM_DURATION(struct windower, size, "1m", 1e6, 100 * 86400e9,
                        "with 'time': a window is so long [time]"),
    FLOW_PARAM_DURATION(struct windower, lateness, "0s", 0, 100 * 86400e9,
                        "and waits so long for records that are late [time]"),
    FLOW_PARAM_LIST(struct windower, quantiles, NULL,
                    "as 0.5 and 0.99: named p50 and p99; keeps each value until the window ends"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "numbers, or JSON objects with one"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "json", "a window of a group: count, sum, mean, min, max, quantiles"},
    {"late", "bytes", "records whose window has been emitted, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a window");
}

/* ---- opening ---- */

static enum flow_status parse_quantiles(struct windower *w, struct flow_stage *stage)
{
    w->shares = calloc(w->quantiles.count + 1, sizeof(*w->shares));
    if (w->shares == NULL)
        return no_memory(stage);
    for (size_t i = 0; i < w->quantiles.count; i++) {
        char *end = NULL;
        w->shares[i] = strtod(w->quantiles.items[i], &end);
        if (end == w->quantiles.items[i] || *end != '\0' || !(w->shares[i] >= 0) ||
            w->shares[i] > 1)
            return flow_stage_fail(stage, FLOW_EINVAL, "quantile '%s' is not from 0 to 1",
                                   w->quantiles.items[i]);
    }
    return FLOW_OK;
}

static enum flow_status windower_open(void *self, struct flow_stage *stage)
{
    struct windower *w = self;
    w->newest = INT64_MIN;
    w->armed = INT64_MIN;
    w->timed = w->time != NULL || w->every > 0;
    if ((w->time != NULL) + (w->count > 0) + (w->every > 0) > 1)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "a window is by 'count', by 'time' or by 'every', not by several");
    if (w->every > 0 && flow_stage_info(stage)->numbered)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'every' emits for no record, but results of several workers are "
                               "put in the order of the input: \"order\": \"none\" or one worker "
                               "lets it");
    if (w->every > 0) {
        w->size = w->every;
        w->lateness = 0;
    }
    w->facts =
        (struct facts){.fields = {w->group, w->value, w->time}, .unit = (enum fact_unit)w->unit};
    const enum flow_status rc = facts_init(&w->facts, stage);
    return rc == FLOW_OK ? parse_quantiles(w, stage) : rc;
}

/* ---- windows ---- */

static void put_time(struct flow_text *text, const char *name, int64_t ns)
{
    flow_text_put(text, name);
    flow_text_double(text, (double)(ns / 1000000) / 1000);
}

static void put_quantiles(struct windower *w, struct sum *sum)
{
    qsort(sum->values, sum->value_count, sizeof(*sum->values), sum_compare);
    for (size_t i = 0; i < w->quantiles.count; i++) {
        flow_text_put(&w->text, ",\"p");
        flow_text_double(&w->text, w->shares[i] * 100);
        flow_text_put(&w->text, "\":");
        flow_text_double(&w->text, sum_quantile(sum, w->shares[i]));
    }
}

/* Emit what has come for a key, and forget it. */
static enum flow_status emit_sum(struct windower *w, struct flow_stage *stage, int64_t start,
                                 struct sum *sum)
{
    char count[32];
    if (sum->count == 0)
        return FLOW_OK;
    const double total = sum->total + sum->lost;
    w->text.size = 0;
    flow_text_put(&w->text, "{\"key\":");
    flow_text_quote(&w->text, sum->key, sum->key_size);
    if (w->timed) {
        put_time(&w->text, ",\"start\":", start);
        put_time(&w->text, ",\"end\":", start + w->size);
    }
    (void)snprintf(count, sizeof(count), ",\"count\":%" PRIu64, sum->count);
    flow_text_put(&w->text, count);
    const char *const names[] = {",\"sum\":", ",\"mean\":", ",\"min\":", ",\"max\":"};
    const double numbers[] = {total, total / (double)sum->count, sum->least, sum->most};
    for (int i = 0; i < 4; i++) {
        flow_text_put(&w->text, names[i]);
        if (isfinite(numbers[i]))
            flow_text_double(&w->text, numbers[i]);
        else
            flow_text_put(&w->text, "null");
    }
    if (sum->value_count > 0)
        put_quantiles(w, sum);
    flow_text_put(&w->text, "}");
    if (w->text.failed)
        return no_memory(stage);
    const struct flow_target to = {.key = sum->key_size > 0 ? sum->key : NULL,
                                   .key_size = sum->key_size};
    sum_reset(sum);
    return flow_emit_to(stage, &to, w->text.at, w->text.size);
}

static enum flow_status emit_pane(struct windower *w, struct flow_stage *stage, struct pane *pane)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < pane->count; i++)
        rc = emit_sum(w, stage, pane->start, &pane->sums[i]);
    return rc;
}

static enum flow_status insert_pane(struct windower *w, struct flow_stage *stage, size_t at,
                                    struct pane *pane)
{
    if (pane != NULL && w->pane_count == w->pane_capacity) {
        const size_t capacity = w->pane_capacity == 0 ? 8 : w->pane_capacity * 2;
        struct pane **panes = realloc(w->panes, capacity * sizeof(struct pane *));
        w->panes = panes != NULL ? panes : w->panes;
        w->pane_capacity = panes != NULL ? capacity : w->pane_capacity;
    }
    if (pane == NULL || w->pane_count == w->pane_capacity) {
        pane_free(pane);
        return no_memory(stage);
    }
    memmove(w->panes + at + 1, w->panes + at, (w->pane_count - at) * sizeof(struct pane *));
    w->panes[at] = pane;
    w->pane_count++;
    return FLOW_OK;
}

/* The window that begins at `start`; new, if it has to be. */
static enum flow_status find_pane(struct windower *w, struct flow_stage *stage, int64_t start,
                                  struct pane **pane)
{
    size_t at = w->pane_count;
    while (at > 0 && w->panes[at - 1]->start > start)
        at--;
    enum flow_status rc = FLOW_OK;
    if (at == 0 || w->panes[at - 1]->start != start)
        rc = insert_pane(w, stage, at++, pane_new(start));
    *pane = rc == FLOW_OK ? w->panes[at - 1] : NULL;
    return rc;
}

/* Emit the windows that are over at the newest time. */
static enum flow_status emit_over(struct windower *w, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    size_t over = 0;
    while (rc == FLOW_OK && over < w->pane_count &&
           w->panes[over]->start + w->size + w->lateness <= w->newest)
        rc = emit_pane(w, stage, w->panes[over++]);
    for (size_t i = 0; i < over; i++)
        pane_free(w->panes[i]);
    w->pane_count -= over;
    if (over > 0)
        memmove(w->panes, w->panes + over, w->pane_count * sizeof(struct pane *));
    return rc;
}

static int64_t find_start(const struct windower *w, int64_t time)
{
    const int64_t past = time % w->size;
    return w->timed ? time - (past < 0 ? past + w->size : past) : 0;
}

static enum flow_status take(struct windower *w, struct flow_stage *stage, const struct fact *fact,
                             const struct flow_record *record)
{
    struct pane *pane = NULL;
    const int64_t start = find_start(w, fact->time);
    if (w->timed && w->newest != INT64_MIN && start + w->size + w->lateness <= w->newest)
        return flow_forward(stage, PORT_LATE, record);
    enum flow_status rc = find_pane(w, stage, start, &pane);
    struct sum *sum = rc == FLOW_OK ? pane_find(pane, fact->key, fact->key_size) : NULL;
    if (rc != FLOW_OK)
        return rc;
    if (sum == NULL || (w->quantiles.count > 0 && !sum_keep(sum, fact->number)))
        return no_memory(stage);
    sum_add(sum, fact->number);
    if (w->count > 0 && sum->count == (uint64_t)w->count)
        return emit_sum(w, stage, start, sum);
    if (!w->timed || fact->time <= w->newest)
        return FLOW_OK;
    w->newest = fact->time;
    return emit_over(w, stage);
}

/* ---- by the clock ---- */

static int64_t clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * FLOW_SECOND + now.tv_nsec;
}

/* The time of what comes now: a clock that is set back does not bring back a window. */
static int64_t time_of_batch(const struct windower *w)
{
    const int64_t now = w->every > 0 ? clock_now() : 0;
    return w->every > 0 && now < w->newest ? w->newest : now;
}

/* The open window is to end when its time is over, also if nothing comes. */
static enum flow_status arm(struct windower *w, struct flow_stage *stage)
{
    if (w->every == 0 || w->pane_count == 0 || w->panes[0]->start == w->armed)
        return FLOW_OK;
    w->armed = w->panes[0]->start;
    const int64_t left = w->armed + w->size - clock_now();
    return flow_timer(stage, 0, left > 0 ? left : 0);
}

static enum flow_status windower_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                       unsigned events)
{
    struct windower *w = self;
    (void)tag;
    (void)events;
    if (w->pane_count > 0 && w->newest < w->panes[0]->start + w->size)
        w->newest = w->panes[0]->start + w->size;
    return emit_over(w, stage);
}

/* ---- callbacks ---- */

static enum flow_status windower_process_batch(void *self, struct flow_stage *stage,
                                               const struct flow_batch *batch)
{
    struct windower *w = self;
    const int64_t now = time_of_batch(w);
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        struct fact fact = {.time = now};
        const char *fault = facts_find(&w->facts, &c.record, &fact);
        rc = fault == NULL ? take(w, stage, &fact, &c.record)
                           : flow_batch_reject(stage, i, "%s: %s", fault,
                                               flow_bytes_quote(c.record.data, c.record.size).text);
    }
    return rc == FLOW_OK ? arm(w, stage) : rc;
}

static enum flow_status windower_finish(void *self, struct flow_stage *stage)
{
    struct windower *w = self;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < w->pane_count; i++)
        rc = emit_pane(w, stage, w->panes[i]);
    return rc;
}

static enum flow_status windower_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct windower *w = self;
    (void)stage;
    enum flow_status rc = flow_save_number(to, (uint64_t)w->newest);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, w->pane_count);
    for (size_t i = 0; rc == FLOW_OK && i < w->pane_count; i++)
        rc = pane_save(w->panes[i], to);
    return rc;
}

static enum flow_status windower_restore(void *self, struct flow_stage *stage,
                                         struct flow_loader *from)
{
    struct windower *w = self;
    uint64_t newest;
    uint64_t count;
    enum flow_status rc = flow_load_number(from, &newest);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &count);
    for (uint64_t i = 0; rc == FLOW_OK && i < count; i++) {
        struct pane *pane = NULL;
        rc = pane_load(&pane, from);
        if (rc == FLOW_OK)
            rc = insert_pane(w, stage, w->pane_count, pane);
    }
    if (rc != FLOW_OK)
        return rc;
    w->newest = (int64_t)newest;
    return arm(w, stage);
}

static void windower_close(void *self, struct flow_stage *stage)
{
    struct windower *w = self;
    (void)stage;
    for (size_t i = 0; i < w->pane_count; i++)
        pane_free(w->panes[i]);
    free(w->panes);
    free(w->shares);
    facts_clear(&w->facts);
    flow_text_clear(&w->text);
}

static const struct flow_stage_type windower = {
    .name = "window",
    .help = "sums up numbers by group and window: count, sum, mean, min, max, quantiles",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct windower),
    .open = windower_open,
    .process_batch = windower_process_batch,
    .ready = windower_ready,
    .finish = windower_finish,
    .close = windower_close,
    .save = windower_save,
    .restore = windower_restore,
};

FLOW_PLUGIN(&windower);
