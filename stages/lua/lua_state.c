/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "lua/keep.h"
#include "lua/script.h"

static enum flow_status keeper_process(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    const char *fault = script_process(self, stage, record);
    return fault == NULL ? script_emit(self, stage) : flow_reject(stage, "%s", fault);
}

static enum flow_status keeper_finish(void *self, struct flow_stage *stage)
{
    const char *fault = script_finish(self, stage);
    return fault == NULL ? script_emit(self, stage)
                         : flow_stage_fail(stage, FLOW_EINVAL, "finish() of the script: %s", fault);
}

static enum flow_status keeper_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    return keep_save(self, stage, to);
}

static enum flow_status keeper_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    return keep_restore(self, stage, from);
}

static const struct flow_stage_type keeper = {
    .name = "lua.state",
    .help = "calls functions in Lua that remember what they have seen",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = script_inputs,
    .outputs = script_outputs,
    .params = script_params,
    .state_size = sizeof(struct script),
    .open = script_open,
    .process = keeper_process,
    .finish = keeper_finish,
    .close = script_close,
    .save = keeper_save,
    .restore = keeper_restore,
};

FLOW_PLUGIN(&keeper);
