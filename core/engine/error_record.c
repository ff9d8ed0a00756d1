/* SPDX-License-Identifier: MIT */
#include "engine/error_record.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64(const uint8_t *bytes, size_t size)
{
    const size_t length = (size + 2) / 3 * 4;
    char *text = flow_alloc(length + 1);
    if (text == NULL)
        return NULL;
    char *at = text;
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t triple = (uint32_t)bytes[i] << 16 |
                                (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0u);
        *at++ = base64_digits[triple >> 18];
        *at++ = base64_digits[triple >> 12 & 63];
        *at++ = left > 1 ? base64_digits[triple >> 6 & 63] : '=';
        *at++ = left > 2 ? base64_digits[triple & 63] : '=';
    }
    json_t *json = json_stringn(text, length);
    free(text);
    return json;
}

/* Bytes as text where they are UTF-8, else as base64, under one of two names. */
static bool add_bytes(json_t *object, const char *text_name, const char *base64_name,
                      const void *bytes, size_t size)
{
    json_t *text = json_stringn(bytes, size); /* NULL: not UTF-8 */
    if (text != NULL)
        return json_object_set_new(object, text_name, text) == 0;
    return json_object_set_new(object, base64_name, base64(bytes, size)) == 0;
}

char *flow_error_record(const struct flow_replica *replica, const struct flow_record *record,
                        const char *reason, unsigned tries)
{
    json_t *object = json_object();
    bool good = object != NULL;
    good = good && json_object_set_new(object, "stage", json_string(replica->info.name)) == 0;
    good = good && json_object_set_new(object, "replica", json_integer(replica->info.replica)) == 0;
    good = good &&
           json_object_set_new(object, "record", json_integer((json_int_t)record->number)) == 0;
    if (replica->fatal != NULL && flow_fatal_signal(replica->fatal) != 0)
        good = good && json_object_set_new(object, "signal",
                                           json_integer(flow_fatal_signal(replica->fatal))) == 0;
    json_t *why = json_string(reason);
    good = good && json_object_set_new(object, "reason",
                                       why != NULL ? why : json_string("(not UTF-8)")) == 0;
    good = good && json_object_set_new(object, "tries", json_integer(tries)) == 0;
    good = good && add_bytes(object, "text", "base64", record->data, record->size);
    if (record->key_size > 0)
        good = good && add_bytes(object, "key", "key_base64", record->key, record->key_size);
    char *text = good ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}
