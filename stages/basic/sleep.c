/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "shared/bytes.h"

#define MS_NS 1000000
#define DAY_MS UINT64_C(86400000)

struct sleeper {
    int64_t delay;
};

static const struct flow_param params[] = {
    FLOW_PARAM_DURATION(struct sleeper, delay, "0ms", 0, (double)DAY_MS *MS_NS,
                        "time that each record takes; 0ms: as many milliseconds as it names"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything, or, without 'delay', \"MILLISECONDS\" or \"MILLISECONDS TEXT\""},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the same record, later"},
    {NULL, NULL, NULL},
};

static bool named_delay(const struct flow_record *record, int64_t *delay_ns)
{
    uint64_t ms = 0;
    size_t used = 0;
    if (!flow_bytes_number(record->data, record->size, &ms, &used) || ms > DAY_MS)
        return false;
    const char *text = record->data;
    if (used < record->size && text[used] != ' ' && text[used] != '\t')
        return false;
    *delay_ns = (int64_t)ms * MS_NS;
    return true;
}

static enum flow_status sleeper_process(void *self, struct flow_stage *stage,
                                        const struct flow_record *record)
{
    const struct sleeper *s = self;
    int64_t delay = s->delay;
    if (delay == 0 && !named_delay(record, &delay))
        return flow_reject(stage, "no milliseconds (at most a day) at the start of %s",
                           flow_bytes_quote(record->data, record->size).text);
    if (delay > 0 && flow_wait(stage, -1, 0, delay) == FLOW_EABORT)
        return FLOW_EABORT;
    return flow_connected(stage, 0) ? flow_forward(stage, 0, record) : FLOW_OK;
}

static const struct flow_stage_type sleeper = {
    .name = "sleep",
    .help = "lets each record wait, then passes it on unchanged",
    .role = FLOW_EITHER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct sleeper),
    .process = sleeper_process,
};

FLOW_PLUGIN(&sleeper);
