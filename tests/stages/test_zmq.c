/* SPDX-License-Identifier: MIT */

/* needs: zmq.in */

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "plugin_type.h"
#include "support/check.h"
#include "support/harness.h"

/* zmq.in and zmq.out with sockets of the test's own at the other end. */

#define PATIENCE_MS 10000

static const struct flow_stage_type *in_type;
static const struct flow_stage_type *out_type;
static void *context;

static int start(void **state)
{
    (void)state;
    in_type = plugin_type("zmq.in");
    out_type = plugin_type("zmq.out");
    context = zmq_ctx_new();
    return context == NULL;
}

static int stop(void **state)
{
    (void)state;
    return zmq_ctx_term(context);
}

static struct flow_harness *opened(const struct flow_stage_type *type, const char *with)
{
    struct flow_harness *h = flow_harness_new(type, &(struct flow_harness_options){.with = with});
    if (flow_harness_open(h) != FLOW_OK)
        fail_msg("%s", flow_harness_failure(h));
    return h;
}

/* A socket that is connected to where the stage listens. */
static void *peer(struct flow_harness *h, int type)
{
    const int patience = PATIENCE_MS;
    void *socket = zmq_socket(context, type);
    const char *said = flow_harness_log(h, 0);
    assert_memory_equal(said, "listens on ", 11);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &patience, sizeof(patience)), 0);
    if (type == ZMQ_SUB)
        assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), 0);
    assert_int_equal(zmq_connect(socket, said + 11), 0);
    return socket;
}

static void part(void *socket, const void *data, size_t size, int flags)
{
    assert_int_equal(zmq_send(socket, data, size, flags), size);
}

static void step_until(struct flow_harness *h, size_t count)
{
    while (flow_harness_count(h, 0) < count)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
}

/* To its end. */
static void run_out(struct flow_harness *h)
{
    enum flow_status rc;
    while ((rc = flow_harness_step(h)) == FLOW_OK) {
    }
    assert_int_equal(rc, FLOW_ECLOSED);
}

#define BIND "\"bind\": [\"tcp://127.0.0.1:*\"]"

TEST(messages_become_records_in_their_order_until_the_marker)
{
    enum { MESSAGES = 2000 };
    struct flow_harness *h = opened(in_type, "{" BIND ", \"end\": \"END\"}");
    void *push = peer(h, ZMQ_PUSH);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        part(push, &i, sizeof(i), 0);
        if (i % 100 == 99)
            step_until(h, i / 2);
    }
    part(push, "", 0, 0);
    part(push, "END", 3, 0);
    run_out(h);
    assert_int_equal(flow_harness_count(h, 0), MESSAGES + 1);
    for (uint32_t i = 0; i < MESSAGES; i++)
        assert_memory_equal(flow_harness_record(h, 0, i)->data, &i, sizeof(i));
    assert_int_equal(flow_harness_record(h, 0, MESSAGES)->size, 0);
    (void)zmq_close(push);
    flow_harness_free(h);
}

