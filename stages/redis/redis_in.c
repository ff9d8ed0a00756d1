/* SPDX-License-Identifier: MIT */

/*
 * Without a group the stage reads on behind the last entry, whose number it saves.
 *
 * With one the server keeps a list of what a consumer was given and has not acknowledged, and a
 * checkpoint decides what that is.  What a stage has read and acknowledged never comes again, all
 * else comes when it is started again under the same name:
 *
 *     produce     what is on the list from before, then new entries; their numbers are noted
 *     save        the numbers since the last checkpoint
 *     commit      they are acknowledged
 *     restore     those that were saved are acknowledged now; what is left on the list comes again
 *
 * One request is always under way, so that the server works while its last answer is passed on.
 * What it answers after the run was stopped is on the list.  Acknowledging takes a second
 * connection, since one that waits for entries answers nothing else.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "client.h"
#include "entries.h"

#define BLOCK_NS INT64_C(1000000000) /* how long the server waits for entries before it says so */
#define ACKED_AT_ONCE 1000

struct reader {
    struct redis_settings settings; /* first: REDIS_PARAMS are of it */
    char *stream, *group, *consumer, *from, *field, *key, *id;
    int64_t batch, count, idle;
    bool until_end;

    struct redis_client client, acks;
    char *name;            /* of this consumer */
    struct redis_id last;  /* of what was read last */
    struct redis_id end;   /* with until_end: of what was there when the run began */
    bool is_asked;         /* a request is under way */
    bool reads_old;        /* it is for what was given to this consumer before */
    int64_t waited;        /* for nothing, in a row */
    uint64_t records;      /* emitted */
    struct redis_id *owed; /* to be acknowledged */
    size_t owed_count, owed_capacity;
    size_t owed_saved; /* of them the last checkpoint knows */
    struct flow_text json;
};

