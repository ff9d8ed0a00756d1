/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

struct cut {
    uint64_t size;
};

static const struct flow_param params[] = {
    FLOW_PARAM_SIZE(struct cut, size, "80B", 1, 1e6, "what is kept of each record [bytes]"),
    FLOW_PARAM_END,
};

static enum flow_status process(void *self, struct flow_stage *stage, const struct flow_record *r)
{
    const struct cut *c = self;
    return flow_emit(stage, r->data, r->size < c->size ? r->size : (size_t)c->size);
}

static const struct flow_stage_type cut = {.name = "text.cut",
                                           .help = "cuts long records",
                                           .role = FLOW_WORKER,
                                           .params = params,
                                           .state_size = sizeof(struct cut),
                                           .process = process};
FLOW_PLUGIN(&cut);
