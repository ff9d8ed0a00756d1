/* SPDX-License-Identifier: MIT */
/* Every allocation of a whole reading fails in its turn, jansson's too. */
#include "base/mem.h"
#include "graph/schema.h"
#include "support/read_graph.h"

#define LONG_TEXT                                                                                  \
    "a text of more than sixteen, thirty-two and sixty-four bytes, for buffers to grow"

/* Uses every part of the reader. */
static const char rich[] =
    "{ \"flowrun\": 1, \"name\": \"rich\", \"description\": \"d\", \"plugins\": [\"./scale.so\"],\n"
    "  \"params\": { \"p\\u0061th\": { \"type\": \"string\", \"default\": \"a${env:HOME:-x}\" },\n"
    "    \"n\": { \"type\": \"int\", \"default\": 2 } },\n"
    "  \"defaults\": { \"queue\": { \"items\": 9 }, \"errors\": { \"retry\": 1,\n"
    "    \"backoff\": \"1ms..2ms\", \"then\": \"skip\" } },\n"
    "  \"stages\": { /* c */\n"
    "    \"read\": { \"use\": \"lines.read\", \"with\": { \"path\": [\"${param:path}.txt\", \"b\"] "
    "} },\n"
    "    \"words\": { \"use\": \"text.words\", \"from\": \"read\", \"workers\": \"${param:n}\" },\n"
    "    \"scale\": { \"use\": \"image.scale\", \"from\": \"image\", \"description\": \"" LONG_TEXT
    "\",\n"
    "      \"with\": { \"headers\": { \"a\": [1, 2.5, null], \"long\": 123456789012345678 } } },\n"
    "    \"image\": { \"use\": \"image.decode\", \"from\": \"read\", \"errors\": \"route\" },\n"
    "    \"count\": { \"use\": \"count.keys\", \"from\": { \"stage\": \"words\", \"share\": "
    "\"key\",\n"
    "      \"key\": \"/a\", \"queue\": { \"bytes\": \"1KiB\" } }, \"workers\": 2, },\n"
    "    \"out\": { \"use\": \"null\", \"from\": [\"count\", \"scale\", \"image.errors\"] }\n"
    "  },\n"
    "  \"tests\": [ { \"name\": \"one\", \"params\": { \"n\": 3 }, \"env\": { \"HOME\": \"y\" },\n"
    "    \"feed\": { \"read\": [\"a\", { \"b\": 1 }] }, \"expect\": { \"out\": [\"x\"],\n"
    "      \"words.out\": { \"contains\": \"x\", \"matches\": \"a\", \"count\": 2 } } } ] }";

/* Wrong in many ways, so that findings and hints are built. */
static const char wrong[] =
    "{ \"flowrun\": 2, \"nam\": \"x\", \"plugins\": [\"./null.so\", \"./no.so\"],\n"
    "  \"params\": { \"path\": { \"type\": \"string\" }, \"n\": { \"type\": \"int\", \"default\": "
    "\"x\" } },\n"
    "  \"run\": { \"mode\": \"thread\" }, \"run\": { \"mode\": \"threads\" },\n"
    "  \"stages\": {\n"
    "    \"read\": { \"use\": \"lines.raed\", \"with\": { \"path\": "
    "\"${param:pth}${x}${env:NO_SUCH_V}\" } },\n"
    "    \"words\": { \"use\": \"text.words\", \"from\": [\"raed\", \"words\"], \"workers\": 0 },\n"
    "    \"grep\": { \"use\": \"text.grep\", \"from\": \"read.oot\", \"errors\": { \"backoff\": "
    "\"2s..1s\" } },\n"
    "    \"scale\": { \"use\": \"./scale.so\", \"from\": \"grep.oot\", \"with\": { \"factr\": 1, "
    "\"factor\": 0 } },\n"
    "    \"a\": { \"use\": \"text.upper\", \"from\": [\"scale\", \"b\", \"b\"], \"order\": "
    "\"inptu\" },\n"
    "    \"b\": { \"use\": \"text.join\", \"inputs\": { \"left\": \"a\", \"rigth\": \"a\" }, "
    "\"errors\": \"route\" },\n"
    "    \"c\": { \"use\": \"count.keys\", \"from\": \"a\", \"workers\": 2 },\n"
    "    \"out\": { \"use\": \"null\", \"from\": [\"c\", \"a.errors\"] }\n"
    "  },\n"
    "  \"tests\": [ { \"params\": { \"pth\": 3 }, \"feed\": { \"raed\": [], \"a\": 1 },\n"
    "    \"expect\": { \"aout\": [], \"a.oot\": { \"matches\": \"(\" } } } ] }";

