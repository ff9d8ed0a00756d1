/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

/*
 * What all contenders have in common: the bytes of a record and the proof that all have arrived.
 *
 * A record is its number, from 0, in the first eight bytes and a fixed pattern behind them.  Making
 * one is a memcpy and a store, proving one an addition for every eight bytes, so that neither hides
 * what is measured.  The sum of all records can be told beforehand, without making any.
 *
 * For C and C++ alike.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BENCH_RECORD_MIN 16

/* What an editing stage adds to the second word of a record. */
#define BENCH_EDIT UINT64_C(0x0101010101010101)

/* A 64-bit mix: splitmix64, by Sebastiano Vigna, in the public domain. */
static inline uint64_t bench_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t bench_word(const void *data, size_t i)
{
    uint64_t word;
    memcpy(&word, (const uint8_t *)data + i * sizeof(word), sizeof(word));
    return word;
}

static inline void bench_set_word(void *data, size_t i, uint64_t word)
{
    memcpy((uint8_t *)data + i * sizeof(word), &word, sizeof(word));
}

/* The pattern, `size` bytes: what each record but its number looks like. */
static inline void bench_pattern_fill(void *pattern, size_t size)
{
    for (size_t i = 0; i * 8 < size; i++) {
        const uint64_t word = bench_mix(i);
        memcpy((uint8_t *)pattern + i * 8, &word, size - i * 8 < 8 ? size - i * 8 : 8);
    }
}

static inline void bench_record_write(void *out, const void *pattern, size_t size, uint64_t number)
{
    memcpy(out, pattern, size);
    bench_set_word(out, 0, number);
}

static inline void bench_record_edit(void *record)
{
    bench_set_word(record, 1, bench_word(record, 1) + BENCH_EDIT);
}

/* The sum of all bytes as 64-bit words; what is left at the end counts as a word of its own. */
static inline uint64_t bench_sum(const void *data, size_t size)
{
    const size_t words = size / 8;
    const size_t rest = size % 8;
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++)
        sum += bench_word(data, i);
    if (rest == 0)
        return sum;
    uint64_t last = 0;
    if (words == 0) {
        memcpy(&last, data, rest);
        return last;
    }
    /* A load of eight bytes with the ones before shifted out is cheaper than a copy of `rest`. */
    memcpy(&last, (const uint8_t *)data + size - 8, sizeof(last));
    return sum + (last >> (8 * (8 - rest)));
}

/* What the end of a graph has seen: the proof. */
struct bench_tally {
    uint64_t count, bytes, sum;
    uint64_t next;     /* the least number that may come, if all are in order */
    uint64_t disorder; /* records whose number was below that */
};

static inline void bench_tally_note(struct bench_tally *tally, uint64_t number, size_t size)
{
    tally->count++;
    tally->bytes += size;
    tally->disorder += number < tally->next;
    tally->next = number + 1;
}

/* Every byte of a record. */
static inline void bench_tally_add(struct bench_tally *tally, const void *data, size_t size)
{
    tally->sum += bench_sum(data, size);
    bench_tally_note(tally, bench_word(data, 0), size);
}

/* Only its number, where the rest of it is not to be touched. */
static inline void bench_tally_add_head(struct bench_tally *tally, const void *data, size_t size)
{
    tally->sum += bench_word(data, 0);
    bench_tally_note(tally, bench_word(data, 0), size);
}

/* Text, which has no number: every byte, in any order of records. */
static inline void bench_tally_add_text(struct bench_tally *tally, const void *data, size_t size)
{
    tally->sum += bench_sum(data, size);
    tally->count++;
    tally->bytes += size;
}

/* One line of JSON without its closing brace and newline, so that more can follow. */
static inline int bench_tally_text(const struct bench_tally *tally, char *out, size_t size)
{
    return snprintf(out, size,
                    "{\"count\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"sum\": \"%016" PRIx64
                    "\", \"disorder\": %" PRIu64,
                    tally->count, tally->bytes, tally->sum, tally->disorder);
}

/* The line.  One write, so that the lines of several processes do not mix. */
static inline void bench_tally_print(const struct bench_tally *tally)
{
    char text[256];
    (void)bench_tally_text(tally, text, sizeof(text));
    (void)printf("%s}\n", text);
    (void)fflush(stdout);
}

#endif /* BENCH_RECORD_H */
