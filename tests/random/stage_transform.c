/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include <time.h>

#include "random/functions.h"

/* rt.map, rt.reserve, rt.batch, rt.hold and rt.fail: one record from one, or a refusal. */

struct transform {
    struct rt_transform spec;
    struct rt_scratch scratch;
    int64_t tried; /* tries of the bad record in hand */
    bool holds;    /* such a stage may not edit */
};

static const struct flow_param transform_params[] = {
    FLOW_PARAM_ENUM(struct rt_transform, kind, "same", "same|xor|reverse|grow|halve", "what to do"),
    FLOW_PARAM_ENUM(struct rt_transform, key, "keep", "keep|derive|drop", "the key given"),
    FLOW_PARAM_I64(struct rt_transform, key_space, "8", 1, 1000000, "different derived keys"),
    FLOW_PARAM_I64(struct rt_transform, salt, "0", 0, 4294967295.0, "makes stages differ"),
    FLOW_PARAM_I64(struct rt_transform, bad, "0", 0, 100, "records refused [%]"),
    FLOW_PARAM_I64(struct rt_transform, fails, "1", 0, 1000, "tries for which one is refused"),
    FLOW_PARAM_I64(struct rt_transform, tries, "1", 1, 1000, "tries that the policy grants"),
    FLOW_PARAM_I64(struct rt_transform, spin, "0", 0, 1000000, "the most that a record takes [us]"),
    FLOW_PARAM_END,
};

/* A busy loop that takes some records longer than others. */
static void spin(const struct rt_transform *spec, const struct flow_record *record)
{
    if (spec->spin == 0)
        return;
    const uint64_t most = (uint64_t)spec->spin;
    const int64_t wait_ns = (int64_t)(rt_hash(record->data, record->size, 6) % most) * 1000;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < wait_ns);
}

/* A bad record stays bad for `fails` tries; the last try the policy grants ends its story. */
static bool refused(struct transform *self, const struct flow_record *record)
{
    if (!rt_is_bad(&self->spec, record->data, record->size))
        return false;
    self->tried++;
    const bool bad = self->tried <= self->spec.fails;
    if (!bad || self->tried >= self->spec.tries)
        self->tried = 0;
    return bad;
}

/* Every second of these stages edits its records where they lie, if it can. */
static bool edits(const struct transform *self)
{
    return self->spec.salt % 2 == 1;
}

/* What is done to a record before it is refused must not be seen by anybody. */
static bool spoil(const struct transform *self, struct flow_stage *stage,
                  const struct flow_record *record)
{
    if (!edits(self))
        return true;
    uint8_t *bytes = flow_edit(stage, record);
    if (bytes != NULL)
        memset(bytes, 0xee, record->size);
    return bytes != NULL;
}

static enum flow_status reject(const struct transform *self, struct flow_stage *stage,
                               const struct flow_record *record)
{
    char reason[RT_KEY_SIZE];
    rt_reason(record->data, record->size, reason);
    return spoil(self, stage, record) ? flow_reject(stage, "%s", reason) : FLOW_EABORT;
}

static struct flow_target target_of(const struct rt_transform *spec,
                                    const struct flow_record *record, char key[RT_KEY_SIZE])
{
    struct flow_target to = {0};
    if (spec->key == RT_KEY_KEEP) {
        to.key = record->key;
        to.key_size = record->key_size;
    } else if (spec->key == RT_KEY_DERIVE) {
        to.key = key;
        to.key_size = rt_derived_key(spec, record->data, record->size, key);
    }
    return to;
}

static enum flow_status forward_edited(struct flow_stage *stage, const struct flow_record *record,
                                       const uint8_t *data)
{
    uint8_t *bytes = flow_edit(stage, record);
    if (bytes == NULL)
        return FLOW_EABORT;
    memcpy(bytes, data, record->size);
    return flow_forward(stage, 0, record);
}

static enum flow_status emit_transformed(struct transform *self, struct flow_stage *stage,
                                         const struct flow_record *record)
{
    const size_t size = rt_transform_size(&self->spec, record->size);
    uint8_t *data = rt_scratch_room(&self->scratch, size);
    if (data == NULL)
        return rt_no_memory(stage);
    rt_transform_fill(&self->spec, record->data, record->size, data);
    if (!self->holds && edits(self) && size == record->size && self->spec.key == RT_KEY_KEEP)
        return forward_edited(stage, record, data);
    char key[RT_KEY_SIZE];
    const struct flow_target to = target_of(&self->spec, record, key);
    return flow_emit_to(stage, &to, data, size);
}

static enum flow_status map_process(void *state, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    struct transform *self = state;
    spin(&self->spec, record);
    if (refused(self, record))
        return reject(self, stage, record);
    return emit_transformed(self, stage, record);
}

static enum flow_status fail_process(void *state, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct transform *self = state;
    spin(&self->spec, record);
    return refused(self, record) ? reject(self, stage, record) : flow_forward(stage, 0, record);
}