static const char *const params[] = {"path=c", "other=1", NULL};
static const char *const sets[] = {"scale.factor=3", "scale.x=[1]", NULL};
static const char *const workers[] = {"words=3", NULL};

/* The parts of `rich` that a lost allocation could shorten. */
static void assert_whole(const struct flow_graph *graph)
{
    assert_int_equal(graph->stage_count, 6);
    assert_int_equal(graph->edge_count, 7);
    assert_string_equal(get_stage(graph, "scale")->description, LONG_TEXT);
    const json_t *headers = json_object_get(get_stage(graph, "scale")->with, "headers");
    assert_int_equal(json_integer_value(json_object_get(headers, "long")), 123456789012345678);
    assert_int_equal(json_array_size(json_object_get(headers, "a")), 3);
}

/* Fail the n-th allocation of one reading.  Whether it came to that. */
static bool read_failing_at(int n, const char *text, const struct flow_graph_options *options,
                            bool *accepted)
{
    struct flow_diag diag = {0};
    flow_mem_fail_at(n);
    struct flow_graph *graph = flow_graph_read(text, strlen(text), options, &fake_catalog, &diag);
    flow_mem_fail_at(-1);
    *accepted = graph != NULL;
    if (graph != NULL) /* then nothing of it is missing */
        assert_whole(graph);
    const bool failed = diag.failed;
    assert_true(graph != NULL || failed || diag.count > 0);
    flow_graph_free(graph);
    flow_diag_clear(&diag);
    return failed;
}

/* The reading of `text` with every allocation failing in its turn; returns how many there are. */
static int fail_each(const char *text, const struct flow_graph_options *options)
{
    bool accepted = false;
    bool expected = false;
    (void)read_failing_at(-1, text, options, &expected);
    int run_through = 0;
    int n = 0;
    /* Some allocations are for hints only, so one reading that works is not yet the end. */
    for (; run_through < 300 && n < 100000; n++) {
        const bool failed = read_failing_at(n, text, options, &accepted);
        run_through = failed || accepted != expected ? 0 : run_through + 1;
    }
    return n - run_through;
}

TEST(a_reading_without_memory_fails_and_leaves_nothing_behind)
{
    const struct flow_graph_options options = {.path = "a/rich.json", .params = NULL};
    assert_in_range(fail_each(rich, &options), 300, 5000);
}

TEST(findings_without_memory_are_still_a_refusal)
{
    const struct flow_graph_options options = {
        .path = "wrong.json", .params = params, .sets = sets, .workers = workers, .mode = "x"};
    assert_in_range(fail_each(wrong, &options), 300, 5000);
}

TEST(a_schema_without_memory_says_so_and_leaves_nothing_behind)
{
    json_t *schema = NULL;
    int n = 0;
    for (; n < 100000 && schema == NULL; n++) {
        struct flow_error err = {0};
        flow_mem_fail_at(n);
        schema = flow_graph_schema(&fake_catalog, &err);
        flow_mem_fail_at(-1);
        assert_int_equal(err.status, schema == NULL ? FLOW_ENOMEM : FLOW_OK);
        assert_string_equal(err.text, schema == NULL ? "out of memory for the schema" : "");
    }
    assert_in_range(n, 1000, 50000);
    json_t *whole = flow_graph_schema(&fake_catalog, NULL);
    assert_true(json_equal(schema, whole));
    json_decref(whole);
    json_decref(schema);
}

static int use_our_allocator(void **state)
{
    (void)state;
    json_set_alloc_funcs(flow_alloc, free);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reading_without_memory_fails_and_leaves_nothing_behind),
        cmocka_unit_test(findings_without_memory_are_still_a_refusal),
        cmocka_unit_test(a_schema_without_memory_says_so_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, use_our_allocator, NULL);
}
