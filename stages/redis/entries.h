/* SPDX-License-Identifier: MIT */
#ifndef STAGES_REDIS_ENTRIES_H
#define STAGES_REDIS_ENTRIES_H

/* The entries of a stream, as they stand in an answer, and as records. */

#include "client.h"

/* "1700000000000-3" */
struct redis_id {
    uint64_t ms, seq;
};

/* Room for one as text. */
#define REDIS_ID_SIZE 48

bool redis_id_read(const char *text, size_t size, struct redis_id *id);
size_t redis_id_write(const struct redis_id *id, char *out); /* terminated; its length */
bool redis_id_is_before(const struct redis_id *a, const struct redis_id *b);

/* An entry of an answer. */
struct redis_entry {
    struct redis_id id;
    size_t first;  /* its fields and values, in client->values */
    size_t fields; /* 0: it has been deleted since */
};

/* A walk over the entries of what XREAD and XREADGROUP answer. */
struct redis_entries {
    const struct redis_client *client;
    size_t at;
    uint64_t left;
};

/* False: it is no such answer.  `nil`: there was none in time, which has no entries. */
bool redis_entries_begin(struct redis_entries *walk, const struct redis_client *client);

/* The next one.  False: there is none, or, with left > 0, it is no entry. */
bool redis_entries_next(struct redis_entries *walk, struct redis_entry *entry);

/* The value of a field; NULL: there is none of that name. */
const struct redis_value *redis_entry_find(const struct redis_client *client,
                                           const struct redis_entry *entry, const char *field);

/* All fields as a JSON object; with `id`, a member of that name for the entry's own. */
void redis_entry_json(const struct redis_client *client, const struct redis_entry *entry,
                      const char *id, struct flow_text *json);

#endif /* STAGES_REDIS_ENTRIES_H */
