/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random/compare.h"

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == 0 ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* False: not base64 of RFC 4648 with its padding. */
static bool decode_base64(const char *text, struct rt_arena *arena, const uint8_t **data,
                          size_t *size)
{
    const size_t length = strlen(text);
    uint8_t *out = rt_arena_take(arena, length / 4 * 3 + 3);
    size_t used = 0;
    uint32_t bits = 0;
    size_t digits = 0;
    for (; digits < length && text[digits] != '='; digits++) {
        const int value = base64_value(text[digits]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (digits % 4 != 0)
            out[used++] = (uint8_t)(bits >> (6 - digits % 4 * 2));
    }
    *data = out;
    *size = used;
    return length % 4 == 0 && length - digits <= 2 && strspn(text + digits, "=") == length - digits;
}

/* The bytes that stand in `json` as "NAME", or in base64 as "ALTERNATIVE"; false: neither, or both.
 */
static bool take_bytes(const json_t *json, const char *name, const char *alternative,
                       struct rt_arena *arena, struct rt_item *item)
{
    const json_t *text = json_object_get(json, name);
    const json_t *coded = json_object_get(json, alternative);
    if ((text == NULL) == (coded == NULL))
        return false;
    size_t size = json_string_length(text);
    if (text != NULL) {
        item->data = memcpy(rt_arena_take(arena, size), json_string_value(text), size);
    } else if (!json_is_string(coded) ||
               !decode_base64(json_string_value(coded), arena, &item->data, &size)) {
        return false;
    }
    item->size = (uint32_t)size;
    return true;
}

static bool is_dead_letter(const json_t *json)
{
    return json_is_string(json_object_get(json, "stage")) &&
           json_is_string(json_object_get(json, "reason")) &&
           json_is_integer(json_object_get(json, "replica")) &&
           json_is_integer(json_object_get(json, "record")) &&
           json_is_integer(json_object_get(json, "tries"));
}

static bool read_dead(const json_t *json, struct rt_arena *arena, struct rt_item *item)
{
    struct rt_item body = {0};
    struct rt_item key = {0};
    if (!is_dead_letter(json) || !take_bytes(json, "text", "base64", arena, &body))
        return false;
    const bool keyed =
        json_object_get(json, "key") != NULL || json_object_get(json, "key_base64") != NULL;
    if (keyed && !take_bytes(json, "key", "key_base64", arena, &key))
        return false;
    const struct rt_dead dead = {
        .stage = json_string_value(json_object_get(json, "stage")),
        .reason = json_string_value(json_object_get(json, "reason")),
        .tries = (unsigned)json_integer_value(json_object_get(json, "tries")),
        .data = body.data,
        .size = body.size,
    };
    rt_dead_item(arena, &dead, item);
    item->key = key.data;
    item->key_size = key.size;
    return true;
}

static bool canonical_dead(struct rt_arena *arena, struct rt_item *item, struct rt_verdict *verdict)
{
    json_t *json = json_loadb((const char *)item->data, item->size,
                              JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    const bool ok = json != NULL && read_dead(json, arena, item);
    json_decref(json);
    if (!ok)
        snprintf(verdict->text, sizeof(verdict->text), "not a record of an errors port: %.*s",
                 (int)(item->size < 500 ? item->size : 500), (const char *)item->data);
    return ok;
}

/* The whole file, in the arena; false: see errno. */
static bool load(const char *path, struct rt_arena *arena, uint8_t **data, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    bool ok = fseek(file, 0, SEEK_END) == 0;
    const long end = ftell(file);
    ok = ok && end >= 0 && fseek(file, 0, SEEK_SET) == 0;
    if (ok) {
        *size = (size_t)end;
        *data = rt_arena_take(arena, *size);
        ok = fread(*data, 1, *size, file) == *size;
    }
    fclose(file);
    return ok;
}

static bool read_file(const char *path, bool dead, uint64_t group, struct rt_arena *arena,
                      struct rt_stream *found, struct rt_verdict *verdict)
{
    uint8_t *data = NULL;
    size_t size = 0;
    if (!load(path, arena, &data, &size)) {
        snprintf(verdict->text, sizeof(verdict->text), "%s: %s", path, strerror(errno));
        return false;
    }
    for (size_t at = 0; at < size;) {
        uint32_t sizes[2];
        if (size - at < sizeof(sizes))
            break;
        memcpy(sizes, data + at, sizeof(sizes));
        at += sizeof(sizes);
        if (size - at < (size_t)sizes[0] + sizes[1]) {
            snprintf(verdict->text, sizeof(verdict->text), "%s ends within a record", path);
            return false;
        }
        struct rt_item item = {.data = data + at,
                               .size = sizes[0],
                               .key = data + at + sizes[0],
                               .key_size = sizes[1],
                               .group = group};
        at += (size_t)sizes[0] + sizes[1];
        if (dead && !canonical_dead(arena, &item, verdict))
            return false;
        rt_stream_add(found, &item);
    }
    return true;
}

bool rt_sink_read(const struct rt_graph *graph, unsigned stage, const char *folder,
                  struct rt_arena *arena, struct rt_stream *found, struct rt_verdict *verdict)
{
    const struct rt_stage *s = &graph->stages[stage];
    const bool dead = graph->in[stage].dead;
    char name[RT_KEY_SIZE], path[4096];
    rt_stage_name(graph, stage, name);
    if (s->type == RT_SINK) {
        snprintf(path, sizeof(path), "%s/%s.bin", folder, name);
        return read_file(path, dead, 1, arena, found, verdict);
    }
    for (unsigned replica = 0; replica < s->workers; replica++) {
        snprintf(path, sizeof(path), "%s/%s.bin.%u", folder, name, replica);
        if (!read_file(path, dead, replica + 1, arena, found, verdict))
            return false;
    }
    return true;
}
