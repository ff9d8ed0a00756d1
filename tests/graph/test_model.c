/* SPDX-License-Identifier: MIT */
/* Good graphs: what they become. */
#include "graph/graph.h"

#include <stdio.h>

#include "support/read_graph.h"

static const char wordcount[] =
    "{\n"
    "  // a comment\n"
    "  \"$schema\": \"./flowrun.schema.json\",\n"
    "  \"flowrun\": 1, \"name\": \"wordcount\", \"description\": \"counts words\",\n"
    "  \"x-owner\": { \"anything\": [\"${not:replaced}\"] },\n"
    "  \"params\": { \"input\": { \"type\": \"string\", \"default\": \"book.txt\" } },\n"
    "  \"defaults\": { \"queue\": { \"items\": 1000, \"when_full\": \"drop_old\" },\n"
    "                  \"errors\": { \"retry\": 2, \"backoff\": \"10ms..1s\", \"then\": \"skip\" } "
    "},\n"
    "  \"run\": { \"mode\": \"processes\", \"pin\": \"compact\", \"memory\": \"512MiB\", "
    "\"drain\": \"5s\" },\n"
    "  \"stages\": {\n"
    "    \"read\":  { \"use\": \"lines.read\", \"with\": { \"path\": \"${param:input}\" },\n"
    "                 \"errors\": \"stop\", \"x-note\": \"${kept}\" },\n"
    "    \"words\": { \"use\": \"text.words\", \"from\": \"read\", \"workers\": \"auto\",\n"
    "                 \"order\": \"none\", \"isolate\": true, \"description\": \"splits\",\n"
    "                 \"cpus\": \"6,0-2,2,7-7\" },\n"
    "    \"count\": { \"use\": \"count.keys\", \"workers\": 2,\n"
    "                 \"from\": { \"stage\": \"words\", \"share\": \"key\", \"key\": \"/a~1b/0\",\n"
    "                             \"queue\": { \"items\": 7, \"bytes\": 4096 } } },\n"
    "    \"top\":   { \"use\": \"sort.top\", \"from\": [\"count\", ], \"with\": { \"n\": 20 } },\n"
    "    \"print\": { \"use\": \"lines.write\", \"inputs\": { \"in\": \"top.out\" } },\n"
    "    \"lines\": { \"use\": \"count.records\", \"from\": { \"stage\": \"read\", \"share\": "
    "\"all\",\n"
    "                 \"queue\": { \"when_full\": \"fail\" } }, \"errors\": \"route\" },\n"
    "    \"total\": { \"use\": \"lines.write\", \"from\": [\"lines\", \"lines.errors\"] }\n"
    "  }\n"
    "}\n";

TEST(a_graph_keeps_its_head)
{
    const struct flow_graph_options options = {.path = "graphs/wc.json"};
    struct flow_graph *graph = read_graph(wordcount, &options);
    assert_string_equal(graph->name, "wordcount");
    assert_string_equal(graph->description, "counts words");
    assert_string_equal(graph->folder, "graphs");
    assert_int_equal(graph->mode, FLOW_PROCESSES);
    assert_int_equal(graph->pin, FLOW_PIN_COMPACT);
    assert_int_equal(graph->memory, 512 << 20);
    assert_int_equal(graph->drain_ns, 5000000000);
    flow_graph_free(graph);
}

