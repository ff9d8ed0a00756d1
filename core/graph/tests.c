/* SPDX-License-Identifier: MIT */
/* "tests": what goes into the graph in place of its producers, and what is to come out. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

/* A list, or, with one value that is none, a list of that.  A new reference; NULL: no memory. */
static json_t *as_list(const struct flow_node *node)
{
    return json_is_array(node->json) ? json_incref(node->json) : json_pack("[O]", node->json);
}

static void take_list(struct flow_reader *r, const struct flow_node *node, json_t **out)
{
    if (node == NULL || node->broken)
        return;
    *out = as_list(node);
    if (*out == NULL)
        (void)flow_reader_no_memory(r);
}

/* The same, of a value that has to be a list. */
static void read_records(struct flow_reader *r, const struct flow_node *node, json_t **out)
{
    if (node == NULL || node->broken)
        return;
    if (!json_is_array(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node), "as in [\"one\", \"two\"]",
                      "'%s' must be a list of records, not %s", flow_cut(node->key).text,
                      flow_show(node).text);
        return;
    }
    take_list(r, node, out);
}

/* The stage that the `size` bytes at `name` name, or a finding at the key of `node`. */
static size_t find_stage(struct flow_reader *r, const struct flow_node *node, const char *name,
                         size_t size)
{
    char *copy = flow_strndup(name, size);
    if (copy == NULL) {
        (void)flow_reader_no_memory(r);
        return FLOW_NO_STAGE;
    }
    const size_t stage = flow_reader_find(r, copy);
    if (stage == FLOW_NO_STAGE) {
        struct flow_str hint = {0};
        flow_hint_closest(&hint, copy, r->names);
        flow_diag_add(r->diag, FLOW_AT_KEY(node), hint.text, "no stage is named '%s'",
                      flow_cut(copy).text);
        flow_str_clear(&hint);
    }
    free(copy);
    return stage;
}

/* ---- feed ---- */

static void read_feed(struct flow_reader *r, const struct flow_node *node,
                      struct flow_graph_test *test)
{
    struct flow_graph_feed *feed = &test->feeds[test->feed_count++];
    feed->stage = find_stage(r, node, node->key, strlen(node->key));
    read_records(r, node, &feed->records);
    if (feed->stage == FLOW_NO_STAGE)
        return;
    const struct flow_graph_stage *stage = &r->graph->stages[feed->stage];
    if (stage->type != NULL && stage->type->role != FLOW_PRODUCER)
        flow_diag_add(r->diag, FLOW_AT_KEY(node), "feed the producers that it reads from",
                      "stage '%s' (%s) is no producer: records cannot take its place", stage->name,
                      stage->type->name);
}

static void read_feeds(struct flow_reader *r, const struct flow_node *node,
                       struct flow_graph_test *test)
{
    if (node == NULL || !flow_field_is_object(r, node) || node->count == 0)
        return;
    test->feeds = flow_calloc(node->count, sizeof(*test->feeds));
    if (test->feeds == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        read_feed(r, &node->items[i], test);
}

/* ---- expect ---- */

static void check_pattern(struct flow_reader *r, const struct flow_node *node)
{
    regex_t compiled;
    const char *text = NULL;
    if (!flow_field_string(r, node, &text))
        return;
    const int rc = regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB);
    if (rc == 0) {
        regfree(&compiled);
        return;
    }
    char why[128];
    (void)regerror(rc, &compiled, why, sizeof(why));
    flow_diag_add(r->diag, FLOW_AT(node), NULL, "this is no regular expression: %s", why);
}

static void read_matches(struct flow_reader *r, const struct flow_node *node,
                         struct flow_graph_expect *expect)
{
    if (node == NULL)
        return;
    if (!json_is_array(node->json))
        check_pattern(r, node);
    for (size_t i = 0; json_is_array(node->json) && i < node->count; i++)
        check_pattern(r, &node->items[i]);
    take_list(r, node, &expect->matches);
}

static void read_conditions(struct flow_reader *r, const struct flow_node *node,
                            struct flow_graph_expect *expect)
{
    static const char *const keys[] = {"records", "unordered", "contains",
                                       "matches", "count",     NULL};
    static const struct flow_words words = {keys, NULL};
    if (json_is_array(node->json)) {
        take_list(r, node, &expect->records);
        return;
    }
    if (!json_is_object(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node), "as in [\"one\", \"two\"] or { \"count\": 2 }",
                      "'%s' must be a list of records or an object, not %s",
                      flow_cut(node->key).text, flow_show(node).text);
        return;
    }
    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);
    if (node->count == 0)
        flow_diag_add(r->diag, FLOW_AT(node), "records, unordered, contains, matches or count",
                      "'%s' says nothing about the records", flow_cut(node->key).text);
    read_records(r, flow_node_get(node, "records"), &expect->records);
    read_records(r, flow_node_get(node, "unordered"), &expect->unordered);
    take_list(r, flow_node_get(node, "contains"), &expect->contains);
    read_matches(r, flow_node_get(node, "matches"), expect);
    (void)flow_field_int(r, flow_node_get(node, "count"), 0, INT64_MAX, &expect->count);
}

