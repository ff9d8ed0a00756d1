/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_RANDOM_H
#define FLOW_STAGES_RANDOM_H

/*
 * Numbers that look like chance and depend on a seed and a place alone, so that a run that goes on
 * makes the ones that it would have made.  The function is SplitMix64's.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdint.h>

struct flow_random {
    uint64_t state;
};

static inline uint64_t flow_random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Those of one place. */
static inline struct flow_random flow_random_at(uint64_t seed, uint64_t place)
{
    return (struct flow_random){flow_random_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^
                                flow_random_mix(place * UINT64_C(0xd1342543de82ef95) + 1)};
}

static inline uint64_t flow_random_next(struct flow_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return flow_random_mix(random->state);
}

/* Below `limit`, which is not 0; the bias is below limit / 2^64. */
static inline uint64_t flow_random_below(struct flow_random *random, uint64_t limit)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)flow_random_next(random) * limit >> 64);
#else
    return flow_random_next(random) % limit;
#endif
}

/* In [0, 1). */
static inline double flow_random_fraction(struct flow_random *random)
{
    return (double)(flow_random_next(random) >> 11) * 0x1p-53;
}

#endif /* FLOW_STAGES_RANDOM_H */
