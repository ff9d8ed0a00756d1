/* SPDX-License-Identifier: MIT */

/* needs: http.get */

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dlfcn.h>

#include "support/check.h"
#include "support/harness.h"

/* http.get and http.post against a server of the test's own (tools/demo_server.c). */

static char address[64];
static pid_t server;
static const struct flow_stage_type *get;
static const struct flow_stage_type *post;

static const struct flow_stage_type *load(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW);
    if (handle == NULL)
        fail_msg("%s", dlerror());
    const struct flow_plugin *plugin = dlsym(handle, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

static int start_server(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    server = fork();
    if (server == 0) {
        (void)dup2(ends[1], 1);
        (void)close(ends[0]);
        (void)execl(FLOW_BINARY_DIR "/bin/demo_server", "demo_server", "--bytes", "100", NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    assert_non_null(said);
    assert_non_null(fgets(address, sizeof(address), said));
    address[strcspn(address, "\n")] = '\0';
    (void)fclose(said);
    get = load(FLOW_BINARY_DIR "/stages/http.get.so");
    post = load(FLOW_BINARY_DIR "/stages/http.post.so");
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    return 0;
}

static void feed_path(struct flow_harness *h, const char *path)
{
    char url[256];
    (void)snprintf(url, sizeof(url), "%s%s", address, path);
    flow_harness_feed(h, url);
}

TEST(many_urls_are_downloaded_at_a_time_each_under_its_own_key)
{
    struct flow_harness *h =
        flow_harness_new(get, &(struct flow_harness_options){.with = "{\"concurrency\": 20}"});
    for (int i = 0; i < 100; i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), "/bytes/%d?delay=%d", i, i % 7);
        feed_path(h, path);
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_reject_count(h), 0);
    assert_int_equal(flow_harness_count(h, 0), 100);
    for (size_t i = 0; i < 100; i++) {
        const struct flow_harness_record *record = flow_harness_record(h, 0, i);
        const char *number = strstr(record->key, "/bytes/");
        assert_non_null(number);
        assert_int_equal(record->size, atoi(number + 7));
    }
    flow_harness_free(h);
}

TEST(no_more_requests_are_open_than_the_stage_may_have)
{
    struct flow_harness *h =
        flow_harness_new(get, &(struct flow_harness_options){.with = "{\"concurrency\": 3}"});
    for (int i = 0; i < 10; i++)
        feed_path(h, "/?delay=3");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_in_range(flow_harness_in_flight(h), 1, 3);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 10);
    flow_harness_free(h);
}

TEST(what_fails_is_refused_with_the_reason_and_nothing_else_suffers)
{
    static const struct {
        const char *path, *reason;
    } cases[] = {
        {"/status/404", "the server answers 404"},
        {"/status/500", "the server answers 500"},
        {"/short", "transfer closed with 990 bytes remaining to read"},
        {"/close", "Empty reply from server"},
        {"/hang", "timed out"},
        {"/bytes/5000", "the answer is larger than max_size (1000 bytes)"},
    };
    struct flow_harness *h = flow_harness_new(
        get,
        &(struct flow_harness_options){.with = "{\"timeout\": \"300ms\", \"max_size\": 1000}"});
    for (size_t i = 0; i < COUNT(cases); i++) {
        feed_path(h, cases[i].path);
        feed_path(h, "/fine");
    }
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), COUNT(cases));
    assert_int_equal(flow_harness_reject_count(h), COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT(cases); k++) {
            const char *reject = flow_harness_reject(h, k);
            found = found || ((size_t)atoi(reject) == 2 * i && strstr(reject, cases[i].path) &&
                              strstr(reject, cases[i].reason) != NULL);
        }
        if (!found)
            fail_msg("%s: %s", cases[i].path, cases[i].reason);
    }
    flow_harness_free(h);
}

TEST(what_is_no_url_is_refused)
{
    static const struct {
        const char *text;
        size_t size;
        const char *reason;
    } cases[] = {
        {"", 0, "0: the URL is empty"},
        {"http://a\0b", 10, "1: the URL has a byte 0"},
        {"not a url", 9, "not a url: "},
        {"file:///etc/passwd", 18, "Protocol \"file\""},
        {"http://127.0.0.1:1/", 19, "Failed to connect to 127.0.0.1 port 1"},
        {"http://no-such-host.invalid/", 28, "Could not resolve host"},
    };
    struct flow_harness *h = flow_harness_new(get, &(struct flow_harness_options){0});
    for (size_t i = 0; i < COUNT(cases); i++)
        flow_harness_feed_bytes(h, cases[i].text, cases[i].size);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 0);
    assert_int_equal(flow_harness_reject_count(h), COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT(cases); k++)
            found = found || strstr(flow_harness_reject(h, k), cases[i].reason) != NULL;
        if (!found)
            fail_msg("%s", cases[i].reason);
    }
    flow_harness_free(h);
}

