/* SPDX-License-Identifier: MIT */

/*
 * Which partitions a worker reads is its number's affair, and where it stands in each is its own
 * state: both are the same when a run goes on from a checkpoint.  Nothing is left to a consumer
 * group's coordinator; a group only keeps the offsets, for the next run and for others to see.
 *
 * Without checkpoints they are committed as they are passed on, once a second, and at the end.
 */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client.h"

#define WAIT_NS INT64_C(1000000000) /* at a time, for messages */
#define COMMIT_NS INT64_C(1000000000)
#define BURST 1000 /* messages that a call of produce emits at most */

enum from { FROM_FIRST, FROM_NEW };

struct partition {
    int32_t id;
    int64_t first; /* offset of the oldest message there is */
    int64_t next;  /* offset of the next message to emit */
    int64_t end;   /* behind the last message that was there at the start */
    int64_t saved; /* `next` in the last checkpoint */
};

struct reader {
    struct kafka_settings settings; /* first: KAFKA_PARAMS are of it */
    char *group;
    int from; /* enum from */
    int64_t count, idle;
    bool until_end;

    struct kafka_client client;
    rd_kafka_queue_t *queue;
    struct partition *partitions;
    size_t partition_count;
    bool is_assigned;
    bool is_new;        /* there is something to be committed */
    uint64_t records;   /* emitted */
    int64_t came_ns;    /* when something has come last */
    int64_t settled_ns; /* when something was committed last */
    rd_kafka_message_t *messages[BURST];
};

static const struct flow_param params[] = {
    KAFKA_PARAMS,
    FLOW_PARAM_STR(struct reader, group, NULL,
                   "consumer group to keep the offsets under; none: they are not kept"),
    FLOW_PARAM_ENUM(struct reader, from, "first", "first|new",
                    "begin with the oldest message, or with those that come from now on"),
    FLOW_PARAM_I64(struct reader, count, "0", 0, 9e15, "end after so many records; 0: do not"),
    FLOW_PARAM_DURATION(struct reader, idle, "0s", 0, 86400e9,
                        "end when nothing has come for so long [time]; 0: do not"),
    FLOW_PARAM_BOOL(struct reader, until_end, "false",
                    "end behind the last messages that were there at the start"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the values of messages; the key is the message's"},
    {NULL, NULL, NULL},
};

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static enum flow_status no_memory(const struct reader *r)
{
    return flow_stage_fail(r->client.stage, FLOW_ENOMEM, "no memory for partitions");
}

/* ---- opening ---- */

static enum flow_status configure(struct reader *r)
{
    static const char *const values[][2] = {
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"}, /* ends may lie behind what is no message */
        {"auto.offset.reset", "error"},   /* messages that are gone are not passed over silently */
    };
    enum flow_status rc = kafka_set(&r->client, "group.id", r->group != NULL ? r->group : "none");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && rc == FLOW_OK; i++)
        rc = kafka_set(&r->client, values[i][0], values[i][1]);
    return rc;
}

/* Every so-manieth partition is this worker's. */
static enum flow_status find_partitions(struct reader *r)
{
    const struct flow_info *info = flow_stage_info(r->client.stage);
    int count = 0;
    const enum flow_status rc = kafka_partitions(&r->client, &count);
    if (rc != FLOW_OK)
        return rc;
    r->partitions = calloc((size_t)count, sizeof(*r->partitions));
    if (r->partitions == NULL)
        return no_memory(r);
    for (int id = (int)info->replica; id < count; id += (int)info->replicas)
        r->partitions[r->partition_count++].id = id;
    return FLOW_OK;
}

/* Where the partitions begin and end now. */
static enum flow_status find_offsets(struct reader *r)
{
    const int patience = (int)(r->settings.patience / 1000000);
    for (size_t i = 0; i < r->partition_count; i++) {
        struct partition *p = &r->partitions[i];
        const rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
            r->client.handle, r->settings.topic, p->id, &p->first, &p->end, patience);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return kafka_fail(&r->client, "its offsets are not to be had", rd_kafka_err2str(code));
        p->next = p->saved = r->from == FROM_FIRST ? p->first : p->end;
    }
    return FLOW_OK;
}

/* A list of this worker's partitions, at `next`, or with `saved` at what was saved. */
static rd_kafka_topic_partition_list_t *list(const struct reader *r, bool saved)
{
    rd_kafka_topic_partition_list_t *parts =
        rd_kafka_topic_partition_list_new((int)r->partition_count);
    for (size_t i = 0; parts != NULL && i < r->partition_count; i++) {
        const struct partition *p = &r->partitions[i];
        rd_kafka_topic_partition_list_add(parts, r->settings.topic, p->id)->offset =
            saved ? p->saved : p->next;
    }
    return parts;
}

