/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_EDIT_H
#define FLOW_ENGINE_EDIT_H

/*
 * Editing the batch in hand (flow_edit, flow_edit_batch).  A block that nobody else reads is
 * written to as it is; else the batch is copied, and its copy is the batch in hand from then on:
 *
 *     one reference, writable ──> in place
 *     read by others, or a part of it has been forwarded by reference ──> a copy
 *     process_batch, and the policy lets the run go on after a bad record ──> a copy
 *
 * The last is for the error policy: a record that is refused after it was edited is tried again and
 * reported as it came.  Where `process` is called for each record, its bytes are set aside instead.
 *
 * Threads: the replica's own.
 */

#include "flowrun/stage.h"

struct flow_block;
struct flow_replica;

/* A copy that others read by now, so that it was copied again. */
struct flow_edit_copy {
    struct flow_block *block; /* a reference */
    struct flow_batch batch;  /* as the callback saw it, and may have looked records up in it */
};

struct flow_edit {
    struct flow_block *original;   /* what the batch in hand was before it was copied; NULL: it was
                                      not; a reference */
    struct flow_batch source;      /* ... as the callback saw it */
    uint32_t first;                /* ... and where the item in hand began in it */
    struct flow_edit_copy *copies; /* copies of it before the one in hand */
    size_t copy_count, copy_capacity;
    uint8_t *saved; /* the bytes of one record before it was edited */
    size_t saved_capacity;
    uint64_t saved_id; /* which record's: stage.in_hand; 0: none */
};

/* Make records `first` to `first + count - 1` of the view in hand writable; NULL: it fails. */
uint8_t *flow_edit_own(struct flow_replica *replica, uint32_t first, uint32_t count);

/* The bytes, to be written to, of record `index` of the view in hand. */
void *flow_edit_record_of(struct flow_replica *replica, uint32_t index);

/* The record in hand was refused: its bytes are again what they were. */
void flow_edit_undo(struct flow_replica *replica);

/* The batch as it came, for error records and further tries. */
const struct flow_batch *flow_edit_source(const struct flow_replica *replica);

/* The batch in hand is again the one that came; what has been forwarded of its copy is sent. */
FLOW_NODISCARD enum flow_status flow_edit_revert(struct flow_replica *replica);

/* The batch has been processed. */
void flow_edit_end(struct flow_replica *replica);
void flow_edit_clear(struct flow_edit *edit);

#endif /* FLOW_ENGINE_EDIT_H */
