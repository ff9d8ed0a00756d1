/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_CHANCE_H
#define SIMULATE_CHANCE_H

/* Numbers that derive from a seed: splitmix64, by Steele, Lea and Flood. */

#include <stdbool.h>
#include <stdint.h>

struct sim_chance {
    uint64_t state;
};

static inline uint64_t sim_next(struct sim_chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to count - 1; count below 2^32. */
static inline uint64_t sim_pick(struct sim_chance *chance, uint64_t count)
{
    return ((sim_next(chance) >> 32) * count) >> 32;
}

static inline bool sim_percent(struct sim_chance *chance, unsigned percent)
{
    return sim_pick(chance, 100) < percent;
}

#endif /* SIMULATE_CHANCE_H */
