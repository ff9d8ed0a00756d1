/* SPDX-License-Identifier: MIT */
/* Graphs as stages of graphs; what is refused lies in tests/bad_graphs/part-*. */
#include "graph/graph.h"

#include <stdlib.h>

#include "base/mem.h"
#include "support/check.h"
#include "support/fake_types.h"

static const char count_part[] =
    "{ \"flowrun\": 1,\n"
    "  \"params\": { \"n\": { \"type\": \"int\", \"default\": 3 },\n"
    "    \"lower\": { \"type\": \"bool\", \"default\": false } },\n"
    "  \"defaults\": { \"errors\": \"skip\", \"queue\": { \"items\": 7 } },\n"
    "  \"ports\": { \"in\": { \"in\": [\"words\", \"lines\"] },\n"
    "    \"out\": { \"out\": \"top\", \"lines\": \"lines\", \"bad\": \"words.errors\" } },\n"
    "  \"stages\": {\n"
    "    \"words\": { \"use\": \"text.words\", \"errors\": \"route\",\n"
    "      \"with\": { \"lower\": \"${param:lower}\" } },\n"
    "    \"top\": { \"use\": \"sort.top\", \"from\": \"words\", \"with\": { \"n\": \"${param:n}\" "
    "} },\n"
    "    \"lines\": { \"use\": \"count.records\" }\n"
    "  } }";

static const char nested_part[] =
    "{ \"flowrun\": 1, \"params\": { \"n\": { \"type\": \"int\" } },\n"
    "  \"ports\": { \"in\": { \"records\": \"count.in\" }, \"out\": { \"best\": \"count\" } },\n"
    "  \"stages\": {\n"
    "    \"count\": { \"use\": \"./count.json\", \"with\": { \"n\": \"${param:n}\" } },\n"
    "    \"drop\": { \"use\": \"null\", \"from\": [\"count.lines\", \"count.bad\"] }\n"
    "  } }";

static char *load(void *context, const char *path, size_t *size, struct flow_error *err)
{
    const char *text = strcmp(path, "graphs/count.json") == 0 ? count_part : NULL;
    (void)context;
    if (strcmp(path, "graphs/nested.json") == 0)
        text = nested_part;
    char *copy = text != NULL ? flow_strdup(text) : NULL;
    if (copy == NULL)
        (void)flow_fail(err, text != NULL ? FLOW_ENOMEM : FLOW_EIO, "cannot open '%s'", path);
    *size = copy != NULL ? strlen(copy) : 0;
    return copy;
}

static const struct flow_types types = {.find = fake_find, .names = fake_names, .load = load};

static struct flow_graph *read_with(const char *text, const char *const *sets,
                                    const char *const *workers)
{
    const struct flow_graph_options options = {
        .path = "graphs/outer.json", .sets = sets, .workers = workers};
    struct flow_diag diag = {0};
    struct flow_graph *graph = flow_graph_read(text, strlen(text), &options, &types, &diag);
    if (graph == NULL) {
        struct flow_str out = {0};
        flow_diag_print(&diag, &out);
        print_error("%s", out.text);
        flow_str_clear(&out);
    }
    flow_diag_clear(&diag);
    assert_non_null(graph);
    return graph;
}

/* The edges as "from.port>to" and a comma, in their order. */
static void assert_edges(const struct flow_graph *graph, const char *expected)
{
    struct flow_str text = {0};
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct flow_graph_edge *edge = &graph->edges[i];
        const struct flow_graph_stage *from = &graph->stages[edge->from];
        flow_str_addf(&text, "%s.%s>%s,", from->name, flow_output_name(from->type, edge->from_port),
                      graph->stages[edge->to].name);
        assert_true(i == 0 || graph->edges[i - 1].to <= edge->to);
    }
    assert_string_equal(text.text, expected);
    flow_str_clear(&text);
}

static const char outer[] =
    "{ \"flowrun\": 1, \"stages\": {\n"
    "  \"read\": { \"use\": \"lines.read\", \"with\": { \"path\": \"a\" } },\n"
    "  \"wc\": { \"use\": \"./count.json\", \"from\": \"read\", \"with\": { \"lower\": true } },\n"
    "  \"print\": { \"use\": \"lines.write\", \"from\": [\"wc\", \"wc.lines\", \"wc.bad\"] } } }";

