/* SPDX-License-Identifier: MIT */
#include "engine/edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/replica.h"

/* What was forwarded of these records so far was meant as it is now. */
static enum flow_status end_runs(struct flow_replica *replica, uint32_t first, uint32_t count)
{
    struct flow_output *output = &replica->output;
    enum flow_status rc = FLOW_OK;
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++) {
        const struct flow_run_out *run = &output->ports[p].run;
        if (run->block == replica->item.block && run->first < first + count &&
            first < run->first + run->count)
            rc = flow_port_end_run(&output->ports[p]);
    }
    return rc;
}

/* The walk through the batch goes on in another block with the same records. */
static void move_cursor(struct flow_replica *replica)
{
    struct flow_cursor *cursor = &replica->cursor;
    if (replica->type->process == NULL)
        return;
    struct flow_batch rest = replica->batch;
    rest.count = cursor->left + 1;
    rest.first += replica->batch.count - rest.count;
    rest.number = cursor->record.number;
    *cursor = flow_batch_begin(&rest);
    (void)flow_batch_next(cursor);
}

/* Records that were looked up in the copy are still to be known. */
static bool keep_copy(struct flow_replica *replica)
{
    struct flow_edit *edit = &replica->edit;
    if (!flow_grow(&edit->copies, &edit->copy_capacity, edit->copy_count + 1,
                   sizeof(*edit->copies)))
        return false;
    edit->copies[edit->copy_count++] = (struct flow_edit_copy){replica->item.block, replica->batch};
    return true;
}

static void drop_copies(struct flow_edit *edit)
{
    while (edit->copy_count > 0)
        flow_block_unref(edit->copies[--edit->copy_count].block);
}

static enum flow_status copy_batch(struct flow_replica *replica)
{
    struct flow_edit *edit = &replica->edit;
    struct flow_item *item = &replica->item;
    const struct flow_batch *batch = &replica->batch;
    enum flow_status rc = flow_output_settle_runs(&replica->output);
    if (rc != FLOW_OK)
        return rc;
    struct flow_block *copy =
        flow_block_copy(replica->host.pool, item->block, batch->first, batch->count);
    if (copy == NULL || (edit->original != NULL && !keep_copy(replica))) {
        flow_block_unref(copy);
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for a batch to edit");
    }

    if (edit->original == NULL) {
        edit->original = item->block;
        edit->source = *batch;
        edit->first = item->first;
    }
    item->block = copy;
    item->first = 0;
    replica->batch.bytes = copy->data;
    replica->batch.top = copy->top;
    replica->batch.first = 0;
    move_cursor(replica);
    return FLOW_OK;
}

uint8_t *flow_edit_own(struct flow_replica *replica, uint32_t first, uint32_t count)
{
    const struct flow_block *block = replica->item.block;
    if (end_runs(replica, replica->batch.first + first, count) != FLOW_OK)
        return NULL;
    const bool keeps = replica->may_undo && replica->type->process == NULL;
    const bool in_place = flow_block_is_own(block) && (!keeps || replica->edit.original != NULL);
    if (!in_place && copy_batch(replica) != FLOW_OK)
        return NULL;
    return flow_block_bytes(replica->item.block);
}

/* The record in hand may be refused yet. */
static bool save(struct flow_replica *replica, const struct flow_record *record)
{
    struct flow_edit *edit = &replica->edit;
    if (edit->saved_id == replica->stage.in_hand)
        return true;
    /* One byte more, so that there are some for an empty record too. */
    if (!flow_grow(&edit->saved, &edit->saved_capacity, record->size + 1, 1)) {
        (void)flow_replica_fail(replica, FLOW_ENOMEM, &record->number,
                                "out of memory for a record to edit");
        return false;
    }
    memcpy(edit->saved, record->data, record->size);
    edit->saved_id = replica->stage.in_hand;
    return true;
}

void *flow_edit_record_of(struct flow_replica *replica, uint32_t index)
{
    uint8_t *bytes = flow_edit_own(replica, index, 1);
    if (bytes == NULL)
        return NULL;
    const struct flow_record record = replica->type->process != NULL
                                          ? replica->cursor.record
                                          : flow_batch_record(&replica->batch, index);
    if (replica->stage.in_hand != 0 && replica->type->process != NULL && !save(replica, &record))
        return NULL;
    return bytes + ((const uint8_t *)record.data - replica->batch.bytes);
}

void flow_edit_undo(struct flow_replica *replica)
{
    struct flow_edit *edit = &replica->edit;
    if (edit->saved_id == 0 || edit->saved_id != replica->stage.in_hand)
        return;
    const struct flow_record *record = &replica->cursor.record;
    uint8_t *bytes = flow_block_bytes(replica->item.block);
    memcpy(bytes + ((const uint8_t *)record->data - replica->batch.bytes), edit->saved,
           record->size);
    edit->saved_id = 0;
}

const struct flow_batch *flow_edit_source(const struct flow_replica *replica)
{
    return replica->edit.original != NULL ? &replica->edit.source : &replica->batch;
}

enum flow_status flow_edit_revert(struct flow_replica *replica)
{
    struct flow_edit *edit = &replica->edit;
    if (edit->original == NULL)
        return FLOW_OK;
    const enum flow_status rc = flow_output_settle_runs(&replica->output);
    flow_block_unref(replica->item.block);
    drop_copies(edit);
    replica->item.block = edit->original;
    replica->item.first = edit->first;
    replica->batch = edit->source;
    edit->original = NULL;
    return rc;
}

void flow_edit_end(struct flow_replica *replica)
{
    flow_block_unref(replica->edit.original);
    replica->edit.original = NULL;
    drop_copies(&replica->edit);
}

void flow_edit_clear(struct flow_edit *edit)
{
    flow_block_unref(edit->original);
    drop_copies(edit);
    free(edit->copies);
    free(edit->saved);
    *edit = (struct flow_edit){0};
}
