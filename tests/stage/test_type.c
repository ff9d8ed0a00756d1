/* SPDX-License-Identifier: MIT */
#include "stage/type.h"

#include <string.h>

#include "stage/plugin.h"
#include "support/check.h"

static enum flow_status take(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    return FLOW_OK;
}

static enum flow_status wake(void *self, struct flow_stage *stage, uint64_t tag, unsigned events)
{
    (void)self;
    (void)stage;
    (void)tag;
    (void)events;
    return FLOW_OK;
}

static void forget(void *self, struct flow_stage *stage, struct flow_token *token)
{
    (void)self;
    (void)stage;
    (void)token;
}

static enum flow_status take_batch(void *self, struct flow_stage *stage,
                                   const struct flow_batch *batch)
{
    (void)self;
    (void)stage;
    (void)batch;
    return FLOW_OK;
}

static enum flow_status make(void *self, struct flow_stage *stage)
{
    (void)self;
    (void)stage;
    return FLOW_ECLOSED;
}

struct state {
    int64_t n;
};

static const struct flow_param good_params[] = {
    FLOW_PARAM_I64(struct state, n, "1", 1, 10, "how many [records]"),
    FLOW_PARAM_END,
};
static const struct flow_param bad_params[] = {
    FLOW_PARAM_I64(struct state, n, "0", 1, 10, "how many [records]"),
    FLOW_PARAM_END,
};

#define PORTS(...) ((const struct flow_port[]){__VA_ARGS__, {NULL, NULL, NULL}})

TEST(sound_types_pass)
{
    const struct flow_stage_type types[] = {
        {.name = "a.b", .help = "h", .role = FLOW_WORKER, .process = take},
        {.name = "a.b.c_2", .help = "h", .role = FLOW_CONSUMER, .process_batch = take_batch},
        {.name = "a.b", .help = "h", .role = FLOW_PRODUCER, .produce = make},
        {.name = "a.b",
         .help = "h",
         .role = FLOW_EITHER,
         .traits = FLOW_STATEFUL | FLOW_SINGLE,
         .inputs = PORTS({"left", "text", "h"}, {"right_2", "image/png", "h"}),
         .outputs = PORTS({"left", "json", "h"}),
         .params = good_params,
         .state_size = sizeof(struct state),
         .process = take},
        /* what a role does not have is not looked at */
        {.name = "a.b", .help = "h", .inputs = PORTS({NULL, NULL, NULL}), .produce = make},
    };
    for (size_t i = 0; i < COUNT(types); i++) {
        struct flow_error err = {0};
        assert_int_equal(flow_type_check(&types[i], &err), FLOW_OK);
        assert_string_equal(err.text, "");
    }
}

