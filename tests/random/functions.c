/* SPDX-License-Identifier: MIT */
#include "random/functions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest JSON text before the padding of a JSON record, and what closes it. */
#define HEAD_SIZE 64
#define TAIL "\"}"

/* The finaliser of SplitMix64. */
uint64_t rt_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t rt_hash(const void *data, size_t size, uint64_t salt)
{
    const uint8_t *bytes = data;
    uint64_t hash = rt_mix(salt ^ size);
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        hash = (hash ^ word) * 0x9fb21c651e98df25u;
        hash ^= hash >> 29;
    }
    uint64_t rest = 0;
    if (at < size)
        memcpy(&rest, bytes + at, size - at);
    return rt_mix(hash ^ rest);
}

static uint64_t draw(const struct rt_source *source, uint64_t index, uint64_t what)
{
    return rt_mix(rt_mix((uint64_t)source->seed * 4 + what) ^ index);
}

static size_t json_head(const struct rt_source *source, uint64_t index, char head[HEAD_SIZE])
{
    const uint64_t k = draw(source, index, 2) % (uint64_t)source->key_space;
    return (size_t)snprintf(head, HEAD_SIZE,
                            "{\"id\":%" PRIu64 ",\"k\":\"k%" PRIu64 "\",\"pad\":\"", index, k);
}

/* Small sizes are more frequent than large ones: the range is halved up to seven times. */
size_t rt_source_size(const struct rt_source *source, uint64_t index)
{
    const uint64_t r = draw(source, index, 0);
    const uint64_t range = (source->size_max - source->size_min) >> (r & 7);
    const size_t size = (size_t)(source->size_min + (r >> 8) % (range + 1));
    if (!source->json)
        return size;
    char head[HEAD_SIZE];
    const size_t least = json_head(source, index, head) + strlen(TAIL);
    return size > least ? size : least;
}

static void fill_bytes(uint64_t state, uint8_t *out, size_t size)
{
    for (size_t at = 0; at < size; at += 8) {
        state = rt_mix(state);
        memcpy(out + at, &state, size - at < 8 ? size - at : 8);
    }
}

void rt_source_fill(const struct rt_source *source, uint64_t index, uint8_t *out, size_t size)
{
    char head[HEAD_SIZE];
    if (source->json) {
        const size_t head_size = json_head(source, index, head);
        memcpy(out, head, head_size);
        memset(out + head_size, 'a' + (int)(index % 26), size - head_size - strlen(TAIL));
        memcpy(out + size - strlen(TAIL), TAIL, strlen(TAIL));
        return;
    }
    const size_t head_size =
        (size_t)snprintf(head, sizeof(head), "ID:%" PRId64 ":%" PRIu64 ":", source->seed, index);
    const size_t shown = head_size < size ? head_size : size;
    memcpy(out, head, shown);
    fill_bytes(draw(source, index, 1), out + shown, size - shown);
}

size_t rt_source_key(const struct rt_source *source, uint64_t index, char key[RT_KEY_SIZE])
{
    const uint64_t r = draw(source, index, 3);
    if (r % 100 >= (uint64_t)source->keyed)
        return 0;
    return (size_t)snprintf(key, RT_KEY_SIZE, "k%" PRIu64, (r >> 8) % (uint64_t)source->key_space);
}

size_t rt_transform_size(const struct rt_transform *transform, size_t size)
{
    switch ((enum rt_kind)transform->kind) {
    case RT_GROW:
        return size + 8;
    case RT_HALVE:
        return (size + 1) / 2;
    case RT_SAME:
    case RT_XOR:
    case RT_REVERSE:
        break;
    }
    return size;
}

void rt_transform_fill(const struct rt_transform *transform, const uint8_t *in, size_t size,
                       uint8_t *out)
{
    const uint64_t salt = rt_mix((uint64_t)transform->salt);
    uint8_t pad[8];
    memcpy(pad, &salt, sizeof(pad));
    switch ((enum rt_kind)transform->kind) {
    case RT_SAME:
        memcpy(out, in, size);
        break;
    case RT_HALVE:
        memcpy(out, in, (size + 1) / 2);
        break;
    case RT_GROW:
        memcpy(out, in, size);
        memcpy(out + size, pad, sizeof(pad));
        break;
    case RT_XOR:
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)(in[i] ^ pad[i % sizeof(pad)]);
        break;
    case RT_REVERSE:
        for (size_t i = 0; i < size; i++)
            out[i] = in[size - 1 - i];
        break;
    }
}

size_t rt_derived_key(const struct rt_transform *transform, const void *data, size_t size,
                      char key[RT_KEY_SIZE])
{
    const uint64_t hash = rt_hash(data, size, (uint64_t)transform->salt + 1);
    return (size_t)snprintf(key, RT_KEY_SIZE, "d%" PRIu64, hash % (uint64_t)transform->key_space);
}

bool rt_is_bad(const struct rt_transform *transform, const void *data, size_t size)
{
    return rt_hash(data, size, (uint64_t)transform->salt + 2) % 100 < (uint64_t)transform->bad;
}

void rt_reason(const void *data, size_t size, char reason[RT_KEY_SIZE])
{
    snprintf(reason, RT_KEY_SIZE, "refused %08" PRIx32, (uint32_t)rt_hash(data, size, 0));
}

bool rt_is_chosen(const struct rt_choice *choice, const void *data, size_t size)
{
    return rt_hash(data, size, (uint64_t)choice->salt + 3) % 100 < (uint64_t)choice->percent;
}

unsigned rt_expand_count(const struct rt_expand *expand, const void *data, size_t size)
{
    const uint64_t hash = rt_hash(data, size, (uint64_t)expand->salt + 4);
    if (expand->burst > 0 && hash % 64 == 0)
        return (unsigned)expand->burst;
    return (unsigned)((hash >> 8) % ((uint64_t)expand->most + 1));
}

/* Four bytes say which one of the expansion it is; then comes as much of the input as fits. */
size_t rt_expand_size(const struct rt_expand *expand, size_t size, unsigned j)
{
    const size_t part = 4 + (j % 3 == 2 ? size / 2 : size);
    return part < expand->size_most ? part : (size_t)expand->size_most;
}

void rt_expand_fill(const struct rt_expand *expand, const uint8_t *in, unsigned j, uint8_t *out,
                    size_t out_size)
{
    const uint32_t mark = (uint32_t)rt_mix((uint64_t)expand->salt) + j;
    const size_t marked = out_size < sizeof(mark) ? out_size : sizeof(mark);
    memcpy(out, &mark, marked);
    memcpy(out + marked, in, out_size - marked);
}

size_t rt_count_name(const void *key, size_t size, char name[RT_KEY_SIZE])
{
    if (size < RT_KEY_SIZE - 1) {
        memcpy(name, key, size);
        name[size] = 0;
        return size;
    }
    return (size_t)snprintf(name, RT_KEY_SIZE, "#%016" PRIx64, rt_hash(key, size, 5));
}
