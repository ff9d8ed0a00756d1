/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>
#include <string.h>

/* Consumers with `ready` that die of the record "fall": one holds each record for a moment, the
 * other takes whole batches. */

static bool is_fall(const struct flow_record *record)
{
    return record->size == 4 && memcmp(record->data, "fall", 4) == 0;
}

#define MOST 8

struct holder {
    struct flow_token *tokens[MOST];
    size_t count;
};

static enum flow_status holder_open(void *self, struct flow_stage *stage)
{
    (void)self;
    flow_hold_most(stage, MOST);
    return FLOW_OK;
}

static enum flow_status holder_take(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    struct holder *h = self;
    if (is_fall(record))
        abort();
    h->tokens[h->count] = flow_hold(stage, record);
    if (h->tokens[h->count] == NULL)
        return FLOW_EABORT;
    return flow_timer(stage, h->count++, 1);
}

static enum flow_status holder_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                     unsigned events)
{
    struct holder *h = self;
    (void)tag;
    (void)events;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && h->count > 0)
        rc = flow_done(stage, h->tokens[--h->count], FLOW_OK);
    return rc;
}

static const struct flow_stage_type holder = {
    .name = "test.falls.holder",
    .help = "holds records, and dies of one",
    .role = FLOW_CONSUMER,
    .state_size = sizeof(struct holder),
    .open = holder_open,
    .process = holder_take,
    .ready = holder_ready,
};

static enum flow_status taker_open(void *self, struct flow_stage *stage)
{
    (void)self;
    flow_hold_most(stage, 0);
    return FLOW_OK;
}

static enum flow_status taker_take(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    (void)self;
    (void)stage;
    if (is_fall(record))
        abort();
    return FLOW_OK;
}

static enum flow_status taker_take_all(void *self, struct flow_stage *stage,
                                       const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; i < batch->count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = taker_take(self, stage, &record);
    }
    return rc;
}

static enum flow_status taker_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                    unsigned events)
{
    (void)self;
    (void)stage;
    (void)tag;
    (void)events;
    return FLOW_OK;
}

static const struct flow_stage_type taker = {
    .name = "test.falls.taker",
    .help = "takes whole batches, and dies of one record",
    .role = FLOW_CONSUMER,
    .open = taker_open,
    .process = taker_take,
    .process_batch = taker_take_all,
    .ready = taker_ready,
};

FLOW_PLUGIN(&holder, &taker);
