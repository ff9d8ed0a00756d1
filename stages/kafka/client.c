/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Logs come in librdkafka's threads; what matters of them comes as errors too, in ours. */
static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    (void)level;
    (void)facility;
    (void)text;
}

/* Connections that fail are tried again for ever: tell, and remember why. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct kafka_client *client = opaque;
    (void)handle;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || client->why[0] == '\0') /* says no more */
        (void)snprintf(client->why, sizeof(client->why), "%s", reason);
    if (client->stage != NULL)
        flow_log(client->stage, "Kafka at '%s': %s", client->settings->brokers, reason);
}

enum flow_status kafka_fail(const struct kafka_client *client, const char *what, const char *why)
{
    return flow_stage_fail(client->stage, FLOW_EIO, "Kafka at '%s', topic '%s': %s: %s",
                           client->settings->brokers, client->settings->topic, what, why);
}

/* ---- configuration ---- */

enum flow_status kafka_set(struct kafka_client *client, const char *name, const char *value)
{
    char why[256];
    return rd_kafka_conf_set(client->conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK
               ? FLOW_OK
               : flow_stage_fail(client->stage, FLOW_EINVAL, "librdkafka: %s=%s: %s", name, value,
                                 why);
}

enum flow_status kafka_set_number(struct kafka_client *client, const char *name, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    return kafka_set(client, name, text);
}

enum flow_status kafka_begin(struct kafka_client *client, struct flow_stage *stage,
                             const struct kafka_settings *settings)
{
    client->settings = settings;
    client->stage = stage;
    client->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->event < 0)
        return kafka_fail(client, "no descriptor", strerror(errno));
    client->conf = rd_kafka_conf_new();
    if (client->conf == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a client of Kafka");
    rd_kafka_conf_set_opaque(client->conf, client);
    rd_kafka_conf_set_log_cb(client->conf, on_log);
    rd_kafka_conf_set_error_cb(client->conf, on_error);
    return kafka_set(client, "bootstrap.servers", settings->brokers);
}

/* "name=value" */
static enum flow_status set_own(struct kafka_client *client, const char *setting)
{
    const char *equals = strchr(setting, '=');
    if (equals == NULL)
        return flow_stage_fail(client->stage, FLOW_EINVAL,
                               "'settings' has '%s'; NAME=VALUE is expected, as "
                               "'security.protocol=SSL'",
                               setting);
    char *name = strndup(setting, (size_t)(equals - setting));
    const enum flow_status rc =
        name != NULL ? kafka_set(client, name, equals + 1)
                     : flow_stage_fail(client->stage, FLOW_ENOMEM, "no memory for 'settings'");
    free(name);
    return rc;
}

enum flow_status kafka_make(struct kafka_client *client, rd_kafka_type_t type)
{
    const struct flow_list *own = &client->settings->settings;
    char why[256];
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < own->count && rc == FLOW_OK; i++)
        rc = set_own(client, own->items[i]);
    if (rc != FLOW_OK)
        return rc;
    client->handle = rd_kafka_new(type, client->conf, why, sizeof(why));
    if (client->handle == NULL)
        return flow_stage_fail(client->stage, FLOW_EINVAL, "librdkafka: %s", why);
    client->conf = NULL; /* the handle's */
    return FLOW_OK;
}

/* ---- the topic ---- */

static enum flow_status count_partitions(const struct kafka_client *client,
                                         const struct rd_kafka_metadata *metadata, int *count)
{
    const struct rd_kafka_metadata_topic *topic = metadata->topics;
    if (metadata->topic_cnt != 1 || topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fail(client, "it cannot be used",
                          metadata->topic_cnt == 1 ? rd_kafka_err2str(topic->err)
                                                   : "the brokers do not tell of it");
    if (topic->partition_cnt == 0)
        return kafka_fail(client, "it cannot be used", "it has no partitions");
    *count = topic->partition_cnt;
    return FLOW_OK;
}

enum flow_status kafka_partitions(struct kafka_client *client, int *count)
{
    const struct rd_kafka_metadata *metadata = NULL;
    struct flow_stage *stage = client->stage;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client->handle, client->settings->topic, NULL);
    if (topic == NULL)
        return kafka_fail(client, "it cannot be used", rd_kafka_err2str(rd_kafka_last_error()));
    const rd_kafka_resp_err_t code = rd_kafka_metadata(client->handle, 0, topic, &metadata,
                                                       (int)(client->settings->patience / 1000000));
    client->stage = NULL; /* why it failed is told once, by us */
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)rd_kafka_poll(client->handle, 0);
    client->stage = stage;
    const enum flow_status rc =
        code == RD_KAFKA_RESP_ERR_NO_ERROR
            ? count_partitions(client, metadata, count)
            : kafka_fail(client, rd_kafka_err2str(code),
                         client->why[0] != '\0' ? client->why : "is it there? ('patience')");
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return rc;
}

/* ---- waiting ---- */

enum flow_status kafka_notify(struct kafka_client *client, rd_kafka_queue_t *queue)
{
    static const uint64_t one = 1;
    if (queue == NULL)
        return flow_stage_fail(client->stage, FLOW_ENOMEM, "no memory for a queue of Kafka");
    rd_kafka_queue_io_event_enable(queue, client->event, &one, sizeof(one));
    /* It tells of a queue that is no longer empty, not of one that has not been for long. */
    return write(client->event, &one, sizeof(one)) == (ssize_t)sizeof(one)
               ? FLOW_OK
               : kafka_fail(client, "its descriptor", strerror(errno));
}

void kafka_heard(const struct kafka_client *client)
{
    uint64_t times;
    while (read(client->event, &times, sizeof(times)) < 0 && errno == EINTR)
        ;
}

void kafka_clear(struct kafka_client *client)
{
    if (client->conf != NULL)
        rd_kafka_conf_destroy(client->conf);
    client->conf = NULL;
    if (client->settings != NULL && client->event >= 0)
        (void)close(client->event);
}
