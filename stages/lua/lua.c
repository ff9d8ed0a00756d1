/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "lua/script.h"

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

static const struct flow_stage_type lua_stage = {
    .name = "lua",
    .help = "calls a function in Lua for each record",
    .role = FLOW_WORKER,
    .inputs = script_inputs,
    .outputs = script_outputs,
    .params = script_params,
    .state_size = sizeof(struct script),
    .open = script_open,
    .process_batch = lua_stage_process_batch,
    .close = script_close,
};

FLOW_PLUGIN(&lua_stage);
