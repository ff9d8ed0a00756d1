/* SPDX-License-Identifier: MIT */
#ifndef RANDOM_FUNCTIONS_H
#define RANDOM_FUNCTIONS_H

/*
 * What the stages of the random graphs do to a record, as pure functions: the plugin (stages.c)
 * calls them inside a run, the reference interpreter (reference.c) calls them in a loop, and both
 * must arrive at the same records.  Nothing here depends on anything but its arguments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest key these stages give, with its terminating zero. */
#define RT_KEY_SIZE 32

/* What rt.source emits; filled by the engine from its parameters. */
struct rt_source {
    int64_t count; /* records of all replicas together */
    int64_t seed;
    uint64_t size_min, size_max;
    int64_t keyed;       /* how many of a hundred records have a key */
    int64_t key_space;   /* different keys */
    bool json;           /* records are JSON objects with "id" and "k" */
    int64_t flush_every; /* records after which what is there is sent; 0: never */
};

enum rt_kind { RT_SAME, RT_XOR, RT_REVERSE, RT_GROW, RT_HALVE };
enum rt_rekey { RT_KEY_KEEP, RT_KEY_DERIVE, RT_KEY_DROP };

/* What rt.map, rt.reserve, rt.batch and rt.fail do. */
struct rt_transform {
    int kind; /* enum rt_kind */
    int key;  /* enum rt_rekey */
    int64_t key_space;
    int64_t salt;
    int64_t bad;   /* how many of a hundred records are refused */
    int64_t fails; /* tries for which a bad record stays bad */
    int64_t tries; /* tries that the stage's error policy grants */
    int64_t spin;  /* the most that a record takes in a busy loop [us] */
};

/* Which records rt.filter, rt.runs and rt.split pick. */
struct rt_choice {
    int64_t salt;
    int64_t percent;
};

/* How many records rt.expand makes of one, and how large. */
struct rt_expand {
    int64_t salt;
    int64_t most;       /* 0 to this many */
    int64_t burst;      /* one record of 64 makes this many instead */
    uint64_t size_most; /* none is larger */
};

uint64_t rt_mix(uint64_t x);
uint64_t rt_hash(const void *data, size_t size, uint64_t salt);

/* Record `index` of a source: its size, its bytes, and its key (returns the key's size, 0: none).
 */
size_t rt_source_size(const struct rt_source *source, uint64_t index);
void rt_source_fill(const struct rt_source *source, uint64_t index, uint8_t *out, size_t size);
size_t rt_source_key(const struct rt_source *source, uint64_t index, char key[RT_KEY_SIZE]);

size_t rt_transform_size(const struct rt_transform *transform, size_t size);
void rt_transform_fill(const struct rt_transform *transform, const uint8_t *in, size_t size,
                       uint8_t *out);
/* The key that RT_KEY_DERIVE gives; returns its size. */
size_t rt_derived_key(const struct rt_transform *transform, const void *data, size_t size,
                      char key[RT_KEY_SIZE]);
bool rt_is_bad(const struct rt_transform *transform, const void *data, size_t size);
/* What a refused record is refused with. */
void rt_reason(const void *data, size_t size, char reason[RT_KEY_SIZE]);

bool rt_is_chosen(const struct rt_choice *choice, const void *data, size_t size);

unsigned rt_expand_count(const struct rt_expand *expand, const void *data, size_t size);
size_t rt_expand_size(const struct rt_expand *expand, size_t size, unsigned j);
void rt_expand_fill(const struct rt_expand *expand, const uint8_t *in, unsigned j, uint8_t *out,
                    size_t out_size);

/*
 * What rt.count calls a key (or the bytes of a record without one): a long one is cut to a hash, so
 * that two keys may have one name, and are still counted apart.
 */
size_t rt_count_name(const void *key, size_t size, char name[RT_KEY_SIZE]);

#endif /* RANDOM_FUNCTIONS_H */
