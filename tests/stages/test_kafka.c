/* SPDX-License-Identifier: MIT */
/* needs: kafka.in */
#include <stdlib.h>

#include "plugin_type.h"
#include "server.h"

/* kafka.in and kafka.out against the brokers that librdkafka plays. */

static int start(void **state)
{
    (void)state;
    return server_run(KAFKA_MOCK, "one:1,four:4,resumed:3,kept:2,empty:2,large:1,refused:1");
}

static struct flow_harness *make(const char *type, const char *topic, const char *rest,
                                 struct flow_harness_options options)
{
    char *with = NULL;
    assert_true(asprintf(&with, "{\"brokers\": \"%s\", \"topic\": \"%s\"%s}", server.address, topic,
                         rest) > 0);
    options.with = with;
    struct flow_harness *h = flow_harness_new(plugin_type(type), &options);
    free(with);
    return h;
}

static void runs(struct flow_harness *h)
{
    const enum flow_status rc = flow_harness_run(h);
    assert_string_equal(flow_harness_failure(h), "");
    assert_int_equal(rc, FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 0);
}

/* Messages `first` to `last`, their numbers as keys too. */
static void fill(const char *topic, int first, int last)
{
    struct flow_harness *h = make("kafka.out", topic, "", (struct flow_harness_options){0});
    for (int i = first; i <= last; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        flow_harness_feed_keyed(h, text, text);
    }
    runs(h);
    flow_harness_free(h);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Are the records of one or two harnesses the numbers from `first` to `last`, each once? */
static void expect(const struct flow_harness *h, const struct flow_harness *other, int first,
                   int last)
{
    static int numbers[20000];
    size_t count = 0;
    for (size_t i = 0; i < flow_harness_count(h, 0); i++)
        numbers[count++] = atoi(flow_harness_record(h, 0, i)->data);
    for (size_t i = 0; other != NULL && i < flow_harness_count(other, 0); i++)
        numbers[count++] = atoi(flow_harness_record(other, 0, i)->data);
    assert_int_equal(count, last - first + 1);
    qsort(numbers, count, sizeof(*numbers), by_number);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(numbers[i], first + (int)i);
}

TEST(messages_come_back_with_their_keys_in_order)
{
    struct flow_harness *h = make("kafka.out", "one", "", (struct flow_harness_options){0});
    flow_harness_feed_keyed(h, "k", "first");
    flow_harness_feed(h, "");
    flow_harness_feed_bytes(h, "a\0b", 3);
    runs(h);
    flow_harness_free(h);
    h = make("kafka.in", "one", ", \"until_end\": true", (struct flow_harness_options){0});
    runs(h);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "first");
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "k");
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 0);
    assert_null(flow_harness_record(h, 0, 1)->key);
    assert_memory_equal(flow_harness_record(h, 0, 2)->data, "a\0b", 3);
    flow_harness_free(h);
}

TEST(reading_ends_by_count_by_idleness_and_at_the_end)
{
    static const struct {
        const char *rest;
        size_t count;
    } cases[] = {
        {", \"count\": 3", 3},
        {", \"count\": 2500", 2500},
        {", \"until_end\": true", 3000},
        {", \"idle\": \"3s\"", 3000},
        {", \"idle\": \"300ms\", \"from\": \"new\"", 0},
        {", \"until_end\": true, \"from\": \"new\"", 0},
    };
    fill("four", 1, 3000);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            make("kafka.in", "four", cases[i].rest, (struct flow_harness_options){0});
        runs(h);
        if (flow_harness_count(h, 0) != cases[i].count)
            fail_msg("%s: %zu records", cases[i].rest, flow_harness_count(h, 0));
        flow_harness_free(h);
    }
    struct flow_harness *h =
        make("kafka.in", "empty", ", \"until_end\": true", (struct flow_harness_options){0});
    runs(h);
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
}

TEST(several_workers_share_the_partitions)
{
    struct flow_harness *workers[3];
    size_t sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        workers[i] = make("kafka.in", "four", ", \"until_end\": true",
                          (struct flow_harness_options){.replica = i, .replicas = 3});
        runs(workers[i]);
        sum += flow_harness_count(workers[i], 0);
        assert_true(flow_harness_count(workers[i], 0) > 0);
    }
    assert_int_equal(sum, 3000);
    for (unsigned i = 0; i < 3; i++)
        flow_harness_free(workers[i]);
    struct flow_harness *h = make("kafka.in", "four", ", \"until_end\": true",
                                  (struct flow_harness_options){.replica = 7, .replicas = 9});
    runs(h); /* has none of the four */
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
}

