/* SPDX-License-Identifier: MIT */
/* Two types for tests of loading. */
#include <flowrun/stage.h>

static enum flow_status pass(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}

static const struct flow_stage_type one = {
    .name = "test.one", .help = "passes on", .role = FLOW_WORKER, .process = pass};
static const struct flow_stage_type two = {
    .name = "test.two", .help = "passes on", .role = FLOW_WORKER, .process = pass};

FLOW_PLUGIN(&one, &two);
