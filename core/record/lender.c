/* SPDX-License-Identifier: MIT */
#include "record/lender.h"

#include "base/order.h"

_Static_assert(FLOW_SLOTS == 64, "a bit of `used` for each slot");

void flow_lender_init(struct flow_lender *lender, _Atomic uint32_t *slots)
{
    *lender = (struct flow_lender){.slots = slots};
}

static unsigned lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

void flow_lender_clear(struct flow_lender *lender)
{
    for (; lender->used != 0; lender->used &= lender->used - 1)
        flow_block_unref(lender->blocks[lowest(lender->used)]);
}

bool flow_lender_poll(struct flow_lender *lender)
{
    bool passes_on = false;
    for (uint64_t left = lender->used; left != 0; left &= left - 1) {
        const unsigned slot = lowest(left);
        struct flow_block *block = lender->blocks[slot];
        /* Acquire: what the reader has read, it has read before we write there again. */
        if (atomic_load_explicit(&lender->slots[slot], memory_order_acquire) !=
            lender->tags[slot]) {
            passes_on = passes_on || block->lease.data != NULL;
            continue;
        }
        FLOW_OBSERVE(block->lease.data != NULL ? block->lease.data : block->data);
        lender->used &= ~(UINT64_C(1) << slot);
        flow_block_unref(block);
    }
    return passes_on;
}

bool flow_lender_lend(struct flow_lender *lender, struct flow_block *block, uint32_t *slot,
                      uint32_t *tag)
{
    if (~lender->used == 0)
        return false;
    const unsigned free_slot = lowest(~lender->used);
    lender->used |= UINT64_C(1) << free_slot;
    lender->blocks[free_slot] = block;
    lender->tags[free_slot] =
        atomic_load_explicit(&lender->slots[free_slot], memory_order_relaxed) + 1;
    *slot = free_slot;
    *tag = lender->tags[free_slot];
    return true;
}
