/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/condition.h"

struct filter {
    char *where;
    bool invert;

    struct flow_json_paths paths;
    struct flow_json_value *values; /* by slot */
    struct condition condition;
};

enum { PORT_OUT, PORT_UNMATCHED };

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct filter, where, FLOW_REQUIRED,
                   "the condition, as in: /status >= 500 and not exists /debug"),
    FLOW_PARAM_BOOL(struct filter, invert, "false", "swap the two ports"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one JSON document a record"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "records for which the condition holds, unchanged"},
    {"unmatched", "bytes", "the others, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status filter_open(void *self, struct flow_stage *stage)
{
    struct filter *f = self;
    struct condition_fault fault;
    flow_json_paths_init(&f->paths);
    if (!condition_read(&f->condition, f->where, &f->paths, &fault))
        return flow_stage_fail(stage, FLOW_EINVAL, "condition '%.200s', character %zu: %s",
                               f->where, fault.at, fault.text);
    f->values = calloc(f->paths.count + 1, sizeof(*f->values));
    if (f->values == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu values", f->paths.count);
    return FLOW_OK;
}

static enum flow_status filter_record(struct filter *f, struct flow_stage *stage,
                                      const struct flow_record *record, uint32_t index)
{
    struct flow_json_scan scan;
    if (!flow_json_scan(&scan, &f->paths, record->data, record->size, f->values)) {
        const size_t at = (size_t)(scan.fault_at - (const unsigned char *)record->data);
        return flow_batch_reject(stage, index, "not JSON: byte %zu: %s: %s", at + 1, scan.fault,
                                 flow_bytes_quote(scan.fault_at, record->size - at).text);
    }
    struct condition_fault fault;
    const int holds = condition_holds(&f->condition, f->values, &fault);
    if (holds < 0)
        return flow_batch_reject(stage, index, "the condition cannot be tried: %s", fault.text);
    return flow_forward(stage, (holds == 1) != f->invert ? PORT_OUT : PORT_UNMATCHED, record);
}

static enum flow_status filter_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = filter_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void filter_close(void *self, struct flow_stage *stage)
{
    struct filter *f = self;
    (void)stage;
    free(f->values);
    condition_clear(&f->condition);
    flow_json_paths_clear(&f->paths);
}

static const struct flow_stage_type filter = {
    .name = "json.filter",
    .help = "parts JSON documents for which a condition holds from the others",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct filter),
    .open = filter_open,
    .process_batch = filter_process_batch,
    .close = filter_close,
};

FLOW_PLUGIN(&filter);