TEST(what_may_be_for_now_only_is_tried_again)
{
    struct flow_harness *h = flow_harness_new(
        get, &(struct flow_harness_options){.with = "{\"retries\": 2, \"backoff\": \"2ms\"}"});
    feed_path(h, "/flaky"); /* 500, then 200 */
    feed_path(h, "/status/404");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "flaky\n");
    assert_int_equal(flow_harness_reject_count(h), 1);
    flow_harness_free(h);
}

TEST(redirections_are_followed_as_far_as_asked)
{
    struct flow_harness *h =
        flow_harness_new(get, &(struct flow_harness_options){.with = "{\"output\": \"json\"}"});
    feed_path(h, "/redirect/bytes/3");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    json_t *json = json_loads(flow_harness_record(h, 0, 0)->data, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 200);
    assert_string_equal(json_string_value(json_object_get(json, "body")), "xxx");
    assert_string_equal(json_string_value(json_object_get(json, "type")), "text/plain");
    assert_non_null(strstr(json_string_value(json_object_get(json, "redirected_to")), "/bytes/3"));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "headers"), "content-length")),
        "3");
    json_decref(json);
    flow_harness_free(h);

    h = flow_harness_new(
        get, &(struct flow_harness_options){.with = "{\"follow\": 0, \"accept\": [\"3xx\"]}"});
    feed_path(h, "/redirect/x");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_record(h, 0, 0)->size, 0);
    flow_harness_free(h);
}

TEST(urls_are_found_in_json_records)
{
    char text[256];
    struct flow_harness *h =
        flow_harness_new(get, &(struct flow_harness_options){.with = "{\"url\": \"/page/url\"}"});
    (void)snprintf(text, sizeof(text), "{\"page\":{\"url\":\"%s/bytes/2\"}}", address);
    flow_harness_feed(h, text);
    flow_harness_feed(h, "{\"page\":{}}");
    flow_harness_feed(h, "{");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "xx\n");
    assert_string_equal(flow_harness_reject(h, 0),
                        "1: there is no text at '/page/url', where the URL should be");
    assert_non_null(strstr(flow_harness_reject(h, 1), "2: not JSON: "));
    flow_harness_free(h);
}

TEST(a_request_that_takes_too_long_is_dropped)
{
    struct flow_harness *h = flow_harness_new(get, &(struct flow_harness_options){0});
    feed_path(h, "/hang");
    feed_path(h, "/hang");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    flow_harness_drop(h);
    flow_harness_drop(h);
    assert_int_equal(flow_harness_in_flight(h), 0);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    flow_harness_free(h);
}

TEST(it_ends_in_the_middle_of_requests)
{
    struct flow_harness *h =
        flow_harness_new(get, &(struct flow_harness_options){.abort_after = 1});
    for (int i = 0; i < 10; i++)
        feed_path(h, i < 3 ? "/bytes/1" : "/hang");
    assert_int_equal(flow_harness_run(h), FLOW_EABORT);
    flow_harness_free(h);
}

TEST(parameters_that_make_no_sense_are_refused)
{
    static const struct {
        const char *with, *text;
    } cases[] = {
        {"{\"accept\": \"20\"}",
         "'accept' lists statuses of three digits, of which x is any, as 404 or 2xx"},
        {"{\"headers\": \"x\"}", "'headers' lists lines of the form 'Name: value'"},
        {"{\"url\": \"x\"}", "'url' is 'x'; a JSON pointer begins with '/', as '/url'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            flow_harness_new(get, &(struct flow_harness_options){.with = cases[i].with});
        assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
        assert_string_equal(flow_harness_failure(h), cases[i].text);
        flow_harness_free(h);
    }
}

TEST(records_are_posted_and_the_answers_go_on)
{
    char with[256];
    (void)snprintf(with, sizeof(with),
                   "{\"url\": \"%s/echo\", \"number_header\": \"Idempotency-Key\"}", address);
    static const char zeros[3000] = "";
    struct flow_harness *h = flow_harness_new(post, &(struct flow_harness_options){.with = with});
    flow_harness_feed(h, "first");
    flow_harness_feed(h, "");
    flow_harness_feed_bytes(h, zeros, sizeof(zeros));
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    size_t sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum += flow_harness_record(h, 0, i)->size;
    assert_int_equal(sum, 3005);
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_urls_are_downloaded_at_a_time_each_under_its_own_key),
        cmocka_unit_test(no_more_requests_are_open_than_the_stage_may_have),
        cmocka_unit_test(what_fails_is_refused_with_the_reason_and_nothing_else_suffers),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(what_may_be_for_now_only_is_tried_again),
        cmocka_unit_test(redirections_are_followed_as_far_as_asked),
        cmocka_unit_test(urls_are_found_in_json_records),
        cmocka_unit_test(a_request_that_takes_too_long_is_dropped),
        cmocka_unit_test(it_ends_in_the_middle_of_requests),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
        cmocka_unit_test(records_are_posted_and_the_answers_go_on),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