static const struct flow_param params[] = {
    REDIS_PARAMS,
    FLOW_PARAM_STR(struct reader, stream, FLOW_REQUIRED, "key of the stream"),
    FLOW_PARAM_STR(struct reader, group, NULL,
                   "consumer group that shares the entries; made if it is not there"),
    FLOW_PARAM_STR(struct reader, consumer, NULL,
                   "name in the group; none: the stage's; several workers add their number"),
    FLOW_PARAM_STR(struct reader, from, "0",
                   "read behind this entry; 0: from the first, $: new ones only"),
    FLOW_PARAM_STR(struct reader, field, NULL,
                   "field whose value is the record; none: a JSON object of all"),
    FLOW_PARAM_STR(struct reader, key, NULL,
                   "field whose value becomes the key; @id: the entry's number"),
    FLOW_PARAM_STR(struct reader, id, NULL, "member of the JSON object for the entry's number"),
    FLOW_PARAM_I64(struct reader, batch, "1000", 1, 100000, "entries to ask for at a time"),
    FLOW_PARAM_I64(struct reader, count, "0", 0, 9e15, "end after so many records; 0: do not"),
    FLOW_PARAM_DURATION(struct reader, idle, "0s", 0, 86400e9,
                        "end when nothing has come for so long [time]; 0: do not"),
    FLOW_PARAM_BOOL(struct reader, until_end, "false",
                    "end behind the last entry that was there at the start"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "one entry each"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for entries");
}

/* ---- opening ---- */

/* What the server says of a command that must not fail. */
static enum flow_status refuse(const struct reader *r, const struct redis_client *client,
                               struct flow_stage *stage, const char *what)
{
    const struct redis_value *said = &client->values[0];
    if (said->kind != REDIS_FAULT)
        return flow_stage_fail(stage, FLOW_EPROTO,
                               "Redis at '%s', stream '%s': the answer to %s is none",
                               r->settings.server, r->stream, what);
    return flow_stage_fail(stage, FLOW_EIO, "Redis at '%s', stream '%s': %s: %.*s",
                           r->settings.server, r->stream, what, (int)said->size,
                           redis_at(client, said));
}

/* The number of the stream's last entry; zeros: it has none. */
static enum flow_status find_end(struct reader *r, struct flow_stage *stage, struct redis_id *end)
{
    struct redis_client *client = &r->client;
    *end = (struct redis_id){0, 0};
    redis_words(client, 6);
    redis_text(client, "XREVRANGE");
    redis_text(client, r->stream);
    redis_text(client, "+");
    redis_text(client, "-");
    redis_text(client, "COUNT");
    redis_text(client, "1");
    if (!redis_ask(client))
        return redis_fail(client, stage);
    const struct redis_value *values = client->values;
    if (values[0].kind == REDIS_LIST && values[0].number == 0)
        return FLOW_OK;
    if (client->count < 3 || values[2].kind != REDIS_TEXT ||
        !redis_id_read(redis_at(client, &values[2]), values[2].size, end))
        return refuse(r, client, stage, "XREVRANGE");
    return FLOW_OK;
}

static enum flow_status make_group(struct reader *r, struct flow_stage *stage)
{
    redis_words(&r->client, 6);
    redis_text(&r->client, "XGROUP");
    redis_text(&r->client, "CREATE");
    redis_text(&r->client, r->stream);
    redis_text(&r->client, r->group);
    redis_text(&r->client, r->from);
    redis_text(&r->client, "MKSTREAM");
    if (!redis_ask(&r->client))
        return redis_fail(&r->client, stage);
    if (redis_is_fault(&r->client, "") && !redis_is_fault(&r->client, "BUSYGROUP"))
        return refuse(r, &r->client, stage, "XGROUP CREATE");
    r->reads_old = true;
    r->last = (struct redis_id){0, 0};
    return redis_connect(&r->acks, &r->settings) ? FLOW_OK : redis_fail(&r->acks, stage);
}

static enum flow_status check_params(struct reader *r, struct flow_stage *stage)
{
    const struct flow_info *info = flow_stage_info(stage);
    if (strcmp(r->from, "$") != 0 && !redis_id_read(r->from, strlen(r->from), &r->last))
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'from' is '%s'; an entry's number as 1700000000000-0, 0 or $ is "
                               "expected",
                               r->from);
    if (r->group == NULL && r->consumer != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'consumer' is a name in a 'group'");
    if (r->group == NULL && info->replicas > 1)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "%u workers would each read all entries: set 'group', which has "
                               "them share",
                               info->replicas);
    if (r->field != NULL && r->id != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'id' is a member of JSON; 'field' has none");
    return FLOW_OK;
}

static enum flow_status reader_open(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    const struct flow_info *info = flow_stage_info(stage);
    const char *name = r->consumer != NULL ? r->consumer : info->name;
    enum flow_status rc = check_params(r, stage);
    if (rc != FLOW_OK)
        return rc;
    const int size = info->replicas > 1 ? asprintf(&r->name, "%s-%u", name, info->replica)
                                        : asprintf(&r->name, "%s", name);
    if (size < 0) {
        r->name = NULL;
        return no_memory(stage);
    }
    if (!redis_connect(&r->client, &r->settings))
        return redis_fail(&r->client, stage);
    if (r->group == NULL && strcmp(r->from, "$") == 0)
        rc = find_end(r, stage, &r->last);
    if (rc == FLOW_OK && r->until_end)
        rc = find_end(r, stage, &r->end);
    return rc == FLOW_OK && r->group != NULL ? make_group(r, stage) : rc;
}

/* ---- acknowledging ---- */

static enum flow_status acknowledge_some(struct reader *r, struct flow_stage *stage, size_t first,
                                         size_t count)
{
    redis_words(&r->acks, 3 + count);
    redis_text(&r->acks, "XACK");
    redis_text(&r->acks, r->stream);
    redis_text(&r->acks, r->group);
    for (size_t i = 0; i < count; i++) {
        char id[REDIS_ID_SIZE];
        redis_word(&r->acks, id, redis_id_write(&r->owed[first + i], id));
    }
    if (!redis_ask(&r->acks))
        return redis_fail(&r->acks, stage);
    return r->acks.values[0].kind == REDIS_NUMBER ? FLOW_OK : refuse(r, &r->acks, stage, "XACK");
}

/* The first `count` of those that are owed. */
static enum flow_status acknowledge(struct reader *r, struct flow_stage *stage, size_t count)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < count && rc == FLOW_OK; i += ACKED_AT_ONCE)
        rc = acknowledge_some(r, stage, i, count - i < ACKED_AT_ONCE ? count - i : ACKED_AT_ONCE);
    if (rc != FLOW_OK)
        return rc;
    r->owed_count -= count;
    if (r->owed_count > 0)
        memmove(r->owed, r->owed + count, r->owed_count * sizeof(*r->owed));
    return FLOW_OK;
}

static bool owe(struct reader *r, const struct redis_id *id)
{
    if (r->owed_count == r->owed_capacity) {
        const size_t capacity = r->owed_capacity * 2 + 1024;
        struct redis_id *owed = realloc(r->owed, capacity * sizeof(*owed));
        if (owed == NULL)
            return false;
        r->owed = owed;
        r->owed_capacity = capacity;
    }
    r->owed[r->owed_count++] = *id;
    return true;
}

