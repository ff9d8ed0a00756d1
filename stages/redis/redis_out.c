/* SPDX-License-Identifier: MIT */

/*
 * The commands of a batch go out together, while their answers come in; then the stage waits for
 * the last of them.  Each answer belongs to a record, in order, so that what the server refuses is
 * refused by record.  Where the connection is lost, those without an answer are refused, and the
 * next batch finds a new connection or is refused too: "errors" says whether that is the end.
 */

#include <poll.h>

#include "client.h"
#include "shared/bytes.h"
#include "shared/json_field.h"

#define SEND_SIZE ((size_t)64 << 10) /* commands are sent by so many bytes */

enum verb { VERB_XADD, VERB_RPUSH, VERB_LPUSH, VERB_SADD, VERB_SET, VERB_PUBLISH };

struct writer {
    struct redis_settings settings; /* first: REDIS_PARAMS are of it */
    int verb;                       /* enum verb */
    char *key, *prefix, *field;
    struct flow_list fields;
    int64_t maxlen, expire;

    struct redis_client client;
    bool keyed; /* the record's key is the key */
    size_t prefix_size;
    struct flow_json_paths paths;
    struct flow_json_value *values;
    uint32_t *asked; /* the records of commands under way, by their place in the batch */
    size_t capacity, sent, answered;
    struct flow_text text; /* a member, or a key with its prefix */
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct writer, verb, "xadd", "xadd|rpush|lpush|sadd|set|publish",
                    "the command: add to a stream, a list, a set; set a key; publish"),
    FLOW_PARAM_STR(struct writer, key, "@key",
                   "of the stream, list, set or value, or the channel; @key: the record's"),
    FLOW_PARAM_STR(struct writer, prefix, "", "stands before the record's key, as 'user:'"),
    FLOW_PARAM_STR(struct writer, field, "data", "xadd: the field that holds the record"),
    FLOW_PARAM_LIST(struct writer, fields, NULL,
                    "xadd: members of JSON records that become fields, instead"),
    FLOW_PARAM_I64(struct writer, maxlen, "0", 0, 9e15, "xadd: keep about so many entries; 0: all"),
    FLOW_PARAM_DURATION(struct writer, expire, "0s", 0, 86400e9 * 100,
                        "set: forget the key after this [time]; 0: never"),
    REDIS_PARAMS,
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one command each"},
    {NULL, NULL, NULL},
};

/* ---- opening ---- */

static enum flow_status check_params(const struct writer *w, struct flow_stage *stage)
{
    if (w->verb != VERB_XADD && (w->fields.count > 0 || w->maxlen > 0))
        return flow_stage_fail(stage, FLOW_EINVAL, "'fields' and 'maxlen' go with xadd");
    if (w->verb != VERB_SET && w->expire > 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "'expire' goes with set");
    if (w->expire > 0 && w->expire < 1000000)
        return flow_stage_fail(stage, FLOW_EINVAL, "'expire' is shorter than 1 ms");
    if (!w->keyed && w->prefix[0] != '\0')
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'prefix' goes with the keys of records: 'key' is '%s'", w->key);
    return FLOW_OK;
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    w->keyed = strcmp(w->key, "@key") == 0;
    w->prefix_size = strlen(w->prefix);
    const enum flow_status rc = check_params(w, stage);
    if (rc != FLOW_OK)
        return rc;
    flow_json_paths_init(&w->paths);
    w->values = calloc(w->fields.count + 1, sizeof(*w->values));
    bool good = w->values != NULL;
    for (size_t i = 0; good && i < w->fields.count; i++) {
        size_t slot;
        const char *name = w->fields.items[i];
        good = flow_json_paths_add_member(&w->paths, name, strlen(name), &slot);
        if (good && slot != i)
            return flow_stage_fail(stage, FLOW_EINVAL, "'fields' has '%s' twice", name);
    }
    if (!good)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for fields");
    return redis_connect(&w->client, &w->settings) ? FLOW_OK : redis_fail(&w->client, stage);
}