/* What the group has committed before is where it goes on. */
static enum flow_status find_committed(struct reader *r)
{
    rd_kafka_topic_partition_list_t *parts = list(r, false);
    if (parts == NULL)
        return no_memory(r);
    const rd_kafka_resp_err_t code =
        rd_kafka_committed(r->client.handle, parts, (int)(r->settings.patience / 1000000));
    for (size_t i = 0; i < r->partition_count; i++) {
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && parts->elems[i].offset >= 0)
            r->partitions[i].next = r->partitions[i].saved = parts->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(parts);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? FLOW_OK
               : kafka_fail(&r->client, "the group's offsets are not to be had",
                            rd_kafka_err2str(code));
}

static enum flow_status reader_open(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    enum flow_status rc = kafka_begin(&r->client, stage, &r->settings);
    if (rc == FLOW_OK)
        rc = configure(r);
    if (rc == FLOW_OK)
        rc = kafka_make(&r->client, RD_KAFKA_CONSUMER);
    if (rc != FLOW_OK)
        return rc;
    rc = find_partitions(r);
    if (rc == FLOW_OK)
        rc = find_offsets(r);
    if (rc == FLOW_OK && r->group != NULL && r->partition_count > 0)
        rc = find_committed(r);
    if (rc != FLOW_OK)
        return rc;
    (void)rd_kafka_poll_set_consumer(r->client.handle);
    r->queue = rd_kafka_queue_get_consumer(r->client.handle);
    rc = kafka_notify(&r->client, r->queue);
    r->client.stage = NULL;
    return rc;
}

/* ---- offsets ---- */

/* Tell the group; `wait` until it knows.  A checkpoint knows better, so that it may fail. */
static void settle(struct reader *r, bool saved, bool wait)
{
    rd_kafka_topic_partition_list_t *parts = list(r, saved);
    r->settled_ns = now_ns();
    r->is_new = false;
    if (parts == NULL)
        return;
    const rd_kafka_resp_err_t code = rd_kafka_commit(r->client.handle, parts, wait ? 0 : 1);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        flow_log(r->client.stage, "Kafka at '%s': group '%s' does not take its offsets: %s",
                 r->settings.brokers, r->group, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(parts);
}

static bool settles_itself(const struct reader *r)
{
    return r->group != NULL && r->is_new && !flow_stage_info(r->client.stage)->checkpoints;
}

/* ---- messages ---- */

static enum flow_status assign(struct reader *r)
{
    rd_kafka_topic_partition_list_t *parts = list(r, false);
    if (parts == NULL)
        return no_memory(r);
    const rd_kafka_resp_err_t code = rd_kafka_assign(r->client.handle, parts);
    rd_kafka_topic_partition_list_destroy(parts);
    r->is_assigned = true;
    r->came_ns = r->settled_ns = now_ns();
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? FLOW_OK
               : kafka_fail(&r->client, "it cannot be read", rd_kafka_err2str(code));
}

static bool is_complete(const struct reader *r)
{
    if (r->count > 0 && r->records >= (uint64_t)r->count)
        return true;
    for (size_t i = 0; i < r->partition_count && r->until_end; i++) {
        if (r->partitions[i].next < r->partitions[i].end)
            return false;
    }
    return r->until_end || (r->idle > 0 && now_ns() - r->came_ns >= r->idle);
}

static struct partition *find(const struct reader *r, int32_t id)
{
    const size_t i = r->partition_count > 1
                         ? (size_t)(id - r->partitions[0].id) /
                               (size_t)(r->partitions[1].id - r->partitions[0].id)
                         : 0;
    return i < r->partition_count && r->partitions[i].id == id ? &r->partitions[i] : NULL;
}

static enum flow_status take(struct reader *r, const rd_kafka_message_t *message)
{
    struct partition *p = message->rkt != NULL ? find(r, message->partition) : NULL;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && p != NULL) {
        if (message->offset > p->next)
            p->next = message->offset; /* what lay before it were no messages */
        return FLOW_OK;
    }
    if (message->err == RD_KAFKA_RESP_ERR__TRANSPORT ||
        message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return FLOW_OK; /* it is tried again */
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || p == NULL) {
        char what[64];
        (void)snprintf(what, sizeof(what), "partition %" PRId32 " at offset %" PRId64,
                       message->partition, p != NULL ? p->next : message->offset);
        return kafka_fail(&r->client, what, rd_kafka_message_errstr(message));
    }
    const struct flow_target to = {
        .key = message->key_len > 0 ? message->key : NULL,
        .key_size = message->key_len,
    };
    const enum flow_status rc = flow_emit_to(
        r->client.stage, &to, message->payload != NULL ? message->payload : "", message->len);
    p->next = message->offset + 1;
    r->records++;
    return rc;
}