/* ---- asking ---- */

static bool is_complete(const struct reader *r)
{
    return (r->count > 0 && r->records >= (uint64_t)r->count) ||
           (r->until_end && !r->reads_old && !redis_id_is_before(&r->last, &r->end));
}

/* How long the server may wait for entries. */
static int64_t patience(const struct reader *r)
{
    const int64_t left = r->idle - r->waited;
    return r->idle > 0 && left < BLOCK_NS ? left : BLOCK_NS;
}

static enum flow_status ask(struct reader *r, struct flow_stage *stage)
{
    struct redis_client *client = &r->client;
    const bool waits = !r->until_end && !r->reads_old;
    const uint64_t left = r->count > 0 ? (uint64_t)r->count - r->records : UINT64_MAX;
    char last[REDIS_ID_SIZE];
    (void)redis_id_write(&r->last, last);
    redis_words(client, (r->group != NULL ? 9u : 6u) + (waits ? 2 : 0));
    redis_text(client, r->group != NULL ? "XREADGROUP" : "XREAD");
    if (r->group != NULL) {
        redis_text(client, "GROUP");
        redis_text(client, r->group);
        redis_text(client, r->name);
    }
    redis_text(client, "COUNT");
    redis_number(client, left < (uint64_t)r->batch ? left : (uint64_t)r->batch);
    if (waits) {
        redis_text(client, "BLOCK");
        redis_number(client, (uint64_t)((patience(r) + 999999) / 1000000));
    }
    redis_text(client, "STREAMS");
    redis_text(client, r->stream);
    redis_text(client, r->group == NULL || r->reads_old ? last : ">");
    r->is_asked = redis_send(client);
    return r->is_asked ? FLOW_OK : redis_fail(client, stage);
}

/* Read until an answer is whole.  FLOW_EAGAIN: it is time for something else. */
static enum flow_status await(struct reader *r, struct flow_stage *stage)
{
    struct redis_client *client = &r->client;
    bool whole = false;
    while (redis_send(client) && redis_next(client, &whole) && !whole) {
        const short events = (short)(POLLIN | (redis_has_unsent(client) ? POLLOUT : 0));
        const enum flow_status rc = flow_wait(stage, client->context->fd, events, BLOCK_NS);
        if (rc != FLOW_OK)
            return rc;
        if (!redis_receive(client))
            break;
    }
    return whole ? FLOW_OK : redis_fail(client, stage);
}

/* ---- records ---- */

/* What becomes of an entry's key; false: it has not the field. */
static bool find_key(const struct reader *r, const struct redis_entry *entry, char *id,
                     struct flow_target *to)
{
    if (r->key == NULL)
        return true;
    if (strcmp(r->key, "@id") == 0) {
        to->key = id;
        to->key_size = redis_id_write(&entry->id, id);
        return true;
    }
    const struct redis_value *value = redis_entry_find(&r->client, entry, r->key);
    if (value == NULL)
        return false;
    to->key = value->size > 0 ? redis_at(&r->client, value) : NULL;
    to->key_size = value->size;
    return true;
}

static enum flow_status lacks(const struct reader *r, struct flow_stage *stage,
                              const struct redis_entry *entry, const char *param, const char *field)
{
    char id[REDIS_ID_SIZE];
    (void)redis_id_write(&entry->id, id);
    return flow_stage_fail(stage, FLOW_EIO,
                           "stream '%s': entry %s has no field '%s', which '%s' asks for; without "
                           "'%s' records are JSON objects of all fields",
                           r->stream, id, field, param, param);
}

static enum flow_status emit(struct reader *r, struct flow_stage *stage,
                             const struct redis_entry *entry)
{
    char id[REDIS_ID_SIZE];
    struct flow_target to = {0};
    if (!find_key(r, entry, id, &to))
        return lacks(r, stage, entry, "key", r->key);
    if (r->field != NULL) {
        const struct redis_value *value = redis_entry_find(&r->client, entry, r->field);
        if (value == NULL)
            return lacks(r, stage, entry, "field", r->field);
        return flow_emit_to(stage, &to, redis_at(&r->client, value), value->size);
    }
    redis_entry_json(&r->client, entry, r->id, &r->json);
    return r->json.failed ? no_memory(stage) : flow_emit_to(stage, &to, r->json.at, r->json.size);
}