/* ---- commands ---- */

/* The members that become fields.  NULL, or what is wrong with the record. */
static const char *find_fields(struct writer *w, const struct flow_record *record, size_t *count)
{
    struct flow_json_scan scan;
    const char *at = record->data;
    const char *end = at + record->size;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    if (at == end || *at != '{')
        return "it is no JSON object";
    if (!flow_json_scan(&scan, &w->paths, record->data, record->size, w->values))
        return flow_utf8_check(record->data, record->size) < record->size ? "it is not UTF-8"
                                                                          : "it is no JSON";
    *count = 0;
    for (size_t i = 0; i < w->fields.count; i++)
        *count += w->values[i].at != NULL;
    return *count > 0 ? NULL : "it has none of the members that 'fields' names";
}

/* Fields and values.  A string is its text, all else stands as in the record. */
static void put_fields(struct writer *w)
{
    for (size_t i = 0; i < w->fields.count; i++) {
        const struct flow_json_value *value = &w->values[i];
        if (value->at == NULL)
            continue;
        redis_text(&w->client, w->fields.items[i]);
        w->text.size = 0;
        if (flow_text_reserve(&w->text, (size_t)(value->end - value->at)))
            redis_word(&w->client, w->text.at, flow_json_put_raw(value, w->text.at));
    }
}

static void put_key(struct writer *w, const struct flow_record *record)
{
    if (!w->keyed) {
        redis_text(&w->client, w->key);
    } else if (w->prefix_size == 0) {
        redis_word(&w->client, record->key, record->key_size);
    } else {
        w->text.size = 0;
        flow_text_add(&w->text, w->prefix, w->prefix_size);
        flow_text_add(&w->text, record->key, record->key_size);
        redis_word(&w->client, w->text.at, w->text.size);
    }
}

static const char *put_xadd(struct writer *w, const struct flow_record *record)
{
    size_t fields = 1;
    const char *why = w->fields.count > 0 ? find_fields(w, record, &fields) : NULL;
    if (why != NULL)
        return why;
    redis_words(&w->client, 3 + fields * 2 + (w->maxlen > 0 ? 3 : 0));
    redis_text(&w->client, "XADD");
    put_key(w, record);
    if (w->maxlen > 0) {
        redis_text(&w->client, "MAXLEN");
        redis_text(&w->client, "~");
        redis_number(&w->client, (uint64_t)w->maxlen);
    }
    redis_text(&w->client, "*");
    if (w->fields.count > 0) {
        put_fields(w);
        return NULL;
    }
    redis_text(&w->client, w->field);
    redis_word(&w->client, record->data, record->size);
    return NULL;
}

/* NULL, or what is wrong with the record. */
static const char *put_command(struct writer *w, const struct flow_record *record)
{
    static const char *const verbs[] = {"XADD", "RPUSH", "LPUSH", "SADD", "SET", "PUBLISH"};
    if (w->keyed && record->key == NULL)
        return "it has no key, which 'key' asks for: '@key'";
    if (w->verb == VERB_XADD)
        return put_xadd(w, record);
    redis_words(&w->client, w->expire > 0 ? 5 : 3);
    redis_text(&w->client, verbs[w->verb]);
    put_key(w, record);
    redis_word(&w->client, record->data, record->size);
    if (w->expire > 0) {
        redis_text(&w->client, "PX");
        redis_number(&w->client, (uint64_t)w->expire / 1000000);
    }
    return NULL;
}

/* ---- a batch ---- */

static enum flow_status refuse(struct flow_stage *stage, const struct flow_batch *batch, uint32_t i,
                               const char *why, int size)
{
    const struct flow_record record = flow_batch_record(batch, i);
    return flow_batch_reject(stage, i, "%.*s: %s", size, why,
                             flow_bytes_quote(record.data, record.size).text);
}

