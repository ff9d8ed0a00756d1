/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

static struct flow_plan *plan_of(const struct hand *h)
{
    const struct flow_plan_options options = {.cpus = 2};
    struct flow_plan *plan = flow_plan_new(&h->graph, &options, NULL);
    assert_non_null(plan);
    return plan;
}

/* clang-format off */
static const char wordcount_text[] =
    "hand\n"
    "7 stages as 9 replicas joined by 11 links; auto means 2 workers\n"
    "\n"
    "Stages\n"
    "  STAGE  TYPE         ROLE      WORKERS                        ORDER OF RESULTS  A BAD RECORD\n"
    "  read   lines.read   producer  1                              as emitted        stop\n"
    "  words  text.words   worker    2 (auto: the cores)            as it comes       stop\n"
    "  count  count.keys   worker    2                              within a key      stop\n"
    "  top    sort.top     worker    1 (auto: the type allows one)  as emitted        stop\n"
    "  print  lines.write  consumer  1                                                stop\n"
    "  lines  sort.top     worker    1                              as emitted        stop\n"
    "  total  lines.write  consumer  1                                                stop\n"
    "\n"
    "Edges: different stages each get every record; the workers of one stage share them\n"
    "  FROM → TO      SHARE    LINKS  ROOM ON EACH          WHEN FULL  TAKEN         OVER\n"
    "  read → words   balance  2      2 batches, 128.0 KiB  block      as they come  memory\n"
    "  words → count  key      4      32 batches, 2.0 MiB   block      as they come  memory\n"
    "  count → top    -        2      32 batches, 2.0 MiB   block      as they come  memory\n"
    "  top → print    -        1      32 batches, 2.0 MiB   block      as they come  memory\n"
    "  read → lines   -        1      32 batches, 2.0 MiB   block      as they come  memory\n"
    "  lines → total  -        1      32 batches, 2.0 MiB   block      as they come  memory\n"
    "\n"
    "Processes\n"
    "  9 threads of this process: read, words ×2, count ×2, top, print, lines, total\n"
    "\n"
    "Memory\n"
    "  in flight    19.4 MiB at most\n"
    "  the engine   about 18.3 MiB beside\n"
    "  a batch      64.0 KiB or 8192 records\n"
    "  descriptors  63 in the process that opens the most\n"
    "\n"
    "If something crashes\n"
    "  All stages are threads of one process and share its fate: a crash in one ends the run.\n"
    "  What was in flight is lost, and nothing is delivered again: start the run anew.\n";

static const char mixed_text[] =
    "hand\n"
    "7 stages as 11 replicas joined by 21 links; auto means 2 workers\n"
    "\n"
    "Stages\n"
    "  STAGE        TYPE         ROLE       WORKERS  ORDER OF RESULTS               A BAD RECORD\n"
    "  read         lines.read   producer   1        as emitted                     stop\n"
    "  parse        text.words   worker     3        of its input                   retry 3 times after 10.0 ms to 1.0 s, then route\n"
    "  split.order  -            sequencer  1        as emitted\n"
    "  split        text.split   worker     2        as it comes (dealt out again)  stop\n"
    "  join         text.join    worker     2        as it comes (several inputs)   stop\n"
    "  print        inspect      consumer   1                                       stop\n"
    "  dead         lines.write  consumer   1                                       skip\n"
    "\n"
    "Edges: different stages each get every record; the workers of one stage share them\n"
    "  FROM → TO                SHARE    LINKS  ROOM ON EACH                         WHEN FULL  TAKEN         OVER\n"
    "  read → parse             balance  3      3 batches, 17.8 KiB                  block      as they come  ipc\n"
    "  parse → split.order      -        3      100 batches, 593.8 KiB, 100 records  block      by number     ipc\n"
    "  split.order → split      balance  2      2 batches, 11.9 KiB                  block      as they come  memory\n"
    "  split.short → join.left  balance  4      2 batches, 11.9 KiB                  block      as they come  memory\n"
    "  split.long → join.right  balance  4      2 batches, 11.9 KiB                  block      as they come  memory\n"
    "  join → print             -        2      32 batches, 190.0 KiB                block      as they come  memory\n"
    "  parse.errors → dead      -        3      8 batches, 47.5 KiB                  block      as they come  ipc\n"
    "\n"
    "Sequencers\n"
    "  split.order gives what reaches split one order, which its 2 workers then keep\n"
    "\n"
    "Processes\n"
    "  8 threads of this process: read, split.order, split ×2, join ×2, print, dead\n"
    "  3 processes of one thread each: parse ×3\n"
    "\n"
    "Memory\n"
    "  in flight    8.0 MiB at most, of 8.0 MiB that run.memory allows\n"
    "  shared       of that, what crosses processes, in 38.9 MiB of addresses\n"
    "  the engine   about 66.8 MiB beside\n"
    "  a batch      32.0 KiB or 4096 records\n"
    "  descriptors  83 in the process that opens the most\n"
    "\n"
    "If something crashes\n"
    "  A process that dies ends the run, with its stage, its pid and its signal in the message.\n"
    "  The stages of the launcher's own process share its fate.\n"
    "  What was in flight is lost, and nothing is delivered again: start the run anew.\n";