/* Where the answer ends, and how many records it has: known before any of them is emitted. */
static enum flow_status look_over(struct reader *r, struct flow_stage *stage, size_t *entries)
{
    struct redis_entries walk;
    struct redis_entry entry;
    *entries = 0;
    if (!redis_entries_begin(&walk, &r->client))
        return refuse(r, &r->client, stage, r->group != NULL ? "XREADGROUP" : "XREAD");
    while (redis_entries_next(&walk, &entry)) {
        ++*entries;
        r->records += entry.fields > 0;
        r->last = entry.id;
        if (r->group != NULL && !owe(r, &entry.id))
            return no_memory(stage);
    }
    return walk.left == 0 ? FLOW_OK : refuse(r, &r->client, stage, "XREAD");
}

static enum flow_status pass_on(struct reader *r, struct flow_stage *stage)
{
    struct redis_entries walk;
    struct redis_entry entry;
    enum flow_status rc = FLOW_OK;
    (void)redis_entries_begin(&walk, &r->client);
    while (rc == FLOW_OK && redis_entries_next(&walk, &entry)) {
        if (entry.fields > 0) /* else it was deleted, and is only to be acknowledged */
            rc = emit(r, stage, &entry);
    }
    if (rc == FLOW_OK && r->owed_count > 0 && !flow_stage_info(stage)->checkpoints)
        rc = acknowledge(r, stage, r->owed_count);
    return rc;
}

/* An answer without entries: those from before are through, or nothing has come in time. */
static enum flow_status at_none(struct reader *r)
{
    if (r->reads_old) {
        r->reads_old = false;
        r->last = (struct redis_id){0, 0};
        return FLOW_OK;
    }
    r->waited += patience(r);
    return r->until_end || (r->idle > 0 && r->waited >= r->idle) ? FLOW_ECLOSED : FLOW_OK;
}

static enum flow_status reader_produce(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    size_t entries = 0;
    enum flow_status rc = FLOW_OK;
    if (!r->is_asked && is_complete(r))
        return FLOW_ECLOSED;
    if (!r->is_asked)
        rc = ask(r, stage);
    if (rc == FLOW_OK)
        rc = await(r, stage);
    if (rc == FLOW_EAGAIN)
        return FLOW_OK;
    if (rc == FLOW_OK)
        rc = look_over(r, stage, &entries);
    r->is_asked = false;
    if (rc != FLOW_OK)
        return rc;
    r->waited = entries > 0 ? 0 : r->waited;
    if (entries > 0 && !is_complete(r))
        rc = ask(r, stage);
    if (rc != FLOW_OK)
        return rc;
    return entries > 0 ? pass_on(r, stage) : at_none(r);
}

/* ---- checkpoints ---- */

static enum flow_status reader_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct reader *r = self;
    (void)stage;
    const uint64_t numbers[] = {r->records, r->last.ms, r->last.seq, r->owed_count};
    r->owed_saved = r->owed_count;
    const enum flow_status rc = flow_save(to, numbers, sizeof(numbers));
    return rc == FLOW_OK && r->owed_count > 0
               ? flow_save(to, r->owed, r->owed_count * sizeof(*r->owed))
               : rc;
}

static enum flow_status reader_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct reader *r = self;
    uint64_t numbers[4];
    struct redis_id id;
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    if (rc != FLOW_OK)
        return rc;
    r->records = numbers[0];
    if (r->group == NULL)
        r->last = (struct redis_id){numbers[1], numbers[2]};
    for (uint64_t i = 0; i < numbers[3] && rc == FLOW_OK; i++) {
        rc = flow_load(from, &id, sizeof(id));
        if (rc == FLOW_OK && !owe(r, &id))
            return no_memory(stage);
    }
    r->owed_saved = r->owed_count;
    return rc;
}

static enum flow_status reader_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct reader *r = self;
    (void)epoch;
    const size_t count = r->owed_saved;
    r->owed_saved = 0;
    return count > 0 ? acknowledge(r, stage, count) : FLOW_OK;
}

static void reader_close(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    (void)stage;
    redis_clear(&r->client);
    redis_clear(&r->acks);
    free(r->name);
    free(r->owed);
    flow_text_clear(&r->json);
}

static const struct flow_stage_type reader = {
    .name = "redis.in",
    .help = "reads a stream of Redis, alone or as one of a consumer group",
    .role = FLOW_PRODUCER,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct reader),
    .open = reader_open,
    .produce = reader_produce,
    .close = reader_close,
    .save = reader_save,
    .restore = reader_restore,
    .commit = reader_commit,
};

FLOW_PLUGIN(&reader);
