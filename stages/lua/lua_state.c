/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "lua/keep.h"
#include "lua/script.h"

static const struct flow_param params[] = {
    SCRIPT_PARAMS,
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what the script emits or returns"},
    {NULL, NULL, NULL},
};

static enum flow_status keeper_open(void *self, struct flow_stage *stage)
{
    const char *fault = script_open(self, stage);
    return fault == NULL
               ? FLOW_OK
               : flow_stage_fail(stage, FLOW_EINVAL, "the script cannot be used: %s", fault);
}

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

static void keeper_close(void *self, struct flow_stage *stage)
{
    (void)stage;
    script_clear(self);
}

static const struct flow_stage_type keeper = {
    .name = "lua.state",
    .help = "calls functions in Lua that remember what they have seen",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct script),
    .open = keeper_open,
    .process = keeper_process,
    .finish = keeper_finish,
    .close = keeper_close,
    .save = keeper_save,
    .restore = keeper_restore,
};

FLOW_PLUGIN(&keeper);