/* Deal with the answers that have been read.  The connection may be lost afterwards. */
static enum flow_status take_answers(struct writer *w, struct flow_stage *stage,
                                     const struct flow_batch *batch)
{
    struct redis_client *client = &w->client;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && w->answered < w->sent) {
        bool whole = false;
        if (!redis_next(client, &whole) || !whole)
            return FLOW_OK;
        const uint32_t i = w->asked[w->answered++];
        if (redis_is_fault(client, "")) {
            const struct redis_value *said = &client->values[0];
            rc = refuse(stage, batch, i, redis_at(client, said), (int)said->size);
        }
    }
    return rc;
}

/* Send what there is; with `all`, until every answer has come. */
static enum flow_status exchange(struct writer *w, struct flow_stage *stage,
                                 const struct flow_batch *batch, bool all)
{
    struct redis_client *client = &w->client;
    while (redis_send(client)) {
        const bool stuck = redis_has_unsent(client);
        if (w->answered == w->sent || (!all && !stuck))
            return FLOW_OK;
        const short events = (short)(POLLIN | (stuck ? POLLOUT : 0));
        enum flow_status rc = flow_wait(stage, client->context->fd, events, w->settings.timeout);
        if (rc == FLOW_EAGAIN) {
            redis_lose(client, "no answer in time ('timeout')");
            return FLOW_OK;
        }
        if (rc == FLOW_OK && redis_receive(client))
            rc = take_answers(w, stage, batch);
        if (rc != FLOW_OK || client->context == NULL)
            return rc;
    }
    return FLOW_OK;
}

/* What has no answer, since the connection is lost. */
static enum flow_status refuse_rest(struct writer *w, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && w->answered < w->sent) {
        const uint32_t i = w->asked[w->answered++];
        rc = flow_batch_reject(stage, i, "%s; it may have been done or not", w->client.why);
    }
    return rc;
}

static bool reserve(struct writer *w, uint32_t count)
{
    if (count <= w->capacity)
        return true;
    uint32_t *asked = realloc(w->asked, count * sizeof(*asked));
    if (asked == NULL)
        return false;
    w->asked = asked;
    w->capacity = count;
    return true;
}

static enum flow_status add_all(struct writer *w, struct flow_stage *stage,
                                const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        if (w->client.context == NULL) {
            rc = flow_batch_reject(stage, i, "%s", w->client.why);
            continue;
        }
        const char *why = put_command(w, &c.record);
        if (why != NULL) {
            rc = refuse(stage, batch, i, why, (int)strlen(why));
            continue;
        }
        w->asked[w->sent++] = i;
        if (w->text.failed)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a command");
        if (w->client.out.size - w->client.sent >= SEND_SIZE)
            rc = exchange(w, stage, batch, false);
    }
    return rc;
}

static enum flow_status writer_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct writer *w = self;
    w->sent = w->answered = 0;
    if (!reserve(w, batch->count))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %u records", batch->count);
    if (w->client.context == NULL)
        (void)redis_connect(&w->client, &w->settings); /* if not, each record is told why */
    enum flow_status rc = add_all(w, stage, batch);
    if (rc == FLOW_OK && w->client.context != NULL)
        rc = exchange(w, stage, batch, true);
    return rc == FLOW_OK ? refuse_rest(w, stage) : rc;
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    (void)stage;
    redis_clear(&w->client);
    flow_json_paths_clear(&w->paths);
    free(w->values);
    free(w->asked);
    flow_text_clear(&w->text);
}

static const struct flow_stage_type writer = {
    .name = "redis.out",
    .help = "gives each record to Redis: a stream, a list, a set, a key or a channel",
    .role = FLOW_CONSUMER,
    .traits = FLOW_OUTSIDE,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct writer),
    .open = writer_open,
    .process_batch = writer_process_batch,
    .close = writer_close,
};

FLOW_PLUGIN(&writer);
