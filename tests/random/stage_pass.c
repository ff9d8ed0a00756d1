/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include "random/functions.h"

/* rt.expand: none, some or many records from one. */

struct expand {
    struct rt_expand spec;
    struct rt_scratch scratch;
};

static const struct flow_param expand_params[] = {
    FLOW_PARAM_I64(struct rt_expand, salt, "0", 0, 4294967295.0, "makes stages differ"),
    FLOW_PARAM_I64(struct rt_expand, most, "3", 0, 1000, "the most records from one"),
    FLOW_PARAM_I64(struct rt_expand, burst, "0", 0, 100000,
                   "records from every 64th; 0: as others"),
    FLOW_PARAM_SIZE(struct rt_expand, size_most, "100", 0, 1048576, "largest record [bytes]"),
    FLOW_PARAM_END,
};

static enum flow_status expand_process(void *state, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    struct expand *self = state;
    const struct flow_target to = {.key = record->key, .key_size = record->key_size};
    const unsigned count = rt_expand_count(&self->spec, record->data, record->size);
    for (unsigned j = 0; j < count; j++) {
        const size_t size = rt_expand_size(&self->spec, record->size, j);
        uint8_t *data = rt_scratch_room(&self->scratch, size);
        if (data == NULL)
            return rt_no_memory(stage);
        rt_expand_fill(&self->spec, record->data, j, data, size);
        const enum flow_status rc = flow_emit_to(stage, &to, data, size);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

static void expand_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct expand *self = state;
    rt_scratch_clear(&self->scratch);
}

const struct flow_stage_type rt_expand_type = {
    .name = "rt.expand",
    .help = "none, some or many records from one",
    .role = FLOW_WORKER,
    .params = expand_params,
    .state_size = sizeof(struct expand),
    .process = expand_process,
    .close = expand_close,
};

/* rt.filter, rt.runs and rt.split pick records by a hash of their bytes. */

static const struct flow_param choice_params[] = {
    FLOW_PARAM_I64(struct rt_choice, salt, "0", 0, 4294967295.0, "makes stages differ"),
    FLOW_PARAM_I64(struct rt_choice, percent, "50", 0, 100, "records picked [%]"),
    FLOW_PARAM_END,
};

static enum flow_status filter_process(void *state, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    return rt_is_chosen(state, record->data, record->size) ? flow_forward(stage, 0, record)
                                                           : FLOW_OK;
}

static enum flow_status split_process(void *state, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    const unsigned port = rt_is_chosen(state, record->data, record->size) ? 0 : 1;
    return flow_forward(stage, port, record);
}

/* `count` records of `batch` from the record `at` on. */
static enum flow_status forward_part(struct flow_stage *stage, const struct flow_batch *batch,
                                     uint32_t at, uint32_t count)
{
    struct flow_batch part = *batch;
    part.first += at;
    part.number += at;
    part.count = count;
    return count > 0 ? flow_forward_batch(stage, 0, &part) : FLOW_OK;
}

static enum flow_status runs_process(void *state, struct flow_stage *stage,
                                     const struct flow_batch *batch)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        if (rt_is_chosen(state, record.data, record.size))
            continue;
        const enum flow_status rc = forward_part(stage, batch, start, i - start);
        if (rc != FLOW_OK)
            return rc;
        start = i + 1;
    }
    return forward_part(stage, batch, start, batch->count - start);
}

static const struct flow_port split_outputs[] = {
    {"picked", "bytes", "records picked"},
    {"rest", "bytes", "the others"},
    {NULL, NULL, NULL},
};

const struct flow_stage_type rt_filter_type = {
    .name = "rt.filter",
    .help = "forwards the records picked",
    .role = FLOW_WORKER,
    .params = choice_params,
    .state_size = sizeof(struct rt_choice),
    .process = filter_process,
};

const struct flow_stage_type rt_runs_type = {
    .name = "rt.runs",
    .help = "forwards the records picked in runs as long as possible",
    .role = FLOW_WORKER,
    .params = choice_params,
    .state_size = sizeof(struct rt_choice),
    .process_batch = runs_process,
};

const struct flow_stage_type rt_split_type = {
    .name = "rt.split",
    .help = "forwards the records picked to one port and the rest to another",
    .role = FLOW_WORKER,
    .outputs = split_outputs,
    .params = choice_params,
    .state_size = sizeof(struct rt_choice),
    .process = split_process,
};

/* rt.forward and rt.forward_batch: everything as it is. */

static enum flow_status forward_process(void *state __attribute__((unused)),
                                        struct flow_stage *stage, const struct flow_record *record)
{
    return flow_forward(stage, 0, record);
}

static enum flow_status forward_batch_process(void *state __attribute__((unused)),
                                              struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    if (batch->count % 2 == 0)
        return flow_forward_batch(stage, 0, batch);
    const enum flow_status rc = forward_part(stage, batch, 0, batch->count / 2);
    return rc != FLOW_OK
               ? rc
               : forward_part(stage, batch, batch->count / 2, batch->count - batch->count / 2);
}

const struct flow_stage_type rt_forward_type = {
    .name = "rt.forward",
    .help = "forwards every record",
    .role = FLOW_WORKER,
    .process = forward_process,
};

const struct flow_stage_type rt_forward_batch_type = {
    .name = "rt.forward_batch",
    .help = "forwards whole batches, odd ones in two parts",
    .role = FLOW_WORKER,
    .process_batch = forward_batch_process,
};

/* rt.join2: two inputs become one, with the port before each record. */

static const struct flow_port join2_inputs[] = {
    {"left", "bytes", "records that get L: before them"},
    {"right", "bytes", "records that get R: before them"},
    {NULL, NULL, NULL},
};

static enum flow_status join2_process(void *state __attribute__((unused)), struct flow_stage *stage,
                                      const struct flow_record *record)
{
    uint8_t *data = flow_reserve(stage, 0, record->size + 2);
    if (data == NULL)
        return FLOW_EABORT;
    memcpy(data, record->port == 0 ? "L:" : "R:", 2);
    memcpy(data + 2, record->data, record->size);
    const struct flow_target to = {.key = record->key, .key_size = record->key_size};
    return flow_commit(stage, &to, record->size + 2);
}

const struct flow_stage_type rt_join2_type = {
    .name = "rt.join2",
    .help = "marks records with the port they came on",
    .role = FLOW_WORKER,
    .inputs = join2_inputs,
    .process = join2_process,
};