TEST(a_run_goes_on_where_its_checkpoint_stands)
{
    struct flow_harness_saved saved;
    static const char rest[] = ", \"until_end\": true, \"from\": \"new\"";
    static const struct flow_harness_options first = {.checkpoints = true};
    static const struct flow_harness_options second = {.checkpoints = true, .resumes = true};
    struct flow_harness *h = make("kafka.in", "resumed", ", \"count\": 1500", first);
    fill("resumed", 1, 4000);
    while (flow_harness_count(h, 0) < 1500) {
        const enum flow_status rc = flow_harness_count(h, 0) == 0 ? flow_harness_open(h) : FLOW_OK;
        assert_int_equal(rc, FLOW_OK);
        while (flow_harness_step(h) == FLOW_OK)
            ;
    }
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);

    struct flow_harness *rest_of_it = make("kafka.in", "resumed", rest, second);
    assert_int_equal(flow_harness_open(rest_of_it), FLOW_OK);
    assert_int_equal(flow_harness_restore(rest_of_it, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(rest_of_it, 1), FLOW_OK);
    while (flow_harness_step(rest_of_it) == FLOW_OK)
        ;
    assert_string_equal(flow_harness_failure(rest_of_it), "");
    expect(h, rest_of_it, 1, 4000);
    flow_harness_free(h);
    flow_harness_free(rest_of_it);

    for (size_t size = 0; size < saved.size; size += 5) {
        const struct flow_harness_saved cut = {.bytes = saved.bytes, .size = size};
        h = make("kafka.in", "resumed", rest, second);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_restore(h, &cut), FLOW_EPROTO);
        flow_harness_free(h);
    }
    const struct flow_harness_saved all = saved;
    h = make("kafka.in", "one", rest, second);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &all), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "partition 1, which was being read, is there"));
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(messages_that_are_gone_are_not_passed_over)
{
    uint64_t numbers[] = {0, 1, 0, 999999}; /* none yet; one partition: 0, at this offset */
    const struct flow_harness_saved saved = {.bytes = (uint8_t *)numbers, .size = sizeof(numbers)};
    struct flow_harness *h =
        make("kafka.in", "one", ", \"idle\": \"20s\"",
             (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK)
        rc = flow_harness_step(h);
    assert_int_equal(rc, FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "topic 'one': partition 0 at offset 999999: "));
    flow_harness_free(h);
}

