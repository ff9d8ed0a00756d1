/* SPDX-License-Identifier: MIT */

/* needs: http.listen */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin_type.h"
#include "support/check.h"
#include "support/harness.h"

/* http.listen, by clients in the test's own thread: what they send lies in the socket before the
 * stage looks. */

static const struct flow_stage_type *type;

static int load(void **state)
{
    (void)state;
    type = plugin_type("http.listen");
    return 0;
}

static struct flow_harness *opened(const char *with)
{
    struct flow_harness *h =
        flow_harness_new(type, &(struct flow_harness_options){.with = with, .checkpoints = true});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    return h;
}

static unsigned short port_of(struct flow_harness *h)
{
    const char *said = flow_harness_log(h, 0);
    assert_memory_equal(said, "listens on http://127.0.0.1:", 28);
    return (unsigned short)atoi(said + 28);
}

/* A client that has connected and sent this. */
static int client(struct flow_harness *h, const char *text, size_t size)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(port_of(h)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
    return fd;
}

static int post(struct flow_harness *h, const char *path, const char *more, const char *body)
{
    char text[4096];
    const int size = snprintf(text, sizeof(text),
                              "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: "
                              "%zu\r\n\r\n%s",
                              path, more, strlen(body), body);
    return client(h, text, (size_t)size);
}

/* What it has been answered, 0: nothing yet. */
static int status_now(int fd)
{
    char text[1024];
    const ssize_t size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (size < 0)
        assert_int_equal(errno, EAGAIN);
    if (size <= 0)
        return size == 0 ? -1 : 0;
    text[size] = '\0';
    assert_memory_equal(text, "HTTP/1.1 ", 9);
    return atoi(text + 9);
}

static int status_of(struct flow_harness *h, int fd)
{
    int status;
    while ((status = status_now(fd)) == 0)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
    return status;
}

static void assert_answer(struct flow_harness *h, int fd, int status)
{
    assert_int_equal(status_of(h, fd), status);
    (void)close(fd);
}

static void step_until(struct flow_harness *h, size_t count)
{
    while (flow_harness_count(h, 0) < count)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
}

TEST(the_body_of_a_request_is_a_record_and_accepted)
{
    struct flow_harness *h = opened("{}");
    assert_answer(h, post(h, "/", "", "hello"), 202);
    assert_answer(h, post(h, "/", "", ""), 202);
    static const char zero[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na\0b";
    assert_answer(h, client(h, zero, sizeof(zero) - 1), 202);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "hello");
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 0);
    assert_int_equal(flow_harness_record(h, 0, 2)->size, 3);
    assert_memory_equal(flow_harness_record(h, 0, 2)->data, "a\0b", 3);
    assert_null(flow_harness_record(h, 0, 0)->key);
    flow_harness_free(h);
}

TEST(one_that_is_not_to_be_taken_is_told_why_and_emits_nothing)
{
    struct flow_harness *h = opened("{\"token\": \"abc\", \"paths\": [\"/a\", \"/h/*\"], "
                                    "\"max_body\": 10, \"key\": \"header:X-Id\"}");
    static const struct {
        const char *path, *more, *body;
        int status;
    } cases[] = {
        {"/a", "", "x", 401},
        {"/a", "Authorization: Bearer abd\r\n", "x", 401},
        {"/a", "Authorization: Bearer ab\r\n", "x", 401},
        {"/a", "Authorization: Bearer abcd\r\n", "x", 401},
        {"/a", "Authorization: Basic abc\r\n", "x", 401},
        {"/b", "Authorization: Bearer abc\r\n", "x", 404},
        {"/h", "Authorization: Bearer abc\r\n", "x", 404},
        {"/a", "Authorization: Bearer abc\r\n", "x", 400},
        {"/a", "Authorization: Bearer abc\r\nX-Id: 7\r\n", "12345678901", 413},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_answer(h, post(h, cases[i].path, cases[i].more, cases[i].body), cases[i].status);
    static const char get[] = "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n\r\n";
    assert_answer(h, client(h, get, sizeof(get) - 1), 405);
    assert_int_equal(flow_harness_count(h, 0), 0);
    assert_answer(h, post(h, "/h/1", "authorization: bearer abc\r\nx-id: 7\r\n", "1234567890"),
                  202);
    assert_int_equal(flow_harness_count(h, 0), 1);
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "7");
    flow_harness_free(h);
}

