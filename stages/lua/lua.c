/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

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

static enum flow_status lua_stage_open(void *self, struct flow_stage *stage)
{
    const char *fault = script_open(self, stage);
    return fault == NULL
               ? FLOW_OK
               : flow_stage_fail(stage, FLOW_EINVAL, "the script cannot be used: %s", fault);
}

static enum flow_status lua_stage_process_batch(void *self, struct flow_stage *stage,
                                                const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        const char *fault = script_process(self, stage, &c.record);
        rc = fault == NULL ? script_emit(self, stage)
                           : flow_batch_reject(stage, (uint32_t)(c.record.number - batch->number),
                                               "%s", fault);
    }
    return rc;
}

static void lua_stage_close(void *self, struct flow_stage *stage)
{
    (void)stage;
    script_clear(self);
}

static const struct flow_stage_type lua_stage = {
    .name = "lua",
    .help = "calls a function in Lua for each record",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct script),
    .open = lua_stage_open,
    .process_batch = lua_stage_process_batch,
    .close = lua_stage_close,
};

FLOW_PLUGIN(&lua_stage);