TEST(names_are_words_with_dots_between)
{
    static const char *const good[] = {"a", "a.b", "text.grep", "a.b.c", "x1.y_2"};
    static const char *const bad[] = {"",      "a.",   ".a",     "a..b",      "A.b",   "a.B",
                                      "a.b.",  "a b",  "a.1",    "1.a",       "a/b.c", "a.b/c",
                                      "a.b-c", "_a.b", "../a.b", "a.\xc3\xa4"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(flow_type_name_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(flow_type_name_valid(bad[i]));
}

/* One type a fault, each sound but for it. */
static const struct {
    struct flow_stage_type type;
    const char *text;
} faults[] = {
    {{.help = "h", .process = take},
     "a stage type is named ''; a name is a word or several with dots between, as in "
     "'lines.read', of lower-case letters, digits and '_'"},
    {{.name = "Grep", .help = "h", .process = take},
     "a stage type is named 'Grep'; a name is a word or several with dots between, as in "
     "'lines.read', of lower-case letters, digits and '_'"},
    {{.name = "a.b", .role = FLOW_WORKER, .process = take},
     "stage type 'a.b': it needs a line of help in UTF-8"},
    {{.name = "a.b", .help = "a\nb", .role = FLOW_WORKER, .process = take},
     "stage type 'a.b': it needs a line of help in UTF-8"},
    {{.name = "a.b", .help = "\xff", .role = FLOW_WORKER, .process = take},
     "stage type 'a.b': it needs a line of help in UTF-8"},
    {{.name = "a.b", .help = "h", .role = (enum flow_role)7, .process = take},
     "stage type 'a.b': its role is 7, which is none"},
    {{.name = "a.b", .help = "h", .role = FLOW_WORKER, .traits = 32, .process = take},
     "stage type 'a.b': its traits are 0x20; only FLOW_STATEFUL, FLOW_SINGLE, FLOW_LIGHT, "
     "FLOW_OUTSIDE and FLOW_ANSWERS are known"},
    {{.name = "a.b", .help = "h", .role = FLOW_WORKER, .traits = FLOW_ANSWERS, .process = take},
     "stage type 'a.b': FLOW_ANSWERS is of producers, and it is none"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .traits = FLOW_LIGHT,
      .process = take,
      .ready = wake},
     "stage type 'a.b': it has 'ready', so it waits, and FLOW_LIGHT says that it never does"},
    {{.name = "a.b", .help = "h", .role = FLOW_WORKER, .process = take, .drop = forget},
     "stage type 'a.b': it has 'drop' or 'flush', but not both 'ready' and 'process', so it never "
     "holds a record"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .process_batch = take_batch,
      .ready = wake,
      .flush = make},
     "stage type 'a.b': it has 'drop' or 'flush', but not both 'ready' and 'process', so it never "
     "holds a record"},
    {{.name = "a.b", .help = "h", .role = FLOW_PRODUCER, .produce = make, .ready = wake},
     "stage type 'a.b': a producer waits with flow_wait, so it has none of 'ready', 'drop' and "
     "'flush'"},
    {{.name = "a.b", .help = "h", .role = FLOW_PRODUCER},
     "stage type 'a.b': a producer needs the callback 'produce'"},
    {{.name = "a.b", .help = "h", .role = FLOW_PRODUCER, .produce = make, .process = take},
     "stage type 'a.b': a producer takes no records, so it has neither 'process' nor "
     "'process_batch'"},
    {{.name = "a.b", .help = "h", .role = FLOW_CONSUMER, .produce = make, .process = take},
     "stage type 'a.b': only a producer has the callback 'produce'"},
    {{.name = "a.b", .help = "h", .role = FLOW_WORKER},
     "stage type 'a.b': it needs the callback 'process' or 'process_batch'"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_EITHER,
      .process = take,
      .process_batch = take_batch},
     "stage type 'a.b': it has both 'process' and 'process_batch'; one of them is enough"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .inputs = PORTS({"In", "text", "h"}),
      .process = take},
     "stage type 'a.b': a port is named 'In'; a name has lower-case letters, digits and '_', "
     "and begins with a letter"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .outputs = PORTS({"errors", "text", "h"}),
      .process = take},
     "stage type 'a.b': a port is named 'errors', which every stage has"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_PRODUCER,
      .outputs = PORTS({"a", "text", "h"}, {"b", "text", "h"}, {"a", "text", "h"}),
      .produce = make},
     "stage type 'a.b': two ports are named 'a'"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_CONSUMER,
      .inputs = PORTS({"a", NULL, "h"}),
      .process = take},
     "stage type 'a.b': port 'a' has no type"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_CONSUMER,
      .inputs = PORTS({"a", "text", ""}),
      .process = take},
     "stage type 'a.b': port 'a' needs a line of help in UTF-8"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .outputs = PORTS({NULL, NULL, NULL}),
      .process = take},
     "stage type 'a.b': the table of outputs is empty; without one there is the usual port"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .params = bad_params,
      .state_size = sizeof(struct state),
      .process = take},
     "stage type 'a.b': the default does not fit: 'n' is 0; it must be an integer from 1 to "
     "10"},
    {{.name = "a.b",
      .help = "h",
      .role = FLOW_WORKER,
      .params = good_params,
      .state_size = 4,
      .process = take},
     "stage type 'a.b': the field of parameter 'n' lies at 0, outside the state of 4 bytes"},
};

TEST(a_fault_is_named_with_its_type)
{
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct flow_error err = {0};
        assert_int_equal(flow_type_check(&faults[i].type, &err), FLOW_EINVAL);
        assert_string_equal(err.text, faults[i].text);
    }
}

TEST(a_plugin_names_each_type_once)
{
    static const struct flow_stage_type type = {
        .name = "a.b", .help = "h", .role = FLOW_WORKER, .process = take};
    static const struct flow_stage_type same = {
        .name = "a.b", .help = "h", .role = FLOW_WORKER, .process = take};
    const struct flow_stage_type *const types[] = {&type, &same, NULL};
    const struct flow_plugin plugin = {FLOW_PLUGIN_LAYOUT, .types = types};
    struct flow_error err = {0};
    assert_int_equal(flow_plugin_check(&plugin, "x.so", &err), FLOW_EINVAL);
    assert_string_equal(err.text, "plugin 'x.so' has two stage types named 'a.b'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_types_pass),
        cmocka_unit_test(names_are_words_with_dots_between),
        cmocka_unit_test(a_fault_is_named_with_its_type),
        cmocka_unit_test(a_plugin_names_each_type_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