/* clang-format on */

/* Ports, a sequencer, an isolated stage, an errors port, queues, retries, run.memory. */
static struct hand *mixed(void)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t parse = hand_stage(h, "parse", &hand_map, 3);
    const size_t split = hand_stage(h, "split", &hand_split, 2);
    const size_t join = hand_stage(h, "join", &hand_join, 2);
    const size_t print = hand_stage(h, "print", &hand_either, 1);
    const size_t dead = hand_stage(h, "dead", &hand_sink, 1);
    h->graph.memory = (uint64_t)8 << 20;
    h->stages[parse].isolate = true;
    h->stages[parse].errors = (struct flow_error_policy){
        .then = FLOW_ROUTE,
        .retries = 3,
        .backoff_ns = INT64_C(10000000),
        .backoff_max_ns = INT64_C(1000000000),
    };
    h->stages[dead].errors.then = FLOW_SKIP;
    (void)hand_edge(h, read, parse);
    hand_edge(h, parse, split)->queue = (struct flow_queue){.items = 100};
    (void)hand_edge(h, split, join);
    struct flow_graph_edge *edge = hand_edge(h, split, join);
    edge->from_port = edge->to_port = 1;
    (void)hand_edge(h, join, print);
    hand_edge(h, parse, dead)->from_port = FLOW_PORT_ERRORS;
    return h;
}

static void check_text(const struct hand *h, const char *expected)
{
    struct flow_plan *plan = plan_of(h);
    struct flow_str text = {0};
    flow_plan_explain(plan, &text);
    assert_string_equal(text.text, expected);
    flow_str_clear(&text);
    flow_plan_free(plan);
}

TEST(wordcount_is_explained_on_one_screen)
{
    struct hand *h = hand_wordcount();
    check_text(h, wordcount_text);
    hand_free(h);
}

TEST(ports_queues_sequencers_and_processes_are_explained)
{
    struct hand *h = mixed();
    check_text(h, mixed_text);
    hand_free(h);
}

static bool explains(const struct hand *h, const char *words)
{
    struct flow_plan *plan = plan_of(h);
    struct flow_str text = {0};
    flow_plan_explain(plan, &text);
    const bool found = strstr(text.text, words) != NULL;
    flow_str_clear(&text);
    flow_plan_free(plan);
    return found;
}

