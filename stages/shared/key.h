/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_KEY_H
#define FLOW_STAGES_KEY_H

/*
 * A key in three words, which are compared and hashed without looking at its bytes again.
 *
 * A short key is its bytes, then zeros, then its size + 1 in the last byte: two short keys are
 * equal when their words are, and ordered as memcmp orders their 24 bytes, a shorter one before a
 * longer one that begins with it, whatever zeros they hold.  A long key is a pointer to its bytes,
 * its size, and its hash under a last byte of 0xff.  No key has 0 as its third word, so that this
 * can mark a slot of a table as free.
 *
 * Hashes depend on a seed, of which each table has its own.  With one seed for all, the keys of one
 * table, written out in its order, would fill the front of the next one first, and pile up there.
 * Nor can who makes the keys foresee which of them collide.
 *
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <sys/random.h>

#define FLOW_KEY_BYTES 24 /* that a short key is loaded from, if they may be read */
#define FLOW_KEY_SHORT (FLOW_KEY_BYTES - 1)
#define FLOW_KEY_LONG 0xffu

struct flow_key {
    uint64_t words[3];
};

/* A value for the byte of a word that lies last in memory. */
static inline uint64_t flow_key_tag(unsigned value)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (uint64_t)value << 56 : value;
}

static inline bool flow_key_is_long(const struct flow_key *key)
{
    return (key->words[2] & flow_key_tag(FLOW_KEY_LONG)) == flow_key_tag(FLOW_KEY_LONG);
}

/* Both halves of a product of 128 bits, folded: every bit of the factors reaches every bit. */
static inline uint64_t flow_key_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    const wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    const uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    const uint64_t mid = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    const uint64_t mid2 = (a & UINT32_MAX) * (b >> 32) + (mid & UINT32_MAX);
    const uint64_t high = (a >> 32) * (b >> 32) + (mid >> 32) + (mid2 >> 32);
    return ((mid2 << 32) | (low & UINT32_MAX)) ^ high;
#endif
}

struct flow_key_seed {
    uint64_t a, b;
};

static inline struct flow_key_seed flow_key_seed_new(void)
{
    struct flow_key_seed seed = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbb67ae8584caa73b)};
    struct flow_key_seed chance = {0};
    if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0) /* too early after boot */
        chance.a = (uint64_t)(uintptr_t)&chance;
    seed.a ^= chance.a;
    seed.b ^= chance.b;
    return seed;
}

static inline uint64_t flow_key_hash_words(const struct flow_key_seed *seed, const uint64_t *words,
                                           uint64_t more)
{
    return flow_key_fold(flow_key_fold(words[0] ^ seed->a, words[1] ^ seed->b) ^ more,
                         UINT64_C(0x9e3779b97f4a7c15)); /* 2^64 by the golden ratio */
}

static inline uint64_t flow_key_hash_bytes(const struct flow_key_seed *seed,
                                           const unsigned char *bytes, size_t size)
{
    uint64_t hash = size;
    while (size > 0) {
        uint64_t words[2] = {0, 0};
        const size_t taken = size < sizeof(words) ? size : sizeof(words);
        memcpy(words, bytes, taken);
        hash = flow_key_hash_words(seed, words, hash);
        bytes += taken;
        size -= taken;
    }
    return hash;
}

/* Where tables look for a key; the high bits are the good ones. */
static inline uint64_t flow_key_hash_short(const struct flow_key *key,
                                           const struct flow_key_seed *seed)
{
    return flow_key_hash_words(seed, key->words, key->words[2]);
}

static inline uint64_t flow_key_hash(const struct flow_key *key, const struct flow_key_seed *seed)
{
    static const uint64_t none[2] = {0, 0}; /* a long key was hashed when it was loaded */
    return flow_key_hash_words(seed, flow_key_is_long(key) ? none : key->words, key->words[2]);
}

/* The key of `size` bytes, at most FLOW_KEY_SHORT, where FLOW_KEY_BYTES of them may be read. */
static inline struct flow_key flow_key_load_wide(const void *bytes, size_t size)
{
    static const uint8_t masks[2 * FLOW_KEY_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                      255, 255, 255, 255, 255, 255, 255, 255,
                                                      255, 255, 255, 255, 255, 255, 255, 255};
    struct flow_key key;
    struct flow_key mask;
    memcpy(&key, bytes, sizeof(key));
    memcpy(&mask, masks + FLOW_KEY_BYTES - size, sizeof(mask));
    for (int i = 0; i < 3; i++)
        key.words[i] &= mask.words[i];
    key.words[2] |= flow_key_tag((unsigned)size + 1);
    return key;
}

/* The same, where memory may be read up to `limit`. */
static inline struct flow_key flow_key_load_short(const void *bytes, size_t size, const void *limit)
{
    if ((size_t)((const char *)limit - (const char *)bytes) >= FLOW_KEY_BYTES)
        return flow_key_load_wide(bytes, size);
    unsigned char room[FLOW_KEY_BYTES] = {0};
    memcpy(room, bytes, size);
    return flow_key_load_wide(room, size);
}

/*
 * A key of any size, and its hash, for a table with this seed.  Memory may be read up to `limit`.
 * A long key borrows its bytes.
 */
static inline uint64_t flow_key_load(struct flow_key *key, const void *bytes, size_t size,
                                     const void *limit, const struct flow_key_seed *seed)
{
    if (size <= FLOW_KEY_SHORT) {
        *key = flow_key_load_short(bytes, size, limit);
        return flow_key_hash_short(key, seed);
    }
    *key = (struct flow_key){{0, size, flow_key_hash_bytes(seed, bytes, size)}};
    key->words[2] |= flow_key_tag(FLOW_KEY_LONG);
    memcpy(key->words, &bytes, sizeof(bytes));
    return flow_key_hash(key, seed);
}

/* A short key with the bits set in each byte of it. */
static inline struct flow_key flow_key_or(const struct flow_key *key, uint8_t bits)
{
    struct flow_key filled = *key;
    unsigned char bytes[FLOW_KEY_BYTES];
    memset(bytes, bits, sizeof(bytes));
    const struct flow_key more =
        flow_key_load_wide(bytes, ((const unsigned char *)key->words)[FLOW_KEY_SHORT] - 1u);
    for (int i = 0; i < 3; i++)
        filled.words[i] |= more.words[i];
    return filled;
}

/* Where the memory of a batch's records ends, of which there is at least one. */
static inline const void *flow_key_limit(const struct flow_batch *batch)
{
    const struct flow_record last = flow_batch_record(batch, batch->count - 1);
    const char *bytes = last.key_size > 0 ? last.key : last.data;
    return bytes + (last.key_size > 0 ? last.key_size : last.size);
}

static inline const char *flow_key_bytes(const struct flow_key *key)
{
    if (!flow_key_is_long(key))
        return (const char *)key->words;
    const char *bytes;
    memcpy(&bytes, key->words, sizeof(bytes));
    return bytes;
}

static inline size_t flow_key_size(const struct flow_key *key)
{
    return flow_key_is_long(key) ? (size_t)key->words[1]
                                 : ((const unsigned char *)key->words)[FLOW_KEY_SHORT] - 1u;
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
    if (a->words[2] != b->words[2] || a->words[1] != b->words[1])
        return false;
    return a->words[0] == b->words[0] ||
           (flow_key_is_long(a) &&
            memcmp(flow_key_bytes(a), flow_key_bytes(b), flow_key_size(a)) == 0);
}

#endif /* FLOW_STAGES_KEY_H */