static void report_port(struct flow_reader *r, const struct flow_node *node,
                        const struct flow_graph_stage *stage, const char *port)
{
    struct flow_str known = {0};
    for (const struct flow_port *at = flow_type_outputs(stage->type); at->name != NULL; at++)
        flow_str_addf(&known, "%s, ", at->name);
    flow_diag_add(r->diag, FLOW_AT_KEY(node), NULL,
                  "stage '%s' (%s) has no output '%s'; it has: %serrors", stage->name,
                  stage->type->name, flow_cut(port).text, known.text != NULL ? known.text : "");
    flow_str_clear(&known);
}

/* `port`: as the test names it; NULL: the first, or all that a consumer takes. */
static void find_port(struct flow_reader *r, const struct flow_node *node, const char *port,
                      struct flow_graph_expect *expect)
{
    const struct flow_graph_stage *stage = &r->graph->stages[expect->stage];
    if (stage->type == NULL)
        return;
    expect->consumer = port == NULL && stage->type->role == FLOW_CONSUMER;
    if (port == NULL)
        return;
    if (stage->type->role == FLOW_CONSUMER) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node), "name the stage alone to look at what it takes",
                      "stage '%s' (%s) is a consumer: a test does not run it", stage->name,
                      stage->type->name);
        return;
    }
    if (strcmp(port, "errors") == 0) {
        expect->port = FLOW_PORT_ERRORS;
        if (stage->errors.then != FLOW_ROUTE)
            flow_diag_add(r->diag, FLOW_AT_KEY(node), NULL,
                          "nothing will arrive from '%s': the error policy of '%s' is %s",
                          flow_cut(node->key).text, stage->name,
                          flow_on_error_name(stage->errors.then));
        return;
    }
    const struct flow_port *outputs = flow_type_outputs(stage->type);
    while (outputs[expect->port].name != NULL && strcmp(outputs[expect->port].name, port) != 0)
        expect->port++;
    if (outputs[expect->port].name == NULL)
        report_port(r, node, stage, port);
}

static void read_expect(struct flow_reader *r, const struct flow_node *node,
                        struct flow_graph_test *test)
{
    struct flow_graph_expect *expect = &test->expects[test->expect_count++];
    const char *dot = strchr(node->key, '.');
    expect->count = -1;
    expect->line = flow_text_line(r->diag, node->key_offset);
    expect->label = flow_strdup(node->key);
    if (expect->label == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    read_conditions(r, node, expect);
    expect->stage =
        find_stage(r, node, node->key, dot != NULL ? (size_t)(dot - node->key) : strlen(node->key));
    if (expect->stage != FLOW_NO_STAGE)
        find_port(r, node, dot != NULL ? dot + 1 : NULL, expect);
}

static void read_expects(struct flow_reader *r, const struct flow_node *node,
                         struct flow_graph_test *test)
{
    if (node == NULL || !flow_field_is_object(r, node) || node->count == 0)
        return;
    test->expects = flow_calloc(node->count, sizeof(*test->expects));
    if (test->expects == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        read_expect(r, &node->items[i], test);
}

/* ---- faults ---- */

static void read_fault_kind(struct flow_reader *r, const struct flow_node *node,
                            struct flow_graph_fault *fault)
{
    static const char *const kinds[] = {"fail", "kill", "delay", NULL};
    static const struct flow_words words = {kinds, NULL};
    const struct flow_node *kind = flow_node_get(node, "do");
    const struct flow_node *time = flow_node_get(node, "for");
    const struct flow_node *reason = flow_node_get(node, "reason");
    int which = 0;
    if (kind == NULL)
        flow_diag_add(r->diag, FLOW_AT(node), "fail, kill or delay", "this fault has no 'do'");
    else if (!flow_field_word(r, kind, &words, &which))
        return;
    fault->kind = (enum flow_fault_kind)which;
    (void)flow_field_duration(r, time, &fault->delay_ns);
    flow_field_copy(r, reason, &fault->reason);
    if (time == NULL && fault->kind == FLOW_FAULT_DELAY)
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "a delay needs 'for', how long");
    if (time != NULL && fault->kind != FLOW_FAULT_DELAY)
        flow_diag_add(r->diag, FLOW_AT_KEY(time), NULL, "'for' goes with \"do\": \"delay\" only");
    if (reason != NULL && fault->kind != FLOW_FAULT_FAIL)
        flow_diag_add(r->diag, FLOW_AT_KEY(reason), NULL,
                      "'reason' goes with \"do\": \"fail\" only");
}

static void read_fault_stage(struct flow_reader *r, const struct flow_node *node,
                             struct flow_graph_fault *fault)
{
    const char *name = NULL;
    const struct flow_node *stage = flow_node_get(node, "stage");
    if (stage == NULL) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "this fault has no 'stage'");
        return;
    }
    if (!flow_field_string(r, stage, &name))
        return;
    fault->stage = find_stage(r, stage, name, strlen(name));
    if (fault->stage == FLOW_NO_STAGE)
        return;
    const struct flow_graph_stage *at = &r->graph->stages[fault->stage];
    if (at->type != NULL && at->type->role == FLOW_PRODUCER)
        flow_diag_add(r->diag, FLOW_AT(stage), "name a stage that reads from it",
                      "stage '%s' (%s) is a producer: it is handed no records", at->name,
                      at->type->name);
}