/* Asks for more than it needs, and now and then forgets a reservation. */
static enum flow_status reserve_process(void *state, struct flow_stage *stage,
                                        const struct flow_record *record)
{
    struct transform *self = state;
    if (refused(self, record))
        return reject(self, stage, record);
    const size_t size = rt_transform_size(&self->spec, record->size);
    if (size % 5 == 0 && flow_reserve(stage, 0, size + 1000) == NULL)
        return FLOW_EABORT;
    uint8_t *data = flow_reserve(stage, 0, size + size / 4);
    if (data == NULL)
        return FLOW_EABORT;
    rt_transform_fill(&self->spec, record->data, record->size, data);
    char key[RT_KEY_SIZE];
    const struct flow_target to = target_of(&self->spec, record, key);
    return flow_commit(stage, &to, size);
}

static enum flow_status batch_process(void *state, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    struct transform *self = state;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        enum flow_status rc;
        if (rt_is_bad(&self->spec, record.data, record.size)) {
            char reason[RT_KEY_SIZE];
            rt_reason(record.data, record.size, reason);
            rc = spoil(self, stage, &record) ? flow_batch_reject(stage, i, "%s", reason)
                                             : FLOW_EABORT;
        } else {
            rc = emit_transformed(self, stage, &record);
        }
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

static void transform_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct transform *self = state;
    rt_scratch_clear(&self->scratch);
}

/* rt.hold: the same as rt.map, but most records are held, and answered in any order. */

#define SLOTS 64

struct hold {
    struct transform transform; /* first: it has the parameters */
    struct flow_token *slots[SLOTS];
    uint64_t random;
};

static enum flow_status hold_open(void *state, struct flow_stage *stage)
{
    struct hold *self = state;
    self->transform.holds = true;
    const uint64_t most = 1 + (uint64_t)self->transform.spec.salt % SLOTS;
    self->random = rt_mix((uint64_t)self->transform.spec.salt + flow_stage_info(stage)->replica);
    flow_hold_most(stage, (size_t)most);
    return FLOW_OK;
}

static enum flow_status answer(struct hold *self, struct flow_stage *stage,
                               const struct flow_record *record)
{
    if (!rt_is_bad(&self->transform.spec, record->data, record->size))
        return emit_transformed(&self->transform, stage, record);
    char reason[RT_KEY_SIZE];
    rt_reason(record->data, record->size, reason);
    return flow_reject(stage, "%s", reason);
}

/* What is in the slot is done, if anything is. */
static enum flow_status settle(struct hold *self, struct flow_stage *stage, uint64_t slot)
{
    struct flow_token *token = self->slots[slot];
    if (token == NULL)
        return FLOW_OK;
    self->slots[slot] = NULL;
    enum flow_status rc = flow_timer(stage, slot, -1);
    if (rc == FLOW_OK)
        rc = flow_resume(stage, token);
    return rc == FLOW_OK ? flow_done(stage, token, answer(self, stage, &token->record)) : rc;
}

static enum flow_status hold_ready(void *state, struct flow_stage *stage, uint64_t tag,
                                   unsigned events __attribute__((unused)))
{
    return settle(state, stage, tag);
}

static enum flow_status hold_process(void *state, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct hold *self = state;
    self->random = rt_mix(self->random);
    const uint64_t slot = self->random % SLOTS;
    const uint64_t dice = self->random >> 32;
    spin(&self->transform.spec, record);
    if (self->slots[slot] != NULL || dice % 8 == 0)
        return answer(self, stage, record);
    self->slots[slot] = flow_hold(stage, record);
    if (self->slots[slot] == NULL)
        return FLOW_EABORT;
    self->slots[slot]->own = self;
    const enum flow_status rc = flow_timer(stage, slot, (int64_t)(dice >> 8) % 400000);
    /* Some are done while another one, or even they themselves, are in hand. */
    return rc == FLOW_OK && dice % 8 == 1 ? settle(self, stage, (slot + (dice >> 4) % 2) % SLOTS)
                                          : rc;
}

static void hold_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct hold *self = state;
    rt_scratch_clear(&self->transform.scratch);
}

const struct flow_stage_type rt_hold_type = {
    .name = "rt.hold",
    .help = "as rt.map, but holds records and answers in any order",
    .role = FLOW_WORKER,
    .params = transform_params,
    .state_size = sizeof(struct hold),
    .open = hold_open,
    .process = hold_process,
    .ready = hold_ready,
    .close = hold_close,
};

const struct flow_stage_type rt_map_type = {
    .name = "rt.map",
    .help = "changes bytes and emits a copy",
    .role = FLOW_WORKER,
    .params = transform_params,
    .state_size = sizeof(struct transform),
    .process = map_process,
    .close = transform_close,
};

const struct flow_stage_type rt_fail_type = {
    .name = "rt.fail",
    .help = "refuses some records and forwards the rest",
    .role = FLOW_WORKER,
    .params = transform_params,
    .state_size = sizeof(struct transform),
    .process = fail_process,
    .close = transform_close,
};

const struct flow_stage_type rt_reserve_type = {
    .name = "rt.reserve",
    .help = "changes bytes in the outgoing batch",
    .role = FLOW_WORKER,
    .params = transform_params,
    .state_size = sizeof(struct transform),
    .process = reserve_process,
    .close = transform_close,
};

const struct flow_stage_type rt_batch_type = {
    .name = "rt.batch",
    .help = "changes the bytes of whole batches",
    .role = FLOW_WORKER,
    .params = transform_params,
    .state_size = sizeof(struct transform),
    .process_batch = batch_process,
    .close = transform_close,
};
