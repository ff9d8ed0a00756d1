/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_MARKS_H
#define FLOW_STAGES_MARKS_H

/*
 * All places of one byte among many, in order: where lines end.
 *
 * memchr is made for one long way to the next place; where records are short, most of its time is
 * spent on beginning.  Here 64 bytes are compared at a time, and the places among them are handed
 * out from a word of bits.
 *
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define FLOW_MARKS_BLOCK 64

struct flow_marks {
    const uint8_t *block; /* what `found` is about: FLOW_MARKS_BLOCK bytes, or fewer at the end */
    const uint8_t *next;  /* the first byte that nobody has looked at */
    const uint8_t *end;
    uint64_t found; /* bit i: the byte is at block[i], and has not been handed out */
    uint8_t mark;
};

/* Private: where `mark` is among the 64 bytes at `at`. */
static inline uint64_t flow_marks_look_(const uint8_t *at, uint8_t mark)
{
    uint64_t found = 0;
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8((char)mark);
    for (int i = 0; i < 4; i++) {
        __m128i bytes;
        memcpy(&bytes, at + 16 * i, sizeof(bytes));
        const int same = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted));
        found |= (uint64_t)(uint32_t)same << (16 * i);
    }
#else
    for (int i = 0; i < FLOW_MARKS_BLOCK; i++)
        found |= (uint64_t)(at[i] == mark) << i;
#endif
    return found;
}

static inline struct flow_marks flow_marks_begin(const void *bytes, size_t size, uint8_t mark)
{
    const uint8_t *at = (const uint8_t *)bytes;
    const struct flow_marks marks = {at, at, at + size, 0, mark};
    return marks;
}

/* Private: go on to the next bytes that have the mark among them; false: there are none. */
static inline int flow_marks_refill_(struct flow_marks *marks)
{
    while (marks->end - marks->next >= FLOW_MARKS_BLOCK) {
        marks->block = marks->next;
        marks->next += FLOW_MARKS_BLOCK;
        marks->found = flow_marks_look_(marks->block, marks->mark);
        if (marks->found != 0)
            return 1;
    }
    marks->block = marks->next;
    for (int i = 0; marks->next < marks->end; i++)
        marks->found |= (uint64_t)(*marks->next++ == marks->mark) << i;
    return marks->found != 0;
}

/* The next place; NULL: there is none. */
static inline const void *flow_marks_next(struct flow_marks *marks)
{
    if (marks->found == 0 && !flow_marks_refill_(marks))
        return NULL;
    const uint8_t *at = marks->block + __builtin_ctzll(marks->found);
    marks->found &= marks->found - 1;
    return at;
}

#endif /* FLOW_STAGES_MARKS_H */
