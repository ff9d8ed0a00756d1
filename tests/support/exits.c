/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

/* A stage that does what none may do: it ends the program in the middle of the run. */

static enum flow_status leave(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    exit(0);
}

static const struct flow_stage_type exits = {
    .name = "test.exits",
    .help = "calls exit(0) at its first record",
    .role = FLOW_CONSUMER,
    .process = leave,
};

FLOW_PLUGIN(&exits);