static void read_fault(struct flow_reader *r, const struct flow_node *node,
                       struct flow_graph_test *test)
{
    static const char *const keys[] = {"stage", "record", "do", "times", "for", "reason", NULL};
    static const struct flow_words words = {keys, NULL};
    struct flow_graph_fault *fault = &test->faults[test->fault_count++];
    int64_t record = 0;
    int64_t times = 1;
    fault->stage = FLOW_NO_STAGE;
    if (!flow_field_is_object(r, node))
        return;
    (void)flow_field_check_keys(r, node, &words, FLOW_OWN_KEYS);
    read_fault_stage(r, node, fault);
    read_fault_kind(r, node, fault);
    if (flow_node_get(node, "record") == NULL)
        flow_diag_add(r->diag, FLOW_AT(node), "numbers begin with 0", "this fault has no 'record'");
    (void)flow_field_int(r, flow_node_get(node, "record"), 0, INT64_MAX, &record);
    (void)flow_field_int(r, flow_node_get(node, "times"), 1, 1000, &times);
    fault->record = (uint64_t)record;
    fault->times = (uint64_t)times;
}

static void read_faults(struct flow_reader *r, const struct flow_node *node,
                        struct flow_graph_test *test)
{
    if (node == NULL || node->broken)
        return;
    if (!json_is_array(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node),
                      "as in [{ \"stage\": \"a\", \"record\": 0, \"do\": \"fail\" }]",
                      "'faults' must be a list, not %s", flow_show(node).text);
        return;
    }
    test->faults = flow_calloc(node->count + 1, sizeof(*test->faults));
    if (test->faults == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        read_fault(r, &node->items[i], test);
}

/* ---- a test ---- */

static void read_env(struct flow_reader *r, const struct flow_node *node,
                     struct flow_graph_test *test)
{
    const char *text;
    if (node == NULL || !flow_field_is_object(r, node))
        return;
    for (size_t i = 0; i < node->count; i++)
        (void)flow_field_string(r, &node->items[i], &text);
    test->env = json_incref(node->json);
}

static void read_test(struct flow_reader *r, const struct flow_node *node)
{
    static const char *const keys[] = {"name",   "params", "env",    "feed",
                                       "expect", "faults", "within", NULL};
    static const struct flow_words words = {keys, NULL};

    struct flow_graph_test *test = &r->graph->tests[r->graph->test_count++];
    test->within_ns = FLOW_TEST_NS;
    test->line = flow_text_line(r->diag, node->offset);
    if (!flow_field_is_object(r, node))
        return;
    (void)flow_field_check_keys(r, node, &words, FLOW_OWN_KEYS);
    const struct flow_node *name = flow_node_get(node, "name");
    const struct flow_node *params = flow_node_get(node, "params");
    if (name == NULL)
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "this test has no 'name'");
    flow_field_copy(r, name, &test->name);
    if (params != NULL && flow_field_is_object(r, params))
        flow_reader_given(r, params, r->diag);
    read_env(r, flow_node_get(node, "env"), test);
    read_feeds(r, flow_node_get(node, "feed"), test);
    read_expects(r, flow_node_get(node, "expect"), test);
    read_faults(r, flow_node_get(node, "faults"), test);
    if (flow_field_duration(r, flow_node_get(node, "within"), &test->within_ns) &&
        test->within_ns == 0)
        flow_diag_add(r->diag, FLOW_AT(flow_node_get(node, "within")), NULL,
                      "'within' must be longer than nothing");
    if (test->expect_count == 0 && flow_node_get(node, "expect") == NULL)
        flow_diag_add(r->diag, FLOW_AT(node), "add \"expect\": { \"STAGE\": [ ... ] }",
                      "this test expects nothing");
}

void flow_reader_tests(struct flow_reader *r)
{
    const struct flow_node *node = flow_node_get(&r->source->root, "tests");
    if (node == NULL || r->unsure)
        return;
    if (!json_is_array(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'tests' must be a list, not %s",
                      flow_show(node).text);
        return;
    }
    if (node->count > FLOW_GRAPH_MAX_TESTS) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node), NULL,
                      "the graph has %zu tests, where at most %d are allowed", node->count,
                      FLOW_GRAPH_MAX_TESTS);
        return;
    }
    r->graph->tests = flow_calloc(node->count + 1, sizeof(*r->graph->tests));
    if (r->graph->tests == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        read_test(r, &node->items[i]);
}
