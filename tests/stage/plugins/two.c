/* SPDX-License-Identifier: MIT */
/* A plugin with two types: a graph has to say which one it means. */
#include <flowrun/stage.h>

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}

static const struct flow_stage_type one = {
    .name = "two.one", .help = "pass on", .role = FLOW_WORKER, .process = process};
static const struct flow_stage_type other = {
    .name = "two.other", .help = "pass on too", .role = FLOW_WORKER, .process = process};

FLOW_PLUGIN(&one, &other);
