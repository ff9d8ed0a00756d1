/* SPDX-License-Identifier: MIT */

/*
 * With `time`, several stretches of time may be open at once, the oldest first; one is emitted when
 * a record has come whose time lies `lateness` behind its end, for all keys.  Without it there is
 * one stretch, which ends for a key after `count` records, and for all when the input does.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "group/pane.h"
#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/text.h"

enum { PORT_OUT, PORT_LATE };
enum { FIELD_GROUP, FIELD_VALUE, FIELD_TIME, FIELDS };
enum unit { UNIT_SECONDS, UNIT_MILLISECONDS };

struct windower {
    char *group;
    char *value;
    int64_t count;
    char *time;
    int unit; /* enum unit */
    int64_t size;
    int64_t lateness;
    struct flow_list quantiles;

    struct flow_json_paths paths; /* of the fields */
    size_t slots[FIELDS];         /* theirs, of those that are named */
    double *shares;
    struct pane **panes; /* by their start */
    size_t pane_count, pane_capacity;
    int64_t newest; /* the latest time that has come [ns] */
    struct flow_text key, text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct windower, group, NULL, "JSON field to group by; else the record's key"),
    FLOW_PARAM_STR(struct windower, value, NULL,
                   "JSON field with the number; else the record is the number"),
    FLOW_PARAM_I64(struct windower, count, "0", 0, (int64_t)1 << 53,
                   "a window is so many [records] of a group; 0: all, or by 'time'"),
    FLOW_PARAM_STR(struct windower, time, NULL,
                   "JSON field with the time: a number, or 2024-02-29T23:59:59Z"),
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

static enum flow_status parse_fields(struct windower *w, struct flow_stage *stage)
{
    static const char *const names[FIELDS] = {"group", "value", "time"};
    const char *const fields[FIELDS] = {w->group, w->value, w->time};
    flow_json_paths_init(&w->paths);
    for (int i = 0; i < FIELDS; i++) {
        const char *why = fields[i] != NULL ? flow_json_field_add(&w->paths, fields[i],
                                                                  strlen(fields[i]), &w->slots[i])
                                            : NULL;
        if (why != NULL)
            return flow_stage_fail(stage, FLOW_EINVAL, "%s '%s': %s", names[i], fields[i], why);
    }
    return FLOW_OK;
}

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
    if (w->time != NULL && w->count > 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "a window is by 'count' or by 'time', not both");
    const enum flow_status rc = parse_fields(w, stage);
    return rc == FLOW_OK ? parse_quantiles(w, stage) : rc;
}

/* ---- a record ---- */

