/* SPDX-License-Identifier: MIT */

/*
 * Brokers of Kafka for a test, which librdkafka plays in memory:
 *
 *     kafka_mock TOPIC:PARTITIONS[,TOPIC:PARTITIONS...]
 *
 * prints where they listen and goes on until its input ends.  A line "refuse N" there has the next
 * N requests to write answered with "invalid record".
 */

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCE 0 /* number of the request in Kafka's protocol */

static int make_topics(rd_kafka_mock_cluster_t *brokers, char *topics)
{
    for (char *at = topics; at != NULL && *at != '\0';) {
        char *next = strchr(at, ',');
        char *colon = strchr(at, ':');
        if (colon == NULL)
            return 0;
        *colon = '\0';
        if (rd_kafka_mock_topic_create(brokers, at, atoi(colon + 1), 1) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        at = next != NULL ? next + 1 : NULL;
    }
    return 1;
}

static void obey(rd_kafka_mock_cluster_t *brokers)
{
    char line[64];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        const int times = strncmp(line, "refuse ", 7) == 0 ? atoi(line + 7) : 0;
        for (int i = 0; i < times; i++)
            rd_kafka_mock_push_request_errors(brokers, PRODUCE, 1,
                                              RD_KAFKA_RESP_ERR_INVALID_RECORD);
        (void)printf("done\n");
        (void)fflush(stdout);
    }
}

int main(int count, char **arguments)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "log_level", "3", NULL, 0); /* it has no brokers: that is meant */
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    rd_kafka_mock_cluster_t *brokers = handle != NULL ? rd_kafka_mock_cluster_new(handle, 2) : NULL;
    if (brokers == NULL || count != 2 || !make_topics(brokers, arguments[1])) {
        (void)fprintf(stderr, "usage: kafka_mock TOPIC:PARTITIONS,...\n");
        return 2;
    }
    (void)printf("%s\n", rd_kafka_mock_cluster_bootstraps(brokers));
    (void)fflush(stdout);
    obey(brokers);
    rd_kafka_mock_cluster_destroy(brokers);
    rd_kafka_destroy(handle);
    return 0;
}