TEST(stages_stand_in_file_order_with_all_they_were_given)
{
    struct flow_graph *graph = read_graph(wordcount, NULL);
    static const char *const names[] = {"read", "words", "count", "top", "print", "lines", "total"};
    assert_int_equal(graph->stage_count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(graph->stages[i].name, names[i]);

    const struct flow_graph_stage *read = get_stage(graph, "read");
    assert_string_equal(read->type->name, "lines.read");
    assert_string_equal(json_string_value(json_object_get(read->with, "path")), "book.txt");
    assert_int_equal(read->workers, 1);
    assert_int_equal(read->errors.then, FLOW_STOP);
    assert_int_equal(read->errors.retries, 0);
    assert_false(read->isolate);
    assert_null(read->cpus);
    assert_int_equal(read->cpu_count, 0);
    assert_null(read->description);

    const struct flow_graph_stage *words = get_stage(graph, "words");
    assert_int_equal(words->workers, FLOW_WORKERS_AUTO);
    assert_int_equal(words->order, FLOW_ORDER_NONE);
    assert_true(words->isolate);
    assert_string_equal(words->description, "splits");
    static const uint32_t cpus[] = {0, 1, 2, 6, 7};
    assert_int_equal(words->cpu_count, COUNT(cpus));
    assert_memory_equal(words->cpus, cpus, sizeof(cpus));
    assert_null(words->with);
    assert_int_equal(words->errors.then, FLOW_SKIP);
    assert_int_equal(words->errors.retries, 2);
    assert_int_equal(words->errors.backoff_ns, 10000000);
    assert_int_equal(words->errors.backoff_max_ns, 1000000000);

    assert_int_equal(get_stage(graph, "count")->order, FLOW_ORDER_KEY);
    assert_int_equal(get_stage(graph, "top")->order, FLOW_ORDER_INPUT);
    assert_int_equal(get_stage(graph, "lines")->errors.then, FLOW_ROUTE);
    assert_int_equal(get_stage(graph, "lines")->errors.retries, 0);
    flow_graph_free(graph);
}

static void assert_edge(const struct flow_graph *graph, size_t index, const char *ends,
                        enum flow_share share)
{
    const struct flow_graph_edge *edge = &graph->edges[index];
    const struct flow_graph_stage *from = &graph->stages[edge->from];
    const struct flow_graph_stage *to = &graph->stages[edge->to];
    char text[200];
    (void)snprintf(text, sizeof(text), "%s.%s -> %s.%s", from->name,
                   flow_output_name(from->type, edge->from_port), to->name,
                   flow_type_inputs(to->type)[edge->to_port].name);
    assert_string_equal(text, ends);
    assert_int_equal(edge->share, share);
}

TEST(edges_stand_in_the_order_of_their_readers)
{
    struct flow_graph *graph = read_graph(wordcount, NULL);
    assert_int_equal(graph->edge_count, 7);
    assert_edge(graph, 0, "read.out -> words.in", FLOW_BALANCE);
    assert_edge(graph, 1, "words.out -> count.in", FLOW_KEY);
    assert_edge(graph, 2, "count.out -> top.in", FLOW_BALANCE);
    assert_edge(graph, 3, "top.out -> print.in", FLOW_BALANCE);
    assert_edge(graph, 4, "read.out -> lines.in", FLOW_ALL);
    assert_edge(graph, 5, "lines.out -> total.in", FLOW_BALANCE);
    assert_edge(graph, 6, "lines.errors -> total.in", FLOW_BALANCE);
    assert_int_equal(graph->edges[6].from_port, FLOW_PORT_ERRORS);
    assert_string_equal(graph->edges[1].key, "/a~1b/0");
    assert_null(graph->edges[0].key);
    flow_graph_free(graph);
}

TEST(a_queue_takes_from_the_defaults_what_it_does_not_say)
{
    struct flow_graph *graph = read_graph(wordcount, NULL);
    const struct flow_queue *plain = &graph->edges[0].queue;
    assert_int_equal(plain->items, 1000);
    assert_int_equal(plain->bytes, 0);
    assert_int_equal(plain->when_full, FLOW_DROP_OLD);
    const struct flow_queue *narrow = &graph->edges[1].queue;
    assert_int_equal(narrow->items, 7);
    assert_int_equal(narrow->bytes, 4096);
    assert_int_equal(narrow->when_full, FLOW_DROP_OLD);
    assert_int_equal(graph->edges[4].queue.when_full, FLOW_FAIL);
    flow_graph_free(graph);
}

TEST(what_is_not_said_has_its_default)
{
    struct flow_graph *graph = read_graph(
        "{\"flowrun\":1,\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
        "\"o\":{\"use\":\"null\",\"from\":\"n\",\"errors\":{\"retry\":3,\"backoff\":\"5ms\"}}}}",
        NULL);
    assert_string_equal(graph->name, "graph");
    assert_null(graph->description);
    assert_string_equal(graph->folder, ".");
    assert_int_equal(graph->mode, FLOW_THREADS);
    assert_int_equal(graph->memory, 0);
    assert_int_equal(graph->drain_ns, 0);
    assert_int_equal(graph->edges[0].queue.items, 0);
    assert_int_equal(graph->edges[0].queue.when_full, FLOW_BLOCK);
    const struct flow_error_policy *errors = &get_stage(graph, "o")->errors;
    assert_int_equal(errors->then, FLOW_STOP);
    assert_int_equal(errors->retries, 3);
    assert_int_equal(errors->backoff_ns, 5000000);
    assert_int_equal(errors->backoff_max_ns, 5000000); /* one duration: it does not double */
    flow_graph_free(graph);
}

TEST(a_graph_without_a_name_is_named_after_its_file)
{
    static const struct {
        const char *path, *name, *folder;
    } cases[] = {
        {"wc.json", "wc", "."},
        {"/a/b.c/wc.graph.json", "wc.graph", "/a/b.c"},
        {"/wc", "wc", "/"},
        {"-", "graph", "."},
        {"./.hidden", ".hidden", "."},
        {NULL, "graph", "."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_graph_options options = {.path = cases[i].path};
        struct flow_graph *graph = read_graph(
            "{\"flowrun\":1,\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
            "\"o\":{\"use\":\"null\",\"from\":\"n\"}}}",
            &options);
        assert_string_equal(graph->name, cases[i].name);
        assert_string_equal(graph->folder, cases[i].folder);
        flow_graph_free(graph);
    }
}

TEST(several_inputs_and_outputs_keep_their_ports)
{
    struct flow_graph *graph = read_graph(
        "{\"flowrun\":1,\"stages\":{"
        "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
        "\"grep\":{\"use\":\"text.grep\",\"from\":\"n\",\"with\":{\"pattern\":\"1\"}},"
        "\"join\":{\"use\":\"text.join\",\"inputs\":{\"right\":[\"grep.unmatched\",\"n\"],"
        "\"left\":\"grep\"}},"
        "\"o\":{\"use\":\"null\",\"from\":\"join\"}}}",
        NULL);
    assert_edge(graph, 1, "grep.unmatched -> join.right", FLOW_BALANCE);
    assert_edge(graph, 2, "n.out -> join.right", FLOW_BALANCE);
    assert_edge(graph, 3, "grep.out -> join.left", FLOW_BALANCE);
    flow_graph_free(graph);
}

TEST(bytes_flow_everywhere_and_json_flows_into_text)
{
    static const char *const chains[][2] = {
        {"image.decode", "image.encode"}, /* bytes to an image and back */
        {"json.parse", "text.upper"},     /* json into text */
        {"sleep", "json.fields"},         /* bytes into json */
        {"text.upper", "json.parse"},
    };
    for (size_t i = 0; i < COUNT(chains); i++) {
        char text[400];
        (void)snprintf(
            text, sizeof(text),
            "{\"flowrun\":1,\"stages\":{"
            "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
            "\"a\":{\"use\":\"%s\",\"from\":\"n\"},\"b\":{\"use\":\"%s\",\"from\":\"a\"},"
            "\"o\":{\"use\":\"null\",\"from\":\"b\"}}}",
            chains[i][0], chains[i][1]);
        flow_graph_free(read_graph(text, NULL));
    }
}

TEST(a_listed_plugin_brings_its_type_under_its_name)
{
    struct flow_graph *graph = read_graph(
        "{\"flowrun\":1,\"plugins\":[\"scale.so\"],\"stages\":{"
        "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
        "\"i\":{\"use\":\"image.decode\",\"from\":\"n\"},"
        "\"a\":{\"use\":\"image.scale\",\"from\":\"i\",\"with\":{\"factor\":2,\"headers\":{\"x-a\":"
        "\"${env:FLOWRUN_TEST_NOT_SET:-b}\"}}},"
        "\"b\":{\"use\":\"./scale.so:image.scale\",\"from\":\"a\"},"
        "\"o\":{\"use\":\"null\",\"from\":\"b\"}}}",
        NULL);
    assert_ptr_equal(get_stage(graph, "a")->type, &fake_plugin_scale);
    assert_ptr_equal(get_stage(graph, "b")->type, &fake_plugin_scale);
    const json_t *headers = json_object_get(get_stage(graph, "a")->with, "headers");
    assert_string_equal(json_string_value(json_object_get(headers, "x-a")), "b");
    flow_graph_free(graph);
}

TEST(a_keyed_stage_may_promise_no_order_and_one_worker_any)
{
    struct flow_graph *graph = read_graph(
        "{\"flowrun\":1,\"stages\":{"
        "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
        "\"a\":{\"use\":\"count.keys\",\"from\":{\"stage\":\"n\",\"share\":\"key\"},\"workers\":2,"
        "\"order\":\"none\"},"
        "\"b\":{\"use\":\"count.keys\",\"from\":{\"stage\":\"n\",\"share\":\"key\"},"
        "\"order\":\"input\"},"
        "\"c\":{\"use\":\"cpu.squares\",\"from\":\"n\",\"workers\":2,\"order\":\"key\"},"
        "\"o\":{\"use\":\"null\",\"from\":[\"a\",\"b\",\"c\"]}}}",
        NULL);
    assert_int_equal(get_stage(graph, "a")->order, FLOW_ORDER_NONE);
    assert_int_equal(get_stage(graph, "b")->order, FLOW_ORDER_INPUT);
    assert_int_equal(get_stage(graph, "c")->order, FLOW_ORDER_KEY);
    flow_graph_free(graph);
}

TEST(a_type_that_may_end_a_path_needs_no_reader_and_a_second_output_neither)
{
    flow_graph_free(
        read_graph("{\"flowrun\":1,\"stages\":{"
                   "\"n\":{\"use\":\"gen.sequence\",\"with\":{\"count\":1}},"
                   "\"g\":{\"use\":\"text.grep\",\"with\":{\"pattern\":\"1\"},\"from\":\"n\"},"
                   "\"i\":{\"use\":\"inspect\",\"from\":\"g.unmatched\"}}}",
                   NULL));
}

TEST(enum_values_have_the_names_of_the_file)
{
    assert_string_equal(flow_share_name(FLOW_BALANCE), "balance");
    assert_string_equal(flow_share_name(FLOW_ALL), "all");
    assert_string_equal(flow_order_name(FLOW_ORDER_NONE), "none");
    assert_string_equal(flow_when_full_name(FLOW_DROP_OLD), "drop_old");
    assert_string_equal(flow_on_error_name(FLOW_ROUTE), "route");
}

TEST(ports_that_a_type_leaves_out_are_filled_in_by_its_role)
{
    const struct flow_stage_type worker = {.name = "w", .role = FLOW_WORKER};
    const struct flow_stage_type producer = {
        .name = "p", .role = FLOW_PRODUCER, .inputs = fake_bytes_in};
    const struct flow_stage_type consumer = {
        .name = "c", .role = FLOW_CONSUMER, .outputs = fake_bytes_out};
    assert_string_equal(flow_type_inputs(&worker)[0].name, "in");
    assert_string_equal(flow_type_outputs(&worker)[0].type, "bytes");
    assert_int_equal(flow_port_count(flow_type_inputs(&producer)), 0);
    assert_int_equal(flow_port_count(flow_type_outputs(&producer)), 1);
    assert_int_equal(flow_port_count(flow_type_outputs(&consumer)), 0);
    assert_string_equal(flow_output_name(&consumer, FLOW_PORT_ERRORS), "errors");
}

/* A chain of `count` stages; the last one is a consumer.  The caller's own. */
static char *make_chain(size_t count)
{
    struct flow_str text = {0};
    flow_str_add(&text, "{\"flowrun\":1,\"stages\":{\"s0\":{\"use\":\"gen.sequence\",\"with\":"
                        "{\"count\":1}}");
    for (size_t i = 1; i < count; i++)
        flow_str_addf(&text, ",\"s%zu\":{\"use\":\"%s\",\"from\":\"s%zu\"}", i,
                      i + 1 < count ? "sleep" : "null", i - 1);
    flow_str_add(&text, "}}");
    return flow_str_take(&text);
}

TEST(a_graph_may_have_ten_thousand_stages_and_not_one_more)
{
    char *text = make_chain(FLOW_GRAPH_MAX_STAGES);
    struct flow_graph *graph = read_graph(text, NULL);
    assert_int_equal(graph->stage_count, FLOW_GRAPH_MAX_STAGES);
    flow_graph_free(graph);
    free(text);

    text = make_chain(FLOW_GRAPH_MAX_STAGES + 1);
    char *messages = NULL;
    assert_null(try_graph(text, NULL, &messages));
    assert_non_null(
        strstr(messages, "the graph has 10001 stages, where at most 10000 are allowed"));
    free(messages);
    free(text);
}

TEST(no_more_than_a_hundred_findings_are_shown_and_all_are_counted)
{
    struct flow_str text = {0};
    flow_str_add(&text, "{\"flowrun\":1,\"stages\":{\"n\":{\"use\":\"gen.sequence\",\"with\":"
                        "{\"count\":1}},\"o\":{\"use\":\"null\",\"from\":\"n\"");
    for (int i = 0; i < 250; i++)
        flow_str_addf(&text, ",\"k%d\":1", i);
    flow_str_add(&text, "}}}");
    char *messages = NULL;
    assert_null(try_graph(text.text, NULL, &messages));
    assert_non_null(strstr(messages, "250 errors in <memory>, of which 150 are not shown"));
    free(messages);
    flow_str_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_keeps_its_head),
        cmocka_unit_test(stages_stand_in_file_order_with_all_they_were_given),
        cmocka_unit_test(edges_stand_in_the_order_of_their_readers),
        cmocka_unit_test(a_queue_takes_from_the_defaults_what_it_does_not_say),
        cmocka_unit_test(what_is_not_said_has_its_default),
        cmocka_unit_test(a_graph_without_a_name_is_named_after_its_file),
        cmocka_unit_test(several_inputs_and_outputs_keep_their_ports),
        cmocka_unit_test(bytes_flow_everywhere_and_json_flows_into_text),
        cmocka_unit_test(a_listed_plugin_brings_its_type_under_its_name),
        cmocka_unit_test(a_keyed_stage_may_promise_no_order_and_one_worker_any),
        cmocka_unit_test(a_type_that_may_end_a_path_needs_no_reader_and_a_second_output_neither),
        cmocka_unit_test(enum_values_have_the_names_of_the_file),
        cmocka_unit_test(ports_that_a_type_leaves_out_are_filled_in_by_its_role),
        cmocka_unit_test(a_graph_may_have_ten_thousand_stages_and_not_one_more),
        cmocka_unit_test(no_more_than_a_hundred_findings_are_shown_and_all_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
