/* SPDX-License-Identifier: MIT */

/*
 * A stage that passes records on until the one numbered `at`, with which it never comes back; or
 * with `open`, does not come back from opening.  For tests of those who notice.
 */

#include <flowrun/stage.h>

#include <stdbool.h>
#include <unistd.h>

struct hangs {
    int64_t at;
    bool open;
    int64_t seen;
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct hangs, at, "3", 0, 1e9, "the record to hang on, from 0"),
    FLOW_PARAM_BOOL(struct hangs, open, "false", "hang in opening"),
    FLOW_PARAM_END,
};

static enum flow_status open_stage(void *self, struct flow_stage *stage)
{
    const struct hangs *hangs = self;
    (void)stage;
    while (hangs->open)
        (void)pause();
    return FLOW_OK;
}

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    struct hangs *hangs = self;
    while (hangs->seen == hangs->at)
        (void)pause();
    hangs->seen++;
    return flow_forward(stage, 0, record);
}

static const struct flow_stage_type hangs = {
    .name = "test.hangs",
    .help = "pass records on, but for one",
    .role = FLOW_WORKER,
    .params = params,
    .state_size = sizeof(struct hangs),
    .open = open_stage,
    .process = process,
};

FLOW_PLUGIN(&hangs);