TEST(the_parts_of_a_message_are_records_or_a_key_or_one_record)
{
    static const struct {
        const char *parts;
        size_t records;
        const char *text, *key;
    } cases[] = {
        {"each", 4, "a\nb\0c\n\nalone\n", NULL},
        {"key", 3, "b\0c\n\nalone\n", "a"},
        {"join", 2, "ab\0c\nalone\n", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char with[128];
        (void)snprintf(with, sizeof(with), "{" BIND ", \"parts\": \"%s\", \"count\": 2}",
                       cases[i].parts);
        struct flow_harness *h = opened(in_type, with);
        void *push = peer(h, ZMQ_PUSH);
        part(push, "a", 1, ZMQ_SNDMORE);
        part(push, "b\0c", 3, ZMQ_SNDMORE);
        part(push, "", 0, 0);
        part(push, "alone", 5, 0);
        run_out(h);
        assert_int_equal(flow_harness_count(h, 0), cases[i].records);
        assert_memory_equal(flow_harness_text(h, 0), cases[i].text, strlen(cases[i].text));
        for (size_t r = 0; r < cases[i].records; r++) {
            const struct flow_harness_record *record = flow_harness_record(h, 0, r);
            if (cases[i].key != NULL && r + 1 < cases[i].records)
                assert_string_equal(record->key, cases[i].key);
            else
                assert_null(record->key);
        }
        (void)zmq_close(push);
        flow_harness_free(h);
    }
}

TEST(a_subscriber_gets_what_begins_with_its_topics)
{
    const int patience = PATIENCE_MS;
    char where[128];
    char with[256];
    size_t size = sizeof(where);
    void *pub = zmq_socket(context, ZMQ_XPUB);
    assert_int_equal(zmq_setsockopt(pub, ZMQ_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(zmq_bind(pub, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(pub, ZMQ_LAST_ENDPOINT, where, &size), 0);
    (void)snprintf(with, sizeof(with),
                   "{\"kind\": \"sub\", \"connect\": [\"%s\"], \"topics\": [\"a.\", \"c.\"], "
                   "\"count\": 2}",
                   where);
    struct flow_harness *h = opened(in_type, with);
    char topic[8];
    for (int i = 0; i < 2; i++)
        assert_int_equal(zmq_recv(pub, topic, sizeof(topic), 0), 3);
    part(pub, "a.1", 3, 0);
    part(pub, "b.1", 3, 0);
    part(pub, "c.1", 3, 0);
    run_out(h);
    assert_string_equal(flow_harness_text(h, 0), "a.1\nc.1\n");
    (void)zmq_close(pub);
    flow_harness_free(h);
}

TEST(it_ends_when_nothing_comes_and_counts_on_after_a_restore)
{
    struct flow_harness *h = opened(in_type, "{" BIND ", \"idle\": \"2s\"}");
    struct flow_harness_saved saved = {0};
    void *push = peer(h, ZMQ_PUSH);
    part(push, "x", 1, 0);
    run_out(h);
    assert_string_equal(flow_harness_weakness(h),
                        "what has come out of a socket does not come again");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 1);
    (void)zmq_close(push);
    flow_harness_free(h);

    h = opened(in_type, "{" BIND ", \"count\": 1}");
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_step(h), FLOW_ECLOSED);
    free(saved.bytes);
    flow_harness_free(h);
}

TEST(records_are_messages_with_their_keys_if_asked)
{
    struct flow_harness *h = opened(out_type, "{" BIND ", \"parts\": \"key\", \"end\": \"END\"}");
    void *pull = peer(h, ZMQ_PULL);
    flow_harness_feed_keyed(h, "k", "one");
    flow_harness_feed_bytes(h, "a\0b", 3);
    flow_harness_feed(h, "");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    static const struct {
        const char *text;
        int size, more;
    } parts[] = {{"k", 1, 1}, {"one", 3, 0}, {"", 0, 1},   {"a\0b", 3, 0},
                 {"", 0, 1},  {"", 0, 0},    {"END", 3, 0}};
    for (size_t i = 0; i < COUNT(parts); i++) {
        char text[16];
        int more = 0;
        size_t size = sizeof(more);
        assert_int_equal(zmq_recv(pull, text, sizeof(text), 0), parts[i].size);
        assert_memory_equal(text, parts[i].text, (size_t)parts[i].size);
        assert_int_equal(zmq_getsockopt(pull, ZMQ_RCVMORE, &more, &size), 0);
        assert_int_equal(more, parts[i].more);
    }
    (void)zmq_close(pull);
    flow_harness_free(h);
}

TEST(a_publisher_waits_for_its_subscribers)
{
    struct flow_harness *h =
        opened(out_type, "{\"kind\": \"pub\", " BIND ", \"wait_for\": 2, \"hwm\": 1000}");
    void *subs[2] = {peer(h, ZMQ_SUB), peer(h, ZMQ_SUB)};
    for (int i = 0; i < 500; i++)
        flow_harness_feed(h, "x");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    for (size_t s = 0; s < 2; s++) {
        char text[4];
        for (int i = 0; i < 500; i++)
            assert_int_equal(zmq_recv(subs[s], text, sizeof(text), 0), 1);
        (void)zmq_close(subs[s]);
    }
    flow_harness_free(h);
}

TEST(both_ends_meet_with_keys_of_curve)
{
    char server_public[41];
    char server_secret[41];
    char public_key[41];
    char secret[41];
    char with[512];
    if (zmq_has("curve") == 0)
        skip();
    assert_int_equal(zmq_curve_keypair(server_public, server_secret), 0);
    assert_int_equal(zmq_curve_keypair(public_key, secret), 0);
    (void)snprintf(with, sizeof(with), "{" BIND ", \"secret_key\": \"%s\", \"count\": 1}",
                   server_secret);
    struct flow_harness *in = opened(in_type, with);
    (void)snprintf(with, sizeof(with),
                   "{\"connect\": [\"%s\"], \"secret_key\": \"%s\", \"server_key\": \"%s\"}",
                   flow_harness_log(in, 0) + 11, secret, server_public);
    struct flow_harness *out = opened(out_type, with);
    flow_harness_feed(out, "secret");
    assert_int_equal(flow_harness_work(out), FLOW_OK);
    assert_int_equal(flow_harness_finish(out), FLOW_OK);
    run_out(in);
    assert_string_equal(flow_harness_text(in, 0), "secret\n");
    flow_harness_free(out);
    flow_harness_free(in);
}

TEST(what_cannot_be_done_is_refused_with_the_reason)
{
    static const struct {
        const char *with, *reason;
    } cases[] = {
        {"{}", "neither 'bind' nor 'connect' says where the other end is"},
        {"{\"bind\": [\"nonsense\"]}", "cannot listen at 'nonsense': an endpoint is tcp://"},
        {"{\"connect\": [\"udp-ish://x\"]}", "cannot connect to 'udp-ish://x': an endpoint is"},
        {"{\"bind\": [\"tcp://192.0.2.1:5\"]}", "cannot listen at 'tcp://192.0.2.1:5': "},
        {"{" BIND ", \"server_key\": \"x\"}", "'server_key' needs a 'secret_key' beside it"},
        {"{" BIND ", \"secret_key\": \"x\"}", "'secret_key' is not a key of CURVE"},
    };
    const struct flow_stage_type *types[] = {in_type, out_type};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct flow_harness *h =
                flow_harness_new(types[t], &(struct flow_harness_options){.with = cases[i].with});
            assert_int_not_equal(flow_harness_open(h), FLOW_OK);
            if (strstr(flow_harness_failure(h), cases[i].reason) == NULL)
                fail_msg("%s: %s", cases[i].with, flow_harness_failure(h));
            flow_harness_free(h);
        }
    }
}

