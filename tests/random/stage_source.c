/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include "random/functions.h"

/* rt.source: replica r of R emits the records r, r + R, r + 2R, ... */

struct source {
    struct rt_source spec;
    struct rt_scratch scratch;
    uint64_t next;
    uint64_t emitted;
};

static const struct flow_param source_params[] = {
    FLOW_PARAM_I64(struct rt_source, count, "100", 0, 1e12, "records of all replicas"),
    FLOW_PARAM_I64(struct rt_source, seed, "1", 0, 4294967295.0, "what the bytes derive from"),
    FLOW_PARAM_SIZE(struct rt_source, size_min, "0", 0, 16777216, "smallest record [bytes]"),
    FLOW_PARAM_SIZE(struct rt_source, size_max, "100", 0, 16777216, "largest record [bytes]"),
    FLOW_PARAM_I64(struct rt_source, keyed, "0", 0, 100, "records with a key [%]"),
    FLOW_PARAM_I64(struct rt_source, key_space, "8", 1, 1000000, "different keys"),
    FLOW_PARAM_BOOL(struct rt_source, json, "false", "records are JSON objects"),
    FLOW_PARAM_I64(struct rt_source, flush_every, "0", 0, 1000000, "send every so many records"),
    FLOW_PARAM_END,
};

static enum flow_status source_open(void *state, struct flow_stage *stage)
{
    struct source *self = state;
    self->next = flow_stage_info(stage)->replica;
    return FLOW_OK;
}

static enum flow_status source_emit(struct source *self, struct flow_stage *stage)
{
    const size_t size = rt_source_size(&self->spec, self->next);
    uint8_t *data = rt_scratch_room(&self->scratch, size);
    if (data == NULL)
        return rt_no_memory(stage);
    rt_source_fill(&self->spec, self->next, data, size);
    char key[RT_KEY_SIZE];
    struct flow_target to = {0};
    to.key_size = rt_source_key(&self->spec, self->next, key);
    to.key = to.key_size > 0 ? key : NULL;
    return flow_emit_to(stage, &to, data, size);
}

static enum flow_status source_produce(void *state, struct flow_stage *stage)
{
    struct source *self = state;
    for (int i = 0; i < 64; i++) {
        if (self->next >= (uint64_t)self->spec.count)
            return FLOW_ECLOSED;
        enum flow_status rc = source_emit(self, stage);
        if (rc != FLOW_OK)
            return rc;
        self->next += flow_stage_info(stage)->replicas;
        self->emitted++;
        if (self->spec.flush_every == 0 || self->emitted % (uint64_t)self->spec.flush_every != 0)
            continue;
        rc = flow_wait(stage, -1, 0, 0);
        if (rc != FLOW_EAGAIN && rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

static enum flow_status source_save(void *state, struct flow_stage *stage, struct flow_saver *to)
{
    const struct source *self = state;
    (void)stage;
    const enum flow_status rc = flow_save_number(to, self->next);
    return rc == FLOW_OK ? flow_save_number(to, self->emitted) : rc;
}

static enum flow_status source_restore(void *state, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct source *self = state;
    (void)stage;
    const enum flow_status rc = flow_load_number(from, &self->next);
    return rc == FLOW_OK ? flow_load_number(from, &self->emitted) : rc;
}

static void source_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct source *self = state;
    rt_scratch_clear(&self->scratch);
}

const struct flow_stage_type rt_source_type = {
    .name = "rt.source",
    .help = "records whose bytes derive from a seed and their index",
    .role = FLOW_PRODUCER,
    .params = source_params,
    .state_size = sizeof(struct source),
    .open = source_open,
    .produce = source_produce,
    .close = source_close,
    .save = source_save,
    .restore = source_restore,
};