TEST(a_group_keeps_the_offsets_for_the_next_run)
{
    static const char rest[] = ", \"until_end\": true, \"group\": \"g\"";
    fill("kept", 1, 1000);
    struct flow_harness *h = make("kafka.in", "kept", rest, (struct flow_harness_options){0});
    runs(h);
    expect(h, NULL, 1, 1000);
    flow_harness_free(h);
    fill("kept", 1001, 1500);
    h = make("kafka.in", "kept", rest, (struct flow_harness_options){.checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    while (flow_harness_step(h) == FLOW_OK)
        ;
    expect(h, NULL, 1001, 1500);
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h); /* killed before the commit: the group knows nothing of it */
    h = make("kafka.in", "kept", rest,
             (struct flow_harness_options){.checkpoints = true, .resumes = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_ECLOSED);
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
    h = make("kafka.in", "kept", rest, (struct flow_harness_options){0});
    runs(h); /* now it does */
    assert_int_equal(flow_harness_count(h, 0), 0);
    flow_harness_free(h);
    free(saved.bytes);
}

TEST(large_messages_pass_and_those_that_are_too_large_are_refused)
{
    char *large = calloc(1, 3000000);
    assert_non_null(large);
    struct flow_harness *h = make("kafka.out", "large", ", \"memory\": \"1MiB\", \"in_flight\": 2",
                                  (struct flow_harness_options){.batch = 2});
    for (int i = 0; i < 4; i++)
        flow_harness_feed_bytes(h, large, 700000); /* memory for one at a time */
    flow_harness_feed_bytes(h, large, 3000000);
    flow_harness_feed(h, "small");
    free(large);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_non_null(strstr(flow_harness_reject(h, 0), "4: topic 'large': Broker: Message size"));
    flow_harness_free(h);
    h = make("kafka.in", "large", ", \"until_end\": true", (struct flow_harness_options){0});
    runs(h);
    assert_int_equal(flow_harness_count(h, 0), 5);
    assert_int_equal(flow_harness_record(h, 0, 3)->size, 700000);
    flow_harness_free(h);
}

TEST(what_the_brokers_refuse_is_refused)
{
    struct flow_harness *h =
        make("kafka.out", "refused", ", \"linger\": \"0s\"", (struct flow_harness_options){0});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    server_tell("refuse 1\n");
    flow_harness_feed(h, "lost");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_drain(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 1);
    assert_non_null(strstr(flow_harness_reject(h, 0),
                           "topic 'refused': Broker: Broker failed to validate record"));
    flow_harness_feed(h, "found");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_drain(h), FLOW_OK);
    if (flow_harness_reject_count(h) != 1)
        fail_msg("%s", flow_harness_reject(h, 1));
    flow_harness_free(h);
    h = make("kafka.in", "refused", ", \"until_end\": true", (struct flow_harness_options){0});
    runs(h);
    assert_string_equal(flow_harness_text(h, 0), "found\n");
    flow_harness_free(h);
}

TEST(it_ends_with_messages_on_their_way)
{
    struct flow_harness *h =
        make("kafka.out", "one", ", \"linger\": \"50s\"", (struct flow_harness_options){0});
    for (int i = 0; i < 100; i++)
        flow_harness_feed(h, "never sent");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_in_flight(h), 100);
    flow_harness_free(h);
}

TEST(an_abort_between_records_ends_reading)
{
    struct flow_harness *h =
        make("kafka.in", "four", "", (struct flow_harness_options){.abort_after = 10});
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    flow_harness_free(h);
}

TEST(parameters_that_make_no_sense_are_refused)
{
    static const struct {
        const char *type, *topic, *rest, *words;
    } cases[] = {
        {"kafka.in", "one", ", \"settings\": [\"x\"]", "'settings' has 'x'; NAME=VALUE"},
        {"kafka.in", "one", ", \"settings\": [\"x=y\"]",
         "librdkafka: x=y: No such configuration property"},
        {"kafka.out", "one", ", \"settings\": [\"acks=1\"]", "librdkafka: "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            make(cases[i].type, cases[i].topic, cases[i].rest, (struct flow_harness_options){0});
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        if (strstr(flow_harness_failure(h), cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", flow_harness_failure(h), cases[i].words);
        flow_harness_free(h);
    }
    const struct flow_harness_options nobody = {
        .with = "{\"brokers\": \"127.0.0.1:1\", \"topic\": \"t\", \"patience\": \"300ms\"}"};
    for (int i = 0; i < 2; i++) {
        struct flow_harness *h =
            flow_harness_new(plugin_type(i == 0 ? "kafka.in" : "kafka.out"), &nobody);
        assert_int_equal(flow_harness_open(h), FLOW_EIO);
        assert_non_null(strstr(flow_harness_failure(h), "Kafka at '127.0.0.1:1', topic 't': "));
        if (strstr(flow_harness_failure(h), "Connection refused") == NULL)
            fail_msg("%s", flow_harness_failure(h));
        flow_harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back_with_their_keys_in_order),
        cmocka_unit_test(reading_ends_by_count_by_idleness_and_at_the_end),
        cmocka_unit_test(several_workers_share_the_partitions),
        cmocka_unit_test(a_run_goes_on_where_its_checkpoint_stands),
        cmocka_unit_test(messages_that_are_gone_are_not_passed_over),
        cmocka_unit_test(a_group_keeps_the_offsets_for_the_next_run),
        cmocka_unit_test(large_messages_pass_and_those_that_are_too_large_are_refused),
        cmocka_unit_test(what_the_brokers_refuse_is_refused),
        cmocka_unit_test(it_ends_with_messages_on_their_way),
        cmocka_unit_test(an_abort_between_records_ends_reading),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, start, server_stop);
}