TEST(every_promise_of_order_has_words_of_its_own)
{
    static const struct {
        unsigned workers;
        enum flow_order order;
        enum flow_share share;
        const char *words;
    } cases[] = {
        {1, FLOW_ORDER_INPUT, FLOW_BALANCE, "  as emitted"},
        {3, FLOW_ORDER_INPUT, FLOW_BALANCE, "  of its input"},
        {3, FLOW_ORDER_NONE, FLOW_BALANCE, "  as it comes  "},
        {3, FLOW_ORDER_KEY, FLOW_KEY, "  within a key"},
        {3, FLOW_ORDER_NONE, FLOW_KEY, "  as it comes  "},
        {3, FLOW_ORDER_INPUT, FLOW_ALL, "  as it comes, each worker's own kept"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand *h = hand_new();
        const size_t read = hand_stage(h, "read", &hand_source, 1);
        const size_t work = hand_stage(h, "work", &hand_map, cases[i].workers);
        const size_t print = hand_stage(h, "print", &hand_sink, 1);
        hand_edge(h, read, work)->share = cases[i].share;
        (void)hand_edge(h, work, print);
        h->stages[work].order = cases[i].order;
        assert_true(explains(h, cases[i].words));
        hand_free(h);
    }
}

TEST(a_sequencer_before_an_edge_that_may_drop_is_explained)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 3);
    const size_t show = hand_stage(h, "show", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    hand_edge(h, work, show)->queue.when_full = FLOW_DROP_OLD;
    assert_true(explains(h, "  show.work.order puts results in order before the edge to show, "
                            "which may drop some\n"));
    hand_free(h);
}

static const struct flow_stage_type light_sink = {
    .name = "null", .role = FLOW_CONSUMER, .traits = FLOW_LIGHT};

static struct hand *with_fused(enum flow_mode mode)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 2);
    const size_t look = hand_stage(h, "look", &hand_map, 1);
    const size_t drop = hand_stage(h, "drop", &light_sink, 1);
    h->graph.mode = mode;
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, look);
    (void)hand_edge(h, look, drop);
    return h;
}

TEST(fused_stages_are_explained)
{
    struct hand *h = with_fused(FLOW_THREADS);
    assert_true(explains(h, "  look → drop  -        1      one batch in hand"));
    assert_true(explains(h, "as they come  call\n"));
    assert_true(explains(h, "  4 threads of this process: read, work ×2, look + drop\n"
                            "  stages joined by + are fused: one thread runs them, each calling "
                            "the next\n"));
    hand_free(h);
    h = with_fused(FLOW_PROCESSES);
    assert_true(explains(h, "  4 processes of one thread each: read, work ×2, look + drop\n"));
    assert_true(explains(h, "  Fused stages are one process and share its fate.\n"));
    hand_free(h);
}

TEST(the_json_says_what_is_fused)
{
    struct hand *h = with_fused(FLOW_PROCESSES);
    struct flow_plan *plan = plan_of(h);
    json_t *json = flow_plan_json(plan);
    static const char *const into[] = {NULL, NULL, NULL, "look"};
    json_t *stages = json_object_get(json, "stages");
    json_t *edges = json_object_get(json, "edges");
    json_t *replicas = json_object_get(json, "replicas");
    for (size_t i = 0; i < COUNT(into); i++) {
        const json_t *value = json_object_get(json_array_get(stages, i), "fused_into");
        assert_non_null(value);
        assert_true(json_is_null(value) == (into[i] == NULL));
        if (into[i] != NULL)
            assert_string_equal(json_string_value(value), into[i]);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(json_is_true(json_object_get(json_array_get(edges, i), "fused")), i == 2);
    const char *const keys[] = {"thread", "process"};
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_true(json_equal(json_object_get(json_array_get(replicas, 3), keys[i]),
                               json_object_get(json_array_get(replicas, 4), keys[i])));
    json_decref(json);
    flow_plan_free(plan);
    hand_free(h);
}

TEST(one_worker_by_auto_says_why)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t count = hand_stage(h, "count", &hand_count, FLOW_WORKERS_AUTO);
    (void)hand_edge(h, read, count);
    assert_true(explains(h, "1 (auto: keeps state, not shared by key)"));
    hand_free(h);
}

TEST(the_description_and_the_key_are_shown)
{
    char description[] = "counts words";
    char key[] = "/customer";
    struct hand *h = hand_wordcount();
    h->graph.description = description;
    h->edges[1].key = key;
    assert_true(explains(h, "hand: counts words\n"));
    assert_true(explains(h, "key /customer"));
    hand_free(h);
}