TEST(a_run_that_is_aborted_ends_in_the_middle)
{
    struct flow_harness *h = flow_harness_new(
        in_type, &(struct flow_harness_options){.with = "{" BIND "}", .abort_after = 3});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    void *push = peer(h, ZMQ_PUSH);
    for (int i = 0; i < 10; i++)
        part(push, "x", 1, 0);
    enum flow_status rc;
    while ((rc = flow_harness_step(h)) == FLOW_OK) {
    }
    assert_int_equal(rc, FLOW_EABORT);
    (void)zmq_close(push);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_become_records_in_their_order_until_the_marker),
        cmocka_unit_test(the_parts_of_a_message_are_records_or_a_key_or_one_record),
        cmocka_unit_test(a_subscriber_gets_what_begins_with_its_topics),
        cmocka_unit_test(it_ends_when_nothing_comes_and_counts_on_after_a_restore),
        cmocka_unit_test(records_are_messages_with_their_keys_if_asked),
        cmocka_unit_test(a_publisher_waits_for_its_subscribers),
        cmocka_unit_test(both_ends_meet_with_keys_of_curve),
        cmocka_unit_test(what_cannot_be_done_is_refused_with_the_reason),
        cmocka_unit_test(a_run_that_is_aborted_ends_in_the_middle),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