TEST(the_stages_of_a_part_take_the_place_of_the_stage)
{
    struct flow_graph *graph = read_with(outer, NULL, NULL);
    static const char *const names[] = {"read", "wc/words", "wc/top", "wc/lines", "print"};
    assert_int_equal(graph->stage_count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(graph->stages[i].name, names[i]);
    assert_edges(graph, "read.out>wc/words,wc/words.out>wc/top,read.out>wc/lines,"
                        "wc/top.out>print,wc/lines.out>print,wc/words.errors>print,");
    flow_graph_free(graph);
}

TEST(parameters_come_from_with_and_defaults_from_the_part)
{
    struct flow_graph *graph = read_with(outer, NULL, NULL);
    assert_true(json_is_true(json_object_get(graph->stages[1].with, "lower")));
    assert_int_equal(json_integer_value(json_object_get(graph->stages[2].with, "n")), 3);
    assert_int_equal(graph->stages[1].errors.then, FLOW_ROUTE);
    assert_int_equal(graph->stages[2].errors.then, FLOW_SKIP);
    assert_int_equal(graph->stages[4].errors.then, FLOW_STOP);
    assert_int_equal(graph->edges[1].queue.items, 7);
    assert_int_equal(graph->edges[0].queue.items, 0); /* it stands in the outer graph */
    flow_graph_free(graph);
}

TEST(the_command_line_names_stages_of_a_part)
{
    static const char *const sets[] = {"wc/top.n=9", NULL};
    static const char *const workers[] = {"wc/words=4", NULL};
    struct flow_graph *graph = read_with(outer, sets, workers);
    assert_int_equal(graph->stages[1].workers, 4);
    assert_int_equal(json_integer_value(json_object_get(graph->stages[2].with, "n")), 9);
    flow_graph_free(graph);
}

TEST(parts_have_parts_and_one_may_be_used_twice)
{
    struct flow_graph *graph = read_with(
        "{ \"flowrun\": 1, \"stages\": {\n"
        "  \"read\": { \"use\": \"lines.read\", \"with\": { \"path\": \"a\" } },\n"
        "  \"a\": { \"use\": \"./nested.json\", \"with\": { \"n\": 1 },\n"
        "    \"inputs\": { \"records\": { \"stage\": \"read\", \"queue\": { \"items\": 5 } } } },\n"
        "  \"b\": { \"use\": \"nested.json\", \"from\": \"a\", \"with\": { \"n\": 2 } },\n"
        "  \"print\": { \"use\": \"lines.write\", \"from\": \"b.best\" } } }",
        NULL, NULL);
    static const char *const names[] = {"read",   "a/count/words", "a/count/top", "a/count/lines",
                                        "a/drop", "b/count/words", "b/count/top", "b/count/lines",
                                        "b/drop", "print"};
    assert_int_equal(graph->stage_count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(graph->stages[i].name, names[i]);
    assert_edges(graph,
                 "read.out>a/count/words,a/count/words.out>a/count/top,read.out>a/count/lines,"
                 "a/count/lines.out>a/drop,a/count/words.errors>a/drop,"
                 "a/count/top.out>b/count/words,b/count/words.out>b/count/top,"
                 "a/count/top.out>b/count/lines,"
                 "b/count/lines.out>b/drop,b/count/words.errors>b/drop,b/count/top.out>print,");
    assert_int_equal(graph->edges[0].queue.items, 5);
    assert_int_equal(json_integer_value(json_object_get(graph->stages[2].with, "n")), 1);
    assert_int_equal(json_integer_value(json_object_get(graph->stages[6].with, "n")), 2);
    flow_graph_free(graph);
}

TEST(a_test_of_the_graph_names_stages_of_a_part)
{
    struct flow_graph *graph =
        read_with("{ \"flowrun\": 1, \"stages\": {\n"
                  "  \"read\": { \"use\": \"lines.read\", \"with\": { \"path\": \"a\" } },\n"
                  "  \"wc\": { \"use\": \"./count.json\", \"from\": \"read\" },\n"
                  "  \"print\": { \"use\": \"lines.write\", \"from\": [\"wc\", \"wc.bad\", "
                  "\"wc.lines\"] } },\n"
                  "  \"tests\": [ { \"name\": \"t\", \"feed\": { \"read\": [] },\n"
                  "    \"expect\": { \"wc/words.errors\": [], \"wc/top\": [] } } ] }",
                  NULL, NULL);
    assert_int_equal(graph->tests[0].expects[0].stage, 1);
    assert_int_equal(graph->tests[0].expects[0].port, FLOW_PORT_ERRORS);
    assert_int_equal(graph->tests[0].expects[1].stage, 2);
    flow_graph_free(graph);
}

TEST(a_reading_without_memory_leaves_nothing_behind)
{
    const struct flow_graph_options options = {.path = "graphs/outer.json"};
    static const char text[] =
        "{ \"flowrun\": 1, \"stages\": {\n"
        "  \"read\": { \"use\": \"lines.read\", \"with\": { \"path\": \"a\" } },\n"
        "  \"a\": { \"use\": \"./nested.json\", \"from\": \"read\", \"with\": { \"n\": 1 } },\n"
        "  \"b\": { \"use\": \"./nested.json\", \"from\": \"a.best\", \"with\": { \"n\": 1 } },\n"
        "  \"print\": { \"use\": \"lines.write\", \"from\": \"b\" } } }";
    int run_through = 0;
    int n = 0;
    for (; run_through < 300 && n < 100000; n++) {
        struct flow_diag diag = {0};
        flow_mem_fail_at(n);
        struct flow_graph *graph = flow_graph_read(text, strlen(text), &options, &types, &diag);
        flow_mem_fail_at(-1);
        assert_true(graph != NULL || diag.failed || diag.count > 0);
        if (graph != NULL)
            assert_int_equal(graph->stage_count, 10);
        run_through = graph != NULL ? run_through + 1 : 0;
        flow_graph_free(graph);
        flow_diag_clear(&diag);
    }
    assert_in_range(n - run_through, 500, 10000);
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
        cmocka_unit_test(the_stages_of_a_part_take_the_place_of_the_stage),
        cmocka_unit_test(parameters_come_from_with_and_defaults_from_the_part),
        cmocka_unit_test(the_command_line_names_stages_of_a_part),
        cmocka_unit_test(parts_have_parts_and_one_may_be_used_twice),
        cmocka_unit_test(a_test_of_the_graph_names_stages_of_a_part),
        cmocka_unit_test(a_reading_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, use_our_allocator, NULL);
}
