/* SPDX-License-Identifier: MIT */

/*
 * Records are in flight from when librdkafka is given them until the brokers have answered; their
 * bytes are not copied once more meanwhile.  It tries again by itself until `timeout`, without
 * doubles and without disorder (it is an idempotent producer).
 */

#include <poll.h>

#include "client.h"
#include "shared/bytes.h"

struct writer {
    struct kafka_settings settings; /* first: KAFKA_PARAMS are of it */
    int64_t in_flight, linger, timeout;
    uint64_t memory;
    int compression;

    struct kafka_client client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    enum flow_status failed; /* in a callback of librdkafka */
};

static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};

static const struct flow_param params[] = {
    KAFKA_PARAMS,
    FLOW_PARAM_ENUM(struct writer, compression, "none", "none|gzip|snappy|lz4|zstd",
                    "of what is sent"),
    FLOW_PARAM_DURATION(struct writer, linger, "5ms", 0, 60e9,
                        "wait for more to be sent together [time]"),
    FLOW_PARAM_DURATION(struct writer, timeout, "5m", 10e6, 86400e9,
                        "until a record that no broker takes is refused [time]"),
    FLOW_PARAM_I64(struct writer, in_flight, "100000", 1, 10000000, "records on their way"),
    FLOW_PARAM_SIZE(struct writer, memory, "256MiB", 1048576, 2147482624.0,
                    "of records on their way [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one message each; the record's key is the message's"},
    {NULL, NULL, NULL},
};

/* ---- opening ---- */

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque);

static enum flow_status configure(struct writer *w)
{
    struct kafka_client *client = &w->client;
    rd_kafka_conf_set_dr_msg_cb(client->conf, on_delivery);
    enum flow_status rc = kafka_set(client, "enable.idempotence", "true");
    if (rc == FLOW_OK)
        rc = kafka_set(client, "compression.codec", codecs[w->compression]);
    if (rc == FLOW_OK)
        rc = kafka_set_number(client, "linger.ms", w->linger / 1000000);
    if (rc == FLOW_OK)
        rc = kafka_set_number(client, "message.timeout.ms", w->timeout / 1000000);
    if (rc == FLOW_OK)
        rc = kafka_set_number(client, "queue.buffering.max.messages", w->in_flight);
    return rc == FLOW_OK
               ? kafka_set_number(client, "queue.buffering.max.kbytes", (int64_t)(w->memory / 1024))
               : rc;
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    int partitions;
    enum flow_status rc = kafka_begin(&w->client, stage, &w->settings);
    if (rc == FLOW_OK)
        rc = configure(w);
    if (rc == FLOW_OK)
        rc = kafka_make(&w->client, RD_KAFKA_PRODUCER);
    if (rc == FLOW_OK)
        rc = kafka_partitions(&w->client, &partitions);
    if (rc != FLOW_OK)
        return rc;
    w->topic = rd_kafka_topic_new(w->client.handle, w->settings.topic, NULL);
    if (w->topic == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a topic");
    w->queue = rd_kafka_queue_get_main(w->client.handle);
    rc = kafka_notify(&w->client, w->queue);
    flow_hold_most(stage, (size_t)w->in_flight);
    w->client.stage = NULL;
    return rc == FLOW_OK ? flow_watch(stage, w->client.event, POLLIN, 0) : rc;
}

/* ---- answers ---- */

static enum flow_status refuse(struct writer *w, const struct flow_record *record,
                               rd_kafka_resp_err_t code)
{
    char why[256];
    if (rd_kafka_fatal_error(w->client.handle, why, sizeof(why)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fail(&w->client, "it cannot be written to any more", why);
    return flow_reject(w->client.stage, "topic '%s': %s: %s", w->settings.topic,
                       rd_kafka_err2str(code), flow_bytes_quote(record->data, record->size).text);
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_client *client = opaque;
    struct writer *w = (struct writer *)((char *)client - offsetof(struct writer, client));
    struct flow_token *token = message->_private;
    (void)handle;
    if (w->failed != FLOW_OK)
        return;
    enum flow_status rc = flow_resume(client->stage, token);
    if (rc == FLOW_OK && message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        rc = refuse(w, &token->record, message->err);
    w->failed = flow_done(client->stage, token, rc);
}

/* Deal with the answers that are here. */
static enum flow_status serve(struct writer *w, struct flow_stage *stage)
{
    w->client.stage = stage;
    kafka_heard(&w->client);
    while (w->failed == FLOW_OK && rd_kafka_poll(w->client.handle, 0) > 0)
        ;
    w->client.stage = NULL;
    return w->failed;
}

static enum flow_status writer_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                     unsigned events)
{
    (void)tag;
    (void)events;
    return serve(self, stage);
}

/* ---- records ---- */

static enum flow_status writer_process(void *self, struct flow_stage *stage,
                                       const struct flow_record *record)
{
    struct writer *w = self;
    struct flow_token *token = flow_hold(stage, record);
    if (token == NULL)
        return FLOW_EABORT;
    const struct flow_record *held = &token->record;
    for (;;) {
        if (rd_kafka_produce(w->topic, RD_KAFKA_PARTITION_UA, 0, (void *)(uintptr_t)held->data,
                             held->size, held->key, held->key_size, token) == 0)
            return FLOW_OK;
        const rd_kafka_resp_err_t code = rd_kafka_last_error();
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            w->client.stage = stage;
            const enum flow_status rc = refuse(w, held, code);
            w->client.stage = NULL;
            return rc;
        }
        enum flow_status rc = flow_wait(stage, w->client.event, POLLIN, -1);
        if (rc == FLOW_OK)
            rc = serve(w, stage);
        if (rc != FLOW_OK)
            return rc;
    }
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    (void)stage;
    if (w->client.handle != NULL) {
        /* Of a run that is aborted: the bytes of what is on its way are gone after this. */
        (void)rd_kafka_purge(w->client.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        if (w->queue != NULL)
            rd_kafka_queue_destroy(w->queue);
        if (w->topic != NULL)
            rd_kafka_topic_destroy(w->topic);
        rd_kafka_destroy(w->client.handle);
    }
    kafka_clear(&w->client);
}

static const struct flow_stage_type writer = {
    .name = "kafka.out",
    .help = "gives each record to a topic of Kafka, many on their way at a time",
    .role = FLOW_CONSUMER,
    .traits = FLOW_OUTSIDE,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct writer),
    .open = writer_open,
    .process = writer_process,
    .ready = writer_ready,
    .close = writer_close,
};

FLOW_PLUGIN(&writer);
