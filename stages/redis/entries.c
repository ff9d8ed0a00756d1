/* SPDX-License-Identifier: MIT */
#include "entries.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/bytes.h"

/* ---- numbers of entries ---- */

bool redis_id_read(const char *text, size_t size, struct redis_id *id)
{
    size_t used = 0;
    struct redis_id read = {0, 0};
    if (!flow_bytes_number(text, size, &read.ms, &used))
        return false;
    if (used < size) {
        const char *rest = text + used + 1;
        const size_t left = size - used - 1;
        if (text[used] != '-' || !flow_bytes_number(rest, left, &read.seq, &used) || used != left)
            return false;
    }
    *id = read;
    return true;
}

size_t redis_id_write(const struct redis_id *id, char *out)
{
    return (size_t)snprintf(out, REDIS_ID_SIZE, "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
}

bool redis_id_is_before(const struct redis_id *a, const struct redis_id *b)
{
    return a->ms < b->ms || (a->ms == b->ms && a->seq < b->seq);
}

/* ---- a walk over an answer ---- */

/* A list of so many parts; < 0: any number of them. */
static bool is_list(const struct redis_client *client, size_t at, int64_t parts)
{
    return at < client->count && client->values[at].kind == REDIS_LIST &&
           (parts < 0 || client->values[at].number == parts);
}

/* [[stream, [[id, [field, value, ...]], ...]]] */
bool redis_entries_begin(struct redis_entries *walk, const struct redis_client *client)
{
    *walk = (struct redis_entries){.client = client, .at = 4};
    if (client->values[0].kind == REDIS_NIL)
        return true;
    if (!is_list(client, 0, 1) || !is_list(client, 1, 2) || !is_list(client, 3, -1))
        return false;
    walk->left = (uint64_t)client->values[3].number;
    return true;
}

bool redis_entries_next(struct redis_entries *walk, struct redis_entry *entry)
{
    const struct redis_client *client = walk->client;
    if (walk->left == 0 || !is_list(client, walk->at, 2) || walk->at + 2 >= client->count)
        return false;
    const struct redis_value *id = &client->values[walk->at + 1];
    const struct redis_value *fields = id + 1;
    const bool deleted = fields->kind == REDIS_NIL;
    const size_t count = deleted ? 0 : (size_t)fields->number;
    if (id->kind != REDIS_TEXT || (!deleted && fields->kind != REDIS_LIST) ||
        !redis_id_read(redis_at(client, id), id->size, &entry->id) ||
        count > client->count - walk->at - 3)
        return false;
    entry->first = walk->at + 3;
    entry->fields = count / 2;
    walk->at += 3 + count;
    walk->left--;
    return true;
}

/* ---- records ---- */

const struct redis_value *redis_entry_find(const struct redis_client *client,
                                           const struct redis_entry *entry, const char *field)
{
    const size_t size = strlen(field);
    for (size_t i = 0; i < entry->fields; i++) {
        const struct redis_value *name = &client->values[entry->first + i * 2];
        if (name->size == size && memcmp(redis_at(client, name), field, size) == 0)
            return name + 1;
    }
    return NULL;
}

static bool is_text(const char *data, size_t size)
{
    return flow_utf8_check(data, size) == size;
}

/* A member; bytes that are no text go as base64, under a name that says so. */
static void put_member(struct flow_text *json, const char *name, size_t name_size,
                       const char *value, size_t size)
{
    if (json->size > 1)
        flow_text_put(json, ",");
    if (!is_text(name, name_size))
        flow_text_base64(json, (const unsigned char *)name, name_size);
    else
        flow_text_quote(json, name, name_size);
    if (is_text(value, size)) {
        flow_text_put(json, ":");
        flow_text_quote(json, value, size);
        return;
    }
    if (!json->failed)
        json->size--; /* the quote */
    flow_text_put(json, "_base64\":");
    flow_text_base64(json, (const unsigned char *)value, size);
}

void redis_entry_json(const struct redis_client *client, const struct redis_entry *entry,
                      const char *id, struct flow_text *json)
{
    json->size = 0;
    flow_text_put(json, "{");
    if (id != NULL) {
        char text[REDIS_ID_SIZE];
        const size_t size = redis_id_write(&entry->id, text);
        put_member(json, id, strlen(id), text, size);
    }
    for (size_t i = 0; i < entry->fields; i++) {
        const struct redis_value *name = &client->values[entry->first + i * 2];
        put_member(json, redis_at(client, name), name->size, redis_at(client, name + 1),
                   name[1].size);
    }
    flow_text_put(json, "}");
}
