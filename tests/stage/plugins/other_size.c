/* SPDX-License-Identifier: MIT */
/* A plugin with another layout of one struct, chosen by OTHER_*; its `types` point nowhere. */
#include <flowrun/stage.h>

#ifndef OTHER_TYPE
#define OTHER_TYPE 0
#endif
#ifndef OTHER_PARAM
#define OTHER_PARAM 0
#endif
#ifndef OTHER_RECORD
#define OTHER_RECORD 0
#endif
#ifndef OTHER_BATCH
#define OTHER_BATCH 0
#endif
#ifndef OTHER_STAGE
#define OTHER_STAGE 0
#endif
#ifndef OTHER_ROOM
#define OTHER_ROOM 0
#endif

FLOW_EXPORT extern const struct flow_plugin flow_plugin;
FLOW_EXPORT const struct flow_plugin flow_plugin = {
    .abi = FLOW_ABI,
    .type_size = sizeof(struct flow_stage_type) + OTHER_TYPE,
    .param_size = sizeof(struct flow_param) + OTHER_PARAM,
    .record_size = sizeof(struct flow_record) + OTHER_RECORD,
    .batch_size = sizeof(struct flow_batch) + OTHER_BATCH,
    .stage_size = sizeof(struct flow_stage) + OTHER_STAGE,
    .room_size = sizeof(struct flow_room_) + OTHER_ROOM,
    .types = (const struct flow_stage_type *const *)(uintptr_t)16,
};
