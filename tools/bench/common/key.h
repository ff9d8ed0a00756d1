/* SPDX-License-Identifier: MIT */
#ifndef BENCH_KEY_H
#define BENCH_KEY_H

/*
 * Keyed counting.  Record `number` has a key of eight digits, chosen by a mix of its number among
 * `keys`; its own bytes are its number and a word of the pattern.  The counters emit "COUNT KEY"
 * for each key at the end.
 *
 * The table is what the hand-written contenders count with: open addressing, as the stage
 * count.keys has it, but for keys of one size.
 */

#include <stdbool.h>
#include <stdlib.h>

#include "common/record.h"

#define BENCH_KEY_SIZE 8
#define BENCH_KEYED_SIZE (BENCH_RECORD_MIN + BENCH_KEY_SIZE)
#define BENCH_COUNT_SIZE 32 /* room for "COUNT KEY" */

static inline uint64_t bench_key_of(uint64_t number, uint64_t keys)
{
    return bench_mix(number) % keys;
}

static inline void bench_key_digits(void *out, uint64_t key)
{
    char *digits = (char *)out;
    for (int i = BENCH_KEY_SIZE - 1; i >= 0; i--) {
        digits[i] = (char)('0' + key % 10);
        key /= 10;
    }
}

/* The eight digits of the key of record `number`. */
static inline void bench_key_write(void *out, uint64_t number, uint64_t keys)
{
    bench_key_digits(out, bench_key_of(number, keys));
}

/* "COUNT KEY"; returns its size. */
static inline size_t bench_count_write(char *out, uint64_t count, const void *key)
{
    char digits[24];
    size_t size = 0;
    do {
        digits[size++] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    for (size_t i = 0; i < size; i++)
        out[i] = digits[size - 1 - i];
    out[size] = ' ';
    memcpy(out + size + 1, key, BENCH_KEY_SIZE);
    return size + 1 + BENCH_KEY_SIZE;
}

struct bench_counter {
    struct bench_slot {
        uint64_t key; /* its eight digits; 0: the slot is free */
        uint64_t count;
    } * slots;
    size_t capacity, used;
};

static inline struct bench_slot *bench_counter_find(const struct bench_counter *c, uint64_t key)
{
    size_t at = (size_t)bench_mix(key) & (c->capacity - 1);
    while (c->slots[at].key != 0 && c->slots[at].key != key)
        at = (at + 1) & (c->capacity - 1);
    return &c->slots[at];
}

static inline bool bench_counter_grow(struct bench_counter *c)
{
    const struct bench_counter old = *c;
    c->capacity = old.capacity > 0 ? old.capacity * 2 : 1024;
    c->slots = (struct bench_slot *)calloc(c->capacity, sizeof(*c->slots));
    if (c->slots == NULL) {
        *c = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].key != 0)
            *bench_counter_find(c, old.slots[i].key) = old.slots[i];
    }
    free(old.slots);
    return true;
}

static inline bool bench_counter_add(struct bench_counter *c, const void *key)
{
    if (c->used >= c->capacity / 4 * 3 && !bench_counter_grow(c))
        return false;
    struct bench_slot *slot = bench_counter_find(c, bench_word(key, 0));
    if (slot->count++ == 0) {
        slot->key = bench_word(key, 0);
        c->used++;
    }
    return true;
}

#endif /* BENCH_KEY_H */