TEST(a_body_in_chunks_is_bounded_too)
{
    struct flow_harness *h = opened("{\"max_body\": 4, \"key\": \"path\"}");
    static const char head[] = "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    char text[256];
    int size = snprintf(text, sizeof(text), "%s2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", head);
    assert_answer(h, client(h, text, (size_t)size), 202);
    size = snprintf(text, sizeof(text), "%s2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", head);
    assert_answer(h, client(h, text, (size_t)size), 413);
    assert_string_equal(flow_harness_text(h, 0), "abcd\n");
    assert_string_equal(flow_harness_record(h, 0, 0)->key, "/p");
    flow_harness_free(h);
}

TEST(hundreds_of_clients_are_open_at_a_time)
{
    enum { CLIENTS = 300 };
    struct flow_harness *h = opened("{}");
    int fds[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = post(h, "/", "", "x");
        assert_int_equal(flow_harness_step(h), FLOW_OK);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_answer(h, fds[i], 202);
    assert_int_equal(flow_harness_count(h, 0), CLIENTS);
    flow_harness_free(h);
}

TEST(one_connection_brings_request_after_request)
{
    struct flow_harness *h = opened("{\"count\": 3}");
    static const char text[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na";
    const int fd = client(h, text, sizeof(text) - 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(status_of(h, fd), 202);
        assert_int_equal(send(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
    }
    step_until(h, 3);
    assert_int_equal(flow_harness_step(h), FLOW_ECLOSED);
    flow_harness_free(h);
    assert_answer(h, fd, 202);
}

TEST(after_delivery_a_client_is_answered_once_a_checkpoint_holds_its_record)
{
    struct flow_harness *h = opened("{\"answer\": \"delivery\"}");
    struct flow_harness_saved saved = {0};
    const int first = post(h, "/", "", "first");
    step_until(h, 1);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    const int second = post(h, "/", "", "second");
    step_until(h, 2);
    assert_int_equal(status_now(first), 0);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    assert_answer(h, first, 200);
    assert_int_equal(status_now(second), 0);

    free(saved.bytes);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    assert_answer(h, second, 200);
    free(saved.bytes);
    flow_harness_free(h);
}

TEST(what_is_not_delivered_in_time_is_answered_504)
{
    struct flow_harness *h = opened("{\"answer\": \"delivery\", \"within\": \"5ms\"}");
    assert_answer(h, post(h, "/", "", "x"), 504);
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
}

TEST(a_run_that_ends_answers_503_to_whoever_still_waits)
{
    struct flow_harness *h = opened("{\"answer\": \"delivery\"}");
    const int fd = post(h, "/", "", "x");
    step_until(h, 1);
    flow_harness_free(h);
    assert_answer(NULL, fd, 503);
}

TEST(it_ends_when_nothing_has_come_for_a_while)
{
    struct flow_harness *h = opened("{\"idle\": \"5ms\"}");
    assert_answer(h, post(h, "/", "", "x"), 202);
    enum flow_status rc;
    while ((rc = flow_harness_step(h)) == FLOW_OK) {
    }
    assert_int_equal(rc, FLOW_ECLOSED);
    assert_int_equal(flow_harness_count(h, 0), 1);
    flow_harness_free(h);
}

TEST(the_number_of_requests_goes_on_where_it_was)
{
    struct flow_harness *h = opened("{\"count\": 2}");
    struct flow_harness_saved saved = {0};
    assert_answer(h, post(h, "/", "", "x"), 202);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);

    h = opened("{\"count\": 2}");
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    const int fd = post(h, "/", "", "y");
    step_until(h, 1);
    assert_int_equal(flow_harness_step(h), FLOW_ECLOSED);
    assert_int_equal(status_now(fd), 202);
    (void)close(fd);
    free(saved.bytes);
    flow_harness_free(h);
}

TEST(a_run_that_is_aborted_while_it_emits_answers_503)
{
    struct flow_harness *h = flow_harness_new(
        type, &(struct flow_harness_options){.with = "{}", .checkpoints = true, .abort_after = 1});
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    const int fd = post(h, "/", "", "x");
    enum flow_status rc;
    while ((rc = flow_harness_step(h)) == FLOW_OK) {
    }
    assert_int_equal(rc, FLOW_EABORT);
    flow_harness_free(h);
    assert_answer(NULL, fd, 503);
}

TEST(what_cannot_be_done_is_refused_with_the_reason)
{
    static const struct {
        const char *with, *reason;
    } cases[] = {
        {"{\"address\": \"nowhere\"}", "'address' is 'nowhere', not an address in numbers"},
        {"{\"address\": \"192.0.2.1\"}", "cannot listen on 192.0.2.1 port 0: "},
        {"{\"key\": \"body\"}", "'key' is 'body'; possible are 'path' and 'header:NAME'"},
        {"{\"key\": \"header:\"}", "'key' is 'header:'; possible are"},
        {"{\"token\": \"\"}", "'token' is empty, which everybody knows"},
        {"{\"paths\": [\"hooks\"]}", "'paths' has 'hooks'; a path begins with '/'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            flow_harness_new(type, &(struct flow_harness_options){.with = cases[i].with});
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        assert_non_null(strstr(flow_harness_failure(h), cases[i].reason));
        flow_harness_free(h);
    }
    char *refusal = flow_harness_refusal(type, "{\"port\": 65536}");
    assert_non_null(refusal);
    assert_non_null(strstr(refusal, "65536"));
    free(refusal);
}

TEST(a_port_that_is_taken_is_named)
{
    struct flow_harness *h = opened("{}");
    char with[64];
    (void)snprintf(with, sizeof(with), "{\"port\": %u}", port_of(h));
    struct flow_harness *other =
        flow_harness_new(type, &(struct flow_harness_options){.with = with});
    assert_int_equal(flow_harness_open(other), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(other), "Address already in use; port 0 takes"));
    flow_harness_free(other);
    flow_harness_free(h);
}

TEST(answers_after_delivery_need_checkpoints)
{
    struct flow_harness *h = flow_harness_new(
        type, &(struct flow_harness_options){.with = "{\"answer\": \"delivery\"}"});
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "only a run that takes checkpoints knows of"));
    assert_null(flow_harness_weakness(h));
    flow_harness_free(h);
    h = opened("{}");
    assert_string_equal(flow_harness_weakness(h),
                        "clients do not send again what has been accepted");
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_of_a_request_is_a_record_and_accepted),
        cmocka_unit_test(one_that_is_not_to_be_taken_is_told_why_and_emits_nothing),
        cmocka_unit_test(a_body_in_chunks_is_bounded_too),
        cmocka_unit_test(hundreds_of_clients_are_open_at_a_time),
        cmocka_unit_test(one_connection_brings_request_after_request),
        cmocka_unit_test(after_delivery_a_client_is_answered_once_a_checkpoint_holds_its_record),
        cmocka_unit_test(what_is_not_delivered_in_time_is_answered_504),
        cmocka_unit_test(a_run_that_ends_answers_503_to_whoever_still_waits),
        cmocka_unit_test(it_ends_when_nothing_has_come_for_a_while),
        cmocka_unit_test(the_number_of_requests_goes_on_where_it_was),
        cmocka_unit_test(a_run_that_is_aborted_while_it_emits_answers_503),
        cmocka_unit_test(what_cannot_be_done_is_refused_with_the_reason),
        cmocka_unit_test(a_port_that_is_taken_is_named),
        cmocka_unit_test(answers_after_delivery_need_checkpoints),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
