/* SPDX-License-Identifier: MIT */
/* A plugin that needs a function which nobody has. */
#include <flowrun/stage.h>

enum flow_status function_that_nobody_has(void);

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    return function_that_nobody_has();
}

static const struct flow_stage_type type = {
    .name = "un.resolved", .help = "never known", .role = FLOW_CONSUMER, .process = process};

FLOW_PLUGIN(&type);