/* What has come, up to a burst of it.  `some`: there was something. */
static enum flow_status take_all(struct reader *r, bool *some)
{
    const uint64_t left = r->count > 0 ? (uint64_t)r->count - r->records : BURST;
    const ssize_t got =
        rd_kafka_consume_batch_queue(r->queue, 0, r->messages, left < BURST ? (size_t)left : BURST);
    const uint64_t before = r->records;
    enum flow_status rc = FLOW_OK;
    for (ssize_t i = 0; i < got; i++) {
        if (rc == FLOW_OK)
            rc = take(r, r->messages[i]);
        rd_kafka_message_destroy(r->messages[i]);
    }
    *some = got > 0;
    if (r->records > before) {
        r->came_ns = now_ns();
        r->is_new = true;
    }
    return rc;
}

static enum flow_status await(struct reader *r)
{
    const int64_t left = r->came_ns + r->idle - now_ns();
    const int64_t most = r->idle > 0 && left < WAIT_NS ? left : WAIT_NS;
    const enum flow_status rc =
        flow_wait(r->client.stage, r->client.event, POLLIN, most > 0 ? most : 0);
    if (rc == FLOW_OK)
        kafka_heard(&r->client);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

static enum flow_status produce(struct reader *r)
{
    bool some = false;
    enum flow_status rc = r->is_assigned ? FLOW_OK : assign(r);
    if (rc == FLOW_OK && is_complete(r))
        return FLOW_ECLOSED;
    if (rc == FLOW_OK)
        rc = take_all(r, &some);
    if (rc == FLOW_OK && settles_itself(r) && now_ns() - r->settled_ns >= COMMIT_NS)
        settle(r, false, false);
    return rc == FLOW_OK && !some ? await(r) : rc;
}

static enum flow_status reader_produce(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    r->client.stage = stage;
    const enum flow_status rc = produce(r);
    if (rc == FLOW_ECLOSED && settles_itself(r))
        settle(r, false, true);
    r->client.stage = NULL;
    return rc;
}

/* ---- checkpoints ---- */

static enum flow_status reader_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct reader *r = self;
    (void)stage;
    const uint64_t numbers[] = {r->records, r->partition_count};
    enum flow_status rc = flow_save(to, numbers, sizeof(numbers));
    for (size_t i = 0; i < r->partition_count && rc == FLOW_OK; i++) {
        struct partition *p = &r->partitions[i];
        p->saved = p->next;
        rc = flow_save_number(to, (uint64_t)p->id);
        if (rc == FLOW_OK)
            rc = flow_save_number(to, (uint64_t)p->next);
    }
    return rc;
}

/* Partitions that were added since are read from their beginning. */
static enum flow_status reader_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct reader *r = self;
    uint64_t numbers[2];
    uint64_t place[2];
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    for (size_t i = 0; i < r->partition_count && rc == FLOW_OK; i++)
        r->partitions[i].next = r->partitions[i].saved = r->partitions[i].first;
    for (uint64_t i = 0; rc == FLOW_OK && i < numbers[1]; i++) {
        rc = flow_load(from, place, sizeof(place));
        struct partition *p = rc == FLOW_OK ? find(r, (int32_t)place[0]) : NULL;
        if (rc == FLOW_OK && p == NULL)
            return flow_stage_fail(stage, FLOW_EIO,
                                   "topic '%s': partition %" PRIu64
                                   ", which was being read, is there no more",
                                   r->settings.topic, place[0]);
        if (p != NULL)
            p->next = p->saved = (int64_t)place[1];
    }
    if (rc == FLOW_OK)
        r->records = numbers[0];
    return rc;
}

static enum flow_status reader_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct reader *r = self;
    (void)epoch;
    r->client.stage = stage;
    if (r->group != NULL && r->partition_count > 0)
        settle(r, true, false);
    r->client.stage = NULL;
    return FLOW_OK;
}

static void reader_close(void *self, struct flow_stage *stage)
{
    struct reader *r = self;
    (void)stage;
    r->client.stage = NULL;
    if (r->queue != NULL)
        rd_kafka_queue_destroy(r->queue);
    if (r->client.handle != NULL) {
        (void)rd_kafka_consumer_close(r->client.handle); /* commits that are under way arrive */
        rd_kafka_destroy(r->client.handle);
    }
    kafka_clear(&r->client);
    free(r->partitions);
}

static const struct flow_stage_type reader = {
    .name = "kafka.in",
    .help = "reads a topic of Kafka, from where a checkpoint or a group stands",
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
