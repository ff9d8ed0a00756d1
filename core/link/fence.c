/* SPDX-License-Identifier: MIT */
#include "link/fence.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct flow_fence_link {
    uint32_t link;
    uint32_t incarnation;
    uint64_t lent; /* a bit for each slot that was ever lent */
    uint32_t tags[FLOW_SLOTS];
};

/* Where the link is, or would have to stand. */
static size_t position(const struct flow_fence *fence, uint32_t link)
{
    size_t low = 0;
    size_t high = fence->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (fence->links[middle].link < link)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct flow_fence_link *find(const struct flow_fence *fence, uint32_t link)
{
    const size_t at = position(fence, link);
    return at < fence->count && fence->links[at].link == link ? &fence->links[at] : NULL;
}

enum flow_status flow_fence_add(struct flow_fence *fence, uint32_t link, struct flow_error *err)
{
    if (!flow_grow(&fence->links, &fence->capacity, fence->count + 1, sizeof(*fence->links)))
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a link");
    const size_t at = position(fence, link);
    memmove(&fence->links[at + 1], &fence->links[at], (fence->count - at) * sizeof(*fence->links));
    fence->links[at] = (struct flow_fence_link){.link = link};
    fence->count++;
    return FLOW_OK;
}

void flow_fence_clear(struct flow_fence *fence)
{
    free(fence->links);
    *fence = (struct flow_fence){0};
}

enum flow_fence_verdict flow_fence_judge(struct flow_fence *fence,
                                         const struct flow_message *message, uint32_t incarnation)
{
    struct flow_fence_link *link = find(fence, message->link);
    const uint32_t current = link != NULL ? link->incarnation : 0;
    if (incarnation == current)
        return FLOW_FENCE_PASS;
    if (link == NULL)
        return FLOW_FENCE_STRANGE;
    if (incarnation < current)
        return FLOW_FENCE_DROP;
    if (message->kind != FLOW_MESSAGE_HELLO)
        return FLOW_FENCE_STRANGE;
    link->incarnation = incarnation;
    return FLOW_FENCE_PASS;
}

void flow_fence_note(struct flow_fence *fence, uint32_t link, const struct flow_lease *lease,
                     const struct flow_memory *memory)
{
    struct flow_fence_link *known = find(fence, link);
    if (known == NULL)
        return;
    const size_t slot = (size_t)(lease->slot - flow_memory_slots(memory, link));
    known->lent |= UINT64_C(1) << slot;
    known->tags[slot] = lease->tag;
}

bool flow_fence_holds(const struct flow_fence *fence, uint32_t link,
                      const struct flow_memory *memory)
{
    const struct flow_fence_link *known = find(fence, link);
    if (known == NULL || memory == NULL)
        return false;
    const _Atomic uint32_t *slots = flow_memory_slots(memory, link);
    for (uint64_t left = known->lent; left != 0; left &= left - 1) {
        const unsigned slot = (unsigned)__builtin_ctzll(left);
        if (atomic_load_explicit(&slots[slot], memory_order_acquire) != known->tags[slot])
            return true;
    }
    return false;
}
