/* SPDX-License-Identifier: MIT */
#ifndef STAGES_KAFKA_CLIENT_H
#define STAGES_KAFKA_CLIENT_H

/*
 * A client of librdkafka, which does its work in threads of its own and hands over what has come of
 * it in a queue: a descriptor, which can be waited for, says when there is something.
 *
 * Threads: the stage's own; librdkafka calls back only while its queue is served.
 */

#include <flowrun/stage.h>
#include <librdkafka/rdkafka.h>

/* What kafka.in and kafka.out have in common; first in the struct of each. */
struct kafka_settings {
    char *brokers, *topic;
    struct flow_list settings;
    int64_t patience;
};

/* clang-format off */
#define KAFKA_PARAMS \
    FLOW_PARAM_STR(struct kafka_settings, brokers, "127.0.0.1:9092", "HOST:PORT, several with commas between"), \
    FLOW_PARAM_STR(struct kafka_settings, topic, FLOW_REQUIRED, "its name"), \
    FLOW_PARAM_LIST(struct kafka_settings, settings, NULL, "of librdkafka, as 'security.protocol=SSL'"), \
    FLOW_PARAM_DURATION(struct kafka_settings, patience, "30s", 1e6, 3600e9, "for the brokers at the start [time]")
/* clang-format on */

struct kafka_client {
    const struct kafka_settings *settings;
    struct flow_stage *stage; /* during a callback of it; NULL: between them */
    rd_kafka_conf_t *conf;    /* until the client is made */
    rd_kafka_t *handle;
    int event;     /* readable when the queue is no longer empty; -1: none */
    char why[320]; /* what librdkafka said last of its connections */
};

/* Begin a configuration, which `opaque` is handed to callbacks with; then set values, then make. */
enum flow_status kafka_begin(struct kafka_client *client, struct flow_stage *stage,
                             const struct kafka_settings *settings);
enum flow_status kafka_set(struct kafka_client *client, const char *name, const char *value);
enum flow_status kafka_set_number(struct kafka_client *client, const char *name, int64_t value);

/* The user's own settings come last.  Afterwards there is a handle. */
enum flow_status kafka_make(struct kafka_client *client, rd_kafka_type_t type);

/* How many partitions the topic has. */
enum flow_status kafka_partitions(struct kafka_client *client, int *count);

/* The descriptor says from now on when the queue has something. */
enum flow_status kafka_notify(struct kafka_client *client, rd_kafka_queue_t *queue);

/* What the descriptor said has been heard: to be called before the queue is served. */
void kafka_heard(const struct kafka_client *client);

/* The stage cannot go on. */
enum flow_status kafka_fail(const struct kafka_client *client, const char *what, const char *why);

/* Release what is left but the handle, which is NULL by then. */
void kafka_clear(struct kafka_client *client);

#endif /* STAGES_KAFKA_CLIENT_H */
