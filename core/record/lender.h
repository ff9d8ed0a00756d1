/* SPDX-License-Identifier: MIT */
#ifndef FLOW_RECORD_LENDER_H
#define FLOW_RECORD_LENDER_H

/*
 * What one link has lent to its reader, which is in another process: batches in shared memory, of
 * this process or of the one that they came from.  A reference is held for each until the reader
 * has returned it.
 *
 * A loan has one of the link's FLOW_SLOTS slots, a word in shared memory which the reader alone
 * writes, and a tag, one more than the word says.  To return the batch the reader writes the tag.
 * So each word has one writer, no message is needed, batches may come back in any order and from
 * any thread, and a reader that writes nonsense harms what it was lent itself and nothing else.
 *
 * Threads: one owner, the one of the pool; the reader is anywhere.
 */

#include "record/block.h"
#include "record/memory.h"

struct flow_lender {
    struct flow_lender *next; /* of the same pool */
    _Atomic uint32_t *slots;  /* FLOW_SLOTS of them */
    uint64_t used;            /* a bit for each slot */
    uint32_t tags[FLOW_SLOTS];
    struct flow_block *blocks[FLOW_SLOTS];
};

void flow_lender_init(struct flow_lender *lender, _Atomic uint32_t *slots);

/* Forget what is lent: the reader has gone, or nobody will write to these blocks again. */
void flow_lender_clear(struct flow_lender *lender);

/*
 * Lend `block`, taking over a reference: `slot` and `tag` are what the reader must know to return
 * it.  False: so much is lent that no slot is free, and the reference stays the caller's.
 */
bool flow_lender_lend(struct flow_lender *lender, struct flow_block *block, uint32_t *slot,
                      uint32_t *tag);

/* Let go of what has been returned.  True: a batch that is of another process is still lent. */
bool flow_lender_poll(struct flow_lender *lender);

#endif /* FLOW_RECORD_LENDER_H */