TEST(one_process_per_replica_is_what_a_crash_takes)
{
    struct hand *h = hand_wordcount();
    h->graph.mode = FLOW_PROCESSES;
    assert_true(explains(h, "\nProcesses\n  9 processes of one thread each: read, words ×2,"));
    assert_true(explains(h, "\nIf something crashes\n  A process that dies ends the run, "));
    assert_false(explains(h, "share its fate"));
    hand_free(h);
}

static json_t *at(json_t *json, const char *list, size_t index)
{
    json_t *item = json_array_get(json_object_get(json, list), index);
    assert_non_null(item);
    return item;
}

static const char *text_of(json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    assert_non_null(text);
    return text;
}

static json_int_t number_of(json_t *json, const char *key)
{
    assert_true(json_is_integer(json_object_get(json, key)));
    return json_integer_value(json_object_get(json, key));
}

TEST(the_json_says_what_the_text_says)
{
    struct hand *h = mixed();
    struct flow_plan *plan = plan_of(h);
    json_t *json = flow_plan_json(plan);
    assert_non_null(json);
    assert_string_equal(text_of(json, "graph"), "hand");
    assert_string_equal(text_of(json, "mode"), "threads");
    assert_int_equal(number_of(json, "cpus"), 2);
    assert_int_equal(number_of(json, "links"), plan->link_count);
    assert_int_equal(number_of(json, "descriptors"), plan->descriptors);
    char digest[20];
    (void)snprintf(digest, sizeof(digest), "%016" PRIx64, flow_plan_digest(plan));
    assert_string_equal(text_of(json, "digest"), digest);

    assert_int_equal(json_array_size(json_object_get(json, "stages")), 7);
    json_t *parse = at(json, "stages", 1);
    assert_string_equal(text_of(parse, "type"), "text.words");
    assert_true(json_is_true(json_object_get(parse, "numbered")));
    assert_true(json_is_true(json_object_get(parse, "isolate")));
    assert_int_equal(number_of(json_object_get(parse, "errors"), "retries"), 3);
    json_t *sequencer = at(json, "stages", 2);
    assert_string_equal(text_of(sequencer, "role"), "sequencer");
    assert_true(json_is_null(json_object_get(sequencer, "type")));
    assert_true(json_is_null(json_object_get(sequencer, "errors")));

    json_t *edge = at(json, "edges", 1);
    assert_string_equal(text_of(edge, "from"), "parse");
    assert_string_equal(text_of(edge, "to"), "split.order");
    assert_string_equal(text_of(edge, "when_full"), "block");
    assert_true(json_is_true(json_object_get(edge, "by_number")));
    assert_int_equal(number_of(json_object_get(edge, "each_link"), "records"), 100);
    assert_true(json_is_true(json_object_get(at(json, "edges", 2), "sequencer")));

    assert_string_equal(text_of(at(json, "replicas", 2), "name"), "parse[1]");
    assert_int_equal(number_of(at(json, "replicas", 2), "process"), 2);
    assert_int_equal(number_of(at(json, "processes", 0), "replicas"), 8);
    assert_int_equal(number_of(json_object_get(json, "memory"), "allowed"), 8 << 20);
    assert_int_equal(number_of(json_object_get(json, "memory"), "in_flight"), plan->flight_bytes);
    json_decref(json);
    flow_plan_free(plan);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wordcount_is_explained_on_one_screen),
        cmocka_unit_test(ports_queues_sequencers_and_processes_are_explained),
        cmocka_unit_test(every_promise_of_order_has_words_of_its_own),
        cmocka_unit_test(a_sequencer_before_an_edge_that_may_drop_is_explained),
        cmocka_unit_test(fused_stages_are_explained),
        cmocka_unit_test(the_json_says_what_is_fused),
        cmocka_unit_test(one_worker_by_auto_says_why),
        cmocka_unit_test(the_description_and_the_key_are_shown),
        cmocka_unit_test(one_process_per_replica_is_what_a_crash_takes),
        cmocka_unit_test(the_json_says_what_the_text_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