static bool parse_number(const char *text, size_t size, double *number)
{
    char copy[64];
    char *end = NULL;
    if (size == 0 || size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

static bool parse_date(const struct flow_json_value *value, double *seconds)
{
    char text[48];
    struct tm parts = {0};
    if ((size_t)(value->end - value->at) >= sizeof(text))
        return false;
    text[flow_json_put_string(value, text)] = '\0';
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL)
        return false;
    char *end = NULL;
    const double part = *rest == '.' ? strtod(rest, &end) : 0;
    rest = *rest == '.' ? end : rest;
    *seconds = (double)timegm(&parts) + part;
    return strcmp(rest, "Z") == 0 || strcmp(rest, "+00:00") == 0;
}

/* What a record says of itself. */
struct fact {
    const char *key;
    size_t key_size;
    double number;
    int64_t time; /* ns */
};

static bool parse_json_number(const struct flow_json_value *value, double *number)
{
    size_t size;
    const char *raw = flow_json_raw(value, &size);
    return parse_number(raw, size, number);
}

/* `values`: by slot, what the record has of the fields. */
static const char *find_time(const struct windower *w, const struct flow_json_value *values,
                             struct fact *fact)
{
    const struct flow_json_value *value = &values[w->slots[FIELD_TIME]];
    double seconds = 0;
    if (w->time == NULL)
        return NULL;
    if (value->at == NULL)
        return "there is no time";
    const bool date = flow_json_is_text(value);
    if (!(date ? parse_date(value, &seconds) : parse_json_number(value, &seconds)))
        return "that is no time";
    seconds = !date && w->unit == UNIT_MILLISECONDS ? seconds / 1000 : seconds;
    if (!(fabs(seconds) < 9e9))
        return "that time is out of reach";
    fact->time = (int64_t)(seconds * 1e9);
    return NULL;
}

static const char *find_group(struct windower *w, const struct flow_record *record,
                              const struct flow_json_value *values, struct fact *fact)
{
    const struct flow_json_value *value = &values[w->slots[FIELD_GROUP]];
    fact->key = record->key != NULL ? record->key : "";
    fact->key_size = record->key_size;
    if (w->group == NULL)
        return flow_utf8_check(fact->key, fact->key_size) < fact->key_size ? "its key is not UTF-8"
                                                                           : NULL;
    if (value->at == NULL)
        return "there is no group";
    w->key.size = 0;
    if (!flow_text_reserve(&w->key, (size_t)(value->end - value->at)))
        return "there is no memory for its group";
    fact->key_size = flow_json_put_raw(value, w->key.at);
    fact->key = w->key.at;
    return NULL;
}

static const char *find_number(const struct windower *w, const struct flow_record *record,
                               const struct flow_json_value *values, struct fact *fact)
{
    const struct flow_json_value *value = &values[w->slots[FIELD_VALUE]];
    if (w->value == NULL)
        return parse_number(record->data, record->size, &fact->number) ? NULL : "it is no number";
    if (value->at == NULL || !flow_json_is_number(value))
        return "there is no number";
    return parse_json_number(value, &fact->number) ? NULL : "it is no number";
}

/* What is wrong with the record; NULL: nothing, and `fact` is what it says. */
static const char *find_fact(struct windower *w, const struct flow_record *record,
                             struct fact *fact)
{
    struct flow_json_value values[FIELDS] = {0};
    struct flow_json_scan scan;
    if (w->paths.count > 0 && !flow_json_scan(&scan, &w->paths, record->data, record->size, values))
        return "it is no JSON";
    const char *fault = find_time(w, values, fact);
    fault = fault == NULL ? find_group(w, record, values, fact) : fault;
    return fault == NULL ? find_number(w, record, values, fact) : fault;
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
    if (w->time != NULL) {
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
    return w->time != NULL ? time - (past < 0 ? past + w->size : past) : 0;
}

static enum flow_status take(struct windower *w, struct flow_stage *stage, const struct fact *fact,
                             const struct flow_record *record)
{
    struct pane *pane = NULL;
    const int64_t start = find_start(w, fact->time);
    if (w->time != NULL && w->newest != INT64_MIN && start + w->size + w->lateness <= w->newest)
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
    if (w->time == NULL || fact->time <= w->newest)
        return FLOW_OK;
    w->newest = fact->time;
    return emit_over(w, stage);
}

static enum flow_status windower_process_batch(void *self, struct flow_stage *stage,
                                               const struct flow_batch *batch)
{
    struct windower *w = self;
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        struct fact fact = {0};
        const char *fault = find_fact(w, &c.record, &fact);
        rc = fault == NULL ? take(w, stage, &fact, &c.record)
                           : flow_batch_reject(stage, i, "%s: %s", fault,
                                               flow_bytes_quote(c.record.data, c.record.size).text);
    }
    return rc;
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
    w->newest = rc == FLOW_OK ? (int64_t)newest : w->newest;
    return rc;
}

static void windower_close(void *self, struct flow_stage *stage)
{
    struct windower *w = self;
    (void)stage;
    for (size_t i = 0; i < w->pane_count; i++)
        pane_free(w->panes[i]);
    free(w->panes);
    free(w->shares);
    flow_json_paths_clear(&w->paths);
    flow_text_clear(&w->key);
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
    .finish = windower_finish,
    .close = windower_close,
    .save = windower_save,
    .restore = windower_restore,
};

FLOW_PLUGIN(&windower);
