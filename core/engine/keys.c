/* SPDX-License-Identifier: MIT */
#include "engine/keys.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static uint64_t load(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return word;
}

/* A product's high bits depend on all bits of the word, so they are folded down for the next one.
 */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    const uint64_t golden = 0x9e3779b97f4a7c15; /* 2^64 by the golden ratio */
    hash = (hash ^ word) * golden;
    return hash ^ hash >> 32;
}

/*
 * Eight bytes at a time.  The last ones are read from the end, with bytes that were read before, so
 * that no loop counts them.  Every process of a run has to come to the same result.
 */
static uint64_t hash_of(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    const uint8_t *end = at + size;
    uint64_t hash = size;
    for (; end - at > 8; at += 8)
        hash = mix(hash, load(at, 8));
    if (size >= 8)
        hash = mix(hash, load(end - 8, 8));
    else if (size >= 4)
        hash = mix(hash, load(at, 4) << 32 | load(end - 4, 4));
    else if (size > 0)
        hash = mix(hash, (uint64_t)at[0] << 16 | (uint64_t)at[size / 2] << 8 | end[-1]);
    return mix(hash, 0);
}

size_t flow_key_reader(const struct flow_piece *record, size_t readers)
{
    const uint64_t hash = record->key_size > 0 ? hash_of(record->key, record->key_size)
                                               : hash_of(record->data, record->size);
    return (size_t)((hash >> 32) * readers >> 32); /* readers are few: no division is needed */
}

/* One token of a pointer, with ~1 and ~0 undone, into `token`. */
static void read_token(const char *from, size_t size, struct flow_str *token)
{
    for (size_t i = 0; i < size; i++) {
        const bool escaped = from[i] == '~' && i + 1 < size;
        const char c = !escaped ? from[i] : from[i + 1] == '1' ? '/' : '~';
        flow_str_add_bytes(token, &c, 1);
        i += escaped;
    }
}

static const json_t *child_of(const json_t *value, const char *token)
{
    if (json_is_object(value))
        return json_object_get(value, token);
    if (!json_is_array(value) || token[0] < '0' || token[0] > '9')
        return NULL;
    char *end;
    const unsigned long long index = strtoull(token, &end, 10);
    return *end == '\0' ? json_array_get(value, (size_t)index) : NULL;
}

static const json_t *find(const json_t *root, const char *pointer, struct flow_str *token)
{
    const json_t *value = root;
    while (value != NULL && *pointer == '/') {
        const size_t size = strcspn(++pointer, "/");
        flow_str_clear(token);
        read_token(pointer, size, token);
        value = child_of(value, token->text != NULL ? token->text : "");
        pointer += size;
    }
    return value;
}

enum flow_status flow_key_find(const struct flow_piece *record, const char *pointer,
                               struct flow_str *key, struct flow_error *err)
{
    json_error_t error;
    json_t *root = json_loadb(record->data, record->size, JSON_DECODE_ANY, &error);
    if (root == NULL)
        return flow_fail(err, FLOW_EBAD, "cannot take the key %s: the record is not JSON (%s)",
                         pointer, error.text);
    const json_t *value = find(root, pointer, key);
    flow_str_clear(key);
    if (json_is_string(value)) {
        flow_str_add_bytes(key, json_string_value(value), json_string_length(value));
    } else if (value != NULL) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        flow_str_add(key, text != NULL ? text : "");
        key->failed = key->failed || text == NULL;
        free(text);
    }
    json_decref(root);
    if (value == NULL)
        return flow_fail(err, FLOW_EBAD, "the record has nothing at its key %s", pointer);
    return key->failed ? flow_fail(err, FLOW_ENOMEM, "out of memory for a key") : FLOW_OK;
}
